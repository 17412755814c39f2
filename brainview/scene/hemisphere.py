"""One hemisphere in VTK: geometry, normals, colours that change in place, and a search tree for picking."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, cast

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
from vtkmodules.vtkCommonCore import mutable, vtkPoints
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData, vtkStaticCellLocator
from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

from brainview.core.errors import BrainViewError, MismatchError, MissingError
from brainview.maps import morph
from brainview.maps.brainmap import BrainMap
from brainview.maps.meshes import Mesh, load_mesh, load_scalar
from brainview.maps.space import VERTICES, GrayordinateSpace, MaskedSpace, ParcelSpace, Space, SurfaceSpace
from brainview.scene.colors import anatomy

#: Space between hemispheres that are moved apart, mm.
GAP = 12.0
#: Surfaces whose coordinates overlap in the middle or mean nothing there.
_APART = ("inflated", "flat", "sphere")
#: What a mesh's coordinates are called on screen.
WORLDS = {"MNI305": "MNI305 (fsaverage)", "scanner": "scanner RAS", "tkr": "FreeSurfer surface RAS",
          "none": "no anatomical coordinates", "unknown": "unknown space"}


class Hemisphere:
    """Points, colours and pick tree of one side.

    Parameters
    ----------
    points : (n, 3) float32 array
        The drawn surface, mm.
    faces : (m, 3) int array
    anatomical : (n, 3) float32 array and str
        White or mid-thickness surface of the same vertices, mm, and the name of its space: what the read-out tells.
    underlay : (n,) uint8 array
        Grey of the folds.
    lit : bool
        False draws the colours without shading (flat maps).
    """

    def __init__(self, points: np.ndarray, faces: np.ndarray, anatomical: tuple[np.ndarray, str],
                 underlay: np.ndarray, *, lit: bool = True) -> None:
        self.points = np.ascontiguousarray(points, np.float32)
        self.faces = np.ascontiguousarray(faces, np.int64)
        self.anatomical, self.world = anatomical
        self.underlay, self.lit = underlay, lit
        self.normals = vertex_normals(self.points, self.faces)
        self._turned = outward(self.points, self.faces)
        self._used = in_faces(self.faces, len(self.points))
        self._shown: np.ndarray | None = None
        self.polydata = _polydata(self.points, self.faces, self.normals)
        colors = numpy_to_vtk(np.repeat(underlay[:, None], 3, axis=1), deep=True)
        colors.SetName("colors")
        self.polydata.GetPointData().SetScalars(colors)
        self._array = colors
        self.colors: np.ndarray = vtk_to_numpy(colors)
        self.mapper = vtkPolyDataMapper()
        self.mapper.SetInputData(self.polydata)
        self.mapper.SetColorModeToDirectScalars()
        self.mapper.StaticOn()  # no pipeline to ask on every paint
        self._locator: vtkStaticCellLocator | None = None

    @property
    def shown_points(self) -> np.ndarray:
        """The points that belong to a triangle (a flat map has cuts)."""
        if self._shown is None:
            self._shown = self.points[self._used]
        return self._shown

    def actor(self) -> vtkActor:
        """Return a new actor of this hemisphere for one more panel."""
        actor = vtkActor()
        actor.SetMapper(self.mapper)
        look = actor.GetProperty()
        look.SetInterpolationToPhong()
        # of a closed surface only one side is ever seen: the other is half of what software OpenGL draws
        look.SetBackfaceCulling(self._turned > 0)
        look.SetFrontfaceCulling(self._turned < 0)
        look.SetAmbient(0.30 if self.lit else 1.0)
        look.SetDiffuse(0.80 if self.lit else 0.0)
        look.SetSpecular(0.06 if self.lit else 0.0)
        look.SetSpecularPower(18)
        return actor

    def move(self, points: np.ndarray) -> None:
        """Put the vertices elsewhere, (n, 3) mm; triangles and colours stay."""
        self.points = np.ascontiguousarray(points, np.float32)
        self.normals = vertex_normals(self.points, self.faces)
        self._locator = self._shown = None
        self.polydata.GetPoints().SetData(numpy_to_vtk(self.points, deep=True))
        outward = numpy_to_vtk(self.normals, deep=True)
        outward.SetName("normals")
        self.polydata.GetPointData().SetNormals(outward)
        self.polydata.Modified()

    def paint(self, underlay: np.ndarray) -> None:
        """Show (n,) uint8 grey only."""
        self.colors[:] = underlay[:, None]
        self.painted()

    def painted(self) -> None:
        """Tell VTK that the colours were written."""
        self._array.Modified()

    def hit(self, start: np.ndarray, end: np.ndarray) -> tuple[float, int]:
        """Return (share of the way, nearest vertex) of the first triangle between two points; vertex -1 for none."""
        if self._locator is None:  # built when first asked: about 10 ms for 20,000 triangles
            self._locator = vtkStaticCellLocator()
            self._locator.SetDataSet(self.polydata)
            self._locator.BuildLocator()
        where, parametric = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
        share, part, cell = (cast(Any, mutable(value)) for value in (0.0, 0, -1))
        found: int = self._locator.IntersectWithLine(  # type: ignore[call-overload]
            start, end, 1e-6, share, where, parametric, part, cell)
        if not found:
            return 1.0, -1
        corners = self.faces[int(cell)]
        away = self.points[corners] - np.asarray(where, np.float32)
        return float(share), int(corners[np.argmin((away**2).sum(1))])

    def close(self) -> None:
        """Drop the search tree and the mapper's input."""
        self._locator = None
        self.mapper.RemoveAllInputs()


