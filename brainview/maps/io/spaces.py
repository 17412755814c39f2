"""Spaces as plain JSON, so that a file that holds only numbers can say where they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from brainview.core.errors import BrainViewError, FormatError
from brainview.core.names import shown
from brainview.maps.space import (
    VERTICES,
    BrainStructure,
    GrayordinateSpace,
    MaskedSpace,
    ParcelSpace,
    Space,
    SurfaceSpace,
    VolumeSpace,
    mni_space,
)

_DEEPEST = 8


def space_to_dict(space: Space, *, whole: bool = True) -> dict[str, Any]:
    """Return a space as plain JSON types.

    Parameters
    ----------
    whole : bool
        With every mask index and label, so that :func:`space_from_dict` gives the space back; otherwise only what
        names it.
    """
    told: dict[str, Any] = {**space.describe(), "key": space.key}
    if isinstance(space, SurfaceSpace):
        told |= {"n_left": space.n_left, "n_right": space.n_right}
    elif isinstance(space, VolumeSpace):
        told |= {"shape": list(space.shape), "affine": space.affine.tolist(), "world": space.world}
    elif isinstance(space, MaskedSpace):
        told |= {"parent": space_to_dict(space.parent, whole=whole)}
        told |= {"index": space.index.tolist()} if whole else {}
    elif isinstance(space, ParcelSpace):
        told |= {"parent": None if space.parent is None else space_to_dict(space.parent, whole=whole)}
        if whole:
            told |= {"names": list(space.names), "labels": None if space.labels is None else space.labels.tolist()}
    elif isinstance(space, GrayordinateSpace):
        told |= {"volume": None if space.volume is None else space_to_dict(space.volume)}
        if whole:
            told |= {"structures": [{"name": s.name, "n_vertices": s.n_vertices, "index": np.asarray(s.index).tolist()}
                                    for s in space.structures]}
    return told


def space_from_dict(told: Any, *, _depth: int = 0) -> Space:
    """Return the space that :func:`space_to_dict` wrote; raises FormatError for anything else or anything changed."""
    if not isinstance(told, dict) or _depth > _DEEPEST:
        raise FormatError("no space is told")
    try:
        space = _build(told, _depth)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as err:
        raise FormatError(f"the space is not told in full: {shown(err)}") from err
    if told.get("key") != space.key:
        raise FormatError(f"the space {space.name} is not the one that was written")
    return space


def _build(told: dict[str, Any], depth: int) -> Space:
    kind, name = told["kind"], shown(str(told["name"]))
    if kind == "surface":
        left, right = int(told["n_left"]), int(told["n_right"])
        if left < 0 or right < 0 or left + right > 100_000_000:
            raise FormatError(f"a surface of {left} + {right} vertices")
        if name in VERTICES and not {left, right} <= {0, VERTICES[name]}:
            raise FormatError(f"{name} has {VERTICES[name]:,} vertices per hemisphere, {left:,} and {right:,} are told")
        return SurfaceSpace(name, left, right)
    if kind == "volume":
        return named_volume(name, tuple(int(n) for n in told["shape"]), np.array(told["affine"], float),
                            shown(str(told["world"])))
    if kind == "mask":
        return MaskedSpace(name, space_from_dict(told["parent"], _depth=depth + 1),
                           np.array(told["index"], np.int64))
    if kind == "parcels":
        parent = None if told["parent"] is None else space_from_dict(told["parent"], _depth=depth + 1)
        labels = None if told["labels"] is None else np.array(told["labels"], np.int32)
        return ParcelSpace(name, tuple(str(n) for n in told["names"]), parent, labels)
    if kind == "grayordinates":
        volume = None if told["volume"] is None else space_from_dict(told["volume"], _depth=depth + 1)
        structures = tuple(BrainStructure(str(s["name"]), np.array(s["index"], np.int64), int(s["n_vertices"]))
                           for s in told["structures"])
        return GrayordinateSpace(name, structures, volume if isinstance(volume, VolumeSpace) else None)
    raise FormatError(f"an unknown kind of space, {shown(kind)!r}")


def standard_grid(shape: tuple[int, ...], affine: np.ndarray) -> VolumeSpace | None:
    """Return the MNI152 grid of this shape and affine (to 0.001 mm), None when it is none."""
    for resolution in (2, 1):
        space = mni_space(resolution)
        if tuple(shape) == space.shape and np.allclose(affine, space.affine, rtol=0, atol=1e-3):
            return space
    return None


def named_volume(name: str, shape: tuple[int, ...], affine: np.ndarray, world: str) -> VolumeSpace:
    """Return a volume space; a standard name is only kept when the grid is the standard one."""
    if len(shape) != 3 or min(shape) < 1:
        raise FormatError(f"a grid of shape {shape}")
    grid = (shape[0], shape[1], shape[2])
    try:
        if name.startswith("mni152-"):
            found = standard_grid(shape, affine)
            return found if found is not None else VolumeSpace("volume", grid, affine, world)
        return VolumeSpace(name, grid, affine, world)
    except BrainViewError as err:
        raise FormatError(str(err)) from err
