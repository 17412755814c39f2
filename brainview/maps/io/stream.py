"""Bytes of a foreign file, unpacked on the fly, never more of them than asked for.

A reader says how many bytes it needs; a file that holds fewer is refused before anything is allocated, also when it
is packed: DEFLATE never unpacks one byte to more than 1,032.
"""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from brainview.core.errors import FormatError, LimitError
from brainview.core.files import OPEN_LIMIT, check_allocation, regular_file
from brainview.core.names import shown

#: The most bytes that one packed byte can become, rounded up.
PACKING = 1040
#: Bytes held per value while one map is read: two float32 copies and a byte of bookkeeping.
COST_PER_VALUE = 9
_STEP = 1 << 20

_LOOKS = ((b"\x89PNG", "a PNG picture"), (b"\xff\xd8\xff", "a JPEG picture"), (b"GIF8", "a GIF picture"),
          (b"%PDF", "a PDF document"), (b"PK\x03\x04", "a ZIP archive"), (b"\x89HDF", "an HDF5 file"),
          (b"\x93NUMPY", "a NumPy array"), (b"<?xml", "an XML text"), (b"<GIFTI", "a GIFTI file"),
          (b"\x1f\x8b", "a gzip archive"), (b"BZh", "a bzip2 archive"), (b"\x28\xb5\x2f\xfd", "a zstd archive"),
          (b"\x7fELF", "a program"), (b"<!DOCTYPE html", "a web page"), (b"<html", "a web page"))


def looks_like(head: bytes) -> str:
    """Return what a file that begins with `head` seems to be, '' when nothing is known."""
    return next((word for magic, word in _LOOKS if head.startswith(magic)), "")


class ByteSource:
    """A regular file opened for reading in one direction; gzip is recognised by its first two bytes.

    Raises FormatError wherever the file ends too soon or its packing is damaged.
    """

    def __init__(self, path: os.PathLike | str) -> None:
        self.path: Path = regular_file(path)
        self.disk = self.path.stat().st_size
        self.position = 0
        try:
            raw = open(self.path, "rb")  # noqa: SIM115 - closed in close()
        except OSError as err:
            raise FormatError("cannot be opened: " + (err.strerror or "unknown reason"), where=self.path) from err
        self.packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        self._raw: IO[bytes] = raw
        self._file: Any = gzip.GzipFile(fileobj=raw, mode="rb") if self.packed else raw

    def __enter__(self) -> ByteSource:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._raw.close()

    @property
    def available(self) -> int:
        """The most bytes that can still come: exact for a plain file, an upper bound for a packed one."""
        return self.disk * PACKING - self.position if self.packed else self.disk - self.position

    def some(self, count: int) -> bytes:
        """Return up to `count` bytes; fewer only at the end of the file."""
        parts, left = [], count
        try:
            while left > 0:
                part = self._file.read(min(left, _STEP))
                if not part:
                    break
                parts.append(part)
                left -= len(part)
        except (OSError, EOFError, zlib.error) as err:
            raise FormatError(f"is damaged or cut short: {shown(err)}", where=self.path,
                              remedy="Copy it again.") from err
        data = b"".join(parts)
        self.position += len(data)
        return data

    def read(self, count: int) -> bytes:
        """Return exactly `count` bytes."""
        if count > self.available:
            self._short(count, self.available)
        data = self.some(count)
        if len(data) < count:
            self._short(count, len(data))
        return data

    def skip_to(self, position: int) -> None:
        """Go forward to a position counted in unpacked bytes."""
        gap = position - self.position
        if gap < 0 or gap > self.available:
            self._short(gap, self.available)
        if not self.packed:
            self._file.seek(position)
            self.position = position
            return
        while self.position < position:
            self.read(min(_STEP, position - self.position))

    def rest(self, limit: int) -> bytes:
        """Return everything up to the end, refusing more than `limit` bytes."""
        data = self.some(limit + 1)
        if len(data) > limit:
            raise LimitError(f"holds more than {limit:,} bytes of text", where=self.path)
        return data

    def end(self, allowed: int = 0) -> None:
        """Refuse more than `allowed` bytes beyond the end that the header tells; checks a packed file's sum."""
        left = allowed
        while left > 0 and (got := len(self.some(min(left, _STEP)))):
            left -= got
        if left == 0 and self.some(1):
            raise FormatError("holds more values than its header tells, so one of the two is wrong", where=self.path,
                              remedy="Correct its dimensions (volumes may be missing from them) or write it again.")

    def _short(self, need: int, got: int) -> None:
        raise FormatError(f"is cut short: {need:,} more bytes were expected, {max(got, 0):,} are there",
                          where=self.path, remedy="Copy it again.")


def check_map_cost(values: int, maps: int, *, where: object, limit: int = OPEN_LIMIT) -> None:
    """Refuse maps that would cost more memory than `limit`; says so with the way out."""
    need = values * (COST_PER_VALUE + 4 * (maps - 1))
    if need <= limit:
        return
    if maps > 1 and values * COST_PER_VALUE <= limit:  # one would fit
        raise LimitError(f"holds {maps:,} maps, together {need / 2**30:.1f} GiB; the limit is {limit / 2**30:.1f} GiB",
                         where=where, remedy="Open one of them by its number.")
    check_allocation((values, COST_PER_VALUE), np.uint8, where=where, limit=limit)


def check_promise(source: ByteSource, need: int) -> None:
    """Refuse a header that asks for more bytes than the file can hold, before anything is allocated."""
    if need > source.available:
        word = "at most " if source.packed else ""
        raise FormatError(f"is cut short: its header asks for {need:,} bytes, it holds {word}{source.available:,}",
                          where=source.path, remedy="Copy it again.")


def read_values(source: ByteSource, count: int, dtype: np.dtype,
                scale: tuple[float, float] | None = None) -> np.ndarray:
    """Return (count,) float32 of the next `count` values, scaled in float64; costs one copy and one chunk."""
    out = np.empty(count, np.float32)  # untouched memory costs nothing until it is filled
    step = _STEP // dtype.itemsize
    with np.errstate(all="ignore"):  # an overflow becomes infinite and so 'no data'
        for start in range(0, count, step):
            stop = min(count, start + step)
            raw = np.frombuffer(source.read((stop - start) * dtype.itemsize), dtype)
            if scale is not None:
                raw = raw.astype(np.float64) * scale[0] + scale[1]
            out[start:stop] = raw
    return out


def read_columns(source: ByteSource, rows: int, width: int, wanted: list[int], dtype: np.dtype,
                 scale: tuple[float, float] | None = None) -> np.ndarray:
    """Return (len(wanted), rows) float32 out of a table stored row by row, `width` values each."""
    out = np.empty((len(wanted), rows), np.float32)
    step = max(1, _STEP // (width * dtype.itemsize))
    with np.errstate(all="ignore"):
        for start in range(0, rows, step):
            stop = min(rows, start + step)
            raw = np.frombuffer(source.read((stop - start) * width * dtype.itemsize), dtype)
            raw = raw.reshape(stop - start, width)[:, wanted]
            if scale is not None:
                raw = raw.astype(np.float64) * scale[0] + scale[1]
            out[:, start:stop] = raw.T
    return out
