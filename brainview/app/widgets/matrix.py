"""A square matrix as a picture: hover reads a cell, a click chooses its row's or column's item."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from brainview.app.theme import color
from brainview.app.widgets.plots import image_of, library


class MatrixView(QWidget):
    """Shows (n, n) values. `hovered(row, column)` (-1 outside), `chosen(row, column)`."""

    hovered = Signal(int, int)
    chosen = Signal(int, int)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._values = np.empty((0, 0), np.float32)
        self._plot: Any = None
        self._image: Any = None
        self._proxy: Any = None
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self.limits = (0.0, 1.0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Stay square, up to a size."""
        super().resizeEvent(event)
        self.setFixedHeight(max(200, min(self.width(), 460)))
        QTimer.singleShot(0, self, self._fit)

    def _fit(self) -> None:
        if self._plot is not None:
            self._plot.getPlotItem().getViewBox().autoRange(padding=0)

    def show_matrix(self, values: np.ndarray, table: np.ndarray) -> None:
        """Show (n, n) values in a (256, 3) uint8 colour table; limits are the 1st and 99th percentile."""
        self._values = np.asarray(values, np.float32)
        if self._plot is None:
            self._make()
        good = self._values[np.isfinite(self._values)]
        low, high = (float(v) for v in np.percentile(good, (1, 99))) if good.size else (0.0, 1.0)
        self.limits = (low, max(high, low + 1e-6))
        self._image.setImage(self._values, autoLevels=False, levels=self.limits, lut=np.ascontiguousarray(table))
        self._fit()

    def picture(self, width: int = 1600) -> QImage:
        """Return the matrix as a picture of a width in pixels."""
        return image_of(self._plot, width)

    def retheme(self) -> None:
        """Draw again in the theme in force."""
        if self._plot is not None:
            self._plot.setBackground(color("sunken"))

    def _make(self) -> None:
        pg = library()
        self._plot = pg.PlotWidget()
        self._plot.setMenuEnabled(False)
        self._plot.hideButtons()
        self._plot.setFrameShape(self._plot.Shape.NoFrame)
        self._plot.setBackground(color("sunken"))
        self._plot.setAccessibleName(self.accessibleName())
        item = self._plot.getPlotItem()
        for side in ("left", "bottom"):
            item.hideAxis(side)
        item.getViewBox().setAspectLocked(True)
        item.getViewBox().invertY(True)
        item.getViewBox().sigResized.connect(lambda *_: QTimer.singleShot(0, self, self._fit))
        self._image = pg.ImageItem()
        item.addItem(self._image)
        self._proxy = pg.SignalProxy(self._plot.scene().sigMouseMoved, rateLimit=30,
                                     slot=lambda event: self.hovered.emit(*self.cell(event[0])))
        self._plot.scene().sigMouseClicked.connect(self._clicked)
        self._plot.setCursor(Qt.CursorShape.CrossCursor)
        self._box.addWidget(self._plot)

    def cell(self, place: QPointF) -> tuple[int, int]:
        """Return (row, column) under a place in the scene, (-1, -1) outside."""
        at = self._image.mapFromScene(place)
        row, column = int(np.floor(at.y())), int(np.floor(at.x()))
        inside = 0 <= row < len(self._values) and 0 <= column < len(self._values)
        return (row, column) if inside else (-1, -1)

    def _clicked(self, event: Any) -> None:
        row, column = self.cell(event.scenePos())
        if row >= 0:
            self.chosen.emit(row, column)
