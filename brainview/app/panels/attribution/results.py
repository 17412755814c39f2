"""What was found: figures of the map, how it is drawn, the picture and its words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QCheckBox, QFrame, QSizePolicy, QVBoxLayout, QWidget

from brainview.app.panels.encoding import combo
from brainview.app.theme import GRID, color
from brainview.app.widgets.basics import ElidedLabel, Segments, button, label, row
from brainview.app.widgets.flat_picture import FlatPicture
from brainview.core.names import shown
from brainview.state.attribution import VIEWS, Answer

RIGHT = Qt.TextElideMode.ElideRight


def number(value: float, unit: str = "") -> str:
    """Return a figure, a dash where there is none."""
    return "–" if not math.isfinite(value) else f"{value:,.0f}{unit}" if abs(value) >= 100 else f"{value:.3g}{unit}"


def figures(answer: Answer | None) -> str:
    """Return bits, fit and fit kept in one line."""
    if answer is None:
        return ""
    able = math.isfinite(answer.fit_kept) and answer.fit_open > 0  # a share of a negative likeness says nothing
    kept = f" · {answer.fit_kept:.0%} kept" if able else ""
    bits = f"{number(answer.bits)} bits · " if math.isfinite(answer.bits) else ""
    return f"{bits}fit {number(answer.fit_open)}{kept}"


class ResultCard(QFrame):
    """Figures and honesty of the map, and how it is drawn. `view_chosen(str)`, `scale_chosen(str)`, `tokens_chosen`."""

    view_chosen = Signal(str)
    scale_chosen = Signal(str)
    tokens_chosen = Signal(bool)
    draw_wanted = Signal()
    export_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.state, self.figures = ElidedLabel("", "second", RIGHT), ElidedLabel("", "title", RIGHT)
        self.problem = label("", "bad", wrap=True)
        self.explain = label("", "caption", wrap=True)
        self.note = label("", "caption", wrap=True)
        self.view = combo("What is drawn on the brain")
        for value, words in VIEWS.items():
            self.view.addItem(words, value)
        self.view.activated.connect(lambda _: self.view_chosen.emit(str(self.view.currentData())))
        self.scale = Segments((("own", "Each map"), ("hold", "Hold"), ("share", "0–1")), "Colour scale",
                              ("From 0 to the highest token of each map", "Keep the limits, so that maps compare",
                               "Every map from its lowest to its highest token: not comparable"))
        self.scale.chosen.connect(self.scale_chosen)
        self.tokens = QCheckBox("Show tokens")
        self.tokens.setToolTip("Without interpolation: the true resolution")
        self.tokens.toggled.connect(self.tokens_chosen)
        self.draw = button("Draw on the brain", self.draw_wanted.emit, role="primary")
        self.export = button("Export…", self.export_wanted.emit, tip="Map, token scores and settings")
        box = QVBoxLayout(self)
        box.setContentsMargins(12, GRID + 2, 12, GRID + 2)
        box.setSpacing(6)
        for part in (self.state, self.figures, self.problem, self.explain,
                     row(label("Draw", "second"), self.view, stretch=1),
                     row(label("Scale", "second"), self.scale, stretch=1), row(self.tokens, self.export, stretch=0),
                     self.draw, self.note):
            box.addWidget(part)

    def show_answer(self, answer: Answer | None, busy: str, problem: str) -> None:
        """Show the figures of a map."""
        words = answer.label if answer is not None else ""
        self.state.show_text(" · ".join(w for w in (words, busy + "…" if busy else "") if w) or "No map yet")
        self.problem.setText(shown(problem, limit=300))
        self.problem.setVisible(bool(problem))
        self.state.setProperty("status", "" if answer is None else answer.status)
        self.figures.show_text(figures(answer) or "–")
        self.explain.setText(self._explanation(answer))

    @staticmethod
    def _explanation(answer: Answer | None) -> str:
        if answer is None:
            return ""
        if math.isfinite(answer.fit_kept):
            if answer.fit_kept > 1.2:
                return "More likeness passes than without the bottleneck: the open fit is low, this brain is poorly " \
                       "matched, and the map says what would match it."
            if answer.fit_kept < 0.5:
                return "The fit collapsed: little of the likeness survives, so the map explains little."
            return "Bits: information that passes. Fit: likeness of brain and target; kept: what survives of it."
        return "Fit: likeness of brain and target. Scores of this method have no unit."

    def show_choice(self, view: str, scale: str, tokens: bool, able: Sequence[str], drawn: bool) -> None:
        """Show what is chosen; views that are not in `able` are disabled."""
        model: Any = self.view.model()
        for k in range(self.view.count()):
            model.item(k).setEnabled(self.view.itemData(k) in able)
        self.view.setCurrentIndex(self.view.findData(view))
        self.scale.show_value(scale)
        self.tokens.blockSignals(True)
        self.tokens.setChecked(tokens)
        self.tokens.blockSignals(False)
        self.draw.setVisible(not drawn)

    def show_note(self, text: str) -> None:
        """Show the sentence on resolution."""
        self.note.setText(shown(text, limit=300))


class WordsView(QWidget):
    """Words on a ground as strong as their score."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Words that the brain speaks of")
        self._words: list[str] = []
        self._weights = np.zeros(0)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)

    def show_words(self, words: Sequence[str], scores: np.ndarray) -> None:
        """Show words; the highest score is the strongest ground."""
        self._words = [shown(w) for w in words]
        top = float(scores.max(initial=0)) or 1.0
        self._weights = np.clip(np.asarray(scores, float) / top, 0, 1)
        self.setAccessibleDescription(", ".join(f"{w} {s:.0f} bits" for w, s in zip(words, scores, strict=True)))
        self.setFixedHeight(self._lay_out(max(120, self.width()))[1])
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(200, self._lay_out(max(120, self.width()))[1])

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        height = self._lay_out(self.width())[1]
        if height != self.height():
            self.setFixedHeight(height)

    def _lay_out(self, width: int) -> tuple[list[QRectF], int]:
        metrics, x, y, line = QFontMetricsF(self.font()), 0.0, 0.0, 24.0
        boxes = []
        for word in self._words:
            wide = metrics.horizontalAdvance(word) + 10
            if x + wide > width and x > 0:
                x, y = 0.0, y + line
            boxes.append(QRectF(x, y + 1, wide - 2, line - 3))
            x += wide
        return boxes, int(y + line) if boxes else 0

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for word, weight, box in zip(self._words, self._weights, self._lay_out(self.width())[0], strict=True):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color("right", int(150 * weight)))
            painter.drawRoundedRect(box, 4, 4)
            painter.setPen(color("text"))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, word)
        painter.end()


