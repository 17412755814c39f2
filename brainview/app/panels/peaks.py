"""Dock "Peaks": the clusters beyond the threshold as a table that leads to each of them, and leaves as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QSortFilterProxyModel, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QHeaderView, QSpinBox, QTableView, QVBoxLayout, QWidget

from brainview.app.theme import GRID
from brainview.app.widgets.basics import ElidedLabel, button, is_chosen, label
from brainview.core.names import shown

Index = QModelIndex | QPersistentModelIndex
#: key of a row -> (heading, what it means).
COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("hemisphere", "Side", "Hemisphere, or volume"),
    ("value", "Peak", "Value at the peak, in the map's units"),
    ("x", "R", "Right of the origin, mm"), ("y", "A", "In front of the origin, mm"),
    ("z", "S", "Above the origin, mm"),
    ("locations", "n", "Vertices or voxels of the cluster"),
    ("size", "Size", "Area on the mid-thickness surface (mm²) or volume (mm³)"),
    ("region", "Region at the peak", "Regions that hold the peak"),
    ("covers", "Covers", "Regions that the cluster touches, with the share of it that lies in each"),
)


class PeakModel(QAbstractTableModel):
    """The rows as a table; numbers sort as numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Mapping[str, Any]] = []

    def show_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replace everything."""
        self.beginResetModel()
        self.rows = list(rows)
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's signature)
        """Return the number of clusters."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Return the number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return words for the screen and raw values for sorting."""
        value = self.rows[index.row()][COLUMNS[index.column()][0]]
        if role == Qt.ItemDataRole.UserRole:
            return value
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return words_of(COLUMNS[index.column()][0], value, self.rows[index.row()])
        if role == Qt.ItemDataRole.ToolTipRole and isinstance(value, str) and value:
            return shown(value).replace("<", "‹")
        if role == Qt.ItemDataRole.TextAlignmentRole and not isinstance(value, str):
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return headings and their explanations."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section][1]
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.ToolTipRole:
            return COLUMNS[section][2]
        return section + 1 if role == Qt.ItemDataRole.DisplayRole else None


def words_of(key: str, value: Any, row: Mapping[str, Any]) -> str:
    """Return one cell in words."""
    if key == "value":
        return f"{value:.3g}".replace("-", "−")
    if key == "size":
        return f"{value:,.0f} {row['unit']}"
    if key in ("x", "y", "z"):
        return f"{value:.1f}".replace("-", "−")
    return f"{value:,}" if isinstance(value, int) else shown(value, limit=120)


class PeaksPanel(QWidget):
    """The table with its controls.

    Signals
    -------
    wanted : int
        Make the table with clusters of at least so many locations.
    chosen : dict
        Go to the peak of this row.
    export_wanted : ()
        Write the table as CSV.
    """

    wanted = Signal(int)
    chosen = Signal(dict)
    export_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.model = PeakModel()
        self._sorted = QSortFilterProxyModel()
        self._sorted.setSourceModel(self.model)
        self._sorted.setSortRole(Qt.ItemDataRole.UserRole)
        self.table = QTableView()
        self.table.setModel(self._sorted)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.table.setAlternatingRowColors(True)
        self.table.setAccessibleName("Peaks and clusters")
        self.table.verticalHeader().setDefaultSectionSize(24)
        self.table.setCornerButtonEnabled(False)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(len(COLUMNS) - 1, QHeaderView.ResizeMode.Stretch)
        self.least = QSpinBox()
        self.least.setRange(1, 100_000)
        self.least.setValue(5)
        self.least.setFixedWidth(72)
        self.least.setAccessibleName("Smallest cluster, locations")
        self.least.setToolTip("Clusters of fewer vertices or voxels are left out")
        self.make = button("List clusters", lambda: self.wanted.emit(self.least.value()), glyph="search",
                           tip="Connected places beyond the threshold of the colour bar")
        self.copy = button("Copy", self.copy_rows, tip="Copy the chosen rows (all when none is chosen) for a "
                                                       "spreadsheet")
        self.export = button("CSV…", self.export_wanted.emit, tip="Write the table with its units as CSV")
        self.note = ElidedLabel("Set a threshold on the colour bar, then list what lies beyond it.", "caption")
        row = QHBoxLayout()
        row.setSpacing(GRID)
        row.addWidget(self.make)
        row.addWidget(label("at least", "caption"))
        row.addWidget(self.least)
        row.addWidget(self.note, 1)
        row.addWidget(self.copy)
        row.addWidget(self.export)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addLayout(row)
        column.addWidget(self.table, 1)
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._choose(self.table.currentIndex()))
        QShortcut(QKeySequence.StandardKey.Copy, self.table, self.copy_rows,
                  context=Qt.ShortcutContext.WidgetShortcut)
        self.show_table([], "")

    def show_table(self, rows: Sequence[Mapping[str, Any]], note: str) -> None:
        """Show clusters and a line that says of what they are."""
        self.model.show_rows(rows)
        if note:
            self.note.show_text(note)
        for part in (self.copy, self.export):
            part.setEnabled(bool(rows))

    def say_stale(self) -> None:
        """Say that the map or its threshold has changed since the table was made."""
        if self.model.rows:
            self.note.show_text("The map or its threshold has changed: list again.")

    def _choose(self, now: QModelIndex) -> None:
        if is_chosen(self.table, now):
            self.chosen.emit(dict(self.model.rows[self._sorted.mapToSource(now).row()]))

    def copy_rows(self) -> None:
        """Put the chosen rows (all when none is chosen) on the clipboard, tab-separated with a heading."""
        chosen = sorted({i.row() for i in self.table.selectionModel().selectedRows()})
        lines = ["\t".join(heading for _, heading, _ in COLUMNS)]
        for row in chosen or range(self._sorted.rowCount()):
            lines.append("\t".join(str(self._sorted.index(row, c).data()).replace("−", "-")  # for spreadsheets
                                   for c in range(len(COLUMNS))))
        QGuiApplication.clipboard().setText("\n".join(lines))
