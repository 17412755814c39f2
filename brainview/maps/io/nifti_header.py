"""The header of a NIfTI-1 or NIfTI-2 file, read and judged before a single value is."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from brainview.core.errors import FormatError
from brainview.core.names import shown
from brainview.maps.io.provenance import BLOCK_LIMIT
from brainview.maps.io.stream import ByteSource, looks_like

#: What the form codes say about the world (NIfTI-1 standard, field sform_code); 0 = nothing.
WORLDS = {1: "scanner", 2: "aligned", 3: "Talairach", 4: "MNI152", 5: "template"}
#: Intent codes of CIFTI-2 files.
CIFTI_INTENTS = range(3000, 3100)
_UNIT_MM = {1: 1000.0, 2: 1.0, 3: 0.001}


@dataclass
class VolumeHeader:
    """What the header of a NIfTI or MGH file says, checked.

    Parameters
    ----------
    format : str
        ``NIfTI-1``, ``NIfTI-2``, ``MGH``.
    shape : tuple of int
        Dimensions, all >= 1.
    dtype : numpy dtype
        Of one stored value, with its byte order.
    scale : (float, float), optional
        Slope and intercept.
    offset : int
        Where the values start, in unpacked bytes of the file that holds them.
    affine : (4, 4) float64
        Voxel to world in mm, RAS+.
    world : str
        See :data:`WORLDS`; ``unknown`` when the file tells no orientation.
    pair : bool
        The values are in another file.
    extensions : list of (int, bytes)
    notes : list of str
        What was assumed.
    tail : int
        The most bytes allowed behind the values.
    """

    format: str
    shape: tuple[int, ...]
    dtype: np.dtype
    scale: tuple[float, float] | None
    offset: int
    affine: np.ndarray
    world: str
    pair: bool = False
    intent: int = 0
    cal: tuple[float, float] = (0.0, 0.0)
    description: str = ""
    extensions: list[tuple[int, bytes]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tail: int = 0


def read_header(source: ByteSource) -> VolumeHeader:
    """Return the checked header at the start of `source`; stands behind it and its extensions afterwards.

    Raises
    ------
    FormatError
        No NIfTI, damaged, without a usable affine, or of a kind that is no map (complex, colours).
    """
    path = source.path
    head, version, pair = _fixed_part(source)
    made = {1: (nib.nifti1.Nifti1Header, nib.nifti1.Nifti1PairHeader),
            2: (nib.nifti2.Nifti2Header, nib.nifti2.Nifti2PairHeader)}
    hdr: Any = made[version][pair](head, check=False)
    shape = _shape(hdr, path)
    dtype = _dtype(hdr, path)
    notes: list[str] = []
    cifti = int(hdr["intent_code"]) in CIFTI_INTENTS
    affine, world = (np.eye(4), "unknown") if cifti else _affine(hdr, path, notes)
    told = VolumeHeader(f"NIfTI-{version}", shape, dtype, _scale(hdr, path), _offset(hdr, path, pair), affine, world,
                        pair, int(hdr["intent_code"]), (float(hdr["cal_min"]), float(hdr["cal_max"])),
                        bytes(hdr["descrip"].item()).decode("latin-1").rstrip("\0 "), notes=notes)
    _read_extensions(source, told, hdr.endianness)
    return told


def _fixed_part(source: ByteSource) -> tuple[bytes, int, bool]:
    head = source.some(348)
    found = looks_like(head)
    sizes = (struct.unpack("<i", head[:4])[0], struct.unpack(">i", head[:4])[0]) if len(head) >= 4 else (0, 0)
    if 348 in sizes and len(head) == 348:
        magic = head[344:348]
        if magic in (b"n+1\0", b"ni1\0"):
            return head, 1, magic[:2] == b"ni"
        if magic == b"\0\0\0\0" or not magic.strip(b"\0 "):
            raise FormatError("is an ANALYZE 7.5 file, which does not say where left is", where=source.path,
                              remedy="Convert it to NIfTI with a tool that knows its orientation.")
        raise FormatError(f"has a damaged NIfTI header (magic {magic!r})", where=source.path)
    if 540 in sizes and len(head) == 348:
        magic = head[4:12]
        if magic in (b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n"):
            return head + source.read(540 - 348), 2, magic[:2] == b"ni"
        raise FormatError(f"has a damaged NIfTI-2 header (magic {magic[:4]!r})", where=source.path)
    if found:
        raise FormatError(f"is not NIfTI: it looks like {found}", where=source.path, remedy="Give it its right name.")
    word = f"it holds {len(head)} bytes, a header has 348" if len(head) < 348 else "its first bytes are no NIfTI header"
    raise FormatError(f"is not NIfTI: {word}", where=source.path)


def _shape(hdr: Any, path: Path) -> tuple[int, ...]:
    count = int(hdr["dim"][0])
    if not 1 <= count <= 7:
        raise FormatError(f"has {count} dimensions, 1 to 7 are possible", where=path)
    try:
        shape = tuple(int(n) for n in hdr.get_data_shape())  # knows the two ways FreeSurfer stores long vectors
    except (nib.spatialimages.HeaderDataError, ValueError, KeyError) as err:
        raise FormatError(f"has damaged dimensions: {shown(err)}", where=path) from err
    if any(n < 0 for n in shape):
        raise FormatError(f"has a negative dimension {shape}", where=path)
    if any(n == 0 for n in shape):
        raise FormatError(f"has a dimension of zero {shape}, so it holds no value", where=path)
    return shape


def _dtype(hdr: Any, path: Path) -> np.dtype:
    code = int(hdr["datatype"])
    try:
        stored: Any = nib.nifti1.data_type_codes.dtype[code]
        dtype = np.dtype(stored).newbyteorder(hdr.endianness)
    except KeyError:
        raise FormatError(f"has an unknown data type (code {code})", where=path) from None
    if dtype.kind == "c":
        raise FormatError(f"holds complex numbers ({dtype.name}), which no map can show", where=path,
                          remedy="Save the magnitude or the phase.")
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise FormatError(f"holds values of type {nib.nifti1.data_type_codes.label[code]}, which is no map",
                          where=path, remedy="Save it as float32.")
    return dtype


def _scale(hdr: Any, path: Path) -> tuple[float, float] | None:
    try:
        slope, inter = hdr.get_slope_inter()
    except nib.spatialimages.HeaderDataError as err:
        raise FormatError(f"has damaged scaling: {shown(err)}", where=path) from err
    if slope is None or (slope, inter) == (1.0, 0.0):
        return None
    return float(slope), float(inter or 0.0)


def _offset(hdr: Any, path: Path, pair: bool) -> int:
    value = float(hdr["vox_offset"])
    least = 0 if pair else len(hdr.binaryblock) + 4
    if not np.isfinite(value) or value < 0 or (0 < value < least and not pair):
        raise FormatError(f"says that its values start at byte {value:g}, which cannot be", where=path)
    return max(int(value), least)


def _affine(hdr: Any, path: Path, notes: list[str]) -> tuple[np.ndarray, str]:
    scode, qcode = int(hdr["sform_code"]), int(hdr["qform_code"])
    try:
        with np.errstate(all="ignore"):
            if scode > 0:
                affine, code = hdr.get_sform(), scode
            elif qcode > 0:
                affine, code = hdr.get_qform(), qcode
            else:
                affine, code = hdr.get_base_affine(), 0
                notes.append("the file tells no orientation: which side is left is a guess (left-handed storage, "
                             "as FSL and nibabel assume), and its coordinates mean nothing outside it")
    except (ValueError, nib.spatialimages.HeaderDataError, np.linalg.LinAlgError) as err:
        raise FormatError(f"has a damaged orientation: {shown(err)}", where=path) from err
    affine = np.array(affine, dtype=np.float64)
    factor = _UNIT_MM.get(int(hdr["xyzt_units"]) & 7, 1.0)
    if factor != 1.0:
        affine[:3] *= factor
        notes.append("coordinates converted to mm")
    check_affine(affine, path)
    world = WORLDS.get(code, "unknown") if code else "unknown"
    return affine, world


def check_affine(affine: np.ndarray, where: object) -> None:
    """Refuse an affine that is not finite or that folds the volume flat."""
    if not np.isfinite(affine).all():
        raise FormatError("has an affine with NaN or infinite entries", where=where,
                          remedy="Set its orientation again with the tool it comes from.")
    edges = np.sqrt((affine[:3, :3] ** 2).sum(0))
    # relative to the voxel's edges, so that microscopy and whole bodies pass alike
    flat = (edges <= 0).any() or abs(np.linalg.det(affine[:3, :3])) < 1e-12
    if flat or abs(np.linalg.det(affine[:3, :3] / edges)) < 1e-4:
        raise FormatError("has a singular affine: its voxels have no volume", where=where,
                          remedy="Set its orientation again with the tool it comes from.")


def _read_extensions(source: ByteSource, told: VolumeHeader, order: str) -> None:
    """Collect the header extensions; a damaged one ends the list and is noted."""
    last = source.disk if told.pair and not source.packed else told.offset
    if told.pair:
        flag = source.some(4)
        if len(flag) < 4 or flag[0] == 0 or source.packed:
            return
    else:
        flag = source.read(4)
        if flag[0] == 0:
            return
    while source.position + 16 <= last:
        size, code = struct.unpack(order + "ii", source.read(8))
        if size == 0:
            return
        if size < 8 or source.position - 8 + size > last or size - 8 > 8 * BLOCK_LIMIT:
            told.notes.append("a header extension is damaged and was not read")
            return
        told.extensions.append((code, source.read(size - 8)))
