"""Mouse on a brain, the same on every canvas: drag turns, Shift or middle drag moves, wheel or right drag zooms,
a click without a drag picks, moving without a button reads out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QPointF, Qt, Signal
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from brainview.maps.display import Pick

if TYPE_CHECKING:  # the window is on screen before VTK is imported
    from brainview.scene.canvas import SceneCanvas

#: A press that moves less than this many pixels is a click.
DRAG = 4


class Pointer(QObject):
    """Watches a widget and moves the brain on its canvas; the widget itself never sees the mouse.

    Signals
    -------
    hovered : Pick or None
        What is under the pointer.
    picked : Pick
        What was clicked; a click beside the brain keeps the last pick and is not told.
    """

    hovered = Signal(object)
    picked = Signal(object)
    resized = Signal()

    def __init__(self, widget: QWidget, canvas: SceneCanvas) -> None:
        super().__init__(widget)
        self._widget, self._canvas = widget, canvas
        self._start: QPointF | None = None
        self._last = QPointF()
        self._button = Qt.MouseButton.NoButton
        self._dragging = False
        widget.setMouseTracking(True)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take mouse, wheel and drop events; tell changes of size; leave everything else."""
        kind = event.type()
        if kind in (QEvent.Type.Resize, QEvent.Type.DevicePixelRatioChange):
            self.resized.emit()
            return False
        if isinstance(event, QMouseEvent):
            self._mouse(event)
            return True
        if isinstance(event, QWheelEvent):
            place = event.position()
            self._canvas.turn("zoom", place.x(), place.y(), 0, event.angleDelta().y() / 4)
            event.accept()
            return True
        if kind == QEvent.Type.Leave:
            self.hovered.emit(None)
        return False

    def _mouse(self, event: QMouseEvent) -> None:
        place, kind = event.position(), event.type()
        event.accept()
        if kind in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick):
            self._start, self._last, self._button, self._dragging = place, place, event.button(), False
            parent = self._widget.parentWidget()
            if parent is not None:
                parent.setFocus(Qt.FocusReason.MouseFocusReason)
        elif kind == QEvent.Type.MouseMove and self._start is not None:
            if not self._dragging and (place - self._start).manhattanLength() < DRAG:
                return
            self._dragging = True
            step, self._last = place - self._last, place
            how, dx, dy = self._verb(event, step)
            self._canvas.turn(how, self._start.x(), self._start.y(), dx, dy)  # type: ignore[arg-type]
        elif kind == QEvent.Type.MouseMove:
            self.hovered.emit(self._canvas.pick_at(place.x(), place.y()))
        elif kind == QEvent.Type.MouseButtonRelease:
            click = self._start is not None and not self._dragging and self._button == Qt.MouseButton.LeftButton
            self._start = None
            pick: Pick | None = self._canvas.pick_at(place.x(), place.y()) if click else None
            if pick is not None:
                self.picked.emit(pick)

    def _verb(self, event: QMouseEvent, step: QPointF) -> tuple[str, float, float]:
        shifted = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if self._button == Qt.MouseButton.MiddleButton or (self._button == Qt.MouseButton.LeftButton and shifted):
            return "pan", step.x(), step.y()
        if self._button == Qt.MouseButton.RightButton:
            return "zoom", 0.0, -step.y()
        return "orbit", step.x(), step.y()
