"""Brain models and parcels of CIFTI-2 as spaces, and back.

CIFTI stores its voxel grid from right to left; here every grid is RAS, so voxel numbers are turned on the way in.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from nibabel import cifti2
from nibabel.orientations import inv_ornt_aff, io_orientation

from brainview.core.errors import FormatError, MismatchError
from brainview.core.names import shown
from brainview.maps.grayordinates import recognised
from brainview.maps.io.nifti_header import check_affine
from brainview.maps.io.spaces import space_from_dict, standard_grid
from brainview.maps.space import (
    VERTICES,
    BrainStructure,
    GrayordinateSpace,
    MaskedSpace,
    ParcelSpace,
    Space,
    SurfaceSpace,
    VolumeSpace,
)

_PREFIX = "CIFTI_STRUCTURE_"
_SIDES = ("CORTEX_LEFT", "CORTEX_RIGHT")
_MAX_GRID = 1 << 30


def _grid(axis: Any, path: Path) -> tuple[VolumeSpace | None, np.ndarray]:
    """Return the RAS grid of an axis and (rows,) flat C-order voxel numbers on it (0 for vertices)."""
    flat = np.zeros(len(axis), np.int64)
    if axis.volume_shape is None:
        return None, flat
    shape = tuple(int(n) for n in axis.volume_shape)
    affine = np.asarray(axis.affine, float)
    if len(shape) != 3 or min(shape) < 1 or int(np.prod(shape, dtype=object)) > _MAX_GRID:
        raise FormatError(f"has a voxel grid of {shape}", where=path)
    check_affine(affine, path)
    turn = io_orientation(affine)
    voxel = np.asarray(getattr(axis, "voxel", np.zeros((len(axis), 3), int)), np.int64)
    turned = np.empty_like(voxel)
    new_shape = [0, 0, 0]
    for old, (new, direction) in enumerate(turn.astype(int)):
        new_shape[new] = shape[old]
        turned[:, new] = voxel[:, old] if direction > 0 else shape[old] - 1 - voxel[:, old]
    affine = affine @ inv_ornt_aff(turn, shape) + 0.0
    grid = standard_grid(tuple(new_shape), affine) or VolumeSpace(
        "volume:cifti", (new_shape[0], new_shape[1], new_shape[2]), affine, "unknown")
    rows = ~np.asarray(axis.surface_mask)
    inside = (turned[rows] >= 0).all(1) & (turned[rows] < np.array(new_shape)).all(1)
    if not inside.all():
        raise FormatError(f"names {int((~inside).sum()):,} voxels outside its grid of {shape}", where=path)
    flat[rows] = np.ravel_multi_index(tuple(turned[rows].T), tuple(new_shape))
    return grid, flat


def space_of(axis: Any, path: Path, block: dict[str, Any] | None = None) -> Space:
    """Return the space of a BrainModelAxis: whole surfaces as a surface, everything else as grayordinates.

    A file that BrainView wrote from a masked surface gives the mask back. Raises FormatError for vertices past the
    end of their surface, repeated ones, or voxels outside the grid.
    """
    volume, flat = _grid(axis, path)
    structures = []
    for name, rows, part in axis.iter_structures():
        short = shown(str(name).removeprefix(_PREFIX))
        if part.surface_mask.all():
            count = int(axis.nvertices[name])
            index = np.array(part.vertex, np.int64)
            _check_vertices(index, count, short, path)
            structures.append(BrainStructure(short, index, count))
        else:
            structures.append(BrainStructure(short, flat[rows], 0))
    if len({s.name for s in structures}) != len(structures):
        raise FormatError("names a brain structure twice", where=path)
    whole = [s for s in structures if s.n_vertices]
    if len(whole) == len(structures) and [s.name for s in whole] in (list(_SIDES), *([s] for s in _SIDES)):
        surface = _surface({s.name: s.n_vertices for s in whole}, path)
        index = np.concatenate([s.index + (surface.n_left if s.name == _SIDES[1] else 0) for s in whole])
        told = (block or {}).get("space")
        told = told if isinstance(told, dict) else {}
        surface = _own_name(surface, told)
        if index.size == surface.size and (np.diff(index) == 1).all():
            return surface
        if told.get("kind") == "mask" and (np.diff(index) > 0).all():
            return MaskedSpace(shown(str(told.get("name", "mask"))), surface, index)
    only_volume = volume if any(not s.n_vertices for s in structures) else None
    space = GrayordinateSpace(f"grayordinates:{len(axis)}", tuple(structures), only_volume)
    return _own_grayordinates(axis, space, block) or recognised(space)


def _own_grayordinates(axis: Any, space: GrayordinateSpace, block: dict[str, Any] | None) -> GrayordinateSpace | None:
    """Return the space that a block of ours tells, on its own grid, when its key says that it is this one."""
    told = (block or {}).get("space")
    if not isinstance(told, dict) or told.get("kind") != "grayordinates":
        return None
    try:
        volume = space_from_dict(told["volume"]) if told.get("volume") is not None else None
    except FormatError:
        return None
    structures = space.structures
    if isinstance(volume, VolumeSpace):
        if tuple(axis.volume_shape or ()) != volume.shape:
            return None
        flat = np.zeros(len(axis), np.int64)
        rows = ~np.asarray(axis.surface_mask)
        flat[rows] = np.ravel_multi_index(tuple(np.asarray(axis.voxel)[rows].T), volume.shape)
        starts = np.cumsum([0, *(len(s.index) for s in structures)])
        structures = tuple(s if s.n_vertices else BrainStructure(s.name, flat[a:a + len(s.index)])
                           for s, a in zip(structures, starts[:-1], strict=True))
    grid = volume if isinstance(volume, VolumeSpace) else None
    own = GrayordinateSpace(shown(str(told.get("name"))), structures, grid)
    return own if own.key == told.get("key") else None


def _own_name(surface: SurfaceSpace, told: dict[str, Any]) -> SurfaceSpace:
    """Return the surface under the subject's name that a block of ours tells; a standard mesh keeps its own."""
    while told.get("kind") == "mask" and isinstance(told.get("parent"), dict):
        told = told["parent"]
    name = told.get("name")
    if told.get("kind") == "surface" and isinstance(name, str) and name.startswith("native:"):
        return SurfaceSpace(shown(name), surface.n_left, surface.n_right)
    return surface


