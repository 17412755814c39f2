"""Painted distributions over locations: a histogram with its median, and one map against another as a density."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from brainview.app.theme import color
from brainview.scene.colors import nice_ticks

BINS_X, BINS_Y = 110, 72
Range = tuple[float, float]
_MIDDLE, _RIGHT = Qt.AlignmentFlag.AlignCenter, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


def histogram(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, Range, Range, int]:
    """Return (BINS_Y, BINS_X) int counts, x range, y range, and how many locations are counted.

    Parameters
    ----------
    x, y : (n,) float arrays
        NaN = no data. Both ranges end at the larger 99.9th percentile (at least 0.05) and begin at the 0.5th
        percentile of their own where that is below 0; what lies outside is counted at the edge.
    """
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    if x.size == 0:
        return np.zeros((BINS_Y, BINS_X), int), (0, 1), (0, 1), 0
    top = float(max(np.percentile(x, 99.9), np.percentile(y, 99.9), 0.05))
    low_x, low_y = (float(min(0.0, np.percentile(v, 0.5))) for v in (x, y))
    row = np.clip((y - low_y) * (BINS_Y / (top - low_y)), 0, BINS_Y - 1).astype(np.intp)
    column = np.clip((x - low_x) * (BINS_X / (top - low_x)), 0, BINS_X - 1).astype(np.intp)
    counts = np.bincount(row * BINS_X + column, minlength=BINS_Y * BINS_X)
    return counts.reshape(BINS_Y, BINS_X), (low_x, top), (low_y, top), int(x.size)


class Painted(QWidget):
    """A plot that is painted by hand: a sunken area within margins, with a titled axis below it."""

    MARGIN = (8, 14, 8, 34)  # left, top, right, bottom

    def __init__(self, name: str, size: tuple[int, int]) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(size[1])
        self._hint = QSize(*size)

    def sizeHint(self) -> QSize:
        return self._hint

    def _area(self, painter: QPainter) -> QRectF:
        """Paint the ground and return where the values go."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left, top, right, bottom = self.MARGIN
        area = QRectF(left, top, self.width() - left - right, self.height() - top - bottom)
        painter.fillRect(area, color("sunken"))
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        return area

    def _axis_below(self, painter: QPainter, area: QRectF, ends: Range, title: str) -> None:
        painter.setPen(color("text3"))
        for share, words in nice_ticks(*ends):
            x = min(max(area.left() + share * area.width(), area.left() + 10), area.right() - 10)
            painter.drawText(QRectF(x - 24, area.bottom() + 2, 48, 14), _MIDDLE, words)
        painter.setPen(color("text2"))
        words = painter.fontMetrics().elidedText(title, Qt.TextElideMode.ElideMiddle, int(area.width()))
        painter.drawText(QRectF(area.left(), area.bottom() + 17, area.width(), 15), _MIDDLE, words)


class Histogram(Painted):
    """Bars of counts over equal bins; hidden while there is nothing to show."""

    def __init__(self, name: str) -> None:
        super().__init__(name, (240, 116))
        self.counts: list[int] = []
        self._edges: list[float] = [0.0, 1.0]
        self._title = ""
        self._median: float | None = None
        self.hide()

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
        area = self._area(painter)
        low, high = self._edges[0], self._edges[-1]
        scale = area.width() / max(high - low, 1e-12)
        most = max(self.counts)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color("accent_text", 190))
        for k, count in enumerate(self.counts):
            x = area.left() + (self._edges[k] - low) * scale
            width = (self._edges[k + 1] - self._edges[k]) * scale
            height = area.height() * count / most
            painter.drawRect(QRectF(x + 0.5, area.bottom() - height, max(1.0, width - 1), height))
        self._axis_below(painter, area, (low, high), self._title)
        if self._median is not None and low <= self._median <= high:
            x = area.left() + (self._median - low) * scale
            painter.setPen(QPen(color("text"), 1.4))
            painter.drawLine(QPointF(x, area.top() - 2), QPointF(x, area.bottom()))
            words = f"median {self._median:.3g}"
            wide = painter.fontMetrics().horizontalAdvance(words)
            painter.drawText(QPointF(min(max(x - wide / 2, area.left()), area.right() - wide), area.top() - 4), words)
        painter.end()


