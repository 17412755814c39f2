"""Caption codes: a fixed random projection of the scene graph, in a visual and a text-only part.

The visual part (setting, things, categories, colours, places, number) can be read off the picture's contents; the
text-only part (action, relations, who does what to whom) is visible to an attentive person but not carried by counts
of categories. Both parts are scaled over a population of scenes, so that the text-only part has a stated share of the
variance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from brainview.core.errors import BrainViewError
from brainview.phantom.world.scene import Scene
from brainview.phantom.world.vocabulary import ACTIONS, CATEGORIES, COLORS, NOUNS, POSITIONS, RELATIONS, SCENES

CODE_SIZE = 48
CODE_SEED = 4_810_2026
TEXT_SHARE = {"easy": 0.5, "nsd": 0.6, "hard": 0.6}
VERBS = (
    "walk", "run", "jump", "wave", "sit", "stand", "sleep", "dance", "climb", "eat", "drink", "read", "throw", "catch",
    "carry", "hold", "fly", "ride", "push", "pull", "hug", "sit on", "sleep on", "point at", "look at", "wave at",
    "chase", "hand", "show", "throw to", "dance with", "fly up", "stand on", "hide under", "park", "drive", "sail",
    "follow", "rest", "rest on", "rest under", "rest beside",
)  # fmt: skip


@lru_cache(maxsize=1)
def feature_names() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the visual and of the text-only features, in the order of the columns."""
    visual = [f"scene:{name}" for name in SCENES] + [f"noun:{name}" for name in NOUNS]
    visual += [f"category:{name}" for name in CATEGORIES] + [f"color:{name}" for name in COLORS]
    visual += [f"{category} at {position}" for category in CATEGORIES for position in POSITIONS] + ["number"]
    text = [f"action:{name}" for name in ACTIONS] + [f"verb:{name}" for name in VERBS]
    text += [f"relation:{name}" for name in RELATIONS]
    text += [f"relation:{a} {name} {b}" for name in RELATIONS for a in CATEGORIES for b in CATEGORIES]
    for role in ("actor", "target", "recipient"):
        text += [f"{role}:{noun}" for noun in NOUNS]
    text += [f"{noun} does {verb}" for noun in NOUNS if NOUNS[noun].category == "person" for verb in VERBS]
    return tuple(visual), tuple(text)


@lru_cache(maxsize=1)
def _index() -> tuple[dict[str, int], dict[str, int]]:
    visual, text = feature_names()
    return {name: i for i, name in enumerate(visual)}, {name: i for i, name in enumerate(text)}


