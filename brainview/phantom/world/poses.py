"""Skeletons of the actors: joint positions of every action at every phase of its movement.

Units are shares of the figure's own standing height; x points where the figure faces, y downwards, and the ground
under a standing figure is y = 0. Limb angles are degrees from straight down, positive to the front.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, radians, sin

Point = tuple[float, float]
Limb = tuple[float, float]


@dataclass(frozen=True)
class Build:
    """Proportions of a figure of height 1."""

    head: float  # radius
    shoulder: float  # height of the shoulders
    hip: float  # height of the hips when standing
    arm: float  # length of one of the two segments
    width: float  # half the width of the chest


ADULT = Build(head=0.108, shoulder=0.760, hip=0.440, arm=0.165, width=0.085)
CHILD = Build(head=0.150, shoulder=0.665, hip=0.370, arm=0.145, width=0.090)
BABY = Build(head=0.225, shoulder=0.520, hip=0.170, arm=0.150, width=0.150)
CHEF = Build(head=0.092, shoulder=0.660, hip=0.385, arm=0.145, width=0.085)
BUILDS = {"girl": CHILD, "boy": CHILD, "baby": BABY, "chef": CHEF}


@dataclass(frozen=True)
class Posture:
    """Limb angles (upper, lower) of the near and the far side, trunk lean, head tilt, height above ground."""

    near_arm: Limb = (6.0, 10.0)
    far_arm: Limb = (-6.0, 4.0)
    near_leg: Limb = (4.0, 0.0)
    far_leg: Limb = (-5.0, -2.0)
    lean: float = 0.0
    head: float = 0.0
    lift: float = 0.0
    lying: bool = False


@dataclass(frozen=True)
class Skeleton:
    """Joint positions in the figure's units; each limb is (root, joint, end)."""

    build: Build
    head: Point
    neck: Point
    hip: Point
    near_arm: tuple[Point, Point, Point]
    far_arm: tuple[Point, Point, Point]
    near_leg: tuple[Point, Point, Point]
    far_leg: tuple[Point, Point, Point]
    lean: float
    tilt: float
    lying: bool

    @property
    def hand(self) -> Point:
        """The near hand."""
        return self.near_arm[2]


def _stride(phase: float, thigh: float, bend: float, arm: float, fore: float, lean: float,
    lift: float = 0.0) -> Posture:
    s, c = sin(2 * pi * phase), cos(2 * pi * phase)
    return Posture(
        near_leg=(thigh * s, thigh * s - bend * (0.35 + 0.65 * max(0.0, c))),
        far_leg=(-thigh * s, -thigh * s - bend * (0.35 + 0.65 * max(0.0, -c))),
        near_arm=(-arm * s, -arm * s + fore),
        far_arm=(arm * s, arm * s + fore),
        lean=lean,
        lift=lift * abs(c),
    )


def _walk(t: float) -> Posture:
    return _stride(t + 0.20, 30, 16, 26, 16, 3)


def _run(t: float) -> Posture:
    return _stride(t + 0.18, 52, 62, 55, 85, 14, 0.05)


def _jump(t: float) -> Posture:
    high = max(0.0, sin(pi * min(1.0, max(0.0, (t + 0.42) % 1.0))))
    return Posture((150, 165), (-150, -165), (52, -28), (-28, -88), lean=4, lift=0.04 + 0.20 * high)


def _wave(t: float) -> Posture:
    return Posture(near_arm=(118, 172 + 26 * sin(4 * pi * t)), far_arm=(-8, -2))


def _dance(t: float) -> Posture:
    s = sin(2 * pi * t)
    return Posture((128 + 22 * s, 172), (-112 + 22 * s, -160), (50, -42), (-8 + 5 * s, -2), lean=-7 * s - 5, lift=0.0)


def _throw(t: float) -> Posture:
    swing = min(1.0, max(0.0, ((t + 0.62) % 1.0) * 1.6))
    return Posture((215 - 120 * swing, 165 - 55 * swing), (40, 75), (34, 12), (-30, -38), lean=-8 + 22 * swing)


def _catch(t: float) -> Posture:
    return Posture((98, 118), (84, 104), (24, 2), (-22, -28), lean=-3 + 3 * sin(2 * pi * t))


def _steady(posture: Posture, sway: float = 2.0):
    def at(t: float) -> Posture:
        s = sway * sin(2 * pi * t)
        (a, b), (c, d) = posture.near_arm, posture.far_arm
        return Posture(
            (a + 0.5 * s, b + s), (c + 0.5 * s, d + s), posture.near_leg, posture.far_leg,
            posture.lean + 0.3 * s, posture.head + 0.5 * s, posture.lift, posture.lying,
        )  # fmt: skip

    return at


def _pull(t: float) -> Posture:
    step = _stride(t + 0.2, 24, 18, 0, 0, 20)
    return Posture((-66, -84), (-52, -72), step.near_leg, step.far_leg, lean=20)


def _push(t: float) -> Posture:
    step = _stride(t + 0.2, 26, 24, 0, 0, 24)
    return Posture((84, 92), (74, 86), step.near_leg, step.far_leg, lean=24)


def _climb(t: float) -> Posture:
    s = sin(2 * pi * t)
    return Posture((150 + 12 * s, 168), (118 - 14 * s, 156), (72 + 14 * s, -14), (26 - 14 * s, -16), lean=6, lift=0.16)


def _point(t: float) -> Posture:
    return Posture((92 + 3 * sin(2 * pi * t), 92), (-10, -2))


