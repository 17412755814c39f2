"""Dock "Attribution": which locations carry what a whole-brain model says about a stimulus, live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QStackedWidget, QVBoxLayout

from brainview.app.panels.attribution.checks import Believe, Compare
from brainview.app.panels.attribution.controls import Controls
from brainview.app.panels.attribution.group import GroupSection
from brainview.app.panels.attribution.results import ResultCard, ReverseView
from brainview.app.panels.encoding import BarsSection
from brainview.app.panels.needs import NeedsPanel
from brainview.app.theme import GRID
from brainview.app.widgets.basics import ElidedLabel, Section, column, label, row, scrolled
from brainview.core.names import shown
from brainview.state.app import AppState

#: Systems whose runs can be attributed.
SYSTEMS = ("whole-brain",)


def system_of(app: AppState) -> str:
    """Return the system of the open run, "" when there is none."""
    return str(app.run.card.get("system", "")) if app.run else ""


class ModelCard(QFrame):
    """Which model is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.name, self.badge = ElidedLabel("", "title"), label("PHANTOM", "badge")
        self.badge.setToolTip("Trained on simulated brains with known truth.")
        self.facts = label("", "second", wrap=True)
        box = QVBoxLayout(self)
        box.setContentsMargins(12, GRID + 2, 12, GRID + 2)
        box.setSpacing(4)
        box.addWidget(row(self.name, self.badge, stretch=0))
        box.addWidget(self.facts)

    def show_model(self, about: Mapping[str, Any], stimulus: int) -> None:
        """Show the model and the stimulus it is asked about."""
        self.name.show_text(str(about["run"]).rstrip("/").rsplit("/", 1)[-1])
        self.badge.setVisible(bool(about["phantom"]))
        chosen = f"stimulus {stimulus}" if stimulus >= 0 else "no stimulus chosen"
        self.facts.setText(shown(f"{about['subject']} · {chosen} · {about['layers']} blocks of width {about['width']}, "
                                 f"{about['tokens']} tokens of {about['token_mm']:g} mm", limit=300))


class AttributionPanel(QStackedWidget):
    """Says what it needs until a whole-brain run is open; then the controls and what they give."""

    run_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.needs = NeedsPanel("attribution", "No whole-brain model open",
                                "Attribution asks which locations carry the information that a brain decoder uses for "
                                "one stimulus, and draws the answer in bits on the cortex.", "Open whole-brain run…")
        self.needs.run_wanted.connect(self.run_wanted)
        self.card, self.controls, self.result = ModelCard(), Controls(), ResultCard()
        self.reverse, self.bars = ReverseView(), BarsSection()
        self.compare, self.believe, self.group = Compare(), Believe(), GroupSection()
        self.bars.MOST = 8
        self.bars.legend.setText("Share of the map's mass on the cortex; the tip compares it with the region's area.")
        self.mass = Section("Regions", self.bars)
        self.checks = Section("Is this map believable?", self.believe)
        body = column(Section("Model", self.card), Section("Attribution", self.controls), Section("Map", self.result),
                      Section("What the brain speaks of", self.reverse), self.mass, self.checks,
                      Section("Side by side", self.compare, open_=False),
                      Section("Many stimuli", self.group, open_=False), margin=12, spacing=GRID, stretch=True)
        self.addWidget(self.needs)
        self.body = scrolled(body)
        self.addWidget(self.body)

    def show_state(self, app: AppState) -> None:
        """Show what is there and what is missing."""
        self.needs.show_needs([(app.dataset is not None, "A data set with responses"),
                               (app.stimulus >= 0, "A stimulus, chosen in the film strip"),
                               (system_of(app) in SYSTEMS, "A run of brainview train whole-brain")])

    def show_model(self, about: Mapping[str, Any] | None, stimulus: int) -> None:
        """Show the controls of a model, or what is needed."""
        self.setCurrentIndex(0 if about is None else 1)
        if about is not None:
            self.card.show_model(about, stimulus)
