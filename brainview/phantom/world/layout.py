"""Where things stand: from a plot to positions.

The things of an event form a *group*, built around the actor in adult units (1 = an adult's height at that depth, x to
the right, y downwards from the ground), then scaled and shifted as a whole into the picture. The others are set beside
it, one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from brainview.phantom.world.plots import action_of
from brainview.phantom.world.poses import skeleton
from brainview.phantom.world.scene import Event
from brainview.phantom.world.vocabulary import NOUNS, SETTINGS, SIZE_FACTOR

HELD_SCALE = {"umbrella": 1.0, "kite": 0.9, "chair": 0.8, "lamp": 0.75, "ball": 0.85, "book": 0.85}
POSE_OF = {
    "hand": "reach", "show": "reach", "hold": "hold", "look at": "stand", "fly": "fly", "chase": "run",
    "follow": "walk",
    "wave at": "wave", "point at": "point", "sit on": "sit", "sleep on": "sleep", "throw to": "throw",
    "dance with": "dance", "fly up": "fly", "stand on": "stand", "hide under": "lie", "carry": "carry walk",
}  # fmt: skip


@dataclass
class Item:
    """One thing while it is being placed; `dx`, `dy`, `h` in adult units relative to the group's origin."""

    noun: str
    color: str
    size: str
    text: str
    look: int
    h: float = 0.0
    dx: float = 0.0
    dy: float = 0.0
    dz: float = 0.0
    facing: str = "right"
    action: str = ""
    pose: str = ""
    holds: int | None = None
    support: int | None = None
    tether: tuple[float, float] | None = None

    @property
    def width(self) -> float:
        """Width of the frame in adult units."""
        if self.pose == "sleep" and NOUNS[self.noun].category == "person":
            return self.h
        return self.h * frame_aspect(self.noun, self.text)

    @property
    def tall(self) -> float:
        """Height that the frame really takes up in adult units."""
        if self.noun in ("woman", "man", "girl", "boy", "chef"):
            if self.pose == "sleep":
                return 0.3 * self.h
            return self.h * {"climb": 1.30, "jump": 1.25, "wave": 1.06, "dance": 1.08}.get(self.pose, 1.0)
        return self.h


def frame_aspect(noun: str, text: str = "") -> float:
    """Return width over height of a thing's frame; a sign is as wide as its word needs."""
    if noun == "board":
        return 0.24 * (0.80 * len(text) + 0.75)
    if noun == "poster":
        return max(0.62, 0.15 * (0.80 * len(text) + 0.95))
    return NOUNS[noun].aspect


def is_alive(noun: str) -> bool:
    """Tell whether a thing acts by itself."""
    return NOUNS[noun].category in ("person", "animal")


def natural_height(item: Item) -> float:
    """Return the height of a free-standing thing in adult units."""
    return NOUNS[item.noun].height * SIZE_FACTOR[item.size]


def _hand(item: Item, sign: float) -> tuple[float, float]:
    x, y = skeleton(item.noun, item.pose).hand
    return item.dx + sign * x * item.h, item.dy + y * item.h


def _grip(actor: Item, thing: Item, index: int, sign: float, rise: float, ahead: float = 0.0) -> None:
    """Put a thing into the actor's hand: `rise` is the share of its height that lies below the hand."""
    x, y = _hand(actor, sign)
    thing.h *= HELD_SCALE.get(thing.noun, 0.72)
    thing.dx, thing.dy = x + sign * ahead * thing.width, y + rise * thing.h
    thing.dz, thing.facing = 0.002, actor.facing
    actor.holds = index


def _face(item: Item, sign: float) -> None:
    item.facing = "right" if sign > 0 else "left"


@dataclass
class Stage:
    """What a placing rule may use: the items, the event, its direction and the dice."""

    items: list[Item]
    event: Event
    sign: float
    rng: np.random.Generator

    @property
    def actor(self) -> Item:
        """The one who acts."""
        return self.items[self.event.actor]

    @property
    def target(self) -> Item:
        """The thing acted on."""
        assert self.event.target is not None
        return self.items[self.event.target]

    @property
    def friend(self) -> Item:
        """The one it is done to."""
        assert self.event.recipient is not None
        return self.items[self.event.recipient]


