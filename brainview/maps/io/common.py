"""What every reader of maps shares: what was asked for, names, hemispheres, standard meshes, suggested ranges."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from brainview.core.errors import FormatError, LimitError, MismatchError
from brainview.core.names import shown
from brainview.maps.brainmap import BrainMap, Kind, Label
from brainview.maps.space import VERTICES, Space, SurfaceSpace, surface_space

Hemisphere = Literal["left", "right"]

_SUFFIXES = (".gz", ".nii", ".hdr", ".img", ".mgh", ".mgz", ".gii", ".annot", ".label", ".npy", ".csv", ".tsv",
             ".dscalar", ".dlabel", ".dtseries", ".pscalar", ".ptseries", ".plabel", ".func", ".shape", ".surf")
_SIDE = re.compile(r"(?:^|[._\-\s])(?:(lh|LH|left|Left|LEFT|L)|(rh|RH|right|Right|RIGHT|R))(?=[._\-\s]|$)")
#: Templates whose surfaces have the vertex count of an fsaverage but are not registered to it.
_OTHER_TEMPLATES = re.compile(r"icbm|colin|mni", re.IGNORECASE)


#: The most maps that are opened at once.
MOST_MAPS = 1_000_000


@dataclass(frozen=True)
class Wanted:
    """What the caller asks of a reader.

    Parameters
    ----------
    index : sequence of int, optional
        Which maps of the file; None = all.
    hemisphere : str, optional
        For files that do not say it themselves.
    space : Space, optional
        For files that do not say it themselves.
    """

    index: tuple[int, ...] | None = None
    hemisphere: Hemisphere | None = None
    space: Space | None = None

    def pick(self, count: int, where: object) -> list[int]:
        """Return the wanted map numbers out of `count`; refuses a number that is not there."""
        if self.index is None:
            if count > MOST_MAPS:  # the list of numbers alone would cost memory
                raise LimitError(f"holds {count:,} maps", where=where, remedy="Open one of them by its number.")
            return list(range(count))
        for number in self.index:
            if not -count <= number < count:
                raise MismatchError(f"has {count} map{'s' if count != 1 else ''}, number {number} was asked for",
                                    where=where, remedy=f"Use 0 to {count - 1}.")
        return [number % count for number in self.index]


def stem(path: os.PathLike | str) -> str:
    """Return the file's name without the endings of its format, made safe to show."""
    name = Path(path).name
    while True:
        head, dot, tail = name.rpartition(".")
        if not dot or not head or "." + tail.lower() not in _SUFFIXES:
            return shown(name)
        name = head


def hemisphere_of(path: os.PathLike | str) -> Hemisphere | None:
    """Return the hemisphere a file name tells (``lh.``, ``hemi-L``, ``.L.``, ``_right_``), None if none or both."""
    sides = {"left" if left else "right" for left, _ in _SIDE.findall(Path(path).name)}
    return sides.pop() if len(sides) == 1 else None  # type: ignore[return-value]


def other_hemisphere_name(name: str, side: Hemisphere) -> str:
    """Return a file name with every hemisphere word replaced by ``lh`` or ``rh`` in its own style."""
    words = {"lh": "rh", "LH": "RH", "left": "right", "Left": "Right", "LEFT": "RIGHT", "L": "R"}
    table = words if side == "right" else {v: k for k, v in words.items()}

    def swap(match: re.Match) -> str:
        word = match.group(1) or match.group(2)
        return match.group(0).replace(word, table.get(word, word))

    return _SIDE.sub(swap, name)


def subject_of(path: os.PathLike | str) -> str:
    """Return the subject folder of a FreeSurfer tree (``bert/surf/lh.curv`` -> ``bert``), else the file's own stem."""
    path = Path(path).absolute()
    if path.parent.name in ("surf", "label", "mri") and path.parent.parent.name:
        return shown(path.parent.parent.name)
    return _SIDE.sub("", stem(path)).strip("._- ") or "unknown"


def is_standard_count(count: int) -> bool:
    """Return True for the vertex count of one or two hemispheres of a standard mesh."""
    return any(count in (n, 2 * n) for n in VERTICES.values())


