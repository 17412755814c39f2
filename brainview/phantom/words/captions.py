"""Five captions for a scene, each of another family: event, existence, noun phrase, setting first, counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from brainview.phantom.words.grammar import (
    NUMBERS,
    article,
    listing,
    name_of,
    noun_phrase,
    place,
    plural,
    sentence,
    verb_phrase,
)
from brainview.phantom.world.scene import Scene
from brainview.phantom.world.vocabulary import SETTINGS, fits

CAPTION_STYLES = ("event", "existence", "noun phrase", "setting first", "counts")
SHORTEST, LONGEST = 6, 14
_RELATION_WORDS = {
    "left of": "to the left of", "behind": "behind", "on": "on", "under": "under", "beside": "next to",
    "holding": "holding", "riding": "riding", "looking at": "looking at",
}  # fmt: skip


def captions(scene: Scene) -> list[str]:
    """Return five captions of 6 to 14 words, in the order of ``CAPTION_STYLES``; fixed for a given graph."""
    made = []
    for k, family in enumerate((_event, _existence, _phrase, _setting, _counts)):
        dice = np.random.Generator(np.random.Philox(key=scene.look * 8 + k))
        made.append(_fitting(family(scene, dice)))
    return made


def word_count(text: str) -> int:
    """Return the number of words, as separated by spaces."""
    return len(text.split())


def _fitting(candidates: Iterator[str]) -> str:
    """Return the first candidate of fitting length, else the nearest to it."""
    tried = []
    for text in candidates:
        if SHORTEST <= word_count(text) <= LONGEST:
            return sentence(text)
        tried.append(text)
    return sentence(min(tried, key=lambda text: max(SHORTEST - word_count(text), word_count(text) - LONGEST)))


def _extra(scene: Scene) -> str:
    return f"{place(scene)} with {SETTINGS[scene.scene].backdrop}"


def _event(scene: Scene, dice: np.random.Generator) -> Iterator[str]:
    actor = scene.objects[scene.event.actor]
    for detail in (2, 1, 0):
        head = noun_phrase(actor, dice, detail=detail)
        does = verb_phrase(scene, scene.event, dice, detail=min(detail, 1))
        yield f"{head} is {does} {place(scene)}"
        if detail == 0:
            yield f"{head} is {does} {_extra(scene)}"
            yield f"{head} is {does}"


def _existence(scene: Scene, dice: np.random.Generator) -> Iterator[str]:
    planted = next((r for r in scene.relations if r.name != "looking at"), None)
    if planted is None and len(scene.objects) > 1:
        first, second = (noun_phrase(scene.objects[k], dice) for k in (0, 1))
        if scene.objects[0].noun != scene.objects[1].noun:
            yield f"there is {first} and {second} {place(scene)}"
    for detail in (1, 0):
        if planted is not None:
            a, b = scene.objects[planted.subject], scene.objects[planted.object]
            other = noun_phrase(b, dice, detail=detail)
            if a.noun == b.noun:
                other = "another " + other.split(" ", 1)[1]
            words = f"there is {noun_phrase(a, dice, detail=detail)} {_RELATION_WORDS[planted.name]} {other}"
            yield f"{words} {place(scene)}"
            if detail == 0:
                yield words
        else:
            yield f"there is {noun_phrase(scene.main, dice, detail=detail)} {place(scene)}"
            yield f"there is {noun_phrase(scene.main, dice, detail=detail)} {_extra(scene)}"


def _phrase(scene: Scene, dice: np.random.Generator) -> Iterator[str]:
    actor = scene.objects[scene.event.actor]
    for detail in (1, 2, 0):
        head = noun_phrase(actor, dice, detail=detail)
        does = verb_phrase(scene, scene.event, dice, detail=1 if detail else 0)
        yield f"{head} {does} {place(scene)}"
        yield f"{head} {does} {_extra(scene)}"
    yield f"{noun_phrase(actor, dice, detail=0)} {verb_phrase(scene, scene.event, detail=0)}"


def _setting(scene: Scene, dice: np.random.Generator) -> Iterator[str]:
    actor, where = scene.objects[scene.event.actor], place(scene)
    signs = [thing for thing in scene.objects if thing.text]
    for detail in (0, 1, 2):
        head = noun_phrase(actor, dice, detail=detail)
        does = verb_phrase(scene, scene.event, dice, detail=0)
        if signs and actor.category == "word":
            yield f"{where}, {head} says {actor.text.lower()}"
        if signs and actor.category != "word" and scene.event.target is None:
            yield f"{where}, {head} is {does} near {noun_phrase(signs[0], detail=0)}"
        yield f"{where}, {head} is {does}"
    does = verb_phrase(scene, scene.event, detail=0)
    yield f"{_extra(scene)}, {noun_phrase(actor, dice, detail=0)} is {does}"


def _counts(scene: Scene, dice: np.random.Generator) -> Iterator[str]:
    number = Counter(thing.noun for thing in scene.objects)
    order = sorted(number, key=lambda noun: (fits(noun, scene.scene), [t.noun for t in scene.objects].index(noun)))
    order = sorted(order, key=lambda noun: noun != scene.main.noun and fits(noun, scene.scene))
    for keep in range(len(order), 0, -1):
        for detail in (1, 0):
            yield f"{listing([_counted(scene, noun, number[noun], detail) for noun in order[:keep]])} {place(scene)}"
    yield f"{_counted(scene, order[0], number[order[0]], 1)} {_extra(scene)}"


def _counted(scene: Scene, noun: str, count: int, detail: int) -> str:
    things = [thing for thing in scene.objects if thing.noun == noun]
    colors = {thing.color for thing in things}
    color = f"{things[0].color} " if len(colors) == 1 and detail and noun != "elephant" else ""
    if things[0].category == "person":
        tail = f" in {things[0].color}" if detail and len(colors) == 1 else ""
        return f"{NUMBERS[count]} {name_of(noun) if count == 1 else plural(noun)}{tail}"
    if count == 1:
        phrase = color + name_of(noun)
        return f"{article(phrase)} {phrase}"
    return f"{NUMBERS[count]} {color}{plural(name_of(noun))}"
