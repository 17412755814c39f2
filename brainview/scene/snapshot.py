"""Pictures as files: drawn off screen at the asked size, with their story inside.

The same scene, colours and cameras as on screen, in a render window of its own, so that the size of the window, its
pixel ratio and whatever lies over it cannot leak in.
"""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from brainview import __version__
from brainview.core.errors import FormatError, LimitError, MissingError
from brainview.core.files import atomic_write, to_json
from brainview.core.lengths import pixels
from brainview.core.names import shown
from brainview.maps import kept
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule, Pick, rule_for, threshold_value
from brainview.maps.layers import Layer, describe_layer
from brainview.maps.rois import RoiClass
from brainview.maps.space import Space, VolumeSpace
from brainview.scene import figure
from brainview.scene.colors import bar_of
from brainview.scene.outlines import on_root
from brainview.scene.theme import BACKGROUNDS
from brainview.scene.views import Camera, Panel, looking, panels, rows

#: The most pixels of one picture.
PIXEL_LIMIT = 100_000_000


@dataclass(frozen=True)
class Look:
    """How a picture is arranged.

    Parameters
    ----------
    surface : str
        ``inflated``, ``pial``, ``white``, ``midthickness``, ``flat``, ``sphere``.
    layout, view : str
        Standard layout; or `views`, one row per name, which overrides both.
    hemispheres : str
        ``both``, ``left``, ``right``.
    background : str
        ``white``, ``light``, ``dark``, ``black``.
    transparent : bool
        No paper at all.
    colorbar : bool
        Draw the strip with name, units, bar and threshold.
    names : bool
        Name the ROIs of the outlines.
    slices : str
        For volume maps: ``ortho``, ``axial``, ``coronal``, ``sagittal``.
    radiological : bool
        Left of the body on the right; written on the picture.
    samples : int
        Multisampling of the export.
    """

    surface: str = "inflated"
    layout: str = "grid"
    view: str = "lateral"
    views: tuple[str, ...] = ()
    hemispheres: str = "both"
    background: str = "white"
    transparent: bool = False
    colorbar: bool = True
    names: bool = False
    slices: str = "ortho"
    radiological: bool = False
    samples: int = 8
    cursor: tuple[float, float, float] | None = None
    cameras: tuple[Camera, ...] = field(default=(), compare=False)

    @property
    def sides(self) -> tuple[str, ...]:
        """Hemispheres, left first."""
        return ("left", "right") if self.hemispheres == "both" else (self.hemispheres,)

    def panels(self, present: tuple[str, ...] = ("left", "right")) -> list[Panel]:
        """Return the panels of the hemispheres that are asked for and `present`."""
        sides = tuple(s for s in self.sides if s in present) or present
        if self.views:
            for view in self.views:
                looking(view, "left")
            if self.surface != "flat":
                return rows([[v] for v in self.views] if len(sides) == 2 else [list(self.views)], sides)
        return panels(self.layout, self.view, sides, self.surface)


def look_from(stored: Mapping[str, Any]) -> Look:
    """Return the arrangement that a picture's story tells (its ``look``, and ``cameras`` among them).

    Raises FormatError for fields that a look does not have.
    """
    values = dict(stored)
    cameras = values.pop("cameras", None) or ()
    unknown = set(values) - set(Look.__dataclass_fields__)
    if unknown:
        raise FormatError(f"a picture's arrangement has no field {shown(sorted(unknown)[0])!r}")
    for name in ("views", "cursor"):
        if values.get(name) is not None:
            values[name] = tuple(values[name])
    try:
        eyes = tuple(Camera(np.array(c["towards"], float), np.array(c["up"], float), float(c["zoom"]),
                            np.array(c["pan"], float)) for c in cameras)
    except (KeyError, TypeError, ValueError) as err:
        raise FormatError("has cameras that are not towards, up, zoom, pan") from err
    if any(c.towards.shape != (3,) or c.up.shape != (3,) or c.pan.shape != (2,) for c in eyes):
        raise FormatError("has cameras of a wrong shape")
    return Look(**values, cameras=eyes)


