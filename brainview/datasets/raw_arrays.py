"""Arrays in files of several kinds as blocks along their first stored axis, so that none is ever held whole.

.npy and .hdf5 are sliced where they lie, the member of a .npz is unpacked as a stream. MATLAB's old format (v5) has no
slices: it is read whole, up to the limit of what opening a file may cost.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainview.core.errors import FormatError, MissingError
from brainview.core.files import check_allocation, load_npy, regular_file
from brainview.core.names import shown
from brainview.datasets.hdf5 import dataset_of, is_matlab, open_hdf5

#: Names under which single-trial betas are looked for in an archive when the manifest names no key.
KEYS = ("betasmd", "modelmd", "betas")
#: Bytes of a block, about.
BLOCK = 64 << 20


@dataclass(frozen=True)
class RawArray:
    """One array of a file: name in the file, shape and type as stored in C order, whether its axes are reversed.

    ``reversed`` is true of MATLAB's HDF5 files and of arrays in Fortran order: their transpose is what was meant.
    """

    path: Path
    kind: str
    key: str
    shape: tuple[int, ...]
    dtype: np.dtype
    reversed: bool

    @property
    def meant(self) -> tuple[int, ...]:
        """The shape as its author sees it."""
        return self.shape[::-1] if self.reversed else self.shape

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (first index, block) along the first stored axis, each index once, in order."""
        rows, row = self.shape[0], math.prod(self.shape[1:]) * self.dtype.itemsize
        step = max(1, BLOCK // max(row, 1))
        check_allocation((min(step, rows), *self.shape[1:]), self.dtype, where=self.path)
        with self._reader(step) as read:
            for start in range(0, rows, step):
                yield start, read(start, min(start + step, rows))

    @contextmanager
    def _reader(self, step: int):
        if self.kind == "npy":
            array = load_npy(self.path)
            array = array.T if self.reversed else array
            yield lambda a, b: array[a:b]
        elif self.kind == "hdf5":
            with open_hdf5(self.path) as file:
                data = dataset_of(file, self.key)
                yield lambda a, b: data[a:b]
        elif self.kind == "npz":
            with _member(self.path, self.key) as file:
                _header(file, self.path)
                row = math.prod(self.shape[1:])
                yield lambda a, b: _exactly(file, (b - a) * row, self.dtype, self.path).reshape(b - a, *self.shape[1:])
        else:
            array = _mat5(self.path, self.key)
            yield lambda a, b: array[a:b]


def raw_array(path: Path, kind: str, key: str) -> RawArray:
    """Find the array of a .npy, .npz, .hdf5 or .mat file from its header alone.

    Pickled files (GLMsingle's own ``.npy`` dictionaries) are refused with the way out.

    Raises
    ------
    MissingError
        No array of that name. FormatError: damaged, pickled, no numbers.
    """
    if kind == "npy":
        try:
            array = load_npy(path)
        except FormatError as err:
            if "pickle" not in str(err):
                raise
            raise FormatError("is a pickled dictionary, which is not read", where=path,
                              remedy="Run GLMsingle with wantfileoutputs as HDF5, or save betasmd with numpy.save.") \
                from err
        flip = bool(array.flags.f_contiguous and not array.flags.c_contiguous)
        found = RawArray(path, "npy", "", array.shape[::-1] if flip else array.shape, array.dtype, flip)
    elif kind == "hdf5" or (kind == "mat" and is_matlab(path)):
        with open_hdf5(path) as file:
            name = key or _choose(path, list(file))
            data = dataset_of(file, name)
            found = RawArray(path, "hdf5", name, tuple(data.shape), data.dtype, is_matlab(path))
    elif kind == "npz":
        found = _npz(path, key)
    else:
        found = _whos(path, key)
    if found.dtype.kind not in "iuf":
        raise FormatError(f"holds {found.dtype}, real numbers were expected", where=path)
    if not found.shape or 0 in found.shape:
        raise FormatError(f"has shape {found.shape}: it holds nothing", where=path)
    return found


def _choose(path: Path, names: list[str]) -> str:
    for name in KEYS:
        if name in names:
            return name
    if len(names) == 1:
        return names[0]
    raise MissingError(f"holds {', '.join(shown(n, limit=40) for n in names[:12])}; none is called betasmd", where=path,
                       remedy="Name the array with key = in the manifest.")


@contextmanager
def _member(path: Path, name: str):
    try:
        with zipfile.ZipFile(regular_file(path)) as archive, archive.open(f"{name}.npy") as file:
            yield file
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as err:
        raise FormatError(f"is not a readable .npz: {shown(err, limit=120)}", where=path, remedy="Copy it again.") \
            from err


def _header(file, path: Path) -> tuple[tuple[int, ...], bool, np.dtype]:
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        return read(file)
    except (ValueError, KeyError, EOFError) as err:
        raise FormatError(f"holds a damaged array: {shown(err, limit=120)}", where=path) from err


def _npz(path: Path, key: str) -> RawArray:
    try:
        with zipfile.ZipFile(regular_file(path)) as archive:
            sizes = {i.filename[:-4]: i.file_size for i in archive.infolist() if i.filename.endswith(".npy")}
    except (OSError, zipfile.BadZipFile) as err:
        raise FormatError(f"is not a readable .npz: {shown(err, limit=120)}", where=path) from err
    name = key or _choose(path, list(sizes))
    if name not in sizes:
        raise MissingError(f"has no array {name!r}", where=path, remedy=f"It holds {', '.join(sizes)}.")
    with _member(path, name) as file:
        shape, fortran, dtype = _header(file, path)
    if dtype.hasobject:
        raise FormatError(f"{name} is pickled, which is not read", where=path)
    check_allocation(shape, dtype, where=path, available=sizes[name], limit=1 << 62)
    return RawArray(path, "npz", name, tuple(shape[::-1]) if fortran else tuple(shape), dtype, bool(fortran))


def _exactly(file, count: int, dtype: np.dtype, path: Path) -> np.ndarray:
    data = file.read(count * dtype.itemsize)
    if len(data) != count * dtype.itemsize:
        raise FormatError("is cut short inside its compressed part", where=path, remedy="Copy it again.")
    return np.frombuffer(data, dtype)


def _whos(path: Path, key: str) -> RawArray:
    from scipy.io import whosmat

    try:
        known = {name: (shape, kind) for name, shape, kind in whosmat(regular_file(path))}
    except Exception as err:  # scipy raises whatever the damaged bytes lead to
        raise FormatError(f"is not a readable MATLAB file: {shown(err, limit=120)}", where=path) from err
    name = key or _choose(path, list(known))
    if name not in known:
        raise MissingError(f"has no array {name!r}", where=path, remedy=f"It holds {', '.join(known)}.")
    shape, kind = known[name]
    if kind not in ("double", "single") and not kind.startswith(("int", "uint")):
        raise FormatError(f"{name} holds {shown(kind)}, real numbers were expected", where=path)
    dtype = np.dtype({"double": "float64", "single": "float32"}.get(kind, kind))
    return RawArray(path, "mat5", name, tuple(int(n) for n in shape), dtype, False)


def _mat5(path: Path, key: str) -> np.ndarray:
    from scipy.io import loadmat

    known = _whos(path, key)
    check_allocation(known.shape, known.dtype, where=path)
    try:
        return loadmat(path, variable_names=[key])[key]
    except Exception as err:  # as above
        raise FormatError(f"is not a readable MATLAB file: {shown(err, limit=120)}", where=path) from err
