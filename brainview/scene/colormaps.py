"""The shipped colour tables (resources/colormaps.npz, written by packaging/colormaps.py)."""

from __future__ import annotations

from functools import cache

import numpy as np

from brainview.core.errors import MissingError
from brainview.core.paths import resource


@cache
def _tables() -> dict[str, dict[str, np.ndarray]]:
    found: dict[str, dict[str, np.ndarray]] = {}
    with np.load(resource("colormaps.npz"), allow_pickle=False) as file:
        for key in file.files:
            kind, name = key.split("/", 1)
            found.setdefault(kind, {})[name] = file[key]
    return found


def names(kind: str | None = None) -> list[str]:
    """Return the names of the colour maps, of one kind (``sequential``, ``diverging``, ``cyclic``) or all."""
    return [name for k, tables in _tables().items() if kind in (None, k) for name in tables]


@cache
def lut(name: str, reverse: bool = False) -> np.ndarray:
    """Return (256, 3) uint8 RGB of a colour map; MissingError with the list for an unknown name."""
    for tables in _tables().values():
        if name in tables:
            table = np.ascontiguousarray(tables[name][::-1] if reverse else tables[name])
            table.setflags(write=False)
            return table
    raise MissingError(f"no colour map is called {name!r}", remedy="Known: " + ", ".join(names()) + ".")
