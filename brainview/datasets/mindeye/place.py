"""Where the voxels of ``nsdgeneral`` lie: the mask of the subject's NSD tree, its ROIs and its ceiling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from brainview.core.errors import MismatchError, MissingError
from brainview.datasets.nsd.files import BETAS, PPDATA, read_header, read_volume
from brainview.datasets.nsd.labels import LazyRois, find_tables, volume_files
from brainview.datasets.nsd.transform import apply_transform, load_transform
from brainview.datasets.types import NO_CEILING, Ceiling
from brainview.maps.brainmap import BrainMap
from brainview.maps.rois import RoiClass
from brainview.maps.space import MaskedSpace, ParcelSpace, Space, VolumeSpace

_GRID = "func1pt8mm"
#: NSD's transform: for every MNI voxel the 1-based place in the subject's grid.
TO_MNI = "func1pt8-to-MNI.nii.gz"


def voxel_space(roots: tuple[Path, ...], subject: str, voxels: int) -> tuple[Space, Mapping[str, RoiClass], list[str]]:
    """Return the space of the voxels, their ROIs, and what is missing.

    The order is C order of ``nsdgeneral > 0``, so a vector fills the mask's places and comes back the same. Without
    the mask the voxels have numbers and no places. Raises MismatchError for a mask of another size.
    """
    mask = find_mask(roots, subject)
    if mask is None:
        names = tuple(f"voxel {i}" for i in range(voxels))
        return ParcelSpace(f"nsdgeneral:{subject} (places unknown)", names), {}, [
            f"nsddata/ppdata/{subject}/{_GRID}/roi/nsdgeneral.nii.gz is not here, so maps cannot be drawn."]
    volume = read_volume(mask)
    inside = np.flatnonzero(np.nan_to_num(volume).reshape(-1) > 0)
    if inside.size != voxels:
        raise MismatchError(f"has {inside.size:,} voxels, the betas {voxels:,}", where=mask,
                            remedy="Mask and betas must be of one subject and release.")
    shape = (volume.shape[0], volume.shape[1], volume.shape[2])
    grid = VolumeSpace(f"{_GRID}:{subject}", shape, read_header(mask).affine, world="scanner")
    space = MaskedSpace(f"nsdgeneral:{subject}", grid, inside)
    positions = np.ravel_multi_index(np.unravel_index(inside, shape), shape, order="F")
    root = next(r for r in roots if mask.is_relative_to(r))
    files = volume_files(mask.parent)
    return space, LazyRois(space, files, find_tables(root, subject), np.asarray(positions), shape), []


def find_mask(roots: tuple[Path, ...], subject: str) -> Path | None:
    """Return ``nsdgeneral.nii.gz`` of a subject where an NSD tree has it, or in a folder of the subject."""
    for root in roots:
        for place in (PPDATA / subject / _GRID / "roi", Path(subject), Path("ppdata") / subject / _GRID / "roi"):
            for suffix in (".nii.gz", ".nii"):
                if (root / place / f"nsdgeneral{suffix}").is_file():
                    return root / place / f"nsdgeneral{suffix}"
    return None


def find_transform(roots: tuple[Path, ...], subject: str) -> Path | None:
    """Return NSD's ``func1pt8-to-MNI.nii.gz`` of a subject, where it is."""
    for root in roots:
        for place in (PPDATA / subject, Path("ppdata") / subject, Path(subject)):
            path = root / place / "transforms" / TO_MNI
            if path.is_file():
                return path
    return None


def map_to_mni(map: BrainMap, roots: tuple[Path, ...], subject: str) -> BrainMap:
    """Return a map of a subject's voxels on the MNI152 grid of NSD's transform: the nearest voxel, NaN elsewhere.

    Raises MissingError where the transform is not here, MismatchError for a map that is on no voxel grid.
    """
    path = find_transform(roots, subject)
    if path is None:
        raise MissingError(f"nsddata/ppdata/{subject}/transforms/{TO_MNI} is not here", where=roots[0],
                           remedy="Fetch it from NSD's tree; without it the map stays on the subject's own slices.")
    root = map.space.root
    if not isinstance(root, VolumeSpace):
        raise MismatchError("is on no voxel grid", where=map.name)
    volume = np.full(root.size, np.nan, np.float32)
    volume[map.space.root_index if isinstance(map.space, MaskedSpace) else slice(None)] = map.values
    points = load_transform(path)
    values = apply_transform(volume.reshape(root.shape), points, "nearest")
    shape = (points.shape[0], points.shape[1], points.shape[2])
    space = VolumeSpace(f"MNI152 (from {_GRID}:{subject})", shape, read_header(path).affine, world="MNI152")
    return replace(map, values=values.reshape(-1), space=space,
                   provenance={**map.provenance, "transform": f"{subject}/transforms/{TO_MNI}, nearest voxel"})


def voxel_ceiling(roots: tuple[Path, ...], subject: str, space: Space) -> Ceiling:
    """Return the ceiling from ``betas_*/ncsnr.nii.gz`` on the subject's grid, NO_CEILING when it is not there."""
    if not isinstance(space, MaskedSpace) or not isinstance(space.root, VolumeSpace):
        return NO_CEILING
    for root in roots:
        for base in (BETAS, PPDATA):
            folder = root / base / subject / _GRID
            for path in sorted(folder.glob("betas_*/ncsnr.nii*")) if folder.is_dir() else []:
                volume = read_volume(path)
                if volume.shape != space.root.shape:
                    raise MismatchError(f"has shape {volume.shape}, the mask {space.root.shape}", where=path)
                values = np.asarray(volume.reshape(-1)[space.root_index], np.float32)
                return Ceiling("ncsnr", ncsnr=np.where(np.isfinite(values), np.maximum(values, 0), np.nan),
                               note=f"ncsnr of {path.parent.name}")
    return NO_CEILING
