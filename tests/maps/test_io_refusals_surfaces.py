"""Damaged, hostile and wrong MGH, GIFTI and FreeSurfer files: one clear line, no memory spent on their promises."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brainview.core.errors import BrainViewError, FormatError, MismatchError, MissingError
from brainview.maps.brainmap import Label
from brainview.maps.io import read_map, read_maps, read_surface
from brainview.maps.space import get_space, surface_space
from tests.maps.odd_files import SHAPE, VALUES, array, b64, gifti, refused


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
