"""What the window holds of a job: its state, its progress, its result."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from psygnal import Signal

from brainview.core.errors import BrainViewError, Cancelled

Status = Literal["queued", "running", "done", "failed", "cancelled", "lost"]
LANES = ("live", "batch")


@dataclass(frozen=True)
class JobSpec:
    """A job as it crosses processes: the name of a function and plain arguments."""

    function: str
    title: str
    lane: Literal["live", "batch"] = "batch"
    arguments: dict[str, Any] = field(default_factory=dict)


def _plain(value: Any) -> bool:
    """Tell whether an argument is words and numbers, at any depth: no map, no array."""
    if isinstance(value, dict):
        return all(_plain(v) for v in value.values())
    if isinstance(value, (list, tuple)):
        return all(_plain(v) for v in value)
    return value is None or isinstance(value, (str, int, float, bool))


class JobHandle:
    """A submitted job; read it, await it, cancel it, retry it.

    ``changed()`` is emitted in the event loop that made the engine, after any field changed.
    """

    changed = Signal()

    def __init__(self, spec: JobSpec, number: int, *, cancel: Callable[[JobHandle], None],
                 retry: Callable[[JobHandle], JobHandle]) -> None:
        self.spec = spec
        self.id = f"job-{number}"
        self.status: Status = "queued"
        self.done, self.total, self.text = 0.0, 1.0, "waiting"
        self.log: list[str] = []
        self.error: str | None = None
        self.details: str = ""
        self.worker: str | None = None
        self.pid: int | None = None
        self.started: float | None = None
        self._cancel, self._retry = cancel, retry
        self._finished = asyncio.Event()
        self._value: Any = None
        self._failure: BrainViewError | None = None
        self._asked_for = False
        self._forgotten = False

    @property
    def title(self) -> str:
        """What the user calls it."""
        return self.spec.title

    @property
    def lane(self) -> str:
        """``live`` (short, interactive) or ``batch`` (long, low priority)."""
        return self.spec.lane

    @property
    def active(self) -> bool:
        """True while it waits or runs."""
        return self.status in ("queued", "running")

    @property
    def seconds_left(self) -> float | None:
        """Seconds left at the pace so far, None while it is too early to say."""
        if self.status != "running" or self.started is None or not self.total or self.done <= 0:
            return None
        spent = time.monotonic() - self.started
        return None if spent < 1.0 else max(0.0, spent * (self.total - self.done) / self.done)

    async def result(self) -> Any:
        """Return the value; raise what went wrong as a BrainViewError, or Cancelled.

        A value that was asked for once is let go when newer jobs have ended, see :meth:`forget`.
        """
        await self._finished.wait()
        self._asked_for = True
        if self._failure is not None:
            raise self._failure
        if self._forgotten:
            raise BrainViewError("the value of this job is no longer kept", where=self.title, remedy="Run it again.")
        return self._value

    def forget(self) -> None:
        """Let go of a value that was handed over, and of arguments that are more than words and numbers.

        Whoever took the value holds it; the job stays in the list only to be read. Jobs that did not end well keep
        everything for a retry.
        """
        if self.status == "done" and self._asked_for and not self._forgotten:
            self._forgotten, self._value = True, None
            self.spec = replace(self.spec, arguments={k: v for k, v in self.spec.arguments.items() if _plain(v)})

    def cancel(self) -> None:
        """Ask it to stop; it is over within a second, whatever it is doing."""
        if self.active:
            self._cancel(self)

    def retry(self) -> JobHandle:
        """Submit the same job again and return the new handle; training resumes from its last checkpoint."""
        return self._retry(self)

    def progress(self, done: float, total: float, text: str) -> None:
        """Take over one progress message of the worker."""
        if self.status == "queued":
            self.begin()
        if self.status == "running":
            self.done, self.total = done, total
            self.text = text or self.text
            self.changed.emit()

    def begin(self, worker: str | None = None, pid: int | None = None) -> None:
        """Mark it running."""
        if self.status == "queued":
            self.status, self.started, self.text = "running", time.monotonic(), ""
        self.worker, self.pid = worker or self.worker, pid or self.pid
        self.changed.emit()

    def add_log(self, line: str) -> None:
        """Take over one log line; the newest thousand are kept."""
        self.log.append(line)
        del self.log[:-1000]
        self.changed.emit()

    def finish(self, value: Any) -> None:
        """End it with a value."""
        self._end("done", None, value)

    def fail(self, error: BrainViewError, details: str = "", *, lost: bool = False) -> None:
        """End it with an error; `lost` when its worker died."""
        self.details = details
        status: Status = "cancelled" if isinstance(error, Cancelled) else "lost" if lost else "failed"
        self._end(status, error, None)

    def _end(self, status: Status, failure: BrainViewError | None, value: Any) -> None:
        if not self.active:
            return
        self.status, self._failure, self._value = status, failure, value
        self.error = None if failure is None else str(failure)
        if status == "done":
            self.done = self.total
        self._finished.set()
        self.changed.emit()

    def __repr__(self) -> str:
        return f"<JobHandle {self.id} {self.title!r} {self.status}>"
