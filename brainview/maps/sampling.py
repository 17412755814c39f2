"""From a volume to the vertices of a surface, on the sampling of nilearn's ``vol_to_surf``, as one sparse product.

Samples are points on the line between pial and white (``depth``) or along the normal (``line``). A vertex is the mean
of its samples. The rules for samples without data are nilearn's:

- a sample outside 0 <= voxel < size on any axis is dropped (between size - 1 and size it is extrapolated);
- a linear sample one of whose eight voxels is NaN is dropped, whatever that voxel's weight, even zero;
- a vertex without samples is NaN.

The product alone cannot follow the second rule, so the rows that touch a NaN are built again for the set of NaN voxels
at hand; maps of one study share that set, and it is remembered.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import sparse

from brainview.core.errors import MismatchError
from brainview.core.jobs import QUIET, JobContext
from brainview.maps.geometry import vertex_normals
from brainview.maps.meshes import MNI305_TO_MNI152, Mesh, load_mesh
from brainview.maps.space import SurfaceSpace, VolumeSpace

#: Sets of NaN voxels whose rows are remembered.
REMEMBERED = 4
#: Vertices that are worked on at once; bounds the memory of building.
CHUNK = 30_000


@dataclass(frozen=True)
class Sampling:
    """Where a volume is sampled for a vertex.

    Parameters
    ----------
    kind : str
        ``depth``: between pial and white surface (the default); ``line``: along the normal of `surface`.
    points : int
        Samples, evenly spaced from pial to white, or from +`radius` to -`radius` along the normal.
    depths : tuple of float, optional
        Replaces `points`: fractions of the way from pial (0) to white (1), or of `radius` inwards.
    radius : float
        Half length of the ``line``, mm.
    surface : str
        Surface of the ``line``.
    align : str
        ``affine``: fsaverage, which is in MNI305, is taken to MNI152 by FreeSurfer's affine (1-4 mm), which is right.
        ``nilearn``: coordinates are used as they are, as ``vol_to_surf`` does; no check of what they mean.
    """

    kind: Literal["depth", "line"] = "depth"
    points: int = 10
    depths: tuple[float, ...] | None = None
    radius: float = 3.0
    surface: Literal["pial", "white", "midthickness"] = "pial"
    align: Literal["affine", "nilearn"] = "affine"


def to_world(mesh: Mesh, world: str, align: str, *, where: str = "surface") -> np.ndarray:
    """Return (n, 3) vertices of a mesh in the world of a volume.

    Raises
    ------
    MismatchError
        The two are not in one coordinate system (a person's own space against MNI152).
    """
    vertices = mesh.vertices.astype(float)
    if align == "nilearn" or mesh.world == world:
        return vertices
    if (mesh.world, world) == ("MNI305", "MNI152"):
        return vertices @ MNI305_TO_MNI152[:3, :3].T + MNI305_TO_MNI152[:3, 3]
    raise MismatchError(f"a surface in {mesh.world} and a volume in {world} coordinates share no frame", where=where,
                        remedy="Convert a volume of MNI152 to fsaverage, and a person's own volume to the person's own "
                               "surfaces; or say which world the volume is in.")


def sample_points(space: SurfaceSpace, hemisphere: Literal["left", "right"], volume: VolumeSpace,
                  sampling: Sampling) -> np.ndarray:
    """Return (vertices, samples, 3) float64 positions in voxels of the volume."""
    if sampling.kind == "depth":
        outer, inner = (to_world(load_mesh(space, hemisphere, part), volume.world, sampling.align, where=space.name)  # type: ignore[arg-type]
                        for part in ("pial", "white"))
        steps = np.linspace(0, 1, sampling.points) if sampling.depths is None else np.asarray(sampling.depths, float)
        points = outer[:, None, :] + steps[None, :, None] * (inner - outer)[:, None, :]
    elif sampling.kind == "line":
        mesh = load_mesh(space, hemisphere, sampling.surface)
        vertices = to_world(mesh, volume.world, sampling.align, where=space.name)
        normals = vertex_normals(vertices, mesh.faces)
        if sampling.depths is None:
            steps = np.linspace(sampling.radius, -sampling.radius, sampling.points)
        else:
            steps = -sampling.radius * np.asarray(sampling.depths, float)
        points = vertices[:, None, :] + steps[None, :, None] * normals[:, None, :]
    else:
        raise MismatchError(f"no sampling is called {sampling.kind!r}", remedy="Use depth or line.")
    back = np.linalg.inv(volume.affine)
    return points @ back[:3, :3].T + back[:3, 3]


def corners(points: np.ndarray, shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the eight voxels (n, 8) of trilinear samples, their weights (n, 8), and which samples lie inside (n,).

    The cell is clipped to the grid, so that a sample past the last voxel is extrapolated from its cell.
    """
    size = np.asarray(shape)
    inside = np.asarray(((points >= 0) & (points < size)).all(-1))
    base = np.clip(np.floor(points), 0, np.maximum(size - 2, 0)).astype(np.int64)
    part = points - base
    voxel = np.zeros((*points.shape[:-1], 8), np.int64)
    weight = np.ones((*points.shape[:-1], 8))
    for corner in range(8):
        for axis in range(3):
            high = (corner >> axis) & 1
            # an axis of one voxel has no cell: its only voxel counts whole
            one = size[axis] == 1
            voxel[..., corner] = voxel[..., corner] * size[axis] + base[..., axis] + (0 if one else high)
            weight[..., corner] *= (1.0 - high if one else part[..., axis] if high else 1.0 - part[..., axis])
    return voxel, weight, inside


@dataclass(eq=False)
class VolumeSampler:
    """A ready sampling of one volume grid at the vertices of a surface.

    Parameters
    ----------
    shape : (int, int, int)
        The grid.
    nearest : bool
        Samples take the nearest voxel instead of interpolating linearly.
    locate : function
        Returns the (vertices, samples, 3) positions in voxels; called only when values are missing, or for labels.
    columns : (used,) int64
        Voxels that any sample touches, ascending.
    matrix : (vertices, voxels) csr, float32
        The mean over samples when nothing is missing. Columns are voxels, so that a map is not gathered first.
    """

    shape: tuple[int, int, int]
    nearest: bool
    locate: Callable[[], np.ndarray]
    columns: np.ndarray
    matrix: sparse.csr_matrix
    _known: OrderedDict[bytes, tuple[sparse.csr_matrix, np.ndarray]] = field(default_factory=OrderedDict, repr=False)

    @staticmethod
    def build(locate: Callable[[], np.ndarray], shape: tuple[int, int, int], *, nearest: bool = False,
              context: JobContext = QUIET) -> VolumeSampler:
        """Build from the positions that `locate` returns."""
        points = locate()
        parts = []
        for start in range(0, len(points), CHUNK):
            context.report(start, len(points), "volume to surface")
            voxel, weight, inside = _samples(points[start:start + CHUNK], shape, nearest)
            parts.append(_mean_rows(voxel, weight, inside, math.prod(shape)))
        whole = sparse.vstack(parts, format="csr")
        return VolumeSampler.of(whole, shape, locate, nearest)

    @staticmethod
    def of(matrix: sparse.csr_matrix, shape: tuple[int, int, int], locate: Callable[[], np.ndarray],
           nearest: bool) -> VolumeSampler:
        """Wrap a finished matrix."""
        small = sparse.csr_matrix((matrix.data.astype(np.float32), matrix.indices.astype(np.int32),
                                   matrix.indptr.astype(np.int32)), shape=matrix.shape)
        return VolumeSampler(shape, nearest, locate, np.unique(small.indices).astype(np.int64), small)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return (vertices,) float32 means of (voxels,) values; NaN where no sample has data."""
        values = np.ascontiguousarray(values, np.float32).reshape(-1)
        matrix, empty = self.matrix, self._empty
        with np.errstate(over="ignore", invalid="ignore"):
            whole = np.isfinite(np.dot(values, values))  # the cheapest question; a sum too large only costs a look
        if not whole:
            missing = np.isnan(values[self.columns])
            if missing.any():
                matrix, empty = self._without(missing)
        out = matrix @ values
        out[empty] = np.nan
        return out

    def apply_weights(self, values: np.ndarray, least: float) -> np.ndarray:
        """Return (vertices,) means with the weights renormalised over the voxels that have data.

        A vertex needs at least the share `least` of its weight. The rule for masked volumes, where nilearn's would
        drop every sample that touches the rim of the mask.
        """
        values = np.asarray(values, np.float32).reshape(-1)
        good = np.isfinite(values)
        total = self.matrix @ np.where(good, values, np.float32(0))
        share = self.matrix @ good.astype(np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where((share >= least) & (share > 0), total / share, np.nan)

    def majority(self, values: np.ndarray) -> np.ndarray:
        """Return (vertices,) the most frequent value among the nearest voxels of the samples; ties: the smallest.

        NaN samples do not vote; a vertex without votes is NaN.
        """
        voxel, _, inside = _samples(self._points, self.shape, True)
        votes = np.asarray(values).reshape(-1)[voxel[..., 0]].astype(np.float64)
        votes[~inside] = np.nan
        return most_frequent(votes)

    @cached_property
    def _points(self) -> np.ndarray:
        return self.locate()

    @cached_property
    def _empty(self) -> np.ndarray:
        return np.flatnonzero(np.diff(self.matrix.indptr) == 0)

    @cached_property
    def _owner(self) -> np.ndarray:
        return np.repeat(np.arange(self.matrix.shape[0], dtype=np.int32), np.diff(self.matrix.indptr))

    def _without(self, missing: np.ndarray) -> tuple[sparse.csr_matrix, np.ndarray]:
        """Return the matrix without the samples that touch a missing voxel, and the vertices left with none."""
        key = hashlib.blake2b(np.packbits(missing).tobytes(), digest_size=16).digest()
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        lost = np.zeros(self.matrix.shape[1], bool)
        lost[self.columns[missing]] = True
        touched = np.bincount(self._owner[lost[self.matrix.indices]], minlength=self.matrix.shape[0])
        rows = np.flatnonzero(touched)
        parts = [self.matrix]
        for start in range(0, len(rows), CHUNK):
            voxel, weight, inside = _samples(self._points[rows[start:start + CHUNK]], self.shape, self.nearest)
            good = inside & ~lost[voxel].any(-1)
            parts.append(_mean_rows(voxel, weight, good, self.matrix.shape[1]).astype(np.float32))
        order = np.arange(self.matrix.shape[0])
        order[rows] = len(order) + np.arange(len(rows))
        matrix = sparse.vstack(parts, format="csr")[order]
        self._known[key] = matrix, np.flatnonzero(np.diff(matrix.indptr) == 0)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return self._known[key]


def _samples(points: np.ndarray, shape: tuple[int, int, int],
             nearest: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return voxels, weights (vertices, samples, 8 or 1) and which samples count (vertices, samples)."""
    if not nearest:
        return corners(points, shape)
    rounded = np.round(points).astype(np.int64)  # nilearn rounds first and asks then whether it is inside
    inside = np.asarray(((rounded >= 0) & (rounded < np.asarray(shape))).all(-1))
    clipped = np.clip(rounded, 0, np.asarray(shape) - 1)
    voxel = np.ravel_multi_index(tuple(np.moveaxis(clipped, -1, 0)), shape)[..., None]
    return voxel, np.ones(voxel.shape), inside


def _mean_rows(voxel: np.ndarray, weight: np.ndarray, good: np.ndarray, width: int) -> sparse.csr_matrix:
    """Return (vertices, width) rows that average the good samples; explicit zero weights stay.

    They stay because nilearn drops a sample for a NaN voxel of weight zero as well.
    """
    counts = good.sum(1)
    share = np.divide(1.0, counts, out=np.zeros(len(counts)), where=counts > 0)
    keep = np.broadcast_to(good[..., None], weight.shape)
    pointer = np.concatenate([[0], np.cumsum(counts * weight.shape[-1])])
    scaled = weight * share[:, None, None]
    matrix = sparse.csr_matrix((scaled[keep], voxel[keep], pointer), shape=(len(counts), width))
    matrix.sum_duplicates()
    return matrix


def most_frequent(votes: np.ndarray) -> np.ndarray:
    """Return the most frequent value of every row, ignoring NaN; ties go to the smallest, empty rows are NaN."""
    ordered = np.sort(votes, axis=1)  # NaN last
    best = np.full(len(ordered), np.nan)
    record = np.zeros(len(ordered), np.int64)
    run = np.zeros(len(ordered), np.int64)
    for column in range(ordered.shape[1]):
        here = ordered[:, column]
        run = np.where(here == ordered[:, column - 1], run + 1, 1) if column else np.ones(len(ordered), np.int64)
        better = (run > record) & ~np.isnan(here)
        record, best = np.where(better, run, record), np.where(better, here, best)
    return best
