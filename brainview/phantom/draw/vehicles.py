"""Vehicles in side view: parked ones are dark and empty, moving ones have lights, a driver and turning wheels."""

from __future__ import annotations

from math import cos, pi, sin

from brainview.phantom.draw.pen import INK, PALETTE, Pen, Rgb, blend, shade
from brainview.phantom.world.scene import SceneObject

GLASS: Rgb = (172, 214, 236)
TYRE: Rgb = (38, 38, 42)
STEEL: Rgb = (196, 200, 206)
LAMP: Rgb = (255, 238, 150)
SKIN: Rgb = (226, 176, 138)


def draw_vehicle(pen: Pen, thing: SceneObject, phase: float = 0.0) -> None:
    """Draw a vehicle of height 1 standing at the origin and heading right."""
    moving = thing.pose in ("drive", "sail", "follow", "")
    _KINDS[thing.noun](pen, PALETTE[thing.color], moving, phase)


def _wheel(p: Pen, x: float, r: float, phase: float) -> None:
    p.oval(x, -r, r, r, TYRE)
    p.oval(x, -r, 0.58 * r, 0.58 * r, STEEL)
    for k in range(5):
        a = 2 * pi * (k / 5 + 2 * phase)
        p.line([(x, -r), (x + 0.5 * r * cos(a), -r + 0.5 * r * sin(a))], shade(STEEL, 0.6), 0.09 * r)
    p.oval(x, -r, 0.16 * r, 0.16 * r, shade(STEEL, 0.5))


def _driver(p: Pen, x: float, y: float, r: float) -> None:
    p.oval(x, y, r, 1.1 * r, SKIN)
    p.curve([(x - 1.2 * r, y - 0.1 * r), (x - r, y - 1.4 * r), (x + r, y - 1.4 * r), (x + 1.1 * r, y - 0.4 * r)],
        (74, 50, 36))
    p.curve([(x - 1.6 * r, y + 2.2 * r), (x - 1.2 * r, y + r), (x + 1.2 * r, y + r), (x + 1.6 * r, y + 2.2 * r)],
        (70, 90, 130))


def _car(p: Pen, color: Rgb, moving: bool, phase: float) -> None:
    p.curve([(-0.62, -0.50), (-0.52, -0.98), (-0.1, -1.06), (0.28, -1.0), (0.60, -0.52), (0.0, -0.40)], color)
    for xs in ((-0.48, -0.08), (0.0, 0.44)):
        top = (xs[0] + 0.06, xs[1] - (0.16 if xs[1] > 0.2 else 0.0))
        p.poly([(xs[0], -0.60), (top[0], -0.92), (top[1], -0.92), (xs[1], -0.60)], GLASS)
    if moving:
        _driver(p, 0.14, -0.72, 0.075)
    p.curve([(-1.08, -0.20), (-1.06, -0.58), (-0.6, -0.66), (0.5, -0.64), (0.98, -0.56), (1.08, -0.36), (1.04, -0.14),
        (-1.0, -0.12)], color)
    p.line([(-1.0, -0.20), (1.0, -0.20)], shade(color, 0.6), 0.05)
    p.line([(-0.04, -0.60), (-0.04, -0.24)], shade(color, 0.65), 0.02)
    p.line([(0.04, -0.50), (0.14, -0.50)], STEEL, 0.035)
    p.oval(0.97, -0.44, 0.075, 0.075, LAMP if moving else (206, 210, 206))
    p.oval(-0.99, -0.46, 0.045, 0.085, (214, 40, 40))
    for x in (-0.62, 0.62):
        p.oval(x, -0.23, 0.27, 0.27, shade(color, 0.4))
        _wheel(p, x, 0.22, phase)


def _bus(p: Pen, color: Rgb, moving: bool, phase: float) -> None:
    p.box(-0.95, -1.0, 0.95, -0.12, color, r=0.09)
    p.box(-0.95, -0.44, 0.95, -0.34, blend(color, (255, 255, 255), 0.75))
    for k in range(4):
        x = -0.86 + 0.32 * k
        p.box(x, -0.86, x + 0.26, -0.54, GLASS, r=0.03)
        if k % 2 == 1:
            _driver(p, x + 0.13, -0.68, 0.052)
    p.box(0.44, -0.84, 0.66, -0.16, shade(color, 0.62), r=0.02)
    p.box(0.47, -0.80, 0.54, -0.20, GLASS)
    p.box(0.56, -0.80, 0.63, -0.20, GLASS)
    p.box(0.72, -0.86, 0.95, -0.50, GLASS, r=0.05)
    if moving:
        _driver(p, 0.83, -0.66, 0.06)
    p.oval(0.90, -0.26, 0.045, 0.045, LAMP if moving else (206, 210, 206))
    p.line([(-0.9, -0.94), (0.9, -0.94)], shade(color, 0.7), 0.035)
    for x in (-0.58, 0.24):
        _wheel(p, x, 0.165, phase)


def _truck(p: Pen, color: Rgb, moving: bool, phase: float) -> None:
    p.line([(-0.84, -0.20), (0.82, -0.20)], (58, 58, 64), 0.10)
    p.box(-0.90, -1.0, 0.30, -0.24, blend(color, (236, 232, 222), 0.72), r=0.03)
    for k in range(6):
        x = -0.80 + 0.2 * k
        p.line([(x, -0.95), (x, -0.30)], shade(blend(color, (236, 232, 222), 0.72), 0.8), 0.015)
    p.line([(-0.88, -0.62), (0.28, -0.62)], color, 0.13)
    p.curve([(0.34, -0.16), (0.34, -0.82), (0.66, -0.82), (0.80, -0.50), (0.92, -0.44), (0.92, -0.14)], color)
    p.poly([(0.46, -0.50), (0.46, -0.73), (0.63, -0.73), (0.75, -0.50)], GLASS)
    if moving:
        _driver(p, 0.56, -0.59, 0.058)
    p.oval(0.86, -0.30, 0.05, 0.05, LAMP if moving else (206, 210, 206))
    p.line([(0.40, -0.30), (0.48, -0.30)], STEEL, 0.03)
    for x in (-0.66, -0.28, 0.58):
        _wheel(p, x, 0.165, phase)


