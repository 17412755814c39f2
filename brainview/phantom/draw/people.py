"""People: six kinds, each in every action, seen from the side, the front or behind."""

from __future__ import annotations

from math import atan2, degrees

import numpy as np

from brainview.phantom.draw.pen import INK, PALETTE, Pen, Point, Rgb, blend, shade
from brainview.phantom.world.poses import Skeleton, skeleton
from brainview.phantom.world.scene import SceneObject

SKINS: tuple[Rgb, ...] = ((250, 214, 184), (236, 188, 148), (206, 150, 108), (158, 104, 70), (110, 72, 50))
HAIRS: tuple[Rgb, ...] = ((44, 32, 28), (92, 56, 30), (156, 98, 44), (222, 178, 88), (172, 70, 34))
TROUSERS: tuple[Rgb, ...] = ((52, 66, 112), (70, 62, 58), (108, 92, 66), (44, 84, 92), (92, 96, 108))
FRONTAL = ("front", "back")


class Figure:
    """Everything needed to draw one person: colours from its look, joints from its pose."""

    def __init__(self, thing: SceneObject, phase: float) -> None:
        dice = np.random.Generator(np.random.Philox(key=thing.look))
        self.noun, self.facing, self.pose = thing.noun, thing.facing, thing.pose
        self.frontal = thing.facing in FRONTAL
        self.skin = SKINS[int(dice.integers(len(SKINS)))]
        self.hair = HAIRS[int(dice.integers(2 if self.skin in SKINS[3:] else len(HAIRS)))]
        self.shirt = PALETTE[thing.color]
        legs = TROUSERS[int(dice.integers(len(TROUSERS)))]
        if abs(sum(legs) - sum(self.shirt)) < 60:
            legs = shade(legs, 0.6) if sum(self.shirt) > 250 else (150, 140, 120)
        self.legs = legs
        self.beard = bool(dice.random() < 0.35)
        self.bones: Skeleton = skeleton(thing.noun, thing.pose, phase, self.frontal)
        self.limb = {"baby": 0.115, "girl": 0.082, "boy": 0.086, "woman": 0.070}.get(thing.noun, 0.078)


def draw_person(pen: Pen, thing: SceneObject, phase: float = 0.0, part: str = "all") -> None:
    """Draw a person of height 1 standing at the origin and facing right.

    `part` is all, body (without the near arm) or arm (only the near arm), so that a held thing can lie between them.
    """
    figure = Figure(thing, phase)
    if figure.bones.lying:
        # on its back, head to the front, face upwards
        with pen.at(-0.5, -0.10 - 0.06 * (thing.noun == "baby"), turn=90, mirror=True) as p:
            _parts(p, figure, part)
        return
    _parts(pen, figure, part)


def _parts(pen: Pen, figure: Figure, part: str) -> None:
    if part in ("all", "body"):
        _limbs_behind(pen, figure)
        _trunk(pen, figure)
        _head(pen, figure)
    if part in ("all", "arm"):
        _arm(pen, figure, figure.bones.near_arm, 1.0)


def _leg(pen: Pen, figure: Figure, joints: tuple[Point, Point, Point], tone: float) -> None:
    w, (root, knee, foot) = figure.limb * 1.18, joints
    cloth = shade(figure.legs, tone)
    if figure.noun == "woman":
        pen.line([root, knee, foot], shade(figure.skin, tone), 0.8 * w)
    elif figure.noun in ("girl", "boy"):
        pen.line([root, knee, foot], shade(figure.skin, tone), 0.85 * w)
        if figure.noun == "boy":
            pen.line([root, knee], cloth, 1.35 * w)
    elif figure.noun == "baby":
        pen.line([root, knee, foot], shade(figure.shirt, tone), 1.2 * w)
    else:
        pen.line([root, knee, foot], cloth, w)
    toe = 0.055 if not figure.frontal else 0.0
    angle = degrees(atan2(foot[1] - knee[1], foot[0] - knee[0])) - 90
    shoe = shade(figure.skin if figure.noun == "baby" else blend(INK, figure.legs, 0.25), tone)
    with pen.at(foot[0], foot[1], turn=angle) as p:
        p.oval(0.55 * toe, -0.2 * w, 0.05 + 0.6 * toe, 0.5 * w, shoe)


def _arm(pen: Pen, figure: Figure, joints: tuple[Point, Point, Point], tone: float) -> None:
    w, (root, elbow, hand) = figure.limb, joints
    sleeve = shade(figure.shirt if figure.noun != "chef" else (246, 246, 242), 0.84 * tone)
    pen.line([root, elbow, hand], shade(figure.skin, tone), 0.86 * w)
    if figure.noun in ("man", "chef", "baby"):
        mid = (elbow[0] + 0.7 * (hand[0] - elbow[0]), elbow[1] + 0.7 * (hand[1] - elbow[1]))
        pen.line([root, elbow, mid], sleeve, 1.08 * w)
    else:
        pen.line([root, elbow], sleeve, 1.15 * w)
    pen.oval(hand[0], hand[1], 0.60 * w, 0.60 * w, shade(figure.skin, tone))


