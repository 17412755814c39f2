"""``brainview retrieve RUN``: who is found between brains, images and texts, beside chance and shuffled brains."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from brainview.cli.terminal import add_json, print_json, table


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run_folder", metavar="RUN", help="run folder of whole-brain, mindeye or ridge-clip")
    parser.add_argument("--gallery", type=int, nargs="+", default=[50, 100, 300], metavar="N",
                        help="also 30 draws of galleries of N test items, where there are more (50 100 300)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all rows there")
    parser.add_argument("--seed", type=int, default=0, help="of draws, intervals and shuffling (0)")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the table of every subject."""
    from brainview.alignment.jobs import retrieve

    found = retrieve(args.run_folder, gallery=args.gallery, seed=args.seed)
    if args.csv:
        from brainview.alignment.comparison import write_csv

        write_csv([{"subject": s, **r} for s, e in found["subjects"].items() for r in e["rows"]], args.csv)
    if args.json:
        print_json(found)
        return 0
    label = " (PHANTOM: simulated brains)" if found["phantom"] else ""
    print(f"{found['system']} on {found['dataset']}{label}; target: {found['targets']}; "
          "test images, repetitions averaged")
    for subject, entry in found["subjects"].items():
        print(f"\n{subject}\n" + table([_row(r) for r in entry["rows"]], HEADER))
    print("\nR@k: share of queries whose own item is among the k nearest by cosine (ties count as lost). Interval: "
          "95 % over queries drawn with replacement. Shuffled: every brain given another's place.")
    return 0


HEADER = ["direction", "brains", "gallery", "queries", "R@1", "interval", "R@5", "R@10", "chance R@1"]


def _row(row: dict[str, Any]) -> list[Any]:
    interval = f"{row['R@1 low']:.3f}–{row['R@1 high']:.3f}"
    gallery = row["gallery"] if row["protocol"].startswith("all") else row["protocol"]
    return [row["direction"], "shuffled" if row["shuffled"] else "own", gallery, row["queries"], row["R@1"], interval,
            row["R@5"], row["R@10"], row["R@1 chance"]]