def _check_vertices(index: np.ndarray, count: int, name: str, path: Path) -> None:
    if index.size and (index.min() < 0 or index.max() >= count):
        raise FormatError(f"names vertex {int(index.max()):,} of {name}, which has {count:,}", where=path)
    if np.unique(index).size != index.size:
        raise FormatError(f"names a vertex of {name} twice", where=path)


def _surface(counts: dict[str, int], path: Path) -> SurfaceSpace:
    left, right = counts.get(_SIDES[0], 0), counts.get(_SIDES[1], 0)
    for name, n in VERTICES.items():
        if {left, right} <= {0, n}:
            return SurfaceSpace(name, left, right)
    return SurfaceSpace(f"surface-{left}-{right}", left, right)


def parcel_space(axis: Any, path: Path) -> ParcelSpace:
    """Return the parcels of a ParcelsAxis with where they lie: on the surface, or on grayordinates with voxels."""
    names = tuple(shown(n) for n in axis.name)
    counts = {str(k).removeprefix(_PREFIX): int(n) for k, n in axis.nvertices.items()}
    with_voxels = any(len(v) for v in axis.voxels)
    if with_voxels or not set(counts) <= set(_SIDES) or not counts:
        # parcels of voxels: their names and values are shown, their places are not yet drawn
        return ParcelSpace(f"parcels:{len(names)}", names)
    surface = _surface(counts, path)
    labels = np.full(surface.size, -1, np.int32)
    for number, vertices in enumerate(axis.vertices):
        for structure, index in vertices.items():
            short = str(structure).removeprefix(_PREFIX)
            index = np.asarray(index, np.int64)
            _check_vertices(index, counts[short], short, path)
            labels[index + (surface.n_left if short == _SIDES[1] else 0)] = number
    return ParcelSpace(f"parcels:{len(names)}", names, surface, labels)


def without_masks(space: Space) -> Space:
    """Return the space under every mask; parcels stay parcels."""
    while isinstance(space, MaskedSpace):
        space = space.parent
    return space


def brain_axis(space: Space, path: Path) -> Any:
    """Return the BrainModelAxis of a surface, a mask over one, or grayordinates (whole or masked).

    Raises MismatchError for a space that CIFTI brain models do not hold.
    """
    root = without_masks(space)
    index = space.root_index if isinstance(space, MaskedSpace) else None
    if isinstance(root, SurfaceSpace):
        parts = [(name, n, root.left if name == _SIDES[0] else root.right)
                 for name, n in zip(_SIDES, (root.n_left, root.n_right), strict=True) if n]
        axes = []
        for name, n, where in parts:
            vertices = np.arange(n)
            if index is not None:
                vertices = index[(index >= where.start) & (index < where.stop)] - where.start
            if len(vertices):
                axes.append(cifti2.BrainModelAxis.from_surface(vertices, n, _PREFIX + name))
    elif isinstance(root, GrayordinateSpace):
        axes = _grayordinate_axes(root, index)
    else:
        raise MismatchError(f"{space.name} is neither a surface nor grayordinates", where=path,
                            remedy="Convert the map, or write NIfTI or CSV.")
    if not axes:
        raise MismatchError(f"{space.name} is empty", where=path)
    whole = axes[0]
    for axis in axes[1:]:
        whole = whole + axis
    return whole


def _grayordinate_axes(space: GrayordinateSpace, keep: np.ndarray | None) -> list[Any]:
    axes, start = [], 0
    for structure in space.structures:
        index = np.asarray(structure.index, np.int64)
        if keep is not None:
            index = index[keep[(keep >= start) & (keep < start + len(index))] - start]
        start += len(structure.index)
        name = _PREFIX + structure.name
        if not len(index):
            continue
        if structure.n_vertices:
            axes.append(cifti2.BrainModelAxis.from_surface(index, structure.n_vertices, name))
        elif space.volume is not None:
            voxel = np.stack(np.unravel_index(index, space.volume.shape), axis=1)
            axes.append(cifti2.BrainModelAxis(name, voxel=voxel, affine=space.volume.affine,
                                              volume_shape=space.volume.shape))
    return axes
