"""The standard grayordinates of the HCP: cortex of fsLR32k without the medial wall, and subcortical voxels.

The voxels lie on the MNI152 2 mm grid. CIFTI files store that grid with x from right to left; here it is the RAS grid
``mni152-2mm``, and readers and writers flip the index.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.core.paths import resource
from brainview.maps.brainmap import BrainMap
from brainview.maps.space import (
    BrainStructure,
    GrayordinateSpace,
    MaskedSpace,
    Space,
    SurfaceSpace,
    VolumeSpace,
    mni_space,
    surface_space,
)

#: Locations of the two standard sets.
SIZES = {"grayordinates-59k": 59_412, "grayordinates-91k": 91_282}


@lru_cache(maxsize=2)
def standard_grayordinates(name: str) -> GrayordinateSpace:
    """Return ``grayordinates-59k`` (29,696 left + 29,716 right cortical vertices) or ``grayordinates-91k``.

    The latter adds 19 subcortical structures of 31,870 voxels. Raises MissingError for any other name.
    """
    if name not in SIZES:
        raise MissingError(f"no grayordinates are called {name!r}", remedy="Known: " + ", ".join(SIZES) + ".")
    with np.load(resource("maps/grayordinates_91k.npz"), allow_pickle=False) as table:
        names, vertices = [str(n) for n in table["names"]], table["vertices"].tolist()
        parts = np.split(np.cumsum(table["steps"].astype(np.int64)), np.cumsum(table["sizes"])[:-1])
    structures = []
    for structure, index, count in zip(names, parts, vertices, strict=True):
        index.setflags(write=False)
        structures.append(BrainStructure(structure, index, int(count)))
    if name == "grayordinates-59k":
        space = GrayordinateSpace(name, tuple(structures[:2]), None)
    else:
        space = GrayordinateSpace(name, tuple(structures), mni_space(2))
    if space.size != SIZES[name]:
        raise FormatError(f"the shipped table has {space.size:,} locations, {SIZES[name]:,} are right", where=name)
    return space


def recognised(space: GrayordinateSpace) -> GrayordinateSpace:
    """Return the standard set that a space read from a file equals, else the space itself.

    Files store the voxel grid from right to left; two grids that put every voxel at the same place in mm are one.
    The order of the values is the same in both, so they need no change.
    """
    for name, size in SIZES.items():
        standard = standard_grayordinates(name)
        if space.size != size or len(space.structures) != len(standard.structures):
            continue
        if all(a.name == b.name and a.n_vertices == b.n_vertices and _same_places(space, a, standard, b)
               for a, b in zip(space.structures, standard.structures, strict=True)):
            return standard
    return space


def _same_places(one: GrayordinateSpace, a: BrainStructure, two: GrayordinateSpace, b: BrainStructure) -> bool:
    if len(a.index) != len(b.index):
        return False
    if a.n_vertices:
        return bool(np.array_equal(a.index, b.index))
    if one.volume is None or two.volume is None:
        return False
    return bool(np.allclose(centres(one.volume, a.index), centres(two.volume, b.index), atol=1e-3))


def centres(volume: VolumeSpace, index: np.ndarray) -> np.ndarray:
    """Return (n, 3) world coordinates in mm of voxels given by flat C-order index."""
    voxel = np.stack(np.unravel_index(np.asarray(index), volume.shape), axis=1)
    return voxel @ volume.affine[:3, :3].T + volume.affine[:3, 3]


def slices(space: GrayordinateSpace) -> dict[str, slice]:
    """Return where the values of every structure are."""
    found, start = {}, 0
    for structure in space.structures:
        found[structure.name] = slice(start, start + len(structure.index))
        start += len(structure.index)
    return found


def cortex_space(space: GrayordinateSpace) -> SurfaceSpace | None:
    """Return the surface that the cortical structures lie on, None when there are none.

    32,492 vertices a hemisphere are fsLR32k; any other count gives a surface named after it, which no mesh belongs
    to until one is registered.
    """
    counts = {s.name: s.n_vertices for s in space.structures if s.n_vertices}
    left, right = counts.get("CORTEX_LEFT", 0), counts.get("CORTEX_RIGHT", 0)
    if not left and not right:
        return None
    standard = surface_space("fsLR32k")
    if left in (0, standard.n_left) and right in (0, standard.n_right):
        return SurfaceSpace("fsLR32k", left, right)
    return SurfaceSpace(f"surface-{left}-{right}", left, right)


def positions(space: GrayordinateSpace) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return cortical positions in the space and on its surface, voxel positions in the space and in its volume."""
    surface = cortex_space(space)
    cortical, vertex, voxels, voxel = [], [], [], []
    for structure, part in zip(space.structures, slices(space).values(), strict=True):
        own = np.arange(part.start, part.stop)
        if structure.n_vertices and structure.name in ("CORTEX_LEFT", "CORTEX_RIGHT"):
            shift = surface.right.start if surface and structure.name == "CORTEX_RIGHT" else 0
            cortical.append(own)
            vertex.append(np.asarray(structure.index) + shift)
        elif structure.n_vertices == 0:
            voxels.append(own)
            voxel.append(np.asarray(structure.index))
    return tuple(np.concatenate(x) if x else np.zeros(0, np.int64)  # type: ignore[return-value]
                 for x in (cortical, vertex, voxels, voxel))


def split(brain_map: BrainMap) -> dict[str, BrainMap]:
    """Return the cortical part as a surface map and the voxel part as a masked volume map.

    Keys ``surface`` and ``volume``, each only where the space has such structures. Vertices outside the
    grayordinates (the medial wall) are NaN.
    """
    space = _of(brain_map)
    cortical, vertex, voxels, voxel = positions(space)
    parts: dict[str, BrainMap] = {}
    surface = cortex_space(space)
    if surface is not None:
        values = np.full(surface.size, np.nan, np.float32)
        values[vertex] = brain_map.values[cortical]
        parts["surface"] = brain_map.having(values=values, space=surface)
    if len(voxels) and space.volume is not None:
        order = np.argsort(voxel)
        masked = MaskedSpace(f"{space.name}:voxels", space.volume, voxel[order])
        parts["volume"] = brain_map.having(values=brain_map.values[voxels[order]], space=masked)
    return parts


def join(space: GrayordinateSpace, surface: BrainMap | None = None, volume: BrainMap | None = None) -> BrainMap:
    """Return one map on grayordinates from a surface and/or a volume map; what is not given is NaN.

    Raises MismatchError when a part is on another mesh or grid.
    """
    given = [m for m in (surface, volume) if m is not None]
    if not given:
        raise MismatchError("neither a surface nor a volume map was given", where=space.name)
    values = np.full(space.size, np.nan, np.float32)
    cortical, vertex, voxels, voxel = positions(space)
    for part, wanted, own, theirs in ((surface, cortex_space(space), cortical, vertex),
                                      (volume, space.volume, voxels, voxel)):
        if part is None:
            continue
        whole = part.expanded()
        if wanted is None or whole.space != wanted:
            raise MismatchError(f"{part.name!r} is on {whole.space.name}, "
                                f"{space.name} needs {wanted.name if wanted else 'no such part'}",
                                remedy="Convert it first.")
        values[own] = whole.values[theirs]
    return given[0].having(values=values, space=space)


def _of(brain_map: BrainMap) -> GrayordinateSpace:
    space: Space = brain_map.space
    if not isinstance(space, GrayordinateSpace):
        raise MismatchError(f"is on {space.name}, which is not a grayordinate space", where=brain_map.name)
    return space
