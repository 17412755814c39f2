"""The layers of a viewer in the form in which they are drawn: all on one cortex, or all in one volume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from brainview.core.names import shown
from brainview.maps.brainmap import BrainMap
from brainview.maps.layers import Layer
from brainview.maps.space import SurfaceSpace, VolumeSpace
from brainview.state.layers import is_single, main_index, stack
from brainview.state.view import ViewState


class ViewerLayers:
    """The part of the viewer that brings layers into the form of the map on screen.

    Maps in another form are asked for once (``form_needed``) and are left out until they are there.
    """

    view: ViewState
    form_needed: Any
    notice: Any
    _changed: Any
    _pill: Any
    canvas: Any
    _forms: dict[tuple[int, str], tuple[BrainMap, BrainMap | None]]
    _told: set[str]

    def set_form(self, brain_map: BrainMap, form: str, converted: BrainMap) -> None:
        """Hand over a layer's map on the ``surface`` or in the ``volume`` (the answer to `form_needed`)."""
        self._forms[id(brain_map), form] = (brain_map, converted)
        self._changed()

    def layers_on_surface(self, drawn: BrainMap | None, space: SurfaceSpace) -> tuple[Layer, ...]:
        """Return the layers as they are drawn on the cortex, () for a single map."""
        from brainview.scene.hemisphere import surface_of

        def fits(one: BrainMap) -> bool:
            return surface_of(one.space) == space

        return self._formed(drawn, "surface", VolumeSpace, fits, space.name)

    def layers_in_volume(self, drawn: BrainMap) -> tuple[Layer, ...]:
        """Return the layers as they are drawn in slices of `drawn`, () for a single map."""
        grid = drawn.space.root
        assert isinstance(grid, VolumeSpace)

        def fits(one: BrainMap) -> bool:
            own = one.space.root
            return isinstance(own, VolumeSpace) and (own == grid or (own.world == grid.world != "unknown"))

        return self._formed(drawn, "volume", SurfaceSpace, fits, grid.name)

    def _formed(self, drawn: BrainMap | None, form: str, foreign: type, fits: Callable[[BrainMap], bool],
                name: str) -> tuple[Layer, ...]:
        if drawn is None or is_single(self.view):
            return ()
        main = main_index(self.view)
        out = []
        for index, layer in enumerate(stack(self.view, drawn)):
            own = layer.map if index == main else self._form(layer.map, form, foreign, fits, name)
            second = None if layer.second is None else self._form(layer.second, form, foreign, fits, name)
            if own is None:
                continue
            if layer.second is not None and second is None:
                layer = layer.having(gate=None, second=None, visible=False)  # nothing is shown that may be hidden
            else:
                layer = layer.having(second=second)
            out.append(layer.having(map=own))
        return tuple(out)

    def _form(self, one: BrainMap, form: str, foreign: type, fits: Callable[[BrainMap], bool],
              name: str) -> BrainMap | None:
        """Return a map in the form asked for, None while it is on its way or where it has none."""
        if fits(one):
            return one
        key = (id(one), form)
        known = self._forms.get(key)
        if known is None and isinstance(one.space.root, foreign):
            while len(self._forms) > 32:
                self._forms.pop(next(iter(self._forms)))
            self._forms[key] = (one, None)
            self.form_needed.emit(one, form)
            known = self._forms.get(key)
        found = None if known is None else known[1]
        if found is not None and fits(found):
            return found
        if known is None or found is not None:
            words = f"{shown(one.name)} is on {one.space.name} and is not drawn over maps on {name}"
            if words not in self._told:
                self._told.add(words)
                self.notice.emit(words)
        return None

    def _place_pill(self) -> None:
        """Label simulated data when any visible layer is such."""
        seen = [one.map for one in stack(self.view) if one.visible and one.map.is_phantom]
        cells = self.canvas.scene.cells if self.canvas is not None and self.view.surface != "flat" else ()
        last = max((c.panel.rect for c in cells), key=lambda r: (r[3], r[2]), default=(0.0, 0.0, 1.0, 1.0))
        self._pill.place(seen[0] if seen else self.view.map, (last[0] + last[2]) / 2)
