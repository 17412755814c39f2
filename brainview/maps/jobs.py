"""What the window asks its workers to do with maps: open files, put them on a mesh, write them.

Foreign files are parsed here, in the worker, so that a fault in a C library costs a job and not the window.
"""

from __future__ import annotations

import os
from pathlib import Path

from brainview.core.errors import BrainViewError, IsSurface, MismatchError, MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.core.paths import computed_dir
from brainview.maps import grayordinates, kept
from brainview.maps.brainmap import BrainMap
from brainview.maps.cache import digest
from brainview.maps.convert import convert
from brainview.maps.meshes import registered_space
from brainview.maps.space import (
    GrayordinateSpace,
    MaskedSpace,
    ParcelSpace,
    Space,
    SurfaceSpace,
    VolumeSpace,
    get_space,
)


def open_maps(path: str, *, context: JobContext = QUIET) -> list[BrainMap]:
    """Return the maps of a file of any supported format; raises BrainViewError with one clear line."""
    from brainview.maps.io import read_maps

    context.report(0, 1, f"opening {Path(path).name}")
    try:
        maps = read_maps(path)
    except IsSurface:  # a brain without a map: itself, its other half and its folds
        from brainview.maps.surface_files import open_surface

        maps = [open_surface(path)]
    context.report(1, 1, f"{len(maps)} map{'s' if len(maps) != 1 else ''}")
    return maps


def export_map(map: BrainMap, path: str, format: str | None = None, space_name: str | None = None, *,
               method: str = "auto", world: str | None = None, context: JobContext = QUIET) -> str:
    """Write a map, on another space if asked; return the path of the file that was written.

    Parameters
    ----------
    map : BrainMap
    path : str
        Where to.
    format : str, optional
        ``nifti``, ``gifti``, ``cifti``, ``csv``, ``tsv``, ``npy``; by the ending of `path` when not given.
    space_name : str, optional
        Name of a built-in or registered space, or a map file whose space is taken; default: the map's own.
    method, world
        As in :func:`brainview.maps.convert.convert`.
    """
    from brainview.maps.io import write_map

    target = present(map, find_space(space_name)) if space_name else None
    if target is not None and target != map.space:
        context.report(0, 2, f"converting to {target.name}")
        map = convert(map, target, method=method, world=world)  # type: ignore[arg-type]
    context.report(1, 2, f"writing {Path(path).name}")
    written = write_map(map, path, format)
    context.report(2, 2, "written")
    return str(written)


def keep_maps(maps: list[BrainMap], *, context: JobContext = QUIET) -> list[str]:
    """Write maps that exist nowhere else into BrainView's own folder; return a file each (an equal map: the same file).

    What is read back is the map that was written, so that projects and recipes can name it.
    """
    from brainview.maps.io import write_map

    out = []
    for number, one in enumerate(maps):
        context.report(number, len(maps), f"keeping {one.name}")
        form, suffix = _form_of(one)
        name = "".join(c if c.isalnum() else "-" for c in one.name)[:40].strip("-")
        computed_dir().mkdir(parents=True, exist_ok=True)
        path = computed_dir() / f"{name}-{digest(one.values, one.name, one.space.name, one.kind, one.limits)}{suffix}"
        if path.is_file():
            os.utime(path)  # it is in use again
        out.append(str(path) if path.is_file() else str(write_map(one, path, form)))
    kept.prune(now=[kept.mark_of(p) for p in out])
    return out


def _form_of(one: BrainMap) -> tuple[str, str]:
    """Return format and ending of a kept map: one file, whatever it holds (GIFTI would put two sides into two)."""
    root = one.space.root
    if isinstance(root, VolumeSpace):
        return "nifti", ".nii.gz"
    if isinstance(root, GrayordinateSpace) or (isinstance(root, SurfaceSpace) and root.n_left and root.n_right):
        return "cifti", ".dlabel.nii" if one.kind == "label" else ".dscalar.nii"
    return ("gifti", ".func.gii") if isinstance(root, SurfaceSpace) else ("npy", ".npy")


def to_surface(map: BrainMap, mesh: str = "fsaverage5", *, world: str | None = None,
               context: JobContext = QUIET) -> BrainMap:
    """Return a map as values on a surface, ready to draw.

    Parameters
    ----------
    map : BrainMap
        On any space. Grayordinates and parcels go over the surface they belong to.
    mesh : str
        A standard or registered mesh; ``own`` keeps the surface that the map already is on (grayordinates: fsLR32k).
    world : str, optional
        What the coordinates of a volume mean when its file does not say (``MNI152``).
    """
    context.report(0, 1, f"to {mesh}")
    if mesh == "own":
        drawn = _own_surface(map)
    else:
        target = find_space(mesh)
        if not isinstance(target, SurfaceSpace):
            raise MismatchError(f"{mesh} is no surface", remedy="Name a mesh such as fsaverage5.")
        drawn = map.expanded() if map.space.root == target else convert(map, present(map, target), world=world)
    context.report(1, 1, f"on {drawn.space.name}")
    return drawn


def to_volume(map: BrainMap, space: str = "mni152-2mm", *, context: JobContext = QUIET) -> BrainMap:
    """Return a surface map as values in a volume, NaN away from the cortex, ready to draw as slices."""
    context.report(0, 1, f"to {space}")
    drawn = convert(map, find_space(space))
    context.report(1, 1, f"in {drawn.space.name}")
    return drawn


def find_space(name: str) -> Space:
    """Return a space by name: built in, registered (``native:...``), or the space of a map file at that path."""
    try:
        return get_space(name)
    except MissingError:
        if os.path.exists(name):
            return _space_of_file(name)
        try:
            return registered_space(name)
        except BrainViewError:
            pass
        raise


def part_of(map: BrainMap, part: str) -> BrainMap:
    """Return the ``cortex`` (a surface map) or the ``voxels`` (a volume map) of a map on grayordinates, or ``all``."""
    if part == "all":
        return map
    if not isinstance(map.space, GrayordinateSpace):
        raise MismatchError(f"is on {map.space.name}; only grayordinates have parts", where=map.name)
    parts = grayordinates.split(map)
    key = {"cortex": "surface", "voxels": "volume"}[part]
    if key not in parts:
        raise MismatchError(f"{map.space.name} has no {part}", where=map.name)
    return parts[key]


def _space_of_file(path: str) -> Space:
    from brainview.maps.io import read_maps

    found = read_maps(path, index=0)[0].space
    return found.root if isinstance(found, MaskedSpace) else found


def _own_surface(map: BrainMap) -> BrainMap:
    space = map.space.root
    if isinstance(space, GrayordinateSpace):
        return part_of(map.expanded(), "cortex")
    if isinstance(map.space, ParcelSpace) and isinstance(space, SurfaceSpace):
        return convert(map, space)
    if not isinstance(space, SurfaceSpace):
        raise MismatchError(f"is on {space.name}, which has no surface of its own", where=map.name,
                            remedy="Name a mesh such as fsaverage5.")
    return map.expanded()


def present(map: BrainMap, target: Space) -> Space:
    """Return a target surface without the hemisphere that a one-sided surface map does not have."""
    source = map.space.root
    if isinstance(source, GrayordinateSpace):
        source = grayordinates.cortex_space(source) or source
    if not isinstance(source, SurfaceSpace) or not isinstance(target, SurfaceSpace):
        return target
    return SurfaceSpace(target.name, target.n_left if source.n_left else 0, target.n_right if source.n_right else 0)
