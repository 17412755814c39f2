"""Dock "Decoding": what the brain says, as a ranking of stimuli and in words."""

from __future__ import annotations

from brainview.app.panels.needs import NeedsPanel
from brainview.state.app import AppState

#: Systems whose runs decode.
SYSTEMS = ("whole-brain", "mindeye", "mindeye2", "tgbd", "brainx", "sc-mbm", "video-text")


class DecodingPanel(NeedsPanel):
    """Says what it needs until a decoding run is open."""

    def __init__(self) -> None:
        super().__init__("decoding", "No decoding model open",
                         "Decoding reads a response: which stimulus was it, and what does it show? Results stand "
                         "beside chance and a shuffled brain.", "Open decoding run…")

    def show_state(self, app: AppState) -> None:
        """Show what is there and what is missing."""
        system = str(app.run.card.get("system", "")) if app.run else ""
        self.show_needs([(app.dataset is not None, "A data set with responses"),
                         (app.stimulus >= 0, "A stimulus, chosen in the film strip"),
                         (system in SYSTEMS, "A run that retrieves or describes, for example brainx or video-text")])
