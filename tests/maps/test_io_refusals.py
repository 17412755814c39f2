"""Damaged, hostile and wrong NIfTI files, and what every format shares: one clear line, no memory spent on promises."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brainview.core.errors import BrainViewError, FormatError, LimitError, MismatchError, MissingError
from brainview.maps.io import FORMATS, format_of, read_map, read_maps
from brainview.maps.space import get_space, surface_space
from tests.maps.odd_files import SHAPE, field, nifti, refused

# --- what every format shares


def test_empty_absent_and_folders(tmp_path: Path) -> None:
    for ending in ("nii", "nii.gz", "mgz", "func.gii", "annot", "curv", "dscalar.nii", "npy", "csv", "label"):
        path = tmp_path / f"lh.empty.{ending}"
        path.touch()
        refused(path, word="empty")
        refused(tmp_path / f"absent.{ending}", MissingError)
        folder = tmp_path / f"folder.{ending}"
        folder.mkdir()
        refused(folder, word="folder")


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "mgz", "gii", "annot", "curv", "dscalar.nii", "npy", "csv",
                                    "label", "img", "nonsense"])
def test_a_picture_under_another_name(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"lh.picture.{ending}"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    if ending == "img":
        path.with_suffix(".hdr").write_bytes(path.read_bytes())
        path = path.with_suffix(".hdr")
    line = refused(path)
    assert "PNG" in line or ending in ("csv", "npy", "label", "annot")


def test_every_readable_format_is_in_the_registry() -> None:
    for name, found in FORMATS.items():
        assert found.name == name and found.endings and found.title


def test_bare_freesurfer_names_are_recognised(tmp_path: Path) -> None:
    path = tmp_path / "lh.my_measure"
    nib.freesurfer.write_morph_data(path, np.arange(642, dtype=np.float32))
    assert format_of(path).name == "curv"
    assert read_map(path).space == surface_space("fsaverage3", "left")


# --- NIfTI


@pytest.mark.parametrize(("change", "kind", "word"), [
    (field("dim", [5, 2, 3, 4, 1, 5, 1, 1]), FormatError, "5 dimensions"),
    (field("dim", [3, 4, 0, 6, 1, 1, 1, 1]), FormatError, "zero"),
    (field("dim", [3, 4, -5, 6, 1, 1, 1, 1]), FormatError, "negative"),
    (field("dim", [3, 400, 500, 600, 1, 1, 1, 1]), FormatError, "cut short"),
    (field("dim", [4, 30000, 30000, 30000, 30000, 1, 1, 1]), FormatError, "cut short"),
    (field("dim", [3, 4, 5, 5, 1, 1, 1, 1]), FormatError, "more values"),
    (field("datatype", 9999), FormatError, "unknown data type"),
    (field("datatype", 32), FormatError, "complex"),
    (field("datatype", 1792), FormatError, "complex"),
    (field("datatype", 128), FormatError, "RGB"),
    (field("srow_x", [np.nan, 0, 0, 0]), FormatError, "NaN"),
    (field("srow_x", [np.inf, 0, 0, 0]), FormatError, "NaN"),
    (field("srow_x", [0, 2, 0, 0]), FormatError, "singular"),
    (field("srow_z", [0, 0, 0, 0]), FormatError, "singular"),
    (field("vox_offset", 1e9), FormatError, "cut short"),
    (field("vox_offset", np.nan), FormatError, "start at byte"),
    (field("vox_offset", -5), FormatError, "start at byte"),
    (field("magic", b"xyz"), FormatError, "magic"),
    (field("magic", b""), FormatError, "ANALYZE"),
    (field("magic", b"ni1"), FormatError, "pair"),
])
@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_nifti_headers_that_lie(tmp_path: Path, change: Callable, kind: type[BrainViewError], word: str,
                                ending: str) -> None:
    refused(nifti(tmp_path / f"a.{ending}", change), kind, word)


def test_nifti_damaged_quaternion(tmp_path: Path) -> None:
    def change(header: nib.Nifti1Header) -> None:
        header["sform_code"], header["qform_code"] = 0, 1
        header["quatern_b"] = header["quatern_c"] = 0.9
    refused(nifti(tmp_path / "a.nii", change), word="orientation")


@pytest.mark.parametrize("keep", [0, 1, 100, 347, 348, 351, 352, 400, 831])
def test_nifti_cut_anywhere(tmp_path: Path, keep: int) -> None:
    whole = nifti(tmp_path / "whole.nii").read_bytes()
    path = tmp_path / "cut.nii"
    path.write_bytes(whole[:keep] or b"\0")
    refused(path)
    packed = tmp_path / "cut.nii.gz"
    packed.write_bytes(gzip.compress(whole)[:-9])
    refused(packed)


def test_nifti_changed_packed_byte_is_seen(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii.gz", data=np.random.default_rng(0).bytes(480))
    data = bytearray(path.read_bytes())
    data[-4 - 4 - 100] ^= 0xFF
    path.write_bytes(bytes(data))
    refused(path)


def test_nifti_bombs_cost_nothing(tmp_path: Path) -> None:
    big = nifti(tmp_path / "big.nii.gz", field("dim", [3, 2000, 2000, 2000, 1, 1, 1, 1]), data=b"\0" * 1000)
    refused(big, FormatError, "cut short", most=4 << 20)
    long = nifti(tmp_path / "long.nii.gz", data=np.zeros(120, "<f4").tobytes() + b"\0" * (100 << 20))
    refused(long, FormatError, "more values", most=8 << 20)


def test_nifti_too_large_for_memory_is_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "sparse.nii"
    header = nib.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape((800, 800, 800, 3))
    header.set_sform(np.eye(4), 1)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    with open(path, "wb") as file:
        file.write(header.binaryblock)
        file.truncate(352 + 3 * 800**3)
    line = refused(path, LimitError, "GiB", most=4 << 20)
    assert "limit" in line


def test_a_long_series_says_how_to_open_one(tmp_path: Path) -> None:
    path = tmp_path / "series.nii"
    header = nib.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape((91, 109, 91, 400))
    header.set_sform(np.eye(4), 1)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    with open(path, "wb") as file:
        file.write(header.binaryblock)
        file.truncate(352 + 4 * 91 * 109 * 91 * 400)
    refused(path, LimitError, "Open one of them by its number", most=4 << 20)
    assert read_map(path, 399).values.size == 91 * 109 * 91


def test_nifti_scaling_endianness_units_and_types(tmp_path: Path) -> None:
    for dtype in ("<i2", ">i2", "<u1", ">f8", "<f4", "<i8", "<u2"):
        def change(header: nib.Nifti1Header) -> None:
            header["scl_slope"], header["scl_inter"] = 0.5, -3
        for cls in (nib.Nifti1Header, nib.Nifti2Header):
            found = read_map(nifti(tmp_path / "a.nii", change, dtype, header_class=cls))
            expected = (np.arange(120) * 0.5 - 3).reshape(SHAPE, order="F").ravel()
            np.testing.assert_array_equal(found.values, expected.astype(np.float32))
    metres = read_map(nifti(tmp_path / "m.nii", field("xyzt_units", 1)))
    assert metres.space.zooms == (2000, 2000, 2000) and "mm" in metres.provenance["notes"][0]


def test_nifti_nothing_finite_opens_and_says_so(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii", data=np.full(120, np.nan, "<f4").tobytes())
    assert "no finite value" in read_map(path).provenance["notes"]


def test_nifti_infinite_is_no_data(tmp_path: Path) -> None:
    values = np.ones(120, "<f8")
    values[:3] = [np.inf, -np.inf, 1e300]
    assert np.isnan(read_map(nifti(tmp_path / "a.nii", dtype="<f8", data=values.tobytes())).values).sum() == 3


def test_nifti_pairs(tmp_path: Path) -> None:
    data = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    nib.save(nib.Nifti1Pair(data, np.diag([-2, 2, 2, 1])), tmp_path / "p.img")
    for name in ("p.img", "p.hdr"):
        np.testing.assert_array_equal(read_map(tmp_path / name).values, data[::-1].ravel())
    (tmp_path / "p.img").unlink()
    refused(tmp_path / "p.hdr", MissingError, "p.img")


def test_nifti_wrong_size_for_the_space_asked_for(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii")
    with pytest.raises(MismatchError, match="mni152-2mm"):
        read_maps(path, space=get_space("mni152-2mm"))


def test_hemisphere_must_be_known(tmp_path: Path) -> None:
    data = np.zeros((642, 1, 1), np.float32)
    nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / "some.nii")
    refused(tmp_path / "some.nii", FormatError, "which hemisphere")
    assert read_map(tmp_path / "some.nii", hemisphere="right").space == surface_space("fsaverage3", "right")
    for name, side in (("sub-1_hemi-R_x.nii", "right"), ("a.L.nii", "left"), ("RH_x.nii", "right"),
                       ("x_left_y.nii", "left")):
        nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / name)
        assert read_map(tmp_path / name).space == surface_space("fsaverage3", side)
