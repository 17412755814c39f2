"""The film page: clip and volumes in step, texts beside every baseline, never a bare score, state that is kept."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from brainview.app.panels.decoding.film_parts import ClipPlayer
from brainview.app.wiring_film import FilmWiring
from brainview.maps.brainmap import BrainMap
from brainview.state.film import ASK, FILM, TRIAL, FilmState, adaptation_words, p_words, response_curve, score_rows
from tests.app.fakes import SPACE

pytestmark = pytest.mark.gui
RUN = "/runs/film"
PEOPLE = ("sub-05", "sub-06")


def present(run):
    card = {"system": "video-text", "subjects": list(PEOPLE), "phantom": True}
    return {"run": run, "card": card, "phantom": True, "subjects": list(PEOPLE)}


def film(run):
    trials = {s: [{"subject": s, "row": 10 * k, "stimulus": k, "reference": f"A man runs {k}.",
                   "brain": f"{s} says {k}.", "mean brain": "A man walks.", "no brain": "A.",
                   "clip (upper bound)": f"Clip {k}."} for k in range(4)] for s in PEOPLE}
    test = {"brain": 71.0, "shuffled": 50.0, "difference": 21.0, "p": 0.001, "sd": 1.0, "shuffles": 1000, "low": 65.0,
            "high": 77.0}
    upper = {"kind": "clip (upper bound)", "2-way id.": 90.0, "category": 80.0}
    person = {"tests": {"2-way id.": test}, "rows": [{"kind": "brain", "2-way id.": 71.0}, upper],
              "definitions": {}, "n": 4, "collapsed": "", "distinct": 1.0,
              "compared": {"without adaptation": {"2-way id.": {"difference": 1.5, "low": -2.0, "high": 5.0}}}}
    everyone = {"without adaptation": {"2-way id.": {"difference": 2.5, "low": -3.0, "high": 6.0}}}
    adaptation = {"same": False, "note": "", "different": {"without adaptation": 3}, "texts": 8, "everyone": everyone}
    rng = np.random.default_rng(0)
    plane = {"subject": np.arange(40) % 2, "category": np.arange(40) % 5, "part": np.repeat([0, 2], 20),
             "umap.before": rng.random((40, 2)), "umap.after": rng.random((40, 2)), "people": list(PEOPLE),
             "categories": ["Running", "Sitting", "Eating", "Riding", "Waving"]}
    return {"run": run, "trials": trials, "plane": plane, "departures": {}, "card": {
        "seen_in_training": dict.fromkeys(PEOPLE, "unlabelled")}, "anchors": {"HAD": {"BLEU-1": 33.91, "note": "x"}},
        "questions": {"event": "What happens?", "who": "Who is in it?"},
        "evaluation": {"adaptation": adaptation, "question": "What happens?", "phantom": True, "trained_on": ["sub-01"],
                       "references": {"written by": "a machine"}, "people": dict.fromkeys(PEOPLE, person)}}


def trial(run, subject, row):
    maps = [BrainMap(np.full(SPACE.size, float(i), np.float32), SPACE, name=f"{subject} {row} volume {i}", units="z",
                     kind="diverging", limits=(-8.0, 8.0)) for i in range(8)]
    return {"frames": np.zeros((4, 32, 32, 3), np.uint8), "rate": 4.0, "problem": "", "maps": maps,
            "times": [2.0 * i - 1 for i in range(8)], "tr": 2.0, "duration": 2.0, "label": "Running",
            "stimulus": row // 10, "kind": "volumes"}


def ask(run, subject, row, questions):
    asked = questions or [f"Question {i}?" for i in range(3)]
    return {"rows": [{"question": q, "text": f"Answer {i}.", "reference": "Truth."} for i, q in enumerate(asked)]}


@pytest.fixture
def page(desk):
    desk.engine.answers |= {FILM: film, TRIAL: trial, ASK: ask, "brainview.training.jobs:present": present}
    desk.do(desk.c.session.open_dataset("/phantom"))
    desk.do(desk.c.session.open_run(RUN))
    desk.wiring = next(p for p in desk.shell.wiring.pages if isinstance(p, FilmWiring))
    desk.page = desk.window.decoding.film
    desk.until(lambda: desk.wiring.found is not None)
    desk.settle()
    return desk


def test_a_film_run_opens_in_its_page_and_draws_a_volume(page):
    assert page.window.decoding.tabs.currentWidget() is page.page and "Phantom" in page.page.head.text()
    assert "unlabelled" in page.page.head.text()
    assert page.view.map.name == "sub-05 0 volume 3" and page.view.rule.limits == (-8.0, 8.0)
    assert "5.0 s" in page.page.link.text() and "TR 2 s" in page.page.link.text()
    teacher, own, other = page.page.texts.texts()[:3]
    assert (teacher, own, other) == ("A man runs 0.", "sub-05 says 0.", "sub-05 says 2.")
    assert "machine written" in page.page.score_note.text() and "90.0" in page.page.score_note.text()


def test_scores_never_stand_alone(page):
    cells = [c.text() for c in page.page.scores._cells[0]]
    assert cells == ["2-way id.", "71.0", "50.0", "+21.0", "≤ 0.001"]
    assert "65.0 to 77.0" in page.page.scores._cells[0][1].toolTip()
    told = page.page.adaptation.text()
    assert "+1.5 (-2.0 to 5.0)" in told and "+2.5 (-3.0 to 6.0)" in told and "3 of 8 texts differ" in told
    assert "nothing to compare" not in told


def test_two_arms_that_are_one_are_said_to_be():
    same = {"same": True, "note": "Both arms kept it.", "different": {}, "texts": 8, "everyone": {}}
    assert adaptation_words({"people": {"a": {}}, "adaptation": same}, "a") == "Both arms kept it."
    zero = {"2-way id.": {"difference": 0.0, "low": 0.0, "high": 0.0, "n": 4}}
    assert "nothing to compare" in adaptation_words({"people": {"a": {"adaptation": zero}}}, "a")
    assert "was off" in adaptation_words({"people": {"a": {}}, "adaptation": None}, "a")


def test_volumes_are_chosen_by_key_and_undone(page):
    QTest.keyClick(page.page.course, Qt.Key.Key_Right)
    page.settle()
    assert page.wiring.state.volume == 4 and page.view.map.name == "sub-05 0 volume 4"
    page.c.undo.undo()
    page.settle()
    assert page.wiring.state.volume == 3 and page.view.map.name == "sub-05 0 volume 3"


def test_trial_and_person_follow_the_choosers(page):
    page.page.trial.setValue(3)
    page.until(lambda: page.wiring.found["stimulus"] == 2)
    page.settle()
    assert page.page.texts.texts()[1] == "sub-05 says 2." and page.app.stimulus == 2
    page.page.people.setCurrentIndex(1)
    page.page.people.activated.emit(1)
    page.settle()
    assert page.page.texts.texts()[1] == "sub-06 says 2." and page.view.map.name.startswith("sub-06")


def test_every_question_is_asked_and_plane_is_coloured(page):
    page.page.ask.click()
    page.settle()
    assert page.page.answers.texts()[:2] == ["Answer 0.", "Teacher: Truth."] and len(page.page.answers.texts()) == 6
    page.page.asked.setCurrentIndex(2)
    page.page.ask.click()
    page.settle()
    assert page.wiring.state.question == "who" and len(page.page.answers.texts()) == 2
    page.page.asked.setEditText("Is it raining?")
    page.page.ask.click()
    page.settle()
    assert page.wiring.state.question == "Is it raining?" and page.page.answers.texts()[0] == "Answer 0."
    page.c.undo.undo()
    assert page.page.asked.currentText() in ("Who is in it?", "Is it raining?")
    page.page.colour._buttons["category"].click()
    page.page.when._buttons["before"].click()
    page.settle()
    assert page.page.plane._names[0] == "Running" and len(page.page.plane._points) == 40
    assert page.page.plane._held.sum() == 20 and not page.page.grab().isNull()


def test_what_is_chosen_goes_into_projects():
    state = FilmState()
    state.apply({"subject": "sub-06", "trial": 3, "volume": -1, "when": "never", "nonsense": 1})
    assert (state.subject, state.trial, state.volume, state.when) == ("sub-06", 3, 3, "after")
    other = FilmState()
    other.apply(state.settings())
    assert other.settings() == state.settings()


def test_player_stands_still_without_frames_and_pauses_when_hidden(qtbot):
    player = ClipPlayer()
    qtbot.addWidget(player)
    player.show_clip(None, 8.0, "not fetched")
    assert not player.playing and player.toolTip() == "not fetched"
    player.show_clip(np.zeros((3, 8, 8, 3), np.uint8), 8.0)
    assert player.playing
    player.pause()
    assert not player.playing


def test_numbers_behind_the_page():
    curve = response_curve(np.linspace(0, 20, 201))
    assert curve.max() == pytest.approx(1, abs=1e-3) and 4.5 < 0.1 * curve.argmax() < 5.5 and curve.min() < 0
    assert [p_words(p) for p in (0.0004, 0.004, 0.04)] == ["≤ 0.001", "< 0.01", "0.040"]
    assert score_rows({}) == []
