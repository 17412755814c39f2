"""``brainview submit RUN --out ZIP``: predictions of the test pictures as the challenge wants them, checked."""

from __future__ import annotations

import argparse
from typing import Any

from brainview.cli.terminal import add_json, print_json, terminal_job
from brainview.core.errors import FormatError, MismatchError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run_folder", metavar="RUN", nargs="?", help="run folder that 'brainview train' wrote")
    parser.add_argument("--out", metavar="ZIP", help="file to write, or a new folder for the same files")
    parser.add_argument("--check", metavar="ZIP", help="only check this file or folder")
    parser.add_argument("--data", metavar="PATH", help="with --check: data set that gives the expected counts")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Write or check; 1 when the challenge would refuse the file."""
    from brainview.encoding.submission import check_submission, write_submission

    if bool(args.check) == bool(args.run_folder and args.out):
        raise MismatchError("give a run and --out ZIP, or --check ZIP")
    if args.check:
        found = check_submission(args.check, dataset=args.data)
    else:
        with terminal_job(quiet=args.json) as context:
            found = write_submission(args.run_folder, args.out, context=context)
    if args.json:
        print_json(found)
    else:
        print(_text(found))
    if found["problems"] and not args.json:
        raise FormatError(f"would be refused: {len(found['problems'])} problems, the first: {found['problems'][0]}",
                          where=found["file"])
    return 1 if found["problems"] else 0


def _text(found: dict[str, Any]) -> str:
    lines = [f"{found['file']}: {found['bytes'] / 1e6:.1f} MB, {len(found['files'])} arrays"]
    lines += [f"  {name}  {shape[0]} x {shape[1]:,}" for name, shape in sorted(found["files"].items())]
    lines += [f"problem: {p}" for p in found["problems"]] + [f"note: {w}" for w in found["warnings"]]
    return "\n".join(lines + ([] if found["problems"] else ["in order"]))
