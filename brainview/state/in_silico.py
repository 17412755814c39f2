"""Experiments in silico: the predicted response to any picture, or the difference of two. No Qt.

A picture is named by its path, or by ``stimulus:ID`` for one of the open data set; so a :class:`Source` of kind
``picture`` finds its map again after undo and in a project file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, ClassVar

import numpy as np
from psygnal import Signal, SignalGroupDescriptor

from brainview.core.errors import MissingError
from brainview.maps.brainmap import BrainMap
from brainview.state.app import GROUP, Source

PREDICT_PICTURE = "brainview.encoding.jobs:predict_picture"
STIMULUS = "brainview.datasets.jobs:stimulus"
#: Endings of files that are pictures, never maps or data sets.
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
OF_DATASET = "stimulus:"
#: Predictions kept.
KEPT = 24


def is_picture(path: str) -> bool:
    """Tell by its ending whether a file is a picture."""
    return path.lower().endswith(SUFFIXES)


def title_of(picture: str) -> str:
    """Return a picture's name in words."""
    return f"Stimulus {picture[len(OF_DATASET):]}" if picture.startswith(OF_DATASET) else PurePath(picture).name


@dataclass(frozen=True, eq=False)
class Response:
    """One prediction: the map, the picture(s) as (h, w, 3) uint8, and what the map is in words."""

    map: BrainMap
    image: np.ndarray | None
    minus: np.ndarray | None
    note: str


class Pictures:
    """Predictions for pictures, asked once and kept up to a limit.

    Parameters
    ----------
    session : Session
    """

    arrived = Signal(Source)

    def __init__(self, session: Any) -> None:
        self._session = session
        self._have: dict[tuple, Response] = {}

    def _key(self, source: Source) -> tuple:
        run = self._session.app.run
        return (run.path if run is not None else "", source.brain, source.path, source.metric)

    def known(self, source: Source) -> Response | None:
        """Return a prediction that is here."""
        return self._have.get(self._key(source))

    async def fetch(self, source: Source) -> BrainMap:
        """Ask for a prediction; raises MissingError when no encoding model is open."""
        run = self._session.app.run
        if run is None or not run.metrics:
            raise MissingError("no encoding model is open, which predicts responses to pictures",
                               remedy="Train one, or open a run.")
        key = self._key(source)
        arguments: dict[str, Any] = {"run": run.path, "image": await self._picture(source.path),
                                     "subject": "average" if source.brain == GROUP else source.brain}
        if source.metric:
            arguments["minus"] = await self._picture(source.metric)
        words = title_of(source.path) + (f" minus {title_of(source.metric)}" if source.metric else "")
        answer = await self._session.ask(PREDICT_PICTURE, f"Predict {words}", **arguments)
        drawn: BrainMap = answer["predicted"]
        drawn = drawn.having(name=f"{drawn.name} · {words}")
        found = Response(drawn, answer.get("image"), answer.get("minus"), str(answer.get("note", "")))
        while len(self._have) >= KEPT:
            del self._have[next(iter(self._have))]
        self._have[key] = found
        self.arrived.emit(source)
        return found.map

    async def _picture(self, name: str) -> Any:
        """Return what the job takes for a picture: its path, or the pixels of a stimulus."""
        if not name.startswith(OF_DATASET):
            return name
        dataset = self._session.app.dataset
        if dataset is None:
            raise MissingError("no data set is open", remedy="Open one first.")
        answer = await self._session.ask(STIMULUS, f"Read {title_of(name)}", path=dataset.path,
                                         id=int(name[len(OF_DATASET):]))
        if answer["image"] is None:
            raise MissingError(f"{title_of(name)} has no picture")
        return np.asarray(answer["image"], np.uint8)


@dataclass
class InSilicoState:
    """Two pictures, whose brain, and which of the maps is drawn."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    first: str = ""
    second: str = ""
    brain: str = GROUP
    shown: str = "first"  # first, second, difference

    def settings(self) -> dict[str, Any]:
        """Return what a project file keeps."""
        return {k: getattr(self, k) for k in ("first", "second", "brain", "shown")}

    def apply(self, stored: Mapping[str, Any]) -> None:
        """Take a stored choice back; what is no text is left out."""
        for name in self.settings():
            if isinstance(stored.get(name), str):
                setattr(self, name, stored[name])

    def source(self) -> Source | None:
        """Return what is to be drawn, None while pictures are missing."""
        if self.shown == "difference":
            return Source("picture", brain=self.brain, path=self.first, metric=self.second) \
                if self.first and self.second else None
        path = self.first if self.shown == "first" else self.second
        return Source("picture", brain=self.brain, path=path) if path else None
