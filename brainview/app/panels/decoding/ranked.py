"""A ranked list: rank, picture, caption, similarity as number and bar, and a mark at the true one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from brainview.app.filmstrip import ID, THUMB, StripModel, paint_waiting
from brainview.app.theme import color
from brainview.app.widgets.basics import is_chosen
from brainview.core.names import plain, shown
from brainview.state.retrieval import Hit

Index = QModelIndex | QPersistentModelIndex
HIT = Qt.ItemDataRole.UserRole + 10
ROW, SIDE = 62, 50


class RankModel(StripModel):
    """Entries of a ranking; pictures come from the film strip's thumbnails."""

    def __init__(self) -> None:
        super().__init__()
        self.hits: list[Hit] = []

    def set_hits(self, hits: Sequence[Hit]) -> None:
        """Replace all entries."""
        self.hits = list(hits)
        self.set_ids([h.stimulus for h in hits], {})

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self.hits):
            return None
        hit = self.hits[index.row()]
        if role == HIT:
            return hit
        if role == Qt.ItemDataRole.ToolTipRole:
            true = "<br><b>The true one</b>" if hit.own else ""
            return f"<b>{hit.rank}. Stimulus {hit.stimulus}</b>, cosine {hit.similarity:.3f}<br>{plain(hit.text)}{true}"
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.DisplayRole):
            return shown(f"Rank {hit.rank}{', the true one' if hit.own else ''}, similarity {hit.similarity:.2f}, "
                         f"stimulus {hit.stimulus}. {hit.text}")
        return super().data(index, role)


class RankDelegate(QStyledItemDelegate):
    """Paints one entry."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(200, ROW)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        hit: Hit = index.data(HIT)
        model: RankModel = index.model()  # type: ignore[assignment]
        state, rect = option.state, QRectF(option.rect).adjusted(1, 1, -1, -1)  # type: ignore[attr-defined]
        painter.save()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        on = bool(state & QStyle.StateFlag.State_Selected)
        if on or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color("selection") if on else color("hover"))
            painter.drawRoundedRect(rect, 5, 5)
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(color("accent_text"), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(rect.adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
        if hit.own:
            painter.fillRect(QRectF(rect.left() + 1, rect.top() + 5, 3, rect.height() - 10), color("good"))
        self._picture(painter, rect, index, model)
        self._words(painter, rect, hit, on)
        painter.restore()

    @staticmethod
    def _picture(painter: QPainter, rect: QRectF, index: Index, model: RankModel) -> None:
        box = QRectF(rect.left() + 34, rect.top() + (rect.height() - SIDE) / 2, SIDE, SIDE)
        path = QPainterPath()
        path.addRoundedRect(box, 5, 5)
        thumb = index.data(THUMB)
        if thumb is None:
            model.ask(int(index.data(ID)))
            paint_waiting(painter, path)
            return
        painter.setClipPath(path)
        painter.drawPixmap(box.toRect(), model.picture(thumb))
        painter.setClipping(False)

    @staticmethod
    def _words(painter: QPainter, rect: QRectF, hit: Hit, on: bool) -> None:
        font = painter.font()
        font.setPixelSize(12)
        painter.setFont(font)
        painter.setPen(color("text" if hit.own else "text2"))
        painter.drawText(QRectF(rect.left() + 6, rect.top(), 26, rect.height()), Qt.AlignmentFlag.AlignCenter,
                         f"{hit.rank}")
        right = 52
        words = QRectF(rect.left() + 34 + SIDE + 8, rect.top() + 5, rect.width() - 34 - SIDE - 16 - right,
                       rect.height() - 10)
        painter.setPen(color("text"))
        head = "True one · " if hit.own else ""
        told = head + (shown(hit.text) if hit.text else f"Stimulus {hit.stimulus}")
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap, _cut(painter, told, words))
        bar = QRectF(rect.right() - right, rect.center().y() + 9, right - 8, 4)
        painter.setPen(color("text" if on else "text2"))
        painter.drawText(QRectF(rect.right() - right, rect.center().y() - 14, right - 8, 20),
                         Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter,
                         f"{hit.similarity:.2f}".replace("-", "−"))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color("pressed"))
        painter.drawRoundedRect(bar, 2, 2)
        bar.setWidth(bar.width() * min(1.0, max(0.0, hit.similarity)))
        painter.setBrush(color("good" if hit.own else "accent_text"))
        painter.drawRoundedRect(bar, 2, 2)


def _cut(painter: QPainter, text: str, box: QRectF) -> str:
    """Return as many words as fit in the box, with an ellipsis where some do not."""
    metrics = painter.fontMetrics()
    flags = int(Qt.TextFlag.TextWordWrap)
    if metrics.boundingRect(box.toRect(), flags, text).height() <= box.height():
        return text
    words = text.split(" ")
    low, high = 1, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        trial = " ".join(words[:middle]) + "…"
        if metrics.boundingRect(box.toRect(), flags, trial).height() <= box.height():
            low = middle
        else:
            high = middle - 1
    return " ".join(words[:low]) + "…"


class RankedList(QListView):
    """The list. `chosen(stimulus)` on click or arrow keys, `opened(stimulus)` on double click or Enter."""

    chosen = Signal(int)
    opened = Signal(int)
    ROWS = 5

    def __init__(self, name: str) -> None:
        super().__init__()
        self.ranked = RankModel()
        self.setModel(self.ranked)
        self.setItemDelegate(RankDelegate(self))
        self.setProperty("role", "strip")
        self.setAccessibleName(name)
        self.setMouseTracking(True)
        self.setUniformItemSizes(True)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._silent = False
        self.selectionModel().currentChanged.connect(
            lambda now, _: self.chosen.emit(int(now.data(ID))) if is_chosen(self, now) and not self._silent else None)
        self.activated.connect(lambda index: self.opened.emit(int(index.data(ID))))
        self.show_hits(())

    def show_hits(self, hits: Sequence[Hit]) -> None:
        """Show another ranking."""
        self._silent = True
        try:
            self.ranked.set_hits(hits)
        finally:
            self._silent = False
        self.setFixedHeight(ROW * min(self.ROWS, max(1, len(hits))) + 4)
        self.setVisible(bool(hits))
