"""Jobs: what runs, how far it is, how long it still takes; Cancel, Retry, and what it said."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QSize, Qt, QTimer, Signal, SignalInstance
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from brainview.app.icons import icon
from brainview.app.theme import GRID
from brainview.app.widgets.basics import ElidedLabel, label, scrolled, tool
from brainview.core.names import shown

MARK = {"queued": ("waiting", "text3"), "running": ("jobs", "accent_text"), "done": ("done", "good"),
        "failed": ("error", "bad"), "cancelled": ("cancel", "text3"), "lost": ("error", "bad")}
WORDS = {"queued": "Waiting", "running": "Running", "done": "Done", "failed": "Failed", "cancelled": "Cancelled",
         "lost": "Its process died"}
#: Short jobs (lane "live") are listed when they fail or take longer than this, in ms.
PATIENCE = 600
#: Rows that stay; older finished jobs leave the list.
KEPT = 40


def duration(seconds: float) -> str:
    """Return seconds in words that fit a narrow place.

    >>> duration(42), duration(150), duration(8000)
    ('42 s', '2 min 30 s', '2 h 13 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s" if whole < 600 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def progress_words(job: Any) -> str:
    """Return status, share done, what is done and time left in one line."""
    if job.status != "running":
        tail = job.error if job.status in ("failed", "lost") and job.error else ""
        return f"{WORDS[job.status]}{': ' + tail if tail else ''}"
    parts = [f"{100 * job.done / job.total:.0f} %"] if job.total else []
    if job.text:
        parts.append(job.text)
    left = job.seconds_left
    if left is not None:
        parts.append(f"{duration(left)} left")
    return " · ".join(parts)


class JobRow(QFrame):
    """One job."""

    def __init__(self, job: Any, retry: SignalInstance) -> None:
        super().__init__()
        self.job = job
        self._mark = QLabel()
        self._title = ElidedLabel(job.title)
        self._words = ElidedLabel("", "caption", Qt.TextElideMode.ElideRight)
        self._bar = QProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(f"Progress of {shown(job.title)}")
        self._cancel = tool("cancel", f"Cancel {shown(job.title)}", job.cancel, tip="Cancel: stops within a second")
        self._retry = tool("retry", f"Retry {shown(job.title)}", lambda: retry.emit(job),
                           tip="Retry: training goes on from its last checkpoint")
        self._open_log = tool("log", f"Log of {shown(job.title)}", tip="What the job said")
        self._open_log.setCheckable(True)
        self._open_log.toggled.connect(self._show_log)
        self._log: QPlainTextEdit | None = None  # made when it is asked for: most rows are never opened
        self._lay_out()
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(80)
        self._later.timeout.connect(self.refresh)
        job.changed.connect(self._soon)
        self.refresh()

    def _lay_out(self) -> None:
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self._title)
        words.addWidget(self._words)
        words.addWidget(self._bar)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        row.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(words, 1)
        for widget in (self._open_log, self._retry, self._cancel):
            row.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, GRID // 2, GRID, GRID // 2)
        column.addLayout(row)

    def _soon(self) -> None:
        if not self._later.isActive():
            self._later.start()

    def refresh(self) -> None:
        """Show the job as it is now."""
        job = self.job
        glyph, token = MARK[job.status]
        self._mark.setPixmap(icon(glyph, token).pixmap(QSize(18, 18)))
        self._words.show_text(progress_words(job))
        running = job.status == "running"
        self._bar.setVisible(running)
        if running:
            self._bar.setValue(int(1000 * job.done / job.total) if job.total else 0)
        self._cancel.setVisible(job.status in ("queued", "running"))
        self._retry.setVisible(job.status in ("failed", "cancelled", "lost"))
        has_log = bool(job.log) or bool(getattr(job, "details", ""))
        self._open_log.setVisible(has_log)
        if self._log is not None and self._log.isVisible():
            self._fill_log(self._log)

    def _show_log(self, on: bool) -> None:
        if self._log is None:
            self._log = QPlainTextEdit()
            self._log.setReadOnly(True)
            self._log.setFixedHeight(120)
            self._log.setAccessibleName("Log")
            column = self.layout()
            assert column is not None
            column.addWidget(self._log)
        self._log.setVisible(on)
        if on:
            self._fill_log(self._log)

    def _fill_log(self, log: QPlainTextEdit) -> None:
        details = getattr(self.job, "details", "")
        lines = [*self.job.log, *([details] if details else [])]
        log.setPlainText("\n".join(shown(s, limit=2000) for s in lines))
        bar = log.verticalScrollBar()
        bar.setValue(bar.maximum())

    def release(self) -> None:
        """Stop listening (the row goes away)."""
        self.job.changed.disconnect(self._soon)
        self._later.stop()


class JobsView(QWidget):
    """All jobs, newest first. `retry(job)` asks the session; `changed()` tells the status bar."""

    retry = Signal(object)
    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[JobRow] = []
        self._inner = QWidget()
        self._column = QVBoxLayout(self._inner)
        self._column.setContentsMargins(GRID // 2, GRID // 2, GRID // 2, GRID // 2)
        self._column.setSpacing(0)
        self._column.addStretch()
        nothing = label("Nothing runs. Training, conversions and exports appear here with their progress.", "caption",
                        wrap=True)
        nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._pages = QStackedWidget()
        self._pages.addWidget(nothing)
        self._pages.addWidget(scrolled(self._inner))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._pages)

    def add(self, job: Any) -> None:
        """Take a job in: long ones at once, short ones only when they fail or take long."""
        job.changed.connect(self._soon)
        if job.lane == "batch":
            self._insert(job)
            return
        QTimer.singleShot(PATIENCE, self, lambda: self._insert(job) if job.status in ("queued", "running") else None)

    def _soon(self) -> None:
        self.changed.emit()

    def watch_failure(self, job: Any) -> None:
        """List a short job after all, because it failed."""
        self._insert(job)

    def _insert(self, job: Any) -> None:
        if any(r.job is job for r in self.rows):
            return
        row = JobRow(job, self.retry)
        self.rows.insert(0, row)
        self._column.insertWidget(0, row)
        self._pages.setCurrentIndex(1)
        while len(self.rows) > KEPT:
            old = self.rows.pop()
            old.release()
            old.deleteLater()
        self.changed.emit()

    def leading(self) -> Any:
        """Return the job that the status bar speaks of: a running one, else a waiting one, else None."""
        jobs = [r.job for r in self.rows]
        for status in ("running", "queued"):
            found = next((j for j in jobs if j.status == status), None)
            if found is not None:
                return found
        return None

    def active(self) -> int:
        """Return how many are waiting or running."""
        return sum(r.job.status in ("queued", "running") for r in self.rows)
