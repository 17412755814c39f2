"""Trial-major caches: a source that is slow per trial (gzip, HDF5 chunked over trials, a raw time series) is read once,
in its own order, into one memory-mapped ``.npy`` of trials x locations.

int16 sources stay int16 (exact, NSD's percent signal change x 300); float sources become float32. A cache is keyed by
the content of its files and by what was done to them, appears only when it is complete, and can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from brainview.core.errors import LimitError
from brainview.core.files import atomic_path, atomic_write, load_npy, regular_file
from brainview.core.jobs import QUIET, JobContext
from brainview.core.paths import cache_dir

#: Raised when the way of building a cache changes.
VERSION = 2
_SAMPLE = 1 << 16


class TrialSource(Protocol):
    """A slow store of trials x locations."""

    @property
    def trials(self) -> int:
        """Rows."""

    @property
    def locations(self) -> int:
        """Columns."""

    @property
    def stored(self) -> np.dtype:
        """Type of the cache."""

    def key(self) -> str:
        """Return what decides the content: fingerprints of files, selection, processing."""

    def fill(self, out: np.ndarray, context: JobContext) -> None:
        """Write every trial into `out` (trials, locations) of type `stored`, reporting and checking for a cancel."""


def fingerprint(path: Path) -> str:
    """Return a hash that changes with the content of a file, from its size and samples of it.

    gzip files end with a checksum of the whole, which is among the samples; for others the time of the last change
    is taken in as well.
    """
    path = regular_file(path)
    status = path.stat()
    digest = hashlib.sha256(str(status.st_size).encode())
    with open(path, "rb") as file:
        for place in np.linspace(0, max(0, status.st_size - _SAMPLE), 8).astype(int).tolist():
            file.seek(place)
            digest.update(file.read(_SAMPLE))
    if not path.name.endswith(("gz", ".mgz")):
        digest.update(str(status.st_mtime_ns).encode())
    return digest.hexdigest()[:24]


def key_of(*parts: object) -> str:
    """Return a short hash of parts; arrays by their bytes, the rest by their text."""
    digest = hashlib.sha256(str(VERSION).encode())
    for part in parts:
        digest.update(b"|")
        digest.update(np.ascontiguousarray(part).tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
    return digest.hexdigest()[:32]


def folder() -> Path:
    """Return the folder of all trial caches."""
    path = cache_dir() / "trials"
    path.mkdir(parents=True, exist_ok=True)
    return path


def cached_path(source: TrialSource) -> Path:
    """Return where the cache of `source` is or would be."""
    return folder() / f"{source.key()}.npy"


def is_cached(source: TrialSource) -> bool:
    """True when the cache of `source` is complete."""
    return cached_path(source).is_file()


def ensure(source: TrialSource, *, context: JobContext = QUIET) -> np.ndarray:
    """Return the memory-mapped (trials, locations) array of `source`, building it when it is not there.

    Raises
    ------
    LimitError
        The disk has no room for it. Cancelled: nothing is left behind.
    """
    path = cached_path(source)
    if not path.is_file():
        _build(source, path, context)
    array = load_npy(path)
    if array.shape != (source.trials, source.locations):  # a hand-made or damaged file under this name
        path.unlink()
        _build(source, path, context)
        array = load_npy(path)
    return array


def _build(source: TrialSource, path: Path, context: JobContext) -> None:
    need = source.trials * source.locations * source.stored.itemsize
    free = shutil.disk_usage(path.parent).free
    if need + (256 << 20) > free:
        raise LimitError(f"needs {need / 2**30:.1f} GiB for the trial cache, {free / 2**30:.1f} GiB are free",
                         where=path.parent, remedy="Free some space or set BRAINVIEW_HOME to a larger disk.")
    context.check()
    with atomic_path(path, suffix=".npy") as temporary:
        out = np.lib.format.open_memmap(temporary, mode="w+", dtype=source.stored,
                                        shape=(source.trials, source.locations))
        source.fill(out, context)
        out.flush()
        del out
    context.report(1, 1, "indexed")


def size() -> int:
    """Return the bytes that all trial caches take."""
    return sum(p.stat().st_size for p in folder().glob("*.npy"))


def clear() -> int:
    """Delete all trial caches and return the bytes that were freed."""
    freed = size()
    for path in folder().glob("*.npy"):
        path.unlink(missing_ok=True)
    return freed


def frames(path: Path, offset: int, frame: int, count: int) -> Iterator[bytearray]:
    """Yield `count` consecutive stretches of `frame` bytes of a file, unpacked when it is gzip, in one pass.

    Never seeks back; raises FormatError when the file ends early or its checksum is wrong.
    """
    import gzip
    import zlib

    from brainview.core.errors import FormatError

    packed = _is_gzip(path)
    opener = gzip.open if packed else open
    try:
        with opener(regular_file(path), "rb") as file:
            _skip(file, offset)
            for number in range(count):
                buffer = bytearray(frame)
                view, got = memoryview(buffer), 0
                while got < frame:
                    read = file.readinto(view[got:])  # type: ignore[attr-defined]
                    if not read:
                        raise FormatError(f"ends after {number} of {count} volumes", where=path,
                                          remedy="Copy it again.")
                    got += read
                yield buffer
    except (EOFError, zlib.error, gzip.BadGzipFile) as err:
        raise FormatError("is damaged inside its compressed part", where=path, remedy="Copy it again.") from err


def _is_gzip(path: Path) -> bool:
    with open(regular_file(path), "rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _skip(file, count: int) -> None:
    while count > 0:
        read = len(file.read(min(count, 1 << 20)))
        if not read:
            return
        count -= read


@dataclass(frozen=True, eq=False)
class CachedResponses:
    """Responses of a slow source through its cache, which is built when rows are first asked for.

    Parameters
    ----------
    source : TrialSource
    scale : float
        Stored value x scale = beta.
    valid : (locations,) bool array, optional
        Elsewhere the betas are NaN.
    zero_is_nothing : bool
        Without `valid`: a location that is 0 in every trial holds no data (int16 files cannot hold NaN).
    """

    source: TrialSource
    scale: float = 1.0
    valid: np.ndarray | None = None
    zero_is_nothing: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        return self.source.trials, self.source.locations

    @cached_property
    def _array(self) -> np.ndarray:
        return ensure(self.source)

    @cached_property
    def _nothing(self) -> np.ndarray | None:
        if self.valid is not None:
            lost = np.flatnonzero(~np.asarray(self.valid, bool))
        elif self.zero_is_nothing:
            lost = np.flatnonzero(~self._touched())
        else:
            return None
        return lost if lost.size else None

    def _touched(self) -> np.ndarray:
        """Return (locations,) bool of those that are not 0 in every trial, kept beside the cache."""
        path = cached_path(self.source).with_suffix(".touched.npy")
        if path.is_file():
            some = load_npy(path, mmap=False)
            if some.shape == (self.shape[1],):
                return some
        some = np.zeros(self.shape[1], bool)
        for start in range(0, self.shape[0], 64):
            some |= (self._array[start:start + 64] != 0).any(0)
        with atomic_write(path) as file:
            np.save(file, some, allow_pickle=False)
        return some

    def rows(self, index: np.ndarray | slice) -> np.ndarray:
        """Return (n, locations) float32 betas, NaN where there is no data."""
        out = np.array(self._array[index], dtype=np.float32)
        if self.scale != 1.0:
            out *= np.float32(self.scale)
        if self._nothing is not None:
            out[:, self._nothing] = np.nan
        return out

    def prepare(self, *, context: JobContext = QUIET) -> None:
        """Build the cache when it is missing."""
        if not is_cached(self.source):
            ensure(self.source, context=context)

    def __reduce__(self):  # an open memory map does not travel between processes
        return type(self), (self.source, self.scale, self.valid, self.zero_is_nothing)


