"""The formats BrainView reads and writes, and the functions that choose among them."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brainview.core.errors import FormatError, MismatchError
from brainview.core.files import regular_file
from brainview.maps.brainmap import BrainMap
from brainview.maps.io import provenance
from brainview.maps.io.common import Hemisphere, Wanted, hemisphere_of, stem
from brainview.maps.io.stream import looks_like
from brainview.maps.rois import RoiClass
from brainview.maps.space import Space, SurfaceSpace

if TYPE_CHECKING:
    from brainview.maps.meshes import Mesh


@dataclass(frozen=True)
class Format:
    """One file format.

    Parameters
    ----------
    name : str
        Short name, the `format` of :func:`write_map`.
    title : str
        For people.
    module : str
        Module with ``read(path, wanted)`` and, when written, ``write(map, path)``; imported when first needed.
    endings : tuple of str
        File name endings, the first is the one that is written.
    writes : bool
    """

    name: str
    title: str
    module: str
    endings: tuple[str, ...]
    writes: bool = False

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the format's module."""
        return getattr(importlib.import_module(self.module), function)(*arguments)


_HERE = "brainview.maps.io."
#: Every format by name; longer endings are tried first.
FORMATS: dict[str, Format] = {f.name: f for f in (
    Format("cifti", "CIFTI-2", _HERE + "cifti", (".dscalar.nii", ".dlabel.nii", ".dtseries.nii", ".pscalar.nii",
                                                 ".ptseries.nii", ".plabel.nii"), writes=True),
    Format("nifti", "NIfTI", _HERE + "nifti", (".nii.gz", ".nii", ".hdr", ".img", ".hdr.gz", ".img.gz"), writes=True),
    Format("gifti", "GIFTI", _HERE + "gifti", (".func.gii", ".shape.gii", ".label.gii", ".gii", ".gii.gz"),
           writes=True),
    Format("mgh", "FreeSurfer MGH", _HERE + "mgh", (".mgz", ".mgh", ".mgh.gz")),
    Format("annot", "FreeSurfer annotation", _HERE + "freesurfer", (".annot",)),
    Format("label", "FreeSurfer label", _HERE + "freesurfer", (".label",)),
    Format("curv", "FreeSurfer curvature", _HERE + "freesurfer", (".curv", ".sulc", ".thickness", ".area", ".volume")),
    Format("csv", "comma-separated table", _HERE + "tables", (".csv",), writes=True),
    Format("tsv", "tab-separated table", _HERE + "tables", (".tsv",), writes=True),
    Format("npy", "NumPy array", _HERE + "tables", (".npy",), writes=True),
)}

_KNOWN_OTHERS = {".stc": "an MNE source estimate", ".fif": "an MNE file", ".dat": "a data or registration file",
                 ".pkl": "a Python pickle", ".npz": "a NumPy archive", ".mat": "a MATLAB file",
                 ".dconn.nii": "a CIFTI connectivity matrix", ".pconn.nii": "a CIFTI connectivity matrix",
                 ".ply": "a mesh", ".obj": "a mesh", ".stl": "a mesh"}


def format_of(path: os.PathLike | str) -> Format:
    """Return the format of an existing file: by its ending, else by its first bytes (FreeSurfer's bare names).

    Raises FormatError that names what the file seems to be and what can be read.
    """
    path = regular_file(path)
    lower = path.name.lower()
    for ending, word in _KNOWN_OTHERS.items():
        if lower.endswith(ending):
            raise FormatError(f"is {word}, which is not read", where=path, remedy=_readable())
    found = _by_ending(lower)
    if found is not None:
        return found
    with open(path, "rb") as file:
        head = file.read(16)
    if head[:3] in (b"\xff\xff\xff", b"\xff\xff\xfe"):
        return FORMATS["curv"]
    if head[:4] == b"\0\0\0\1":
        return FORMATS["mgh"]
    word = looks_like(head)
    raise FormatError("is no map that can be read" + (f": it looks like {word}" if word else ""), where=path,
                      remedy=_readable())


