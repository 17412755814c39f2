"""What is written on the brains: orientation letters, panel captions, ROI borders and names, the picked place."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper, vtkTextActor

from brainview.core.names import shown
from brainview.core.paths import resource
from brainview.maps.display import Pick
from brainview.maps.rois import RoiClass
from brainview.scene.outlines import Crossing, anchors, crossing, drawn

if TYPE_CHECKING:
    from brainview.scene.surface import SurfaceScene, _Cell

#: Sizes at scale 1: letters, captions and names in points of 1/72 inch at 72 dpi (= pixels), lines in pixels.
LETTER, CAPTION, NAME, CORE, CASING = 12, 12, 12, 1.6, 3.4
_EDGES = {"left": (0.012, 0.5, 0, 1), "right": (0.988, 0.5, 2, 1), "top": (0.5, 0.985, 1, 2),
          "bottom": (0.5, 0.015, 1, 0)}
#: Lines float this far above the surface, mm, so that the surface does not swallow them.
LIFT = 0.45


class Annotations:
    """Everything in a scene that is not the cortex itself; owned by :class:`SurfaceScene`."""

    def __init__(self, scene: SurfaceScene) -> None:
        self._scene = scene
        self._classes: dict[str, RoiClass] = {}
        self._names = False
        self._pick: Pick | None = None
        self._lines: dict[str, list[vtkPolyDataMapper]] = {}
        self._crossings: dict[tuple[int, str], tuple[np.ndarray, np.ndarray, dict, Crossing]] = {}
        self._anchors: list[tuple[str, str, int]] = []
        self._texts: dict[_Cell, dict[str, vtkTextActor]] = {}
        self._name_actors: dict[_Cell, list[tuple[vtkTextActor, str, int]]] = {}
        self._props: dict[_Cell, list[Any]] = {}
        self._cross: dict[_Cell, list[vtkActor]] = {}

    # ---- outlines ------------------------------------------------------------------------------------------------

    def set_outlines(self, classes: Mapping[str, RoiClass], names: bool) -> None:
        """Replace the borders and names."""
        self._classes, self._names = dict(classes), names
        self.rebuild()

    def rebuild(self) -> None:
        """Make the lines anew for the present surface."""
        self._lines, self._anchors = {}, []
        sizes: dict[tuple[str, int], int] = {}
        space = self._scene.space
        for side, mesh in self._scene.meshes.items():
            assert space is not None
            part = space.left if side == "left" else space.right
            points, segments, normals, start = [], [], [], 0
            for roi_class in self._classes.values():
                labels = _known(roi_class)[part]
                line = drawn(self._crossing(roi_class, side, labels), mesh.points, mesh.normals)
                points.append(line.points)
                normals.append(line.normals)
                segments.append(line.segments + start)
                start += len(line.points)
                if self._names:
                    used = np.zeros(len(labels), bool)
                    used[np.unique(mesh.faces)] = True
                    found = anchors(roi_class, np.where(used, labels, 0), mesh.points)
                    self._anchors += [(name, side, v) for name, v in found]
                    sizes |= {(side, v): int((labels == labels[v]).sum()) for _, v in found}
            if start:
                where = np.concatenate(points) + LIFT * np.concatenate(normals)
                self._lines[side] = [_line_mapper(where, np.concatenate(segments), nearer) for nearer in (-20, -60)]
        self._anchors.sort(key=lambda a: -sizes[a[1], a[2]])  # where names meet, the larger region keeps its own
        self.attach()

    def _crossing(self, roi_class: RoiClass, side: str, labels: np.ndarray) -> Crossing:
        """Return where the labels of a hemisphere change, found once per class while the mesh stays."""
        faces, key = self._scene.meshes[side].faces, (id(roi_class.labels), side)
        known = self._crossings.get(key)
        if known is not None and known[0] is roi_class.labels and known[1] is faces and known[2] == roi_class.table:
            return known[3]
        if len(self._crossings) > 64:
            self._crossings.clear()
        self._crossings[key] = (roi_class.labels, faces, dict(roi_class.table), crossing(labels, faces))
        return self._crossings[key][3]

    def attach(self) -> None:
        """Put lines, letters, names and marker into the panels (which may be new)."""
        cells = self._scene.cells
        self._name_actors = {}
        known: dict[_Cell, Any]
        for known in (self._props, self._texts, self._cross):
            for gone in known.keys() - cells:
                del known[gone]
        for cell in cells:
            renderer = cell.renderer
            for prop in self._props.get(cell, []):
                renderer.RemoveViewProp(prop)
            props = self._props[cell] = []
            self._attach_lines(cell)
            self._write(cell)
            names = []
            for name, side, vertex in self._anchors:
                if side in cell.panel.sides:
                    actor = self._text(NAME, 0, 0, 1, 1)
                    actor.SetInput(shown(name, limit=40))
                    actor.GetPositionCoordinate().SetCoordinateSystemToWorld()
                    actor.GetPositionCoordinate().SetValue(*(float(c) for c in self._scene.meshes[side].points[vertex]))
                    renderer.AddViewProp(actor)
                    props.append(actor)
                    names.append((actor, side, vertex))
            self._name_actors[cell] = names
        self.restyle()
        self.moved()

    def _write(self, cell: _Cell) -> None:
        """Put letters and caption into a panel that has none, or has those of another sort of surface."""
        flat, texts = self._scene.surface == "flat", self._texts.get(cell)
        if texts is not None and (len(texts) == 1) == flat:
            return
        for text in (texts or {}).values():
            cell.renderer.RemoveViewProp(text)
        texts = {} if flat else {edge: self._text(LETTER, *_EDGES[edge]) for edge in _EDGES}
        texts["caption"] = self._text(CAPTION, 0.016, 0.97, 0, 2)
        texts["caption"].SetInput(cell.panel.title)
        for text in texts.values():
            cell.renderer.AddViewProp(text)
        self._texts[cell] = texts

    def _attach_lines(self, cell: _Cell) -> None:
        for side in cell.panel.sides:
            looks = ((CASING, (12, 12, 12)), (CORE, (255, 255, 255)))
            for mapper, (width, color) in zip(self._lines.get(side, []), looks, strict=False):
                actor = _line_actor(mapper, width * self._scene.scale, color)
                cell.renderer.AddActor(actor)
                self._props[cell].append(actor)

    def _text(self, size: float, x: float, y: float, across: int, upward: int) -> vtkTextActor:
        text = vtkTextActor()
        text.SetTextScaleModeToNone()
        look = text.GetTextProperty()
        look.SetFontFamily(4)  # VTK_FONT_FILE
        look.SetFontFile(_font())
        look.SetFontSize(max(6, round(size * self._scene.scale)))
        look.SetJustification(across)
        look.SetVerticalJustification(upward)
        text.GetPositionCoordinate().SetCoordinateSystemToNormalizedViewport()
        text.SetPosition(x, y)
        text.PickableOff()
        return text

    # ---- style, cameras, marker ----------------------------------------------------------------------------------

    def restyle(self) -> None:
        """Write in the ink of the present background."""
        look = self._scene.background
        quiet = tuple(c / 255 for c in look.quiet)
        for texts in self._texts.values():
            for text in texts.values():
                text.GetTextProperty().SetColor(*quiet)
        for names in self._name_actors.values():
            for actor, _, _ in names:
                style = actor.GetTextProperty()
                style.SetColor(1, 1, 1)
                style.SetBackgroundColor(0.06, 0.07, 0.09)
                style.SetBackgroundOpacity(0.62)

    def moved(self, cell: _Cell | None = None) -> None:
        """Follow the camera: letters say what is at each edge, names behind the brain are hidden."""
        for one in self._scene.cells if cell is None else [cell]:
            letters = {**one.camera.letters(), "caption": one.panel.seen_from(one.camera.towards)}
            self._make_room(one)
            for edge, text in self._texts.get(one, {}).items():
                if edge in letters and text.GetInput() != letters[edge]:
                    text.SetInput(letters[edge])
            taken: list[tuple[float, float, float, float]] = []
            for actor, side, vertex in self._name_actors.get(one, []):
                seen = self._scene.in_sight(one, side, vertex, facing=0.3)
                if seen:
                    box = self._box(one, actor, self._scene.meshes[side].points[vertex])
                    seen = not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken)
                    if seen:
                        taken.append(box)
                actor.SetVisibility(seen)
            self._draw_cross(one)

    def _make_room(self, cell: _Cell) -> None:
        """Write the letter at the top lower where the caption, or a label over the panel, would run into it."""
        top, caption = (self._texts.get(cell, {}).get(name) for name in ("top", "caption"))
        if top is None or caption is None:
            return
        width, height = cell.pixels()
        size = CAPTION * self._scene.scale
        narrow = 0.016 * width + 0.52 * size * len(caption.GetInput()) + size > width / 2
        x, y = _EDGES["top"][:2]
        top.SetPosition(x, 1 - 2.8 * size / height if narrow else y)

    def _box(self, cell: _Cell, actor: vtkTextActor, point: np.ndarray) -> tuple[float, float, float, float]:
        """Return (left, bottom, right, top) of a name in pixels of its panel, estimated from its letters."""
        x, y = cell.camera.project(point, cell.aspect)
        width, height = cell.pixels()
        size = NAME * self._scene.scale
        half, up = 0.29 * size * len(actor.GetInput()) + 2, 0.62 * size
        x, y = (x + 1) / 2 * width, (y + 1) / 2 * height
        return x - half, y - up, x + half, y + up

    def set_marker(self, pick: Pick | None) -> None:
        """Put the marker on a vertex, or take it away (None, or a voxel)."""
        self._pick = pick
        for cell in self._scene.cells:
            self._draw_cross(cell)

    def _draw_cross(self, cell: _Cell) -> None:
        """Draw a cross hair around the picked vertex in one panel, the same size on every zoom, if it is in sight."""
        for actor in self._cross.pop(cell, []):
            cell.renderer.RemoveActor(actor)
        pick, scene = self._pick, self._scene
        mesh = None if pick is None else scene.meshes.get(pick.hemisphere)
        if pick is None or mesh is None or pick.hemisphere not in cell.panel.sides:
            return
        if not 0 <= pick.vertex < len(mesh.points) or not scene.in_sight(cell, pick.hemisphere, pick.vertex):
            return
        camera = cell.camera
        unit = scene.scale * 2 * camera.half_height / cell.pixels()[1]
        center = mesh.points[pick.vertex] + 40 * camera.towards  # before the folds around it; parallel, so in place
        arms = [np.cos(a) * camera.right + np.sin(a) * camera.up for a in np.arange(4) * np.pi / 2]
        points = np.concatenate([[center + 4 * unit * arm, center + 12 * unit * arm] for arm in arms])
        segments = np.arange(8).reshape(4, 2)
        actors = []
        for width, color, nearer in ((4.6, (12, 14, 18), 0.0), (2.2, scene.background.marker, 1.0)):
            actors.append(_line_actor(_line_mapper(points + nearer * camera.towards, segments), width * scene.scale,
                                      color))
            cell.renderer.AddActor(actors[-1])
        self._cross[cell] = actors

    def close(self) -> None:
        """Forget all actors."""
        self._texts, self._name_actors, self._lines, self._props, self._cross = {}, {}, {}, {}, {}


@cache
def _font() -> str:
    return str(resource("fonts/Inter-Medium.ttf"))


def _known(roi_class: RoiClass) -> np.ndarray:
    """Return labels with everything outside the table as 0."""
    keys = np.array(sorted(k for k in roi_class.table if k > 0), np.int64)
    labels = np.asarray(roi_class.labels)
    return np.where(np.isin(labels, keys), labels, 0)


def _line_actor(mapper: vtkPolyDataMapper, width: float, color: tuple[int, int, int]) -> vtkActor:
    actor = vtkActor()
    actor.SetMapper(mapper)
    actor.GetProperty().SetLighting(False)
    actor.GetProperty().SetColor(*(c / 255 for c in color))
    actor.GetProperty().SetLineWidth(width)
    return actor


def _line_mapper(points: np.ndarray, segments: np.ndarray, nearer: float = 0.0) -> vtkPolyDataMapper:
    """Return lines; `nearer` < 0 wins against what is as deep (the white core over its dark casing)."""
    data, where, cells = vtkPolyData(), vtkPoints(), vtkCellArray()
    where.SetData(numpy_to_vtk(np.ascontiguousarray(points, np.float32), deep=True))
    offsets = np.arange(0, segments.size + 1, 2, dtype=np.int64)
    cells.SetData(numpy_to_vtkIdTypeArray(offsets, deep=True),
                  numpy_to_vtkIdTypeArray(np.ascontiguousarray(segments.reshape(-1), np.int64), deep=True))
    data.SetPoints(where)
    data.SetLines(cells)
    mapper = vtkPolyDataMapper()
    mapper.SetInputData(data)
    mapper.StaticOn()
    if nearer:
        mapper.SetResolveCoincidentTopologyToPolygonOffset()
        mapper.SetRelativeCoincidentTopologyLineOffsetParameters(0, nearer)
    return mapper
