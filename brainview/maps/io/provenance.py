"""The story of a map, written into every file and into a JSON beside it, and read back from either.

One block of strict JSON holds the map's own fields (name, units, kind, range, labels, definition), its space, its
provenance as it was, and the software that wrote it. A map read back from a file of BrainView is the map that was
written. A block is data of a foreign file: every field is checked, and a damaged block is told, not guessed.
"""

from __future__ import annotations

import json
import math
import os
import platform
import time
from dataclasses import replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from brainview.core.errors import BrainViewError, FormatError
from brainview.core.files import read_json, strict, to_json, write_json
from brainview.core.names import shown
from brainview.maps.brainmap import BrainMap, Label
from brainview.maps.io.spaces import space_from_dict, space_to_dict
from brainview.maps.space import Space

#: Key under which the block stands in XML metadata, and the first key of the block itself.
KEY = "brainview"
#: The most bytes of a block inside a file.
BLOCK_LIMIT = 16 << 20
_KINDS = ("sequential", "diverging", "label", "cyclic")


@cache
def software() -> dict[str, str]:
    """Return the versions of what writes files, without importing any of it."""
    found = {"python": platform.python_version()}
    for name, package in (("brainview", "brainview-explorer"), ("numpy", "numpy"), ("nibabel", "nibabel")):
        try:
            found[name] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


def provenance_for(map: BrainMap) -> dict[str, Any]:
    """Return the map's provenance with the software that is writing it and the time (UTC), as strict JSON types."""
    written = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {**strict(map.provenance), "phantom": map.is_phantom, "software": dict(software()), "written": written}


def block_for(map: BrainMap, *, whole_space: bool = False) -> dict[str, Any]:
    """Return everything of a map but its values.

    Parameters
    ----------
    whole_space : bool
        Write masks and label tables of the space in full (for files that cannot hold them, and for the sidecar).
    """
    told = provenance_for(map)
    labels = None
    if map.labels is not None:
        labels = {str(key): {"name": label.name, "rgba": label.rgba} for key, label in map.labels.items()}
    fields = {"name": map.name, "units": map.units, "kind": map.kind, "limits": map.limits, "colormap": map.colormap,
              "definition": map.definition, "labels": labels}
    return strict({KEY: "map", "format": 1, "phantom": map.is_phantom, "map": fields,
                   "space": space_to_dict(map.space, whole=whole_space), "provenance": map.provenance,
                   "software": told["software"], "written": told["written"]})


def to_text(block: dict[str, Any]) -> str:
    """Return a block as ASCII text of one line: it must survive every header and every encoding."""
    return json.dumps(strict(block), ensure_ascii=True, allow_nan=False)


def from_text(text: str | bytes) -> dict[str, Any] | None:
    """Return the block in `text`, None when it is something else.

    Raises FormatError when it is a block of BrainView and damaged.
    """
    if isinstance(text, str):
        text = text.encode("utf-8", "surrogateescape")
    text = text.rstrip(b"\0 \n")
    if not text.startswith(b'{"brainview"'):
        return None
    if len(text) > BLOCK_LIMIT:
        raise FormatError(f"its BrainView block is larger than {BLOCK_LIMIT >> 20} MiB")
    try:
        block = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise FormatError(f"its BrainView block is damaged: {shown(err)}") from err
    return block if isinstance(block, dict) and block.get(KEY) == "map" else None


def restore(map: BrainMap, block: dict[str, Any] | None) -> BrainMap:
    """Return `map` with the fields of a block; whatever in it is not sound is left out and noted."""
    if block is None:
        return map
    fields = block.get("map")
    fields = fields if isinstance(fields, dict) else {}
    story = block.get("provenance")
    changes: dict[str, Any] = {"provenance": dict(story) if isinstance(story, dict) else {}}
    bad = [] if isinstance(story, dict) else ["provenance"]
    for key in ("name", "units", "definition"):
        if isinstance(fields.get(key), str):
            changes[key] = fields[key][:4000]
        else:
            bad.append(key)
    kind = fields.get("kind")
    if kind in _KINDS:
        changes["kind"] = kind
    else:
        bad.append("kind")
    colormap = fields.get("colormap")
    changes["colormap"] = colormap if isinstance(colormap, str) and len(colormap) < 200 else None
    changes["limits"] = _limits(fields.get("limits"))
    try:
        changes["labels"] = _labels(fields.get("labels"))
    except (TypeError, ValueError, KeyError):
        bad.append("labels")
    if block.get("phantom") is True and not changes["provenance"].get("phantom"):
        changes["provenance"]["phantom"] = True
    if bad:
        notes = changes["provenance"].get("notes")
        told = [*(notes if isinstance(notes, list) else []), f"the BrainView block has no sound {', '.join(bad)}"]
        changes["provenance"]["notes"] = told
    return replace(map, **changes)


def _limits(value: Any) -> tuple[float, float] | None:
    if not isinstance(value, list) or len(value) != 2:
        return None
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in value):
        return None
    return float(value[0]), float(value[1])


def _labels(value: Any) -> dict[int, Label] | None:
    if value is None:
        return None
    table = {}
    for key, entry in value.items():
        rgba = entry["rgba"]
        if rgba is not None:
            rgba = tuple(float(c) for c in rgba)
            if len(rgba) != 4 or not all(0 <= c <= 1 for c in rgba):
                raise ValueError("no colour")
        table[int(key)] = Label(str(entry["name"]), rgba)
    return table


def sidecar_path(path: os.PathLike | str) -> Path:
    """Return the name of the JSON beside a file: the whole name and ``.json``."""
    path = Path(path)
    return path.with_name(path.name + ".json")


def write_sidecar(map: BrainMap, path: os.PathLike | str) -> Path:
    """Write the JSON beside `path`, with the space in full; returns its path."""
    target = sidecar_path(path)
    write_json(target, {**block_for(map, whole_space=True), "file": Path(path).name})
    return target


def read_sidecar(path: os.PathLike | str) -> tuple[dict[str, Any] | None, Space | None]:
    """Return the block and the space of the JSON beside `path`, (None, None) when there is none of BrainView's."""
    target = sidecar_path(path)
    if not target.is_file():
        return None, None
    block = read_json(target)
    if not isinstance(block, dict) or block.get(KEY) != "map":
        return None, None
    try:
        return block, space_from_dict(block.get("space"))
    except BrainViewError as err:
        raise FormatError(f"the space in {target.name} is damaged: {err}", where=path,
                          remedy="Remove the JSON file or name the space.") from err


__all__ = ["BLOCK_LIMIT", "KEY", "block_for", "from_text", "provenance_for", "read_sidecar", "restore",
           "sidecar_path", "software", "to_json", "to_text", "write_sidecar"]