def match_surface(count: int, path: os.PathLike | str, wanted: Wanted, side: Hemisphere | None = None,
                  mesh: str | None = None) -> tuple[SurfaceSpace, list[str]]:
    """Return the surface that `count` vertex values belong to, and what was assumed.

    Parameters
    ----------
    count : int
        Vertices in the file.
    side : str, optional
        Hemisphere that the header tells; otherwise the name, then ``wanted.hemisphere``.
    mesh : str, optional
        Mesh that the header tells (a subject's name).

    Raises
    ------
    FormatError
        One hemisphere of which nobody says which one it is. MismatchError: not the space asked for.
    """
    if wanted.space is not None:
        return _asked_surface(count, path, wanted, side), []
    side = wanted.hemisphere or side or hemisphere_of(path)
    known = {n: name for name, n in VERTICES.items()}
    foreign = _OTHER_TEMPLATES.search(Path(path).name) and "fsaverage" not in Path(path).name.lower()
    if count % 2 == 0 and count // 2 in known and not foreign:
        name = known[count // 2]
        return surface_space(name), [f"{count:,} values: taken as both hemispheres of {name}, left first"]
    if side is None:
        raise FormatError(f"holds {count:,} values of one surface, and neither its name nor its header says which "
                          "hemisphere", where=path,
                          remedy="Name the hemisphere, or begin the file name with lh. or rh.")
    if count in known and not foreign:
        name = known[count]
        notes = [] if mesh == name else [f"{count:,} values: taken as the {side} hemisphere of {name}"]
        return surface_space(name, side), notes
    subject = shown(mesh) if mesh else subject_of(path)
    space = SurfaceSpace(f"native:{subject}", count if side == "left" else 0, count if side == "right" else 0)
    return space, [f"{count:,} vertices are no standard mesh: the surface of {subject!r} itself is needed to draw them"]


def _asked_surface(count: int, path: os.PathLike | str, wanted: Wanted, side: Hemisphere | None) -> SurfaceSpace:
    space = wanted.space
    if isinstance(space, SurfaceSpace):
        if count == space.size:
            return space
        side = wanted.hemisphere or side or hemisphere_of(path)
        if side == "left" and count == space.n_left:
            return SurfaceSpace(space.name, count, 0)
        if side == "right" and count == space.n_right:
            return SurfaceSpace(space.name, 0, count)
        raise MismatchError(f"holds {count:,} values; {space.name} has {space.n_left:,} vertices on the left and "
                            f"{space.n_right:,} on the right", where=path,
                            remedy="Load the mesh that these values belong to, or resample them.")
    raise MismatchError(f"holds {count:,} values of a surface; {space.name if space else '?'} is none", where=path)


def suggest(values: np.ndarray) -> tuple[Kind, tuple[float, float]]:
    """Return the kind and the range of the colour bar that fit the values.

    Diverging about 0 when there are negative values of more than 1 % of the largest magnitude; the range ends at the
    99.5th percentile of what is neither 0 nor missing, and starts at 0 unless all values lie far from it.
    """
    finite = values[np.isfinite(values)]
    finite = finite[finite != 0]
    if finite.size == 0:
        return "sequential", (0.0, 1.0)
    if finite.size > 500_000:  # a percentile of a fixed subset is plenty for a suggestion
        finite = finite[:: finite.size // 250_000]
    size = np.abs(finite)
    top = float(np.percentile(size, 99.5)) or float(size.max())
    if finite.min() < -0.01 * size.max():
        return "diverging", (-top, top)
    low = float(np.percentile(finite, 0.5))
    return "sequential", (low if 0.2 * top < low < 0.999 * top else 0.0, top)


def whole_number_labels(values: np.ndarray) -> dict[int, Label] | None:
    """Return a table for values that are evidently labels (few distinct whole numbers, many of each), else None."""
    if not np.isfinite(values).all() or values.min(initial=0) < 0 or values.max(initial=0) > 1e6:
        return None
    found = np.unique(values)
    if found.size > 64 or values.size < 1000 * found.size or found.size < 2 or (found != np.round(found)).any():
        return None
    return {int(v): Label(str(int(v))) for v in found if v}


def make_map(values: np.ndarray, space: Space, *, name: str, provenance: dict[str, Any],
             notes: Sequence[str] = (), kind: Kind | None = None, units: str = "",
             limits: tuple[float, float] | None = None, labels: dict[int, Label] | None = None) -> BrainMap:
    """Return the BrainMap of a foreign file: kind and limits suggested from the values where nothing is known."""
    notes = list(notes)
    if not np.isfinite(values).any():
        notes.append("no finite value")
    if kind is None and labels is not None:
        kind = "label"
    elif kind is None:
        kind, found = suggest(values)
        limits = limits or found
    kind = kind or "sequential"
    story = {**provenance, **({"notes": notes} if notes else {})}
    return BrainMap(values, space, name=shown(name), units=shown(units), kind=kind, limits=limits, labels=labels,
                    provenance=story)
