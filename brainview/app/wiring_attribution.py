"""Attribution: a model in the live worker, the panel's wishes to it, and its answers to the brain.

::

    control moved -> state.setting -> LiveModel.want -> (at once) what is known -> brain
                                                     -> (later)   arrived      -> brain, figures, bars
"""

from __future__ import annotations

import math
from typing import Any

from brainview.app.attribution_drawing import KIND, Drawing
from brainview.app.attribution_questions import Questions
from brainview.app.controller import Controller
from brainview.app.panels.attribution.panel import SYSTEMS, system_of
from brainview.app.wiring_attribution_group import GroupWiring
from brainview.app.wiring_strip import BESIDE, Once
from brainview.core.errors import BrainViewError
from brainview.maps.brainmap import BrainMap
from brainview.maps.tokens import TokenSpread
from brainview.state.app import Source
from brainview.state.attribution import (
    UNDOABLE,
    Answer,
    AttributionState,
    overlap_top,
    pearson,
)
from brainview.state.attribution_live import DESK, LiveModel
from brainview.state.attribution_maps import GRID, MESH, TokenMaps


class AttributionWiring(Questions, Drawing, GroupWiring):
    """Connects one controller with the attribution panel.

    Parameters
    ----------
    controller : Controller
    """

    def __init__(self, controller: Controller) -> None:
        self.c = controller
        self.app, self.view, self.window = controller.app, controller.view, controller.window
        self.panel = controller.window.attribution
        self.state = AttributionState()
        self.model: LiveModel | None = None
        self.maps: TokenMaps | None = None
        self._loaded = ("", "")
        self._data = ""
        self._loading: Any = None
        self._looked = (-1, "")
        self._planted: dict[int, dict[str, Any]] = {}
        self._reversed: dict[str, Any] | None = None
        self.start_group()
        session = controller.session
        session.parts[KIND] = self.state
        session.makers[KIND] = self
        controller.undo.watch(self.state, UNDOABLE)
        self.refresh = Once(self.window, self._show, BESIDE)
        self.refresh_bars = Once(self.window, self._show_bars, BESIDE)
        self.refresh_checks = Once(self.window, self._show_checks, BESIDE)
        self._listen()

    def _listen(self) -> None:
        app, state, panel = self.app.events, self.state.events, self.panel
        app.run.connect(self._on_run)
        app.subject.connect(self._on_subject, check_nargs=False)
        app.dataset.connect(self._on_dataset, check_nargs=False)
        app.stimulus.connect(self._on_stimulus, check_nargs=False)
        app.source.connect(self.refresh, check_nargs=False)
        for name in ("rois", "roi_hemisphere", "roi_sort", "roi_filter"):
            getattr(app, name).connect(self.refresh_bars, check_nargs=False)
        state.setting.connect(self._on_setting, check_nargs=False)
        for name in ("view", "scale", "tokens", "correction"):
            getattr(state, name).connect(self._on_drawing, check_nargs=False)
        state.truth.connect(self._on_truth, check_nargs=False)
        state.other.connect(self._on_other, check_nargs=False)
        for name in ("busy", "problem", "description"):
            getattr(state, name).connect(self.refresh, check_nargs=False)
        for name in ("answer", "compared", "mismatched", "repeated"):
            getattr(state, name).connect(self.refresh_checks, check_nargs=False)
        for name in UNDOABLE:
            getattr(state, name).connect(lambda *_: self.c.touch(), check_nargs=False)
        panel.controls.changed.connect(self._on_control)
        result = panel.result
        result.view_chosen.connect(lambda v: setattr(self.state, "view", v))
        result.scale_chosen.connect(lambda v: setattr(self.state, "scale", v))
        result.tokens_chosen.connect(lambda v: setattr(self.state, "tokens", v))
        result.draw_wanted.connect(self.draw_it)
        result.export_wanted.connect(self.export)
        bars = panel.bars
        bars.changed.connect(lambda name, value: setattr(self.app, name, value))
        bars.selected.connect(lambda keys: setattr(self.app, "rois", tuple(keys)))
        panel.compare.keep_wanted.connect(lambda: setattr(self.state, "other", self.state.setting))
        panel.compare.drop_wanted.connect(lambda: setattr(self.state, "other", None))
        panel.compare.swap_wanted.connect(self._swap)
        panel.believe.mismatch_wanted.connect(lambda: self.c.start(self.find_mismatched()))
        panel.believe.seed_wanted.connect(lambda: self.c.start(self.find_repeated()))
        panel.believe.truth_toggled.connect(lambda on: setattr(self.state, "truth", on))
        self.window.docks["attribution"].visibilityChanged.connect(self._on_visible)
        self.panel.body.verticalScrollBar().setSingleStep(24)
        self.window.closing.connect(self._unload)

    # -- the model -----------------------------------------------------------------------------------------------

    @property
    def able(self) -> bool:
        """Whether the open run can be attributed."""
        return system_of(self.app) in SYSTEMS

    def _run_subject(self) -> str:
        run, subject = self.app.run, self.app.subject
        if run is None:
            return ""
        return subject.id if subject is not None and subject.id in run.subjects else run.subjects[0]

    def _on_run(self, new: Any, old: Any) -> None:
        if not self.able:
            self._unload()
        elif self.window.docks["attribution"].isVisible() and not self.panel.visibleRegion().isEmpty():
            self.load()

    def _on_subject(self, *_: Any) -> None:
        self.refresh_bars()
        if self.model is not None and self.able and self._loaded[1] != self._run_subject():
            self.load()

    def _on_dataset(self, *_: Any) -> None:
        """Load the model again: pictures, words and truth of a shipped run come from the open data set."""
        if self.model is not None and self.able and self._data != self._place():
            self._loaded = ("", "")
            self.load()

    def _place(self) -> str:
        return str(self.app.dataset.path) if self.app.dataset is not None else ""

    def _on_visible(self, on: bool) -> None:
        if on and self.able:
            self.load()

    def _unload(self) -> None:
        if self.model is not None:
            self.model.close()
        self.model = self.maps = None
        self._loaded = ("", "")
        self._planted.clear()
        state = self.state
        state.answer = state.compared = state.mismatched = state.repeated = None
        state.description, state.busy, state.problem = None, "", ""
        self.forget_group()

    def load(self) -> Any:
        """Load the open run's model for the open subject unless it is there; returns the task."""
        run = self.app.run
        wanted = (run.path if run else "", self._run_subject())
        if run is None or (wanted == self._loaded and (self.model is not None or self._loading is not None)):
            return self._loading
        self._unload()
        self._loaded, self._data = wanted, self._place()
        self._loading = self.c.start(self._load(*wanted))
        return self._loading

    async def _load(self, run: str, subject: str) -> None:
        self.state.busy = "Loading the model"
        try:
            session = await self.c.engine.session(DESK, arguments={
                "run": run, "subject": subject, "data": self._data})
            about = await session.call("describe")
            spreads = {}
            for method in ("trilinear", "nearest"):
                for space in (GRID, MESH):
                    parts = await session.call("matrix", space=space, method=method)
                    spreads[space, method] = TokenSpread.from_parts(parts)
        except BrainViewError as err:
            if self._loaded == (run, subject):
                self._loaded = ("", "")
                self.state.busy, self.state.problem = "", str(err)
            raise
        finally:
            self._loading = None
        if self._loaded != (run, subject):
            return  # another run was opened meanwhile
        self.model, self.maps = LiveModel(session, self.c.start), TokenMaps(about, spreads)
        self.model.arrived.connect(self._on_answer)
        self.model.working.connect(lambda words: setattr(self.state, "busy", words))
        self.model.failed.connect(self._on_failure)
        self.panel.controls.show_model(about)
        self.panel.result.show_note(str(about["resolution"]))
        with self.c.undo.paused():
            self.state.busy, self.state.problem = "", ""
            self.state.description = about
            if not self.state.chosen:
                self.state.setting = self.state.setting.having(beta=float(about["beta"]))
            if self.state.setting.layer > int(about["layers"]):
                self.state.setting = self.state.setting.having(layer=-1)
            kept = [int(i) for i in about["stimuli"]]
            if kept and (self.app.stimulus < 0 or (not about.get("at_hand", True) and self.app.stimulus not in kept)):
                self.app.stimulus = kept[0]  # a shipped model beside other data can answer for its own stimuli only
        self.panel.show_model(about, self.app.stimulus)
        self._on_stimulus()
        if self.app.source.kind != KIND and not self.panel.visibleRegion().isEmpty():
            self.draw_it()

    # -- wishes --------------------------------------------------------------------------------------------------

    def _on_control(self, changes: dict[str, Any]) -> None:
        setting = self.state.setting.having(**changes)
        if setting == self.state.setting:
            return
        self.state.chosen = self.state.chosen or "beta" in changes
        if self.app.source.kind != KIND:
            self.draw_it()
        if self.state.view not in ("map", "other", "difference"):
            self.state.view = "map"
        self.state.setting = setting

    def _on_setting(self, *_: Any) -> None:
        with self.c.undo.paused():
            self.state.mismatched = self.state.repeated = None
        self.want()
        self.refresh()

    def _on_stimulus(self, *_: Any) -> None:
        if self.model is None or self.app.stimulus < 0:
            self.refresh()
            return
        stimulus = self.app.stimulus
        with self.c.undo.paused():
            state = self.state
            state.answer = state.compared = state.mismatched = state.repeated = None
            if state.view not in ("map", "group", "t"):
                state.view = "map"
            if self.app.source.kind == KIND:
                self.app.source = Source(KIND, brain=self._loaded[1], stimulus=stimulus)
        self.c.start(self._look(stimulus))
        if state.truth or stimulus not in self._planted:
            self.c.start(self._plant(stimulus))
        if self.window.docks["attribution"].isVisible() or self.app.source.kind == KIND:
            self.want()
        if self.state.other is not None:
            self._on_other()
        self.refresh()

    def want(self) -> None:
        """Ask for the map of what is chosen, and draw what is known of it at once."""
        if self.model is None or self.app.stimulus < 0:
            return
        with self.c.undo.paused():
            self.state.problem = ""
        now = self.model.want(self.app.stimulus, self.state.setting)
        if now is not None:
            self._on_answer(now)

    def _on_answer(self, answer: Answer) -> None:
        if answer.stimulus != self.app.stimulus or answer.setting != self.state.setting:
            return
        self.state.answer = answer
        self.redraw()
        self.refresh()
        self.refresh_bars()
        if answer.final and self._looked != (answer.stimulus, answer.setting.words):
            self.c.start(self._reverse(answer))

    def _on_failure(self, err: BrainViewError) -> None:
        self.state.problem = str(err)
        self.c.reporter.error(err)

    # -- showing -------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        state, about = self.state, self.state.description
        self.panel.show_model(about, self.app.stimulus)
        if about is None:
            return
        self.panel.controls.show_setting(state.setting)
        self.panel.group.show_correction(state.correction)
        self.panel.result.show_answer(state.answer, state.busy, state.problem)
        self.panel.result.show_choice(state.view, state.scale, state.tokens, self.able_views(),
                                      self.app.source.kind == KIND)

    def _show_bars(self) -> None:
        answer, subject = self.state.answer, self.app.subject
        if self.maps is None or answer is None or self.panel.visibleRegion().isEmpty():
            return
        app = self.app
        rows = [] if subject is None else self.maps.mass_rows(
            answer.scores, subject.rois, subject.space, hemisphere=app.roi_hemisphere, words=app.roi_filter,
            sort=app.roi_sort)
        self.panel.bars.show_rows(rows, "share of the map's mass", app.rois, hemisphere=app.roi_hemisphere,
                                  sort=app.roi_sort, words=app.roi_filter,
                                  empty="Open the data set to see its regions." if subject is None
                                  else "This subject's regions are on no fsaverage5 mesh.")

    def _show_checks(self) -> None:
        state = self.state
        if self.maps is None or state.description is None:
            return
        self.refresh()
        own, wrong, again, other = state.answer, state.mismatched, state.repeated, state.compared
        believe = self.panel.believe
        alike = pearson(own.scores, wrong.scores) if own is not None and wrong is not None else math.nan
        believe.show_mismatch(self.two(own, wrong), own, wrong, alike)
        both = own is not None and again is not None
        believe.show_seed(pearson(own.scores, again.scores) if both and own and again else math.nan,
                          overlap_top(own.scores, again.scores) if both and own and again else math.nan)
        believe.show_planted(bool(state.description["phantom"]), self._planted.get(self.app.stimulus),
                             self.score(own), self.score(wrong), state.truth)
        same = pearson(own.scores, other.scores) if own is not None and other is not None else math.nan
        self.panel.compare.show_compared(self.two(own, other), own, other, int(state.description["layer"]), same)
        if state.view not in ("map", "group", "t"):
            self.redraw()

    def two(self, a: Answer | None, b: Answer | None) -> tuple[BrainMap, BrainMap] | None:
        """Return two cortical maps on one colour scale."""
        from brainview.state.attribution_maps import common_limits

        if self.maps is None or a is None or b is None:
            return None
        first, second = (self.maps.pair(x)[1] for x in (a, b))
        limits = common_limits([first, second])
        return first.having(limits=limits, kind="diverging" if limits[0] < 0 else "sequential"), second.having(
            limits=limits, kind="diverging" if limits[0] < 0 else "sequential")
