"""Peaks and clusters of a map: connected locations beyond a threshold, with size, place and the regions they touch.

Vertices are neighbours along an edge of the mesh, voxels through a face (6 neighbours). The area of a vertex is a third
of its triangles on the mid-thickness surface.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components, dijkstra

from brainview.core.errors import BrainViewError, MismatchError, MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.maps.brainmap import BrainMap
from brainview.maps.meshes import MNI305_TO_MNI152, Mesh, load_mesh
from brainview.maps.rois import RoiClass
from brainview.maps.space import MaskedSpace, SurfaceSpace, VolumeSpace

#: The most clusters of a table; the largest are kept.
LIMIT = 500


@dataclass(frozen=True)
class Cluster:
    """One row of the table.

    Parameters
    ----------
    hemisphere : str
        ``left``, ``right`` or ``volume``.
    value : float
        Of the peak, in the map's units.
    peak : int
        Vertex of the hemisphere, or position in the grid (C order).
    x, y, z : float
        Of the peak, mm, RAS+, in the space named by `world`.
    world : str
        ``MNI152`` where it is known, else the mesh's or volume's own.
    locations : int
        Vertices or voxels. size : float, mm² or mm³ (`unit`).
    region : str
        Regions at the peak. covers : regions of the cluster with their share of it.
    """

    hemisphere: str
    value: float
    peak: int
    x: float
    y: float
    z: float
    world: str
    locations: int
    size: float
    unit: str
    region: str
    covers: str


def clusters(map: BrainMap, threshold: float, *, two_sided: bool = False, least: int = 5,
             rois: Mapping[str, RoiClass] | None = None, context: JobContext = QUIET) -> list[dict[str, Any]]:
    """Return the clusters of a map as dicts of :class:`Cluster`, the strongest peak first.

    Parameters
    ----------
    map : BrainMap
        On a surface or a volume (or a mask over one).
    threshold : float
        > 0, in the map's units: a location counts when its value (two-sided: its size) is at least this. Positive and
        negative clusters are kept apart.
    least : int
        Smaller clusters (locations) are left out.
    rois : mapping of str to RoiClass
        Labels on the map's space or its root.

    Raises
    ------
    MismatchError
        The map holds labels, or lives on neither a surface nor a volume. MissingError: its mesh is not here.
    """
    if map.kind == "label":
        raise MismatchError("holds labels, which have no peaks", where=map.name)
    if not threshold > 0:
        raise MissingError("clusters need a threshold above 0", remedy="Set one on the colour bar.")
    whole = map.expanded()
    named = _named(map, rois or {})
    values = whole.values.astype(np.float64)
    strong = np.nan_to_num(values, nan=0.0)
    found: list[Cluster] = []
    for sign in (1.0, -1.0) if two_sided else (1.0,):
        context.check()
        beyond = sign * strong >= threshold
        if isinstance(whole.space, SurfaceSpace):
            found += _on_surface(values, beyond, sign, whole.space, least, named)
        elif isinstance(whole.space, VolumeSpace):
            found += _in_volume(values, beyond, sign, whole.space, least, named)
        else:
            raise MismatchError(f"is on {whole.space.name}; clusters need a surface or a volume", where=map.name)
    found.sort(key=lambda c: -abs(c.value))
    return [asdict(c) for c in found[:LIMIT]]


Named = list[tuple[np.ndarray, dict[int, str]]]


def _named(map: BrainMap, rois: Mapping[str, RoiClass]) -> Named:
    """Return (labels on the root space, id -> name) of every class that fits."""
    out = []
    for one in rois.values():
        labels = np.asarray(one.labels)
        if isinstance(map.space, MaskedSpace) and len(labels) == map.space.size:
            full = np.zeros(map.space.root.size, labels.dtype)
            full[map.space.root_index] = labels
            labels = full
        if len(labels) == map.space.root.size:
            out.append((labels, {k: label.name for k, label in one.table.items()}))
    return out


def _regions(named: Named, peak: int, members: np.ndarray) -> tuple[str, str]:
    """Return the names at the peak, and the names of the whole cluster with their shares, largest first."""
    here = [table[int(labels[peak])] for labels, table in named if int(labels[peak]) in table]
    shares: dict[str, float] = {}
    for labels, table in named:
        ids, counts = np.unique(labels[members], return_counts=True)
        for value, count in zip(ids.tolist(), counts.tolist(), strict=True):
            if value in table:
                shares[table[value]] = count / len(members)
    ranked = sorted(shares.items(), key=lambda s: -s[1])[:4]
    return ", ".join(here), ", ".join(f"{name} {100 * share:.0f} %" for name, share in ranked)


def vertex_areas(mesh: Mesh) -> np.ndarray:
    """Return (n,) float64 mm²: a third of every adjoining triangle."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(float) for k in range(3))
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1) / 3
    return sum(np.bincount(mesh.faces[:, k], area, len(mesh.vertices)) for k in range(3))  # type: ignore[return-value]


