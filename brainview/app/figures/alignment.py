"""The figures of alignment: high responses (Figs. 1-2), retrieval curves, caption sources (Fig. 11), grids of maps
(Figs. 6, 9, 10). Sheets are made from plain numbers and maps; what is computed is computed before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from brainview.app.figures.curves import INKS, Bar, BarSheet, CurveSheet, Panel
from brainview.app.figures.sheet import Sheet, Tile
from brainview.app.widgets.flat_picture import picture
from brainview.core.errors import MissingError
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule, rule_for


def _label(phantom: bool) -> str:
    return "PHANTOM: simulated brains, not measurements. " if phantom else ""


def curves_sheet(curves: Mapping[str, Mapping[str, np.ndarray]], *, phantom: bool, title: str = "Retrieval curves",
                 story: Mapping[str, Any] | None = None) -> Sheet:
    """Return recall against k, one panel per direction and one line per model.

    Parameters
    ----------
    curves : model -> direction -> (gallery,) share of queries whose own item is among the k nearest, k = 1 ...
    """
    if not curves:
        raise MissingError("there is no retrieval to draw", remedy="Name runs of alignment.")
    names = list(curves)
    ways = list(dict.fromkeys(w for model in curves.values() for w in model))
    panels, table = [], []
    for way in ways:
        lines, items = [], 1
        for name in names:
            recall = np.asarray(curves[name].get(way, ()), float)
            if recall.size:
                items = max(items, recall.size)
                lines.append((name, [(k + 1.0, float(v)) for k, v in enumerate(recall)]))
                table += [[name, way, k + 1, f"{v:.6g}", f"{(k + 1) / recall.size:.6g}"]
                          for k, v in enumerate(recall)]
        panels.append(Panel(way, items, lines))
    return CurveSheet(title, _label(phantom) + "Share of queries whose own item is among the k nearest by cosine, over "
                      "the whole test gallery; k on a logarithmic axis. Dashed: chance, k / gallery.", panels=panels,
                      legend=[(name, INKS[i % len(INKS)]) for i, name in enumerate(names)],
                      table=(("model", "direction", "k", "recall", "chance"), table), story=dict(story or {}))


def captions_sheet(rows: Sequence[Mapping[str, Any]], *, phantom: bool,
                   story: Mapping[str, Any] | None = None) -> Sheet:
    """Return R@1 per source of captions; rows have texts, direction, R@1, low, high, chance, gallery (Fig. 11)."""
    if not rows:
        raise MissingError("there is no table of caption sources to draw",
                           remedy="Make one with brainview benchmark alignment --tables clip.")
    bars = [Bar(_source(r["texts"]), r["direction"], float(r["R@1"]), float(r["low"]), float(r["high"])) for r in rows]
    names = list(dict.fromkeys(b.name for b in bars))
    keys = list(rows[0])
    return BarSheet("R@1 by source of captions", _label(phantom) + f"R@1 of {rows[0]['gallery']} with its 95 % "
                    "bootstrap interval over queries. CLIP alone: image and text embeddings without a brain, the bound "
                    "of what brains can reach. Dashed: chance.", bars=bars, chance=float(rows[0]["chance"]),
                    legend=[(n, INKS[i % len(INKS)]) for i, n in enumerate(names)],
                    table=(keys, [[r[k] for k in keys] for r in rows]), story=dict(story or {}))


def _source(name: str) -> str:
    """Return the short words of a caption source; of a file only its name."""
    kind, sign, where = name.partition(":")
    return f"{kind}: {where.replace(chr(92), '/').rsplit('/', 1)[-1]}" if sign else kind


def grid_sheet(maps: Mapping[tuple[str, str], BrainMap], title: str, note: str, *, phantom: bool,
               each_row: bool = False, story: Mapping[str, Any] | None = None) -> Sheet:
    """Return maps as a grid, (row, column) -> surface map; one colour scale for all, or one per row.

    One scale per row is for rows whose units differ (methods); the title of each map then says its range.
    """
    if not maps:
        raise MissingError("there is no map to draw")
    rows = list(dict.fromkeys(r for r, _ in maps))
    columns = list(dict.fromkeys(c for _, c in maps))
    limits = {r: _limit([m for (row, _), m in maps.items() if row == r or not each_row]) for r in rows}
    tiles, table, rule = [], [], ColorRule()
    for row in rows:
        line = []
        for column in columns:
            drawn = maps.get((row, column))
            if drawn is None:
                continue
            same = drawn.having(limits=(0.0, limits[row]))
            rule = rule_for(same).having(limits=(0.0, limits[row]), colormap="inferno")
            words = f"{row} · {column}" + (f" · 0–{limits[row]:.3g} {drawn.units}" if each_row else "")
            line.append(Tile(words, picture(same, rule)))
            values = drawn.values[np.isfinite(drawn.values)]
            table.append([row, column, drawn.units, *(f"{v:.6g}" for v in np.percentile(values, (50, 90, 99, 100)))])
        tiles.append(line)
    scale = None if each_row else (rule, next(iter(maps.values())))
    return Sheet(title, _label(phantom) + note, rows=tiles, scale=scale, width=max(540.0, 180.0 * len(columns)),
                 table=(("row", "column", "unit", "median", "q90", "q99", "max"), table), story=dict(story or {}))


def _limit(maps: Sequence[BrainMap]) -> float:
    """Return the 99.5th percentile of all values, so that one vertex does not darken the rest."""
    values = np.concatenate([m.values[np.isfinite(m.values)] for m in maps])
    top = float(np.percentile(values, 99.5)) if values.size else 1.0
    return top if top > 0 else 1.0


def responses_sheet(maps: Mapping[str, BrainMap], union: BrainMap, *, share: float, phantom: bool,
                    story: Mapping[str, Any] | None = None) -> Sheet:
    """Return the high-response locations of every subject (0 or 1), and how many subjects share each (Figs. 1-2)."""
    if not maps:
        raise MissingError("there are no responses to draw")
    one = rule_for(union).having(limits=(0.0, float(len(maps))), colormap="inferno")
    tiles = [Tile(f"{name} · {np.nansum(m.values > 0):,.0f} vertices",
                  picture(m.having(limits=(0.0, 1.0)), rule_for(m).having(limits=(0.0, 1.0), colormap="inferno")))
             for name, m in maps.items()]
    rows = [tiles[k:k + 2] for k in range(0, len(tiles), 2)]
    rows.append([Tile(f"Union · {np.nansum(union.values > 0):,.0f} vertices", picture(union, one))])
    table = [[name, int(np.nansum(m.values > 0)), int(np.isfinite(m.values).sum())]
             for name, m in {**maps, "union": union}.items()]
    note = (f"The {share:.0%} of locations with the largest root mean square, over stimuli, of the z-scored response "
            "averaged over repetitions. Union: in how many subjects.")
    return Sheet("High-response locations", _label(phantom) + note, rows=rows, scale=(one, union),
                 table=(("subject", "high", "locations"), table),
                 story=dict(story or {}))
