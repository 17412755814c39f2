"""Volume to surface equals nilearn's vol_to_surf: whole, with holes, partly outside the grid; labels; masks."""

from __future__ import annotations

import warnings

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from brainview.core.errors import MismatchError
from brainview.maps.brainmap import BrainMap, Label
from brainview.maps.convert import convert, convert_values, transfer_matrix
from brainview.maps.meshes import load_mesh
from brainview.maps.sampling import Sampling, VolumeSampler, corners, most_frequent, sample_points
from brainview.maps.space import MaskedSpace, VolumeSpace, mni_space, surface_space
from brainview.maps.transfer import surface_to_volume
from brainview.maps.volumes import mni_mask

LEFT = surface_space("fsaverage5", "left")
SIDES = ("left", "right")
SAMPLINGS = {
    "depth": (Sampling(align="nilearn"), {}),
    "three depths": (Sampling(depths=(0.0, 0.5, 1.2), align="nilearn"), {"depth": [0.0, 0.5, 1.2]}),
    "line": (Sampling(kind="line", align="nilearn"), {}),
    "short line": (Sampling(kind="line", surface="white", radius=1.5, points=4, align="nilearn"),
                   {"radius": 1.5, "n_samples": 4}),
}


@pytest.fixture(scope="module")
def field() -> np.ndarray:
    values = gaussian_filter(np.random.default_rng(0).standard_normal(mni_space(2).shape), 1.5)
    return (values / values.std()).astype(np.float32)


def _volume(kind: str, field: np.ndarray) -> tuple[np.ndarray, VolumeSpace]:
    """Return real-like volumes: whole brain, masked, with scattered holes, cut through the cortex, oblique."""
    space = mni_space(2)
    if kind in ("masked", "cut masked"):
        field = np.where(mni_mask(2), field, np.float32(np.nan))
    if kind == "holes":
        field = field.copy()
        field[np.random.default_rng(1).random(field.shape) < 0.03] = np.nan
        field[20:40, 30:60, 20:50] = np.nan
    if kind.startswith("cut"):  # half the cortex lies outside this grid
        cut = (slice(12, 60), slice(15, 70), slice(20, 62))
        shift = np.eye(4)
        shift[:3, 3] = [12, 15, 20]
        return np.ascontiguousarray(field[cut]), VolumeSpace("cut", (48, 55, 42), space.affine @ shift, "MNI152")
    if kind == "oblique":
        affine = space.affine.copy()
        affine[:3, :3] = nib.eulerangles.euler2mat(0.2, -0.1, 0.15) @ np.diag([-1.8, 2.2, 2.0])
        affine[:3, 3] = -affine[:3, :3] @ [45, 60, 40]
        return field, VolumeSpace("oblique", field.shape, affine, "MNI152")
    return field, space


def _nilearn(data: np.ndarray, space: VolumeSpace, sampling: Sampling, extra: dict, **more) -> np.ndarray:
    from nilearn.surface import InMemoryMesh, vol_to_surf

    def mesh(part: str) -> InMemoryMesh:
        found = load_mesh("fsaverage5", "left", part)
        return InMemoryMesh(np.array(found.vertices), np.array(found.faces))

    inner = {"inner_mesh": mesh("white")} if sampling.kind == "depth" else {}
    outer = "pial" if sampling.kind == "depth" else sampling.surface
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return vol_to_surf(nib.Nifti1Image(data, space.affine), mesh(outer), **inner, **extra, **more)


@pytest.mark.parametrize("kind", ["whole", "masked", "holes", "cut", "cut masked", "oblique"])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_linear_equals_nilearn(kind, sampling, field):
    data, space = _volume(kind, field)
    chosen, extra = SAMPLINGS[sampling]
    ours = convert(BrainMap(data.ravel(), space), LEFT, sampling=chosen).values
    theirs = _nilearn(data, space, chosen, extra)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    assert np.isfinite(ours).sum() > 1000
    np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["cut", "oblique"])