def _polydata(points: np.ndarray, faces: np.ndarray, normals: np.ndarray) -> vtkPolyData:
    data, where, cells = vtkPolyData(), vtkPoints(), vtkCellArray()
    where.SetData(numpy_to_vtk(points, deep=True))
    offsets = np.arange(0, faces.size + 1, 3, dtype=np.int64)
    cells.SetData(numpy_to_vtkIdTypeArray(offsets, deep=True), numpy_to_vtkIdTypeArray(faces.reshape(-1), deep=True))
    data.SetPoints(where)
    data.SetPolys(cells)
    outward = numpy_to_vtk(normals, deep=True)
    outward.SetName("normals")
    data.GetPointData().SetNormals(outward)
    return data


def in_faces(faces: np.ndarray, count: int) -> np.ndarray:
    """Return the vertices, of `count`, that belong to a triangle, in order."""
    return np.flatnonzero(np.bincount(faces.ravel(), minlength=count))


def vertex_normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return (n, 3) float32 unit normals, the mean of the adjoining triangles weighted by their area.

    Vertices without a triangle get (0, 0, 1).
    """
    a, b, c = (points[faces[:, k]].astype(np.float64) for k in range(3))
    cross = np.cross(b - a, c - a)
    total = np.zeros((len(points), 3))
    for axis in range(3):
        total[:, axis] = sum(np.bincount(faces[:, k], cross[:, axis], len(points)) for k in range(3))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 0, total / np.maximum(length, 1e-12), [0.0, 0.0, 1.0]).astype(np.float32)


def outward(points: np.ndarray, faces: np.ndarray) -> int:
    """Return 1 when the triangles of a closed surface turn outwards, -1 when inwards, 0 when it is not closed.

    Closed: every edge is walked as often in one direction as in the other. Checked by sums of random products, which
    are 0 for a surface with a rim in less than one of a million cases.
    """
    if not len(faces):
        return 0
    a, b = np.random.default_rng(0).integers(1, 1 << 20, (2, len(points)))
    rim = sum(int((a[faces[:, i]] * b[faces[:, j]] - a[faces[:, j]] * b[faces[:, i]]).sum())
              for i, j in ((0, 1), (1, 2), (2, 0)))
    if rim:
        return 0
    corners = points[faces].astype(np.float64) - points.mean(0)
    volume = np.einsum("ni,ni->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
    size = np.abs(corners).max() ** 3
    return 0 if abs(volume) < 1e-3 * size else int(np.sign(volume))


def load_hemispheres(space: SurfaceSpace, surface: str, *, lit: bool = True) -> dict[str, Hemisphere]:
    """Return the hemispheres of a space that have vertices; raises BrainViewError when a mesh is missing or unfit."""
    return {side: Hemisphere(points, faces, _anatomical(space, side), anatomy(_folds(space, side), len(points)),
                             lit=lit) for side, (points, faces) in drawn_points(space, surface).items()}


def drawn_points(space: SurfaceSpace, surface: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return side -> ((n, 3) float32 points in mm, (m, 3) faces) of a surface or of a place between two.

    Towards the flat map a hemisphere is cut open like it, and unrolls to the side from which its lateral view looks.
    """
    start, stop, share = morph.parts(surface)
    first = _placed(space, start)
    if share == 0:
        return first
    second = _placed(space, stop)
    if stop == "flat":
        second = {side: (_upright(points, first[side][0], side), faces) for side, (points, faces) in second.items()}
    return {side: ((1 - share) * first[side][0] + np.float32(share) * points, faces)
            for side, (points, faces) in second.items()}


