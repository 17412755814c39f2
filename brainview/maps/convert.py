"""From any space to any other: the one function that everything converts with.

Rules:

- Labels are never averaged: a location takes the label with the most samples or the largest weight (ties: the
  smallest).
- NaN is no data. Weights are renormalised over what has data; a location needs at least `LEAST` of its weight. From a
  whole volume to a surface, nilearn's rule holds instead (see :mod:`brainview.maps.sampling`), unless the values come
  through a mask.
- Angles (``kind="cyclic"``) are averaged on the circle of the map's limits.
- fsaverage is in MNI305 and is taken to MNI152 by FreeSurfer's affine; ``align="nilearn"`` leaves that out and then
  equals ``vol_to_surf``.
- What cannot be converted truly (a person's own volume to fsaverage, fsLR to fsaverage without the spheres) is refused.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import numpy as np
from scipy import sparse

from brainview.core.errors import LimitError, MismatchError, MissingError
from brainview.maps import grayordinates, transfer
from brainview.maps.brainmap import BrainMap
from brainview.maps.resample import resample, snapped
from brainview.maps.sampling import Sampling
from brainview.maps.space import GrayordinateSpace, MaskedSpace, ParcelSpace, Space, SurfaceSpace, VolumeSpace

Method = Literal["auto", "linear", "nearest"]
Missing = Literal["auto", "sample", "weight"]

#: The least share of the weight of a location that must have data.
LEAST = 0.25
#: The most entries that a matrix made for :func:`transfer_matrix` may have.
ENTRIES = 40_000_000


@dataclass(frozen=True)
class Rules:
    """How values are carried over.

    Parameters
    ----------
    how : str
        ``linear``, ``nearest``, or ``label`` (majority).
    sampling : Sampling
        Where a volume is sampled for a surface, and the alignment of fsaverage.
    missing : str
        ``sample``: nilearn's rule from volume to surface; ``weight``: renormalised weights; ``auto``: ``sample``,
        and ``weight`` for values that come through a mask.
    least : float
        See `LEAST`.
    """

    how: Literal["linear", "nearest", "label"] = "linear"
    sampling: Sampling = field(default_factory=Sampling)
    missing: Missing = "auto"
    least: float = LEAST


def convert(map: BrainMap, to: Space, *, method: Method = "auto", sampling: Sampling | None = None,
            align: Literal["affine", "nilearn"] | None = None, missing: Missing = "auto",
            world: str | None = None) -> BrainMap:
    """Return a map on another space.

    Parameters
    ----------
    map : BrainMap
    to : Space
        Any space: surfaces, volumes, masks over them, grayordinates, parcel sets.
    method : str
        ``linear`` interpolates, ``nearest`` takes the nearest location (from a volume to a surface: the mean of the
        nearest voxels of the samples). ``auto``: majority for labels, linear otherwise.
    sampling : Sampling, optional
        Where a volume is sampled for a surface; default: 10 points from pial to white.
    align : str, optional
        Short for ``sampling.align``: ``affine`` (default) or ``nilearn``.
    missing : str
        ``auto``, ``sample`` (nilearn's rule for NaN) or ``weight`` (renormalised weights).
    world : str, optional
        What the coordinates of a volume mean when its file does not say (``MNI152``).

    Raises
    ------
    MismatchError
        The two spaces share no frame, or labels were to be averaged.
    MissingError
        A mesh that is needed is not on this machine.
    """
    labelled = map.kind == "label" or map.labels is not None
    if labelled and method == "linear":
        raise MismatchError("holds labels, which are not averaged", where=map.name, remedy="Use nearest or auto.")
    if map.space == to:
        return map
    chosen = sampling or Sampling()
    if align is not None:
        chosen = replace(chosen, align=align)
    cyclic = map.kind == "cyclic" and method != "nearest"
    how: Literal["linear", "nearest", "label"] = "label" if labelled else "nearest" if method == "nearest" else "linear"
    rules = Rules("nearest" if cyclic and map.limits is None else how, chosen, missing)
    source = in_world(map.space, world) if world else map.space
    if cyclic and map.limits is not None:
        values = _on_circle(map.values, map.limits, source, to, rules)
    else:
        values = convert_values(map.values, source, to, rules)
    step = {"from": map.space.name, "to": to.name, "method": rules.how, "sampling": asdict(chosen),
            **({"world_assumed": world} if world else {})}
    story = {**map.provenance, "conversions": [*map.provenance.get("conversions", []), step]}
    return map.having(values=values, space=to, provenance=story)


def convert_values(values: np.ndarray, source: Space, target: Space, rules: Rules | None = None) -> np.ndarray:
    """Return (..., target.size) float32 values of (..., source.size) ones: :func:`convert` for bare arrays."""
    rules = rules or Rules()
    values = np.asarray(values)
    source.check(values, where=source.name)
    stack = values.reshape(-1, source.size)
    out = np.empty((len(stack), target.size), np.float32)
    for i, row in enumerate(stack):
        out[i] = _carry(row, source, target, rules)
    return out.reshape(*values.shape[:-1], target.size)


def in_world(space: Space, world: str) -> Space:
    """Return the same space with its volume's coordinates taken as `world` (``MNI152``)."""
    if isinstance(space, VolumeSpace):
        return replace(space, world=world)
    if isinstance(space, MaskedSpace):
        return replace(space, parent=in_world(space.parent, world))
    return space


def transfer_matrix(source: Space, target: Space, method: Method = "auto", *,
                    sampling: Sampling | None = None) -> sparse.csr_matrix:
    """Return the (target.size, source.size) matrix that :func:`convert` multiplies values without NaN by.

    Rows sum to 1, or to 0 where the target has no source. Raises LimitError for pairs of fine volumes, whose matrix
    would not fit, and MismatchError for pairs that no single matrix describes.
    """
    how: transfer.How = "nearest" if method == "nearest" else "linear"
    chosen = sampling or Sampling()
    if source == target:
        return sparse.identity(source.size, format="csr")
    if isinstance(source, MaskedSpace):
        return _renormalised(transfer_matrix(source.parent, target, method, sampling=sampling)[:, source.index])
    if isinstance(target, MaskedSpace):
        return transfer_matrix(source, target.parent, method, sampling=sampling)[target.index]
    if isinstance(source, ParcelSpace):
        return transfer_matrix(_parent(source), target, method, sampling=sampling) @ _membership(source)
    if isinstance(target, ParcelSpace):
        whole = transfer_matrix(source, _parent(target), method, sampling=sampling)
        return _renormalised(_membership(target).T.tocsr() @ whole)
    if isinstance(source, GrayordinateSpace) or isinstance(target, GrayordinateSpace):
        return _gray_matrix(source, target, method, chosen)
    if isinstance(source, VolumeSpace) and isinstance(target, SurfaceSpace):
        return transfer.volume_sampler(source, target, chosen, how).matrix
    if isinstance(source, SurfaceSpace) and isinstance(target, SurfaceSpace):
        return transfer.surface_to_surface(source, target, how).matrix
    if isinstance(source, SurfaceSpace) and isinstance(target, VolumeSpace):
        return transfer.surface_to_volume(source, target, chosen.align, how).matrix
    return _volume_matrix(source, target, how)


# --- the routes -------------------------------------------------------------------------------------------------

def _carry(values: np.ndarray, source: Space, target: Space, rules: Rules) -> np.ndarray:
    """Return (target.size,) values; peels masks, parcels and grayordinates off until two roots remain."""
    if source == target:
        return values
    if isinstance(source, MaskedSpace):
        whole = source.expand(np.asarray(values, np.float32))
        masked = replace(rules, missing="weight") if rules.missing == "auto" else rules
        return _carry(whole, source.parent, target, masked)
    if isinstance(target, MaskedSpace):
        return _carry(values, source, target.parent, rules)[target.index]
    if isinstance(source, ParcelSpace):
        parent, labels = _parent(source), _labels(source)
        spread = np.where(labels >= 0, np.asarray(values, np.float32)[labels], np.nan)
        return _carry(spread, parent, target, rules)
    if isinstance(target, ParcelSpace):
        return _into_parcels(_carry(values, source, _parent(target), rules), target, rules)
    if isinstance(source, GrayordinateSpace):
        return _from_gray(values, source, target, rules)
    if isinstance(target, GrayordinateSpace):
        return _to_gray(values, source, target, rules)
    return _roots(values, source, target, rules)


def _roots(values: np.ndarray, source: Space, target: Space, rules: Rules) -> np.ndarray:
    label = rules.how == "label"
    how: transfer.How = "linear" if rules.how == "linear" else "nearest"
    if isinstance(source, VolumeSpace) and isinstance(target, SurfaceSpace):
        sampler = transfer.volume_sampler(source, target, rules.sampling, how)
        if label:
            return sampler.majority(values)
        return sampler.apply_weights(values, rules.least) if rules.missing == "weight" else sampler.apply(values)
    if isinstance(source, VolumeSpace) and isinstance(target, VolumeSpace):
        return resample(values, source, target, nearest=how == "nearest", least=rules.least)
    if isinstance(source, SurfaceSpace) and isinstance(target, SurfaceSpace):
        carried = transfer.surface_to_surface(source, target, how)
    elif isinstance(source, SurfaceSpace) and isinstance(target, VolumeSpace):
        carried = transfer.surface_to_volume(source, target, rules.sampling.align, how)
    else:
        raise MismatchError(f"cannot be converted to {target.name}", where=source.name)
    return carried.majority(values) if label else carried.apply(values, rules.least)


def _on_circle(values: np.ndarray, limits: tuple[float, float], source: Space, target: Space,
               rules: Rules) -> np.ndarray:
    """Average angles as unit vectors; the limits of the map are one turn."""
    low, turn = limits[0], limits[1] - limits[0]
    angle = (values.astype(np.float64) - low) * (2 * np.pi / turn)
    parts = convert_values(np.stack([np.cos(angle), np.sin(angle)]), source, target, rules)
    back = np.arctan2(parts[1], parts[0]) % (2 * np.pi)
    return (back * (turn / (2 * np.pi)) + low).astype(np.float32)


def _parent(space: ParcelSpace) -> Space:
    if space.parent is None or space.labels is None:
        raise MissingError("only the names of these parcels are known, not where they are", where=space.name,
                           remedy="Open the atlas (a dlabel, label or annot file) that they belong to.")
    return space.parent


def _labels(space: ParcelSpace) -> np.ndarray:
    assert space.labels is not None  # _parent() has refused that
    return np.asarray(space.labels)


def _into_parcels(values: np.ndarray, target: ParcelSpace, rules: Rules) -> np.ndarray:
    labels = _labels(target)
    good = (labels >= 0) & np.isfinite(values)
    if rules.how == "label":
        rows = np.flatnonzero(good)
        vote = sparse.csr_matrix((np.ones(len(rows)), (labels[rows], rows)), shape=(target.size, len(labels)))
        return transfer.Transfer(vote).majority(values)
    count = np.bincount(labels[good], minlength=target.size)
    total = np.bincount(labels[good], np.asarray(values, np.float64)[good], minlength=target.size)
    return np.divide(total, count, out=np.full(target.size, np.nan), where=count > 0)


def _membership(space: ParcelSpace) -> sparse.csr_matrix:
    labels = _labels(space)
    rows = np.flatnonzero(labels >= 0)
    return sparse.csr_matrix((np.ones(len(rows)), (rows, labels[rows])), shape=(len(labels), space.size))


def _from_gray(values: np.ndarray, source: GrayordinateSpace, target: Space, rules: Rules) -> np.ndarray:
    """Carry cortex and voxels apart and lay them together; voxels win where both give a value."""
    whole = BrainMap(values, source)
    parts = grayordinates.split(whole)
    if isinstance(target, GrayordinateSpace):
        surface, volume = grayordinates.cortex_space(target), target.volume
        cortical, vertex, voxels, voxel = grayordinates.positions(target)
        out = np.full(target.size, np.nan)
        if surface is not None and "surface" in parts:
            out[cortical] = _carry(parts["surface"].values, parts["surface"].space, surface, rules)[vertex]
        if volume is not None and "volume" in parts:
            out[voxels] = _carry(parts["volume"].values, parts["volume"].space, volume, rules)[voxel]
        return out
    if isinstance(target, SurfaceSpace):
        if "surface" not in parts:
            raise MismatchError("has no cortical vertices to show on a surface", where=source.name)
        return _carry(parts["surface"].values, parts["surface"].space, target, rules)
    out = np.full(target.size, np.nan)
    if "surface" in parts and np.isfinite(parts["surface"].values).any():
        try:
            out = np.array(_carry(parts["surface"].values, parts["surface"].space, target, rules))
        except MissingError as err:
            raise MissingError(f"the cortex of {source.name} cannot be put into a volume: {err.what}",
                               remedy=f"{err.remedy} Or take only the voxels (--part voxels).") from err
    if "volume" in parts:
        inside = _carry(parts["volume"].values, parts["volume"].space, target, rules)
        out = np.where(np.isfinite(inside), inside, out)
    return out


def _to_gray(values: np.ndarray, source: Space, target: GrayordinateSpace, rules: Rules) -> np.ndarray:
    out = np.full(target.size, np.nan)
    surface = grayordinates.cortex_space(target)
    cortical, vertex, voxels, voxel = grayordinates.positions(target)
    if surface is not None:
        out[cortical] = _carry(values, source, surface, rules)[vertex]
    if target.volume is not None and isinstance(source, VolumeSpace):
        out[voxels] = _carry(values, source, target.volume, rules)[voxel]
    return out


def _gray_matrix(source: Space, target: Space, method: Method, sampling: Sampling) -> sparse.csr_matrix:
    """Assemble the matrix of a pair with grayordinates from its cortical and its voxel part."""
    gray, other = (source, target) if isinstance(source, GrayordinateSpace) else (target, source)
    if not isinstance(gray, GrayordinateSpace) or isinstance(other, GrayordinateSpace):
        raise MismatchError("two sets of grayordinates are converted part by part, not by one matrix",
                            where=f"{source.name} to {target.name}", remedy="Use convert.")
    cortical, vertex, voxels, voxel = grayordinates.positions(gray)
    matrix = sparse.csr_matrix((target.size, source.size))
    for space, own, theirs in ((grayordinates.cortex_space(gray), cortical, vertex), (gray.volume, voxels, voxel)):
        if space is None or (isinstance(space, VolumeSpace) and not isinstance(other, VolumeSpace)):
            continue
        select = sparse.csr_matrix((np.ones(len(own)), (theirs, own)), shape=(space.size, gray.size))
        if gray is source:
            matrix = matrix + transfer_matrix(space, other, method, sampling=sampling) @ select
        else:
            matrix = matrix + select.T @ transfer_matrix(other, space, method, sampling=sampling)
    return _renormalised(matrix.tocsr())


def _volume_matrix(source: Space, target: Space, how: transfer.How) -> sparse.csr_matrix:
    if not (isinstance(source, VolumeSpace) and isinstance(target, VolumeSpace)):
        raise MismatchError(f"cannot be converted to {target.name}", where=source.name)
    if target.size * (1 if how == "nearest" else 8) > ENTRIES:
        raise LimitError(f"the matrix to {target.name} would have more than {ENTRIES:,} entries", where=source.name,
                         remedy="Use convert, which needs no matrix between volumes.")
    from brainview.maps.sampling import VolumeSampler

    if source.world != target.world:
        raise MismatchError(f"is in {target.world} coordinates, the values are in {source.world}", where=target.name)
    step = np.linalg.inv(source.affine) @ target.affine
    voxel = np.stack(np.unravel_index(np.arange(target.size), target.shape), axis=1)
    points = snapped(voxel @ step[:3, :3].T + step[:3, 3])
    size = np.asarray(source.shape)
    outside = ((points < -0.5) | (points > size - 0.5)).any(1)
    points = np.clip(points, 0, size - 1)
    points[outside] = -1.0  # outside the grid on every axis: no row
    matrix = VolumeSampler.build(lambda: points[:, None, :], source.shape, nearest=how == "nearest").matrix
    matrix.eliminate_zeros()
    return matrix


def _renormalised(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Scale rows to sum 1, and empty those that have less than `LEAST` of their weight left."""
    matrix = matrix.tocsr()
    sums = np.asarray(matrix.sum(1)).ravel()
    scale = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums >= LEAST)
    out = sparse.diags(scale) @ matrix
    out.eliminate_zeros()
    return out.tocsr()
