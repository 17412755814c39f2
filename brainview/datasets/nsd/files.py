"""What an NSD tree holds: subjects, response sets (space / beta version), sessions, grids and meshes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.core.files import check_allocation, regular_file
from brainview.core.names import shown
from brainview.datasets.hdf5 import dataset_of, open_hdf5
from brainview.maps.space import VERTICES, MaskedSpace, Space, SurfaceSpace, VolumeSpace, mni_space
from brainview.maps.volumes import mni_brain_space

BETAS = Path("nsddata_betas") / "ppdata"
PPDATA = Path("nsddata") / "ppdata"
SUBJECT = re.compile(r"^subj(\d{2})$")
_SESSION = re.compile(r"^(?:(lh|rh)\.)?betas_session(\d+)\.(nii\.gz|nii|hdf5|h5|mgh|mgz)$")
#: Order of preference; the first that is there is the default response set.
SPACES = ("fsaverage", "fsaverage6", "fsaverage5", "MNI", "func1pt8mm", "func1mm", "nativesurface")
#: b3, b2, b1 of the literature.
VERSIONS = ("betas_fithrf_GLMdenoise_RR", "betas_fithrf", "betas_assumehrf")
_FORMATS = ("nii", "mgh", "nii.gz", "mgz", "hdf5", "h5")
#: Suffix of the response set that takes an MNI 1 mm file at the points of the 2 mm grid.
AT_2MM = "@2mm"


def _rank(name: str, order: tuple[str, ...]) -> tuple[int, str]:
    return (order.index(name) if name in order else len(order), name)


def find_subjects(root: Path) -> list[str]:
    """Return the subjects that have a folder of betas."""
    folder = root / BETAS
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if SUBJECT.match(p.name) and p.is_dir())


@dataclass(frozen=True)
class BetaSet:
    """One response set of one subject: a folder of sessions.

    Parameters
    ----------
    space, version : str
        Folder names, for example ``func1pt8mm`` and ``betas_fithrf``.
    sessions : dict of int to dict of str to Path
        Session number (from 1) to file by hemisphere (``""`` for volumes).
    """

    subject: str
    space: str
    version: str
    folder: Path
    sessions: dict[int, dict[str, Path]]
    decimated: bool = False

    @property
    def name(self) -> str:
        """The name of the response set, ``space/version``."""
        return f"{self.space}/{self.version}" + (AT_2MM if self.decimated else "")

    @property
    def is_surface(self) -> bool:
        """True for one file per hemisphere."""
        return "" not in next(iter(self.sessions.values()))


def find_beta_sets(root: Path, subject: str) -> list[BetaSet]:
    """Return the response sets of one subject, the default first."""
    folder = root / BETAS / subject
    found: list[BetaSet] = []
    if not folder.is_dir():
        return found
    for space in sorted((p for p in folder.iterdir() if p.is_dir()), key=lambda p: _rank(p.name, SPACES)):
        for version in sorted((p for p in space.iterdir() if p.is_dir()), key=lambda p: _rank(p.name, VERSIONS)):
            sessions = find_sessions(version)
            if sessions:
                found.append(BetaSet(subject, space.name, version.name, version, sessions))
                if space.name == "MNI" and _on_mni_1mm(next(iter(sessions.values()))):
                    found.append(BetaSet(subject, space.name, version.name, version, sessions, decimated=True))
    return found


def find_sessions(folder: Path) -> dict[int, dict[str, Path]]:
    """Return files by session number and hemisphere; of several formats the one that reads fastest."""
    found: dict[int, dict[str, tuple[int, Path]]] = {}
    for path in folder.iterdir():
        match = _SESSION.match(path.name)
        if not match:
            continue
        side, session, rank = match[1] or "", int(match[2]), _FORMATS.index(match[3])
        here = found.setdefault(session, {})
        if side not in here or rank < here[side][0]:
            here[side] = (rank, path)
    return {n: {side: path for side, (_, path) in sorted(found[n].items())} for n in sorted(found)}


def _on_mni_1mm(files: dict[str, Path]) -> bool:
    path = files.get("")
    if path is None or path.name.endswith(("hdf5", "h5")):
        return False
    header, grid = read_header(path), mni_space(1)
    return header.shape[:3] == grid.shape and np.allclose(header.affine, grid.affine, atol=1e-3)


@dataclass(frozen=True, eq=False)
class Header:
    """What a beta file says of itself: shape with the trials last, stored type, affine, factor, place of the first
    value, and what is added after the factor."""

    shape: tuple[int, ...]
    dtype: np.dtype
    affine: np.ndarray
    scale: float | None
    offset: int
    inter: float = 0.0

    @property
    def nsd_scale(self) -> float:
        """Stored value x this = percent signal change: the header's own factor, else 1/300 for integers (NSD)."""
        return self.scale if self.scale is not None else (1 / 300 if self.dtype.kind in "iu" else 1.0)


