"""The training page: presets, options made from the system, estimate, live curves, pause, resume, compare, cards."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QLabel, QLineEdit, QSpinBox

from brainview.app.panels.training.compare import CardWindow, CompareWindow
from brainview.app.widgets.chooser import Chooser
from brainview.app.wiring_training import TrainingWiring
from brainview.state.training import Option, RunEntry, SystemForm
from tests.app.fake_training import RUNS

pytestmark = pytest.mark.gui
TRAIN, RESUME = "brainview.training.jobs:train", "brainview.training.jobs:resume"


@pytest.fixture
def page(desk):
    desk.do(desk.c.session.open_dataset("/phantom"))
    desk.window.subjects.show_page("training")
    desk.wiring = next(p for p in desk.shell.wiring.pages if isinstance(p, TrainingWiring))
    desk.until(lambda: desk.wiring.state.form is not None and desk.wiring.state.runs)
    desk.settle()
    return desk


def choose(page, system):
    form = page.window.subjects.form
    form.system.setCurrentIndex(form.system.findData(system))
    form.system.activated.emit(form.system.currentIndex())
    page.until(lambda: page.wiring.state.form is not None and page.wiring.state.form.name == system)
    page.settle()
    return form


def test_form_is_made_from_the_system_and_its_preset(page):
    form = page.window.subjects.form
    kinds = {n: type(form.field(n)) for n in ("features", "method", "folds", "val", "keep_model")}
    assert kinds == {"features": Chooser, "method": Chooser, "folds": QSpinBox, "val": QLineEdit,
                     "keep_model": QCheckBox}
    assert form.field("components").value() == 500, "the preset 'demo' says 500"
    assert "Gabor" in form.preset_words.text() and "Principal components 500" in form.preset_words.toolTip()
    form.field("components").setValue(321)
    page.settle()
    assert page.wiring.state.values["components"] == 321
    assert form.preset_words.text() == "Differs from the preset in principal components."
    form.reset.click()
    page.settle()
    assert form.field("components").value() == 500 and not form.reset.isVisibleTo(form)
    page.c.undo.undo()
    page.settle()
    assert form.field("components").value() == 321


def test_another_system_brings_its_own_options(page):
    form = choose(page, "whole-brain")
    assert form.chosen_preset() == "tiny" and form.field("epochs").value() == 10
    assert form.preset_words.text() == "Small enough to try."
    assert "voxels" not in form.options(), "an option of another system is not offered"
    form.preset.setCurrentIndex(form.preset.findData("paper"))
    form.preset.activated.emit(form.preset.currentIndex())
    page.settle()
    assert form.options()["epochs"] == 150
    page.c.undo.undo()
    page.settle()
    assert form.options()["epochs"] == 10 and form.chosen_preset() == "tiny"


def test_wrong_values_are_told_by_the_form_and_by_the_system(page):
    form = choose(page, "whole-brain")
    form.field("lr").setText("fast")
    assert form.problem.text() == "Learning rate must be a number." and not form.button.isEnabled()
    form.field("lr").setText("7")
    page.until(lambda: "refuses" in form.problem.text())
    assert not form.button.isEnabled()
    form.field("lr").setText("0.001")
    page.until(lambda: form.button.isEnabled())


def test_needs_stand_in_the_form_before_it_starts(page):
    form = page.window.subjects.form
    page.until(lambda: "about 4 min" in form.needs.words.text())
    assert form.needs.words.text() == "Needs about 4 min 10 s, 900 MB of memory, 42 MB of disk."
    assert "earlier runs" in form.needs.words.toolTip() and not form.needs.warning.isVisibleTo(form)
    form.show_estimate({"seconds": None, "memory": None, "disk": 9e9, "free": 1e9})
    assert "not known" in form.needs.words.text() and form.needs.warning.isVisibleTo(form)
    assert not any(j.function.endswith((":estimate", ":list_runs", ":curves")) for j in page.engine.jobs), \
        "what is asked every few seconds leaves no handle behind"


def test_a_running_training_shows_its_curves_and_pauses(page):
    live = page.window.subjects.live
    page.engine.held.add(TRAIN)
    choose(page, "whole-brain").button.click()
    page.until(lambda: any(j.function == TRAIN for j in page.engine.jobs))
    job = next(j for j in page.engine.jobs if j.function == TRAIN)
    job.arguments["run"] = page.wiring.state.watched
    job.report(0.4, "subj01: epoch 4 of 10", 60)
    page.until(lambda: "epoch 4 of 10" in live.words.whole())
    assert live.pause.isVisibleTo(live) and live.stop.isVisibleTo(live) and not live.resume.isVisibleTo(live)
    page.wiring.state.watched = f"{RUNS}/phantom-whole-brain"  # another run is looked at meanwhile
    page.until(lambda: live.loss.lines)
    assert [line.words for line in live.loss.lines] == ["loss", "val_loss"]
    assert live.score.lines[0].best == 27 and "★" in live.score.legend.text()
    page.wiring.state.watched = job.arguments["run"]
    page.until(lambda: live.pause.isVisibleTo(live))
    live.pause.click()
    page.settle()
    assert job.status == "cancelled"
    assert page.window.notices.shown[-1].words == "Cancelled; what was finished is kept."
    assert not any(j.function.endswith(":discard") for j in page.engine.jobs)


def test_an_unfinished_run_is_resumed_from_the_list(page):
    runs, live = page.window.subjects.runs, page.window.subjects.live
    runs.list.setCurrentRow(2)
    page.until(lambda: live.resume.isVisibleTo(live))
    assert "Paused: subj01, epoch 7 of 30" in live.words.whole() and runs.resume.isVisibleTo(runs)
    assert not runs.open.isVisibleTo(runs)
    runs.resume.click()
    page.settle()
    job = next(j for j in page.engine.jobs if j.function == RESUME)
    assert job.arguments == {"run": f"{RUNS}/phantom-mindeye"} and job.lane == "batch"
    assert page.app.run is not None and page.app.run.path == f"{RUNS}/phantom-mindeye"


def test_a_run_paused_before_it_wrote_anything_is_begun_again(page):
    live = page.window.subjects.live
    page.engine.held.add(TRAIN)
    choose(page, "whole-brain").button.click()
    page.until(lambda: live.pause.isVisibleTo(live))
    first = next(j for j in page.engine.jobs if j.function == TRAIN)
    live.pause.click()
    page.until(lambda: live.resume.isVisibleTo(live))
    assert live.words.whole() == "Stopped before anything was written; Resume begins it again"
    assert not live.open.isVisibleTo(live) and not live.pause.isVisibleTo(live)
    page.engine.held.discard(TRAIN)
    live.resume.click()
    page.until(lambda: page.app.run is not None)
    again = [j for j in page.engine.jobs if j.function == TRAIN]
    assert len(again) == 2 and again[1].arguments == first.arguments and page.app.run.path == first.arguments["run"]
    assert not any(j.function == RESUME for j in page.engine.jobs)


def test_a_run_that_is_gone_says_so(page):
    live = page.window.subjects.live
    page.wiring.state.watched = "/elsewhere/gone"
    page.until(lambda: "from the form" in live.words.whole())
    assert not live.resume.isVisibleTo(live) and not live.open.isVisibleTo(live)


def test_cancel_puts_the_run_away_and_brings_it_back(page):
    page.engine.held.add(TRAIN)
    page.window.subjects.form.button.click()
    page.until(lambda: page.wiring.jobs)
    path = page.wiring.state.watched
    page.until(lambda: page.window.subjects.live.stop.isVisibleTo(page.window.subjects.live))
    page.window.subjects.live.stop.click()
    page.settle()
    away = next(j for j in page.engine.jobs if j.function.endswith(":discard"))
    assert away.arguments == {"run": path} and page.wiring.state.watched == ""
    notice = next(n for n in page.window.notices.shown if "nothing was deleted" in n.words)
    from PySide6.QtWidgets import QAbstractButton

    next(b for b in notice.findChildren(QAbstractButton) if b.text() == "Bring back").click()
    page.settle()
    assert page.wiring.state.watched == path


def test_runs_are_compared_and_their_card_is_read(page):
    runs = page.window.subjects.runs
    runs.list.setCurrentRow(0)
    QTest.keyClick(runs.list, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    runs.compare.click()
    page.settle()
    window = page.wiring._windows[-1]
    assert isinstance(window, CompareWindow) and window.isVisible()
    assert len(window.loss.lines) == 2 and [len(line.x) for line in window.loss.lines] == [30, 12]
    table = window.csv()
    assert "brain→image R@1" in table and "0.12" in table and "epochs,30,12" in table
    window.close()
    page.do(page.wiring._card(f"{RUNS}/phantom-mindeye"))
    card = page.wiring._windows[-1]
    assert isinstance(card, CardWindow) and "PHANTOM" in card.text() and "seed: 0" in card.text()
    assert all(w.textFormat() == Qt.TextFormat.PlainText for w in card.findChildren(QLabel) if w.text())
    card.close()


def test_the_choice_is_part_of_the_project(page):
    choose(page, "whole-brain").field("epochs").setValue(77)
    page.settle()
    kept = page.c.session.describe()["parts"]["training"]
    assert kept["system"] == "whole-brain" and kept["values"]["epochs"] == 77
    page.wiring.state.apply({"system": "ridge", "preset": "demo", "values": {}})
    page.settle()
    page.wiring.state.apply(kept)
    page.settle()
    assert page.window.subjects.form.field("epochs").value() == 77


def test_a_later_stage_begins_from_a_run_that_is_chosen(page):
    form = page.window.subjects.form
    options = (Option("stage", "Stage", "int", 1, low=1, high=3), Option("start", "Start", "run", "", main=True),
               Option("lr", "Learning rate", "float", 1e-4), Option("hidden", "Width", "int", 64))
    made = SystemForm("llm-vem", "LLM-VEM", "x", {"demo": {}, "second": {"stage": 2}}, {}, options)
    people = page.app.dataset.subjects
    rows = [RunEntry(f"/r/{name}", name, "llm-vem", page.app.dataset.name, done, 0.0, subjects=(people[0],),
                     config={"stage": stage, "hidden": 256}) for name, stage, done in
            (("one", 1, True), ("half", 1, False), ("two", 2, True))]
    state = page.wiring.state
    page.wiring._forms["llm-vem"] = made
    state.system, state.preset, state.form, state.values, state.runs = "llm-vem", "second", made, made.values(
        "second"), tuple(rows)
    page.settle()
    box = form.field("start")
    assert [box.itemText(k) for k in range(box.count())] == ["No earlier run", "one · stage 1"]
    box.setCurrentIndex(1)
    box.activated.emit(1)
    page.settle()
    assert state.values["start"] == "/r/one" and form.chosen_subjects() == [people[0]]
    assert state.values["hidden"] == 256 and not form.field("hidden").isEnabled(), "taken from the earlier run"
    assert "Taken from the run" in form.field("hidden").toolTip() and form.field("lr").isEnabled()
    form.field("stage").setValue(3)
    page.settle()
    assert [box.itemText(k) for k in range(1, box.count())] == ["one · stage 1", "two · stage 2"]
    assert box.currentData() == "/r/one", "what was chosen stays"
    box.activated.emit(1)
    assert people[0] not in form.chosen_subjects() or len(people) == 1
    state.values = {**state.values, "start": "/elsewhere/three"}
    page.settle()
    assert box.currentData() == "/elsewhere/three" and box.currentText() == "three"
