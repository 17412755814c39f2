"""The wiring of the retrieval page.

::

    stimulus in the strip ─┐
    subject, gallery ──────┴─> RANK job ─> state.ranking ─> page.show_ranking()
    picture, sentence ───────> RANK_BRAINS job ─> state.brains ─> page.show_brains()
    points, matrices ────────> on request only
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QFileDialog

from brainview.app.controller import Controller
from brainview.app.figures.alignment import curves_sheet
from brainview.app.panels.decoding.figure import SheetWindow
from brainview.app.panels.decoding.table import TableWindow
from brainview.app.widgets.plots import save_picture
from brainview.app.wiring_strip import Once
from brainview.core.errors import BrainViewError, MissingError
from brainview.core.files import atomic_write
from brainview.state.retrieval import (
    CURVES,
    RANK,
    RANK_BRAINS,
    RETRIEVE,
    SIMILARITY,
    UMAP,
    Matrices,
    Points,
    Ranking,
    RetrievalState,
    score_table,
    scores_of,
)

log = logging.getLogger("brainview")
#: Gallery of the protocol of repeated draws.
DRAWS = 100
UNDOABLE = {"subject": "Choose brain", "gallery": "Rank pictures or captions", "asked": "Choose picture",
            "asked_kind": "Ask by picture or caption", "sentence": "Ask with a sentence", "protocol": "Choose gallery",
            "pair": "Choose matrix"}


class RetrievalWiring:
    """Connects the retrieval page of one window."""

    def __init__(self, controller: Controller) -> None:
        self.c, self.app, self.page = controller, controller.app, controller.window.decoding.retrieval
        self.state = RetrievalState()
        self.window: TableWindow | None = None
        self.figure: SheetWindow | None = None
        self._tickets: dict[str, int] = {}
        self._unranked = ""  # why there is no ranking
        controller.session.parts["retrieval"] = self.state
        controller.undo.watch(self.state, UNDOABLE)
        owner = controller.window
        self.ask_ranking = Once(owner, lambda: self.c.start(self._rank()))
        self.ask_brains = Once(owner, lambda: self.c.start(self._rank_brains()))
        self.refresh = Once(owner, self._show)
        self._listen_state()
        self._listen_page()

    def _listen_state(self) -> None:
        on = self.state.events
        for name in ("scores", "ranking", "brains", "gallery", "protocol", "asked_kind", "sentence", "asked"):
            getattr(on, name).connect(self.refresh, check_nargs=False)
        on.subject.connect(self._on_subject, check_nargs=False)
        for name in ("asked", "asked_kind", "sentence"):
            getattr(on, name).connect(self.ask_brains, check_nargs=False)
        on.points.connect(lambda *_: self._show_points(), check_nargs=False)
        on.matrices.connect(lambda *_: self._show_matrices(), check_nargs=False)
        on.pair.connect(lambda *_: self._show_matrices(), check_nargs=False)
        for name in UNDOABLE:
            getattr(on, name).connect(lambda *_: self.c.touch(), check_nargs=False)
        self.app.events.run.connect(self._on_run, check_nargs=False)
        self.app.events.dataset.connect(self._on_dataset, check_nargs=False)
        self.app.events.subject.connect(self._on_app_subject, check_nargs=False)
        self.app.events.stimulus.connect(self._on_stimulus, check_nargs=False)
        self.app.events.theme.connect(lambda *_: self.page.space.retheme(), check_nargs=False)

    def _listen_page(self) -> None:
        page, state, set_ = self.page, self.state, setattr
        page.subject_chosen.connect(lambda name: set_(state, "subject", name))
        page.protocol_chosen.connect(lambda name: set_(state, "protocol", name))
        page.gallery_chosen.connect(lambda kind: set_(state, "gallery", kind))
        page.picture_asked.connect(self._ask_picture)
        page.sentence_asked.connect(lambda words: set_(state, "sentence", words))
        page.asked_kind_chosen.connect(lambda kind: set_(state, "asked_kind", kind))
        page.stimulus_chosen.connect(lambda stimulus: set_(self.app, "stimulus", stimulus))
        page.test_wanted.connect(self._show_test)
        page.table_wanted.connect(self._show_table)
        page.curves_wanted.connect(lambda: self.c.start(self._draw_curves()))
        page.space.wanted.connect(lambda kind: self.c.start(self._compute(kind)))
        page.space.chosen.connect(lambda stimulus: set_(self.app, "stimulus", stimulus))
        page.space.pair_chosen.connect(lambda pair: set_(state, "pair", pair))
        page.space.named.connect(lambda stimulus: self._need([stimulus]))
        page.space.saved.connect(self._save)
        page.space.caption_of = self._caption
        for part in (page.found, page.brains):
            part.ranked.needed.connect(self._need)

    # -- what is open --------------------------------------------------------------------------------------------

    @property
    def able(self) -> bool:
        """Whether a run that ranks is open."""
        run = self.app.run
        return run is not None and str(run.card.get("system", "")) in self.page.systems

    def _on_run(self, new: Any, old: Any) -> None:
        self.state.forget()
        self.page.show_state(self.app)
        run = self.app.run
        if run is None or not self.able:
            return
        self.page.head.show_run(run)
        with self.c.undo.paused():
            if self.state.subject not in run.subjects:
                own = self.app.subject.id if self.app.subject else ""
                self.state.subject = own if own in run.subjects else run.subjects[0]
        self.page.head.subject.setCurrentIndex(self.page.head.subject.findData(self.state.subject))
        self.c.start(self._score())
        self.ask_ranking()
        self.refresh()

    def _on_dataset(self, *_: Any) -> None:
        for part in (self.page.found, self.page.brains):
            part.ranked.set_thumbs(self.c.window.strip.model.thumbs)
        if self.c.window.strip.model.thumbs is not None:
            self.c.window.strip.model.thumbs.arrived.connect(self.refresh, check_nargs=False)

    def _on_app_subject(self, *_: Any) -> None:
        run, subject = self.app.run, self.app.subject
        if run is not None and self.able and subject is not None and subject.id in run.subjects:
            with self.c.undo.paused():
                self.state.subject = subject.id

    def _on_subject(self, *_: Any) -> None:
        self.page.head.subject.setCurrentIndex(self.page.head.subject.findData(self.state.subject))
        self.state.ranking, self.state.brains, self.state.points, self.state.matrices = None, None, None, None
        self.ask_ranking()
        self.ask_brains()
        self.refresh()

    def _on_stimulus(self, *_: Any) -> None:
        self.ask_ranking()
        self.page.space.mark(self.app.stimulus)

    def _newest(self, sort: str) -> Any:
        number = self._tickets[sort] = self._tickets.get(sort, 0) + 1
        run, subject = self.app.run, self.state.subject
        return lambda: self._tickets[sort] == number and self.app.run is run and self.state.subject == subject

    # -- asking --------------------------------------------------------------------------------------------------

    async def _score(self) -> None:
        run, newest = self.app.run, self._newest("score")
        assert run is not None
        found = scores_of(await self.c.session.ask(RETRIEVE, f"Scores of {run.name}", run=run.path, gallery=DRAWS))
        if newest():
            self.state.scores = found

    async def _rank(self) -> None:
        run, stimulus = self.app.run, self.app.stimulus
        if run is None or not self.able or not self.state.subject:
            return
        newest = self._newest("rank")
        if stimulus < 0:
            self.state.ranking, self._unranked = None, "Choose a stimulus in the film strip: its brain is asked."
            self.refresh()
            return
        try:
            found = await self.c.session.ask(RANK, f"Rank by the brain at {stimulus}", run=run.path,
                                             subject=self.state.subject, stimulus=int(stimulus), top=20)
        except MissingError as err:
            if newest():
                log.info("no ranking: %s", err)
                self.state.ranking = None
                self._unranked = f"Stimulus {stimulus} is not one of the test stimuli, which this model never saw; " \
                                 "only those are ranked."
                self.refresh()
            return
        if newest():
            self.state.ranking = Ranking.of_brain(self.state.subject, stimulus, found)
            self._need([stimulus])

    async def _rank_brains(self) -> None:
        run, state = self.app.run, self.state
        newest = self._newest("brains")
        if run is None or not self.able or not (state.sentence or state.asked >= 0):
            state.brains = None
            return
        query: dict[str, Any] = {"text": state.sentence} if state.sentence else \
            {"stimulus": int(state.asked), "kind": state.asked_kind}
        stimulus, words = (-1, state.sentence) if state.sentence else (state.asked, "")
        try:
            found = await self.c.session.ask(RANK_BRAINS, "Rank brains", run=run.path, subject=state.subject, top=20,
                                             **query)
        except BrainViewError:
            if newest():
                state.brains = None
            raise
        if newest():
            state.brains = Ranking.of_brains(state.subject, stimulus, words, found)

    async def _compute(self, kind: str) -> None:
        run, newest, subject = self.app.run, self._newest(kind), self.state.subject
        if run is None or not self.able:
            return
        if kind == "points":
            points = Points.from_job(await self.c.session.ask(UMAP, f"UMAP of {subject}", run=run.path,
                                                              subject=subject))
            if newest():
                self.state.points = points
        else:
            found = Matrices.from_job(await self.c.session.ask(SIMILARITY, f"Similarities of {subject}", run=run.path,
                                                               subject=subject))
            if newest():
                self.state.matrices = found

    def _ask_picture(self, stimulus: int) -> None:
        with self.c.undo.together("Choose picture"):
            self.state.sentence = ""
            self.state.asked_kind = self.state.gallery
            self.state.asked = stimulus

    # -- showing -------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        state, page = self.state, self.page
        protocols = state.protocols()
        page.show_scores(state.shown_scores(), protocols, state.protocol)
        page.show_ranking(state.ranking, state.gallery, self._unranked)
        thumbs = self.c.window.strip.model.thumbs
        thumb = thumbs.get(state.ranking.stimulus) if thumbs is not None and state.ranking is not None else None
        page.seen.show_array(None if thumb is None else thumb.image)
        page.show_brains(state.brains, state.asked, state.sentence, state.asked_kind)

    def _show_points(self) -> None:
        self.page.space.show_points(self.state.points)
        self.page.space.mark(self.app.stimulus)

    def _show_matrices(self) -> None:
        self.page.space.show_matrices(self.state.matrices, self.state.pair)

    def _show_test(self) -> None:
        subject = self.app.subject
        if subject is not None and "test" in subject.splits:
            self.app.split = "test"
            if self.app.stimulus not in subject.splits["test"] and subject.splits["test"].size:
                self.app.stimulus = int(subject.splits["test"][0])
        self.c.window.show_dock("stimuli")
        self.c.window.show_dock("decoding")

    def _show_table(self) -> None:
        columns, rows = score_table(self.state.scores)
        name = self.app.run.name if self.app.run else ""
        self.window = TableWindow(self.c.window, f"Retrieval of {name}", columns, rows,
                                  "Recall with its 95 % bootstrap interval over queries; chance is k / gallery; the "
                                  "shuffled brain is another test image's.")
        self.window.show()

    async def _draw_curves(self) -> None:
        run, newest = self.app.run, self._newest("curves")
        if run is None or not self.able:
            return
        found = await self.c.session.ask(CURVES, f"Retrieval curves of {run.name}", run=run.path)
        if newest():
            sheet = curves_sheet(found, phantom=run.phantom, title=f"Retrieval curves of {run.name}",
                                 story={"figure": "curves", "run": run.path})
            self.figure = SheetWindow(self.c.window, sheet, self.c.folder, self.c.written)
            self.figure.show()

    def _need(self, stimuli: list[int]) -> None:
        self.c.window.strip.needed.emit(stimuli)

    def _caption(self, stimulus: int) -> str:
        thumbs = self.c.window.strip.model.thumbs
        thumb = thumbs.get(stimulus) if thumbs is not None else None
        return thumb.captions[0] if thumb is not None and thumb.captions else ""

    # -- saving --------------------------------------------------------------------------------------------------

    def _save(self, kind: str, form: str) -> None:
        suffix = "png" if form == "picture" else "csv"
        start = Path(self.c.folder) / f"{self.state.subject}-{'umap' if kind == 'points' else 'similarity'}.{suffix}"
        path, _ = QFileDialog.getSaveFileName(self.c.window, "Save", str(start), f"*.{suffix}")
        if path:
            self.c.reporter.guarded(lambda: self.write(kind, form, path))

    def write(self, kind: str, form: str, path: str) -> None:
        """Write points or a matrix as a picture (PNG with its story) or as numbers (CSV)."""
        state, run = self.state, self.app.run
        if form == "picture":
            part = self.page.space.cloud if kind == "points" else self.page.space.matrix
            story = {"what": kind, "run": run.path if run else "", "subject": state.subject, "pair": state.pair,
                     "phantom": bool(run and run.phantom),
                     "settings": dict(state.points.settings) if state.points and kind == "points" else {}}
            save_picture(part.picture(), Path(path), story)
        else:
            text = state.points.csv() if kind == "points" and state.points else \
                state.matrices.csv(self.page.space.pair.currentText()) if state.matrices else ""
            with atomic_write(Path(path)) as file:
                file.write(text.encode())
        self.c.written(path)
