"""The NSD reader on a miniature tree: bases, factors, axis orders, missing sessions, valid masks, transforms."""

from __future__ import annotations

import shutil

import nibabel as nib
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from brainview.core.errors import Cancelled, FormatError, MismatchError, MissingError
from brainview.core.jobs import Quiet
from brainview.datasets import cache
from brainview.datasets.jobs import anatomy, variant_words
from brainview.datasets.nsd import apply_transform, load_transform
from brainview.datasets.nsd.design import disagreements, read_design, read_stim_info, stimuli_of_table
from brainview.datasets.registry import open_dataset
from brainview.maps.space import MaskedSpace
from tests.datasets.layouts import FUNC, N_MESH, make_nsd, nsd_affine

TRIALS = 24


@pytest.fixture(scope="module")
def shared_tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("nsd") / "nsd"
    return root, make_nsd(root)


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "nsd"
    return root, make_nsd(root)


def test_the_tree_is_recognised_with_its_response_sets(shared_tree):
    data = open_dataset(shared_tree[0])
    assert data.layout == "nsd" and data.subjects == ["subj01", "subj02"]
    assert data.variants("subj01") == ["fsaverage/betas_fithrf_GLMdenoise_RR", "func1pt8mm/betas_fithrf_GLMdenoise_RR"]
    assert data.variants("subj02") == ["func1pt8mm/betas_fithrf_GLMdenoise_RR"]
    assert list(variant_words(data, "subj01").values())[1] == "native 1.8 mm betas"
    with pytest.raises(MissingError, match="fsaverage/betas_fithrf_GLMdenoise_RR"):
        data.subject("subj01", "MNI")
    with pytest.raises(MissingError, match="subj01, subj02"):
        data.subject("subj09")


