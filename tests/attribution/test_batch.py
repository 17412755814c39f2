"""Many stimuli: resumable token scores by the command, group maps that find what was put in."""

import json

import numpy as np
import pytest

from brainview.attribution import batch
from brainview.attribution.batch import attribute_all, read_scores, story_of
from brainview.attribution.group import group_map
from brainview.attribution.jobs import categories
from brainview.attribution.session import LiveAttribution
from brainview.cli.main import main
from brainview.core.errors import BrainViewError, Cancelled, FormatError, MissingError
from brainview.core.jobs import Quiet
from tests.attribution.runs_for_tests import STIMULI, make_run

REQUEST = {"method": "energy", "layer": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "whole-brain", step=400)


def test_an_interrupted_batch_goes_on_where_it_stopped(run, tmp_path, monkeypatch):
    class Stop(Quiet):
        def report(self, done, total, text=""):
            if done * STIMULI >= 3:
                raise Cancelled()

    with pytest.raises(Cancelled):
        attribute_all(run, tmp_path, request=REQUEST, context=Stop())
    (part,) = tmp_path.glob("*.safetensors")
    assert 0 < len(read_scores(part)["ids"]) < STIMULI
    asked = []
    plain = LiveAttribution.attribute
    monkeypatch.setattr(LiveAttribution, "attribute",
                        lambda self, number, stimulus, **more: asked.append(stimulus) or plain(self, number, stimulus,
                                                                                              **more))
    before = len(read_scores(part)["ids"])
    (file,) = attribute_all(run, tmp_path, request=REQUEST)
    found = read_scores(file)
    assert file == part and found["ids"].tolist() == [7 * i for i in range(STIMULI)] and len(asked) == STIMULI - before
    direct = plain(LiveAttribution(str(run)), 1, 14, **REQUEST)["scores"]
    assert np.array_equal(found["scores"][2], direct) and story_of(file)["stimuli"] == STIMULI
    assert attribute_all(run, tmp_path, request={"method": "random"}) != [file], "another setting, another file"
    assert categories(str(run), str(file)) == [("all stimuli", STIMULI)]


def test_the_command_does_all_and_says_so(run, tmp_path, capsys):
    assert main(["attribute", str(run), "--all", "--method", "energy", "--out", str(tmp_path / "all"), "--json"]) == 0
    (story,) = json.loads(capsys.readouterr().out).values()
    assert story["stimuli"] == STIMULI and story["phantom"] and story["tokens"] == 174
    assert main(["attribute", str(run), "--out", str(tmp_path / "x.nii.gz")]) == 1
    assert "no stimulus was named" in capsys.readouterr().err


def test_a_category_is_found_and_noise_is_not():
    rng = np.random.default_rng(0)
    scores = rng.gamma(4, 1, (60, 20)).astype(np.float32)
    member = np.arange(60) < 20
    scores[member, 3] += 4
    found = group_map(scores, member, permutations=200)
    assert found.fdr[3] and found.p_corrected[3] < 0.05 and found.t[3] > 4 and found.shown_t[3] == found.t[3]
    assert found.fdr.sum() <= 6 and (found.p_corrected < 0.05).sum() <= 4 and found.n == 20 and found.rest == 40
    assert np.allclose(found.mean, scores[member].mean(0)) and "200 permutations" in found.words("dogs")
    null = group_map(rng.gamma(4, 1, (60, 20)).astype(np.float32), member, permutations=200)
    assert null.fdr.sum() == 0 and (null.shown_t == 0).all()
    whole = group_map(scores, np.ones(60, bool), permutations=200)
    assert whole.rest == 0 and whole.fdr[3]
    with pytest.raises(MissingError, match="at least 5"):
        group_map(scores, np.arange(60) < 2)


def test_damaged_files_are_told(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"no")
    with pytest.raises(FormatError):
        read_scores(tmp_path / "a.safetensors")
    (tmp_path / batch.INDEX).write_text("{}")
    with pytest.raises(BrainViewError, match="not in the index"):
        story_of(tmp_path / "a.safetensors")
