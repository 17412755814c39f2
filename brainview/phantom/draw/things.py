"""Food, furniture and small things."""

from __future__ import annotations

from math import cos, pi, radians, sin

import numpy as np

from brainview.phantom.draw.pen import INK, PALETTE, Pen, Rgb, blend, shade
from brainview.phantom.world.scene import SceneObject

CRUST: Rgb = (206, 142, 74)
CREAM: Rgb = (250, 244, 228)
WOOD: Rgb = (150, 98, 54)


def draw_thing(pen: Pen, thing: SceneObject, phase: float = 0.0) -> None:
    """Draw food, furniture or a small thing of height 1 standing at the origin, facing right."""
    dice = np.random.Generator(np.random.Philox(key=thing.look))
    _KINDS[thing.noun](pen, PALETTE[thing.color], dice)


def _apple(p: Pen, c: Rgb, dice: np.random.Generator) -> None:
    p.curve([(-0.36, -0.86), (0.0, -0.72), (0.36, -0.86), (0.56, -0.55), (0.40, -0.08), (0.10, 0.05), (0.0, -0.01),
        (-0.10, 0.05), (-0.40, -0.08), (-0.56, -0.55)], c)
    p.oval(0.0, -0.735, 0.11, 0.045, shade(c, 0.55))
    p.line([(0.0, -0.73), (0.03, -0.86), (0.10, -0.96)], (98, 62, 34), 0.06, smooth=True)
    p.oval(0.26, -0.90, 0.19, 0.085, (72, 152, 62), turn=-22)
    p.oval(-0.22, -0.56, 0.07, 0.12, shade(c, 1.6), turn=20, alpha=0.7)


def _banana(p: Pen, c: Rgb, dice: np.random.Generator) -> None:
    p.curve([(-0.60, -0.86), (-0.48, -0.92), (-0.30, -0.42), (0.08, -0.30), (0.46, -0.42), (0.66, -0.60),
        (0.68, -0.46), (0.42, -0.04), (-0.06, 0.06), (-0.44, -0.16)], c)
    p.curve([(-0.50, -0.70), (-0.36, -0.28), (0.04, -0.14), (0.44, -0.28), (0.40, -0.14), (0.02, 0.0),
        (-0.40, -0.18)], shade(c, 0.86))
    p.line([(-0.545, -0.84), (-0.56, -0.97)], (116, 88, 40), 0.11)
    p.line([(0.61, -0.50), (0.66, -0.55)], (70, 52, 30), 0.09)


def _pizza(p: Pen, c: Rgb, dice: np.random.Generator) -> None:
    p.oval(0.0, -0.42, 0.94, 0.43, (228, 224, 214))
    p.oval(0.0, -0.47, 0.88, 0.40, CRUST)
    p.oval(0.0, -0.50, 0.75, 0.325, blend(c, (250, 196, 70), 0.62))
    for k in range(7):
        a = 2 * pi * k / 7 + 0.4
        r = 0.52 if k % 2 else 0.30
        p.oval(r * cos(a), -0.50 + 0.42 * r * sin(a), 0.12, 0.062, (190, 44, 36))
    for k in range(6):
        a = 2 * pi * k / 6 + 0.9
        p.oval(0.40 * cos(a), -0.50 + 0.17 * sin(a), 0.07, 0.03, (66, 128, 52), turn=40 * k)
    p.line([(0.0, -0.50), (0.84, -0.60)], shade(CRUST, 0.7), 0.02)
    p.line([(0.0, -0.50), (0.60, -0.22)], shade(CRUST, 0.7), 0.02)


def _cake(p: Pen, c: Rgb, dice: np.random.Generator) -> None:
    p.oval(0.0, -0.05, 0.57, 0.075, (214, 220, 226))
    base = shade(c, 0.82) if sum(c) > 260 else c
    p.box(-0.46, -0.58, 0.46, -0.05, base, r=0.07)
    p.box(-0.46, -0.36, 0.46, -0.27, CREAM)
    p.curve([(-0.50, -0.66), (0.50, -0.66), (0.50, -0.44), (0.38, -0.40), (0.26, -0.50), (0.12, -0.38),
        (-0.04, -0.50), (-0.20, -0.40), (-0.34, -0.50), (-0.50, -0.44)], blend(c, (255, 255, 255), 0.62))
    for k, x in enumerate((-0.26, 0.0, 0.26)):
        p.box(x - 0.032, -0.84, x + 0.032, -0.60, ((220, 60, 70), (60, 120, 200), (90, 170, 80))[k])
        p.oval(x, -0.91, 0.042, 0.075, (255, 196, 60))
        p.oval(x, -0.89, 0.020, 0.04, (255, 246, 190))
    for x in (-0.38, -0.13, 0.13, 0.38):
        p.oval(x, -0.62, 0.055, 0.055, (206, 36, 50))


