"""The five rooms and the station hall. The picture is 1 x 1; nothing here has the name of a thing of the vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin

from brainview.phantom.draw.outdoors import Dice, slope
from brainview.phantom.draw.pen import INK, Pen, Rgb, blend, shade

WALLS: tuple[Rgb, ...] = ((232, 214, 180), (178, 204, 200), (214, 190, 196), (196, 206, 172), (200, 196, 214))


def room(pen: Pen, dice: Dice, floor: Rgb, planks: bool = True, y: float = 0.655) -> Rgb:
    """Draw wall, skirting and floor; return the wall's colour."""
    wall = WALLS[int(dice.integers(len(WALLS)))]
    slope(pen, 0, y, shade(wall, 0.92), wall)
    slope(pen, y, 1.0, shade(floor, 0.78), shade(floor, 1.05))
    for k in range(15):
        x0, x1 = 0.5 + (k - 7) * 0.085, 0.5 + (k - 7) * 0.2
        pen.line([(x0, y), (x1, 1.0)], shade(floor, 0.66), 0.004)
    rows = (0.70, 0.765, 0.86) if planks else (0.69, 0.735, 0.80, 0.89)
    for ry in rows if not planks else ():
        pen.line([(0, ry), (1, ry)], shade(floor, 0.66), 0.004)
    pen.box(0, y - 0.028, 1, y + 0.004, (244, 240, 232))
    return wall


def window(pen: Pen, x: float, y: float, w: float, h: float, night: bool = False, curtain: Rgb | None = None) -> None:
    """Draw a window with its frame, by day or by night, perhaps with curtains."""
    pen.box(x - w - 0.015, y - h - 0.015, x + w + 0.015, y + h + 0.015, (248, 246, 240))
    pen.box(x - w, y - h, x + w, y + h, (28, 38, 84) if night else (150, 206, 240))
    if night:
        pen.oval(x + 0.3 * w, y - 0.35 * h, 0.036, 0.036, (252, 246, 206))
        pen.oval(x + 0.3 * w - 0.016, y - 0.35 * h - 0.008, 0.030, 0.030, (28, 38, 84))
        for dx, dy in ((-0.6, -0.6), (-0.3, 0.3), (0.65, 0.45), (-0.7, 0.6)):
            pen.oval(x + dx * w, y + dy * h, 0.005, 0.005, (255, 255, 240))
    else:
        with pen.clip([(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)]) as p:
            p.oval(x - 0.3 * w, y + 1.2 * h, 0.9 * w, 0.7 * h, (110, 172, 92))
            p.oval(x + 0.3 * w, y - 0.5 * h, 0.3 * w, 0.14 * h, (250, 252, 254))
    pen.line([(x, y - h), (x, y + h)], (248, 246, 240), 0.011)
    pen.line([(x - w, y), (x + w, y)], (248, 246, 240), 0.011)
    if curtain:
        for side in (-1, 1):
            pen.poly([(x + side * (w + 0.05), y - h - 0.03), (x + side * 0.55 * w, y - h - 0.03),
                (x + side * 0.82 * w, y + 0.1), (x + side * 0.7 * w, y + h + 0.05), (x + side * (w + 0.06),
                y + h + 0.05)], curtain)
        pen.line([(x - w - 0.07, y - h - 0.03), (x + w + 0.07, y - h - 0.03)], (110, 82, 54), 0.014)


def rug(pen: Pen, dice: Dice) -> None:
    """Draw an oval carpet."""
    color = ((170, 60, 60), (60, 96, 140), (120, 84, 130), (190, 140, 70))[int(dice.integers(4))]
    x = float(dice.uniform(0.4, 0.6))
    for r, c in ((0.40, color), (0.35, blend(color, (250, 236, 206), 0.65)), (0.31, shade(color, 0.85))):
        pen.oval(x, 0.84, r, 0.26 * r, c)


def plant(pen: Pen, x: float, y: float, s: float) -> None:
    """Draw a potted plant of height `s`."""
    with pen.at(x, y, s) as p:
        for a in (-62, -38, -14, 14, 38, 62):
            with p.at(0, -0.34, turn=a) as q:
                q.curve([(-0.03, 0), (-0.10, -0.36), (0.0, -0.64), (0.10, -0.36), (0.03, 0)], (56, 128, 64))
        p.poly([(-0.20, -0.36), (0.20, -0.36), (0.14, 0.0), (-0.14, 0.0)], (186, 96, 60))


