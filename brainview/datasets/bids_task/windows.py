"""Time series as z-scored volumes, streamed run by run, and trials as windows of them.

Drift is a polynomial fitted within the run; z-scores are per location within the run, never over runs, so nothing
crosses from training to test runs. A volume file is unpacked twice, one frame in memory at a time: 720,000 voxels x 156
volumes cost some 30 MB, not 450.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.core.files import atomic_write, load_npy
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.core.paths import cache_dir
from brainview.datasets.cache import CachedResponses, fingerprint, frames, key_of
from brainview.datasets.nsd.files import read_header
from brainview.datasets.responses import as_rows
from brainview.maps.space import GrayordinateSpace, MaskedSpace, Space, VolumeSpace


def is_cifti(path: Path) -> bool:
    """True for a dtseries or dscalar."""
    return path.name.endswith((".dtseries.nii", ".dscalar.nii"))


def volumes_in(path: Path) -> int:
    """Return the number of volumes of a run from its header."""
    import nibabel as nib

    if is_cifti(path):
        return int(nib.load(path).shape[0])  # type: ignore[attr-defined]
    shape = read_header(path).shape
    if len(shape) < 4 or shape[3] < 8:
        raise FormatError(f"has shape {shape}, a time series was expected", where=path)
    return int(shape[3])


def run_frames(path: Path, index: np.ndarray | None) -> Iterator[np.ndarray]:
    """Yield the volumes of a run as (locations,) float32, one after the other.

    Parameters
    ----------
    index : (locations,) flat positions in Fortran order (how NIfTI stores a volume); None for CIFTI.
    """
    if is_cifti(path):
        from brainview.maps.io import read_maps

        for found in read_maps(path):
            yield np.asarray(found.values, np.float32)
        return
    header = read_header(path)
    size = int(np.prod(header.shape[:3], dtype=object))
    for frame in frames(path, header.offset, size * header.dtype.itemsize, header.shape[3]):
        data = np.frombuffer(frame, header.dtype)
        data = data if index is None else data[index]
        out = data.astype(np.float32)
        yield out if header.scale is None else out * np.float32(header.scale) + np.float32(header.inter)


def clean_run(path: Path, index: np.ndarray | None, order: int, out: np.ndarray, context: JobContext = QUIET) -> None:
    """Write the z-scored residuals of a polynomial drift of a run into `out` (volumes, locations).

    Two passes: sums of y times an orthonormal basis and of y², then (y - fit) / s.d. (population). Locations that do
    not vary, or hold what is no number, are 0.
    """
    n = len(out)
    t = np.linspace(-1, 1, n)
    basis = np.linalg.qr(np.stack([t**k for k in range(order + 1)], 1))[0]
    first = next(run_frames(path, index), None)
    if first is None:
        raise FormatError("holds no volume", where=path)
    origin = np.nan_to_num(first.astype(np.float64))  # sums of squares lose less when a level is taken out first
    fit, square = np.zeros((order + 1, first.size)), np.zeros(first.size)
    bad = np.zeros(first.size, bool)
    for i, frame in enumerate(run_frames(path, index)):
        if i % 16 == 0:
            context.report(i, 2 * n, path.name)
        bad |= ~np.isfinite(frame)
        y = np.nan_to_num(frame) - origin
        fit += basis[i][:, None] * y
        square += y * y
    variance = (square - (fit**2).sum(0)) / n
    dead = bad | (variance <= 1e-9 * np.maximum(square / n, 1e-12))
    scale = np.where(dead, 0, 1 / np.sqrt(np.where(dead, 1, variance)))
    for i, frame in enumerate(run_frames(path, index)):
        if i % 16 == 0:
            context.report(n + i, 2 * n, path.name)
        out[i] = (np.nan_to_num(frame) - origin - basis[i] @ fit) * scale


@dataclass(frozen=True, eq=False)
class RunsSource:
    """All runs of a subject as z-scored volumes, one below the other; a source for the trial cache.

    Parameters
    ----------
    files : tuple of Path
    space : Space
    order : int
        Order of the drift.
    """

    files: tuple[Path, ...]
    space: Space
    order: int = 2

    @cached_property
    def counts(self) -> list[int]:
        """Volumes of each run."""
        return [volumes_in(p) for p in self.files]

    @property
    def trials(self) -> int:
        """Rows: volumes of all runs."""
        return sum(self.counts)

    @property
    def locations(self) -> int:
        return self.space.size

    @property
    def stored(self) -> np.dtype:
        """float16: z-scores need no more."""
        return np.dtype(np.float16)

    def key(self) -> str:
        """Return the key of the cache."""
        return key_of("runs", [fingerprint(p) for p in self.files], self.space.key, self.order)

    def fill(self, out: np.ndarray, context: JobContext) -> None:
        """Clean run by run."""
        start = 0
        index = None
        if not isinstance(self.space.root, GrayordinateSpace) and not is_cifti(self.files[0]):
            root = self.space.root
            assert isinstance(root, VolumeSpace)
            flat = self.space.root_index if isinstance(self.space, MaskedSpace) else np.arange(root.size)
            index = np.ravel_multi_index(np.unravel_index(flat, root.shape), root.shape, order="F")
        for number, (path, count) in enumerate(zip(self.files, self.counts, strict=True)):
            part = Stage(context, number / len(self.files), (number + 1) / len(self.files))
            clean_run(path, index, self.order, out[start:start + count], part)
            start += count


@dataclass(frozen=True, eq=False)
class WindowResponses:
    """Trials as windows of volumes.

    Parameters
    ----------
    volumes : CachedResponses
        z-scored volumes of all runs.
    index : (trials, T) int64 rows of `volumes`
    """

    volumes: CachedResponses
    index: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.index), self.volumes.shape[1]

    def rows(self, index: np.ndarray | slice) -> np.ndarray:
        """Return (n, locations) float32: the mean of each trial's window."""
        return self.window_rows(index).mean(1)

    def window_rows(self, index: np.ndarray | slice) -> np.ndarray:
        """Return (n, T, locations) float32."""
        rows = self.index[as_rows(index, len(self.index))]
        unique, inverse = np.unique(rows, return_inverse=True)
        return self.volumes.rows(unique)[inverse.reshape(rows.shape)]

    def prepare(self, *, context: JobContext = QUIET) -> None:
        """Clean the runs when that was not done yet."""
        self.volumes.prepare(context=context)


