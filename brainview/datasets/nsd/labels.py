"""ROIs of an NSD tree: volumes or surface labels (-1 not cortex, 0 none, above 0 a label), names from ``.mgz.ctab``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from brainview.core.errors import FormatError, MismatchError
from brainview.core.files import check_allocation, read_text
from brainview.datasets.algonauts2023 import ROI_NAMES
from brainview.datasets.cache import frames
from brainview.datasets.nsd.files import PPDATA, BetaSet, read_header, read_volume
from brainview.datasets.nsd.transform import apply_transform, load_transform
from brainview.maps.brainmap import Label
from brainview.maps.rois import RoiClass
from brainview.maps.space import Space, SurfaceSpace, VolumeSpace

FREESURFER = Path("nsddata") / "freesurfer"
_NAMES = {**ROI_NAMES, "nsdgeneral": ("nsdgeneral",), "prf-eccrois": ("ecc0pt5", "ecc1", "ecc2", "ecc4", "ecc4+")}
_SURFACE = re.compile(r"^(lh|rh)\.(.+)\.(mgz|mgh)$")
_VOLUME = re.compile(r"^(?:(lh|rh)\.)?(.+?)\.nii(?:\.gz)?$")


def read_ctab(path: Path) -> dict[int, Label]:
    """Read a colour table: number, name and, if there, red green blue (0..255) per line, separated by blanks."""
    table = {}
    for line in read_text(path, limit=4 << 20).splitlines():
        cells = line.split()
        if len(cells) < 2 or not cells[0].lstrip("-").isdigit():
            continue
        color = None
        if len(cells) >= 5 and all(c.isdigit() for c in cells[2:5]):
            color = (int(cells[2]) / 255, int(cells[3]) / 255, int(cells[4]) / 255, 1.0)
        table[int(cells[0])] = Label(cells[1], color)
    return {k: v for k, v in table.items() if k > 0}


def find_tables(root: Path, subject: str) -> dict[str, dict[int, Label]]:
    """Return label tables by ROI class, the subject's own before fsaverage's, before the published names."""
    tables = {name: {i: Label(n) for i, n in enumerate(names, 1)} for name, names in _NAMES.items()}
    for owner in ("fsaverage", subject):
        folder = root / FREESURFER / owner / "label"
        for path in sorted(folder.glob("*.ctab")) if folder.is_dir() else []:
            table = read_ctab(path)
            if table:
                tables[re.sub(r"\.mg[hz]\.ctab$|\.ctab$", "", path.name)] = table
    return tables


@dataclass(frozen=True, eq=False)
class LazyRois(Mapping):
    """ROI classes that are read when they are asked for.

    Parameters
    ----------
    space : Space
        Of the subject's responses.
    files : dict of str to dict of str to Path
        Class to file by hemisphere (``""`` = both in one volume).
    tables : dict of str to dict of int to Label
    positions : (locations,) int64, optional
        Of the locations in a volume file's Fortran order; None for surfaces.
    shape : tuple of int, optional
        Grid of the volume files.
    transform : Path, optional
        Maps the volume files onto the space (nearest), when they lie on another grid.
    """

    space: Space
    files: dict[str, dict[str, Path]]
    tables: dict[str, dict[int, Label]]
    positions: np.ndarray | None = None
    shape: tuple[int, ...] | None = None
    transform: Path | None = None
    _read: dict[str, RoiClass] = field(default_factory=dict)

    def __getitem__(self, name: str) -> RoiClass:
        if name not in self.files:
            raise KeyError(name)
        if name not in self._read:
            labels = self._surface(name) if self.positions is None else self._volume(name)
            table = dict(self.tables.get(name, {}))
            for key in np.unique(labels[labels > 0]).tolist():
                table.setdefault(key, Label(f"{name} {key}"))
            self._read[name] = RoiClass(name, labels, dict(sorted(table.items())))
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def _surface(self, name: str) -> np.ndarray:
        assert isinstance(self.space, SurfaceSpace)
        out = np.zeros(self.space.size, np.int32)
        for side, place in (("lh", self.space.left), ("rh", self.space.right)):
            if side in self.files[name]:
                out[place] = _whole(read_vector(self.files[name][side]), self.files[name][side])
        return np.maximum(out, 0)

    def _volume(self, name: str) -> np.ndarray:
        assert self.positions is not None
        out = np.zeros(self.space.size, np.int32)
        for path in self.files[name].values():
            volume = read_volume(path)
            if self.transform is not None:
                points = load_transform(self.transform).reshape(-1, 3, order="F")[self.positions]
                values = np.nan_to_num(apply_transform(volume, points, "nearest"))
            else:
                if volume.shape != self.shape:
                    raise MismatchError(f"has shape {volume.shape}, the betas {self.shape}", where=path)
                values = volume.reshape(-1, order="F")[self.positions]
            out = np.where(out > 0, out, np.maximum(_whole(values, path), 0))
        return out


def _whole(values: np.ndarray, path: Path) -> np.ndarray:
    values = np.nan_to_num(values)
    if (np.abs(values) > 2**31 - 1).any() or (values != np.round(values)).any():
        raise FormatError("holds fractions, labels are whole numbers", where=path)
    return values.astype(np.int32)


def read_vector(path: Path) -> np.ndarray:
    """Return (vertices,) float32 of a surface file (.mgh, .mgz)."""
    header = read_header(path)
    size = check_allocation(header.shape, header.dtype, where=path)
    return np.frombuffer(next(frames(path, header.offset, size, 1)), header.dtype).astype(np.float32)


def find_rois(root: Path, betas: BetaSet, space: Space, positions: np.ndarray | None,
              grid: VolumeSpace | None) -> LazyRois:
    """Return the ROI classes that fit a response set; reads headers only."""
    tables = find_tables(root, betas.subject)
    if isinstance(space, SurfaceSpace):
        return LazyRois(space, _surface_files(root, betas, space), tables)
    assert grid is not None
    folder = root / PPDATA / betas.subject / betas.space / "roi"
    files = volume_files(folder)
    if files or betas.space != "MNI":
        return LazyRois(space, files, tables, positions, grid.shape)
    transform = root / PPDATA / betas.subject / "transforms" / "func1pt0-to-MNI.nii.gz"
    files = volume_files(root / PPDATA / betas.subject / "func1mm" / "roi")
    if not files or not transform.is_file() or read_header(transform).shape[:3] != grid.shape:
        return LazyRois(space, {}, tables, positions, grid.shape)
    return LazyRois(space, files, tables, positions, grid.shape, transform)


def volume_files(folder: Path) -> dict[str, dict[str, Path]]:
    """Return class -> hemisphere (``""`` = both) -> file of the ROI volumes in a folder."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        match = _VOLUME.match(path.name)
        if match:
            found.setdefault(match[2], {})[match[1] or ""] = path
    # a file of both hemispheres makes the two single ones superfluous
    return {n: {"": f[""]} if "" in f else f for n, f in found.items()}


def _surface_files(root: Path, betas: BetaSet, space: SurfaceSpace) -> dict[str, dict[str, Path]]:
    found: dict[str, dict[str, Path]] = {}
    sizes = {"lh": space.n_left, "rh": space.n_right}
    for owner in (space.name, "fsaverage", betas.subject):
        folder = root / FREESURFER / owner / "label"
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            match = _SURFACE.match(path.name)
            if not match:
                continue
            shape = read_header(path).shape
            if shape[0] == sizes[match[1]] and shape[1:3] == (1, 1):
                found.setdefault(match[2], {})[match[1]] = path
    return {n: found[n] for n in sorted(found)}
