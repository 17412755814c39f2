"""What the training page asks for: settings of every system, where runs stand, curves, cost, resume."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from brainview.core.errors import Cancelled, MissingError
from brainview.core.systems import SYSTEMS
from brainview.state.training import (
    RECENT,
    SystemForm,
    recent_runs,
    remember_run,
    runs_dir,
    settings_that_differ,
    table_of,
)
from brainview.state.training import RunEntry as Entry
from brainview.training import estimate, history, jobs, options
from brainview.training.run import RunFolder


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_every_system_has_a_form_whose_presets_it_accepts(name):
    form = SystemForm.from_job(json.loads(json.dumps(options.describe(name))))
    assert form.about and form.options and form.first_preset() in form.presets
    for preset in form.presets:
        values = form.values(preset)
        assert form.problems(values) == {}, preset
        problem = options.checked(name, values)[1]  # a preset may need a run or file that only the user can name
        assert problem == "" or "Name its folder" in problem, preset
        assert form.preset_words(preset) and form.changes(preset, values) == []


def test_the_system_itself_refuses_what_it_does_not_know():
    assert "magic" in options.checked("ridge", {"method": "magic"})[1]
    assert "has no setting" in options.checked("ridge", {"nonsense": 1})[1]


def test_words_behind_a_field_become_choices_and_hints():
    assert options.choices_of("reliability (q / sqrt(1 + q^2) of it) | none")[0] == ("reliability", "none")
    assert options.choices_of("share | of nothing at all: x")[0] == ()


def make_run(path, system="whole-brain", epochs=5, finished=True, best=3):
    run = RunFolder.create(path, system, {"epochs": 8, "subjects": ["s1", "s2"]}, data="/data", dataset="d",
                           phantom=True)
    part = RunFolder.create(path / "subjects" / "s1", "part", {"epochs": 8})
    for epoch in range(1, epochs + 1):
        if epoch <= best:
            part.write_generation({"w": np.zeros(1)}, {"epoch": epoch}, best=True)
        part.append_history({"epoch": epoch, "lr": 0.1, "loss": 1 / epoch, "val_mrr": None if epoch == 2 else 0.1})
    if finished:
        run.append_history({"subject": "s1", "finished": "today", "r": 0.5})
        run.write_generation({"none": np.zeros(1)}, {"finished": ["s1", "s2"], "metrics": {"s1": {"r": 0.5}},
                                                     "versions": {"numpy": "2"}, "feature_label": "f"})
    return run


def test_curves_mark_the_best_checkpoint_and_keep_gaps(tmp_path):
    make_run(tmp_path / "a")
    found = jobs.curves(str(tmp_path / "a"))
    (part,) = found["parts"]
    assert (part["name"], part["axis"], part["x"], part["best"]) == ("s1", "epoch", [1, 2, 3, 4, 5], 3)
    assert np.isnan(part["columns"]["val_mrr"][1]) and part["columns"]["loss"][3] == 0.25
    assert found["table"] == [{"subject": "s1", "finished": "today", "r": 0.5}]


def test_long_histories_are_thinned_but_end_where_they_end(tmp_path, monkeypatch):
    monkeypatch.setattr(history, "POINTS", 4)
    make_run(tmp_path / "a", epochs=10)
    x = jobs.curves(str(tmp_path / "a"))["parts"][0]["x"]
    assert len(x) <= 4 and x[-1] == 10


def test_runs_say_where_they_stand(tmp_path):
    make_run(tmp_path / "done")
    make_run(tmp_path / "half", finished=False)
    (tmp_path / "no-run").mkdir()
    rows = {r["name"]: r for r in jobs.list_runs(str(tmp_path))}
    assert set(rows) == {"done", "half"}
    assert rows["done"]["finished"] and not rows["half"]["finished"] and not rows["half"]["usable"]
    assert rows["half"]["progress"] == "0 of 2 subjects, s1, epoch 5 of 8"
    assert jobs.run_card(str(tmp_path / "done"))["phantom"] is True
    about = dict(jobs.run_card(str(tmp_path / "half"))["sections"])["About"]
    assert any(name == "state" and "unfinished" in value for name, value in about)


def test_a_run_is_put_away_and_comes_back(tmp_path):
    make_run(tmp_path / "a")
    lies = jobs.discard(str(tmp_path / "a"))
    assert jobs.list_runs(str(tmp_path)) == [] and not (tmp_path / "a").exists()
    assert jobs.restore(lies) == str(tmp_path / "a")
    assert jobs.list_runs(str(tmp_path))[0]["finished"]
    with pytest.raises(MissingError):
        jobs.restore(str(tmp_path / "a"))


def test_runs_from_elsewhere_are_listed_after_they_were_opened(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINVIEW_HOME", str(tmp_path / "home"))
    inside = runs_dir() / "inside"
    make_run(inside, system="ridge")
    make_run(tmp_path / "usb" / "outside", system="ridge")
    for path in (inside, tmp_path / "usb" / "outside", tmp_path / "gone", tmp_path / "usb" / "outside"):
        remember_run(str(path))
    assert recent_runs() == [str(tmp_path / "usb" / "outside"), str(tmp_path / "gone")]
    rows = jobs.list_runs(str(runs_dir()), [*recent_runs(), str(inside)])
    assert sorted(r["name"] for r in rows) == ["inside", "outside"]
    (runs_dir().parent / RECENT).write_text("{broken")
    assert recent_runs() == []


def test_resume_goes_on_with_the_settings_that_it_was_begun_with(tmp_path, monkeypatch):
    make_run(tmp_path / "a", system="ridge", finished=False)
    asked = {}

    def train(path, run, *, subjects, options, context):
        asked.update(path=path, run=run, subjects=subjects, options=options)
        raise Cancelled()

    monkeypatch.setattr(jobs, "load", lambda name: SimpleNamespace(train=train))
    with pytest.raises(Cancelled):
        jobs.resume(str(tmp_path / "a"))
    assert asked == {"path": "/data", "run": str(tmp_path / "a"), "subjects": ["s1", "s2"], "options": {"epochs": 8}}
    cost = history.cost_of(tmp_path / "a")
    assert cost["sittings"] == 1 and cost["seconds"] >= 0 and cost["peak_memory"] > 10 << 20


def test_estimate_scales_earlier_runs(tmp_path):
    run = make_run(tmp_path / "a", system="ridge")
    (run.path / "cost.json").write_text('{"seconds": 160, "peak_memory": 5000000}')
    found = estimate._from_earlier(jobs.list_runs(str(tmp_path)), subjects=4, passes=1)
    assert found["seconds"] == 160 / (2 * 8) * 4 and found["memory"] == 5_000_000 and "1 earlier run" in found["basis"]
    assert "seconds" not in estimate._from_earlier([], 1, 1)


def test_time_is_measured_on_runs_alike_and_else_worked_out():
    general = {"seconds": 50.0, "basis": "From 1 earlier run.", "memory": 9}
    own = {"seconds": 70, "time_basis": "By arithmetic.", "basis": "Shapes.", "memory": 5, "disk": 6}
    found = estimate._better({**general, "alike": True}, own)
    assert (found["seconds"], found["memory"], found["basis"]) == (50.0, 5, "Time: From 1 earlier run. Shapes.")
    found = estimate._better({**general, "alike": False}, own)
    assert (found["seconds"], found["basis"]) == (70, "By arithmetic. Shapes.")
    found = estimate._better({"basis": "Nothing yet."}, {"basis": "Shapes."})
    assert found.get("seconds") is None and found["basis"] == "Time: Nothing yet. Shapes."


def test_tables_set_runs_side_by_side():
    runs = [Entry("/a", "a", "ridge", "d", True, 0.0, metrics={"s1": {"r": 0.2}, "s2": {"r": 0.4}},
                  config={"lr": 1, "seed": 0}),
            Entry("/b", "b", "ridge", "d", True, 0.0, metrics={"s1": {"r": 0.1, "part": "test"}}, config={"lr": 2,
                                                                                                       "seed": 0})]
    columns, rows = table_of(runs)
    assert columns[-1] == "r" and [r[-1] for r in rows] == ["0.3", "0.1"]
    assert settings_that_differ(runs) == [("lr", ["1", "2"])]
