"""Page "Retrieval": which stimulus was it, by rank among a gallery; which brain fits a picture or a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QFrame, QLineEdit, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from brainview.app.panels.decoding.ranked import RankedList
from brainview.app.panels.decoding.recall import RecallBars
from brainview.app.panels.decoding.space import SpaceSection
from brainview.app.panels.needs import NeedsPanel
from brainview.app.theme import GRID
from brainview.app.widgets.basics import ElidedLabel, Section, Segments, button, column, label, row, scrolled
from brainview.app.widgets.chooser import Chooser
from brainview.app.widgets.flat_picture import FlatPicture
from brainview.core.names import shown
from brainview.state.app import AppState, RunInfo
from brainview.state.retrieval import Ranking, Score


def chooser(name: str) -> QComboBox:
    """Return a chooser that may become narrow."""
    out = Chooser()
    out.setAccessibleName(name)
    out.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    out.setMinimumContentsLength(8)
    out.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return out


class Head(QFrame):
    """Which model, and whose brain. `subject_chosen(id)`."""

    subject_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.name, self.badge = ElidedLabel("", "title"), label("PHANTOM", "badge")
        self.badge.setToolTip("Trained and scored on simulated brains with known truth.")
        self.facts = label("", "second", wrap=True)
        self.subject = chooser("Whose brain")
        self.subject.activated.connect(lambda _: self.subject_chosen.emit(str(self.subject.currentData())))
        box = QVBoxLayout(self)
        box.setContentsMargins(12, GRID + 2, 12, GRID + 2)
        box.setSpacing(GRID // 2)
        box.addWidget(row(self.name, self.badge, stretch=0))
        box.addWidget(self.facts)
        box.addWidget(row(label("Brain of", "second"), self.subject, stretch=1))

    def show_run(self, run: RunInfo) -> None:
        """Show another model."""
        self.name.show_text(run.name)
        self.badge.setVisible(run.phantom)
        self.facts.setText(shown(" · ".join(str(p) for p in (run.card.get("system"), run.card.get("feature_label"))
                                            if p), limit=300))
        self.facts.setToolTip("\n".join(shown(n) for n in run.notes))
        self.subject.clear()
        for name in run.subjects:
            self.subject.addItem(shown(name), name)


class RetrievalPage(QStackedWidget):
    """Says what it needs until a run of its systems is open; then scores, rankings both ways, and the space."""

    title = "Retrieval"
    systems = ("whole-brain", "mindeye", "mindeye2", "tgbd", "ridge-clip")
    run_wanted = Signal()
    protocol_chosen = Signal(str)
    table_wanted = Signal()
    curves_wanted = Signal()
    gallery_chosen = Signal(str)
    test_wanted = Signal()
    picture_asked = Signal(int)
    sentence_asked = Signal(str)
    asked_kind_chosen = Signal(str)
    stimulus_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.needs = NeedsPanel("decoding", "No retrieval model open",
                                "Retrieval ranks pictures and captions by what the brain says, beside chance and a "
                                "shuffled brain.", "Open decoding run…")
        self.needs.run_wanted.connect(self.run_wanted)
        self.head, self.space = Head(), SpaceSection()
        self.subject_chosen = self.head.subject_chosen
        body = column(self.head, Section("Found among the test stimuli", self._make_scores()),
                      Section("What did this brain see?", self._make_from_brain()),
                      Section("Which brain saw this?", self._make_to_brains()),
                      Section("Common space", self.space), margin=12, spacing=GRID, stretch=True)
        self.addWidget(self.needs)
        self.addWidget(scrolled(body))
        self.show_scores([], [], "")
        self.show_ranking(None, "image", "")
        self.show_brains(None, -1, "", "image")

    def _box(self, *widgets: QWidget) -> QWidget:
        out = column(*widgets, margin=0)
        out.setContentsMargins(GRID, 0, GRID, 0)
        return out

    def _make_scores(self) -> QWidget:
        self.protocol = chooser("Gallery protocol")
        self.protocol.activated.connect(lambda _: self.protocol_chosen.emit(self.protocol.currentText()))
        self.bars = RecallBars()
        self.legend = label("Line: 95 % bootstrap interval over queries. Bar across: chance. Ring: shuffled brain.",
                            "caption", wrap=True)
        self.table = button("Table of all subjects…", self.table_wanted.emit, role="link")
        self.curves = button("Retrieval curves…", self.curves_wanted.emit, role="link",
                             tip="Recall against k of every subject, as a figure to save")
        self.no_scores = label("Reading the scores…", "caption", wrap=True)
        return self._box(row(label("Gallery", "second"), self.protocol, stretch=1), self.no_scores, self.bars,
                         self.legend, row(self.table, self.curves, QWidget(), stretch=2))

    def _make_from_brain(self) -> QWidget:
        self.asked_brain = label("", "second", wrap=True)
        self.to_test = button("Show test stimuli", self.test_wanted.emit,
                              tip="Leave only the stimuli in the film strip that this model never saw")
        self.gallery = Segments((("image", "Pictures"), ("text", "Captions")), "What the brain ranks")
        self.gallery.chosen.connect(self.gallery_chosen)
        self.found = RankedList("Ranked by this brain")
        self.found.setToolTip("Click: ask which brains fit this one. Enter or double click: choose this stimulus.")
        self.found.chosen.connect(self.picture_asked)
        self.found.opened.connect(self.stimulus_chosen)
        self.seen = FlatPicture("What the brain saw", 56)
        self.seen.setFixedWidth(56)
        head = row(self.seen, self.asked_brain, spacing=GRID, stretch=1)
        return self._box(head, self.to_test, self.gallery, self.found)

    def _make_to_brains(self) -> QWidget:
        self.sentence = QLineEdit()
        self.sentence.setPlaceholderText("Type any sentence, then Enter")
        self.sentence.setAccessibleName("Sentence that ranks brains")
        self.sentence.setMaxLength(1000)
        self.sentence.setClearButtonEnabled(True)
        self.sentence.returnPressed.connect(lambda: self.sentence_asked.emit(self.sentence.text().strip()))
        self.asked_kind = Segments((("image", "Its picture"), ("text", "Its caption")), "What of the stimulus is asked")
        self.asked_kind.chosen.connect(self.asked_kind_chosen)
        self.asked_words = label("", "second", wrap=True)
        self.brains = RankedList("Brains ranked by a picture or sentence")
        self.brains.opened.connect(self.stimulus_chosen)
        self.brains.setToolTip("Each entry is a brain, shown by what it really saw. Enter or double click: choose it.")
        return self._box(self.sentence, self.asked_kind, self.asked_words, self.brains)

    # -- what is shown -------------------------------------------------------------------------------------------

    def show_state(self, app: AppState) -> None:
        """Show what is there and what is missing."""
        system = str(app.run.card.get("system", "")) if app.run else ""
        self.setCurrentIndex(1 if system in self.systems else 0)
        self.needs.show_needs([(app.dataset is not None, "A data set with responses"),
                               (system in self.systems, "A run of brainview train ridge-clip, whole-brain or mindeye")])

    def show_scores(self, scores: Sequence[Score], protocols: Sequence[str], chosen: str) -> None:
        """Show recall of one subject under one protocol."""
        self.no_scores.setVisible(not scores)
        for widget in (self.bars, self.legend, self.table, self.curves):
            widget.setVisible(bool(scores))
        if list(protocols) != [self.protocol.itemText(k) for k in range(self.protocol.count())]:
            self.protocol.clear()
            self.protocol.addItems(list(protocols))
        if chosen in protocols:
            self.protocol.setCurrentText(chosen)
        self.bars.show_scores(scores)

    def show_ranking(self, ranking: Ranking | None, gallery: str, hint: str) -> None:
        """Show what one brain ranks, or why it ranks nothing."""
        self.gallery.show_value(gallery)
        self.to_test.setVisible(ranking is None)
        self.seen.setVisible(ranking is not None)
        self.gallery.setVisible(ranking is not None)
        if ranking is None:
            self.asked_brain.setText(shown(hint, limit=300))
            self.found.show_hits(())
            return
        place = ranking.ranks.get(gallery)
        what = "picture" if gallery == "image" else "caption"
        self.asked_brain.setText(f"Brain of {shown(ranking.subject)} at stimulus {ranking.stimulus}. The true {what} "
                                 f"has rank {place} of {ranking.gallery} (by chance {(ranking.gallery + 1) / 2:.0f}).")
        self.found.show_hits(ranking.images if gallery == "image" else ranking.texts)

    def show_brains(self, brains: Ranking | None, asked: int, sentence: str, kind: str) -> None:
        """Show which brains fit a picture, a caption or a sentence."""
        self.asked_kind.setVisible(asked >= 0 and not sentence)
        self.asked_kind.show_value(kind)
        if self.sentence.text().strip() != sentence:
            self.sentence.setText(sentence)
        if brains is None:
            self.asked_words.setText("Type a sentence, or choose a picture in the list above." if not sentence
                                     else "Reading the sentence…")
            self.brains.show_hits(())
            return
        if brains.words:
            head = f"Brains of {shown(brains.subject)} that fit “{shown(brains.words, limit=120)}” best, by what " \
                   "they really saw."
        else:
            what = "picture" if kind == "image" else "caption"
            head = f"Brains of {shown(brains.subject)} that fit the {what} of stimulus {brains.stimulus} best; its " \
                   f"own has rank {brains.ranks.get('brain')} of {brains.gallery}."
        self.asked_words.setText(" ".join([head, *map(shown, brains.notes)]))
        self.brains.show_hits(brains.brains)