def _bread(p: Pen, c: Rgb, dice: np.random.Generator) -> None:
    crust = (186, 118, 56) if c == PALETTE["brown"] else (224, 152, 70)
    p.curve([(-0.92, -0.06), (-0.94, -0.62), (-0.5, -1.02), (0.5, -1.02), (0.94, -0.62), (0.92, -0.06), (0.5, 0.04),
        (-0.5, 0.04)], crust)
    for x in (-0.48, -0.12, 0.24, 0.58):
        p.line([(x - 0.12, -0.48), (x + 0.08, -0.80)], blend(crust, CREAM, 0.72), 0.11)


def _sandwich(p: Pen, c: Rgb, dice: np.random.Generator) -> None:
    crust = (176, 112, 58) if c == PALETTE["brown"] else (238, 218, 178)
    p.box(-0.72, -0.24, 0.72, 0.0, crust, r=0.10)
    p.curve([(-0.82, -0.36), (-0.5, -0.20), (-0.2, -0.34), (0.1, -0.18), (0.4, -0.34), (0.84, -0.26), (0.80, -0.46),
        (-0.80, -0.46)], (98, 178, 66))
    p.box(-0.72, -0.50, 0.72, -0.38, (222, 66, 52), r=0.05)
    p.poly([(-0.74, -0.56), (0.76, -0.56), (0.52, -0.36), (0.1, -0.50), (-0.3, -0.36)], (252, 206, 72))
    p.curve([(-0.78, -0.54), (-0.76, -0.92), (-0.4, -1.04), (0.4, -1.04), (0.76, -0.92), (0.78, -0.54)], crust)
    for x, y in ((-0.4, -0.84), (-0.1, -0.92), (0.2, -0.82), (0.45, -0.88), (0.02, -0.76)):
        p.oval(x, y, 0.035, 0.022, CREAM)


def _carrot(p: Pen, c: Rgb, dice: np.random.Generator) -> None:
    for a in (-26, 0, 26):
        with p.at(0.0, -0.66, turn=a) as q:
            q.curve([(-0.04, 0.0), (0.04, 0.0), (0.11, -0.24), (0.0, -0.38), (-0.11, -0.24)], (64, 150, 58))
    p.curve([(-0.24, -0.70), (0.0, -0.76), (0.24, -0.70), (0.17, -0.34), (0.02, 0.06), (-0.02, 0.06), (-0.17, -0.34)],
        (240, 126, 30) if c == PALETTE["orange"] else c)
    for x0, x1, y in ((-0.17, -0.02, -0.52), (0.03, 0.15, -0.42), (-0.10, 0.0, -0.30)):
        p.line([(x0, y), (x1, y + 0.01)], (196, 92, 18), 0.025)


def _ice_cream(p: Pen, c: Rgb, dice: np.random.Generator) -> None:
    p.poly([(-0.20, -0.54), (0.20, -0.54), (0.0, 0.0)], (222, 164, 88))
    for k in range(3):
        p.line([(-0.16 + 0.12 * k, -0.52), (0.0 + 0.05 * k, -0.14 - 0.08 * k)], (178, 118, 54), 0.018)
        p.line([(0.16 - 0.12 * k, -0.52), (0.0 - 0.05 * k, -0.14 - 0.08 * k)], (178, 118, 54), 0.018)
    p.oval(0.0, -0.62, 0.255, 0.17, c)
    p.oval(0.0, -0.80, 0.20, 0.165, blend(c, (255, 255, 255), 0.35))
    p.oval(0.02, -0.95, 0.055, 0.05, (206, 36, 50))


def _chair(p: Pen, c: Rgb, dice: np.random.Generator) -> None:
    dark = shade(c, 0.72)
    for x in (-0.20, 0.28):
        p.line([(x, -0.46), (x + (0.03 if x > 0 else -0.02), -0.03)], dark, 0.06)
    p.line([(-0.32, -0.98), (-0.28, -0.46), (-0.31, -0.03)], c, 0.075)
    for y in (-0.90, -0.76, -0.62):
        p.line([(-0.315, y), (-0.18, y - 0.01)], dark, 0.05)
    p.line([(-0.17, -0.96), (-0.16, -0.50)], c, 0.055)
    p.box(-0.34, -0.53, 0.36, -0.43, c, r=0.03)
    p.box(-0.26, -0.58, 0.34, -0.50, blend(c, CREAM, 0.5), r=0.04)
    p.line([(0.32, -0.44), (0.33, -0.03)], c, 0.07)