def kitchen(pen: Pen, dice: Dice) -> None:
    """Draw tiles, cupboards, a stove with a hood, pots and a window."""
    room(pen, dice, (196, 190, 176), planks=False)
    for k in range(14):
        pen.line([(0.072 * k, 0.30), (0.072 * k, 0.46)], (226, 224, 220), 0.004)
    for y in (0.30, 0.35, 0.40, 0.45):
        pen.line([(0, y), (1, y)], (226, 224, 220), 0.004)
    wood = ((96, 140, 140), (188, 142, 92), (150, 84, 70), (226, 220, 206))[int(dice.integers(4))]
    stove = float(dice.choice([0.24, 0.76]))
    for k in range(6):
        x = 0.01 + 0.165 * k
        if abs(x + 0.08 - stove) > 0.11:
            if abs(x + 0.08 - (1 - stove)) > 0.16:
                pen.box(x, 0.02, x + 0.155, 0.26, wood, r=0.006)
                pen.box(x + 0.02, 0.045, x + 0.135, 0.235, shade(wood, 0.86), r=0.004)
                pen.oval(x + 0.14, 0.22, 0.008, 0.008, (240, 240, 240))
            pen.box(x, 0.49, x + 0.155, 0.655, wood, r=0.004)
            pen.box(x + 0.02, 0.515, x + 0.135, 0.63, shade(wood, 0.86), r=0.004)
            pen.line([(x + 0.05, 0.535), (x + 0.105, 0.535)], (236, 236, 236), 0.009)
    pen.box(0, 0.462, 1, 0.49, (86, 82, 84))
    window(pen, 1 - stove, 0.16, 0.10, 0.11)
    pen.poly([(stove - 0.10, 0.22), (stove + 0.10, 0.22), (stove + 0.045, 0.12), (stove + 0.045, 0.0),
        (stove - 0.045, 0.0), (stove - 0.045, 0.12)], (176, 182, 188))
    pen.box(stove - 0.10, 0.455, stove + 0.10, 0.655, (222, 224, 226), r=0.01)
    pen.box(stove - 0.075, 0.53, stove + 0.075, 0.635, (44, 44, 50), r=0.01)
    pen.box(stove - 0.05, 0.56, stove + 0.05, 0.61, (232, 130, 50), alpha=0.75)
    for k in range(4):
        pen.oval(stove - 0.06 + 0.04 * k, 0.495, 0.011, 0.011, INK)
    pen.box(stove - 0.055, 0.385, stove + 0.055, 0.455, (196, 60, 50), r=0.012)
    pen.line([(stove - 0.08, 0.405), (stove + 0.08, 0.405)], (60, 60, 64), 0.012)


def living_room(pen: Pen, dice: Dice) -> None:
    """Draw a fireplace, a curtained window, a landscape in a frame and a rug."""
    wall = room(pen, dice, (176, 120, 74))
    for k in range(17):
        pen.line([(0.03 + 0.06 * k, 0.0), (0.03 + 0.06 * k, 0.62)], shade(wall, 0.93), 0.012)
    side = 1 if dice.random() < 0.5 else -1
    fx = 0.5 + 0.27 * side
    pen.box(fx - 0.17, 0.30, fx + 0.17, 0.66, (168, 92, 70))
    for row in range(7):
        for k in range(5):
            bx = fx - 0.165 + 0.07 * k + 0.03 * (row % 2)
            pen.box(bx, 0.31 + 0.05 * row, min(bx + 0.06, fx + 0.168), 0.345 + 0.05 * row,
                shade((178, 98, 74), 0.84 + 0.1 * ((k + row) % 3)))
    pen.box(fx - 0.20, 0.275, fx + 0.20, 0.315, (236, 226, 206))
    pen.box(fx - 0.10, 0.42, fx + 0.10, 0.66, (34, 26, 26))
    for dx, h, c in ((-0.045, 0.13, (240, 110, 30)), (0.04, 0.15, (240, 110, 30)), (0.0, 0.18, (250, 150, 40)),
        (0.0, 0.10, (255, 226, 110))):
        pen.curve([(fx + dx - 0.04, 0.645), (fx + dx - 0.02, 0.645 - 0.6 * h), (fx + dx, 0.645 - 1.4 * h),
            (fx + dx + 0.025, 0.645 - 0.6 * h), (fx + dx + 0.04, 0.645)], c)
    pen.box(fx - 0.09, 0.10, fx + 0.09, 0.235, (180, 140, 70))
    pen.box(fx - 0.075, 0.115, fx + 0.075, 0.22, (150, 200, 226))
    pen.poly([(fx - 0.075, 0.22), (fx - 0.02, 0.15), (fx + 0.03, 0.20), (fx + 0.05, 0.17), (fx + 0.075, 0.22)],
        (84, 130, 90))
    window(pen, 0.5 - 0.25 * side, 0.26, 0.12, 0.16,
        curtain=((190, 70, 60), (60, 110, 110), (214, 160, 70))[int(dice.integers(3))])
    plant(pen, 0.5 - 0.45 * side, 0.68, 0.26)
    rug(pen, dice)


