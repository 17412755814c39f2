"""The part of the wiring that ties places and regions to the state; see ``wiring.py`` for the flow."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from brainview.app.controller import Controller
from brainview.app.theme import color
from brainview.app.window import MainWindow
from brainview.maps.display import Pick
from brainview.state.app import AppState, RoiKey
from brainview.state.regions import SELECTION, own_index, region_names, regions_at, selection_class
from brainview.state.view import ViewState


class RegionWiring:
    """Places on the cortex and regions, both ways."""

    c: Controller
    app: AppState
    view: ViewState
    window: MainWindow
    refresh_rois: Any
    _prepare: Any
    _picked_on = ""  # name of the mesh or grid that the picked place belongs to

    def _show_rois(self) -> None:
        viewer = self.window.viewer
        if viewer is None:
            return
        classes, space = self.c.regions()
        tint = color("right")
        rgba = (tint.redF(), tint.greenF(), tint.blueF(), 1.0)
        chosen = None if space is None else selection_class(classes, space, self.app.rois, rgba)
        if chosen is not None:
            classes[SELECTION] = chosen
        classes |= self.c.outlines
        viewer.set_rois(classes)
        for one in self.window.gallery.others if self.window.gallery is not None else ():
            one.viewer.set_rois(classes)
        others = tuple(n for n in self.view.outlines if n != SELECTION and n in classes and n not in self.c.outlines)
        others += tuple(self.c.outlines)
        with self.c.undo.paused():
            self.view.outlines = (*others, SELECTION) if chosen is not None else others

    def _on_space(self, new: Any, old: Any) -> None:
        """Offer other regions when maps of another space are shown; outlines are not made anew for each map."""
        if new is None or (old is not None and new.space.root == old.space.root):
            return
        if old is not None:
            self.c.start(self._prepare(new.space))
        if self.c.atlases.atlases:
            self.refresh_rois()

    def _regions(self, pick: Pick) -> tuple[RoiKey, ...]:
        (classes, space), drawn = self.c.regions(), self.view.map
        if space is None or drawn is None or space.root != drawn.space.root:
            return ()
        return regions_at(classes, space, pick.root_index)

    def _on_pick(self, pick: Pick | None) -> None:
        if pick is None:
            return
        self.app.rois = self._regions(pick)

    def _on_hover(self, pick: Pick | None) -> None:
        if pick is None:
            self._read_again()
        else:
            self._on_reading(pick, None)

    def _on_picked(self, pick: Pick | None, old: Any) -> None:
        drawn = self.view.map
        self._picked_on = "" if drawn is None else drawn.space.root.name
        self._on_reading(pick, old)

    def _read_again(self) -> None:
        """Read the picked place off the map that is drawn now; a place on another mesh or grid is not read."""
        pick, drawn = self.view.picked, self.view.map
        if pick is None or drawn is None or drawn.space.root.name != self._picked_on:
            self._on_reading(None, None)
            return
        index = own_index(drawn.space, pick.root_index)
        value = math.nan if index is None else drawn.at(index)
        self._on_reading(replace(pick, index=index, value=value), None)

    def _on_reading(self, pick: Pick | None, old: Any) -> None:
        drawn = self.view.map
        value = math.nan if pick is None else pick.value
        names: list[str] = []
        classes, space = self.c.regions()
        if pick is not None and space is not None and drawn is not None and space.root == drawn.space.root:
            names = region_names(classes, space, pick.root_index)
        more = [] if pick is None else [w for tell in self.c.readouts for w in tell(pick)]
        self.window.status.show_reading(pick, drawn, value, names, more)
