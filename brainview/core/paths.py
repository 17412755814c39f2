"""Where BrainView keeps its own files, and where its shipped resources lie."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import platformdirs


def home() -> Path | None:
    """Return the folder named by ``BRAINVIEW_HOME``, or None when it is not set."""
    named = os.environ.get("BRAINVIEW_HOME")
    return Path(named).expanduser() if named else None


def data_dir() -> Path:
    """Return the folder of built data sets, runs and projects (created on demand)."""
    own = home()
    return _made(own / "data" if own else Path(platformdirs.user_data_dir("brainview", appauthor=False)))


def cache_dir() -> Path:
    """Return the folder of everything that can be computed again (created on demand)."""
    own = home()
    return _made(own / "cache" if own else Path(platformdirs.user_cache_dir("brainview", appauthor=False)))


def computed_dir() -> Path:
    """Return the folder of maps that were computed in the window and are kept for projects and recipes."""
    return data_dir() / "computed"


@cache
def resources_dir() -> Path:
    """Return the folder of shipped resources, in a wheel and in a source tree alike."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "_resources"
    return inside if inside.is_dir() else package.parent / "resources"


def resource(name: str) -> Path:
    """Return the path of one shipped resource; raises FileNotFoundError when it is not there."""
    path = resources_dir() / name
    if not path.exists():
        raise FileNotFoundError(f"the shipped resource {name!r} is missing; reinstall brainview-explorer")
    return path


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
