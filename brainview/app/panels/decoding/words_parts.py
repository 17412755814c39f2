"""Parts of the words page: the picture with boxes, hidden until asked for, and one line for each voice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from brainview.app.pixels import to_image
from brainview.app.theme import color
from brainview.app.widgets.basics import label
from brainview.core.names import shown
from brainview.state.words import VOICES

Box = tuple[float, float, float, float]


class BoxPicture(QWidget):
    """The stimulus with true (dashed) and said (solid) boxes. `asked(bool)`: a click shows or hides it."""

    asked = Signal(bool)

    def __init__(self, side: int = 200) -> None:
        super().__init__()
        self._side, self._revealed = side, False
        self._image: QImage | None = None
        self._true: list[tuple[str, Box]] = []
        self._said: list[Box] = []
        self.setFixedHeight(side)
        self.setAccessibleName("The picture this brain saw; click to show or hide it")
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:
        return QSize(self._side, self._side)

    def show_picture(self, pixels: np.ndarray | None, revealed: bool) -> None:
        """Show another picture."""
        self._image = None if pixels is None else to_image(np.ascontiguousarray(pixels))
        self._revealed = revealed
        self.update()

    def show_boxes(self, true: Sequence[tuple[str, Box]], said: Sequence[Box]) -> None:
        """Show named true boxes and those that were said, in shares of the picture."""
        self._true, self._said = list(true), list(said)
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.asked.emit(not self._revealed)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        frame = QRectF((self.width() - self._side) / 2, 0, self._side, self._side).adjusted(1, 1, -1, -1)
        painter.setPen(QPen(color("border"), 1))
        painter.drawRoundedRect(frame, 6, 6)
        if self._image is not None and self._revealed:
            painter.drawImage(frame, self._image)
        elif not self._said:
            painter.setPen(color("text3"))
            words = "The picture is hidden.\nClick to show it." if self._image is not None else "No picture"
            painter.drawText(frame, Qt.AlignmentFlag.AlignCenter, words)
        if self._revealed:
            for name, box in self._true:
                self._box(painter, frame, box, QColor(255, 255, 255), name, dashed=True)
        for number, box in enumerate(self._said, 1):
            self._box(painter, frame, box, color("warn"), f"box {number}", below=True)

    def _box(self, painter: QPainter, frame: QRectF, box: Box, tint: QColor, name: str, *,
             dashed: bool = False, below: bool = False) -> None:
        x0, y0, x1, y1 = box
        area = QRectF(frame.x() + x0 * frame.width(), frame.y() + y0 * frame.height(), (x1 - x0) * frame.width(),
                      (y1 - y0) * frame.height())
        painter.setPen(QPen(QColor(0, 0, 0, 150), 3))
        painter.drawRect(area)
        painter.setPen(QPen(tint, 1.5, Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine))
        painter.drawRect(area)
        metrics = QFontMetricsF(self.font())
        words = shown(name, limit=24)
        top = area.bottom() - metrics.height() if below else area.y()
        tag = QRectF(area.x(), top, metrics.horizontalAdvance(words) + 6, metrics.height())
        painter.fillRect(tag, QColor(0, 0, 0, 150))
        painter.setPen(tint)
        painter.drawText(tag, Qt.AlignmentFlag.AlignCenter, words)


class VoiceCards(QWidget):
    """What each voice says to the last prompt; the brain's own stands out."""

    def __init__(self) -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        self._rows: dict[str, tuple[QLabel, QLabel]] = {}
        for number, (voice, words) in enumerate(VOICES):
            left, right = label(words, "caption"), label("", "title" if voice == "brain" else "second", wrap=True)
            left.setAlignment(Qt.AlignmentFlag.AlignTop)
            right.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            grid.addWidget(left, number, 0)
            grid.addWidget(right, number, 1)
            self._rows[voice] = (left, right)
        self.show_voices(())

    def show_voices(self, voices: Sequence[str], other: str = "") -> None:
        """Show empty lines for these voices only; `other` is the name of who speaks beside."""
        self._rows["other"][0].setText(shown(other, limit=40) or dict(VOICES)["other"])
        for voice, (left, right) in self._rows.items():
            left.setVisible(voice in voices)
            right.setVisible(voice in voices)
            right.setText("…")

    def show_text(self, voice: str, text: str) -> None:
        """Show what one voice says, so far or whole."""
        self._rows[voice][1].setText(shown(text, limit=2000) or "–")

    def text(self, voice: str) -> str:
        """Return what is on screen for one voice."""
        return self._rows[voice][1].text()
