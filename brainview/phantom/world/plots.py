"""What can happen among given things: the list of plots from which events, and siblings of a scene, are drawn.

A plot says who does what to whom. Because the list depends only on the setting and the nouns, a *sibling* (the same
things in the same setting, another event) is simply another entry of the same list.
"""

from __future__ import annotations

from dataclasses import dataclass

from brainview.phantom.world.scene import Event
from brainview.phantom.world.vocabulary import INDOORS, NOUNS, PEOPLE

ACTION_OF = {
    "hand": "carry", "show": "carry", "hold": "stand", "look at": "stand", "fly": "run", "chase": "run",
    "follow": "walk", "wave at": "wave", "point at": "point", "sit on": "sit", "sleep on": "sleep",
    "throw to": "throw", "dance with": "dance", "hide under": "sit", "stand under": "stand",
}  # fmt: skip
RELATION_OF = {
    "hold": "holding", "carry": "holding", "fly": "holding", "eat": "holding", "drink": "holding",
    "read": "holding", "hand": "holding", "show": "holding", "ride": "riding", "sit on": "on", "sleep on": "on",
    "rest on": "on", "rest under": "under", "hide under": "under", "stand under": "under",
    "look at": "looking at", "point at": "looking at", "chase": "looking at",
    "follow": "behind", "rest beside": "beside",
}  # fmt: skip

GROWN = ("woman", "man", "chef")
SMALL_FOOD = ("apple", "banana", "sandwich", "carrot", "ice cream", "bread", "pizza", "cake")
PORTABLE = ("ball", "book", "kite", "cake", "pizza", "bread", "chair", "lamp", "umbrella")
GIFTS = ("ball", "kite", "umbrella", "book", "cup", *SMALL_FOOD)
MOUNTS = ("bicycle", "horse", "elephant")
PUSHED = ("table", "chair", "sofa", "bed", "car", "bicycle")
PULLED = ("sheep", "cow", "horse", "dog", "boat", "elephant")
CUDDLY = ("dog", "cat", "sheep", "duck")
SEATS = ("chair", "sofa", "bed")
TOPS = ("table", "chair", "sofa", "bed")


@dataclass(frozen=True)
class Plot:
    """An event and how likely it is to be drawn, relative to the others of its list."""

    event: Event
    weight: float


def plots_for(scene: str, nouns: tuple[str, ...]) -> list[Plot]:
    """Return every event possible among `nouns` in `scene`; the first noun is the main thing and always takes part.

    A thing whose noun occurs twice is never acted on, so that a caption can always tell the two apart.
    """
    found: list[Plot] = []
    main = NOUNS[nouns[0]].category
    if main == "person":
        for actor, noun in enumerate(nouns):
            if noun in PEOPLE and (actor == 0 or nouns.count(noun) == 1):
                found += [p for p in _person(scene, nouns, actor) if 0 in _members(p.event)]
    elif main == "animal":
        found += _animal(nouns)
    elif main == "vehicle":
        found += _vehicle(nouns)
    else:
        found += _still(nouns)
    return found


def _members(event: Event) -> tuple[int | None, ...]:
    return event.actor, event.target, event.recipient


def _others(nouns: tuple[str, ...], actor: int) -> list[tuple[int, str]]:
    return [(i, noun) for i, noun in enumerate(nouns) if i != actor and nouns.count(noun) == 1]


def _person(scene: str, nouns: tuple[str, ...], actor: int) -> list[Plot]:
    me = nouns[actor]
    found = [Plot(Event(actor, verb), 0.16) for verb in _alone(scene, me)]
    others = _others(nouns, actor)
    for i, noun in others:
        found += [Plot(Event(actor, verb, i), weight) for verb, weight in _with_thing(me, noun)]
    people = [i for i, noun in others if noun in PEOPLE]
    if me == "baby":
        return found
    for friend in people:
        found += [Plot(Event(actor, "point at", friend), 0.5), Plot(Event(actor, "wave at", friend), 0.8)]
        if nouns[friend] != "baby":
            found += [Plot(Event(actor, verb, friend), 0.8) for verb in ("hug", "chase", "dance with")]
        for i, noun in others:
            if noun in GIFTS and i != friend:
                found.append(Plot(Event(actor, "hand", i, friend), 4.0))
            if noun == "ball" and nouns[friend] != "baby":
                found.append(Plot(Event(actor, "throw to", i, friend), 4.0))
            if noun == "book":
                found.append(Plot(Event(actor, "show", i, friend), 2.5))
    return found


def _alone(scene: str, me: str) -> tuple[str, ...]:
    if me == "baby":
        return ("sit", "wave", "sleep")
    verbs = ("walk", "jump", "wave", "stand", "dance", "sit", "climb")
    return verbs if scene in INDOORS else (*verbs, "run", "sleep")


