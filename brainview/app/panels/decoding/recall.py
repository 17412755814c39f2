"""Recall in the four directions as bars: interval as a line, chance and shuffled brain as marks on the same axis."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from brainview.app.theme import color
from brainview.core.names import plain, shown
from brainview.state.retrieval import Score

HEAD, ROW, LABEL, VALUE = 24, 19, 40, 48


class RecallBars(QWidget):
    """Painted bars of some scores."""

    def __init__(self) -> None:
        super().__init__()
        self._scores: list[Score] = []
        self._rows: list[tuple[QRectF, str]] = []
        self.setAccessibleName("Recall in four directions")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_scores(self, scores: Sequence[Score]) -> None:
        """Show other scores."""
        self._scores = list(scores)
        self.setFixedHeight(sum(HEAD + ROW * len(s.recall) for s in self._scores) + 2)
        told = [f"{s.direction}: " + ", ".join(words(s, r) for r in s.recall) for s in self._scores]
        self.setAccessibleDescription(shown(". ".join(told), limit=2000))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(280, self.height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = self.font()
        font.setPixelSize(12)
        painter.setFont(font)
        self._rows = []
        y = 0.0
        for score in self._scores:
            painter.setPen(color("text"))
            painter.drawText(QRectF(0, y, self.width(), HEAD), Qt.AlignmentFlag.AlignVCenter,
                             score.direction.replace("→", " → "))
            y += HEAD
            for entry in score.recall:
                box = QRectF(0, y, self.width(), ROW)
                self._bar(painter, box, entry)
                self._rows.append((box, f"{score.direction}, {words(score, entry)}"))
                y += ROW
        painter.end()

    @staticmethod
    def _bar(painter: QPainter, box: QRectF, entry: tuple[int, float, float, float, float, float]) -> None:
        k, value, low, high, chance, shuffled = entry
        area = QRectF(box.left() + LABEL, box.top() + 5, box.width() - LABEL - VALUE, 9)

        def x(share: float) -> float:
            return area.left() + min(1.0, max(0.0, share)) * area.width()

        painter.setPen(color("text3"))
        painter.drawText(QRectF(box.left(), box.top(), LABEL - 6, ROW), Qt.AlignmentFlag.AlignVCenter, f"R@{k}")
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color("sunken"))
        painter.drawRoundedRect(area, 2, 2)
        painter.setBrush(color("left"))
        painter.drawRoundedRect(QRectF(area.left(), area.top(), max(1.0, x(value) - area.left()), area.height()), 2, 2)
        middle = area.center().y()
        painter.setPen(QPen(color("text"), 1.2))
        painter.drawLine(QPointF(x(low), middle), QPointF(x(high), middle))
        for end in (low, high):
            painter.drawLine(QPointF(x(end), middle - 2.5), QPointF(x(end), middle + 2.5))
        painter.setPen(QPen(color("warn"), 2))
        painter.drawLine(QPointF(x(chance), area.top() - 2), QPointF(x(chance), area.bottom() + 2))
        if math.isfinite(shuffled):
            painter.setPen(QPen(color("text2"), 1.2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(QPointF(x(shuffled), middle), 3, 3)
        painter.setPen(color("text"))
        painter.drawText(QRectF(box.right() - VALUE, box.top(), VALUE, ROW),
                         Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, f"{100 * value:.1f} %")

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            found = next((w for box, w in self._rows if box.contains(QPointF(event.pos()))), "")
            QToolTip.showText(event.globalPos(), plain(found), self) if found else QToolTip.hideText()
            return True
        return super().event(event)


def words(score: Score, entry: tuple[int, float, float, float, float, float]) -> str:
    """Return one figure with all that belongs to it."""
    k, value, low, high, chance, shuffled = entry
    other = f", shuffled brain {100 * shuffled:.1f} %" if math.isfinite(shuffled) else ""
    return (f"R@{k} {100 * value:.1f} % (95 % interval {100 * low:.1f}–{100 * high:.1f} over {score.queries} queries), "
            f"chance {100 * chance:.2g} %{other}")
