"""The tour: the real window driven off screen by a script, its pictures and files gathered in one folder.

Nothing here is drawn specially: the shell is the one that `brainview` opens, jobs run in the engine's workers, and
each picture is what the window shows at that moment.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QScrollArea, QWidget

from brainview.app import tour_models
from brainview.app.start import Shell, application
from brainview.app.tour_report import Page, write_report
from brainview.core.errors import BrainViewError
from brainview.core.files import atomic_write
from brainview.core.jobs import QUIET, JobContext
from brainview.state.app import GROUP, Source

#: The phantom of the tour: small enough for two cores, large enough that its maps mean something.
PHANTOM = {"layout": "algonauts2023", "level": "nsd", "subjects": 2, "train": 240, "test": 60}
SIZE, LAPTOP = (1680, 1050), (1280, 800)


@dataclass
class Notes:
    """What the tour leaves behind: pages with pictures, files, seconds per step."""

    pages: list[Page] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


class Tour:
    """One walk through the window.

    Parameters
    ----------
    out : Path
        Folder of the results.
    context : JobContext
        Told of progress; a cancel ends the tour.
    settings : dict, optional
        Arguments of the phantom's builder.
    """

    def __init__(self, out: Path, *, context: JobContext = QUIET, settings: dict[str, Any] | None = None) -> None:
        from brainview.engine import Engine

        self.out = out
        self.context = context
        self.settings = {**PHANTOM, **(settings or {})}
        self.notes = Notes()
        self.shell = Shell(Engine(), journal=False, canvas="image")
        self.window, self.controller = self.shell.window, self.shell.controller
        self.app, self.view, self.session = self.controller.app, self.controller.view, self.controller.session

    async def run(self) -> Path:
        """Walk, write the report and return its path."""
        self.window.resize(*SIZE)
        self.window.show()
        self.shell.attach_viewer()
        steps: list[tuple[str, Callable[[], Any]]] = [
            ("Make the phantom", self._make), ("Open it", self._open), ("Train", self._train),
            ("Encoding maps", self._maps), ("Regions and scatter", self._regions),
            ("Measured and predicted", self._predictions), ("Views", self._views), ("Export", self._export),
            ("Figures, in silico", partial(tour_models.encoding_pages, self)),
            ("Training page, retrieval", partial(tour_models.aligned_pages, self)),
            ("Light theme on a laptop", self._laptop)]
        try:
            for number, (title, step) in enumerate(steps):
                self.context.report(number, len(steps), title)
                start = time.perf_counter()
                await step()
                self.notes.seconds[title] = round(time.perf_counter() - start, 1)
            self.context.report(len(steps), len(steps), "report")
            return write_report(self.out, self.notes.pages, self.notes.files, self.notes.seconds, self._facts())
        finally:
            self.window.close()
            await self.shell.shut_down()

    # -- steps ---------------------------------------------------------------------------------------------------

    async def _make(self) -> None:
        await self._settled()
        arguments = {"out": str(self.out / "phantom"), **self.settings}
        job = self.shell.engine.submit("brainview.phantom.build:build_phantom", title="Make the phantom",
                                       arguments=arguments)
        while job.active:
            await asyncio.sleep(0.1)
            self.context.check()
        self.phantom = str(await job.result())

    async def _open(self) -> None:
        await self.session.open_path(self.phantom)
        await self._drawn()
        self._picture("ceiling", "The data set is open: the noise ceiling of the first subject",
                      "The share of each vertex's variance that any model could explain, from the repetitions. Grey "
                      "is anatomy without data; outlines are the subject's own regions.")

    async def _train(self) -> None:
        run = self.out / "runs" / "ridge-gabor"
        training = asyncio.ensure_future(self.session.train("ridge", str(run), subjects=None, features="gabor",
                                                            options={}))
        self.window.show_dock("jobs")
        while not training.done():
            busy = [j.done / j.total for j in self.shell.engine.jobs if j.active and j.lane == "batch"]
            if any(0.3 < share < 0.9 for share in busy) and not any(p.name == "training" for p in self.notes.pages):
                self._picture("training", "A model is trained in the background",
                              "Progress, time left and Cancel; the window stays free.")
            await asyncio.sleep(0.05)
            self.context.check()
        self.run_path = await training
        self.window.show_dock("stimuli")

    async def _maps(self) -> None:
        self.window.show_dock("encoding")
        run = self.app.run
        if run is None:
            raise BrainViewError("the trained run did not open")
        brain = run.subjects[0]
        for metric in run.metrics:
            if metric not in run.maps[brain]:
                continue
            self.app.source = Source("metric", brain=brain, metric=metric)
            await self._drawn()
            words = run.metrics[metric]
            self._picture(f"map-{metric.replace('/', '-')}", f"{words.get('title', metric)}, {brain}",
                          words.get("definition", ""))
        if run.group:
            self.app.source = Source("metric", brain=GROUP, metric=next(iter(run.group)))
            await self._drawn()
            self._picture("group", "The group: the mean over subjects", "Vertices that a subject lacks do not count.")

    async def _regions(self) -> None:
        run = self.app.run
        assert run is not None
        brain = run.subjects[0]
        self.app.source = Source("metric", brain=brain, metric=run.first_metric(brain))
        rows = [r for r in run.rois if r["subject"] == brain and r["n"] > 0]
        if rows:
            from brainview.state.app import RoiKey

            best = max(rows, key=lambda r: r["median"] if r["median"] is not None else -1)
            self.app.rois = (RoiKey(best["hemisphere"], best["roi_class"], best["roi"]),)
        await self._drawn()
        self._picture("regions", "A region chosen in the bars is marked on the cortex",
                      "Bars are medians over vertices with bootstrap intervals; the number of vertices stands beside.")
        self._table(run)

    async def _predictions(self) -> None:
        run = self.app.run
        assert run is not None
        brain = run.subjects[0]
        ranked = sorted(run.stimuli.get(brain, ()), key=lambda r: -r["R2"])
        if not ranked:
            return
        stimulus = int(ranked[0]["stimulus"])
        await self.session.predict(brain, stimulus)
        self._scroll_to(self.window.encoding.predictions)
        for kind in ("measured", "predicted"):
            self.controller.show_response(stimulus, kind)
            await self._drawn()
            self._picture(kind, f"The best predicted image: {kind} response",
                          "Measured and predicted share one colour scale; R² is over vertices for this one image.")

    async def _views(self) -> None:
        self.controller.show_ceiling()
        for surface in ("pial", "flat"):
            self.view.surface = surface
            await self._drawn()
            self._picture(f"surface-{surface}", f"The same map on the {surface} surface", "")
        self.view.surface = "inflated"
        await self._drawn()

    async def _export(self) -> None:
        run = self.app.run
        assert run is not None
        brain = run.subjects[0]
        drawn = run.maps[brain][run.first_metric(brain)]
        folder = self.out / "maps"
        folder.mkdir(parents=True, exist_ok=True)
        for kind, name, space in (("nifti", "r2.nii.gz", "mni152-2mm"), ("gifti", "r2.func.gii", None),
                                  ("cifti", "r2.dscalar.nii", None), ("csv", "r2.csv", None)):
            written = await self.session.export_map(drawn, str(folder / name), kind, space)
            self.notes.files.append(Path(written))
        picture = self.out / "snapshot.png"
        self.window.viewer.snapshot(str(picture), size=(2400, 1500), transparent=True, dpi=300.0)
        self.notes.files.append(picture)

    async def _laptop(self) -> None:
        self.app.theme = "light"
        self.window.resize(*LAPTOP)
        await self._drawn()
        self._picture("laptop-light", "Light theme on a laptop of 1280 x 800", "")

    # -- help ----------------------------------------------------------------------------------------------------

    async def _settled(self, turns: int = 3) -> None:
        """Let the event loop come to rest: refreshes are gathered at the end of its turns."""
        for _ in range(turns):
            await asyncio.sleep(0.03)

    async def _drawn(self, seconds: float = 60.0) -> None:
        """Wait until no live job runs and what is wanted is drawn.

        Lists ask for their thumbnails when they are painted, so the window is painted once before the last wait.
        """
        await self._idle(seconds)
        await self._laid_out()
        self.window.grab()
        await self._idle(seconds)
        await self._laid_out()

    async def _idle(self, seconds: float) -> None:
        await self._settled()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.context.check()
            if not any(j.active for j in self.shell.engine.jobs if j.lane == "live"):
                return
            await asyncio.sleep(0.05)

    async def _laid_out(self, seconds: float = 3.0) -> None:
        """Wait until no part of the window has moved for some turns: words that wrap, sections that unfold and
        scroll bars that appear lay a panel out anew, each at the next turn."""
        before, still, end = None, 0, time.monotonic() + seconds
        while still < 6 and time.monotonic() < end:
            await asyncio.sleep(0.03)
            now = [(id(w), w.mapTo(self.window, QPoint()), w.size()) for w in self.window.findChildren(QWidget)
                   if w.isVisibleTo(self.window)]
            still, before = (still + 1 if now == before else 0), now

    def _scroll_to(self, part: QWidget) -> None:
        """Bring a part of a panel into sight, as a user who scrolls."""
        above = part.parentWidget()
        while above is not None and not isinstance(above, QScrollArea):
            above = above.parentWidget()
        content = above.widget() if above is not None else None
        if above is not None and content is not None:
            above.verticalScrollBar().setValue(part.mapTo(content, part.rect().topLeft()).y())

    def _picture(self, name: str, title: str, text: str) -> None:
        file = self.out / f"{len(self.notes.pages) + 1:02d}-{name}.png"
        if not self.window.grab().save(str(file)):
            raise BrainViewError("the picture could not be written", where=file, remedy="Check the disk's space.")
        self.notes.pages.append(Page(name, title, text, file))

    def _table(self, run: Any) -> None:
        file = self.out / "regions.csv"
        with atomic_write(file) as out:
            columns = list(run.rois[0]) if run.rois else ["subject"]
            lines = [columns, *([row.get(c) for c in columns] for row in run.rois)]
            out.write("\n".join(",".join(_cell(v) for v in line) for line in lines).encode() + b"\n")
        self.notes.files.append(file)

    def _facts(self) -> dict[str, Any]:
        run = self.app.run
        return {"card": dict(run.card) if run else {}, "notes": list(run.notes) if run else [],
                "phantom": bool(run and run.phantom), "dataset": self.phantom, "run": self.run_path}


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f'"{text}"' if any(c in text for c in ',"\n') else text


def run(out: Path, *, context: JobContext = QUIET, settings: dict[str, Any] | None = None) -> Path:
    """Run the tour into a new or empty folder and return the path of its report."""
    program = application()
    import qasync

    out.mkdir(parents=True, exist_ok=True)
    loop = qasync.QEventLoop(program)
    asyncio.set_event_loop(loop)
    with loop:
        return loop.run_until_complete(_walk(out, context, settings))


async def _walk(out: Path, context: JobContext, settings: dict[str, Any] | None) -> Path:
    return await Tour(out, context=context, settings=settings).run()


__all__ = ["Tour", "run"]
