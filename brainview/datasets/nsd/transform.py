"""NSD's transforms: a file on the target grid with the 1-based source coordinate of every target voxel."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from brainview.core.errors import FormatError, MissingError
from brainview.core.files import check_allocation, regular_file
from brainview.core.names import shown

#: Coordinate of a target that has no source.
NOWHERE = 9999
_ORDER = {"nearest": 0, "linear": 1, "cubic": 3}


def load_transform(path: os.PathLike | str) -> np.ndarray:
    """Return (x, y, z, 3) float32 source coordinates, 0-based, NaN = no source (``func1pt0-to-MNI.nii.gz``)."""
    import nibabel as nib

    path = regular_file(path)
    try:
        image: Any = nib.load(path)
        shape = image.shape
        if len(shape) != 4 or shape[3] != 3:
            raise FormatError(f"has shape {shape}; a transform is (x, y, z, 3)", where=path)
        check_allocation(shape, np.float32, where=path)
        coordinates = np.asarray(image.dataobj, dtype=np.float32)
    except (OSError, ValueError, EOFError, nib.filebasedimages.ImageFileError) as err:
        raise FormatError(f"is not a readable transform: {shown(err, limit=120)}", where=path) from err
    coordinates = np.where(coordinates >= NOWHERE, np.nan, coordinates - 1)
    return coordinates.astype(np.float32)


def apply_transform(volume: np.ndarray, coordinates: np.ndarray, method: str = "cubic") -> np.ndarray:
    """Sample a source volume at the target points of a transform.

    Parameters
    ----------
    volume : (x, y, z) array
        Source values; NaN makes every target that touches it NaN (NSD's mapping does the same).
    coordinates : (..., 3) array
        0-based source coordinates, NaN = no source (from :func:`load_transform`); any subset of the target points.
    method : str
        ``nearest``, ``linear``, ``cubic`` or, for labels, ``wta`` (each label mapped linearly, the largest wins).

    Returns
    -------
    (...) float32 array
        NaN where there is no source; for ``wta`` the label, 0 where there is no source.
    """
    from scipy.ndimage import map_coordinates  # slow to import

    volume = np.asarray(volume)
    if volume.ndim != 3 or coordinates.shape[-1:] != (3,):
        raise FormatError(f"a volume of shape {volume.shape} and coordinates of shape {coordinates.shape} do not fit")
    points = np.moveaxis(np.asarray(coordinates, np.float64), -1, 0)
    top = np.array(volume.shape).reshape(3, *[1] * (points.ndim - 1)) - 0.5
    inside = np.asarray((np.isfinite(points) & (points >= -0.5) & (points <= top)).all(axis=0))
    sampled = points[:, inside]
    if method == "wta":
        return _winner(volume, sampled, inside)
    if method not in _ORDER:
        raise MissingError(f"there is no interpolation {method!r}", remedy="Use nearest, linear, cubic or wta.")
    out = np.full(inside.shape, np.nan, np.float32)
    source = volume.astype(np.float64)
    hollow = ~np.isfinite(source)
    values = map_coordinates(np.where(hollow, 0, source), sampled, order=_ORDER[method], mode="nearest")
    if hollow.any():  # a spline would spread one NaN over the volume, so only its neighbourhood is lost
        lost = map_coordinates(hollow.astype(np.float32), sampled, order=min(_ORDER[method], 1), mode="nearest")
        values[lost > 1e-6] = np.nan
    out[inside] = values
    return out


def _winner(volume: np.ndarray, sampled: np.ndarray, inside: np.ndarray) -> np.ndarray:
    from scipy.ndimage import map_coordinates

    best = np.full(sampled.shape[1], -1.0)
    label = np.zeros(sampled.shape[1], np.float32)
    for value in np.unique(volume[np.isfinite(volume)]):
        share = map_coordinates((volume == value).astype(np.float32), sampled, order=1, mode="nearest")
        wins = share > best
        best[wins], label[wins] = share[wins], value
    out = np.zeros(inside.shape, np.float32)
    out[inside] = label
    return out
