"""From token scores to what is drawn: maps of voxels and vertices, and the share of a map in every region."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainview.maps.brainmap import BrainMap
from brainview.maps.rois import RoiClass
from brainview.maps.space import MaskedSpace, Space, SurfaceSpace
from brainview.maps.tokens import TokenSpread, map_name, map_story
from brainview.state.attribution import Answer
from brainview.state.roi_table import Bar, BarRow

#: The mesh of the cortex view, and the grid of the slices.
MESH, GRID = "fsaverage5", "mni152-2mm"


@dataclass(frozen=True)
class MassRow(BarRow):
    """One region: which share of the map's mass on the cortex lies in it, per hemisphere."""

    areas: tuple[float, ...] = ()

    def tip(self, title: str) -> str:
        """Return the figures in words."""
        lines = [f"{self.roi} ({self.roi_class}) — {title}"]
        for bar, area in zip(self.bars, self.areas, strict=True):
            times = bar.value / area if area else math.nan
            lines.append(f"{bar.hemisphere.capitalize()}: {bar.value:.1%} of the map on {area:.1%} of the cortex "
                         f"({times:.1f} times its area), n = {bar.n:,} vertices")
        return "\n".join(lines)


class TokenMaps:
    """The spreads of one model, smooth and token by token.

    Parameters
    ----------
    about : dict
        What ``LiveAttribution.describe`` returned.
    spreads : dict of (space, method) to TokenSpread
        ``fsaverage5`` and ``mni152-2mm``, ``trilinear`` and ``nearest``.
    """

    def __init__(self, about: Mapping[str, Any], spreads: Mapping[tuple[str, str], TokenSpread]) -> None:
        self.about, self._spreads = about, dict(spreads)
        self._masses: dict[int, tuple[Any, Any]] = {}

    def pair(self, answer: Answer, scores: np.ndarray | None = None, *, name: str = "", tokens: bool = False,
             share: bool = False, limits: tuple[float, float] | None = None,
             unit: str = "") -> tuple[BrainMap, BrainMap]:
        """Return (voxels, vertices) of an answer, or of other `scores` with the answer's story."""
        values = answer.scores if scores is None else scores
        facts = {"method": answer.setting.method, "stimulus": answer.stimulus, "target": answer.setting.target,
                 **answer.story}
        words = name or map_name(facts)
        story = map_story(self.about, facts) | {"status": answer.label}
        method = "nearest" if tokens else "trilinear"
        made = [self._spreads[space, method].map(values, unit="share" if share else unit or answer.unit, name=words,
                                                 limits=limits, provenance=story) for space in (GRID, MESH)]
        return made[0], made[1]

    def on_cortex(self, scores: np.ndarray) -> np.ndarray:
        """Return (vertices,) float32 values of scores, interpolated; NaN where no token reaches."""
        spread = self._spreads[MESH, "trilinear"]
        return np.where(spread.covered, spread.matrix @ np.asarray(scores, np.float32), np.nan)

    def mass_rows(self, scores: np.ndarray, rois: Mapping[str, RoiClass], space: Space, *, hemisphere: str = "both",
                  words: str = "", sort: str = "value") -> list[BarRow]:
        """Return the share of the positive mass on the cortex per region; [] where the regions are on no such mesh."""
        root = space.root
        if not isinstance(root, SurfaceSpace) or root.name != MESH:
            return []
        regions = self._regions(rois, space, root)
        mass = np.maximum(np.nan_to_num(self.on_cortex(scores)), 0)
        total = float(mass.sum()) or 1.0
        needles, rows = words.lower().split(), []
        for roi_class, roi, sides in regions:
            if not all(n in f"{roi_class} {roi}".lower() for n in needles):
                continue
            chosen = [(side, at) for side, at in sides if hemisphere in ("both", side)]
            if chosen:
                nan = math.nan
                bars = tuple(Bar(side, float(mass[at].sum() / total), nan, nan, nan, nan, at.size)
                             for side, at in chosen)
                rows.append(MassRow(roi_class, roi, bars, tuple(at.size / root.size for _, at in chosen)))
        if sort == "name":
            return sorted(rows, key=lambda r: r.roi.lower())
        return sorted(rows, key=lambda r: -sum(b.value for b in r.bars)) if sort == "value" else list(rows)

    def _regions(self, rois: Mapping[str, RoiClass], space: Space, root: SurfaceSpace) -> list[tuple[str, str, list]]:
        known = self._masses.get(id(rois))
        if known is not None and known[0] is rois:
            return known[1]
        out = []
        for name, roi in rois.items():
            labels = _on_root(roi.labels, space)
            for key, label in roi.table.items():
                at = np.flatnonzero(labels == key)
                sides = [(side, part) for side, part in (("left", at[at < root.n_left]),
                                                         ("right", at[at >= root.n_left])) if part.size]
                if sides and key > 0:
                    out.append((name, label.name, sides))
        self._masses = {id(rois): (rois, out)}
        return out


def _on_root(labels: np.ndarray, space: Space) -> np.ndarray:
    labels = np.asarray(labels)
    if not isinstance(space, MaskedSpace) or labels.size == space.root.size:
        return labels
    out = np.zeros(space.root.size, labels.dtype)
    out[space.root_index] = labels
    return out


def common_limits(maps: Sequence[BrainMap]) -> tuple[float, float]:
    """Return limits that hold all maps: one colour scale for what is compared."""
    low = min((m.limits or (0.0, 1.0))[0] for m in maps)
    high = max((m.limits or (0.0, 1.0))[1] for m in maps)
    return (-max(-low, high), max(-low, high)) if low < 0 else (0.0, high)
