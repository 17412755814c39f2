"""Dock "Drivers": the stimuli that drive a place most and least, measured and predicted, and words that stand out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QListView,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from brainview.app.filmstrip import ID, SIDE, StripDelegate, StripModel
from brainview.app.theme import GRID
from brainview.app.widgets.basics import ElidedLabel, Segments, label
from brainview.core.names import plain, shown

#: heading -> what it means.
COLUMNS = (("Word", "A word of the captions; common words are left out"),
           ("Log-odds", "Natural logarithm of the odds that a caption here holds the word, over the odds elsewhere"),
           ("Here", "Stimuli of this side (the highest or lowest tenth) whose captions hold the word, and how many "
                    "there are"),
           ("Else", "All other stimuli whose captions hold the word, and how many there are"),
           ("q", "False discovery rate over all words looked at (Benjamini & Hochberg); bold up to 0.05"))


class DriverDelegate(StripDelegate):
    """Writes the response under a picture instead of an R²."""

    def score_words(self, score: float) -> str:
        """Return a response with its sign."""
        return f"{score:+.2f}".replace("-", "−")


class WordTable(QTableWidget):
    """Words that stand out, the surest first."""

    def __init__(self) -> None:
        super().__init__(0, len(COLUMNS))
        self.setAccessibleName("Words that stand out")
        self.setHorizontalHeaderLabels([words for words, _ in COLUMNS])
        for c, (_, tip) in enumerate(COLUMNS):
            heading = self.horizontalHeaderItem(c)
            if heading is not None:
                heading.setToolTip(tip)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setShowGrid(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(21)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.horizontalHeader().setMinimumSectionSize(36)
        self.setMinimumWidth(330)
        self.setMaximumWidth(560)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def show_words(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Fill the table."""
        self.setRowCount(len(rows))
        for r, row in enumerate(rows):
            cells = (shown(row["word"]), f"{row['log_odds']:.2f}", f"{row['here']}/{row['of_here']}",
                     f"{row['there']}/{row['of_there']:,}", f"{row['q']:.2g}")
            for c, text in enumerate(cells):
                item = QTableWidgetItem(text)
                item.setToolTip(plain(f"{row['word']}: z = {row['z']:.2f}. {COLUMNS[c][1]}", limit=400))
                font = item.font()
                font.setBold(c in (0, 4) and row["q"] <= 0.05)
                item.setFont(font)
                if c:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.setItem(r, c, item)


class DriversPanel(QWidget):
    """The dock. `setting_changed(field, value)`, `chosen(id)`, `opened(id)`, `needed(ids)`, `came()` when in sight."""

    setting_changed = Signal(str, str)
    chosen = Signal(int)
    opened = Signal(int)
    needed = Signal(list)
    came = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._silent = False
        self.where = ElidedLabel("", "title", Qt.TextElideMode.ElideMiddle)
        self.note = ElidedLabel("", "caption", Qt.TextElideMode.ElideRight)
        self.place = Segments((("vertex", "Place"), ("regions", "Regions")), "Of what",
                              ("The vertex or voxel that was clicked", "The regions that are selected"))
        self.order = Segments((("most", "Most"), ("least", "Least")), "Which end")
        self.kind = Segments((("measured", "Measured"), ("predicted", "Predicted")), "Whose response",
                             ("Mean responses of the subject to all of its stimuli",
                              "What the open model predicts for the stimuli that did not train it"))
        for name, part, width in (("place", self.place, 148), ("order", self.order, 128), ("kind", self.kind, 196)):
            part.chosen.connect(lambda value, n=name: self.setting_changed.emit(n, value))
            part.setFixedWidth(width)
        self.model = StripModel()
        self.list = QListView()
        self.list.setProperty("role", "strip")
        self.list.setModel(self.model)
        self.list.setItemDelegate(DriverDelegate(self.list))
        self.list.setFlow(QListView.Flow.LeftToRight)
        self.list.setWrapping(False)
        self.list.setUniformItemSizes(True)
        self.list.setMouseTracking(True)
        self.list.setAccessibleName("Stimuli by the response of this place")
        self.list.setMinimumHeight(SIDE + 32)
        self.list.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.list.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.selectionModel().currentChanged.connect(self._tell)
        self.list.activated.connect(lambda at: self.opened.emit(int(at.data(ID))))
        self.model.needed.connect(self.needed)
        self.table = WordTable()
        self.empty = label("", "caption", wrap=True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.split = QSplitter(Qt.Orientation.Horizontal)
        self.split.addWidget(self.list)
        self.split.addWidget(self.table)
        self.split.setStretchFactor(0, 1)
        self.split.setStretchFactor(1, 1)
        self.split.setSizes([400, 400])
        self.split.setChildrenCollapsible(False)
        bar = QHBoxLayout()
        bar.setSpacing(GRID)
        names = QVBoxLayout()
        names.setSpacing(0)
        names.addWidget(self.where)
        names.addWidget(self.note)
        bar.addLayout(names, 1)
        for part in (self.place, self.order, self.kind):
            bar.addWidget(part)
        box = QVBoxLayout(self)
        box.setContentsMargins(GRID, GRID // 2, GRID, GRID // 2)
        box.setSpacing(GRID // 2)
        box.addLayout(bar)
        box.addWidget(self.empty, 1)
        box.addWidget(self.split, 1)
        self.show_answer("", "", [], {}, [], empty="")

    def showEvent(self, event: object) -> None:
        super().showEvent(event)  # type: ignore[arg-type]
        self.came.emit()

    def show_choices(self, order: str, kind: str, place: str, *, predicted: bool) -> None:
        """Mark what is chosen without telling anybody."""
        for part, value in ((self.order, order), (self.kind, kind), (self.place, place)):
            part.show_value(value)
        self.kind.enable("predicted", predicted)

    def show_answer(self, where: str, note: str, ids: Sequence[int], values: dict[int, float],
                    words: Sequence[Mapping[str, Any]], *, empty: str) -> None:
        """Show stimuli and words; `empty` is said where there is no answer."""
        self.where.show_text(where)
        self.note.show_text(note)
        self.empty.setText(shown(empty))
        self.empty.setVisible(not ids)
        self.split.setVisible(bool(ids))
        self._silent = True
        try:
            self.model.set_ids(ids, values)
        finally:
            self._silent = False
        self.table.show_words(words)
        self.table.setToolTip("" if words else "No word stands out, or the stimuli have no captions.")

    def _tell(self, now: Any, _before: object) -> None:
        if not self._silent and now.isValid():
            self.chosen.emit(int(now.data(ID)))