def snapshot(brain_map: BrainMap, out: str | Path, *, size: tuple[int, int] = (1600, 1200),
             rule: ColorRule | None = None, look: Look | None = None, outlines: Mapping[str, RoiClass] | None = None,
             marker: Pick | None = None, dpi: float = 150.0, cm: tuple[float, float] | None = None,
             source: Mapping[str, Any] | None = None, layers: Sequence[Layer] = (), **changes: Any) -> Path:
    """Write a picture of a map as PNG and return its path.

    Parameters
    ----------
    brain_map : BrainMap
        On a surface (or a mask over one), or on a volume, which is drawn as slices.
    out : path
        Written atomically; the story of the picture is in its text chunk ``BrainView`` (JSON).
    size : (int, int)
        Pixels; `cm` overrides it as cm / 2.54 x dpi.
    rule : ColorRule, optional
        None = what the map asks for.
    look : Look, optional
        Arrangement; single fields of it may also be given as keywords.
    outlines : dict of str to RoiClass, optional
        Borders to draw; labels on the map's space or on its root.
    marker : Pick, optional
    dpi : float
        Written into the file; with `cm` it also decides the pixels and the size of the type.
    source : dict, optional
        Where the map came from (data set, run, which map), so that the picture can be opened again.
    layers : sequence of Layer
        Maps over each other, the lowest first, `brain_map` among them; empty draws it alone.

    Raises
    ------
    BrainViewError
        A mesh is missing, a name is unknown, the picture is too large.
    """
    path = Path(out)
    if path.suffix.lower() != ".png":
        raise MissingError("pictures are written as PNG", where=path, remedy="Give it a name that ends in .png.")
    look = Look(**changes) if look is None else _changed(look, changes)
    if cm is not None:
        size = pixels(cm, dpi)
    rule = rule_for(brain_map) if rule is None else rule
    scale = dpi / 72 * 0.75 if cm is not None else float(np.clip(min(size[0] / 900, size[1] / 675), 0.4, 8))
    image = render(brain_map, size, rule, look, outlines=outlines, marker=marker, scale=scale, layers=layers)
    told = story(brain_map, rule, look, size, dpi, outlines or {}, layers)
    save(image, path, dpi=dpi, story={**told, "source": dict(source or {})})
    return path


def render(brain_map: BrainMap | None, size: tuple[int, int], rule: ColorRule, look: Look, *,
           outlines: Mapping[str, RoiClass] | None = None, marker: Pick | None = None, scale: float = 1.0,
           space: Space | None = None, layers: Sequence[Layer] = ()) -> Image.Image:
    """Return the picture (RGB, or RGBA when transparent); `space` names the mesh when there is no map."""
    width, height = (int(n) for n in size)
    if width < 16 or height < 16 or width * height > PIXEL_LIMIT:
        raise LimitError(f"a picture of {width:,} x {height:,} pixels cannot be drawn",
                         remedy=f"Use 16 x 16 up to {PIXEL_LIMIT:,} pixels in all.")
    if look.background not in BACKGROUNDS:
        raise MissingError(f"no background is called {look.background!r}", remedy="Known: " + ", ".join(BACKGROUNDS))
    paper = BACKGROUNDS[look.background]
    seen = [layer for layer in layers if layer.visible] if layers else \
        [] if brain_map is None else [Layer(brain_map, rule)]
    main = [layer for layer in seen if layer.map is brain_map]  # as on screen: first, the others from above
    told = main + [b for b in seen[::-1] if b not in main] if look.colorbar else []
    bars = [bar_of(a) for a in told if np.isfinite(a.map.values).any()]
    each = round(figure.STRIP * scale)
    strip = each * figure.bar_rows(len(bars))
    if height - strip < height // 2:
        bars, strip = [], 0
    image = Image.new("RGBA" if look.transparent else "RGB", (width, height),
                      (*paper.paper, 0) if look.transparent else paper.paper)
    where = space if brain_map is None else brain_map.space
    assert where is not None
    body = _slices if isinstance(where.root, VolumeSpace) and brain_map is not None else _surface
    part = body(brain_map, where, (width, height - strip), rule, look, outlines or {}, marker, scale, layers)
    image.paste(part, (0, 0))
    figure.draw_bars(image, bars, paper, each, scale)
    if any(layer.map.is_phantom for layer in seen):
        figure.draw_pill(image, figure.PHANTOM_WORDS, scale)
    return image