def _by_ending(lower: str) -> Format | None:
    pairs = [(ending, f) for f in FORMATS.values() for ending in f.endings]
    return next((f for ending, f in sorted(pairs, key=lambda p: -len(p[0])) if lower.endswith(ending)), None)


def _readable() -> str:
    return "Readable: " + ", ".join(f.title for f in FORMATS.values()) + "."


def read_maps(path: os.PathLike | str, *, index: int | Sequence[int] | None = None,
              hemisphere: Hemisphere | None = None, space: Space | None = None) -> list[BrainMap]:
    """Return the maps of any supported file, with name, space, labels and suggested limits filled.

    Volumes are turned to the order closest to RAS (a volume that BrainView wrote keeps its own); vertex maps are
    recognised by their count. What was assumed stands in ``provenance["notes"]``.

    Parameters
    ----------
    path : path
    index : int or sequence of int, optional
        Which maps; all by default. Only these are read.
    hemisphere : "left" or "right", optional
        For one hemisphere's values whose file does not say which.
    space : Space, optional
        For values whose file does not say where they are.

    Raises
    ------
    FormatError
        Damaged, mislabelled, or nothing that can be shown.
    LimitError
        It would cost more than 1 GiB of memory; a series can then be opened map by map with `index`.
    MismatchError
        The values do not fit the space.
    """
    numbers = None if index is None else (index,) if isinstance(index, int) else tuple(index)
    return format_of(path).call("read", Path(path), Wanted(numbers, hemisphere, space))


def read_map(path: os.PathLike | str, index: int = 0, *, hemisphere: Hemisphere | None = None,
             space: Space | None = None) -> BrainMap:
    """Return one map of a file; see :func:`read_maps`."""
    return read_maps(path, index=index, hemisphere=hemisphere, space=space)[0]


def read_pair(left: os.PathLike | str, right: os.PathLike | str) -> list[BrainMap]:
    """Return the maps of a left and a right file as maps of both hemispheres.

    Raises MismatchError when the files hold different numbers of maps, different meshes, or the same side.
    """
    halves = read_maps(left, hemisphere=hemisphere_of(left) or "left"), read_maps(
        right, hemisphere=hemisphere_of(right) or "right")
    if len(halves[0]) != len(halves[1]):
        raise MismatchError(f"has {len(halves[1])} maps, {Path(left).name} has {len(halves[0])}", where=right)
    return [join_hemispheres(a, b, where=right) for a, b in zip(*halves, strict=True)]


def join_hemispheres(left: BrainMap, right: BrainMap, *, where: object = None) -> BrainMap:
    """Return one map of two one-sided maps; fields come from the left one, labels from both."""
    a, b = left.space, right.space
    if not isinstance(a, SurfaceSpace) or not isinstance(b, SurfaceSpace) or a.n_right or b.n_left:
        raise MismatchError(f"{a.name} and {b.name} are not a left and a right hemisphere", where=where)
    if a.name != b.name and not (a.name.startswith("native:") and b.name.startswith("native:")):
        raise MismatchError(f"is on {b.name}, the left file on {a.name}", where=where)
    labels = left.labels
    if labels is not None and right.labels is not None:
        shared = labels.keys() & right.labels.keys()
        clash = [k for k in shared if k and labels[k].name != right.labels[k].name]
        if clash:
            raise MismatchError(f"calls label {clash[0]} {right.labels[clash[0]].name!r}, the left file "
                                f"{labels[clash[0]].name!r}", where=where, remedy="Open the two files one by one.")
        labels = {**right.labels, **labels}
    kind = "diverging" if "diverging" in (left.kind, right.kind) and left.kind != "label" else left.kind
    limits = left.limits
    if left.limits and right.limits:
        limits = min(left.limits[0], right.limits[0]), max(left.limits[1], right.limits[1])
    return left.having(values=np.concatenate([left.values, right.values]), labels=labels, limits=limits, kind=kind,
                       space=SurfaceSpace(a.name, a.n_left, b.n_right))


