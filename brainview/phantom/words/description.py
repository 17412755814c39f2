"""One longer description of a scene, short enough for a text encoder of 77 tokens."""

from __future__ import annotations

import re

import numpy as np

from brainview.phantom.words.captions import _RELATION_WORDS
from brainview.phantom.words.grammar import noun_phrase, place, sentence, told_apart, verb_phrase
from brainview.phantom.world.scene import Scene
from brainview.phantom.world.vocabulary import SETTINGS

MAX_WORDS, MAX_TOKENS = 62, 77
# words of ours that CLIP's byte-pair vocabulary splits (counted with open_clip's SimpleTokenizer)
PIECES = {"chalkboard": 2, "cupboards": 2}


def token_count(text: str) -> int:
    """Return the number of CLIP tokens of a text, start and end included, without loading a tokenizer.

    Exact for the words of this package: each is one token but those in ``PIECES``; a test compares with open_clip.
    """
    words = re.findall(r"[a-z]+|[0-9]|[^\sa-z0-9]+", text.lower())
    return 2 + sum(PIECES.get(word, 1) for word in words)


def description(scene: Scene) -> str:
    """Return setting, main actor and action, relations, other things, background and the sign's word.

    At most 62 words and 77 tokens; what does not fit is left out, the background first.
    """
    dice = np.random.Generator(np.random.Philox(key=scene.look * 8 + 6))
    actor = scene.objects[scene.event.actor]
    head = f"{noun_phrase(actor, detail=2)} is {verb_phrase(scene, scene.event, detail=1)}"
    opening = sentence(f"{('this picture was made', 'we are', 'the scene is')[int(dice.integers(3))]} {place(scene)}")
    told = [(0, opening), (1, sentence(head))]
    told += [(3 + k, text) for k, text in enumerate(_relations(scene))]
    told += [(5 + k, text) for k, text in enumerate(_others(scene))]
    told.append((9, sentence(f"in the background we see {SETTINGS[scene.scene].backdrop}")))
    sign = next((thing for thing in scene.objects if thing.text), None)
    if sign is not None:
        told.append((2, sentence(f'the word on {noun_phrase(sign, detail=1, definite=True)} is "{sign.text}"')))
    kept: set[int] = set()
    for rank, k in sorted((rank, k) for k, (rank, _) in enumerate(told)):
        text = " ".join(told[j][1] for j in sorted(kept | {k}))
        if rank < 2 or (len(text.split()) <= MAX_WORDS - 2 and token_count(text) <= MAX_TOKENS - 1):
            kept.add(k)
    return " ".join(told[j][1] for j in sorted(kept))


def _relations(scene: Scene) -> list[str]:
    said = []
    for relation in scene.relations:
        event = scene.event
        if {relation.subject, relation.object} == {event.actor, event.target}:
            continue
        a, b = told_apart(scene, relation.subject), told_apart(scene, relation.object)
        if a and b:
            said.append(sentence(f"{a} is {_RELATION_WORDS[relation.name]} {b}"))
    return said[:2]


def _others(scene: Scene) -> list[str]:
    """Return a sentence on each thing that neither the event nor the relations name with its colour."""
    named = {scene.event.actor, scene.event.target, scene.event.recipient}
    said = []
    for k, thing in enumerate(scene.objects):
        phrase = told_apart(scene, k)
        if k in named or phrase is None or thing.category == "word" or thing.noun == "elephant":
            continue
        if thing.category == "person":
            said.append(sentence(f"{phrase} is dressed in {thing.color}"))
        elif not phrase.startswith(f"the {thing.color}"):
            said.append(sentence(f"{phrase} is {thing.color}"))
    return said


