"""Page "Retrieval": which stimulus was it, by rank among a gallery."""

from __future__ import annotations

from brainview.app.panels.needs import NeedsPanel
from brainview.state.app import AppState


class RetrievalPage(NeedsPanel):
    """Says what it needs until a run of its systems is open."""

    title = "Retrieval"
    systems = ("whole-brain", "mindeye", "mindeye2", "tgbd", "ridge-clip")

    def __init__(self) -> None:
        super().__init__("decoding", "No retrieval model open",
                         "Retrieval ranks pictures and captions by what the brain "
                         "says, beside chance and a shuffled brain.",
                         "Open decoding run…")

    def show_state(self, app: AppState) -> None:
        """Show what is there and what is missing."""
        system = str(app.run.card.get("system", "")) if app.run else ""
        self.show_needs([(app.dataset is not None, "A data set with responses"),
                         (app.stimulus >= 0, "A stimulus, chosen in the film strip"),
                         (system in self.systems, "A run of brainview train whole-brain")])
