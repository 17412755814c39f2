"""Beta files of one session as responses: memory-mapped where the file allows it, through the trial cache elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from brainview.core.errors import FormatError, MismatchError
from brainview.core.files import check_allocation, regular_file
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.cache import CachedResponses, fingerprint, frames, key_of
from brainview.datasets.hdf5 import dataset_of, open_hdf5
from brainview.datasets.nsd.files import Header, read_header, read_volume, trials_of
from brainview.datasets.types import ArrayResponses, Responses

#: Bytes of an HDF5 slab read at once.
_SLAB = 64 << 20


@dataclass(frozen=True, eq=False)
class FrameSource:
    """A NIfTI or MGH file, one trial after the other, packed or not: read in one pass.

    Parameters
    ----------
    path : Path
    locations : int
    positions : (locations,) int64, optional
        Which values of a frame, in the file's order; None = all.
    """

    path: Path
    locations: int
    positions: np.ndarray | None = None

    @cached_property
    def _header(self) -> Header:
        return read_header(self.path)

    @property
    def trials(self) -> int:
        return trials_of(self.path)[0]

    @property
    def stored(self) -> np.dtype:
        """int16 stays; everything else becomes float32."""
        return np.dtype(np.int16) if self._header.dtype == np.int16 else np.dtype(np.float32)

    def key(self) -> str:
        """Return the key of the cache."""
        return key_of("frames", fingerprint(self.path), self.positions)

    def fill(self, out: np.ndarray, context: JobContext) -> None:
        """Unpack the file once and keep the wanted locations of each trial."""
        header = self._header
        trials, values = trials_of(self.path)
        check_allocation((values,), header.dtype, where=self.path)
        for number, frame in enumerate(frames(self.path, header.offset, values * header.dtype.itemsize, trials)):
            data = np.frombuffer(frame, header.dtype)
            out[number] = data if self.positions is None else data[self.positions]
            if number % 8 == 0:
                context.report(number, trials, f"indexing {self.path.name}")


@dataclass(frozen=True, eq=False)
class Hdf5Source:
    """A beta file in HDF5, dataset ``/betas``: (trials, z, y, x) or (trials, vertices), chunked over trials."""

    path: Path
    locations: int
    positions: np.ndarray | None = None

    @property
    def trials(self) -> int:
        return trials_of(self.path)[0]

    @cached_property
    def stored(self) -> np.dtype:
        """int16 stays; everything else becomes float32."""
        with open_hdf5(self.path) as file:
            dtype = dataset_of(file, "betas").dtype
        if dtype.kind not in "iuf":
            raise FormatError(f"betas are {dtype}, real numbers were expected", where=self.path)
        return np.dtype(np.int16) if dtype == np.int16 else np.dtype(np.float32)

    def key(self) -> str:
        """Return the key of the cache."""
        return key_of("hdf5", fingerprint(self.path), self.positions)

    def fill(self, out: np.ndarray, context: JobContext) -> None:
        """Read slabs along the second axis (its chunks span all trials) and write the wanted locations."""
        with open_hdf5(self.path) as file:
            data = dataset_of(file, "betas")
            per_step = int(np.prod(data.shape[2:], dtype=object)) if data.ndim == 4 else 1
            bytes_per_step = data.shape[0] * per_step * data.dtype.itemsize
            check_allocation((data.shape[0], per_step), data.dtype, where=self.path)
            thick = max(1, int(_SLAB // max(1, bytes_per_step)))
            order = None if self.positions is None else np.argsort(self.positions, kind="stable")
            ordered = np.empty(0, np.int64) if self.positions is None else self.positions[order]
            for start in range(0, data.shape[1], thick):
                stop = min(start + thick, data.shape[1])
                context.report(start, data.shape[1], f"indexing {self.path.name}")
                if order is None:
                    out[:, start * per_step:stop * per_step] = data[:, start:stop].reshape(data.shape[0], -1)
                    continue
                low, high = np.searchsorted(ordered, [start * per_step, stop * per_step])
                if low < high:
                    slab = data[:, start:stop].reshape(data.shape[0], -1)
                    out[:, order[low:high]] = slab[:, ordered[low:high] - start * per_step]


def mapped_surface(path: Path) -> np.ndarray:
    """Return (trials, vertices) of an unpacked .mgh, memory-mapped in place: its trials are contiguous already."""
    header = read_header(path)
    trials, vertices = trials_of(path)
    available = regular_file(path).stat().st_size - header.offset
    check_allocation((trials, vertices), header.dtype, where=path, available=available, limit=1 << 62)
    return np.memmap(path, dtype=header.dtype, mode="r", offset=header.offset, shape=(trials, vertices))


def surface_responses(path: Path) -> Responses:
    """Return the betas of one hemisphere and session.

    MGH holds percent signal change without a factor; int16 HDF5 (native surface) x 300 like the volumes.
    """
    if path.suffix == ".mgh":
        return ArrayResponses(mapped_surface(path))
    locations = trials_of(path)[1]
    if path.name.endswith(("hdf5", "h5")):
        source = Hdf5Source(path, locations)
        return CachedResponses(source, 1 / 300 if source.stored == np.int16 else 1.0)
    return CachedResponses(FrameSource(path, locations), read_header(path).nsd_scale)


@dataclass(frozen=True, eq=False)
class LazyValid:
    """The valid mask of one session at the locations of a space, read when it is first needed."""

    path: Path
    positions: np.ndarray
    shape: tuple[int, ...]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        mask = read_volume(self.path)
        if mask.shape != self.shape:
            raise MismatchError(f"has shape {mask.shape}, the betas {self.shape}", where=self.path)
        return (np.nan_to_num(mask.reshape(-1, order="F")[self.positions]) > 0).astype(dtype or bool)


@dataclass(frozen=True, eq=False)
class ValidColumns:
    """Betas of the voxels that hold data in a session: they alone are cached, the others come back as NaN.

    Parameters
    ----------
    path : Path
        Beta file of the session. scale : stored value x scale = beta.
    positions : (locations,) int64
        Voxels of the space in the file's order.
    valid : LazyValid
        Which of them hold data; read when betas are first asked for, not when the subject is opened.
    """

    path: Path
    scale: float
    positions: np.ndarray
    valid: LazyValid

    @cached_property
    def _columns(self) -> np.ndarray:
        return np.flatnonzero(np.asarray(self.valid))

    @cached_property
    def _inner(self) -> CachedResponses:
        here = self.positions[self._columns]
        return CachedResponses(_source(self.path, here), self.scale)

    @property
    def shape(self) -> tuple[int, int]:
        return trials_of(self.path)[0], self.positions.size

    def rows(self, index: np.ndarray | slice) -> np.ndarray:
        """Return (n, locations) float32 betas, NaN where the session has no data."""
        inner = self._inner.rows(index)
        out = np.full((len(inner), self.positions.size), np.nan, np.float32)
        out[:, self._columns] = inner
        return out

    def prepare(self, *, context: JobContext = QUIET) -> None:
        """Build the cache when it is missing."""
        self._inner.prepare(context=context)

    def __reduce__(self):  # an open memory map does not travel between processes
        return type(self), (self.path, self.scale, self.positions, self.valid)


def _source(path: Path, positions: np.ndarray) -> FrameSource | Hdf5Source:
    kind = Hdf5Source if path.name.endswith(("hdf5", "h5")) else FrameSource
    return kind(path, positions.size, positions)


def volume_responses(path: Path, positions: np.ndarray, valid: list[Path], shape: tuple[int, ...]) -> Responses:
    """Return the betas of one volume session at `positions` (file order) of a grid of `shape`."""
    source = _source(path, positions)
    integer = source.stored == np.int16
    scale = 1 / 300 if integer else 1.0
    if isinstance(source, FrameSource):
        header = read_header(path)
        if header.inter:
            raise FormatError(f"has an intercept of {header.inter} in its header, which betas do not have", where=path)
        if header.shape[:3] != shape:
            raise MismatchError(f"has shape {header.shape[:3]}, the first session {shape}", where=path)
        scale, integer = header.nsd_scale, header.dtype.kind in "iu"
    if valid:
        return ValidColumns(path, scale, positions, LazyValid(valid[0], positions, shape))
    return CachedResponses(source, scale, None, zero_is_nothing=integer)
