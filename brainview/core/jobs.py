"""What a long function is given: a place to report progress to, and the news of a cancel.

Every long function of BrainView takes ``context: JobContext = QUIET`` as a keyword. The same function then runs
under the command line, in a worker of the engine, and in a test.
"""

from __future__ import annotations

import time
from typing import Protocol, runtime_checkable

from brainview.core.errors import Cancelled


@runtime_checkable
class JobContext(Protocol):
    """Progress out, cancel in."""

    def report(self, done: float, total: float, text: str = "") -> None:
        """Tell that `done` of `total` units are finished; raises Cancelled when the job was cancelled."""

    def log(self, line: str) -> None:
        """Add one line to the job's log."""

    def check(self) -> None:
        """Raise :class:`Cancelled` when the job was cancelled."""


class Quiet:
    """A context that tells nobody and is never cancelled."""

    def report(self, done: float, total: float, text: str = "") -> None:
        """Do nothing."""

    def log(self, line: str) -> None:
        """Do nothing."""

    def check(self) -> None:
        """Do nothing."""


QUIET: JobContext = Quiet()


class Stage:
    """A part of a job that reports as one stretch `start`..`stop` (fractions) of the whole.

    Examples
    --------
    >>> stage = Stage(QUIET, 0.0, 0.5, "features")
    >>> stage.report(1, 10)
    """

    def __init__(self, context: JobContext, start: float, stop: float, text: str = "") -> None:
        self._context, self._start, self._stop, self._text = context, start, stop, text

    def report(self, done: float, total: float, text: str = "") -> None:
        """Report the share of this stage as a share of the whole."""
        share = done / total if total else 1.0
        words = f"{self._text}: {text}" if self._text and text else (text or self._text)
        self._context.report(self._start + share * (self._stop - self._start), 1.0, words)

    def log(self, line: str) -> None:
        """Pass the line on."""
        self._context.log(line)

    def check(self) -> None:
        """Pass the question on."""
        self._context.check()


class Clock:
    """Time left, from the pace so far; says nothing in the first second."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def left(self, done: float, total: float) -> float | None:
        """Return the seconds left, or None while it is too early to say."""
        spent = time.monotonic() - self._start
        if done <= 0 or done < 0.001 * total or spent < 1.0:
            return None
        return max(0.0, spent * (total - done) / done)


__all__ = ["QUIET", "Cancelled", "Clock", "JobContext", "Quiet", "Stage"]
