"""The list of runs: what was trained, what is unfinished; open, resume, compare, read its card, put away."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QKeySequence, QPainter, QPen, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QSizePolicy,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from brainview.app.jobs_view import duration
from brainview.app.theme import GRID, color
from brainview.app.widgets.basics import button, label, row
from brainview.core.names import plain, shown
from brainview.state.training import RunEntry

ENTRY = Qt.ItemDataRole.UserRole


def ago(when: float) -> str:
    """Return how long ago something was, in words."""
    seconds = max(0.0, time.time() - when)
    return "just now" if seconds < 60 else f"{duration(seconds)} ago" if seconds < 86_400 else \
        time.strftime("%Y-%m-%d", time.localtime(when))


class RunDelegate(QStyledItemDelegate):
    """Paints one run: a sign of where it stands, its name, what it is."""

    def sizeHint(self, option: QStyleOptionViewItem, index: object) -> QSize:
        return QSize(120, 46)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: object) -> None:
        entry: RunEntry = index.data(ENTRY)  # type: ignore[attr-defined]
        state, box = option.state, QRectF(option.rect).adjusted(2, 1, -2, -1)  # type: ignore[attr-defined]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        on = bool(state & QStyle.StateFlag.State_Selected)
        if on or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color("selection") if on else color("hover"))
            painter.drawRoundedRect(box, 5, 5)
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(color("accent_text"), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
        self._sign(painter, box, entry)
        words = box.adjusted(26, 5, -8, -5)
        font = painter.font()
        font.setPixelSize(13)
        painter.setFont(font)
        painter.setPen(color("text"))
        name = QFontMetrics(font).elidedText(shown(entry.name), Qt.TextElideMode.ElideMiddle, int(words.width()))
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, name)
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setPen(color("text2" if on else "text3"))
        told = QFontMetrics(font).elidedText(shown(caption(entry)), Qt.TextElideMode.ElideRight, int(words.width()))
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom, told)
        painter.restore()

    @staticmethod
    def _sign(painter: QPainter, box: QRectF, entry: RunEntry) -> None:
        """A full disc for a finished run, two bars for a paused one: form, not colour alone."""
        at = QRectF(box.left() + 8, box.top() + 9, 10, 10)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color("good" if entry.finished else "warn"))
        if entry.finished:
            painter.drawEllipse(at)
        else:
            painter.drawRect(QRectF(at.left() + 1, at.top(), 3, 10))
            painter.drawRect(QRectF(at.left() + 6, at.top(), 3, 10))


def caption(entry: RunEntry) -> str:
    """Return what stands under a run's name."""
    people = f"{len(entry.subjects)} subject{'s' if len(entry.subjects) != 1 else ''}"
    standing = people if entry.finished else f"paused: {entry.progress}" if entry.progress else "unfinished"
    return " · ".join([standing, entry.title, ago(entry.when)])


class RunsSection(QWidget):
    """The list and its buttons. Signals carry paths."""

    opened = Signal(str)
    resumed = Signal(str)
    watched = Signal(str)
    compared = Signal(list)
    card_wanted = Signal(str)
    discarded = Signal(str)
    ROWS = 6

    def __init__(self) -> None:
        super().__init__()
        self._silent = False
        self.list = QListWidget()
        self.list.setAccessibleName("Trained models")
        self.list.setToolTip("Enter or double click opens a model; choose several to compare them")
        self.list.setItemDelegate(RunDelegate(self.list))
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setMouseTracking(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.customContextMenuRequested.connect(self._menu)
        self.list.itemActivated.connect(lambda item: self._activate(item.data(ENTRY)))
        self.list.itemSelectionChanged.connect(self._selected)
        self.empty = label("None yet. What you train is kept here.", "caption", wrap=True)
        self.open = button("Open", lambda: self._one(self.opened), tip="Show what the model found")
        self.resume = button("Resume", lambda: self._one(self.resumed), tip="Go on from its last checkpoint")
        self.compare = button("Compare", lambda: self.compared.emit([e.path for e in self.chosen()]),
                              tip="Curves over each other and figures side by side; choose several runs with Ctrl")
        self.card = button("Card", lambda: self._one(self.card_wanted),
                           tip="Settings, versions, seeds and data of the run")
        away = QShortcut(QKeySequence("Del"), self.list)
        away.setContext(Qt.ShortcutContext.WidgetShortcut)
        away.activated.connect(lambda: self._one(self.discarded))
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID)
        box.addWidget(self.empty)
        box.addWidget(self.list)
        self._buttons = row(self.open, self.resume, self.compare, self.card, QWidget(), spacing=GRID // 2, stretch=4)
        box.addWidget(self._buttons)
        self.list.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)  # what is free stays below
        self.show_runs(())

    def chosen(self) -> list[RunEntry]:
        """Return the chosen runs, in the order of the list."""
        rows = sorted(self.list.row(i) for i in self.list.selectedItems())
        return [self.list.item(r).data(ENTRY) for r in rows]

    def show_runs(self, runs: Sequence[RunEntry], current: str = "") -> None:
        """Fill the list; the choice stays where it can."""
        keep = {e.path for e in self.chosen()} or {current}
        self._silent = True
        try:
            self.list.clear()
            for run in runs:
                item = QListWidgetItem(shown(run.name))
                item.setData(ENTRY, run)
                item.setData(Qt.ItemDataRole.AccessibleTextRole, shown(f"{run.name}, {caption(run)}"))
                item.setToolTip(plain(f"{run.name}\n{caption(run)}\n{run.path}", limit=600).replace("\\n", "<br>"))
                self.list.addItem(item)
                item.setSelected(run.path in keep)
        finally:
            self._silent = False
        self.empty.setVisible(not runs)
        self.list.setVisible(bool(runs))
        self._buttons.setVisible(bool(runs))
        self.list.setFixedHeight(46 * min(self.ROWS, max(1, len(runs))) + 8)
        self._refresh()

    def _selected(self) -> None:
        if not self._silent:
            self._refresh()
            if len(self.chosen()) == 1:
                self.watched.emit(self.chosen()[0].path)

    def _refresh(self) -> None:
        chosen = self.chosen()
        one = chosen[0] if len(chosen) == 1 else None
        self.open.setEnabled(one is not None and one.usable)
        self.resume.setVisible(one is not None and not one.finished)
        self.open.setVisible(one is None or one.finished)  # four buttons would not fit the dock
        self.compare.setEnabled(len(chosen) > 1)
        self.card.setEnabled(one is not None)

    def _activate(self, entry: RunEntry) -> None:
        (self.opened if entry.usable else self.resumed).emit(entry.path)

    def _one(self, signal: object) -> None:
        chosen = self.chosen()
        if len(chosen) == 1:
            signal.emit(chosen[0].path)  # type: ignore[attr-defined]

    def _menu(self, at: QPoint) -> None:
        chosen = self.chosen()
        menu = QMenu(self)
        if len(chosen) == 1:
            menu.addAction("Open", lambda: self._one(self.opened)).setEnabled(chosen[0].usable)  # partly done: too
            menu.addAction("Resume", lambda: self._one(self.resumed)).setEnabled(not chosen[0].finished)
            menu.addAction("Card…", lambda: self._one(self.card_wanted))
            menu.addSeparator()
            menu.addAction("Put away", lambda: self._one(self.discarded))
        elif chosen:
            menu.addAction("Compare", lambda: self.compared.emit([e.path for e in self.chosen()]))
        if menu.actions():
            menu.exec(self.list.viewport().mapToGlobal(at))