def _bicycle(p: Pen, color: Rgb, moving: bool, phase: float) -> None:
    r = 0.36
    for x in (-0.48, 0.48):
        p.ring(x, -r, r - 0.03, TYRE, 0.065)
        p.ring(x, -r, r - 0.075, STEEL, 0.022)
        for k in range(5):
            a = pi * (k / 5) + 2 * pi * phase
            p.line([(x - 0.28 * cos(a), -r - 0.28 * sin(a)), (x + 0.28 * cos(a), -r + 0.28 * sin(a))], STEEL, 0.012)
    pedal, seat, head = (-0.06, -0.34), (-0.20, -0.78), (0.34, -0.82)
    rear, front = (-0.48, -r), (0.48, -r)
    for tube in ((pedal, seat), (pedal, head), (seat, head), (pedal, rear), (seat, rear), (head, front)):
        p.line(tube, color, 0.075)
    p.line([head, (0.30, -0.98), (0.44, -1.0)], (60, 60, 66), 0.05)
    p.line([seat, (-0.21, -0.88)], STEEL, 0.045)
    p.oval(-0.20, -0.90, 0.15, 0.05, (56, 40, 34))
    p.oval(*pedal, 0.09, 0.09, shade(STEEL, 0.7))
    turn = 2 * pi * phase
    dx, dy = 0.13 * cos(turn), 0.13 * sin(turn)
    p.line([(pedal[0] - dx, pedal[1] - dy), (pedal[0] + dx, pedal[1] + dy)], INK, 0.04)


def _boat(p: Pen, color: Rgb, moving: bool, phase: float) -> None:
    with p.at(0, 0, turn=3.5 * sin(2 * pi * phase) if moving else 0.0) as b:
        b.line([(0.0, -0.25), (0.0, -0.99)], (118, 78, 44), 0.045)
        if moving:
            b.curve([(0.04, -0.97), (0.26, -0.72), (0.50, -0.40), (0.48, -0.34), (0.04, -0.34)], (250, 248, 240))
            b.curve([(-0.05, -0.90), (-0.16, -0.7), (-0.42, -0.38), (-0.40, -0.34), (-0.05, -0.34)],
                blend(color, (255, 255, 255), 0.72))
            b.line([(0.04, -0.60), (0.30, -0.60)], color, 0.05)
        else:
            b.line([(0.03, -0.42), (0.44, -0.42)], (236, 232, 220), 0.085)
        b.poly([(0.0, -1.0), (0.16, -0.95), (0.0, -0.90)], color)
        b.curve([(-0.66, -0.34), (0.0, -0.28), (0.74, -0.38), (0.46, 0.02), (0.0, 0.02), (-0.44, 0.02)], color)
        b.line([(-0.54, -0.27), (0.0, -0.235), (0.56, -0.285)],
            shade(color, 1.6) if sum(color) < 600 else (190, 60, 50), 0.045, smooth=True)


def _train(p: Pen, color: Rgb, moving: bool, phase: float) -> None:
    dark = shade(color, 0.6)
    p.line([(-1.18, -0.14), (1.12, -0.14)], (50, 50, 56), 0.09)
    p.box(-1.18, -0.86, -0.26, -0.16, blend(color, (250, 236, 200), 0.5), r=0.05)
    p.line([(-1.20, -0.88), (-0.24, -0.88)], dark, 0.07)
    for k in range(3):
        x = -1.08 + 0.28 * k
        p.box(x, -0.74, x + 0.20, -0.46, GLASS, r=0.02)
        if k != 1:
            _driver(p, x + 0.10, -0.58, 0.045)
    p.box(-0.14, -0.92, 0.34, -0.16, color, r=0.04)
    p.line([(-0.18, -0.94), (0.38, -0.94)], dark, 0.08)
    p.box(-0.05, -0.80, 0.24, -0.54, GLASS, r=0.03)
    _driver(p, 0.10, -0.64, 0.055)
    p.box(0.30, -0.62, 1.02, -0.20, color, r=0.14)
    for x in (0.46, 0.66):
        p.line([(x, -0.60), (x, -0.24)], (236, 200, 90), 0.035)
    p.poly([(0.76, -0.60), (0.92, -0.60), (0.98, -0.96), (0.70, -0.96)], dark)
    p.line([(0.68, -0.96), (1.0, -0.96)], (236, 200, 90), 0.05)
    p.oval(1.04, -0.42, 0.07, 0.09, LAMP)
    p.poly([(0.94, -0.18), (1.20, 0.0), (0.94, 0.0)], (190, 60, 50))
    for x, r in ((-0.98, 0.12), (-0.46, 0.12), (0.06, 0.16), (0.44, 0.16), (0.82, 0.13)):
        _wheel(p, x, r, phase)
    a = 2 * pi * 2 * phase
    p.line([(0.06 + 0.07 * cos(a), -0.16 + 0.07 * sin(a)), (0.44 + 0.07 * cos(a), -0.16 + 0.07 * sin(a))], STEEL, 0.035)


_KINDS = {"car": _car, "bus": _bus, "truck": _truck, "bicycle": _bicycle, "boat": _boat, "train": _train}
