"""From "which map" (:class:`Source`) to the map on the surface and its colours.

Colours are remembered per sort of map, not per subject, so that walking through subjects never rescales the bar.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from brainview.core.errors import MissingError
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import rule_for as suggested_rule
from brainview.maps.space import ParcelSpace, Space, SurfaceSpace, VolumeSpace
from brainview.state.app import GROUP, Prediction, Source
from brainview.state.session import Session

TO_SURFACE = "brainview.maps.jobs:to_surface"
#: Meshes that a viewer draws as they are.
DRAWN = ("fsaverage", "fsaverage3", "fsaverage4", "fsaverage5", "fsaverage6")


def is_drawable(space: Space) -> bool:
    """Tell whether a map on this space can be put on a mesh without resampling."""
    root = space.root
    return isinstance(root, SurfaceSpace) and root.name in DRAWN and not isinstance(space, ParcelSpace)


def common_limit(*maps: BrainMap) -> float:
    """Return one symmetric limit for maps that are compared: the 99th percentile of |value| over all of them."""
    values = np.concatenate([np.abs(m.values[np.isfinite(m.values)]) for m in maps])
    return float(np.percentile(values, 99)) if values.size else 1.0


def prediction_maps(prediction: Prediction) -> dict[str, BrainMap]:
    """Return measured, predicted and difference on one symmetric scale."""
    limit = common_limit(prediction.measured, prediction.predicted)
    same = {"kind": "diverging", "limits": (-limit, limit)}
    measured, predicted = prediction.measured.having(**same), prediction.predicted.having(**same)
    difference = measured.minus(predicted, "Measured − predicted").having(limits=(-limit, limit))
    return {"measured": measured, "predicted": predicted, "difference": difference}


class Shower:
    """Draws ``app.source``.

    Parameters
    ----------
    session : Session
    rule_for : callable
        Gives the colours that suit a map (``maps.display.rule_for``).
    """

    def __init__(self, session: Session, rule_for: Callable[[BrainMap], Any] = suggested_rule) -> None:
        self.session, self.rule_for = session, rule_for
        self._rules: dict[tuple, Any] = {}
        self._key: tuple | None = None
        self._generation = 0
        self._surface: dict[int, tuple[BrainMap, BrainMap]] = {}
        #: The map in its own space, before it was put on a mesh: this one is exported and read out.
        self.original: BrainMap | None = None
        session.view.events.rule.connect(self._keep_rule, check_nargs=False)

    def _keep_rule(self, new: Any, old: Any) -> None:
        if self._key is not None:
            self._rules[self._key] = new

    async def show(self, source: Source) -> None:
        """Draw a map; an older call that ends later draws nothing."""
        self._generation += 1
        mine = self._generation
        found = self.at_once(source)
        if found is None and source.kind != "none":
            found = await self._fetch(source)
        if mine != self._generation:
            return
        drawn = found
        if found is not None and not is_drawable(found.space):
            drawn = await self._on_surface(found)
            if mine != self._generation:
                return
        self.draw(source, drawn, found)

    def draw(self, source: Source, drawn: BrainMap | None, original: BrainMap | None) -> None:
        """Put a map and its colours into the view; not a step of undo, because choosing the source was."""
        view = self.session.view
        with self.session.undo.paused():
            self._key = None
            self.original = original
            if drawn is not None:
                key = self.rule_key(source)
                rule = self._rules.get(key) or self.rule_for(drawn)
                view.rule = rule
                self._key = key
            view.map = drawn

    def reset_rule(self) -> None:
        """Give the drawn map its own colours and limits again."""
        view = self.session.view
        if view.map is not None:
            view.rule = self.rule_for(view.map)

    @staticmethod
    def rule_key(source: Source) -> tuple:
        """Return what shares colours: the metric, the pair measured/predicted of a stimulus, or the file's map."""
        if source.kind in ("measured", "predicted", "difference"):
            return ("response", source.brain, source.stimulus)
        return (source.kind, source.metric, source.path, source.index)

    def at_once(self, source: Source) -> BrainMap | None:
        """Return the map when it is here already, None when the engine must be asked."""
        app = self.session.app
        if source.kind == "ceiling":
            subject = app.subject
            return subject.ceiling if subject and source.brain in ("", subject.id) else None
        if source.kind == "metric" and app.run is not None:
            return app.run.map_of(source.brain, source.metric)
        if source.kind == "file":
            maps = self.session.files.get(source.path)
            return maps[min(source.index, len(maps) - 1)] if maps else None
        prediction = app.prediction
        if source.kind in ("measured", "predicted", "difference") and prediction is not None \
                and (prediction.brain, prediction.stimulus) == (source.brain, source.stimulus):
            return prediction_maps(prediction)[source.kind]
        return None

    async def _fetch(self, source: Source) -> BrainMap | None:
        session = self.session
        if source.kind == "file":
            maps = await session.read_maps(source.path)
            return maps[min(source.index, len(maps) - 1)]
        if source.kind == "ceiling":
            info = await session.open_subject(source.brain, show=False)
            if info is not None and info.ceiling is None:
                raise MissingError(f"{source.brain} has no noise ceiling")
            return None if info is None else info.ceiling
        if source.kind == "metric":
            raise MissingError("the run of this map is not open", remedy="Open the run again.")
        if session.app.run is not None and source.brain in session.app.run.subjects:
            prediction = await session.predict(source.brain, source.stimulus)
            return None if prediction is None else prediction_maps(prediction)[source.kind]
        if source.kind != "measured":
            raise MissingError("no trained model is open", remedy="Train one, or open a run.")
        brain = source.brain if source.brain != GROUP else session.brain_subject()
        response = await session.response(brain, source.stimulus)
        limit = common_limit(response)
        return response.having(kind="diverging", limits=(-limit, limit))

    async def _on_surface(self, found: BrainMap) -> BrainMap:
        known = self._surface.get(id(found))
        if known is not None and known[0] is found:
            return known[1]
        root = found.space.root
        if isinstance(root, VolumeSpace) and root.world not in ("MNI152", "unknown", "scanner"):
            raise MissingError(f"a map in {root.name} cannot be put on a cortex", where=found.name)
        drawn = await self.session.ask(TO_SURFACE, f"Put {found.name} on the cortex", map=found, mesh="fsaverage5")
        if len(self._surface) > 32:
            self._surface.clear()
        self._surface[id(found)] = (found, drawn)
        return drawn
