"""Numbered pictures of everything that the window shows, in two sizes and both themes, to be looked at one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QWidget

from brainview.core.errors import BrainViewError, FormatError
from brainview.state.app import GROUP, RoiKey, Source

if TYPE_CHECKING:
    from brainview.app.session_benchmark import SessionRun

SIZES, THEMES = ((1280, 800), (2560, 1440)), ("dark", "light")
#: A scene makes the window ready and returns what is to be drawn: the window (None), or a dialog that is closed after.
Scene = Callable[[], Awaitable[QWidget | None]]


async def take_pictures(session: SessionRun, out: Path) -> list[Path]:
    """Write numbered pictures of every scene, in both sizes and themes; returns their paths."""
    out.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    for width, height in SIZES:
        for theme in THEMES:
            session.c.app.theme = theme
            session.window.resize(width, height)
            await session.still()
            for number, (name, scene) in enumerate(Scenes(session).all(), start=1):
                session.context.check()
                dialog = await scene()
                await asyncio.sleep(0.4)  # what waits for the last key before it asks
                await session.still()
                file = out / f"{number:02d}-{name}-{width}-{theme}.png"
                (dialog or session.window).grab().save(str(file))
                files.append(file)
                if dialog is not None:
                    dialog.close()
                    dialog.deleteLater()
    return files


def some_regions(person: Any) -> tuple[RoiKey, ...]:
    """Return both sides of the first region of faces of a subject, or of its first class."""
    name = next((n for n in person.rois if "faces" in n), next(iter(person.rois), ""))
    label = next(iter(person.rois[name].table.values()), None) if name else None
    return () if label is None else (RoiKey("left", name, label.name), RoiKey("right", name, label.name))


class Scenes:
    """What the pictures show, in an order in which each builds on the one before."""

    def __init__(self, session: SessionRun) -> None:
        self.session, self.c, self.w = session, session.c, session.window
        run, person = self.c.app.run, self.c.app.subject
        assert person is not None
        self.test = int(person.splits.get("test", person.stimuli)[0])
        self.run = run if run is not None and run.metrics else None
        self.first = self.run.subjects[0] if self.run is not None else ""
        self.metric = self.run.first_metric(self.first) if self.run is not None else ""

    def all(self) -> list[tuple[str, Scene]]:
        """Return (name, scene)."""
        return [*self._maps(), *(self._of_run() if self.run is not None else ()), *self._panels(), *self._several(),
                *self._dialogs()]

    def doing(self, *acts: Callable[[], Any]) -> Scene:
        """Return a scene that does these things; what the last one opens as a window of its own is drawn."""
        async def scene() -> QWidget | None:
            made = None
            for act in acts:
                made = act()
            return made if isinstance(made, QWidget) and made.isWindow() else None

        return scene

    def put(self, **fields: Any) -> Callable[[], None]:
        """Return what sets fields of the view."""
        def set_all() -> None:
            for name, value in fields.items():
                setattr(self.c.view, name, value)

        return set_all

    def cut(self, threshold: float) -> Callable[[], None]:
        """Return what sets the threshold."""
        def set_it() -> None:
            self.c.view.rule = self.c.view.rule.having(threshold=threshold, threshold_unit="value")

        return set_it

    def quiet(self) -> None:
        """Take all messages away."""
        notices = self.c.reporter.notices
        for one in list(notices.shown):
            notices.close_notice(one)

    def metric_again(self) -> None:
        """Show the first map of the run."""
        if self.run is not None:
            self.c.choose_map_of_run(self.first, self.metric)

    def _maps(self) -> list[tuple[str, Scene]]:
        c, w = self.c, self.w
        return [
            ("ceiling", self.doing(self.quiet, lambda: w.subjects.show_page("data"), lambda: w.show_dock("stimuli"),
                                   lambda: setattr(c.app, "rois", ()), c.show_ceiling)),
            ("quality", self.doing(lambda: w.subjects.show_page("quality"))),
            ("training", self.doing(lambda: w.subjects.show_page("training"))),
            ("pial", self.doing(lambda: w.subjects.show_page("data"), self.put(surface="pial"))),
            ("flat", self.doing(self.put(surface="flat"))),
            ("beside", self.doing(self.put(surface="inflated", beside=True))),
            ("response", self.doing(self.put(beside=False), lambda: c.show_response(self.test))),
            ("drivers", self.doing(lambda: setattr(c.app, "rois", some_regions(c.app.subject)),
                                   lambda: w.show_dock("drivers"),
                                   lambda: w.drivers.setting_changed.emit("place", "regions")))]

    def _of_run(self) -> list[tuple[str, Scene]]:
        c, w, run, metric = self.c, self.w, self.run, self.metric
        assert run is not None
        trust = c.session.significance.state
        return [
            ("metric", self.doing(lambda: w.show_dock("stimuli"), lambda: w.show_dock("encoding"), self.metric_again)),
            ("significant", self.doing(lambda: setattr(trust, "masked", True))),
            ("group", self.doing(lambda: setattr(trust, "masked", False),
                                 lambda: c.choose_map_of_run(GROUP if run.group else self.first, metric))),
            ("subjects-per-place", self.doing(lambda: setattr(c.app, "source", Source(
                "count", brain=GROUP, metric=metric) if run.counts else c.app.source))),
            ("figures", self.doing(lambda: w.encoding.show_page("figures"))),
            ("in-silico", self.doing(lambda: w.encoding.show_page("in_silico"))),
            ("back", self.doing(lambda: w.encoding.show_page("model"), self.metric_again))]

    def _panels(self) -> list[tuple[str, Scene]]:
        c, w = self.c, self.w
        return [
            ("attribution", self.doing(lambda: w.show_dock("attribution"))),
            ("decoding", self.doing(lambda: w.show_dock("decoding"))),
            ("jobs", self.doing(lambda: w.show_dock("encoding"), lambda: w.show_dock("jobs"))),
            ("peaks", self.doing(lambda: w.show_dock("peaks"), self.cut(0.3), lambda: w.peaks.wanted.emit(5))),
            ("outlines", self.doing(self.cut(0.0), lambda: w.show_dock("stimuli"), c.toggle_outlines,
                                    self.put(show_names=True)))]

    def _several(self) -> list[tuple[str, Scene]]:
        """Layers, linked viewers, and a comparison with its difference map."""
        c, w = self.c, self.w
        pair = self.run.subjects[:2] if self.run is not None else ()

        async def layered() -> None:
            c.toggle_outlines()
            c.view.show_names = False
            c.keep_layer()
            w.show_dock("layers")
            c.show_response(self.test)
            await self.session.still()
            self.cut(1.5)()

        async def four() -> None:
            c.set_viewers(4)
            for _ in range(600):  # each viewer makes its canvas in a turn of its own
                await asyncio.sleep(0.05)
                if w.gallery is not None and all(one.viewer.canvas is not None for one in w.gallery.others):
                    return

        async def compared() -> QWidget | None:
            c.set_viewers(1)
            if len(pair) < 2:
                return None
            for brain in pair:
                c.choose_map_of_run(brain, "R2")
                await self.session.still()
                if brain == pair[0]:
                    c.hold_map()
            return await c.compare_maps()

        async def difference() -> None:
            if self.run is not None and len(pair) == 2:
                await c.draw_difference(*({"path": self.run.path, "brain": b, "metric": "R2"} for b in pair))

        return [("layers", layered),
                ("two-viewers", self.doing(self.quiet, self.put(layers=()), lambda: w.show_dock("stimuli"),
                                           self.metric_again, lambda: c.set_viewers(2))),
                ("four-viewers", four),
                ("comparison", compared), ("difference", difference)]

    def _dialogs(self) -> list[tuple[str, Scene]]:
        c = self.c

        def errors() -> None:
            for name in ("a name that is very long and says in which folder of which study the file should have been",
                         "notes.txt"):
                c.reporter.error(FormatError("is not a data set that BrainView knows", where=f"/studies/{name}",
                                             remedy="See: brainview inspect PATH."))
            c.reporter.error(BrainViewError("the worker ended unexpectedly", remedy="Retry the job."))

        def saved() -> Any:
            c.save_view("From behind")
            return c.show_views()

        return [("errors", self.doing(self.metric_again, self.put(layout="grid"), errors)),
                ("composer", self.doing(self.quiet, c.compose)), ("export", self.doing(c.export)),
                ("export-many", self.doing(c.export_many)), ("palette", self.doing(c.show_palette)),
                ("shortcuts", self.doing(c.show_keys)), ("views", self.doing(saved))]
