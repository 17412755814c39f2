"""``brainview phantom``: write simulated brains with known truth in a real layout."""

from __future__ import annotations

import argparse
from pathlib import Path

from brainview.cli.terminal import add_json, print_json, terminal_job


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--layout", default="nsd", choices=["nsd", "algonauts2023", "mindeye", "mindeye2", "had"],
                        help="layout on disk (nsd)")
    parser.add_argument("--out", type=Path, required=True, help="new folder; an unfinished phantom there is finished")
    parser.add_argument("--level", default="nsd", choices=["easy", "nsd", "hard"], help="difficulty (nsd)")
    parser.add_argument("--subjects", type=int, help="people, 1 to 8 (4); had: 2 to 30 (6)")
    parser.add_argument("--train", type=int, default=800, help="training images of each subject, shown once (800)")
    parser.add_argument("--test", type=int, default=200, help="shared test images, shown three times (200)")
    parser.add_argument("--runs", type=int, default=12, help="had: runs of 60 clips each, 3, 6, 9 or 12 (12)")
    parser.add_argument("--actions", type=int, default=20, help="had: actions, a divisor of 180 up to 20 (20)")
    parser.add_argument("--seed", type=int, default=2026, help="seed of everything (2026)")
    parser.add_argument("--surface-only", action="store_true", help="nsd: leave out the MNI volumes")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Build it and say what was planted."""
    from brainview.phantom.build import build_phantom
    from brainview.phantom.truth import WORDING, read_truth

    if args.layout == "had":
        return _film(args)
    with terminal_job(quiet=args.json) as context:
        root = build_phantom(args.out, args.layout, args.level, args.subjects or 4, args.train, args.test, args.seed,
                             volume=not args.surface_only, context=context)
    plan = read_truth(root).plan
    size = sum(p.stat().st_size for p in root.rglob("*") if p.is_file())
    if args.json:
        print_json({"path": root, "bytes": size, "phantom": True, **plan.to_dict()})
        return 0
    print(f"{root}: {plan.subjects} subjects, {plan.train} training images each and {plan.test} shared test images "
          f"shown three times, layout {plan.layout}, level {plan.level}, seed {plan.seed}, {size / 1e9:.2f} GB.")
    print(WORDING + " What was planted lies in phantom_truth/.")
    return 0


def _film(args: argparse.Namespace) -> int:
    from brainview.core.files import read_json
    from brainview.datasets.stimuli import TRUTH_FOLDER
    from brainview.phantom.truth import WORDING
    from brainview.phantom.writers.had_build import build_had

    with terminal_job(quiet=args.json) as context:
        root = build_had(args.out, subjects=args.subjects or 6, categories=args.actions, runs=args.runs,
                         level=args.level, seed=args.seed, context=context)
    plan = read_json(root / TRUTH_FOLDER / "film.json")
    size = sum(p.stat().st_size for p in root.rglob("*") if p.is_file())
    if args.json:
        print_json({"path": root, "bytes": size, "phantom": True, **plan})
        return 0
    print(f"{root}: {plan['subjects']} subjects, {plan['runs']} runs of 60 clips each, {plan['categories']} actions, "
          f"layout had, level {plan['level']}, seed {plan['seed']}, {size / 1e9:.2f} GB.")
    print(WORDING + " What was planted lies in phantom_truth/.")
    return 0
