"""The wires of the linked viewers: own maps, one camera, one cursor, and one colour scale where it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brainview.app.gallery import Gallery, Satellite
from brainview.app.wiring_strip import Once
from brainview.maps.display import ColorRule, Pick, rule_for
from brainview.state.app import Source
from brainview.state.viewers import alike, link, suggested

if TYPE_CHECKING:
    from brainview.app.controller import Controller


class ViewersWiring:
    """Makes and ends the other viewers."""

    def __init__(self, c: Controller) -> None:
        self.c, self.state = c, c.viewers
        self._ends: list[Any] = []
        self._busy = False
        self.refresh = Once(c.window, self._offer)
        c.session.parts["viewers"] = self.state
        c.undo.watch(self.state, {"count": "Number of viewers", "sources": "Map of a viewer",
                                  "shared": "Shared colour scale"})
        events = self.state.events
        for signal in (events.count, events.sources, events.shared):
            signal.connect(lambda *_: c.touch(), check_nargs=False)
        events.count.connect(self._count, check_nargs=False)
        events.sources.connect(self._sources, check_nargs=False)
        events.shared.connect(lambda *_: self._share(None), check_nargs=False)
        c.view.events.rule.connect(lambda *_: self._share(None), check_nargs=False)
        c.view.events.map.connect(lambda *_: self._share(None), check_nargs=False)
        for signal in (c.app.events.run, c.app.events.subject, c.app.events.prediction, c.app.events.opened_maps,
                       c.app.events.source, c.view.events.map):
            signal.connect(self.refresh, check_nargs=False)
        c.refresh_viewers = self._count
        c.app.events.dataset.connect(self._on_dataset)

    @property
    def others(self) -> list[Satellite]:
        """The viewers beside the first."""
        gallery = self.c.window.gallery
        return [] if gallery is None else gallery.others

    def _on_dataset(self, new: Any, old: Any) -> None:
        if old is not None and (new is None or new.path != old.path):
            with self.c.undo.paused():
                self.state.count, self.state.sources = 1, (Source(),) * 3

    def _count(self, *_: Any) -> None:
        gallery = self.c.window.gallery
        if gallery is None or not hasattr(gallery.main, "canvas"):
            return
        while len(gallery.others) > self.state.count - 1:
            one = gallery.drop()
            self._ends.pop()()
            one.viewer.close()
            one.deleteLater()
        while len(gallery.others) < self.state.count - 1:
            self._add(gallery, len(gallery.others))
        if gallery.main.canvas is not None:
            gallery.main.canvas.on_camera = lambda: self._follow(gallery.main)

    def _add(self, gallery: Gallery, number: int) -> None:
        c = self.c
        one = Satellite(number, c.make_viewer)
        self._ends.append(link(c.view, one.view))
        one.chosen.connect(lambda source: self.state.choose(number, source))
        one.closed.connect(lambda: setattr(self.state, "count", 1 if number == 0 else 2))
        one.viewer.picked.connect(lambda pick: self._picked(one, pick))
        one.viewer.hovered.connect(lambda pick: self._hover(one, pick))
        one.view.events.rule.connect(lambda *_: self._share(one), check_nargs=False)
        one.viewer.ready.connect(lambda: self._ready(one))
        c.wire_forms(one.viewer)
        gallery.add(one)
        one.viewer.set_rois(c.window.viewer.rois)
        if self.state.sources[number].kind == "none":
            with c.undo.paused():
                self.state.choose(number, suggested(c.app, number))
        else:
            self._show(one)
        self.refresh()

    def _ready(self, one: Satellite) -> None:
        one.viewer.canvas.on_camera = lambda: self._follow(one.viewer)
        one.viewer.sync()
        self._follow(self.c.window.viewer)

    def _sources(self, *_: Any) -> None:
        for one in self.others:
            if one.source != self.state.sources[one.number]:
                self._show(one)

    def _show(self, one: Satellite) -> None:
        one.source = self.state.sources[one.number]
        self.c.start(self._draw(one, one.source))

    async def _draw(self, one: Satellite, source: Source) -> None:
        if source.kind == "none":
            return
        found = await self.c.shower.find(source)
        drawn = await self.c.shower.in_drawn_form(found)
        if one.source != source:
            return
        rule = self.c.session.rules.get(source.color_key) or rule_for(found)
        one.view.map = drawn
        one.view.rule = rule
        self._share(None)
        self.refresh()

    def _share(self, changed: Satellite | None) -> None:
        """Give all maps of one kind and unit the colours of the viewer that was changed (None: of the first)."""
        main = self.c.view
        if not self.state.shared or self._busy or not self.others:
            return
        self._busy = True
        try:
            if changed is not None and alike(main, changed.view):
                main.rule = changed.view.rule
            for one in self.others:
                if alike(main, one.view):
                    one.view.rule = _colors(main.rule, one.view.rule)
        finally:
            self._busy = False

    def _follow(self, moved: Any) -> None:
        """Point every camera as the user pointed one."""
        if self._busy or moved.canvas is None:
            return
        cameras = [cell.camera for cell in moved.canvas.scene.cells]
        self._busy = True
        try:
            for viewer in [self.c.window.viewer, *(one.viewer for one in self.others)]:
                if viewer is not moved and viewer.canvas is not None \
                        and len(viewer.canvas.scene.cells) == len(cameras):
                    viewer.canvas.take_cameras(cameras)
        finally:
            self._busy = False

    def _picked(self, one: Satellite, pick: Pick) -> None:
        self.c.view.picked = pick
        self.c.window.viewer.picked.emit(pick)

    def _hover(self, one: Satellite, pick: Pick | None) -> None:
        status = self.c.window.status
        if pick is None:
            status.clear_reading()
        else:
            status.show_reading(pick, one.view.map, pick.value, [])

    def _offer(self) -> None:
        gallery, drawn = self.c.window.gallery, self.c.view.map
        if gallery is not None and drawn is not None:
            brain = self.c.app.source.brain
            gallery.name.show_text(drawn.name if not brain or brain in drawn.name else f"{brain} · {drawn.name}")
        for one in self.others:
            one.show_offers(self.c.offers())


def _colors(rule: ColorRule, own: ColorRule) -> ColorRule:
    """Return the shared scale; a label table stays a map's own."""
    return rule.having(labels=own.labels)
