"""Tables (CSV, TSV) and NumPy arrays: numbers for people and for scripts, with the space told beside them.

A table has one row per location: its number in the map, where that is (hemisphere and vertex; i, j, k and x, y, z in
mm; structure; parcel), and the value under the map's name and units. Rows of a volume without data are left out.
"""

from __future__ import annotations

import csv
import io
import math
import os
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import FormatError, LimitError, MismatchError
from brainview.core.files import TEXT_LIMIT, atomic_write, load_npy, regular_file
from brainview.core.names import shown
from brainview.maps.brainmap import BrainMap
from brainview.maps.io import provenance
from brainview.maps.io.cifti_spaces import without_masks
from brainview.maps.io.common import Wanted, hemisphere_of, is_standard_count, make_map, match_surface, stem
from brainview.maps.io.stream import check_map_cost
from brainview.maps.space import (
    GrayordinateSpace,
    MaskedSpace,
    ParcelSpace,
    Space,
    SurfaceSpace,
    VolumeSpace,
    get_space,
    mni_space,
)

_GRAYORDINATES = {59_412: "grayordinates-59k", 91_282: "grayordinates-91k"}
#: A cell that begins so is run as a formula by spreadsheet programs.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MAX_ROWS = 20_000_000
_CHUNK = 50_000


def read(path: os.PathLike | str, wanted: Wanted) -> list[BrainMap]:
    """Return the maps of a ``.csv``, ``.tsv`` or ``.npy`` file.

    The space is the one asked for, else the one in the JSON beside it, else the standard space of that many values.

    Raises
    ------
    FormatError
        No numbers, or damaged. MismatchError: no space has that many values.
    """
    path = regular_file(path)
    block, space = provenance.read_sidecar(path)
    if wanted.space is None and space is not None:
        wanted = Wanted(wanted.index, wanted.hemisphere, space)
    if path.name.lower().endswith(".npy"):
        return _read_npy(path, wanted, block)
    wanted.pick(1, path)
    return [_read_table(path, wanted, block)]


# --- arrays


def _read_npy(path: Path, wanted: Wanted, block: dict[str, Any] | None) -> list[BrainMap]:
    found = load_npy(path)
    if found.dtype.kind not in "iufb":
        raise FormatError(f"holds values of type {shown(found.dtype)}, which is no map", where=path)
    if found.size == 0:
        raise FormatError(f"holds no value (shape {found.shape})", where=path)
    rows = _rows(found, wanted, path)
    picked = wanted.pick(len(rows), path)
    check_map_cost(rows.shape[1], len(picked), where=path)
    space, notes = _space_by_count(rows.shape[1], path, wanted)
    maps = []
    for number in picked:
        name = stem(path) if len(rows) == 1 else f"{stem(path)} [{number}]"
        with np.errstate(all="ignore"):
            values = np.asarray(rows[number], np.float32)
        made = make_map(values, space, name=name, provenance={"file": path.name, "format": "npy"}, notes=notes)
        maps.append(provenance.restore(made, block))
    return maps


def _rows(found: np.ndarray, wanted: Wanted, path: Path) -> np.ndarray:
    """Return (maps, values): a vector is one map, a matrix one per row, three axes a volume, a fourth the maps."""
    volumes = [mni_space(2).shape, mni_space(1).shape]
    if isinstance(wanted.space, VolumeSpace):
        volumes.append(wanted.space.shape)
    if found.ndim == 3 and found.shape in volumes:
        return found.reshape(1, -1)
    if found.ndim == 4 and found.shape[1:] in volumes:
        return found.reshape(len(found), -1)
    if found.ndim == 1:
        return found[None]
    if found.ndim == 2:
        return found
    raise FormatError(f"has the shape {found.shape}; a map is a vector, or a matrix of one row per map", where=path)


