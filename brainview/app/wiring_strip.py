"""The part of the wiring that ties the film strip to the state; see ``wiring.py`` for the flow."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QTimer

from brainview.app.controller import Controller
from brainview.app.widgets.flat_picture import warm
from brainview.app.window import MainWindow
from brainview.state.app import AppState
from brainview.state.stimuli import Thumbs, WordIndex
from brainview.state.view import ViewState

#: Milliseconds that lists, bars and figures beside the brain wait, so that a moved slider paints the brain first.
BESIDE = 40


class Once:
    """Calls a function once per event-loop turn, however often it is asked.

    With `wait` milliseconds: at most once in that time, so that what is more urgent (the brain) is painted first.
    """

    def __init__(self, owner: Any, function: Callable[[], None], wait: int = 0) -> None:
        self._timer = QTimer(owner)
        self._timer.setSingleShot(True)
        self._timer.setInterval(wait)
        self._timer.timeout.connect(function)

    def __call__(self, *_: Any) -> None:
        if not self._timer.isActive():
            self._timer.start()


class StripWiring:
    """Film strip: which stimuli, in which order, with which pictures."""

    c: Controller
    app: AppState
    view: ViewState
    window: MainWindow
    thumbs: Thumbs | None
    words: WordIndex | None = None
    _counts: dict[str, int] | None = None
    refresh_strip: Once
    refresh_encoding: Once

    def _scores(self) -> dict[int, float]:
        run, brain = self.app.run, self.c.session.brain_subject()
        if run is None:
            return {}
        rows = run.stimuli.get(brain, ())
        return {int(e["stimulus"]): float(e["R2"]) for e in rows
                if e.get("R2") is not None and math.isfinite(float(e["R2"]))}

    def _show_strip(self) -> None:
        app, subject = self.app, self.app.subject
        if subject is None:
            self.window.strip.show_stimuli([], {}, total=0, current=-1)
            return
        every = [int(i) for i in subject.splits.get(app.split, subject.stimuli)]
        ids, scores = every, self._scores()
        if app.strip_order != "id" and scores:
            sign = -1 if app.strip_order == "best" else 1
            ids = sorted((i for i in ids if i in scores), key=lambda i: sign * scores[i])
        if self.words is not None:
            if self.words.missing(every):
                self.c.start(self.words.fetch(every))
            counts = self.words.counts(every)
            if counts != self._counts:
                self._counts = counts
                self.window.strip.show_categories(counts, app.strip_category)
            ids = self.words.keep(ids, app.strip_filter, app.strip_category if app.strip_category in counts else "")
        self.window.strip.show_choices(app.strip_order, app.strip_filter, app.strip_category)
        self.window.strip.show_stimuli(ids, scores, total=len(every), current=app.stimulus)

    def _fetch(self, ids: list[int]) -> None:
        if self.thumbs is not None and self.thumbs.missing(ids):
            self.c.start(self.thumbs.fetch(ids))

    def _on_words(self, words: str) -> None:
        self.app.strip_filter = words

    def _on_strip(self, stimulus: int) -> None:
        if self.app.source.kind in ("measured", "predicted", "difference"):
            self.c.show_response(stimulus, self.app.source.kind)
        else:
            self.app.stimulus = stimulus

    def _on_stimulus(self, new: int, old: int) -> None:
        self.window.strip.mark(new)
        self.refresh_encoding()
        brain = self.c.session.brain_subject()
        drawn = self.app.source.kind in ("measured", "predicted", "difference")
        if new >= 0 and not drawn and self.app.run is not None and new in self._scores():
            self.c.start(self.c.session.predict(brain, new))

    async def _show_prediction(self, new: Any) -> None:
        await asyncio.to_thread(warm, new.predicted)
        if self.app.prediction is new:
            self.window.encoding.predictions.show_prediction(new)
