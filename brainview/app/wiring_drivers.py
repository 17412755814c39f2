"""The wires of the dock "Drivers", and of the film strip's categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QTimer

from brainview.app.wiring_strip import Once
from brainview.maps.display import Pick
from brainview.state.drivers import Drivers, Place, picked_place, region_place
from brainview.state.regions import region_names
from brainview.state.stimuli import Thumbs

if TYPE_CHECKING:
    from brainview.app.controller import Controller

#: A place is asked about when the cursor has rested on it so long, ms.
REST = 250


class DriversWiring:
    """Asks what drives the picked place or the selected regions while the dock is in sight."""

    def __init__(self, c: Controller) -> None:
        self.c, self.app, self.panel = c, c.app, c.window.drivers
        self.drivers = Drivers(c.session)
        c.session.parts["drivers"] = self.drivers.state
        self.thumbs: Thumbs | None = None
        self.refresh = Once(c.window, self._show)
        self._rest = QTimer(c.window)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST)
        self._rest.timeout.connect(self._ask)
        p = self.panel
        p.setting_changed.connect(self._choose)
        p.chosen.connect(self._chosen)
        p.opened.connect(lambda stimulus: c.show_response(stimulus))
        p.needed.connect(self._fetch)
        p.came.connect(self._rest.start)
        c.window.docks["drivers"].visibilityChanged.connect(lambda on: self._rest.start() if on else None)
        c.undo.watch(self.drivers.state, {"order": "Drivers: which end", "kind": "Drivers: measured or predicted",
                                          "place": "Drivers: of what"})
        for name in ("order", "kind", "place"):
            getattr(self.drivers.state.events, name).connect(self.refresh, check_nargs=False)
            getattr(self.drivers.state.events, name).connect(lambda *_: c.touch(), check_nargs=False)
        self.drivers.state.events.place.connect(lambda *_: self._rest.start(), check_nargs=False)
        self.drivers.changed.connect(self.refresh, check_nargs=False)
        c.view.events.picked.connect(lambda *_: self._moved("vertex"), check_nargs=False)
        self.app.events.rois.connect(lambda *_: self._moved("regions"), check_nargs=False)
        for signal in (self.app.events.subject, self.app.events.run):
            signal.connect(self._other, check_nargs=False)
        self.app.events.dataset.connect(self._on_dataset, check_nargs=False)
        self._show()

    def _on_dataset(self, new: Any, old: Any) -> None:
        if new is None or old is None or new.path != old.path:
            self.thumbs = None if new is None else Thumbs(self.c.session.ask, new.path)
            self.panel.model.set_thumbs(self.thumbs)
        self._other()

    def _other(self, *_: Any) -> None:
        self.drivers.clear()
        self._rest.start()

    def _moved(self, place: str) -> None:
        if self.drivers.state.place == place:
            self._rest.start()

    def _choose(self, name: str, value: str) -> None:
        setattr(self.drivers.state, name, value)

    def _chosen(self, stimulus: int) -> None:
        self.app.stimulus = stimulus

    def place(self) -> Place | None:
        """Return what is asked about, None when nothing is chosen."""
        person, drawn = self.app.subject, self.c.view.map
        if person is None:
            return None
        if self.drivers.state.place == "regions":
            classes, space = self.c.regions()
            return None if space is None else region_place(classes, space, person.space, self.app.rois)
        pick: Pick | None = self.c.view.picked
        if pick is None or drawn is None or drawn.space.root != person.space.root:
            return None
        return picked_place(pick, person.space, region_names(dict(person.rois), person.space, pick.root_index))

    def _ask(self) -> None:
        if self.panel.isVisible() and not self.panel.visibleRegion().isEmpty():  # docks behind others count as visible
            place = self.place()
            if place is not None:
                self.c.start(self.drivers.ask(place))
            self.refresh()

    def _fetch(self, ids: list[int]) -> None:
        if self.thumbs is not None and self.thumbs.missing(ids):
            self.c.start(self.thumbs.fetch(ids))

    def _show(self) -> None:
        state, answer, place = self.drivers.state, self.drivers.answer, self.drivers.place
        predicted = answer is not None and "predicted" in answer
        self.panel.show_choices(state.order, state.kind, state.place, predicted=predicted or answer is None)
        if answer is None:
            empty = "Looking through the responses…" if place is not None else "Open a data set first." \
                if self.app.subject is None else "Click a place on the cortex to see what drives it." \
                if state.place == "vertex" else "Select regions (click the cortex or the bars) to see what drives them."
            self.panel.show_answer(place.words if place is not None else "", "", [], {}, [], empty=empty)
            return
        assert place is not None
        ids, values = self.drivers.ranking()
        n = answer["locations"]
        where = f"{place.words} · n = {n:,}" if n > 1 else place.words
        r = "" if answer["r"] is None else f"r = {answer['r']:.2f} between measured and predicted. "
        units = f"Values in {answer['units']}. "
        empty = "" if ids else "The open model does not predict this subject: choose Measured."
        self.panel.show_answer(where, r + units + answer["note"], ids, values, self.drivers.words(), empty=empty)
