"""A slider session in the real window, measured: event to pixels, time to the final map, superseded requests, leaks.

The window, the engine's worker and the model are the real ones. Seconds are wall time, which other work on the machine
stretches: the load, and the CPU seconds of the window and of its workers, stand beside every figure.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication

from brainview.core.errors import BrainViewError
from brainview.core.jobs import QUIET, JobContext
from brainview.state.attribution import Answer, position_of
from brainview.state.attribution_live import DESK, GRID

SIZE = (1280, 800)
#: Asked: seconds from the event to the pixels; to the final map of the default layer; of the others; to their preview.
PIXELS, FINAL, OTHER, PREVIEW = 0.050, 1.0, 3.0, 0.5
#: Growth that is no leak: MiB of one process, and threads.
GROWTH, THREADS = 40.0, 2
#: Two runs of one setting differ by less than this share of the highest token.
SAME = 0.01


class LiveSession:
    """Drives the attribution panel of a shell.

    Parameters
    ----------
    shell : Shell
        With its window shown and its engine running.
    """

    def __init__(self, shell: Any, context: JobContext = QUIET) -> None:
        self.shell, self.context = shell, context
        self.c, self.window = shell.controller, shell.window
        self.wire = next(p for p in shell.wiring.pages if type(p).__name__ == "AttributionWiring")
        self.controls = shell.window.attribution.controls
        self.asked: list[dict[str, Any]] = []
        self.arrived: list[tuple[float, Answer]] = []
        self.problems: list[str] = []
        self.wire.state.events.problem.connect(lambda words: self.problems.append(words) if words else None)

    @property
    def state(self) -> Any:
        """The panel's state."""
        return self.wire.state

    async def until(self, done: Callable[[], bool], seconds: float = 900.0) -> None:
        """Wait, turning the loop as fast as it goes."""
        end = time.monotonic() + seconds
        while not done():
            self.context.check()
            if time.monotonic() > end:
                raise BrainViewError("the attribution panel did not come to rest in time")
            await asyncio.sleep(0.002)

    def final(self) -> bool:
        """Whether the finished map of what is chosen has been drawn."""
        answer = self.state.answer
        return answer is not None and answer.final and answer.setting == self.state.setting

    async def open(self, data: str, run: str) -> None:
        """Open the data set and the run, and wait for the first final map."""
        if data:
            await self.c.session.open_path(data)
        await self.c.session.open_run(run)
        self.window.show_dock("attribution")
        await self.until(lambda: self.wire.model is not None)
        self.wire.model.ahead = False
        if self.c.app.stimulus < 0 or not self._own(self.c.app.stimulus):
            self.c.app.stimulus = int(self.state.description["stimuli"][0])
        await self.until(self.final)
        await self.until(lambda: not self.wire.model._running)
        self._listen()

    def _own(self, stimulus: int) -> bool:
        return stimulus in [int(i) for i in self.state.description["stimuli"]]

    def _listen(self) -> None:
        """Note when requests start and end, and when answers come."""
        model = self.wire.model
        model.arrived.connect(lambda answer: self.arrived.append((time.perf_counter(), answer)))
        session = model._session
        plain = session.call

        async def call(method: str, /, **arguments: Any) -> Any:
            start = time.perf_counter()
            answer = await plain(method, **arguments)
            if method == "attribute":
                self.asked.append({"number": arguments["number"], "start": start, "end": time.perf_counter(),
                                   "status": answer["status"]})
            return answer

        session.call = call

    def key(self, slider: Any, right: bool = True) -> None:
        """Press an arrow key on a slider, as a user does."""
        code = Qt.Key.Key_Right if right else Qt.Key.Key_Left
        for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            QApplication.sendEvent(slider, QKeyEvent(kind, code, Qt.KeyboardModifier.NoModifier))

    # -- what is measured ----------------------------------------------------------------------------------------

    async def pixels(self, moves: int = 40) -> dict[str, Any]:
        """Return wall and CPU milliseconds from a key press on the beta slider to the painted interpolated map.

        Between two presses the same picture is painted again: on software OpenGL that is most of the time, and its
        lower bound.
        """
        model, state = self.wire.model, self.state
        for beta in GRID[3:7]:
            await model.ask(self.c.app.stimulus, state.setting.having(beta=beta))
        model.drop()
        canvas, wall, cpu, statuses = self.window.viewer.canvas, [], [], set()
        bare: tuple[list[float], list[float]] = [], []
        slider = self.controls.beta.slider
        slider.setValue(position_of(GRID[4]))
        gc.collect()
        for _ in range(moves):
            await asyncio.sleep(0.05)
            await self._bare(canvas, bare)
            await asyncio.sleep(0.05)
            painted, drawn = canvas.paints, self.c.view.map
            start, spent = time.perf_counter(), time.process_time()
            self.key(slider)
            while canvas.paints == painted or self.c.view.map is drawn:
                await asyncio.sleep(0)
                if time.perf_counter() - start > 10:
                    raise BrainViewError("a moved slider was not painted")
            wall.append(1000 * (time.perf_counter() - start))
            cpu.append(1000 * (time.process_time() - spent))
            statuses.add(state.answer.status)
        return {"moves": moves, "drawn": sorted(statuses), "wall_ms": _spread(wall), "cpu_ms": _spread(cpu),
                "bare_wall_ms": _spread(bare[0]), "bare_cpu_ms": _spread(bare[1]),
                "goal_ms": 1000 * PIXELS, "met": float(np.median(wall)) <= 1000 * PIXELS}

    @staticmethod
    async def _bare(canvas: Any, kept: tuple[list[float], list[float]]) -> None:
        """Paint what is there again, and keep wall and CPU milliseconds."""
        painted, start, spent = canvas.paints, time.perf_counter(), time.process_time()
        canvas.request_paint()
        while canvas.paints == painted:
            await asyncio.sleep(0)
            if time.perf_counter() - start > 10:
                raise BrainViewError("a paint that was asked for did not come")
        kept[0].append(1000 * (time.perf_counter() - start))
        kept[1].append(1000 * (time.process_time() - spent))

    async def finals(self, layer: int, repeats: int = 5) -> dict[str, Any]:
        """Return seconds to the preview and to the final map of new betas at a layer."""
        default = int(self.state.description["layer"])
        wall, worker, first = [], [], []
        rng = np.random.default_rng(layer)
        self.state.setting = self.state.setting.having(layer=layer)
        await self.until(self.final)
        for k in range(repeats):
            await self.until(lambda: not self.wire.model._running)
            self.arrived.clear()
            beta = float(f"{0.02 * (1 + k) * rng.uniform(0.8, 1.2):.4g}")
            spent, start = self._workers_cpu(), time.perf_counter()
            self.wire.model._done.clear()  # nothing near is known: the preview is told, as on a new layer
            self.state.setting = self.state.setting.having(beta=beta)
            await self.until(self.final)
            wall.append(time.perf_counter() - start)
            worker.append(self._workers_cpu() - spent)
            first.append(self.arrived[0][0] - start)
        goal = FINAL if layer == default else OTHER
        return {"layer": layer, "default": layer == default, "repeats": repeats, "preview_s": _spread(first),
                "final_s": _spread(wall), "worker_cpu_s": _spread(worker), "goal_s": goal,
                "met": float(np.median(wall)) <= goal and float(np.median(first)) <= PREVIEW}

    async def superseded(self, repeats: int = 6) -> dict[str, Any]:
        """Return how soon a running request stops when a newer wish comes."""
        stops = []
        for k in range(repeats):
            await self.until(lambda: not self.wire.model._running)
            self.state.setting = self.state.setting.having(layer=0, beta=0.31 + 0.01 * k)
            await asyncio.sleep(0.15)
            self.asked.clear()
            now = time.perf_counter()
            self.state.setting = self.state.setting.having(beta=0.71 + 0.01 * k)
            await self.until(self.final)
            stops += [a["end"] - now for a in self.asked if a["status"] == "superseded"]
        return {"requests": repeats, "stopped": len(stops), "seconds": _spread(stops) if stops else None}

    async def moves(self, count: int = 200, seconds: float = 20.0, seed: int = 0) -> dict[str, Any]:
        """Move the sliders at random; return whether the right map is left, errors, lag of the loop and growth."""
        self.wire.model.ahead = True
        await self._random(max(20, count // 3), seconds / 3, seed + 1)  # warm: caches and threads are there
        before = self._footprint()
        lag = asyncio.ensure_future(self._lag())
        told = len(self.window.notices.shown)
        self.asked.clear()
        start = time.perf_counter()
        await self._random(count, seconds, seed)
        moved = time.perf_counter() - start
        await self.until(self.final)
        left = time.perf_counter() - start - moved
        self._stop = True
        worst = await lag
        self.wire.model.ahead = False
        await self.until(lambda: not self.wire.model._running)
        after = self._footprint()
        right, off = await self._right()
        grown = {k: after[k] - before[k] for k in before}
        errors = [str(n.words) for n in self.window.notices.shown[told:]] + self.problems
        superseded = sum(a["status"] == "superseded" for a in self.asked)
        return {"moves": count, "seconds": moved, "final_after_s": left, "right_map": right, "off": off,
                "errors": errors,
                "requests": len(self.asked), "superseded": superseded, "loop_lag_ms": worst,
                "grown_mib": {k: grown[k] for k in ("window_mib", "workers_mib")},
                "grown_threads": {k: grown[k] for k in ("window_threads", "workers_threads")},
                "met": right and not errors and max(grown["window_mib"], grown["workers_mib"]) < GROWTH
                and max(grown["window_threads"], grown["workers_threads"]) <= THREADS}

    async def _random(self, count: int, seconds: float, seed: int) -> None:
        rng, start = np.random.default_rng(seed), time.perf_counter()
        beta, layer = self.controls.beta.slider, self.controls.layer.slider
        for k in range(count):
            self.context.check()
            if rng.random() < 0.8:
                beta.setValue(int(rng.integers(beta.minimum(), beta.maximum() + 1)))
            else:
                layer.setValue(int(rng.integers(layer.minimum(), layer.maximum() + 1)))
            await asyncio.sleep(max(0.0, start + (k + 1) * seconds / count - time.perf_counter()))

    async def _lag(self, period: float = 0.01) -> float:
        """Return the longest wait of a timer beyond its period, in ms, until told to stop: paints are in it."""
        self._stop, worst = False, 0.0
        while not self._stop:
            start = time.perf_counter()
            await asyncio.sleep(period)
            worst = max(worst, time.perf_counter() - start - period)
        return 1000 * worst

    async def _right(self) -> tuple[bool, float]:
        """Return whether the map on screen is the one a fresh model computes for what is chosen, and how far it is off.

        The largest difference, as a share of the highest token: threads add in another order from run to run, and
        twenty steps of Adam carry that on, so that bits need not agree to the last digit.
        """
        run, subject = self.wire._loaded
        fresh = await self.shell.engine.session(DESK, arguments={"run": run, "subject": subject})
        answer = await fresh.call("attribute", number=1, stimulus=self.c.app.stimulus, preview=False,
                                  **self.state.setting.plain.request())
        story, own = self.c.view.map.provenance["attribution"], self.state.answer.scores
        off = float(np.abs(answer["scores"] - own).max() / np.abs(answer["scores"]).max())
        same = all(story[k] == answer[k] for k in ("beta", "layer", "target", "stimulus", "steps", "copies"))
        return same and off < SAME, off

    def _footprint(self) -> dict[str, float]:
        gc.collect()
        own = psutil.Process()
        workers = own.children(recursive=True)
        return {"window_mib": own.memory_info().rss / 2**20, "window_threads": own.num_threads(),
                "workers_mib": sum(p.memory_info().rss for p in workers) / 2**20,
                "workers_threads": sum(p.num_threads() for p in workers)}

    @staticmethod
    def _workers_cpu() -> float:
        times = [p.cpu_times() for p in psutil.Process().children(recursive=True)]
        return sum(t.user + t.system for t in times)


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": float(np.median(values)), "p95": float(np.percentile(values, 95)), "max": float(max(values))}


async def drive(data: str, run: str, *, moves: int = 200, seconds: float = 20.0, repeats: int = 5,
                keys: int = 40, picture: str = "", setting: dict[str, Any] | None = None,
                context: JobContext = QUIET) -> dict[str, Any]:
    """Open a window, run the session and return the figures; `picture` is where the window is saved at the end.

    `data` may be "" (no data set is opened); `setting` changes fields of the panel's (fewer copies for a quick look);
    `moves` random ones come after `keys` single steps of the slider.
    """
    from brainview.app.start import Shell
    from brainview.engine import Engine

    shell = Shell(Engine(None), journal=False)
    try:
        shell.window.show()
        shell.window.resize(*SIZE)
        shell.attach_viewer()
        if QApplication.platformName() == "offscreen":
            shell.window.viewer.ensure_canvas()
        session = LiveSession(shell, context)
        session.state.setting = session.state.setting.having(**(setting or {}))
        load = os.getloadavg()[0]
        context.report(0, 4, "opening")
        await session.until(lambda: shell.window.viewer.canvas is not None)
        await session.open(data, run)
        out: dict[str, Any] = {"canvas": type(shell.window.viewer.canvas).__name__, "run": Path(run).name,
                               "cores": os.cpu_count(), "load_before": load}
        context.report(1, 4, "event to pixels")
        out["pixels"] = await session.pixels(keys)
        context.report(2, 4, "time to the final map")
        default = int(session.state.description["layer"])
        others = [n for n in range(int(session.state.description["layers"])) if n != default]
        out["finals"] = [await session.finals(n, repeats) for n in (default, *others)]
        out["superseded"] = await session.superseded()
        context.report(3, 4, f"{moves} moves in {seconds:g} s")
        out["moves"] = await session.moves(moves, seconds)
        out["load_after"] = os.getloadavg()[0]
        if picture:
            shell.window.grab().save(picture)
        context.report(4, 4, "done")
        return out
    finally:
        await shell.shut_down()
        shell.window.close()


def measure(data: str, run: str, *, moves: int = 200, seconds: float = 20.0, repeats: int = 5, keys: int = 40,
            picture: str = "", setting: dict[str, Any] | None = None, context: JobContext = QUIET) -> dict[str, Any]:
    """Do :func:`drive` in an event loop of its own."""
    import qasync

    from brainview.app.start import application

    loop = qasync.QEventLoop(application())
    asyncio.set_event_loop(loop)
    with loop:
        return loop.run_until_complete(drive(data, run, moves=moves, seconds=seconds, repeats=repeats,
                                             keys=keys, picture=picture, setting=setting,
                                             context=context))
