"""Page "Words": what the brain says about a picture, in sentences and boxes, beside every control."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtWidgets import QLineEdit, QSlider, QStackedWidget, QTextBrowser, QWidget

from brainview.app.panels.decoding.words_parts import BoxPicture, VoiceCards
from brainview.app.panels.needs import NeedsPanel
from brainview.app.theme import GRID
from brainview.app.widgets.basics import Section, button, column, label, row, scrolled
from brainview.app.widgets.chooser import Chooser
from brainview.core.names import shown
from brainview.state.app import AppState
from brainview.state.words import BACKENDS, METHODS, PRESETS, word_spans


class _Needs(NeedsPanel):
    def __init__(self) -> None:
        super().__init__("decoding", "No describing model open",
                         "A language model reads the brain's tokens and answers in "
                         "words and boxes, beside a shuffled brain.",
                         "Open decoding run…")


class WordsPage(QStackedWidget):
    """It only shows; `chosen(name, value)` writes the state, the other signals ask for something to be done."""

    title = "Words"
    systems = ("brainx",)
    run_wanted = Signal()
    chosen = Signal(str, object)
    ask_wanted = Signal(str)
    stop_wanted = Signal()
    word_wanted = Signal(int, int)
    scores_wanted = Signal()
    transcript_wanted = Signal()
    nearest_wanted = Signal()
    other_run_wanted = Signal()
    backend_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.needs = _Needs()
        self.needs.run_wanted.connect(self.run_wanted)
        self.head = label("", "caption", wrap=True)
        self.picture = BoxPicture()
        self.picture.asked.connect(lambda on: self.chosen.emit("revealed", on))
        self.ious = label("", "caption", wrap=True)
        self._build_ask()
        self._build_edit()
        self.talk = QTextBrowser()
        self.talk.setAccessibleName("Conversation with the brain; click a word to see its voxels")
        self.talk.setOpenLinks(False)
        self.talk.setFixedHeight(140)
        self.talk.anchorClicked.connect(self._on_word)
        self.voices = VoiceCards()
        self.score_text = label("Not measured yet.", "caption", wrap=True)
        self.score_text.setTextFormat(Qt.TextFormat.RichText)
        self.near_text = label("Not looked for yet.", "caption", wrap=True)
        self.near = button("Find nearest captions", self.nearest_wanted.emit, glyph="decoding",
                           tip="Captions of the test pictures whose tokens are nearest to this brain's")
        self.beside = Chooser()
        self.beside.setAccessibleName("Who speaks beside this brain")
        self.beside.activated.connect(self._on_beside)
        self.backend, self.method = Chooser(), Chooser()
        self.backend.setAccessibleName("Language model that reads the brain")
        self.backend.activated.connect(self._on_backend)
        self.method.setAccessibleName("What a click on a word draws")
        for key, words in METHODS:
            self.method.addItem(words, key)
        self.method.activated.connect(lambda i: self.chosen.emit("method", str(self.method.itemData(i))))
        self.measure = button("Measure on all test pictures", self.scores_wanted.emit, glyph="decoding",
                              tip="Captions, boxes and answers of every test picture, beside all baselines")
        self.save = button("Save transcript…", self.transcript_wanted.emit, glyph="export",
                           tip="Everything said here, with its provenance, as JSON lines")
        body = column(self.head, row(label("Read by", "caption"), self.backend, stretch=1), self.picture,
                      self.ious, row(self.presets[0], self.presets[1], self.presets[2]),
                      row(self.prompt, self.ask, self.stop, stretch=0), self.talk,
                      row(label("A word shows its voxels by", "caption"), self.method, stretch=1), self.voices,
                      row(label("Also ask", "caption"), self.beside, stretch=1),
                      Section("Nearest captions", column(self.near, self.near_text, margin=0), open_=False),
                      Section("Edit the brain", self.edit, open_=False),
                      Section("Scores", column(self.measure, self.score_text, margin=0)), self.save, stretch=True)
        self.addWidget(self.needs)
        self.addWidget(scrolled(body))
        self._replies: dict[str, str] = {}

    def _build_ask(self) -> None:
        self.presets = [button(words, partial(self._preset, prompt), tip=prompt) for _, words, prompt in PRESETS]
        self.prompt = QLineEdit()
        self.prompt.setPlaceholderText("Ask this brain… (or: where is the dog?)")
        self.prompt.setAccessibleName("Question to the brain")
        self.prompt.setMaxLength(400)
        self.prompt.returnPressed.connect(self._send)
        self.ask = button("Ask", self._send, role="primary")
        self.stop = button("Stop", self.stop_wanted.emit, tip="Stop; what was said stays")
        self.stop.setEnabled(False)

    def _build_edit(self) -> None:
        self.regions = Chooser()
        self.regions.setAccessibleName("Region to scale")
        self.regions.activated.connect(lambda i: self.chosen.emit("region", str(self.regions.itemData(i))))
        self.factor = QSlider(Qt.Orientation.Horizontal)
        self.factor.setRange(0, 20)
        self.factor.setAccessibleName("Factor on the region's responses")
        self.factor.valueChanged.connect(lambda v: self.chosen.emit("factor", v / 10))
        self.factor_text = label("× 0.0 (silenced)", "caption")
        self.factor_text.setMinimumWidth(self.factor_text.sizeHint().width())
        note = label("The region's responses are multiplied before the encoder reads them. The control scales as many "
                     "voxels elsewhere.", "caption", wrap=True)
        self.edit: QWidget = column(self.regions, row(self.factor, self.factor_text, stretch=0), note, margin=0)

    def _preset(self, prompt: str) -> None:
        self.prompt.setText(prompt.replace(" <image>", ""))
        self.prompt.setCursorPosition(0)
        self.ask_wanted.emit(prompt)

    def _send(self) -> None:
        if self.prompt.text().strip():
            self.ask_wanted.emit(self.prompt.text().strip())

    def _on_word(self, url: QUrl) -> None:
        start, _, stop = url.toString().partition("-")
        self.word_wanted.emit(int(start), int(stop))

    # -- showing -------------------------------------------------------------------------------------------------

    def show_state(self, app: AppState) -> None:
        """Show what is there and what is missing."""
        system = str(app.run.card.get("system", "")) if app.run else ""
        self.needs.show_needs([(app.dataset is not None, "A data set with responses"),
                               (app.stimulus >= 0, "A stimulus, chosen in the film strip"),
                               (system in self.systems, "A run of brainview train brainx")])
        self.setCurrentIndex(int(system in self.systems))

    def show_run(self, words: str, regions: Sequence[Mapping[str, Any]]) -> None:
        """Show another run: what it is, and the regions that can be edited."""
        self.head.setText(words)
        self.regions.clear()
        self.regions.addItem("No region", "")
        for entry in regions:
            name = f"{entry['class']}:{entry['region']}"
            self.regions.addItem(f"{shown(entry['region'])} ({entry['voxels']:,} voxels)", name)

    def show_beside(self, subjects: Sequence[str], chosen: str) -> None:
        """Show who may speak beside this brain: other subjects of the run, another run's."""
        self.beside.clear()
        self.beside.addItem("Nobody", "")
        for subject in subjects:
            self.beside.addItem(shown(subject), subject)
        if "|" in chosen:
            folder, _, subject = chosen.rpartition("|")
            self.beside.addItem(f"{shown(subject)}, {shown(folder.rpartition('/')[2])}", chosen)
        self.beside.addItem("Another run…", None)
        self.beside.setCurrentIndex(max(0, self.beside.findData(chosen)))

    def _on_beside(self, index: int) -> None:
        if self.beside.itemData(index) is None:
            self.other_run_wanted.emit()
        else:
            self.chosen.emit("beside", str(self.beside.itemData(index)))

    def show_backend(self, chosen: str, missing: Collection[str] = ()) -> None:
        """Show which language model reads the brain, without those that are missing; a folder goes by its name."""
        self.backend.clear()
        here = [(name, words) for name, words in BACKENDS if name == chosen or name not in missing]
        for name, words in (*here, *(() if chosen in dict(BACKENDS) else ((chosen, Path(chosen).name),))):
            self.backend.addItem(shown(words, limit=60), name)
        self.backend.addItem("Folder of a language model…", None)
        self.backend.setCurrentIndex(max(0, self.backend.findData(chosen)))

    def _on_backend(self, index: int) -> None:
        if self.backend.itemData(index) is None:
            self.backend_wanted.emit()
        else:
            self.chosen.emit("backend", str(self.backend.itemData(index)))

    def show_method(self, chosen: str) -> None:
        """Show what a click on a word draws."""
        self.method.setCurrentIndex(max(0, self.method.findData(chosen)))

    def show_nearest(self, found: Mapping[str, Any] | None) -> None:
        """Show captions by retrieval, and where the picture that was seen stands."""
        if found is None:
            self.near_text.setText("Not looked for yet.")
            return
        lines = [f"The picture that was seen is number {found['rank'] + 1} of {found['of']} (by chance "
                 f"{(found['of'] + 1) / 2:.0f})."]
        lines += [f"{n}. r {item['r']:.2f}  {shown(item['caption'], limit=300) or 'no caption'}"
                  + ("  ← seen" if item["seen"] else "") for n, item in enumerate(found["rows"], 1)]
        self.near_text.setText("\n".join(lines))

    def show_factor(self, value: float) -> None:
        """Show the factor."""
        self.factor_text.setText(f"× {value:.1f}" + (" (silenced)" if value == 0 else ""))
        self.factor.blockSignals(True)
        self.factor.setValue(round(10 * value))
        self.factor.blockSignals(False)

    def show_running(self, on: bool) -> None:
        """Show whether the brain is speaking."""
        self.ask.setEnabled(not on)
        self.stop.setEnabled(on)
        for preset in self.presets:
            preset.setEnabled(not on)

    def show_talk(self, turns: Sequence[tuple[str, str, str]]) -> None:
        """Show (prompt, answer, note) turns; the words of the last answer are links."""
        parts = []
        for number, (prompt, answer, note) in enumerate(turns):
            text = escape(shown(answer, limit=2000))
            if number == len(turns) - 1 and not note:
                text = linked(shown(answer, limit=2000))
            asked = escape(shown(prompt.replace(" <image>", "")))
            tail = f" <i>({escape(note)})</i>" if note else ""
            parts.append(f"<p style='margin:{GRID // 2}px 0'><b>{asked}</b><br>{text or '–'}{tail}</p>")
        self.talk.setHtml("".join(parts) or "<p>Nothing asked yet. Click a word of an answer to see its voxels.</p>")
        bar = self.talk.verticalScrollBar()
        bar.setValue(bar.maximum())

    def show_scores(self, found: Mapping[str, Any]) -> None:
        """Show figures beside their baselines."""
        def number(value: float | None) -> str:
            return "–" if value is None else f"{value:.2f}"

        heads = ("", "brain", "95 %", "shuffled", "constant", "picture", "share", "p")
        rows = [(escape(shown(r["metric"], limit=60)), f"<b>{number(r['value'])}</b>",
                 f"{r['low']:.2f}–{r['high']:.2f}", number(r["shuffled"]), number(r.get("constant")), number(r["top"]),
                 number(r["share"]), f"{r['p']:.3f}") for r in found["rows"]]
        sides = ["left", *["right"] * (len(heads) - 1)]
        cells = ["<tr>" + "".join(f"<{kind} align='{a}' style='padding-left:6px'>{v}</{kind}>"
                                  for a, v in zip(sides, r, strict=True)) + "</tr>"
                 for kind, r in (("th", heads), *(("td", r) for r in rows))]
        words = (f"{shown(found['subject'])}, {found['pictures']} test pictures, {shown(found['backend'])}. "
                 "share = (brain − shuffled) / (picture − shuffled)")
        self.score_text.setText(f"<p>{escape(words)}</p><table cellspacing='0'>{''.join(cells)}</table>")


def linked(text: str) -> str:
    """Return escaped text of which every word is a link to its place."""
    out, at = [], 0
    for start, stop in word_spans(text):
        out += [escape(text[at:start]), f"<a href='{start}-{stop}' style='text-decoration:none'>",
                escape(text[start:stop]), "</a>"]
        at = stop
    return "".join([*out, escape(text[at:])])
