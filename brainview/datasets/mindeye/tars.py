"""Tars of samples (webdataset), read in place: an index of where every member lies, nothing is unpacked.

A member's name is its sample's key, a dot, and the extension. The index of a shard is kept in the cache and made again
when the file changes. The large ``wholebrain_3d.npy`` is known to the index and never read with the others.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from brainview.core.errors import FormatError
from brainview.core.files import atomic_write, check_allocation, regular_file
from brainview.core.names import shown
from brainview.core.paths import cache_dir
from brainview.datasets.cache import fingerprint

#: Raised when the form of a kept index changes.
VERSION = 1
#: The most members of one shard, and the most bytes of a small array.
MEMBER_LIMIT, SMALL = 100_000, 65_536
_HEADER = 4096


@dataclass(frozen=True, eq=False)
class Shard:
    """One tar and where its members lie.

    Parameters
    ----------
    path : Path
    keys : tuple of str
        Samples in the order of the file.
    members : dict of str to (n, 2) int64
        Extension -> offset and bytes of the member of every sample; (-1, 0) where it has none.
    """

    path: Path
    keys: tuple[str, ...]
    members: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.keys)

    def has(self, extension: str) -> np.ndarray:
        """Return (n,) bool: which samples have a member of that extension."""
        table = self.members.get(extension)
        return np.zeros(len(self), bool) if table is None else table[:, 0] >= 0

    def name(self, sample: int, extension: str) -> str:
        """Return the name of a member for people."""
        return f"{self.path.name}: {shown(self.keys[sample], limit=60)}.{extension}"

    def read(self, sample: int, extension: str, *, limit: int = 64 << 20) -> bytes:
        """Return the bytes of one member."""
        offset, size = (int(v) for v in self.members[extension][sample])
        check_allocation((size,), np.uint8, where=self.name(sample, extension), limit=limit)
        with open(self.path, "rb") as file:
            file.seek(offset)
            data = file.read(size)
        if len(data) != size:
            raise FormatError(f"ends inside {self.keys[sample]}.{extension}", where=self.path, remedy="Copy it again.")
        return data

    def small(self, extension: str) -> np.ndarray:
        """Return the (1,) or (k, w) small arrays of all samples, stacked; all must be there and of one shape."""
        rows = []
        with open(self.path, "rb") as file:
            for sample, (offset, size) in enumerate(self.members[extension].tolist()):
                where = self.name(sample, extension)
                check_allocation((size,), np.uint8, where=where, limit=SMALL)
                file.seek(offset)
                rows.append(array_of(file.read(size), where))
        if len({r.shape for r in rows}) > 1:
            raise FormatError(f"holds {extension} of different shapes", where=self.path)
        return np.stack(rows)

    @cached_property
    def _heads(self) -> dict[str, list[tuple[tuple[int, ...], np.dtype, int]]]:
        return {}

    def heads(self, extension: str) -> list[tuple[tuple[int, ...], np.dtype, int]]:
        """Return shape, type and offset of the data of every sample's array; reads headers only."""
        if extension not in self._heads:
            out = []
            with open(self.path, "rb") as file:
                for sample, (offset, size) in enumerate(self.members[extension].tolist()):
                    file.seek(offset)
                    where = self.name(sample, extension)
                    shape, dtype, start = _head(file.read(min(size, _HEADER)), where)
                    check_allocation(shape, dtype, where=where, available=size - start)
                    out.append((shape, dtype, offset + start))
            self._heads[extension] = out
        return self._heads[extension]


def _head(data: bytes, where: str) -> tuple[tuple[int, ...], np.dtype, int]:
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except Exception as err:  # NumPy's header reader raises whatever the damaged text leads to
        raise FormatError(f"is no .npy array: {shown(err, limit=80)}", where=where) from err
    if dtype.hasobject or dtype.kind not in "biuf":
        raise FormatError(f"holds {dtype}, numbers were expected", where=where)
    if fortran and len(shape) > 1:
        raise FormatError("is stored in Fortran order, C order was expected", where=where)
    return tuple(int(n) for n in shape), dtype, file.tell()


def array_of(data: bytes, where: str) -> np.ndarray:
    """Return the array of a small ``.npy`` member; pickles are refused."""
    shape, dtype, start = _head(data[:_HEADER], where)
    check_allocation(shape, dtype, where=where, available=len(data) - start)
    return np.frombuffer(data, dtype, count=int(np.prod(shape, dtype=np.int64)), offset=start).reshape(shape)


def index_shard(path: Path, required: Sequence[str]) -> Shard:
    """Return the index of a tar, from the cache when the file has not changed since.

    Raises
    ------
    FormatError
        No plain tar, cut short, a member twice, or a sample that lacks one of `required`.
    """
    kept = cache_dir() / "tar-index" / f"{VERSION}-{fingerprint(path)}.json"
    shard = _kept(path, kept) or _scan(path)
    for extension in required:
        lost = np.flatnonzero(~shard.has(extension))
        if lost.size:
            raise FormatError(f"{shown(shard.keys[lost[0]], limit=60)} has no {extension}"
                              + (f", nor have {lost.size - 1} others" if lost.size > 1 else ""), where=path,
                              remedy="Copy the shard again.")
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(kept) as file:
            file.write(json.dumps({"keys": shard.keys, "members": {k: v.tolist() for k, v in
                                                                   shard.members.items()}}).encode())
    return shard


def _kept(path: Path, kept: Path) -> Shard | None:
    try:
        data = json.loads(kept.read_bytes())
        members = {k: np.array(v, np.int64).reshape(len(data["keys"]), 2) for k, v in data["members"].items()}
        return Shard(path, tuple(data["keys"]), members)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _scan(path: Path) -> Shard:
    keys: dict[str, dict[str, tuple[int, int]]] = {}
    size = regular_file(path).stat().st_size
    try:
        with tarfile.open(path, "r:") as tar:
            for count, member in enumerate(tar):
                if count >= MEMBER_LIMIT:
                    raise FormatError(f"holds more than {MEMBER_LIMIT:,} members", where=path)
                if not member.isreg() or member.issparse():
                    continue
                key, _, extension = member.name.removeprefix("./").partition(".")
                if member.offset_data + member.size > size:
                    raise tarfile.ReadError("unexpected end of data")
                sample = keys.setdefault(key, {})
                if extension in sample:
                    raise FormatError(f"holds {shown(member.name, limit=60)} twice", where=path,
                                      remedy="Copy the shard again; keys must be unique in it.")
                sample[extension] = (member.offset_data, member.size)
    except tarfile.ReadError as err:
        cut = "unexpected end" in str(err) or "truncated" in str(err)
        raise FormatError("is cut short" if cut else f"is no plain tar: {shown(err, limit=80)}", where=path,
                          remedy="Copy it again." if cut else "Tars must be uncompressed.") from err
    except (tarfile.TarError, OSError, ValueError, EOFError) as err:
        raise FormatError(f"is no readable tar: {shown(err, limit=80)}", where=path, remedy="Copy it again.") from err
    if not keys:
        raise FormatError("holds no sample", where=path)
    names = sorted({e for members in keys.values() for e in members})
    table = {e: np.array([members.get(e, (-1, 0)) for members in keys.values()], np.int64) for e in names}
    return Shard(path, tuple(keys), table)
