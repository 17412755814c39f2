"""The wires of significance (encoding dock) and quality (subjects dock)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from brainview.app.wiring_strip import Once
from brainview.core.errors import BrainViewError
from brainview.maps.display import Pick
from brainview.state.app import GROUP, Source
from brainview.state.regions import own_index

if TYPE_CHECKING:
    from brainview.app.controller import Controller


class TrustWiring:
    """Connects both with the state, and tells the read-out q and n."""

    def __init__(self, c: Controller) -> None:
        self.c, self.app = c, c.app
        self.trust, self.quality = c.session.significance, c.session.quality
        self.state = self.trust.state
        self.section, self.page = c.window.encoding.significance, c.window.subjects.quality
        self._checking: set[tuple[str, str]] = set()
        self.refresh = Once(c.window, self._show)
        self.refresh_quality = Once(c.window, self._show_quality)
        s = self.section
        s.masked.connect(lambda on: self._choose("masked", on))
        s.level.connect(lambda value: self._choose("level", value))
        s.permutations.connect(lambda value: self._choose("permutations", value))
        s.map_wanted.connect(self.draw)
        self.page.wanted.connect(self.check)
        self.page.came.connect(self._came)
        self.page.map_wanted.connect(self._draw_quality)
        c.undo.watch(self.state, {"masked": "Cut to significance", "level": "False discovery rate"})
        for name in ("masked", "level", "permutations"):
            getattr(self.state.events, name).connect(self._recut, check_nargs=False)
            getattr(self.state.events, name).connect(lambda *_: c.touch(), check_nargs=False)
        for signal in (self.app.events.run, self.app.events.source):
            signal.connect(self.refresh, check_nargs=False)
        self.app.events.run.connect(self._on_run, check_nargs=False)
        self.trust.arrived.connect(self.refresh, check_nargs=False)
        for signal in (self.app.events.subject, self.app.events.dataset):
            signal.connect(self.refresh_quality, check_nargs=False)
        self.app.events.subject.connect(self._came, check_nargs=False)
        self.quality.arrived.connect(self.refresh_quality, check_nargs=False)
        c.readouts.append(self.words_at)
        self._show()
        self._show_quality()

    # -- significance --------------------------------------------------------------------------------------------

    def _choose(self, name: str, value: Any) -> None:
        with self.c.undo.together("Significance"):
            setattr(self.state, name, value)

    def _on_run(self, new: Any, old: Any) -> None:
        if new is not None and (old is None or new.path != old.path):
            with self.c.undo.paused():
                self.state.masked = False  # a run opens with all of its map

    def _recut(self, *_: Any) -> None:
        """Draw the metric on screen again, cut or whole."""
        source = self.app.source
        if source.kind == "metric" and source.fdr != self.c.fdr:
            self.app.source = replace(source, fdr=self.c.fdr)
        self.refresh()

    def brain(self) -> str:
        """Return whose test is shown: that of the metric on screen, else of the open subject."""
        source, run = self.app.source, self.app.run
        if run is None:
            return ""
        if source.kind in ("metric", "significance", "count") and source.brain in run.brains:
            return source.brain
        own = self.app.subject.id if self.app.subject is not None else ""
        return own if own in run.subjects else next(iter(run.subjects), "")

    def draw(self, kind: str, metric: str) -> None:
        """Draw p, q, n or the number of significant subjects."""
        run, brain = self.app.run, self.brain()
        if run is None:
            return
        if kind == "count" and not metric:
            metric = self.app.source.metric if self.app.source.metric in run.counts else next(iter(run.counts), "")
        self.app.source = Source(kind, brain=GROUP if kind == "count" else brain, metric=metric)  # type: ignore[arg-type]

    def _show(self) -> None:
        run, brain = self.app.run, self.brain()
        self.section.show_state(
            able=self.trust.able(), masked=self.state.masked, level=self.state.level,
            permutations=self.state.permutations, tests=self.trust.known(brain) if brain else None,
            group=brain == GROUP, counted=bool(run is not None and run.counts))

    def words_at(self, pick: Pick) -> list[str]:
        """Return what the read-out adds at a place: the n of a group map, q where it is known."""
        source, run = self.app.source, self.app.run
        if run is None or source.kind not in ("metric", "significance"):
            return []
        if source.brain == GROUP:
            counts = run.counts.get(source.metric)
            at = None if counts is None else own_index(counts.space, pick.root_index)
            if counts is None or at is None:
                return []
            n = counts.values[at]
            return [f"n = {0 if math.isnan(n) else int(n)} of {len(run.subjects)} subjects"]
        q = self.trust.value(source.brain, pick.root_index)
        if q is None:
            return []
        words = [f"q = {q:.2g}"]
        if source.fdr and q > source.fdr:
            try:
                whole = run.map_of(source.brain, source.metric)
            except BrainViewError:
                return words
            at = own_index(whole.space, pick.root_index)
            if at is not None and math.isfinite(whole.values[at]):
                words.append(f"{whole.values[at]:.3g} {whole.units}, not drawn")
        return words

    # -- quality -------------------------------------------------------------------------------------------------

    def _came(self, *_: Any) -> None:
        """Check by itself when the page is in sight."""
        self.refresh_quality()
        if self.page.isVisible() and self.app.subject is not None:
            self.check()

    def check(self) -> None:
        """Ask for the report of the open subject, unless it is here or on its way."""
        person = self.app.subject
        if person is None or self.quality.known(person.id) is not None:
            return
        mark = (person.id, self.app.variant)
        if mark not in self._checking:
            self._checking.add(mark)
            self.c.start(self._check(person.id, mark))

    async def _check(self, subject: str, mark: tuple[str, str]) -> None:
        self.refresh_quality()
        try:
            await self.quality.fetch(subject)
        finally:
            self._checking.discard(mark)
            self.refresh_quality()

    def _draw_quality(self, name: str) -> None:
        if self.app.subject is not None:
            self.app.source = Source("quality", brain=self.app.subject.id, metric=name)

    def _show_quality(self) -> None:
        person = self.app.subject
        if person is None:
            self.page.show_report(None, "Open a data set to see how good its data are.", busy=True)
            return
        report = self.quality.known(person.id)
        busy = (person.id, self.app.variant) in self._checking
        words = "" if report is not None else f"Checking the data of {person.id}…" if busy else \
            f"The data of {person.id} have not been checked yet."
        self.page.show_report(report, words, busy=busy)
