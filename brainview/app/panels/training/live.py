"""The run that is watched: how far it is, its loss and score as it trains, pause and go on."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QFrame, QProgressBar, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from brainview.app.jobs_view import progress_words
from brainview.app.theme import GRID
from brainview.app.widgets.basics import ElidedLabel, button, label, row
from brainview.app.widgets.chooser import Chooser
from brainview.app.widgets.plots import Line, Plot
from brainview.core.names import plain, shown
from brainview.state.glossary import definition
from brainview.state.training import Curve, Curves, RunEntry, is_loss

#: Lines of one plot, more would not be told apart.
MOST = 8


def lines_of(curves: Curves, column: str, offset: int = 0, prefix: str = "") -> list[Line]:
    """Return the lines of one column: one per part, with its best checkpoint."""
    found = [c for c in curves.lines if c.column == column]
    several = len({c.part for c in found}) > 1
    return [Line(_words(prefix, c, several), c.x, c.y, offset + k, best=None if is_loss(column) else c.best)
            for k, c in enumerate(found)][:MOST]


def _words(prefix: str, curve: Curve, several: bool) -> str:
    part = curve.part if several else ""
    return " · ".join(p for p in (prefix, part) if p) or curve.column


def loss_lines(curves: Curves) -> list[Line]:
    """Return the losses of the part that trains last: training bold, the others dashed."""
    last = curves.lines[-1].part if curves.lines else ""
    names = curves.columns(True)
    main = next((n for n in ("val_loss", "loss", "train_loss") if n in names), names[0] if names else "")
    out = []
    for number, name in enumerate(names[:MOST]):
        for c in curves.lines:
            if c.column == name and c.part == last:
                out.append(Line(name, c.x, c.y, number, dashed=name not in (main, "loss"), best=c.best
                                if name == main else None))
    return out


class SubjectTable(QTableWidget):
    """Figures of finished subjects, for systems that have no steps."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Finished subjects")
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.verticalHeader().hide()
        self.setShowGrid(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def show_rows(self, rows: list[dict[str, Any]]) -> None:
        """Show rows of a history that counts subjects."""
        counts = ("finished", "part", "images", "train_images", "n_scored", "voxels")
        keys = [k for k in (rows[0] if rows else {}) if k not in counts][:4]
        self.setColumnCount(len(keys))
        self.setRowCount(len(rows))
        self.setHorizontalHeaderLabels([shown(k) for k in keys])
        for c, key in enumerate(keys):
            head = self.horizontalHeaderItem(c)
            if head is not None:
                head.setToolTip(plain(definition(key), limit=600))
        for r, values in enumerate(rows):
            for c, key in enumerate(keys):
                value = values.get(key)
                self.setItem(r, c, QTableWidgetItem(f"{value:.4g}" if isinstance(value, float) else shown(value)))
        self.resizeColumnsToContents()
        self.setFixedHeight(36 + 30 * min(6, len(rows)))


class LiveRun(QFrame):
    """The card of the watched run. `paused()`, `resumed(path)`, `stopped()` tell what the user does."""

    paused = Signal()
    stopped = Signal()
    resumed = Signal(str)
    opened = Signal(str)
    card_wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self._path, self._curves = "", None  # type: tuple[str, Curves | None]
        self.title = ElidedLabel("", "title")
        self.badge = label("PHANTOM", "badge")
        self.words = ElidedLabel("", "caption", Qt.TextElideMode.ElideRight)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the training")
        self.loss, self.score = Plot("Loss while training", 132), Plot("Score while training", 132)
        self.table = SubjectTable()
        self.column = Chooser()
        self.column.setAccessibleName("Score that is drawn")
        self.column.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.column.setMinimumContentsLength(8)
        self.column.activated.connect(lambda _: self._draw())
        self.pause = button("Pause", self.paused.emit, tip="Stop for now: the last checkpoint is kept, and Resume goes "
                            "on from it")
        self.resume = button("Resume", lambda: self.resumed.emit(self._path), role="primary",
                             tip="Go on from the last checkpoint with the same settings")
        self.stop = button("Cancel", self.stopped.emit, tip="Stop and put the run away; it can be brought back")
        self.open = button("Open", lambda: self.opened.emit(self._path), tip="Show what this model found")
        self.card = button("Card", lambda: self.card_wanted.emit(self._path), tip="Everything written about this run")
        self.loss_head, self.score_head = label("Loss", "section"), label("Score", "section")
        self._lay_out()
        self._draw()

    def _lay_out(self) -> None:
        box = QVBoxLayout(self)
        box.setContentsMargins(12, GRID + 2, 12, GRID + 2)
        box.setSpacing(GRID)
        self._score_row = row(self.score_head, self.column, stretch=1)
        filler = QWidget()
        for widget in (row(self.title, self.badge, stretch=0), self.words, self.bar, self.loss_head, self.loss,
                       self._score_row, self.score, self.table,
                       row(self.pause, self.resume, self.open, self.card, filler, self.stop, stretch=4)):
            box.addWidget(widget)

    def show_run(self, path: str, entry: RunEntry | None, job: Any, *, again: bool = False) -> None:
        """Show another run, or how far it is now; `job` is its job or None.

        `again` tells that a run which has written nothing yet can be begun once more with the same settings.
        """
        self._path = path
        active = job is not None and job.status in ("queued", "running")
        self.title.show_text(entry.name if entry else path.rsplit("/", 1)[-1])
        self.badge.setVisible(bool(entry and entry.phantom))
        if active:
            self.words.show_text(progress_words(job))
        elif job is not None and entry is None:
            self.words.show_text("Reading what it wrote…")
        else:
            self.words.show_text(self._standing(entry, again))
        self.bar.setVisible(active and job.status == "running")
        if active:
            self.bar.setValue(int(1000 * job.done / job.total) if job.total else 0)
        unfinished = entry is not None and not entry.finished and not active
        self.pause.setVisible(active)
        self.stop.setVisible(active)
        self.resume.setVisible(unfinished or (entry is None and again and job is None))
        self.open.setVisible(not active and entry is not None and entry.usable)
        self.card.setVisible(not active and entry is not None)

    @staticmethod
    def _standing(entry: RunEntry | None, again: bool) -> str:
        if entry is None:
            return "Stopped before anything was written; Resume begins it again" if again else \
                "Nothing was written; train it again from the form"
        if entry.finished:
            return f"Finished · {entry.title}"
        where = entry.progress or ("" if entry.usable else "before its first checkpoint")
        return f"Paused{': ' + where if where else ''} · {entry.title}"

    def show_curves(self, curves: Curves | None) -> None:
        """Show the curves of the run."""
        self._curves = curves
        scores = curves.columns(False) if curves else []
        chosen = self.column.currentText()
        if scores != [self.column.itemText(k) for k in range(self.column.count())]:
            self.column.clear()
            self.column.addItems(scores)
            self.column.setCurrentText(chosen if chosen in scores else (scores[0] if scores else ""))
        self._draw()

    def _draw(self) -> None:
        curves = self._curves
        losses = loss_lines(curves) if curves else []
        scores = lines_of(curves, self.column.currentText()) if curves and self.column.count() else []
        axis = curves.lines[0].axis if curves and curves.lines else "epoch"
        rows = [dict(r) for r in curves.table] if curves else []
        stepped = bool(losses or scores)
        self.table.setVisible(bool(rows) and not stepped)
        if self.table.isVisibleTo(self):
            self.table.show_rows(rows)
        for widget in (self.loss_head, self.loss):
            widget.setVisible(bool(losses) or not rows)
        self._score_row.setVisible(bool(scores))
        self.score.setVisible(bool(scores))
        self.loss_head.setText(f"Loss by {shown(axis)}" if losses else "Loss")
        self.loss.show_lines(losses, axis, "The curve begins with the first checkpoint.")
        self.score.show_lines(scores, axis)

    def retheme(self) -> None:
        """Draw the plots again."""
        self.loss.retheme()
        self.score.retheme()
