"""Sparse matrices between root spaces (surfaces and volumes), built once, kept in memory and on disk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from brainview.core.errors import MismatchError, MissingError
from brainview.maps import sources
from brainview.maps.cache import digest, kept
from brainview.maps.geometry import LEVELS, barycentric, refine
from brainview.maps.meshes import HEMISPHERES, load_mesh, load_registered_sphere
from brainview.maps.sampling import Sampling, VolumeSampler, sample_points, to_world
from brainview.maps.sources import Hemisphere
from brainview.maps.space import SurfaceSpace, VolumeSpace

How = Literal["linear", "nearest"]
#: Depths at which the ribbon is filled when a surface is written into a volume, from white (0) to pial (1).
RIBBON = (0.0, 0.25, 0.5, 0.75, 1.0)
#: A voxel further than this from the ribbon gets no value, mm.
REACH = 3.0


@dataclass(eq=False)
class Transfer:
    """A (target, source) matrix whose rows sum to 1, or to 0 where there is no source."""

    matrix: sparse.csr_matrix

    def apply(self, values: np.ndarray, least: float) -> np.ndarray:
        """Return (target,) weighted means of (source,) values; weights are renormalised over what is not NaN.

        A location needs at least the share `least` of its weight, else it is NaN.
        """
        values = np.asarray(values, np.float64)
        good = np.isfinite(values)
        if good.all():
            out = self.matrix @ values
            out[self._empty] = np.nan
            return out
        total = self.matrix @ np.where(good, values, 0.0)
        share = self.matrix @ good.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where((share >= least) & (share > 0), total / share, np.nan)

    def majority(self, values: np.ndarray) -> np.ndarray:
        """Return (target,) the label with the largest weight; ties: the smallest; NaN has no vote."""
        entries = self.matrix.tocoo()
        votes = np.asarray(values, np.float64)[entries.col]
        good = np.isfinite(votes) & (entries.data > 0)
        row, vote, weight = entries.row[good], votes[good], entries.data[good]
        out = np.full(self.matrix.shape[0], np.nan)
        if not len(row):
            return out
        names, code = np.unique(vote, return_inverse=True)
        pair, place = np.unique(row.astype(np.int64) * len(names) + code, return_inverse=True)
        sums = np.round(np.bincount(place, weight), 9)  # ties must not be decided by the order of adding
        order = np.lexsort((-(pair % len(names)), sums, pair // len(names)))  # the last one of a row wins
        owner = pair[order] // len(names)
        last = np.flatnonzero(np.append(np.diff(owner) > 0, True))
        out[owner[last]] = names[pair[order][last] % len(names)]
        return out

    @cached_property
    def _empty(self) -> np.ndarray:
        return np.flatnonzero(np.diff(self.matrix.indptr) == 0)


def volume_sampler(source: VolumeSpace, target: SurfaceSpace, sampling: Sampling, how: How) -> VolumeSampler:
    """Return the ready sampling of a volume at the vertices of a surface, left hemisphere first."""
    return _sampler(source, target, sampling, how, sources.generation(target.name))


def surface_to_surface(source: SurfaceSpace, target: SurfaceSpace, how: How) -> Transfer:
    """Return the transfer between two meshes.

    Inside fsaverage5/6/7 the vertices are nested: going down picks the shared vertices, going up interpolates on the
    sphere. Any other pair goes over spheres in register with fsaverage.

    Raises
    ------
    MissingError
        A sphere is not on this machine. MismatchError: the target has a hemisphere that the source has not.
    """
    return _surfaces(source, target, how, sources.generation(source.name), sources.generation(target.name))


def surface_to_volume(source: SurfaceSpace, target: VolumeSpace, align: str, how: How,
                      reach: float = REACH) -> Transfer:
    """Return the transfer that fills the cortical ribbon of a volume.

    Every voxel within `reach` mm of the ribbon takes the nearest of the points white + f (pial - white), f in
    `RIBBON`: its vertex (``nearest``) or the closest point of the faces around it at that depth (``linear``).
    """
    return _fill(source, target, align, how, reach, sources.generation(source.name))


# --- how it is done ---------------------------------------------------------------------------------------------

def _sides(space: SurfaceSpace) -> list[tuple[Hemisphere, slice]]:
    parts = zip(HEMISPHERES, (space.left, space.right), strict=True)
    return [(side, part) for side, part in parts if part.stop > part.start]


def _anatomy(space: SurfaceSpace, parts: tuple[str, ...]) -> str:
    """Return a hash of the meshes that a result depends on, so that a changed mesh is never served from the cache."""
    meshes = [load_mesh(space, side, part) for side, _ in _sides(space) for part in parts]  # type: ignore[arg-type]
    return digest(*[m.vertices for m in meshes], *[m.faces for m in meshes], [m.world for m in meshes])


@lru_cache(maxsize=8)
def _sampler(source: VolumeSpace, target: SurfaceSpace, sampling: Sampling, how: How,
             generation: tuple) -> VolumeSampler:
    def locate() -> np.ndarray:
        return np.concatenate([sample_points(target, side, source, sampling) for side, _ in _sides(target)])

    parts = ("pial", "white") if sampling.kind == "depth" else (sampling.surface,)
    key = digest("sampler", source.key, target.key, sampling, how, _anatomy(target, parts))
    built: list[VolumeSampler] = []

    def make() -> dict[str, np.ndarray]:
        built.append(VolumeSampler.build(locate, source.shape, nearest=how == "nearest"))
        return _parts(built[0].matrix)

    stored = kept("transfer", key, make, lambda a: _whole(a, target.size, source.size))
    return built[0] if built else VolumeSampler.of(_matrix(stored, source.size), source.shape, locate, how == "nearest")


@lru_cache(maxsize=8)
def _surfaces(source: SurfaceSpace, target: SurfaceSpace, how: How, *generations: tuple) -> Transfer:
    have = dict(_sides(source))
    lacking = [side for side, _ in _sides(target) if side not in have]
    if lacking:
        raise MismatchError(f"has no {lacking[0]} hemisphere, which {target.name} asks for", where=source.name,
                            remedy="Convert to the hemisphere that is there.")
    blocks = []
    for side, part in _sides(target):
        block = _hemisphere(source, target, side, how)
        if block.shape != (part.stop - part.start, have[side].stop - have[side].start):
            raise MismatchError(f"the {side} meshes give a {block.shape} matrix", where=f"{source.name} {target.name}")
        before, after = have[side].start, source.size - have[side].stop
        blocks.append(sparse.hstack([sparse.csr_matrix((block.shape[0], before)), block,
                                     sparse.csr_matrix((block.shape[0], after))], format="csr"))
    return Transfer(sparse.vstack(blocks, format="csr"))


def _hemisphere(source: SurfaceSpace, target: SurfaceSpace, side: Hemisphere, how: How) -> sparse.csr_matrix:
    counts = [s.n_left if side == "left" else s.n_right for s in (source, target)]
    if source.name == target.name:
        return sparse.identity(counts[0], format="csr")
    if source.name in LEVELS and target.name in LEVELS:
        low, high = LEVELS[source.name], LEVELS[target.name]
        if high < low:  # the shared vertices come first
            return sparse.eye(counts[1], counts[0], format="csr")
        if how == "linear":
            matrix = sparse.identity(counts[0], format="csr")
            for level in range(low + 1, high + 1):
                matrix = refine(level) @ matrix
            return matrix.tocsr()
    try:
        spheres = [load_registered_sphere(space, side) for space in (source, target)]
    except MissingError as err:
        raise MissingError(f"{source.name} cannot be taken to {target.name}: {err.what}", remedy=err.remedy) from err
    key = digest("spheres", spheres[0].vertices, spheres[0].faces,
                 spheres[1].vertices, how)

    def make() -> dict[str, np.ndarray]:
        return _parts(_on_sphere(spheres[0].vertices, spheres[0].faces, spheres[1].vertices, how))

    return _matrix(kept("transfer", key, make, lambda a: _whole(a, counts[1], counts[0])), counts[0])


def _on_sphere(vertices: np.ndarray, faces: np.ndarray, points: np.ndarray, how: How) -> sparse.csr_matrix:
    if how == "nearest":
        _, nearest = cKDTree(vertices).query(points)
        return _rows(nearest[:, None], np.ones((len(points), 1)), len(vertices))
    corner, weight = barycentric(points, vertices, faces)
    return _rows(corner, weight, len(vertices))


@lru_cache(maxsize=8)
def _fill(source: SurfaceSpace, target: VolumeSpace, align: str, how: How, reach: float,
          generation: tuple) -> Transfer:
    key = digest("fill", source.key, target.key, align, how, reach, RIBBON, _anatomy(source, ("pial", "white")))

    def make() -> dict[str, np.ndarray]:
        return _parts(_ribbon(source, target, align, how, reach))

    return Transfer(_matrix(kept("transfer", key, make, lambda a: _whole(a, target.size, source.size)), source.size))


def _ribbon(source: SurfaceSpace, target: VolumeSpace, align: str, how: How, reach: float) -> sparse.csr_matrix:
    surfaces = {}
    for part in ("white", "pial"):
        meshes = [load_mesh(source, side, part) for side, _ in _sides(source)]  # type: ignore[arg-type]
        shifts = [place.start - _sides(source)[0][1].start for _, place in _sides(source)]
        surfaces[part] = (np.concatenate([to_world(m, target.world, align, where=source.name) for m in meshes]),
                          np.concatenate([m.faces + s for m, s in zip(meshes, shifts, strict=True)]))
    (white, faces), (pial, _) = surfaces["white"], surfaces["pial"]
    layers = np.stack([white + f * (pial - white) for f in RIBBON])
    voxel, point = _near(target, layers.reshape(-1, 3), reach)
    if not len(voxel):
        raise MismatchError("no voxel lies on the cortex of this surface", where=target.name,
                            remedy="Check that both are in one coordinate system.")
    layer, vertex = np.divmod(point, len(white))
    corner, weight = np.repeat(vertex[:, None], 3, axis=1), np.tile([1.0, 0.0, 0.0], (len(voxel), 1))
    if how == "linear":
        for k in range(len(RIBBON)):
            mine = np.flatnonzero(layer == k)
            corner[mine], weight[mine] = barycentric(_world(target, voxel[mine]), layers[k], faces,
                                                     nearest=vertex[mine, None])
    row = np.repeat(voxel, 3)
    matrix = sparse.csr_matrix((weight.ravel(), (row, corner.ravel())), shape=(target.size, source.size))
    matrix.eliminate_zeros()
    return matrix


def _near(target: VolumeSpace, points: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the voxels within `reach` mm of any point and, for each, the nearest point."""
    back = np.linalg.inv(target.affine)
    places = points @ back[:3, :3].T + back[:3, 3]
    margin = reach * np.abs(back[:3, :3]).sum(1)
    low = np.maximum(np.floor(places.min(0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(places.max(0) + margin) + 1, target.shape).astype(int)
    tree, voxels, nearest = cKDTree(points), [], []
    for x in range(low[0], high[0]):  # a slab at a time bounds the memory on fine grids
        grid = np.stack(np.meshgrid([x], np.arange(low[1], high[1]), np.arange(low[2], high[2]), indexing="ij"), -1)
        flat = np.ravel_multi_index(tuple(grid.reshape(-1, 3).T), target.shape)
        distance, found = tree.query(_world(target, flat), distance_upper_bound=reach)
        near = np.isfinite(distance)
        voxels.append(flat[near])
        nearest.append(found[near])
    if not voxels:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate(voxels), np.concatenate(nearest)


def _world(volume: VolumeSpace, flat: np.ndarray) -> np.ndarray:
    voxel = np.stack(np.unravel_index(flat, volume.shape), axis=1)
    return voxel @ volume.affine[:3, :3].T + volume.affine[:3, 3]


def _rows(columns: np.ndarray, weights: np.ndarray, width: int) -> sparse.csr_matrix:
    pointer = np.arange(0, columns.size + 1, columns.shape[1])
    matrix = sparse.csr_matrix((weights.ravel(), columns.ravel(), pointer), shape=(len(columns), width))
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def _parts(matrix: sparse.csr_matrix) -> dict[str, np.ndarray]:
    return {"data": matrix.data, "indices": matrix.indices.astype(np.int32), "indptr": matrix.indptr.astype(np.int32)}


def _matrix(parts: dict[str, np.ndarray], width: int) -> sparse.csr_matrix:
    rows = len(parts["indptr"]) - 1
    return sparse.csr_matrix((parts["data"], parts["indices"], parts["indptr"]), shape=(rows, width))


def _whole(parts: dict[str, np.ndarray], rows: int, width: int) -> bool:
    """Say whether stored arrays make a sound csr matrix; a damaged cache must not read out of bounds."""
    if not {"data", "indices", "indptr"} <= set(parts):
        return False
    data, indices, pointer = parts["data"], parts["indices"], parts["indptr"]
    return (len(pointer) == rows + 1 and len(data) == len(indices) == pointer[-1] and pointer[0] == 0
            and bool((np.diff(pointer) >= 0).all()) and data.dtype in (np.float32, np.float64)
            and (not len(indices) or (int(indices.min()) >= 0 and int(indices.max()) < width))
            and bool(np.isfinite(data).all()))