def _surface(brain_map: BrainMap | None, where: Space, size: tuple[int, int], rule: ColorRule, look: Look,
             outlines: Mapping[str, RoiClass], marker: Pick | None, scale: float,
             layers: Sequence[Layer] = ()) -> Image.Image:
    from brainview.scene.hemisphere import surface_of
    from brainview.scene.image_canvas import ImageCanvas

    surface = surface_of(where)
    if surface is None:
        raise MissingError(f"maps on {where.name} have no surface to be drawn on",
                           remedy="Convert the map to a surface or a volume.")
    canvas = ImageCanvas(size, scale=scale, samples=look.samples, alpha=look.transparent)
    try:
        canvas.set_background(look.background)
        canvas.set_surface(surface, look.surface)
        canvas.set_panels(look.panels((*("left",) * bool(surface.n_left), *("right",) * bool(surface.n_right))))
        if look.cameras and len(look.cameras) == len(canvas.scene.cells):
            canvas.scene.take_cameras(look.cameras)
        canvas.set_values(brain_map, rule)
        if layers:
            canvas.set_layers(layers)
        placed = {name: RoiClass(c.name, on_root(c.labels, where), c.table) for name, c in outlines.items()}
        canvas.set_outlines(placed, look.names)
        canvas.set_marker(marker)
        return Image.fromarray(canvas.picture())
    finally:
        canvas.close()


def _slices(brain_map: BrainMap | None, where: Space, size: tuple[int, int], rule: ColorRule, look: Look,
            outlines: Mapping[str, RoiClass], marker: Pick | None, scale: float,
            layers: Sequence[Layer] = ()) -> Image.Image:
    from brainview.scene.slices import SliceScene, underlay_of

    assert brain_map is not None and isinstance(where.root, VolumeSpace)
    scene = SliceScene(brain_map, rule, background=look.background, radiological=look.radiological,
                       underlay=underlay_of(brain_map))
    if layers:
        scene.set_layers(layers)
    scene.set_outlines(outlines)
    paper = BACKGROUNDS[look.background]
    image = Image.new("RGB", size, paper.paper)
    cursor = look.cursor or (marker.ras if marker is not None and marker.hemisphere == "volume" else scene.best())
    figure.draw_slices(image, scene, paper, look.slices, cursor, scale)
    if look.radiological:
        from PIL import ImageDraw

        ImageDraw.Draw(image).text((8 * scale, 6 * scale), "Radiological: left of the body on the right", paper.quiet,
                                   font=figure.font(11 * scale))
    if look.transparent:
        clear = np.asarray(image)
        alpha = np.where((clear == np.array(paper.paper, np.uint8)).all(-1), 0, 255).astype(np.uint8)
        return Image.fromarray(np.dstack([clear, alpha]))
    return image


def story(brain_map: BrainMap | None, rule: ColorRule, look: Look, size: Sequence[int], dpi: float,
          outlines: Mapping[str, RoiClass], layers: Sequence[Layer] = ()) -> dict[str, Any]:
    """Return what the picture shows as plain JSON types: enough to draw it again."""
    out: dict[str, Any] = {
        "software": f"BrainView {__version__}", "python": platform.python_version(),
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "pixels": [int(n) for n in size], "dpi": dpi, "rule": rule.to_dict(), "outlines": list(outlines),
        "look": {name: getattr(look, name) for name in Look.__dataclass_fields__ if name not in ("cameras", "samples")},
        "cameras": [{"towards": c.towards, "up": c.up, "zoom": c.zoom, "pan": c.pan} for c in look.cameras],
    }
    if brain_map is not None:
        out["map"] = {"name": brain_map.name, "units": brain_map.units, "definition": brain_map.definition,
                      "space": brain_map.space.describe(), "phantom": brain_map.is_phantom,
                      "provenance": brain_map.provenance}
        out["threshold"] = threshold_value(rule, brain_map.values)
    if layers:
        out["layers"] = [{**describe_layer(one, main=one.map is brain_map), "name": one.map.name,
                          "phantom": one.map.is_phantom} for one in layers]
    return out


def save(image: Image.Image, path: Path, *, dpi: float, story: dict[str, Any]) -> None:
    """Write a PNG atomically with its resolution and its story in text chunks."""
    info, told = PngImagePlugin.PngInfo(), to_json(story, indent=None)
    info.add_text("Software", story["software"])
    info.add_itxt("Title", str(story.get("map", {}).get("name", "")))
    info.add_itxt("BrainView", told)
    kept.pin(told)
    with atomic_write(path, suffix=".png") as file:
        image.save(file, format="PNG", dpi=(dpi, dpi), pnginfo=info)


def read_story(path: str | Path) -> dict[str, Any]:
    """Return the story inside a picture that BrainView wrote; MissingError when there is none."""
    import json

    from brainview.core.files import regular_file

    with Image.open(regular_file(path)) as image:
        text = getattr(image, "text", {}).get("BrainView")
    if text is None:
        raise MissingError("holds no story of BrainView's", where=path,
                           remedy="Choose a picture exported by BrainView.")
    return json.loads(text)


def _changed(look: Look, changes: dict[str, Any]) -> Look:
    from dataclasses import replace

    return replace(look, **changes) if changes else look