def _space_by_count(count: int, path: Path, wanted: Wanted) -> tuple[Space, list[str]]:
    space = wanted.space
    if space is not None:
        if isinstance(space, SurfaceSpace) and count != space.size:
            return match_surface(count, path, wanted)
        if count != space.size:
            raise MismatchError(f"has {count:,} values; {space.name} has {space.size:,}", where=path,
                                remedy="Name the space that these values belong to.")
        return space, []
    if count in _GRAYORDINATES:
        return get_space(_GRAYORDINATES[count]), [f"{count:,} values: taken as {_GRAYORDINATES[count]}"]
    for volume in (mni_space(2), mni_space(1)):
        if count == volume.size:
            return volume, [f"{count:,} values: taken as {volume.name}"]
    if is_standard_count(count) or wanted.hemisphere or hemisphere_of(path):
        return match_surface(count, path, wanted)
    raise MismatchError(f"has {count:,} values, which is no standard space, and no JSON beside it names one",
                        where=path, remedy="Name the space that these values belong to.")


# --- tables


def _read_table(path: Path, wanted: Wanted, block: dict[str, Any] | None) -> BrainMap:
    if path.stat().st_size > TEXT_LIMIT:
        raise LimitError(f"is a table of more than {TEXT_LIMIT >> 20} MiB", where=path, remedy="Write it as npy.")
    mark = "\t" if path.name.lower().endswith(".tsv") else ","
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file, delimiter=mark)
            header = next(rows, [])
            column = _value_column(header, path)
            index, values = _parsed(rows, header.index("index"), column, len(header), path)
    except (csv.Error, ValueError, OverflowError) as err:
        raise FormatError(f"is no table of a map: {shown(err)}", where=path) from err
    space, notes = _table_space(index, wanted, path)
    if index.min() < 0 or index.max() >= space.size:
        raise MismatchError(f"has a row for location {int(index.max()):,}; {space.name} has {space.size:,}", where=path)
    if np.unique(index).size != index.size:
        raise FormatError("has two rows for one location", where=path)
    whole = np.full(space.size, np.nan, np.float32)
    whole[index] = values
    name = header[column].strip() or stem(path)
    made = make_map(whole, space, name=name, provenance={"file": path.name, "format": "table"}, notes=notes)
    return provenance.restore(made, block)


def _value_column(header: list[str], path: Path) -> int:
    if "index" not in header:
        raise FormatError("has no column called 'index', so it is no table of a map", where=path,
                          remedy="Give every row the number of its location, or use npy.")
    places = {"index", "hemisphere", "vertex", "structure", "parcel", "label", "i", "j", "k", "x_mm", "y_mm", "z_mm"}
    found = [i for i, title in enumerate(header) if title not in places]
    if len(found) != 1:
        raise FormatError(f"has {len(found)} columns of values, one was expected", where=path)
    return found[0]


def _parsed(rows: Iterator[list[str]], at: int, column: int, width: int,
            path: Path) -> tuple[np.ndarray, np.ndarray]:
    index, values = array("q"), array("d")
    for row in rows:
        if not row:
            continue
        if len(row) != width:
            raise ValueError(f"row {len(index) + 2} has {len(row)} cells, the header {width}")
        index.append(int(row[at]))
        values.append(float(row[column]) if row[column].strip() else math.nan)
        if len(index) > _MAX_ROWS:
            raise LimitError(f"has more than {_MAX_ROWS:,} rows", where=path, remedy="Write it as npy.")
    if not index:
        raise FormatError("holds no row", where=path)
    with np.errstate(all="ignore"):
        return np.array(index, np.int64), np.array(values).astype(np.float32)


def _table_space(index: np.ndarray, wanted: Wanted, path: Path) -> tuple[Space, list[str]]:
    if wanted.space is not None:
        check_map_cost(wanted.space.size, 1, where=path)
        return wanted.space, []
    return _space_by_count(int(index.max()) + 1, path, wanted)


