"""The canvas as a picture in a widget: for the offscreen platform, remote X, and machines whose OpenGL fails."""

from __future__ import annotations

from PySide6.QtGui import QImage, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from brainview.app.pixels import to_image
from brainview.app.pointer import Pointer
from brainview.scene.image_canvas import ImageCanvas


class ImageWidget(QWidget):
    """Shows an :class:`ImageCanvas`; draws it anew only when it has changed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        ratio = self.devicePixelRatioF()
        self.canvas = ImageCanvas((max(64, round(self.width() * ratio)), max(64, round(self.height() * ratio))),
                                  scale=ratio, ratio=ratio)
        self.canvas.on_change = self._changed
        self.pointer = Pointer(self, self.canvas)
        self._image = QImage()
        self._stale = True
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(64, 64)

    def _changed(self) -> None:
        self._stale = True
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the picture, made anew when needed."""
        if self._stale:
            self._image = to_image(self.canvas.picture())
            self._image.setDevicePixelRatio(self.devicePixelRatioF())
            self._stale = False
        QPainter(self).drawImage(0, 0, self._image)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw at the new size."""
        ratio = self.devicePixelRatioF()
        self.canvas.resize(round(self.width() * ratio), round(self.height() * ratio))
        self._changed()
