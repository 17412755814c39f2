"""MindEye's tars and MindEye-2's files: read as webdataset reads them, ids resolved, every fault told in one line."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pytest

from brainview.core.errors import BrainViewError, FormatError, MismatchError, MissingError
from brainview.datasets.mindeye import self_check
from brainview.datasets.mindeye.facts import SAMPLES, SESSIONS, SHARD, VOXELS
from brainview.datasets.mindeye.tars import Shard
from brainview.datasets.registry import open_dataset
from brainview.maps.space import ParcelSpace
from tests.datasets.mindeye_layouts import (
    make_mindeye,
    make_mindeye2,
    npy,
    repeats_of,
    sample,
    stim_info,
    tar,
)


@pytest.fixture
def folder(tmp_path):
    make_mindeye(tmp_path / "data")
    return tmp_path / "data"


def test_counts_of_the_published_set():
    assert VOXELS == {1: 15724, 2: 14278, 3: 15226, 4: 13153, 5: 13039, 6: 17907, 7: 12682, 8: 14386}
    assert SAMPLES["train"] == 17 * SHARD + 59 and SAMPLES["train"] + SAMPLES["val"] == 8859
    assert sum(SESSIONS.values()) * 750 == 213_000


def test_reads_what_webdataset_reads(folder):
    webdataset = pytest.importorskip("webdataset")
    data = open_dataset(folder)
    assert data.layout == "mindeye" and not data.phantom and data.subjects == ["subj01", "subj02"]
    person = data.subject("subj01", "padded")
    urls = [str(folder / "webdataset_avg_split/test" / f"test_subj01_{i}.tar") for i in (0, 1)]
    rows = list(webdataset.WebDataset(urls, shardshuffle=False).decode("torch").to_tuple(
        "nsdgeneral.npy", "jpg", "coco73k.npy", "num_uniques.npy"))
    assert [int(r[2][0]) for r in rows] == data.test_ids.ids.tolist() == [9, 3, 7, 1, 4, 8, 2, 30]
    for betas, image, stimulus, repeats in rows:
        here = np.flatnonzero(person.trials.stimulus == int(stimulus[0]))
        assert len(here) == 3
        np.testing.assert_array_equal(person.responses.rows(here), np.asarray(betas, np.float32))
        mine = np.asarray(data.stimuli.image(int(stimulus[0])), np.float32) / 255
        np.testing.assert_allclose(mine, image.permute(1, 2, 0).numpy(), atol=1e-6)
        assert int(repeats[0]) == repeats_of(int(stimulus[0]))


def test_honest_and_padded_repetitions_have_the_same_mean(folder):
    data = open_dataset(folder)
    honest, padded = data.subject("subj01"), data.subject("subj01", "padded")
    ids = np.concatenate([honest.splits["train"], honest.splits["test"]])
    np.testing.assert_array_equal(honest.repeats(ids), [repeats_of(i) for i in ids.tolist()])
    assert (padded.trials.stimulus.size == 3 * 23) and (np.bincount(padded.trials.averaged)[0] > 0)
    np.testing.assert_allclose(honest.mean_betas(ids), padded.mean_betas(ids), atol=2e-3)
    assert set(honest.splits) == {"train", "val", "test"}
    assert not np.intersect1d(honest.splits["val"], honest.splits["test"]).size


def test_vector_to_volume_and_back_is_the_identity(folder, tmp_path):
    from brainview.maps.io import read_map, write_map

    person = open_dataset(folder).subject("subj02")
    values = np.random.default_rng(0).standard_normal(48).astype(np.float32)
    write_map(person.map(values, "vector"), tmp_path / "m.nii.gz")
    volume = read_map(tmp_path / "m.nii.gz")
    grid = volume.space.root
    np.testing.assert_allclose(grid.affine, person.space.root.affine, atol=1e-5)
    flat = volume.values if volume.space.size == grid.size else volume.space.expand(volume.values)
    np.testing.assert_array_equal(flat[person.space.root_index], values)
    rois = person.rois["prf-visualrois"]
    np.testing.assert_array_equal(rois.labels, person.space.root_index % 3)


def test_whole_volumes_are_skipped_and_checked_when_asked(folder, monkeypatch):
    data = open_dataset(folder)
    person = data.subject("subj01")
    path = folder / "webdataset_avg_split/val/val_subj01_0.tar"
    rows = []
    for stimulus in (120, 121, 122):
        members = sample(stimulus, 60, repeats_of(stimulus))
        whole = np.zeros((3, 6, 7, 5), np.float16)
        whole.reshape(3, -1)[:, person.space.root_index] = np.load(__import__("io").BytesIO(members["nsdgeneral.npy"]))
        rows.append({**members, "wholebrain_3d.npy": npy(whole)})
    tar(path, rows)
    read = []
    original = Shard.read
    monkeypatch.setattr(Shard, "read", lambda self, s, e, **k: (read.append(e), original(self, s, e, **k))[1])
    data = open_dataset(folder)
    betas = data.subject("subj01").mean_betas(np.array([120, 121]))
    data.stimuli.image(120)
    assert np.isfinite(betas).all() and "wholebrain_3d.npy" not in read
    assert self_check(data, "subj01") == 0.0
    with pytest.raises(MissingError, match="wholebrain_3d"):
        self_check(data, "subj02")


def test_ids_resolve_between_position_73k_and_coco(folder):
    stim_info(folder / "nsddata/experiments/nsd/nsd_stim_info_merged.csv", 400)
    (folder / "caption").mkdir()
    (folder / "caption/fmri_cococap.json").write_text(json.dumps({str(p): [f"picture {p}"] for p in range(8)}))
    (folder / "bbox").mkdir()
    (folder / "bbox/coco_bbox_categorized.json").write_text(json.dumps({"2": {"dog": [[0, 0, 0.5, 1]]}}))
    data = open_dataset(folder)
    ids = data.test_ids
    assert ids.of_position(2) == 7 and ids.position(7) == 2 and ids.coco_id(7) == 993 and ids.of_coco(993) == 7
    assert ids.table()[1] == {"position": 1, "stimulus": 3, "coco": 997, "split": "train2017"}
    assert data.stimuli.captions(7) == ["picture 2"] and data.stimuli.details(7)["boxes"][0]["label"] == "dog"
    for call in (lambda: ids.of_position(8), lambda: ids.position(100), lambda: ids.coco_id(99_999)):
        with pytest.raises(MissingError):
            call()
    (folder / "caption/fmri_cococap.json").write_text(json.dumps({"8": ["one too many"]}))
    with pytest.raises(FormatError, match="position 8"):
        open_dataset(folder).stimuli.captions(7)


def test_without_a_mask_it_opens_and_says_so(tmp_path):
    make_mindeye(tmp_path, mask=False)
    person = open_dataset(tmp_path).subject("subj01")
    assert isinstance(person.space, ParcelSpace) and any("cannot be drawn" in p for p in person.problems)
    assert any("60 voxels" in p and "15,724" in p for p in person.problems)
    report = open_dataset(tmp_path / "webdataset_avg_split").inspect()
    assert report["layout"] == "mindeye" and report["stimuli"]["count"] == 8 + 2 * 15


SHARD0 = "webdataset_avg_split/train/train_subj01_0.tar"


def broken(kind):
    good = [sample(100 + i, 60) for i in range(4)]
    if kind == "wrong V":
        good[2] = sample(102, 59)
    elif kind == "NaN betas":
        rows = np.zeros((3, 60), np.float16)
        rows[1, 5] = np.nan
        good[2]["nsdgeneral.npy"] = npy(rows)
    elif kind == "num_uniques 4":
        good[2]["num_uniques.npy"] = npy(np.array([4]))
    elif kind == "no betas":
        del good[1]["nsdgeneral.npy"]
    elif kind == "pickle":
        good[1]["coco73k.npy"] = npy(np.array([{"a": 1}], object))
    return good


@pytest.mark.parametrize(("kind", "says"), [
    ("wrong V", "(3, 59)"), ("NaN betas", "1 NaN or infinite"), ("num_uniques 4", "num_uniques is 4"),
    ("no betas", "has no nsdgeneral.npy"), ("pickle", "numbers were expected"), ("duplicate keys", "twice"),
    ("truncated", "cut short"), ("gzip", "no plain tar"), ("empty", "is empty")])
def test_faults_are_one_clear_line(folder, kind, says):
    path = folder / SHARD0
    names = ["sample000000000", "sample000000001", "sample000000001", "sample000000003"]
    tar(path, broken(kind), names if kind == "duplicate keys" else None)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:-30_000])
    elif kind == "gzip":
        import gzip

        path.write_bytes(gzip.compress(path.read_bytes()))
    elif kind == "empty":
        path.write_bytes(b"")

    def use():
        person = open_dataset(folder).subject("subj01")
        person.mean_betas(person.splits["train"])

    with pytest.raises(BrainViewError) as caught:
        use()
    line = str(caught.value)
    assert says in line and "train_subj01_0.tar" in line and "\n" not in line


def test_what_can_be_lived_with_is_a_problem(folder):
    good = broken("")
    del good[3]["jpg"]
    tar(folder / SHARD0, good)
    shutil.copy(folder / "webdataset_avg_split/test/test_subj01_0.tar",
                folder / "webdataset_avg_split/val/val_subj01_0.tar")
    data = open_dataset(folder)
    problems = " ".join(data.subject("subj01").problems)
    assert "1 of 4 samples have no picture, the first is sample000000003" in problems
    assert "4 images are in val and in test" in problems and "tells of 12 samples in train, there are 9" in problems
    tar(folder / "webdataset_avg_split/test/test_subj02_0.tar", [sample(i, 48, repeats_of(i)) for i in (3, 9, 7, 1)])
    assert "not those of subj01 in the same order" in " ".join(open_dataset(folder).inspect()["problems"])


def test_index_is_kept_and_follows_the_file(folder):
    path = folder / SHARD0
    assert open_dataset(folder).subject("subj01").splits["train"].size == 12
    tar(path, [sample(150 + i, 60) for i in range(3)])
    assert open_dataset(folder).subject("subj01").splits["train"].size == 9


def test_mindeye2_reads_trials_sessions_and_pictures(tmp_path):
    stimulus = make_mindeye2(tmp_path / "two")
    data = open_dataset(tmp_path / "two")
    person = data.subject("subj01")
    assert data.layout == "mindeye2" and person.space.size == 40
    np.testing.assert_array_equal(person.trials.stimulus, stimulus)
    np.testing.assert_array_equal(person.trials.session, np.arange(24) // 12)
    assert person.splits["test"].tolist() == [0, 1, 2, 3] and person.repeats(np.array([5])).tolist() == [2]
    with h5py.File(tmp_path / "two/betas_all_subj01_fp32_renorm.hdf5") as file:
        want = np.stack([file["betas"][np.flatnonzero(stimulus == i)].mean(0) for i in (7, 2)])
    np.testing.assert_allclose(person.mean_betas(np.array([7, 2])), want, atol=1e-6)
    assert np.asarray(data.stimuli.image(9)).max() == 9
    assert not [p for p in person.problems if "drawn" not in p and "15,724" not in p]


def test_mindeye2_faults_are_told(tmp_path):
    make_mindeye2(tmp_path)
    with h5py.File(tmp_path / "COCO_73k_subj_indices.hdf5", "a") as file:
        images = file["subj01"][()]
        del file["subj01"]
        file["subj01"] = images[:20]
    with pytest.raises(MismatchError, match="20 trials"):
        open_dataset(tmp_path).subject("subj01")
    with h5py.File(tmp_path / "COCO_73k_subj_indices.hdf5", "a") as file:
        del file["subj01"]
        file["subj01"] = np.roll(images, 1)
    with pytest.raises(MismatchError, match="showed image"):
        open_dataset(tmp_path).subject("subj01")