def overlay(picture: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return (h, w, 3) uint8: the picture, grey and dark where the patch scores are low, in full colour where high."""
    from PIL import Image

    high = float(scores.max(initial=0)) or 1.0
    small = Image.fromarray((255 * np.clip(scores / high, 0, 1)).astype(np.uint8))
    weight = np.asarray(small.resize((picture.shape[1], picture.shape[0]), Image.Resampling.BILINEAR)) / 255.0
    weight = weight[..., None]
    grey = picture.mean(2, keepdims=True) * 0.35
    return (grey * (1 - weight) + picture * weight).round().astype(np.uint8)


class ReverseView(QWidget):
    """The stimulus, the same as the brain speaks of it, and its words."""

    def __init__(self) -> None:
        super().__init__()
        self.picture, self.attributed = FlatPicture("The stimulus", 132), FlatPicture("The attributed picture", 132)
        self.words = WordsView()
        self.caption = label("", "caption", wrap=True)
        self._shown: np.ndarray | None = None
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID)
        self.pictures = row(self.picture, self.attributed)
        box.addWidget(self.pictures)
        box.addWidget(self.words)
        box.addWidget(self.caption)

    def show_look(self, look: Mapping[str, Any] | None) -> None:
        """Show the stimulus; the attributed one follows."""
        self._shown = None if look is None else look["picture"]
        self.pictures.setVisible(look is None or self._shown is not None)  # no empty frames for what cannot come
        self.picture.show_array(self._shown)
        self.attributed.show_array(None)
        self.words.show_words((), np.zeros(0))
        self.caption.setText("" if look is None else shown(look["problem"], limit=300))

    def show_reverse(self, found: Mapping[str, Any] | None) -> None:
        """Show patches and words."""
        if found is None:
            self.caption.setText("Asking what the brain's embedding speaks of…" if self._shown is not None else "")
            return
        picture, words = found["picture"], found["words"]
        if picture is not None and self._shown is not None:
            self.attributed.show_array(overlay(self._shown, picture["scores"]))
        if words is not None:
            self.words.show_words(words["words"], words["scores"])
        facts = []
        if picture is not None:
            rows, columns = picture["scores"].shape
            facts.append(f"Picture: {rows} × {columns} patches, {number(picture['bits'])} bits, "
                         f"{picture['fit_kept']:.0%} of the likeness kept")
        if words is not None:
            facts.append(f"words: {number(words['bits'])} bits, {words['fit_kept']:.0%} kept")
        what = "The bottleneck in CLIP's own towers, with this brain's embedding as the target. "
        self.caption.setText(what + "; ".join(facts) + ("." if facts else "") + shown(found["problem"], limit=200))