def prepare(space: Space) -> None:
    """Have the surfaces of the morph's slider ready for a space; to be called in a thread."""
    drawn = surface_of(space)
    for surface in morph.STOPS if drawn is not None else ():
        try:
            drawn_points(drawn, surface)  # type: ignore[arg-type]
        except BrainViewError:
            continue  # not on this machine: whoever asks for it is told


def moved_in_place(meshes: Mapping[str, Hemisphere], space: SurfaceSpace, old: str, new: str) -> bool:
    """Move the vertices of drawn hemispheres to another surface of their space; False when more must change.

    The slider of the morph calls this many times a second: no actor, mapper or colour is made again.
    """
    if "flat" in (old, new):
        return False
    points = drawn_points(space, new)
    if any(points[side][1] is not mesh.faces and not np.array_equal(points[side][1], mesh.faces)
           for side, mesh in meshes.items()):
        return False
    for side, mesh in meshes.items():
        mesh.move(points[side][0])
    return True


def _upright(flat: np.ndarray, around: np.ndarray, side: str) -> np.ndarray:
    """Return a flat map that stands beside the brain and faces its lateral view, mm."""
    sign = -1.0 if side == "left" else 1.0
    out = np.empty_like(flat)
    centered = flat - (flat.min(0) + flat.max(0)) / 2
    out[:, 0] = around[:, 0].min() if side == "left" else around[:, 0].max()
    out[:, 1] = sign * centered[:, 0] + (around[:, 1].min() + around[:, 1].max()) / 2
    out[:, 2] = centered[:, 1] + (around[:, 2].min() + around[:, 2].max()) / 2
    return out


