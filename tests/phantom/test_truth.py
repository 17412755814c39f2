"""The truth beside the data: complete, without pickles, enough to make any trial again."""

import json

import numpy as np
import pytest

from brainview.core.errors import MissingError
from brainview.core.files import read_json
from brainview.phantom.truth import folder_of, read_truth


def test_card_says_that_it_is_simulated_and_how(tiny_phantom):
    card = read_json(folder_of(tiny_phantom) / "truth.json")
    assert card["simulated"] is True and "imulated" in card["wording"]
    assert card["parameters"]["intrusion"] == 0.2 and card["level"] == "nsd" and card["seed"] == 7
    assert card["factors"] == [1.24, 1.12] and len(card["stimuli_sha256"]) == 64
    assert card["constants"]["noise"]["local"] == 0.6 and card["versions"]["numpy"]


def test_arrays_open_without_pickles(tiny_phantom):
    for path in folder_of(tiny_phantom).glob("*.np[yz]"):
        opened = np.load(path, allow_pickle=False)
        if path.suffix == ".npz":
            assert all(opened[name].dtype.kind != "O" for name in opened.files)
    for line in (folder_of(tiny_phantom) / "scenes.jsonl").read_text().splitlines():
        json.loads(line)


def test_fields_round_trip(tiny_phantom):
    fields = read_truth(tiny_phantom).fields("subj01")
    assert fields.area_weight.shape == (20_484, 31) and fields.tuning.shape == (20_484, 9)
    assert fields.sem.shape == (20_484, 48) and fields.visual_mask.dtype == bool
    assert (fields.driver[fields.q > 0] > 0).all() and (fields.q[fields.driver == 0] == 0).all()
    early = (fields.driver == 1) & (fields.q > 0)
    assert np.isfinite(fields.prf_x[early]).all() and np.isfinite(fields.sf[early]).all()
    assert np.abs(fields.sem[fields.driver != 3]).max() == 0 or (fields.area_weight[:, 24:] > 0).any()


def test_visual_areas_never_receive_the_text_only_part(tiny_phantom):
    truth = read_truth(tiny_phantom)
    fields = truth.fields(0)
    assert (fields.driver[fields.visual_mask & (fields.area <= 24) & (fields.q > 0)] != 3).all()


def test_unknown_subjects_and_real_data_have_no_truth(tiny_phantom, tmp_path):
    with pytest.raises(MissingError):
        read_truth(tiny_phantom).fields("subj05")
    with pytest.raises(MissingError, match="truth"):
        read_truth(tmp_path)
