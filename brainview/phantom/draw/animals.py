"""Animals: eight kinds that stand, walk, run, jump, sit, sleep and eat."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, radians, sin

from brainview.phantom.draw.pen import INK, PALETTE, Pen, Point, Rgb, blend, shade
from brainview.phantom.world.scene import SceneObject

COATS: dict[tuple[str, str], Rgb] = {
    ("dog", "orange"): (222, 146, 70), ("dog", "white"): (238, 230, 214), ("dog", "brown"): (142, 92, 52),
    ("cat", "orange"): (232, 140, 56), ("horse", "white"): (232, 228, 220), ("horse", "brown"): (142, 84, 46),
    ("cow", "white"): (244, 242, 236), ("cow", "brown"): (150, 92, 54), ("sheep", "white"): (240, 236, 224),
    ("sheep", "black"): (74, 70, 74), ("elephant", "gray"): (138, 142, 154), ("duck", "brown"): (146, 100, 62),
}  # fmt: skip


@dataclass(frozen=True)
class Gait:
    """Angles of the four legs (upper, lower), lift of the body and lowering of the head at one moment."""

    legs: tuple[Point, Point, Point, Point]  # near front, far front, near hind, far hind
    lift: float = 0.0
    head: float = 0.0
    pitch: float = 0.0


def gait(pose: str, phase: float) -> Gait:
    """Return the leg angles (degrees from straight down, positive to the front) of a pose at a phase."""
    s, c = sin(2 * pi * (phase + 0.15)), cos(2 * pi * (phase + 0.15))
    if pose == "walk":
        return Gait(((24 * s, 24 * s - 12), (-24 * s, -24 * s - 6), (-20 * s, -20 * s + 10), (20 * s, 20 * s + 12)),
            0.0, 3 * c)
    if pose == "run":
        a = 50 * c
        return Gait(((a, a + 12), (a - 20, a - 14), (-a, -a - 22), (-a + 22, -a - 2)), 0.07 + 0.04 * s, -8, -3 * s)
    if pose == "jump":
        high = 0.10 + 0.16 * max(0.0, sin(pi * ((phase + 0.4) % 1.0)))
        return Gait(((72, 40), (58, 20), (-58, -88), (-42, -74)), high, -12, -13)
    if pose == "eat":
        return Gait(((12, 8), (-2, -2), (4, 6), (-8, 2)), 0.0, 58 + 5 * s)
    return Gait(((4, 2), (-7, -4), (2, 5), (-9, -3)), 0.0, 2 * s)


def draw_animal(pen: Pen, thing: SceneObject, phase: float = 0.0) -> None:
    """Draw an animal of height 1 whose feet stand at the origin, facing right."""
    color = COATS.get((thing.noun, thing.color), PALETTE[thing.color])
    if thing.noun == "bird":
        _bird(pen, color, thing.pose, phase)
    elif thing.noun == "duck":
        _duck(pen, color, thing.pose, phase)
    elif thing.pose in ("sleep", "lie"):
        _sleeping(pen, thing.noun, color, phase)
    elif thing.pose == "sit" and thing.noun in ("dog", "cat"):
        _sitting(pen, thing.noun, color, phase)
    else:
        _FOUR[thing.noun](pen, color, gait(thing.pose, phase), phase)


def _legs(pen: Pen, g: Gait, front: float, hind: float, top: float, color: Rgb, width: float, hoof: Rgb | None,
    near: bool) -> None:
    length = -top / 2.0
    pairs = ((g.legs[0], front), (g.legs[2], hind)) if near else ((g.legs[1], front - 0.05), (g.legs[3], hind + 0.05))
    tone = 1.0 if near else 0.74
    for (upper, lower), x in pairs:
        knee = (x + length * sin(radians(upper)), top + length * cos(radians(upper)))
        foot = (knee[0] + length * sin(radians(lower)), knee[1] + length * cos(radians(lower)))
        pen.line([(x, top), knee, foot], shade(color, tone), width)
        if hoof is not None:
            pen.line([(foot[0], foot[1] - 0.02), (foot[0] + 0.025, foot[1] - 0.01)], shade(hoof, tone), 1.05 * width)


def _eye(p: Pen, x: float, y: float, r: float, asleep: bool = False) -> None:
    if asleep:
        p.arc(x, y, r * 1.3, 20, 140, INK, 0.6 * r)
    else:
        p.oval(x, y, 1.25 * r, 1.25 * r, (252, 252, 250))
        p.oval(x + 0.2 * r, y, r, r, INK)


def _dog_head(p: Pen, color: Rgb, asleep: bool = False) -> None:
    dark = shade(color, 0.55) if sum(color) > 200 else shade(color, 1.3)
    p.oval(0.0, 0.0, 0.17, 0.165, color)
    p.oval(0.16, 0.055, 0.125, 0.085, blend(color, (255, 246, 230), 0.35))
    p.oval(0.265, 0.025, 0.042, 0.036, INK)
    p.line([(0.26, 0.07), (0.20, 0.115), (0.12, 0.11)], shade(INK, 1.1), 0.018, smooth=True)
    p.oval(-0.10, 0.06, 0.075, 0.165, dark, turn=14)
    _eye(p, 0.055, -0.045, 0.030, asleep)


def _dog(pen: Pen, color: Rgb, g: Gait, phase: float) -> None:
    dy = -g.lift
    with pen.at(0, dy, turn=g.pitch) as p:
        wag = 14 * sin(4 * pi * phase)
        _legs(p, g, 0.27, -0.33, -0.38, color, 0.105, None, near=False)
        with p.at(-0.44, -0.56, turn=-38 + wag) as t:
            t.line([(0, 0), (-0.14, -0.05), (-0.25, -0.14)], color, 0.075, smooth=True)
        p.curve([(-0.52, -0.68), (0.1, -0.66), (0.48, -0.76), (0.46, -0.36), (0.1, -0.34), (-0.3, -0.40),
            (-0.54, -0.34)], color)
        p.oval(0.28, -0.46, 0.16, 0.16, blend(color, (255, 246, 230), 0.35), alpha=0.6)
        _legs(p, g, 0.31, -0.37, -0.40, color, 0.115, None, near=True)
        p.line([(0.30, -0.58), (0.43, -0.76)], color, 0.20)
        p.line([(0.30, -0.66), (0.42, -0.60)], (206, 46, 46) if color[0] < 200 else (44, 90, 190), 0.055)
        with p.at(0.44, -0.80, turn=g.head * 0.9) as h:
            _dog_head(h, color)


def _cat_head(p: Pen, color: Rgb, asleep: bool = False) -> None:
    dark = shade(color, 0.7)
    for side in (-1, 1):
        p.poly([(0.03 + 0.04 * side, -0.14), (0.03 + 0.19 * side, -0.05), (0.03 + 0.17 * side, -0.30)], color)
        p.poly([(0.03 + 0.09 * side, -0.14), (0.03 + 0.16 * side, -0.09), (0.03 + 0.155 * side, -0.235)],
            (238, 160, 160))
    p.oval(0.03, 0.0, 0.20, 0.17, color)
    for k in (-0.05, 0.03, 0.11):
        p.line([(k, -0.155), (k, -0.10)], dark, 0.020)
    p.oval(0.07, 0.065, 0.10, 0.07, blend(color, (255, 255, 255), 0.55))
    for dx in (-0.04, 0.13):
        if asleep:
            p.arc(dx, -0.015, 0.04, 20, 140, INK, 0.018)
        else:
            p.oval(dx, -0.02, 0.038, 0.045, (196, 214, 70))
            p.oval(dx + 0.006, -0.02, 0.016, 0.040, INK)
    p.poly([(0.05, 0.025), (0.10, 0.025), (0.075, 0.055)], (226, 110, 116))
    for dy in (-0.02, 0.02):
        p.line([(0.13, 0.06), (0.30, 0.05 + 2 * dy)], (245, 245, 240), 0.010)
        p.line([(-0.02, 0.06), (-0.18, 0.05 + 2 * dy)], (245, 245, 240), 0.010)


def _stripes(p: Pen, color: Rgb, places: tuple[Point, ...]) -> None:
    for x, y in places:
        p.line([(x, y), (x + 0.02, y + 0.13)], shade(color, 0.7) if sum(color) > 250 else shade(color, 1.15), 0.035)


def _cat(pen: Pen, color: Rgb, g: Gait, phase: float) -> None:
    sway = 10 * sin(2 * pi * phase)
    with pen.at(0, -g.lift, turn=g.pitch) as p:
        _legs(p, g, 0.25, -0.30, -0.34, color, 0.085, None, near=False)
        with p.at(-0.40, -0.48, turn=sway) as t:
            t.line([(0, 0), (-0.16, -0.03), (-0.22, -0.22), (-0.12, -0.46)], color, 0.075, smooth=True)
        p.curve([(-0.50, -0.58), (0.0, -0.60), (0.44, -0.66), (0.44, -0.32), (0.0, -0.30), (-0.48, -0.28)], color)
        _stripes(p, color, ((-0.28, -0.55), (-0.12, -0.56), (0.04, -0.56)))
        _legs(p, g, 0.29, -0.34, -0.36, color, 0.095, None, near=True)
        with p.at(0.42, -0.69, turn=0.8 * g.head, scale=1.05) as h:
            _cat_head(h, color)


def _sitting(pen: Pen, noun: str, color: Rgb, phase: float) -> None:
    sway = 8 * sin(2 * pi * phase)
    with pen.at(-0.22, -0.08, turn=sway) as t:
        t.line([(0, 0), (-0.20, 0.0), (-0.28, -0.18)], color, 0.08, smooth=True)
    pen.line([(0.14, -0.45), (0.12, -0.05)], shade(color, 0.78), 0.10)
    pen.curve([(-0.36, -0.02), (-0.34, -0.45), (-0.02, -0.72), (0.24, -0.70), (0.30, -0.32), (0.20, 0.02),
        (-0.2, 0.03)], color)
    pen.oval(-0.14, -0.16, 0.18, 0.16, shade(color, 0.92))
    pen.line([(0.20, -0.50), (0.21, -0.06)], color, 0.11)
    pen.oval(0.24, -0.035, 0.075, 0.04, shade(color, 1.15))
    pen.oval(0.0, -0.035, 0.09, 0.04, shade(color, 1.1))
    with pen.at(0.13, -0.77, 1.12) as h:
        if noun == "dog":
            h.line([(-0.09, 0.17), (0.08, 0.17)], (206, 46, 46) if color[0] < 200 else (44, 90, 190), 0.05)
            _dog_head(h, color)
        else:
            _stripes(h, color, ((-0.24, 0.18), (-0.28, 0.34)))
            _cat_head(h, color)


def _sleeping(pen: Pen, noun: str, color: Rgb, phase: float) -> None:
    """Draw any four-legged animal lying down with closed eyes; its sides go up and down."""
    breath = 0.015 * sin(2 * pi * phase)
    big = noun in ("horse", "cow", "elephant")
    body = color
    pen.line([(-0.50, -0.20), (-0.62, -0.06), (-0.45, -0.04)], shade(color, 0.8), 0.06, smooth=True)
    if noun == "sheep":
        for k in range(7):
            pen.oval(-0.42 + 0.12 * k, -0.30 - 0.10 * sin(pi * k / 6), 0.14, 0.14, color)
    pen.curve([(-0.62, -0.02), (-0.60, -0.40 - breath), (-0.1, -0.50 - 2 * breath), (0.42, -0.42), (0.50, -0.02)], body)
    if noun == "cow":
        spot = (52, 48, 50) if sum(color) > 600 else (240, 236, 226)
        pen.oval(-0.2, -0.30, 0.14, 0.10, spot)
        pen.oval(0.12, -0.22, 0.08, 0.09, spot)
    if noun in ("dog", "cat"):
        pen.oval(-0.30, -0.15, 0.20, 0.14, shade(color, 0.92))
    for x in (-0.25, 0.30):
        pen.line([(x, -0.05), (x + 0.24, -0.045)], shade(color, 0.88), 0.10 if big else 0.09)
    scale = {"dog": 1.15, "cat": 1.15}.get(noun, 0.9)
    with pen.at(0.46, -0.22, scale, turn=14) as h:
        _HEADS[noun](h, color, True)


def _horse_head(p: Pen, color: Rgb, asleep: bool = False) -> None:
    p.curve([(-0.10, -0.10), (0.06, -0.16), (0.30, 0.08), (0.34, 0.20), (0.24, 0.24), (0.06, 0.12), (-0.10, 0.14)],
        color)
    p.oval(0.28, 0.16, 0.075, 0.062, shade(color, 0.72), turn=35)
    p.oval(0.31, 0.15, 0.013, 0.016, INK)
    p.poly([(-0.06, -0.09), (0.03, -0.12), (-0.01, -0.26)], color)
    _eye(p, 0.06, -0.01, 0.024, asleep)


def _horse(pen: Pen, color: Rgb, g: Gait, phase: float) -> None:
    mane = (54, 38, 30) if sum(color) > 150 else (24, 20, 22)
    hoof = (48, 40, 38)
    with pen.at(0, -g.lift, turn=g.pitch) as p:
        _legs(p, g, 0.24, -0.30, -0.42, color, 0.062, hoof, near=False)
        p.line([(-0.40, -0.58), (-0.52, -0.50), (-0.52, -0.22 + 0.03 * sin(2 * pi * phase))], mane, 0.075, smooth=True)
        p.curve([(-0.48, -0.66), (-0.1, -0.60), (0.30, -0.68), (0.38, -0.50), (0.26, -0.36), (-0.1, -0.34),
            (-0.44, -0.38)], color)
        _legs(p, g, 0.27, -0.34, -0.43, color, 0.070, hoof, near=True)
        turn = g.head * (1.15 if g.head > 30 else 0.5)
        with p.at(0.26, -0.58, turn=turn) as n:
            n.curve([(-0.14, 0.02), (0.02, -0.30), (0.18, -0.36), (0.24, -0.22), (0.12, 0.12), (-0.02, 0.16)], color)
            n.line([(-0.09, 0.0), (-0.01, -0.20), (0.09, -0.34)], mane, 0.075, smooth=True)
            with n.at(0.17, -0.28, 0.95, turn=-0.35 * turn) as h:
                _horse_head(h, color)
                h.line([(0.0, -0.14), (0.09, -0.06)], mane, 0.05)


def _cow_head(p: Pen, color: Rgb, asleep: bool = False) -> None:
    for side in (-1, 1):
        p.line([(0.03 + 0.06 * side, -0.13), (0.03 + 0.13 * side, -0.20), (0.03 + 0.10 * side, -0.28)],
            (236, 222, 190), 0.036, smooth=True)
        p.oval(0.03 + 0.19 * side, -0.07, 0.085, 0.042, shade(color, 0.72), turn=-18 * side)
    p.curve([(-0.12, -0.17), (0.18, -0.17), (0.20, 0.12), (0.16, 0.22), (-0.06, 0.22), (-0.14, 0.1)], color)
    p.oval(0.05, 0.15, 0.155, 0.105, (240, 178, 170))
    p.oval(0.0, 0.14, 0.020, 0.026, (120, 60, 60))
    p.oval(0.11, 0.14, 0.020, 0.026, (120, 60, 60))
    _eye(p, -0.03, -0.03, 0.026, asleep)
    _eye(p, 0.12, -0.03, 0.026, asleep)


def _cow(pen: Pen, color: Rgb, g: Gait, phase: float) -> None:
    spot = (52, 48, 50) if sum(color) > 600 else (240, 236, 226)
    with pen.at(0, -g.lift, turn=g.pitch) as p:
        _legs(p, g, 0.36, -0.44, -0.38, color, 0.10, (60, 50, 46), near=False)
        p.line([(-0.58, -0.72), (-0.66, -0.55), (-0.65 + 0.03 * sin(2 * pi * phase), -0.32)], shade(color, 0.8),
            0.035, smooth=True)
        p.curve([(-0.64, -0.82), (0.0, -0.78), (0.56, -0.84), (0.58, -0.36), (0.0, -0.30), (-0.62, -0.34)], color)
        p.oval(-0.32, -0.62, 0.17, 0.13, spot, turn=20)
        p.oval(0.10, -0.52, 0.14, 0.12, spot, turn=-25)
        p.oval(0.36, -0.70, 0.10, 0.08, spot)
        p.oval(-0.26, -0.29, 0.11, 0.07, (240, 178, 170))
        _legs(p, g, 0.42, -0.48, -0.40, color, 0.11, (60, 50, 46), near=True)
        turn = g.head
        with p.at(0.50, -0.70, turn=0.6 * turn) as n:
            n.line([(0.0, 0.04), (0.14, -0.06)], color, 0.22)
            with n.at(0.20, -0.10, 1.02, turn=-0.2 * turn) as h:
                _cow_head(h, color)


def _sheep_head(p: Pen, color: Rgb, asleep: bool = False) -> None:
    face = (62, 56, 58) if sum(color) > 300 else (206, 190, 170)
    p.oval(-0.10, -0.05, 0.11, 0.05, face, turn=-20)
    p.oval(0.06, 0.02, 0.15, 0.19, face, turn=-30)
    p.oval(0.0, -0.13, 0.13, 0.09, color)
    _eye(p, 0.08, -0.02, 0.028, asleep)


def _sheep(pen: Pen, color: Rgb, g: Gait, phase: float) -> None:
    face = (62, 56, 58) if sum(color) > 300 else (206, 190, 170)
    with pen.at(0, -g.lift, turn=g.pitch) as p:
        _legs(p, g, 0.28, -0.32, -0.34, face, 0.075, None, near=False)
        _legs(p, g, 0.32, -0.36, -0.34, face, 0.080, None, near=True)
        p.oval(-0.02, -0.58, 0.48, 0.30, shade(color, 0.93))
        for k in range(12):
            a = 2 * pi * k / 12
            p.oval(-0.02 + 0.44 * cos(a), -0.58 + 0.25 * sin(a), 0.145, 0.13, color)
        for x, y in ((-0.22, -0.66), (0.02, -0.70), (0.2, -0.58), (-0.08, -0.54), (-0.28, -0.5)):
            p.arc(x, y, 0.07, 200, 200, shade(color, 0.84), 0.022)
        with p.at(0.46, -0.74, turn=0.9 * g.head) as h:
            with h.at(0.0, 0.0, 1.05) as q:
                _sheep_head(q, color)


def _elephant_head(p: Pen, color: Rgb, asleep: bool = False) -> None:
    p.oval(0.04, 0.0, 0.20, 0.20, color)
    p.line([(0.18, 0.04), (0.28, 0.20), (0.28, 0.36), (0.36, 0.42)], shade(color, 0.95), 0.10, smooth=True)
    p.line([(0.16, 0.15), (0.24, 0.23), (0.31, 0.22)], (248, 242, 224), 0.035, smooth=True)
    p.curve([(-0.05, -0.18), (-0.28, -0.22), (-0.30, 0.10), (-0.14, 0.28), (0.02, 0.10)], shade(color, 0.82))
    _eye(p, 0.11, -0.05, 0.022, asleep)


def _elephant(pen: Pen, color: Rgb, g: Gait, phase: float) -> None:
    slow = Gait(tuple((0.6 * a, 0.45 * b) for a, b in g.legs), 0.4 * g.lift, g.head)  # type: ignore[arg-type]
    with pen.at(0, -slow.lift) as p:
        _legs(p, slow, 0.22, -0.36, -0.36, color, 0.155, shade(color, 0.8), near=False)
        p.line([(-0.58, -0.60), (-0.64, -0.40), (-0.62 + 0.03 * sin(2 * pi * phase), -0.28)], shade(color, 0.75),
            0.03, smooth=True)
        p.curve([(-0.64, -0.72), (-0.30, -0.92), (0.20, -0.90), (0.44, -0.66), (0.34, -0.28), (-0.1, -0.24),
            (-0.60, -0.28)], color)
        _legs(p, slow, 0.24, -0.42, -0.38, color, 0.165, shade(color, 0.8), near=True)
        for x in (0.19, 0.25, 0.31):
            p.oval(x, -0.02, 0.018, 0.014, (238, 230, 214))
        trunk = 0.0 if g.head < 30 else 4 * sin(2 * pi * phase)
        with p.at(0.38, -0.76, 1.22, turn=trunk) as h:
            _elephant_head(h, color)


def _bird(pen: Pen, color: Rgb, pose: str, phase: float) -> None:
    flying = pose == "fly"
    flap = sin(4 * pi * phase) if flying else 0.0
    dark = shade(color, 0.68) if sum(color) > 180 else (92, 92, 104)
    belly = blend(color, (255, 244, 220), 0.6)
    if not flying:
        for x in (-0.03, 0.09):
            pen.line([(x, -0.20), (x, -0.03), (x + 0.08, -0.02)], (230, 150, 50), 0.035)
    pen.poly([(-0.26, -0.45), (-0.62, -0.30), (-0.58, -0.48), (-0.60, -0.58)], dark)
    if flying:
        pen.curve([(-0.16, -0.55), (0.18, -0.58), (0.05, -0.9 - 0.12 * flap), (-0.22, -1.0 - 0.14 * flap)],
            shade(dark, 0.85))
    pen.curve([(-0.36, -0.46), (-0.1, -0.70), (0.30, -0.66), (0.34, -0.30), (0.05, -0.14), (-0.24, -0.22)], color)
    pen.curve([(0.05, -0.48), (0.30, -0.50), (0.28, -0.25), (0.05, -0.17), (-0.08, -0.24)], belly)
    pen.oval(0.27, -0.68, 0.19, 0.18, color)
    pen.poly([(0.43, -0.73), (0.43, -0.61), (0.62, -0.65)], (240, 158, 40))
    _eye(pen, 0.32, -0.72, 0.036)
    if flying:
        tip = 0.05 + 0.45 * flap
        pen.curve([(-0.24, -0.50), (0.16, -0.55), (0.02, -0.7 - 0.5 * tip), (-0.30, -0.80 - 0.6 * tip),
            (-0.42, -0.78 - 0.55 * tip)], dark)
    else:
        pen.curve([(-0.40, -0.32), (-0.12, -0.58), (0.14, -0.50), (0.06, -0.32), (-0.14, -0.24)], dark)


def _duck(pen: Pen, color: Rgb, pose: str, phase: float) -> None:
    step = 14 * sin(2 * pi * phase) if pose == "walk" else 0.0
    asleep = pose in ("sleep", "lie")
    beak = (240, 140, 30)
    if not asleep:
        for x, a in ((-0.06, step), (0.06, -step)):
            with pen.at(x, -0.16, turn=a) as f:
                f.line([(0, -0.04), (0, 0.12)], beak, 0.05)
                f.poly([(-0.04, 0.15), (0.14, 0.15), (0.01, 0.06)], beak)
    dy = 0.13 if asleep else 0.0
    pen.curve([(-0.62, -0.62 + dy), (-0.30, -0.48 + dy), (0.15, -0.52 + dy), (0.40, -0.48 + dy), (0.30, -0.16 + dy),
        (-0.1, -0.10 + dy), (-0.42, -0.22 + dy)], color)
    pen.line([(0.22, -0.42 + dy), (0.26, -0.66 + 2 * dy)], color, 0.19)
    head_y = -0.78 + 2.6 * dy
    pen.oval(0.28, head_y, 0.19, 0.18, (40, 110, 70) if color == COATS[("duck", "brown")] else color)
    pen.curve([(0.40, head_y - 0.04), (0.60, head_y), (0.64, head_y + 0.06), (0.56, head_y + 0.11),
        (0.38, head_y + 0.10)], beak)
    _eye(pen, 0.32, head_y - 0.04, 0.034, asleep)
    pen.curve([(-0.44, -0.44 + dy), (-0.10, -0.48 + dy), (0.14, -0.36 + dy), (0.02, -0.22 + dy), (-0.22, -0.22 + dy)],
        shade(color, 0.82))


_FOUR = {"dog": _dog, "cat": _cat, "horse": _horse, "cow": _cow, "sheep": _sheep, "elephant": _elephant}
_HEADS = {"dog": _dog_head, "cat": _cat_head, "horse": _horse_head, "cow": _cow_head, "sheep": _sheep_head,
    "elephant": _elephant_head}