def read_header(path: Path) -> Header:
    """Read the header of a NIfTI or MGH file, unpacked or not; never its data.

    `scale` is None when the header scales by nothing else than 1.
    """
    path = regular_file(path)
    if path.suffix in (".mgh", ".mgz"):
        return _mgh_header(path)
    try:
        image: Any = nib.load(path)
        header = image.header
        shape = tuple(int(n) for n in image.shape)
        dtype = np.dtype(header.get_data_dtype())
        proxy = image.dataobj  # the header itself forgets its scaling when it is loaded
        slope, inter, offset = float(proxy.slope), float(proxy.inter), int(proxy.offset)
    except (OSError, ValueError, EOFError, AttributeError, KeyError, OverflowError,
            nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError) as err:
        raise FormatError(f"has no readable header: {shown(err, limit=120)}", where=path) from err
    if dtype.kind not in "iuf":
        raise FormatError(f"holds {dtype}, real numbers were expected", where=path)
    plain = slope == 1.0 and inter == 0.0
    return Header(shape, dtype, np.asarray(image.affine, float), None if plain else slope, offset, inter)


def _mgh_header(path: Path) -> Header:
    from nibabel.freesurfer.mghformat import MGHError, MGHHeader

    try:
        with nib.openers.ImageOpener(str(path)) as file:
            header = MGHHeader.from_fileobj(file)
        shape = tuple(int(n) for n in header.get_data_shape())
        return Header(shape, np.dtype(header.get_data_dtype()), header.get_affine(), 1.0, 284)
    except (OSError, ValueError, EOFError, KeyError, TypeError, MGHError, nib.spatialimages.HeaderDataError) as err:
        raise FormatError(f"has no readable header: {shown(err, limit=120)}", where=path) from err


def trials_of(path: Path) -> tuple[int, int]:
    """Return (trials, locations of the file) from a header."""
    if path.name.endswith(("hdf5", "h5")):
        with open_hdf5(path) as file:
            shape = dataset_of(file, "betas").shape
        if len(shape) not in (2, 4):
            raise FormatError(f"betas have {len(shape)} dimensions, 2 or 4 were expected", where=path)
        return int(shape[0]), int(np.prod(shape[1:], dtype=object))
    shape = read_header(path).shape
    if len(shape) == 3:
        shape = (*shape, 1)
    if len(shape) != 4:
        raise FormatError(f"has {len(shape)} dimensions, 4 were expected", where=path)
    return shape[3], shape[0] * shape[1] * shape[2]


def read_volume(path: Path) -> np.ndarray:
    """Return one 3-D volume as float32 (header scaling applied), bounded in size."""
    path = regular_file(path)
    try:
        image: Any = nib.load(path)
        check_allocation(image.shape, np.float64, where=path)
        values = np.asarray(image.dataobj, dtype=np.float32)
    except (OSError, ValueError, EOFError, nib.filebasedimages.ImageFileError) as err:
        raise FormatError(f"is not a readable volume: {shown(err, limit=120)}", where=path) from err
    return values.reshape(values.shape[:3]) if values.ndim > 3 and values[0, 0, 0].size == 1 else values


def volume_grid(root: Path, betas: BetaSet) -> tuple[VolumeSpace, list[str]]:
    """Return the grid of the beta files and what is odd about it."""
    first = next(iter(betas.sessions.values()))[""]
    problems: list[str] = []
    if first.name.endswith(("hdf5", "h5")):
        with open_hdf5(first) as file:
            shape = tuple(int(n) for n in dataset_of(file, "betas").shape[:0:-1])
        reference = _first([root / PPDATA / betas.subject / betas.space / f"{n}.nii.gz" for n in ("brainmask", "mean")])
        affine = read_header(reference).affine if reference else _centred(shape, betas.space)
        if reference is None:
            problems.append(f"{betas.name}: no brainmask or mean volume says where the grid lies; it is centred.")
    else:
        header = read_header(first)
        shape, affine = header.shape[:3], header.affine
    if len(shape) != 3:
        raise FormatError(f"has a grid of {len(shape)} dimensions", where=first)
    if betas.space == "MNI":
        for resolution in (2, 1):
            grid = mni_space(resolution)
            if shape == grid.shape:
                if np.allclose(affine, grid.affine, atol=1e-3):
                    return grid, problems
                problems.append(f"{betas.name}: the affine of {first.name} is not that of the MNI {resolution} mm "
                                "grid; the file's own affine is used.")
        return VolumeSpace(f"MNI:{betas.subject}", shape, affine, world="MNI152"), problems
    return VolumeSpace(f"{betas.space}:{betas.subject}", shape, affine, world="subject"), problems