def bedroom(pen: Pen, dice: Dice) -> None:
    """Draw a night window, a wardrobe, stars on the wall and a rug."""
    wall = room(pen, dice, (156, 112, 84))
    for k in range(26):
        x, y = 0.04 + 0.155 * (k % 7) + 0.07 * ((k // 7) % 2), 0.07 + 0.15 * (k // 7)
        a = blend(wall, (255, 255, 255), 0.5)
        pen.poly([(x, y - 0.022), (x + 0.007, y - 0.006), (x + 0.022, y), (x + 0.007, y + 0.006), (x, y + 0.022),
            (x - 0.007, y + 0.006), (x - 0.022, y), (x - 0.007, y - 0.006)], a)
    side = 1 if dice.random() < 0.5 else -1
    window(pen, 0.5 - 0.20 * side, 0.26, 0.13, 0.16, night=True,
        curtain=((96, 76, 140), (60, 90, 150), (160, 80, 110))[int(dice.integers(3))])
    wx = 0.5 + 0.33 * side
    pen.box(wx - 0.14, 0.12, wx + 0.14, 0.66, (140, 94, 60), r=0.01)
    for s in (-1, 1):
        pen.box(wx + 0.07 * s - 0.055, 0.15, wx + 0.07 * s + 0.055, 0.62, (166, 114, 74), r=0.008)
        pen.oval(wx + 0.022 * s, 0.40, 0.010, 0.010, (240, 214, 130))
    rug(pen, dice)


def classroom(pen: Pen, dice: Dice) -> None:
    """Draw a chalkboard with sums and shapes, a world map, a clock and coat pegs."""
    room(pen, dice, (188, 140, 88))
    side = 1 if dice.random() < 0.5 else -1
    cx = 0.5 - 0.12 * side
    pen.box(cx - 0.30, 0.09, cx + 0.30, 0.47, (150, 102, 62), r=0.008)
    pen.box(cx - 0.28, 0.11, cx + 0.28, 0.45, (40, 84, 66))
    chalk = (232, 240, 234)
    kept, pen.depth = pen.depth, 0.0
    pen.ring(cx - 0.18, 0.21, 0.045, chalk, 0.007)
    pen.line([(cx - 0.05, 0.255), (cx, 0.165), (cx + 0.05, 0.255), (cx - 0.05, 0.255)], chalk, 0.007)
    pen.line([(cx + 0.13, 0.165), (cx + 0.22, 0.165), (cx + 0.22, 0.255), (cx + 0.13, 0.255), (cx + 0.13, 0.165)],
        chalk, 0.007)
    for k in range(3):
        pen.line([(cx - 0.22, 0.31 + 0.045 * k), (cx + (0.20, 0.10, 0.16)[k], 0.31 + 0.045 * k)],
            blend(chalk, (40, 84, 66), 0.35), 0.006)
    pen.depth = kept
    pen.box(cx - 0.30, 0.465, cx + 0.30, 0.485, (170, 120, 76))
    mx = 0.5 + 0.36 * side
    pen.ring(mx, 0.12, 0.055, (60, 60, 66), 0.014)
    pen.oval(mx, 0.12, 0.05, 0.05, (250, 250, 246))
    pen.line([(mx, 0.12), (mx, 0.085)], INK, 0.007)
    pen.line([(mx, 0.12), (mx + 0.026, 0.13)], INK, 0.007)
    pen.box(mx - 0.10, 0.22, mx + 0.10, 0.40, (120, 184, 220))
    for dx, dy, rx, ry in ((-0.06, 0.28, 0.028, 0.032), (-0.045, 0.345, 0.018, 0.03), (0.015, 0.28, 0.02, 0.02),
        (0.02, 0.33, 0.022, 0.034), (0.062, 0.275, 0.032, 0.028), (0.075, 0.355, 0.016, 0.012)):
        pen.oval(mx + dx, dy, rx, ry, (120, 170, 90))
    for k in range(4):
        px = mx - 0.09 + 0.06 * k
        pen.curve([(px - 0.02, 0.50), (px + 0.02, 0.50), (px + 0.026, 0.60), (px - 0.026, 0.60)],
            ((200, 70, 60), (70, 110, 180), (230, 180, 60), (90, 150, 90))[k])
        pen.line([(px, 0.485), (px, 0.51)], (110, 82, 54), 0.010)


def shop(pen: Pen, dice: Dice) -> None:
    """Draw a striped awning and shelves full of jars, boxes and bottles."""
    room(pen, dice, (206, 204, 200), planks=False)
    color = ((200, 56, 52), (46, 120, 96), (52, 92, 170))[int(dice.integers(3))]
    for y in (0.27, 0.405, 0.54, 0.645):
        x = 0.02
        while y < 0.64 and x < 0.96:
            w, h = float(dice.uniform(0.03, 0.065)), float(dice.uniform(0.05, 0.105))
            c: Rgb = tuple(int(v) for v in dice.integers(50, 235, 3))  # type: ignore[assignment]
            kind = dice.random()
            if kind < 0.5:
                pen.box(x, y - h, x + w, y, c)
                pen.box(x + 0.15 * w, y - 0.7 * h, x + 0.85 * w, y - 0.35 * h, (250, 246, 236))
            elif kind < 0.8:
                pen.box(x, y - 0.8 * h, x + w, y, c, r=0.012)
                pen.box(x + 0.004, y - h, x + w - 0.004, y - 0.76 * h, shade(c, 0.6))
            else:
                pen.box(x + 0.2 * w, y - 1.05 * h, x + 0.5 * w, y - 0.5 * h, c)
                pen.box(x, y - 0.66 * h, x + 0.7 * w, y, c, r=0.01)
            x += w + float(dice.uniform(0.004, 0.02))
        pen.box(0, y, 1, y + 0.022, (134, 94, 60))
    for k in range(12):
        c = color if k % 2 == 0 else (248, 244, 236)
        pen.poly([(k / 12, 0.0), ((k + 1) / 12, 0.0), ((k + 1) / 12, 0.10), (k / 12, 0.10)], c)
        pen.oval((k + 0.5) / 12, 0.10, 0.0417, 0.032, c)


def station(pen: Pen, dice: Dice) -> None:
    """Draw a hall with arched roof, columns, a clock, rails and a platform with its yellow line."""
    slope(pen, 0, 0.6, (168, 190, 206), (220, 226, 226))
    for k in range(6):
        r = 0.62 - 0.10 * k
        pen.arc(0.5, 0.52, r, 180, 180, shade((88, 102, 112), 0.85 + 0.1 * k), 0.016, squash=0.78)
    for k in range(7):
        a = pi * (k + 0.5) / 7
        pen.line([(0.5 - 0.12 * cos(a), 0.52 - 0.10 * sin(a)), (0.5 - 0.62 * cos(a), 0.52 - 0.48 * sin(a))],
            (110, 122, 130), 0.008)
    pen.box(0, 0.44, 1, 0.57, (150, 112, 92))
    for row in range(4):
        for k in range(12):
            x = 0.085 * k + 0.0425 * (row % 2) - 0.02
            pen.box(x, 0.445 + 0.031 * row, x + 0.078, 0.471 + 0.031 * row,
                shade((158, 112, 90), 0.82 + 0.12 * ((3 * k + row) % 3)))
    slope(pen, 0.565, 0.66, (104, 96, 90), (78, 72, 70))
    for k in range(20):
        x = 0.5 + (k - 9.5) * 0.06
        pen.line([(x, 0.59), (x + (x - 0.5) * 0.25, 0.645)], (64, 48, 38), 0.014)
    for y in (0.596, 0.632):
        pen.line([(-0.01, y), (1.01, y)], (196, 200, 206), 0.009)
    slope(pen, 0.66, 1.0, (188, 184, 178), (150, 146, 142))
    pen.box(0, 0.655, 1, 0.672, (226, 222, 214))
    pen.box(0, 0.69, 1, 0.706, (244, 200, 50))
    for k in range(12):
        pen.line([(0.5 + (k - 5.5) * 0.10, 0.712), (0.5 + (k - 5.5) * 0.17, 1.0)], (140, 136, 132), 0.004)
    for x in (0.06, 0.94):
        pen.box(x - 0.022, 0.10, x + 0.022, 0.70, (58, 84, 84))
        pen.box(x - 0.036, 0.08, x + 0.036, 0.13, (74, 104, 102))
        pen.box(x - 0.034, 0.66, x + 0.034, 0.705, (74, 104, 102))
    pen.line([(0.5, 0.0), (0.5, 0.10)], (58, 84, 84), 0.010)
    pen.oval(0.5, 0.155, 0.068, 0.068, (58, 84, 84))
    pen.oval(0.5, 0.155, 0.056, 0.056, (252, 250, 244))
    h, m = float(dice.uniform(0, 2 * pi)), float(dice.uniform(0, 2 * pi))
    pen.line([(0.5, 0.155), (0.5 + 0.028 * sin(h), 0.155 - 0.028 * cos(h))], INK, 0.009)
    pen.line([(0.5, 0.155), (0.5 + 0.044 * sin(m), 0.155 - 0.044 * cos(m))], INK, 0.007)


INDOOR_SCENES: dict[str, Callable[[Pen, Dice], None]] = {
    "kitchen": kitchen, "living room": living_room, "bedroom": bedroom, "classroom": classroom, "shop": shop,
    "station": station,
}  # fmt: skip
