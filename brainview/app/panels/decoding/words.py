"""Page "Words": what the brain says about a picture, in sentences and boxes."""

from __future__ import annotations

from brainview.app.panels.needs import NeedsPanel
from brainview.state.app import AppState


class WordsPage(NeedsPanel):
    """Says what it needs until a run of its systems is open."""

    title = "Words"
    systems = ("brainx",)

    def __init__(self) -> None:
        super().__init__("decoding", "No describing model open",
                         "A language model reads the brain's tokens and answers in "
                         "words and boxes, beside a shuffled brain.",
                         "Open decoding run…")

    def show_state(self, app: AppState) -> None:
        """Show what is there and what is missing."""
        system = str(app.run.card.get("system", "")) if app.run else ""
        self.show_needs([(app.dataset is not None, "A data set with responses"),
                         (app.stimulus >= 0, "A stimulus, chosen in the film strip"),
                         (system in self.systems, "A run of brainview train brainx")])
