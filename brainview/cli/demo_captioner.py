"""The part of ``brainview build-demo`` that draws scenes and trains the shipped captioner."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.jobs import QUIET, JobContext, Stage

#: Seed of the scenes; not that of any built-in phantom, nor of the small CLIP.
SEED = 8123
#: Side at which scenes are drawn before they are reduced; side of the model's pictures; cells of the id mask.
DRAWN, PIXELS, CELLS = 168, 112, 28
TAG = f"{SEED}-{PIXELS}"


def draw(pool: str, numbers: range) -> Iterator[tuple[np.ndarray, np.ndarray, dict[str, Any]]]:
    """Yield (picture, ids, row) of scenes of a pool of the phantom's world, as ``SceneBank`` holds them."""
    from PIL import Image

    from brainview.phantom.draw import draw_scene
    from brainview.phantom.draw.render import silhouettes
    from brainview.phantom.words import captions, description, questions
    from brainview.phantom.words.grammar import name_of, told_apart
    from brainview.phantom.world import generate_scene

    for number in numbers:
        scene = generate_scene(number, SEED, "nsd", pool=pool)
        image = Image.fromarray(draw_scene(scene, DRAWN)).resize((PIXELS, PIXELS), Image.Resampling.BICUBIC)
        ids = np.zeros((CELLS, CELLS), np.int8)
        for k, seen in enumerate(silhouettes(scene, 4 * CELLS)[1]):
            ids[seen.reshape(CELLS, 4, CELLS, 4).mean((1, 3)) >= 0.4] = k + 1
        things = [{"name": name_of(t.noun), "noun": t.noun, "coco": t.coco, "color": t.color, "category": t.category,
                   "phrase": told_apart(scene, k), "box": list(t.box)} for k, t in enumerate(scene.objects)]
        yield np.asarray(image), ids, {"captions": captions(scene), "description": description(scene),
                                       "questions": questions(scene), "scene": scene.scene,
                                       "verb": scene.event.verb, "things": things}


def banks(work: Path, pictures: int, held: int, context: JobContext = QUIET) -> tuple[Any, Any]:
    """Return the training and the held-out bank."""
    from brainview.language.captioner.bank import load_bank

    train = load_bank(work, "train", pictures, draw, TAG, context=Stage(context, 0, 0.95))
    return train, load_bank(work, "test", held, draw, TAG, context=Stage(context, 0.95, 1))
