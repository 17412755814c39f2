"""Section "Significance" of the encoding dock: cut the map to a false discovery rate; how many subjects carry it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QVBoxLayout, QWidget

from brainview.app.theme import GRID
from brainview.app.widgets.basics import button, label, row
from brainview.app.widgets.chooser import Chooser
from brainview.core.names import shown

SHUFFLES = (200, 1000, 5000, 20000)
TIP = ("Draw only locations that are predicted better than chance. Predictions are dealt to other test images; p "
       "counts the shuffles that correlate at least as well; q is the false discovery rate (Benjamini & Hochberg) over "
       "all locations with a score.")


class SignificanceSection(QWidget):
    """`masked(bool)`, `level(float)`, `permutations(int)` are what the user chose; `map_wanted(kind, metric)` asks for
    a map of the tests."""

    masked = Signal(bool)
    level = Signal(float)
    permutations = Signal(int)
    map_wanted = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self.only = QCheckBox("Only where q ≤")
        self.only.setToolTip(TIP)
        self.only.setAccessibleName("Draw only what is significant")
        self.rate = QDoubleSpinBox()
        self.rate.setRange(0.0001, 0.5)
        self.rate.setDecimals(4)
        self.rate.setSingleStep(0.01)
        self.rate.setValue(0.05)
        self.rate.setAccessibleName("False discovery rate")
        self.rate.setToolTip("Share of false ones among the locations drawn, at most, on average over experiments")
        self.rate.setKeyboardTracking(False)
        self.shuffles = Chooser()
        self.shuffles.setAccessibleName("Shuffles of the test images")
        for count in SHUFFLES:
            self.shuffles.addItem(f"{count:,} shuffles", count)
        self.shuffles.setCurrentIndex(1)
        self.shuffles.setToolTip("The smallest p is 1 / (shuffles + 1); more shuffles take longer")
        self.note = label("", "caption", wrap=True)
        self.q = button("Draw q", lambda: self.map_wanted.emit("significance", "q"), role="link",
                        tip="The false discovery rate at which each location becomes significant")
        self.n = button("Draw subjects per location", lambda: self.map_wanted.emit("count", ""), role="link",
                        tip="How many subjects have a value at each location: the n of the group map")
        self.passing = button("Draw significant subjects", lambda: self.map_wanted.emit("count", "q"), role="link",
                              tip="How many subjects pass the false discovery rate at each location")
        self.only.clicked.connect(self.masked)
        self.rate.valueChanged.connect(self.level)
        self.shuffles.activated.connect(lambda _: self.permutations.emit(int(self.shuffles.currentData())))
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID // 2)
        self.rate.setMaximumWidth(84)
        self.shuffles.setMinimumContentsLength(8)
        self.shuffles.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.addWidget(row(self.only, self.rate, QWidget(), spacing=GRID // 2, stretch=2))
        box.addWidget(row(self.shuffles, self.q, QWidget(), spacing=GRID, stretch=2))
        box.addWidget(self.note)
        for part in (self.n, self.passing):
            box.addWidget(part)

    def show_state(self, *, able: bool, masked: bool, level: float, permutations: int,
                   tests: Sequence[Mapping[str, Any]] | None, group: bool, counted: bool) -> None:
        """Show what is chosen and what the tests say; `tests` None = not computed yet."""
        for part in (self.only, self.rate, self.shuffles):
            part.setEnabled(able)
        self.only.setChecked(masked)  # `clicked` is not told for this
        self.rate.blockSignals(True)
        self.rate.setValue(level)
        self.rate.blockSignals(False)
        self.shuffles.setCurrentIndex(max(0, self.shuffles.findData(permutations)))
        self.q.setVisible(able and not group)
        self.n.setVisible(group and counted)
        self.passing.setVisible(able and group and counted)
        self.note.setText(self._words(able, tests, level, group))
        self.note.setToolTip(TIP)

    @staticmethod
    def _words(able: bool, tests: Sequence[Mapping[str, Any]] | None, level: float, group: bool) -> str:
        if not able:
            return "This run gives no predictions that could be dealt to other images."
        if tests is None:
            return "Not tested yet; the test runs when the box is ticked."
        if group:
            each = ", ".join(f"{int(t['significant'].get('0.05', 0)):,}" for t in tests)
            return f"Drawn where q ≤ {level:g} in more than half of {len(tests)} subjects (at q ≤ 0.05: {each} " \
                   "locations)."
        return shown(tests[0]["note"], limit=500)
