"""How the brains of a scene are looked at: fit, turn, pan, zoom, all panels at one magnification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from brainview.scene import views
from brainview.scene.annotations import Annotations


class Cameras:
    """The part of the scene that moves its cameras."""

    surface: str
    meshes: dict[str, Any]
    notes: Annotations
    _cells: list[Any]

    def fit(self) -> None:
        """Put every brain in the middle of its panel, all at one magnification, zoom and pan undone."""
        for cell in self._cells:
            cell.camera.towards, cell.camera.up = views.looking(cell.panel.view, cell.panel.sides[0])
            cell.camera.zoom, cell.camera.pan = 1.0, np.zeros(2)
        self.resized()

    def take_cameras(self, cameras: Sequence[views.Camera]) -> None:
        """Look as other panels do: turn, zoom and pan of each camera; sizes may differ."""
        for cell, other in zip(self._cells, cameras, strict=True):
            cell.camera.towards, cell.camera.up = other.towards.copy(), other.up.copy()
            cell.camera.zoom, cell.camera.pan = other.zoom, other.pan.copy()
        self.resized()

    def resized(self) -> None:
        """Fit the cameras to the present size of the window; zoom, pan and turns stay."""
        needed = []
        for cell in self._cells:
            towards, up = views.looking(cell.panel.view, cell.panel.sides[0])
            points = np.concatenate([self.meshes[s].shown_points for s in cell.panel.sides])
            wide, high, center = views.extents(points, views.Camera(towards, up))
            cell.camera.center = center
            needed.append(max(high, wide / cell.aspect) * views.MARGIN)
        for cell in self._cells:
            cell.camera.fit = max(needed)
            cell.aim()
        self.notes.moved()

    def cell_at(self, x: float, y: float) -> tuple[Any, float, float] | None:
        """Return the panel under (x, y) in 0..1 from the lower left corner, and the place in it in -1..1."""
        for cell in reversed(self._cells):
            x0, y0, x1, y1 = cell.panel.rect
            if x0 <= x <= x1 and y0 <= y <= y1:
                return cell, 2 * (x - x0) / (x1 - x0) - 1, 2 * (y - y0) / (y1 - y0) - 1
        return None

    def orbit(self, x: float, y: float, across: float, upward: float) -> None:
        """Turn the brain under (x, y) by degrees; a flat map is moved by the hand instead of turned."""
        found = self.cell_at(x, y)
        if found is None:
            return
        if self.surface == "flat":
            width, height = found[0].pixels()
            self.pan(x, y, across * width / 300, upward * height / 300)
            return
        found[0].camera.orbit(across, upward)
        self._aimed(found[0])

    def turn_all(self, across: float, upward: float) -> None:
        """Turn every brain by degrees (keys); flat maps stay."""
        if self.surface != "flat":
            for cell in self._cells:
                cell.camera.orbit(across, upward)
                self._aimed(cell)

    def pan(self, x: float, y: float, right: float, up: float) -> None:
        """Move the brain under (x, y) by device pixels."""
        found = self.cell_at(x, y)
        if found is not None:
            cell = found[0]
            per_pixel = 2 * cell.camera.half_height / cell.pixels()[1]
            cell.camera.pan = cell.camera.pan + np.array([right, up]) * per_pixel
            self._aimed(cell)

    def zoom(self, x: float, y: float, factor: float) -> None:
        """Magnify all panels (they share one scale); the place under (x, y) stays where it is."""
        found = self.cell_at(x, y)
        for cell in self._cells:
            before = cell.camera.half_height
            cell.camera.zoom = float(np.clip(cell.camera.zoom * factor, 0.25, 40.0))
            if found is not None and cell is found[0]:
                change = cell.camera.half_height - before
                cell.camera.pan = cell.camera.pan + np.array([found[1] * cell.aspect, found[2]]) * change
            cell.aim()
        self.notes.moved()

    def _aimed(self, cell: Any) -> None:
        cell.aim()
        self.notes.moved(cell)
