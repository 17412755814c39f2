"""Slices beside the cortex, linked both ways: a click on either moves the cross hair of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from brainview.app.slice_widget import SliceWidget
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import Pick, rule_for
from brainview.maps.layers import Layer
from brainview.maps.rois import RoiClass
from brainview.maps.space import SurfaceSpace, VolumeSpace, get_space
from brainview.scene.links import nearest_vertex, place_of
from brainview.scene.slices import underlay_is_here
from brainview.state.view import ViewState


class SlicesBeside(QWidget):
    """Three planes of the map in MNI space, or of the template while its values are on their way.

    Signals
    -------
    picked : Pick
        A vertex for maps on a surface (the nearest within reach), a voxel for volumes.
    hovered : Pick or None
    volume_needed : BrainMap
        A surface map is to be drawn in a volume: hand the answer to :meth:`set_volume`.
    """

    picked = Signal(object)
    hovered = Signal(object)
    volume_needed = Signal(object)

    def __init__(self, view: ViewState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = view
        self._scene: Callable[[], Any] = lambda: None
        self._twin: tuple[BrainMap, BrainMap] | None = None
        self._asked: BrainMap | None = None
        self._clicked: tuple[Pick, tuple[float, float, float]] | None = None
        self._empty: BrainMap | None = None
        self._layers: Callable[[BrainMap], Sequence[Layer]] = lambda _: ()
        self.slices = SliceWidget(self)
        self.slices.setAccessibleName("Slices beside the cortex")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.slices)
        self.slices.picked.connect(self._on_pick)
        self.slices.hovered.connect(self._on_hover)
        self.setMinimumWidth(180)
        self.hide()

    def showEvent(self, event: QShowEvent) -> None:
        """Take two fifths of the width when there is no other wish."""
        super().showEvent(event)
        split = self.parentWidget()
        if isinstance(split, QSplitter) and split.width() > 0:
            split.setSizes([3 * split.width() // 5, 2 * split.width() // 5])

    def follow(self, scene: Callable[[], Any]) -> None:
        """Say where the surface scene is; it may be None still."""
        self._scene = scene

    def set_volume(self, surface: BrainMap, volume: BrainMap) -> None:
        """Hand over the volume form of a surface map (the answer to `volume_needed`)."""
        self._twin = (surface, volume)
        self.sync({}, self._layers)

    def sync(self, outlines: Mapping[str, RoiClass],
             layers: Callable[[BrainMap], Sequence[Layer]] = lambda _: ()) -> None:
        """Show what the state says; `outlines` have labels on the volume's space, `layers` gives them in it."""
        self._layers = layers
        view = self._view
        shown = self._volume()
        volume_drawn = view.map is not None and isinstance(view.map.space.root, VolumeSpace)
        self.setVisible(view.beside and shown is not None and not (volume_drawn and view.volume == "slices"))
        if shown is None or self.isHidden():
            return
        root = shown.space.root
        assert isinstance(root, VolumeSpace)
        cursor = place_of(view.picked, root.world)
        if self._clicked is not None and view.picked is self._clicked[0]:
            cursor = self._clicked[1]
        rule = view.rule if shown is not self._empty else rule_for(shown)
        self.slices.show_map(shown, rule, dict(outlines) if volume_drawn else {}, background=view.background,
                             radiological=view.radiological, mode="ortho", cursor=cursor,
                             layers=() if shown is self._empty else layers(shown))

    def _volume(self) -> BrainMap | None:
        """Return what is drawn: the map, its volume form, or no data on the template; None where none fits."""
        brain_map = self._view.map
        if brain_map is not None and isinstance(brain_map.space.root, VolumeSpace):
            return brain_map
        if brain_map is not None and isinstance(brain_map.space.root, SurfaceSpace):
            if not brain_map.space.root.name.startswith("fsaverage"):
                return None  # a person's own surface: its place in MNI space is not known
            if self._twin is not None and self._twin[0] is brain_map:
                return self._twin[1]
            if self._view.beside and self._asked is not brain_map:
                self._asked = brain_map
                self.volume_needed.emit(brain_map)
        if self._view.beside and not underlay_is_here():
            return None  # it is being unpacked; the window draws again when it is there
        if self._empty is None and self._view.beside:
            space = get_space("mni152-2mm")
            self._empty = BrainMap(np.full(space.size, np.nan, np.float32), space, "MNI152 template")
        return self._empty

    def _vertex(self, pick: Pick | None) -> Pick | None:
        """Return the vertex nearest to a voxel where the drawn map lives on a surface, else the voxel."""
        brain_map, scene = self._view.map, self._scene()
        if pick is None or scene is None or (brain_map is not None
                                             and isinstance(brain_map.space.root, VolumeSpace)):
            return pick
        return nearest_vertex(scene, pick.ras, pick.space)

    def _on_pick(self, pick: Pick) -> None:
        found = self._vertex(pick)
        if found is None:
            self.slices.place = pick.ras
            self.slices.refresh()
            return
        self._clicked = (found, pick.ras)
        self.picked.emit(found)

    def _on_hover(self, pick: Pick | None) -> None:
        self.hovered.emit(self._vertex(pick))
