"""Damaged, hostile and wrong files: one clear line, and no memory spent on their promises."""

from __future__ import annotations

import base64
import gzip
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brainview.core.errors import BrainViewError, FormatError, LimitError, MismatchError, MissingError
from brainview.maps.brainmap import BrainMap, Label
from brainview.maps.io import FORMATS, format_of, read_map, read_maps, read_surface, write_map
from brainview.maps.space import MaskedSpace, VolumeSpace, get_space, surface_space

SHAPE = (4, 5, 6)


def nifti(path: Path, change: Callable[[nib.Nifti1Header], None] | None = None, dtype: str = "<f4",
          shape: tuple[int, ...] = SHAPE, data: bytes | None = None, header_class: type = nib.Nifti1Header) -> Path:
    """Write a NIfTI file by hand, so that the header can lie."""
    header = header_class(endianness=dtype[0])
    header.set_data_dtype(np.dtype(dtype))
    header.set_data_shape(shape)
    header.set_sform(np.diag([2, 2, 2, 1]), 1)
    header["vox_offset"] = len(header.binaryblock) + 4
    header["magic"] = b"n+1" if header_class is nib.Nifti1Header else header["magic"]
    if change is not None:
        change(header)
    if data is None:
        data = np.arange(np.prod(shape), dtype=np.float64).astype(dtype).tobytes()
    content = header.binaryblock + b"\0" * 4 + data
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def field(name: str, value: object) -> Callable[[nib.Nifti1Header], None]:
    def change(header: nib.Nifti1Header) -> None:
        header[name] = value
    return change


def refused(path: Path, kind: type[BrainViewError] = FormatError, word: str = "", most: int = 64 << 20,
            reader: Callable = read_maps) -> str:
    """Assert the one line, its type, and that no more than `most` bytes were spent."""
    tracemalloc.start()
    try:
        with pytest.raises(BrainViewError) as caught:
            reader(path)
        spent = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    line = str(caught.value)
    assert isinstance(caught.value, kind), line
    assert word in line and "\n" not in line and path.name in line, line
    assert spent < most, f"{spent >> 20} MiB"
    return line


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


@pytest.mark.parametrize("shape", [(642, 1, 1), (1, 642, 1), (1, 1, 642), (642, 1, 1, 3), (1, 1, 642, 3)])
def test_mgh_in_every_axis_order(tmp_path: Path, shape: tuple[int, ...]) -> None:
    data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape, order="F")
    nib.save(nib.MGHImage(data, np.eye(4)), tmp_path / "rh.x.mgz")
    maps = read_maps(tmp_path / "rh.x.mgz")
    assert len(maps) == (3 if len(shape) == 4 else 1) and maps[0].space == surface_space("fsaverage3", "right")
    np.testing.assert_array_equal(maps[-1].values, data.reshape(642, -1, order="F")[:, -1])


def test_mgh_volumes_and_damage(tmp_path: Path) -> None:
    data = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    affine = np.array([[0, 0, 2, 1], [-2, 0, 0, 2], [0, -2, 0, 3], [0, 0, 0, 1.0]])
    nib.save(nib.MGHImage(data, affine), tmp_path / "v.mgh")
    expected = nib.as_closest_canonical(nib.load(tmp_path / "v.mgh"))
    found = read_map(tmp_path / "v.mgh")
    np.testing.assert_array_equal(found.values, expected.get_fdata().astype(np.float32).ravel())
    np.testing.assert_allclose(found.space.affine, expected.affine, atol=1e-4)
    content = (tmp_path / "v.mgh").read_bytes()
    for place, value, word in ((4, 0, "zero"), (4, -1, "negative"), (4, 2**30, "cut short"), (20, 77, "data type")):
        broken = content[:place] + struct.pack(">i", value) + content[place + 4:]
        (tmp_path / "b.mgh").write_bytes(broken)
        refused(tmp_path / "b.mgh", word=word)
    (tmp_path / "b.mgh").write_bytes(content[:42] + struct.pack(">f", np.nan) + content[46:])
    refused(tmp_path / "b.mgh", word="affine")
    unoriented = content[:28] + b"\0\0" + content[30:]
    (tmp_path / "u.mgh").write_bytes(unoriented)
    assert read_map(tmp_path / "u.mgh").space.world == "unknown"


