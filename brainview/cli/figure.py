"""``brainview figure KIND SOURCE... --out FILE``: a figure of alignment as PNG, SVG, PDF, or its numbers as CSV."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

from brainview.cli.terminal import add_json, print_json, terminal_job
from brainview.core.errors import MissingError

KINDS = {"responses": "DATA: high-response locations of every subject and their union",
         "curves": "RUN...: recall against k of one or several runs, or NAME=RUN",
         "captions": "CSV of benchmark alignment --tables clip: R@1 by source of captions",
         "grid": "FOLDER of batch attributions: mean maps by two settings, such as layer and beta, method and subject"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("kind", choices=sorted(KINDS), help="; ".join(f"{k}: {v}" for k, v in KINDS.items()))
    parser.add_argument("source", nargs="+", help="what the kind takes")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=".png, .svg, .pdf or .csv")
    parser.add_argument("--subject", metavar="ID", help="curves: of one subject (default: mean over subjects)")
    parser.add_argument("--subjects", nargs="+", metavar="ID", help="responses: which (default: all)")
    parser.add_argument("--share", type=float, default=0.1, help="responses: share of locations that are high (0.1)")
    parser.add_argument("--rows", default="layer", help="grid: setting of the rows, or subject (layer)")
    parser.add_argument("--columns", default="beta", help="grid: setting of the columns, or subject (beta)")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Draw and write."""
    import os

    from PySide6.QtGui import QGuiApplication

    from brainview.app.figures.sheet import check_form

    check_form(args.out)  # before anything is computed
    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # no window is opened
    program = QGuiApplication.instance() or QGuiApplication(["brainview"])
    with terminal_job(quiet=args.json) as context:
        sheet = MAKERS[args.kind](args, context)
    path = sheet.save(args.out)
    del program
    print_json({"file": path, "title": sheet.title, "rows": len(sheet.table[1])}) if args.json else print(path)
    return 0


def _responses(args: argparse.Namespace, context: Any) -> Any:
    from brainview.alignment.responses import high_responses
    from brainview.app.figures.alignment import responses_sheet

    found = high_responses(args.source[0], subjects=args.subjects, share=args.share, context=context)
    return responses_sheet(found.maps, found.union, share=found.share, phantom=found.phantom,
                           story={"figure": "responses", "data": args.source[0], "share": found.share})


def _curves(args: argparse.Namespace, context: Any) -> Any:
    from brainview.alignment.comparison import recall_curves
    from brainview.app.figures.alignment import curves_sheet
    from brainview.training.run import RunFolder

    runs = {}
    for text in args.source:
        name, sign, path = text.partition("=")
        runs[name if sign else Path(text).name] = path if sign else text
    phantom = any(RunFolder.open(p).card("last").get("phantom") for p in runs.values())
    who = args.subject or "mean over subjects"
    return curves_sheet(recall_curves(runs, args.subject), phantom=bool(phantom), title=f"Retrieval curves, {who}",
                        story={"figure": "curves", "runs": runs, "subject": who})


def _captions(args: argparse.Namespace, context: Any) -> Any:
    from brainview.app.figures.alignment import captions_sheet
    from brainview.core.files import read_text

    rows = list(csv.DictReader(read_text(Path(args.source[0])).splitlines()))
    wanted = {"texts", "direction", "R@1", "low", "high", "gallery", "chance"}
    if not rows or not wanted <= set(rows[0]):
        raise MissingError("is no table of caption sources", where=args.source[0],
                           remedy="Make one with brainview benchmark alignment --tables clip.")
    return captions_sheet(rows, phantom="phantom" in rows[0].get("clip", ""),
                          story={"figure": "captions", "table": args.source[0]})


def _grid(args: argparse.Namespace, context: Any) -> Any:
    from brainview.app.figures.alignment import grid_sheet
    from brainview.attribution.grid import grid_of

    maps, story = grid_of(args.source[0], args.rows, args.columns)
    stimuli = "–".join(str(n) for n in sorted({min(story["stimuli"]), max(story["stimuli"])}))
    return grid_sheet(maps, f"Attribution by {args.rows} and {args.columns}",
                      f"Mean over {stimuli} stimuli, tokens interpolated to the cortex; nothing finer than a token is "
                      "measured.", phantom=story["phantom"], each_row=args.rows == "method",
                      story={"figure": "grid", **story})


MAKERS: dict[str, Any] = {"responses": _responses, "curves": _curves, "captions": _captions, "grid": _grid}
