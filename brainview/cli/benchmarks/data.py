"""``brainview benchmark data``."""

from __future__ import annotations

import argparse
from typing import Any

from brainview.cli.terminal import print_json, table, terminal_job


def configure(parser: argparse.ArgumentParser) -> None:
    """There are no switches."""


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    from brainview.maps.benchmark import run as measure

    with terminal_job(quiet=args.json) as context:
        figures: dict[str, Any] = measure(context)
    if args.json:
        print_json(figures)
        return 0
    for name, value in figures.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            print(table([[r.get(k) for k in value[0]] for r in value], list(value[0])))
        else:
            print(f"{name}: {value}")
    return 0
