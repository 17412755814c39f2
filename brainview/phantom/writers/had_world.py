"""Clips of the film phantom: twenty actions, every clip another scene, sentences for ten questions about each.

The reference for names is HAD (Zhou et al. 2023, Scientific Data 10:415): ``<Category>/v_<Category>_id_<id>_start_
<s.s>_label_1.mp4``, categories in alphabetical order, names with spaces.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from brainview.core.errors import BrainViewError
from brainview.core.jobs import QUIET, JobContext
from brainview.phantom.words.captions import captions
from brainview.phantom.words.grammar import (
    WEAR,
    article,
    listing,
    name_of,
    noun_phrase,
    place,
    sentence,
    verb_phrase,
)
from brainview.phantom.world import Scene
from brainview.phantom.world.compose import compose
from brainview.phantom.world.drafts import draw_draft
from brainview.phantom.world.plots import action_of, plots_for
from brainview.phantom.world.vocabulary import INDOORS, PEOPLE

#: Category key (as it stands in file names) of every action.
CATEGORIES = {
    "carry": "Carrying something", "catch": "Catching ball", "climb": "Climbing ladder", "dance": "Dancing",
    "drink": "Drinking", "eat": "Eating food", "hug": "Hugging", "jump": "Jumping", "point": "Pointing",
    "pull": "Pulling", "push": "Pushing", "read": "Reading book", "ride": "Riding", "run": "Running",
    "sit": "Sitting", "sleep": "Sleeping", "stand": "Standing", "throw": "Throwing ball", "walk": "Walking",
    "wave": "Waving",
}  # fmt: skip
#: Actions whose button is "sport".
SPORT = frozenset({"carry", "catch", "climb", "dance", "jump", "pull", "push", "ride", "run", "throw"})
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def category_names(count: int = 20) -> list[str]:
    """Return the first `count` category keys in alphabetical order; raises BrainViewError for an impossible count."""
    if not 2 <= count <= len(CATEGORIES):
        raise BrainViewError(f"a film phantom has 2 to {len(CATEGORIES)} actions, {count} were asked for")
    return sorted(CATEGORIES.values())[:count]


def action_scenes(action: str, count: int, seed: int, taken: set[str] | None = None, *,
                  context: JobContext = QUIET) -> list[Scene]:
    """Return `count` scenes in which a person does `action`; the same values always give the same scenes."""
    rng = np.random.Generator(np.random.Philox(key=int.from_bytes(
        hashlib.sha256(f"film/{seed}/{action}".encode()).digest()[:16], "little")))
    found: list[Scene] = []
    while len(found) < count:
        context.check()
        draft = draw_draft(rng)
        plots = [p for p in plots_for(draft.scene, draft.nouns) if p.event.verb not in ("hold", "fly", "look at")
                 and draft.nouns[p.event.actor] in PEOPLE and action_of(p.event, True) == action]
        if not plots:
            continue
        event = plots[int(rng.integers(len(plots)))].event
        scene = compose(replace(draft, event=event), rng)
        if scene is not None:
            number = len(found)
            found.append(replace(scene, id=f"film-{action}-{number:05d}", key=("film", seed, number, 0)))
    return found


def clip_name(category: str, scene: Scene, number: int) -> str:
    """Return the stimulus file of a clip, relative to ``stimuli/``."""
    digest = hashlib.sha256(f"{scene.id}/{scene.look}".encode()).digest()
    video = "".join(_LETTERS[b % 64] for b in digest[:11])
    return f"{category}/v_{category}_id_{video}_start_{(number % 90) + digest[12] % 10 / 10:.1f}_label_1.mp4"


def answers(scene: Scene, action: str) -> dict[str, str]:
    """Return the sentence for every question of ``prompts/video_instructions.toml``, by its key."""
    actor = scene.objects[scene.event.actor]
    dice = np.random.Generator(np.random.Philox(key=scene.look))
    noun, does, where = name_of(actor.noun), verb_phrase(scene, scene.event, detail=1), place(scene)
    told, wear = captions(scene), f"{actor.color} {WEAR[actor.noun]}"
    things = [noun_phrase(t, detail=1) for i, t in enumerate(scene.objects) if i != scene.event.actor]
    who = noun_phrase(actor, dice, detail=0)
    return {
        "event": sentence(f"{noun_phrase(actor, detail=0)} is {does} {where}"),
        "who": sentence(f"it is {article(noun)} {noun}"),
        "doing": sentence(f"the {noun} is {verb_phrase(scene, scene.event, detail=0)}"),
        "where": sentence(f"it takes place {where}"),
        "objects": sentence(f"there is {listing(things)}") if things else "There is nothing else to see.",
        "order": sentence(f"first and last {who} is {does}"),
        "clothes": sentence(f"the {noun} wears {article(wear)} {wear}"),
        "inside": "It is indoors." if scene.scene in INDOORS else "It is outdoors.",
        "sport": "Yes, it looks like sport." if action in SPORT else "No, it does not look like sport.",
        "caption": told[0],
    }
