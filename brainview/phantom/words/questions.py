"""Ten questions on a scene with answers of one to three words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from brainview.phantom.words.grammar import NUMBERS, gerund, name_of, noun_phrase, plural, told_apart
from brainview.phantom.world.drafts import preferences
from brainview.phantom.world.scene import Scene
from brainview.phantom.world.vocabulary import SCENES

QUESTION_KINDS = (
    "presence yes", "presence no", "count", "color", "position", "relation", "action", "sign", "scene", "comparison",
)  # fmt: skip
_CATEGORY_WORDS = {
    "person": "people", "animal": "animals", "vehicle": "vehicles", "food": "pieces of food",
    "furniture": "pieces of furniture",
    "word": "signs or posters",
}  # fmt: skip

Question = dict[str, str]


def questions(scene: Scene) -> list[Question]:
    """Return ten questions, one of each kind of ``QUESTION_KINDS``: {"question", "answer", "kind"}."""
    dice = np.random.Generator(np.random.Philox(key=scene.look * 8 + 7))
    makers = (_yes, _no, _count, _color, _position, _relation, _action, _sign, _scene, _comparison)
    return [
        {"question": question, "answer": answer, "kind": kind}
        for kind, (question, answer) in zip(QUESTION_KINDS, (make(scene, dice) for make in makers), strict=True)
    ]


def majority_baseline(asked: Iterable[Question]) -> tuple[str, float]:
    """Return the commonest answer and the share of questions it answers; what a guesser without eyes would reach."""
    counts = Counter(item["answer"] for item in asked)
    answer, count = counts.most_common(1)[0]
    return answer, count / sum(counts.values())


def _pick(scene: Scene, dice: np.random.Generator, wanted=lambda thing: True) -> int | None:
    """Return a thing that can be told apart and is wanted, None without one."""
    found = [k for k, thing in enumerate(scene.objects) if wanted(thing) and told_apart(scene, k) is not None]
    return found[int(dice.integers(len(found)))] if found else None


def _yes(scene: Scene, dice: np.random.Generator) -> tuple[str, str]:
    thing = scene.objects[int(dice.integers(len(scene.objects)))]
    return f"Is there {noun_phrase(thing, detail=0)} in the picture?", "yes"


def _no(scene: Scene, dice: np.random.Generator) -> tuple[str, str]:
    """Ask for something likely here that is absent."""
    present = {thing.noun for thing in scene.objects}
    absent = {noun: share for noun, share in preferences()[scene.scene].items() if noun not in present}
    names = list(absent)
    shares = np.array([absent[name] for name in names]) + 0.02
    noun = names[int(dice.choice(len(names), p=shares / shares.sum()))]
    name = name_of(noun)
    return f"Is there {'an' if name[0] in 'aeiou' else 'a'} {name} in the picture?", "no"


def _count(scene: Scene, dice: np.random.Generator) -> tuple[str, str]:
    thing = scene.objects[int(dice.integers(len(scene.objects)))]
    twins = Counter(other.noun for other in scene.objects)
    often = [noun for noun, number in twins.items() if number > 1]
    if often:
        return f"How many {plural(name_of(often[0]))} are there?", NUMBERS[twins[often[0]]]
    category = thing.category if thing.category in _CATEGORY_WORDS else "person"
    number = sum(other.category == category for other in scene.objects)
    return f"How many {_CATEGORY_WORDS[category]} are in the picture?", NUMBERS[number].replace("no", "none")


def _color(scene: Scene, dice: np.random.Generator) -> tuple[str, str]:
    colors = [k for k, t in enumerate(scene.objects) if sum(o.noun == t.noun for o in scene.objects) == 1]
    k = colors[int(dice.integers(len(colors)))] if colors else 0
    thing = scene.objects[k]
    if not colors:
        return f"What color is one of the {plural(name_of(thing.noun))}?", thing.color
    if thing.category == "person":
        return f"What color does {noun_phrase(thing, detail=0, definite=True)} wear?", thing.color
    return f"What color is {noun_phrase(thing, detail=0, definite=True)}?", thing.color


def _position(scene: Scene, dice: np.random.Generator) -> tuple[str, str]:
    k = _pick(scene, dice)
    if k is None:
        first = min(scene.objects, key=lambda thing: thing.box[0])
        return f"Where in the picture is the leftmost {name_of(first.noun)}?", first.position
    return f"Where in the picture is {told_apart(scene, k)}?", scene.objects[k].position


def _relation(scene: Scene, dice: np.random.Generator) -> tuple[str, str]:
    for relation in scene.relations:
        a, b = told_apart(scene, relation.subject), told_apart(scene, relation.object)
        if a is None or b is None:
            continue
        answer = name_of(scene.objects[relation.object].noun)
        if relation.name in ("holding", "riding", "looking at"):
            return f"What is {a} {relation.name}?", answer
        if relation.name in ("on", "under"):
            return f"What is {a} {relation.name}?", answer
        if relation.name == "beside":
            return f"Is {a} next to {b}?", "yes"
        flipped = bool(dice.random() < 0.5)
        first, second = (b, a) if flipped else (a, b)
        words = "to the left of" if relation.name == "left of" else "behind"
        return f"Is {first} {words} {second}?", "no" if flipped else "yes"
    if len(scene.objects) == 1:
        return f"Is {told_apart(scene, 0)} alone in the picture?", "yes"
    middle = [0.5 * (thing.box[0] + thing.box[2]) for thing in scene.objects]
    return "What is farthest to the left?", name_of(scene.objects[int(np.argmin(middle))].noun)


def _action(scene: Scene, dice: np.random.Generator) -> tuple[str, str]:
    actor = scene.objects[scene.event.actor]
    phrase = told_apart(scene, scene.event.actor)
    if phrase is not None and (actor.category in ("person", "animal") or scene.event.verb in ("drive", "sail",
        "follow")):
        return f"What is {phrase} doing?", gerund(scene)
    doer = _pick(scene, dice, lambda thing: thing.category == "person" and thing.action)
    if doer is not None and scene.objects[doer].action in ("stand", "walk", "sit"):
        word = {"stand": "standing", "walk": "walking", "sit": "sitting"}[scene.objects[doer].action]
        return f"What is {told_apart(scene, doer)} doing?", word
    return "Is there a person in the picture?", "yes" if any(t.category == "person" for t in scene.objects) else "no"


def _sign(scene: Scene, dice: np.random.Generator) -> tuple[str, str]:
    signs = [thing for thing in scene.objects if thing.text]
    if not signs:
        return "What word is written in the picture?", "none"
    return f"What does {noun_phrase(signs[0], detail=0, definite=True)} say?", signs[0].text.lower()


def _scene(scene: Scene, dice: np.random.Generator) -> tuple[str, str]:
    assert scene.scene in SCENES
    return "Where is this?", scene.scene


def _comparison(scene: Scene, dice: np.random.Generator) -> tuple[str, str]:
    things = [k for k in range(len(scene.objects)) if told_apart(scene, k) is not None]
    if len(things) >= 2:
        a, b = (int(k) for k in dice.permutation(things)[:2])
        area = [(t.box[2] - t.box[0]) * (t.box[3] - t.box[1]) for t in scene.objects]
        if not 0.8 < area[a] / area[b] < 1.25:
            bigger = a if area[a] > area[b] else b
            phrase = told_apart(scene, bigger) or ""
            return f"Which looks larger, {told_apart(scene, a)} or {told_apart(scene, b)}?", phrase.removeprefix("the ")
        tops = [t.box[1] for t in scene.objects]
        if abs(tops[a] - tops[b]) > 0.04:
            higher = a if tops[a] < tops[b] else b
            phrase = told_apart(scene, higher) or ""
            question = f"Which reaches higher up, {told_apart(scene, a)} or {told_apart(scene, b)}?"
            return question, phrase.removeprefix("the ")
    main = scene.main
    wide, high = main.box[2] - main.box[0], main.box[3] - main.box[1]
    name = told_apart(scene, 0) or f"the first {name_of(main.noun)}"
    return f"Does {name} look taller than wide?", "yes" if high > wide else "no"


