"""What a simulated brain takes from a scene: each thing's category, size and place in degrees of visual angle."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

import numpy as np

from brainview.phantom.world.scene import Scene, SceneObject

PIXELS = 425
PIXELS_PER_DEGREE = 50.6
MIN_FACE_DEGREES = 1.2


@dataclass(frozen=True)
class ObjectSummary:
    """One thing in degrees of visual angle; fixation is the middle of the picture, x to the right, y upwards.

    Attributes
    ----------
    size : float
        Square root of the area of the visible box.
    width, height : float
        Sides of the visible box.
    x, y, ecc : float
        Middle of the box and its distance from fixation.
    face_visible : bool
        A person not seen from behind and at least 1.2 degrees tall.
    body_visible : bool
        A person whose trunk or limbs are in the frame.
    """

    index: int
    noun: str
    category: str
    size: float
    width: float
    height: float
    x: float
    y: float
    ecc: float
    face_visible: bool
    body_visible: bool


def face_visible(thing: SceneObject) -> bool:
    """Tell whether a person's face is to be seen."""
    degrees = (thing.box[3] - thing.box[1]) * PIXELS / PIXELS_PER_DEGREE
    lying = thing.pose == "sleep" and (thing.box[2] - thing.box[0]) * PIXELS / PIXELS_PER_DEGREE >= MIN_FACE_DEGREES
    return thing.category == "person" and thing.facing != "back" and (degrees >= MIN_FACE_DEGREES or lying)


def object_summaries(
    scene: Scene, boxes: dict[int, tuple[float, float, float, float]] | None = None
) -> list[ObjectSummary]:
    """Return one summary for each object, in the order of ``scene.objects``.

    `boxes` (from ``render``) replace the boxes measured when the scene was composed.
    """
    found = []
    for i, thing in enumerate(scene.objects):
        box = np.asarray(boxes[i] if boxes and i in boxes else thing.box)
        x0, y0, x1, y1 = (box * PIXELS / PIXELS_PER_DEGREE).tolist()
        half = 0.5 * PIXELS / PIXELS_PER_DEGREE
        x, y = 0.5 * (x0 + x1) - half, half - 0.5 * (y0 + y1)
        wide, high = x1 - x0, y1 - y0
        found.append(
            ObjectSummary(
                i, thing.noun, thing.category, (wide * high) ** 0.5, wide, high, x, y, hypot(x, y),
                face_visible(thing), thing.category == "person" and thing.visible >= 0.4,
            )
        )  # fmt: skip
    return found
