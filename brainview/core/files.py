"""Files that cannot hurt: sizes decided before allocating, atomic writes, bounded walks, no foreign pickles.

The limits here are the rules of safety that every reader and writer of BrainView shares.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import math
import os
import pickle
import pickletools
import stat
import tempfile
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from brainview.core.errors import FormatError, LimitError, MissingError
from brainview.core.names import shown

#: The most memory that opening one file may cost, in bytes (memory-mapped arrays do not count).
OPEN_LIMIT = 1 << 30
#: The most that a JSON, TOML, CSV or XML text may hold, in bytes.
TEXT_LIMIT = 256 << 20


def regular_file(path: os.PathLike | str) -> Path:
    """Return `path` when it is a regular, non-empty, readable file (a link is followed once).

    Raises
    ------
    MissingError
        It does not exist. FormatError: it is a folder, a device, a pipe, or empty.
    """
    path = Path(path)
    target = path
    if path.is_symlink():
        target = Path(os.path.join(path.parent, os.readlink(path)))
        if target.is_symlink():
            raise FormatError("is a link to a link, which is not followed", where=path, remedy="Name the file itself.")
    try:
        status = target.stat()
    except (OSError, ValueError) as err:  # ValueError: a NUL in the name
        raise MissingError("cannot be opened: " + (getattr(err, "strerror", None) or "no such file"), where=path,
                           remedy="Check the name and the rights.") from err
    if stat.S_ISDIR(status.st_mode):
        raise FormatError("is a folder, a file was expected", where=path)
    if not stat.S_ISREG(status.st_mode):
        raise FormatError("is not a regular file", where=path)
    if status.st_size == 0:
        raise FormatError("is empty", where=path, remedy="Copy it again.")
    return path


def check_allocation(shape: tuple[int, ...], dtype: Any, *, where: object, available: int | None = None,
                     limit: int = OPEN_LIMIT) -> int:
    """Return the bytes of an array, after refusing one that is too large, negative, or longer than its file.

    Parameters
    ----------
    shape : tuple of int
        Dimensions as the header says; multiplied as Python integers.
    dtype : numpy dtype
        Type of one value.
    available : int, optional
        Bytes that the file holds for it; fewer than needed is a truncated file.
    limit : int
        The most bytes that may be allocated.
    """
    if any(int(n) < 0 for n in shape):
        raise FormatError(f"has a negative dimension {tuple(shape)}", where=where)
    need = math.prod(int(n) for n in shape) * np.dtype(dtype).itemsize
    if available is not None and need > available:
        raise FormatError(f"is cut short: its header asks for {need:,} bytes, it holds {available:,}", where=where,
                          remedy="Copy it again.")
    if need > limit:
        raise LimitError(f"would take {need / 2**30:.1f} GiB of memory, the limit is {limit / 2**30:.1f} GiB",
                         where=where, remedy="Cut it down or use an uncompressed file, which is memory-mapped.")
    return need


def walk(folder: os.PathLike | str, *, depth: int = 8, count: int = 200_000) -> Iterator[Path]:
    """Yield the regular files below `folder`, sorted, bounded in depth and count; links to folders are not entered."""
    seen = 0
    stack = [(Path(folder), 0)]
    while stack:
        here, level = stack.pop()
        try:
            with os.scandir(here) as found:  # one folder of millions must not be listed before it is counted
                entries = sorted(itertools.islice(found, count - seen + 1), key=lambda e: e.name)
        except OSError:
            continue
        for entry in entries:
            seen += 1
            if seen > count:
                raise LimitError(f"holds more than {count:,} files", where=folder, remedy="Open a smaller folder.")
            if entry.is_dir(follow_symlinks=False):
                if level < depth:
                    stack.append((Path(entry.path), level + 1))
            elif entry.is_file():
                yield Path(entry.path)


@contextlib.contextmanager
def atomic_write(path: os.PathLike | str, *, suffix: str = "") -> Iterator[IO[bytes]]:
    """Open a binary file that appears under `path` only when the block ended without an error.

    Written under a temporary name in the same folder, flushed, synced, renamed, and the folder synced. `suffix` is
    put on the temporary name for writers that look at it.
    """
    with atomic_path(path, suffix=suffix) as temporary, open(temporary, "w+b") as file:
        yield file


@contextlib.contextmanager
def atomic_path(path: os.PathLike | str, *, suffix: str = "") -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` when the block ended without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:60]}.", suffix=suffix or ".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def strict(value: Any) -> Any:
    """Return `value` as plain JSON types: NaN and infinities become None, arrays lists, paths text."""
    if isinstance(value, dict):
        return {str(k): strict(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return strict(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [strict(v) for v in value]
    if isinstance(value, np.generic):
        return strict(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


def to_json(value: Any, *, indent: int | None = 2) -> str:
    """Return strict JSON (no NaN, no Infinity)."""
    return json.dumps(strict(value), indent=indent, ensure_ascii=False, allow_nan=False)


def write_json(path: os.PathLike | str, value: Any) -> None:
    """Write `value` as strict JSON, atomically."""
    with atomic_write(path) as file:
        # a lone surrogate (a file name that is no UTF-8) becomes its JSON escape
        file.write(to_json(value).encode("utf-8", "backslashreplace") + b"\n")


def read_text(path: os.PathLike | str, *, limit: int = TEXT_LIMIT) -> str:
    """Return the text of a UTF-8 file no larger than `limit` bytes."""
    path = regular_file(path)
    if path.stat().st_size > limit:
        raise LimitError(f"is larger than {limit >> 20} MiB", where=path)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise FormatError(f"is not UTF-8 text (byte {err.start})", where=path) from err


def read_json(path: os.PathLike | str, *, limit: int = TEXT_LIMIT, unique: bool = False) -> Any:
    """Return the value of a JSON file; a clear FormatError when it is not one.

    With `unique` an object that names a key twice is refused; JSON itself keeps the last.
    """
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(items)
        if len(out) < len(items):
            seen: set[str] = set()
            twice = next(k for k, _ in items if k in seen or seen.add(k))  # type: ignore[func-returns-value]
            raise FormatError(f"has the key {shown(twice)!r} twice", where=path, remedy="Keep one of the two.")
        return out

    try:
        return json.loads(read_text(path, limit=limit), object_pairs_hook=pairs if unique else None)
    except (json.JSONDecodeError, RecursionError) as err:
        raise FormatError(f"is not valid JSON: {shown(err)}", where=path) from err


#: What NumPy's header reader raises on damage; it tokenizes the text of old versions.
_HEADER_ERRORS = (ValueError, SyntaxError, EOFError, KeyError, TypeError, RecursionError, MemoryError,
                  tokenize.TokenError)


def load_npy(path: os.PathLike | str, *, mmap: bool = True, limit: int = OPEN_LIMIT) -> np.ndarray:
    """Return the array of a .npy file, memory-mapped by default; object arrays (pickles) are refused.

    Raises FormatError for a file that is no .npy, is shorter than its header says, or holds objects.
    """
    path = regular_file(path)
    with open(path, "rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            shape, _, dtype = reader.get(version, np.lib.format.read_array_header_2_0)(file)
        except _HEADER_ERRORS as err:
            raise FormatError(f"is not a NumPy .npy file: {shown(err)}", where=path) from err
        if dtype.hasobject:
            raise FormatError("holds Python objects (a pickle), which is not read", where=path)
        available = path.stat().st_size - file.tell()
    check_allocation(shape, dtype, where=path, available=available, limit=(1 << 62) if mmap else limit)
    if mmap and math.prod(shape) > 0:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    return np.load(path, allow_pickle=False)


class _Table(np.ndarray):
    """An array that refuses to grow beyond a label table while it is unpickled."""

    LIMIT = 1 << 20

    def __setstate__(self, state: Any) -> None:
        shape = state[1] if isinstance(state, tuple) and len(state) == 5 else None
        if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise pickle.UnpicklingError("holds a damaged array")
        if math.prod(shape) * max(1, np.dtype(state[2]).itemsize) > self.LIMIT:
            raise pickle.UnpicklingError(f"holds an array of shape {shape}")
        super().__setstate__(state)


def _empty_table(kind: Any, shape: Any, code: Any) -> np.ndarray:
    """Stand in for NumPy's _reconstruct, which would allocate whatever shape a pickle names."""
    if tuple(shape) != (0,):
        raise pickle.UnpicklingError(f"asks for an array of shape {shape}")
    return np.empty(0).view(_Table)


