"""The wires of the dock "Layers"."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from brainview.app.wiring_strip import BESIDE, Once
from brainview.core.names import shown
from brainview.core.paths import computed_dir
from brainview.scene.colors import number
from brainview.state import layers
from brainview.state.app import Source

if TYPE_CHECKING:
    from brainview.app.controller import Controller


class LayersWiring:
    """Connects the list of layers with the view."""

    def __init__(self, c: Controller) -> None:
        self.c, self.panel = c, c.window.layers
        self.refresh = Once(c.window, self._show, BESIDE)
        view, panel = c.view, self.panel
        for signal in (view.events.map, view.events.rule, view.events.layers, view.events.laid, c.app.events.run,
                       c.app.events.subject, c.app.events.prediction, c.app.events.source, c.app.events.opened_maps):
            signal.connect(self.refresh, check_nargs=False)
        for signal in (view.events.layers, view.events.laid):
            signal.connect(lambda *_: c.touch(), check_nargs=False)
        c.app.events.source.connect(self._on_source)
        c.layer_part.events.wanted.connect(lambda *_: c.start(c.load_layers()), check_nargs=False)
        panel.keep_wanted.connect(lambda: c.reporter.guarded(c.keep_layer))
        panel.file_wanted.connect(c.choose_layer_file)
        panel.add_wanted.connect(lambda source: c.start(c.add_layer(source)))
        panel.changed.connect(self._change)
        panel.second_chosen.connect(lambda index, source: c.start(c.set_second(index, source)))
        panel.moved.connect(self._move)
        panel.removed.connect(self._remove)
        c.readouts.append(self._values_at)
        c.ask_second = self._ask_second
        self._show()

    def _ask_second(self, index: int) -> None:
        """Bring the settings of a layer's second map to the front."""
        self.c.window.show_dock("layers")
        self._show()
        self.panel.choose(index)
        self.panel.second.setFocus()

    def _values_at(self, pick: Any) -> list[str]:
        """Tell the values of the other layers at a place, where they lie on the mesh or grid of the map on screen."""
        view, drawn = self.c.view, self.c.view.map
        if not view.layers or drawn is None or pick.root_index < 0:
            return []
        out = []
        for one in view.layers:
            if one.visible and one.map.space.root == drawn.space.root and one.map.kind != "label":
                value = one.map.expanded().values[pick.root_index]
                out.append(f"{shown(one.map.name, limit=24)} {number(float(value))}")
        return out

    def _show(self) -> None:
        self.panel.show_layers(layers.stack(self.c.view), layers.main_index(self.c.view), self.c.offers())

    def _on_source(self, new: Source, old: Source) -> None:
        laid = self.c.view.laid
        second = str(laid.second_where.get("path", ""))
        if second and PurePath(second).parent == PurePath(old.path).parent == computed_dir():
            with self.c.undo.paused():  # it belonged to the map that was computed with it
                self.c.view.laid = replace(laid, gate=None, second=None, second_where={})
        if new.brain != old.brain:
            self.c.follow_brain(old.brain, new.brain)

    def _change(self, index: int, changes: dict[str, Any]) -> None:
        stack = layers.stack(self.c.view)
        if not 0 <= index < len(stack):
            return
        now = stack[index]  # the panel may be a turn of the loop behind
        if "rule" in changes:
            changes = {**changes, "rule": now.rule.having(**changes["rule"])}
        if "gate" in changes:
            changes = {**changes, "gate": None if now.gate is None else now.gate.having(**changes["gate"])}
        layers.change(self.c.view, index, **changes)

    def _move(self, index: int, to: int) -> None:
        with self.c.undo.together("Order of layers"):
            layers.move(self.c.view, index, to)
        self._show()
        self.panel.choose(min(max(to, 0), len(self.c.view.layers)))

    def _remove(self, index: int) -> None:
        with self.c.undo.together("Remove layer"):
            layers.remove(self.c.view, index)
