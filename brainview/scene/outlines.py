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


def borders(labels: np.ndarray, vertices: np.ndarray, faces: np.ndarray, normals: np.ndarray, *,
            smooth: int = 3) -> Outline:
    """Return the lines between vertices of different labels.

    In a triangle with two labels the line joins the middles of the two edges that cross; with three labels the three
    middles are joined to the centre ("marching triangles" on labels). The zigzag is then smoothed along the lines.

    Parameters
    ----------
    labels : (n,) int array
    vertices : (n, 3) float array, mm
    faces : (m, 3) int array
    normals : (n, 3) float array
    smooth : int
        Rounds of averaging with the neighbours on the line.
    """
    corner = labels[faces]
    crossing = (corner != corner[:, [1, 2, 0]])  # edge k joins corners k and k + 1
    mixed = crossing.any(1)
    faces, crossing = faces[mixed], crossing[mixed]
    ends = np.sort(np.stack([faces, faces[:, [1, 2, 0]]], axis=-1), axis=-1)  # (m, 3, 2)
    count = len(vertices)
    keys = ends[..., 0].astype(np.int64) * count + ends[..., 1]
    unique, inverse = np.unique(keys[crossing], return_inverse=True)
    a, b = unique // count, unique % count
    points = (vertices[a] + vertices[b]) / 2
    outward = normals[a] + normals[b]
    number = np.full(keys.shape, -1, np.int64)
    number[crossing] = inverse
    two = crossing.sum(1) == 2
    segments = [np.sort(number[two], axis=1)[:, 1:]]  # the uncrossed edge is -1, sorted first
    triple = ~two
    if triple.any():
        middle = len(points) + np.arange(int(triple.sum()))
        points = np.concatenate([points, vertices[faces[triple]].mean(1)])
        outward = np.concatenate([outward, normals[faces[triple]].sum(1)])
        segments += [np.stack([number[triple][:, k], middle], axis=1) for k in range(3)]
    lines = np.concatenate(segments) if len(points) else np.zeros((0, 2), np.int64)
    points = _smoothed(points, lines, smooth)
    length = np.linalg.norm(outward, axis=1, keepdims=True) if len(outward) else np.ones((0, 1))
    return Outline(points.astype(np.float32), (outward / np.maximum(length, 1e-9)).astype(np.float32), lines)


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