def write(map: BrainMap, path: Path) -> Path:
    """Write the map as ``.csv``, ``.tsv`` (one row per location) or ``.npy`` (a float32 vector), atomically.

    Values are printed with as many digits as float32 needs to come back the same.
    """
    if path.name.lower().endswith(".npy"):
        with atomic_write(path) as file:
            np.save(file, map.values, allow_pickle=False)
        return path
    mark = "\t" if path.name.lower().endswith(".tsv") else ","
    rows = _rows_with_data(map)
    with atomic_write(path) as file:
        for start in range(0, len(rows), _CHUNK):
            text = io.StringIO(newline="")
            writer = csv.writer(text, delimiter=mark, lineterminator="\n")
            titles, columns = _columns(map, rows[start:start + _CHUNK])
            if start == 0:
                writer.writerow(titles)
            writer.writerows(zip(*columns, strict=True))
            file.write(text.getvalue().encode("utf-8", "backslashreplace"))
    return path


def _rows_with_data(map: BrainMap) -> np.ndarray:
    rows = np.arange(map.values.size)
    if isinstance(without_masks(map.space), VolumeSpace):
        # a table without rows could not be told from a damaged one
        rows = rows[np.isfinite(map.values)] if np.isfinite(map.values).any() else rows[:1]
    return rows


def _columns(map: BrainMap, rows: np.ndarray) -> tuple[list[str], list[Any]]:
    root = without_masks(map.space)
    place = map.space.root_index[rows] if isinstance(map.space, MaskedSpace) else rows
    titles, columns = _places(root, place)
    title = _cell(shown(f"{map.name} [{map.units}]" if map.units else map.name))
    if title in {"index", *titles, "label"} or not title.strip():
        title = f"value {title}".strip()
    values = map.values[rows]
    columns = [rows.tolist(), *columns, ["" if t == "nan" else t for t in values.astype(str).tolist()]]
    titles = ["index", *titles, title]
    if map.labels is not None:
        names = {float(key): _cell(shown(label.name)) for key, label in map.labels.items()}
        columns.append([names.get(v, "") for v in values.tolist()])
        titles.append("label")
    return titles, columns


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _places(root: Space, place: np.ndarray) -> tuple[list[str], list[Any]]:
    """Return the titles and columns that say where each location is."""
    if isinstance(root, SurfaceSpace):
        left = place < root.n_left
        return ["hemisphere", "vertex"], [np.where(left, "left", "right").tolist(),
                                          np.where(left, place, place - root.n_left).tolist()]
    if isinstance(root, VolumeSpace):
        return ["i", "j", "k", "x_mm", "y_mm", "z_mm"], _voxels(root, place)
    if isinstance(root, ParcelSpace):
        return ["parcel"], [[_cell(shown(root.names[i])) for i in place.tolist()]]
    if isinstance(root, GrayordinateSpace):
        names = np.concatenate([[s.name] * len(s.index) for s in root.structures])
        surface = np.concatenate([[s.n_vertices > 0] * len(s.index) for s in root.structures])[place]
        index = np.concatenate([np.asarray(s.index) for s in root.structures])[place]
        columns: list[Any] = [[_cell(shown(n)) for n in names[place]],
                              [str(i) if s else "" for i, s in zip(index, surface, strict=True)]]
        if root.volume is None:
            return ["structure", "vertex"], columns
        voxels = _voxels(root.volume, np.where(surface, 0, index))
        blank = [["" if s else v for v, s in zip(c, surface, strict=True)] for c in voxels]
        return ["structure", "vertex", "i", "j", "k", "x_mm", "y_mm", "z_mm"], [*columns, *blank]
    return [], []


def _voxels(grid: VolumeSpace, place: np.ndarray) -> list[Any]:
    voxel = np.stack(np.unravel_index(place, grid.shape), axis=1)
    world = np.round(voxel @ grid.affine[:3, :3].T + grid.affine[:3, 3], 4) + 0.0
    return [*(voxel[:, i].tolist() for i in range(3)), *(world[:, i].tolist() for i in range(3))]