def _alone(s: Stage) -> None:
    a = s.actor
    if a.pose == "fly":
        a.dy = -float(s.rng.uniform(0.45, 0.8))
    if a.pose == "sit":
        a.pose = "sit" if NOUNS[a.noun].category == "animal" else "sit ground"
    frontal = a.pose in ("stand", "wave", "dance", "jump") and NOUNS[a.noun].category == "person" and a.noun != "baby"
    if frontal and s.rng.random() < 0.55:
        a.facing = "front"
    elif a.pose in ("stand",
        "walk") and NOUNS[a.noun].category == "person" and a.noun != "baby" and s.rng.random() < 0.2:
        a.facing = "back"


def _in_hand(s: Stage) -> None:
    verb, a, t = s.event.verb, s.actor, s.target
    assert s.event.target is not None
    rise = {"eat": 0.45, "drink": 0.45, "read": 0.30, "carry": 0.05, "hold": 0.04, "hug": 0.28}[verb]
    ahead = {"carry": 0.12, "read": 0.05, "eat": 0.12, "drink": 0.16, "hug": -0.02}.get(verb, 0.0)
    if a.noun == "baby":
        a.pose = "baby hold"
    _grip(a, t, s.event.target, s.sign, rise, ahead)
    if verb == "hug":
        t.h = min(0.40, t.h * 1.1) * a.h
        t.pose = "sit" if t.noun in ("dog", "cat") else "stand"
        t.action = "sit" if t.noun in ("dog", "cat") else "stand"


def _kite(s: Stage) -> None:
    a, t = s.actor, s.target
    t.h *= 0.9
    t.dx, t.dy = s.sign * float(s.rng.uniform(0.65, 0.95)), -float(s.rng.uniform(0.95, 1.15)) - 0.1
    t.tether, t.dz = _hand(a, s.sign), -0.002
    a.holds = s.event.target


def _ball(s: Stage) -> None:
    a, t = s.actor, s.target
    t.h *= 0.8
    if a.noun == "baby":
        a.pose = "baby hold"
    x, y = _hand(a, s.sign)
    t.dx, t.dy = x + s.sign * (0.30 if s.event.verb == "throw" else 0.17), y + 0.5 * t.h - 0.06
    t.dz = 0.002


def _ride(s: Stage) -> None:
    a, m = s.actor, s.target
    if m.noun in ("bicycle", "horse"):
        m.h *= max(0.85, a.h)
    a.pose = "pedal" if m.noun == "bicycle" else "ride"
    hip = skeleton(a.noun, a.pose).hip[1] * a.h
    seat = NOUNS[m.noun].top * m.h
    a.dx = s.sign * {"bicycle": -0.20, "horse": -0.06, "elephant": -0.02}[m.noun] * m.h
    a.dy, a.dz, a.support = -seat - hip, 0.002, s.event.target
    m.facing = a.facing
    m.pose = m.action = "walk" if m.noun != "bicycle" else ""


def _push(s: Stage) -> None:
    a, t = s.actor, s.target
    t.facing = a.facing
    t.dx, t.dz = _hand(a, s.sign)[0] + s.sign * (0.5 * t.width - 0.02), 0.001


def _pull(s: Stage) -> None:
    a, t = s.actor, s.target
    x, y = _hand(a, s.sign)
    t.facing = a.facing
    t.dx, t.dz = x - s.sign * (0.5 * t.width + 0.22), -0.001
    t.tether = (x, y)
    if is_alive(t.noun):
        t.pose = t.action = "walk"


