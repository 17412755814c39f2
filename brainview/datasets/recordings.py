"""Recordings of the lab's own data as responses: NIfTI, lists of volumes, GIFTI, CIFTI, npy, GLMsingle output."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.core.files import check_allocation, load_npy
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.array_files import array_responses
from brainview.datasets.cache import CachedResponses, fingerprint, frames, key_of
from brainview.datasets.nsd.files import read_header, read_volume
from brainview.datasets.responses import SideBySide, Stacked
from brainview.datasets.types import Responses
from brainview.maps.space import MaskedSpace, Space, SurfaceSpace, VolumeSpace, get_space, surface_space

_NIFTI = (".nii", ".nii.gz")
#: Bytes of a CIFTI series that are read at once.
PORTION = 512 << 20
_CIFTI = (".dtseries.nii", ".dscalar.nii", ".ptseries.nii", ".pscalar.nii")


@dataclass(frozen=True)
class Recording:
    """Where the responses of one subject lie.

    Parameters
    ----------
    files : tuple of Path
        One below the other (runs, sessions, single volumes).
    right : tuple of Path
        Right hemispheres of `files`, when those are left ones.
    key : str
        Array in an archive (GLMsingle: ``betasmd``); "" = look for it.
    trials_axis : str
        ``first``, ``last`` or ``auto`` of plain arrays.
    order : str
        Order of a mask's voxels in arrays that hold only them: ``C`` (NumPy) or ``F`` (MATLAB).
    scale : float
        Stored value x scale = response, on top of the header's own factor.
    """

    files: tuple[Path, ...]
    right: tuple[Path, ...] = ()
    key: str = ""
    trials_axis: str = "auto"
    order: str = "C"
    scale: float = 1.0


def kind_of(path: Path) -> str:
    """Return ``nifti``, ``cifti``, ``gifti``, ``npy``, ``npz``, ``hdf5`` or ``mat`` by the name of a file."""
    name = path.name.lower()
    for kind, ends in (("cifti", _CIFTI), ("nifti", _NIFTI), ("gifti", (".gii",)), ("npy", (".npy",)),
                       ("npz", (".npz",)), ("hdf5", (".hdf5", ".h5")), ("mat", (".mat",))):
        if name.endswith(ends):
            return kind
    raise FormatError("is of no known kind of responses", where=path,
                      remedy="Use NIfTI, GIFTI, CIFTI, .npy, .npz, .hdf5 or .mat.")


@dataclass(frozen=True, eq=False)
class SpaceWish:
    """What a manifest says about the space: a standard name, a mask file, the meaning of world coordinates."""

    name: str = ""
    mask: Path | None = None
    world: str = "scanner"


def recording_space(recording: Recording, wish: SpaceWish, subject: str) -> Space:
    """Return the space of a recording; reads headers (CIFTI: its brain models)."""
    first = recording.files[0]
    kind = kind_of(first)
    if kind == "cifti":
        from brainview.maps.io.cifti import describe

        return describe(first)[0]
    grid: VolumeSpace | None = None
    if kind == "nifti":
        header = read_header(first)
        grid = VolumeSpace(f"native:{subject}", _grid(header.shape, first), header.affine, world=wish.world)
    elif wish.mask is not None and kind_of(wish.mask) == "nifti":
        header = read_header(wish.mask)
        grid = VolumeSpace(f"native:{subject}", _grid(header.shape, wish.mask), header.affine, world=wish.world)
    if grid is not None:
        return _masked(_named(grid, wish), wish.mask, subject)
    if not wish.name:
        raise MissingError("the manifest does not say where these values are", where=first,
                           remedy='Add [space] name = "fsaverage5" or mask = "mask.nii.gz".')
    space = get_space(wish.name)
    if isinstance(space, SurfaceSpace) and wish.mask is not None:
        inside = load_npy(wish.mask, mmap=False).reshape(-1)
        space.check(inside, where=wish.mask)
        return MaskedSpace(f"mask:{subject}", space, np.flatnonzero(inside))
    return space


def _grid(shape: tuple[int, ...], path: Path) -> tuple[int, int, int]:
    if len(shape) < 3 or any(n != 1 for n in shape[4:]):
        raise FormatError(f"has shape {shape}, 3 or 4 dimensions were expected", where=path)
    return shape[0], shape[1], shape[2]


def _named(grid: VolumeSpace, wish: SpaceWish) -> VolumeSpace:
    if not wish.name or wish.name in ("native", "volume"):
        return grid
    named = get_space(wish.name)
    if not isinstance(named, VolumeSpace) or named.shape != grid.shape \
            or not np.allclose(named.affine, grid.affine, atol=1e-3):
        raise MismatchError(f"the responses are on a grid of {grid.shape}, which is not {wish.name}",
                            remedy="Correct [space] name, or leave it out.")
    return named


def _masked(grid: VolumeSpace, path: Path | None, subject: str) -> Space:
    if path is None:
        return grid
    mask = read_volume(path)
    if mask.shape != grid.shape:
        raise MismatchError(f"has shape {mask.shape}, the responses {grid.shape}", where=path)
    inside = np.flatnonzero(np.nan_to_num(mask).reshape(-1))
    if inside.size == 0:
        raise FormatError("is an empty mask", where=path)
    return MaskedSpace(f"mask:{subject}", grid, inside)


def grid_and_index(space: Space) -> tuple[VolumeSpace, np.ndarray]:
    """Return the grid of a volume space and the C-order positions of its locations."""
    if isinstance(space, MaskedSpace) and isinstance(space.root, VolumeSpace):
        return space.root, space.root_index
    if isinstance(space, VolumeSpace):
        return space, np.arange(space.size)
    raise MismatchError(f"{space.name} is not a volume")


@dataclass(frozen=True, eq=False)
class VolumeFiles:
    """NIfTI files one below the other (4-D runs or single volumes), in one pass each; a source for the trial cache."""

    files: tuple[Path, ...]
    space: Space

    @cached_property
    def counts(self) -> list[int]:
        """Volumes of each file; refuses a file on another grid."""
        grid = grid_and_index(self.space)[0]
        out = []
        for path in self.files:
            header = read_header(path)
            if _grid(header.shape, path) != grid.shape:
                raise MismatchError(f"has shape {header.shape[:3]}, the first file {grid.shape}", where=path)
            if not np.allclose(header.affine, read_header(self.files[0]).affine, atol=1e-3):
                raise MismatchError("lies elsewhere (its affine differs from the first file's)", where=path,
                                    remedy="Resample all runs to one grid first.")
            out.append(header.shape[3] if len(header.shape) > 3 else 1)
        return out

    @property
    def trials(self) -> int:
        return sum(self.counts)

    @property
    def locations(self) -> int:
        return self.space.size

    @cached_property
    def stored(self) -> np.dtype:
        """int16 when all files are plain int16, else float32."""
        headers = [read_header(p) for p in self.files]
        plain = all(h.dtype == np.int16 and h.scale is None for h in headers)
        return np.dtype(np.int16 if plain else np.float32)

    def key(self) -> str:
        """Return the key of the cache."""
        return key_of("volumes", [fingerprint(p) for p in self.files], self.space.key)

    def fill(self, out: np.ndarray, context: JobContext = QUIET) -> None:
        """Unpack each file once."""
        grid, index = grid_and_index(self.space)
        positions = np.ravel_multi_index(np.unravel_index(index, grid.shape), grid.shape, order="F")
        row = 0
        for path, count in zip(self.files, self.counts, strict=True):
            header = read_header(path)
            check_allocation((grid.size,), header.dtype, where=path)
            for frame in frames(path, header.offset, grid.size * header.dtype.itemsize, count):
                data = np.frombuffer(frame, header.dtype)[positions]
                out[row] = data if header.scale is None else data * header.scale + header.inter
                row += 1
                if row % 16 == 0:
                    context.report(row, self.trials, f"indexing {path.name}")


@dataclass(frozen=True, eq=False)
class MapFiles:
    """GIFTI or CIFTI files, one map per trial, through the map readers; a source for the trial cache.

    The number of trials is that of the trial table, checked when the files are read.
    """

    files: tuple[Path, ...]
    right: tuple[Path, ...]
    space: Space
    trials: int
    scale: float = 1.0

    @property
    def locations(self) -> int:
        return self.space.size

    @property
    def stored(self) -> np.dtype:
        """Always float32."""
        return np.dtype(np.float32)

    def key(self) -> str:
        """Return the key of the cache."""
        return key_of("maps", [fingerprint(p) for p in (*self.files, *self.right)], self.space.key, self.trials)

    def fill(self, out: np.ndarray, context: JobContext = QUIET) -> None:
        """Read the files one after the other."""
        row = 0
        for number, path in enumerate(self.files):
            for index in self._portions(path):
                context.report(row, self.trials, f"indexing {path.name}")
                columns = self._values(path, index, left=True)
                if self.right:
                    columns = np.concatenate([columns, self._values(self.right[number], index, left=False)], axis=1)
                self.space.check(columns, where=path)
                if row + len(columns) > self.trials:
                    raise MismatchError(f"has more maps than the {self.trials:,} rows of the trial table", where=path)
                out[row:row + len(columns)] = columns
                row += len(columns)
        if row != self.trials:
            raise MismatchError(f"the files hold {row:,} maps, the trial table has {self.trials:,} rows",
                                where=self.files[0])

    def _portions(self, path: Path) -> list[list[int] | None]:
        """Return the maps to read together, so that a CIFTI series of any length costs no more than `PORTION`.

        In a CIFTI file the maps of one location stand together, so each portion is one pass over the file. GIFTI is
        text that has to be parsed as a whole (None = all of it).
        """
        if kind_of(path) != "cifti":
            return [None]
        from brainview.maps.io.cifti import describe

        count = describe(path)[1]
        step = max(1, PORTION // (8 * self.space.size))
        return [list(range(a, min(a + step, count))) for a in range(0, count, step)]

    def _values(self, path: Path, index: list[int] | None, *, left: bool) -> np.ndarray:
        from brainview.maps.io import read_maps

        maps = read_maps(path, index=index)
        out = np.stack([m.values for m in maps])
        space = maps[0].space
        if isinstance(space, SurfaceSpace) and isinstance(self.space, SurfaceSpace) and self.right:
            # one hemisphere's file may be read as a pair with an empty half
            half = space.left if left else space.right
            wanted = self.space.n_left if left else self.space.n_right
            if out.shape[1] != wanted:
                out = out[:, half]
        return out


def open_recording(recording: Recording, space: Space, trials: int) -> tuple[Responses, str]:
    """Return the responses of a recording and the key of its content; `trials` are the rows of its table."""
    kinds = {kind_of(p) for p in (*recording.files, *recording.right)}
    if len(kinds) != 1:
        raise FormatError(f"the responses are of several kinds: {', '.join(sorted(kinds))}", where=recording.files[0])
    kind = kinds.pop()
    if recording.right and len(recording.right) != len(recording.files):
        raise MismatchError(f"there are {len(recording.files)} left and {len(recording.right)} right files")
    if kind == "nifti":
        source = VolumeFiles(recording.files, space)
        return CachedResponses(source, recording.scale), source.key()
    if kind in ("gifti", "cifti"):
        maps = MapFiles(recording.files, recording.right, space, trials)
        return CachedResponses(maps, recording.scale), maps.key()
    key = key_of("arrays", [fingerprint(p) for p in (*recording.files, *recording.right)], space.key,
                 (recording.key, recording.trials_axis, recording.order, recording.scale))
    if not recording.right:
        parts: list[Responses] = [array_responses(p, recording, space) for p in recording.files]
    else:
        if not isinstance(space, SurfaceSpace):
            raise MismatchError("left and right files need a surface space without a mask", where=recording.files[0])
        left = surface_space(space.name, "left")
        right = surface_space(space.name, "right")
        parts = [SideBySide([array_responses(a, recording, left), array_responses(b, recording, right)])
                 for a, b in zip(recording.files, recording.right, strict=True)]
    return (parts[0] if len(parts) == 1 else Stacked(parts)), key