def _table(p: Pen, c: Rgb, dice: np.random.Generator) -> None:
    wood = WOOD if c == PALETTE["brown"] else c
    for x in (-0.70, 0.70):
        p.line([(x, -0.80), (x, -0.04)], shade(wood, 0.55), 0.075)
    for x in (-0.88, 0.88):
        p.line([(x, -0.80), (x, -0.045)], shade(wood, 0.92), 0.10)
    p.box(-0.90, -0.88, 0.90, -0.72, shade(wood, 0.78))
    p.box(-1.0, -1.0, 1.0, -0.86, wood, r=0.04)
    for k in range(4):
        p.line([(-0.85 + 0.45 * k, -0.94), (-0.58 + 0.45 * k, -0.94)], shade(wood, 0.84), 0.016)


def _sofa(p: Pen, c: Rgb, dice: np.random.Generator) -> None:
    for x in (-0.86, 0.86):
        p.line([(x, -0.12), (x, -0.03)], (72, 48, 32), 0.08)
    p.box(-0.90, -1.0, 0.90, -0.30, shade(c, 0.9), r=0.16)
    p.line([(0.0, -0.94), (0.0, -0.52)], shade(c, 0.66), 0.022)
    p.box(-0.84, -0.58, -0.01, -0.34, blend(c, (255, 255, 255), 0.14), r=0.07)
    p.box(0.01, -0.58, 0.84, -0.34, blend(c, (255, 255, 255), 0.14), r=0.07)
    p.box(-0.88, -0.36, 0.88, -0.10, c, r=0.04)
    for side in (-1, 1):
        p.box(min(0.80 * side, 1.05 * side), -0.70, max(0.80 * side, 1.05 * side), -0.10, shade(c, 1.06), r=0.11)
    with p.at(-0.56, -0.70, turn=16) as q:
        q.box(-0.16, -0.15, 0.16, 0.15, blend(c, (250, 220, 120), 0.75), r=0.05)


def _bed(p: Pen, c: Rgb, dice: np.random.Generator) -> None:
    p.box(1.12, -1.0, 1.25, -0.02, WOOD, r=0.05)
    p.box(-1.25, -0.72, -1.14, -0.02, WOOD, r=0.04)
    p.box(-1.16, -0.36, 1.16, -0.14, shade(WOOD, 0.86))
    p.box(-1.15, -0.60, 1.15, -0.32, (246, 244, 238), r=0.07)
    p.curve([(-1.2, -0.66), (-0.2, -0.66), (0.52, -0.66), (0.60, -0.56), (0.56, -0.22), (-0.4, -0.18), (-1.2, -0.22)],
        c)
    for k in range(5):
        p.line([(-0.95 + 0.34 * k, -0.60), (-0.98 + 0.34 * k, -0.26)], blend(c, (255, 255, 255), 0.45), 0.05)
    p.curve([(0.62, -0.62), (0.70, -0.80), (1.10, -0.82), (1.16, -0.60), (0.9, -0.54)], (255, 255, 252))


def _lamp(p: Pen, c: Rgb, dice: np.random.Generator) -> None:
    p.oval(0.0, -0.03, 0.18, 0.045, (72, 66, 66))
    p.line([(0.0, -0.05), (0.0, -0.68)], (104, 92, 84), 0.045)
    p.oval(0.0, -0.34, 0.06, 0.08, (172, 138, 72))
    p.poly([(-0.225, -0.56), (0.225, -0.56), (0.13, -0.99), (-0.13, -0.99)], c)
    p.poly([(-0.225, -0.56), (0.225, -0.56), (0.205, -0.62), (-0.205, -0.62)], blend(c, (255, 244, 190), 0.75))
    p.oval(0.0, -0.56, 0.215, 0.035, (255, 246, 190))


def _ball(p: Pen, c: Rgb, dice: np.random.Generator) -> None:
    second = (250, 250, 246) if sum(c) < 640 else (168, 176, 192)
    p.oval(0.0, -0.5, 0.49, 0.5, c)
    p.curve([(-0.10, -1.02), (0.12, -1.02), (0.40, -0.5), (0.12, 0.02), (-0.10, 0.02), (0.14, -0.5)], second)
    p.curve([(-0.28, -0.96), (-0.18, -0.99), (-0.16, -0.5), (-0.18, -0.01), (-0.30, -0.05), (-0.36, -0.5)], second)
    p.oval(-0.18, -0.72, 0.10, 0.075, (255, 255, 255), turn=-30, alpha=0.55)


