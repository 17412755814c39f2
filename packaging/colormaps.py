"""Write resources/colormaps.npz: the colour tables that BrainView ships, so that the window needs no matplotlib.

Run as ``uv run python packaging/colormaps.py``. Sources: viridis, magma, inferno, plasma (N. Smith, S. van der Walt,
CC0), cividis (J. Nunez et al. 2018), twilight (B. Bechtold, CC0), RdBu, PuOr, BrBG, YlOrRd (ColorBrewer 2, Apache-2.0),
all as matplotlib holds them. ``ember`` is inferno and ``orchid`` is magma without their darkest quarter, which would
vanish on dark sulci; a part of a perceptually uniform table is perceptually uniform.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np

KINDS = {
    "sequential": ["ember", "orchid", "viridis", "cividis", "plasma", "magma", "inferno", "YlOrRd", "gray"],
    "diverging": ["RdBu", "PuOr", "BrBG", "berlin"],
    "cyclic": ["twilight", "twilight_shifted"],
}
#: name -> (matplotlib's name, first and last position)
DERIVED = {"ember": ("inferno", 0.24, 0.98), "orchid": ("magma", 0.24, 0.98), "RdBu": ("RdBu_r", 0.03, 0.97),
           "PuOr": ("PuOr_r", 0.03, 0.97), "BrBG": ("BrBG_r", 0.03, 0.97), "YlOrRd": ("YlOrRd_r", 0.0, 0.97)}


def table(name: str) -> np.ndarray:
    """Return (256, 3) uint8 of one colour map."""
    source, first, last = DERIVED.get(name, (name, 0.0, 1.0))
    rgb = matplotlib.colormaps[source](np.linspace(first, last, 256))[:, :3]
    return np.round(255 * rgb).astype(np.uint8)


def main() -> None:
    """Write the file."""
    out = Path(__file__).resolve().parents[1] / "resources" / "colormaps.npz"
    tables = {f"{kind}/{name}": table(name) for kind, names in KINDS.items() for name in names}
    np.savez_compressed(out, **tables)
    print(f"{out}: {len(tables)} tables, {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
