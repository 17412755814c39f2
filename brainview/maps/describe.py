"""What a map file holds, told in plain types: format, space, orientation, values, and what the reader assumed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from brainview.core.errors import FormatError, LimitError
from brainview.core.jobs import QUIET, JobContext
from brainview.maps.brainmap import BrainMap
from brainview.maps.io import format_of, read_maps, read_surface
from brainview.maps.space import Space, VolumeSpace


def describe_file(path: os.PathLike | str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return what is in a map file or a surface file.

    Returns
    -------
    dict
        ``file``, ``format``, ``bytes``, ``phantom``, and ``maps`` (see :func:`describe_map`) or ``mesh``
        (``vertices``, ``faces``, ``low_mm`` and ``high_mm`` corner). A file too large to be read whole has its first
        map in ``maps`` and the reason in ``partial``. ``stored_axes`` are the directions of a NIfTI volume's axes in
        the file (``LAS``); what is read is turned to the order closest to RAS.

    Raises
    ------
    BrainViewError
        As :func:`brainview.maps.io.read_maps`, when the file is neither.
    """
    path = Path(path)
    context.report(0, 1, f"reading {path.name}")
    try:
        maps, partial = _maps(path)
        form = str(maps[0].provenance.get("format") or format_of(path).title)
    except FormatError as refused:
        mesh = _mesh(path)
        if mesh is None:
            raise refused
        form, maps, partial = "surface mesh", [], ""
    else:
        mesh = None
    context.report(1, 1, "read")
    told: dict[str, Any] = {"file": str(path), "format": form, "bytes": path.stat().st_size}
    stored = _stored_axes(path) if form.startswith("NIfTI") and maps[0].space.kind == "volume" else ""
    if mesh is not None:
        return told | {"phantom": False, "mesh": mesh}
    return told | {"phantom": any(m.is_phantom for m in maps), "maps": [describe_map(m) for m in maps],
                   "partial": partial, "stored_axes": stored}


def describe_map(map: BrainMap) -> dict[str, Any]:
    """Return name, kind, units, space, counts, range, labels, notes and whether the map is simulated, as JSON types.

    Of a label map the labels that occur are counted; of any other minimum, median and maximum are told.
    """
    good = map.values[np.isfinite(map.values)]
    told: dict[str, Any] = {
        "name": map.name, "kind": map.kind, "units": map.units, "space": describe_space(map.space),
        "with_data": int(good.size), "zeros": int((good == 0).sum()), "phantom": map.is_phantom,
        "notes": [str(n) for n in map.provenance.get("notes", [])]}
    if good.size and map.kind != "label":
        good = good + 0.0  # no negative zero
        told |= {"minimum": float(good.min()), "median": float(np.median(good)), "maximum": float(good.max())}
    if map.labels is not None:
        there = set(np.unique(good).astype(int).tolist())
        told["labels"] = [label.name for key, label in map.labels.items() if key in there and key != 0]
    return told


def describe_space(space: Space) -> dict[str, Any]:
    """Return a space's own description; a grid also with its voxel size in mm, axis letters and centre in mm."""
    told = dict(space.describe())
    root = space.root
    told["root"] = root.name
    if isinstance(root, VolumeSpace):
        centre = root.affine @ [*((np.array(root.shape) - 1) / 2), 1]
        told |= {"shape": list(root.shape), "zooms_mm": [round(float(z), 4) for z in root.zooms], "world": root.world,
                 "axes": "".join(nib.orientations.aff2axcodes(root.affine)),
                 "centre_mm": [round(float(c), 2) for c in centre[:3]]}
    return told


def _maps(path: Path) -> tuple[list[BrainMap], str]:
    try:
        return read_maps(path), ""
    except LimitError as err:  # a long series: one map tells as much
        return read_maps(path, index=0), err.what


def _stored_axes(path: Path) -> str:
    from brainview.maps.io.nifti import stored_affine

    return "".join(nib.orientations.aff2axcodes(stored_affine(path)))


def _mesh(path: Path) -> dict[str, Any] | None:
    try:
        mesh = read_surface(path)
    except (FormatError, LimitError):
        return None
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    return {"vertices": len(mesh.vertices), "faces": len(mesh.faces),
            "low_mm": [round(float(v), 2) for v in low], "high_mm": [round(float(v), 2) for v in high]}
