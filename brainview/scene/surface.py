"""The cortical scene: both hemispheres, their colours, outlines, names and marker, in the panels of a VTK window.

It draws into the render window of any pyvista plotter (``plotter.ren_win``) or into a bare VTK window, and never paints
by itself: its owner decides when. What decides the speed on software OpenGL, and is kept here:

- colours are blended in numpy and written into one array in place; no actor is ever added again for new values;
- normals are computed once and the shading is Phong's (a plotter's ``smooth_shading`` would split vertices and cost
  100 ms and more per change of values on a fine mesh);
- every hemisphere has one mapper, shared by all the panels that show it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import vtkmodules.vtkRenderingFreeType
import vtkmodules.vtkRenderingOpenGL2  # noqa: F401  (both register VTK's implementations)
from vtkmodules.vtkRenderingCore import vtkLight, vtkRenderer, vtkRenderWindow

from brainview.core.errors import MissingError
from brainview.maps.brainmap import BrainMap
from brainview.maps.layers import Layer
from brainview.maps.rois import RoiClass
from brainview.maps.space import Space, SurfaceSpace
from brainview.scene import views
from brainview.scene.annotations import Annotations
from brainview.scene.cameras import Cameras
from brainview.scene.colors import ColorRule, Paint, Pick, compose, paint_of
from brainview.scene.hemisphere import Hemisphere, load_hemispheres, moved_in_place, on_surface, thinned
from brainview.scene.theme import BACKGROUNDS, Background

#: (position of the light in the camera's frame, strength); together about 1 on a surface that faces the eye.
LIGHTS = (((-0.5, 0.7, 1.0), 0.62), ((0.8, -0.3, 0.9), 0.26))


class _Cell:
    """One panel: a renderer, the camera on it and what is written on it."""

    def __init__(self, panel: views.Panel, window: vtkRenderWindow) -> None:
        self.panel = panel
        self.renderer = vtkRenderer()
        self.renderer.SetViewport(*panel.rect)
        self.renderer.AutomaticLightCreationOff()
        for position, strength in LIGHTS:
            light = vtkLight()
            light.SetLightTypeToCameraLight()
            light.SetPosition(*position)
            light.SetFocalPoint(0, 0, 0)
            light.SetIntensity(strength)
            self.renderer.AddLight(light)
        self.renderer.GetActiveCamera().SetParallelProjection(True)
        towards, up = views.looking(panel.view, panel.sides[0])
        self.camera = views.Camera(towards, up)
        self.window = window
        window.AddRenderer(self.renderer)

    def pixels(self) -> tuple[float, float]:
        """Return the width and height of the panel in device pixels."""
        width, height = self.window.GetSize()
        x0, y0, x1, y1 = self.panel.rect
        return max(1.0, (x1 - x0) * width), max(1.0, (y1 - y0) * height)

    @property
    def aspect(self) -> float:
        """Width by height."""
        width, height = self.pixels()
        return width / height

    def aim(self) -> None:
        """Hand the camera to VTK."""
        camera = self.renderer.GetActiveCamera()
        camera.SetFocalPoint(*self.camera.focus)
        camera.SetPosition(*(self.camera.focus + self.camera.towards * views.DISTANCE))
        camera.SetViewUp(*self.camera.up)
        camera.SetParallelScale(self.camera.half_height)
        camera.SetClippingRange(views.DISTANCE - 450, views.DISTANCE + 450)

    def close(self) -> None:
        self.renderer.RemoveAllViewProps()
        self.renderer.RemoveAllLights()
        self.window.RemoveRenderer(self.renderer)


def _fitting(one: RoiClass, own: Space | None, drawn: SurfaceSpace | None) -> RoiClass:
    """Return a class with labels on the mesh on screen, which may stand for a larger one."""
    if drawn is None or not isinstance(own, SurfaceSpace) or len(one.labels) != own.size:
        return one
    return RoiClass(one.name, thinned(one.labels, own, drawn), one.table)


class _OwnIndex:
    """Where the vertices of a surface are in a map's own order (mask, grayordinates, parcels); remembers the last."""

    def __init__(self) -> None:
        self._known: tuple[Space, np.ndarray] | None = None

    def positions(self, space: Space, surface: SurfaceSpace) -> np.ndarray:
        """Return (surface.size,) positions in `space`, NaN outside."""
        if self._known is None or self._known[0] != space:
            counting = BrainMap(np.arange(space.size, dtype=np.float32), space)
            self._known = (space, on_surface(counting, surface))
        return self._known[1]


