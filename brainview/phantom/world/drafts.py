"""Drafts: a setting, the things in it and what happens, before anything has a place."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from brainview.phantom.world.compose import Draft
from brainview.phantom.world.plots import plots_for
from brainview.phantom.world.scene import Event
from brainview.phantom.world.vocabulary import (
    FOODS,
    FURNITURE,
    NOUNS,
    OUTDOORS,
    PEOPLE,
    SCENES,
    SIGN_WORDS,
    SIGNS,
    THINGS,
    fits,
)

COUNT_SHARES = (0.15, 0.35, 0.30, 0.20)
PERSON_SHARE = 0.40
SIGN_SHARE = 0.25
ODD_SHARE = 0.10
TWIN_SHARE = 0.12
_WORLD_SEED = 20_26
# what people do things with: the likely first companion of a person
_USEFUL = (*THINGS, *FOODS, "bicycle", "horse", "elephant", "chair", "sofa", "bed", "dog", "cat", "cow", "car")


@lru_cache(maxsize=1)
def preferences() -> dict[str, dict[str, float]]:
    """Return for every setting the share of every noun at home in it: Dirichlet(.25) mixed 85:15 with uniform.

    People and signs are drawn apart and left out. The table is the same for every seed: it is the world's habit.
    """
    rng = np.random.default_rng(_WORLD_SEED)
    table = {}
    for scene in SCENES:
        home = [noun for noun in NOUNS if fits(noun, scene) and noun not in PEOPLE + SIGNS]
        liking = rng.dirichlet(np.full(len(home), 0.25)) * 0.85 + 0.15 / len(home)
        table[scene] = dict(zip(home, (float(v) for v in liking / liking.sum()), strict=True))
    return table


def _draw(rng: np.random.Generator, weights: dict[str, float]) -> str:
    names = list(weights)
    shares = np.array([weights[name] for name in names])
    return names[int(rng.choice(len(names), p=shares / shares.sum()))]


def _boosted(scene: str, nouns: list[str]) -> dict[str, float]:
    """Return preferences given what is there already: companions that make something happen are likelier."""
    weights = dict(preferences()[scene])
    people = [noun for noun in nouns if noun in PEOPLE]
    for noun in weights:
        floor = 0.7 / len(weights)
        if people and (noun in THINGS + FOODS or noun in ("bicycle", "horse", "chair", "sofa", "bed", "dog")):
            weights[noun] = 1.5 * weights[noun] + 1.5 * floor
        if nouns[0] in FOODS + THINGS + ("lamp", "dog", "cat") and noun in ("table", "sofa", "chair", "bed"):
            weights[noun] = 3.0 * weights[noun] + 2 * floor
        if nouns[0] in ("table", "chair", "sofa", "bed") and noun in FOODS + ("book", "cup", "ball", "lamp", "cat"):
            weights[noun] += floor
        if noun in nouns:
            weights[noun] = 0.0
    return weights


def _main(rng: np.random.Generator, scene: str) -> str:
    """Return a main thing that is no person: half by the setting's habit, half by a category drawn evenly."""
    if rng.random() < 0.35:
        return _draw(rng, preferences()[scene])
    categories: dict[str, list[str]] = {}
    for noun in preferences()[scene]:
        categories.setdefault(NOUNS[noun].category, []).append(noun)
    members = categories[sorted(categories)[int(rng.integers(len(categories)))]]
    return members[int(rng.integers(len(members)))]


def _nouns(rng: np.random.Generator, scene: str, pair: bool) -> list[str]:
    count = 1 + int(rng.choice(4, p=COUNT_SHARES))
    person = rng.random() < PERSON_SHARE
    sign = rng.random() < SIGN_SHARE
    if pair and count == 1 and not person:
        count = 2
    if person:
        home = [noun for noun in PEOPLE if fits(noun, scene)]
        if "baby" in home and rng.random() < 0.5:  # a baby can do less than the others
            home.remove("baby")
        nouns = [home[int(rng.integers(len(home)))]]
    elif sign and count == 1 and not pair:
        return [SIGNS[int(rng.integers(2))]]
    else:
        nouns = [_main(rng, scene)]
    while len(nouns) < count:
        if sign and not any(noun in SIGNS for noun in nouns) and len(nouns) == count - 1:
            nouns.append(SIGNS[int(rng.integers(2))])
        elif person and len(nouns) == 1 + (count > 2) and rng.random() < (0.3 if count == 2 else 0.7):
            home = [noun for noun in PEOPLE if fits(noun, scene) and noun not in nouns]
            nouns.append(home[int(rng.integers(len(home)))])
        elif rng.random() < TWIN_SHARE and NOUNS[nouns[-1]].category not in ("person",
            "word") and len(nouns) > 1 - person:
            nouns.append(nouns[-1])
        elif person and len(nouns) == 1 and rng.random() < 0.75:
            useful = [noun for noun in _USEFUL if fits(noun, scene)]
            nouns.append(useful[int(rng.integers(len(useful)))])
        else:
            nouns.append(_draw(rng, _boosted(scene, nouns)))
    return nouns


