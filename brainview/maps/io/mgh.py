"""FreeSurfer's MGH and MGZ: vertex maps in any axis order, volumes, frames of both."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from brainview.core.errors import FormatError
from brainview.core.names import shown
from brainview.maps.brainmap import BrainMap
from brainview.maps.io.common import Wanted
from brainview.maps.io.nifti import read_frames
from brainview.maps.io.nifti_header import VolumeHeader, check_affine
from brainview.maps.io.stream import ByteSource, looks_like

_HEADER = 284
_TYPES = {0: ">u1", 1: ">i4", 3: ">f4", 4: ">i2", 10: ">u2"}
#: FreeSurfer puts scan parameters and tags behind the values; more than this is no tag.
_TAG_LIMIT = 16 << 20


def read(path: os.PathLike | str, wanted: Wanted) -> list[BrainMap]:
    """Return the maps of an ``.mgh``/``.mgz`` file: one per frame.

    A file with one long axis is a vertex map, whichever axis it is; everything else is a volume in scanner RAS.

    Raises
    ------
    FormatError, LimitError, MismatchError
    """
    with ByteSource(path) as source:
        return read_frames(source, _read_header(source), wanted, Path(path))


def _read_header(source: ByteSource) -> VolumeHeader:
    path = source.path
    head = source.some(_HEADER)
    if len(head) < _HEADER or head[:4] != b"\0\0\0\1":
        found = looks_like(head)
        raise FormatError("is not MGH" + (f": it looks like {found}" if found else ""), where=path)
    hdr: Any = nib.freesurfer.mghformat.MGHHeader(head + b"\0" * 20, check=False)
    shape = tuple(int(n) for n in np.asarray(hdr["dims"]))
    if min(shape) < 0:
        raise FormatError(f"has a negative dimension {shape}", where=path)
    if min(shape) == 0:
        raise FormatError(f"has a dimension of zero {shape}, so it holds no value", where=path)
    code = int(hdr["type"])
    if code not in _TYPES:
        raise FormatError(f"has an unknown data type (code {code})", where=path)
    notes, world = [], "scanner"
    try:
        with np.errstate(all="ignore"):
            if head[28:30] == b"\0\1":  # nibabel fills in its default when this flag is not set
                affine = hdr.get_affine()
            else:
                world = "unknown"
                notes.append("the file tells no orientation: FreeSurfer's coronal default is assumed")
                affine = nib.freesurfer.mghformat.MGHHeader(_coronal(hdr), check=False).get_affine()
    except (ValueError, nib.spatialimages.HeaderDataError, np.linalg.LinAlgError) as err:
        raise FormatError(f"has a damaged orientation: {shown(err)}", where=path) from err
    if sum(n != 1 for n in shape[:3]) > 1:  # a vertex map's affine means nothing and is often nonsense
        check_affine(affine, path)
    return VolumeHeader("MGH", shape, np.dtype(_TYPES[code]), None, _HEADER, np.asarray(affine, float), world,
                        notes=notes, tail=_TAG_LIMIT)


def _coronal(hdr: Any) -> bytes:
    """Return the header with the orientation FreeSurfer assumes when none is stored (1 mm, coronal slices)."""
    plain = hdr.copy()
    plain["goodRASFlag"], plain["delta"] = 1, 1
    plain["Mdc"] = np.array([[-1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float32)
    plain["Pxyz_c"] = 0
    return plain.binaryblock
