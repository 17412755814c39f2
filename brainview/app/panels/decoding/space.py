"""The embedding space of a retrieval model: UMAP points and similarity matrices, to look at and to save."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from brainview.app.theme import GRID
from brainview.app.widgets.basics import Segments, button, label, row
from brainview.app.widgets.chooser import Chooser
from brainview.app.widgets.matrix import MatrixView
from brainview.app.widgets.plots import PointCloud, tint
from brainview.core.names import shown
from brainview.scene.colormaps import lut
from brainview.state.retrieval import MODALITIES, MODALITY_WORDS, Matrices, Points


class SpaceSection(QWidget):
    """Points or matrices. `wanted(kind)` asks to compute, `chosen(stimulus)`, `pair_chosen(pair)`, `saved(what)`."""

    wanted = Signal(str)
    chosen = Signal(int)
    pair_chosen = Signal(str)
    saved = Signal(str, str)  # kind ("points"/"matrix"), form ("picture"/"numbers")
    named = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._points: Points | None = None
        self._matrices: Matrices | None = None
        self._pair = ""
        self.which = Segments((("points", "Points"), ("matrix", "Matrices")), "View of the embedding space",
                              ("UMAP of brains, pictures and captions", "Similarity of every pair of test stimuli"))
        self.which.show_value("points")
        self.which.chosen.connect(lambda _: self._show())
        self.cloud, self.matrix = PointCloud("UMAP of the embeddings", 300), MatrixView("Similarity matrix")
        self.pair = Chooser()
        self.pair.setAccessibleName("Pair of modalities")
        self.pair.activated.connect(lambda _: self.pair_chosen.emit(self.pair.currentText()))
        self.reading = label("", "caption", wrap=True)
        self.reading.setMinimumHeight(34)
        self.reading.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.legend, self.note = label("", "caption", wrap=True), label("", "caption", wrap=True)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.make = button("Compute", lambda: self.wanted.emit(self.kind()), tip="Takes up to half a minute the first "
                           "time; it can be cancelled under Jobs")
        self.words = label("", "caption", wrap=True)
        self.picture = button("Save picture…", lambda: self.saved.emit(self.kind(), "picture"))
        self.numbers = button("Save numbers…", lambda: self.saved.emit(self.kind(), "numbers"))
        self.saves = row(self.picture, self.numbers, QWidget(), stretch=2)
        box = QVBoxLayout(self)
        box.setContentsMargins(GRID, 0, GRID, 0)
        box.setSpacing(GRID)
        for widget in (self.which, self.words, self.make, self.pair, self.legend, self.cloud, self.matrix, self.reading,
                       self.note, self.saves):
            box.addWidget(widget)
        self.cloud.chosen.connect(self._on_point)
        self.cloud.hovered.connect(self._over_point)
        self.matrix.chosen.connect(lambda r, _c: self._on_cell(r))
        self.matrix.hovered.connect(self._over_cell)
        self._show()

    def kind(self) -> str:
        """Return ``points`` or ``matrix``."""
        return self.which.value() or "points"

    def show_points(self, points: Points | None) -> None:
        """Show another map of points; None = not computed."""
        self._points = points
        if points is not None:
            groups = np.array([MODALITIES.index(m) if m in MODALITIES else 3 for m in points.modality])
            self.cloud.show_points(points.xy, groups)
        self._show()

    def show_matrices(self, matrices: Matrices | None, pair: str) -> None:
        """Show other matrices; None = not computed."""
        self._matrices, self._pair = matrices, pair
        if matrices is not None:
            names = list(matrices.matrices)
            if names != [self.pair.itemText(k) for k in range(self.pair.count())]:
                self.pair.clear()
                self.pair.addItems(names)
            self._pair = pair if pair in names else names[0]
            self.pair.setCurrentText(self._pair)
            self.matrix.show_matrix(matrices.drawn(self._pair), lut("viridis"))
        self._show()

    def mark(self, stimulus: int) -> None:
        """Ring the points of a stimulus."""
        if self._points is not None:
            self.cloud.mark(np.flatnonzero(self._points.ids == stimulus).tolist())

    def _show(self) -> None:
        points = self.kind() == "points"
        there = (self._points if points else self._matrices) is not None
        self.words.setText("Where brains, pictures and captions of the test part lie in the common space." if points
                           else "How alike every two test stimuli are: brains, pictures, captions, and across.")
        for widget, on in ((self.make, not there), (self.words, not there), (self.cloud, points and there),
                           (self.legend, points and there), (self.matrix, not points and there),
                           (self.pair, not points and there), (self.reading, there), (self.note, there),
                           (self.saves, there)):
            widget.setVisible(on)
        self.reading.setText("Point at an item to name it; click to choose its stimulus.")
        if points and self._points is not None:
            self.note.setText(shown(self._points.note, limit=400))
            signs = dict(zip(MODALITIES, ("●", "■", "▲"), strict=True))
            self.legend.setText(" &nbsp; ".join(f"<span style='color:{tint(k).name()}'>{signs[m]}</span>&nbsp;"
                                                f"{MODALITY_WORDS[m]}" for k, m in enumerate(MODALITIES)))
        elif self._matrices is not None and not points:
            low, high = self.matrix.limits
            told = f"Dark {low:.2f}, bright {high:.2f} (1st and 99th percentile)."
            self.note.setText(shown(f"{self._matrices.what}. {told} {self._matrices.words(self._pair)}", limit=600))

    # -- pointing ------------------------------------------------------------------------------------------------

    def _on_point(self, at: int) -> None:
        if self._points is not None:
            self.chosen.emit(int(self._points.ids[at]))

    def _over_point(self, at: int) -> None:
        points = self._points
        if points is None or at < 0:
            return
        self.named.emit(int(points.ids[at]))
        self.reading.setText(f"{MODALITY_WORDS.get(points.modality[at], '')[:-1]} of stimulus {points.ids[at]}. "
                             + self._caption(int(points.ids[at])))

    def _on_cell(self, at: int) -> None:
        if self._matrices is not None:
            self.chosen.emit(int(self._matrices.ids[self._matrices.order[at]]))

    def _over_cell(self, at: int, column: int) -> None:
        found = self._matrices
        if found is None or at < 0:
            return
        a, b = (int(found.ids[found.order[k]]) for k in (at, column))
        value = float(found.drawn(self._pair)[at, column])
        first, _, second = self._pair.partition("–")
        self.named.emit(a)
        self.reading.setText(f"{first} {a} · {second} {b}: {value:.3f}. {self._caption(a)}")

    #: Returns the caption of a stimulus, "" when it is not known; set by the wiring.
    caption_of: Any = None

    def _caption(self, stimulus: int) -> str:
        return shown(self.caption_of(stimulus), limit=120) if self.caption_of is not None else ""

    def retheme(self) -> None:
        """Draw again in the theme in force."""
        self.cloud.retheme()
        self.matrix.retheme()
        self._show()
