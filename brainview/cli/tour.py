"""``brainview tour --out DIR``: the real panels, driven off screen, into pictures, maps and a report."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from brainview.cli.terminal import add_json, print_json, terminal_job
from brainview.core.errors import FormatError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the results")
    parser.add_argument("--subjects", type=int, default=2, help="phantom subjects (2)")
    parser.add_argument("--train", type=int, default=240, help="training images of each (240)")
    parser.add_argument("--test", type=int, default=60, help="test images, shown three times (60)")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the tour and say where the report is."""
    out = args.out.expanduser().resolve()
    if out.exists() and (not out.is_dir() or any(p.suffix not in (".png", ".html", ".csv", "") and p.name != "run.json"
                                                 for p in out.iterdir())):
        raise FormatError("is not an empty folder or an earlier tour", where=out, remedy="Name a new folder.")
    os.environ["QT_QPA_PLATFORM"] = "offscreen"  # no window appears on somebody's screen
    os.environ.setdefault("QT_API", "pyside6")
    from brainview.app.tour import run as walk

    settings = {"subjects": args.subjects, "train": args.train, "test": args.test}
    with terminal_job(quiet=args.json) as context:
        report = walk(out, context=context, settings=settings)
    if args.json:
        print_json({"report": report, "pictures": sorted(p.name for p in out.glob("*.png"))})
    else:
        print(f"The report is {report}")
    return 0

