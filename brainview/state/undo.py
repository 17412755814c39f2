"""Undo and redo of everything a user changes in the state, by watching its fields.

No command has to know how to undo itself: the stack hears (field, new, old) and puts the old value back. Changes of
one field that follow each other within a moment (a slider that moves) become one step; what several fields do inside
:meth:`UndoStack.together` becomes one step too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from psygnal import Signal

#: Changes of one field closer than this many seconds are one step.
MERGE_SECONDS = 0.6
#: Steps kept.
DEPTH = 200


@dataclass
class Change:
    """One field of one object, before and after."""

    owner: Any
    name: str
    old: Any
    new: Any


@dataclass
class Step:
    """What one Undo takes back."""

    title: str
    changes: list[Change] = field(default_factory=list)
    when: float = 0.0

    def merge(self, change: Change) -> None:
        """Take a change in: keep the oldest old and the newest new of each field."""
        for known in self.changes:
            if known.owner is change.owner and known.name == change.name:
                known.new = change.new
                return
        self.changes.append(change)


class UndoStack:
    """Steps done and undone.

    Parameters
    ----------
    clock : callable
        Seconds that never run backwards; replaced in tests.
    """

    changed = Signal()

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._done: list[Step] = []
        self._undone: list[Step] = []
        self._paused = 0
        self._open: Step | None = None

    def watch(self, owner: Any, titles: Mapping[str, str]) -> None:
        """Record changes of the fields named in `titles` (field -> words for the menu) of a psygnal dataclass."""
        for name, title in titles.items():
            getattr(owner.events, name).connect(self._listener(owner, name, title), check_nargs=False)

    def _listener(self, owner: Any, name: str, title: str) -> Callable[[Any, Any], None]:
        def heard(new: Any, old: Any) -> None:
            self._record(title, Change(owner, name, old, new))

        return heard

    def _record(self, title: str, change: Change) -> None:
        if self._paused:
            return
        if self._open is not None:
            self._open.title = self._open.title or title
            self._open.merge(change)
            return
        now = self._clock()
        last = self._done[-1] if self._done else None
        same = last is not None and len(last.changes) == 1 and last.changes[0].owner is change.owner \
            and last.changes[0].name == change.name and now - last.when < MERGE_SECONDS
        if same and last is not None and not self._undone:
            last.merge(change)
            last.when = now
        else:
            self._push(Step(title, [change], now))
        self.changed.emit()

    def _push(self, step: Step) -> None:
        self._undone.clear()
        self._done.append(step)
        del self._done[:-DEPTH]

    def push(self, title: str, owner: Any, name: str, old: Any, new: Any) -> None:
        """Record one change by hand."""
        self._push(Step(title, [Change(owner, name, old, new)], self._clock()))
        self.changed.emit()

    def push_all(self, title: str, changes: list[Change]) -> None:
        """Record several changes by hand as one step; undone in the opposite order."""
        if changes and not self._paused:
            self._push(Step(title, changes, float("-inf")))
            self.changed.emit()

    @contextmanager
    def together(self, title: str = "") -> Iterator[None]:
        """Make one step of every change inside the block."""
        if self._open is not None or self._paused:
            yield
            return
        self._open = Step(title, [], self._clock())
        try:
            yield
        finally:
            step, self._open = self._open, None
            step.when = float("-inf")  # never merged with what follows
            if step.changes:
                self._push(step)
                self.changed.emit()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Record nothing inside the block: for what follows from a change instead of being one."""
        self._paused += 1
        try:
            yield
        finally:
            self._paused -= 1

    @property
    def undo_title(self) -> str:
        """Words of what Undo would take back, "" when there is nothing."""
        return self._done[-1].title if self._done else ""

    @property
    def redo_title(self) -> str:
        """Words of what Redo would do again, "" when there is nothing."""
        return self._undone[-1].title if self._undone else ""

    def undo(self) -> bool:
        """Take the last step back; False when there is none."""
        if not self._done:
            return False
        step = self._done.pop()
        with self.paused():
            for change in reversed(step.changes):
                setattr(change.owner, change.name, change.old)
        self._undone.append(step)
        self.changed.emit()
        return True

    def redo(self) -> bool:
        """Do the last undone step again; False when there is none."""
        if not self._undone:
            return False
        step = self._undone.pop()
        with self.paused():
            for change in step.changes:
                setattr(change.owner, change.name, change.new)
        step.when = float("-inf")
        self._done.append(step)
        self.changed.emit()
        return True

    def clear(self) -> None:
        """Forget everything (another data set or project was opened)."""
        self._done.clear()
        self._undone.clear()
        self.changed.emit()
