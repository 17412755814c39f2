"""NIfTI-1 and NIfTI-2: volumes and series of volumes, pairs, and surface maps stored as volumes.

Every volume is turned to the closest RAS order at the door, so that one array means one thing in the whole program;
a sheared or oblique affine is kept as it is, only axes are exchanged and flipped. A volume that BrainView wrote comes
back in the order it was written in.
"""

from __future__ import annotations

import gzip
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.core.files import atomic_write
from brainview.maps.brainmap import BrainMap
from brainview.maps.io import provenance
from brainview.maps.io.common import (
    Wanted,
    hemisphere_of,
    is_standard_count,
    make_map,
    match_surface,
    stem,
    whole_number_labels,
)
from brainview.maps.io.nifti_header import CIFTI_INTENTS, WORLDS, VolumeHeader, read_header
from brainview.maps.io.spaces import named_volume, standard_grid
from brainview.maps.io.stream import ByteSource, check_map_cost, check_promise, read_values
from brainview.maps.space import Space, VolumeSpace

_LABEL_INTENT = 1002
_COMMENT = 6


def read(path: os.PathLike | str, wanted: Wanted) -> list[BrainMap]:
    """Return the maps of a NIfTI file (CIFTI-2 files, which are NIfTI-2 outside, are passed on).

    Parameters
    ----------
    path : path
        ``.nii``, ``.nii.gz``, or either file of an ``.hdr``/``.img`` pair, packed or not.
    wanted : Wanted

    Raises
    ------
    FormatError, LimitError, MismatchError
    """
    with ByteSource(_header_file(path)) as source:
        header = read_header(source)
        if header.intent in CIFTI_INTENTS:
            from brainview.maps.io import cifti  # one door for files that share an ending

            return cifti.read_matrix(source, header, wanted)
        if not header.pair:
            return read_frames(source, header, wanted, Path(path))
    with ByteSource(_image_file(path)) as data:
        return read_frames(data, header, wanted, Path(path))


def stored_affine(path: os.PathLike | str) -> np.ndarray:
    """Return the (4, 4) affine, voxel index to mm, as the file has it, before its axes are turned to RAS."""
    with ByteSource(_header_file(path)) as source:
        return np.array(read_header(source).affine)


def _partner(path: Path, old: str, new: str) -> Path | None:
    base = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    if not base.lower().endswith(old):
        return None
    body = base[: -len(old)]
    for ending in (new, new.upper(), new + ".gz"):
        if (path.parent / (body + ending)).is_file():
            return path.parent / (body + ending)
    raise MissingError(f"the other half of the pair, {body + new} or {body + new}.gz, is not beside it", where=path,
                       remedy="Put both files into one folder.")


def _header_file(path: os.PathLike | str) -> Path:
    return _partner(Path(path), ".img", ".hdr") or Path(path)


def _image_file(path: os.PathLike | str) -> Path:
    path = Path(path)
    if path.name.lower().removesuffix(".gz").endswith(".img"):
        return path
    return _partner(path, ".hdr", ".img") or _lone_header(path)


def _lone_header(path: Path) -> Path:
    raise FormatError("is the header of a pair but is not named .hdr, so its values cannot be found", where=path)


def _grid(shape: tuple[int, ...], path: Path) -> tuple[tuple[int, int, int], int]:
    """Return the three dimensions of one volume and the number of volumes."""
    dims = list(shape)
    while len(dims) > 3 and dims[-1] == 1:
        dims.pop()
    dims += [1] * (3 - len(dims))
    if len(dims) > 4:
        raise FormatError(f"has {len(dims)} dimensions {tuple(dims)}; a map has 3, a series of maps 4", where=path,
                          remedy="Split it into files of at most 4 dimensions.")
    return (dims[0], dims[1], dims[2]), dims[3] if len(dims) == 4 else 1


