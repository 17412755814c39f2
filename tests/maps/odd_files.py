"""Damaged, hostile and wrong files, written by hand so that their headers can lie; and the one way to assert a refusal.
"""

from __future__ import annotations

import base64
import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brainview.core.errors import BrainViewError, FormatError
from brainview.maps.io import read_maps

SHAPE = (4, 5, 6)


def nifti(path: Path, change: Callable[[nib.Nifti1Header], None] | None = None, dtype: str = "<f4",
          shape: tuple[int, ...] = SHAPE, data: bytes | None = None, header_class: type = nib.Nifti1Header) -> Path:
    """Write a NIfTI file by hand, so that the header can lie."""
    header = header_class(endianness=dtype[0])
    header.set_data_dtype(np.dtype(dtype))
    header.set_data_shape(shape)
    header.set_sform(np.diag([2, 2, 2, 1]), 1)
    header["vox_offset"] = len(header.binaryblock) + 4
    header["magic"] = b"n+1" if header_class is nib.Nifti1Header else header["magic"]
    if change is not None:
        change(header)
    if data is None:
        data = np.arange(np.prod(shape), dtype=np.float64).astype(dtype).tobytes()
    content = header.binaryblock + b"\0" * 4 + data
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def field(name: str, value: object) -> Callable[[nib.Nifti1Header], None]:
    def change(header: nib.Nifti1Header) -> None:
        header[name] = value
    return change


def refused(path: Path, kind: type[BrainViewError] = FormatError, word: str = "", most: int = 64 << 20,
            reader: Callable = read_maps) -> str:
    """Assert the one line, its type, and that no more than `most` bytes were spent."""
    tracemalloc.start()
    try:
        with pytest.raises(BrainViewError) as caught:
            reader(path)
        spent = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    line = str(caught.value)
    assert isinstance(caught.value, kind), line
    assert word in line and "\n" not in line and path.name in line, line
    assert spent < most, f"{spent >> 20} MiB"
    return line


HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n{doctype}<GIFTI Version="1.0" NumberOfDataArrays="{n}">{inner}</GIFTI>'
ARRAY = ('<DataArray Intent="NIFTI_INTENT_{intent}" DataType="NIFTI_TYPE_{type}" ArrayIndexingOrder="{order}" '
         'Dimensionality="{nd}" {dims} Encoding="{encoding}" Endian="LittleEndian" ExternalFileName="{file}" '
         'ExternalFileOffset="{offset}"><Data>{data}</Data></DataArray>')


def array(data: str, shape: tuple[int, ...] = (642,), intent: str = "NONE", type: str = "FLOAT32",
          encoding: str = "Base64Binary", order: str = "RowMajorOrder", file: str = "", offset: int = 0) -> str:
    dims = " ".join(f'Dim{i}="{n}"' for i, n in enumerate(shape))
    return ARRAY.format(intent=intent, type=type, order=order, nd=len(shape), dims=dims, encoding=encoding, file=file,
                        offset=offset, data=data)


def gifti(path: Path, *arrays: str, doctype: str = "", n: int | None = None) -> Path:
    path.write_text(HEAD.format(doctype=doctype, n=len(arrays) if n is None else n, inner="".join(arrays)))
    return path


def b64(values: np.ndarray, pack: Callable[[bytes], bytes] = bytes) -> str:
    return base64.b64encode(pack(values.tobytes())).decode()


VALUES = np.random.default_rng(0).normal(size=642).astype("<f4")
