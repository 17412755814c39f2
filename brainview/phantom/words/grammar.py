"""Noun phrases and verb phrases: articles, plurals, agreement, synonyms."""

from __future__ import annotations

import numpy as np

from brainview.phantom.world.scene import Event, Scene, SceneObject
from brainview.phantom.world.vocabulary import NOUNS, SETTINGS

PLURALS = {
    "woman": "women", "man": "men", "baby": "babies", "sheep": "sheep", "bus": "buses", "sandwich": "sandwiches",
    "couch": "couches", "lady": "ladies", "person": "people", "bread": "loaves of bread",
    "loaf of bread": "loaves of bread",
}  # fmt: skip
NUMBERS = ("no", "one", "two", "three", "four")
WEAR = {"woman": "dress", "girl": "dress", "man": "sweater", "boy": "shirt", "baby": "suit", "chef": "apron"}
GROUND = {"beach": "sand", "street": "road", "station": "platform", "forest": "ground", "park": "grass",
    "farm": "ground", "mountain": "grass"}

# verb -> (phrase after "is", other phrases); {t} the thing acted on, {r} the one it is done to, {g} the ground
PHRASES: dict[str, tuple[str, ...]] = {
    "walk": ("walking", "taking a walk"), "run": ("running", "running fast"), "jump": ("jumping", "jumping in the air"),
    "wave": ("waving", "waving a hand"), "stand": ("standing",), "sit": ("sitting on the {g}",),
    "sleep": ("sleeping on the {g}", "asleep on the {g}"), "dance": ("dancing",), "climb": ("climbing a ladder",
        "climbing up a ladder"),
    "eat": ("eating {t}",), "drink": ("drinking from {t}",), "read": ("reading {t}",), "throw": ("throwing {t}",),
    "catch": ("catching {t}",), "carry": ("carrying {t}",), "hold": ("holding {t}",
        "standing with {t}"), "fly": ("flying {t}",),
    "ride": ("riding {t}", "riding on {t}"), "push": ("pushing {t}",), "pull": ("pulling {t} with a rope",
        "pulling {t}"),
    "hug": ("hugging {t}",), "sit on": ("sitting on {t}",), "sleep on": ("sleeping on {t}", "asleep on {t}"),
    "point at": ("pointing at {t}",), "look at": ("looking at {t}",), "wave at": ("waving at {t}", "waving to {t}"),
    "chase": ("chasing {t}", "running after {t}"), "hand": ("handing {t} to {r}",
        "giving {t} to {r}"), "show": ("showing {t} to {r}",),
    "throw to": ("throwing {t} to {r}",), "dance with": ("dancing with {t}",), "fly up": ("flying in the air",
        "flying"),
    "stand on": ("standing on {t}",), "hide under": ("under {t}",), "park": ("parked",), "drive": ("driving along",
        "on the move"),
    "sail": ("sailing", "under sail"), "follow": ("driving behind {t}", "following {t}"), "rest": ("on the {g}",),
    "rest on": ("on {t}",), "rest under": ("under {t}",), "rest beside": ("next to {t}", "beside {t}"),
}  # fmt: skip
BARE = {
    "ride": "riding", "sit on": "sitting", "sleep on": "sleeping", "point at": "pointing", "look at": "looking",
    "wave at": "waving",
    "throw to": "throwing",
    "dance with": "dancing", "fly up": "flying", "stand on": "standing", "hide under": "sitting",
    "park": "parked",
}  # fmt: skip


def article(phrase: str) -> str:
    """Return "a" or "an" for the sound a phrase begins with."""
    return "an" if phrase[0] in "aeio" or phrase.startswith("umbrella") else "a"


def plural(noun: str) -> str:
    """Return the plural of a noun of the vocabulary or of one of its synonyms."""
    return PLURALS.get(noun, noun + "s")


def ground_word(scene: Scene) -> str:
    """Return what the ground of the setting is called."""
    return GROUND.get(scene.scene, "floor")


def place(scene: Scene) -> str:
    """Return the setting as a phrase such as "in the park"."""
    return SETTINGS[scene.scene].phrase


def name_of(noun: str, dice: np.random.Generator | None = None) -> str:
    """Return the plain name of a thing, or with `dice` one of its synonyms."""
    words = NOUNS[noun].words or (noun,)
    if noun == "bread":
        words = ("loaf of bread",)
    return words[0] if dice is None else words[int(dice.integers(len(words)))]


def noun_phrase(thing: SceneObject, dice: np.random.Generator | None = None, *, detail: int = 1,
    definite: bool = False) -> str:
    """Return "a red ball", "a woman in a blue dress" and the like.

    `detail` 0 names the thing, 1 adds its colour (of clothes: not), 2 adds its size, or what a person wears.
    """
    name = name_of(thing.noun, dice)
    if thing.category == "person":
        tail = ""
        if detail >= 2:
            wear = f"{thing.color} {WEAR[thing.noun]}"
            tail = f" in {article(wear)} {wear}"
        return f"{'the' if definite else article(name)} {name}{tail}"
    words = [name]
    if detail >= 1 and thing.noun != "elephant":
        words.insert(0, thing.color)
    if detail >= 2 and thing.size != "medium":
        words.insert(0, {"small": "small", "large": "large"}[thing.size])
    phrase = " ".join(words)
    return f"{'the' if definite else article(phrase)} {phrase}"


def told_apart(scene: Scene, index: int) -> str | None:
    """Return a definite phrase that fits only this thing ("the red ball"), None when twins look the same."""
    thing = scene.objects[index]
    twins = [other for k, other in enumerate(scene.objects) if k != index and other.noun == thing.noun]
    if not twins:
        return noun_phrase(thing, detail=0, definite=True)
    if any(other.color == thing.color for other in twins):
        return None
    return noun_phrase(thing, detail=1, definite=True)


def verb_phrase(scene: Scene, event: Event, dice: np.random.Generator | None = None, *, detail: int = 1) -> str:
    """Return what the actor does, as it follows "is": "handing a kite to a girl"."""
    actor = scene.objects[event.actor]
    forms = PHRASES[event.verb]
    if event.verb == "rest beside" and actor.category == "vehicle":
        forms = ("parked next to {t}", "parked beside {t}")
    if event.verb in ("sit", "sleep") and dice is None:
        forms = forms[:1]
    form = forms[0] if dice is None else forms[int(dice.integers(len(forms)))]
    target = "" if event.target is None else noun_phrase(scene.objects[event.target], dice, detail=detail)
    friend = "" if event.recipient is None else noun_phrase(scene.objects[event.recipient], dice, detail=0)
    if event.target is not None and scene.objects[event.target].category == "person":
        target = noun_phrase(scene.objects[event.target], dice, detail=0)
    if event.target is not None and scene.objects[event.target].noun == actor.noun:
        target = target.replace("a ", "another ", 1).replace("an ", "another ",
            1) if target.startswith("a ") else target
    return form.format(t=target, r=friend, g=ground_word(scene))


def gerund(scene: Scene) -> str:
    """Return the event's verb alone: "riding", "pointing"."""
    verb = scene.event.verb
    return BARE.get(verb) or PHRASES[verb][0].split(" ")[0]


def listing(parts: list[str]) -> str:
    """Join phrases with commas and "and"."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def sentence(text: str) -> str:
    """Return text with a capital letter and a full stop."""
    return text[0].upper() + text[1:] + "."
