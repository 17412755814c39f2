"""What the parts of ``brainview build-demo`` share: where they work, kept chunks of drawn scenes, what they print."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from brainview.cli.terminal import print_json
from brainview.core.files import atomic_write
from brainview.core.jobs import JobContext
from brainview.core.paths import cache_dir


def work_folder(args: argparse.Namespace) -> Path:
    """Return the folder of pictures and unfinished state."""
    return args.work or cache_dir() / "build-demo"


def finish(args: argparse.Namespace, card: dict[str, Any] | None, words: Callable[[dict[str, Any]], str]) -> int:
    """Print the card, in words unless ``--json``; None: the minutes were over."""
    if card is None:
        print(f"stopped after {args.minutes:g} minutes; call again to go on")
    elif args.json:
        print_json(card)
    else:
        print(words(card))
    return 0


def kept(files: list[Path], draw: Callable[[int], tuple[np.ndarray, list[Any]]], what: str,
         context: JobContext) -> Iterator[tuple[np.ndarray, list[Any]]]:
    """Yield (pictures, one plain row for each) of every file; `draw(number)` makes those that are not there yet."""
    for number, file in enumerate(files):
        context.report(number, len(files), what)
        if not file.exists():
            images, texts = draw(number)
            file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(file) as out:
                np.savez(out, images=images, texts=np.frombuffer(json.dumps(texts).encode(), np.uint8))
        with np.load(file, allow_pickle=False) as archive:
            yield archive["images"], json.loads(archive["texts"].tobytes().decode())
