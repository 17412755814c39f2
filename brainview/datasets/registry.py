"""Find the reader for a folder: every layout says whether it knows the folder, and what it looked for.

A third party adds a layout with the entry-point group ``brainview.datasets``; the entry point is an object with
``layout`` (str), ``looks_for`` (str), ``recognises(path) -> bool`` and ``open(path) -> Dataset``.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from brainview.core.errors import FormatError, MissingError
from brainview.core.names import shown
from brainview.datasets.types import Dataset

#: Entry-point group of readers by third parties.
GROUP = "brainview.datasets"
#: Built-in readers, tried in this order: the explicit manifest wins over what a folder looks like.
BUILT_IN = {
    "manifest": "brainview.datasets.registry:MANIFEST",
    "algonauts2023": "brainview.datasets.algonauts2023:READER",
    "mindeye": "brainview.datasets.mindeye:READER",  # before nsd: its folder also holds a tree with masks
    "mindeye2": "brainview.datasets.mindeye2:READER",
    "nsd": "brainview.datasets.nsd:READER",
    "had": "brainview.datasets.had:READER",
    "bids-task": "brainview.datasets.bids_task:READER",
}


class Reader(Protocol):
    """What a layout offers."""

    @property
    def layout(self) -> str:
        """Name of the layout."""

    @property
    def looks_for(self) -> str:
        """The files by which it is recognised, in words."""

    def recognises(self, path: Path) -> bool:
        """True when `path` (a folder, or a file for manifests) is of this layout; cheap, reads no data."""

    def open(self, path: Path) -> Dataset:
        """Open the data set (headers only)."""


@dataclass(frozen=True)
class _ManifestReader:
    """Recognises a manifest without importing what it takes to read one."""

    layout: str = "manifest"
    looks_for: str = "dataset.toml"

    def recognises(self, path: Path) -> bool:
        return (path / "dataset.toml").is_file() if path.is_dir() else path.suffix.lower() == ".toml"

    def open(self, path: Path) -> Dataset:
        from brainview.datasets.manifest import read_manifest

        return read_manifest(path)


MANIFEST = _ManifestReader()


def readers() -> Iterator[Reader]:
    """Yield the built-in readers and those of installed third parties, each imported when its turn comes."""
    for target in BUILT_IN.values():
        module, name = target.split(":")
        yield getattr(importlib.import_module(module), name)
    for entry in entry_points(group=GROUP):
        yield entry.load()


def recognised(path: os.PathLike | str) -> bool:
    """True when some reader knows `path` as a data set."""
    return any(reader.recognises(Path(path).expanduser()) for reader in readers())


def open_dataset(path: os.PathLike | str) -> Dataset:
    """Open the data set at `path`, whatever its layout.

    Parameters
    ----------
    path : path
        A folder (one Algonauts subject, or their parent; the root of an NSD tree; a folder with ``dataset.toml``) or
        a manifest file.

    Raises
    ------
    MissingError
        There is no such path. FormatError: no reader knows it; the line says what is there.

    Examples
    --------
    >>> data = open_dataset("algonauts_2023_challenge_data")     # doctest: +SKIP
    >>> data.subject("subj01").responses.rows(slice(0, 4)).shape  # doctest: +SKIP
    (4, 39548)
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise MissingError("does not exist", where=path, remedy="Check the name.")
    for reader in readers():
        if reader.recognises(path):
            return reader.open(path)
    if path.suffix.lower() == ".zip":
        raise FormatError("is an archive; data sets are read unpacked", where=path, remedy="Unpack it first.")
    raise _unknown(path)


def _unknown(path: Path) -> FormatError:
    """Return one line that says what is there, and which folder of it is a data set if one is."""
    inside = sorted(p for p in path.iterdir()) if path.is_dir() else []
    near = next((p for p in inside[:50] if p.is_dir() and any(r.recognises(p) for r in readers())), None)
    if near is not None:
        remedy = f"Open {shown(near, limit=400)} instead."
    else:
        remedy = "'brainview inspect --help' lists what each layout looks for; your own data need a dataset.toml."
    names = ", ".join(shown(p.name, limit=40) for p in inside[:4]) + (" …" if len(inside) > 4 else "")
    seen = f"it holds {names}" if inside else "it is empty" if path.is_dir() else "it is no folder"
    return FormatError(f"is no data set that BrainView knows: {seen}", where=path, remedy=remedy)
