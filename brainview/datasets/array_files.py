"""Arrays of the lab's own data as responses: memory-mapped where they lie as needed, else indexed once into a cache."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brainview.core.errors import FormatError, MismatchError
from brainview.core.files import load_npy
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.cache import CachedResponses, fingerprint, key_of
from brainview.datasets.raw_arrays import RawArray, raw_array
from brainview.datasets.types import ArrayResponses, Responses
from brainview.maps.space import Space

if TYPE_CHECKING:
    from brainview.datasets.recordings import Recording


def array_responses(path: Path, recording: Recording, space: Space) -> Responses:
    """Return the responses of one array file.

    A plain .npy of trials x locations stays memory-mapped. Everything else (archives, HDF5, MATLAB files, grids, voxel
    lists in MATLAB's order) goes once, block by block, into the trial cache; opening it reads headers only.
    """
    from brainview.datasets.recordings import kind_of

    raw = raw_array(path, kind_of(path), recording.key)
    source = ArraySource(raw, recording, space)
    if raw.kind == "npy" and source.axis != "grid" and recording.order != "F":
        return MappedArray(path, source.axis, recording.scale)
    return CachedResponses(source, recording.scale)


@dataclass(frozen=True, eq=False)
class MappedArray:
    """A .npy of trials x locations (``axis`` first) or locations x trials (last), mapped when rows are asked for."""

    path: Path
    axis: str
    scale: float

    @cached_property
    def _responses(self) -> ArrayResponses:
        array = load_npy(self.path)
        return ArrayResponses(array.T if self.axis == "last" else array, self.scale)

    @property
    def shape(self) -> tuple[int, int]:
        return self._responses.shape

    def rows(self, index: np.ndarray | slice) -> np.ndarray:
        """Return (n, locations) float32."""
        return self._responses.rows(index)

    def __reduce__(self):  # an open memory map does not travel between processes
        return type(self), (self.path, self.axis, self.scale)


@dataclass(frozen=True, eq=False)
class ArraySource:
    """One array file as a source of the trial cache.

    Grids (x, y, z, trials) are taken at the mask; lists of voxels (voxels, trials), also (voxels, 1, 1, trials), are
    in the order of the mask, which ``recording.order`` tells.
    """

    raw: RawArray
    recording: Recording
    space: Space

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The shape that was meant, (voxels, 1, 1, trials) as (voxels, trials)."""
        shape = self.raw.meant
        return (shape[0], shape[3]) if len(shape) == 4 and shape[1:3] == (1, 1) else shape

    @cached_property
    def axis(self) -> str:
        """``grid``, or which axis of a 2-D array holds the trials: ``first`` or ``last``; refuses what fits nothing."""
        from brainview.datasets.recordings import grid_and_index

        shape, where, space = self.shape, self.raw.path, self.space
        if len(shape) == 4:
            grid, _ = grid_and_index(space)
            if shape[:3] != grid.shape:
                raise MismatchError(f"has shape {shape}, the grid is {grid.shape}", where=where)
            return "grid"
        if len(shape) != 2:
            raise FormatError(f"has shape {shape}; (trials, locations) or (x, y, z, trials) is needed", where=where)
        fits = {"first": shape[1] == space.size, "last": shape[0] == space.size}
        axis = self.recording.trials_axis
        if axis == "auto":
            if not any(fits.values()):
                raise MismatchError(f"has shape {shape}, {space.name} has {space.size:,} locations", where=where)
            if all(fits.values()):
                raise MismatchError(f"has shape {shape}: trials and locations cannot be told apart", where=where,
                                    remedy='Add trials_axis = "first" or "last".')
            return "first" if fits["first"] else "last"
        if not fits[axis]:
            raise MismatchError(f"has shape {shape} with the trials {axis}, {space.name} has {space.size:,} locations",
                                where=where)
        return axis

    @property
    def trials(self) -> int:
        return self.shape[0] if self.axis == "first" else self.shape[-1]

    @property
    def locations(self) -> int:
        return self.space.size

    @property
    def stored(self) -> np.dtype:
        """int16 stays int16, everything else becomes float32."""
        return np.dtype(np.int16 if self.raw.dtype == np.dtype(np.int16) else np.float32)

    def key(self) -> str:
        """Return the key of the cache."""
        return key_of("array", fingerprint(self.raw.path), self.raw.key, self.space.key, self.axis,
                      self.recording.order)

    def fill(self, out: np.ndarray, context: JobContext = QUIET) -> None:
        """Read the array once, in the order in which it is stored."""
        place = self._grid_place() if self.axis == "grid" else None
        column = self._column_of()
        by_trial = self.raw.reversed if self.axis != "first" else not self.raw.reversed
        for start, block in self.raw.blocks():
            context.check()
            context.report(start, self.raw.shape[0], f"indexing {self.raw.path.name}")
            stop = start + len(block)
            if place is not None:
                x, y, z = place
                if by_trial:  # (trials, z, y, x)
                    out[start:stop] = block[:, z, y, x]
                else:
                    here = np.flatnonzero((x >= start) & (x < stop))
                    out[:, here] = block[x[here] - start, y[here], z[here]].T
                continue
            block = block.reshape(len(block), -1)
            if by_trial:
                out[start:stop, column] = block
            else:
                out[:, column[start:stop]] = block.T

    def _grid_place(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        from brainview.datasets.recordings import grid_and_index

        grid, index = grid_and_index(self.space)
        x, y, z = np.unravel_index(index, grid.shape)
        return x, y, z

    def _column_of(self) -> np.ndarray:
        """Return (locations,) the column of the cache for every stored location of a voxel list."""
        if self.recording.order != "F" or self.axis == "grid":
            return np.arange(self.space.size)
        from brainview.datasets.recordings import grid_and_index

        grid, index = grid_and_index(self.space)
        return np.argsort(np.ravel_multi_index(np.unravel_index(index, grid.shape), grid.shape, order="F"))