def _limbs_behind(pen: Pen, figure: Figure) -> None:
    b = figure.bones
    _arm(pen, figure, b.far_arm, 0.98 if figure.frontal else 0.80)
    if figure.noun == "woman" and figure.facing != "back":
        _long_hair(pen, figure)
    _leg(pen, figure, b.far_leg, 0.98 if figure.frontal else 0.78)
    _leg(pen, figure, b.near_leg, 1.0)


def _long_hair(pen: Pen, figure: Figure) -> None:
    (hx, hy), r = figure.bones.head, figure.bones.build.head
    dx = 0.0 if figure.frontal else -0.38 * r
    wide = 1.18 if figure.frontal else 0.85
    pen.curve([(hx + dx - wide * r, hy - 1.0 * r), (hx + dx + wide * r, hy - 1.0 * r),
        (hx + dx + wide * r, hy + 2.1 * r), (hx + dx - wide * r, hy + 2.1 * r)], shade(figure.hair, 0.85))


def _trunk(pen: Pen, figure: Figure) -> None:
    b = figure.bones
    (nx, ny), (hx, hy), w = b.neck, b.hip, b.build.width
    across = 1.0 if figure.frontal else 0.82
    top, low = w * across, w * across * (0.86 if figure.noun in ("woman", "girl") else 0.92)
    shirt = (246, 246, 242) if figure.noun == "chef" else figure.shirt
    if figure.noun == "baby":
        pen.oval((nx + hx) / 2, (ny + hy) / 2 + 0.02, 0.19, 0.24, figure.shirt)
        pen.oval((nx + hx) / 2 + 0.05, (ny + hy) / 2 + 0.05, 0.08, 0.10, shade(figure.shirt, 1.35))
        return
    pen.line([(nx, ny - 0.02), (nx, ny - 0.4 * b.build.head)], shade(figure.skin, 0.86), 0.07)
    pen.curve(
        [(nx - top * 1.15, ny - 0.005), (nx + top * 1.15, ny - 0.005), (nx + top * 1.2, ny + 0.3 * (hy - ny)),
         (hx + low, hy + 0.02), (hx + low, hy + 0.06), (hx - low, hy + 0.06), (hx - low, hy + 0.02), (nx - top * 1.2,
             ny + 0.3 * (hy - ny))],
        shirt,
    )  # fmt: skip
    if figure.noun in ("woman", "girl"):
        _skirt(pen, figure, low)
    elif figure.noun == "chef":
        pen.curve([(hx - low, hy - 0.17), (hx + 1.05 * low, hy - 0.17), (hx + 1.3 * low, hy + 0.2),
            (hx - low, hy + 0.2)], figure.shirt)
        for button in range(3):
            pen.oval(nx + 0.3 * w + 0.02, ny + 0.05 + 0.045 * button, 0.011, 0.011, INK)
        pen.curve([(nx - 0.06, ny - 0.03), (nx + 0.07, ny - 0.03), (nx + 0.08, ny + 0.02), (nx - 0.06, ny + 0.02)],
            figure.shirt)
    else:
        pen.line([(hx - low * 0.8, hy + 0.02), (hx + low * 0.8, hy + 0.02)], shade(figure.legs, 0.9), 0.055)
    if figure.noun == "boy":
        for k in (0.35, 0.62):
            y = ny + k * (hy - ny)
            x = nx + k * (hx - nx)
            pen.line([(x - 0.85 * top, y), (x + 0.85 * top, y)],
                shade(figure.shirt, 0.62 if sum(figure.shirt) > 330 else 1.55), 0.028)


def _skirt(pen: Pen, figure: Figure, low: float) -> None:
    b = figure.bones
    hx, hy = b.hip
    color = figure.shirt if figure.noun == "girl" else shade(figure.shirt, 0.88)
    knees = [b.near_leg[1], b.far_leg[1]]
    front, back = max(k[0] for k in knees), min(k[0] for k in knees)
    down = max(min(k[1] for k in knees), hy + 0.04) if figure.pose in ("sit", "ride",
        "sit ground") else max(k[1] for k in knees) - 0.01
    flare = 0.055
    pen.curve([(hx - low, hy - 0.05), (hx + low, hy - 0.05), (front + flare + 0.3 * low, down),
        (front + flare, down + 0.05),
               (back - flare, down + 0.05), (back - flare - 0.3 * low, down)], color)  # fmt: skip
    pen.line([(hx - low * 0.8, hy - 0.03), (hx + low * 0.8, hy - 0.03)], shade(color, 0.65), 0.022)


def _head(pen: Pen, figure: Figure) -> None:
    (x, y), r = figure.bones.head, figure.bones.build.head
    tilt = figure.bones.tilt + 0.4 * (0 if figure.frontal else figure.bones.lean)
    with pen.at(x, y, r, turn=tilt) as p:
        if figure.facing == "back":
            p.oval(0, 0, 1.0, 1.05, figure.skin)
            _hair_back(p, figure)
        else:
            _hair_under(p, figure)
            p.oval(0, 0, 0.96, 1.05, figure.skin)
            _face(p, figure)
            _hair_over(p, figure)
        if figure.noun == "chef":
            _hat(p)