# --- GIFTI

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n{doctype}<GIFTI Version="1.0" NumberOfDataArrays="{n}">{inner}</GIFTI>'
ARRAY = ('<DataArray Intent="NIFTI_INTENT_{intent}" DataType="NIFTI_TYPE_{type}" ArrayIndexingOrder="{order}" '
         'Dimensionality="{nd}" {dims} Encoding="{encoding}" Endian="LittleEndian" ExternalFileName="{file}" '
         'ExternalFileOffset="{offset}"><Data>{data}</Data></DataArray>')


def array(data: str, shape: tuple[int, ...] = (642,), intent: str = "NONE", type: str = "FLOAT32",
          encoding: str = "Base64Binary", order: str = "RowMajorOrder", file: str = "", offset: int = 0) -> str:
    dims = " ".join(f'Dim{i}="{n}"' for i, n in enumerate(shape))
    return ARRAY.format(intent=intent, type=type, order=order, nd=len(shape), dims=dims, encoding=encoding, file=file,
                        offset=offset, data=data)


def gifti(path: Path, *arrays: str, doctype: str = "", n: int | None = None) -> Path:
    path.write_text(HEAD.format(doctype=doctype, n=len(arrays) if n is None else n, inner="".join(arrays)))
    return path


def b64(values: np.ndarray, pack: Callable[[bytes], bytes] = bytes) -> str:
    return base64.b64encode(pack(values.tobytes())).decode()


VALUES = np.random.default_rng(0).normal(size=642).astype("<f4")


def test_gifti_accepts_the_usual_document_type_without_fetching_it(tmp_path: Path) -> None:
    line = '<!DOCTYPE GIFTI SYSTEM "http://127.0.0.1:1/gifti.dtd">\n'
    path = gifti(tmp_path / "lh.a.gii", array(b64(VALUES)), doctype=line)
    np.testing.assert_array_equal(read_map(path).values, VALUES)


@pytest.mark.parametrize("doctype", [
    '<!DOCTYPE GIFTI [<!ENTITY a "b">]>',
    '<!DOCTYPE GIFTI [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE GIFTI [<!ENTITY % p SYSTEM "http://127.0.0.1:1/x.dtd"> %p;]>',
    '<!DOCTYPE GIFTI SYSTEM "http://127.0.0.1:1/x.dtd" [<!ELEMENT GIFTI ANY>]>',
    '<!DOCTYPE GIFTI [<!ENTITY a "' + "l" * 1000 + '"><!ENTITY b "' + "&a;" * 1000 + '">]>',
])
def test_gifti_refuses_entities_and_inner_types(tmp_path: Path, doctype: str) -> None:
    refused(gifti(tmp_path / "lh.a.gii", array(b64(VALUES)), doctype=doctype), most=16 << 20)


@pytest.mark.parametrize(("content", "word"), [
    (array(b64(VALUES[:-1])), "2,564"),
    (array(b64(np.append(VALUES, VALUES))), "more"),
    (array(b64(VALUES, zlib.compress)[:-8], encoding="GZipBase64Binary"), "damaged"),
    (array(base64.b64encode(zlib.compress(VALUES.tobytes())[:-5]).decode(), encoding="GZipBase64Binary"), "damaged"),
    (array(b64(np.zeros(50_000_000, "u1"), zlib.compress), encoding="GZipBase64Binary"), "more"),
    (array("!!!!"), "damaged"),
    (array("1 2 3", encoding="ASCII"), "declares 642 values but holds 3"),
    (array("1 2 x" * 300, encoding="ASCII"), "text where numbers"),
    (array(b64(VALUES), (10**12,)), "GiB"),
    (array(b64(VALUES), (0,)), "shape"),
    (array(b64(VALUES), (-642,)), "shape"),
    (array(b64(VALUES), type="COMPLEX64"), "type"),
    (array(b64(VALUES), type="NONSENSE"), "damaged"),
    (array(b64(VALUES), encoding="Nonsense"), "damaged"),
    (array(b64(VALUES), intent="NONSENSE"), "damaged"),
    (array(b64(VALUES), intent="NODE_INDEX"), "NODE_INDEX"),
    (array(b64(VALUES), (214, 3), intent="RGB_VECTOR"), "no map"),
    (array(b64(VALUES[:640]), (640,)).replace("Dim0", "Dim7"), "damaged"),
    ("", "no data"),
    (array(b64(VALUES)) + "</oops>", "damaged"),
])
def test_gifti_arrays_that_lie(tmp_path: Path, content: str, word: str) -> None:
    refused(gifti(tmp_path / "lh.a.func.gii", content, n=content.count("<DataArray")), BrainViewError, word)