def test_every_trial_shows_the_planned_image_zero_based(shared_tree):
    root, truth = shared_tree
    subject = open_dataset(root).subject("subj01")
    np.testing.assert_array_equal(subject.trials.stimulus, truth.stimuli[0])
    np.testing.assert_array_equal(subject.trials.session, np.repeat([0, 1, 2], TRIALS))
    np.testing.assert_array_equal(subject.trials.run[:TRIALS], np.repeat(np.arange(4), TRIALS // 4))
    for key in subject.trials.unique:
        mine = subject.trials.repetition[subject.trials.stimulus == key]
        np.testing.assert_array_equal(mine, np.arange(mine.size))
    np.testing.assert_array_equal(subject.splits["test"], truth.shared)
    assert not np.intersect1d(subject.splits["train"], subject.splits["test"]).size


def test_the_three_sources_of_the_design_agree_off_by_one_is_told(tree):
    root, truth = tree
    design, info = read_design(root), read_stim_info(root)
    np.testing.assert_array_equal(stimuli_of_table(info, 1), truth.stimuli[0])
    assert disagreements(design, info, 1) == [] and disagreements(design, info, 2) == []
    assert (stimuli_of_table(info, 2)[2 * TRIALS:] == -1).all()
    path = root / "nsddata/experiments/nsd/nsd_expdesign.mat"
    values = {k: v for k, v in loadmat(path).items() if not k.startswith("_")}
    savemat(path, values | {"subjectim": values["subjectim"] + 1})
    assert any("off by one" in p for p in open_dataset(root).inspect()["problems"])
    path.unlink()
    np.testing.assert_array_equal(open_dataset(root).subject("subj01").trials.stimulus, truth.stimuli[0])
    savemat(path, values | {"masterordering": values["masterordering"] - 1})
    with pytest.raises(FormatError, match="1-based"):
        open_dataset(root).subject("subj01")


def test_responses_tsv_is_the_last_resort(tree):
    root, truth = tree
    for name in ("nsd_expdesign.mat", "nsd_stim_info_merged.csv"):
        (root / "nsddata/experiments/nsd" / name).unlink()
    with pytest.raises(MissingError, match=r"nsd_expdesign\.mat"):
        open_dataset(root).subject("subj01")
    behaviour = root / "nsddata/ppdata/subj01/behav/responses.tsv"
    behaviour.parent.mkdir()
    rows = [f"1\t{t // TRIALS + 1}\t1\t{t}\t{truth.stimuli[0][t] + 1}" for t in range(3 * TRIALS)]
    behaviour.write_text("SUBJECT\tSESSION\tRUN\tTRIAL\t73KID\n" + "\n".join(rows) + "\n")
    np.testing.assert_array_equal(open_dataset(root).subject("subj01").trials.stimulus, truth.stimuli[0])


def test_volumes_from_nifti_and_hdf5_come_in_one_order_divided_by_300(shared_tree):
    root, truth = shared_tree
    subject = open_dataset(root).subject("subj01", "func1pt8mm")
    space = subject.space
    assert isinstance(space, MaskedSpace) and space.parent.shape == FUNC
    np.testing.assert_allclose(space.parent.affine, nsd_affine(FUNC, 1.8))
    np.testing.assert_array_equal(space.index, np.flatnonzero(truth.brain.reshape(-1)))
    for session in range(3):  # the second is HDF5
        got = subject.responses.rows(slice(session * TRIALS, (session + 1) * TRIALS))
        expected = truth.func["subj01"][session][truth.brain].T.astype(np.float32) / 300
        if session == 0:
            rim = np.argwhere(truth.brain)[:, 0] == 2
            assert np.isnan(got[:, rim]).all()
            got, expected = got[:, ~rim], expected[:, ~rim]
        np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_means_leave_out_the_sessions_where_a_voxel_is_not_valid(shared_tree):
    root, truth = shared_tree
    subject = open_dataset(root).subject("subj01", "func1pt8mm")
    key = int(truth.stimuli[0][0])
    mean = subject.mean_betas(np.array([key]))[0]
    trials = np.flatnonzero(truth.stimuli[0] == key)
    data = np.stack([truth.func["subj01"][t // TRIALS][truth.brain][:, t % TRIALS] for t in trials]) / 300.0
    rim = np.argwhere(truth.brain)[:, 0] == 2
    data[np.ix_(trials < TRIALS, rim)] = np.nan
    np.testing.assert_allclose(mean, np.nanmean(data, axis=0), atol=1e-5)


def test_surfaces_are_memory_mapped_and_keep_nan(shared_tree):
    root, truth = shared_tree
    subject = open_dataset(root).subject("subj01")
    assert subject.space.size == 2 * N_MESH and subject.space.name == "fsaverage3"
    for session in range(3):  # the last right hemisphere is packed
        got = subject.responses.rows(slice(session * TRIALS, (session + 1) * TRIALS))
        np.testing.assert_array_equal(got, np.concatenate(list(truth.surface[session]), axis=1))
    first = subject.responses.parts[0].parts[0]
    assert isinstance(first.array, np.memmap)
    np.testing.assert_allclose(subject.ceiling.for_repeats(3), 0.49 / (0.49 + 1 / 3), rtol=1e-6)
    assert subject.rois["streams"].sizes() == {"ventral": 9}


def test_a_missing_session_is_told_and_its_trials_left_out(tree):
    root, truth = tree
    data = open_dataset(root)
    assert len(data.subject("subj02").trials) == 2 * TRIALS
    folder = root / "nsddata_betas/ppdata/subj01/func1pt8mm/betas_fithrf_GLMdenoise_RR"
    (folder / "betas_session02.hdf5").unlink()
    subject = data.subject("subj01", "func1pt8mm")
    np.testing.assert_array_equal(subject.trials.stimulus, np.r_[truth.stimuli[0][:TRIALS], truth.stimuli[0][48:]])
    np.testing.assert_array_equal(np.unique(subject.trials.session), [0, 2])
    assert any("sessions 2 are missing" in p for p in subject.problems)
    got = subject.responses.rows(np.array([TRIALS]))[0]
    np.testing.assert_allclose(got, truth.func["subj01"][2][truth.brain][:, 0] / 300, rtol=1e-6)


def test_roi_volumes_join_hemispheres_name_labels_and_allow_empty_ones(shared_tree):
    rois = open_dataset(shared_tree[0]).subject("subj01", "func1pt8mm").rois
    assert rois["floc-places"].sizes() == {"OPA": 4, "PPA": 0, "RSC": 2}
    assert rois["nsdgeneral"].sizes() == {"nsdgeneral": 4}
    assert (rois["floc-places"].labels >= 0).all()


def test_each_session_is_unpacked_once(tree, monkeypatch):
    root, _ = tree
    cache.clear()
    subject = open_dataset(root).subject("subj02")
    opened = []
    original = cache.frames
    monkeypatch.setattr("brainview.datasets.nsd.sessions.frames", lambda p, *a: opened.append(p) or original(p, *a))
    for row in (0, 5, 3, 11):
        subject.responses.rows(np.array([row]))
    assert len(opened) == 1
    again = open_dataset(root).subject("subj02")
    again.prepare()
    again.mean_betas(again.trials.unique)
    assert len(opened) == 1  # the other session is HDF5; both caches are reused


def test_a_cancelled_cache_leaves_nothing_and_a_changed_file_is_read_anew(tree):
    root, truth = tree
    subject = open_dataset(root).subject("subj02")

    class Stops(Quiet):
        def report(self, done, total, text=""):
            raise Cancelled

    source = subject.responses.parts[0]._inner.source
    cache.cached_path(source).unlink(missing_ok=True)
    with pytest.raises(Cancelled):
        subject.prepare(context=Stops())
    assert not cache.is_cached(source) and not list(cache.folder().glob(".*"))
    before = subject.responses.rows(np.array([0]))[0]
    path = source.path
    nib.save(nib.Nifti1Image((truth.func["subj02"][0] + 300 * (truth.func["subj02"][0] != 0)).astype(np.int16),
                             nsd_affine(FUNC, 1.8)), path)
    after = open_dataset(root).subject("subj02").responses.rows(np.array([0]))[0]
    np.testing.assert_allclose((after - before)[np.isfinite(before) & (before != 0)], 1, atol=1e-5)


@pytest.mark.parametrize("spoil", ["cut", "flip"])
def test_damaged_sessions_are_refused(tree, spoil):
    root, _ = tree
    path = root / "nsddata_betas/ppdata/subj02/func1pt8mm/betas_fithrf_GLMdenoise_RR/betas_session01.nii.gz"
    data = bytearray(path.read_bytes())
    if spoil == "cut":
        data = data[:len(data) // 2]
    else:
        data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(FormatError, match=r"damaged|ends after"):
        open_dataset(root).subject("subj02").prepare()


def test_hdf5_links_out_of_the_file_are_not_followed(tree):
    import h5py

    root, _ = tree
    path = root / "nsddata_betas/ppdata/subj02/func1pt8mm/betas_fithrf_GLMdenoise_RR/betas_session02.hdf5"
    path.rename(path.with_name("elsewhere.hdf5"))
    with h5py.File(path, "w") as file:
        file["betas"] = h5py.ExternalLink("elsewhere.hdf5", "/betas")
    with pytest.raises(FormatError, match="link"):
        open_dataset(root).subject("subj02")


def test_sessions_of_different_length_or_beyond_the_design_are_refused(tree):
    root, truth = tree
    folder = root / "nsddata_betas/ppdata/subj02/func1pt8mm/betas_fithrf_GLMdenoise_RR"
    nib.save(nib.Nifti1Image(truth.func["subj02"][0][..., :20], nsd_affine(FUNC, 1.8)),
             folder / "betas_session01.nii.gz")
    with pytest.raises(MismatchError, match="20 trials, others 24"):
        open_dataset(root).subject("subj02")
    shutil.copy(root / "nsddata_betas/ppdata/subj01/func1pt8mm/betas_fithrf_GLMdenoise_RR/betas_session01.nii.gz",
                folder / "betas_session01.nii.gz")
    shutil.copy(folder / "betas_session01.nii.gz", folder / "betas_session09.nii.gz")
    with pytest.raises(MismatchError, match="plans 72"):
        open_dataset(root).subject("subj02")


def test_stimuli_come_from_the_brick(shared_tree):
    stimuli = open_dataset(shared_tree[0]).stimuli
    assert stimuli.image(7).getpixel((0, 0)) == (7, 7, 7)
    with pytest.raises(MissingError, match="500"):
        stimuli.image(500)


def test_mni_betas_lie_on_the_built_in_grid_in_c_order(tmp_path):
    truth = make_nsd(tmp_path, mni=True, trials=2, sessions=3, images=4, n_shared=1)
    subject = open_dataset(tmp_path).subject("subj01", "MNI/betas_fithrf")
    assert subject.space.size == 235_375 and subject.space.parent.name == "mni152-2mm"
    got = subject.responses.rows(slice(0, 2))
    inside = truth.mni.reshape(-1, 2)[subject.space.index].T
    np.testing.assert_allclose(np.nan_to_num(got), inside / 300, rtol=1e-5)
    assert np.isnan(got[:, (inside == 0).all(0)]).all()  # int16 cannot hold NaN: 0 in all trials is no data
    assert subject.ceiling.source == "none" and any("no ncsnr" in p for p in subject.problems)
    assert subject.variant == "MNI/betas_fithrf"


def test_mni_1mm_files_are_also_offered_at_the_2mm_points(tmp_path):
    truth = make_nsd(tmp_path, trials=2, sessions=3, images=4, n_shared=1)
    folder = tmp_path / "nsddata_betas/ppdata/subj01/MNI/betas_fithrf"
    affine = np.eye(4)
    affine[:3, 3] = (-91, -126, -72)
    x, y, z = np.ogrid[:182, :218, :182]
    data = np.stack([(x * 50 + y + z).astype(np.int16)] * 2, axis=-1)
    folder.mkdir(parents=True)
    nib.save(nib.Nifti1Image(data, affine), folder / "betas_session01.nii")
    dataset = open_dataset(tmp_path)
    assert dataset.variants("subj01")[1:3] == ["MNI/betas_fithrf", "MNI/betas_fithrf@2mm"]
    assert list(variant_words(dataset, "subj01").values())[1:3] == ["MNI 1 mm betas", "MNI 2 mm betas"]
    subject = dataset.subject("subj01", "MNI/betas_fithrf@2mm")
    assert subject.space.size == 235_375 and truth.mni is None
    i, j, k = np.unravel_index(subject.space.index, (91, 109, 91))
    expected = (50 * (2 * i + 1) + 2 * j + 2 * k) / 300
    np.testing.assert_allclose(subject.responses.rows(slice(0, 1))[0], expected, rtol=1e-5)
    world = subject.space.parent.affine @ np.array([i[0], j[0], k[0], 1])
    np.testing.assert_allclose(affine @ np.array([2 * i[0] + 1, 2 * j[0], 2 * k[0], 1]), world)


def test_transforms_are_one_based_on_the_target_grid(tmp_path):
    rng = np.random.default_rng(0)
    source = rng.standard_normal((6, 7, 5)).astype(np.float32)
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in (6, 7, 5)], indexing="ij"), -1).astype(np.float32)
    stored = grid + 1
    stored[0, 0, 0] = 9999
    nib.save(nib.Nifti1Image(stored, np.eye(4)), tmp_path / "func1pt0-to-MNI.nii.gz")
    points = load_transform(tmp_path / "func1pt0-to-MNI.nii.gz")
    for method in ("nearest", "linear", "cubic"):
        out = apply_transform(source, points, method)
        assert np.isnan(out[0, 0, 0])
        np.testing.assert_allclose(out[1:], source[1:], atol=1e-4)
    half = apply_transform(source, np.array([[1.5, 2, 2]]), "linear")
    np.testing.assert_allclose(half, (source[1, 2, 2] + source[2, 2, 2]) / 2, rtol=1e-5)
    source[2, 2, 2] = np.nan
    assert np.isnan(apply_transform(source, np.array([[1.5, 2.0, 2.0]]), "cubic")).all()
    assert np.isfinite(apply_transform(source, np.array([[4.0, 5.0, 3.0]]), "cubic")).all()
    labels = np.zeros((4, 4, 4), int)
    labels[2:] = 7
    np.testing.assert_array_equal(apply_transform(labels, np.array([[1.2, 1, 1], [1.8, 1, 1], [np.nan, 0, 0]]), "wta"),
                                  [0, 7, 0])
    with pytest.raises(MissingError):
        apply_transform(source, points, "quintic")


def test_a_session_of_750_trials_in_twelve_runs(tmp_path):
    truth = make_nsd(tmp_path / "nsd", trials=750, sessions=2, images=40, n_shared=3)
    data = open_dataset(tmp_path / "nsd")
    subject = data.subject("subj01", "func1pt8mm")
    np.testing.assert_array_equal(subject.trials.stimulus, truth.stimuli[0])
    assert subject.responses.shape[0] == 1500
    counts = np.array([np.bincount(subject.trials.run[subject.trials.session == s]) for s in range(2)])
    np.testing.assert_array_equal(counts, np.tile([63, 62], (2, 6)))
    mask = subject.space.root_index
    for trial in (0, 749, 750, 1499):
        session, within = divmod(trial, 750)
        want = truth.func["subj01"][session][..., within].reshape(-1)[mask] / 300
        np.testing.assert_allclose(np.nan_to_num(subject.responses.rows(np.array([trial]))[0]), want, atol=1e-6)
    assert not [p for p in data.inspect()["problems"] if "trial" in p]


def test_betas_on_the_native_surface(tree):
    """Hemispheres of different size, and of fsaverage's size by chance: still the subject's own surface."""
    root, _ = tree
    rng = np.random.default_rng(0)
    folder = root / "nsddata_betas" / "ppdata" / "subj01" / "nativesurface" / "betas_fithrf_GLMdenoise_RR"
    folder.mkdir(parents=True)
    sides = {"lh": 642, "rh": 655}
    values = {side: rng.standard_normal((3, TRIALS, n)).astype(np.float32) for side, n in sides.items()}
    for side, n in sides.items():
        for session in range(3):
            image = nib.freesurfer.MGHImage(values[side][session].T.reshape(n, 1, 1, TRIALS), np.eye(4))
            image.to_filename(str(folder / f"{side}.betas_session{session + 1:02d}.mgh"))
        nib.freesurfer.MGHImage(np.full((n, 1, 1), 0.7, np.float32), np.eye(4)).to_filename(
            str(folder / f"{side}.ncsnr.mgh"))
    subject = open_dataset(root).subject("subj01", "nativesurface")
    assert subject.space.name == "native:subj01" and (subject.space.n_left, subject.space.n_right) == (642, 655)
    want = np.concatenate([values["lh"], values["rh"]], axis=2).reshape(-1, 1297)
    np.testing.assert_allclose(subject.responses.rows(slice(None)), want, atol=1e-6)
    assert subject.ceiling.for_repeats(3).shape == (1297,)


def test_the_t1_in_the_space_of_the_responses_is_found(tree):
    root = tree[0]
    folder = root / "nsddata" / "ppdata" / "subj01"
    (folder / "anat").mkdir()
    values = np.arange(np.prod(FUNC), dtype=np.float32).reshape(FUNC)
    nib.save(nib.Nifti1Image(values, nsd_affine(FUNC, 1.8)), folder / "anat" / "T1_0pt8_masked.nii.gz")
    assert anatomy(str(root), "subj01", "func1pt8mm") is None  # coordinates of its own
    nib.save(nib.Nifti1Image(values, nsd_affine(FUNC, 1.8)), folder / "func1pt8mm" / "T1_to_func1pt8mm.nii.gz")
    found = anatomy(str(root), "subj01", "func1pt8mm")
    np.testing.assert_array_equal(found.values.reshape(FUNC), values)
    assert anatomy(str(root), "subj01", "fsaverage") is None
