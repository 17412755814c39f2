"""``brainview benchmark start``."""

from __future__ import annotations

import argparse

from brainview.cli.terminal import print_json, table, terminal_job


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the switches."""
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer-python", metavar="PYTHON", help="a Python that has MNE, where this one has not")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    from brainview.app.benchmark_start import measure

    with terminal_job(quiet=args.json) as context:
        figures = measure(args.rounds, peer_python=args.peer_python, context=context)
    if args.json:
        print_json(figures)
        return 0
    rows = figures["rows"]
    print(table([list(r.values()) for r in rows], list(rows[0])))
    print("goals: " + ", ".join(f"{k} <= {v}" if "bare" in k else f"{k} >= {v}" for k, v in figures["goals"].items()))
    print("\n".join(figures["notes"]))
    return 0
