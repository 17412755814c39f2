"""What belongs to no named thing: strings and ropes, a ladder, lines of motion, sleep, smoke."""

from __future__ import annotations

from math import pi, sin

from brainview.phantom.draw.pen import Pen, Rgb
from brainview.phantom.world.scene import Scene, SceneObject

ROPE: Rgb = (196, 164, 110)
STREAK: Rgb = (250, 250, 248)


def draw_behind(pen: Pen, scene: Scene, index: int, phase: float) -> None:
    """Draw what lies behind object `index`: a ladder, the kite's string."""
    thing = scene.objects[index]
    if thing.pose == "climb":
        _ladder(pen, thing)
    if thing.tether is not None and thing.noun == "kite":
        (x0, y0), (x1, y1) = (thing.x, thing.y - 0.30 * thing.height), thing.tether
        pen.line([(x1, y1), (0.5 * (x0 + x1), 0.5 * (y0 + y1) + 0.03), (x0, y0)], (250, 248, 240), 0.005, smooth=True)


def draw_front(pen: Pen, scene: Scene, index: int, phase: float) -> None:
    """Draw what lies before object `index`: ropes, streaks of motion, the marks of sleep."""
    thing = scene.objects[index]
    sign = -1.0 if thing.facing == "left" else 1.0
    if thing.tether is not None and thing.noun != "kite":
        x, y = thing.x + sign * 0.42 * thing.height, thing.y - 0.55 * thing.height
        pen.line([(x, y), (0.5 * (x + thing.tether[0]), 0.5 * (y + thing.tether[1]) + 0.012), thing.tether], ROPE,
            0.010, smooth=True)
    if thing.pose == "sleep" or (thing.action == "sleep"):
        _sleep_marks(pen, thing, sign)
    if thing.pose == "jump" or thing.action == "jump":
        _bounce(pen, thing)
    if thing.pose in ("run", "drive", "follow") and thing.category in ("person", "animal", "vehicle"):
        _streaks(pen, thing, sign)
    event = scene.event
    if event.target == index and event.verb in ("throw", "throw to", "catch"):
        actor = scene.objects[event.actor]
        way = -1.0 if actor.facing == "left" else 1.0
        _flight(pen, thing, way if event.verb != "catch" else -way)
    if thing.noun == "train":
        _smoke(pen, thing, sign, phase)


def _ladder(pen: Pen, thing: SceneObject) -> None:
    sign = -1.0 if thing.facing == "left" else 1.0
    with pen.at(thing.x, thing.y, thing.height) as p:
        x = 0.16 * sign
        for dx in (-0.11, 0.11):
            p.line([(x + dx, 0.0), (x + dx, -1.42)], (168, 118, 66), 0.04)
        for k in range(8):
            y = -0.10 - 0.175 * k
            p.line([(x - 0.11, y), (x + 0.11, y)], (190, 140, 82), 0.034)


def _sleep_marks(pen: Pen, thing: SceneObject, sign: float) -> None:
    if thing.category == "person":
        x, y, s = thing.x + sign * 0.50 * thing.height, thing.y - 0.30 * thing.height, 0.045 + 0.06 * thing.height
    else:
        x, y, s = thing.x + sign * 0.55 * thing.height, thing.y - 0.62 * thing.height, 0.045 + 0.08 * thing.height
    for k in range(3):
        r = s * (0.30 + 0.12 * k)
        cx, cy = x + 0.55 * s * k * sign * 0.6, y - 0.75 * s * k
        pen.line([(cx - r / 2, cy - r / 2), (cx + r / 2, cy - r / 2), (cx - r / 2, cy + r / 2),
            (cx + r / 2, cy + r / 2)], (255, 255, 255), 0.24 * r)
        pen.line([(cx - r / 2, cy - r / 2), (cx + r / 2, cy - r / 2), (cx - r / 2, cy + r / 2),
            (cx + r / 2, cy + r / 2)], (60, 70, 130), 0.14 * r)


def _bounce(pen: Pen, thing: SceneObject) -> None:
    w = 0.13 * thing.height
    for dx in (-1.0, 0.0, 1.0):
        x = thing.x + dx * w
        pen.line([(x, thing.y - 0.015), (x, thing.y - 0.015 - (0.06 if dx else 0.08) * thing.height)], STREAK, 0.006,
            alpha=0.8)


def _streaks(pen: Pen, thing: SceneObject, sign: float) -> None:
    wide = {"vehicle": 0.55, "animal": 0.66}.get(thing.category, 0.32)
    if thing.category == "vehicle":
        wide = 0.5 * (thing.box[2] - thing.box[0]) / thing.height + 0.03 if thing.box != (0.0, 0.0, 1.0, 1.0) else 1.05
    for y, length in ((-0.75, 0.16), (-0.5, 0.22), (-0.25, 0.16)):
        x = thing.x - sign * wide * thing.height
        pen.line([(x, thing.y + y * thing.height), (x - sign * length * thing.height, thing.y + y * thing.height)],
            STREAK, 0.006, alpha=0.75)


def _flight(pen: Pen, thing: SceneObject, way: float) -> None:
    r = 0.5 * thing.height
    for dy, length in ((-0.5, 1.0), (0.0, 1.5), (0.5, 1.0)):
        x, y = thing.x - way * 1.15 * r, thing.y - r + dy * r
        pen.line([(x, y), (x - way * length * r, y)], STREAK, 0.006, alpha=0.85)


def _smoke(pen: Pen, thing: SceneObject, sign: float, phase: float) -> None:
    for k in range(4):
        x = thing.x + sign * (0.82 - 0.2 * k - 0.1 * phase) * thing.height
        y = thing.y - (1.06 + 0.10 * k + 0.02 * sin(2 * pi * phase)) * thing.height
        r = (0.08 + 0.035 * k) * thing.height
        pen.oval(x, y, 1.2 * r, r, (238, 238, 240), alpha=0.85 - 0.16 * k)
