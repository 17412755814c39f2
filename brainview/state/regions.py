"""Regions both ways: from selected bars to outlines on the cortex, from a picked vertex to its bars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from brainview.maps.brainmap import Label
from brainview.maps.rois import RoiClass
from brainview.maps.space import MaskedSpace, Space, SurfaceSpace
from brainview.state.app import RoiKey

#: Name of the class that holds the selected regions.
SELECTION = "Selected regions"


def own_index(space: Space, root_index: int) -> int | None:
    """Return the position in `space` of a location of its root, None outside the mask."""
    if not isinstance(space, MaskedSpace):
        return root_index if 0 <= root_index < space.size else None
    at = int(np.searchsorted(space.root_index, root_index))
    return at if at < space.size and space.root_index[at] == root_index else None


def regions_at(rois: Mapping[str, RoiClass], space: Space, root_index: int) -> tuple[RoiKey, ...]:
    """Return the regions that hold one location of the root space."""
    at = own_index(space, root_index)
    if at is None:
        return ()
    root = space.root
    side = "both" if not isinstance(root, SurfaceSpace) else "left" if root_index < root.n_left else "right"
    out = []
    for name, roi in rois.items():
        label = roi.table.get(int(roi.labels[at]))
        if label is not None and int(roi.labels[at]) > 0:
            out.append(RoiKey(side, name, label.name))
    return tuple(out)


def region_names(rois: Mapping[str, RoiClass], space: Space, root_index: int) -> list[str]:
    """Return the names alone, for the status line."""
    return list(dict.fromkeys(key.roi for key in regions_at(rois, space, root_index)))


def selection_class(rois: Mapping[str, RoiClass], space: Space, selected: Iterable[RoiKey],
                    rgba: tuple[float, float, float, float]) -> RoiClass | None:
    """Return one labelling that holds the selected regions, None when nothing is selected or found.

    Where two selected regions overlap the later one wins, which an outline does not show.
    """
    labels = np.zeros(space.size, np.int32)
    table: dict[int, Label] = {}
    root = space.root
    split = None  # how many of the places lie on the left
    if isinstance(root, SurfaceSpace):
        split = int(np.searchsorted(space.root_index, root.n_left)) if isinstance(space, MaskedSpace) else root.n_left
    for number, key in enumerate(selected, start=1):
        roi = rois.get(key.roi_class)
        if roi is None or key.roi not in (t.name for t in roi.table.values()):
            continue
        mask = roi.mask(key.roi)
        if split is not None and key.hemisphere in ("left", "right"):
            mask = mask.copy()
            mask[split:] &= key.hemisphere == "right"
            mask[:split] &= key.hemisphere == "left"
        if mask.any():
            labels[mask] = number
            table[number] = Label(key.roi, rgba)
    return RoiClass(SELECTION, labels, table) if table else None
