"""From a folder of brains to scores and maps, interrupted and resumed, on a tiny data set in a real layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brainview.core.errors import BrainViewError, Cancelled, FormatError, MismatchError, MissingError
from brainview.core.files import to_json
from brainview.datasets.registry import open_dataset
from brainview.encoding import jobs
from brainview.encoding.train_ridge import load_model
from brainview.maps.brainmap import BrainMap
from brainview.training.jobs import train
from brainview.training.run import RunFolder
from tests.encoding import tiny

QUICK = {"components": 0, "bootstraps": 30, "permutations": 10, "val": 0.15, "features": "gabor[grid=2]"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("tiny") / "algonauts")


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return train("ridge", str(data), str(tmp_path_factory.mktemp("runs") / "ridge"), options=QUICK)


def test_scores_rise_with_the_planted_signal_and_stand_beside_chance(run: str) -> None:
    found = jobs.score(run)
    assert list(found["subjects"]) == ["subj01", "subj02"] and found["phantom"] is False
    for figures in found["subjects"].values():
        assert figures["part"] == "test" and figures["images"] == 24
        assert figures["mean_r"] > 0.35 and abs(figures["chance"]["mean_r"]) < 0.05
        low, high = figures["mean_r_interval"]
        assert low < figures["mean_r"] + 0.03 and high > figures["mean_r"] - 0.03 and high - low < 0.4
        assert figures["ceiling_zero"] >= 1
    assert found["group"]["mean_r"] == pytest.approx(np.mean([f["mean_r"] for f in found["subjects"].values()]))
    to_json(found)
    maps = jobs.present(run)["maps"]["subj01"]
    assert np.nanmean(maps["r"].values[30:50]) > np.nanmean(maps["r"].values[:10]) + 0.2


def test_present_gives_what_the_panel_needs(run: str, data: Path) -> None:
    shown = jobs.present(run)
    assert set(shown) == {"run", "card", "phantom", "subjects", "metrics", "maps", "group", "counts", "rois", "stimuli",
                          "notes"}
    subject = open_dataset(data).subject("subj02")
    for key, brain_map in shown["maps"]["subj02"].items():
        assert isinstance(brain_map, BrainMap) and brain_map.space == subject.space
        assert brain_map.definition and brain_map.provenance["part"] == "test" and key in shown["metrics"]
    # subject 2 lacks a vertex: the group lives on the whole mesh, with one subject at that vertex and two elsewhere
    group, counts = shown["group"]["r"], shown["counts"]["r"]
    one, two = shown["maps"]["subj01"]["r"], shown["maps"]["subj02"]["r"]
    n = np.nan_to_num(counts.values)
    assert group.space == one.space.root == counts.space
    assert np.bincount(n.astype(int))[1:].tolist() == [1, two.space.size]
    both = np.stack([one.expanded().values, two.expanded().values])
    np.testing.assert_allclose(group.values[n == 2], both[:, n == 2].mean(0), atol=1e-6)
    np.testing.assert_allclose(group.values[n == 1], one.expanded().values[n == 1])
    assert counts.units == "subjects of 2" and "n of the group map" in counts.definition
    rows = {(r["subject"], r["hemisphere"], r["roi"], r["metric"]): r for r in shown["rois"]}
    assert rows["subj01", "left", "V1v", "r"]["n"] <= 20 and rows["subj01", "left", "OFA", "r"]["median"] is None
    assert rows["group", "both", "V1d", "r2_nc"]["n"] == 2
    assert len(shown["stimuli"]["subj01"]) == 24 and {"stimulus", "R2", "r"} == set(shown["stimuli"]["subj01"][0])
    to_json({k: v for k, v in shown.items() if k not in ("maps", "group", "counts")})


def test_one_stimulus_predicted_as_when_it_was_scored(run: str) -> None:
    listed = {s["stimulus"]: s for s in jobs.present(run)["stimuli"]["subj01"]}
    got = jobs.predict_stimulus(run, "subj01", 5003)
    for key in ("R2", "r"):
        assert got[key] == pytest.approx(listed[5003][key], abs=1e-4)
    assert got["measured"].limits == got["predicted"].limits and got["part"] == "test"
    assert got["image"].dtype == np.uint8 and got["image"].shape[2] == 3
    with pytest.raises(MissingError, match="no trained subject"):
        jobs.predict_stimulus(run, "subj09", 5003)


def test_parts_differ_and_training_is_better(run: str) -> None:
    train, val = jobs.score(run, "train")["subjects"]["subj01"], jobs.score(run, "val")["subjects"]["subj01"]
    test = jobs.score(run)["subjects"]["subj01"]
    assert train["part"] == "train" and val["part"] == "val" and train["mean_r"] > test["mean_r"] + 0.05
    assert train["images"] + val["images"] == 90


class StopLate:
    """Cancels once the second subject is being trained."""

    def report(self, done, total, text="") -> None:
        if done / total > 0.7:
            raise Cancelled()

    def log(self, line) -> None: ...
    def check(self) -> None: ...


def test_an_interrupted_run_is_usable_and_goes_on(data: Path, tmp_path: Path, run: str) -> None:
    with pytest.raises(Cancelled):
        train("ridge", str(data), str(tmp_path / "r"), options=QUICK, context=StopLate())
    half = jobs.present(str(tmp_path / "r"))
    assert half["subjects"] == ["subj01"] and "1 of 2 subjects" in half["notes"][0]
    before = RunFolder.open(tmp_path / "r" / "subjects" / "subj01").card()["written"]
    train("ridge", str(data), str(tmp_path / "r"), options=QUICK)
    assert RunFolder.open(tmp_path / "r" / "subjects" / "subj01").card()["written"] == before
    again, whole = jobs.score(str(tmp_path / "r")), jobs.score(run)
    assert again["subjects"] == whole["subjects"] and RunFolder.open(tmp_path / "r").card()["complete"]
    generation = RunFolder.open(tmp_path / "r").card()["generation"]
    train("ridge", str(data), str(tmp_path / "r"), options=QUICK)  # nothing left to do
    assert RunFolder.open(tmp_path / "r").card()["generation"] == generation
    with pytest.raises(FormatError, match="other settings"):
        train("ridge", str(data), str(tmp_path / "r"), options={**QUICK, "seed": 5})


def test_the_card_tells_everything(run: str) -> None:
    card = RunFolder.open(run).card()
    assert card["system"] == "ridge" and card["config"]["seed"] == 0 and card["versions"]["numpy"] == np.__version__
    assert card["split"]["key"] and card["parts"]["subj01"]["files"]["model.safetensors"]
    fit, reduction, part = load_model(run, "subj01")
    assert part["feature_settings"]["grid"] == 2 and len(part["feature_key"]) == 24
    assert reduction.settings["flattened"] == 128
    assert sum(r["targets"] for r in part["alphas"]) == int((fit.flags == 0).sum())


def test_kfold_random_weights_and_no_model(data: Path, tmp_path: Path) -> None:
    options = {**QUICK, "method": "kfold", "keep_model": "false", "components": 20,
               "features": "timm:vit_tiny_patch16_224[weights=random;layers=0;pool=mean+2x2]"}
    run = train("ridge", str(data), str(tmp_path / "r"), subjects=["subj01"], options=options)
    shown = jobs.present(run)
    assert "RANDOM" in shown["notes"][0] and "RANDOM" in shown["maps"]["subj01"]["r"].provenance["features"]
    with pytest.raises(MissingError, match="without keeping"):
        jobs.predict_stimulus(run, "subj01", 5003)


def test_requests_that_cannot_be_met_are_told(data: Path, tmp_path: Path) -> None:
    for wrong, kind in (({"method": "loo"}, MismatchError), ({"speed": 3}, MismatchError),
                        ({"folds": "x"}, MismatchError), ({"features": "nothing"}, BrainViewError)):
        with pytest.raises(kind):
            train("ridge", str(data), str(tmp_path / "r"), options={**QUICK, **wrong})
    with pytest.raises(MissingError, match="no subject"):
        train("ridge", str(data), str(tmp_path / "q"), subjects=["subj07"], options=QUICK)
    with pytest.raises(MissingError, match="no system"):
        train("magic", str(data), str(tmp_path / "q"))
