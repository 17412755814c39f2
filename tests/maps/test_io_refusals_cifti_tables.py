"""Damaged, hostile and wrong CIFTI files, arrays and tables: one clear line, no memory spent on their promises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brainview.core.errors import BrainViewError, FormatError, MismatchError
from brainview.maps.brainmap import BrainMap
from brainview.maps.io import read_map, write_map
from brainview.maps.space import MaskedSpace, VolumeSpace, surface_space
from tests.maps.odd_files import refused

# --- CIFTI


def cifti(tmp_path: Path, change: Callable[[bytes], bytes]) -> Path:
    path = write_map(BrainMap(np.arange(1284), surface_space("fsaverage3")), tmp_path / "a.dscalar.nii")
    path.with_name(path.name + ".json").unlink()
    path.write_bytes(change(path.read_bytes()))
    return path


@pytest.mark.parametrize(("old", "new", "word"), [
    (b'SurfaceNumberOfVertices="642"', b'SurfaceNumberOfVertices="100"', "vertex"),
    (b'IndexCount="642"', b'IndexCount="641"', ""),
    (b'BrainStructure="CIFTI_STRUCTURE_CORTEX_RIGHT"', b'BrainStructure="CIFTI_STRUCTURE_CORTEX_LEFT" ', ""),
    (b"<CIFTI", b"<CAFTI", "damaged"),
    (b"<MapName>", b"<MapNamo>", "damaged"),
    (b"<Matrix>", b"<Matrox>", "damaged"),
    (b"0 1 2 3", b"0 1 2 2", "twice"),
    (b"0 1 2 3", b"0 1 2 x", "damaged"),
])
def test_cifti_descriptions_that_lie(tmp_path: Path, old: bytes, new: bytes, word: str) -> None:
    def change(content: bytes) -> bytes:
        assert old in content
        at = content.index(old)
        assert len(new) <= len(old)
        return content[:at] + new.ljust(len(old)) + content[at + len(old):]
    refused(cifti(tmp_path, change), BrainViewError, word)


def test_cifti_refuses_entities(tmp_path: Path) -> None:
    def change(content: bytes) -> bytes:
        start, end = content.index(b"<CIFTI"), content.index(b"</CIFTI>") + 8
        bomb = b'<!DOCTYPE CIFTI [<!ENTITY a "aaaaaaaa">]>'
        return content[:start] + (bomb + content[start + 200:end])[:end - start] + content[end:]
    refused(cifti(tmp_path, change), word="document type")


def test_cifti_cut_and_long(tmp_path: Path) -> None:
    refused(cifti(tmp_path, lambda c: c[:-4]), word="cut short")
    refused(cifti(tmp_path, lambda c: c + b"1234"), word="more values")
    refused(cifti(tmp_path, lambda c: c[:600]))


def test_cifti_connectivity_is_no_map(tmp_path: Path) -> None:
    axis = nib.cifti2.BrainModelAxis.from_surface(np.arange(10), 642, "CortexLeft")
    image = nib.Cifti2Image(np.zeros((10, 10), np.float32), (axis, axis))
    image.to_filename(tmp_path / "a.dscalar.nii")
    refused(tmp_path / "a.dscalar.nii", word="connectivity")


# --- arrays, tables and their JSON


def test_npy_refusals(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    for bad in (np.array(["x"]), np.zeros(4, complex), np.zeros((0,)), np.zeros((2, 3, 4)), np.zeros((2, 2, 2, 2, 2)),
                np.array(5.0)):
        np.save(path, bad)
        refused(path, BrainViewError)


@pytest.mark.parametrize(("text", "word"), [
    ("a,b\n1,2\n", "index"), ("index,x\n", "no row"), ("index,x\n1283,1\n1283,2\n", "two rows"),
    ("index,x\n0\n", "cells"), ("index,x\nzero,1\n", "no table"), ("index,x\n0,one\n", "no table"),
    ("index,x,y\n0,1,2\n", "columns"), ("index,x\n5,1\n", "no standard space"), ("\0\0", ""),
    ("index,x\n" + '"' + "a" * 200_000, "no table"), ("index,x\n99999999999999999999,1\n", ""), ("\ufeff", ""),
])
def test_tables_that_are_none(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    refused(path, BrainViewError, word)


def test_the_json_beside_cannot_cheat(tmp_path: Path) -> None:
    space = MaskedSpace("m", VolumeSpace("v", (4, 5, 6), np.eye(4)), np.arange(0, 100, 3))
    path = write_map(BrainMap(np.arange(space.size), space), tmp_path / "m.npy")
    side = path.with_name("m.npy.json")
    text = side.read_text()
    for old, new in (('"shape": [\n', '"shape": [\n9,'), ("99\n", "9999\n"), ('"kind": "mask"', '"kind": "mosk"'),
                     ('"world"', '"wrld"'), ("{", "[")):
        assert old in text
        side.write_text(text.replace(old, new, 1))
        with pytest.raises(FormatError):
            read_map(path)
    np.save(path, np.zeros(7))
    side.write_text(text)
    refused(path, MismatchError, "7 values")
