"""A surface file that somebody drops: its other hemisphere, its other forms and its folds are found beside it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from brainview.core.errors import FormatError
from brainview.core.files import regular_file
from brainview.maps.brainmap import BrainMap
from brainview.maps.io.common import hemisphere_of, other_hemisphere_name, subject_of
from brainview.maps.meshes import HEMISPHERES, SURFACES, load_scalar, register_surfaces
from brainview.maps.sources import SCALARS, freesurfer_file

#: What a form is called in file names; the first that fits counts.
_FORMS = (("midthickness", r"mid-?thick"), ("inflated", r"inflated"), ("flat", r"flat"), ("sphere", r"sphere"),
          ("white", r"white|smoothwm|\bwm\b"), ("pial", r"pial"))
#: Forms that stand in for a folded surface whose name says nothing.
_UNKNOWN = "pial"
#: The most files of a folder that are looked at.
MOST = 4096


def form_of(name: str) -> str:
    """Return which surface a file name speaks of; one that says nothing is taken as pial."""
    return next((form for form, words in _FORMS if re.search(words, name.lower())), _UNKNOWN)


def open_surface(path: os.PathLike | str) -> BrainMap:
    """Register the surfaces that belong to a file and return what can be drawn on them.

    Returns
    -------
    BrainMap
        Thickness in mm where it lies beside the surface, else a map without data: the anatomy alone. On
        ``native:<subject>``, so that maps of the same subject are drawn on these surfaces from now on.

    Raises
    ------
    FormatError
        Nobody says which hemisphere it is. MismatchError: the surfaces differ in vertices.
    """
    path = regular_file(path)
    side = hemisphere_of(path)
    if side is None:
        raise FormatError("is a surface, and its name does not say of which hemisphere", where=path,
                          remedy="Let its name begin with lh. or rh., or hold .L. or .R.")
    files = _freesurfer(path) if path.parent.name == "surf" else _beside(path)
    files[side].setdefault(form_of(path.name), str(path))
    subject = subject_of(path) if path.parent.name == "surf" else _name_of(path)
    space = register_surfaces(f"native:{subject}", files)
    thick = [np.full(count, np.nan, np.float32) if "thickness" not in files[one] else
             load_scalar(space, one, "thickness") for one, count in zip(HEMISPHERES, (space.n_left, space.n_right),
                                                                         strict=True) if count]
    values = np.concatenate(thick)
    story = {"file": path.name, "surfaces": sorted({f for one in files.values() for f in one if f in SURFACES})}
    if not np.isfinite(values).any():
        return BrainMap(values, space, f"{subject} (surface)", limits=(0.0, 1.0), provenance=story)
    top = float(np.nanpercentile(values, 99))
    return BrainMap(values, space, f"{subject} thickness", units="mm", limits=(0.0, top), provenance=story)


def _freesurfer(path: Path) -> dict[str, dict[str, str]]:
    """Return the parts of the FreeSurfer subject that a file belongs to."""
    return {side: {part: str(file) for part in (*SURFACES, *SCALARS)
                   if (file := freesurfer_file(path.parent.parent, side, part)).is_file()} for side in HEMISPHERES}


def _name_of(path: Path) -> str:
    """Return the file's stem without hemisphere and form, or its folder's name where nothing is left."""
    words = re.sub("|".join(words for _, words in _FORMS), "", subject_of(path), flags=re.IGNORECASE)
    return re.sub(r"[._ -]{2,}", ".", re.sub(r"\.surf$", "", words)).strip("._- ") or path.parent.name


def _beside(path: Path) -> dict[str, dict[str, str]]:
    """Return the files of the same folder whose names differ from this one's in hemisphere and form only."""
    out: dict[str, dict[str, str]] = {"left": {}, "right": {}}
    wanted = _name_of(path)
    with os.scandir(path.parent) as entries:
        names = sorted(e.name for _, e in zip(range(MOST), entries, strict=False) if e.is_file())
    for name in names:
        side = hemisphere_of(name)
        if side is None or not name.lower().endswith((".surf.gii", ".gii", ".gii.gz")) or ".func." in name \
                or ".shape." in name or ".label." in name or _name_of(path.with_name(name)) != wanted:
            continue
        if name in (path.name, other_hemisphere_name(path.name, "right"), other_hemisphere_name(path.name, "left")) \
                or any(re.search(words, name.lower()) for _, words in _FORMS):
            out[side].setdefault(form_of(name), str(path.with_name(name)))
    return out
