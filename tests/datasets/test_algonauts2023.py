"""The Algonauts 2023 reader: every trap of the layout, on miniature folders with planted truth."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from brainview.core.errors import BrainViewError, FormatError, MismatchError, MissingError
from brainview.datasets.registry import open_dataset
from tests.datasets.layouts import N_LEFT, N_RIGHT, make_algonauts
from tests.memory import PEAK


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("algonauts") / "algonauts_2023_challenge_data"
    return root, make_algonauts(root)


@pytest.fixture
def lone(tmp_path):
    root = tmp_path / "data"
    truth = make_algonauts(root, subjects=1, train=30, test=5)
    return root / "subj01", truth


def test_a_parent_a_single_subject_and_an_unpacked_zip_are_recognised(tree, tmp_path):
    root, _ = tree
    assert open_dataset(root).subjects == ["subj01", "subj02", "subj03"]
    assert open_dataset(root / "subj02").subjects == ["subj02"]
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "algonauts").symlink_to(root)
    assert open_dataset(tmp_path / "downloads").subjects == ["subj01", "subj02", "subj03"]


def test_invariants_of_the_layout_hold_in_what_is_read(tree):
    root, truth = tree
    data = open_dataset(root)
    for name in data.subjects:
        subject = data.subject(name)
        less = 7 if name == "subj03" else 0
        assert subject.space.size == N_LEFT + N_RIGHT - 2 * less
        assert subject.space.parent.name == "fsaverage5"
        assert (subject.space.index < 10_242).sum() == N_LEFT - less
        np.testing.assert_array_equal(subject.splits["train"], truth.ids[name]["train"])
        np.testing.assert_array_equal(subject.splits["test"], truth.ids[name]["test"])
        np.testing.assert_array_equal(subject.trials.stimulus,
                                      np.concatenate([truth.ids[name]["train"], truth.ids[name]["test"]]))
        assert set(subject.trials.averaged) == {0}
        np.testing.assert_allclose(subject.ceiling.fraction, truth.ceiling[name], rtol=1e-6)
        assert subject.problems == ()


def test_rows_are_those_of_the_files_left_hemisphere_first(tree):
    root, truth = tree
    subject = open_dataset(root).subject("subj01")
    files = root / "subj01"
    left = np.load(files / "test_split/test_fmri/lh_test_fmri.npy")
    right = np.load(files / "training_split/training_fmri/rh_training_fmri.npy")
    got = subject.responses.rows(np.array([60, 3]))
    np.testing.assert_array_equal(got[0, :N_LEFT], left[0])
    np.testing.assert_array_equal(got[1, N_LEFT:], right[3])
    mean = subject.mean_betas(truth.ids["subj01"]["test"][[2, 0]])
    np.testing.assert_array_equal(mean[:, :N_LEFT], left[[2, 0]])
    with pytest.raises(MissingError):
        subject.mean_betas(np.array([499_999]))


def test_masks_count_non_zero_entries_not_their_sum(tree):
    root, _ = tree
    mask = np.load(root / "subj01/roi_masks/lh.all-vertices_fsaverage_space.npy")
    assert mask.sum() != (mask != 0).sum() == N_LEFT
    assert open_dataset(root).subject("subj01").space.size == N_LEFT + N_RIGHT


def test_rois_have_names_counts_and_honest_empty_ones(tree):
    rois = open_dataset(tree[0]).subject("subj02").rois
    assert set(rois) == {"prf-visualrois", "floc-bodies", "floc-faces", "floc-places", "floc-words", "streams"}
    assert rois["floc-faces"].sizes() == {"OFA": 20, "FFA-1": 20, "FFA-2": 20, "mTL-faces": 20, "aTL-faces": 0}
    assert rois["prf-visualrois"].mask("hV4").sum() == 20


def test_a_public_tree_has_no_test_split_or_only_its_pictures(tmp_path):
    truth = make_algonauts(tmp_path, subjects=1, train=30, test=5, test_responses=False)
    subject = open_dataset(tmp_path).subject("subj01")
    assert "test" not in subject.splits
    np.testing.assert_array_equal(subject.splits["test-unlabelled"], truth.ids["subj01"]["test"])
    assert len(subject.trials) == 30
    assert subject.ceiling.source == "none" and subject.ceiling.for_repeats(3) is None
    shutil.rmtree(tmp_path / "subj01" / "test_split")
    assert set(open_dataset(tmp_path).subject("subj01").splits) == {"train"}


def test_ceilings_in_percent_are_recognised(tmp_path):
    truth = make_algonauts(tmp_path, subjects=1, train=30, test=5, percent=True)
    ceiling = open_dataset(tmp_path).subject("subj01").ceiling
    np.testing.assert_allclose(ceiling.fraction, truth.ceiling["subj01"], rtol=1e-5)
    assert "percent" in ceiling.note


class _Evil:
    def __reduce__(self):
        return eval, ("__import__('pathlib').Path('owned').touch()",)


def test_a_mapping_that_runs_code_is_refused_and_the_table_is_used(lone, tmp_path, monkeypatch):
    folder, _ = lone
    monkeypatch.chdir(tmp_path)
    path = folder / "roi_masks" / "mapping_floc-places.npy"
    np.save(path, np.array({0: _Evil()}, dtype=object))
    assert pickle.dumps(_Evil())
    subject = open_dataset(folder).subject("subj01")
    assert not (tmp_path / "owned").exists()
    assert list(subject.rois["floc-places"].sizes()) == ["OPA", "PPA", "RSC"]
    assert any("refused" in p and "published names" in p for p in subject.problems)


def test_an_absent_mapping_falls_back_to_the_published_names(lone):
    folder, _ = lone
    (folder / "roi_masks" / "mapping_floc-words.npy").unlink()
    subject = open_dataset(folder).subject("subj01")
    assert list(subject.rois["floc-words"].sizes())[:2] == ["OWFA", "VWFA-1"]
    assert any("not there" in p for p in subject.problems)


def test_pictures_are_found_by_pattern_and_indices_from_zero_are_told(lone):
    folder, truth = lone
    images = folder / "training_split" / "training_images"
    for path in sorted(images.iterdir()):  # other widths and a base of 0, as in copies seen
        index, nsd = path.stem.split("_")
        path.rename(images / f"train-{int(index[6:]) - 1}_nsd{int(nsd[4:]):06d}.PNG")
    (images / "Thumbs.db").write_text("x")
    subject = open_dataset(folder).subject("subj01")
    np.testing.assert_array_equal(subject.splits["train"], truth.ids["subj01"]["train"])
    assert any("start at 0" in p for p in subject.problems)
    assert any("left out" in p for p in subject.problems)


def test_one_picture_or_row_too_few_is_an_error_that_says_which(lone):
    folder, _ = lone
    images = sorted((folder / "training_split" / "training_images").iterdir())
    images[3].unlink()
    with pytest.raises(FormatError, match="index 4"):
        open_dataset(folder).subject("subj01")
    images[3].touch()
    images[-1].unlink()
    with pytest.raises(MismatchError, match="29 train pictures and 30 rows"):
        open_dataset(folder).subject("subj01")


def test_files_of_another_subject_or_cut_short_are_refused(lone):
    folder, _ = lone
    path = folder / "training_split" / "training_fmri" / "rh_training_fmri.npy"
    good = path.read_bytes()
    np.save(path, np.zeros((30, 11), np.float32))
    with pytest.raises(MismatchError, match="11 vertices, the mask has 323"):
        open_dataset(folder).subject("subj01")
    path.write_bytes(good[:-100])
    with pytest.raises(FormatError, match="cut short"):
        open_dataset(folder).subject("subj01")
    path.unlink()
    with pytest.raises(MissingError, match="only one hemisphere"):
        open_dataset(folder).subject("subj01")


def test_labels_that_differ_from_the_fsaverage_labels_are_told(lone):
    folder, _ = lone
    path = folder / "roi_masks" / "lh.streams_challenge_space.npy"
    labels = np.load(path)
    labels[:2] = 99
    np.save(path, labels)
    subject = open_dataset(folder).subject("subj01")
    assert any("2 challenge labels differ" in p for p in subject.problems)
    assert any("[99]" in p for p in subject.problems)


def test_full_fsaverage_masks_work_and_odd_lengths_are_refused(tmp_path):
    make_algonauts(tmp_path, subjects=1, train=21, test=2, vertices=163_842)
    assert open_dataset(tmp_path).subject("subj01").space.parent.name == "fsaverage"
    masks = tmp_path / "subj01" / "roi_masks"
    np.save(masks / "lh.all-vertices_fsaverage_space.npy", np.ones(1000, np.int64))
    with pytest.raises(MismatchError, match="no fsaverage mesh"):
        open_dataset(tmp_path).subject("subj01")


def test_phantoms_are_labelled_and_bring_words(lone):
    folder, truth = lone
    assert not open_dataset(folder).phantom
    beside = folder.parent / "phantom_truth"
    beside.mkdir()
    key = int(truth.ids["subj01"]["train"][0])
    scene = {"id": key, "captions": ["a dog", {"text": "a cat", "style": 2}], "description": "x"}
    (beside / "scenes.jsonl").write_text(json.dumps(scene) + "\n")
    data = open_dataset(folder)
    assert data.phantom and "phantom" in data.name
    subject = data.subject("subj01")
    assert subject.phantom and subject.map(np.zeros(subject.space.size), "m").is_phantom
    assert data.stimuli.captions(key) == ["a dog", "a cat"]
    assert data.stimuli.details(key) == {"description": "x"}


def test_an_unknown_folder_is_told_what_was_looked_for(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(FormatError, match=r"notes\.txt.*dataset\.toml"):
        open_dataset(tmp_path)
    with pytest.raises(MissingError):
        open_dataset(tmp_path / "no")
    make_algonauts(tmp_path / "d", subjects=1, train=21, test=2)
    with pytest.raises(BrainViewError, match="subj77"):
        open_dataset(tmp_path / "d").subject("subj77")


def test_a_subject_of_the_real_size_opens_in_a_second_and_300_mb(tmp_path):
    """9,841 x 39,548 float32 (1.56 GB, written as holes): measured in a fresh process, imports included."""
    folder = tmp_path / "subj01"
    make_algonauts(tmp_path, subjects=1, train=21, test=2, vertices=163_842)
    shutil.rmtree(folder / "test_split")
    shutil.rmtree(folder / "training_split" / "training_images")
    (folder / "training_split" / "training_images").mkdir()
    widths = (19_004, 20_544)
    for side, width in zip(("lh", "rh"), widths, strict=True):
        mask = np.zeros(163_842, np.int64)
        mask[:width] = 1
        np.save(folder / "roi_masks" / f"{side}.all-vertices_fsaverage_space.npy", mask)
        for path in (folder / "roi_masks").glob(f"{side}.*_challenge_space.npy"):
            np.save(path, np.zeros(width, np.int64))
        for path in (folder / "roi_masks").glob(f"{side}.*_fsaverage_space.npy"):
            if "all-vertices" not in path.name:
                np.save(path, np.zeros(163_842, np.int64))
        out = folder / "training_split" / "training_fmri" / f"{side}_training_fmri.npy"
        with open(out, "wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (9841, width)})
            file.truncate(file.tell() + 9841 * width * 4)
    for i in range(1, 9842):
        (folder / "training_split" / "training_images" / f"train-{i:04d}_nsd-{i * 7:05d}.png").touch()
    code = PEAK + f"""
import time
from brainview.datasets.registry import open_dataset
start, cpu = time.perf_counter(), time.process_time()
subject = open_dataset({str(folder)!r}).subject("subj01")
took, cpu = time.perf_counter() - start, time.process_time() - cpu
assert subject.responses.shape == (9841, 39548)
block = subject.responses.rows(slice(5000, 5010))
assert block.shape == (10, 39548)
print(cpu, took, peak())
"""
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                           cwd=Path(__file__).parents[2]).stdout.split() for _ in range(2)]
    cpu, took, peak = (min(float(r[i]) for r in runs) for i in range(3))
    print(f"opened in {took:.2f} s ({cpu:.2f} s of processor time), peak {peak:.0f} MB")
    assert cpu < 1.0  # processor time: nothing waits for the disk, and a busy machine is not the reader's fault
    assert peak < 300
