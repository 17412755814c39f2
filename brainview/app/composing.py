"""The part of the controller that composes figures and exports many pictures; drawing is done by the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brainview.app.batch_dialog import BatchDialog
from brainview.app.composer import VIEWS, ComposerDialog, Wish
from brainview.app.figures.composed import CM, Cell, Composed
from brainview.core.errors import BrainViewError, MissingError
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule, rule_for
from brainview.scene.colormaps import lut
from brainview.state.app import GROUP
from brainview.state.roi_table import bar_rows, ranked_stimuli

PICTURE = "brainview.scene.jobs:picture"
MANY = "brainview.cli.many:draw"
#: Dots per inch of the preview.
ROUGH = 110
#: Size of the words in a drawn brain, by that of a picture alone: about 5.5 points, the least that journals print.
LETTERS = 0.5
#: Regions of a cell of bars.
MOST_BARS = 18


class Composing:
    """Opens the composer and the batch dialog."""

    app: Any
    view: Any
    window: Any
    session: Any
    shower: Any
    reporter: Any
    held: BrainMap | None
    folder: str
    start: Any
    regions: Any
    written: Any

    # -- composer ------------------------------------------------------------------------------------------------

    def compose(self) -> ComposerDialog:
        """Open the composer on the map that is drawn."""
        drawn = self.shower.original or self.view.map
        if drawn is None:
            raise MissingError("there is no map on screen", remedy="Open one first.")
        maps = self._offered(drawn)
        barred = {k for k in maps if k.startswith("metric/")}
        if self.app.source.kind == "metric":
            barred.add("drawn")
        dialog = ComposerDialog(self.window, {k: m.name for k, m in maps.items()}, barred, self.folder)
        pictures: dict[tuple, Any] = {}
        dialog.changed.connect(lambda: self.start(self._preview(dialog, maps, pictures)))
        dialog.save_wanted.connect(lambda path: self.start(self._save_composed(dialog, maps, pictures, path)))
        dialog.wishes = [Wish("drawn", "lateral"), Wish("drawn", "medial")]
        if "drawn" in barred:
            dialog.wishes.append(Wish("drawn", bars=True))
        dialog._refill(0)
        dialog.show()
        return dialog

    def _offered(self, drawn: BrainMap) -> dict[str, BrainMap]:
        """Return key -> map: what is drawn, what is held, and every metric of the open run."""
        out = {"drawn": drawn}
        if self.held is not None:
            out["held"] = self.held
        run = self.app.run
        for brain in run.brains if run is not None else ():
            for metric in run.metrics_of(brain):
                out[f"metric/{brain}/{metric}"] = run.map_of(brain, metric)
        return out

    async def _preview(self, dialog: ComposerDialog, maps: dict[str, BrainMap], pictures: dict[tuple, Any]) -> None:
        dialog.asked += 1
        mine = dialog.asked
        try:
            sheet = await self.composed(dialog.wishes, dialog.settings(), maps, pictures, dpi=ROUGH)
        except BrainViewError as err:
            dialog.show_sheet(None, str(err))
            return
        if dialog.asked == mine:  # the newest wish only
            dialog.show_sheet(sheet)

    async def _save_composed(self, dialog: ComposerDialog, maps: dict[str, BrainMap], pictures: dict[tuple, Any],
                             path: str) -> None:
        settings = dialog.settings()
        sheet = await self.composed(dialog.wishes, settings, maps, pictures, dpi=settings["dpi"])
        if sheet is not None:
            self.written(sheet.save(path, dpi=float(settings["dpi"])))

    async def composed(self, wishes: list[Wish], settings: dict[str, Any], maps: dict[str, BrainMap],
                       pictures: dict[tuple, Any], *, dpi: int) -> Composed | None:
        """Return the figure; brains are drawn by the engine at `dpi`, each once. None without cells."""
        if not wishes:
            return None
        width = settings["cm"] * CM
        frame = Composed("", "", width=width, columns=settings["columns"])
        cells = []
        for wish in wishes:
            cells.append(self._bars(wish, maps) if wish.bars else
                         await self._brain(wish, maps, settings, frame.cell_width, pictures, dpi))
        phantom = any(maps[w.key].is_phantom for w in wishes)
        note = ("PHANTOM: simulated brains, not measurements. " if phantom else "") + \
            "; ".join(dict.fromkeys(m for w in wishes if (m := maps[w.key].definition)))[:400]
        story = {"figure": "composed", "phantom": phantom, "cells": [
            {"map": maps[w.key].name, "view": w.view, "bars": w.bars, "provenance": maps[w.key].provenance}
            for w in wishes]}
        return Composed(settings["title"], note, width=width, columns=settings["columns"], cells=cells,
                        letters=settings["letters"], colorbar=settings["colorbar"], story=story)

    def _rule(self, wish: Wish, drawn: BrainMap) -> ColorRule:
        rule = self.view.rule if wish.key == "drawn" else rule_for(drawn)
        now = self.shower.original or self.view.map
        alike = now is not None and (now.kind, now.units) == (drawn.kind, drawn.units)
        rule = self.view.rule if alike else rule  # maps of one sort share their colours
        if not rule.labels:
            lut(rule.colormap)
        return rule

    async def _brain(self, wish: Wish, maps: dict[str, BrainMap], settings: dict[str, Any], width: float,
                     pictures: dict[tuple, Any], dpi: int) -> Cell:
        drawn, (_, fields, ratio) = maps[wish.key], VIEWS[wish.view]
        viewer = self.window.viewer
        look: dict[str, Any] = {"background": "white", "colorbar": False, "surface": self.view.surface, **fields}
        if wish.view == "screen" and viewer is not None:
            told = viewer.look(background="white", colorbar=False)
            look = {n: getattr(told, n) for n in type(told).__dataclass_fields__ if n not in ("cameras", "samples")}
            look["cameras"] = [{"towards": c.towards, "up": c.up, "zoom": c.zoom, "pan": c.pan} for c in told.cameras]
            ratio = viewer.stack.width() / max(1, viewer.stack.height())
        ratio = ratio or 1.45
        size = (max(64, round(width / 72 * dpi)), max(48, round(width / ratio / 72 * dpi)))
        rule = self._rule(wish, drawn)
        classes, space = self.regions() if settings["outlines"] else ({}, None)
        names = [n for n in self.view.outlines if n in classes] or list(classes)[:1]
        outlines = {n: classes[n] for n in names} if space is not None and space.root == drawn.space.root else {}
        key = (wish.key, wish.view, size, rule, tuple(outlines), look["surface"])
        if key not in pictures:
            pictures[key] = await self.session.ask(PICTURE, f"Draw {drawn.name}", map=drawn, size=size, rule=rule,
                                                   look=look, outlines=outlines, scale=dpi / 72 * LETTERS)
        return Cell(wish.title or drawn.name, pictures[key], (ratio, 1.0), (rule, drawn))

    def _bars(self, wish: Wish, maps: dict[str, BrainMap]) -> Cell:
        run, source = self.app.run, self.app.source
        brain, metric = (source.brain, source.metric) if wish.key == "drawn" else tuple(wish.key.split("/", 2)[1:])
        if run is None:
            raise MissingError("the run of these bars is not open", remedy="Open it again.")
        rows = bar_rows(run, brain, metric, sort="value")[:MOST_BARS]
        title = str(run.metrics.get(metric, {}).get("title", metric))
        if not rows:
            raise MissingError(f"the run holds no regional summary of {title}", remedy="Remove this cell.")
        who = "group" if brain == GROUP else brain
        return Cell(f"Median per region, {who}", bars=rows, axis=title)

    # -- many pictures -------------------------------------------------------------------------------------------

    def export_many(self) -> BatchDialog:
        """Open the dialog of the batch export."""
        run, dataset = self.app.run, self.app.dataset
        if run is None and dataset is None:
            raise MissingError("no data set and no run is open", remedy="Open one first.")
        brains = list(run.brains if run is not None and run.metrics else dataset.subjects)
        metrics = {k: str(v.get("title", k)) for k, v in run.metrics.items()} if run is not None else {}
        own = self.session.brain_subject()
        ranked = [s for s, _, _ in ranked_stimuli(run, own, count=12)] if run is not None and run.metrics else []
        dialog = BatchDialog(self.window, brains, metrics, ranked, self.app.stimulus,
                             str(Path(self.folder) / "pictures"))
        dialog.wanted.connect(lambda settings: self.start(self._many(settings)))
        dialog.open()
        return dialog

    async def _many(self, settings: dict[str, Any]) -> None:
        run, dataset = self.app.run, self.app.dataset
        path = run.path if run is not None and run.metrics else dataset.path
        told = await self.session.ask(MANY, f"Draw {settings['count']} pictures", lane="batch", path=path, **{
            k: v for k, v in settings.items() if k != "count"}, background="white", surface=self.view.surface,
            fdr=getattr(self, "fdr", 0.0))
        lost = f"; {len(told['failed'])} could not be drawn: {told['failed'][0]}" if told["failed"] else ""
        self.reporter.tell(f"Wrote {len(told['written'])} pictures to {settings['out']}{lost}",
                           "warning" if told["failed"] else "done")