def code_features(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Return the scene's visual (n_visual,) and text-only (n_text,) features, float32, named by `feature_names`."""
    to_visual, to_text = _index()
    visual = np.zeros(len(to_visual), np.float32)
    text = np.zeros(len(to_text), np.float32)
    visual[to_visual[f"scene:{scene.scene}"]] = 1.5
    visual[to_visual["number"]] = 0.5 * len(scene.objects)
    for thing in scene.objects:
        for name in (f"noun:{thing.noun}", f"category:{thing.category}", f"{thing.category} at {thing.position}"):
            visual[to_visual[name]] += 1.0
        visual[to_visual[f"color:{thing.color}"]] += 0.5
        if thing.action:
            text[to_text[f"action:{thing.action}"]] += 0.7
    _add_relations(scene, text, to_text)
    event, things = scene.event, scene.objects
    text[to_text[f"verb:{event.verb}"]] += 1.5
    roles = (("actor", event.actor), ("target", event.target), ("recipient", event.recipient))
    for role, index in roles:
        if index is not None:
            text[to_text[f"{role}:{things[index].noun}"]] += 1.0
    if things[event.actor].category == "person":
        text[to_text[f"{things[event.actor].noun} does {event.verb}"]] += 1.0
    return visual, text


def _add_relations(scene: Scene, text: np.ndarray, to_text: dict[str, int]) -> None:
    for relation in scene.relations:
        a, b = scene.objects[relation.subject].category, scene.objects[relation.object].category
        text[to_text[f"relation:{relation.name}"]] += 0.6
        text[to_text[f"relation:{a} {relation.name} {b}"]] += 0.6


@lru_cache(maxsize=8)
def _projections(dim: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    visual, text = feature_names()
    rng = np.random.Generator(np.random.Philox(key=seed))
    return rng.standard_normal((len(visual), dim)), rng.standard_normal((len(text), dim))


@dataclass(frozen=True)
class CodeScale:
    """Means and spreads of both parts over a population, with the share, size and seed they belong to.

    ``mean_visual`` and ``mean_text`` have `dim` numbers; ``sd_visual`` and ``sd_text`` are one number each (root mean
    square over the code's dimensions), so that the geometry of a part is kept.
    """

    mean_visual: tuple[float, ...]
    mean_text: tuple[float, ...]
    sd_visual: float
    sd_text: float
    share: float
    dim: int
    seed: int


def _raw(scenes: Sequence[Scene], dim: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    to_visual, to_text = _projections(dim, seed)
    rows = [code_features(scene) for scene in scenes]
    return np.stack([row[0] for row in rows]) @ to_visual, np.stack([row[1] for row in rows]) @ to_text


def code_scale(scenes: Sequence[Scene], share: float = 0.6, dim: int = CODE_SIZE, seed: int = CODE_SEED) -> CodeScale:
    """Measure means and spreads of the two parts over `scenes`; raises BrainViewError for fewer than 8 scenes."""
    if len(scenes) < 8:
        raise BrainViewError(f"a code scale needs 8 scenes or more, got {len(scenes)}")
    if not 0.0 <= share <= 1.0:
        raise BrainViewError(f"the text-only share must be in 0..1, got {share}")
    visual, text = _raw(scenes, dim, seed)
    return CodeScale(
        mean_visual=tuple(float(v) for v in visual.mean(0)),
        mean_text=tuple(float(v) for v in text.mean(0)),
        sd_visual=float(np.sqrt(visual.var(0).mean())),
        sd_text=float(np.sqrt(text.var(0).mean())),
        share=share,
        dim=dim,
        seed=seed,
    )


def caption_code_parts(scenes: Sequence[Scene], scale: CodeScale) -> tuple[np.ndarray, np.ndarray]:
    """Return the visual-only and the text-only part of the codes, each (n, dim) float64; the code is their sum."""
    visual, text = _raw(scenes, scale.dim, scale.seed)
    visual = (visual - np.array(scale.mean_visual)) / scale.sd_visual * np.sqrt(1.0 - scale.share)
    text = (text - np.array(scale.mean_text)) / scale.sd_text * np.sqrt(scale.share)
    return visual, text


def caption_codes(
    scenes: Sequence[Scene], share: float = 0.6, dim: int = CODE_SIZE, seed: int = CODE_SEED, *,
    scale: CodeScale | None = None,
) -> np.ndarray:
    """Return the caption codes z of scenes, (n, dim) float64, variance near 1 a dimension.

    Without `scale` the means and spreads are those of `scenes` themselves; hand the population's scale over when parts
    of a data set must share one code (``share``, ``dim`` and ``seed`` are then those of the scale).
    """
    visual, text = caption_code_parts(scenes, scale or code_scale(scenes, share, dim, seed))
    return visual + text


@lru_cache(maxsize=4)
def reference_scale(share: float = 0.6, dim: int = CODE_SIZE, seed: int = CODE_SEED) -> CodeScale:
    """Return the scale of a fixed reference population (96 reserve scenes of seed 0)."""
    from brainview.phantom.world.generate import generate_scenes

    return code_scale(generate_scenes(96, 0, pool="reserve"), share, dim, seed)


def caption_code(scene: Scene, dim: int = CODE_SIZE, seed: int = CODE_SEED, *, share: float = 0.6) -> np.ndarray:
    """Return one scene's caption code, (dim,) float64, scaled by the reference population."""
    return caption_codes([scene], scale=reference_scale(share, dim, seed))[0]
