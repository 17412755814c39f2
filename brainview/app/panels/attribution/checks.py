"""Two settings side by side, and "Is this map believable?"."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from brainview.app.panels.attribution.results import figures
from brainview.app.theme import GRID
from brainview.app.widgets.basics import button, label, row
from brainview.app.widgets.flat_picture import FlatPicture
from brainview.app.widgets.scale import ScaleBar
from brainview.core.names import shown
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import rule_for
from brainview.state.attribution import Answer, Setting

#: Correlation between noise seeds that is asked of a map.
STEADY = 0.97


def words_of(setting: Setting, default_layer: int) -> str:
    """Return a setting in one short line."""
    layer = setting.layer if setting.layer >= 0 else default_layer
    beta = f" · β {setting.beta:.3g}" if setting.method == "ibba" else ""
    return f"{setting.method} · layer {layer}{beta} · {setting.target}"


class Pair(QWidget):
    """Two small flat maps on one colour scale, with a line under each."""

    def __init__(self, names: tuple[str, str]) -> None:
        super().__init__()
        self.pictures = tuple(FlatPicture(name, 84) for name in names)
        self.heads = tuple(label(name, "second") for name in names)
        self.lines = tuple(label("", "caption", wrap=True) for _ in names)
        self.bar = ScaleBar()
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        for head, picture, line in zip(self.heads, self.pictures, self.lines, strict=True):
            box.addWidget(head)
            box.addWidget(picture)
            box.addWidget(line)
        box.addWidget(self.bar)

    def show_pair(self, maps: tuple[BrainMap, BrainMap], lines: tuple[str, str]) -> None:
        """Draw both; the maps come with the same limits."""
        rule = rule_for(maps[0])
        for picture, brain_map, line, words in zip(self.pictures, maps, self.lines, lines, strict=True):
            picture.show_map(brain_map, rule)
            line.setText(shown(words, limit=200))
        self.bar.show_rule(rule, maps[0])


class Compare(QWidget):
    """Setting A (on screen) beside setting B. `keep_wanted`, `drop_wanted`, `swap_wanted`."""

    keep_wanted = Signal()
    drop_wanted = Signal()
    swap_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.keep = button("Keep this as B", self.keep_wanted.emit,
                           tip="Then move the sliders: the map on screen is A")
        self.swap = button("Swap", self.swap_wanted.emit)
        self.drop = button("Remove", self.drop_wanted.emit)
        self.pair = Pair(("A: on screen", "B"))
        self.line = label("Keep a setting as B, move the sliders, and see both on one colour scale.", "caption",
                          wrap=True)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID)
        box.addWidget(row(self.keep, self.swap, self.drop))
        box.addWidget(self.line)
        box.addWidget(self.pair)
        self.show_compared(None, None, None, 0)

    def show_compared(self, maps: tuple[BrainMap, BrainMap] | None, a: Answer | None, b: Answer | None,
                      layer: int, correlation: float = math.nan) -> None:
        """Show both maps, or only the invitation."""
        on = maps is not None and a is not None and b is not None
        self.pair.setVisible(on)
        self.swap.setEnabled(on)
        self.drop.setEnabled(on)
        if maps is None or a is None or b is None:
            self.line.setText("Keep a setting as B, move the sliders, and see both on one colour scale.")
            return
        self.pair.show_pair(maps, tuple(f"{words_of(x.setting, layer)}\n{figures(x)}"  # type: ignore[arg-type]
                                        for x in (a, b)))
        self.line.setText(f"Correlation of the two maps over tokens: {correlation:.2f}.")


class Believe(QWidget):
    """The checks of a map. `mismatch_wanted`, `seed_wanted`, `truth_toggled(bool)`."""

    mismatch_wanted = Signal()
    seed_wanted = Signal()
    truth_toggled = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.mismatch = button("Wrong target", self.mismatch_wanted.emit,
                               tip="The same brain asked about a stimulus that is unlike its own")
        self.seed = button("Other noise", self.seed_wanted.emit, tip="The same setting with another noise seed")
        self.pair = Pair(("This target", "Wrong target"))
        self.pair.hide()
        self.wrong, self.repeat = label("", "caption", wrap=True), label("", "caption", wrap=True)
        self.truth = QCheckBox("Outline what was planted")
        self.truth.toggled.connect(self.truth_toggled)
        self.score, self.definition = label("", "title", wrap=True), label("", "caption", wrap=True)
        self.planted = QWidget()
        inner = QVBoxLayout(self.planted)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(4)
        for part in (label("Planted truth (phantom)", "second"), self.score, self.definition, self.truth):
            inner.addWidget(part)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID)
        box.addWidget(row(self.mismatch, self.seed))
        for below in (self.pair, self.wrong, self.repeat, self.planted):
            box.addWidget(below)

    def show_mismatch(self, maps: tuple[BrainMap, BrainMap] | None, own: Answer | None, wrong: Answer | None,
                      correlation: float) -> None:
        """Show the map of the wrong target beside the right one."""
        self.pair.setVisible(maps is not None)
        self.wrong.setVisible(maps is not None)
        if maps is None or own is None or wrong is None:
            return
        self.pair.show_pair(maps, (figures(own), f"stimulus {wrong.setting.target_of} · {figures(wrong)}"))
        alike = "They are much alike: this map follows the brain's activity more than the target." \
            if correlation > 0.8 else "They differ: for the target's sake only if this map repeats " \
            "with other noise."
        self.wrong.setText(f"Correlation with the wrong target's map: {correlation:.2f}. {alike} Bits alone are no "
                           "confidence: a wrong target may need more of them.")

    def show_seed(self, correlation: float, overlap: float) -> None:
        """Show how well the map repeats; NaN hides it."""
        self.repeat.setVisible(math.isfinite(correlation))
        self.repeat.setText(f"Another noise seed: correlation {correlation:.2f}, {overlap:.0%} of the top tenth of "
                            "tokens the same. The order of single tokens is less certain than the map."
                            + ("" if correlation >= STEADY else " Averaging 3 seeds (under More) steadies it, at three "
                               "times the cost."))

    def show_planted(self, phantom: bool, found: Mapping[str, Any] | None, score: float, wrong: float,
                     on: bool) -> None:
        """Show hard AUROC against the planted truth beside its ceiling and chance."""
        self.planted.setVisible(phantom)
        self.truth.blockSignals(True)
        self.truth.setChecked(on)
        self.truth.blockSignals(False)
        able = found is not None and not found["problem"]
        self.truth.setEnabled(able)
        if found is None or not able:
            self.score.setText("–")
            self.definition.setText("" if found is None else shown(found["problem"], limit=300))
            return
        gap = f", wrong target {wrong:.2f}" if math.isfinite(wrong) else ""
        self.score.setText(f"hard AUROC {score:.2f}" if math.isfinite(score) else "–")
        self.definition.setText(f"At most {found['oracle']:.2f} with tokens of this size, chance 0.50{gap}. "
                                f"{found['definition']}")
