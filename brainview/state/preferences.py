"""What the program remembers of its user from one start to the next: few plain values in one small file. No Qt."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from brainview.core.errors import BrainViewError
from brainview.core.files import read_json, write_json
from brainview.core.paths import data_dir

_LIMIT = 64 << 10


def preferences_path() -> Path:
    """Return the file."""
    return data_dir() / "preferences.json"


def preference(name: str, default: Any = None) -> Any:
    """Return a remembered value; a damaged file counts as an empty one."""
    return _all().get(name, default)


def remember(name: str, value: Any) -> None:
    """Remember a value; a disk that cannot be written forgets it and nothing worse."""
    with contextlib.suppress(OSError, BrainViewError):
        write_json(preferences_path(), {**_all(), name: value})


def _all() -> dict[str, Any]:
    try:
        found = read_json(preferences_path(), limit=_LIMIT)
    except (OSError, BrainViewError):
        return {}
    return found if isinstance(found, dict) else {}
