"""``brainview benchmark session``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from brainview.cli.terminal import print_json, terminal_job


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the switches."""
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the session (default 10)")
    parser.add_argument("--data", default="", help="data set (default: the built-in phantom)")
    parser.add_argument("--run", default="", help="encoding run of that data set")
    parser.add_argument("--pictures", type=Path, metavar="DIR",
                        help="also write numbered pictures of everything, 1280x800 and 2560x1440, both themes")
    parser.add_argument("--canvas", choices=("auto", "qt", "image"), default="auto")
    parser.add_argument("--by", choices=("wall", "cpu"), default="wall",
                        help="which lag is judged; cpu on a machine that others use too")


def run(args: argparse.Namespace) -> int:
    """Hold the session, print its figures; 0 = passed."""
    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY") and sys.platform.startswith("linux"):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from brainview.app.session_benchmark import run as hold
    from brainview.app.session_meter import FRAME

    with terminal_job(quiet=args.json) as context:
        told = hold(args.minutes, args.data, args.run, pictures=args.pictures, canvas=args.canvas, by=args.by,
                    context=context)
    if args.json:
        print_json(told)
        return 0 if told["passed"] else 1
    if "lag" in told:
        print(f"{told['rounds']} rounds in {told['minutes']:.1f} min")
        for name in ("wall", "cpu"):
            lag = told["lag"][name]
            print(f"lag ({name}, paints taken out): p50 {lag['p50']:.1f} ms, p99 {lag['p99']:.1f} ms, "
                  f"longest {lag['max']:.0f} ms, over 50 ms {lag['over_50']} of {told['lag']['beats']} beats")
        for line in told["verdict"]:
            print(line)
        for held in told["lag"]["held"]:
            print(f"  computed {held['samples']:4d} x 5 ms beyond {FRAME:.0f}, at most {held['longest_ms']} ms: "
                  f"{held['where']}")
        for line in told["failed"]:
            print(f"  step failed: {line}")
    for file in told.get("pictures", [])[:1]:
        print(f"{len(told['pictures'])} pictures in {Path(file).parent}")
    print("passed" if told["passed"] else "NOT passed")
    return 0 if told["passed"] else 1
