"""The one place where state meets widgets.

::

    widget signal  ->  AppState / ViewState field  ->  psygnal event  ->  method here  ->  widget.show_...()
    button         ->  Controller / Session coroutine -> engine job -> AppState field -> (as above)

Widgets never hear each other. A burst of events refreshes each part once, at the end of the event-loop turn.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from brainview.app.controller import Controller
from brainview.app.wiring_pages import PAGES
from brainview.app.wiring_regions import RegionWiring
from brainview.app.wiring_strip import Once, StripWiring
from brainview.app.wiring_viewer import ViewerWiring
from brainview.core.names import shown
from brainview.core.systems import SYSTEMS
from brainview.state.app import GROUP, UNDOABLE, Source
from brainview.state.journal import Journal
from brainview.state.regions import selection_class
from brainview.state.roi_table import ranked_stimuli
from brainview.state.stimuli import Thumbs, WordIndex

log = logging.getLogger("brainview")
VIEW_UNDOABLE = {"surface": "Surface", "hemispheres": "Hemispheres", "layout": "Layout", "view": "View",
                 "rule": "Colours", "outlines": "Outlines", "show_names": "Region names", "lock_limits": "Lock limits",
                 "volume": "Volume display", "slices": "Slices", "radiological": "Display side",
                 "beside": "Slices beside the cortex", "layers": "Layers", "laid": "Layers"}


class Wiring(StripWiring, RegionWiring, ViewerWiring):
    """Connects one controller with its window.

    Parameters
    ----------
    controller : Controller
    journal : Journal, optional
        Told of every change.
    """

    def __init__(self, controller: Controller, journal: Journal | None = None) -> None:
        self.c, self.journal = controller, journal
        self.app, self.view, self.window = controller.app, controller.view, controller.window
        self.thumbs: Thumbs | None = None
        self._chosen = ("", "")  # brain and metric of the bars while a response is drawn
        self._best = True
        owner = self.window
        self.refresh_strip = Once(owner, self._show_strip)
        self.refresh_encoding = Once(owner, self._show_encoding)
        self.refresh_scatter = Once(owner, self._show_scatter)
        self.refresh_rois = Once(owner, self._show_rois)
        self.refresh_header = Once(owner, self._show_header)
        self.refresh_needs = Once(owner, self._show_needs)
        self.refresh_jobs = Once(owner, self._show_jobs)
        controller.undo.watch(self.app, UNDOABLE)
        controller.undo.watch(self.view, VIEW_UNDOABLE)
        self._listen_state()
        self._listen_widgets()
        self._on_dataset(None, None)
        self._on_run(None, None)
        self.refresh_needs()
        controller.touch, controller.refresh_outlines = self._touch, self.refresh_rois
        controller.atlases.events.atlases.connect(self.refresh_rois, check_nargs=False)
        self.view.events.map.connect(self._on_space, check_nargs=False)
        controller.atlases.events.atlases.connect(self._touch, check_nargs=False)
        controller.atlases.events.wanted.connect(lambda *_: controller.start(controller.load_wanted()),
                                                 check_nargs=False)
        controller.wire_forms = self.wire_forms
        self.pages = [page(controller) for page in PAGES]

    # -- connections ---------------------------------------------------------------------------------------------

    def _listen_state(self) -> None:
        events = self.app.events
        on: dict[str, tuple[Callable[..., Any], ...]] = {
            "dataset": (self._on_dataset, self.refresh_header, self.refresh_needs),
            "subject": (self._on_subject, self.refresh_strip, self.refresh_rois, self.refresh_header),
            "run": (self._on_run, self.refresh_strip, self.refresh_needs),
            "source": (self._on_source, self.refresh_encoding, self.refresh_scatter, self.refresh_header),
            "prediction": (self._on_prediction,),
            "stimulus": (self._on_stimulus, self.refresh_needs),
            "split": (self.refresh_strip,), "strip_filter": (self.refresh_strip,), "strip_order": (self.refresh_strip,),
            "strip_category": (self.refresh_strip,),
            "rois": (self.refresh_rois, self.refresh_scatter, self._mark_bars),
            "roi_hemisphere": (self.refresh_encoding,), "roi_sort": (self.refresh_encoding,),
            "roi_filter": (self.refresh_encoding,),
            "theme": (self._on_theme,), "project": (self.refresh_header,), "variant": (self._on_variant,),
        }
        for name, listeners in on.items():
            for listener in listeners:
                getattr(events, name).connect(listener, check_nargs=False)
        self.view.events.picked.connect(self._on_picked, check_nargs=False)
        self.view.events.map.connect(self._on_map, check_nargs=False)
        if self.journal is not None:
            for name in (*on, *VIEW_UNDOABLE):
                group = events if name in on else self.view.events
                getattr(group, name).connect(self._touch, check_nargs=False)

    def _touch(self, *_: Any) -> None:
        if self.journal is not None:
            self.journal.touch()

    def _listen_widgets(self) -> None:
        c, w = self.c, self.window
        w.dropped.connect(self._on_drop)
        s = w.subjects
        s.open_wanted.connect(c.choose_dataset)
        s.phantom_wanted.connect(lambda: c.start(c.session.open_phantom()))
        s.run_wanted.connect(c.choose_run)
        s.subject_chosen.connect(c.choose_subject)
        s.variant_chosen.connect(lambda name: c.start(c.session.open_variant(name)))
        s.run_chosen.connect(lambda path: c.start(c.session.open_run(path)))
        s.ceiling_wanted.connect(c.show_ceiling)
        s.form.train.connect(lambda form: c.start(c.train(form)))
        e = w.encoding
        e.run_wanted.connect(c.choose_run)
        e.train_wanted.connect(lambda: w.show_dock("subjects"))
        e.map_chosen.connect(c.choose_map_of_run)
        e.setting_changed.connect(lambda name, value: setattr(self.app, name, value))
        e.regions_selected.connect(lambda keys: setattr(self.app, "rois", tuple(keys)))
        e.predictions.order_chosen.connect(self._on_order)
        e.predictions.stimulus_chosen.connect(c.show_response)
        e.predictions.kind_chosen.connect(lambda kind: c.show_response(self._predicted_stimulus(), kind))
        e.predictions.needed.connect(self._fetch)
        for panel in (w.attribution, w.decoding):
            panel.run_wanted.connect(c.choose_run)
        strip = w.strip
        strip.chosen.connect(self._on_strip)
        strip.opened.connect(c.show_response)
        strip.split_chosen.connect(lambda value: setattr(self.app, "split", value))
        strip.order_chosen.connect(lambda value: setattr(self.app, "strip_order", value))
        strip.words_typed.connect(self._on_words)
        strip.category_chosen.connect(lambda value: setattr(self.app, "strip_category", value))
        strip.needed.connect(self._fetch)
        w.jobs.retry.connect(partial(_retry, c))
        w.jobs.changed.connect(self.refresh_jobs)
        c.engine.job_added.connect(w.jobs.add)
        c.session.phantom_grown.connect(self._on_grown)

    def _on_grown(self, path: str) -> None:
        self.c.reporter.tell("The whole built-in phantom is ready: four subjects, 1,000 stimuli.", "done",
                             [("Open it", lambda: self.c.open(path))])

    # -- data set, subject, run ----------------------------------------------------------------------------------

    def _on_dataset(self, new: Any, old: Any) -> None:
        self.window.subjects.show_dataset(new)
        if new is None or old is None or new.path != old.path:
            self.thumbs = None if new is None else Thumbs(self.c.session.ask, new.path)
            self.words, self._counts = None if new is None else WordIndex(self.c.session.ask, new.path), None
            if self.words is not None:
                self.words.arrived.connect(self.refresh_strip)
            for model in (self.window.strip.model, self.window.encoding.predictions.model):
                model.set_thumbs(self.thumbs)
        self.refresh_strip()

    def _on_variant(self, new: str, old: str) -> None:
        """Undo and redo set the response set only: open the subject again with it."""
        session = self.c.session
        if self.app.subject is not None and not session.opening_variant and self.app.subject.dataset:
            self.c.start(self._reopen(self.app.subject.id))

    async def _reopen(self, subject: str) -> None:
        if await self.c.session.open_subject(subject, show=False) is not None:
            await self.c.shower.show(self.app.source)

    def _on_subject(self, new: Any, old: Any) -> None:
        self.window.subjects.show_subject(new)
        self.window.strip.show_splits(list(new.splits) if new is not None else [], self.app.split)

    def _on_run(self, new: Any, old: Any) -> None:
        self.window.encoding.show_run(new if new is not None and new.metrics else None)
        self._chosen = ("", "")
        if new is not None:
            brain = self.app.subject.id if self.app.subject and self.app.subject.id in new.subjects \
                else new.subjects[0]
            if new.metrics:
                self._chosen = (brain, new.first_metric(brain))
            self._show_dock_of(str(new.card.get("system", "")))
        self.refresh_encoding()
        self.refresh_scatter()

    def _show_dock_of(self, system: str) -> None:
        dock = SYSTEMS[system].dock if system in SYSTEMS else "encoding"
        if dock == "decoding":
            self.window.decoding.show_page_of(system)
        self.window.show_dock(dock)

    def _on_source(self, new: Source, old: Source) -> None:
        if new.kind == "metric":
            self._chosen = (new.brain, new.metric)
        if not self.c.reporter.guarded(lambda: self.c.shower.show_now(new)):
            self.c.start(self.c.shower.show(new))

    def _on_map(self, new: Any, old: Any) -> None:
        self._read_again()
        self.refresh_header()

    def _show_header(self) -> None:
        app, drawn = self.app, self.view.map
        parts = [app.dataset.name if app.dataset else ""]
        if drawn is not None:
            brain = "group" if app.source.brain == GROUP else app.source.brain
            name = drawn.name if app.source.kind != "file" else f"{drawn.name} · {drawn.space.name}"
            parts += [name] if brain and brain in name else [brain, name]
            if app.source.stimulus >= 0:
                parts.append(f"stimulus {app.source.stimulus}" if "stimulus" not in name else "")
        self.window.header.where.show_text("  ›  ".join(p for p in parts if p))
        name = app.project.rsplit("/", 1)[-1] if app.project else (app.dataset.name if app.dataset else "")
        self.window.setWindowTitle(f"{shown(name)} — BrainView" if name else "BrainView")

    def _show_needs(self) -> None:
        self.window.attribution.show_state(self.app)
        self.window.decoding.show_state(self.app)

    # -- encoding panel ------------------------------------------------------------------------------------------

    def _show_encoding(self) -> None:
        run, (brain, metric) = self.app.run, self._chosen
        if run is None or not run.metrics or brain not in run.brains:
            return
        panel, app = self.window.encoding, self.app
        panel.chooser.mark(run, brain, metric)
        panel.bars.show_bars(run, brain, metric, hemisphere=app.roi_hemisphere, sort=app.roi_sort,
                             words=app.roi_filter, chosen=app.rois)
        ranking = ranked_stimuli(run, brain, best=self._best, count=panel.predictions.COUNT)
        panel.predictions.show_ranking(ranking, app.stimulus)
        panel.predictions.card.which.show_value(app.source.kind)

    def _show_scatter(self) -> None:
        run, (brain, _) = self.app.run, self._chosen
        if run is not None and run.metrics and brain in run.brains:
            self.window.encoding.show_scatter(run, brain, self._marked())

    def _marked(self) -> np.ndarray | None:
        subject = self.app.subject
        if subject is None or not self.app.rois:
            return None
        chosen = selection_class(subject.rois, subject.space, self.app.rois, (1, 1, 1, 1))
        return None if chosen is None else chosen.labels > 0

    def _mark_bars(self, *_: Any) -> None:
        self.window.encoding.bars.list.mark(self.app.rois)

    def _on_order(self, value: str) -> None:
        self._best = value == "best"
        self.refresh_encoding()

    def _on_prediction(self, new: Any, old: Any) -> None:
        if new is None:
            self.window.encoding.predictions.show_prediction(None)
        else:
            self.c.start(self._show_prediction(new))
        self.refresh_encoding()

    def _predicted_stimulus(self) -> int:
        return self.app.prediction.stimulus if self.app.prediction else self.app.stimulus

    # -- the rest ------------------------------------------------------------------------------------------------

    def _on_theme(self, new: str, old: str) -> None:
        self.c.apply_theme()
        self.window.retheme()
        self.refresh_needs()
        self._show_rois()

    def _on_drop(self, paths: list[str]) -> None:
        for path in self.c.take_pictures(paths[:8]):
            self.c.open(path)

    def _show_jobs(self) -> None:
        jobs = self.window.jobs
        leading = jobs.leading()
        self.window.status.show_job(leading, jobs.active())
        if self.view.map is None:
            share = leading.done / leading.total if leading is not None and leading.total else None
            words = "Open a data set, or drop a map file here." if leading is None else \
                f"{leading.title}…\n{shown(leading.text)}"
            self.window.start_page.show_progress(words, share if leading is not None else None)
            if self.window.viewer is not None and hasattr(self.window.viewer, "hint"):
                percent = f" {100 * share:.0f} %" if share else ""
                self.window.viewer.hint.setText(words.replace("\n", "  ") + percent)


def _retry(c: Controller, job: Any) -> None:
    """Begin a job once more; what was said about it goes."""
    c.window.notices.close_about(job.title)
    c.start(c.session.retry(job))
