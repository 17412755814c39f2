"""The journal: the session on disk within two seconds of every change, offered back after a crash.

One file per running window, held by a lock that the operating system drops when the process dies, however it dies.
A file without a holder is therefore a session that ended badly.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from brainview.core.errors import BrainViewError
from brainview.core.files import read_json, write_json
from brainview.core.names import shown
from brainview.core.paths import data_dir
from brainview.state.project import LIMIT, check

#: A change is on disk after this many seconds; the promise is two.
DELAY = 1.0
#: Sessions that ended badly are offered for this many days.
KEEP_DAYS = 14


class Timer(Protocol):
    """What ``asyncio`` gives back from ``call_later``."""

    def cancel(self) -> None:
        """Do not call."""


@dataclass(frozen=True)
class Lost:
    """A session that ended badly."""

    path: Path
    project: dict[str, Any]
    when: float  # seconds since 1970

    @property
    def title(self) -> str:
        """What was open, in a few words."""
        app = self.project["app"]
        names = [Path(str(app[k])).name for k in ("dataset", "run") if app.get(k)]
        subject = [str(app["subject"])] if app.get("subject") else []
        drawn = (app.get("source") or {}).get("path")
        found = names[:1] + subject + names[1:] or ([Path(str(drawn)).name] if drawn else [])
        return shown(" · ".join(found)) or "nothing"


def journal_dir() -> Path:
    """Return the folder of the journals."""
    folder = data_dir() / "journal"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _lock(file: IO[bytes]) -> bool:
    """Try to hold a file until this process ends; False when another process holds it."""
    try:
        import fcntl
    except ImportError:  # Windows: a byte range, dropped by the system as well
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class Journal:
    """Writes the session soon after each change.

    Parameters
    ----------
    describe : callable
        Gives the project dict.
    call_later : callable
        ``call_later(seconds, function)`` of the event loop; returns something with ``cancel()``.
    folder : Path, optional
        Where; default the user's data folder.
    """

    def __init__(self, describe: Callable[[], Mapping[str, Any]], call_later: Callable[..., Timer],
                 folder: Path | None = None) -> None:
        self._describe = describe
        self._call_later = call_later
        folder = folder or journal_dir()
        stem = f"session-{os.getpid()}-{time.time_ns()}"
        self.path = folder / f"{stem}.json"
        self._holder: IO[bytes] | None = open(folder / f"{stem}.lock", "wb")  # noqa: SIM115 - held until close
        _lock(self._holder)
        self._timer: Timer | None = None

    def touch(self) -> None:
        """Tell that something changed; the first change of a burst decides when it is written."""
        if self._timer is None and self._holder is not None:
            self._timer = self._call_later(DELAY, self.write)

    def write(self) -> None:
        """Write now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._holder is not None:
            write_json(self.path, dict(self._describe()))

    def close(self) -> None:
        """End well: nothing is left to recover."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._holder is None:
            return
        self._holder.close()
        name = self._holder.name
        self._holder = None
        self.path.unlink(missing_ok=True)
        Path(name).unlink(missing_ok=True)


def lost_sessions(folder: Path | None = None) -> list[Lost]:
    """Return the sessions that ended badly, newest first; unreadable and outdated ones are removed."""
    folder = folder or journal_dir()
    found = []
    for holder in sorted(folder.glob("session-*.lock")):
        with open(holder, "r+b") as file:
            if not _lock(file):
                continue  # its window is still open
            entry = _read(holder.with_suffix(".json"))
            if entry is None:
                forget(holder.with_suffix(".json"))
            else:
                found.append(entry)
    return sorted(found, key=lambda e: -e.when)


def _read(path: Path) -> Lost | None:
    try:
        when = path.stat().st_mtime
        if time.time() - when > KEEP_DAYS * 86_400:
            return None
        return Lost(path, check(read_json(path, limit=LIMIT), where=path), when)
    except (OSError, BrainViewError):
        return None


def forget(path: Path) -> None:
    """Remove a lost session: it was taken back or turned down."""
    for victim in (path, path.with_suffix(".lock")):
        with contextlib.suppress(OSError):
            victim.unlink(missing_ok=True)
