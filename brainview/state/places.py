"""Places by name: what a user may type to go somewhere, and how words are matched. No Qt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainview.maps.rois import RoiClass
from brainview.maps.space import MaskedSpace, Space, SurfaceSpace
from brainview.state.app import RoiKey

_NUMBER = r"[-+]?\d+(?:\.\d*)?"
_RAS = re.compile(rf"\s*\(?\s*(?:mni\s*)?({_NUMBER})[\s,;]+({_NUMBER})[\s,;]+({_NUMBER})\s*(?:mm)?\s*\)?\s*", re.I)
_VERTEX = re.compile(r"\s*(l|r|lh|rh|left|right)\s*[:. ]?\s*(?:vertex\s*)?(\d[\d,]*)\s*", re.I)


@dataclass(frozen=True)
class Place:
    """Where to go: a coordinate, or a vertex of a hemisphere.

    Parameters
    ----------
    ras : (float, float, float), optional
        MNI152, mm, RAS+.
    hemisphere : str
        ``left`` or ``right``, with `vertex` (0-based).
    """

    ras: tuple[float, float, float] | None = None
    hemisphere: str = ""
    vertex: int = -1

    @property
    def words(self) -> str:
        """How a list names it."""
        if self.ras is not None:
            return "MNI152  R {:g}  A {:g}  S {:g} mm".format(*self.ras)
        return f"{self.hemisphere.capitalize()} hemisphere, vertex {self.vertex:,}"


def parse_place(text: str) -> Place | None:
    """Return the place that a text names (``-42 -60 -12``, ``lh 1234``), None when it names none."""
    found = _RAS.fullmatch(text)
    if found:
        x, y, z = (float(v) for v in found.groups())
        return Place(ras=(x, y, z))
    found = _VERTEX.fullmatch(text)
    if found:
        side = "left" if found[1].lower().startswith("l") else "right"
        return Place(hemisphere=side, vertex=int(found[2].replace(",", "")))
    return None


def score(query: str, words: str) -> float:
    """Return how well words answer a query: every part of it must occur; 0 = not at all.

    Beginnings of words count more than the middle, earlier more than later.
    """
    text = words.lower()
    total = 0.0
    for part in query.lower().split():
        at = text.find(part)
        if at < 0:
            return 0.0
        starts = at == 0 or not text[at - 1].isalnum()
        total += (2.0 if starts else 1.0) + 1.0 / (1 + at) + len(part) / (len(text) + 1)
    return total or 1e-6


def best(query: str, choices: Iterable[tuple[str, Any]], limit: int = 40) -> list[tuple[str, Any]]:
    """Return the (words, thing) pairs that answer a query, best first; all, in their order, for an empty query."""
    pairs = list(choices)
    if not query.strip():
        return pairs[:limit]
    graded = [(score(query, words), n) for n, (words, _) in enumerate(pairs)]
    return [pairs[n] for s, n in sorted(graded, key=lambda g: (-g[0], g[1])) if s > 0][:limit]


def regions(rois: Mapping[str, RoiClass], space: Space) -> list[tuple[str, RoiKey]]:
    """Return (words, key) of every region that has a location, by class and hemisphere.

    Parameters
    ----------
    rois : mapping of str to RoiClass
        Labels on `space` or its root.
    space : Space
        Of the subject.
    """
    out = []
    for name, one in rois.items():
        for side, part in _sides(one.labels, space):
            present = set(np.unique(part).tolist()) - {0}
            out += [(f"{label.name} · {side} · {name}", RoiKey(side, name, label.name))
                    for value, label in one.table.items() if value in present]
    return out


def center_vertex(rois: Mapping[str, RoiClass], space: Space, key: RoiKey, points: np.ndarray) -> int | None:
    """Return the vertex of a region nearest to its centre of mass, None when it has none.

    Parameters
    ----------
    points : (n, 3) array
        Coordinates of the hemisphere's vertices, mm.
    """
    one = rois.get(key.roi_class)
    if one is None:
        return None
    value = next((v for v, label in one.table.items() if label.name == key.roi), None)
    labels = dict(_sides(one.labels, space)).get(key.hemisphere)
    if value is None or labels is None or len(labels) < len(points):
        return None
    members = np.flatnonzero(labels[:len(points)] == value)
    if not members.size:
        return None
    away = ((points[members] - points[members].mean(0)) ** 2).sum(1)
    return int(members[np.argmin(away)])


def _sides(labels: np.ndarray, space: Space) -> list[tuple[str, np.ndarray]]:
    root = space.root
    if not isinstance(root, SurfaceSpace):
        return []
    full = np.asarray(labels)
    if isinstance(space, MaskedSpace) and len(full) == space.size:
        full = np.zeros(root.size, full.dtype)
        full[space.root_index] = labels
    return [("left", full[:root.n_left]), ("right", full[root.n_left:])]
