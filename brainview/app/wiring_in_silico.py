"""The wiring of the in-silico page: pictures and a brain -> ``Source("picture")`` -> the shower asks and draws."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QFileDialog

from brainview.app.controller import Controller
from brainview.app.wiring_strip import Once
from brainview.state.in_silico import OF_DATASET, SUFFIXES, InSilicoState, is_picture

PICTURES = f"Pictures ({' '.join('*' + s for s in SUFFIXES)})"


class InSilicoWiring:
    """Connects the in-silico page of one window."""

    def __init__(self, controller: Controller) -> None:
        self.c, self.app, self.panel = controller, controller.app, controller.window.encoding
        self.page = self.panel.in_silico
        self.state = InSilicoState()
        controller.session.parts["in_silico"] = self.state
        controller.take_pictures = self.take
        self.refresh = Once(controller.window, self._show)
        page = self.page
        page.picture_given.connect(self.give)
        page.file_wanted.connect(self._ask_file)
        page.stimulus_wanted.connect(lambda slot: self.give(slot, f"{OF_DATASET}{self.app.stimulus}"))
        page.cleared.connect(self._clear)
        page.brain_chosen.connect(lambda brain: self._choose(brain=brain))
        page.shown_chosen.connect(lambda which: self._choose(shown=which))
        for name in self.state.settings():
            getattr(self.state.events, name).connect(self._changed, check_nargs=False)
        self.app.events.run.connect(self._on_run, check_nargs=False)
        self.app.events.stimulus.connect(self.refresh, check_nargs=False)
        self.app.events.source.connect(self._on_source, check_nargs=False)
        controller.session.pictures.arrived.connect(self.refresh, check_nargs=False)
        self.refresh()

    def _changed(self, *_: Any) -> None:
        self.c.touch()
        self.refresh()

    @property
    def able(self) -> bool:
        """Whether a model that predicts is open."""
        return self.app.run is not None and bool(self.app.run.metrics)

    def take(self, paths: list[str]) -> list[str]:
        """Take the pictures among dropped files and return the other files."""
        pictures = [p for p in paths if is_picture(p)]
        if pictures and not self.able:
            self.c.reporter.tell("A picture was dropped. A trained encoding model predicts the response to it; none is "
                                 "open.", "info", [("Go to training", self._to_training)])
        elif pictures:
            self.panel.show_page("in_silico")
            self.c.window.show_dock("encoding")
            for slot, path in zip(self._free(), pictures, strict=False):
                self.give(slot, path)
        return [p for p in paths if not is_picture(p)]

    def _to_training(self) -> None:
        self.c.window.subjects.show_page("training")
        self.c.window.show_dock("subjects")

    def _free(self) -> tuple[str, str]:
        """Return the slots in the order in which dropped pictures fill them."""
        return ("second", "first") if self.state.first and not self.state.second else ("first", "second")

    def give(self, slot: str, picture: str) -> None:
        """Put a picture into a slot and draw its map."""
        setattr(self.state, slot, picture)
        self._choose(shown="difference" if self.state.shown == "difference" else slot)

    def _clear(self, slot: str) -> None:
        setattr(self.state, slot, "")
        other = "second" if slot == "first" else "first"
        if self.state.shown in (slot, "difference"):
            self._choose(shown=other)

    def _choose(self, **values: str) -> None:
        for name, value in values.items():
            setattr(self.state, name, value)
        source = self.state.source()
        if source is not None and self.able:
            self.app.source = source

    def _ask_file(self, slot: str) -> None:
        path, _ = QFileDialog.getOpenFileName(self.c.window, "Choose picture", self.c.folder, PICTURES)
        if path:
            self.give(slot, path)

    def _on_run(self, *_: Any) -> None:
        run = self.app.run
        if run is not None and run.metrics:
            self.page.show_run(run)
            if self.state.brain not in run.subjects:
                own = self.app.subject.id if self.app.subject else ""
                self.state.brain = own if own in run.subjects else run.subjects[0]
        self.refresh()

    def _on_source(self, new: Any, old: Any) -> None:
        """Follow undo and projects: the page shows what is drawn."""
        if new.kind != "picture":
            return
        if new.metric:
            self.state.first, self.state.second, self.state.shown = new.path, new.metric, "difference"
        elif new.path != getattr(self.state, self.state.shown, None):
            self.state.shown = "second" if new.path == self.state.second else "first"
            setattr(self.state, self.state.shown, new.path)
        self.state.brain = new.brain

    def _show(self) -> None:
        state, thumbs = self.state, self.c.window.strip.model.thumbs
        source = state.source()
        known = self.c.session.pictures.known(source) if source is not None else None
        drawn = self.app.source == source
        self.page.show_choice(state.first, state.second, state.brain, state.shown, self.app.stimulus,
                              known.note if known is not None and drawn else "")
        for name, slot in self.page.slots.items():
            picture = getattr(state, name)
            image = None
            if picture.startswith(OF_DATASET) and thumbs is not None:
                thumb = thumbs.get(int(picture[len(OF_DATASET):]))
                image = None if thumb is None else thumb.image
            slot.show_picture(picture, image)