def write_map(map: BrainMap, path: os.PathLike | str, format: str | None = None) -> Path:
    """Write a map with its story inside and in a JSON beside it; returns the file written.

    Parameters
    ----------
    map : BrainMap
    path : path
        The ending decides the format; with `format` a missing ending is added.
    format : str, optional
        ``nifti``, ``gifti``, ``cifti``, ``csv``, ``tsv``, ``npy``.

    Notes
    -----
    GIFTI holds one hemisphere: a map of both gives ``lh.NAME`` and ``rh.NAME`` and the first is returned. Masks are
    written as NaN outside (NIfTI, GIFTI) or as they are (CIFTI, CSV, npy). Every file appears whole or not at all.

    Raises
    ------
    FormatError
        No format of that name or ending is written.
    MismatchError
        The format cannot hold the map's space; the message says which can.
    """
    path = Path(path)
    found = _by_ending(path.name.lower())
    if format is not None:
        if format not in FORMATS or not FORMATS[format].writes:
            known = ", ".join(f.name for f in FORMATS.values() if f.writes)
            raise FormatError(f"no format called {format!r} is written", where=path, remedy=f"Known: {known}.")
        if found is not FORMATS[format]:
            found = FORMATS[format]
            path = path.with_name(path.name + found.endings[0])
    if found is None or not found.writes:
        endings = ", ".join(e for f in FORMATS.values() if f.writes for e in f.endings[:1])
        raise FormatError("has no ending of a format that is written", where=path, remedy=f"Use one of {endings}.")
    written: Path = found.call("write", map, path)
    if found.name != "gifti":  # which writes one beside each hemisphere
        provenance.write_sidecar(map, written)
    return written


def read_labels(path: os.PathLike | str, *, hemisphere: Hemisphere | None = None,
                space: Space | None = None) -> tuple[Space, list[RoiClass]]:
    """Return the space and the labellings of a label file (annot, label, label.gii, dlabel.nii, whole-number volume).

    Raises FormatError when the file holds no labels.
    """
    maps = read_maps(path, hemisphere=hemisphere, space=space)
    found = []
    for one in maps:
        if one.kind != "label" or one.labels is None:
            raise FormatError(f"holds the map {one.name!r}, which is no labelling", where=path,
                              remedy="Open it as a map.")
        ids = np.nan_to_num(one.values).astype(np.int32)
        found.append(RoiClass(one.name, ids, {k: v for k, v in one.labels.items() if k > 0}))
    return maps[0].space, found


def read_surface(path: os.PathLike | str) -> Mesh:
    """Return the mesh of a GIFTI or FreeSurfer surface file; refuses one with a face index past its vertices."""
    path = regular_file(path)
    module = "gifti" if path.name.lower().endswith((".gii", ".gii.gz")) else "freesurfer"
    vertices, faces = importlib.import_module(_HERE + module).read_mesh(path)
    check_mesh(vertices, faces, path)
    from brainview.maps.meshes import Mesh  # here, because meshes reads its files through this package

    return Mesh(vertices, faces)


def check_mesh(vertices: np.ndarray, faces: np.ndarray, path: Path) -> None:
    """Refuse a mesh that cannot be drawn: no faces, coordinates that are no numbers, faces past the last vertex."""
    if len(faces) == 0 or len(vertices) < 3:
        raise FormatError(f"is a mesh of {len(vertices)} vertices and {len(faces)} faces", where=path)
    if not np.isfinite(vertices).all():
        raise FormatError("has vertices that are not numbers", where=path)
    if int(faces.min()) < 0 or int(faces.max()) >= len(vertices):
        raise FormatError(f"has a face that names vertex {int(faces.max()):,} of {len(vertices):,}", where=path,
                          remedy="Copy it again; one of its two tables is damaged.")


__all__ = ["FORMATS", "Format", "check_mesh", "format_of", "join_hemispheres", "read_labels", "read_map", "read_maps",
           "read_pair", "read_surface", "stem", "write_map"]
