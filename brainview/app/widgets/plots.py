"""Plots of pyqtgraph in the colours of the theme; the library is imported when the first plot has something to show.

pyqtgraph costs half a second of imports and looks at the program's settings, so nothing here imports it at the top.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QByteArray, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QImage, QImageWriter
from PySide6.QtWidgets import QLabel, QSizePolicy, QStackedLayout, QVBoxLayout, QWidget

from brainview.app.theme import color, current
from brainview.app.widgets.basics import label
from brainview.core.errors import MissingError
from brainview.core.files import atomic_path, to_json
from brainview.core.names import shown

#: Lines and points of things that are compared: apart in hue and in lightness, for colour-blind eyes too.
PALETTES = {
    "dark": ("#86b0ff", "#f0a35e", "#5fc48e", "#d58cd6", "#e6d35a", "#74d0dc", "#ff8a80", "#b3b9c4"),
    "light": ("#1f52bd", "#b8620f", "#177245", "#8e3a90", "#7d6a00", "#0d7684", "#b3261e", "#474e5b")}


def tint(number: int) -> QColor:
    """Return the colour of the number-th thing that is compared, in the theme in force."""
    palette = PALETTES[current().name]
    return QColor(palette[number % len(palette)])


@cache
def library() -> Any:
    """Return pyqtgraph, set up once."""
    import pyqtgraph

    pyqtgraph.setConfigOptions(antialias=True, exitCleanup=False, imageAxisOrder="row-major")
    return pyqtgraph


@dataclass(frozen=True, eq=False)
class Line:
    """One line of a plot: its words, its points, its colour by number, and where the best checkpoint stands."""

    words: str
    x: Sequence[float]
    y: Sequence[float]
    number: int = 0
    dashed: bool = False
    best: float | None = None


class Plot(QWidget):
    """A plot with a legend below that reads out the values under the pointer. Empty until it has lines."""

    def __init__(self, name: str, height: int = 150) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self._name, self._height = name, height
        self._lines: list[Line] = []
        self._axis = ""
        self._plot: Any = None
        self._cursor: Any = None
        self._proxy: Any = None
        self.legend = QLabel()
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setProperty("role", "caption")
        self.legend.setWordWrap(True)
        self._holder = QWidget()
        self._holder.setFixedHeight(height)
        self._pages = QStackedLayout(self._holder)
        self._pages.setContentsMargins(0, 0, 0, 0)
        self.empty = label("", "caption", wrap=True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._pages.addWidget(self.empty)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self._holder)
        column.addWidget(self.legend)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)  # the legend wraps
        self.setSizePolicy(policy)

    def make_tall(self, least: int) -> None:
        """Let the plot grow with its window, from a least height."""
        self._holder.setMinimumHeight(least)
        self._holder.setMaximumHeight(16_777_215)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    @property
    def lines(self) -> list[Line]:
        """The lines shown."""
        return self._lines

    def show_lines(self, lines: Sequence[Line], axis: str, nothing: str = "") -> None:
        """Show lines over one axis; `nothing` is said where there are none."""
        self._lines, self._axis = list(lines), axis
        if not self._lines:
            self.empty.setText(shown(nothing))
            self._pages.setCurrentWidget(self.empty)
            self.legend.setVisible(False)
            return
        self._ready()
        self._draw()
        self._pages.setCurrentWidget(self._plot)

    def retheme(self) -> None:
        """Draw again in the theme in force."""
        if self._plot is not None:
            self._dress()
            if self._lines:
                self._draw()

    def _ready(self) -> None:
        if self._plot is not None:
            return
        pg = library()
        self._plot = pg.PlotWidget()
        self._plot.setMenuEnabled(False)
        self._plot.hideButtons()
        self._plot.setMouseEnabled(x=False, y=False)
        self._plot.setFrameShape(self._plot.Shape.NoFrame)
        self._plot.setAccessibleName(self._name)
        self._plot.getPlotItem().getViewBox().setDefaultPadding(0.03)
        self._proxy = pg.SignalProxy(self._plot.scene().sigMouseMoved, rateLimit=30, slot=self._hover)
        self._pages.addWidget(self._plot)
        self._dress()

    def _dress(self) -> None:
        pg = library()
        self._plot.setBackground(color("sunken"))
        item = self._plot.getPlotItem()
        font = self.font()
        font.setPixelSize(11)
        for side in ("left", "bottom"):
            axis = item.getAxis(side)
            axis.setPen(pg.mkPen(color("border_strong")))
            axis.setTextPen(pg.mkPen(color("text3")))
            axis.setStyle(tickFont=font, tickLength=-4, maxTickLevel=1)
        item.getAxis("left").setWidth(42)
        item.showGrid(y=True, alpha=0.12)

    def _draw(self) -> None:
        pg = library()
        self._plot.clear()
        item = self._plot.getPlotItem()
        if self._height >= 150:
            item.getAxis("bottom").setLabel(shown(self._axis), color=color("text3").name(), **{"font-size": "11px"})
        for line in self._lines:
            tone = tint(line.number)
            pen = pg.mkPen(tone, width=1.2 if line.dashed else 2,
                           style=Qt.PenStyle.DashLine if line.dashed else Qt.PenStyle.SolidLine)
            few = len(line.x) < 3
            self._plot.plot(np.asarray(line.x, float), np.asarray(line.y, float), pen=pen, connect="finite",
                            symbol="o" if few else None, symbolSize=6, symbolBrush=tone, symbolPen=None)
            at = _value_at(line, line.best) if line.best is not None else None
            if at is not None:
                self._plot.addItem(pg.ScatterPlotItem([line.best], [at], size=11, symbol="star", brush=tone,
                                                      pen=pg.mkPen(color("text"), width=1)))
        self._fit_axes(item)
        self._cursor = pg.InfiniteLine(angle=90, pen=pg.mkPen(color("border_strong")))
        self._cursor.hide()
        self._plot.addItem(self._cursor, ignoreBounds=True)
        self._tell(None)

    def _fit_axes(self, item: Any) -> None:
        """Give the values beside the plot the room that they need, and few epochs whole numbers."""
        x, y = (np.concatenate([np.asarray(v, float) for v in values]) for values in
                ([line.x for line in self._lines], [line.y for line in self._lines]))
        y = y[np.isfinite(y)]
        if y.size and x.size:
            span = max(float(np.ptp(y)), 1e-3 * float(np.abs(y).max()), 1e-12)
            digits = max(0, 1 - math.floor(math.log10(span)))
            room = QFontMetrics(item.getAxis("left").style["tickFont"])
            item.getAxis("left").setWidth(max(42, 12 + max(room.horizontalAdvance(f"{v:.{digits}f}")
                                                           for v in (y.min(), y.max()))))
        low, high = (int(x.min()), int(x.max())) if x.size and np.array_equal(x, np.round(x)) else (0, 100)
        item.getAxis("bottom").setTicks([[(k, f"{k}") for k in range(low, high + 1)]] if high - low < 9 else None)

    def _hover(self, event: Any) -> None:
        place: QPointF = event[0]
        item = self._plot.getPlotItem()
        if not self._lines or not item.vb.sceneBoundingRect().contains(place):
            self._cursor.hide()
            self._tell(None)
            return
        wanted = item.vb.mapSceneToView(place).x()
        xs = np.unique(np.concatenate([np.asarray(line.x, float) for line in self._lines]))
        nearest = float(xs[np.argmin(np.abs(xs - wanted))])
        self._cursor.setPos(nearest)
        self._cursor.show()
        self._tell(nearest)

    def _tell(self, at: float | None) -> None:
        """Write the legend, with values where the pointer is, or the last and the best ones."""
        parts = []
        for line in self._lines:
            value = _value_at(line, at) if at is not None else (line.y[-1] if len(line.y) else None)
            words = html.escape(shown(line.words))
            if value is not None and math.isfinite(value):
                words += f" <b>{value:.4g}</b>"
            if at is None and line.best is not None and (best := _value_at(line, line.best)) is not None:
                words += f" (★ {best:.4g} at {line.best:g})"
            mark = "┄" if line.dashed else "■"
            parts.append(f"<span style='color:{tint(line.number).name()}'>{mark}</span>&nbsp;{words}")
        head = f"{html.escape(self._axis)} {at:g}: " if at is not None else ""
        self.legend.setText(head + " &nbsp; ".join(parts))
        self.legend.setVisible(bool(parts))
        self.setAccessibleDescription(shown("; ".join(
            f"{line.words}: last {line.y[-1]:.4g}" for line in self._lines if len(line.y)), limit=500))


def _value_at(line: Line, x: float | None) -> float | None:
    if x is None:
        return None
    found = [float(v) for k, v in zip(line.x, line.y, strict=True) if k == x and math.isfinite(v)]
    return found[0] if found else None


class PointCloud(QWidget):
    """Points with names; hover names one, a click chooses it. `chosen(index)`, `hovered(index or -1)`."""

    chosen = Signal(int)
    hovered = Signal(int)

    def __init__(self, name: str, height: int = 240) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setFixedHeight(height)
        self._xy = np.empty((0, 2))
        self._groups = np.empty(0, int)
        self._marked: list[int] = []
        self._plot: Any = None
        self._dots: Any = None
        self._rings: Any = None
        self._proxy: Any = None
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(0, 0, 0, 0)

    def show_points(self, xy: np.ndarray, groups: np.ndarray) -> None:
        """Show (n, 2) points; equal `groups` (n,) ints share colour and sign."""
        self._xy, self._groups, self._marked = np.asarray(xy, float), np.asarray(groups, int), []
        if self._plot is None:
            self._make()
        self._draw()

    def mark(self, indices: Sequence[int]) -> None:
        """Ring some points."""
        self._marked = [int(i) for i in indices if 0 <= i < len(self._xy)]
        if self._rings is not None:
            at = self._xy[self._marked]
            self._rings.setData(pos=at) if len(at) else self._rings.clear()

    def picture(self, width: int = 1600) -> QImage:
        """Return the points as a picture of a width in pixels."""
        return image_of(self._plot, width)

    def retheme(self) -> None:
        """Draw again in the theme in force."""
        if self._plot is not None:
            self._plot.setBackground(color("sunken"))
            self._draw()

    def _make(self) -> None:
        pg = library()
        self._plot = pg.PlotWidget()
        self._plot.setMenuEnabled(False)
        self._plot.setFrameShape(self._plot.Shape.NoFrame)
        self._plot.setBackground(color("sunken"))
        for side in ("left", "bottom"):
            self._plot.getPlotItem().hideAxis(side)
        self._plot.getPlotItem().getViewBox().setAspectLocked(True)
        self._plot.setToolTip("Wheel zooms, drag moves, click chooses")
        self._proxy = pg.SignalProxy(self._plot.scene().sigMouseMoved, rateLimit=30, slot=self._moved)
        self._plot.scene().sigMouseClicked.connect(self._clicked)
        self._box.addWidget(self._plot)

    def _draw(self) -> None:
        pg = library()
        self._plot.clear()
        signs = ("o", "s", "t1", "d", "+", "x")
        for number in np.unique(self._groups):
            at = self._groups == number
            tone = tint(int(number))
            tone.setAlpha(200)
            self._plot.addItem(pg.ScatterPlotItem(pos=self._xy[at], size=7, symbol=signs[int(number) % len(signs)],
                                                  brush=tone, pen=None))
        self._rings = pg.ScatterPlotItem(size=15, symbol="o", brush=None, pen=pg.mkPen(color("text"), width=2))
        self._plot.addItem(self._rings)
        self.mark(self._marked)
        self._plot.getPlotItem().getViewBox().autoRange(padding=0.06)

    def nearest(self, place: QPointF) -> int:
        """Return the point within 12 pixels of a place in the scene, -1 when there is none."""
        if not len(self._xy):
            return -1
        box = self._plot.getPlotItem().getViewBox()
        low, high = box.viewRange()
        area = box.sceneBoundingRect()
        scale = np.array([area.width() / max(low[1] - low[0], 1e-12), area.height() / max(high[1] - high[0], 1e-12)])
        at = box.mapSceneToView(place)
        gap = np.linalg.norm((self._xy - [at.x(), at.y()]) * scale, axis=1)
        best = int(np.argmin(gap))
        return best if gap[best] <= 12 else -1

    def _moved(self, event: Any) -> None:
        self.hovered.emit(self.nearest(event[0]))

    def _clicked(self, event: Any) -> None:
        found = self.nearest(event.scenePos())
        if found >= 0:
            self.chosen.emit(found)


def image_of(plot: Any, width: int = 1600) -> QImage:
    """Return a plot of pyqtgraph drawn anew at a width in pixels, independent of the window's size."""
    from pyqtgraph.exporters import ImageExporter

    exporter = ImageExporter(plot.getPlotItem())
    exporter.parameters()["width"] = int(width)
    exporter.parameters()["background"] = color("sunken")
    return exporter.export(toBytes=True)


def save_picture(image: QImage, path: Path, story: dict[str, Any]) -> None:
    """Write a picture with its story in a text field; raises MissingError when the format cannot be written."""
    image.setText("brainview", to_json(story))
    with atomic_path(path) as part:
        form = QByteArray((path.suffix.lstrip(".") or "png").encode())
        if not QImageWriter(str(part), form).write(image):
            raise MissingError("cannot be written as a picture", where=path, remedy="Use .png.")
