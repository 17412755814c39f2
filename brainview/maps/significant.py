"""Maps cut to what passes a false discovery rate, of one subject or of a group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brainview.core.errors import MismatchError
from brainview.maps.brainmap import BrainMap
from brainview.maps.space import Space


def _on(space: Space, brain_map: BrainMap) -> np.ndarray:
    """Return the values of a map on `space`, which is its own or its root."""
    if brain_map.space == space:
        return brain_map.values
    whole = brain_map.expanded()
    if whole.space != space:
        raise MismatchError(f"{brain_map.name!r} is on {brain_map.space.name}, not on {space.name}")
    return whole.values


def passing(q_maps: Sequence[BrainMap], level: float, space: Space) -> np.ndarray:
    """Return (space.size,) int: how many of the q maps are at most `level` at each location."""
    with np.errstate(invalid="ignore"):
        return np.sum([_on(space, q) <= level for q in q_maps], axis=0)


def significant_only(brain_map: BrainMap, q_maps: Sequence[BrainMap], level: float) -> BrainMap:
    """Return the map with NaN where q > `level`; with several q maps (a group) where not more than half of them pass.

    The name and the provenance say so.
    """
    n = passing(q_maps, level, brain_map.space)
    keep = 2 * n > len(q_maps)
    who = "" if len(q_maps) == 1 else f" in more than half of {len(q_maps)} subjects"
    story = {"fdr": {"level": level, "subjects": len(q_maps), "passing": int(keep.sum()),
                     "tests": [{"map": q.name, **q.provenance} for q in q_maps]}}
    shown = brain_map.only(keep, f"{brain_map.name} · q ≤ {level:g}{who}")
    return shown.having(provenance={**brain_map.provenance, **story},
                        definition=f"{brain_map.definition} Only locations with q ≤ {level:g}{who}: "
                                   f"{q_maps[0].definition}")


def count_map(like: BrainMap, q_maps: Sequence[BrainMap], level: float) -> BrainMap:
    """Return how many subjects pass at each location, on the space of `like`; NaN where none does."""
    n = passing(q_maps, level, like.space).astype(np.float32)
    return BrainMap(np.where(n > 0, n, np.nan), like.space, name=f"Subjects with q ≤ {level:g}",
                    units=f"subjects of {len(q_maps)}", limits=(0.0, float(len(q_maps))),
                    definition=f"How many of {len(q_maps)} subjects are predicted better than chance here, at a false "
                               f"discovery rate of {level:g} in each.",
                    provenance={"phantom": any(q.is_phantom for q in q_maps), "level": level,
                                "parents": [{"name": q.name, **q.provenance} for q in q_maps]})
