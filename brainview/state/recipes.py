"""What is on screen as a recipe: a line for the shell, lines of Python, and the way back from a picture's story.

All three name the same things: where the map comes from, its colours, the arrangement, the borders.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from brainview.core.errors import MissingError
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import rule_for
from brainview.state import layers
from brainview.state.app import AppState, Source
from brainview.state.project import FORMAT, VERSION, describe
from brainview.state.regions import SELECTION
from brainview.state.session import variant_argument
from brainview.state.view import ViewState

#: Fields of a story's look that a view has too.
VIEW_FIELDS = ("surface", "layout", "view", "hemispheres", "slices", "radiological")


@dataclass(frozen=True)
class Recipe:
    """Everything that draws a picture again.

    Parameters
    ----------
    path : str
        Map file, run or data set.
    which : dict
        Arguments of :func:`brainview.pictures.load_map`.
    rule, look : dict
        What differs from the map's own colours and from the standard arrangement.
    outlines : (str, str, tuple of str), optional
        Data set, subject and classes of regions.
    variant : str
        Response set of the data set whose locations the regions are on, "" for its first.
    layers : tuple of dict
        Maps over each other, see :func:`brainview.pictures.load_layers`; empty for a single map.
    size : (int, int)
    on_surface : bool
        A volume map is drawn on the cortex.
    viewers : tuple of dict
        What several linked viewers show, see :func:`brainview.pictures.viewers`; empty for one viewer. They draw the
        picture then, and the fields above tell the first of them.
    """

    path: str
    which: dict[str, Any] = field(default_factory=dict)
    rule: dict[str, Any] = field(default_factory=dict)
    look: dict[str, Any] = field(default_factory=dict)
    outlines: tuple[str, str, tuple[str, ...]] | None = None
    layers: tuple[dict[str, Any], ...] = ()
    size: tuple[int, int] = (1600, 1200)
    on_surface: bool = False
    variant: str = ""
    viewers: tuple[dict[str, Any], ...] = ()

    def as_command(self, out: str = "picture.png") -> str:
        """Return one line for a POSIX shell."""
        words = ["brainview", "snapshot", self.path]
        if self.viewers:
            words += ["--viewers", json.dumps(list(self.viewers)), "--size", f"{self.size[0]}x{self.size[1]}", "--out",
                      out]
            return " ".join(shlex.quote(w) for w in words)
        for key, value in self.which.items():
            words += [f"--{key}", str(value)]
        if self.outlines is not None:
            words += ["--outlines", ",".join([*self.outlines[:2], *self.outlines[2]])]
            if self.variant and "variant" not in self.which:
                words += ["--variant", self.variant]
        if self.layers:
            words += ["--layers", json.dumps(list(self.layers))]
        words += ["--rule", json.dumps(self.rule), "--look", json.dumps(self.look)]
        if self.on_surface:
            words += ["--surface", str(self.look.get("surface", "inflated"))]
        words += ["--size", f"{self.size[0]}x{self.size[1]}", "--out", out]
        return " ".join(shlex.quote(w) for w in words)

    def as_python(self, out: str = "picture.png") -> str:
        """Return a short program."""
        if self.viewers:
            parts = "".join(f"    {part!r},\n" for part in self.viewers)
            return (f"from brainview.pictures import viewers\n\nviewers([\n{parts}], {out!r}, size={self.size!r})\n")
        which = "".join(f", {key}={value!r}" for key, value in self.which.items())
        names = "load_map, load_outlines, picture" if self.outlines else "load_map, picture"
        lines = [f"from brainview.pictures import {names}", "",
                 f"brain_map = load_map({self.path!r}{which})"]
        more = ""
        if self.outlines is not None:
            variant = f", variant={self.variant!r}" if self.variant else ""
            lines.append(f"outlines = load_outlines({self.outlines[0]!r}, {self.outlines[1]!r}, "
                         f"{list(self.outlines[2])!r}{variant})")
            more += ", outlines=outlines"
        if self.layers:
            lines.append(f"layers = {list(self.layers)!r}")
            more += ", layers=layers"
        if self.on_surface:
            more += ", on_surface=True"
        lines += [f"rule = {self.rule!r}", f"look = {self.look!r}",
                  f"picture(brain_map, {out!r}, rule=rule, look=look, size={self.size!r}{more})"]
        return "\n".join(lines) + "\n"


def recipe(app: AppState, view: ViewState, drawn: BrainMap | None, look: Mapping[str, Any],
           size: tuple[int, int], where: Mapping[str, Any] | None = None) -> Recipe:
    """Return the recipe of what is on screen.

    Parameters
    ----------
    drawn : BrainMap or None
        The map in its own space.
    look : mapping
        Fields of the arrangement on screen, ``cameras`` as plain lists among them.
    size : (int, int)
        Pixels.
    where : mapping, optional
        Where the map is, for one that has no other name than the file it was kept in.

    Raises
    ------
    MissingError
        Nothing is drawn, or what is drawn cannot be named (it was computed in this session only).
    """
    source = app.source
    if drawn is None:
        raise MissingError("there is no map on screen", remedy="Open one first.")
    path, which = (str(where["path"]), {}) if where else _where(app, source)
    if not path:
        raise MissingError("this map was computed in the window and has no name outside of it",
                           remedy="Export it as a file (File > Export map) and open that.")
    unnamed = layers.nameless(view)
    if unnamed:
        raise MissingError(f"the layer {unnamed[0]!r} was computed in the window and has no name outside of it",
                           remedy="Export it as a file (File > Export map), or remove the layer.")
    own, rule = rule_for(drawn).to_dict(), view.rule.to_dict()
    differing = {k: _plain(v) for k, v in rule.items() if v != own[k]}
    names = tuple(n for n in view.outlines if n != SELECTION)
    outlines = None
    if names and app.subject is not None and app.dataset is not None:
        outlines = (app.dataset.path, app.subject.id, names)
    return Recipe(path, which, differing, {k: _plain(v) for k, v in look.items()}, outlines,
                  tuple(_plain(entry) for entry in layers.describe(view)), size,
                  on_surface=source.kind == "file" and view.volume == "surface", variant=app.variant)


def viewer_part(app: AppState, view: ViewState, title: str, where: Mapping[str, Any], look: Mapping[str, Any],
                outlines: tuple[str, ...], *, on_surface: bool = False) -> dict[str, Any]:
    """Return what one of several viewers shows, as :func:`brainview.pictures.viewers` takes it; plain JSON types.

    `where` says where its map is (``path`` and arguments of ``load_map``), `outlines` names classes of the open
    subject's regions. Raises MissingError for a layer that has no name outside of the window.
    """
    unnamed = layers.nameless(view)
    if unnamed:
        raise MissingError(f"the layer {unnamed[0]!r} was computed in the window and has no name outside of it",
                           remedy="Export it as a file (File > Export map), or remove the layer.")
    part: dict[str, Any] = {"title": title, "map": dict(where), "rule": _plain(view.rule.to_dict()),
                            "look": {k: _plain(v) for k, v in look.items()}}
    names = [n for n in outlines if n != SELECTION]
    if names and app.subject is not None and app.dataset is not None:
        part["outlines"] = [app.dataset.path, app.subject.id, *names]
        part |= variant_argument(app)
    stack = [_plain(entry) for entry in layers.describe(view)]
    return part | ({"layers": stack} if stack else {}) | ({"on_surface": True} if on_surface else {})


def where_of(app: AppState, source: Source) -> dict[str, Any]:
    """Return how a map is found again outside of the window: ``path`` and arguments of ``load_map``; {} if nowhere."""
    path, which = _where(app, source)
    return {"path": path, **which} if path else {}


def _where(app: AppState, source: Source) -> tuple[str, dict[str, Any]]:
    if source.kind == "file":
        return source.path, {"index": source.index} if source.index else {}
    if source.kind == "metric" and app.run is not None:
        cut = {"fdr": source.fdr} if source.fdr else {}
        return app.run.path, {"brain": source.brain, "metric": source.metric, **cut}
    if source.kind == "ceiling" and app.dataset is not None:
        return app.dataset.path, {"brain": source.brain, "kind": "ceiling", **variant_argument(app)}
    if source.kind in ("measured", "predicted", "difference"):
        which = {"brain": source.brain, "kind": source.kind, "stimulus": source.stimulus}
        if app.run is not None and source.brain in app.run.subjects:
            return app.run.path, which
        return (app.dataset.path, {**which, **variant_argument(app)}) if app.dataset is not None else ("", {})
    return "", {}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if hasattr(value, "tolist"):
        return value.tolist()
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def source_of(app: AppState) -> dict[str, Any]:
    """Return what a picture's story keeps of the session, to open the picture again."""
    told = describe(app)["app"]
    return {key: told[key] for key in ("dataset", "subject", "run", "source")}


def project_of(story: Mapping[str, Any], view: ViewState) -> dict[str, Any]:
    """Return a picture's story as a project, ready for ``Session.restore``.

    Raises MissingError when the story does not say where its map came from.
    """
    source = story.get("source")
    if not isinstance(source, Mapping) or not isinstance(source.get("source"), Mapping):
        raise MissingError("does not say where its map came from",
                           remedy="Pictures exported from the window do; open the map itself.")
    look = story.get("look") if isinstance(story.get("look"), Mapping) else {}
    assert isinstance(look, Mapping)
    settings = view.settings() | {k: look[k] for k in VIEW_FIELDS if k in look}
    settings |= {"rule": story.get("rule", settings["rule"]), "show_names": bool(look.get("names", False)),
                 "outlines": [n for n in story.get("outlines", ()) if n != SELECTION]}
    if settings["surface"] not in ("inflated",) and source["source"].get("kind") == "file" and story.get("cameras"):
        settings["volume"] = "surface"
    return {"format": FORMAT, "version": VERSION, "app": dict(source), "view": settings,
            "parts": {"layers": {"stack": list(story.get("layers") or ())}, "viewers": source.get("viewers") or {}}}