def _umbrella(p: Pen, c: Rgb, dice: np.random.Generator) -> None:
    p.line([(0.0, -0.94), (0.0, -0.10), (0.04, -0.03), (0.10, -0.03), (0.13, -0.10)], (84, 60, 46), 0.042)
    light = blend(c, (255, 255, 255), 0.45) if sum(c) < 640 else (176, 184, 200)
    for k in range(4):
        x0, x1 = -0.52 + 0.26 * k, -0.26 + 0.26 * k
        color = c if k % 2 == 0 else light
        n0, n1 = x0 / 0.52, x1 / 0.52
        edge = [(0.0, -1.0)]
        edge += [(0.52 * n0 * sin(radians(a)), -0.52 - 0.46 * cos(radians(a)) * (1 - 0.10 * abs(n0))) for a in (30,
            60, 90)]
        edge += [(0.5 * (x0 + x1), -0.57)]
        edge += [(0.52 * n1 * sin(radians(a)), -0.52 - 0.46 * cos(radians(a)) * (1 - 0.10 * abs(n1))) for a in (90,
            60, 30)]
        p.poly(edge, color)
    p.line([(0.0, -1.0), (0.0, -0.97)], INK, 0.04)


def _kite(p: Pen, c: Rgb, dice: np.random.Generator) -> None:
    other = blend(c, (255, 255, 255), 0.55) if sum(c) < 640 else (176, 184, 200)
    tail = [(0.0, -0.30), (0.09, -0.22), (-0.06, -0.14), (0.07, -0.06), (-0.02, 0.0)]
    p.line(tail, (90, 80, 80), 0.03, smooth=True)
    for x, y in tail[1:]:
        p.poly([(x - 0.08, y - 0.045), (x + 0.08, y + 0.045), (x + 0.08, y - 0.045), (x - 0.08, y + 0.045)], other)
    p.poly([(0.0, -1.0), (0.38, -0.70), (0.0, -0.28)], c)
    p.poly([(0.0, -1.0), (-0.38, -0.70), (0.0, -0.28)], shade(c, 0.86))
    p.poly([(0.0, -0.70), (0.38, -0.70), (0.0, -0.28)], other)
    p.line([(0.0, -1.0), (0.0, -0.28)], (90, 64, 46), 0.022)
    p.line([(-0.38, -0.70), (0.38, -0.70)], (90, 64, 46), 0.022)


def _book(p: Pen, c: Rgb, dice: np.random.Generator) -> None:
    """Draw an open book that stands with its cover's edge visible."""
    p.poly([(-0.68, -0.90), (0.0, -0.78), (0.68, -0.90), (0.68, -0.06), (0.0, 0.02), (-0.68, -0.06)], c)
    for side in (-1, 1):
        p.curve([(0.02 * side, -0.82), (0.30 * side, -1.0), (0.62 * side, -0.96), (0.64 * side, -0.90),
            (0.64 * side, -0.16), (0.60 * side, -0.14), (0.30 * side, -0.18), (0.02 * side, -0.04)], (252, 248, 236))
        for k in range(4):
            y = -0.72 + 0.13 * k
            p.line([(0.12 * side, y), (0.52 * side, y - 0.06)], (150, 146, 140), 0.035)
    p.line([(0.0, -0.80), (0.0, -0.02)], shade(c, 0.6), 0.05)


def _cup(p: Pen, c: Rgb, dice: np.random.Generator) -> None:
    p.ring(0.36, -0.44, 0.19, shade(c, 0.86), 0.105)
    p.curve([(-0.46, -0.80), (0.40, -0.80), (0.38, -0.10), (0.26, 0.03), (-0.32, 0.03), (-0.44, -0.10)], c)
    p.oval(-0.03, -0.76, 0.405, 0.11, blend(c, (255, 255, 255), 0.5))
    p.oval(-0.03, -0.75, 0.34, 0.075, (98, 60, 36))
    p.line([(-0.36, -0.40), (0.30, -0.40)], blend(c, (255, 255, 255), 0.6) if sum(c) < 640 else (200, 60, 60), 0.09)
    for x in (-0.14, 0.06):
        p.line([(x, -0.86), (x + 0.04, -0.92), (x - 0.02, -0.98)], (250, 250, 250), 0.03, smooth=True)


_KINDS = {
    "apple": _apple, "banana": _banana, "pizza": _pizza, "cake": _cake, "bread": _bread, "sandwich": _sandwich,
    "carrot": _carrot, "ice cream": _ice_cream, "chair": _chair, "table": _table, "sofa": _sofa, "bed": _bed,
    "lamp": _lamp,
    "ball": _ball, "umbrella": _umbrella, "kite": _kite, "book": _book, "cup": _cup,
}  # fmt: skip