def test_gifti_wrong_number_of_arrays(tmp_path: Path) -> None:
    refused(gifti(tmp_path / "lh.a.gii", array(b64(VALUES)), n=5), word="declares 5 data arrays")


def test_gifti_four_encodings_and_both_orders(tmp_path: Path) -> None:
    table = np.arange(1284, dtype="<f4").reshape(642, 2)
    (tmp_path / "values.bin").write_bytes(b"skip" + table.tobytes())
    texts = {"row": array(b64(table), (642, 2)),
             "column": array(b64(table.T.copy()), (642, 2), order="ColumnMajorOrder"),
             "zip": array(b64(table, zlib.compress), (642, 2), encoding="GZipBase64Binary"),
             "ascii": array(" ".join(map(str, table.ravel())), (642, 2), encoding="ASCII"),
             "beside": array("", (642, 2), encoding="ExternalFileBinary", file="values.bin", offset=4)}
    for name, text in texts.items():
        maps = read_maps(gifti(tmp_path / f"lh.{name}.func.gii", text))
        np.testing.assert_array_equal(np.stack([m.values for m in maps], 1), table, err_msg=name)


@pytest.mark.parametrize("file", ["../secret.bin", "/etc/passwd", "sub/secret.bin", "..", "", "link.bin", "absent.bin",
                                  "C:\\secret.bin", "short.bin"])
def test_gifti_external_data_only_from_beside(tmp_path: Path, file: str) -> None:
    folder = tmp_path / "here"
    (folder / "sub").mkdir(parents=True)
    for place in (tmp_path, folder / "sub"):
        (place / "secret.bin").write_bytes(b"\0" * 10_000)
    (folder / "short.bin").write_bytes(b"\0" * 100)
    (folder / "link.bin").symlink_to("../secret.bin")
    path = gifti(folder / "lh.a.func.gii", array("", encoding="ExternalFileBinary", file=file))
    with pytest.raises(BrainViewError):
        read_maps(path)


def test_surfaces_with_faces_past_the_end(tmp_path: Path) -> None:
    points, faces = np.eye(3, dtype="<f4"), np.array([[0, 1, 2]], "<i4")
    good = array(b64(points), (3, 3), "POINTSET"), array(b64(faces), (1, 3), "TRIANGLE", "INT32")
    mesh = read_surface(gifti(tmp_path / "good.surf.gii", *good[::-1]))
    assert mesh.faces.tolist() == [[0, 1, 2]] and mesh.vertices.dtype == np.float32
    for bad in ([[0, 1, 3]], [[0, -1, 2]]):
        text = array(b64(np.array(bad, "<i4")), (1, 3), "TRIANGLE", "INT32")
        refused(gifti(tmp_path / "bad.surf.gii", good[0], text), word="face", reader=read_surface)
    points[0, 0] = np.nan
    refused(gifti(tmp_path / "nan.surf.gii", array(b64(points), (3, 3), "POINTSET"), good[1]), word="not",
            reader=read_surface)
    refused(gifti(tmp_path / "half.surf.gii", good[0]), word="triangles", reader=read_surface)
    nib.freesurfer.write_geometry(tmp_path / "lh.pial", np.eye(3), np.array([[0, 1, 3]]))
    refused(tmp_path / "lh.pial", word="face", reader=read_surface)
    nib.freesurfer.write_geometry(tmp_path / "lh.white", np.eye(3), np.array([[0, 1, 2]]))
    assert read_surface(tmp_path / "lh.white").faces.tolist() == [[0, 1, 2]]
    refused(tmp_path / "lh.white", word="mesh")
    content = (tmp_path / "lh.white").read_bytes()
    (tmp_path / "lh.cut").write_bytes(content[:-4])
    refused(tmp_path / "lh.cut", word="cut short", reader=read_surface)


