"""From a scene graph to a picture, an id mask and boxes."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
import skia

from brainview.phantom.draw.animals import draw_animal
from brainview.phantom.draw.extras import draw_behind, draw_front
from brainview.phantom.draw.indoors import INDOOR_SCENES
from brainview.phantom.draw.letters import draw_sign
from brainview.phantom.draw.light import finish, material_paint
from brainview.phantom.draw.outdoors import OUTDOOR_SCENES
from brainview.phantom.draw.pen import Pen
from brainview.phantom.draw.people import draw_person
from brainview.phantom.draw.things import draw_thing
from brainview.phantom.draw.vehicles import draw_vehicle
from brainview.phantom.world.layout import frame_aspect
from brainview.phantom.world.scene import Scene, SceneObject
from brainview.phantom.world.vocabulary import INDOORS, SETTINGS

SIZE = 425
BETWEEN = ("hug", "carry walk", "carry", "read", "baby hold")
HAZE = {"park": (206, 224, 226), "forest": (190, 208, 176), "mountain": (206, 220, 234), "beach": (214, 230, 238)}


@dataclass(frozen=True)
class Rendered:
    """A drawn scene.

    Attributes
    ----------
    image : (size, size, 3) uint8
    ids : (size, size) int16
        0 background, k + 1 where object k is the nearest thing.
    boxes : dict
        Object index -> (x0, y0, x1, y1), shares of the picture, tight on the visible pixels.
    """

    image: np.ndarray
    ids: np.ndarray
    boxes: dict[int, tuple[float, float, float, float]]


def _draw(pen: Pen, thing: SceneObject, phase: float, part: str) -> None:
    kind = thing.category
    if kind == "person":
        draw_person(pen, thing, phase, part)
    elif kind == "animal":
        draw_animal(pen, thing, phase)
    elif kind == "vehicle":
        draw_vehicle(pen, thing, phase)
    elif kind == "word":
        draw_sign(pen, thing, phase)
    else:
        draw_thing(pen, thing, phase)


def draw_object(pen: Pen, thing: SceneObject, phase: float = 0.0, part: str = "all") -> None:
    """Draw one thing at its place on a canvas whose unit is the whole picture."""
    mirror = thing.facing == "left" and thing.category != "word"
    with pen.at(thing.x, thing.y, thing.height, mirror=mirror) as p:
        _draw(p, thing, phase, part)


def drawing_order(scene: Scene) -> list[tuple[int, str]]:
    """Return (object index, part) from far to near; what a person clasps lies between body and near arm."""
    order = sorted(range(len(scene.objects)), key=lambda i: (scene.objects[i].depth, i))
    steps: list[tuple[int, str]] = []
    clasped = {t.holds: i for i, t in enumerate(scene.objects) if t.holds is not None and t.pose in BETWEEN}
    for i in order:
        if i in clasped:
            steps += [(i, "all"), (clasped[i], "arm")]
        else:
            steps.append((i, "body" if i in clasped.values() else "all"))
    return steps


def silhouettes(scene: Scene, size: int) -> tuple[np.ndarray | None, np.ndarray]:
    """Return (whole, visible) silhouettes, each (objects, size, size) bool.

    `whole` is None when more than 4 % of a thing lies outside the frame.
    """
    n = len(scene.objects)
    margin = size // 8
    wide = size + 2 * margin
    buffer = np.zeros((wide, wide, 4), np.uint8)
    surface = skia.Surface(buffer)
    whole, seen = np.zeros((n, size, size), bool), np.zeros((n, size, size), bool)
    inside = True
    for i, part in drawing_order(scene):
        buffer[...] = 0
        with surface as canvas:
            canvas.save()
            canvas.translate(margin, margin)
            canvas.scale(size, size)
            draw_object(Pen(canvas, flat=True), scene.objects[i], 0.0, part)
            canvas.restore()
        surface.flushAndSubmit()
        mask = buffer[..., 3] > 127
        cut = mask[margin : margin + size, margin : margin + size]
        inside = inside and cut.sum() >= 0.96 * mask.sum()
        seen &= ~cut
        whole[i] |= cut
        seen[i] |= cut
    return (whole if inside else None), seen


def _light_vector(scene: Scene) -> tuple[float, float]:
    return cos(radians(scene.light.angle)), -sin(radians(scene.light.angle))


def _backdrop(canvas: skia.Canvas, scene: Scene) -> None:
    pen = Pen(canvas, _light_vector(scene), depth=0.14)
    dice = np.random.Generator(np.random.Philox(key=scene.look))
    (OUTDOOR_SCENES | INDOOR_SCENES)[scene.scene](pen, dice)
    ground = SETTINGS[scene.scene].ground
    upper = "wall" if scene.scene in INDOORS else "sky"
    for material, top, bottom in ((upper, 0.0, ground), ("ground", ground, 1.0)):
        paint = material_paint(material, scene.look)
        canvas.save()
        canvas.clipRect(skia.Rect.MakeLTRB(0, top, 1, bottom))
        canvas.scale(1.0 / SIZE, 1.0 / SIZE)
        canvas.drawPaint(paint)
        canvas.restore()


def _shadow(canvas: skia.Canvas, scene: Scene, thing: SceneObject, light: tuple[float, float]) -> None:
    """Lay a soft shadow under a thing that stands on the ground."""
    if thing.support is not None or thing.pose in ("fly", "hang", "sail") or thing.noun == "kite":
        return
    if thing.noun == "poster" and scene.scene in INDOORS:
        return
    held = any(other.holds == i for other in scene.objects for i in [scene.objects.index(thing)])
    if held:
        return
    foot = thing.y if thing.pose != "jump" else thing.y + 0.005
    width = thing.height * (1.0 if thing.pose == "sleep" and thing.category == "person" else frame_aspect(thing.noun,
        thing.text))
    rx, ry = 0.46 * width, min(0.03, 0.10 * width + 0.004)
    paint = skia.Paint(Color=0x78101018, AntiAlias=True)
    paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, 0.006 + 0.10 * ry))
    x = thing.x - 0.25 * rx * light[0]
    canvas.drawOval(skia.Rect.MakeLTRB(x - rx, foot - ry, x + rx, foot + ry), paint)


def _layer(canvas: skia.Canvas, scene: Scene, thing: SceneObject, phase: float, part: str,
    light: tuple[float, float]) -> None:
    half = 0.75 * max(thing.height * frame_aspect(thing.noun, thing.text), 1.2 * thing.height)
    bounds = skia.Rect.MakeLTRB(thing.x - half, thing.y - 1.5 * thing.height, thing.x + half,
        thing.y + 0.3 * thing.height)
    canvas.saveLayer(bounds, None)
    draw_object(Pen(canvas, light), thing, phase, part)
    canvas.save()
    canvas.scale(1.0 / SIZE, 1.0 / SIZE)
    canvas.drawPaint(material_paint(thing.category, thing.look))
    haze = HAZE.get(scene.scene)
    if haze is not None and thing.depth < 0.6:
        alpha = int(255 * 0.30 * (0.6 - thing.depth) / 0.6)
        canvas.drawPaint(skia.Paint(Color=(alpha << 24) | (haze[0] << 16) | (haze[1] << 8) | haze[2],
            BlendMode=skia.BlendMode.kSrcATop))
    canvas.restore()
    canvas.restore()


def draw_scene(scene: Scene, size: int = SIZE, phase: float = 0.0) -> np.ndarray:
    """Return the picture alone, (size, size, 3) uint8; `phase` moves the actors (0..1 of their cycle)."""
    buffer = np.zeros((size, size, 4), np.uint8)
    surface = skia.Surface(buffer, colorType=skia.kRGBA_8888_ColorType)
    light = _light_vector(scene)
    with surface as canvas:
        canvas.scale(size, size)
        _backdrop(canvas, scene)
        for i, part in drawing_order(scene):
            thing = scene.objects[i]
            if part != "arm":
                _shadow(canvas, scene, thing, light)
                draw_behind(Pen(canvas, light), scene, i, phase)
            _layer(canvas, scene, thing, phase, part, light)
            if part != "body":
                draw_front(Pen(canvas, light), scene, i, phase)
    surface.flushAndSubmit()
    return finish(buffer[..., :3], scene.light, scene.scene, scene.look)


def render(scene: Scene, size: int = SIZE) -> Rendered:
    """Draw a scene; the same graph gives the same picture on the same machine (elsewhere: within a grey level or so).

    Parameters
    ----------
    scene : Scene
    size : int
        Side of the picture in pixels; 425 is that of the data sets.

    Returns
    -------
    Rendered
        Picture, id mask and boxes.
    """
    image = draw_scene(scene, size)
    _, seen = silhouettes(scene, size)
    ids = np.zeros((size, size), np.int16)
    boxes = {}
    for i in range(len(scene.objects)):
        ids[seen[i]] = i + 1
        columns, rows = np.nonzero(seen[i].any(0))[0], np.nonzero(seen[i].any(1))[0]
        if len(columns):
            boxes[i] = (columns[0] / size, rows[0] / size, (columns[-1] + 1) / size, (rows[-1] + 1) / size)
    return Rendered(image, ids, {i: tuple(float(v) for v in box) for i, box in boxes.items()})  # type: ignore[misc]
