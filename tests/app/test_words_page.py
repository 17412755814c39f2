"""The words page: hidden picture, voices beside each other, words that are links, boxes with IoU, the edited brain."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PySide6.QtCore import Qt, QUrl

from brainview.app.filmstrip import HIDDEN
from brainview.app.panels.decoding.words import linked
from brainview.app.wiring_words import WordsWiring
from brainview.maps.brainmap import BrainMap
from brainview.state.stimuli import PAGE_JOB
from brainview.state.words import NEAREST, REGIONS, SAY, SCORES, WORD_MAP, WordsState, box_iou, word_spans
from tests.app.fakes import SPACE, stimulus_page

pytestmark = pytest.mark.gui
RUN = "/runs/brainx"
BOX = [0.1, 0.1, 0.5, 0.5]


def present(run):
    whose = ["subj01", "subj02"]
    return {"run": run, "card": {"system": "brainx", "subjects": whose, "phantom": True}, "phantom": True,
            "subjects": whose}


def say(run, subject, stimulus, prompt, voice, backend, scale, history):
    text = {"brain": "A dog in the park.", "image": "A brown dog.", "shuffled": "A bus.", "edited": "A cat.",
            "control": "A dog."}[voice]
    return {"text": text, "prompt": prompt, "voice": voice, "stimulus": stimulus, "subject": subject,
            "boxes": [[BOX]] if voice == "brain" else []}


def word_map(run, subject, stimulus, prompt, answer, start, stop, backend, method, history):
    name = f"{method} after {len(history)} for {answer[start:stop]}"
    return BrainMap(np.ones(SPACE.size, np.float32), SPACE, name=name, units="a.u.",
                    kind="diverging", limits=(-1.0, 1.0))


def stimuli(path, ids, size):
    page = stimulus_page(ids, size)
    return {**page, "details": [{"boxes": [{"label": "dog", "box": BOX}]} for _ in ids]}


def scores(run, subject, backend):
    return {"subject": subject, "pictures": 9, "backend": backend, "rows": [
        {"metric": "captions: object F1", "value": 0.5, "low": 0.4, "high": 0.6, "shuffled": 0.2, "top": 0.8,
         "share": 0.5, "p": 0.001, "n": 9, "constant": 0.3}]}


def nearest(run, subject, stimulus):
    return {"rank": 1, "of": 9, "rows": [{"stimulus": 5, "r": 0.6, "caption": "A cat.", "seen": False},
                                         {"stimulus": stimulus, "r": 0.5, "caption": "A dog.", "seen": True}]}


@pytest.fixture
def page(desk):
    regions = lambda run, subject: [{"class": "floc", "region": "FFA-1", "voxels": 120}]  # noqa: E731
    desk.engine.answers |= {SAY: say, WORD_MAP: word_map, REGIONS: regions, SCORES: scores, PAGE_JOB: stimuli,
                            NEAREST: nearest, "brainview.training.jobs:present": present}
    desk.do(desk.c.session.open_dataset("/phantom"))
    desk.do(desk.c.session.open_run(RUN))
    desk.wiring = next(p for p in desk.shell.wiring.pages if isinstance(p, WordsWiring))
    desk.page = desk.window.decoding.words
    desk.app.stimulus = 3
    desk.settle()
    return desk


def test_the_brain_speaks_beside_its_controls_and_the_picture_stays_hidden(page):
    assert page.page.currentIndex() == 1 and "PHANTOM" in page.page.head.text()
    page.page.presets[0].click()
    page.settle()
    voices = page.page.voices
    assert (voices.text("brain"), voices.text("image"), voices.text("shuffled")) == (
        "A dog in the park.", "A brown dog.", "A bus.")
    assert not page.wiring.state.revealed and page.page.ious.text() == ""
    page.page.picture.asked.emit(True)
    assert "IoU 1.00 with dog" in page.page.ious.text()
    page.app.stimulus = 4
    page.settle()
    assert not page.wiring.state.revealed and page.wiring.turns == []


def test_the_strip_hides_the_picture_until_it_is_asked_for(page):
    strip, place = page.window.strip.model, lambda: page.window.strip.model.index(strip.ids.index(page.app.stimulus))
    page.until(lambda: strip.thumbs is not None and len(strip.ids) > 2)
    first, second = strip.ids[:2]
    page.app.stimulus = first
    page.settle()
    assert [i for k, i in enumerate(strip.ids) if strip.data(strip.index(k), HIDDEN)] == [first]
    for role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
        assert strip.data(place(), role).startswith(f"Stimulus {first}: hidden")
    covered = page.window.strip.grab().toImage()
    page.page.picture.asked.emit(True)
    assert strip.hidden is None and "hidden" not in strip.data(place(), Qt.ItemDataRole.DisplayRole)
    assert page.window.strip.grab().toImage() != covered
    page.app.stimulus = second
    page.settle()
    assert strip.hidden == second
    page.app.run = None
    page.settle()
    assert strip.hidden is None, "without a run that describes nothing is hidden"


def test_an_edited_brain_speaks_beside_the_same_edit_elsewhere(page):
    page.page.chosen.emit("region", "floc:FFA-1")
    page.page.factor.setValue(5)
    assert page.wiring.state.factor == 0.5
    page.page.ask_wanted.emit("What is it?")
    page.settle()
    jobs = {j.arguments["voice"]: j.arguments for j in page.engine.jobs if j.function == SAY}
    assert jobs["edited"]["scale"] == jobs["control"]["scale"] == {"floc:FFA-1": 0.5} and not jobs["brain"]["scale"]
    assert page.page.voices.text("edited") == "A cat."
    page.page.ask_wanted.emit("And where?")
    page.settle()
    last = [j for j in page.engine.jobs if j.function == SAY and j.arguments["voice"] == "brain"][-1]
    assert last.arguments["history"] == [("What is it?", "A dog in the park.")]


def test_a_word_leads_to_its_voxels(page):
    page.page.ask_wanted.emit("What is it?")
    page.settle()
    page.page.talk.anchorClicked.emit(QUrl("2-5"))
    page.settle()
    assert page.view.map.name == "gradient after 0 for dog"
    page.page.ask_wanted.emit("And where?")
    page.settle()
    page.page.method.setCurrentIndex(1)
    page.page.method.activated.emit(1)
    page.page.talk.anchorClicked.emit(QUrl("2-5"))
    page.settle()
    assert page.view.map.name == "ibba after 1 for dog", "an answer is explained behind the turns it was given behind"


def test_another_language_model_begins_another_conversation(page, monkeypatch):
    from PySide6.QtWidgets import QFileDialog

    page.page.ask_wanted.emit("What is it?")
    page.settle()
    assert page.page.backend.currentData() == "phantom-llava" and page.wiring.turns
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a: "/models/llava-7b")
    page.page.backend.activated.emit(page.page.backend.findData(None))
    page.settle()
    assert page.wiring.state.backend == "/models/llava-7b" and not page.wiring.turns
    page.page.ask_wanted.emit("What is it?")
    page.settle()
    assert page.page.backend.currentText() == "llava-7b"
    assert [j for j in page.engine.jobs if j.function == SAY][-1].arguments["backend"] == "/models/llava-7b"


def test_stop_keeps_what_was_said(page):
    page.engine.held.add(SAY)
    page.page.ask_wanted.emit("What is it?")
    page.until(lambda: any(j.function == SAY for j in page.engine.jobs))
    assert page.page.stop.isEnabled() and not page.page.ask.isEnabled()
    page.page.stop.click()
    page.settle()
    assert page.wiring.turns[-1][2] == "stopped" and page.page.ask.isEnabled()
    assert sum(j.function == SAY for j in page.engine.jobs) == 1


def test_scores_show_every_baseline(page):
    page.page.measure.click()
    page.settle()
    text = page.page.score_text.text()
    cells = re.findall(r"<td[^>]*>(?:<b>)?([^<]*)", text)
    assert cells == ["captions: object F1", "0.50", "0.40–0.60", "0.20", "0.30", "0.80", "0.50", "0.001"]
    assert re.findall(r"<th[^>]*>([^<]*)", text)[1:6] == ["brain", "95 %", "shuffled", "constant", "picture"]


def test_another_person_and_another_run_speak_beside(page, tmp_path):
    beside = page.page.beside
    assert [beside.itemText(i) for i in range(beside.count())] == ["Nobody", "subj02", "Another run…"]
    beside.activated.emit(1)
    page.page.ask_wanted.emit("What is it?")
    page.settle()
    assert page.page.voices.text("other") == "A dog in the park."
    said = [(j.arguments["subject"], j.arguments["run"]) for j in page.engine.jobs if j.function == SAY]
    assert said[:2] == [("subj01", RUN), ("subj02", RUN)]
    page.do(page.wiring.beside_run("/runs/other"))
    assert page.wiring.state.beside == "/runs/other|subj01" and beside.currentText() == "subj01, other"
    page.page.ask_wanted.emit("What is it?")
    page.settle()
    assert [r["voice"] for r in page.wiring.rows[-4:]] == ["other", "shuffled", "image", "brain"]
    state = WordsState()
    state.apply(page.wiring.state.settings())
    assert state.other(RUN) == ("/runs/other", "subj01") and "other" in state.voices()


def test_captions_by_retrieval_say_where_the_picture_stands(page):
    page.page.near.click()
    page.settle()
    text = page.page.near_text.text()
    assert "number 2 of 9 (by chance 5)" in text and "1. r 0.60  A cat." in text and "A dog.  ← seen" in text
    page.app.stimulus = 4
    page.settle()
    assert "Not looked for" in page.page.near_text.text()


def test_words_and_settings_are_plain():
    assert [("A <b> dog's"[a:b]) for a, b in word_spans("A <b> dog's")] == ["A", "b", "dog's"]
    assert "<b>" not in linked("A <b> dog") and "href='2-5'" in linked("a dog")
    assert box_iou((0, 0, 1, 1), (0, 0, 0.5, 1)) == 0.5
    state = WordsState()
    state.apply({"factor": 9.0, "prompt": "x", "revealed": 1, "nonsense": 2})
    assert state.factor == 0.0 and state.prompt == "x" and state.revealed is False
