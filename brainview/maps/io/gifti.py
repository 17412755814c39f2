"""GIFTI: vertex maps, shapes, labels and meshes, in all four encodings.

The structure is parsed by nibabel; the values are decoded here, because their size must be known and bounded before
they are unpacked and because external files may only lie beside the text.
"""

from __future__ import annotations

import base64
import binascii
import math
import os
import warnings
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.gifti import GiftiDataArray, GiftiImage
from nibabel.gifti.parse_gifti_fast import GiftiImageParser
from nibabel.gifti.util import array_index_order_codes, gifti_encoding_codes, gifti_endian_codes
from nibabel.nifti1 import data_type_codes, intent_codes

from brainview.core.errors import FormatError, IsSurface, LimitError, MismatchError
from brainview.core.files import OPEN_LIMIT, TEXT_LIMIT, atomic_write, check_allocation, regular_file
from brainview.core.names import shown
from brainview.maps.brainmap import BrainMap, Label
from brainview.maps.io import provenance
from brainview.maps.io.common import Hemisphere, Wanted, make_map, match_surface, other_hemisphere_name, stem
from brainview.maps.io.nifti import as_integers
from brainview.maps.io.stream import ByteSource, looks_like
from brainview.maps.io.xml import PARSE_ERRORS, forbid
from brainview.maps.space import SurfaceSpace

_POINTS, _TRIANGLES, _LABEL, _NODES = (intent_codes.code[f"NIFTI_INTENT_{word}"] for word in (
    "POINTSET", "TRIANGLE", "LABEL", "NODE_INDEX"))
#: Data arrays that are no map of the vertices.
_NO_MAP = {"NIFTI_INTENT_GENMATRIX", "NIFTI_INTENT_VECTOR", "NIFTI_INTENT_RGB_VECTOR", "NIFTI_INTENT_RGBA_VECTOR",
           "NIFTI_INTENT_SYMMATRIX", "NIFTI_INTENT_DISPVECT"}
_SIDES: dict[str, Hemisphere] = {"cortexleft": "left", "cortexright": "right"}
_STRUCTURE = "AnatomicalStructurePrimary"
_MAX_ARRAYS = 20_000


class _Parser(GiftiImageParser):
    """nibabel's parser with a guarded XML engine and a bounded decoder."""

    def __init__(self, path: Path) -> None:
        super().__init__(buffer_size=1 << 20)
        self._path = path
        self._left = OPEN_LIMIT

    def _create_parser(self) -> Any:
        return forbid(super()._create_parser(), self._path, doctype=True)

    def flush_chardata(self) -> None:
        """Decode the text of a Data element; everything else is nibabel's."""
        if self.write_to != "Data":
            super().flush_chardata()
            return
        text = "".join(self._char_blocks or [])
        self._char_blocks = None
        image, array = self.img, self.da
        if image is None or array is None:
            raise FormatError("has values outside a data array", where=self._path)
        if len(image.darrays) > _MAX_ARRAYS:
            raise LimitError(f"holds more than {_MAX_ARRAYS:,} data arrays", where=self._path)
        found = _decode(array, text, self._path, self._left)
        self._left -= found.nbytes
        array.data = found


def _decode(array: GiftiDataArray, text: str, path: Path, limit: int) -> np.ndarray:
    shape = tuple(int(n) for n in array.dims)
    if not shape or min(shape) < 1:
        raise FormatError(f"declares a data array of shape {shape}", where=path)
    byte_order: Any = gifti_endian_codes.byteorder[array.endian]
    stored: Any = data_type_codes.dtype[array.datatype]
    dtype = np.dtype(stored).newbyteorder(byte_order)
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise FormatError(f"holds values of type {shown(dtype)}, which is no map", where=path)
    need = check_allocation(shape, dtype, where=path, limit=limit)
    encoding = gifti_encoding_codes.label[array.encoding]
    if encoding == "ASCII":
        flat = _from_ascii(text, math.prod(shape), dtype, path)
    elif encoding == "External":
        flat = _from_beside(array, math.prod(shape), dtype, path)
    else:
        flat = np.frombuffer(_unpacked(text, need, encoding == "B64GZ", path), dtype)
    column_major = array_index_order_codes.npcode[array.ind_ord] == "F"
    return flat.reshape(shape, order="F" if column_major else "C")


