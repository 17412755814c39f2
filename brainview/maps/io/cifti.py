"""CIFTI-2: dense and parcellated scalars, labels and series; the file is NIfTI-2 with an XML extension.

The values are read here, bounded like every NIfTI; the XML is refused when it has entities and then parsed by nibabel.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel import cifti2
from nibabel.cifti2.parse_cifti2 import Cifti2Parser

from brainview.core.errors import FormatError, MismatchError
from brainview.core.files import atomic_path
from brainview.core.names import shown
from brainview.maps.brainmap import BrainMap, Label
from brainview.maps.io import provenance
from brainview.maps.io.cifti_spaces import brain_axis, parcel_space, space_of
from brainview.maps.io.common import Wanted, make_map, stem
from brainview.maps.io.nifti import as_integers
from brainview.maps.io.nifti import read as read_nifti
from brainview.maps.io.nifti_header import VolumeHeader, read_header
from brainview.maps.io.stream import ByteSource, check_map_cost, check_promise, read_columns
from brainview.maps.io.xml import PARSE_ERRORS, check_text
from brainview.maps.space import Space

_EXTENSION = 32
_SERIES_UNITS = {"SECOND": "s", "HERTZ": "Hz", "METER": "m", "RADIAN": "rad"}
_MAX_XML = 64 << 20


@dataclass(frozen=True)
class _Frame:
    """What is known of one map: its name, labels and metadata."""

    name: str
    labels: dict[int, Label] | None
    meta: dict[str, str]


def read(path: os.PathLike | str, wanted: Wanted) -> list[BrainMap]:
    """Return the maps of a CIFTI-2 file; a NIfTI file of that name is read as what it is."""
    return read_nifti(path, wanted)


def read_matrix(source: ByteSource, header: VolumeHeader, wanted: Wanted) -> list[BrainMap]:
    """Return the maps of a CIFTI-2 file whose NIfTI header has been read.

    Raises
    ------
    FormatError
        Damaged XML, sizes that disagree, a connectivity matrix. LimitError, MismatchError: as for every map.
    """
    path = source.path
    rows, width = _dimensions(header, path)
    along, space, block = _described(source, header)
    frames = _frames(along, stem(path), space)
    picked = wanted.pick(width, path)
    check_map_cost(rows, len(picked), where=path)
    source.skip_to(header.offset)
    values = read_columns(source, rows, width, picked, header.dtype, header.scale)
    source.end()
    if wanted.space is not None and wanted.space != space:
        raise MismatchError(f"is on {space.name} ({space.size:,}), not on {wanted.space.name} ({wanted.space.size:,})",
                            where=path, remedy="Convert it.")
    maps = []
    for number, row in zip(picked, values, strict=True):
        frame = frames[number]
        made = make_map(row, space, name=frame.name, provenance={"file": path.name, "format": "CIFTI-2"},
                        notes=header.notes, labels=frame.labels)
        maps.append(provenance.restore(made, block))
    return maps


def describe(path: os.PathLike | str) -> tuple[Space, int]:
    """Return the space and the number of maps of a CIFTI-2 file, from its header and XML; the values are not read.

    Raises FormatError for a file that is none, or is damaged or cut short.
    """
    with ByteSource(path) as source:
        header = read_header(source)
        if not any(code == _EXTENSION for code, _ in header.extensions):
            raise FormatError("has no CIFTI extension", where=path, remedy="Name a NIfTI file .nii or .nii.gz.")
        _, space, _ = _described(source, header)
        return space, _dimensions(header, source.path)[1]


def _described(source: ByteSource, header: VolumeHeader) -> tuple[Any, Space, dict[str, Any] | None]:
    """Return the axis of the maps, the space and our own block, after checking that the file holds what it says."""
    path = source.path
    matrix = _matrix(header, path)
    rows, width = _dimensions(header, path)
    along, across = _axes(matrix, path)
    if (len(along), len(across)) != (width, rows):
        raise FormatError(f"has {rows:,} x {width:,} values; its XML describes {len(across):,} x {len(along):,}",
                          where=path, remedy="Copy it again.")
    check_promise(source, header.offset - source.position + rows * width * header.dtype.itemsize)
    block = _block(matrix)
    return along, _space(across, path, block), block


def _matrix(header: VolumeHeader, path: Path) -> Any:
    text = next((content for code, content in header.extensions if code == _EXTENSION), None)
    if text is None:
        raise FormatError("says it is CIFTI-2 but has no CIFTI extension", where=path, remedy="Copy it again.")
    if len(text) > _MAX_XML:
        raise FormatError(f"has an XML description of {len(text) >> 20} MiB", where=path)
    text = text.rstrip(b"\0 \n\r\t")
    check_text(text, path)
    parser = Cifti2Parser()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parser.parse(string=text)
        header_found: Any = parser.header
        return header_found.matrix
    except (*PARSE_ERRORS, cifti2.Cifti2HeaderError) as err:
        raise FormatError(f"has a damaged CIFTI description: {shown(err) or type(err).__name__}", where=path,
                          remedy="Copy it again.") from err


def _dimensions(header: VolumeHeader, path: Path) -> tuple[int, int]:
    """Return locations and maps: in the file the maps of one location stand together."""
    shape = header.shape
    if len(shape) != 6 or shape[:4] != (1, 1, 1, 1):
        raise FormatError(f"has the dimensions {shape}; a CIFTI matrix of maps has 1 x 1 x 1 x 1 x maps x locations",
                          where=path)
    return shape[5], shape[4]


def _axes(matrix: Any, path: Path) -> tuple[Any, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            along, across = matrix.get_axis(0), matrix.get_axis(1)
    except (*PARSE_ERRORS, cifti2.Cifti2HeaderError) as err:
        raise FormatError(f"has a damaged CIFTI description: {shown(err) or type(err).__name__}", where=path,
                          remedy="Copy it again.") from err
    if not isinstance(along, (cifti2.ScalarAxis, cifti2.LabelAxis, cifti2.SeriesAxis)):
        raise FormatError("is a connectivity matrix, not a series of maps", where=path,
                          remedy="Save the rows you want as dscalar.")
    return along, across


def _space(axis: Any, path: Path, block: dict[str, Any] | None) -> Space:
    try:
        if isinstance(axis, cifti2.BrainModelAxis):
            return space_of(axis, path, block)
        if isinstance(axis, cifti2.ParcelsAxis):
            return parcel_space(axis, path)
    except PARSE_ERRORS as err:
        raise FormatError(f"has damaged brain models: {shown(err)}", where=path, remedy="Copy it again.") from err
    raise FormatError("maps no brain locations", where=path)


def _frames(axis: Any, name: str, space: Space) -> list[_Frame]:
    if isinstance(axis, cifti2.SeriesAxis):
        unit = _SERIES_UNITS.get(str(axis.unit).upper(), "")
        times = axis.start + axis.step * np.arange(len(axis))
        return [_Frame(f"{name} [{t:g} {unit}]".replace(" ]", "]"), None, {}) for t in times]
    names = [shown(n) if str(n).strip() else f"{name} [{i}]" for i, n in enumerate(axis.name)]
    if isinstance(axis, cifti2.LabelAxis):
        return [_Frame(n, _labels(table), dict(meta))
                for n, table, meta in zip(names, axis.label, axis.meta, strict=True)]
    return [_Frame(n, None, dict(meta)) for n, meta in zip(names, axis.meta, strict=True)]


def _labels(table: dict) -> dict[int, Label]:
    found = {}
    for key, (name, colour) in table.items():
        rgba = tuple(float(c) for c in colour)
        sound = len(rgba) == 4 and all(0 <= c <= 1 for c in rgba)
        found[int(key)] = Label(shown(name), rgba if sound else None)  # type: ignore[arg-type]
    return found


def _block(matrix: Any) -> dict[str, Any] | None:
    text = (matrix.metadata or {}).get(provenance.KEY)
    try:
        return provenance.from_text(text) if text else None
    except FormatError:
        return {provenance.KEY: "map"}


def write(map: BrainMap, path: Path) -> Path:
    """Write a map on a surface, a mask over it, or grayordinates as CIFTI-2: dscalar, or dlabel for labels.

    The ending ``.dlabel.nii`` needs a label map; any other name gets what the map is. Raises MismatchError for a
    volume or parcels, and for labels that are no whole numbers.
    """
    models = brain_axis(map.space, path)
    labelled = map.kind == "label" and map.labels is not None and as_integers(map.values).dtype.kind == "i"
    lower = path.name.lower()
    if lower.endswith(".dlabel.nii") and not labelled:
        raise MismatchError(f"{map.name!r} is no label map with a table", where=path,
                            remedy="Write it as .dscalar.nii.")
    if lower.endswith((".dtseries.nii", ".pscalar.nii", ".ptseries.nii", ".plabel.nii")):
        raise MismatchError("only .dscalar.nii and .dlabel.nii are written", where=path)
    as_labels = labelled and not lower.endswith(".dscalar.nii")
    along: Any
    if as_labels:
        table = {key: (label.name, label.rgba or (0.5, 0.5, 0.5, 1.0)) for key, label in (map.labels or {}).items()}
        along = cifti2.LabelAxis([map.name], [{0: ("???", (1.0, 1.0, 1.0, 0.0)), **table}])
    else:
        along = cifti2.ScalarAxis([map.name], meta=[{"Units": map.units}])
    image = nib.Cifti2Image(map.values[None, :], (along, models))
    image.header.matrix.metadata = cifti2.Cifti2MetaData(
        {provenance.KEY: provenance.to_text(provenance.block_for(map))})
    image.nifti_header.set_intent("ConnDenseLabel" if as_labels else "ConnDenseScalar")
    image.update_headers()
    with atomic_path(path, suffix=".dscalar.nii") as temporary:
        image.to_filename(temporary)
    return path
