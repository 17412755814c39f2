"""The built-in data set: made on this machine at the first start, in three stages, and cached.

``first``: subject 1 with 300 scenes on the surface, ready within seconds. ``surface``: all four subjects.
``full``: their MNI volumes too. Each stage can be cancelled and goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from brainview.core.errors import MissingError
from brainview.core.files import to_json
from brainview.core.jobs import QUIET, JobContext
from brainview.core.paths import data_dir

Stage = Literal["first", "surface", "full"]
#: Changes when the generative model changes what the same plan gives.
VERSION = 2
_FIRST: dict[str, Any] = {"layout": "nsd", "level": "nsd", "subjects": 1, "train": 240, "test": 60, "reserve": 60}
_DEFAULT: dict[str, Any] = {"layout": "nsd", "level": "nsd", "subjects": 4, "train": 800, "test": 200}
#: A lock that nobody touched for this long belongs to a process that died (seconds).
_STALE = 120.0


def _folder(settings: dict[str, Any], word: str) -> Path:
    key = hashlib.sha256(to_json([VERSION, settings]).encode()).hexdigest()[:10]
    return data_dir() / "phantom" / f"{word}-{key}"


def default_path(stage: Stage | None = None) -> Path:
    """Return the folder of the built-in data set: the whole one when it is there, else the first stage's.

    With `stage`, the folder where that stage is or will be, built or not.
    """
    from brainview.phantom.build import is_complete

    first, whole = _folder(_FIRST, "first"), _folder(_DEFAULT, "nsd")
    if stage is not None:
        return first if stage == "first" else whole
    return first if is_complete(first) and not is_complete(whole) else whole


def is_ready(stage: Stage = "first") -> bool:
    """Return whether a stage is complete."""
    from brainview.phantom.build import is_complete

    return is_complete(default_path(stage), volume=stage == "full")


def ensure_default(stage: Stage = "first", *, context: JobContext = QUIET) -> str:
    """Build a stage of the built-in data set unless it is there; return its path.

    Raises
    ------
    MissingError
        There is no such stage. Cancelled: what was finished is kept, the next call goes on.
    """
    from brainview.phantom.build import build_phantom

    if stage not in ("first", "surface", "full"):
        raise MissingError(f"the built-in data set has no stage {stage!r}", remedy="Known: first, surface, full.")
    path = default_path(stage)
    if is_ready(stage):
        return str(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.with_suffix(".lock"), context) as watched:
        settings = _FIRST if stage == "first" else _DEFAULT
        build_phantom(path, **settings, volume=stage == "full", context=watched)
    return str(path)


class _Touching:
    """A context that also keeps the lock fresh."""

    def __init__(self, context: JobContext, lock: Path) -> None:
        self._context, self._lock = context, lock

    def report(self, done: float, total: float, text: str = "") -> None:
        self._touch()
        self._context.report(done, total, text)

    def log(self, line: str) -> None:
        self._context.log(line)

    def check(self) -> None:
        self._touch()
        self._context.check()

    def _touch(self) -> None:
        with contextlib.suppress(OSError):
            os.utime(self._lock)


@contextlib.contextmanager
def _alone(lock: Path, context: JobContext) -> Iterator[JobContext]:
    """Hold a lock file so that two processes do not build the same data set; wait for the other one."""
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except FileExistsError:
            with contextlib.suppress(OSError):
                if time.time() - lock.stat().st_mtime > _STALE:
                    lock.unlink()
                    continue
            context.report(0, 1, "another process is building the phantom")
            time.sleep(0.5)
    try:
        yield _Touching(context, lock)
    finally:
        lock.unlink(missing_ok=True)
