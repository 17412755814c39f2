"""A painted histogram of values over locations, with its median."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from brainview.app.theme import color
from brainview.scene.colors import nice_ticks


class Histogram(QWidget):
    """Bars of counts over equal bins; hidden while there is nothing to show."""

    MARGIN = (8, 14, 8, 34)  # left, top, right, bottom

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(116)
        self.counts: list[int] = []
        self._edges: list[float] = [0.0, 1.0]
        self._title = ""
        self._median: float | None = None
        self.hide()

    def sizeHint(self) -> QSize:
        return QSize(240, 116)

    def show_counts(self, edges: Sequence[float], counts: Sequence[int], title: str, *, median: float | None = None,
                    tip: str = "") -> None:
        """Show `counts` between `edges` (one more than counts); `title` names the axis with its unit."""
        self._edges, self.counts, self._title, self._median = list(edges), list(counts), title, median
        total = sum(self.counts)
        self.setToolTip(f"{total:,} locations. {tip}")
        self.setAccessibleDescription(f"{title}: {total:,} locations" +
                                      (f", median {median:.3g}" if median is not None else ""))
        self.setVisible(bool(total))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self.counts:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left, top, right, bottom = self.MARGIN
        area = QRectF(left, top, self.width() - left - right, self.height() - top - bottom)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color("sunken"))
        painter.drawRect(area)
        low, high = self._edges[0], self._edges[-1]
        scale = area.width() / max(high - low, 1e-12)
        most = max(self.counts)
        painter.setBrush(color("accent_text", 190))
        for k, count in enumerate(self.counts):
            x = area.left() + (self._edges[k] - low) * scale
            width = (self._edges[k + 1] - self._edges[k]) * scale
            height = area.height() * count / most
            painter.drawRect(QRectF(x + 0.5, area.bottom() - height, max(1.0, width - 1), height))
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        middle = Qt.AlignmentFlag.AlignCenter
        painter.setPen(color("text3"))
        for share, words in nice_ticks(low, high):
            x = area.left() + share * area.width()
            at = min(max(x, area.left() + 10), area.right() - 10)
            painter.drawText(QRectF(at - 24, area.bottom() + 2, 48, 14), middle, words)
        painter.setPen(color("text2"))
        painter.drawText(QRectF(area.left(), area.bottom() + 17, area.width(), 15), middle, self._title)
        if self._median is not None and low <= self._median <= high:
            x = area.left() + (self._median - low) * scale
            painter.setPen(QPen(color("text"), 1.4))
            painter.drawLine(QPointF(x, area.top() - 2), QPointF(x, area.bottom()))
            words = f"median {self._median:.3g}"
            wide = painter.fontMetrics().horizontalAdvance(words)
            painter.drawText(QPointF(min(max(x - wide / 2, area.left()), area.right() - wide), area.top() - 4), words)
        painter.end()
