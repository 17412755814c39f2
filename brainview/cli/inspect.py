"""``brainview inspect PATH``: what is in a folder, without reading its responses."""

from __future__ import annotations

import argparse
from typing import Any

from brainview.cli.terminal import add_json, print_json, table, terminal_job
from brainview.core.names import shown


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the arguments; the help lists what each layout is known by."""
    from brainview.datasets.registry import readers

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "Each layout is known by what lies in its folder:\n" + "\n".join(
        f"  {r.layout:16}{r.looks_for}" for r in readers())
    parser.add_argument("path", help="a data set: Algonauts 2023 folder, NSD tree, or a folder with dataset.toml")
    parser.add_argument("--rois", action="store_true", help="print the size of every ROI")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the report; exit 0 also when it names problems, since they are what was asked for."""
    from brainview.datasets.jobs import inspect

    with terminal_job(quiet=True) as context:
        report = inspect(args.path, context=context)
    if args.json:
        print_json(report)
    else:
        print(as_text(report, rois=args.rois))
    return 0


def as_text(report: dict[str, Any], *, rois: bool = False) -> str:
    """Return a report of ``datasets.inspect.describe`` for a terminal."""
    lines = [f"{shown(report['name'])}  (layout {report['layout']}{', simulated brains' if report['phantom'] else ''})",
             shown(report["path"]), ""]
    sound = [s for s in report["subjects"] if "error" not in s]
    lines.append(table([_row(s) for s in sound], ["subject", "space", "locations", "trials", "images", "shown",
                                                  "sessions", "ROIs", "ceiling", "median %"]))
    words = "with captions" if report["stimuli"].get("captions") else "without captions"
    lines += ["", f"Stimuli: {report['stimuli']['count']:,} {words}."]
    for s in sound:
        if s["splits"]:
            lines.append(f"{s['id']}: " + ", ".join(f"{k} {v:,}" for k, v in s["splits"].items()) + ".")
    sets = [(s["id"], v["name"], v.get("sessions"), v.get("format", "")) for s in sound for v in s["variants"]]
    if sets:
        lines += ["", table(sets, ["subject", "responses", "sessions", "format"])]
    if rois:
        lines += ["", table([(s["id"], c, shown(n), v.get("left"), v.get("right"), v["total"])
                             for s in sound for c, names in s["rois"].items() for n, v in names.items()],
                            ["subject", "class", "ROI", "left", "right", "total"])]
    lines += ["", "Problems:" if report["problems"] else "No problems found.",
              *(f"  - {shown(p, limit=1000)}" for p in report["problems"])]
    return "\n".join(lines)


def _row(subject: dict[str, Any]) -> list[Any]:
    repeats = "/".join(f"{n}x{k}" for k, n in subject["repetitions"].items()) or "averaged"
    classes = subject["rois"]
    empty = sum(v["total"] == 0 for names in classes.values() for v in names.values())
    total = sum(len(names) for names in classes.values())
    return [shown(subject["id"]), shown(subject["space"]["root"]), subject["space"]["size"], subject["trials"],
            subject["stimuli"], repeats, subject["sessions"], f"{total} ({empty} empty)", subject["ceiling"]["source"],
            subject["ceiling"].get("median_percent")]
