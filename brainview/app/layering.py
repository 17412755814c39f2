"""What commands do with layers: keep the map on screen, add others, let a second map show or hide one."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QFileDialog

from brainview.app.errors import Reporter
from brainview.app.window import MainWindow
from brainview.core.errors import BrainViewError, MissingError
from brainview.core.names import shown
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule, rule_for
from brainview.maps.layers import Gate, Layer, gate_for
from brainview.state import layers
from brainview.state.app import AppState, Source
from brainview.state.recipes import where_of
from brainview.state.session import Session
from brainview.state.showing import Shower
from brainview.state.undo import UndoStack
from brainview.state.view import ViewState

#: The engine's job that finds a map by the words of a project.
LOAD_MAP = "brainview.pictures:load_map_job"
MAP_FILES = "Maps (*.nii *.nii.gz *.gii *.mgh *.mgz *.annot *.curv *.sulc *.thickness *.npy);;All files (*)"


class Layering:
    """The part of the controller that stacks maps."""

    app: AppState
    view: ViewState
    window: MainWindow
    session: Session
    shower: Shower
    reporter: Reporter
    undo: UndoStack
    layer_part: layers.LayerPart
    folder: str

    async def where_for(self, source: Source, found: BrainMap) -> dict[str, Any]:
        """Return how a map is found again; one that only the window has is kept in a file first."""
        return where_of(self.app, source) or {"path": (await self.session.keep(found))[0]}

    def keep_layer(self) -> Coroutine[Any, Any, None] | None:
        """Keep the map on screen as a layer, below what is shown next; what only the window has is written first."""
        drawn = self.shower.original or self.view.map
        if drawn is None:
            raise MissingError("there is no map on screen", remedy="Open one first.")
        laid, where = self.view.laid, where_of(self.app, self.app.source)
        kept = Layer(drawn, self.view.rule, laid.opacity, True, laid.gate, laid.second, where, laid.second_where)
        if not where:
            return self._keep_computed(kept)
        self._lay_below(kept)
        return None

    async def _keep_computed(self, layer: Layer) -> None:
        self._lay_below(layer.having(where={"path": (await self.session.keep(layer.map))[0]}))

    def _lay_below(self, kept: Layer) -> None:
        with self.undo.together("Keep map as layer"):
            layers.add(self.view, kept, layers.main_index(self.view))
        self.reporter.tell(f"{shown(kept.map.name)} stays as a layer: show another map, it lies on top", "done")

    def maps_of_file(self) -> int:
        """Return how many maps the file on screen holds, 0 when no file is on screen."""
        return len(self.session.files.get(self.app.source.path, ())) if self.app.source.kind == "file" else 0

    def step_map(self, step: int) -> None:
        """Draw the next (or previous) map of the file on screen; after the last comes the first."""
        count = self.maps_of_file()
        if count > 1:
            source = self.app.source
            self.app.source = Source("file", path=source.path, index=(source.index + step) % count)

    def offers(self) -> list[layers.Offer]:
        """Return the maps that can be layers or second maps."""
        return layers.offers(self.app, self.session.files)

    async def add_layer(self, source: Source) -> None:
        """Lay a map over the others, in the colours that it last had."""
        found = await self.shower.find(source)
        rule = self.session.rules.get(source.color_key) or rule_for(found)
        where = await self.where_for(source, found)
        with self.undo.together("Add layer"):
            layers.add(self.view, Layer(found, rule, where=where))

    def choose_layer_file(self) -> None:
        """Ask for a map file and lay it over the others."""
        path, _ = QFileDialog.getOpenFileName(self.window, "Add layer", self.folder, MAP_FILES)
        if path:
            self.reporter.start(self.add_layer_file(path))

    async def add_layer_file(self, path: str) -> None:
        """Lay the first map of a file over the others."""
        await self.session.read_maps(path)
        self.folder = str(Path(path).parent)
        await self.add_layer(Source("file", path=path))

    async def set_second(self, index: int, source: Source | None, **changes: Any) -> None:
        """Let another map show or hide a layer (None: no longer); `changes` are fields of its Gate."""
        if source is None:
            with self.undo.together("Second map"):
                layers.change(self.view, index, gate=None, second=None, second_where={})
            return
        found = await self.shower.find(source)
        old = layers.stack(self.view)[index].gate
        gate = gate_for(found, fades=bool(old and old.fades)).having(**changes)
        where = await self.where_for(source, found)
        with self.undo.together("Second map"):
            layers.change(self.view, index, gate=gate, second=found, second_where=where)

    async def load_layers(self) -> None:
        """Read the layers that a project or a picture names."""
        wanted, self.layer_part.wanted = self.layer_part.wanted, ()
        if not wanted:
            return
        laid, place = layers.Laid(), 0
        found: list[Layer] = []
        for entry in wanted:
            try:
                one = await self._loaded(entry)
            except BrainViewError as err:
                self.reporter.error(err)
                continue
            if isinstance(one, layers.Laid):
                laid, place = one, len(found)
            else:
                found.append(one)
        with self.undo.paused():
            self.view.layers = tuple(found)
            self.view.laid = replace(laid, place=place)

    async def _loaded(self, entry: Mapping[str, Any]) -> Layer | layers.Laid:
        changes: dict[str, Any] = {k: entry[k] for k in ("opacity", "visible") if k in entry}
        if entry.get("gate") is not None:
            where = dict(entry.get("second") or {})
            changes |= {"gate": Gate.from_dict(entry["gate"]), "second": await self.named_map(where),
                        "second_where": where}
        if entry.get("main"):
            return layers.Laid(**changes)
        where = dict(entry.get("map") or {})
        found = await self.named_map(where)
        rule = ColorRule.from_dict({**rule_for(found).to_dict(), **(entry.get("rule") or {})})
        return Layer(found, rule, where=where, **changes)

    async def named_map(self, where: Mapping[str, Any]) -> BrainMap:
        """Return the map that a project names: what is open already, else read by a worker."""
        run, subject, dataset = self.app.run, self.app.subject, self.app.dataset
        path = str(where.get("path", ""))
        if run is not None and path == run.path and where.get("metric"):
            return run.map_of(str(where.get("brain", "")), str(where["metric"]))
        if dataset is not None and path == dataset.path and where.get("kind") == "ceiling" and subject is not None \
                and subject.id == where.get("brain") and subject.ceiling is not None:
            return subject.ceiling
        if path in self.session.files:
            maps = self.session.files[path]
            return maps[min(int(where.get("index", 0)), len(maps) - 1)]
        return await self.session.ask(LOAD_MAP, f"Read layer {Path(path).name}", where=dict(where))

    def follow_brain(self, old: str, new: str) -> None:
        """After another subject was chosen: layers and second maps of the old one become those of the new one."""
        view = self.view
        wheres = [one.where for one in view.layers] + [one.second_where for one in layers.stack(view)]
        if any(layers.following(w, old, new) for w in wheres):
            self.reporter.start(self._follow(old, new))

    async def _follow(self, old: str, new: str) -> None:
        async def other(where: Mapping[str, Any]) -> tuple[BrainMap, dict[str, Any]] | None:
            wanted = layers.following(where, old, new)
            return None if wanted is None else (await self.named_map(wanted), wanted)

        found, laid = [], self.view.laid
        for one in self.view.layers:
            first, second = await other(one.where), await other(one.second_where)
            if first is not None:
                one = one.having(map=first[0], where=first[1])
            if second is not None:
                one = one.having(second=second[0], second_where=second[1])
            found.append(one)
        second = await other(laid.second_where)
        if second is not None:
            laid = replace(laid, second=second[0], second_where=second[1])
        with self.undo.paused():
            self.view.layers, self.view.laid = tuple(found), laid