def read_frames(source: ByteSource, header: VolumeHeader, wanted: Wanted, path: Path) -> list[BrainMap]:
    """Return the wanted frames of a file whose values lie at ``header.offset`` of `source`, first axis fastest."""
    grid, count = _grid(header.shape, path)
    n, itemsize = math.prod(grid), header.dtype.itemsize
    check_promise(source, header.offset - source.position + n * count * itemsize)
    picked = wanted.pick(count, path)
    check_map_cost(n, len(picked), where=path)
    block = _block(header)
    maps: dict[int, BrainMap] = {}
    for number in sorted(set(picked)):
        source.skip_to(header.offset + number * n * itemsize)
        values = read_values(source, n, header.dtype, header.scale)
        name = stem(path) if count == 1 else f"{stem(path)} [{number}]"
        maps[number] = frame_map(values, grid, header, wanted, path, name, block)
    if count - 1 in maps:
        source.end(header.tail)
    return [maps[number] for number in picked]


def _block(header: VolumeHeader) -> dict[str, Any] | None:
    for code, content in header.extensions:
        if code == _COMMENT:
            try:
                block = provenance.from_text(content)
            except FormatError as err:
                header.notes.append(err.what)
                continue
            if block is not None:
                return block
    return None


def frame_map(values: np.ndarray, grid: tuple[int, int, int], header: VolumeHeader, wanted: Wanted, path: Path,
              name: str, block: dict[str, Any] | None = None) -> BrainMap:
    """Return one volume, or one vertex map stored as a volume, as a map.

    Parameters
    ----------
    values : (x*y*z,) float32
        In file order, the first axis fastest.
    """
    told = {"file": path.name, "format": header.format}
    if header.description:
        told["description"] = header.description
    notes = list(header.notes)
    if _is_vector(grid, path, wanted):
        space: Space
        space, assumed = match_surface(values.size, path, wanted)
        notes += ["a vertex map stored as a volume", *assumed]
    else:
        values, space = _on_grid(values, grid, header, path, block, notes)
        if wanted.space is not None:
            values, space = _in_wanted(values, space, wanted.space, path)
    # integer values without scaling, or the intent itself, can be labels
    whole = header.dtype.kind in "iu" and header.scale is None
    labels = whole_number_labels(values) if whole or header.intent == _LABEL_INTENT else None
    if labels is not None and block is None:
        notes.append("a few whole numbers: taken as labels")
    made = make_map(values, space, name=name, provenance=told, notes=notes, labels=labels)
    low, high = header.cal
    if labels is None and low < high and np.isfinite(header.cal).all():
        size = max(abs(low), abs(high))  # the middle of a diverging bar stays at 0
        made = made.having(limits=(-size, size) if made.kind == "diverging" else (low, high))
    return provenance.restore(made, block)


def _is_vector(grid: tuple[int, int, int], path: Path, wanted: Wanted) -> bool:
    long = [n for n in grid if n != 1]
    if len(long) != 1:
        return False
    if wanted.space is not None:
        return wanted.space.kind == "surface"
    return is_standard_count(long[0]) or bool(wanted.hemisphere or hemisphere_of(path))


def _on_grid(values: np.ndarray, grid: tuple[int, int, int], header: VolumeHeader, path: Path,
             block: dict[str, Any] | None, notes: list[str]) -> tuple[np.ndarray, VolumeSpace]:
    volume = values.reshape(grid, order="F")
    own = _own_grid(block, grid, header)
    if own is not None:
        return np.ascontiguousarray(volume).reshape(-1), own
    volume, affine = to_ras(volume, header.affine)
    standard = standard_grid(volume.shape, affine)
    if standard is not None:
        return np.ascontiguousarray(volume).reshape(-1), standard
    world = header.world
    if world in ("scanner", "aligned", "template") and "space-mni152" in path.name.lower():
        world = "MNI152"
        notes.append("MNI152 because the file name says so")
    space = VolumeSpace(f"volume:{stem(path)}", volume.shape, affine, world)
    return np.ascontiguousarray(volume).reshape(-1), space


