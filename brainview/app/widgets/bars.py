"""ROI bars: a list of regions with one painted bar per hemisphere, its interval and its value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from brainview.app.theme import color
from brainview.core.names import plain, shown
from brainview.state.app import RoiKey
from brainview.state.roi_table import BarRow

Index = QModelIndex | QPersistentModelIndex
ROW = Qt.ItemDataRole.UserRole
NAME_WIDTH, VALUE_WIDTH = 92, 48
ROOT = QModelIndex()


class BarModel(QAbstractListModel):
    """Rows of the bars, in the order shown."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[BarRow] = []
        self.title = ""
        self.extent = (0.0, 1.0)

    def set_rows(self, rows: Sequence[BarRow], title: str) -> None:
        """Replace all rows; the axis runs from 0 (or the lowest value) to the highest interval end."""
        self.beginResetModel()
        self.rows, self.title = list(rows), title
        ends = [v for r in rows for b in r.bars for v in (b.value, b.low, b.high) if math.isfinite(v)]
        self.extent = (min(0.0, *ends), max(1e-6, *ends)) if len(ends) > 1 else (0.0, max([1.0, *ends]))
        self.endResetModel()

    def rowCount(self, parent: Index = ROOT) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        entry = self.rows[index.row()]
        if role == ROW:
            return entry
        if role == Qt.ItemDataRole.DisplayRole:
            return shown(entry.roi)
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain(entry.tip(self.title)).replace("\\n", "<br>")
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return shown(f"{entry.roi}, {entry.value:.3g}")
        return None


class BarDelegate(QStyledItemDelegate):
    """Paints one row."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(160, 30 if len(index.data(ROW).bars) > 1 else 26)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        entry: BarRow = index.data(ROW)
        model: BarModel = index.model()  # type: ignore[assignment]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(option.rect).adjusted(0, 1, 0, -1)  # type: ignore[attr-defined]
        state = option.state  # type: ignore[attr-defined]
        on = bool(state & QStyle.StateFlag.State_Selected)
        if on or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color("selection") if on else color("hover"))
            painter.drawRoundedRect(box, 4, 4)
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(color("accent_text"), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        self._words(painter, box, entry, on)
        left = box.left() + NAME_WIDTH + 8
        self._bars(painter, QRectF(left, box.top() + 4, box.right() - VALUE_WIDTH - left, box.height() - 8), entry,
                   model.extent)
        painter.restore()

    def _words(self, painter: QPainter, box: QRectF, entry: BarRow, on: bool) -> None:
        painter.setPen(color("text"))
        name = painter.fontMetrics().elidedText(shown(entry.roi), Qt.TextElideMode.ElideMiddle, NAME_WIDTH - 8)
        painter.drawText(box.adjusted(8, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, name)
        painter.setPen(color("text" if on else "text2"))
        value = f"{entry.value:.3f}" if math.isfinite(entry.value) else "–"
        painter.drawText(box.adjusted(0, 0, -8, 0), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, value)

    def _bars(self, painter: QPainter, area: QRectF, entry: BarRow, span: tuple[float, float]) -> None:
        low, high = span
        scale = area.width() / max(high - low, 1e-9)

        def x(value: float) -> float:
            return area.left() + (min(max(value, low), high) - low) * scale

        height = area.height() / len(entry.bars)
        for k, b in enumerate(entry.bars):
            middle = area.top() + (k + 0.5) * height
            thick = min(10.0, height - 2)
            if not math.isfinite(b.value):
                continue
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color(b.hemisphere if b.hemisphere in ("left", "right") else "accent_text"))
            start, stop = sorted((x(0.0), x(b.value)))
            painter.drawRoundedRect(QRectF(start, middle - thick / 2, max(1.0, stop - start), thick), 2, 2)
            if math.isfinite(b.low) and math.isfinite(b.high):
                painter.setPen(QPen(color("text"), 1.2))
                painter.drawLine(QPointF(x(b.low), middle), QPointF(x(b.high), middle))
                for end in (b.low, b.high):
                    painter.drawLine(QPointF(x(end), middle - 2.5), QPointF(x(end), middle + 2.5))


class BarList(QListView):
    """The bars; selecting rows selects regions.

    ``selected(tuple of RoiKey)`` is emitted for what the user does, not for what the program shows.
    """

    selected = Signal(tuple)

    def __init__(self) -> None:
        super().__init__()
        self.bars = BarModel()
        self.setModel(self.bars)
        self.setItemDelegate(BarDelegate(self))
        self.setProperty("role", "strip")
        self.setAccessibleName("Regions and their scores")
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setMouseTracking(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self._silent = False
        self.selectionModel().selectionChanged.connect(self._tell)

    def show_rows(self, rows: Sequence[BarRow], title: str, chosen: Sequence[RoiKey]) -> None:
        """Show rows and mark the chosen ones."""
        self._silent = True
        try:
            self.bars.set_rows(rows, title)
        finally:
            self._silent = False
        self.mark(chosen)

    def mark(self, chosen: Sequence[RoiKey]) -> None:
        """Select the rows of regions without telling anybody; the first one scrolls into sight."""
        wanted = set(chosen)
        self._silent = True
        try:
            model = self.selectionModel()
            model.clearSelection()
            first = None
            for k, entry in enumerate(self.bars.rows):
                if wanted.intersection(entry.keys):
                    index = self.bars.index(k)
                    model.select(index, model.SelectionFlag.Select)
                    first = first or index
            if first is not None:
                self.scrollTo(first)
        finally:
            self._silent = False

    def _tell(self, *_: object) -> None:
        if self._silent:
            return
        rows = sorted(i.row() for i in self.selectionModel().selectedIndexes())
        self.selected.emit(tuple(key for r in rows for key in self.bars.rows[r].keys))
