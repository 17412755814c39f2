"""The wiring of the training page: form, estimate, the run under way, the list of runs, comparing.

::

    form / list -> TrainingState field -> event -> form.show_form(), live.show_run(), runs.show_runs()
    job of a training -> every change the line and the bar, every few seconds the curves
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from brainview.app.controller import Controller
from brainview.app.panels.training.compare import CardWindow, CompareWindow
from brainview.app.wiring_strip import Once
from brainview.app.wiring_training_form import PATIENCE, FormWiring
from brainview.core.errors import BrainViewError
from brainview.state.session import TRAIN
from brainview.state.training import (
    CURVES,
    DISCARD,
    LIST_RUNS,
    RESTORE,
    RESUME,
    RUN_CARD,
    Curves,
    RunEntry,
    TrainingState,
    recent_runs,
    remember_run,
    runs_dir,
)

log = logging.getLogger("brainview")
#: Milliseconds between two looks at a run that trains.
LOOK = 2000


def arguments_of(job: Any) -> dict[str, Any]:
    """Return the arguments of an engine's job."""
    spec = getattr(job, "spec", None)
    return dict(spec.arguments if spec is not None else job.arguments)


def function_of(job: Any) -> str:
    """Return the function of an engine's job."""
    spec = getattr(job, "spec", None)
    return str(spec.function if spec is not None else job.function)


