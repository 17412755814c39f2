"""From "which map" (:class:`Source`) to the map on the surface and its colours.

Colours are remembered per sort of map, not per subject, so that walking through subjects never rescales the bar.
"""

from __future__ import annotations

import numpy as np

from brainview.core.errors import BrainViewError, MissingError
from brainview.maps import morph
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule, rule_for
from brainview.maps.grayordinates import cortex_space
from brainview.maps.space import GrayordinateSpace, ParcelSpace, Space, SurfaceSpace, VolumeSpace
from brainview.state.app import GROUP, Prediction, Source
from brainview.state.session import Session

TO_SURFACE = "brainview.maps.jobs:to_surface"
TO_VOLUME = "brainview.maps.jobs:to_volume"


def is_drawable(space: Space) -> bool:
    """Tell whether the viewer draws this space itself: a volume, or a surface whose mesh is on this machine."""
    root = space.root
    if isinstance(space, ParcelSpace):
        return False
    if isinstance(root, VolumeSpace):
        return True
    if not isinstance(root, SurfaceSpace):
        return False
    return bool(form_for(root, "inflated"))


def form_for(space: SurfaceSpace, wished: str) -> str:
    """Return the surface to draw a space on: `wished`, else the first that is on this machine, "" for none."""
    from brainview.maps.meshes import load_mesh  # brings scipy: half a second that the first paint must not wait for

    for form in (*morph.parts(wished)[:2], "inflated", "pial", "white", "midthickness", "flat", "sphere"):
        try:
            load_mesh(space, "left" if space.n_left else "right", form)  # type: ignore[arg-type]
        except BrainViewError:
            continue
        return wished if form in morph.parts(wished)[:2] else form
    return ""


def mesh_for(space: Space) -> str:
    """Return the mesh a map is put on: ``own`` where its own surface can be drawn (fsLR of grayordinates), else
    fsaverage5."""
    root = space.root
    own = cortex_space(root) if isinstance(root, GrayordinateSpace) else root
    return "own" if isinstance(own, SurfaceSpace) and is_drawable(own) else "fsaverage5"


def common_limit(*maps: BrainMap) -> float:
    """Return one symmetric limit for maps that are compared: the 99th percentile of |value| over all of them."""
    values = np.concatenate([np.abs(m.values[np.isfinite(m.values)]) for m in maps])
    return float(np.percentile(values, 99)) if values.size else 1.0


def prediction_maps(prediction: Prediction) -> dict[str, BrainMap]:
    """Return measured, predicted and difference on one symmetric scale; only predicted where nothing was measured."""
    if prediction.measured is None:
        limit = common_limit(prediction.predicted)
        return {"predicted": prediction.predicted.having(kind="diverging", limits=(-limit, limit))}
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
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._key: tuple | None = None
        self._generation = 0
        self._surface: dict[int, tuple[BrainMap, BrainMap]] = {}
        #: The map in its own space, before it was put on a mesh: this one is exported and read out.
        self.original: BrainMap | None = None
        session.view.events.rule.connect(self._keep_rule, check_nargs=False)

    def _keep_rule(self, new: ColorRule, old: ColorRule) -> None:
        if self._key is not None:
            self.session.rules[self._key] = new

    def show_now(self, source: Source) -> bool:
        """Draw a map that is here already and needs no resampling; False when the engine must be asked."""
        found = self.at_once(source)
        if source.kind != "none" and (found is None or not is_drawable(found.space)):
            return False
        self._generation += 1
        self.draw(source, found, found)
        return True

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

    async def find(self, source: Source) -> BrainMap:
        """Return a map without drawing it; MissingError when there is none."""
        found = self.at_once(source)
        if found is None:
            found = await self._fetch(source)
        if found is None:
            raise MissingError("there is no such map any more", remedy="Choose another one.")
        return found

    async def in_drawn_form(self, found: BrainMap) -> BrainMap:
        """Return a map as viewers draw it: itself, or put on the cortex."""
        return found if is_drawable(found.space) else await self._on_surface(found)

    def draw(self, source: Source, drawn: BrainMap | None, original: BrainMap | None) -> None:
        """Put a map and its colours into the view; not a step of undo, because choosing the source was."""
        view = self.session.view
        with self.session.undo.paused():
            self._key = None
            self.original = original
            key = source.color_key
            root = None if drawn is None else drawn.space.root
            if isinstance(root, SurfaceSpace):  # a surface of somebody's own may have only some of the forms
                view.surface = form_for(root, view.surface) or view.surface
            if drawn is not None and key in self.session.rules:
                view.rule, view.map = self.session.rules[key], drawn
            else:
                view.show(drawn)
            self._key = None if drawn is None else key

    def reset_rule(self) -> None:
        """Give the drawn map its own colours and limits again."""
        view = self.session.view
        if view.map is not None:
            view.rule = rule_for(view.map)

    def at_once(self, source: Source) -> BrainMap | None:
        """Return the map when it is here already, None when the engine must be asked."""
        app = self.session.app
        if source.kind in self.session.makers:
            return self.session.makers[source.kind].at_once(source)
        if source.kind == "ceiling":
            subject = app.subject
            return subject.ceiling if subject and source.brain in ("", subject.id) else None
        if source.kind == "metric" and app.run is not None:
            whole = app.run.map_of(source.brain, source.metric)
            return whole if not source.fdr else self.session.significance.cut(source, whole)
        if source.kind == "file":
            maps = self.session.files.get(source.path)
            return maps[min(source.index, len(maps) - 1)] if maps else None
        if source.kind == "picture":
            response = self.session.pictures.known(source)
            return None if response is None else response.map
        prediction = app.prediction
        if source.kind in ("measured", "predicted", "difference") and prediction is not None \
                and (prediction.brain, prediction.stimulus) == (source.brain, source.stimulus):
            return self._among(prediction, source)
        return None

    @staticmethod
    def _among(prediction: Prediction, source: Source) -> BrainMap:
        maps = prediction_maps(prediction)
        if source.kind not in maps:
            raise MissingError(f"{prediction.brain} never saw stimulus {prediction.stimulus}, so nothing was measured",
                               remedy="Show the prediction.")
        return maps[source.kind]

    async def _fetch(self, source: Source) -> BrainMap | None:
        session = self.session
        if source.kind in session.makers:
            return await session.makers[source.kind].fetch(source)
        if source.kind == "file":
            maps = await session.read_maps(source.path)
            return maps[min(source.index, len(maps) - 1)]
        if source.kind == "picture":
            return await session.pictures.fetch(source)
        if source.kind == "ceiling":
            info = await session.open_subject(source.brain, show=False)
            if info is not None and info.ceiling is None:
                raise MissingError(f"{source.brain} has no noise ceiling")
            return None if info is None else info.ceiling
        if source.kind == "metric":
            if session.app.run is not None:
                await session.significance.fetch(source.brain)
                return self.at_once(source)
            raise MissingError("the run of this map is not open", remedy="Open the run again.")
        if session.app.run is not None and source.brain in session.app.run.subjects:
            prediction = await session.predict(source.brain, source.stimulus)
            return None if prediction is None else self._among(prediction, source)
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
        drawn = await self.session.ask(TO_SURFACE, f"Put {found.name} on the cortex", map=found,
                                       mesh=mesh_for(found.space))
        if len(self._surface) > 32:
            self._surface.clear()
        self._surface[id(found)] = (found, drawn)
        return drawn