def _toward(s: Stage) -> None:
    a, t = s.actor, s.target
    gap = float(s.rng.uniform(0.12, 0.3))
    t.dx = s.sign * (0.5 * a.width + 0.5 * t.width + gap)
    if s.event.verb == "point at":
        t.dx += s.sign * 0.18
    t.dz = float(s.rng.uniform(-0.05, 0.05))
    if NOUNS[t.noun].category == "person":
        _face(t, -s.sign)
        t.action = t.pose = "stand"
    elif is_alive(t.noun):
        _face(t, -s.sign if s.rng.random() < 0.5 else s.sign)


def _chase(s: Stage) -> None:
    a, t = s.actor, s.target
    t.dx = s.sign * (0.5 * a.width + 0.5 * t.width + 0.28)
    t.facing = a.facing
    if s.event.verb == "chase":
        t.action = t.pose = "run"
        if t.noun in ("duck", "bird"):
            t.action, t.pose = "walk", "walk"


def _pair(s: Stage) -> None:
    a, t = s.actor, s.target
    _face(t, -s.sign)
    t.action = t.pose = "hug" if s.event.verb == "hug" else "dance"
    if s.event.verb == "hug":
        t.dx = s.sign * 0.24 * (a.h + t.h)
    else:
        t.dx = s.sign * 0.33 * (a.h + t.h)
    t.dz = -0.002


def _hand_over(s: Stage) -> None:
    a, t, f = s.actor, s.target, s.friend
    _face(f, -s.sign)
    if f.noun == "baby":
        a.pose = "reach down"
    f.pose, f.action = ("baby hold" if f.noun == "baby" else "receive"), "stand" if f.noun != "baby" else "sit"
    assert s.event.target is not None
    _grip(a, t, s.event.target, s.sign, {"umbrella": 0.1, "kite": 0.45}.get(t.noun, 0.4), 0.35)
    if s.event.verb == "show":
        f.pose, f.action = ("baby sit", "sit") if f.noun == "baby" else ("stand", "stand")
    reach = skeleton(f.noun, f.pose).hand[0] * f.h
    f.dx = t.dx + s.sign * (0.42 * t.width + max(reach, 0.2))
    f.dz = -0.001


def _throw_to(s: Stage) -> None:
    a, t, f = s.actor, s.target, s.friend
    _face(f, -s.sign)
    f.pose = f.action = "catch"
    f.dx = s.sign * float(s.rng.uniform(1.25, 1.5))
    t.h *= 0.8
    t.dx, t.dy, t.dz = 0.5 * (a.dx + f.dx), -0.95 + 0.5 * t.h, 0.002


def _on_seat(s: Stage) -> None:
    a, t = s.actor, s.target
    t.facing = a.facing
    a.support, a.dz = s.event.target, 0.002
    if t.noun == "chair":
        t.h *= 1.22  # or the one who sits would hide it
    seat = NOUNS[t.noun].top * t.h
    room = max(0.0, 0.5 * t.width - 0.5 * a.width - 0.1)
    if s.event.verb == "sleep on":
        a.dy = -seat
    elif s.event.verb in ("sit on", "stand on"):
        wide = 0.0 if t.noun == "chair" else float(s.rng.uniform(-0.6, 0.6)) * room
        if NOUNS[a.noun].category == "person" and a.noun != "baby":
            hip = skeleton(a.noun, "sit").hip[1] * a.h
            a.dy, a.dx = -seat - hip - 0.03, t.dx + wide + s.sign * (0.10 if t.noun == "chair" else 0.0)
        else:
            a.dy, a.dx = -seat, wide
            a.pose = "baby sit" if a.noun == "baby" else a.pose
    if NOUNS[t.noun].category == "vehicle":
        a.dy = -0.98 * t.h


