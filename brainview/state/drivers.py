"""What drives a place: which place is asked about, how the answer is shown, and the answer. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from psygnal import Signal, SignalGroupDescriptor

from brainview.core.errors import MissingError
from brainview.maps.display import Pick
from brainview.maps.rois import RoiClass
from brainview.maps.space import MaskedSpace, Space
from brainview.state.app import RoiKey
from brainview.state.regions import own_index, selection_class

DRIVE = "brainview.encoding.jobs:drive"
CHOICES = {"order": ("most", "least"), "kind": ("measured", "predicted"), "place": ("vertex", "regions")}


@dataclass
class DriversState:
    """Most or least, measured or predicted, of the picked place or of the selected regions."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    order: str = "most"
    kind: str = "measured"
    place: str = "vertex"

    def settings(self) -> dict[str, Any]:
        """Return what a project file keeps."""
        return {name: getattr(self, name) for name in CHOICES}

    def apply(self, stored: Mapping[str, Any]) -> None:
        """Take a stored choice back; what is no choice is left out."""
        for name, choices in CHOICES.items():
            if stored.get(name) in choices:
                setattr(self, name, stored[name])


@dataclass(frozen=True, eq=False)
class Place:
    """Locations of a subject and their words."""

    index: np.ndarray
    words: str


def picked_place(pick: Pick | None, space: Space, names: list[str]) -> Place | None:
    """Return the location that was clicked, None when there is none or the subject has no data there."""
    if pick is None:
        return None
    at = own_index(space, pick.root_index)
    if at is None:
        return None
    what = f"{pick.hemisphere.capitalize()} vertex {pick.vertex:,}" if pick.voxel is None else \
        "Voxel {} {} {}".format(*pick.voxel)
    return Place(np.array([at]), " · ".join([what, *names[:3]]))


def region_place(classes: Mapping[str, RoiClass], labelled: Space, space: Space,
                 keys: tuple[RoiKey, ...]) -> Place | None:
    """Return the locations of the selected regions, None when none is selected or they are empty here.

    Parameters
    ----------
    labelled, space : Space
        Of the labels, and of the subject's responses; parts of one root.
    """
    chosen = selection_class(classes, labelled, keys, (1, 1, 1, 1)) if keys and labelled.root == space.root else None
    if chosen is None:
        return None
    at = np.flatnonzero(np.asarray(chosen.labels) > 0)
    if labelled != space:
        root = at if not isinstance(labelled, MaskedSpace) else labelled.root_index[at]
        own = [own_index(space, int(r)) for r in root]
        at = np.array([o for o in own if o is not None], np.int64)
    if not at.size:
        return None
    names = list(dict.fromkeys(k.roi for k in keys))
    sides = {k.hemisphere for k in keys}
    side = f" ({next(iter(sides))})" if len(sides) == 1 and "both" not in sides else ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return Place(at, f"{', '.join(names[:3])}{more}{side}")


class Drivers:
    """Asks the engine what drives a place; a newer question makes an older answer worthless.

    Parameters
    ----------
    session : Session
    """

    changed = Signal()

    def __init__(self, session: Any) -> None:
        self._session = session
        self.state = DriversState()
        self.place: Place | None = None
        self.answer: dict[str, Any] | None = None
        self._key: tuple | None = None
        self._number = 0

    def key(self, place: Place) -> tuple:
        """Return what decides the answer."""
        app = self._session.app
        run = app.run.path if app.run is not None and app.run.metrics else ""
        return (app.dataset.path if app.dataset else "", app.subject.id if app.subject else "", app.variant, run,
                place.index.tobytes())

    async def ask(self, place: Place) -> None:
        """Ask about a place of the open subject, unless its answer is here."""
        app = self._session.app
        if app.dataset is None or app.subject is None:
            raise MissingError("no subject is open", remedy="Open a data set first.")
        key = self.key(place)
        if key == self._key:
            return
        self._number += 1
        mine = self._number
        self._key, self.place, self.answer = key, place, None
        self.changed.emit()
        run = app.run if app.run is not None and app.run.metrics and app.subject.id in app.run.subjects else None
        try:
            answer = await self._session.ask(
                DRIVE, f"What drives {place.words}", path=app.dataset.path, subject=app.subject.id, index=place.index,
                run=run.path if run is not None else None, variant=app.variant or None)
        except BaseException:
            if mine == self._number:
                self._key = None
            raise
        if mine == self._number:
            self.answer = answer
            self.changed.emit()

    def clear(self) -> None:
        """Forget the answer (another subject, another run)."""
        self._number += 1
        self._key, self.place, self.answer = None, None, None
        self.changed.emit()

    def ranking(self) -> tuple[list[int], dict[int, float]]:
        """Return (ids, id -> value) in the order chosen, at most 200."""
        told = self.answer.get(self.state.kind) if self.answer is not None else None
        if told is None:
            return [], {}
        ids, values = np.asarray(told["ids"]), np.asarray(told["values"])
        if self.state.order == "least":
            ids, values = ids[::-1], values[::-1]
        return [int(i) for i in ids[:200]], dict(zip(ids[:200].tolist(), values[:200].tolist(), strict=True))

    def words(self) -> list[Mapping[str, Any]]:
        """Return the words that stand out on the side chosen."""
        told = self.answer.get(self.state.kind) if self.answer is not None else None
        return [] if told is None else list(told["words"][self.state.order])
