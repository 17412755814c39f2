"""A map as a small flat picture of both hemispheres, painted in numpy: for pairs that are compared at a glance."""

from __future__ import annotations

import contextlib
from functools import cache

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from brainview.app.theme import color
from brainview.core.errors import BrainViewError
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule
from brainview.maps.space import SurfaceSpace

#: Pixels of one hemisphere.
WIDTH, HEIGHT = 320, 220


@cache
def raster(space_name: str, hemisphere: str) -> np.ndarray:
    """Return (HEIGHT, WIDTH) int32: the vertex under every pixel of a flattened hemisphere, -1 = outside."""
    from scipy.spatial import cKDTree

    from brainview.maps.meshes import load_mesh

    mesh = load_mesh(space_name, hemisphere, "flat")  # type: ignore[arg-type]
    flat, faces = np.asarray(mesh.vertices)[:, :2], np.asarray(mesh.faces)
    used = np.unique(faces)
    low, high = flat[used].min(0), flat[used].max(0)
    scale = max((high[0] - low[0]) / WIDTH, (high[1] - low[1]) / HEIGHT) * 1.02
    centre = (low + high) / 2
    x = centre[0] + (np.arange(WIDTH) - WIDTH / 2 + 0.5) * scale
    y = centre[1] - (np.arange(HEIGHT) - HEIGHT / 2 + 0.5) * scale
    grid = np.column_stack([g.ravel() for g in np.meshgrid(x, y)])
    tree = cKDTree(flat[used])
    distance, nearest = tree.query(grid)
    edge = np.linalg.norm(flat[faces[:, 0]] - flat[faces[:, 1]], axis=1)
    inside = distance <= 2.0 * float(np.percentile(edge, 90))
    return np.where(inside, used[nearest], -1).astype(np.int32).reshape(HEIGHT, WIDTH)


def picture(brain_map: BrainMap, rule: ColorRule) -> np.ndarray:
    """Return (HEIGHT, 2 * WIDTH, 4) uint8 RGBA of a surface map, left hemisphere left.

    Raises MissingError when the mesh has no flat surface here.
    """
    from brainview.maps.meshes import load_scalar
    from brainview.scene.colors import anatomy, colorize_map

    whole = brain_map.expanded()
    space = whole.space
    if not isinstance(space, SurfaceSpace):
        raise BrainViewError(f"a map on {space.name} has no flat picture")
    folds = np.concatenate([load_scalar(space.name, side, "sulc") for side in ("left", "right")])  # type: ignore[arg-type]
    rgb = np.asarray(colorize_map(whole, rule, anatomy(folds)))[:, :3]
    out = np.zeros((HEIGHT, 2 * WIDTH, 4), np.uint8)
    for k, side in enumerate(("left", "right")):
        at = raster(space.name, side)
        part = out[:, k * WIDTH:(k + 1) * WIDTH]
        vertex = np.where(at >= 0, at + (space.n_left if k else 0), 0)
        part[..., :3] = rgb[vertex]
        part[..., 3] = np.where(at >= 0, 255, 0)
    return out


def warm(brain_map: BrainMap) -> None:
    """Make the rasters that a picture of this map needs (in a thread: the first takes more than a second)."""
    space = brain_map.space.root
    if isinstance(space, SurfaceSpace):
        with contextlib.suppress(BrainViewError):  # a mesh without flat surface: the picture says so itself
            for side in ("left", "right"):
                raster(space.name, side)


class FlatPicture(QWidget):
    """Shows such a picture, or an ordinary one."""

    def __init__(self, name: str, height: int = 96) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setFixedHeight(height)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._image = QImage()

    def sizeHint(self) -> QSize:
        return QSize(160, self.height())

    def show_map(self, brain_map: BrainMap | None, rule: ColorRule | None = None) -> None:
        """Draw a surface map; None clears."""
        self.show_array(None if brain_map is None or rule is None else picture(brain_map, rule))

    def show_array(self, array: np.ndarray | None) -> None:
        """Draw an (h, w, 3 or 4) uint8 picture; None clears."""
        if array is None:
            self._image = QImage()
        else:
            array = np.ascontiguousarray(array)
            form = QImage.Format.Format_RGBA8888 if array.shape[2] == 4 else QImage.Format.Format_RGB888
            self._image = QImage(array.data, array.shape[1], array.shape[0], array.strides[0], form).copy()
        self.update()

    def show_image(self, image: QImage) -> None:
        """Draw a picture that Qt has read."""
        self._image = image
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if self._image.isNull():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(color("border_strong"), 1, Qt.PenStyle.DashLine))
            painter.setBrush(color("sunken"))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
            painter.end()
            return
        size = self._image.size().scaled(self.size() * self.devicePixelRatio(), Qt.AspectRatioMode.KeepAspectRatio)
        ready = self._image.scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio,
                                   Qt.TransformationMode.SmoothTransformation)
        ready.setDevicePixelRatio(self.devicePixelRatio())
        shown_size = ready.deviceIndependentSize()
        painter.drawImage(QRectF((self.width() - shown_size.width()) / 2, (self.height() - shown_size.height()) / 2,
                                 shown_size.width(), shown_size.height()), ready)
        painter.end()
