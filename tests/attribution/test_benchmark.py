"""The planted-truth benchmark: its parts by hand, and one small run from end to end."""

import json
from dataclasses import replace

import numpy as np
import pytest

from brainview.attribution.benchmark import best_layer, survey_level, thresholds
from brainview.attribution.ibba import IbbaConfig
from brainview.attribution.ledger import grade_all, ledger_file, read_ledger
from brainview.attribution.planted import PlantedConfig, plant
from brainview.attribution.speed import measure
from brainview.attribution.survey import Survey, SurveyConfig, cells, faithfulness, shuffled_weights, summary
from brainview.attribution.toy import ToyConfig, train_toy
from brainview.cli.benchmarks.attribution import level_text
from brainview.cli.main import main
from brainview.core.files import to_json

TOY = ToyConfig(planted=PlantedConfig(level=3), width=16, blocks=2, heads=2, train=240, test=40, steps=12, batch=40)
FEW = SurveyConfig(samples=2, betas=(0.1,), copies=2, steps=4, masks=8, repeats=2)


@pytest.fixture(scope="module")
def world():
    return train_toy(TOY)


def test_toy_encoder_is_kept_and_the_same(world):
    again = train_toy(TOY)  # from the cache: no second training
    assert all((a == b).all() for a, b in zip(world.encoder.state_dict().values(),
                                              again.encoder.state_dict().values(), strict=True))
    assert not any(p.requires_grad for p in world.encoder.parameters())
    assert replace(TOY, steps=13).key != TOY.key and world.retrieval["chance"] == 1 / 40
    sample = world.test[0]
    other = world.mismatched(sample)
    assert other in world.test
    shared = ((world.brains.strength[sample] > 0) & (world.brains.strength[other] > 0)).sum()
    assert shared <= 1  # three of eight concepts each


def test_controls_of_the_table(world):
    survey = Survey(world, FEW)
    by_name = {c.name: survey.grade(c, world.test[0]) for c in survey.cells if c.method in ("oracle", "constant")}
    assert by_name["oracle"]["hard_auroc"] > 0.95 and by_name["oracle"]["hard_auroc_blocky"] > 0.9
    constant = by_name["constant"]
    assert constant["hard_auroc"] == 0.5 and constant["image_drop"] < 1e-4 and constant["image_increase"] == 0
    assert constant["mask_mean"] == 1 and constant["target_gap"] == 0
    assert constant["auprc"] == pytest.approx(constant["prior"], abs=0.05)
    names = [c.name for c in cells(FEW, 2)]
    assert len(names) == len(set(names)) and "ibba layer 1 beta 0.1" in names and "ibba layer 2 beta 0.1" not in names


def test_deleting_by_the_right_order_is_quicker(world):
    """A linear reading of the likeness: the best order deletes faster and inserts faster than its reverse."""
    survey, sample = Survey(world, FEW), world.test[0]
    cell = next(c for c in survey.cells if c.method == "occlusion")
    scores = survey.scores(cell, sample)
    good = survey._deletion(sample, world.target(sample), world.grid.spread(scores, "nearest"))
    bad = survey._deletion(sample, world.target(sample), world.grid.spread(-scores, "nearest"))
    assert good["deletion"] < bad["deletion"] and good["insertion"] > bad["insertion"]


def test_shuffled_weights_are_the_same_numbers_elsewhere(world):
    other = shuffled_weights(world.encoder)
    for (name, a), b in zip(world.encoder.state_dict().items(), other.state_dict().values(), strict=True):
        assert np.array_equal(np.sort(a.flatten()), np.sort(b.flatten())), name
    assert not np.array_equal(world.encoder.proj, other.proj)


def row(name, hard, gap=0.3, **more):
    return {"name": name, "method": name.split()[0], "note": "", "hard_auroc": hard, "target_gap": gap,
            **dict.fromkeys(("image_drop", "image_increase", "text_drop", "text_increase", "deletion", "insertion",
                             "deletion_rank", "insertion_rank"), 0.0), **more}


def test_faithfulness_by_hand():
    rows = [row("a", 0.9, image_drop=1.0, insertion=1.0), row("b", 0.7, image_drop=2.0, insertion=2.0),
            row("c", 0.5, image_drop=3.0, insertion=3.0), row("oracle", 1.0, image_drop=99.0)]
    found = {f["figure"]: f for f in faithfulness(rows)}
    assert found["image_drop"]["rho_all"] == pytest.approx(1) and found["insertion"]["rho_all"] == pytest.approx(-1)
    assert found["image_drop"]["n_all"] == 3 and np.isnan(found["text_drop"]["rho_all"])


