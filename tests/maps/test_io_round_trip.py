"""What is written comes back: values to the bit, space, name, labels, story."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brainview.core.errors import FormatError, MismatchError
from brainview.maps.brainmap import BrainMap, Label
from brainview.maps.io import FORMATS, provenance, read_labels, read_map, read_maps, read_pair, write_map
from brainview.maps.io.spaces import space_from_dict, space_to_dict
from brainview.maps.space import (
    BrainStructure,
    GrayordinateSpace,
    MaskedSpace,
    ParcelSpace,
    Space,
    SurfaceSpace,
    VolumeSpace,
    get_space,
    mni_space,
    surface_space,
)

OBLIQUE = np.array([[-1.8, 0.1, 0.2, 91.789], [0.05, 1.8, 0.3, -126.1], [0.1, 0.0, 1.81, -72.3], [0, 0, 0, 1]])
SHEARED = np.array([[2.0, 0.5, 0, -10], [0, 2, 0, -20], [0, 0, 3, -30.1234567], [0, 0, 0, 1]])
FS3 = surface_space("fsaverage3")
NATIVE = VolumeSpace("func1pt8mm:subj01", (8, 9, 10), OBLIQUE, "scanner")
SPACES: dict[str, Space] = {
    "surface": FS3,
    "left": surface_space("fsaverage3", "left"),
    "right": surface_space("fsLR32k", "right"),
    "native surface": SurfaceSpace("native:subj01", 100, 101),
    "mni": mni_space(2),
    "native volume": NATIVE,
    "sheared": VolumeSpace("shear", (5, 6, 7), SHEARED, "aligned"),
    "unknown": VolumeSpace("nowhere", (5, 6, 7), OBLIQUE, "unknown"),
    "masked surface": MaskedSpace("challenge:subj01", FS3, np.arange(5, 1200, 3)),
    "masked volume": MaskedSpace("mask", NATIVE, np.arange(10, 700, 7)),
    "grayordinates": get_space("grayordinates-59k"),
    "small grayordinates": GrayordinateSpace("own", (
        BrainStructure("CORTEX_LEFT", np.arange(3, 90), 100), BrainStructure("THALAMUS_RIGHT", np.array([7, 3, 11]))),
        NATIVE),
    "parcels": ParcelSpace("atlas", ("V1", "V2", "=cmd()"), FS3, np.arange(1284, dtype=np.int32) % 4 - 1),
}
HOLDS = {
    "nifti": {"mni", "native volume", "sheared", "unknown", "masked volume"},
    "gifti": {"surface", "left", "right", "native surface", "masked surface"},
    "cifti": {"surface", "left", "right", "native surface", "masked surface", "grayordinates", "small grayordinates"},
    "csv": set(SPACES), "tsv": set(SPACES), "npy": set(SPACES),
}
#: A mask over these is written as NaN outside and comes back on the whole.
EXPANDS = ("nifti", "gifti")


def make(space: Space, kind: str) -> BrainMap:
    rng = np.random.default_rng(3)
    values = rng.normal(size=space.size).astype(np.float32) * 10.0 ** rng.integers(-30, 30, space.size)
    values[:2] = np.nan
    labels = None
    if kind == "label":
        values, labels = rng.integers(0, 4, space.size), {1: Label("V1", (1.0, 0.0, 0.5, 1.0)), 2: Label("V, \"2\"")}
    return BrainMap(values, space, name="R² = a, b", units="fraction", kind=kind, colormap="ember",
                    limits=None if labels else (-1.5, 2.25), labels=labels, definition="What it is.",
                    provenance={"phantom": True, "subject": "subj01", "model": {"key": [1, 2.5, "é\n\u202e"]}})


def same(found: BrainMap, expected: BrainMap) -> None:
    assert found.space == expected.space and found.space.name == expected.space.name
    np.testing.assert_array_equal(found.values.view(np.int32), expected.values.view(np.int32))
    for field in ("name", "units", "kind", "limits", "colormap", "labels", "definition", "provenance"):
        assert getattr(found, field) == getattr(expected, field), field
    assert found.is_phantom


def back(path: Path) -> BrainMap:
    if path.name.startswith("lh.") and path.with_name("rh" + path.name[2:]).exists():
        return read_pair(path, path.with_name("rh" + path.name[2:]))[0]
    return read_map(path)


@pytest.mark.parametrize("kind", ["diverging", "label"])
@pytest.mark.parametrize(("format", "name"), [(f, s) for f, held in HOLDS.items() for s in sorted(held)
                                              if not (s == "mni" and f in ("csv", "tsv"))])
def test_round_trip(tmp_path: Path, format: str, name: str, kind: str) -> None:
    map = make(SPACES[name], kind)
    path = write_map(map, tmp_path / "map", format)
    same(back(path), map.expanded() if format in EXPANDS else map)
    written = {p.name for p in tmp_path.iterdir()}
    assert all(p.endswith(".json") or p + ".json" in written for p in written), "every file has its JSON beside it"
    assert not [p for p in written if p.startswith(".")]


@pytest.mark.parametrize(("format", "name"), [(f, s) for f, held in HOLDS.items() for s in sorted(set(SPACES) - held)])
def test_a_format_that_cannot_hold_the_space_says_so(tmp_path: Path, format: str, name: str) -> None:
    with pytest.raises(MismatchError) as caught:
        write_map(make(SPACES[name], "diverging"), tmp_path / "map", format)
    assert caught.value.remedy
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", [f for f in FORMATS if FORMATS[f].writes and f not in ("csv", "tsv", "npy")])
def test_the_story_is_inside_without_the_json(tmp_path: Path, format: str) -> None:
    name = "native volume" if format == "nifti" else "left"
    map = make(SPACES[name], "diverging")
    path = write_map(map, tmp_path / "map", format)
    path.with_name(path.name + ".json").unlink()
    same(read_map(path), map)


def test_nifti_is_right_for_other_tools(tmp_path: Path) -> None:
    map = make(NATIVE, "diverging")
    image = nib.load(write_map(map, tmp_path / "map.nii.gz"))
    np.testing.assert_array_equal(image.get_fdata().astype(np.float32).ravel(), map.values)
    np.testing.assert_allclose(image.affine, NATIVE.affine, atol=1e-4)
    assert image.get_data_dtype() == np.float32 and image.header.get_sform(coded=True)[1] == 1
    assert b"PHANTOM" in image.header["descrip"].item()
    labels = nib.load(write_map(make(mni_space(2), "label"), tmp_path / "l.nii"))
    assert labels.get_data_dtype() == np.int16 and labels.header.get_intent()[0] == "label"
    assert labels.header.get_sform(coded=True)[1] == 4


def test_gifti_is_right_for_other_tools(tmp_path: Path) -> None:
    map = make(FS3, "label")
    write_map(map, tmp_path / "areas.label.gii")
    right = nib.load(tmp_path / "rh.areas.label.gii")
    np.testing.assert_array_equal(right.agg_data(), map.values[FS3.right])
    assert right.meta["AnatomicalStructurePrimary"] == "CortexRight"
    assert right.labeltable.get_labels_as_dict()[1] == "V1"
    write_map(map, tmp_path / "sub-1_hemi-L_x.label.gii")
    assert (tmp_path / "sub-1_hemi-R_x.label.gii").exists()


def test_cifti_is_right_for_other_tools(tmp_path: Path) -> None:
    map = make(FS3, "diverging")
    image = nib.load(write_map(map, tmp_path / "m.dscalar.nii"))
    axis = image.header.get_axis(1)
    assert list(axis.nvertices.values()) == [642, 642] and image.header.get_axis(0).name[0] == map.name
    np.testing.assert_array_equal(image.get_fdata()[0].astype(np.float32), map.values)
    labels = nib.load(write_map(make(FS3, "label"), tmp_path / "m.dlabel.nii"))
    assert labels.header.get_axis(0).label[0][1] == ("V1", (1.0, 0.0, 0.5, 1.0))
    with pytest.raises(MismatchError, match="label"):
        write_map(map, tmp_path / "x.dlabel.nii")


def test_tables_say_where_and_what(tmp_path: Path) -> None:
    with open(write_map(make(NATIVE, "label"), tmp_path / "m.csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["index", "i", "j", "k", "x_mm", "y_mm", "z_mm", "R² = a, b [fraction]", "label"]
    i, j, k = (int(v) for v in rows[-1][1:4])
    np.testing.assert_allclose([float(v) for v in rows[-1][4:7]], OBLIQUE[:3, :3] @ (i, j, k) + OBLIQUE[:3, 3],
                               atol=1e-4)
    with open(write_map(make(FS3, "diverging"), tmp_path / "s.tsv"), newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    assert rows[0][:3] == ["index", "hemisphere", "vertex"] and rows[643][:3] == ["642", "right", "0"]
    text = write_map(make(SPACES["parcels"], "diverging"), tmp_path / "p.csv").read_text()
    assert "'=cmd()" in text, "a cell that a spreadsheet would run is quoted"


def test_the_json_beside_is_strict_and_complete(tmp_path: Path) -> None:
    map = make(SPACES["masked surface"], "label")
    path = write_map(map, tmp_path / "m.dscalar.nii")
    told = json.loads(path.with_name(path.name + ".json").read_text())
    assert told["phantom"] is True and told["map"]["name"] == map.name and told["software"]["nibabel"]
    assert space_from_dict(told["space"]) == map.space
    assert told["space"]["index"][:2] == [5, 8]


@pytest.mark.parametrize("name", sorted(SPACES))
def test_spaces_survive_json(name: str) -> None:
    told = json.loads(json.dumps(space_to_dict(SPACES[name])))
    again = space_from_dict(told)
    assert again == SPACES[name] and again.name == SPACES[name].name
    told["key"] = "0" * 20
    with pytest.raises(FormatError):
        space_from_dict(told)


def test_equal_maps_give_equal_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance.time, "gmtime", lambda: (2026, 1, 1, 0, 0, 0, 3, 1, 0))
    map = make(NATIVE, "diverging")
    assert write_map(map, tmp_path / "a.nii.gz").read_bytes() == write_map(map, tmp_path / "b.nii.gz").read_bytes()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_map(make(FS3, "diverging"), tmp_path / "m.dscalar.nii")
    before = path.read_bytes()

    def broken(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="no space"):
        write_map(make(FS3, "label"), path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.dscalar.nii", "m.dscalar.nii.json"]


def test_a_damaged_block_is_told_not_guessed(tmp_path: Path) -> None:
    map = make(NATIVE, "diverging")
    path = write_map(map, tmp_path / "m.nii")
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"format": 1', b'"format": ?'))
    found = read_map(path)
    assert any("damaged" in note for note in found.provenance["notes"])
    path.write_bytes(data.replace(b'"kind": "diverging"', b'"kind": "nonsense1"'))
    found = read_map(path)
    assert any("no sound kind" in note for note in found.provenance["notes"]) and found.is_phantom


def test_a_block_cannot_move_a_map(tmp_path: Path) -> None:
    path = write_map(make(NATIVE, "diverging"), tmp_path / "m.nii")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"91.789", b"11.789"))
    np.testing.assert_allclose(nib.as_closest_canonical(nib.load(path)).affine, read_map(path).space.affine, atol=1e-4)


def test_series_are_read_one_by_one(tmp_path: Path) -> None:
    data = np.random.default_rng(0).normal(size=(4, 5, 6, 3)).astype(np.float32)
    for name in ("s.nii", "s.nii.gz"):
        nib.save(nib.Nifti1Image(data, np.diag([2, 2, 2, 1])), tmp_path / name)
        maps = read_maps(tmp_path / name)
        assert [m.name for m in maps] == ["s [0]", "s [1]", "s [2]"]
        np.testing.assert_array_equal(read_map(tmp_path / name, 1).values, data[..., 1].ravel())
        np.testing.assert_array_equal(read_map(tmp_path / name, -1).values, data[..., 2].ravel())
        assert [m.name for m in read_maps(tmp_path / name, index=[2, 0])] == ["s [2]", "s [0]"]
        with pytest.raises(MismatchError, match="0 to 2"):
            read_map(tmp_path / name, 3)


def test_labels_come_back_as_rois(tmp_path: Path) -> None:
    map = make(FS3, "label")
    space, (rois,) = read_labels(write_map(map, tmp_path / "m.dlabel.nii"))
    assert space == FS3 and rois.sizes() == {"V1": int((map.values == 1).sum()), 'V, "2"': int((map.values == 2).sum())}
    with pytest.raises(FormatError, match="no labelling"):
        read_labels(write_map(make(FS3, "diverging"), tmp_path / "x.dscalar.nii"))


def test_numbers_of_npy_find_their_space(tmp_path: Path) -> None:
    np.save(tmp_path / "both.npy", np.zeros(20_484, np.float32))
    np.save(tmp_path / "lh.half.npy", np.arange(10_242))
    np.save(tmp_path / "half.npy", np.zeros(10_242))
    np.save(tmp_path / "odd.npy", np.zeros(777))
    np.save(tmp_path / "two.npy", np.zeros((2, 1284)))
    assert read_map(tmp_path / "both.npy").space == get_space("fsaverage5")
    assert read_map(tmp_path / "lh.half.npy").space == surface_space("fsaverage5", "left")
    assert len(read_maps(tmp_path / "two.npy")) == 2
    assert read_map(tmp_path / "half.npy", hemisphere="right").space == surface_space("fsaverage5", "right")
    with pytest.raises(FormatError, match="which hemisphere"):
        read_map(tmp_path / "half.npy")
    with pytest.raises(MismatchError, match="777"):
        read_map(tmp_path / "odd.npy")


def test_an_unknown_ending_is_refused(tmp_path: Path) -> None:
    for name, format in (("m.xyz", None), ("m.mgz", None), ("m.nii", "annot")):
        with pytest.raises(FormatError):
            write_map(make(FS3, "diverging"), tmp_path / name, format)


def test_versions_are_told_without_heavy_imports() -> None:
    code = ("import sys; from brainview.maps.io import provenance; v = provenance.software(); "
            "assert {'brainview', 'numpy', 'nibabel', 'python'} <= v.keys(); "
            "bad = {'nibabel', 'torch', 'nilearn', 'scipy'} & sys.modules.keys(); assert not bad, bad")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
