"""The part of the training page's wiring that ties the form to the state; see ``wiring_training.py`` for the flow."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QTimer

from brainview.app.controller import Controller
from brainview.app.panels.subjects import SubjectsPanel
from brainview.core.errors import BrainViewError
from brainview.state.app import AppState
from brainview.state.session import with_variant
from brainview.state.training import DESCRIBE, ESTIMATE, SystemForm, TrainingState, runs_dir, runs_to_start_from

log = logging.getLogger("brainview")
#: Milliseconds between an edit of the form and a new estimate.
PATIENCE = 350


class FormWiring:
    """Which system, which preset, which options, and what that will need."""

    c: Controller
    app: AppState
    panel: SubjectsPanel
    state: TrainingState
    _forms: dict[str, SystemForm]
    _later: QTimer
    refresh_runs: Callable[[], None]

    def _timer(self, interval: int, do: Any, *, single: bool = False) -> QTimer:
        timer = QTimer(self.c.window)
        timer.setSingleShot(single)
        timer.setInterval(interval)
        timer.timeout.connect(do)
        return timer

    def _on_dataset(self, new: Any, old: Any) -> None:
        self.refresh_runs()
        if new is not None:
            self._on_system()
            self._estimate_soon()

    def _on_system(self, *_: Any) -> None:
        known = self._forms.get(self.state.system)
        if known is not None:
            self.state.form = known
        else:
            self.state.form = None
            self.c.start(self._describe(self.state.system))

    async def _describe(self, name: str) -> None:
        form = SystemForm.from_job(await self.c.session.ask(DESCRIBE, f"Read the settings of {name}", system_name=name))
        self._forms[name] = form
        if self.state.system != name:
            return
        with self.c.undo.paused():
            if self.state.preset not in form.presets:
                self.state.preset = form.first_preset()
                self.state.values = {}
            self.state.values = {**form.values(self.state.preset),
                                 **{k: v for k, v in self.state.values.items() if form.option(k)}}
            self.state.form = form

    def _choose_system(self, name: str) -> None:
        with self.c.undo.together("Choose model to train"):
            self.state.preset, self.state.values = "", {}
            known = self._forms.get(name)
            if known is not None:
                self.state.preset = known.first_preset()
                self.state.values = known.values(self.state.preset)
            self.state.system = name

    def _choose_preset(self, name: str) -> None:
        form = self.state.form
        if form is not None:
            with self.c.undo.together("Choose preset"):
                self.state.preset, self.state.values = name, form.values(name)

    def _show_form(self) -> None:
        state = self.state
        self.panel.form.show_form(state.form, state.system, state.preset, state.values)
        stage, dataset = state.values.get("stage"), self.app.dataset
        if dataset is not None and (isinstance(stage, int) or "begin" in state.values):
            self.panel.form.show_starts(runs_to_start_from(state.runs, state.system, stage, dataset.name))

    def _estimate_soon(self, *_: Any) -> None:
        self.state.estimate = {}
        if self.app.dataset is not None and self.state.form is not None:
            self._later.start()

    async def _estimate(self) -> None:
        state, dataset = self.state, self.app.dataset
        if dataset is None or state.form is None or state.form.problems(state.values):
            return
        asked = dict(state.values)
        try:
            found = await self._quietly(ESTIMATE, "Work out what a training needs", system_name=state.system,
                                        path=dataset.path, subjects=self.panel.form.chosen_subjects() or None,
                                        options=with_variant(self.app, asked), runs=str(runs_dir()))
        except BrainViewError as err:
            log.info("no estimate: %s", err)
            found = {"basis": str(err)}
        if asked == state.values:
            state.estimate = found

    async def _quietly(self, function: str, title: str, **arguments: Any) -> Any:
        """Ask, and take the job out of the engine's list again: it comes every few seconds."""
        engine = self.c.engine
        job = engine.submit(function, title=title, lane="live", arguments=arguments)
        try:
            return await job.result()
        finally:
            if job in engine.jobs:
                engine.jobs.remove(job)
