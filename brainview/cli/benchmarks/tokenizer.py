"""``brainview benchmark tokenizer``: the brain encoder's tokenizer, factorised against naive."""

from __future__ import annotations

import argparse

from brainview.cli.terminal import print_json, table, terminal_job


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the switches."""
    parser.add_argument("--voxels", type=int, default=15_724)
    parser.add_argument("--batch", type=int, default=8, help="measured at this many brains and at three times as many")
    parser.add_argument("--forward", action="store_true", help="without the backward pass")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    from brainview.language.brain.benchmark import measure

    with terminal_job(quiet=args.json) as context:
        figures = measure(args.voxels, batch=args.batch, train=not args.forward, context=context)
    if args.json:
        print_json(figures)
        return 0
    rows = figures["rows"]
    print(f"V {figures['voxels']:,}, {figures['latents']} tokens x {figures['width']}, {figures['batch']} brains, "
          + ("forward and backward" if figures["train"] else "forward"))
    print(table([list(r.values()) for r in rows], list(rows[0])))
    print(f"{figures['memory_ratio']:.0f} times less memory a brain, {figures['cpu_ratio']:.1f} times less CPU, "
          f"largest difference {figures['largest_difference']:.1e}")
    return 0