class _Restricted(pickle.Unpickler):
    """An unpickler that knows a short list of whole (module, name) pairs and nothing else."""

    ALLOWED = {
        ("numpy", "ndarray"), ("numpy", "dtype"),
        ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
        ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar"),
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"asks for {module}.{name}")
        if name == "_reconstruct":
            return _empty_table
        if name == "ndarray":
            return object  # only ever handed to _reconstruct; as a callable it could allocate
        return super().find_class(module, name)

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("asks for a persistent object")


def load_npy_mapping(path: os.PathLike | str, *, limit: int = 1 << 20) -> dict:
    """Return the dict that a layout forces on us as a pickled 0-d object array (Algonauts ``mapping_*.npy``).

    Read by an unpickler that compares the whole (module, name) pair with a short list of NumPy's own.
    """
    path = regular_file(path)
    if path.stat().st_size > limit:
        raise LimitError(f"is larger than {limit >> 10} KiB, too large for a label table", where=path)
    data = path.read_bytes()
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        header(file)
        _check_pickle(data[file.tell():])
        value = _Restricted(file).load()
    except (*_HEADER_ERRORS, pickle.UnpicklingError, AttributeError, IndexError, ImportError, OverflowError) as err:
        raise FormatError(f"is not a plain label table: {shown(err)}", where=path) from err
    if isinstance(value, np.ndarray) and value.dtype.hasobject and value.size == 1:
        value = value.reshape(-1)[0]
    if not isinstance(value, dict):
        raise FormatError(f"holds a {type(value).__name__}, a dict was expected", where=path)
    return {key: np.array(entry) if isinstance(entry, _Table) else entry for key, entry in value.items()}


def _check_pickle(data: bytes) -> None:
    """Refuse memo numbers and frames beyond the data itself, for which the unpickler would allocate without limit."""
    for operation, argument, _ in pickletools.genops(data):
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT", "FRAME") and int(argument or 0) > len(data):
            raise pickle.UnpicklingError(f"has a {operation.name} of {argument}")
