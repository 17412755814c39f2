"""Dock "Attribution": which locations carry what a whole-brain model says about a stimulus."""

from __future__ import annotations

from brainview.app.panels.needs import NeedsPanel
from brainview.state.app import AppState

#: Systems whose runs can be attributed.
SYSTEMS = ("whole-brain",)


class AttributionPanel(NeedsPanel):
    """Says what it needs until a whole-brain run is open."""

    def __init__(self) -> None:
        super().__init__("attribution", "No whole-brain model open",
                         "Attribution asks which locations carry the information that a brain decoder uses for one "
                         "stimulus, and draws the answer in bits on the cortex.", "Open whole-brain run…")

    def show_state(self, app: AppState) -> None:
        """Show what is there and what is missing."""
        system = str(app.run.card.get("system", "")) if app.run else ""
        self.show_needs([(app.dataset is not None, "A data set with responses"),
                         (app.stimulus >= 0, "A stimulus, chosen in the film strip"),
                         (system in SYSTEMS, "A run of brainview train whole-brain")])
