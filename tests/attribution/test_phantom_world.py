"""A run graded on a phantom's planted truth, the table of settings, and data sets that are not the run's own."""

from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from brainview.attribution import phantom_world, source
from brainview.attribution.benchmark import survey_rows, survey_world
from brainview.attribution.phantom_world import PhantomWorld
from brainview.attribution.planted import PlantedConfig
from brainview.attribution.source import EMBEDDINGS, Source, open_source
from brainview.attribution.survey import SurveyConfig
from brainview.attribution.sweep import VALUES, sweep_cells
from brainview.attribution.toy import ToyConfig, train_toy
from brainview.cli.benchmarks.attribution import level_text, rows_csv
from brainview.core.errors import MissingError
from brainview.core.files import write_json
from tests.attribution.runs_for_tests import STIMULI, make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = make_run(tmp_path_factory.mktemp("run") / "whole-brain", step=400)
    rng = np.random.default_rng(1)
    save_file({"ids": np.arange(STIMULI) * 7, "image": rng.normal(size=(STIMULI, 8)).astype(np.float32),
               "text": rng.normal(size=(STIMULI, 8)).astype(np.float32)}, path / "subjects" / "subj01" / EMBEDDINGS)
    return path


def patch_of_cortex(root, subject, stimulus):
    """Return planted information that lies in one stretch of vertices per stimulus, weak elsewhere."""
    out = np.full(20484, 0.01, np.float32)
    start = 1000 * (1 + stimulus // 7)
    out[start:start + 3000] = 1 + np.arange(3000) / 3000
    return out


def test_a_run_is_graded_on_what_was_planted(run, monkeypatch):
    monkeypatch.setattr(Source, "dataset", SimpleNamespace(phantom=True, path="/phantom"))
    monkeypatch.setattr(phantom_world, "planted_information", patch_of_cortex)
    world = PhantomWorld(str(run))
    assert sorted(world.test) == [7 * i for i in range(STIMULI)] and world.retrieval["chance"] == 1 / STIMULI
    sample = world.test[0]
    assert world.mismatched(sample) != sample and world.xyz.shape == (20484, 3)
    assert world.truth(sample).sum() == pytest.approx(0.2 * 20484, abs=1)
    few = SurveyConfig(samples=1, betas=(0.1,), layers=(0,), copies=1, steps=3, masks=4, gaps=1, repeats=1,
                       variants=False)
    found = survey_world(world, few)
    by_name = {r["name"]: r for r in found["rows"]}
    assert by_name["oracle"]["hard_auroc"] > 0.7 > by_name["random"]["hard_auroc"]
    assert by_name["oracle"]["hard_auroc_blocky"] != by_name["oracle"]["hard_auroc"]
    assert all(np.isfinite(r["hard_auroc"]) for r in found["rows"]) and found["best_layer"] == 0
    assert {r["name"] for r in found["repeatability"]} == {"ibba layer 0 beta 0.1", "rise"}
    text = level_text({"level": "phantom", "what": "a run", **found})
    assert text.startswith("Phantom: a run. 1 brains (1 of them") and "Pearson of the drawn map" in text
    monkeypatch.setattr(Source, "dataset", SimpleNamespace(phantom=False, path="/real"))
    with pytest.raises(MissingError, match="no phantom"):
        PhantomWorld(str(run))


def test_settings_change_one_at_a_time_and_controls_stand_beside():
    cells = sweep_cells(2, copies=1)
    names = [c.name for c in cells]
    assert sum(n.startswith("control") for n in names) == 3 and len(names) == len(set(names))
    assert all(any(n.startswith(f"{k} {v:g}") for n in names) for k, values in VALUES.items() for v in values)
    toy = ToyConfig(planted=PlantedConfig(), width=16, blocks=2, heads=2, train=240, test=40, steps=12, batch=40)
    wanted = ["control: constant map", "control: default map, tokens permuted", "layer 0 (default)",
              "beta 0.1 (default)", "var 1 (default)", "lr 1 (default)", "var 0.1", "var 0.1 as in M2IB's code (inert)"]
    few = SurveyConfig(samples=1, copies=1, gaps=0, repeats=0, variants=False)
    found = survey_rows(train_toy(toy), few, None, [c for c in cells if c.name in wanted])
    hard = {r["name"]: r["hard_auroc"] for r in found["rows"]}
    assert sorted(hard) == sorted(wanted) and len({hard[n] for n in wanted[2:6]}) == 1
    assert hard["var 0.1"] != hard["var 1 (default)"] == hard["var 0.1 as in M2IB's code (inert)"]
    assert "var 0.1" in level_text({"level": "settings", "what": "toy", **found}) and found["best_layer"] is None
    assert rows_csv([{"level": "settings", **found}]).count("\n") == len(wanted) + 1


def test_an_open_data_set_serves_a_run_that_names_none_if_it_is_the_same(run, tmp_path, monkeypatch):
    stimuli = SimpleNamespace(details=lambda i: {"description": f"picture {i}"}, captions=lambda i: [f"caption {i}"])
    opened = SimpleNamespace(name="phantom (NSD layout)", subjects=["subj01"], stimuli=stimuli)
    monkeypatch.setattr("brainview.datasets.registry.open_dataset", lambda path: opened)
    folder = make_run(tmp_path / "run", step=400)
    own = folder / "subjects" / "subj01" / source.TEXTS
    with pytest.raises(MissingError, match="not on this machine"):
        _ = open_source(folder).dataset
    write_json(own, {"0": ["picture 0"], "7": ["caption 7"]})
    top = folder / "run.json"
    top.write_text(top.read_text().replace('"phantom": true', '"phantom": true, "dataset": "phantom (NSD layout)"'))
    assert open_source(folder, data=str(tmp_path)).dataset is opened
    assert open_source(folder).look(7)[1] == ["caption 7"], "what training kept, where the data are not here"
    write_json(own, {"0": ["picture 0"], "7": ["another picture"]})
    with pytest.raises(MissingError, match="than the one that is open"):
        _ = open_source(folder, data=str(tmp_path)).dataset