def _first(paths: list[Path]) -> Path | None:
    return next((p for p in paths if p.is_file()), None)


def _centred(shape: tuple[int, ...], space: str) -> np.ndarray:
    """Return NSD's own affine: diagonal, origin at the centre of the volume."""
    edge = {"func1pt8mm": 1.8}.get(space, 1.0)
    affine = np.diag([edge, edge, edge, 1.0])
    affine[:3, 3] = [-((n + 1) / 2 - 1) * edge for n in shape]
    return affine


def beta_space(root: Path, betas: BetaSet) -> tuple[Space, np.ndarray | None, list[str]]:
    """Return the space of a response set, the positions of its locations in a file's own (Fortran) order, problems.

    Surfaces: all vertices, positions None. Volumes: the brain mask of the subject; the MNI152 brain at 2 mm.
    """
    if betas.is_surface:
        return _surface(betas), None, []
    grid, problems = volume_grid(root, betas)
    if betas.decimated:
        space = mni_brain_space(2)
        x, y, z = np.unravel_index(space.index, mni_space(2).shape)
        # the 2 mm points lie on the 1 mm lattice (data manual's order): no interpolation
        return space, np.ravel_multi_index((2 * x + 1, 2 * y, 2 * z), grid.shape, order="F"), problems
    if grid == mni_space(2) or grid == mni_space(1):
        space = mni_brain_space(2 if grid == mni_space(2) else 1)
    else:
        mask = _mask(root, betas, grid, problems)
        space = MaskedSpace(f"brain:{grid.name}", grid, np.flatnonzero(mask.reshape(-1)))
    return space, np.ravel_multi_index(np.unravel_index(space.index, grid.shape), grid.shape, order="F"), problems


def _mask(root: Path, betas: BetaSet, grid: VolumeSpace, problems: list[str]) -> np.ndarray:
    path = root / PPDATA / betas.subject / betas.space / "brainmask.nii.gz"
    if path.is_file():
        mask = read_volume(path)
        if mask.shape != grid.shape:
            raise MismatchError(f"has shape {mask.shape}, the betas {grid.shape}", where=path)
        mask = np.nan_to_num(mask) > 0
        if mask.any():
            return mask
        problems.append(f"{betas.name}: the brain mask is empty.")
    valid = [p for n in betas.sessions for p in valid_files(root, betas, n)]
    if valid:
        union = np.zeros(grid.shape, bool)
        for file in valid:
            union |= np.nan_to_num(read_volume(file)) > 0
        problems.append(f"{betas.name}: no brain mask; every voxel that is valid in some session is used.")
        return union
    problems.append(f"{betas.name}: no brain mask and no valid masks; all voxels are used.")
    return np.ones(grid.shape, bool)


def valid_files(root: Path, betas: BetaSet, session: int) -> list[Path]:
    """Return the valid mask of a session, beside the betas (MNI) or in ppdata (func); [] when there is none."""
    name = f"valid_session{session:02d}.nii.gz"
    found = _first([betas.folder / name, root / PPDATA / betas.subject / betas.space / name])
    return [found] if found else []


def _surface(betas: BetaSet) -> SurfaceSpace:
    counts = {}
    for number, files in betas.sessions.items():
        if set(files) != {"lh", "rh"}:
            raise MissingError(f"session {number} has only one hemisphere", where=betas.folder)
    for side, path in next(iter(betas.sessions.values())).items():
        counts[side] = trials_of(path)[1]
    standard = {n: name for name, n in VERTICES.items() if name.startswith("fsaverage")}
    left, right = counts["lh"], counts["rh"]
    if left == right and left in standard and betas.space != "nativesurface":
        return SurfaceSpace(standard[left], left, right)
    if betas.space.startswith("fsaverage"):
        raise MismatchError(f"has {left:,} and {right:,} vertices, no fsaverage mesh has that", where=betas.folder)
    return SurfaceSpace(f"native:{betas.subject}", left, right)
