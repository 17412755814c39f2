"""Responses put together from parts: two hemispheres side by side, sessions one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from brainview.core.errors import MismatchError
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.datasets.types import Preparable, Responses


def as_rows(index: np.ndarray | slice, trials: int) -> np.ndarray:
    """Return `index` (slice, bool or integer array) as (n,) int64 row numbers inside 0..trials-1."""
    if isinstance(index, slice):
        return np.arange(*index.indices(trials), dtype=np.int64)
    rows = np.asarray(index)
    if rows.dtype == bool:
        return np.flatnonzero(rows)
    rows = np.atleast_1d(rows).astype(np.int64)
    if rows.size and (rows.min() < -trials or rows.max() >= trials):
        raise IndexError(f"row {rows.max() if rows.max() >= trials else rows.min()} is outside 0..{trials - 1}")
    return np.where(rows < 0, rows + trials, rows)


@dataclass(frozen=True, eq=False)
class SideBySide:
    """Columns of several responses (left, right hemisphere) as one, each memory-mapped on its own.

    Parameters
    ----------
    parts : sequence of Responses
        All with the same number of trials.
    """

    parts: Sequence[Responses]

    def __post_init__(self) -> None:
        heights = {p.shape[0] for p in self.parts}
        if len(heights) != 1:
            raise MismatchError(f"the parts have different numbers of trials: {sorted(heights)}")

    @property
    def shape(self) -> tuple[int, int]:
        return self.parts[0].shape[0], sum(p.shape[1] for p in self.parts)

    def rows(self, index: np.ndarray | slice) -> np.ndarray:
        """Return (n, sum of locations) float32."""
        parts = [p.rows(index) for p in self.parts]
        out = np.empty((parts[0].shape[0], self.shape[1]), np.float32)
        start = 0
        for part in parts:
            out[:, start:start + part.shape[1]] = part
            start += part.shape[1]
        return out

    def prepare(self, *, context: JobContext = QUIET) -> None:
        """Prepare every part that needs it."""
        prepare_all(self.parts, context)


@dataclass(frozen=True, eq=False)
class Stacked:
    """Rows of several responses (sessions, training and test part) one below the other.

    Parameters
    ----------
    parts : sequence of Responses
        All with the same number of locations.
    """

    parts: Sequence[Responses]

    def __post_init__(self) -> None:
        widths = {p.shape[1] for p in self.parts}
        if len(widths) != 1:
            raise MismatchError(f"the parts have different numbers of locations: {sorted(widths)}")

    @cached_property
    def _edges(self) -> np.ndarray:
        return np.concatenate([[0], np.cumsum([p.shape[0] for p in self.parts])])

    @property
    def shape(self) -> tuple[int, int]:
        return int(self._edges[-1]), self.parts[0].shape[1]

    def rows(self, index: np.ndarray | slice) -> np.ndarray:
        """Return (n, locations) float32, each part read once."""
        rows = as_rows(index, self.shape[0])
        out = np.empty((rows.size, self.shape[1]), np.float32)
        owner = np.searchsorted(self._edges, rows, side="right") - 1
        for part in np.unique(owner):
            here = owner == part
            out[here] = self.parts[part].rows(rows[here] - self._edges[part])
        return out

    def prepare(self, *, context: JobContext = QUIET) -> None:
        """Prepare every part that needs it."""
        prepare_all(self.parts, context)


def prepare_all(parts: Sequence[Responses], context: JobContext) -> None:
    """Prepare those of `parts` that need it, reporting them as shares of one job."""
    for i, part in enumerate(parts):
        if isinstance(part, Preparable):
            part.prepare(context=Stage(context, i / len(parts), (i + 1) / len(parts), f"part {i + 1} of {len(parts)}"))
