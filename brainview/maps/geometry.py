"""Geometry of triangle meshes that conversions need: normals, closest points, the subdivided icosahedron."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from brainview.core.errors import MissingError
from brainview.core.paths import resource

if TYPE_CHECKING:  # scipy takes half a second: the window reads meshes through this module and needs none of it
    from scipy import sparse

#: Vertices of the icosahedral meshes whose order is nested: each one starts with the vertices of the one before.
LEVELS = {"fsaverage5": 5, "fsaverage6": 6, "fsaverage": 7}


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return (n, 3) unit outward normals: the normalised sum of the unit normals of the faces around a vertex.

    Every face counts the same, whatever its area or angle: nilearn's rule, so that "line" sampling agrees with it.
    """
    vertices = np.asarray(vertices)
    corner = vertices[faces]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normal = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)
    total = np.stack([np.bincount(faces.ravel(), np.repeat(normal[:, k], 3), len(vertices)) for k in range(3)], axis=1)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-30)


def fans(faces: np.ndarray, n: int) -> np.ndarray:
    """Return (n, largest degree) faces around every vertex; short rows repeat, a vertex without a face has -1."""
    owner = faces.ravel()
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner, minlength=n)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    column = np.arange(max(1, int(counts.max(initial=1))))[None, :]
    position = starts[:, None] + np.minimum(column, np.maximum(counts, 1)[:, None] - 1)
    table = (order // 3)[np.minimum(position, len(order) - 1)]
    table[counts == 0] = -1
    return table


def closest_in_triangles(points: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return barycentric weights (..., 3) and squared distance (...) of the closest point of each triangle.

    Parameters
    ----------
    points : (..., 3) array
    corners : (..., 3, 3) array
        Three corners of one triangle per point.

    Notes
    -----
    The projection on the plane when it falls inside, else the nearest point of the three edges.
    """
    a, b, c = corners[..., 0, :], corners[..., 1, :], corners[..., 2, :]
    ab, ac, ap = b - a, c - a, points - a
    d00, d01, d11 = (ab * ab).sum(-1), (ab * ac).sum(-1), (ac * ac).sum(-1)
    d20, d21 = (ap * ab).sum(-1), (ap * ac).sum(-1)
    area = np.maximum(d00 * d11 - d01 * d01, 1e-30)
    v = (d11 * d20 - d01 * d21) / area
    w = (d00 * d21 - d01 * d20) / area
    weights = np.stack([1 - v - w, v, w], axis=-1)
    outside = (weights < 0).any(-1)
    best = np.where(outside, np.inf, (((weights[..., None] * corners).sum(-2) - points) ** 2).sum(-1))
    for i, j in ((0, 1), (1, 2), (2, 0)):
        start, along = corners[..., i, :], corners[..., j, :] - corners[..., i, :]
        t = np.clip(((points - start) * along).sum(-1) / np.maximum((along * along).sum(-1), 1e-30), 0, 1)
        distance = ((start + t[..., None] * along - points) ** 2).sum(-1)
        edge = np.zeros_like(weights)
        edge[..., i], edge[..., j] = 1 - t, t
        better = outside & (distance < best)
        weights = np.where(better[..., None], edge, weights)
        best = np.where(better, distance, best)
    return weights, best


def barycentric(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray, *, neighbours: int = 3,
                nearest: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners (m, 3) and weights (m, 3) of the closest surface point to each point.

    Parameters
    ----------
    points : (m, 3) array
    vertices, faces
        The mesh.
    neighbours : int
        Faces around this many nearest vertices are tried.
    nearest : (m, k) int array, optional
        Nearest vertices when they are already known.
    """
    fan = fans(faces, len(vertices))
    if nearest is None:
        from scipy.spatial import cKDTree

        usable = np.flatnonzero(fan[:, 0] >= 0)
        _, found = cKDTree(vertices[usable]).query(points, k=min(neighbours, len(usable)))
        nearest = usable[found.reshape(len(points), -1)]
    corner_index = np.empty((len(points), 3), np.int64)
    weights = np.empty((len(points), 3))
    for start in range(0, len(points), 20_000):  # bounds the memory of the (points, candidates, 3, 3) array
        part = slice(start, start + 20_000)
        candidates = fan[nearest[part]].reshape(len(points[part]), -1)
        here = np.asarray(points[part], float)[:, None, :]
        w, distance = closest_in_triangles(np.broadcast_to(here, (*candidates.shape, 3)),
                                           vertices[faces[candidates]].astype(float))
        pick = distance.argmin(1)
        row = np.arange(len(pick))
        corner_index[part], weights[part] = faces[candidates[row, pick]], w[row, pick]
    return corner_index, weights


@lru_cache(maxsize=4)
def icosahedron(level: int) -> tuple[np.ndarray, np.ndarray]:
    """Return parents (new, 2) and faces (20 * 4**level, 3) of the icosahedral mesh of fsaverage at `level` 6 or 7.

    New vertices are numbered after the ones of the level below and lie halfway between their two parents.

    Notes
    -----
    FreeSurfer's ic5, ic6 and ic7 are nested, but the numbering of the new vertices follows no short rule, so
    ``resources/maps/icosahedron.npz`` holds it: the position, in the sorted list of the edges of the level below, of
    every new vertex. Checked against the copy of those meshes that MNE-Python distributes.
    """
    if level not in (6, 7):
        raise MissingError(f"no icosahedral subdivision {level} is built in", remedy="Use 6 or 7.")
    if level == 6:
        from brainview.maps.meshes import load_mesh

        faces, n = load_mesh("fsaverage5", "left", "sphere").faces, 10_242
    else:
        faces, n = icosahedron(6)[1], 40_962
    edges, of_face = sorted_edges(faces, n)
    with np.load(resource("maps/icosahedron.npz"), allow_pickle=False) as archive:
        order = archive[f"level{level}"].astype(np.int64)
    number = np.empty(len(edges), np.int64)
    number[order] = n + np.arange(len(edges))
    (a, b, c), (ca, bc, ab) = faces.T.astype(np.int64), number[of_face].T
    kids = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    finer = np.stack([np.stack(kid, axis=1) for kid in kids], axis=1).reshape(-1, 3).astype(np.int32)
    return edges[order], finer


def sorted_edges(faces: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges (e, 2), sorted, and for every face the edges (third-first, second-third, first-second)."""
    pairs = np.stack([faces[:, [2, 0]], faces[:, [1, 2]], faces[:, [0, 1]]], axis=1).reshape(-1, 2).astype(np.int64)
    pairs.sort(axis=1)
    key, inverse = np.unique(pairs[:, 0] * n + pairs[:, 1], return_inverse=True)
    return np.stack([key // n, key % n], axis=1), inverse.reshape(-1, 3)


def refine(level: int) -> sparse.csr_matrix:
    """Return the matrix that takes one hemisphere from the icosahedral mesh `level` - 1 to `level`.

    Old vertices keep their value (they come first); a new one is the mean of its two parents, which is barycentric
    interpolation on the sphere.
    """
    from scipy import sparse

    parents, _ = icosahedron(level)
    new, old = len(parents), int(parents.max()) + 1
    row = np.concatenate([np.arange(old), np.repeat(old + np.arange(new), 2)])
    column = np.concatenate([np.arange(old), parents.ravel()])
    weight = np.concatenate([np.ones(old), np.full(2 * new, 0.5)])
    return sparse.csr_matrix((weight, (row, column)), shape=(old + new, old))
