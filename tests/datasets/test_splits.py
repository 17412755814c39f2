"""No image is in two parts, for anyone; splits are stable, stored, and checked when they come back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.datasets.registry import open_dataset
from brainview.datasets.splits import divide, leave_out, load_split, make_split, same_pictures
from brainview.datasets.types import TrialTable
from tests.datasets.layouts import make_algonauts


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("splits")
    make_algonauts(root, subjects=2, train=40, test=12)
    return open_dataset(root)


def test_an_image_of_anyones_test_part_trains_nobody(data):
    split = make_split(data, val=0.2)
    tests = [data.subject(s).splits["test"] for s in data.subjects]
    trains = [data.subject(s).splits["train"] for s in data.subjects]
    assert np.intersect1d(tests[0], trains[1]).size + np.intersect1d(tests[1], trains[0]).size > 0  # the trap is there
    np.testing.assert_array_equal(split.test, np.unique(np.concatenate(tests)))
    assert split.leaks() == []
    everything = np.unique(np.concatenate([data.subject(s).trials.unique for s in data.subjects]))
    np.testing.assert_array_equal(np.sort(np.concatenate([split.train, split.val, split.test])), everything)
    assert split.of(data.subject("subj01"), "val").size > 0
    with pytest.raises(MissingError):
        split.part("holdout")


def test_more_images_move_few_and_seeds_differ():
    ids = np.arange(1000)
    train, val, test = divide(ids, 0.1, 0.2, seed=3)
    assert (val.size, test.size) == (100, 200)
    assert np.intersect1d(np.r_[train, val], test).size == 0
    more = divide(np.arange(1010), 0.1, 0.2, seed=3)[2]
    assert np.setdiff1d(test, more).size <= 5
    assert np.intersect1d(test, divide(ids, 0.1, 0.2, seed=4)[2]).size < 80
    np.testing.assert_array_equal(divide(ids[::-1], 0.1, 0.2, seed=3)[2], test)
    with pytest.raises(MismatchError):
        divide(ids, 0.5, 0.5)
    with pytest.raises(MismatchError):
        divide(np.array([1, 2]), 0.4, 0.4)


def test_siblings_stay_together(data):
    groups = {i: i // 4 for i in range(100)}
    parts = divide(np.arange(100), 0.2, 0.2, groups=groups)
    for part in parts:
        assert all(np.isin(np.arange(4 * (i // 4), 4 * (i // 4) + 4), part).all() for i in part)
    everything = np.unique(np.concatenate([data.subject(s).trials.unique for s in data.subjects]))
    test = make_split(data).test
    pair = {int(test[0]): 1, int(np.setdiff1d(everything, test)[0]): 1}
    split = make_split(data, groups=pair)
    assert not np.isin(list(pair), np.r_[split.train, split.val]).any()
    assert split.story["left_out_as_siblings_of_test"] == 1


def test_splits_survive_storing_and_leaks_are_told(data, tmp_path):
    split = make_split(data, name="mine", seed=5)
    split.save(tmp_path / "split.json")
    again = load_split(tmp_path / "split.json", data)
    assert again.warnings == () and again.key == split.key and again.name == "mine" and again.story["seed"] == 5
    stored = json.loads((tmp_path / "split.json").read_text())
    stored["train"].append(stored["test"][0])
    stored["val"].append(99_999)
    (tmp_path / "leak.json").write_text(json.dumps(stored))
    leaking = load_split(tmp_path / "leak.json", data)
    assert any("1 images are in train and in test" in w for w in leaking.warnings)
    assert any("changed" in w for w in leaking.warnings)
    assert any("shown to no subject" in w for w in leaking.warnings)
    for wrong in ("[]", '{"format": "brainview-split 1", "train": ["a"], "val": [], "test": []}'):
        (tmp_path / "bad.json").write_text(wrong)
        with pytest.raises(FormatError):
            load_split(tmp_path / "bad.json")


def test_equal_pictures_under_two_ids_are_found(data):
    split = make_split(data)
    assert same_pictures(data.stimuli, split) == []

    class Copies:
        def image(self, stimulus):
            return data.stimuli.image(int(split.train[0]))

    assert "two parts under different ids" in same_pictures(Copies(), split)[0]


def test_runs_are_left_out_one_by_one():
    table = TrialTable.of([0, 1] * 6, session=np.repeat([0, 1], 6), run=np.tile(np.repeat([0, 1, 2], 2), 2))
    folds = list(leave_out(table))
    assert len(folds) == 6 and all(test.size == 2 for _, _, test in folds)
    np.testing.assert_array_equal(np.sort(np.concatenate([t for _, _, t in folds])), np.arange(12))
    assert len(list(leave_out(table, "session"))) == 2
    with pytest.raises(MissingError):
        list(leave_out(TrialTable.of([0, 1])))