def _own_grid(block: dict[str, Any] | None, grid: tuple[int, int, int], header: VolumeHeader) -> VolumeSpace | None:
    """Return the grid a block of ours tells, when the header agrees with it to float32."""
    told = (block or {}).get("space")
    while isinstance(told, dict) and told.get("kind") == "mask":
        told = told.get("parent")
    if not isinstance(told, dict) or told.get("kind") != "volume":
        return None
    try:
        affine = np.array(told["affine"], dtype=float)
        if affine.shape != (4, 4) or list(told["shape"]) != list(grid):
            return None
        if not np.allclose(affine, header.affine, rtol=1e-5, atol=1e-3):
            return None
        return named_volume(str(told["name"])[:300], grid, affine, str(told["world"])[:100])
    except (KeyError, TypeError, ValueError, FormatError):
        return None


def _in_wanted(values: np.ndarray, space: VolumeSpace, wanted: Space, path: Path) -> tuple[np.ndarray, Space]:
    if wanted == space or (isinstance(wanted, VolumeSpace) and wanted.shape == space.shape
                           and np.allclose(wanted.affine, space.affine, atol=1e-3)):
        return values, wanted
    raise MismatchError(f"is on a grid of {space.shape}, which is not {wanted.name}", where=path,
                        remedy="Convert it first.")


def to_ras(volume: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a volume (x, y, z) and its affine with axes exchanged and flipped to the order closest to RAS."""
    turn = io_orientation(affine)
    if np.isnan(turn).any():
        raise FormatError("has an affine whose axes cannot be told apart")
    turned = apply_orientation(volume, turn)
    return turned, affine @ inv_ornt_aff(turn, volume.shape) + 0.0  # + 0.0: no negative zeros


def write(map: BrainMap, path: Path) -> Path:
    """Write a volume map as NIfTI-1 (float32, labels as integers), NaN outside a mask, its story in an extension.

    Raises MismatchError for a map that is on no volume, or on a grid with an axis longer than 32,767.
    """
    whole = map.expanded()
    space = whole.space
    if not isinstance(space, VolumeSpace):
        raise MismatchError(f"{map.name!r} is on {map.space.name}, which is no volume", where=path,
                            remedy="Convert it to a volume, or write GIFTI, CIFTI or CSV.")
    if max(space.shape) > 32767:
        raise MismatchError(f"a grid of {space.shape} does not fit a NIfTI-1 file", where=path)
    values = whole.values.reshape(space.shape)
    image = nib.Nifti1Image(as_integers(values) if map.kind == "label" else values, space.affine)
    code = {v: k for k, v in WORLDS.items()}.get(space.world, 2)  # 'unknown': the story says so
    image.set_sform(space.affine, code)
    edges = space.affine[:3, :3] / np.array(space.zooms)
    square = np.allclose(edges.T @ edges, np.eye(3), atol=1e-4)  # a quaternion cannot hold a shear
    image.set_qform(space.affine if square else None, code if square else 0)
    header = image.header
    header.set_xyzt_units("mm")
    if map.kind == "label":
        header["intent_code"] = _LABEL_INTENT
    elif map.limits is not None:
        header["cal_min"], header["cal_max"] = map.limits
    version = provenance.software()["brainview"]
    header["descrip"] = f"BrainView {version}{' PHANTOM (simulated brain)' if map.is_phantom else ''}"[:79].encode()
    text = provenance.to_text(provenance.block_for(replace(map, values=whole.values, space=space)))
    header.extensions.append(nib.nifti1.Nifti1Extension(_COMMENT, text.encode()))
    data = image.to_bytes()
    with atomic_write(path) as file:
        # no time stamp in the packing: the same map gives the same bytes
        file.write(gzip.compress(data, 6, mtime=0) if path.name.lower().endswith(".gz") else data)
    return path


def as_integers(values: np.ndarray) -> np.ndarray:
    """Return labels as the smallest integer type that holds them; float32 when some are missing or no whole numbers."""
    if not np.isfinite(values).all() or (values != np.round(values)).any() or np.abs(values).max(initial=0) >= 2**31:
        return values
    return values.astype(np.int16 if np.abs(values).max(initial=0) < 2**15 else np.int32)