class TrainingWiring(FormWiring):
    """Connects the training page of one window."""

    def __init__(self, controller: Controller) -> None:
        self.c, self.app, self.panel = controller, controller.app, controller.window.subjects
        self.state = TrainingState()
        self.jobs: dict[str, Any] = {}
        self._begun: dict[str, dict[str, Any]] = {}  # run -> what it was begun with, should it write nothing
        self._forms = {}
        self._windows: list[Any] = []
        self._reading = False
        controller.session.parts["training"] = self.state
        controller.undo.watch(self.state, {"system": "Choose model to train", "preset": "Choose preset",
                                           "values": "Change training option"})
        owner = controller.window
        self.refresh_form = Once(owner, self._show_form)
        self.refresh_live = Once(owner, self._show_live)
        self._later = self._timer(PATIENCE, lambda: self.c.start(self._estimate()), single=True)
        self._looks = self._timer(LOOK, self._look)
        self._listen_state()
        self._listen_widgets()

    def _listen_state(self) -> None:
        on = self.state.events
        for name, listeners in {
            "system": (self._on_system, self.refresh_form), "form": (self.refresh_form, self._estimate_soon),
            "preset": (self.refresh_form,), "values": (self.refresh_form, self._estimate_soon),
            "estimate": (lambda *_: self.panel.form.show_estimate(self.state.estimate),),
            "runs": (self._on_runs, self.refresh_live, self.refresh_form),
            "watched": (self._on_watched, self.refresh_live),
            "curves": (lambda *_: self.panel.live.show_curves(self.state.curves),),
        }.items():
            for listener in listeners:
                getattr(on, name).connect(listener, check_nargs=False)
        for name in ("system", "preset", "values", "watched"):
            getattr(on, name).connect(lambda *_: self.c.touch(), check_nargs=False)
        self.app.events.dataset.connect(self._on_dataset, check_nargs=False)
        self.app.events.run.connect(self._on_run, check_nargs=False)
        self.app.events.theme.connect(lambda *_: self.retheme(), check_nargs=False)
        self.c.engine.job_added.connect(self._on_job)

    def _listen_widgets(self) -> None:
        c, form, live, runs = self.c, self.panel.form, self.panel.live, self.panel.runs
        form.system_chosen.connect(self._choose_system)
        form.preset_chosen.connect(self._choose_preset)
        form.edited.connect(lambda values: setattr(self.state, "values", values))
        live.paused.connect(self._pause)
        live.stopped.connect(lambda: c.start(self._cancel(self.state.watched)))
        for part in (live, runs):
            part.resumed.connect(lambda path: c.start(self._resume(path)))
            part.card_wanted.connect(lambda path: c.start(self._card(path)))
        runs.watched.connect(lambda path: setattr(self.state, "watched", path))
        runs.compared.connect(lambda paths: c.start(self._compare(paths)))
        runs.discarded.connect(lambda path: c.start(self._discard(path)))

    # -- the run under way ---------------------------------------------------------------------------------------

    def _on_job(self, job: Any) -> None:
        if function_of(job) not in (TRAIN, RESUME):
            return
        path = str(arguments_of(job)["run"])
        self.jobs[path] = job
        if function_of(job) == TRAIN:
            self._begun[path] = arguments_of(job)
        self.state.watched = path
        job.changed.connect(lambda: self._on_progress(path, job))
        self._looks.start()
        self.refresh_live()

    def _on_progress(self, path: str, job: Any) -> None:
        if path == self.state.watched:
            self.refresh_live()
        if job.status not in ("queued", "running") and self.jobs.get(path) is job:
            self.c.start(self._ended(path, job))

    async def _ended(self, path: str, job: Any) -> None:
        """Read where a run stands that no longer trains; until then it is not called unwritten."""
        await self._list_runs()
        if self.jobs.get(path) is job:
            del self.jobs[path]
            self.refresh_live()
            self._read_curves(path)
            if not self.jobs:
                self._looks.stop()

    def _show_live(self) -> None:
        path = self.state.watched
        self.panel.live_section.setVisible(bool(path))
        if path:
            self.panel.live.show_run(path, self.state.entry(path), self.jobs.get(path), again=path in self._begun)

    def _on_watched(self, new: str, old: str) -> None:
        self.state.curves = None
        if new:
            self._read_curves(new)

    def _look(self) -> None:
        if self.state.watched in self.jobs and self.panel.live.isVisible() \
                and self.jobs[self.state.watched].status == "running":
            self._read_curves(self.state.watched)

    def _read_curves(self, path: str) -> None:
        if not self._reading:
            self._reading = True
            self.c.start(self._curves(path))

    async def _curves(self, path: str) -> None:
        try:
            found = Curves.from_job(await self._quietly(CURVES, "Read the curves of a run", run=path))
            if path == self.state.watched:
                self.state.curves = found
        except BrainViewError as err:  # it has written nothing yet, or is gone
            log.info("no curves: %s", err)
        finally:
            self._reading = False
        if self.state.watched and self.state.watched != path:  # another run was chosen meanwhile
            self._read_curves(self.state.watched)

    def _pause(self) -> None:
        job = self.jobs.get(self.state.watched)
        if job is not None:
            job.cancel()

    async def _cancel(self, path: str) -> None:
        job = self.jobs.get(path)
        if job is not None:
            job.cancel()
            try:
                await job.result()
            except BrainViewError:
                pass
        await self._discard(path)

    async def _resume(self, path: str) -> None:
        if path in self.jobs and self.jobs[path].status in ("queued", "running"):
            return
        self.panel.show_page("training")
        anew = self.state.entry(path) is None and path in self._begun  # stopped before it had a folder to go on from
        job = self.c.engine.submit(TRAIN if anew else RESUME, title=f"Train {Path(path).name}", lane="batch",
                                   arguments=self._begun[path] if anew else {"run": path})

        async def opened(done: str) -> str:
            await self.c.session.open_run(done)
            return done

        await self.c.session.follow(job, opened)
        self.c.reporter.tell(f"Trained {Path(path).name}", "done")

    # -- the list of runs ----------------------------------------------------------------------------------------

    def refresh_runs(self) -> None:
        """Read the list of runs again."""
        if self.app.dataset is not None:
            self.c.start(self._list_runs())

    def _on_run(self, new: Any, old: Any) -> None:
        if new is not None:
            try:
                remember_run(new.path)
            except (BrainViewError, OSError) as err:  # the list is a comfort; a full disk must not stop the opening
                log.warning("the list of recent runs was not written: %s", err)
        self.refresh_runs()

    async def _list_runs(self) -> None:
        try:
            rows = await self._quietly(LIST_RUNS, "List the runs", folder=str(runs_dir()),
                                       also=recent_runs())
        except BrainViewError as err:
            log.info("no list of runs: %s", err)
            return
        self.state.runs = tuple(RunEntry.from_job(r) for r in rows)

    def _on_runs(self, *_: Any) -> None:
        current = self.state.watched or (self.app.run.path if self.app.run else "")
        self.panel.runs.show_runs(self.state.runs, current)

    async def _discard(self, path: str) -> None:
        if self.state.watched == path:
            self.state.watched = ""
        try:
            lies = await self.c.session.ask(DISCARD, f"Put away {Path(path).name}", run=path)
        except BrainViewError as err:  # it had written nothing yet
            log.info("nothing to put away: %s", err)
            self.refresh_runs()
            return
        self.refresh_runs()
        self.c.reporter.tell(f"Put away {Path(path).name}; nothing was deleted.", "info",
                             [("Bring back", lambda: self.c.start(self._bring_back(lies)))])

    async def _bring_back(self, lies: str) -> None:
        path = await self.c.session.ask(RESTORE, f"Bring back {Path(lies).name}", run=lies)
        self.refresh_runs()
        self.state.watched = path

    async def _card(self, path: str) -> None:
        window = CardWindow(self.c.window, await self.c.session.ask(RUN_CARD, f"Card of {Path(path).name}", run=path))
        self._keep(window)

    async def _compare(self, paths: list[str]) -> None:
        entries = [e for p in paths if (e := self.state.entry(p)) is not None]
        curves = [Curves.from_job(await self.c.session.ask(CURVES, "Read the curves of a run", run=e.path))
                  for e in entries]
        window = CompareWindow(self.c.window)
        window.show_runs(entries, curves)
        self._keep(window)

    def _keep(self, window: Any) -> None:
        """Show a window beside the main one; it is let go when it is closed."""
        self._windows = [w for w in self._windows if w.isVisible()]
        self._windows.append(window)
        window.show()

    def retheme(self) -> None:
        """Draw the plots in the theme in force."""
        self.panel.live.retheme()
        for window in self._windows:
            if hasattr(window, "retheme"):
                window.retheme()
