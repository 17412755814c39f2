"""Grids of mean maps from a folder of batch attributions: method by subject, layer by beta, or any two settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brainview.attribution.batch import read_index, read_scores
from brainview.attribution.maps import surface_map
from brainview.attribution.source import open_source
from brainview.core.errors import MissingError
from brainview.maps.brainmap import BrainMap

#: What stands where a request leaves a setting to the default.
DEFAULTS = {"method": "ibba", "layer": "default", "beta": "default", "target": "both"}


def grid_of(folder: str | Path, rows: str = "layer", columns: str = "beta",
            mesh: str = "fsaverage5") -> tuple[dict[tuple[str, str], BrainMap], dict[str, Any]]:
    """Return ((row, column) -> mean map over stimuli on a mesh, story) of the files of :func:`batch.attribute_all`.

    `rows` and `columns` are settings of the requests (method, layer, beta, target ...) or ``subject``. Rows and
    columns are in order of number where they are numbers. Files that differ in something else would fall into the
    same cell, which is refused.

    Raises
    ------
    MissingError
        No file, or two files of one cell.
    """
    index = read_index(Path(folder))
    found: dict[tuple[Any, Any], tuple[str, dict[str, Any]]] = {}
    for name, story in index.items():
        key = _setting(story, rows), _setting(story, columns)
        if key in found:
            raise MissingError(f"{name} and {found[key][0]} are both {rows} {key[0]}, {columns} {key[1]}", where=folder,
                               remedy="Take settings in which all files differ, for example --rows subject.")
        found[key] = name, story
    if not found:
        raise MissingError("holds no attribution", where=folder, remedy="Attribute many stimuli first.")
    maps, counts = {}, set()
    for key in sorted(found, key=lambda k: (_order(k[0]), _order(k[1]))):
        name, story = found[key]
        scores = read_scores(Path(folder) / name)["scores"]
        counts.add(len(scores))
        drawn = surface_map(scores.mean(0), open_source(story["run"], story["subject"]).grid, unit=story["unit"],
                            mesh=mesh, name=f"{rows} {key[0]}, {columns} {key[1]}")
        maps[_word(rows, key[0]), _word(columns, key[1])] = drawn
    story = {"folder": str(folder), "rows": rows, "columns": columns, "stimuli": sorted(counts), "files": sorted(index),
             "phantom": any(s.get("phantom") for s in index.values())}
    return maps, story


def _setting(story: dict[str, Any], name: str) -> Any:
    if name == "subject":
        return story["subject"]
    found = story["request"].get(name)
    return DEFAULTS.get(name, "default") if found is None else found


def _order(value: Any) -> tuple[int, float, str]:
    return (0, float(value), "") if isinstance(value, (int, float)) else (1, 0.0, str(value))


def _word(name: str, value: Any) -> str:
    return str(value) if name in ("subject", "method") else f"{name} {value}"
