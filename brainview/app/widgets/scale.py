"""A small horizontal colour bar, from the one function that decides colours."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from brainview.app.theme import color
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule


class ScaleBar(QWidget):
    """Shows the colours and limits of a rule."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(30)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Colour scale")
        self._colors = np.zeros((1, 3), np.uint8)
        self._words = ("", "", "")

    def sizeHint(self) -> QSize:
        return QSize(200, 30)

    def show_rule(self, rule: ColorRule, brain_map: BrainMap) -> None:
        """Show the colours of a rule over its limits."""
        from brainview.scene.colors import bar

        self._colors = np.ascontiguousarray(np.asarray(bar(rule, brain_map).colors)[:, :3].astype(np.uint8))
        low, high = rule.limits or brain_map.limits or (0.0, 1.0)
        self._words = (f"{low:.3g}", brain_map.units, f"{high:.3g}")
        self.setAccessibleDescription(f"from {low:.3g} to {high:.3g} {brain_map.units}")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        n = len(self._colors)
        image = QImage(self._colors.data, n, 1, 3 * n, QImage.Format.Format_RGB888)
        painter.drawImage(QRectF(0, 2, self.width(), 8), image)
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setPen(color("text3"))
        box = QRectF(0, 13, self.width(), 16)
        for words, side in zip(self._words, (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignHCenter,
                                             Qt.AlignmentFlag.AlignRight), strict=True):
            painter.drawText(box, side | Qt.AlignmentFlag.AlignVCenter, words)
        painter.end()
