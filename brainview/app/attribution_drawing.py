"""The part of the attribution wiring that draws and exports: which scores, on which scale, on the one viewer."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PySide6.QtCore import QSize
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QBoxLayout, QFileDialog, QWidget

from brainview.app.controller import Controller
from brainview.app.window import MainWindow
from brainview.core.errors import MissingError
from brainview.core.files import atomic_path
from brainview.maps.brainmap import BrainMap
from brainview.maps.tokens import map_name
from brainview.state.app import AppState, Source
from brainview.state.attribution import NOISY, VIEWS, Answer, AttributionState, overlap_top, pearson
from brainview.state.attribution_live import LiveModel
from brainview.state.attribution_maps import TokenMaps
from brainview.state.view import ViewState

KIND: Literal["attribution"] = "attribution"
#: The prices of a movie of the slider, as multiples of the one that is set.
SLID = tuple(10 ** (k / 4) for k in range(-4, 5))
EXPORT = "brainview.attribution.jobs:export_answer"


class Drawing:
    """Draws the chosen view of the answers."""

    c: Controller
    app: AppState
    view: ViewState
    window: MainWindow
    state: AttributionState
    model: LiveModel | None
    maps: TokenMaps | None
    groups: dict[str, Any]
    _planted: dict[int, dict[str, Any]]
    _reversed: dict[str, Any] | None

    if TYPE_CHECKING:  # what the wiring that mixes this in must have

        def score(self, answer: Answer | None) -> float:
            """Return the hard AUROC of a map."""

        def load(self) -> Any:
            """Load the model."""

        def want(self) -> None:
            """Ask for the map."""

    def able_views(self) -> tuple[str, ...]:
        """Return the views that can be drawn now."""
        state = self.state
        have = {"map": state.answer, "mismatched": state.mismatched, "contrast": state.mismatched,
                "seed": state.repeated, "other": state.compared, "difference": state.compared,
                "group": self.groups or None, "t": self.groups or None}
        alone = ("map", "group", "t")
        return tuple(v for v in VIEWS if have[v] is not None and (v in alone or state.answer is not None))

    def _chosen(self) -> tuple[Answer, np.ndarray, str, str] | None:
        """Return (whose story, scores, name, unit) of the chosen view, None when it is not there."""
        state, own = self.state, self.state.answer
        view = state.view if state.view in self.able_views() else "map"
        if view in ("group", "t"):
            found = self.groups
            scores = found["mean"] if view == "group" else found["shown"][self.state.correction]
            return found["answer"], scores, found["name"][view], "t" if view == "t" else ""
        if own is None:
            return None
        second = {"mismatched": state.mismatched, "contrast": state.mismatched, "seed": state.repeated,
                  "other": state.compared, "difference": state.compared}.get(view)
        if second is None:
            return own, own.scores, "", ""
        if view in ("contrast", "difference"):
            return own, own.scores - second.scores, f"{VIEWS[view]}, stimulus {own.stimulus}", ""
        return second, second.scores, "" if view == "other" else f"{VIEWS[view]}, stimulus {own.stimulus}", ""

    def pair(self) -> tuple[BrainMap, BrainMap] | None:
        """Return (voxels, vertices) of what is chosen."""
        chosen = self._chosen()
        if chosen is None or self.maps is None:
            return None
        answer, scores, name, unit = chosen
        limits = None
        state = self.state
        if state.view in ("other", "map") and state.compared is not None and state.answer is not None \
                and state.scale == "own":
            top = max(float(np.abs(a.scores).max(initial=0)) for a in (state.answer, state.compared)) or 1.0
            limits = (-top, top) if min(a.scores.min() for a in (state.answer, state.compared)) < 0 else (0.0, top)
        return self.maps.pair(answer, scores, name=name, tokens=state.tokens, share=state.scale == "share" and not unit,
                              limits=limits, unit=unit)

    # -- the maker of Source("attribution") ------------------------------------------------------------------------

    def at_once(self, source: Source) -> BrainMap | None:
        """Return the map of the panel when it is that of the source, with its cortical twin handed to the viewer."""
        answer = self.state.answer
        grouped = self.state.view in ("group", "t") and self.groups
        if not grouped and (answer is None or answer.stimulus != source.stimulus):
            return None
        made = self.pair()
        if made is None:
            return None
        if self.window.viewer is not None and hasattr(self.window.viewer, "set_surface_map"):
            self.window.viewer.set_surface_map(*made)
        return made[0]

    async def fetch(self, source: Source) -> BrainMap | None:
        """Load what is needed and return the map; None when something else was wanted meanwhile."""
        if self.model is None:
            task = self.load()
            if task is None:
                raise MissingError("no whole-brain model is open", remedy="Open its run again.")
            await asyncio.shield(task)
        if self.model is None:
            return None
        if self.app.stimulus != source.stimulus:
            with self.c.undo.paused():
                self.app.stimulus = source.stimulus
        if self.at_once(source) is None:
            await self.model.ask(source.stimulus, self.state.setting)
            self.want()
        return self.at_once(source)

    async def slid(self) -> list[BrainMap]:
        """Return the cortical maps of the open stimulus along the slider, from a tenth to ten times its beta."""
        model, setting, stimulus = self.model, self.state.setting, self.app.stimulus
        if model is None or self.maps is None or stimulus < 0:
            raise MissingError("no whole-brain model is open", remedy="Open its run again.")
        if setting.method not in NOISY:
            raise MissingError(f"{setting.method} has no price of information that could slide",
                               remedy="Choose the method IB-BA.")
        out = []
        for factor in SLID:
            beta = float(f"{setting.beta * factor:.3g}")
            answer = await model.ask(stimulus, setting.having(beta=beta))
            facts = {"method": setting.method, "stimulus": stimulus, "target": setting.target}
            out.append(self.maps.pair(answer, name=f"{map_name(facts)}, β = {beta:.3g}", tokens=self.state.tokens,
                                      share=self.state.scale == "share")[1])
        return out

    def redraw(self) -> None:
        """Draw the chosen view if the brain shows attribution."""
        source = self.app.source
        if source.kind != KIND or not self.c.reporter.guarded(lambda: self.c.shower.show_now(source)):
            return

    def draw_it(self) -> None:
        """Bring the attribution map onto the brain: on the cortex, unless slices of a volume were in view."""
        from brainview.maps.space import VolumeSpace

        if self.maps is None or self.app.stimulus < 0:
            return
        drawn = self.view.map
        with self.c.undo.together("Show attribution"):
            if drawn is None or not isinstance(drawn.space.root, VolumeSpace):
                self.view.volume = "surface"
            self.app.source = Source(KIND, brain=str(self.maps.about["subject"]), stimulus=self.app.stimulus)

    def _on_drawing(self, *_: Any) -> None:
        with self.c.undo.paused():
            self.view.lock_limits = self.state.scale == "hold"
            if self.state.scale != "hold":
                self.c.session.rules.pop(self.app.source.color_key, None)
        if self.app.source.kind != KIND and self.state.view != "map":
            self.draw_it()
        self.redraw()
        self.refresh()  # type: ignore[attr-defined]

    # -- export --------------------------------------------------------------------------------------------------

    def export(self) -> None:
        """Ask for a folder and write what is shown: map, scores, settings, picture of the panel's findings."""
        folder = QFileDialog.getExistingDirectory(self.window, "Export attribution to a folder", self.c.folder)
        if folder:
            self.c.start(self.export_to(folder))

    async def export_to(self, folder: str) -> list[str]:
        """Write what the panel shows into a folder and return the files.

        The map as volume and on the cortex, its token scores, figures and checks, regions, and as pictures the brain,
        the attributed picture with its words, the checks and the side-by-side comparison, where there are any.
        """
        made, chosen = self.pair(), self._chosen()
        if made is None or chosen is None or self.maps is None:
            raise MissingError("there is no attribution map to export", remedy="Wait until it is computed.")
        answer, scores, _, _ = chosen
        stem = f"attribution-{answer.setting.method}-stimulus{answer.stimulus}-{self.state.view}"
        files = [await self.c.session.export_map(made[0], str(Path(folder) / f"{stem}.nii.gz"), "nifti", None),
                 await self.c.session.export_map(made[1], str(Path(folder) / f"{stem}.func.gii"), "gifti", None)]
        facts = {"label": answer.label, "view": self.state.view, "bits": answer.bits, "fit_open": answer.fit_open,
                 "fit_kept": answer.fit_kept, "provenance": made[0].provenance, **self.findings()}
        regions = [{"class": r.roi_class, "roi": r.roi, "hemisphere": b.hemisphere, "share": b.value, "n": b.n}
                   for r in self.window.attribution.bars.list.bars.rows for b in r.bars]
        files += await self.c.session.ask(EXPORT, f"Export {stem}", folder=folder, stem=stem, scores=scores,
                                          facts=facts, regions=regions)
        files += self._pictures(Path(folder) / stem)
        self.c.reporter.tell(f"Wrote {len(files)} files to {folder}", "done")
        return files

    def findings(self) -> dict[str, Any]:
        """Return the checks, the second setting, the attributed words and the group as plain types."""
        state, out = self.state, dict[str, Any]()
        own = state.answer
        for name, other in (("mismatched", state.mismatched), ("other_seed", state.repeated),
                            ("setting_B", state.compared)):
            if own is not None and other is not None:
                out[name] = {"setting": asdict(other.setting), "bits": other.bits, "fit_open": other.fit_open,
                             "fit_kept": other.fit_kept, "pearson": pearson(own.scores, other.scores),
                             "top_tenth_overlap": overlap_top(own.scores, other.scores), "scores": other.scores}
        planted = self._planted.get(self.app.stimulus)
        if planted is not None and not planted["problem"]:
            out["planted"] = {"hard_auroc": self.score(own), "at_most": planted["oracle"], "chance": 0.5,
                              "definition": planted["definition"]}
        said = self._reversed
        if said is not None:
            out["speaks_of"] = {k: said[k] for k in ("text", "beta", "words", "picture", "problem")}
        if self.groups:
            out["group"] = {k: self.groups[k] for k in ("name", "n", "words", "mean", "t", "p_corrected", "p_cluster")}
        return out

    def _pictures(self, stem: Path) -> list[str]:
        """Save the brain and the shown parts of the panel as PNG."""
        panel, files = self.window.attribution, []
        if self.view.map is not None and hasattr(self.window.viewer, "snapshot"):
            files.append(str(self.window.viewer.snapshot(stem.with_name(stem.name + "-brain.png"))))
        state = self.state
        for name, part, there in (("picture", panel.reverse, self._reversed is not None),
                                  ("checks", panel.believe, state.mismatched is not None),
                                  ("side-by-side", panel.compare, state.compared is not None)):
            if there:
                file = stem.with_name(f"{stem.name}-{name}.png")
                with atomic_path(file, suffix=".png") as temporary:
                    if not portrait(part).save(str(temporary), "PNG"):
                        raise MissingError("the picture could not be written", where=file)
                files.append(str(file))
        return files


def portrait(part: QWidget) -> QPixmap:
    """Return a picture of a part of the panel, as it would look unfolded.

    A folded part has no room in its section's layout, which is applied anew before a picture is taken: it would be a
    strip of some pixels. So it is taken out of the layout, and put back where it was.
    """
    parent = part.parentWidget()
    layout = parent.layout() if parent is not None else None
    if part.isVisible() or not isinstance(layout, QBoxLayout):
        return part.grab()
    place = layout.indexOf(part)
    hidden, size = part.isHidden(), part.size()
    layout.removeWidget(part)
    try:
        wanted = part.sizeHint().expandedTo(QSize(320, 0))
        if part.hasHeightForWidth():
            wanted.setHeight(max(wanted.height(), part.heightForWidth(wanted.width())))
        part.resize(wanted)
        return part.grab()
    finally:
        part.resize(size)
        layout.insertWidget(place, part)
        part.setHidden(hidden)