def _rest(s: Stage) -> None:
    a, t = s.actor, s.target
    room = max(0.0, 0.5 * t.width - 0.5 * a.width - 0.05)
    offset = float(s.rng.uniform(-0.8, 0.8)) * room
    if s.event.verb == "rest on":
        if a.noun == "lamp":
            a.h *= 0.7
        a.dx, a.dy, a.dz, a.support = t.dx + offset, t.dy - NOUNS[t.noun].top * t.h, t.dz + 0.002, s.event.target
    elif s.event.verb in ("rest under", "hide under"):
        a.h = min(a.h, 0.74 * t.h)
        a.dx, a.dz = t.dx + 0.55 * offset, t.dz - 0.001
        if is_alive(a.noun):
            a.pose, a.action = ("sit", "sit") if a.noun in ("dog", "cat") else ("stand", "stand")
    else:
        t.dx = s.sign * (0.5 * a.width + 0.5 * t.width + float(s.rng.uniform(0.06, 0.16)))
        t.dz = float(s.rng.uniform(-0.03, 0.03))


def _graze(s: Stage) -> None:
    a, t = s.actor, s.target
    t.h *= 0.8
    reach = {"bird": 0.42, "duck": 0.45, "elephant": 0.52}.get(a.noun, 0.46)
    t.dx, t.dz = s.sign * (reach * a.width + 0.42 * t.width), 0.002
    if a.noun == "elephant":
        a.pose = "eat"


RULES: dict[str, Callable[[Stage], None]] = {
    **dict.fromkeys(("eat", "drink", "read", "carry", "hold"), _in_hand),
    "fly": _kite, "throw": _ball, "catch": _ball, "ride": _ride, "push": _push, "pull": _pull,
    **dict.fromkeys(("point at", "look at", "wave at"), _toward),
    **dict.fromkeys(("chase", "follow"), _chase),
    "dance with": _pair, "hand": _hand_over, "show": _hand_over, "throw to": _throw_to,
    **dict.fromkeys(("sit on", "sleep on", "stand on"), _on_seat),
    **dict.fromkeys(("rest on", "rest under", "rest beside", "hide under"), _rest),
}  # fmt: skip


def arrange_group(items: list[Item], event: Event, rng: np.random.Generator) -> list[int]:
    """Place the things of the event around the actor (in place) and return their indices, actor first."""
    sign = 1.0 if rng.random() < 0.5 else -1.0
    stage = Stage(items, event, sign, rng)
    actor = stage.actor
    _face(actor, sign)
    alive = is_alive(actor.noun)
    actor.action = action_of(event, alive)
    actor.pose = POSE_OF.get(event.verb, event.verb) if alive else event.verb
    if actor.noun == "baby":
        actor.pose = {"sit": "baby sit", "wave": "baby wave", "sleep": "sleep", "sleep on": "sleep"}.get(event.verb,
            "baby sit")
        actor.action = actor.action if actor.action in ("wave", "sleep", "eat", "drink", "read", "throw",
            "catch") else "sit"
    if event.target is not None and NOUNS[items[event.target].noun].category == "vehicle":
        moves = event.verb in ("follow", "wave at", "chase")
        items[event.target].pose = "drive" if moves else "" if event.verb == "ride" else "park"
    rule = RULES.get(event.verb, _alone)
    if event.verb == "hug":
        assert event.target is not None
        rule = _pair if NOUNS[items[event.target].noun].category == "person" else _in_hand
    if event.verb == "eat" and NOUNS[actor.noun].category == "animal":
        rule = _graze
    if event.target is None:
        rule = _alone
    rule(stage)
    return [i for i in (event.actor, event.target, event.recipient) if i is not None]


def extent(items: list[Item], members: list[int]) -> tuple[float, float, float]:
    """Return (left, right, height) of a group in adult units."""
    group = [items[i] for i in members]
    left = min(item.dx - 0.5 * item.width for item in group)
    right = max(item.dx + 0.5 * item.width for item in group)
    return left, right, max(item.tall - item.dy for item in group)


def ground_at(scene: str, depth: float, noun: str = "") -> float:
    """Return the y (share of the picture) at which a thing of that depth stands; boats float on the water."""
    if noun == "boat" and scene == "beach":
        return 0.50 + 0.12 * depth
    if noun == "boat" and scene == "mountain":
        return 0.60 + 0.09 * depth
    top = SETTINGS[scene].ground + 0.015
    return top + (0.955 - top) * depth