def _wrong_length(told: int, found: object, path: Path) -> FormatError:
    return FormatError(f"declares {told:,} values but holds {found}", where=path,
                       remedy="Copy it again, or write it again with the tool it comes from.")


def _from_ascii(text: str, count: int, dtype: np.dtype, path: Path) -> np.ndarray:
    if count > len(text) > 16 << 20:  # a short text is read all the same, to tell how many there are
        raise _wrong_length(count, f"at most {(len(text) + 1) // 2:,}", path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy only warns about text that is no number
        try:
            flat = np.fromstring(text, np.float64 if dtype.kind == "f" else np.int64, sep=" ")
        except (DeprecationWarning, ValueError, OverflowError) as err:
            raise FormatError("holds text where numbers should be", where=path) from err
    if flat.size != count:
        raise _wrong_length(count, f"{flat.size:,}", path)
    with np.errstate(all="ignore"):
        return flat.astype(dtype)


def _unpacked(text: str, need: int, packed: bool, path: Path) -> bytes:
    try:
        data = base64.b64decode("".join(text.split()).encode("ascii"), validate=True)
        if packed:
            engine = zlib.decompressobj(47)  # zlib as the standard says, or gzip as some tools write
            data = engine.decompress(data, need + 1)
    except (binascii.Error, UnicodeEncodeError, zlib.error) as err:
        raise FormatError(f"has a damaged data array: {shown(err)}", where=path, remedy="Copy it again.") from err
    if packed and len(data) == need and not engine.eof:
        raise FormatError("has a data array that is cut short or damaged", where=path, remedy="Copy it again.")
    if len(data) != need:
        raise FormatError(f"declares a data array of {need:,} bytes but holds "
                          f"{'more' if len(data) > need else f'{len(data):,}'}", where=path, remedy="Copy it again.")
    return data


def _from_beside(array: GiftiDataArray, count: int, dtype: np.dtype, path: Path) -> np.ndarray:
    name, offset = array.ext_fname or "", int(array.ext_offset or 0)
    bare = name not in ("", ".", "..") and not set(name) & set("/\\:\0")
    target = path.parent / name
    if not bare or target.is_symlink():
        raise FormatError(f"keeps its values in {name!r}; only a file beside it, by its bare name, is read",
                          where=path, remedy="Put the file beside it or write it again with the values inside.")
    with ByteSource(target) as source:
        if offset < 0 or source.packed or offset + count * dtype.itemsize > source.disk:
            raise FormatError(f"asks for {count * dtype.itemsize:,} bytes from byte {offset:,}; {target.name} holds "
                              f"{source.disk:,}", where=path, remedy="Copy both files again.")
        source.skip_to(offset)
        return np.frombuffer(source.read(count * dtype.itemsize), dtype)


def load(path: os.PathLike | str) -> GiftiImage:
    """Return the parsed GIFTI file, all its arrays decoded and their lengths checked.

    Raises FormatError for XML that is damaged or has entities, for arrays longer or shorter than declared.
    """
    path = regular_file(path)
    with ByteSource(path) as source:
        text = source.rest(TEXT_LIMIT)
    if b"<GIFTI" not in text[:65536]:
        word = looks_like(text)
        told = f": it looks like {word}" if word and word != "an XML text" else ""
        raise FormatError(f"is not GIFTI{told}", where=path)
    parser = _Parser(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parser.parse(string=text)
    except PARSE_ERRORS as err:
        raise FormatError(f"is damaged GIFTI: {shown(err) or type(err).__name__}", where=path,
                          remedy="Copy it again.") from err
    image = parser.img
    declared = getattr(parser, "expected_numDA", None)
    if image is None or any(array.data is None for array in image.darrays):
        raise FormatError("has a data array without values", where=path)
    if declared is not None and declared != len(image.darrays):
        raise FormatError(f"declares {declared} data arrays but holds {len(image.darrays)}", where=path)
    return image


def read(path: os.PathLike | str, wanted: Wanted) -> list[BrainMap]:
    """Return the maps of a GIFTI file: one for every array that is neither points, triangles nor a vector field.

    The hemisphere comes from the file's AnatomicalStructurePrimary, else from its name.
    """
    path = Path(path)
    image = load(path)
    arrays = [a for a in image.darrays if a.intent not in (_POINTS, _TRIANGLES)]
    if not arrays and image.darrays:
        count = next((len(a.data) for a in image.darrays if a.intent == _POINTS), 0)
        raise IsSurface(f"is a mesh of {count:,} vertices, not a map", where=path, remedy="Open it as a surface.")
    if not arrays:
        raise FormatError("holds no data", where=path)
    columns = [column for array in arrays for column in _columns(array, path)]
    block = _block(image)
    table = _table(image, path)
    maps = []
    for number in wanted.pick(len(columns), path):
        array, values = columns[number]
        maps.append(_one_map(array, values, image, path, wanted, table, block, number, len(columns)))
    return maps


def _columns(array: Any, path: Path) -> list[tuple[Any, np.ndarray]]:
    intent = intent_codes.niistring[array.intent]
    if array.intent == _NODES:
        raise FormatError("gives values at listed vertices only (NODE_INDEX), which is not read", where=path,
                          remedy="Write it with one value for every vertex.")
    if intent in _NO_MAP or array.data.ndim > 2:
        raise FormatError(f"holds {intent} of shape {array.data.shape}, which is no map", where=path)
    data = array.data.reshape(len(array.data), -1)
    return [(array, data[:, i]) for i in range(data.shape[1])]


def _one_map(array: GiftiDataArray, values: np.ndarray, image: GiftiImage, path: Path, wanted: Wanted,
             table: dict[int, Label] | None, block: dict[str, Any] | None, number: int, count: int) -> BrainMap:
    side = _side(array, image)
    space: SurfaceSpace | None = _own_space(block, len(values), side)
    notes: list[str] = []
    if space is None or wanted.space is not None:
        space, notes = match_surface(len(values), path, wanted, side)
    is_label = array.intent == _LABEL
    if is_label and table is None:
        table = {int(v): Label(str(int(v))) for v in np.unique(values[np.isfinite(values)])[:10_000] if v}
        notes.append("labels without a table")
    name = str(array.meta.get("Name") or "").strip() or (stem(path) if count == 1 else f"{stem(path)} [{number}]")
    told = {"file": path.name, "format": "GIFTI"}
    with np.errstate(all="ignore"):
        values = values.astype(np.float32)
    made = make_map(values, space, name=name, provenance=told, notes=notes, labels=table if is_label else None)
    return provenance.restore(made, block)


def _side(array: GiftiDataArray, image: GiftiImage) -> Hemisphere | None:
    for meta in (array.meta, image.meta):
        told = str(meta.get(_STRUCTURE) or "").lower().replace("_", "").removeprefix("cifti").removeprefix("structure")
        if told in _SIDES:
            return _SIDES[told]
    return None


def _own_space(block: dict[str, Any] | None, count: int, side: Hemisphere | None) -> SurfaceSpace | None:
    """Return a native surface that a block of ours names; standard meshes are recognised by their count anyway."""
    told = (block or {}).get("space")
    while isinstance(told, dict) and told.get("kind") == "mask":
        told = told.get("parent")
    name = told.get("name") if isinstance(told, dict) and told.get("kind") == "surface" else None
    if not isinstance(name, str) or not name.startswith("native:") or side is None:
        return None
    return SurfaceSpace(shown(name), count if side == "left" else 0, count if side == "right" else 0)


def _table(image: GiftiImage, path: Path) -> dict[int, Label] | None:
    if image.labeltable is None or not image.labeltable.labels:
        return None
    table = {}
    for entry in image.labeltable.labels:
        colours = [entry.red, entry.green, entry.blue, 1.0 if entry.alpha is None else entry.alpha]
        rgba = None
        if all(c is not None and 0 <= float(c) <= 1 for c in colours):
            rgba = tuple(float(c) for c in colours)
        table[int(entry.key)] = Label(shown(entry.label or str(entry.key)), rgba)  # type: ignore[arg-type]
    return table


def _block(image: GiftiImage) -> dict[str, Any] | None:
    text = image.meta.get(provenance.KEY)
    try:
        return provenance.from_text(text) if text else None
    except FormatError:
        return {provenance.KEY: "map"}  # restore() notes every field that is missing


def read_mesh(path: os.PathLike | str) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, 3) float32 vertices in mm and (m, 3) int32 faces of a ``.surf.gii``, in either order in the file."""
    path = Path(path)
    image = load(path)
    points = [a.data for a in image.darrays if a.intent == _POINTS]
    faces = [a.data for a in image.darrays if a.intent == _TRIANGLES]
    if len(points) != 1 or len(faces) != 1:
        raise FormatError(f"holds {len(points)} sets of points and {len(faces)} of triangles; a mesh has one of each",
                          where=path)
    for array, word in ((points[0], "points"), (faces[0], "triangles")):
        if array.ndim != 2 or array.shape[1] != 3:
            raise FormatError(f"has {word} of shape {array.shape}, (n, 3) is right", where=path)
    if faces[0].dtype.kind == "f" or np.abs(faces[0].astype(np.int64)).max(initial=0) >= 2**31:
        raise FormatError("has triangles that are no vertex numbers", where=path)
    return np.ascontiguousarray(points[0], np.float32), np.ascontiguousarray(faces[0], np.int32)


def file_names(path: os.PathLike | str, space: SurfaceSpace) -> list[tuple[Path, Hemisphere]]:
    """Return the files :func:`write` makes: `path` for one hemisphere, ``lh.NAME`` and ``rh.NAME`` for both.

    A name that already tells a hemisphere (``sub-1_hemi-L_x.func.gii``) has that word exchanged instead.
    """
    path = Path(path)
    if not space.n_left or not space.n_right:
        return [(path, "left" if space.n_left else "right")]
    names: list[tuple[Path, Hemisphere]] = []
    for side, word in (("left", "lh."), ("right", "rh.")):
        swapped = other_hemisphere_name(path.name, side)  # type: ignore[arg-type]
        told = other_hemisphere_name(path.name, "left") != other_hemisphere_name(path.name, "right")
        names.append((path.with_name(swapped if told else word + path.name), side))  # type: ignore[arg-type]
    return names


def write(map: BrainMap, path: Path) -> Path:
    """Write a surface map as GIFTI (float32, labels int32 with their table), one file per hemisphere and its JSON.

    Returns the path of the first file. Raises MismatchError for a map that is on no surface.
    """
    whole = map.expanded()
    space = whole.space
    if not isinstance(space, SurfaceSpace):
        raise MismatchError(f"{map.name!r} is on {map.space.name}, which is no surface", where=path,
                            remedy="Convert it to a surface, or write NIfTI, CIFTI or CSV.")
    files = file_names(path, space)
    text = provenance.to_text(provenance.block_for(whole))
    for target, side in files:
        part = whole.values[space.left if side == "left" else space.right]
        data = _image(whole, part, side, text).to_bytes(enc="utf-8")
        with atomic_write(target) as file:
            file.write(data)
        provenance.write_sidecar(map, target)
    return files[0][0]


def _image(map: BrainMap, values: np.ndarray, side: Hemisphere, text: str) -> GiftiImage:
    integers = as_integers(values) if map.kind == "label" else values
    is_label = integers.dtype.kind == "i"
    kind = "NIFTI_INTENT_LABEL" if is_label else "NIFTI_INTENT_NONE"
    meta = {"Name": map.name, "Units": map.units, _STRUCTURE: "CortexLeft" if side == "left" else "CortexRight"}
    array = GiftiDataArray(integers.astype(np.int32) if is_label else values, intent=kind,
                           datatype="NIFTI_TYPE_INT32" if is_label else "NIFTI_TYPE_FLOAT32", meta=meta,
                           encoding="GIFTI_ENCODING_B64GZ")
    image = GiftiImage(meta=nib.gifti.GiftiMetaData({_STRUCTURE: meta[_STRUCTURE], provenance.KEY: text}),
                       darrays=[array])
    for key, label in (map.labels or {}).items():
        entry: Any = nib.gifti.GiftiLabel(key, *(label.rgba or (0.5, 0.5, 0.5, 1.0)))
        entry.label = label.name
        image.labeltable.labels.append(entry)
    return image
