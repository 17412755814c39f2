"""The six settings under the sky. The picture is 1 x 1; nothing here has the name of a thing of the vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sin

import numpy as np
import skia

from brainview.phantom.draw.pen import Pen, Rgb, blend, shade
from brainview.phantom.world.vocabulary import SETTINGS

Dice = np.random.Generator
SNOW: Rgb = (244, 248, 252)


def slope(pen: Pen, top: float, bottom: float, upper: Rgb, lower: Rgb) -> None:
    """Fill a horizontal band with a vertical gradient."""
    colors = [(255 << 24) | (c[0] << 16) | (c[1] << 8) | c[2] for c in (upper, lower)]
    paint = skia.Paint()
    paint.setShader(skia.GradientShader.MakeLinear(points=[(0, top), (0, bottom)], colors=colors))
    pen.canvas.drawRect(skia.Rect.MakeLTRB(0, top, 1, bottom), paint)


def sky(pen: Pen, dice: Dice, bottom: float, upper: Rgb = (72, 142, 216), lower: Rgb = (206, 230, 244)) -> None:
    """Draw the sky with a sun or clouds."""
    slope(pen, 0, bottom, upper, lower)
    if dice.random() < 0.5:
        x = float(dice.uniform(0.08, 0.92))
        pen.oval(x, 0.11, 0.085, 0.085, (255, 244, 190), alpha=0.35)
        pen.oval(x, 0.11, 0.055, 0.055, (255, 232, 130))
    for _ in range(int(dice.integers(1, 4))):
        x, y, s = float(dice.uniform(0, 1)), float(dice.uniform(0.05, 0.24)), float(dice.uniform(0.5, 1.1))
        for dx, dy, r in ((-0.08, 0.01, 0.04), (-0.03, -0.015, 0.055), (0.035, -0.005, 0.048), (0.085, 0.012, 0.034)):
            pen.oval(x + dx * s, y + dy * s, r * s * 1.25, r * s * 0.8, (250, 251, 253), alpha=0.92)


def hills(pen: Pen, dice: Dice, y: float, height: float, color: Rgb) -> None:
    """Draw a rolling line of hills down to the bottom of the picture."""
    a, b = float(dice.uniform(0, 2 * pi)), float(dice.uniform(0, 2 * pi))
    xs = np.linspace(-0.05, 1.05, 14)
    line = [(float(x), y - height * (0.5 + 0.35 * sin(5 * x + a) + 0.2 * sin(11 * x + b))) for x in xs]
    pen.poly([*line, (1.05, 1.0), (-0.05, 1.0)], color)


def round_tree(pen: Pen, dice: Dice, x: float, y: float, h: float) -> None:
    """Draw a leafy tree of height `h` standing at (x, y)."""
    green = blend((52, 122, 52), (96, 150, 50), float(dice.random()))
    with pen.at(x, y, h) as p:
        p.poly([(-0.055, 0.0), (-0.04, -0.5), (0.04, -0.5), (0.055, 0.0)], (104, 72, 44))
        for dx, dy, r in ((-0.17, -0.52, 0.17), (0.17, -0.54, 0.17), (0.0, -0.50, 0.18), (-0.10, -0.72, 0.18),
            (0.11, -0.74, 0.17), (0.0, -0.86, 0.15)):
            p.oval(dx, dy, r, r, shade(green, 0.85 + 0.3 * float(dice.random())))


def pine(pen: Pen, dice: Dice, x: float, y: float, h: float, snow: bool = False) -> None:
    """Draw a fir of height `h` standing at (x, y)."""
    green = shade((36, 88, 58), float(dice.uniform(0.8, 1.15)))
    with pen.at(x, y, h) as p:
        p.box(-0.04, -0.2, 0.04, 0.0, (92, 62, 40))
        for k in range(4):
            w, base = 0.26 - 0.05 * k, -0.14 - 0.2 * k
            p.poly([(-w, base), (w, base), (0, base - 0.32)], shade(green, 0.9 + 0.06 * k))
            if snow:
                p.poly([(-0.4 * w, base - 0.19), (0.4 * w, base - 0.19), (0, base - 0.32)], SNOW)


def tufts(pen: Pen, dice: Dice, top: float, color: Rgb, count: int, flowers: bool = False) -> None:
    """Scatter tufts of grass, and flowers, that grow towards the viewer."""
    for x, t in dice.random((count, 2)).tolist():
        y, s = top + (1 - top) * t, 0.006 + 0.016 * t
        pen.line([(x - s, y - s), (x, y)], shade(color, 0.72), 0.3 * s)
        pen.line([(x + s, y - 1.2 * s), (x, y)], shade(color, 1.25), 0.3 * s)
        if flowers and t > 0.3:
            petal = ((240, 90, 110), (250, 214, 80), (250, 250, 250), (150, 110, 220))[int(100 * x) % 4]
            pen.oval(x, y - 1.4 * s, 0.45 * s, 0.42 * s, petal)


def park(pen: Pen, dice: Dice) -> None:
    """Draw a lawn with trees and a path."""
    sky(pen, dice, 0.62)
    hills(pen, dice, 0.56, 0.08, (108, 168, 92))
    for x in np.sort(dice.uniform(-0.05, 1.05, 7)).tolist():
        round_tree(pen, dice, x, 0.585, float(dice.uniform(0.20, 0.32)))
    slope(pen, 0.575, 1.0, (122, 182, 78), (66, 130, 52))
    bend, x0 = float(dice.uniform(-0.2, 0.2)), float(dice.uniform(0.3, 0.7))
    pen.poly([(x0 - 0.012, 0.578), (x0 + 0.012, 0.578), (x0 + bend + 0.12, 0.74), (x0 + 0.34, 1.0), (x0 - 0.16, 1.0),
        (x0 + bend - 0.02, 0.74)], (214, 194, 156))
    round_tree(pen, dice, float(dice.choice([0.05, 0.95])), 0.64, 0.60)
    tufts(pen, dice, 0.62, (86, 150, 60), 44, flowers=True)


def street(pen: Pen, dice: Dice) -> None:
    """Draw house fronts, a pavement and a road with lane marks."""
    sky(pen, dice, 0.5, (96, 150, 206), (222, 230, 236))
    walls = ((196, 106, 82), (222, 190, 142), (132, 150, 168), (178, 88, 74), (206, 208, 200), (118, 108, 130))
    x = -0.04
    while x < 1.0:
        w, top = float(dice.uniform(0.17, 0.27)), float(dice.uniform(0.06, 0.26))
        wall = walls[int(dice.integers(len(walls)))]
        pen.box(x, top, x + w, 0.60, wall)
        pen.box(x - 0.006, top - 0.018, x + w + 0.006, top + 0.008, shade(wall, 0.62))
        columns = 2 if w < 0.21 else 3
        for row in range(int((0.50 - top) / 0.105)):
            for column in range(columns):
                wx = x + (column + 0.5) * w / columns
                wy = top + 0.035 + 0.105 * row
                lit = dice.random() < 0.25
                pen.box(wx - 0.024, wy - 0.004, wx + 0.024, wy + 0.066, (244, 240, 230))
                pen.box(wx - 0.018, wy, wx + 0.018, wy + 0.06, (255, 226, 140) if lit else (66, 86, 108))
        door = x + float(dice.uniform(0.3, 0.7)) * w
        pen.box(door - 0.026, 0.50, door + 0.026, 0.60, shade(wall, 0.45))
        x += w + 0.004
    slope(pen, 0.595, 0.68, (196, 192, 186), (176, 172, 166))
    for k in range(9):
        pen.line([(0.06 + 0.125 * k, 0.597), (0.03 + 0.132 * k, 0.678)], (150, 146, 140), 0.003)
    pen.box(0, 0.675, 1, 0.692, (224, 220, 212))
    slope(pen, 0.69, 1.0, (92, 94, 100), (62, 64, 70))
    for k in range(5):
        pen.poly([(0.05 + 0.22 * k, 0.835), (0.17 + 0.22 * k, 0.835), (0.165 + 0.22 * k, 0.858),
            (0.04 + 0.22 * k, 0.858)], (240, 236, 216))


def beach(pen: Pen, dice: Dice) -> None:
    """Draw sea, waves, sand and a palm."""
    sky(pen, dice, 0.42, (56, 150, 222), (190, 228, 246))
    slope(pen, 0.40, 0.66, (24, 104, 168), (78, 182, 204))
    for x, t in dice.random((26, 2)).tolist():
        y = 0.42 + 0.21 * t
        pen.line([(x, y), (x + 0.02 + 0.05 * t, y)], (190, 230, 240), 0.003 + 0.004 * t, alpha=0.8)
    phase = float(dice.uniform(0, 6))
    foam = [(x, 0.648 + 0.012 * sin(9 * x + phase)) for x in np.linspace(-0.02, 1.02, 22).tolist()]
    pen.poly([*foam, (1.02, 1.0), (-0.02, 1.0)], (248, 250, 250))
    pen.poly([*[(x, y + 0.02) for x, y in foam], (1.02, 1.0), (-0.02, 1.0)], (236, 208, 150))
    slope_top = [(x, y + 0.034) for x, y in foam]
    pen.poly([*slope_top, (1.02, 1.0), (-0.02, 1.0)], (228, 192, 128))
    for x, t in dice.random((24, 2)).tolist():
        y = 0.72 + 0.27 * t
        pen.oval(x, y, 0.004 + 0.008 * t, 0.003 + 0.004 * t, (200, 160, 100) if t < 0.6 else (246, 232, 212))
    side = 1 if dice.random() < 0.5 else -1
    root = 0.5 + 0.47 * side
    pen.line([(root, 0.80), (root - 0.02 * side, 0.5), (root - 0.07 * side, 0.22)], (128, 92, 56), 0.032, smooth=True)
    for a in (-165, -130, -80, -35, -5, 40, 140):
        with pen.at(root - 0.07 * side, 0.21, turn=a) as p:
            p.curve([(0, -0.012), (0.10, -0.05), (0.22, 0.0), (0.24, 0.03), (0.12, 0.01), (0, 0.016)], (52, 132, 62))


def forest(pen: Pen, dice: Dice) -> None:
    """Draw many trunks, deep green and a mossy ground."""
    slope(pen, 0, 0.62, (150, 186, 150), (206, 222, 176))
    for layer, (tone, count) in enumerate(((0.62, 11), (0.35, 8), (0.0, 5))):
        foot = 0.58 + 0.025 * layer
        for x in np.linspace(-0.02, 1.02, count).tolist():
            x += float(dice.uniform(-0.04, 0.04))
            w = (0.016, 0.026, 0.042)[layer] * float(dice.uniform(0.8, 1.2))
            trunk = blend((84, 60, 42), (176, 200, 160), tone)
            pen.poly([(x - w * 1.4, foot + 0.02), (x - w, -0.02), (x + w, -0.02), (x + w * 1.5, foot + 0.02)], trunk)
            if layer:
                pen.line([(x, 0.34), (x + 3 * w * (1 if x < 0.5 else -1), 0.24)], trunk, 0.5 * w)
        leaf = blend((36, 92, 44), (168, 200, 150), tone)
        for _ in range(9 + 3 * layer):
            r = float(dice.uniform(0.06, 0.12))
            pen.oval(float(dice.uniform(0, 1)), float(dice.uniform(-0.03, 0.10 + 0.07 * (2 - layer))), 1.4 * r, r,
                shade(leaf, float(dice.uniform(0.8, 1.2))))
    slope(pen, 0.60, 1.0, (92, 122, 62), (62, 78, 42))
    tufts(pen, dice, 0.62, (70, 116, 50), 50)
    for x, t in dice.random((9, 2)).tolist():
        y, s = 0.66 + 0.32 * t, 0.009 + 0.014 * t
        pen.line([(x, y), (x, y - 1.1 * s)], (240, 232, 214), 0.7 * s)
        pen.curve([(x - 1.2 * s, y - s), (x, y - 2.6 * s), (x + 1.2 * s, y - s)], (190, 52, 40))


def mountain(pen: Pen, dice: Dice) -> None:
    """Draw snowy peaks, a lake, firs and a meadow."""
    sky(pen, dice, 0.6, (66, 126, 204), (214, 230, 244))
    for layer in range(2):
        rock = blend((102, 112, 134), (196, 212, 230), 0.5 - 0.5 * layer)
        for x in np.linspace(0.0, 1.0, 4 - layer).tolist():
            x += float(dice.uniform(-0.1, 0.1))
            h, w = float(dice.uniform(0.34, 0.50)) - 0.05 * layer, float(dice.uniform(0.24, 0.34))
            top = 0.58 - h
            pen.poly([(x - w, 0.6), (x, top), (x + w, 0.6)], rock)
            pen.poly([(x, top), (x + w, 0.6), (x + 0.1 * w, 0.6)], shade(rock, 0.74))
            pen.poly([(x - 0.34 * w, top + 0.34 * h), (x, top), (x + 0.34 * w, top + 0.34 * h),
                (x + 0.14 * w, top + 0.27 * h), (x, top + 0.38 * h), (x - 0.15 * w, top + 0.28 * h)], SNOW)
    slope(pen, 0.565, 0.66, (66, 140, 176), (110, 180, 200))
    for x, t in dice.random((12, 2)).tolist():
        pen.line([(x, 0.575 + 0.06 * t), (x + 0.07, 0.575 + 0.06 * t)], (204, 232, 240), 0.003)
    hills(pen, dice, 0.665, 0.035, (122, 156, 84))
    slope(pen, 0.67, 1.0, (122, 156, 84), (78, 112, 60))
    for x in (*dice.uniform(-0.02, 0.2, 3).tolist(), *dice.uniform(0.8, 1.02, 3).tolist()):
        pine(pen, dice, x, float(dice.uniform(0.63, 0.68)), float(dice.uniform(0.20, 0.36)), snow=True)
    for x, t in dice.random((7, 2)).tolist():
        pen.oval(x, 0.70 + 0.28 * t, 0.012 + 0.02 * t, 0.008 + 0.012 * t, (140, 140, 146))
    tufts(pen, dice, 0.68, (104, 140, 70), 30, flowers=True)


def farm(pen: Pen, dice: Dice) -> None:
    """Draw a red barn, a silo, a fence and ploughed fields."""
    sky(pen, dice, 0.55, (98, 164, 224), (236, 238, 226))
    hills(pen, dice, 0.53, 0.07, (166, 182, 84))
    x = float(dice.choice([0.22, 0.76]))
    pen.box(x + 0.15, 0.24, x + 0.235, 0.56, (186, 190, 196))
    pen.oval(x + 0.1925, 0.24, 0.0425, 0.035, (150, 156, 166))
    red = (176, 44, 38)
    pen.poly([(x - 0.16, 0.57), (x - 0.16, 0.34), (x - 0.11, 0.23), (x, 0.17), (x + 0.11, 0.23), (x + 0.16, 0.34),
        (x + 0.16, 0.57)], red)
    pen.line([(x - 0.175, 0.35), (x - 0.118, 0.225), (x, 0.16), (x + 0.118, 0.225), (x + 0.175, 0.35)],
        (240, 236, 228), 0.018)
    pen.box(x - 0.065, 0.40, x + 0.065, 0.57, (110, 28, 26))
    for a, b in (((-0.065, 0.40), (0.065, 0.57)), ((0.065, 0.40), (-0.065, 0.57))):
        pen.line([(x + a[0], a[1]), (x + b[0], b[1])], (240, 236, 228), 0.010)
    pen.box(x - 0.035, 0.26, x + 0.035, 0.32, (240, 236, 228))
    slope(pen, 0.56, 1.0, (170, 176, 82), (126, 136, 58))
    for k in range(11):
        x0, x1 = 0.5 + (k - 5) * 0.10, 0.5 + (k - 5) * 0.30
        pen.line([(x0, 0.645), (x1, 1.0)], (150, 124, 66), 0.016)
    for k in range(8):
        fx = 0.02 + 0.137 * k
        pen.box(fx - 0.010, 0.535, fx + 0.010, 0.64, (236, 232, 222))
    for fy in (0.56, 0.60):
        pen.box(0, fy - 0.008, 1, fy + 0.008, (246, 242, 234))
    tufts(pen, dice, 0.66, (120, 140, 56), 30)


OUTDOOR_SCENES: dict[str, Callable[[Pen, Dice], None]] = {
    "park": park, "street": street, "beach": beach, "forest": forest, "mountain": mountain, "farm": farm,
}  # fmt: skip
assert set(OUTDOOR_SCENES) == {name for name, setting in SETTINGS.items() if not setting.indoors}