def test_nearest_equals_nilearns_rule(kind, field):
    """nilearn 0.14 keeps its nearest sampling as a private function; the mean of the nearest voxels of the samples."""
    from nilearn.surface import surface as private

    if not hasattr(private, "_nearest_voxel_sampling"):
        pytest.skip("this nilearn no longer has a nearest sampling of continuous values")
    data, space = _volume(kind, field)
    meshes = [private.InMemoryMesh(np.array(m.vertices), np.array(m.faces))
              for m in (load_mesh("fsaverage5", "left", p) for p in ("pial", "white"))]
    theirs = private._nearest_voxel_sampling([data], meshes[0], space.affine, inner_mesh=meshes[1])[0]
    ours = convert(BrainMap(data.ravel(), space), LEFT, method="nearest", align="nilearn").values
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_labels_equal_nilearns_most_frequent(field):
    labels = np.floor(np.clip(field, -2, 2) * 2 + 4).astype(np.float32)
    space = mni_space(2)
    table = {k: Label(f"area {k}") for k in range(1, 9)}
    ours = convert(BrainMap(labels.ravel(), space, kind="label", labels=table), LEFT, align="nilearn")
    theirs = _nilearn(labels, space, Sampling(), {}, interpolation="nearest_most_frequent")
    np.testing.assert_array_equal(ours.values, theirs)
    assert ours.labels == table and ours.kind == "label"


def test_labels_are_never_averaged(field):
    labels = BrainMap(np.where(field > 0, 3, 7).ravel(), mni_space(2), kind="label")
    assert set(np.unique(convert(labels, LEFT).values)) == {3.0, 7.0}
    with pytest.raises(MismatchError, match="not averaged"):
        convert(labels, LEFT, method="linear")


def test_affine_is_the_default_and_moves_millimetres():
    """A volume that holds its own x coordinate tells where it was sampled."""
    space = mni_space(2)
    x = (space.affine[0, 0] * np.arange(91) + space.affine[0, 3])[:, None, None] * np.ones(space.shape)
    here = BrainMap(x.ravel(), space)
    middle = load_mesh("fsaverage5", "left", "midthickness")
    right = convert(here, LEFT).values
    np.testing.assert_allclose(right, middle.in_mni152()[:, 0], atol=1e-3)
    plain = convert(here, LEFT, align="nilearn").values
    np.testing.assert_allclose(plain, middle.vertices[:, 0], atol=1e-3)
    assert 0.3 < np.abs(right - plain).mean() < 4


def test_remembered_holes_do_not_leak_between_maps(field):
    """Three maps with different holes, in turn and again: each must come out as when it is alone."""
    space = mni_space(2)
    maps = []
    for seed in range(6):
        data = field.copy()
        data[np.random.default_rng(seed).random(field.shape) < 0.02] = np.nan
        maps.append(BrainMap(data.ravel(), space))
    first = [convert(m, LEFT, align="nilearn").values for m in maps]
    again = [convert(m, LEFT, align="nilearn").values for m in reversed(maps)][::-1]
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    theirs = _nilearn(maps[5].values.reshape(space.shape).copy(), space, Sampling(), {})
    np.testing.assert_allclose(first[5], theirs, atol=1e-5)


def test_huge_values_are_not_mistaken_for_holes(field):
    big = BrainMap((field * 1e25).ravel(), mni_space(2))  # squares overflow float32
    small = BrainMap(field.ravel(), mni_space(2))
    np.testing.assert_allclose(convert(big, LEFT).values, convert(small, LEFT).values * 1e25, rtol=1e-4, atol=1e19)


def test_only_nan_gives_only_nan():
    space = mni_space(2)
    assert np.isnan(convert(BrainMap(np.full(space.size, np.nan), space), LEFT).values).all()


