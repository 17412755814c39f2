"""A map as one HTML file that turns in any browser: geometry, colours and story inside, nothing fetched."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainview import __version__
from brainview.core.errors import MissingError
from brainview.core.files import atomic_write, to_json
from brainview.core.names import shown
from brainview.core.paths import resource
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule, rule_for
from brainview.maps.layers import Layer
from brainview.scene.colors import bar_of, compose, paint_of
from brainview.scene.hemisphere import load_hemispheres, on_surface, surface_of
from brainview.scene.theme import BACKGROUNDS


def webpage(brain_map: BrainMap, out: str | Path, *, rule: ColorRule | None = None, background: str = "dark",
            layers: Sequence[Layer] = ()) -> Path:
    """Write a page with both hemispheres, a morph from pial to inflated, colour bar and definition; returns its path.

    Parameters
    ----------
    brain_map : BrainMap
        On a surface, or on what is drawn on one (a volume is put on the cortex first).
    rule : ColorRule, optional
        None = what the map asks for.
    background : str
        ``dark``, ``light``, ``white`` or ``black``.
    layers : sequence of Layer
        Maps over each other, the lowest first, `brain_map` among them; empty draws it alone.

    Raises
    ------
    MissingError
        The map has no surface. FormatError, MissingError: its mesh is not on this machine.
    """
    space = surface_of(brain_map.space)
    if space is None:
        raise MissingError(f"maps on {brain_map.space.name} have no surface to be drawn on",
                           remedy="Convert the map to a surface first.")
    rule = rule_for(brain_map) if rule is None else rule
    look = BACKGROUNDS[background]  # type: ignore[index]
    seen = [one for one in layers if one.visible] if layers else [Layer(brain_map, rule)]
    text = resource("web/page.html").read_text(encoding="utf-8")
    for key, value in _fields(brain_map, seen, look).items():
        text = text.replace(f"@{key}@", value)
    text = text.replace("@DATA@", to_json(_data(seen, space, look), indent=None).replace("</", "<\\/"))
    path = Path(out)
    with atomic_write(path, suffix=".html") as file:
        file.write(text.encode("utf-8"))
    return path


def _data(layers: Sequence[Layer], space: Any, look: Any) -> dict[str, Any]:
    """Return the arrays of the page, base64 of little-endian bytes."""
    paints = [paint_of(one, on_surface(one.map, space), None if one.second is None else on_surface(one.second, space))
              for one in layers]
    points: dict[str, list[np.ndarray]] = {"pial": [], "inflated": [], "pialNormals": [], "inflatedNormals": []}
    colors, faces, start = [], [], 0
    meshes = {name: load_hemispheres(space, name) for name in ("pial", "inflated")}
    for side, mesh in meshes["pial"].items():
        part = space.left if side == "left" else space.right
        colors.append(compose([paint.at(part) for paint in paints], mesh.underlay))
        faces.append(mesh.faces + start)
        start += len(mesh.points)
        for name, found in meshes.items():
            points[name].append(found[side].points)
            points[f"{name}Normals"].append(found[side].normals)
    joined = {name: np.concatenate(parts).astype("<f4") for name, parts in points.items()}
    middles = [((joined[n].min(0) + joined[n].max(0)) / 2).tolist() for n in ("pial", "inflated")]
    return {**{name: _base64(array) for name, array in joined.items()},
            "colors": _base64(np.concatenate(colors).astype(np.uint8)),
            "faces": _base64(np.concatenate(faces).astype("<u4")), "middles": middles, "paper": list(look.paper)}


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def _fields(brain_map: BrainMap, layers: Sequence[Layer], look: Any) -> dict[str, str]:
    """Return what stands in the page as words; everything from files is escaped."""
    story = brain_map.provenance
    told = [str(story[k]) for k in ("dataset", "subject", "run") if story.get(k)]
    dark = sum(look.paper) < 380
    return {
        "TITLE": _safe(brain_map.name), "DEFINITION": _safe(brain_map.definition),
        "STORY": _safe(" · ".join([*told, brain_map.space.name, f"BrainView {__version__}"])),
        "PILL": '<span id="pill">Phantom · simulated data</span>' if any(m.map.is_phantom for m in layers) else "",
        "SCHEME": "dark" if dark else "light", "PAPER": "rgb({}, {}, {})".format(*look.paper),
        "INK": "rgb({}, {}, {})".format(*look.ink), "ACCENT": "#86b0ff" if dark else "#2b5fd0",
        "ON_ACCENT": "#0b1524" if dark else "#ffffff",
        "BAR": "".join(_bar(one, len(layers) > 1) for one in layers)}


def _safe(text: str) -> str:
    return html.escape(shown(text, limit=600)).replace("@", "&#64;")


def _bar(layer: Layer, named: bool) -> str:
    """Return the colour bar of a layer as drawn everywhere else, with its name when there are several."""
    found = bar_of(layer)
    name = f"<div><span>{_safe(layer.map.name)}</span></div>" if named else ""
    if found.labels:
        return name
    buffer = io.BytesIO()
    Image.fromarray(found.picture).save(buffer, "PNG")
    picture = base64.b64encode(buffer.getvalue()).decode("ascii")
    low, high = layer.rule.limits
    words = " · ".join(w for w in (layer.map.units, found.note) if w)
    return (f'{name}<img alt="colour bar from {low:g} to {high:g}" src="data:image/png;base64,{picture}">'
            f"<div><span>{low:g}</span><span>{_safe(words)}</span><span>{high:g}</span></div>")