def test_layer_and_thresholds_by_hand():
    ibba = [row(f"ibba layer {n} beta 0.1", hard, gap, layer=n, beta=0.1) for n, hard, gap in
            ((0, 0.99, 0.1), (1, 0.9, 0.3), (2, 0.8, 0.3))]
    assert best_layer(ibba, 0.1) == 1  # layer 0 hardly depends on the target
    from brainview.attribution.ibba import IbbaConfig

    name = f"ibba layer {IbbaConfig().layer} beta 0.1"
    own = next(r for r in ibba if r["name"] == name)
    rows = [*ibba, row("oracle", 0.99), row("energy layer 1", 0.8), row("grad-cam layer 1", 0.95)]
    grades = {r["name"]: [{"hard_auroc": r["hard_auroc"] + e} for e in (-0.01, 0.0, 0.01)] for r in rows}
    repeat = [{"name": name, "note": "", "layer": IbbaConfig().layer, "pearson": 0.5}]
    found = {t["what"]: t for t in thresholds(rows, grades, repeat, {"image": 0.5})}
    assert found["hard AUROC, trilinear"]["met"]
    assert not found["seed repeatability (Pearson over tokens), 10 copies"]["met"]
    assert found["target gap"]["met"] == (own["target_gap"] >= 0.2)
    lead = found["lower end of the interval of the lead over grad-cam layer 1"]
    assert lead["found"] == pytest.approx(own["hard_auroc"] - 0.95) and lead["met"] == (own["hard_auroc"] > 0.95)


def test_summary_has_intervals(world):
    cell = cells(FEW, 2)[2]
    (found,) = summary([(cell, [{"hard_auroc": 0.4, "prior": 1.0}, {"hard_auroc": 0.8, "prior": 1.0}])])
    assert found["hard_auroc"] == pytest.approx(0.6) and found["hard_auroc_low"] < 0.6 < found["hard_auroc_high"]


def test_the_default_beta_follows_the_encoder():
    assert IbbaConfig.default_beta(86, 32) == 1.0  # the encoder it was chosen on
    assert IbbaConfig.default_beta(175, 128) == 8.1 and IbbaConfig.default_beta(175, 1280) == 81


def test_all_levels_find_room_for_their_regions():
    for level in (4, 5):
        assert plant(PlantedConfig(level=level), 4).regions.shape[0] == 8


def test_a_level_from_end_to_end(world):
    found = survey_level(3, FEW, TOY)
    assert {r["method"] for r in found["rows"]} >= {"ibba", "rise", "grad-cam", "relevance", "occlusion", "energy",
                                                    "gradient-input", "random", "constant", "oracle"}
    assert all(np.isfinite(r["hard_auroc"]) and r["samples"] == 2 for r in found["rows"])
    assert len(found["modalities"]) == 4 and "thresholds" not in found
    text = level_text(found)
    assert "hard AUROC" in text and "R@1" in text and "Image-only" in text and "oracle" in text


def test_command(tmp_path, capsys):
    out = tmp_path / "found.json"
    few = ["--samples", "1", "--steps", "5", "--train", "200", "--copies", "1", "--masks", "4", "--layers", "0",
           "--betas", "0.1", "--level", "1", "--plain", "--json", "--out", str(out), "--table", str(out) + ".csv"]
    assert main(["benchmark", "attribution", *few]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(out.read_text()) and printed["levels"][0]["samples"] == 1
    lines = (tmp_path / "found.json.csv").read_text().splitlines()
    assert lines[0].startswith("level,samples,gaps") and len(lines) == 1 + len(printed["levels"][0]["rows"])
    assert main(["benchmark", "attribution", "--levels", "9"]) == 1 and "1 to 5" in capsys.readouterr().err


def test_a_stopped_run_goes_on(world, tmp_path):
    """Brains that are graded are not graded again, a torn line is; the figures are the same as of one run."""
    few = replace(FEW, layers=(0,), variants=False, gaps=1, repeats=1)
    whole = grade_all(Survey(world, few), None)
    file = tmp_path / "grades.jsonl"
    first = Survey(world, replace(few, samples=1))
    grade_all(first, file)
    with open(file, "a") as lines:
        lines.write('{"sample": 241, "grades": {"ora')  # stopped while writing
    again = Survey(world, few)
    asked = []
    again.sample_grades = lambda sample, place, context=None: (
        asked.append(sample), Survey.sample_grades(again, sample, place, context))[1]
    found = grade_all(again, file)
    assert asked == [world.test[1]]
    assert to_json(found) == to_json(whole) and len(read_ledger(file)) == 2
    assert np.isnan(found[1]["grades"]["ibba layer 0 beta 0.1"]["target_gap"]) and not found[1]["repeat"]
    assert ledger_file("w", few) == ledger_file("w", replace(few, samples=9)) != ledger_file("w", replace(few, gaps=2))


def test_speed_and_same_maps():
    found = measure(small=True, repeats=1)
    assert found["difference"] < 1e-4 and found["brainview"] > 0 and found["gains"] == [found["gain"]]
