"""The wiring of the figures page: what is drawn follows the run, the metric and the subject of the encoding panel."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QFileDialog

from brainview.app.controller import Controller
from brainview.app.figures import encoding as figures
from brainview.app.figures.sheet import Sheet
from brainview.app.panels.figures import LargeFigure
from brainview.app.wiring_strip import Once
from brainview.core.errors import BrainViewError
from brainview.state.app import Prediction, SubjectInfo
from brainview.state.roi_table import ranked_stimuli
from brainview.state.session import OPEN_SUBJECT, PREDICT

#: Images of one figure.
COUNT = 4
ENDINGS = "PNG, 300 dpi (*.png);;SVG (*.svg);;PDF (*.pdf);;Numbers (*.csv)"


class FiguresWiring:
    """Connects the figures page of one window."""

    def __init__(self, controller: Controller) -> None:
        self.c, self.app, self.page = controller, controller.app, controller.window.encoding.figures
        self.kind, self.order = "maps", "best"
        self.sheet: Sheet | None = None
        self.window: LargeFigure | None = None
        self._number = 0
        self._people: dict[tuple[str, str, str], SubjectInfo] = {}
        self._predictions: dict[tuple[str, str, int], Prediction] = {}
        self._metric = ("", "")
        self.refresh = Once(controller.window, self._draw)
        page = self.page
        page.kind_chosen.connect(lambda value: self._set("kind", value))
        page.order_chosen.connect(lambda value: self._set("order", value))
        page.came.connect(self.refresh)
        page.save_wanted.connect(self._ask)
        page.large_wanted.connect(self._enlarge)
        self.app.events.run.connect(self._on_run, check_nargs=False)
        self.app.events.source.connect(self._on_source, check_nargs=False)

    def _set(self, name: str, value: str) -> None:
        setattr(self, name, value)
        self._stale()
        self.refresh()

    def _stale(self) -> None:
        """Let nobody save a figure that is no longer the one asked for."""
        self.sheet = None
        self.page.save.setEnabled(False)
        self.page.large.setEnabled(False)

    def _on_run(self, *_: Any) -> None:
        self.sheet, self._metric = None, ("", "")
        run = self.app.run
        if run is not None and run.metrics:
            own = self.app.subject.id if self.app.subject else ""
            brain = own if own in run.subjects else run.subjects[0]
            self._metric = (brain, run.first_metric(brain))
        self.refresh()

    def _on_source(self, new: Any, old: Any) -> None:
        if new.kind == "metric" and (new.brain, new.metric) != self._metric:
            self._metric = (new.brain, new.metric)
            self._stale()
            self.refresh()

    def _draw(self) -> None:
        self.page.order.setVisible(self.kind == "predictions")
        if self.page.isVisible() and self.app.run is not None and self.app.run.metrics:
            self.c.start(self._make())

    async def _make(self) -> None:
        self._number += 1
        mine = self._number
        self.page.words.setText("Drawing…")
        self.page.words.show()
        try:
            sheet, words = await self.make(self.kind), ""
        except BrainViewError as err:
            sheet, words = None, str(err)
        if mine == self._number:
            self.sheet = sheet
            self.page.show_sheet(sheet, words)

    async def make(self, kind: str) -> Sheet:
        """Return the sheet of a kind for what is open; raises MissingError when it cannot be drawn."""
        run, (brain, metric) = self.app.run, self._metric
        assert run is not None
        if kind == "regions":
            return figures.regions_sheet(run, brain, metric)
        if kind == "maps":
            people = {name: await self._person(name) for name in run.subjects}
            return await asyncio.to_thread(figures.maps_sheet, run, metric, people)
        who = brain if brain in run.subjects else run.subjects[0]
        ranked = ranked_stimuli(run, who, best=self.order == "best", count=COUNT)
        found = [await self._prediction(run.path, who, stimulus) for stimulus, _, _ in ranked]
        return await asyncio.to_thread(figures.predictions_sheet, run, found)

    async def _person(self, name: str) -> SubjectInfo:
        dataset = self.app.dataset
        path = dataset.path if dataset is not None else ""
        variant = str(self.app.run.card.get("variant") or "") if self.app.run is not None else ""
        known = self._people.get((path, name, variant))
        if known is None:
            known = SubjectInfo.from_job(await self.c.session.ask(OPEN_SUBJECT, f"Open {name}", path=path,
                                                                  subject=name,
                                                                  **({"variant": variant} if variant else {})))
            self._people[path, name, variant] = known
        return known

    async def _prediction(self, run: str, who: str, stimulus: int) -> Prediction:
        known = self._predictions.get((run, who, stimulus))
        if known is None:
            answer = await self.c.session.ask(PREDICT, f"Predict {who}, stimulus {stimulus}", run=run, subject=who,
                                              stimulus=int(stimulus))
            known = Prediction.from_job(run, who, stimulus, answer)
            if len(self._predictions) > 64:
                self._predictions.clear()
            self._predictions[run, who, stimulus] = known
        return known

    def _ask(self) -> None:
        start = str(Path(self.c.folder) / f"{self.kind}.png")
        path, _ = QFileDialog.getSaveFileName(self.c.window, "Save figure", start, ENDINGS)
        if path:
            self.c.reporter.guarded(lambda: self.write(path))

    def write(self, path: str) -> None:
        """Write the figure that is shown; the ending decides the format."""
        if self.sheet is not None:
            self.c.written(self.sheet.save(path))

    def _enlarge(self) -> None:
        if self.sheet is not None:
            self.window = LargeFigure(self.c.window, self.sheet)
            self.window.show()
