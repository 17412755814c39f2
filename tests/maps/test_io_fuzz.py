"""Small files of every format, cut, flipped and spliced: maps or one line of ours, and bounded memory."""

from __future__ import annotations

import contextlib
import gzip
import os
import sys
import tracemalloc
import warnings
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brainview.core.errors import BrainViewError
from brainview.maps.brainmap import BrainMap, Label
from brainview.maps.io import FORMATS, read_maps, read_surface, write_map
from brainview.maps.space import VolumeSpace, surface_space

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

#: Far below the 1 GiB rule; these files are a few KB.
MEMORY = 200 << 20
ROUNDS = 60


def _seeds(folder: Path) -> dict[str, Path]:
    """Write one small sound file of every format and variant."""
    rng = np.random.default_rng(5)
    volume = VolumeSpace("volume", (4, 5, 6), np.diag([2.0, 2, 2, 1]))
    surface = surface_space("fsaverage3", "left")
    on_volume = BrainMap(rng.normal(size=120), volume)
    on_surface = BrainMap(rng.normal(size=642), surface)
    labels = BrainMap(rng.integers(0, 3, 642), surface, kind="label", labels={1: Label("a"), 2: Label("b")})
    made = {
        "nii": write_map(on_volume, folder / "v.nii"), "nii.gz": write_map(on_volume, folder / "w.nii.gz"),
        "gii": write_map(on_surface, folder / "lh.s.func.gii"),
        "label.gii": write_map(labels, folder / "lh.l.label.gii"),
        "dscalar": write_map(on_surface, folder / "s.dscalar.nii"),
        "dlabel": write_map(labels, folder / "l.dlabel.nii"),
        "csv": write_map(on_volume, folder / "v.csv"), "npy": write_map(on_volume, folder / "v.npy"),
    }
    data = rng.normal(size=(4, 5, 6, 2)).astype(np.float32)
    nib.save(nib.Nifti2Image(data, np.eye(4)), folder / "n2.nii")
    nib.save(nib.Nifti1Pair(data, np.eye(4)), folder / "p.img")
    nib.save(nib.MGHImage(data, np.eye(4)), folder / "v.mgh")
    nib.save(nib.MGHImage(data[:, 0, 0, 0].reshape(4, 1, 1), np.eye(4)), folder / "lh.m.mgz")
    nib.freesurfer.write_morph_data(folder / "lh.curv", rng.normal(size=642).astype(np.float32))
    nib.freesurfer.write_annot(folder / "lh.a.annot", rng.integers(0, 3, 642), np.array(
        [[1, 2, 3, 0], [4, 5, 6, 0], [7, 8, 9, 0]]), ["unknown", "a", "b"])
    (folder / "lh.l.label").write_text("#!ascii label, from subject fsaverage3\n2\n3 1 2 3 0\n7 1 2 3 0\n")
    nib.freesurfer.write_geometry(folder / "lh.pial", np.eye(3), np.array([[0, 1, 2]]))
    points = nib.gifti.GiftiDataArray(np.eye(3, dtype="f4"), intent="NIFTI_INTENT_POINTSET")
    faces = nib.gifti.GiftiDataArray(np.array([[0, 1, 2]], "i4"), intent="NIFTI_INTENT_TRIANGLE")
    nib.save(nib.GiftiImage(darrays=[points, faces]), folder / "m.surf.gii")
    return {**made, "nifti2": folder / "n2.nii", "hdr": folder / "p.hdr", "mgh": folder / "v.mgh",
            "mgz": folder / "lh.m.mgz", "curv": folder / "lh.curv", "annot": folder / "lh.a.annot",
            "label": folder / "lh.l.label", "mesh": folder / "lh.pial", "surf.gii": folder / "m.surf.gii"}


KINDS = ("nii", "nii.gz", "gii", "label.gii", "dscalar", "dlabel", "csv", "npy", "nifti2", "hdr", "mgh", "mgz", "curv",
         "annot", "label", "mesh", "surf.gii")
#: The interesting part of a file lies in its first bytes.
HEADS = {"nii": 400, "nifti2": 560, "hdr": 348, "mgh": 90, "curv": 15, "mesh": 60, "npy": 128}


def _broken(data: bytes, rng: np.random.Generator, head: int) -> bytes:
    """Return the bytes cut, flipped, spliced, or with a 32-bit number set to an extreme one."""
    way = rng.integers(5)
    reach = head if rng.random() < 0.7 else len(data)
    out = bytearray(data)
    if way == 0:
        return data[: rng.integers(1, len(data))]
    if way == 1:
        for place in rng.integers(0, reach, rng.integers(1, 6)):
            out[place] = rng.integers(256)
    elif way == 2:
        place = int(rng.integers(0, max(1, reach - 4)))
        extreme = [b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\xff" * 4, b"\0" * 4, b"\x80\0\0\0"][rng.integers(5)]
        out[place:place + 4] = extreme
    elif way == 3:
        start, stop = sorted(rng.integers(0, len(data), 2))
        return data[:start] + data[stop:] or b"\0"
    else:
        start, stop = sorted(rng.integers(0, len(data), 2))
        return data[:stop] + data[start:]
    return bytes(out)


def _open(path: Path) -> None:
    readers = (read_maps, read_surface) if path.suffix in (".gii", ".pial") else (read_maps,)
    lines: list[str] = []
    for reader in readers:
        try:
            found = reader(path)
        except BrainViewError as error:
            lines.append(str(error))
            continue
        for one in found if isinstance(found, list) else []:
            assert one.values.size == one.space.size
    assert all("\n" not in line and path.stem.split(".")[0] in line for line in lines)


@contextlib.contextmanager
def _bounded() -> Iterator[None]:
    """Let a reader that would eat the machine fail here instead; tracemalloc sees what is below that."""
    limits = None
    if resource is not None and sys.platform == "linux":
        limits = resource.getrlimit(resource.RLIMIT_AS)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + (2 << 30), limits[1]))
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
        if limits is not None:
            resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_refused_or_harmless(tmp_path: Path, kind: str) -> None:
    path = _seeds(tmp_path)[kind]
    data = path.read_bytes()
    rng = np.random.default_rng(KINDS.index(kind))
    packed = data[:2] == b"\x1f\x8b"
    inner = gzip.decompress(data) if packed else data
    _open(path)  # imports are not the file's cost
    with _bounded(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(ROUNDS):
            broken = _broken(inner, rng, min(HEADS.get(kind, len(inner)), len(inner)))
            if packed:  # every second time the packing is sound and its content is not
                broken = gzip.compress(broken, 1) if number % 2 else _broken(data, rng, len(data))
            path.write_bytes(broken)
            _open(path)


def test_sound_files_of_every_kind_open(tmp_path: Path) -> None:
    seeds = _seeds(tmp_path)
    assert set(seeds) == set(KINDS)
    for kind, path in seeds.items():
        found = read_surface(path) if kind in ("mesh", "surf.gii") else read_maps(path)
        assert found, kind
    assert {f.name for f in FORMATS.values()} >= {"nifti", "cifti", "gifti", "mgh", "annot", "label", "curv"}
