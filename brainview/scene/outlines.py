"""Borders of ROIs on a surface, and the places where their names stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainview.core.errors import MismatchError
from brainview.maps.rois import RoiClass
from brainview.maps.space import MaskedSpace, Space


@dataclass(frozen=True)
class Outline:
    """Lines on one hemisphere.

    Parameters
    ----------
    points : (n, 3) float32 array
        On the drawn surface, mm.
    normals : (n, 3) float32 array
        Outward unit vectors there.
    segments : (m, 2) int array
        Pairs of points.
    """

    points: np.ndarray
    normals: np.ndarray
    segments: np.ndarray


def on_root(labels: np.ndarray, space: Space) -> np.ndarray:
    """Return (root.size,) labels on the space without masks, 0 outside; the labels may be on either.

    Raises MismatchError when the count fits neither.
    """
    labels = np.asarray(labels)
    if labels.shape == (space.root.size,):
        return labels
    if isinstance(space, MaskedSpace) and labels.shape == (space.size,):
        out = np.zeros(space.root.size, labels.dtype)
        out[space.root_index] = labels
        return out
    raise MismatchError(f"ROI labels for {labels.size:,} locations do not fit {space.name} ({space.size:,})",
                        remedy="Open the ROIs of the same subject and space as the map.")


@dataclass(frozen=True, eq=False)
class Crossing:
    """Where labels change on a mesh, wherever its vertices are: found once, drawn on every surface.

    Parameters
    ----------
    edges : (e, 2) int array
        Vertices of different labels; a point of the line lies in the middle of each.
    triangles : (t, 3) int array
        Triangles with three labels; a point of the line lies in the middle of each, after those of the edges.
    segments : (m, 2) int array
        Pairs of points.
    """

    edges: np.ndarray
    triangles: np.ndarray
    segments: np.ndarray


def crossing(labels: np.ndarray, faces: np.ndarray) -> Crossing:
    """Return where (n,) labels differ within the (m, 3) triangles ("marching triangles" on labels).

    In a triangle with two labels the line joins the middles of the two edges that cross; with three labels the three
    middles are joined to the centre.
    """
    corner = labels[faces]
    crosses = (corner != corner[:, [1, 2, 0]])  # edge k joins corners k and k + 1
    mixed = crosses.any(1)
    faces, crosses = faces[mixed].astype(np.int64), crosses[mixed]
    ends = np.sort(np.stack([faces, faces[:, [1, 2, 0]]], axis=-1), axis=-1)  # (m, 3, 2)
    count = len(labels)
    keys = ends[..., 0] * count + ends[..., 1]
    unique, inverse = np.unique(keys[crosses], return_inverse=True)
    number = np.full(keys.shape, -1, np.int64)
    number[crosses] = inverse
    two = crosses.sum(1) == 2
    segments = [np.sort(number[two], axis=1)[:, 1:]]  # the uncrossed edge is -1, sorted first
    middle = len(unique) + np.arange(int((~two).sum()))
    segments += [np.stack([number[~two][:, k], middle], axis=1) for k in range(3)]
    return Crossing(np.stack([unique // count, unique % count], axis=1), faces[~two], np.concatenate(segments))


def borders(labels: np.ndarray, vertices: np.ndarray, faces: np.ndarray, normals: np.ndarray, *,
            smooth: int = 3) -> Outline:
    """Return the lines between vertices of different labels; see :func:`crossing` and :func:`drawn`."""
    return drawn(crossing(np.asarray(labels), faces), vertices, normals, smooth=smooth)


def drawn(where: Crossing, vertices: np.ndarray, normals: np.ndarray, *, smooth: int = 3) -> Outline:
    """Return the lines of a labelling on a surface; their zigzag is smoothed along the lines.

    Parameters
    ----------
    where : Crossing
    vertices : (n, 3) float array, mm
    normals : (n, 3) float array
    smooth : int
        Rounds of averaging with the neighbours on the line.
    """
    points, outward = (np.concatenate([of[where.edges].mean(1), of[where.triangles].mean(1)])
                       for of in (vertices, normals))
    points = _smoothed(points, where.segments, smooth)
    length = np.linalg.norm(outward, axis=1, keepdims=True)
    return Outline(points.astype(np.float32), (outward / np.maximum(length, 1e-9)).astype(np.float32), where.segments)


def _smoothed(points: np.ndarray, lines: np.ndarray, rounds: int) -> np.ndarray:
    if not len(lines):
        return points
    first, second = np.concatenate([lines, lines[:, ::-1]]).T
    degree = np.bincount(first, minlength=len(points))[:, None]
    free = degree[:, 0] == 2  # ends and junctions stay where they are
    for _ in range(rounds):
        mean = np.stack([np.bincount(first, points[second, k], len(points)) for k in range(3)], axis=1)
        moved = 0.5 * points + 0.5 * mean / np.maximum(degree, 1)
        points = np.where(free[:, None], moved, points)
    return points


def anchors(roi_class: RoiClass, labels: np.ndarray, vertices: np.ndarray, *,
            at_least: int = 3) -> list[tuple[str, int]]:
    """Return (name, vertex) for every ROI with `at_least` vertices here: the member nearest to the middle.

    Parameters
    ----------
    roi_class : RoiClass
        Gives the names.
    labels : (n,) int array
        Its labels on this hemisphere.
    vertices : (n, 3) float array
        The drawn surface, so that names stand in the middle of what is seen.
    """
    out = []
    for key, label in roi_class.table.items():
        members = np.flatnonzero(labels == key)
        if key <= 0 or members.size < at_least:
            continue
        away = vertices[members] - vertices[members].mean(0)
        out.append((label.name, int(members[np.argmin((away**2).sum(1))])))
    return out
