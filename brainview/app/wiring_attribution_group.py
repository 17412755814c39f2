"""The part of the attribution wiring that deals with many stimuli."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brainview.app.controller import Controller
from brainview.app.panels.attribution.panel import AttributionPanel
from brainview.state.app import AppState
from brainview.state.attribution import Answer, AttributionState

BATCH = "brainview.attribution.jobs:attribute_many"
GROUP = "brainview.attribution.jobs:group"
CATEGORIES = "brainview.attribution.jobs:categories"


class GroupWiring:
    """Batch attribution and group maps."""

    c: Controller
    app: AppState
    panel: AttributionPanel
    state: AttributionState
    _data: str

    def start_group(self) -> None:
        """Connect the section."""
        self.groups: dict[str, Any] = {}
        self._batch = ""
        section = self.panel.group
        section.batch_wanted.connect(lambda: self.c.start(self.attribute_all()))
        section.correction_chosen.connect(lambda value: setattr(self.state, "correction", value))
        section.group_wanted.connect(lambda name: self.c.start(self.show_group(name)))

    def forget_group(self) -> None:
        """Drop what belongs to another model."""
        self.groups, self._batch = {}, ""
        self.panel.group.show_categories((), "")

    def batch_folder(self) -> Path:
        """Return where the scores of this run are kept."""
        assert self.app.run is not None
        return Path(self.app.run.path) / "attribution"

    async def attribute_all(self) -> None:
        """Compute every test stimulus with the setting on screen, in the background."""
        about = self.state.description
        if about is None or self.app.run is None:
            return
        job = self.c.engine.submit(BATCH, title=f"Attribute all of {about['subject']}", lane="batch", arguments={
            "run": self.app.run.path, "out": str(self.batch_folder()), "subjects": [about["subject"]],
            "request": self.state.setting.request(), "data": self._data})

        async def done(found: dict[str, Any]) -> None:
            self._batch = found["files"][0]
            await self.offer_categories()

        await self.c.session.follow(job, done)

    async def offer_categories(self) -> None:
        """Fill the chooser with the categories of what is computed, and show the first."""
        about = self.state.description
        if about is None or not self._batch or self.app.run is None:
            return
        found = await self.c.session.ask(CATEGORIES, "Read categories", run=self.app.run.path, scores=self._batch,
                                         data=self._data)
        self.panel.group.show_categories([tuple(c) for c in found], self.state.category)
        if found:
            names = [c[0] for c in found]
            await self.show_group(self.state.category if self.state.category in names else names[0])

    async def show_group(self, category: str) -> None:
        """Compute the mean and the t-map over a category, and draw the mean."""
        about = self.state.description
        if about is None or self.app.run is None:
            return
        self.state.category = category
        found = await self.c.session.ask(GROUP, f"Group map over {category}", run=self.app.run.path,
                                         scores=self._batch, category=category, data=self._data)
        setting = self.state.setting
        answer = Answer(-1, setting, "final", found["mean"], found["unit"], story={
            "method": setting.method, "target": setting.target, "stimulus": found["name"], **found["story"]})
        self.groups = {**found, "answer": answer, "name": {
            "group": f"Mean over {found['n']} stimuli: {found['name']}",
            "t": f"t over {found['n']} stimuli: {found['name']}"}}
        self.panel.group.show_group(found)
        if self.state.view in ("group", "t"):
            self._on_drawing()  # type: ignore[attr-defined]
        else:
            self.state.view = "group"