def _with_thing(me: str, noun: str) -> list[tuple[str, float]]:
    """Return (verb, weight) for one person and one other thing."""
    baby, category = me == "baby", NOUNS[noun].category
    table: list[tuple[bool, str, float]] = [
        (noun in SMALL_FOOD, "eat", 1.5),
        (noun == "cup", "drink", 2.0),
        (noun == "book", "read", 2.0),
        (noun == "ball", "throw", 1.2),
        (noun == "ball", "catch", 1.2),
        (noun in PORTABLE and not baby, "carry", 0.8),
        (noun == "umbrella" and not baby, "hold", 2.0),
        (noun == "kite" and not baby, "fly", 2.5),
        (noun in MOUNTS and not baby and me != "chef", "ride", 2.5),
        (noun in PUSHED and not baby, "push", 0.8),
        (noun in PULLED and not baby, "pull", 0.9),
        (noun in CUDDLY and not baby, "hug", 1.0),
        (noun in SEATS, "sit on", 1.2),
        (noun in ("sofa", "bed"), "sleep on", 1.0),
        (category in ("animal", "vehicle", "word") and not baby, "point at", 0.5),
        (category in ("animal", "vehicle", "word"), "look at", 0.3),
        (category == "vehicle" and noun != "bicycle", "wave at", 0.5),
        (noun in ("dog", "cat", "duck", "sheep") and not baby, "chase", 0.6),
    ]
    return [(verb, weight) for holds, verb, weight in table if holds]


def _animal(nouns: tuple[str, ...]) -> list[Plot]:
    me = nouns[0]
    alone = {"bird": ("stand", "walk", "fly up"), "duck": ("stand", "walk", "sleep")}.get(
        me, ("stand", "walk", "run", "sleep", "jump") if me != "elephant" else ("stand", "walk", "run", "sleep")
    )
    found = [Plot(Event(0, verb), 0.4) for verb in alone]
    if me in ("dog", "cat"):
        found.append(Plot(Event(0, "sit"), 0.5))
    for i, noun in _others(nouns, 0):
        category = NOUNS[noun].category
        table = [
            (category == "food", "eat", 1.2),
            (category in ("animal", "person") and me not in ("bird",), "chase", 0.9),
            (category in ("animal", "vehicle", "food", "object"), "look at", 0.5),
            (me in ("dog", "cat") and noun in ("sofa", "bed"), "sleep on", 1.5),
            (me in ("dog", "cat") and noun in ("sofa", "bed", "table"), "sit on", 1.2),
            (me == "bird" and noun in ("table", "sofa", "car", "bed", "truck"), "stand on", 1.5),
            (me in ("dog", "cat", "duck") and noun == "table", "hide under", 1.5),
        ]
        found += [Plot(Event(0, verb, i), weight) for holds, verb, weight in table if holds]
    return found


def _vehicle(nouns: tuple[str, ...]) -> list[Plot]:
    me = nouns[0]
    found = [Plot(Event(0, "park"), 0.5)]
    if me != "bicycle":
        found.append(Plot(Event(0, "sail" if me == "boat" else "drive"), 1.0))
    for i, noun in _others(nouns, 0):
        if noun in ("car", "bus", "truck") and me in ("car", "bus", "truck"):
            found.append(Plot(Event(0, "follow", i), 1.0))
        elif NOUNS[noun].category != "person":
            found.append(Plot(Event(0, "rest beside", i), 0.5))
    return found


def _still(nouns: tuple[str, ...]) -> list[Plot]:
    me = nouns[0]
    found = [Plot(Event(0, "rest"), 0.15)]
    small = NOUNS[me].category in ("food", "object") or me == "lamp"
    for i, noun in _others(nouns, 0):
        found.append(Plot(Event(0, "rest beside", i), 0.2))
        if small and noun in TOPS:
            found.append(Plot(Event(0, "rest on", i), 2.5))
        if small and noun == "table" and me not in ("lamp", "umbrella", "kite"):
            found.append(Plot(Event(0, "rest under", i), 0.8))
        if me in TOPS and NOUNS[noun].category in ("food", "object") and noun not in ("kite", "umbrella"):
            found.append(Plot(Event(i, "rest on", 0), 1.5))
            if me == "table":
                found.append(Plot(Event(i, "rest under", 0), 0.8))
    return found


def action_of(event: Event, alive: bool) -> str:
    """Return the actor's action as one of the twenty, "" for things."""
    return ACTION_OF.get(event.verb,
        {"fly up": "jump", "stand on": "stand"}.get(event.verb, event.verb)) if alive else ""

