"""Many stimuli: resumable token scores by the command, group maps that find what was put in."""

import json

import numpy as np
import pytest

from brainview.alignment.patches import PatchGrid
from brainview.attribution import batch
from brainview.attribution.batch import attribute_all, read_scores, story_of
from brainview.attribution.group import group_map
from brainview.attribution.jobs import categories
from brainview.attribution.session import LiveAttribution
from brainview.cli.main import main
from brainview.core.errors import BrainViewError, Cancelled, FormatError, MissingError
from brainview.core.jobs import Quiet
from brainview.maps.io import read_maps
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
    assert found.fdr[3] and found.p_corrected[3] < 0.05 and found.t[3] > 4 and found.shown_t()[3] == found.t[3]
    assert found.fdr.sum() <= 6 and (found.p_corrected < 0.05).sum() <= 4 and found.n == 20 and found.rest == 40
    assert np.allclose(found.mean, scores[member].mean(0)) and "200 permutations" in found.words("dogs")
    assert not found.passes("cluster").any(), "no grid, no clusters"
    null = group_map(rng.gamma(4, 1, (60, 20)).astype(np.float32), member, permutations=200)
    assert null.fdr.sum() == 0 and (null.shown_t() == 0).all()
    whole = group_map(scores, np.ones(60, bool), permutations=200)
    assert whole.rest == 0 and whole.fdr[3]
    with pytest.raises(MissingError, match="at least 5"):
        group_map(scores, np.arange(60) < 2)


def test_neighbours_make_a_cluster_and_scattered_tokens_do_not():
    """Six tokens in a row pass as a cluster though none of them need pass alone; the same six scattered do not."""
    grid = PatchGrid(np.ones((24, 24, 24), bool), 4)  # 6 x 6 x 6 tokens
    rng, member = np.random.default_rng(1), np.arange(80) < 40
    scores = rng.normal(10, 1, (80, 216)).astype(np.float32)
    row, scattered = np.arange(6), np.array([0, 38, 71, 111, 149, 187])
    near, far = scores.copy(), scores.copy()
    near[np.ix_(member, row)] += 0.9
    far[np.ix_(member, scattered)] += 0.9
    found, other = (group_map(s, member, grid, permutations=100) for s in (near, far))
    assert found.passes("cluster")[row].sum() >= 4 and found.passes("cluster").sum() <= 8
    assert found.passes("cluster")[row].sum() > other.passes("cluster")[scattered].sum()
    assert "clusters that pass" in found.words("dogs") and (found.p_cluster <= 1).all()
    assert np.array_equal(found.shown_t("cluster") != 0, found.passes("cluster"))


def test_the_command_writes_group_maps(run, tmp_path, capsys):
    assert main(["attribute", str(run), "--all", "--method", "energy", "--out", str(tmp_path), "--group", "all",
                 "--permutations", "20", "--json"]) == 0
    (story,) = json.loads(capsys.readouterr().out).values()
    files = [f.rsplit("/", 1)[1] for f in story["group"]["files"]]
    assert files == [f"group-subj01-all-stimuli-{k}" for k in ("mean.nii.gz", "t.nii.gz", "t-fdr.nii.gz",
                                                               "t-cluster.nii.gz", "t-max.nii.gz")] + [
        "group-subj01-all-stimuli.csv"]
    (mean,) = read_maps(story["group"]["files"][0])
    assert np.isfinite(mean.values).any() and mean.is_phantom and mean.name == "mean over all stimuli"
    assert main(["attribute", str(run), "--all", "--method", "energy", "--out", str(tmp_path), "--group", "dogs"]) == 1
    assert "no stimulus is of category dogs" in capsys.readouterr().err


def test_damaged_files_are_told(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"no")
    with pytest.raises(FormatError):
        read_scores(tmp_path / "a.safetensors")
    (tmp_path / batch.INDEX).write_text("{}")
    with pytest.raises(BrainViewError, match="not in the index"):
        story_of(tmp_path / "a.safetensors")