def test_masked_volume_renormalises_weights(field):
    space = mni_space(2)
    ribbon = surface_to_volume(LEFT, space, "affine", "nearest", reach=1.0).matrix  # a thin mask, as of cortex
    masked = MaskedSpace("ribbon", space, np.flatnonzero(np.diff(ribbon.indptr)))
    constant = BrainMap(np.full(masked.size, 2.5), masked)
    onto = convert(constant, LEFT).values
    assert np.nanmax(np.abs(onto - 2.5)) < 1e-5  # no pull towards the outside
    nilearns_rule = convert(constant, LEFT, missing="sample").values
    assert np.isfinite(onto).sum() > np.isfinite(nilearns_rule).sum()
    np.testing.assert_array_equal(nilearns_rule, convert(constant.expanded(), LEFT).values)


def test_matrix_is_what_convert_multiplies_by(field):
    space = mni_space(2)
    matrix = transfer_matrix(space, LEFT)
    assert matrix.shape == (LEFT.size, space.size)
    np.testing.assert_allclose(np.asarray(matrix.sum(1)).ravel(), 1, atol=1e-5)
    np.testing.assert_allclose(matrix @ field.ravel(), convert(BrainMap(field.ravel(), space), LEFT).values, atol=1e-5)
    masked = MaskedSpace("brain", space, np.flatnonzero(mni_mask(2)))
    ours = transfer_matrix(masked, LEFT) @ field.ravel()[masked.index]
    theirs = convert(BrainMap(field.ravel()[masked.index], masked), LEFT).values
    good = np.isfinite(theirs)
    np.testing.assert_allclose(ours[good], theirs[good], atol=1e-4)


def test_a_stack_is_converted_row_by_row(field):
    space = mni_space(2)
    stack = np.stack([field.ravel(), 2 * field.ravel()])
    out = convert_values(stack, space, LEFT)
    assert out.shape == (2, LEFT.size) and out.dtype == np.float32
    np.testing.assert_allclose(out[1], 2 * out[0], rtol=1e-5, atol=1e-6)


def test_a_persons_own_volume_is_not_put_on_fsaverage(field):
    own = VolumeSpace("func1mm:subj01", field.shape, mni_space(2).affine, "scanner")
    with pytest.raises(MismatchError, match="share no frame"):
        convert(BrainMap(field.ravel(), own), LEFT)
    told = convert(BrainMap(field.ravel(), own), LEFT, world="MNI152")
    np.testing.assert_array_equal(told.values, convert(BrainMap(field.ravel(), mni_space(2)), LEFT).values)
    assert told.provenance["conversions"][0]["world_assumed"] == "MNI152"


def test_corners_give_linear_functions_back():
    shape = (5, 6, 7)
    points = np.random.default_rng(0).uniform(0, 4, (200, 3))
    voxel, weight, inside = corners(points, shape)
    grid = np.stack(np.unravel_index(np.arange(5 * 6 * 7), shape), -1)
    np.testing.assert_allclose((grid[voxel] * weight[..., None]).sum(1), points, atol=1e-12)
    assert inside.all()
    _, _, inside = corners(np.array([[-0.01, 0, 0], [4.99, 5, 6], [5, 0, 0]]), shape)
    assert inside.tolist() == [False, True, False]


def test_a_grid_of_one_slice():
    sampler = VolumeSampler.build(lambda: np.array([[[1.5, 2.0, 0.0]]]), (4, 4, 1))
    assert sampler.apply(np.arange(16.0))[0] == pytest.approx((6 + 10) / 2)


def test_most_frequent():
    nan = np.nan
    votes = np.array([[1, 2, 2, 3], [5, 4, 4, 5], [nan, nan, nan, 9], [nan, nan, nan, nan]])
    np.testing.assert_array_equal(most_frequent(votes), [2, 4, 9, nan])


def test_unknown_sampling_is_refused():
    with pytest.raises(MismatchError, match="depth or line"):
        sample_points(LEFT, "left", mni_space(2), Sampling(kind="cube"))
