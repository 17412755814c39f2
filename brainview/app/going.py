"""What commands do to go somewhere: the palette, coordinates, vertices, regions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from brainview.app.errors import Reporter
from brainview.app.palette import Palette
from brainview.app.window import MainWindow
from brainview.core.errors import MissingError
from brainview.maps.display import Pick
from brainview.maps.rois import RoiClass
from brainview.maps.space import Space, VolumeSpace
from brainview.state.app import AppState, RoiKey
from brainview.state.commands import Command, Commands
from brainview.state.places import Place, center_vertex, regions
from brainview.state.view import ViewState


class Going:
    """The part of the controller that moves the cursor."""

    app: AppState
    view: ViewState
    window: MainWindow
    reporter: Reporter
    commands: Commands | None
    regions: Callable[[], tuple[dict[str, RoiClass], Space | None]]

    def show_palette(self, places_only: bool = False) -> Palette:
        """Open the box that finds commands, regions and places."""
        def run(command: Command) -> None:
            if self.commands is not None:
                self.reporter.guarded(lambda: self.commands.run(command.id))  # type: ignore[union-attr]

        classes, space = self.regions()
        known = regions(classes, space) if space is not None else []
        palette = Palette(self.window, None if places_only else self.commands,
                          [(words, partial(self.reporter.guarded, partial(self.go_to_region, key)))
                           for words, key in known],
                          lambda place: self.reporter.guarded(lambda: self.go_to(place)), run)
        palette.open()
        return palette

    def _scene(self) -> Any:
        viewer = self.window.viewer
        if viewer is None or viewer.canvas is None or viewer.canvas.scene.space is None:
            raise MissingError("there is no brain on screen", remedy="Open a data set or a map first.")
        return viewer.canvas.scene

    def go_to(self, place: Place) -> Pick | None:
        """Put the cursor on a place; raises MissingError where there is nothing."""
        drawn = self.view.map
        if place.ras is not None and drawn is not None and isinstance(drawn.space.root, VolumeSpace) \
                and self.view.volume == "slices":
            return self._picked(self._voxel(drawn, place.ras))
        scene = self._scene()
        if place.ras is not None:
            from brainview.scene.links import nearest_vertex

            found = nearest_vertex(scene, place.ras, "MNI152", reach=20.0)
            if found is None:
                raise MissingError("no vertex lies within 20 mm of {:g}, {:g}, {:g}".format(*place.ras),
                                   remedy="Give MNI152 millimetres, right, anterior, superior positive.")
            return self._picked(found)
        mesh = scene.meshes.get(place.hemisphere)
        if mesh is None or not 0 <= place.vertex < len(mesh.points):
            count = 0 if mesh is None else len(mesh.points)
            raise MissingError(f"the {place.hemisphere} hemisphere on screen has no vertex {place.vertex:,}",
                               remedy=f"It has 0 to {count - 1:,}." if count else "Show that hemisphere first.")
        return self._picked(scene.pick_of(place.hemisphere, place.vertex))

    def go_to_region(self, key: RoiKey) -> Pick | None:
        """Select a region, outline it and put the cursor in its middle."""
        (classes, space), scene = self.regions(), self._scene()
        mesh = scene.meshes.get(key.hemisphere)
        if space is None or mesh is None:
            raise MissingError(f"{key.roi} is not on screen", remedy="Show its hemisphere first.")
        vertex = center_vertex(classes, space, key, mesh.anatomical)
        self.app.rois = (key,)
        if vertex is None:
            raise MissingError(f"{key.roi} has no vertex on this mesh")
        pick = scene.pick_of(key.hemisphere, vertex)
        self.view.picked = pick
        return pick

    def _picked(self, pick: Pick) -> Pick:
        self.view.picked = pick
        viewer = self.window.viewer
        if viewer is not None:
            viewer.picked.emit(pick)
        return pick

    @staticmethod
    def _voxel(drawn: Any, ras: tuple[float, float, float]) -> Pick:
        root = drawn.space.root
        index = np.round(np.linalg.inv(root.affine) @ [*ras, 1.0])[:3].astype(int)
        if np.any(index < 0) or np.any(index >= np.array(root.shape)):
            raise MissingError("{:g}, {:g}, {:g} mm lies outside of the volume".format(*ras))
        values = drawn.expanded().values
        flat = int(np.ravel_multi_index(tuple(index), root.shape))
        x, y, z = (float(v) for v in (root.affine @ [*index, 1.0])[:3])
        i, j, k = (int(v) for v in index)
        name = {"scanner": "scanner RAS", "unknown": "unknown space"}.get(root.world, root.world)
        return Pick("volume", -1, flat, (x, y, z), name, float(values[flat]), (i, j, k), flat)