def _placed(space: SurfaceSpace, surface: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return side -> (points, faces) of a plain surface, hemispheres moved apart where they would overlap."""
    meshes: list[Mesh | None] = []
    for side, count in (("left", space.n_left), ("right", space.n_right)):
        mesh = load_mesh(space, side, surface) if count else None  # type: ignore[arg-type]
        if mesh is not None and len(mesh.vertices) != count:
            raise MismatchError(f"the {side} {surface} surface has {len(mesh.vertices):,} vertices, "
                                f"{space.name} has {count:,}", remedy="Load the surface that the values belong to.")
        meshes.append(mesh)
    return dict(_side_by_side(surface, *meshes))


@lru_cache(maxsize=12)  # the slider of the morph goes to and fro between two of them
def _side_by_side(surface: str, left: Mesh | None, right: Mesh | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    parts = {}
    for side, sign, mesh in (("left", -1.0, left), ("right", 1.0, right)):
        if mesh is None:
            continue
        points = np.array(mesh.vertices, np.float32)
        if surface == "flat":
            points[:, 2] = 0.0
        if surface in _APART and left is not None and right is not None:
            across = points[in_faces(mesh.faces, len(points)), 0]
            inner = across.max() if side == "left" else across.min()
            points[:, 0] += np.float32(sign * GAP / 2 - inner)
        points.setflags(write=False)
        parts[side] = (points, mesh.faces)
    return parts


def _anatomical(space: SurfaceSpace, side: Any) -> tuple[np.ndarray, str]:
    """Return the coordinates that are told for every vertex, mm, and what they mean."""
    for surface in ("white", "midthickness", "pial"):
        try:
            mesh = load_mesh(space, side, surface)  # type: ignore[arg-type]
        except MissingError:
            continue
        return mesh.vertices, WORLDS.get(mesh.world, mesh.world)
    count = space.n_left if side == "left" else space.n_right
    return np.full((count, 3), np.nan, np.float32), "no anatomical coordinates"  # only an inflated surface is there


def _folds(space: SurfaceSpace, side: Any) -> np.ndarray | None:
    for scalar in ("sulc", "curv"):
        try:
            return load_scalar(space, side, scalar)  # type: ignore[arg-type]
        except BrainViewError:
            continue
    return None


@cache
def _drawn_form(space: SurfaceSpace) -> SurfaceSpace:
    """Return the mesh that stands for a surface here: fsaverage and fsaverage6 need files that many machines lack.

    Their first 10,242 vertices *are* fsaverage5, whose meshes are always there, so it is drawn in their place.
    """
    if space.name not in ("fsaverage", "fsaverage6"):
        return space
    side: Any = "left" if space.n_left else "right"
    try:
        load_mesh(space, side, "inflated")
    except MissingError:
        small = VERTICES["fsaverage5"]
        return SurfaceSpace("fsaverage5", min(space.n_left, small), min(space.n_right, small))
    return space


def thinned(values: np.ndarray, space: SurfaceSpace, drawn: SurfaceSpace) -> np.ndarray:
    """Return (drawn.size,) of the (space.size,) values: each hemisphere's first vertices."""
    if space == drawn:
        return values
    right = space.n_left
    return np.concatenate([values[:drawn.n_left], values[right:right + drawn.n_right]])


def drawn_note(space: Space) -> str:
    """Return what a reader of the picture must know, "" when the map's own mesh is drawn."""
    root, drawn = space.root, surface_of(space)
    if not isinstance(root, SurfaceSpace) or drawn is None or drawn == root:
        return ""
    step = round(root.size / drawn.size)
    return (f"Drawn on {drawn.name} (every {step}th vertex of {root.name}, whose surfaces are not on this machine); "
            "numbers and exports are complete.")


def surface_of(space: Space) -> SurfaceSpace | None:
    """Return the surface on which maps of a space are drawn, None for volumes and unplaced parcels."""
    root = space.root
    if isinstance(root, SurfaceSpace):
        return _drawn_form(root)
    if isinstance(root, GrayordinateSpace):
        counts = {s.name: s.n_vertices for s in root.structures if s.n_vertices}
        left, right = counts.get("CORTEX_LEFT", 0), counts.get("CORTEX_RIGHT", 0)
        if max(left, right) == 32_492:
            return SurfaceSpace("fsLR32k", left, right)
        return SurfaceSpace(root.name, left, right) if left or right else None
    return None


def on_surface(brain_map: BrainMap, space: SurfaceSpace | None) -> np.ndarray:
    """Return (space.size,) float32 values of a map on its surface, NaN where it has none.

    Raises MismatchError when the map does not live on `space`.
    """
    target = surface_of(brain_map.space)
    if space is None or target is None or target != space:
        raise MismatchError(f"{brain_map.name!r} is on {brain_map.space.name}, "
                            f"the mesh on screen is {space.name if space else 'none'}", remedy="Convert the map first.")
    values, own = brain_map.values, brain_map.space
    while not isinstance(own, (SurfaceSpace, GrayordinateSpace)):
        if isinstance(own, MaskedSpace):
            values, own = own.expand(values), own.parent
        elif isinstance(own, ParcelSpace) and own.parent is not None and own.labels is not None:
            table = np.concatenate([[np.nan], values]).astype(np.float32)  # label k > 0 is value k - 1
            labels = np.where((own.labels >= 0) & (own.labels <= own.size), own.labels, 0)
            values, own = table[labels], own.parent
        else:
            raise MissingError(f"{brain_map.space.name} does not say where its values are on a surface",
                               remedy="Open it together with its atlas.")
    if isinstance(own, SurfaceSpace):
        return thinned(np.asarray(values, np.float32), own, space)
    out = np.full(space.size, np.nan, np.float32)
    start = 0
    for part in own.structures:
        count = len(part.index)
        if part.name in ("CORTEX_LEFT", "CORTEX_RIGHT"):
            out[np.asarray(part.index) + (space.n_left if part.name == "CORTEX_RIGHT" else 0)] = \
                values[start:start + count]
        start += count
    return out


__all__ = ["Hemisphere", "drawn_note", "load_hemispheres", "on_surface", "surface_of", "thinned",
           "vertex_normals"]