def _face(p: Pen, figure: Figure) -> None:
    asleep = figure.bones.lying
    shift = 0.0 if figure.facing == "front" else 0.36
    dark = shade(figure.skin, 0.72)
    p.oval(shift - 0.52, 0.38, 0.20, 0.14, (232, 110, 100), alpha=0.42)
    p.oval(shift + 0.44, 0.38, 0.18, 0.14, (232, 110, 100), alpha=0.42)
    for dx in (-0.36, 0.34):
        if asleep:
            p.arc(shift + dx, 0.02, 0.15, 20, 140, INK, 0.08)
        else:
            p.oval(shift + dx, 0.0, 0.15, 0.19, (252, 252, 252))
            p.oval(shift + dx + 0.03 + 0.04 * (shift > 0), 0.02, 0.105, 0.145, INK)
            p.line([(shift + dx - 0.15, -0.32), (shift + dx + 0.15, -0.34)], shade(figure.hair, 0.8), 0.09)
    p.oval(shift + 0.06 + 0.10 * (shift > 0), 0.22, 0.11, 0.13, dark)
    if figure.noun == "man" and figure.beard:
        p.curve([(-0.72, 0.25), (0.0, 0.55), (0.95, 0.25), (0.9, 0.95), (0.1, 1.2), (-0.7, 0.95)], figure.hair)
    if figure.pose in ("eat", "jump", "dance", "wave", "baby wave", "throw", "catch"):
        p.oval(shift + 0.02, 0.58, 0.19, 0.15, (150, 44, 44))
    else:
        p.arc(shift + 0.02, 0.40, 0.26, 30, 120, (140, 50, 46), 0.10)


def _hair_under(p: Pen, figure: Figure) -> None:
    if figure.noun == "girl":
        back = -1.0 if figure.facing != "front" else -1.12
        p.oval(back - 0.25, 0.25, 0.34, 0.62, figure.hair, turn=14)
        if figure.facing == "front":
            p.oval(-back + 0.25, 0.25, 0.34, 0.62, figure.hair, turn=-14)
    if figure.noun != "baby":
        p.oval(-0.10 if not figure.frontal else 0.0, -0.18, 1.10, 1.06, figure.hair)


def _hair_over(p: Pen, figure: Figure) -> None:
    """Draw the fringe; a figure seen from the side also has hair behind the ear."""
    hair, side = figure.hair, not figure.frontal
    if figure.noun == "baby":
        p.line([(0.05, -1.0), (0.2, -1.22), (0.38, -1.12)], hair, 0.14, smooth=True)
    elif side:
        low = 0.75 if figure.noun in ("woman", "girl") else 0.25
        p.curve([(1.0, -0.35), (0.85, -1.15), (-0.4, -1.35), (-1.25, -0.8), (-1.25, low), (-0.62, low), (-0.5, -0.2),
            (0.1, -0.5)], hair)
    else:
        p.curve([(1.15, -0.05), (1.1, -1.15), (0.0, -1.35), (-1.1, -1.15), (-1.15, -0.05), (-0.8, -0.5),
            (-0.2, -0.62), (0.8, -0.5)], hair)
    if figure.noun == "boy":
        cap = shade(figure.shirt, 0.82)
        p.curve([(0.95, -0.42), (0.95, -1.25), (0.0, -1.55), (-1.1, -1.2), (-1.15, -0.42), (0.0, -0.5)], cap)
        if side:
            p.line([(0.55, -0.55), (1.45, -0.48)], shade(cap, 0.8), 0.17)
        else:
            p.line([(-0.6, -0.52), (0.6, -0.52)], shade(cap, 0.75), 0.20)
    if figure.noun == "girl":
        bow = shade(figure.shirt, 0.9)
        for dx in (-0.24, 0.24):
            p.oval(-0.35 + dx, -1.12, 0.25, 0.19, bow, turn=35 if dx < 0 else -35)


def _hair_back(p: Pen, figure: Figure) -> None:
    hair = figure.hair
    if figure.noun == "baby":
        return
    low = {"woman": 2.0, "girl": 0.6}.get(figure.noun, 0.45)
    p.curve([(1.1, -0.9), (1.05, low), (0.7, low + 0.2), (-0.7, low + 0.2), (-1.05, low), (-1.1, -0.9), (0, -1.45)],
        hair)
    if figure.noun == "girl":
        for side in (-1, 1):
            p.oval(1.15 * side, 0.35, 0.32, 0.6, hair, turn=-14 * side)
    if figure.noun == "boy":
        p.curve([(1.1, -0.1), (1.1, -1.2), (0, -1.6), (-1.1, -1.2), (-1.1, -0.1), (0, 0.0)], shade(figure.shirt, 0.82))


def _hat(p: Pen) -> None:
    white = (248, 248, 246)
    p.box(-0.82, -1.55, 0.82, -0.62, white, r=0.12)
    for dx, r in ((-0.62, 0.52), (0.0, 0.62), (0.62, 0.52)):
        p.oval(dx, -1.72, r, 0.9 * r, white)
