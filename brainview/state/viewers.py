"""Several viewers side by side: each has a map of its own, all look the same way. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from psygnal import SignalGroupDescriptor

from brainview.core.errors import FormatError
from brainview.state.app import GROUP, AppState, Source
from brainview.state.view import ViewState

#: How many viewers there may be.
COUNTS = (1, 2, 4)
#: Fields that all viewers share with the first.
LINKED = ("surface", "hemispheres", "layout", "view", "outlines", "show_names", "background", "volume", "slices",
          "radiological", "picked")


@dataclass(eq=False)
class ViewersState:
    """How many viewers there are and what the others show.

    Parameters
    ----------
    count : int
        1, 2 or 4.
    sources : tuple of Source
        Maps of the second, third and fourth viewer.
    shared : bool
        One colour scale for all maps of one kind and unit.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    count: int = 1
    sources: tuple[Source, ...] = (Source(), Source(), Source())
    shared: bool = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "count" and value not in COUNTS:
            raise FormatError(f"there may be {', '.join(map(str, COUNTS))} viewers, got {value!r}")
        super().__setattr__(name, value)

    def choose(self, number: int, source: Source) -> None:
        """Give the n-th of the other viewers (from 0) a map."""
        self.sources = tuple(source if k == number else s for k, s in enumerate(self.sources))

    def settings(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"count": self.count, "sources": [asdict(s) for s in self.sources], "shared": self.shared}

    def apply(self, stored: Mapping[str, Any]) -> None:
        """Bring the viewers of a project back; FormatError for other numbers and unknown maps."""
        sources = [Source(**{str(k): v for k, v in dict(entry).items()}) for entry in stored.get("sources", ())][:3]
        self.sources = (*sources, *[Source()] * (3 - len(sources)))
        self.shared = bool(stored.get("shared", True))
        self.count = int(stored.get("count", 1))


def link(main: ViewState, other: ViewState) -> Any:
    """Let a viewer follow the first in everything but its map; returns what must be called to end it."""
    def take(name: str) -> Any:
        return lambda *_: setattr(other, name, getattr(main, name))

    ends = []
    for name in LINKED:
        setattr(other, name, getattr(main, name))
        follow = take(name)
        signal = getattr(main.events, name)
        signal.connect(follow, check_nargs=False)
        ends.append((signal, follow))

    def end() -> None:
        for signal, follow in ends:
            signal.disconnect(follow)

    return end


def alike(main: ViewState, other: ViewState) -> bool:
    """Tell whether two viewers show maps that one colour scale fits."""
    a, b = main.map, other.map
    return a is not None and b is not None and (a.kind, a.units) == (b.kind, b.units) and a.kind != "label"


def suggested(app: AppState, number: int) -> Source:
    """Return what the n-th of the other viewers (from 0) shows at first: the same map of the next subject.

    For the response to a stimulus what was predicted and the difference; else the map on screen.
    """
    source, run = app.source, app.run
    if source.kind in ("measured", "predicted") and app.prediction is not None:
        kinds = [k for k in ("measured", "predicted", "difference") if k != source.kind]
        return Source(kinds[number % 2], brain=source.brain, stimulus=source.stimulus)  # type: ignore[arg-type]
    if source.kind == "metric" and run is not None:
        brains = [b for b in (*run.subjects, GROUP) if b in run.brains and b != source.brain
                  and source.metric in run.metrics_of(b)]
        if brains:
            return Source("metric", brain=brains[number % len(brains)], metric=source.metric)
    return source
