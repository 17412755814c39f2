"""Where the responses come from: an array (memory-mapped or not), or a stream of row blocks read once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from brainview.core.errors import MismatchError
from brainview.core.paths import cache_dir

#: Arrays of working results above this many bytes lie in a scratch file instead of in memory.
SCRATCH_LIMIT = 1 << 30


class Source(Protocol):
    """Responses of n samples to t targets; `shape` is (n, t)."""

    shape: tuple[int, int]


@dataclass(frozen=True, eq=False)
class ArraySource:
    """Responses in an array, read in column chunks so that each number is touched once.

    Parameters
    ----------
    array : (n, t) array of any number type, memory-mapped or not
    scale : float
        Stored number x scale = response.
    """

    array: np.ndarray
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.array.shape[0]), int(self.array.shape[1])

    def columns(self, start: int, stop: int) -> np.ndarray:
        """Return (n, stop - start) float32 responses; a view when nothing has to be converted."""
        part = self.array[:, start:stop]
        if part.dtype != np.float32:
            part = part.astype(np.float32)
        return part * np.float32(self.scale) if self.scale != 1.0 else part


@dataclass(frozen=True, eq=False)
class BlockSource:
    """Responses as row blocks that are made on the way, for example means over repetitions.

    Parameters
    ----------
    shape : (n, t)
    blocks : callable
        Returns an iterator of (first row, (m, t) float32 array), in row order; called once per pass.
    """

    shape: tuple[int, int]
    blocks: Callable[[], Iterable[tuple[int, np.ndarray]]]

    def rows(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (rows, (m, t) float32) blocks; raises MismatchError when the blocks do not fit `shape`."""
        done = 0
        for start, block in self.blocks():
            if start != done or block.ndim != 2 or block.shape[1] != self.shape[1]:
                raise MismatchError(f"gave a block of {block.shape} at row {start}, row {done} of "
                                    f"{self.shape} was expected", where="responses")
            done += len(block)
            yield slice(start, done), np.asarray(block, np.float32)
        if done != self.shape[0]:
            raise MismatchError(f"gave {done} rows, {self.shape[0]} were expected", where="responses")


def as_source(responses: object) -> ArraySource | BlockSource:
    """Return `responses` as a source; takes a source or a 2-D array."""
    if isinstance(responses, (ArraySource, BlockSource)):
        return responses
    array = responses if isinstance(responses, np.ndarray) else np.asarray(responses)
    if array.ndim != 2 or array.dtype.kind not in "fiub":
        raise MismatchError(f"must be a 2-D array of numbers, got {array.dtype} {array.shape}", where="responses")
    return ArraySource(array)


@contextmanager
def scratch(shape: tuple[int, ...], *, limit: int = SCRATCH_LIMIT) -> Iterator[np.ndarray]:
    """Give a zeroed float32 array: in memory up to `limit` bytes, above that in a file that is gone at the end."""
    size = 4
    for n in shape:
        size *= int(n)
    if size <= limit:
        yield np.zeros(shape, np.float32)
        return
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=cache_dir(), ignore_cleanup_errors=True) as folder:
        array = np.memmap(Path(folder) / "block.f32", np.float32, "w+", shape=shape)
        try:
            yield array
        finally:
            del array
