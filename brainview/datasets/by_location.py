"""Mean responses location by location: one pass over a subject's trials makes the answer to "what drives this vertex"
a read of one row.

A cache of float16 (locations, stimuli): each location is stored as (value - shift) / scale, so that three digits
remain whatever the units are. For NSD (10,000 stimuli, 327,684 vertices) it takes 6.6 GB and one pass over the betas.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass

import numpy as np

from brainview.core.errors import LimitError
from brainview.core.files import atomic_path, load_npy
from brainview.core.jobs import QUIET, JobContext
from brainview.core.paths import cache_dir
from brainview.datasets.cache import key_of
from brainview.datasets.types import Subject

#: Bytes of stimuli that are turned at once.
TURN = 512 << 20


@dataclass(frozen=True, eq=False)
class ByLocation:
    """Mean betas of every stimulus, one row per location.

    Parameters
    ----------
    ids : (stimuli,) int64, ascending
    array : (locations, stimuli) float16, memory-mapped
    shift, scale : (locations,) float32
    """

    ids: np.ndarray
    array: np.ndarray
    shift: np.ndarray
    scale: np.ndarray

    def rows(self, index: np.ndarray) -> np.ndarray:
        """Return (len(index), stimuli) float32 mean betas of some locations."""
        at = np.asarray(index, np.int64)
        return self.array[at].astype(np.float32) * self.scale[at, None] + self.shift[at, None]


def by_location(subject: Subject, *, context: JobContext = QUIET) -> ByLocation:
    """Return the mean responses of a subject by location; built once, with progress and cancel.

    Raises
    ------
    LimitError
        The disk has no room for the cache.
    """
    subject.prepare(context=context)
    ids, size = subject.trials.unique, subject.space.size
    folder = cache_dir() / "by-location"
    folder.mkdir(parents=True, exist_ok=True)
    last = len(subject.trials) - 1
    sample = subject.responses.rows(np.unique([0, last // 2, last]))
    stem = folder / key_of("by location 1", subject.dataset, subject.id, subject.variant, subject.trials.stimulus,
                           subject.trials.averaged, sample)
    body, norm = stem.with_suffix(".npy"), stem.with_suffix(".norm.npy")
    if not (body.is_file() and norm.is_file()):
        need = 2 * ids.size * size
        free = shutil.disk_usage(folder).free
        if need + (256 << 20) > free:
            raise LimitError(f"needs {need / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free", where=folder,
                             remedy="Free some space or set BRAINVIEW_HOME to a larger disk.")
        _build(subject, ids, body, norm, context)
    shift, scale = load_npy(norm, mmap=False)
    return ByLocation(ids, load_npy(body), shift, scale)


def _build(subject: Subject, ids: np.ndarray, body: object, norm: object, context: JobContext) -> None:
    size = subject.space.size
    step = int(np.clip(TURN // (2 * size), 1, ids.size))
    shift = scale = None
    with atomic_path(body, suffix=".npy") as temporary:  # type: ignore[arg-type]
        out = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=(size, ids.size))
        for start in range(0, ids.size, step):
            stop = min(start + step, ids.size)
            turned = np.empty((size, stop - start), np.float16)
            for at, block in subject.iterate_means(ids[start:stop]):
                context.report(start + at, ids.size, "responses by location")
                if shift is None or scale is None:
                    shift, scale = _norm(block)
                turned[:, at:at + len(block)] = np.clip((block - shift) / scale, -6e4, 6e4).T
            out[:, start:stop] = turned
        out.flush()
        del out
        with atomic_path(norm, suffix=".npy") as other:  # type: ignore[arg-type]
            np.save(other, np.stack([shift, scale]), allow_pickle=False)  # type: ignore[list-item]


def _norm(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    good = np.isfinite(block)
    n = np.maximum(good.sum(0), 1)
    shift = (np.where(good, block, 0).sum(0) / n).astype(np.float32)
    spread = np.sqrt(np.square(np.where(good, block - shift, 0)).sum(0) / n)
    return shift, np.where(spread > 0, spread, 1).astype(np.float32)
