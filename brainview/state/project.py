"""Project files: what is open, what is drawn and how, as versioned JSON. One older version is kept beside the file.

The same dict is the journal's content, so recovery after a crash and opening a project are one code path.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brainview import __version__
from brainview.core.errors import FormatError
from brainview.core.files import atomic_path, read_json, write_json
from brainview.core.paths import computed_dir
from brainview.maps import kept
from brainview.state.app import KEPT, AppState, RoiKey, Source

if TYPE_CHECKING:
    from brainview.state.view import ViewState

#: Ending of project files.
SUFFIX = ".brainview"
FORMAT = "brainview-project"
VERSION = 1
#: version -> function that turns such a dict into the next version's.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
#: The most that a project file may hold, in bytes.
LIMIT = 4 << 20


def describe(state: AppState, view: ViewState | None = None, parts: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return everything that brings the session back, as plain JSON types; `parts` have ``settings()``."""
    app: dict[str, Any] = {name: getattr(state, name) for name in KEPT}
    app |= {
        "dataset": state.dataset.path if state.dataset else None,
        "subject": state.subject.id if state.subject else None,
        "run": state.run.path if state.run else None,
        "source": asdict(state.source),
        "rois": [[r.hemisphere, r.roi_class, r.roi] for r in state.rois],
    }
    return {"format": FORMAT, "version": VERSION, "brainview": __version__,
            "saved": datetime.now(UTC).isoformat(timespec="seconds"), "app": app,
            "view": {} if view is None else view.settings(),
            "parts": {name: part.settings() for name, part in (parts or {}).items()}}


def restore_app(state: AppState, stored: Mapping[str, Any]) -> None:
    """Put the plain fields back (data set, subject, run and map are opened by the session)."""
    for name in KEPT:
        if name in stored and isinstance(stored[name], type(getattr(state, name))):
            setattr(state, name, stored[name])
    rois = stored.get("rois", ())
    if not isinstance(rois, (list, tuple)) or not all(isinstance(r, (list, tuple)) and len(r) == 3 for r in rois):
        raise FormatError("has a list of regions that is not hemisphere, class, name")
    state.rois = tuple(RoiKey(*map(str, r)) for r in rois)


def part(stored: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the stored settings of one part, {} when there are none."""
    parts = stored.get("parts")
    found = parts.get(name) if isinstance(parts, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}


def stored_source(stored: Mapping[str, Any]) -> Source:
    """Return what was drawn; raises FormatError for an unknown kind."""
    value = stored.get("source") or {}
    known = {f.name for f in fields(Source)}
    if not isinstance(value, Mapping):
        raise FormatError("does not say what was drawn")
    return Source(**{k: v for k, v in value.items() if k in known})


def gathered(value: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return a project dict whose computed maps lie beside the project file, in ``<name>-maps``; copies them there."""
    folder = path.with_name(path.name.removesuffix(SUFFIX) + "-maps")

    def moved(part: Any) -> Any:
        if isinstance(part, dict):
            return {k: moved(v) for k, v in part.items()}
        if isinstance(part, list):
            return [moved(v) for v in part]
        if not isinstance(part, str) or Path(part).parent != computed_dir() or not Path(part).is_file():
            return part
        folder.mkdir(exist_ok=True)
        for file in kept.parts(kept.mark_of(part)):  # both hemispheres, and what tells about the map
            if not (folder / file.name).is_file():
                with atomic_path(folder / file.name) as temporary:
                    shutil.copyfile(file, temporary)
        return str(folder / Path(part).name)

    out: dict[str, Any] = moved(value)
    return out


def check(value: Any, *, where: object = None) -> dict[str, Any]:
    """Return a project dict of this version; older ones are brought up, newer and foreign ones refused."""
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise FormatError("is not a BrainView project", where=where)
    version = value.get("version")
    if not isinstance(version, int) or version < 1:
        raise FormatError(f"has no valid version ({version!r})", where=where)
    if version > VERSION:
        raise FormatError(f"was written by a newer BrainView (project version {version}, this one reads {VERSION})",
                          where=where, remedy="Update BrainView.")
    while version < VERSION:
        value = MIGRATIONS[version](value)
        version = value["version"]
    if not isinstance(value.get("app"), dict) or not isinstance(value.get("view"), dict):
        raise FormatError("holds no state", where=where, remedy=f"An older version may lie beside it (*{SUFFIX}~).")
    return value


def previous(path: Path) -> Path:
    """Return where the one older version of a project file is kept."""
    return path.with_name(path.name + "~")


def save(path: Path | str, value: Mapping[str, Any]) -> Path:
    """Write a project atomically; what was there before becomes the older version. Returns the path."""
    path = Path(path)
    if path.suffix != SUFFIX:
        path = path.with_name(path.name + SUFFIX)
    if path.is_file():
        with atomic_path(previous(path)) as temporary:
            shutil.copyfile(path, temporary)
    write_json(path, dict(value))
    return path


def load(path: Path | str) -> dict[str, Any]:
    """Read a project file; raises FormatError in one line for anything else."""
    return check(read_json(path, limit=LIMIT), where=path)
