"""The part of the wiring that ties places and regions to the state; see ``wiring.py`` for the flow."""

from __future__ import annotations

import math
from typing import Any

from brainview.app.controller import Controller
from brainview.app.theme import color
from brainview.app.window import MainWindow
from brainview.maps.display import Pick
from brainview.maps.rois import RoiClass
from brainview.state.app import AppState, RoiKey
from brainview.state.regions import SELECTION, region_names, regions_at, selection_class
from brainview.state.view import ViewState


class RegionWiring:
    """Places on the cortex and regions, both ways."""

    c: Controller
    app: AppState
    view: ViewState
    window: MainWindow

    def _show_rois(self) -> None:
        viewer, subject = self.window.viewer, self.app.subject
        if viewer is None:
            return
        classes: dict[str, RoiClass] = dict(subject.rois) if subject is not None else {}
        tint = color("right")
        rgba = (tint.redF(), tint.greenF(), tint.blueF(), 1.0)
        chosen = None if subject is None else selection_class(subject.rois, subject.space, self.app.rois, rgba)
        if chosen is not None:
            classes[SELECTION] = chosen
        viewer.set_rois(classes)
        others = tuple(n for n in self.view.outlines if n != SELECTION and n in classes)
        with self.c.undo.paused():
            self.view.outlines = (*others, SELECTION) if chosen is not None else others

    def _regions(self, pick: Pick) -> tuple[RoiKey, ...]:
        subject, drawn = self.app.subject, self.view.map
        if subject is None or drawn is None or subject.space.root != drawn.space.root:
            return ()
        return regions_at(subject.rois, subject.space, pick.root_index)

    def _on_pick(self, pick: Pick | None) -> None:
        if pick is None:
            return
        self.app.rois = self._regions(pick)

    def _on_hover(self, pick: Pick | None) -> None:
        self._on_reading(pick if pick is not None else self.view.picked, None)

    def _on_reading(self, pick: Pick | None, old: Any) -> None:
        drawn, subject = self.view.map, self.app.subject
        value = math.nan if pick is None else pick.value
        names: list[str] = []
        if pick is not None and subject is not None and drawn is not None \
                and subject.space.root == drawn.space.root:
            names = region_names(subject.rois, subject.space, pick.root_index)
        self.window.status.show_reading(pick, drawn, value, names)
