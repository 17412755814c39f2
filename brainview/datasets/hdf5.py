"""HDF5 without surprises: no external links, no external or virtual storage, sizes looked at first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import h5py

from brainview.core.errors import FormatError, MissingError
from brainview.core.files import regular_file
from brainview.core.names import shown


@contextmanager
def open_hdf5(path: os.PathLike | str) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; every fault of the library becomes one FormatError."""
    path = regular_file(path)
    try:
        file = h5py.File(path, "r", locking=False)
    except OSError as err:
        raise FormatError(f"is not a readable HDF5 file: {shown(err, limit=120)}", where=path,
                          remedy="Copy it again.") from err
    try:
        yield file
    except (OSError, RuntimeError) as err:
        raise FormatError(f"is damaged: {shown(err, limit=120)}", where=path, remedy="Copy it again.") from err
    finally:
        file.close()


def dataset_of(file: h5py.File, name: str) -> h5py.Dataset:
    """Return one dataset of an open file by its path, hard links only.

    Raises
    ------
    MissingError
        There is none of that name. FormatError: it is a group, a link, or stored outside the file.
    """
    here: h5py.Group = file
    parts = [p for p in name.split("/") if p]
    for i, part in enumerate(parts):
        link = here.get(part, getlink=True) if isinstance(here, h5py.Group) else None
        if link is None:
            known = ", ".join(shown(k, limit=40) for k in list(file)[:12])
            raise MissingError(f"has no dataset {name!r}", where=file.filename, remedy=f"It holds: {known}.")
        if not isinstance(link, h5py.HardLink):
            raise FormatError(f"{name!r} is a link, which is not followed", where=file.filename)
        item = here[part]
        if i < len(parts) - 1 and not isinstance(item, h5py.Group):
            raise FormatError(f"{part!r} is not a group", where=file.filename)
        here = item
    if not isinstance(here, h5py.Dataset):
        raise FormatError(f"{name!r} is a group, a dataset was expected", where=file.filename)
    if here.external or here.is_virtual:
        raise FormatError(f"{name!r} is stored outside the file, which is not followed", where=file.filename)
    if here.dtype.hasobject:
        raise FormatError(f"{name!r} holds text or objects, numbers were expected", where=file.filename)
    return here


def is_matlab(path: os.PathLike | str) -> bool:
    """True when the file was written by MATLAB (v7.3), whose arrays come out with their axes reversed."""
    with open(path, "rb") as file:
        return file.read(10) == b"MATLAB 7.3"
