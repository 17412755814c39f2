"""Page "Film": what the brain says about a film clip."""

from __future__ import annotations

from brainview.app.panels.needs import NeedsPanel
from brainview.state.app import AppState


class FilmPage(NeedsPanel):
    """Says what it needs until a run of its systems is open."""

    title = "Film"
    systems = ("sc-mbm", "video-text")

    def __init__(self) -> None:
        super().__init__("decoding", "No film model open",
                         "A language model reads responses to film clips of people "
                         "it never saw, beside every baseline.",
                         "Open decoding run…")

    def show_state(self, app: AppState) -> None:
        """Show what is there and what is missing."""
        system = str(app.run.card.get("system", "")) if app.run else ""
        self.show_needs([(app.dataset is not None, "A data set with responses"),
                         (app.stimulus >= 0, "A stimulus, chosen in the film strip"),
                         (system in self.systems, "A run of brainview train video-text")])
