"""FreeSurfer's own surface files: curvature-like maps, annotations, labels, triangle meshes.

Read here rather than with nibabel's functions, which trust the counts in the file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from brainview.core.errors import FormatError, IsSurface, MismatchError, MissingError
from brainview.core.files import OPEN_LIMIT, check_allocation, read_text, regular_file
from brainview.core.names import shown
from brainview.maps.brainmap import BrainMap, Label
from brainview.maps.io.common import Wanted, hemisphere_of, make_map, match_surface, stem
from brainview.maps.io.stream import ByteSource, looks_like
from brainview.maps.space import VERTICES, SurfaceSpace, surface_space

_NEW_CURVE, _TRIANGLES = b"\xff\xff\xff", b"\xff\xff\xfe"
_QUADS = (b"\xff\xff\xfd",)
#: First entries of colour tables that mean 'no label'.
_NOTHING = {"unknown", "???", "none", "background", "medial_wall", "medial wall", "freesurfer_defined_medial_wall",
            "background+freesurfer_defined_medial_wall", "corpuscallosum_none", "0"}
_MAX_ENTRIES = 100_000
_UNITS = {"thickness": "mm", "area": "mm²", "volume": "mm³", "curv": "1/mm"}


def read(path: os.PathLike | str, wanted: Wanted) -> list[BrainMap]:
    """Return the one map of a ``.annot``, ``.label`` or curvature-like file.

    Raises
    ------
    FormatError
        Damaged, or a mesh. MissingError: a label of a surface whose size nobody tells.
    """
    path = regular_file(path)
    lower = path.name.lower()
    if lower.endswith(".annot"):
        made = _read_annot(path, wanted)
    elif lower.endswith(".label"):
        made = _read_label(path, wanted)
    else:
        made = _read_curve(path, wanted)
    wanted.pick(1, path)
    return [made]


def _told(path: Path, format: str) -> dict[str, str]:
    return {"file": path.name, "format": format}


def _read_curve(path: Path, wanted: Wanted) -> BrainMap:
    with ByteSource(path) as source:
        magic = source.read(3)
        if magic == _TRIANGLES or magic in _QUADS:
            raise IsSurface("is a FreeSurfer mesh, not a map", where=path, remedy="Open it as a surface.")
        if magic == _NEW_CURVE:
            count, _, each = (int(n) for n in np.frombuffer(source.read(12), ">i4"))
            if each != 1:
                raise FormatError(f"holds {each} values per vertex, 1 was expected", where=path)
            dtype, factor = np.dtype(">f4"), 1.0
        else:
            word = looks_like(magic + source.read(min(13, source.available)))
            if word:
                raise FormatError(f"is no FreeSurfer map: it looks like {word}", where=path)
            source.close()
            return _old_curve(path, wanted)
        check_allocation((count,), dtype, where=path, available=source.available, limit=OPEN_LIMIT // 3)
        values = np.frombuffer(source.read(count * dtype.itemsize), dtype).astype(np.float32) * np.float32(factor)
        source.end(64 << 10)  # tags
    return _curve_map(values, path, wanted)


def _old_curve(path: Path, wanted: Wanted) -> BrainMap:
    """Read the format before 2000: a 3-byte count and int16 hundredths. Nothing marks it, so its size must fit."""
    with ByteSource(path) as source:
        count = int.from_bytes(source.read(3), "big")
        source.read(min(3, source.available))
        if source.packed or source.available != 2 * count:
            raise FormatError("is no FreeSurfer map", where=path)
        values = (np.frombuffer(source.read(2 * count), ">i2") / 100).astype(np.float32)
    return _curve_map(values, path, wanted)


def _curve_map(values: np.ndarray, path: Path, wanted: Wanted) -> BrainMap:
    if values.size == 0:
        raise FormatError("holds no value", where=path)
    space, notes = match_surface(values.size, path, wanted)
    units = next((u for word, u in _UNITS.items() if word in path.name.lower().split(".")), "")
    return make_map(values, space, name=stem(path), provenance=_told(path, "FreeSurfer curvature"), notes=notes,
                    units=units)


def _read_annot(path: Path, wanted: Wanted) -> BrainMap:
    with ByteSource(path) as source:
        count = _int(source)
        check_allocation((count, 2), ">i4", where=path, available=source.available, limit=OPEN_LIMIT // 4)
        if count == 0:
            raise FormatError("holds no vertex", where=path)
        pairs = np.frombuffer(source.read(count * 8), ">i4").reshape(count, 2)
        if pairs[:, 0].min() < 0 or pairs[:, 0].max() >= count:
            raise FormatError(f"names vertex {int(pairs[:, 0].max()):,} of {count:,}", where=path)
        ids = np.zeros(count, np.int64)
        ids[pairs[:, 0]] = pairs[:, 1]
        entries = _colour_table(source)
    shift = 0 if entries and entries[0][1].strip().lower() in _NOTHING and entries[0][0] == 0 else 1
    table = {}
    by_id: dict[int, int] = {}
    for structure, name, rgba, code in entries:
        value = structure + shift
        table[value] = Label(shown(name), rgba)
        by_id.setdefault(code, value)
    codes = np.array(sorted(by_id), np.int64)
    numbers = np.array([by_id[code] for code in codes.tolist()], np.float32)
    values, known = np.zeros(count, np.float32), np.zeros(count, bool)
    if codes.size:
        place = np.minimum(np.searchsorted(codes, ids), codes.size - 1)
        known = codes[place] == ids
        values[known] = numbers[place[known]]
    notes = [] if shift == 0 else ["label numbers are the table's plus 1, because its entry 0 is an area"]
    lost = int((~known & (ids != 0)).sum())
    if lost:
        notes.append(f"{lost:,} vertices carry a colour that is not in the table: shown as none")
    space, assumed = match_surface(count, path, wanted)
    return make_map(values, space, name=stem(path), provenance=_told(path, "FreeSurfer annotation"),
                    notes=[*assumed, *notes], labels=table)


def _int(source: ByteSource) -> int:
    return int.from_bytes(source.read(4), "big", signed=True)


def _text(source: ByteSource) -> str:
    length = _int(source)
    if not 0 <= length <= 10_000:
        raise FormatError(f"has a name of {length} characters", where=source.path, remedy="Copy it again.")
    return source.read(length).split(b"\0")[0].decode("utf-8", "replace")


def _colour_table(source: ByteSource) -> list[tuple[int, str, tuple[float, float, float, float], int]]:
    """Return (number, name, colour, code) of the entries of either version of the table."""
    if _int(source) == 0:
        raise FormatError("has no colour table, so its areas have no names", where=source.path)
    count = _int(source)
    newer = count < 0
    if newer:
        if count != -2:
            raise FormatError(f"has a colour table of version {-count}, 1 and 2 are known", where=source.path)
        _int(source)  # the largest number
    _text(source)  # the file it came from
    count = _int(source) if newer else count
    if not 0 <= count <= _MAX_ENTRIES or count * 20 > source.available:
        raise FormatError(f"has a colour table of {count:,} entries", where=source.path, remedy="Copy it again.")
    entries = []
    for position in range(count):
        number = _int(source) if newer else position
        name = _text(source)
        red, green, blue, transparency = (_int(source) for _ in range(4))
        if not 0 <= number <= _MAX_ENTRIES * 200 or not all(0 <= c <= 255 for c in (red, green, blue, transparency)):
            raise FormatError(f"has a damaged colour table at entry {position}", where=source.path,
                              remedy="Copy it again.")
        code = red | green << 8 | blue << 16
        entries.append((number, name, (red / 255, green / 255, blue / 255, 1 - transparency / 255), code))
    return entries


def _read_label(path: Path, wanted: Wanted) -> BrainMap:
    lines = read_text(path, limit=64 << 20).splitlines()
    if len(lines) < 2 or not lines[0].startswith("#"):
        raise FormatError("is no FreeSurfer label: it begins with no '#' line", where=path)
    try:
        count = int(lines[1])
        rows = [line.split() for line in lines[2:] if line.strip()]
        index = np.array([int(row[0]) for row in rows], np.int64)
        if any(len(row) != 5 for row in rows) or len(rows) != count or count < 0:
            raise ValueError(f"{count} rows are told, {len(rows)} of 5 columns found")
    except (ValueError, IndexError, OverflowError) as err:
        raise FormatError(f"is a damaged FreeSurfer label: {shown(err)}", where=path) from err
    if not index.size:
        raise FormatError("is a label of no vertices", where=path)
    space = _label_space(lines[0], path, wanted)
    size = space.n_left or space.n_right
    if index.min() < 0 or index.max() >= size:
        raise MismatchError(f"names vertex {int(index.max()):,}; {space.name} has {size:,}", where=path)
    values = np.zeros(size, np.float32)
    values[index] = 1
    name = stem(path)
    short = re.sub(r"^(lh|rh)\.", "", name)
    return make_map(values, space, name=name, provenance=_told(path, "FreeSurfer label"), labels={1: Label(short)})


def _label_space(header: str, path: Path, wanted: Wanted) -> SurfaceSpace:
    side = wanted.hemisphere or hemisphere_of(path)
    if side is None:
        raise FormatError("does not tell its hemisphere", where=path, remedy="Rename it to begin with lh. or rh.")
    if isinstance(wanted.space, SurfaceSpace):
        n = wanted.space.n_left if side == "left" else wanted.space.n_right
        return SurfaceSpace(wanted.space.name, n if side == "left" else 0, n if side == "right" else 0)
    match = re.search(r"from subject (\S+)", header)
    subject = match.group(1) if match else ""
    if subject in VERTICES:
        return surface_space(subject, side)
    raise MissingError(f"is a label on the surface of {shown(subject) or 'an unnamed subject'}, and does not tell how "
                       "many vertices that has", where=path, remedy="Name the space it belongs to.")


def read_mesh(path: os.PathLike | str) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, 3) float32 vertices in mm and (m, 3) int32 faces of a FreeSurfer triangle file (``lh.pial``)."""
    with ByteSource(path) as source:
        magic = source.read(3)
        if magic in _QUADS or magic == _NEW_CURVE:
            raise FormatError("is a map or an old quadrangle file, no triangle mesh", where=path,
                              remedy="Convert it with mris_convert.")
        if magic != _TRIANGLES:
            word = looks_like(magic + source.some(13))
            raise FormatError("is no FreeSurfer mesh" + (f": it looks like {word}" if word else ""), where=path)
        for _ in range(2):  # who made it; an empty line
            _line(source)
        points, faces = _int(source), _int(source)
        need = check_allocation((points, 3), ">f4", where=path, limit=OPEN_LIMIT // 4)
        need += check_allocation((faces, 3), ">i4", where=path, limit=OPEN_LIMIT // 4)
        check_allocation((need,), np.uint8, where=path, available=source.available)
        vertices = np.frombuffer(source.read(points * 12), ">f4").reshape(points, 3)
        triangles = np.frombuffer(source.read(faces * 12), ">i4").reshape(faces, 3)
    return vertices.astype(np.float32), triangles.astype(np.int32)


def _line(source: ByteSource) -> bytes:
    found = b""
    while not found.endswith(b"\n"):
        if len(found) > 10_000:
            raise FormatError("has a first line without an end", where=source.path)
        found += source.read(1)
    return found
