"""The wires of the page "Film"."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from brainview.maps.display import rule_for
from brainview.state.film import ASK, FILM, TRIAL, FilmState

if TYPE_CHECKING:
    from brainview.app.controller import Controller


class FilmWiring:
    """Connects the film state with its page: run -> texts and scores, trial -> clip and volumes, volume -> cortex."""

    def __init__(self, c: Controller) -> None:
        self.c, self.page = c, c.window.decoding.film
        self.state = FilmState()
        c.session.parts["film"] = self.state
        c.undo.watch(self.state, {"subject": "Choose person", "trial": "Choose trial", "volume": "Choose volume",
                                  "colour": "Colour by", "when": "Before or after adaptation"})
        self.film: dict[str, Any] | None = None
        self.found: dict[str, Any] | None = None
        self._wanted: tuple = ()
        c.app.events.run.connect(self._on_run, check_nargs=False)
        self.page.chosen.connect(lambda name, value: setattr(self.state, name, value))
        self.page.ask_wanted.connect(lambda: c.start(self.ask()))
        for name in ("subject", "trial"):
            getattr(self.state.events, name).connect(self._on_trial, check_nargs=False)
        self.state.events.volume.connect(self._on_volume, check_nargs=False)
        self.state.events.question.connect(lambda *_: self.page.show_question(self.state.question), check_nargs=False)
        for name in ("colour", "when"):
            getattr(self.state.events, name).connect(self._on_plane, check_nargs=False)
        for name in self.state.settings():
            getattr(self.state.events, name).connect(lambda *_: c.touch(), check_nargs=False)

    def _on_run(self, new: Any, old: Any) -> None:
        self.film = self.found = None
        self._wanted = ()
        if new is not None and str(new.card.get("system", "")) == "video-text":
            self.c.start(self.open(new.path))

    async def open(self, run: str) -> None:
        """Fetch what the page shows of a run."""
        film = await self.c.session.ask(FILM, f"Read {Path(run).name}", run=run)
        if self.c.app.run is None or self.c.app.run.path != run:
            return
        self.film = film
        self.page.show_film(film)
        self.page.show_question(self.state.question)
        with self.c.undo.paused():
            if self.state.subject not in film["trials"]:
                self.state.subject = next(iter(film["trials"]))
            self.state.trial = min(self.state.trial, len(film["trials"][self.state.subject]) - 1)
        self._on_plane()
        self._on_trial()

    def _rows(self) -> list[dict[str, Any]]:
        return [] if self.film is None else self.film["trials"].get(self.state.subject, [])

    def _on_trial(self, *_: Any) -> None:
        rows, run = self._rows(), self.c.app.run
        if not rows or run is None:
            return
        trial = min(self.state.trial, len(rows) - 1)
        wanted = (run.path, self.state.subject, rows[trial]["row"])
        self.page.show_person(self.state.subject, trial)
        if wanted == self._wanted:
            return
        self._wanted = wanted
        self.c.start(self._fetch(*wanted))

    async def _fetch(self, run: str, subject: str, row: int) -> None:
        wanted = (run, subject, row)
        self.page.show_trial(None, 0)
        found = await self.c.session.ask(TRIAL, f"Clip and response of {subject}", run=run, subject=subject, row=row)
        if wanted != self._wanted:
            return
        self.found = found
        with self.c.undo.paused():
            self.c.app.stimulus = int(found["stimulus"])
        self.page.show_trial(found, self.state.volume)
        self._draw()

    def _on_volume(self, *_: Any) -> None:
        if self.found is not None:
            self.page.show_volume(self.found, self.state.volume)
            self._draw()

    def _draw(self) -> None:
        """Draw the chosen volume on the cortex, on the scale of the whole trial."""
        assert self.found is not None
        if not self.state.link or not self.found["maps"]:
            return
        drawn = self.found["maps"][min(self.state.volume, len(self.found["maps"]) - 1)]
        self.c.start(self._put(drawn))

    async def _put(self, drawn: Any) -> None:
        from brainview.state.showing import TO_SURFACE, is_drawable

        on = drawn
        if not is_drawable(drawn.space):
            on = await self.c.session.ask(TO_SURFACE, f"Put {drawn.name} on the cortex", map=drawn, mesh="own")
            if self.found is None or not any(drawn is m for m in self.found["maps"]):
                return
        with self.c.undo.paused():
            self.c.shower.original = drawn
            self.c.view.rule, self.c.view.map = rule_for(drawn), on

    def _on_plane(self, *_: Any) -> None:
        if self.film is not None:
            self.page.show_plane(self.state.when, self.state.colour)

    async def ask(self) -> None:
        """Let the chosen brain answer the chosen question, or every one."""
        rows, run = self._rows(), self.c.app.run
        if not rows or run is None:
            return
        row = rows[min(self.state.trial, len(rows) - 1)]["row"]
        wanted, question = self._wanted, self.state.question
        told = await self.c.session.ask(ASK, f"Ask {self.state.subject}", run=run.path, subject=self.state.subject,
                                        row=row, questions=[question] if question else None)
        if wanted == self._wanted:
            self.page.show_answers(told["rows"])
