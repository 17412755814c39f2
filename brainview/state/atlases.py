"""Regions that the user brings: label files dropped in, and regions grown at the cursor. No Qt.

They join the data set's own regions wherever those are used: outlines, names, hover, palette, clusters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from psygnal import SignalGroupDescriptor

from brainview.core.errors import MismatchError
from brainview.maps.brainmap import BrainMap, Label
from brainview.maps.rois import RoiClass
from brainview.maps.space import MaskedSpace, Space, SurfaceSpace
from brainview.state.app import AppState

#: Class of the regions that were grown in the window.
OWN = "My regions"
#: Meshes that begin with each other's vertices, coarsest first.
_NESTED = ("fsaverage5", "fsaverage6", "fsaverage")


@dataclass(frozen=True, eq=False)
class Atlas:
    """One labelling of a whole space.

    Parameters
    ----------
    name : str
    space : Space
        A surface (both hemispheres) or a volume, without a mask.
    labels : (space.size,) int32
        0 = none.
    table : dict of int to Label
    path : str
        File it came from, "" for regions of one's own.
    """

    name: str
    space: Space
    labels: np.ndarray
    table: dict[int, Label]
    path: str = ""


def sister(path: str) -> str | None:
    """Return the file of the other hemisphere beside one of ``lh.``/``rh.`` or ``.L.``/``.R.``, None without one."""
    where = Path(path)
    swaps = {"lh.": "rh.", "rh.": "lh.", ".L.": ".R.", ".R.": ".L.", "hemi-L": "hemi-R", "hemi-R": "hemi-L"}
    for mark, other in swaps.items():
        if mark in where.name and (mark.startswith((".", "hemi")) or where.name.startswith(mark)):
            found = where.with_name(where.name.replace(mark, other, 1))
            return str(found) if found.is_file() else None
    return None


def atlas_of(maps: Sequence[BrainMap], path: str) -> Atlas:
    """Return the atlas that one or two (left, right) label maps make.

    Raises
    ------
    MismatchError
        The maps hold no labels, or belong to different meshes.
    """
    found = [m.expanded() for m in maps if m.kind == "label" and m.labels]
    if not found:
        raise MismatchError("holds no named labels, so it is no atlas", where=path,
                            remedy="Use a .annot, a label GIFTI, a dlabel CIFTI or a labelled NIfTI.")
    first = found[0].space
    name = re.sub(r"^(lh|rh)\.|[._](L|R)[._]|\.(annot|label|gii|nii|gz|dlabel)\b", "", Path(path).name) or "atlas"
    table = {key: label for m in reversed(found) for key, label in (m.labels or {}).items() if key > 0}
    if not isinstance(first, SurfaceSpace):
        return Atlas(name, first, _whole(found[0].values), table, path)
    left = max((m.space.n_left for m in found), default=0)  # type: ignore[attr-defined]
    right = max((m.space.n_right for m in found), default=0)  # type: ignore[attr-defined]
    count = max(left, right)
    if any(m.space.name != first.name for m in found):
        raise MismatchError("belongs to another mesh than the file of the other hemisphere", where=path)
    space = SurfaceSpace(first.name, count, count)
    labels = np.zeros(space.size, np.int32)
    for one in found:
        own = one.space
        assert isinstance(own, SurfaceSpace)
        values = _whole(one.values)
        if own.n_left:
            labels[:own.n_left] = values[:own.n_left]
        if own.n_right:
            labels[count:count + own.n_right] = values[own.n_left:]
    return Atlas(name, space, labels, table, path)


def _whole(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values, nan=0.0).astype(np.int32)


def fitting(atlas: Atlas, space: Space) -> RoiClass | None:
    """Return an atlas as a class on a space (a finer fsaverage serves a coarser one), None where it does not fit."""
    root, own = space.root, atlas.space
    labels = atlas.labels
    if own != root:
        names = (getattr(own, "name", ""), getattr(root, "name", ""))
        nested = all(n in _NESTED for n in names) and _NESTED.index(names[0]) > _NESTED.index(names[1])
        if not nested or not isinstance(own, SurfaceSpace) or not isinstance(root, SurfaceSpace):
            return None
        labels = np.concatenate([labels[:root.n_left], labels[own.n_left:own.n_left + root.n_right]])
    if isinstance(space, MaskedSpace):
        labels = labels[space.root_index]
    return RoiClass(atlas.name, labels, atlas.table)


@dataclass(eq=False)
class AtlasState:
    """The atlases that are loaded, observable; `wanted` are files that a project names and that are not read yet."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    atlases: tuple[Atlas, ...] = ()
    wanted: tuple[str, ...] = ()

    def add(self, atlas: Atlas) -> None:
        """Take an atlas in; one of the same name is replaced."""
        self.atlases = (*(a for a in self.atlases if a.name != atlas.name), atlas)

    def remove(self, name: str) -> None:
        """Drop an atlas."""
        self.atlases = tuple(a for a in self.atlases if a.name != name)

    def grow(self, name: str, space: Space, members: np.ndarray, rgba: tuple[float, float, float, float]) -> Atlas:
        """Add a region of one's own, (space.size,) bool; where it overlaps an older one, the new one wins."""
        old = next((a for a in self.atlases if a.name == OWN and a.space == space), None)
        labels = np.zeros(space.size, np.int32) if old is None else old.labels.copy()
        table = {} if old is None else {k: v for k, v in old.table.items() if v.name != name}
        if old is not None:
            labels[np.isin(labels, [k for k, v in old.table.items() if v.name == name])] = 0
        number = max(table, default=0) + 1
        labels[members] = number
        atlas = Atlas(OWN, space, labels, {**table, number: Label(name, rgba)})
        self.add(atlas)
        return atlas

    def settings(self) -> dict[str, Any]:
        """Return what a project keeps: the files, and one's own regions as lists of locations."""
        own = [{"space": a.space.name, "regions": {v.name: np.flatnonzero(a.labels == k).tolist()
                                                   for k, v in a.table.items()}}
               for a in self.atlases if not a.path]
        return {"files": [a.path for a in self.atlases if a.path], "own": own}

    def apply(self, stored: Mapping[str, Any]) -> None:
        """Ask for the files of a project and bring one's own regions back."""
        from brainview.maps.space import get_space

        self.wanted = tuple(str(f) for f in stored.get("files", ()) if isinstance(f, str))
        for entry in stored.get("own", ()):
            space = get_space(str(entry["space"]))
            for name, members in dict(entry["regions"]).items():
                inside = np.zeros(space.size, bool)
                inside[np.asarray(members, np.int64)] = True
                self.grow(str(name), space, inside, (1.0, 1.0, 1.0, 1.0))


def known_regions(app: AppState, atlases: AtlasState, drawn: BrainMap | None) -> tuple[dict[str, RoiClass],
                                                                                      Space | None]:
    """Return every class of regions of what is open, and the space that their labels are on.

    The subject's own where a subject is open, else those that fit the drawn map.
    """
    subject = app.subject
    if subject is not None and (drawn is None or drawn.space.root == subject.space.root):
        space: Space | None = subject.space
        classes = dict(subject.rois)
    else:
        space, classes = (None, {}) if drawn is None else (drawn.space, {})
    if space is not None:
        for atlas in atlases.atlases:
            one = fitting(atlas, space)
            if one is not None:
                classes[atlas.name] = one
    return classes, space