def window_index(onset: np.ndarray, run: np.ndarray, runs: dict[int, tuple[int, int]], tr: float, first: int,
                 count: int) -> np.ndarray:
    """Return (trials, count) rows of volumes k + first ... with k = floor(onset / TR).

    Parameters
    ----------
    onset : (trials,) seconds from the first volume of the run
    runs : run number -> (first row, volumes)

    Raises
    ------
    MissingError
        A run has no series. MismatchError: a window that reaches over the end of its run.
    """
    out = np.empty((len(onset), count), np.int64)
    for i, (begun, number) in enumerate(zip(onset.tolist(), run.tolist(), strict=True)):
        if number not in runs:
            raise MissingError(f"run {number} has events and no time series")
        start, volumes = runs[number]
        k = int(np.floor(begun / tr)) + first
        if k < 0 or k + count > volumes:
            raise MismatchError(f"trial {i + 1} of run {number} (onset {begun:.1f} s) needs volumes {k} to "
                                f"{k + count - 1}, the run has {volumes}",
                                remedy="Check onset_shift, TR and [window] of the mapping.")
        out[i] = start + k + np.arange(count)
    return out


def volume_space(path: Path, subject: str, *, context: JobContext = QUIET) -> MaskedSpace:
    """Return the brain of a run's grid: a mask from its mean image (nilearn's compute_epi_mask), kept in the cache.

    Raises
    ------
    FormatError
        The mask is empty.
    """
    header = read_header(path)
    grid = VolumeSpace(f"native:{subject}", (header.shape[0], header.shape[1], header.shape[2]), header.affine)
    file = cache_dir() / "masks" / f"{key_of('epi mask', fingerprint(path))}.npy"
    if not file.is_file():
        from nilearn.image import new_img_like
        from nilearn.masking import compute_epi_mask

        total, n = np.zeros(grid.size), 0
        for n, frame in enumerate(run_frames(path, None), 1):
            if n % 16 == 1:
                context.report(n, header.shape[3], "computing the brain mask")
            total += np.nan_to_num(frame)
        mean = (total / max(n, 1)).reshape(grid.shape, order="F")
        import nibabel as nib

        image = nib.Nifti1Image(mean.astype(np.float32), grid.affine)
        small = min(grid.shape) < 20
        try:
            mask = compute_epi_mask(image, opening=0 if small else 2, connected=not small)
            inside = np.asarray(new_img_like(image, mask.get_fdata()).get_fdata()) > 0
        except ValueError as err:
            raise FormatError(f"gives no brain mask: {err}", where=path) from err
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(file) as out:
            np.save(out, np.flatnonzero(inside.reshape(-1)), allow_pickle=False)
    index = load_npy(file, mmap=False)
    if not index.size:
        raise FormatError("gives an empty brain mask", where=path)
    return MaskedSpace(f"brain:{subject}", grid, index)