POSTURES = {
    "stand": _steady(Posture()),
    "walk": _walk,
    "run": _run,
    "jump": _jump,
    "wave": _wave,
    "sit": _steady(Posture((38, 66), (20, 58), (84, 4), (78, -6), lean=-3)),
    "sit ground": _steady(Posture((-28, -20), (28, 62), (96, 74), (122, 22), lean=-10)),
    "sleep": _steady(Posture((12, 30), (-8, 10), (22, -14), (4, -4), lying=True)),
    "ride": _steady(Posture((48, 82), (44, 78), (50, -14), (44, -10), lean=4)),
    "pedal": lambda t: Posture(
        (56, 74), (52, 70), (52 + 18 * sin(2 * pi * t), -6 + 10 * cos(2 * pi * t)),
        (22 - 18 * sin(2 * pi * t), -22 - 10 * cos(2 * pi * t)), lean=22,
    ),
    "eat": _steady(Posture((34, 150), (16, 60)), 5.0),
    "drink": _steady(Posture((44, 150), (-6, 4), head=-10), 5.0),
    "read": _steady(Posture((30, 98), (24, 92), head=14)),
    "throw": _throw,
    "catch": _catch,
    "push": _push,
    "pull": _pull,
    "carry": _steady(Posture((28, 84), (22, 80)), 1.5),
    "carry walk": lambda t: Posture((28, 84), (22, 80), _walk(t).near_leg, _walk(t).far_leg),
    "point": _point,
    "dance": _dance,
    "climb": _climb,
    "hug": _steady(Posture((72, 92), (56, 78), lean=6)),
    "reach": _steady(Posture((76, 84), (-6, 4), (16, 2), (-16, -14), lean=5)),
    "reach down": _steady(Posture((46, 54), (-6, 4), (22, 4), (-12, -16), lean=14)),
    "receive": _steady(Posture((70, 96), (58, 84), lean=2)),
    "hold": _steady(Posture((18, 128), (-8, 2))),
    "fly": _steady(Posture((112, 140), (84, 120), (14, 4), (-16, -22), lean=-6)),
    "baby sit": _steady(Posture((44, 62), (-34, -20), (72, 58), (96, 84)), 6.0),
    "baby hold": _steady(Posture((58, 118), (30, 84), (72, 58), (96, 84)), 4.0),
    "baby wave": lambda t: Posture((124, 158 + 24 * sin(4 * pi * t)), (-30, -16), (72, 58), (96, 84)),
}  # fmt: skip


def _along(start: Point, length: float, angle: float) -> Point:
    return start[0] + length * sin(radians(angle)), start[1] + length * cos(radians(angle))


def _limb(root: Point, length: float, angles: Limb) -> tuple[Point, Point, Point]:
    joint = _along(root, length, angles[0])
    return root, joint, _along(joint, length, angles[1])


def build_of(noun: str) -> Build:
    """Return the proportions of a person."""
    return BUILDS.get(noun, ADULT)


def skeleton(noun: str, pose: str, phase: float = 0.0, frontal: bool = False) -> Skeleton:
    """Return the joints of a person in a pose at a phase (0..1) of its movement.

    The lowest foot (sitting on the ground: the hips) stands on y = 0 unless the pose lifts it. `frontal` spreads the
    far limbs to the other side, for figures seen from the front or behind. A lying figure is given upright; whoever
    draws it turns it by 90 degrees. Raises KeyError for an unknown pose.
    """
    build, p = build_of(noun), POSTURES[pose](phase)
    leg = build.hip / 2.0
    side = -1.0 if frontal else 1.0
    spread = build.width * 0.55 if frontal else 0.018
    far_leg, far_arm = tuple(side * a for a in p.far_leg), tuple(side * a for a in p.far_arm)
    if frontal:  # limbs swing sideways less than forwards
        near_leg: Limb = (0.35 * p.near_leg[0] + 4, 0.35 * p.near_leg[1])
        far_leg = (0.35 * far_leg[0] - 4, 0.35 * far_leg[1])
        far_arm = (far_arm[0] if abs(far_arm[0]) > 60 else -12.0, far_arm[1] if abs(far_arm[1]) > 60 else -6.0)
        far_arm = (-abs(far_arm[0]), -abs(far_arm[1]))
        near_arm: Limb = (max(12.0, p.near_arm[0]), max(6.0, p.near_arm[1]))
    else:
        near_leg, near_arm = p.near_leg, p.near_arm
    near = _limb((spread, 0.0), leg, near_leg)
    far = _limb((-spread, 0.0), leg, (far_leg[0], far_leg[1]))
    drop = max(near[2][1], far[2][1], near[1][1], far[1][1], 0.05)
    hip = (0.0, -drop - p.lift)
    lean = 0.0 if frontal else p.lean
    trunk = build.shoulder - build.hip
    neck = _along(hip, -trunk, -lean)
    head = _along(neck, -build.head * 1.18, -(lean * 0.6) - p.head * 0.5)
    wide = build.width if frontal else 0.02
    down = 0.035 * trunk / 0.32
    near_root = (neck[0] + wide, neck[1] + down)
    far_root = (neck[0] - wide, neck[1] + down)
    return Skeleton(
        build, head, neck, hip,
        _limb(near_root, build.arm, near_arm),
        _limb(far_root, build.arm, (far_arm[0], far_arm[1])),
        _limb((hip[0] + spread, hip[1]), leg, near_leg),
        _limb((hip[0] - spread, hip[1]), leg, (far_leg[0], far_leg[1])),
        lean, p.head, p.lying,
    )  # fmt: skip