def neighbours(mesh: Mesh) -> sparse.csr_matrix:
    """Return the (n, n) symmetric matrix of the edges of a mesh."""
    f = mesh.faces
    rows, columns = np.concatenate([f[:, 0], f[:, 1], f[:, 2]]), np.concatenate([f[:, 1], f[:, 2], f[:, 0]])
    count = len(mesh.vertices)
    edges = sparse.coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), (count, count)).tocsr()
    return edges.maximum(edges.T)


def _anatomical(space: SurfaceSpace, side: Any) -> Mesh:
    for surface in ("midthickness", "white", "pial"):
        try:
            return load_mesh(space, side, surface)  # type: ignore[arg-type]
        except BrainViewError:
            continue
    raise MissingError(f"no anatomical surface of {space.name} is on this machine",
                       remedy="Clusters need white, pial or mid-thickness surfaces.")


def _on_surface(values: np.ndarray, beyond: np.ndarray, sign: float, space: SurfaceSpace, least: int,
                named: Named) -> list[Cluster]:
    out = []
    for side, start, count in (("left", 0, space.n_left), ("right", space.n_left, space.n_right)):
        inside = np.flatnonzero(beyond[start:start + count])
        if not inside.size:
            continue
        mesh = _anatomical(space, side)
        number, part = connected_components(neighbours(mesh)[inside][:, inside], directed=False)
        area, places, world = vertex_areas(mesh), mesh.vertices.astype(float), mesh.world
        if world == "MNI305":
            places = places @ MNI305_TO_MNI152[:3, :3].T + MNI305_TO_MNI152[:3, 3]
            world = "MNI152"
        for k in range(number):
            members = inside[part == k]
            if len(members) < least:
                continue
            peak = int(members[np.argmax(sign * values[start + members])])
            region, covers = _regions(named, start + peak, start + members)
            x, y, z = (round(float(c), 1) for c in places[peak])
            out.append(Cluster(side, float(values[start + peak]), peak, x, y, z, world, len(members),
                               round(float(area[members].sum()), 1), "mm²", region, covers))
    return out


def _in_volume(values: np.ndarray, beyond: np.ndarray, sign: float, space: VolumeSpace, least: int,
               named: Named) -> list[Cluster]:
    part, number = ndimage.label(beyond.reshape(space.shape))
    flat, out = part.reshape(-1), []
    voxel = float(abs(np.linalg.det(space.affine[:3, :3])))
    order = np.argsort(flat, kind="stable")
    bounds = np.searchsorted(flat[order], np.arange(1, number + 2))
    for k in range(number):
        members = order[bounds[k]:bounds[k + 1]]
        if len(members) < least:
            continue
        peak = int(members[np.argmax(sign * values[members])])
        at = np.unravel_index(peak, space.shape)
        x, y, z = (round(float(c), 1) for c in (space.affine @ [*at, 1.0])[:3])
        region, covers = _regions(named, peak, members)
        out.append(Cluster("volume", float(values[peak]), peak, x, y, z, space.world, len(members),
                           round(voxel * len(members), 1), "mm³", region, covers))
    return out


def grow(map: BrainMap, hemisphere: str, vertex: int, radius: float = 0.0, threshold: float = 0.0, *,
         two_sided: bool = False, context: JobContext = QUIET) -> np.ndarray:
    """Return the locations of a region around a vertex, positions in the map's root space.

    Parameters
    ----------
    map : BrainMap
        On a surface.
    hemisphere, vertex
        Where it begins.
    radius : float
        mm along the edges of the mid-thickness surface (Dijkstra); 0 = no limit.
    threshold : float
        Only locations beyond it that hang together; 0 = all. With neither, the vertex alone is returned.

    Raises
    ------
    MismatchError
        The map is on no surface. MissingError: the vertex is not there, or lies below the threshold.
    """
    whole = map.expanded()
    space = whole.space
    if not isinstance(space, SurfaceSpace):
        raise MismatchError(f"is on {space.name}; regions grow on a surface", where=map.name)
    start, count = (0, space.n_left) if hemisphere == "left" else (space.n_left, space.n_right)
    if not 0 <= vertex < count:
        raise MissingError(f"{space.name} has no vertex {vertex} on the {hemisphere}")
    mesh = _anatomical(space, hemisphere)
    rows, columns = neighbours(mesh).nonzero()
    values = np.nan_to_num(whole.values[start:start + count].astype(float), nan=0.0)
    inside = np.ones(count, bool)
    if threshold > 0:
        sign = -1.0 if two_sided and values[vertex] < 0 else 1.0
        inside = sign * values >= threshold
        if not inside[vertex]:
            raise MissingError("the cursor stands below the threshold", remedy="Put it into the blob first.")
    elif radius <= 0:
        return np.array([start + vertex])
    keep = inside[rows] & inside[columns]
    rows, columns = rows[keep], columns[keep]
    length = np.linalg.norm(mesh.vertices[rows].astype(float) - mesh.vertices[columns], axis=1)
    graph = sparse.csr_matrix((np.maximum(length, 1e-6), (rows, columns)), (count, count))
    away = dijkstra(graph, indices=vertex, limit=radius if radius > 0 else np.inf)
    context.check()
    return start + np.flatnonzero(np.isfinite(away))
