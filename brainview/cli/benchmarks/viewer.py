"""``brainview benchmark viewer``."""

from __future__ import annotations

import argparse

from brainview.cli.terminal import print_json, table, terminal_job


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the switches."""
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--mesh", default="fsaverage5")
    parser.add_argument("--peer-python", metavar="PYTHON", help="a Python that has MNE, where this one has not")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    from brainview.app.benchmark_viewer import run as measure

    with terminal_job(quiet=args.json) as context:
        figures = measure(args.rounds, args.mesh, peer_python=args.peer_python, context=context)
    if args.json:
        print_json(figures)
        return 0
    rows = figures["rows"]
    heads = list(dict.fromkeys(key for row in rows for key in row))  # the peer's rows have a column of their own
    print(table([[row.get(key) for key in heads] for row in rows], heads))
    print(f"goal: a change costs at most {figures['goal']} bare paints: {'met' if figures['met'] else 'missed'}")
    print("\n".join(figures["notes"]))
    return 0