def _odd(rng: np.random.Generator, scene: str, nouns: list[str]) -> int | None:
    """Swap one thing for one that does not belong there, with its probability; return its index."""
    if rng.random() >= ODD_SHARE:
        return None
    strange = [noun for noun in NOUNS if not fits(noun, scene) and noun not in PEOPLE + SIGNS and noun not in nouns]
    places = [i for i, noun in enumerate(nouns) if noun not in PEOPLE + SIGNS]
    if scene in OUTDOORS:
        strange = [noun for noun in strange if noun in FURNITURE or noun != "train"]
    else:
        strange = [noun for noun in strange if noun not in ("train", "bus", "boat", "truck")]
    if not places or not strange:
        return None
    place = places[int(rng.integers(len(places)))]
    nouns[place] = strange[int(rng.integers(len(strange)))]
    return place


def draw_draft(rng: np.random.Generator, pair: bool = False) -> Draft:
    """Draw a setting, its things with colours, sizes and words, and one event.

    `pair` asks for things among which at least two different events are possible.
    """
    while True:
        scene = SCENES[int(rng.integers(len(SCENES)))]
        nouns = _nouns(rng, scene, pair)
        odd = _odd(rng, scene, nouns)
        plots = plots_for(scene, tuple(nouns))
        if len({plot.event for plot in plots}) >= (2 if pair else 1):
            break
    weights = np.array([plot.weight for plot in plots])
    event = plots[int(rng.choice(len(plots), p=weights / weights.sum()))].event
    return Draft(
        scene=scene,
        nouns=tuple(nouns),
        colors=_colors(rng, nouns),
        sizes=tuple(_size(rng, noun) for noun in nouns),
        words=tuple(_word(rng, noun) for noun in nouns),
        looks=tuple(int(v) for v in rng.integers(1 << 30, size=len(nouns))),
        odd=odd,
        event=event,
    )


def _colors(rng: np.random.Generator, nouns: list[str]) -> tuple[str, ...]:
    taken: list[str] = []
    for i, noun in enumerate(nouns):
        options = list(NOUNS[noun].colors)
        twins = {taken[j] for j in range(i) if nouns[j] == noun}
        fresh = [color for color in options if color not in taken] or options
        if twins and rng.random() < 0.5:
            fresh = sorted(twins)
        taken.append(fresh[int(rng.integers(len(fresh)))])
    return tuple(taken)


def _size(rng: np.random.Generator, noun: str) -> str:
    if noun in PEOPLE + SIGNS:
        return "medium"
    return ("small", "medium", "large")[int(rng.choice(3, p=(0.2, 0.55, 0.25)))]


def _word(rng: np.random.Generator, noun: str) -> str:
    if noun not in SIGNS:
        return ""
    short = SIGN_WORDS if noun == "board" else tuple(word for word in SIGN_WORDS if len(word) <= 5)
    return short[int(rng.integers(len(short)))]


def siblings_of(draft: Draft, rng: np.random.Generator, members: int) -> list[Event]:
    """Return the draft's event and `members` - 1 others, all different, that its things allow as well."""
    events = [draft.event]
    plots = [plot for plot in plots_for(draft.scene, draft.nouns) if plot.event != draft.event]
    while len(events) < members and plots:
        weights = np.array([plot.weight for plot in plots])
        event = plots[int(rng.choice(len(plots), p=weights / weights.sum()))].event
        events.append(event)
        plots = [plot for plot in plots if plot.event != event]
    return events
