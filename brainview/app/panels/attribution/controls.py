"""Method, layer, beta, target, words, and the rest under "More"; `changed(dict)` tells fields of a Setting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QFormLayout, QSlider, QSpinBox, QVBoxLayout, QWidget

from brainview.app.panels.encoding import combo
from brainview.app.theme import GRID
from brainview.app.widgets.basics import Section, Segments, label, row
from brainview.core.names import plain, shown
from brainview.state.attribution import (
    BETA_HIGH,
    BETA_LOW,
    LAYERED,
    NOISY,
    PER_DECADE,
    Setting,
    beta_of,
    position_of,
)

TITLES = {"ibba": "IB-BA (information bottleneck)", "rise": "RISE (random masks)", "grad-cam": "Grad-CAM",
          "relevance": "Relevance (Chefer)", "occlusion": "Token occlusion", "energy": "Activation energy",
          "gradient-input": "Gradient × input", "random": "Random (the floor)"}
MODE_WORDS = {"m2ib": "M2IB, as published", "recommended": "Recommended", "m2ib_strict": "M2IB's code (σ inert)"}
OWN_WORDS = "The run's own captions"
#: Milliseconds that typed words rest before they are asked for.
TYPING = 600


def slider(name: str, low: int, high: int) -> QSlider:
    """Return a horizontal slider."""
    out = QSlider(Qt.Orientation.Horizontal)
    out.setRange(low, high)
    out.setAccessibleName(name)
    out.setMinimumHeight(22)
    return out


class Slide(QWidget):
    """A slider with its name left and its value right; `moved(int)` is what the user does."""

    moved = Signal(int)

    def __init__(self, name: str, low: int, high: int, tip: str) -> None:
        super().__init__()
        self.slider = slider(name, low, high)
        self.slider.setToolTip(tip)
        self.name, self.value = label(name, "second"), label("")
        self.value.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.slider.valueChanged.connect(self._tell)
        self._silent = False
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(row(self.name, self.value, stretch=1))
        box.addWidget(self.slider)

    def _tell(self, value: int) -> None:
        if not self._silent:
            self.moved.emit(value)

    def show_value(self, value: int, words: str) -> None:
        """Set it without telling anybody."""
        self._silent = True
        self.slider.setValue(value)
        self._silent = False
        self.value.setText(shown(words))


class Controls(QWidget):
    """See the module."""

    changed = Signal(dict)

    def __init__(self) -> None:
        super().__init__()
        self.method = combo("Attribution method")
        self.method.activated.connect(lambda _: self.changed.emit({"method": str(self.method.currentData())}))
        self.about = label("", "caption", wrap=True)
        self.layer = Slide("Layer", 0, 1, "Blocks of the encoder that are passed before the map is taken")
        self.layer.moved.connect(lambda value: self.changed.emit({"layer": value}))
        self.beta = Slide("β", 0, round((BETA_HIGH - BETA_LOW) * PER_DECADE),
                          "Price of information: a larger β keeps less")
        self.beta.slider.setPageStep(PER_DECADE // 2)
        self.beta.moved.connect(lambda value: self.changed.emit({"beta": beta_of(value)}))
        self.price = label("", "caption", wrap=True)
        self.target = Segments((("image", "Image"), ("text", "Text"), ("both", "Both")), "Target",
                               ("Which tissue carries the picture", "Which tissue carries the words",
                                "Picture and words, equally weighted"))
        self.target.chosen.connect(lambda value: self.changed.emit({"target": value}))
        self.words = combo("Words that the brain is compared with")
        self.words.setEditable(True)
        self.words.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.words.setToolTip("A caption of this picture, or any sentence of your own (Return)")
        edit = self.words.lineEdit()
        assert edit is not None
        edit.setPlaceholderText("Type any sentence")
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(TYPING)
        self._typing.timeout.connect(self._tell_words)
        edit.textEdited.connect(lambda _: self._typing.start())
        edit.returnPressed.connect(self._tell_words)
        self.words.activated.connect(lambda _: self._tell_words())
        self.more = More()
        self.more.changed.connect(self.changed)
        self._words_title = label("Words", "second")
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID)
        for part in (self.method, self.about, self.target, row(self._words_title, self.words, stretch=1), self.layer,
                     self.beta, self.price, Section("More", self.more, open_=False)):
            box.addWidget(part)
        box.setSpacing(6)

    def _tell_words(self) -> None:
        self._typing.stop()
        text = self.words.currentText().strip()
        self.changed.emit({"words": "" if text == OWN_WORDS else text})

    def show_model(self, about: Mapping[str, Any]) -> None:
        """Take over another model: its methods and layers."""
        self._about = about
        self.method.clear()
        for name, text in about["methods"].items():
            self.method.addItem(TITLES.get(name, shown(name)), name)
            self.method.setItemData(self.method.count() - 1, plain(text), Qt.ItemDataRole.ToolTipRole)
        self.layer.slider.setRange(0, int(about["layers"]))
        self.layer.slider.setTickInterval(1)

    def show_texts(self, texts: Sequence[str], words: str) -> None:
        """Offer the texts of a stimulus."""
        self.words.clear()
        self.words.addItem(OWN_WORDS)
        for text in texts:
            self.words.addItem(shown(text, limit=400))
        self._show_words(words)

    def _show_words(self, words: str) -> None:
        edit = self.words.lineEdit()
        if edit is not None and not self._typing.isActive():
            edit.setText(shown(words, limit=400) if words else OWN_WORDS)
            edit.setCursorPosition(0)

    def show_setting(self, setting: Setting) -> None:
        """Show what is chosen."""
        about = self._about
        self.method.setCurrentIndex(self.method.findData(setting.method))
        self.about.setText(shown(str(about["methods"].get(setting.method, "")).capitalize() + "."))
        self.target.show_value(setting.target)
        at, blocks = setting.layer if setting.layer >= 0 else int(about["layer"]), int(about["layers"])
        place = "the input" if at == 0 else "the output" if at == blocks else f"after {at} of {blocks} blocks"
        default = " (default)" if at == int(about["layer"]) else ""
        self.layer.show_value(at, place + default)
        self.layer.setEnabled(setting.method in LAYERED)
        self.beta.show_value(position_of(setting.beta), f"{setting.beta:.3g}")
        per_nat = setting.beta / ((int(about["tokens"]) + 1) * int(about["width"]))
        usual = float(about["beta"])
        own = "the default" if math.isclose(setting.beta, usual, rel_tol=0.03) else f"default β {usual:.3g}"
        self.price.setText(f"One nat costs {per_nat:.2g} of likeness (β per nat); {own}")
        self.price.setToolTip(str(about.get("default_note", "")))
        noisy = setting.method in NOISY
        for part in (self.beta, self.price, self.more):
            part.setEnabled(noisy or (part is self.more and setting.method in ("rise", "random")))
        self.words.setEnabled(setting.target != "image")
        self._show_words(setting.words)
        self.more.show_setting(setting, noisy)


class More(QWidget):
    """Copies, steps, seed, sigma, mode."""

    changed = Signal(dict)

    def __init__(self) -> None:
        super().__init__()
        self.numbers = {"copies": self._spin("copies", 1, 64, "Noise draws per step"),
                        "steps": self._spin("steps", 1, 200, "Steps of the optimiser; under 10 a map is untrained"),
                        "average": self._spin("average", 1, 10, "Maps of this many noise seeds are averaged: 3 repeat "
                                                                 "with a correlation above 0.97"),
                        "seed": self._spin("seed", 0, 2**31 - 1, "Of the noise")}
        self.sigma = QDoubleSpinBox()
        self.sigma.setRange(0.05, 10.0)
        self.sigma.setSingleStep(0.05)
        self.sigma.setAccessibleName("Noise σ")
        self.sigma.setToolTip("Standard deviation of the noise and of the prior")
        self.sigma.editingFinished.connect(lambda: self.changed.emit({"sigma": round(self.sigma.value(), 4)}))
        self.mode = combo("Mode of IB-BA")
        for value, words in MODE_WORDS.items():
            self.mode.addItem(words, value)
        self.mode.activated.connect(lambda _: self.changed.emit({"mode": str(self.mode.currentData())}))
        form = QFormLayout(self)
        form.setContentsMargins(GRID, 0, 0, 0)
        form.setSpacing(6)
        for title, part in (("Copies", self.numbers["copies"]), ("Steps", self.numbers["steps"]),
                            ("Seeds averaged", self.numbers["average"]),
                            ("Seed", self.numbers["seed"]), ("Noise σ", self.sigma), ("Mode", self.mode)):
            form.addRow(label(title, "second"), part)

    def _spin(self, name: str, low: int, high: int, tip: str) -> QSpinBox:
        out = QSpinBox()
        out.setRange(low, high)
        out.setAccessibleName(name.capitalize())
        out.setToolTip(tip)
        out.setKeyboardTracking(False)
        out.valueChanged.connect(lambda value: self.changed.emit({name: int(value)}))
        return out

    def show_setting(self, setting: Setting, noisy: bool) -> None:
        """Show what is chosen without telling anybody."""
        for name, spin in self.numbers.items():
            spin.blockSignals(True)
            spin.setValue(getattr(setting, name))
            spin.blockSignals(False)
            spin.setEnabled(noisy or name == "seed")
        self.sigma.setValue(setting.sigma)
        self.sigma.setEnabled(noisy)
        self.mode.setCurrentIndex(self.mode.findData(setting.mode))
        self.mode.setEnabled(noisy)
