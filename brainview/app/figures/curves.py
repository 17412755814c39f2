"""Sheets with lines over a logarithmic axis, one panel per direction, and sheets with bars and their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from brainview.app.figures.sheet import DIM, INK, PAPER, RULE, Sheet

#: Inks of lines and bars, in order; apart for colour-blind eyes and in grey (after Okabe and Ito).
INKS = tuple(QColor(c) for c in ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5a6270"))
PANEL, GAP, BARS = 168.0, 26.0, 190.0


@dataclass(frozen=True)
class Panel:
    """Lines of one panel: name, (x, y) points with x from 1 to `items`, y a share; chance is x / items, dashed."""

    title: str
    items: int
    lines: Sequence[tuple[str, Sequence[tuple[float, float]]]]


@dataclass(frozen=True)
class Bar:
    """A bar with its interval in a group."""

    group: str
    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class CurveSheet(Sheet):
    """Panels of curves, two beside each other; colours by the line's name."""

    panels: Sequence[Panel] = ()

    @property
    def height(self) -> float:
        return 44 + math.ceil(len(self.panels) / 2) * (PANEL + GAP) + 22 + 44

    def paint(self, painter: QPainter) -> None:
        """Draw the sheet at one unit per point."""
        painter.setRenderHints(QPainter.RenderHint.Antialiasing)
        painter.fillRect(QRectF(0, 0, self.width, self.height), PAPER)
        self._text(painter, QRectF(16, 12, self.width - 32, 20), self.title, 13, INK, bold=True)
        wide = (self.width - 32 - 16) / 2
        inks = dict(self.legend)
        for k, panel in enumerate(self.panels):
            top = 40 + (k // 2) * (PANEL + GAP)
            self._panel(painter, QRectF(16 + (k % 2) * (wide + 16), top, wide, PANEL), panel, inks)
        y = 40 + math.ceil(len(self.panels) / 2) * (PANEL + GAP)
        self._legend(painter, y)
        self._text(painter, QRectF(16, y + 24, self.width - 32, 40), self.note, 8, DIM, wrap=True)

    def _panel(self, painter: QPainter, area: QRectF, panel: Panel, inks: dict[str, QColor]) -> None:
        inner = area.adjusted(30, 20, -4, -16)
        self._text(painter, QRectF(inner.left(), area.top(), inner.width(), 16), panel.title, 9, INK, bold=True)
        last = math.log10(max(2, panel.items))

        def at(x: float, y: float) -> QPointF:
            return QPointF(inner.left() + math.log10(max(1.0, x)) / last * inner.width(),
                           inner.bottom() - y * inner.height())

        for share in (0, 0.25, 0.5, 0.75, 1):
            painter.setPen(QPen(RULE, 0.5))
            painter.drawLine(at(1, share), at(panel.items, share))
            self._text(painter, QRectF(area.left(), at(1, share).y() - 7, 26, 14), f"{share:g}", 8, DIM,
                       align=Qt.AlignmentFlag.AlignRight)
        for x in [k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if k <= panel.items]:
            self._text(painter, QRectF(at(x, 0).x() - 16, inner.bottom() + 2, 32, 12), str(x), 8, DIM,
                       align=Qt.AlignmentFlag.AlignHCenter)
        steps = [10 ** (last * k / 60) for k in range(61)]
        painter.setPen(QPen(DIM, 0.9, Qt.PenStyle.DashLine))
        painter.drawPolyline(QPolygonF([at(x, min(1.0, x / panel.items)) for x in steps]))
        for name, points in panel.lines:
            painter.setPen(QPen(inks.get(name, INK), 1.4))
            painter.drawPolyline(QPolygonF([at(x, y) for x, y in points]))


@dataclass(frozen=True, eq=False)
class BarSheet(Sheet):
    """Groups of bars with intervals, `chance` as a dashed line, the value above each bar."""

    bars: Sequence[Bar] = ()
    chance: float = 0.0

    @property
    def height(self) -> float:
        return 44 + BARS + 44 + 22 + 44

    def paint(self, painter: QPainter) -> None:
        """Draw the sheet at one unit per point."""
        painter.setRenderHints(QPainter.RenderHint.Antialiasing)
        painter.fillRect(QRectF(0, 0, self.width, self.height), PAPER)
        self._text(painter, QRectF(16, 12, self.width - 32, 20), self.title, 13, INK, bold=True)
        inner = QRectF(46, 46, self.width - 62, BARS)
        most = max([0.05, *(b.high for b in self.bars)]) * 1.04
        top = next((t for t in (0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if t >= most), most)
        inks = dict(self.legend)
        groups = list(dict.fromkeys(b.group for b in self.bars))
        step = inner.width() / max(1, len(groups))
        for k in range(5):
            y = inner.bottom() - k / 4 * inner.height()
            painter.setPen(QPen(RULE, 0.5))
            painter.drawLine(QPointF(inner.left(), y), QPointF(inner.right(), y))
            self._text(painter, QRectF(8, y - 7, 34, 14), f"{k / 4 * top:.2g}", 8, DIM,
                       align=Qt.AlignmentFlag.AlignRight)
        for g, group in enumerate(groups):
            own = [b for b in self.bars if b.group == group]
            wide = min(30.0, step * 0.8 / len(own))
            middle = inner.left() + (g + 0.5) * step
            for j, bar in enumerate(own):
                self._bar_of(painter, inner, middle + (j - (len(own) - 1) / 2) * (wide + 2), wide, bar, top,
                             inks.get(bar.name, INK))
            self._text(painter, QRectF(middle - step / 2 + 2, inner.bottom() + 4, step - 4, 34), group, 8, INK,
                       wrap=True, align=Qt.AlignmentFlag.AlignHCenter)
        y = inner.bottom() - self.chance / top * inner.height()
        painter.setPen(QPen(DIM, 0.9, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(inner.left(), y), QPointF(inner.right(), y))
        self._legend(painter, inner.bottom() + 44)
        self._text(painter, QRectF(16, inner.bottom() + 70, self.width - 32, 40), self.note, 8, DIM, wrap=True)

    def _bar_of(self, painter: QPainter, inner: QRectF, x: float, wide: float, bar: Bar, top: float,
                ink: QColor) -> None:
        def y(value: float) -> float:
            return inner.bottom() - value / top * inner.height()

        painter.fillRect(QRectF(x - wide / 2, y(bar.value), wide, inner.bottom() - y(bar.value)), ink)
        painter.setPen(QPen(INK, 0.8))
        painter.drawLine(QPointF(x, y(bar.low)), QPointF(x, y(bar.high)))
        self._text(painter, QRectF(x - 20, y(bar.high) - 13, 40, 12), f"{bar.value:.2f}", 7, INK,
                   align=Qt.AlignmentFlag.AlignHCenter)
