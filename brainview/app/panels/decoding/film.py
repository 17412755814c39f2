"""Page "Film": what the brain says about a film clip, beside what it was shown, the teacher, and every baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QSpinBox, QStackedLayout, QWidget

from brainview.app.panels.decoding.film_parts import (
    ClipPlayer,
    CourseStrip,
    PeoplePlane,
    ScoreTable,
    TextCards,
    stacked,
)
from brainview.app.panels.needs import NeedsPanel
from brainview.app.theme import GRID
from brainview.app.widgets.basics import Section, Segments, button, label, row, scrolled
from brainview.app.widgets.chooser import Chooser
from brainview.core.names import shown
from brainview.state.app import AppState
from brainview.state.film import adaptation_words, beside, score_rows


class _Needs(NeedsPanel):
    def __init__(self) -> None:
        super().__init__("decoding", "No film model open",
                         "A language model reads responses to film clips of people "
                         "it never saw, beside every baseline.",
                         "Open decoding run…")


class FilmPage(QWidget):
    """The page. It only shows; `chosen(name, value)` writes the state, `ask_wanted` asks every question."""

    title = "Film"
    systems = ("sc-mbm", "video-text")
    run_wanted = Signal()
    chosen = Signal(str, object)
    ask_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.needs = _Needs()
        self.needs.run_wanted.connect(self.run_wanted)
        self._silent = False
        self._film: Mapping[str, Any] = {}
        self._build_parts()
        body = stacked(self.head, row(self.people, self.trial, self.of, stretch=2),
                       row(self.player, stacked(self.what, self.course), stretch=1), self.link, self.texts,
                       self.question, row(self.asked, self.ask, stretch=0), self.answers,
                       Section("Scores", self._scores()),
                       Section("People and categories", self._planes()),
                       Section("Published", self.anchors, open_=False))
        body.layout().setContentsMargins(GRID, GRID, GRID, GRID)  # type: ignore[union-attr]
        body.layout().addStretch(1)  # type: ignore[union-attr]
        self.content = scrolled(body)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self.needs)
        self._pages.addWidget(self.content)

    def _build_parts(self) -> None:
        self.head = label("", "caption", wrap=True)
        self.people = Chooser()
        self.people.setAccessibleName("Held-out person")
        self.people.activated.connect(lambda i: self._tell("subject", str(self.people.itemData(i))))
        self.trial = QSpinBox()
        self.trial.setAccessibleName("Test trial")
        self.trial.setKeyboardTracking(False)
        self.trial.setPrefix("trial ")
        self.trial.valueChanged.connect(lambda v: self._tell("trial", v - 1))
        self.of = label("", "caption")
        self.player, self.course = ClipPlayer(), CourseStrip()
        self.player.moved.connect(self.course.show_now)
        self.course.chosen.connect(lambda v: self._tell("volume", int(v)))
        self.what = label("", "title", wrap=True)
        self.link = label("", "caption", wrap=True)
        self.texts, self.answers = TextCards(), TextCards()
        self.question = label("", "caption", wrap=True)
        self.asked = Chooser()
        self.asked.setEditable(True)
        self.asked.setInsertPolicy(Chooser.InsertPolicy.NoInsert)
        self.asked.setAccessibleName("Question to this brain")
        self.asked.setToolTip("A question of the list, every one of them, or your own words")
        self.asked.setSizeAdjustPolicy(Chooser.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.asked.editTextChanged.connect(lambda _: self._tell("question", self._asked()))
        self.ask = button("Ask", self.ask_wanted.emit, glyph="decoding",
                          tip="Load the model and let this brain answer; every question takes a while")
        self.scores = ScoreTable()
        self.score_note = label("", "caption", wrap=True)
        self.plane = PeoplePlane()
        self.when = Segments((("before", "Before"), ("after", "After")), "Adaptation",
                             ("Features after stage I", "Features after stage II, with the target's losses"))
        self.when.chosen.connect(lambda v: self._tell("when", v))
        self.colour = Segments((("subject", "Person"), ("category", "Category")), "Colour by")
        self.colour.chosen.connect(lambda v: self._tell("colour", v))
        self.adaptation = label("", "caption", wrap=True)
        self.anchors = label("", "caption", wrap=True)

    def _scores(self) -> QWidget:
        return stacked(self.scores, self.score_note)

    def _planes(self) -> QWidget:
        return stacked(self.when, self.colour, self.plane, self.adaptation)

    def _asked(self) -> str:
        """Return the key of the chosen question, "" for every one, or the user's own words."""
        text = self.asked.currentText().strip()
        at = self.asked.findText(text)
        return str(self.asked.itemData(at)) if at >= 0 else text[:400]

    def show_question(self, question: str) -> None:
        """Show which question is asked: a key, own words, or "" for every one."""
        if question == self._asked():
            return
        self._silent = True
        try:
            at = self.asked.findData(question)
            self.asked.setCurrentIndex(at) if at >= 0 else self.asked.setEditText(question)
        finally:
            self._silent = False

    def _tell(self, name: str, value: object) -> None:
        if not self._silent:
            self.chosen.emit(name, value)

    def hideEvent(self, event: QHideEvent) -> None:
        self.player.pause()
        super().hideEvent(event)

    # -- showing -------------------------------------------------------------------------------------------------

    def show_state(self, app: AppState) -> None:
        """Show what is there and what is missing."""
        system = str(app.run.card.get("system", "")) if app.run else ""
        self.needs.show_needs([(app.dataset is not None, "A data set with film clips (HAD, or a bids_task.toml)"),
                               (system == "video-text", "A run of brainview train video-text")])
        if system != "video-text":
            self._pages.setCurrentWidget(self.needs)
            self.player.pause()

    def show_film(self, film: Mapping[str, Any]) -> None:
        """Show a run: who was held out, scores, the plane of features."""
        self._film = film
        evaluation, card = film["evaluation"], film["card"]
        self._silent = True
        try:
            self.people.clear()
            for name in film["trials"]:
                self.people.addItem(shown(name), name)
            self.asked.clear()
            self.asked.addItem("Every question", "")
            for key, question in film.get("questions", {}).items():
                self.asked.addItem(shown(question, limit=200), key)
        finally:
            self._silent = False
        seen = card.get("seen_in_training", {})
        words = ", ".join(f"{shown(n)}: {shown(v)}" for n, v in seen.items())
        phantom = "Phantom: simulated brains. " if evaluation.get("phantom") else ""
        watched = f" ({shown(evaluation['watched'])} chose the epochs)" if evaluation.get("watched") else ""
        self.head.setText(f"{phantom}Trained on {len(evaluation['trained_on'])} people{watched}. Seen in training? "
                          f"{words}.")
        means = []
        for name, values in film["anchors"].items():
            figures = ", ".join(f"{k} {v:.2f}" for k, v in values.items() if k != "note")
            means.append(f"{name}: {figures} ({values['note']}).")
        self.anchors.setText("\n\n".join(means))
        self._pages.setCurrentWidget(self.content)

    def show_person(self, subject: str, trial: int) -> None:
        """Show the texts of one trial and the scores of its person."""
        rows, evaluation = self._film["trials"].get(subject, []), self._film["evaluation"]
        self._silent = True
        try:
            self.people.setCurrentIndex(max(0, self.people.findData(subject)))
            self.trial.setRange(1, max(1, len(rows)))
            self.trial.setValue(trial + 1)
        finally:
            self._silent = False
        self.of.setText(f"of {len(rows)}")
        self.question.setText(f"“{shown(evaluation['question'], limit=200)}”")
        machine = evaluation["references"].get("written by") != "people"
        self.texts.show_texts(beside(rows, trial), machine=machine)
        person = evaluation["people"].get(subject, {})
        self.scores.show_rows(score_rows(person))
        note = f"{person.get('n', 0)} test trials of {shown(subject)}" \
            + (", texts against the teacher's (machine written). " if machine else ". ")
        upper = next((r for r in person.get("rows", ()) if r["kind"].startswith("clip")), None)
        if upper:
            note += f"From the clip itself: 2-way id. {upper['2-way id.']:.1f}, category {upper['category']:.1f}. "
        if person.get("collapsed"):
            note += f"Collapsed: {person['collapsed']}."
        self.score_note.setText(note)
        self.adaptation.setText(shown(f"{adaptation_words(evaluation, subject)} Ringed: held-out people.", limit=900))

    def show_trial(self, found: Mapping[str, Any] | None, volume: int) -> None:
        """Show the clip and the volumes of one trial; None clears while they are fetched."""
        self.answers.hide()
        if found is None:
            self.player.show_clip(None, 8.0)
            self.course.show_times((), 2.0, 2.0)
            self.what.setText("…")
            self.link.setText("")
            return
        self.player.show_clip(found["frames"], found["rate"], found["problem"])
        self.course.show_times(found["times"], found["duration"], found["tr"])
        self.what.setText(shown(found["label"]) or f"clip {found['stimulus']}")
        self.show_volume(found, volume)

    def show_volume(self, found: Mapping[str, Any], volume: int) -> None:
        """Mark the volume that is drawn on the cortex and say what it is."""
        number = int(np.clip(volume, 0, len(found["maps"]) - 1))
        self.course.show_volume(number)
        if found["kind"] == "beta":
            self.link.setText("On the cortex: the trial's beta (no time series is here).")
            return
        seconds = found["times"][number]
        self.link.setText(f"On the cortex: volume {number + 1} of {len(found['maps'])}, {seconds:+.1f} s from clip "
                          f"onset, TR {found['tr']:g} s. The response lags by about 5 s.")

    def show_answers(self, rows: list[Mapping[str, Any]]) -> None:
        """Show the answers to every question beside the teacher's."""
        lines: list[tuple[str, str, str]] = []
        for entry in rows:
            lines += [("brain", shown(entry["question"], limit=80), entry["text"]),
                      ("reference", "", f"Teacher: {entry['reference'] or '–'}")]
        self.answers.show_texts(lines, machine=False)
        self.answers.show()

    def show_plane(self, when: str, colour: str) -> None:
        """Show the features before or after adaptation, coloured by person or category."""
        self.when.show_value(when)
        self.colour.show_value(colour)
        plane = self._film.get("plane") or {}
        points = plane.get(f"umap.{when}")
        if points is None:
            self.plane.show_plane(np.empty((0, 2)), np.empty(0, int), np.empty(0, bool), [])
            return
        names = plane["people"] if colour == "subject" else plane["categories"]
        self.plane.show_plane(np.asarray(points), np.asarray(plane[colour]), np.asarray(plane["part"]) > 0, names)
