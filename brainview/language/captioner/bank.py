"""Scenes to learn from: pictures as bytes, which thing each place shows, and everything that can be said.

Who draws the scenes is not known here; the ``build-demo`` command hands in the phantom's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import MismatchError
from brainview.core.files import atomic_write
from brainview.core.jobs import QUIET, JobContext

#: Scenes in one file of the bank.
CHUNK = 500


@dataclass(frozen=True, eq=False)
class SceneBank:
    """Scenes in memory.

    Parameters
    ----------
    images : (n, side, side, 3) uint8
    ids : (n, cells, cells) int8
        0 background, k + 1 where thing k is the nearest.
    rows : sequence of dict
        ``captions``, ``description``, ``questions`` ({question, answer, kind}), ``scene`` (setting), ``verb``,
        ``things`` ({name, coco, color, category, phrase, box}; phrase fits this thing alone or is None).
    """

    images: np.ndarray
    ids: np.ndarray
    rows: Sequence[dict[str, Any]]

    def __post_init__(self) -> None:
        if not len(self.images) == len(self.ids) == len(self.rows):
            raise MismatchError(f"{len(self.images)} pictures, {len(self.ids)} masks and {len(self.rows)} rows")

    def __len__(self) -> int:
        return len(self.rows)

    def first(self, count: int) -> SceneBank:
        """Return the first `count` scenes."""
        return SceneBank(self.images[:count], self.ids[:count], self.rows[:count])


#: Gives (picture (side, side, 3) uint8, ids (cells, cells) int8, row) of scenes by number.
Draw = Callable[[str, range], Iterable[tuple[np.ndarray, np.ndarray, dict[str, Any]]]]


def load_bank(folder: Path, pool: str, count: int, draw: Draw, tag: str, *, context: JobContext = QUIET) -> SceneBank:
    """Return the first `count` scenes of a pool; chunks that were drawn before are read from `folder`."""
    images, ids, rows = [], [], []
    for start in range(0, count, CHUNK):
        context.report(start, count, f"drawing {pool} scenes")
        stop = min(start + CHUNK, count)
        file = folder / f"{pool}-{tag}-{start}-{stop}.npz"
        if not file.exists():
            _write(file, list(draw(pool, range(start, stop))))
        with np.load(file, allow_pickle=False) as archive:
            images.append(archive["images"])
            ids.append(archive["ids"])
            rows += json.loads(archive["rows"].tobytes().decode())
    return SceneBank(np.concatenate(images), np.concatenate(ids), rows)


def _write(file: Path, made: list[tuple[np.ndarray, np.ndarray, dict[str, Any]]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(file) as out:
        np.savez(out, images=np.stack([m[0] for m in made]), ids=np.stack([m[1] for m in made]),
                 rows=np.frombuffer(json.dumps([m[2] for m in made]).encode(), np.uint8))
