"""Outlines of regions on the flat picture of a map, coloured by what the regions do."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from brainview.app.widgets.flat_picture import HEIGHT, WIDTH, picture, raster
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule
from brainview.maps.rois import RoiClass
from brainview.maps.space import MaskedSpace, Space, SurfaceSpace

#: Classes of regions in the colours of Fig. 2A of the LLM-VEM paper; streams are drawn in the text colour.
CLASS_COLORS: dict[str, tuple[int, int, int]] = {
    "prf-visualrois": (230, 60, 60), "floc-bodies": (166, 110, 60), "floc-faces": (245, 150, 40),
    "floc-places": (70, 180, 90), "floc-words": (165, 100, 215)}
STREAMS = "streams"
OTHER = (225, 228, 235)


def boundaries(rois: Mapping[str, RoiClass], space: Space) -> dict[str, np.ndarray]:
    """Return class -> (HEIGHT, 2 * WIDTH) bool: pixels where a region of the class ends."""
    root = space.root
    if not isinstance(root, SurfaceSpace):
        return {}
    index = space.root_index if isinstance(space, MaskedSpace) else np.arange(space.size)
    out = {}
    for name, roi in rois.items():
        labels = np.zeros(root.size, np.int32)
        labels[index] = np.maximum(roi.labels, 0)
        edge = np.zeros((HEIGHT, 2 * WIDTH), bool)
        for k, side in enumerate(("left", "right")):
            at = raster(root.name, side)
            here = np.where(at >= 0, labels[np.maximum(at, 0) + (root.n_left if k else 0)], 0)
            part = edge[:, k * WIDTH:(k + 1) * WIDTH]
            across, down = here[:, :-1] != here[:, 1:], here[:-1] != here[1:]
            part[:, :-1] |= across
            part[:, 1:] |= across  # two pixels wide: one would vanish in a small print
            part[:-1] |= down
            part[1:] |= down
            part &= at >= 0
        if edge.any():
            out[name] = edge
    return out


def outlined(brain_map: BrainMap, rule: ColorRule, rois: Mapping[str, RoiClass], space: Space) -> np.ndarray:
    """Return (HEIGHT, 2 * WIDTH, 4) uint8: the flat picture with the outlines of the regions of `space`."""
    out = picture(brain_map, rule).copy()
    edges = boundaries({k: v for k, v in rois.items() if k in CLASS_COLORS or k == STREAMS}, space)
    for name in (STREAMS, *CLASS_COLORS):  # the streams lie under the others
        if name in edges:
            out[edges[name], :3] = CLASS_COLORS.get(name, OTHER)
            out[edges[name], 3] = 255
    return out
