"""A volume map as slices in a widget: click or drag moves the cross hair, the wheel goes to the next slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QImage, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from brainview.app.pixels import to_image
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule, Pick
from brainview.maps.layers import Layer
from brainview.maps.rois import RoiClass
from brainview.scene import figure
from brainview.scene.slices import PLANES, SliceScene
from brainview.scene.theme import BACKGROUNDS


class SliceWidget(QWidget):
    """Draws a :class:`SliceScene` with the same functions as the export.

    Signals
    -------
    hovered : Pick or None
    picked : Pick
    """

    hovered = Signal(object)
    picked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scene: SliceScene | None = None
        self.mode = "ortho"
        self.place: tuple[float, float, float] = (0.0, 0.0, 0.0)
        self._background = "dark"
        self._own: object = None
        self._image: QImage | None = None
        self.setMouseTracking(True)
        self.setMinimumSize(96, 96)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Slices")

    def show_map(self, brain_map: BrainMap, rule: ColorRule, outlines: Mapping[str, RoiClass], *, background: str,
                 radiological: bool, mode: str, cursor: tuple[float, float, float] | None,
                 layers: Sequence[Layer] = ()) -> None:
        """Show a volume map; only what has changed is made anew."""
        from brainview.scene.slices import own_anatomy, underlay_of

        scene = self.scene
        if scene is None or scene.map is not brain_map or (background, radiological) != (self._background,
                                                                                       scene.radiological) \
                or own_anatomy(brain_map) is not self._own:
            fresh = scene is None or scene.space != brain_map.space.root
            self._own = own_anatomy(brain_map)
            scene = SliceScene(brain_map, rule, background=background, radiological=radiological,
                               underlay=underlay_of(brain_map))
            self.scene, self._background = scene, background
            if fresh:
                self.place = scene.best()
        scene.set_rule(rule)
        if layers:
            scene.set_layers(layers)
        scene.set_outlines(outlines)
        self.mode = mode
        if cursor is not None:
            self.place = cursor
        self.refresh()

    def refresh(self) -> None:
        """Draw anew at the next paint."""
        self._image = None
        self.update()

    def picture(self) -> np.ndarray:
        """Return (height, width, 3) uint8 in device pixels."""
        ratio = self.devicePixelRatioF()
        size = (max(16, round(self.width() * ratio)), max(16, round(self.height() * ratio)))
        look = BACKGROUNDS[self._background]
        image = Image.new("RGB", size, look.paper)
        if self.scene is not None:
            figure.draw_slices(image, self.scene, look, self.mode, self.place, ratio)
        return np.asarray(image)

    def place_at(self, place: QPointF) -> tuple[str, tuple[float, float, float]] | None:
        """Return the plane and the world coordinates (mm) under a point, None beside the slices."""
        scene, ratio = self.scene, self.devicePixelRatioF()
        if scene is None:
            return None
        size = (round(self.width() * ratio), round(self.height() * ratio))
        if self.mode == "ortho":
            index = scene.index_of(self.place)
            boxes = [(plane, index[PLANES[plane][0]], box)
                     for plane, box in figure.ortho_boxes(scene, size, round(10 * ratio)).items()]
        else:
            boxes = [(self.mode, step, box) for step, box in figure.mosaic_boxes(scene, self.mode, size)]
        for plane, step, (x, y, w, h) in boxes:
            across, down = (place.x() * ratio - x) / w, (place.y() * ratio - y) / h
            if 0 <= across < 1 and 0 <= down < 1:
                return plane, scene.ras(plane, step, across, down)
        return None

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the slices."""
        if self._image is None:
            self._image = to_image(self.picture())
            self._image.setDevicePixelRatio(self.devicePixelRatioF())
        QPainter(self).drawImage(0, 0, self._image)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw at the new size."""
        self.refresh()

    def _pick(self, place: QPointF) -> Pick | None:
        found = self.place_at(place)
        return None if found is None or self.scene is None else self.scene.pick(found[1])

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Move the cross hair."""
        pick = self._pick(event.position())
        if pick is not None and event.buttons() & Qt.MouseButton.LeftButton:
            self.picked.emit(pick)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read out; with the button down move the cross hair."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.mousePressEvent(event)
        else:
            self.hovered.emit(self._pick(event.position()))

    def leaveEvent(self, event: QEvent) -> None:
        """Read out nothing."""
        self.hovered.emit(None)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Go to the next slice of the plane under the pointer."""
        found = self.place_at(event.position())
        if found is None or self.scene is None or self.mode != "ortho":
            return
        axis = PLANES[found[0]][0]
        voxel = list(self.scene.index_of(self.place))
        voxel[axis] = int(np.clip(voxel[axis] + (1 if event.angleDelta().y() > 0 else -1), 0,
                                  self.scene.shape[axis] - 1))
        self.picked.emit(self.scene.pick(self.scene.world(voxel)))
        event.accept()
