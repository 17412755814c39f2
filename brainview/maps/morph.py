"""Surfaces between surfaces: one slider from pial over white and inflated to flat.

A surface is named by a word, so that the state, project files, exports and the command line all say the same:
``inflated``, or ``white-inflated-40`` for 40 % of the way from white to inflated.
"""

from __future__ import annotations

import re

#: The way of the slider; a position is 0 (pial) to 3 (flat).
STOPS = ("pial", "white", "inflated", "flat")
PLAIN = ("inflated", "pial", "white", "midthickness", "flat", "sphere")
_BETWEEN = re.compile(r"(pial|white|inflated)-(white|inflated|flat)-([1-9]\d?)")


def parts(surface: str) -> tuple[str, str, float]:
    """Return (from, to, share of the way 0..1) of a surface's name; a plain surface is (itself, itself, 0)."""
    found = _BETWEEN.fullmatch(surface)
    return (found[1], found[2], int(found[3]) / 100) if found else (surface, surface, 0.0)


def is_surface(surface: object) -> bool:
    """Tell whether this names a surface, or a place between two neighbours on the way."""
    if surface in PLAIN:
        return True
    start, stop, share = parts(str(surface))
    return share > 0 and STOPS.index(stop) == STOPS.index(start) + 1


def surface_at(position: float) -> str:
    """Return the name of the surface at a position of the slider, 0..3; whole numbers are the plain surfaces."""
    position = min(max(float(position), 0.0), len(STOPS) - 1.0)
    percent = round(100 * position)
    start, share = divmod(percent, 100)
    return STOPS[start] if share == 0 else f"{STOPS[start]}-{STOPS[start + 1]}-{share}"


def position_of(surface: str) -> float | None:
    """Return where a surface lies on the slider, None for mid-thickness and sphere."""
    start, _, share = parts(surface)
    return STOPS.index(start) + share if start in STOPS else None


def lies_flat(surface: str) -> bool:
    """Tell whether the surface is the flat map itself, which is seen from above and not turned."""
    return surface == "flat"