class DensityPlot(Painted):
    """One map against another, every location as one count, with the line of equal values."""

    MARGIN = (44, 8, 12, 36)

    def __init__(self, name: str = "Scatter of R² against noise ceiling", height: int = 208) -> None:
        super().__init__(name, (280, height))
        self._counts = np.zeros((BINS_Y, BINS_X), int)
        self._x, self._y, self._n = (0.0, 1.0), (0.0, 1.0), 0
        self._marked = np.empty((0, 2))
        self._titles = ("", "")

    def show_values(self, x: np.ndarray, y: np.ndarray, titles: tuple[str, str], line: str, *,
                    marked: np.ndarray | None = None) -> None:
        """Show (n,) values, and those at the (n,) bool `marked` as points; `line` says what equal values mean."""
        self._titles = titles
        self._counts, self._x, self._y, self._n = histogram(x, y)
        self._marked = np.empty((0, 2))
        if marked is not None and marked.any():
            points = np.column_stack([x[marked], y[marked]])
            self._marked = points[np.isfinite(points).all(1)][:3000]
        self.setToolTip(f"{self._n:,} locations. The line is {line}; stronger cells hold more locations "
                        "(logarithmic).")
        self.setAccessibleDescription(f"{titles[1]} against {titles[0]}, {self._n:,} locations")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        area = self._area(painter)
        if self._n:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
            painter.drawImage(area, self._image())
        self._lines(painter, area)
        self._axes(painter, area)
        painter.end()

    def _image(self) -> QImage:
        share = np.log1p(self._counts) / max(np.log1p(self._counts.max()), 1e-9)
        rgba = np.zeros((BINS_Y, BINS_X, 4), np.uint8)
        tint = color("accent_text")
        rgba[..., :3] = (tint.red(), tint.green(), tint.blue())
        rgba[..., 3] = np.where(self._counts > 0, 80 + 175 * share, 0).astype(np.uint8)
        rgba = np.ascontiguousarray(rgba[::-1])
        return QImage(rgba.data, BINS_X, BINS_Y, 4 * BINS_X, QImage.Format.Format_RGBA8888).copy()

    def _at(self, area: QRectF, x: float, y: float) -> QPointF:
        return QPointF(area.left() + (x - self._x[0]) / (self._x[1] - self._x[0]) * area.width(),
                       area.bottom() - (y - self._y[0]) / (self._y[1] - self._y[0]) * area.height())

    def _lines(self, painter: QPainter, area: QRectF) -> None:
        painter.save()
        painter.setClipRect(area)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color("right", 190))
        for x, y in self._marked:
            painter.drawEllipse(self._at(area, float(x), float(y)), 1.7, 1.7)
        low, top = max(self._x[0], self._y[0]), self._x[1]
        painter.setPen(QPen(color("text3"), 1, Qt.PenStyle.DashLine))
        painter.drawLine(self._at(area, low, low), self._at(area, top, top))
        painter.setPen(QPen(color("border_strong"), 1))
        if self._y[0] < 0:
            painter.drawLine(self._at(area, self._x[0], 0), self._at(area, top, 0))
        if self._x[0] < 0:
            painter.drawLine(self._at(area, 0, self._y[0]), self._at(area, 0, top))
        painter.restore()

    def _axes(self, painter: QPainter, area: QRectF) -> None:
        painter.setPen(color("border_strong"))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.drawLine(area.topLeft(), area.bottomLeft())
        self._axis_below(painter, area, self._x, self._titles[0])
        painter.setPen(color("text3"))
        for share, words in nice_ticks(*self._y):
            y = area.bottom() - share * area.height()
            painter.drawText(QRectF(area.left() - 34, y - 7, 30, 14), _RIGHT, words)
        painter.setPen(color("text2"))
        painter.translate(8, area.center().y())
        painter.rotate(-90)
        words = painter.fontMetrics().elidedText(self._titles[1], Qt.TextElideMode.ElideMiddle, int(area.height()))
        painter.drawText(QRectF(-area.height() / 2, -7, area.height(), 14), _MIDDLE, words)
