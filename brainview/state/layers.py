"""The layers of a view: what can be done with them, how a project keeps them, which maps can join. No Qt.

The map on screen (chosen by ``AppState.source``) is one of the layers; the others lie below or above it. Everything
here counts the whole stack from the bottom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from psygnal import SignalGroupDescriptor

from brainview.core.errors import FormatError, LimitError
from brainview.core.paths import computed_dir
from brainview.maps.brainmap import BrainMap
from brainview.maps.layers import MOST, Gate, Layer, describe_layer
from brainview.state.app import GROUP, AppState, Source

if TYPE_CHECKING:
    from brainview.state.view import ViewState

#: Fields of a layer that the map on screen has too, beside its colours.
_OWN = ("opacity", "visible", "gate", "second", "second_where")


@dataclass(frozen=True, eq=False)
class Laid:
    """How the map on screen lies among the layers.

    Parameters
    ----------
    place : int
        How many layers lie below it.
    opacity, visible, gate, second, second_where
        As those of :class:`Layer`.
    """

    place: int = 0
    opacity: float = 1.0
    visible: bool = True
    gate: Gate | None = None
    second: BrainMap | None = None
    second_where: Mapping[str, Any] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """True when it is simply drawn."""
        return self.opacity == 1.0 and self.visible and self.gate is None


def stack(view: ViewState, drawn: BrainMap | None = None) -> tuple[Layer, ...]:
    """Return all layers of a view, the lowest first; () without a map on screen.

    `drawn` stands for the map on screen where that is drawn in another form (a volume on the cortex).
    """
    if view.map is None:
        return ()
    own = Layer(view.map if drawn is None else drawn, view.rule, **{k: getattr(view.laid, k) for k in _OWN})
    below = min(view.laid.place, len(view.layers))
    return (*view.layers[:below], own, *view.layers[below:])


def is_single(view: ViewState) -> bool:
    """Tell whether nothing but the map on screen and its colours is to be drawn."""
    return not view.layers and view.laid.plain


def main_index(view: ViewState) -> int:
    """Return the place of the map on screen in the stack."""
    return min(view.laid.place, len(view.layers))


def change(view: ViewState, index: int, **changes: Any) -> None:
    """Change fields of a layer; colours of the map on screen are the view's."""
    main = main_index(view)
    if index == main:
        if "rule" in changes:
            view.rule = changes.pop("rule")
        if changes:
            view.laid = replace(view.laid, **changes)
        return
    at = index - (index > main)
    view.layers = (*view.layers[:at], view.layers[at].having(**changes), *view.layers[at + 1:])


def add(view: ViewState, layer: Layer, index: int | None = None) -> None:
    """Put a layer into the stack (None: on top); LimitError when there are too many."""
    if len(view.layers) + 1 >= MOST:
        raise LimitError(f"a picture has at most {MOST} layers", remedy="Remove one first.")
    main = main_index(view)
    index = len(view.layers) + 1 if index is None else index
    at = index - (index > main)
    if index <= main:
        view.laid = replace(view.laid, place=main + 1)
    view.layers = (*view.layers[:at], layer, *view.layers[at:])


def remove(view: ViewState, index: int) -> None:
    """Take a layer out; the map on screen stays."""
    main = main_index(view)
    if index == main:
        raise FormatError("the map on screen is no layer that can be removed; hide it instead")
    at = index - (index > main)
    view.layers = (*view.layers[:at], *view.layers[at + 1:])
    if index < main:
        view.laid = replace(view.laid, place=main - 1)


def move(view: ViewState, index: int, to: int) -> None:
    """Move a layer to another place of the stack."""
    main = main_index(view)
    order: list[Layer | None] = [*view.layers]
    order.insert(main, None)
    order.insert(min(max(to, 0), len(order) - 1), order.pop(index))
    view.layers = tuple(one for one in order if one is not None)
    view.laid = replace(view.laid, place=order.index(None))


def describe(view: ViewState) -> list[dict[str, Any]]:
    """Return the stack as plain JSON types, [] for a single map; layers that are in no file are left out."""
    if is_single(view):
        return []
    out = []
    for index, layer in enumerate(stack(view)):
        main = index == main_index(view)
        if layer.gate is not None and not layer.second_where:
            layer = layer.having(gate=None, second=None)
        if main or layer.where:
            out.append(describe_layer(layer, main=main))
    return out


def nameless(view: ViewState) -> list[str]:
    """Return the names of the maps that no project or recipe can name: they were computed in the window."""
    out = [one.map.name for one in view.layers if not one.where]
    return out + [one.second.name for one in stack(view) if one.second is not None and not one.second_where]


@dataclass(eq=False)
class LayerPart:
    """What a project keeps of the layers; `wanted` are entries whose maps are not read yet."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    view: ViewState
    wanted: tuple[Mapping[str, Any], ...] = ()

    def settings(self) -> dict[str, Any]:
        """Return the stack."""
        return {"stack": describe(self.view)}

    def apply(self, stored: Mapping[str, Any]) -> None:
        """Clear the layers and ask for those of a project."""
        entries = stored.get("stack", ())
        if not isinstance(entries, (list, tuple)) or not all(isinstance(e, Mapping) for e in entries):
            raise FormatError("has layers that are no list of maps")
        self.view.layers, self.view.laid = (), Laid()
        self.wanted = tuple(entries)[:MOST]


@dataclass(frozen=True)
class Offer:
    """A map that can be a layer or a second map."""

    words: str
    source: Source


def offers(app: AppState, files: Mapping[str, Sequence[BrainMap]]) -> list[Offer]:
    """Return the maps that are at hand: of the open subject, run and stimulus, and of the files that were opened."""
    out = []
    run, subject = app.run, app.subject
    brain = app.source.brain or (subject.id if subject is not None else "")
    if subject is not None and subject.ceiling is not None:
        out.append(Offer(f"{subject.id} · {subject.ceiling.name}", Source("ceiling", brain=subject.id)))
    if run is not None:
        brains = [b for b in dict.fromkeys([brain, GROUP]) if b in run.brains] or list(run.brains[:1])
        for one in brains:
            for metric in run.metrics_of(one):
                title = str(run.metrics[metric].get("title", metric))
                out.append(Offer(f"{one} · {title}", Source("metric", brain=one, metric=metric)))
        for other in run.brains:  # the same figure of the others
            metric = app.source.metric or (run.first_metric(other) if run.metrics_of(other) else "")
            if other not in brains and metric in run.metrics_of(other):
                title = str(run.metrics[metric].get("title", metric))
                out.append(Offer(f"{other} · {title}", Source("metric", brain=other, metric=metric)))
    known = app.prediction
    if known is not None:
        for kind in ("measured", "predicted", "difference") if known.measured is not None else ("predicted",):
            out.append(Offer(f"{kind.capitalize()} response · {known.brain} · {known.stimulus}",
                             Source(kind, brain=known.brain, stimulus=known.stimulus)))  # type: ignore[arg-type]
    for path, maps in files.items():
        for index, opened in enumerate(maps):
            tail = "" if PurePath(path).parent == computed_dir() else f" · {PurePath(path).name}"
            out.append(Offer(f"{opened.name}{tail}", Source("file", path=path, index=index)))
    return out


def following(where: Mapping[str, Any], old: str, new: str) -> dict[str, Any] | None:
    """Return where the same map of another subject is, None for a map that does not belong to the old one."""
    if not old or not new or where.get("brain") != old or where.get("stimulus", -1) not in (-1, None):
        return None
    return {**where, "brain": new}