class SurfaceScene(Cameras):
    """Brains in a render window.

    Parameters
    ----------
    window : vtkRenderWindow, or anything with ``ren_win`` (a pyvista plotter)
    scale : float
        Size of text and lines; 1 = a screen of 96 dpi.
    """

    def __init__(self, window: Any, *, scale: float = 1.0) -> None:
        self.window: vtkRenderWindow = getattr(window, "ren_win", window)
        self.scale = scale
        self._back = vtkRenderer()
        self._back.SetLayer(0)
        self._back.InteractiveOff()
        self.window.AddRenderer(self._back)
        self.meshes: dict[str, Hemisphere] = {}
        self.space: SurfaceSpace | None = None
        self.surface = "inflated"
        self._cells: list[_Cell] = []
        self._plan: list[views.Panel] = []
        self.map: BrainMap | None = None
        self._values: np.ndarray | None = None
        self._own = _OwnIndex()
        self.rule = ColorRule()
        self._stack: list[Paint] = []
        self._name, self._background = "dark", BACKGROUNDS["dark"]
        self.notes = Annotations(self)
        self.set_background("dark")

    # ---- what is drawn -------------------------------------------------------------------------------------------

    def set_surface(self, space: SurfaceSpace, surface: str) -> None:
        """Load the meshes of a space; colours are kept when the space stays the same.

        Raises BrainViewError when the mesh is not on this machine; the old picture then stays.
        """
        if self.space == space and self.surface == surface and self.meshes:
            return
        if self._cells and self.space == space and moved_in_place(self.meshes, space, self.surface, surface):
            self.surface = surface
            self.resized()
            self.notes.rebuild()
            return
        meshes = load_hemispheres(space, surface, lit=surface != "flat")
        same = self.space == space
        for old in self.meshes.values():
            old.close()
        for cell in self._cells:
            cell.close()
        self._cells, self.meshes, self.space, self.surface = [], meshes, space, surface
        if not same:
            self.map, self._values, self._stack = None, None, []
        if self._plan:
            self.set_panels(self._plan)
        self.recolor()
        self.notes.rebuild()

    def set_panels(self, plan: Sequence[views.Panel]) -> None:
        """Divide the window; cameras go to their standard views."""
        if self._cells and self._plan == list(plan):
            self.fit()
            return
        self._plan = list(plan)
        for cell in self._cells:
            cell.close()
        self._cells = []
        for panel in self._plan:
            sides = tuple(s for s in panel.sides if s in self.meshes)
            if not sides:
                continue
            cell = _Cell(views.Panel(panel.rect, sides, panel.view), self.window)
            for side in sides:
                cell.renderer.AddActor(self.meshes[side].actor())
            self._cells.append(cell)
        self.set_background(self._name)
        self.notes.attach()
        self.fit()

    def set_values(self, brain_map: BrainMap | None, rule: ColorRule | None = None) -> None:
        """Show a map (None: the plain anatomy) on the surface that is loaded, alone.

        Raises MismatchError when the map lives on another mesh.
        """
        self._values = None if brain_map is None else on_surface(brain_map, self.space)
        self.map = brain_map
        if rule is not None:
            self.rule = rule
        self._stack = []
        self.recolor()

    def set_layers(self, layers: Sequence[Layer]) -> None:
        """Show maps over each other, the lowest first; the map of :meth:`set_values` is still the one that is read.

        Raises MismatchError when one of them lives on another mesh; the old picture then stays.
        """
        self._stack = [paint_of(one, on_surface(one.map, self.space),
                                None if one.second is None else on_surface(one.second, self.space))
                       for one in layers]
        self.recolor()

    def set_rule(self, rule: ColorRule) -> None:
        """Change limits, threshold, colour map of the map that is shown alone."""
        if rule != self.rule:
            self.rule = rule
            self.recolor()

    def recolor(self) -> None:
        """Write the colours of all vertices, in place."""
        paints = self._stack
        if not paints and self.map is not None and self._values is not None:
            paints = [paint_of(Layer(self.map, self.rule), self._values)]
        for side, mesh in self.meshes.items():
            if not paints or self.space is None:
                mesh.paint(mesh.underlay)
                continue
            part = self.space.left if side == "left" else self.space.right
            compose([paint.at(part) for paint in paints], mesh.underlay, out=mesh.colors)
            mesh.painted()

    def set_outlines(self, classes: Mapping[str, RoiClass], names: bool = False) -> None:
        """Draw the borders (and names) of ROI classes, whose labels are on the root space of the mesh."""
        own = self.map.space.root if self.map is not None else None
        self.notes.set_outlines({name: _fitting(one, own, self.space) for name, one in classes.items()}, names)

    def set_marker(self, pick: Pick | None) -> None:
        """Mark a place, or none."""
        self.notes.set_marker(pick)

    def set_background(self, name: str) -> None:
        """Choose ``dark``, ``light`` (screens), ``white`` or ``black`` (print)."""
        if name not in BACKGROUNDS:
            raise MissingError(f"no background is called {name!r}", remedy="Known: " + ", ".join(BACKGROUNDS) + ".")
        self._name, self._background = name, BACKGROUNDS[name]
        for renderer in (self._back, *(cell.renderer for cell in self._cells)):
            renderer.SetBackground(*(c / 255 for c in self._background.paper))
            renderer.SetBackgroundAlpha(0.0)  # matters only where a picture with a transparent background is asked for
        self.notes.restyle()

    @property
    def background(self) -> Background:
        """Paper and ink."""
        return self._background

    @property
    def cells(self) -> list[_Cell]:
        """The panels with something in them."""
        return self._cells

    # ---- asking --------------------------------------------------------------------------------------------------

    def pick_at(self, x: float, y: float) -> Pick | None:
        """Return what is under (x, y) in 0..1 from the lower left corner, None beside the brain.

        Found by the line of sight through the mesh, so that it needs no picture and works in every canvas.
        """
        found = self.cell_at(x, y)
        if found is None:
            return None
        cell, across, upward = found
        start, end = cell.camera.ray(across, upward, cell.aspect)
        hits = [(distance, side, vertex) for side in cell.panel.sides
                for distance, vertex in [self.meshes[side].hit(start, end)] if vertex >= 0]
        if not hits:
            return None
        _, side, vertex = min(hits)
        return self.pick_of(side, vertex)

    def pick_of(self, side: str, vertex: int) -> Pick:
        """Return the full record of a vertex of a hemisphere."""
        assert self.space is not None
        root = vertex + (self.space.n_left if side == "right" else 0)
        index: int | None = root
        if self.map is not None:
            place = self._own.positions(self.map.space, self.space)[root]
            index = int(place) if np.isfinite(place) else None
        value = float(self._values[root]) if self._values is not None else float("nan")
        own = self.map.space.root if self.map is not None else self.space
        if isinstance(own, SurfaceSpace) and own != self.space:  # a smaller mesh stands for the map's own
            root = vertex + (own.n_left if side == "right" else 0)
        x, y, z = (float(c) for c in self.meshes[side].anatomical[vertex])
        return Pick(side, vertex, index, (x, y, z), self.meshes[side].world, value, None, root)  # type: ignore[arg-type]

    def where(self, side: str, vertex: int) -> list[tuple[float, float]]:
        """Return the places (0..1, from the lower left corner) where a vertex is in sight, one per panel."""
        places = []
        for cell in self._cells:
            if side in cell.panel.sides and self.in_sight(cell, side, vertex):
                x, y = cell.camera.project(self.meshes[side].points[vertex], cell.aspect)
                x0, y0, x1, y1 = cell.panel.rect
                if abs(x) <= 1 and abs(y) <= 1:
                    places.append((x0 + (x + 1) / 2 * (x1 - x0), y0 + (y + 1) / 2 * (y1 - y0)))
        return places

    def in_sight(self, cell: _Cell, side: str, vertex: int, *, facing: float = 0.05) -> bool:
        """Tell whether nothing of the brain lies between the eye and a vertex."""
        mesh = self.meshes[side]
        point = mesh.points[vertex].astype(float)
        if float(mesh.normals[vertex] @ cell.camera.towards) < facing:
            return False
        start = point + cell.camera.towards * 2 * views.DISTANCE
        end = point + cell.camera.towards * 1.0
        return all(self.meshes[s].hit(start, end)[1] < 0 for s in cell.panel.sides)

    def close(self) -> None:
        """Take everything out of the window."""
        self.notes.close()
        for cell in self._cells:
            cell.close()
        for mesh in self.meshes.values():
            mesh.close()
        self._cells, self.meshes = [], {}
        self.window.RemoveRenderer(self._back)
