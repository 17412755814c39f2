"""What leaves the viewer as a picture: the arrangement on screen, drawn anew at any size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brainview.core.errors import BrainViewError
from brainview.maps.layers import Layer


class ViewerExport:
    """The part of the viewer that writes pictures."""

    view: Any
    canvas: Any
    stack: Any
    colors: Any
    drawn_map: Any
    _slices: Any
    _rois: dict[str, Any]
    _placed: Any
    _is_volume: Any
    layers_on_surface: Any
    layers_in_volume: Any

    def look(self, **changes: Any) -> Any:
        """Return the arrangement on screen, cameras included, as a :class:`brainview.scene.snapshot.Look`."""
        from brainview.scene.snapshot import Look

        view = self.view
        cameras = tuple(c.camera for c in self.canvas.scene.cells) if self.canvas is not None else ()
        values: dict[str, Any] = {
            "surface": view.surface, "layout": view.layout, "view": view.view, "hemispheres": view.hemispheres,
            "background": view.background, "names": view.show_names, "slices": view.slices,
            "radiological": view.radiological, "cameras": cameras}
        if self._slices is not None and self._is_volume():
            values["cursor"] = self._slices.place
        return Look(**{**values, **changes})

    def snapshot(self, path: str | Path, *, size: tuple[int, int] | None = None, cm: tuple[float, float] | None = None,
                 dpi: float = 150.0, source: Mapping[str, Any] | None = None, **changes: Any) -> Path:
        """Write what is on screen as PNG, drawn anew off screen at `size` pixels or `cm` x `dpi`.

        `source` says where the map came from, for the picture's story.
        `changes` are fields of :class:`brainview.scene.snapshot.Look` (transparent, background, colorbar...). Raises
        BrainViewError when there is no map.
        """
        from brainview.scene.snapshot import snapshot

        brain_map = self.drawn_map()
        if brain_map is None:
            raise BrainViewError("there is no map on screen to export", remedy="Open or compute one first.")
        if size is None:
            size = (max(64, 2 * self.stack.width()), max(64, 2 * (self.stack.height() + self.colors.height())))
        outlines = {name: self._rois[name] for name in self._placed(brain_map.space)}
        return snapshot(brain_map, path, size=size, cm=cm, dpi=dpi, rule=self.view.rule, look=self.look(**changes),
                        outlines=outlines, marker=self.view.picked, source=source, layers=self.drawn_layers())

    def shot(self, title: str, **changes: Any) -> Any:
        """Return what is on screen as a part of a picture of several viewers, None without a map."""
        from brainview.scene.montage import Shot

        brain_map = self.drawn_map()
        if brain_map is None:
            return None
        outlines = {name: self._rois[name] for name in self._placed(brain_map.space)}
        return Shot(title, brain_map, self.view.rule, self.look(**changes), outlines, self.view.picked,
                    self.drawn_layers())

    def placed_names(self) -> list[str]:
        """Return the classes of regions whose borders are drawn on the present map."""
        brain_map = self.drawn_map()
        return [] if brain_map is None else list(self._placed(brain_map.space))

    def drawn_layers(self) -> tuple[Layer, ...]:
        """Return the layers as they are drawn, () for a single map."""
        from brainview.scene.hemisphere import surface_of

        brain_map = self.drawn_map()
        if brain_map is None:
            return ()
        if self._is_volume() and self.view.volume == "slices":
            return self.layers_in_volume(brain_map)
        space = surface_of(brain_map.space)
        return () if space is None else self.layers_on_surface(brain_map, space)
