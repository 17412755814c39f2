"""A scripted session in the real window: everything a user does, for minutes, with a meter beside it; and a series of
numbered pictures of everything in both themes and two sizes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication

from brainview.app.session_meter import LagMeter, install_paint_clock, judge, resources
from brainview.app.session_pictures import take_pictures
from brainview.app.start import Shell, application
from brainview.core.errors import BrainViewError, MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.state.app import RoiKey


class SessionRun:
    """One scripted session.

    Parameters
    ----------
    shell : Shell
    data, run : str
        Data set and encoding run that are opened.
    context : JobContext
    """

    def __init__(self, shell: Shell, data: str, run: str, context: JobContext = QUIET) -> None:
        self.shell, self.data, self.run_path, self.context = shell, data, run, context
        self.c, self.window = shell.controller, shell.window
        self.meter: LagMeter | None = None
        self.failed: list[str] = []

    # -- waiting -------------------------------------------------------------------------------------------------

    async def still(self, seconds: float = 90.0) -> None:
        """Wait until no job runs and the window has come to rest."""
        await asyncio.sleep(0.05)
        end = time.monotonic() + seconds
        while time.monotonic() < end and (any(j.active for j in self.shell.engine.jobs) or self.c.reporter.busy):
            self.context.check()
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.1)

    async def begin(self) -> None:
        """Open the data set and the run."""
        self.shell.attach_viewer()
        viewer = self.window.viewer
        end = time.monotonic() + 30
        while viewer.canvas is None and time.monotonic() < end:
            await asyncio.sleep(0.05)
        viewer.ensure_canvas()
        await self.c.session.open_dataset(self.data)
        if self.run_path:
            await self.c.session.open_run(self.run_path)
        await self.still()

    # -- what a user does ----------------------------------------------------------------------------------------

    def steps(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """Return the steps of one round."""
        return [("subjects", self._subjects), ("maps", self._maps), ("hover", self._hover), ("threshold", self._cut),
                ("morph", self._morph), ("slices", self._slices), ("regions", self._regions),
                ("stimuli", self._stimuli), ("drivers", self._drivers), ("compare", self._compare),
                ("export", self._export), ("compose", self._compose), ("pages", self._pages), ("undo", self._undo)]

    async def _subjects(self) -> None:
        assert self.c.app.dataset is not None
        for name in self.c.app.dataset.subjects[:2]:
            self.c.choose_subject(name)
            await self.still()

    async def _maps(self) -> None:
        run = self.c.app.run
        if run is None:
            self.c.show_ceiling()
            return
        for brain in run.brains[:3]:
            for metric in run.metrics_of(brain)[:4]:
                self.c.choose_map_of_run(brain, metric)
                await asyncio.sleep(0.08)
        self.c.choose_map_of_run(run.subjects[0], run.first_metric(run.subjects[0]))
        await self.still()

    async def _hover(self) -> None:
        body = self.window.viewer._body
        for k in range(60):
            place = QPointF(body.width() * (0.1 + 0.8 * (k % 30) / 30), body.height() * (0.25 + 0.5 * (k // 30)))
            QApplication.sendEvent(body, QMouseEvent(QEvent.Type.MouseMove, place, body.mapToGlobal(place),
                                                     Qt.MouseButton.NoButton, Qt.MouseButton.NoButton,
                                                     Qt.KeyboardModifier.NoModifier))
            await asyncio.sleep(0.012)

    async def _cut(self) -> None:
        view = self.c.view
        low, high = view.rule.limits
        for k in range(16):
            view.rule = view.rule.having(threshold=max(0.0, (high - max(low, 0)) * k / 20), threshold_unit="value")
            await asyncio.sleep(0.03)
        view.rule = view.rule.having(threshold=0.0)

    async def _morph(self) -> None:
        for surface in ("pial", "pial-white-50", "white-inflated-30", "white-inflated-70", "inflated", "flat",
                        "inflated"):
            try:
                self.c.view.surface = surface
            except BrainViewError:
                continue
            await asyncio.sleep(0.1)
        await self.still()

    async def _slices(self) -> None:
        self.c.view.beside = True
        await self.still()
        self.c.view.radiological = True
        await asyncio.sleep(0.1)
        self.c.view.radiological, self.c.view.beside = False, False
        await asyncio.sleep(0.1)

    async def _regions(self) -> None:
        person = self.c.app.subject
        assert person is not None
        for name, one in list(person.rois.items())[:4]:
            label = next(iter(one.table.values()), None)
            if label is not None:
                self.c.app.rois = (RoiKey("left", name, label.name), RoiKey("right", name, label.name))
                await asyncio.sleep(0.1)
        self.c.toggle_outlines()
        await asyncio.sleep(0.15)
        self.c.toggle_outlines()

    async def _stimuli(self) -> None:
        self.window.show_dock("stimuli")
        person = self.c.app.subject
        assert person is not None
        for order in ("best", "id"):
            self.c.app.strip_order = order
            await asyncio.sleep(0.05)
        for letter in ("d", "do", "dog", ""):
            self.c.app.strip_filter = letter
            await asyncio.sleep(0.05)
        ids = [int(i) for i in person.splits.get("test", person.stimuli)[:3]]
        for stimulus in ids:
            self.c.show_response(stimulus, "measured")
            await self.still()

    async def _drivers(self) -> None:
        self.window.show_dock("drivers")
        await asyncio.sleep(0.4)
        await self.still()
        self.window.show_dock("stimuli")

    async def _compare(self) -> None:
        run = self.c.app.run
        if run is None or len(run.subjects) < 2:
            return
        metric = run.first_metric(run.subjects[0])
        self.c.choose_map_of_run(run.subjects[0], metric)
        await self.still()
        self.c.hold_map()
        self.c.choose_map_of_run(run.subjects[1], metric)
        await self.still()
        dialog = await self.c.compare_maps()
        await asyncio.sleep(0.2)
        dialog.close()
        dialog.deleteLater()

    async def _export(self) -> None:
        drawn = self.c.shower.original or self.c.view.map
        assert drawn is not None
        with TemporaryDirectory() as folder:
            await self.c.session.export_map(drawn, str(Path(folder) / "m.csv"), "csv", None)
            self.c.start(self.c.session.ask(
                "brainview.scene.jobs:picture", "Draw a picture", map=drawn, size=(1200, 900), rule=self.c.view.rule,
                look={"background": "white"}))
            await self.still()

    async def _compose(self) -> None:
        dialog = self.c.compose()
        await self.still()
        dialog.close()
        dialog.deleteLater()

    async def _pages(self) -> None:
        for page in ("training", "quality", "data"):
            self.window.subjects.show_page(page)
            await self.still()
        for dock in ("attribution", "decoding", "encoding", "jobs", "peaks", "stimuli"):
            self.window.show_dock(dock)
            await asyncio.sleep(0.1)

    async def _undo(self) -> None:
        for _ in range(8):
            self.c.undo.undo()
            await asyncio.sleep(0.03)
        for _ in range(8):
            self.c.undo.redo()
            await asyncio.sleep(0.03)
        await self.still()

    # -- the session ---------------------------------------------------------------------------------------------

    async def round(self) -> None:
        """Do every step once; a step that fails is noted and stops none of the others."""
        for name, step in self.steps():
            self.context.check()
            if self.meter is not None:
                self.meter.step = name
            try:
                await step()
            except (BrainViewError, AssertionError) as err:
                self.failed.append(f"{name}: {err or type(err).__name__}")

    async def measure(self, minutes: float, meter: LagMeter, by: str = "wall") -> dict[str, Any]:
        """Repeat rounds for some minutes and return the figures."""
        self.meter = meter
        meter.start()
        end, begun = time.monotonic() + 60 * minutes, time.monotonic()
        series: list[dict[str, int]] = []
        while not series or time.monotonic() < end:
            self.context.report(min(time.monotonic() - begun, 60 * minutes), 60 * minutes, f"round {len(series) + 1}")
            await self.round()
            series.append(resources())
            meter.skip()  # counting took a moment of its own
            if len(series) == 1:
                meter.wall.clear()  # the first round imports, compiles and fills caches
                meter.cpu.clear()
        meter.stop()
        lag = meter.figures()
        verdict = judge(lag, series, by)
        return {"minutes": (time.monotonic() - begun) / 60, "rounds": len(series), "lag": lag, "resources": series,
                "failed": sorted(set(self.failed)), "passed": verdict.passed and not self.failed,
                "verdict": verdict.reasons}


def run(minutes: float = 10.0, data: str = "", run_path: str = "", *, pictures: Path | None = None,
        canvas: str = "auto", by: str = "wall", size: tuple[int, int] = (1280, 800),
        context: JobContext = QUIET) -> dict[str, Any]:
    """Hold a session in a window of its own and return its figures.

    Parameters
    ----------
    minutes : float
        How long; at least one round is done.
    data, run_path : str
        Data set and encoding run; without a data set the built-in phantom is made and a ridge is trained.
    pictures : Path, optional
        Also write the series of pictures there.
    canvas : str
        ``auto``, ``qt`` or ``image``.
    by : str
        ``wall`` or ``cpu``: which lag the verdict is about (on a busy machine only ``cpu`` speaks of the program).
    """
    import qasync

    from brainview.engine import Engine

    clock = install_paint_clock()
    program = application()
    loop = qasync.QEventLoop(program)
    asyncio.set_event_loop(loop)

    async def life() -> dict[str, Any]:
        shell = Shell(Engine(), journal=False, canvas=canvas)
        shell.window.show()
        shell.window.resize(*size)
        session = SessionRun(shell, data, run_path, context)
        try:
            if not data:
                await _prepare(session)
            await session.begin()
            told: dict[str, Any] = {"passed": True}
            if minutes > 0:
                told = await session.measure(minutes, LagMeter(clock), by)
            if pictures is not None:
                told["pictures"] = [str(p) for p in await take_pictures(session, pictures)]
            return told
        finally:
            shell.window.close()
            await shell.shut_down()

    with loop:
        return loop.run_until_complete(life())


async def _prepare(session: SessionRun) -> None:
    """Make the built-in phantom and a ridge on two of its subjects."""
    from brainview.core.paths import cache_dir

    ask = session.c.session.ask
    session.data = str(await ask("brainview.phantom.jobs:ensure_default", "Make the built-in phantom", stage="first"))
    told = await ask("brainview.datasets.jobs:inspect", "Look at it", path=session.data)
    names = [str(s["id"]) for s in told["subjects"]][:2]
    if not names:
        raise MissingError("the built-in phantom has no subject")
    session.run_path = str(cache_dir() / "session" / "ridge-gabor")
    await ask("brainview.training.jobs:train", "Train a ridge", lane="batch", system_name="ridge", path=session.data,
              run=session.run_path, subjects=names, options={"features": "gabor", "bootstraps": 20, "permutations": 5})
