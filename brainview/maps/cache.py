"""Arrays kept on disk because they can be computed again: plain .npz in the cache folder, never a pickle."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.files import atomic_write
from brainview.core.paths import cache_dir

#: Changes when the meaning of what is cached changes.
VERSION = 2


def digest(*parts: Any) -> str:
    """Return a hash of arrays, bytes and anything with a stable repr."""
    made = hashlib.sha256(str(VERSION).encode())
    for part in parts:
        if isinstance(part, np.ndarray):
            made.update(repr((part.shape, part.dtype.str)).encode())
            made.update(np.ascontiguousarray(part).tobytes())
        else:
            made.update(part if isinstance(part, bytes) else repr(part).encode())
        made.update(b"|")
    return made.hexdigest()[:24]


def stamp(path: Path) -> tuple[str, int, int]:
    """Return what changes when a file does: its path, size and time of change."""
    status = path.stat()
    return str(path), status.st_size, status.st_mtime_ns


def kept(group: str, key: str, make: Callable[[], dict[str, np.ndarray]],
         accept: Callable[[dict[str, np.ndarray]], bool] = bool) -> dict[str, np.ndarray]:
    """Return named arrays from the cache, or make and store them.

    Parameters
    ----------
    group, key : str
        Folder and name below the cache folder.
    make : function
        Computes the arrays; called when nothing usable is stored.
    accept : function
        Says whether stored arrays are whole (shapes, ranges); what it refuses is made again.

    Notes
    -----
    A cache that cannot be read is made again and one that cannot be written is done without: it only saves time.
    """
    path = cache_dir() / "maps" / group / f"{key}.npz"
    stored = _read(path)
    if stored is not None and accept(stored):
        return stored
    arrays = make()
    try:
        with atomic_write(path) as file:
            np.savez(file, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    except OSError:
        pass
    return arrays


def _read(path: Path) -> dict[str, np.ndarray] | None:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, KeyError, AttributeError, TypeError, zipfile.BadZipFile):
        return None
