"""The part of the attribution wiring that asks for more than the map: picture and words, checks, planted truth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from brainview.app.attribution_drawing import KIND
from brainview.app.controller import Controller
from brainview.app.panels.attribution.panel import AttributionPanel
from brainview.maps.brainmap import Label
from brainview.maps.rois import RoiClass
from brainview.state.app import AppState
from brainview.state.attribution import Answer, AttributionState, Setting, hard_auroc
from brainview.state.attribution_live import LiveModel
from brainview.state.attribution_maps import TokenMaps

#: Name of the outline of the planted truth.
TRUTH = "Planted truth"


class Questions:
    """Asks the live model and shows the answers if they are still wanted."""

    c: Controller
    app: AppState
    panel: AttributionPanel
    state: AttributionState
    model: LiveModel | None
    maps: TokenMaps | None
    refresh_checks: Any
    _looked: tuple[int, str]
    _reversed: dict[str, Any] | None
    _planted: dict[int, dict[str, Any]]

    @property
    def answered(self) -> bool:
        """Whether the panel shows what the brain at the open stimulus speaks of: picture and words."""
        return self._reversed is not None and self._looked == (self.app.stimulus, self.state.setting.words)

    async def _look(self, stimulus: int) -> None:
        assert self.model is not None
        look = await self.model.plain("look", stimulus=stimulus)
        if stimulus == self.app.stimulus:
            self._looked, self._reversed = (-1, ""), None
            self.panel.reverse.show_look(look)
            self.panel.controls.show_texts(look["texts"], self.state.setting.words)

    async def _reverse(self, answer: Answer) -> None:
        model, stimulus, words = self.model, answer.stimulus, answer.setting.words
        self._looked = (stimulus, words)
        assert model is not None
        self.panel.reverse.show_reverse(None)
        found = await model.question("reverse", stimulus=stimulus, words=words)
        if stimulus == self.app.stimulus and model is self.model and found is not None:
            self._looked, self._reversed = (stimulus, words), found
            self.panel.reverse.show_reverse(found)

    async def _plant(self, stimulus: int) -> None:
        model = self.model
        if model is None or not (self.state.description or {}).get("phantom"):
            return
        found = await model.plain("planted", stimulus=stimulus)
        if model is self.model:
            if len(self._planted) > 64:
                self._planted.clear()
            self._planted[stimulus] = found
            self.refresh_checks()
            self._on_truth()

    async def find_mismatched(self) -> None:
        """Compute the same map for the target of another stimulus, the one most unlike."""
        model, stimulus, setting = self.model, self.app.stimulus, self.state.setting
        if model is None or stimulus < 0:
            return
        wrong = await model.plain("unlike", stimulus=stimulus, target=setting.target)
        found = await model.ask(stimulus, setting.having(target_of=int(wrong), words=""))
        if (stimulus, setting) == (self.app.stimulus, self.state.setting):
            self.state.mismatched = found

    async def find_repeated(self) -> None:
        """Compute the same map with another noise seed."""
        model, stimulus, setting = self.model, self.app.stimulus, self.state.setting
        if model is None or stimulus < 0:
            return
        found = await model.ask(stimulus, setting.having(seed=setting.seed + 1))
        if (stimulus, setting) == (self.app.stimulus, self.state.setting):
            self.state.repeated = found

    def _on_other(self, *_: Any) -> None:
        self.state.compared = None
        if self.state.other is None:
            if self.state.view in ("other", "difference"):
                self.state.view = "map"
        elif self.model is not None and self.app.stimulus >= 0:
            self.c.start(self._compare(self.app.stimulus, self.state.other))

    async def _compare(self, stimulus: int, other: Setting) -> None:
        assert self.model is not None
        found = await self.model.ask(stimulus, other)
        if (stimulus, other) == (self.app.stimulus, self.state.other):
            self.state.compared = found

    def _swap(self) -> None:
        state = self.state
        if state.other is not None:
            with self.c.undo.together("Swap A and B"):
                state.setting, state.other = state.other, state.setting

    def _on_truth(self, *_: Any) -> None:
        found = self._planted.get(self.app.stimulus)
        on = self.state.truth and found is not None and not found["problem"] and self.app.source.kind == KIND
        before = dict(self.c.outlines)
        self.c.outlines.pop(TRUTH, None)
        if on and found is not None:
            self.c.outlines[TRUTH] = RoiClass(TRUTH, found["truth"].astype(np.int32),
                                              {1: Label("planted", (0.25, 0.85, 0.55, 1.0))})
        if before or self.c.outlines:
            self.c.refresh_outlines()
        self.refresh_checks()

    def score(self, answer: Answer | None) -> float:
        """Return the hard AUROC of a map against what was planted, NaN where nothing is known."""
        found = self._planted.get(self.app.stimulus)
        if answer is None or found is None or found["problem"] or self.maps is None:
            return math.nan
        return hard_auroc(self.maps.on_cortex(answer.scores), found["truth"], found["distractors"])