# --- FreeSurfer


def test_curvature_old_new_and_damaged(tmp_path: Path) -> None:
    path = tmp_path / "lh.curv"
    path.write_bytes((642).to_bytes(3, "big") + b"\0\0\0" + np.arange(642, dtype=">i2").tobytes())
    np.testing.assert_allclose(read_map(path).values, np.arange(642) / 100)
    path.write_bytes(path.read_bytes()[:-1])
    refused(path)
    nib.freesurfer.write_morph_data(path, np.zeros(642, np.float32))
    content = path.read_bytes()
    for bad in (content[:-1], content[:3] + struct.pack(">i", 2**30) + content[7:],
                content[:3] + struct.pack(">i", -5) + content[7:], content[:11] + struct.pack(">i", 3) + content[15:],
                content[:3] + struct.pack(">i", 0) + content[7:], content[:8]):
        path.write_bytes(bad)
        refused(path, BrainViewError)
    thick = tmp_path / "bert" / "surf" / "rh.thickness"
    thick.parent.mkdir(parents=True)
    nib.freesurfer.write_morph_data(thick, np.ones(123, np.float32))
    found = read_map(thick)
    assert (found.space.name, found.space.size, found.units) == ("native:bert", 123, "mm")
    assert "no standard mesh" in found.provenance["notes"][0]


def test_annotations(tmp_path: Path) -> None:
    path = tmp_path / "lh.x.annot"
    rng = np.random.default_rng(0)
    ids, table = rng.integers(0, 3, 642), np.array([[25, 5, 25, 0], [10, 20, 30, 0], [40, 50, 60, 255]])
    nib.freesurfer.write_annot(path, ids, table, ["unknown", "V1", "V2"])
    found = read_map(path)
    np.testing.assert_array_equal(found.values, ids)
    assert found.labels[2] == Label("V2", (40 / 255, 50 / 255, 60 / 255, 0.0))
    nib.freesurfer.write_annot(path, ids, table, ["V1", "V2", "V3"])
    found = read_map(path)
    np.testing.assert_array_equal(found.values, ids + 1)
    assert found.labels[1].name == "V1" and "plus 1" in " ".join(found.provenance["notes"])
    content = path.read_bytes()
    for bad in (content[:-3], content[:100], struct.pack(">i", 2**30) + content[4:],
                struct.pack(">i", -1) + content[4:], content[:4 + 642 * 8],
                content[:4] + struct.pack(">i", 10**6) + content[8:]):
        path.write_bytes(bad)
        refused(path)


def test_labels_need_to_know_their_surface(tmp_path: Path) -> None:
    path = tmp_path / "lh.V1.label"
    text = "#!ascii label, from subject {who} vox2ras=TkReg\n2\n3 1.0 2.0 3.0 0.0\n7 1.0 2.0 3.0 0.0\n"
    path.write_text(text.format(who="fsaverage5"))
    found = read_map(path)
    assert found.space == surface_space("fsaverage5", "left") and np.flatnonzero(found.values).tolist() == [3, 7]
    assert found.labels == {1: Label("V1")}
    path.write_text(text.format(who="bert"))
    refused(path, MissingError, "bert")
    assert read_map(path, space=get_space("fsaverage5")).space == surface_space("fsaverage5", "left")
    path.write_text(text.format(who="fsaverage5").replace("7 1.0", "99999 1.0"))
    refused(path, MismatchError, "99,999")
    path.write_text(text.format(who="fsaverage5").replace("\n2\n", "\n3\n"))
    refused(path, FormatError, "damaged")


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
