"""The drawing port: brains and places, no widgets.

======================  ======================================================  ==========
verb                    meaning                                                  paints
======================  ======================================================  ==========
``set_surface``         load the meshes of a space                               once
``set_panels``          divide the picture (layout, views, hemispheres)          once
``set_values``          show a map with its colours                              once
``set_layers``          show maps over each other                                once
``set_rule``            change limits, threshold, colour map                     once
``set_outlines``        borders and names of ROIs                                once
``set_marker``          mark the picked place                                    once
``set_background``      paper and ink                                            once
``turn``                orbit, pan or zoom the brain under the pointer           once
``reset_view``          standard views again                                     once
``pick_at``             what is under a point                                    never
``picture``             the present picture as an array                          --
``close``               give everything back                                     never
======================  ======================================================  ==========

"once" is once per turn of the event loop: a canvas only asks for a paint, and several requests are one paint.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule, Pick
from brainview.maps.layers import Layer
from brainview.maps.rois import RoiClass
from brainview.maps.space import SurfaceSpace
from brainview.scene.surface import SurfaceScene
from brainview.scene.views import Camera, Panel


class SceneCanvas(ABC):
    """A scene and a way to get it painted; places are in pixels of the widget from the upper left corner."""

    scene: SurfaceScene
    #: Called after the user has moved a camera; who links viewers listens.
    on_camera: Callable[[], None] | None = None

    @abstractmethod
    def request_paint(self) -> None:
        """Ask for one paint at the end of this turn of the event loop."""

    @abstractmethod
    def size(self) -> tuple[int, int]:
        """Return width and height in the pixels in which places are told."""

    @abstractmethod
    def picture(self) -> np.ndarray:
        """Return the present picture, (height, width, 3) uint8 in device pixels."""

    @abstractmethod
    def close(self) -> None:
        """Give the render window and everything in it back; calling it twice is allowed."""

    def set_surface(self, space: SurfaceSpace, surface: str) -> None:
        """Load the meshes of a space; BrainViewError when they are not on this machine."""
        self.scene.set_surface(space, surface)
        self.request_paint()

    def set_panels(self, plan: Sequence[Panel]) -> None:
        """Divide the picture; cameras go to their standard views."""
        self.scene.set_panels(plan)
        self.request_paint()

    def set_values(self, brain_map: BrainMap | None, rule: ColorRule | None = None) -> None:
        """Show a map, or the plain anatomy."""
        self.scene.set_values(brain_map, rule)
        self.request_paint()

    def set_layers(self, layers: Sequence[Layer]) -> None:
        """Show maps over each other, the lowest first; the one of :meth:`set_values` among them is read out."""
        self.scene.set_layers(layers)
        self.request_paint()

    def set_rule(self, rule: ColorRule) -> None:
        """Change limits, threshold, colour map."""
        if rule != self.scene.rule:
            self.scene.set_rule(rule)
            self.request_paint()

    def set_outlines(self, classes: Mapping[str, RoiClass], names: bool = False) -> None:
        """Draw borders and names of ROI classes (labels on the root space of the mesh)."""
        self.scene.set_outlines(classes, names)
        self.request_paint()

    def set_marker(self, pick: Pick | None) -> None:
        """Mark a place, or none."""
        self.scene.set_marker(pick)
        self.request_paint()

    def set_background(self, name: str) -> None:
        """Choose paper and ink: ``dark``, ``light``, ``white``, ``black``."""
        self.scene.set_background(name)
        self.request_paint()

    def turn(self, how: Literal["orbit", "pan", "zoom"], x: float, y: float, dx: float = 0.0, dy: float = 0.0) -> None:
        """Move the brain under (x, y) by (dx, dy) pixels, y downwards; zoom: dy > 0 comes nearer, 100 is a factor 2."""
        width, height = self.size()
        across, upward = x / max(1, width), 1 - y / max(1, height)
        if how == "orbit":
            self.scene.orbit(across, upward, 0.4 * dx, -0.4 * dy)
        elif how == "pan":
            device = self.scene.window.GetSize()[0] / max(1, width)
            self.scene.pan(across, upward, dx * device, -dy * device)
        else:
            self.scene.zoom(across, upward, 2.0 ** (dy / 100))
        self._moved()

    def turn_all(self, across: float, upward: float) -> None:
        """Turn every brain by degrees."""
        self.scene.turn_all(across, upward)
        self._moved()

    def take_cameras(self, cameras: Sequence[Camera]) -> None:
        """Look as told: one camera for each panel."""
        self.scene.take_cameras(cameras)
        self._moved()

    def reset_view(self) -> None:
        """Undo turns, pan and zoom."""
        self.scene.fit()
        self._moved()

    def _moved(self) -> None:
        self.request_paint()
        if self.on_camera is not None:
            self.on_camera()

    def pick_at(self, x: float, y: float) -> Pick | None:
        """Return what is under a point, None beside the brain."""
        width, height = self.size()
        return self.scene.pick_at((x + 0.5) / max(1, width), 1 - (y + 0.5) / max(1, height))
