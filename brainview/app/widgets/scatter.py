"""R² against noise ceiling: every location as one count of a painted density, with the line of a perfect model."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from brainview.app.theme import color

BINS_X, BINS_Y = 110, 72


def histogram(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, tuple[float, float], tuple[float, float], int]:
    """Return (BINS_Y, BINS_X) int counts, x range, y range, and how many locations are counted.

    Parameters
    ----------
    x, y : (n,) float arrays
        Ceiling and R², NaN = no data. y runs from its 0.5th percentile
        (at most 0, at least -0.3 of the top; what is lower is counted in the lowest row) to the larger of both maxima.
    """
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    if x.size == 0:
        return np.zeros((BINS_Y, BINS_X), int), (0, 1), (0, 1), 0
    top = float(max(np.percentile(x, 99.9), np.percentile(y, 99.9), 0.05))
    bottom = float(min(0.0, max(np.percentile(y, 0.5), -0.3 * top)))
    counts, _, _ = np.histogram2d(np.clip(y, bottom, top), np.clip(x, 0, top), bins=(BINS_Y, BINS_X),
                                  range=((bottom, top), (0, top)))
    return counts.astype(int), (0.0, top), (bottom, top), int(x.size)


class DensityPlot(QWidget):
    """The painted density."""

    MARGIN = (44, 8, 12, 36)  # left, top, right, bottom

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Scatter of R² against noise ceiling")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(208)
        self._counts = np.zeros((BINS_Y, BINS_X), int)
        self._x, self._y, self._n = (0.0, 1.0), (0.0, 1.0), 0
        self._marked = np.empty((0, 2))
        self._titles = ("Noise ceiling", "R²")

    def sizeHint(self) -> QSize:
        return QSize(280, 208)

    def show_values(self, x: np.ndarray | None, y: np.ndarray | None, *, marked: np.ndarray | None = None,
                    titles: tuple[str, str] = ("Noise ceiling", "R²")) -> None:
        """Show (n,) values, and those at the (n,) bool `marked` as points; None shows an empty plot."""
        self._titles = titles
        empty = np.empty(0)
        self._counts, self._x, self._y, self._n = histogram(empty if x is None else x, empty if y is None else y)
        self._marked = np.empty((0, 2))
        if x is not None and y is not None and marked is not None and marked.any():
            points = np.column_stack([x[marked], y[marked]])
            self._marked = points[np.isfinite(points).all(1)][:3000]
        self.setToolTip(f"{self._n:,} locations. The line is a model that explains everything that can be explained; "
                        "darker cells hold more locations (logarithmic).")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left, top, right, bottom = self.MARGIN
        area = QRectF(left, top, self.width() - left - right, self.height() - top - bottom)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color("sunken"))
        painter.drawRect(area)
        if self._n:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
            painter.drawImage(area, self._image())
        self._lines(painter, area)
        self._axes(painter, area)
        painter.end()

    def _image(self) -> QImage:
        share = np.log1p(self._counts) / max(np.log1p(self._counts.max()), 1e-9)
        rgba = np.zeros((BINS_Y, BINS_X, 4), np.uint8)
        tint: QColor = color("accent_text")
        rgba[..., :3] = (tint.red(), tint.green(), tint.blue())
        rgba[..., 3] = np.where(self._counts > 0, 40 + 215 * share, 0).astype(np.uint8)
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
        painter.setPen(QPen(color("text3"), 1, Qt.PenStyle.DashLine))
        painter.drawLine(self._at(area, 0, 0), self._at(area, self._x[1], self._x[1]))
        if self._y[0] < 0:
            painter.setPen(QPen(color("border_strong"), 1))
            painter.drawLine(self._at(area, 0, 0), self._at(area, self._x[1], 0))
        painter.restore()

    def _axes(self, painter: QPainter, area: QRectF) -> None:
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setPen(color("border_strong"))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.drawLine(area.topLeft(), area.bottomLeft())
        painter.setPen(color("text3"))
        middle = Qt.AlignmentFlag.AlignCenter
        step = next((s for s in (0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0) if self._x[1] / s <= 5), self._x[1] / 4)
        for k in range(int(self._x[1] / step) + 1):
            at = self._at(area, k * step, self._y[0])
            painter.drawText(QRectF(at.x() - 20, at.y() + 3, 40, 14), middle, f"{k * step:g}")
            if self._y[0] <= k * step <= self._y[1]:
                at = self._at(area, 0, k * step)
                painter.drawText(QRectF(at.x() - 34, at.y() - 7, 30, 14),
                                 Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{k * step:g}")
        painter.setPen(color("text2"))
        painter.drawText(QRectF(area.left(), area.bottom() + 17, area.width(), 16), middle, self._titles[0])
        painter.save()
        painter.translate(8, area.center().y())
        painter.rotate(-90)
        painter.drawText(QRectF(-area.height() / 2, -7, area.height(), 14), middle, self._titles[1])
        painter.restore()
