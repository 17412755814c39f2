"""Maps over many stimuli: computed in the background, then as a mean and a t-map over a category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from brainview.app.panels.encoding import combo
from brainview.app.theme import GRID
from brainview.app.widgets.basics import Segments, button, label, row
from brainview.core.names import shown


class GroupSection(QWidget):
    """`batch_wanted` computes all stimuli, `group_wanted(category)` the maps over one, `correction_chosen(str)`."""

    batch_wanted = Signal()
    correction_chosen = Signal(str)
    group_wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.batch = button("Attribute all test stimuli", self.batch_wanted.emit, glyph="train",
                            tip="With the setting on screen, in the background; goes on where it stopped")
        self.category = combo("Category of the group map")
        self.category.activated.connect(lambda _: self.group_wanted.emit(str(self.category.currentData())))
        self.line = label("Computes every test stimulus of this subject with the setting on screen, then shows means "
                          "and t-maps over categories.", "caption", wrap=True)
        self._row = row(label("Over", "second"), self.category, stretch=1)
        self.correction = Segments((("fdr", "FDR"), ("cluster", "Clusters"), ("max", "Token"), ("none", "All")),
                                   "Tokens of the t-map that are drawn",
                                   ("False discovery rate of 5 %",
                                    "Clusters whose mass passes 5 % family-wise (permutations)",
                                    "Single tokens that pass 5 % family-wise (permutations, maximum statistic)",
                                    "Every token, uncorrected"))
        self.correction.chosen.connect(self.correction_chosen)
        self._second = row(label("Draw t of", "second"), self.correction, stretch=1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID)
        for part in (self.batch, self._row, self._second, self.line):
            box.addWidget(part)
        self._row.hide()
        self._second.hide()

    def show_categories(self, categories: Sequence[tuple[str, int]], chosen: str) -> None:
        """Offer (category, stimuli) pairs."""
        self._row.setVisible(bool(categories))
        self._second.setVisible(bool(categories))
        self.category.clear()
        for name, count in categories:
            self.category.addItem(f"{shown(name)} ({count})", name)
        self.category.setCurrentIndex(max(0, self.category.findData(chosen)))

    def show_correction(self, value: str) -> None:
        """Show which tokens of the t-map are drawn."""
        self.correction.show_value(value)

    def show_group(self, facts: Mapping[str, Any] | None) -> None:
        """Say what the group map is."""
        if facts is not None:
            self.line.setText(shown(facts["words"], limit=600))
