"""The part of ``brainview build-demo`` that draws scenes and trains the shipped captioner."""

from __future__ import annotations

import argparse
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


def build(args: argparse.Namespace) -> int:
    """Draw scenes, train tower and language part (a tower that is there already stays), grade, print the figures.

    The tower that is shipped decides what brain models learn: with the default output folder its tower is kept, and
    only the language part is trained anew.
    """
    from brainview.cli.terminal import print_json, terminal_job
    from brainview.core.paths import cache_dir, resources_dir
    from brainview.language.captioner.config import Captioner

    work = args.work or cache_dir() / "build-demo"
    out = args.out or resources_dir() / "models" / "phantom-llava"
    config = Captioner() if args.steps == 500 else Captioner(text_steps=args.steps)
    with terminal_job(quiet=args.json) as context:
        train, held = banks(work, args.pictures, args.held, Stage(context, 0, 0.3))
        card = _train(train, held, config, work, out, args.minutes, Stage(context, 0.3, 1))
    if card is None:
        print(f"stopped after {args.minutes:g} minutes; call again to go on")
    elif args.json:
        print_json(card)
    else:
        held_out = card["held_out"]
        print(f"phantom-llava: {card['parameters']:,} parameters; on {card['held_out_on']}: "
              f"named objects recall {held_out['captions']['named objects, recall']:.3f}, "
              f"boxes acc@0.5 {held_out['boxes']['acc@0.5']:.3f}, answers {held_out['answers']['all']:.3f} "
              f"(commonest answer {held_out['answers']['commonest answer']:.3f}, "
              f"commonest of its kind {held_out['answers']['commonest answer of its kind']:.3f})")
    return 0


def _train(train: Any, held: Any, config: Any, work: Path, out: Path, minutes: float,
           context: JobContext) -> dict[str, Any] | None:
    from transformers import LlavaForConditionalGeneration

    from brainview.core.files import read_json, write_json
    from brainview.language.captioner.folder import grade, write_folder
    from brainview.language.captioner.text import train_text
    from brainview.language.captioner.tower import tower_tokens, train_tower
    from brainview.language.captioner.turns import make_tokenizer

    if (out / "model.safetensors").is_file():
        tower = LlavaForConditionalGeneration.from_pretrained(out).float().model.vision_tower.eval()
    else:
        tower = train_tower(train, config, work / "captioner-tower", minutes=minutes,
                            context=Stage(context, 0, 0.4))
    if tower is None:
        return None
    tokens = tower_tokens(tower, train.images, context=Stage(context, 0.4, 0.45))
    tokenizer = make_tokenizer(train, config.vocabulary)
    model = train_text(train, tokens, tokenizer, config, work / f"captioner-text-{config.text_steps}",
                       minutes=minutes, context=Stage(context, 0.45, 0.9))
    if model is None:
        return None
    story = {"trained_on": f"{len(train)} phantom scenes (train pool, seed {SEED}), drawn at {DRAWN} px",
             "held_out_on": f"{len(held)} phantom scenes (test pool with siblings, seed {SEED})",
             "settings": vars(config)}
    write_folder(out, model, tower, tokenizer, config, held.images[0], story)
    card = {**read_json(out / "card.json"), "held_out": grade(out, held, context=Stage(context, 0.9, 1))}
    write_json(out / "card.json", card)
    return card
