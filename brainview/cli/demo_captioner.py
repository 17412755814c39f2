"""The part of ``brainview build-demo`` that draws scenes and trains the shipped captioner."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from brainview.cli.demo_parts import finish, work_folder
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
    from brainview.cli.terminal import terminal_job
    from brainview.core.paths import resources_dir
    from brainview.language.captioner.config import Captioner

    work = work_folder(args)
    out = args.out or resources_dir() / "models" / "phantom-llava"
    config = Captioner(text_steps=args.steps) if args.steps else Captioner()
    with terminal_job(quiet=args.json) as context:
        train, held = banks(work, args.pictures, args.held, Stage(context, 0, 0.3))
        card = _train(train, held, config, work, out, args.minutes, Stage(context, 0.3, 1))
    return finish(args, card, _words)


def _words(card: dict[str, Any]) -> str:
    found = card["held_out"]
    boxes = f"boxes acc@0.5 {found['boxes']['acc@0.5']:.3f}, " if "boxes" in found else ""
    return (f"{card['name']}: {card['parameters']:,} parameters; on {card['held_out_on']}: "
            f"named objects recall {found['captions']['named objects, recall']:.3f}, {boxes}"
            f"answers {found['answers']['all']:.3f} (commonest answer {found['answers']['commonest answer']:.3f}, "
            f"commonest of its kind {found['answers']['commonest answer of its kind']:.3f})")


def _train(train: Any, held: Any, config: Any, work: Path, out: Path, minutes: float,
           context: JobContext) -> dict[str, Any] | None:
    from transformers import LlavaForConditionalGeneration

    from brainview.core.files import read_json, write_json
    from brainview.language.backends.llava import load_llava
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
    backend = load_llava(out)
    card = {**read_json(out / "card.json"), "held_out": grade(backend, backend.image_tokens(held.images), held,
                                                              context=Stage(context, 0.9, 1))}
    write_json(out / "card.json", card)
    return card


def build_projector(args: argparse.Namespace) -> int:
    """Draw scenes, train the projector from the shipped tower into SmolLM2, grade it, print the figures."""
    from brainview.cli.terminal import terminal_job
    from brainview.core.paths import resources_dir
    from brainview.language.backends.registry import SMOL
    from brainview.language.captioner.smol import Projector

    work, out = work_folder(args), args.out or resources_dir() / "models" / SMOL
    recipe = Projector(steps=args.steps) if args.steps else Projector()
    with terminal_job(quiet=args.json) as context:
        train, held = banks(work, min(args.pictures, 2000), args.held, Stage(context, 0, 0.2))
        card = _train_projector(train, held, recipe, work, out, args.minutes, Stage(context, 0.2, 1))
    return finish(args, card, _words)


def _train_projector(train: Any, held: Any, recipe: Any, work: Path, out: Path, minutes: float,
                     context: JobContext) -> dict[str, Any] | None:
    from safetensors.torch import save_file

    from brainview.core.files import atomic_path, write_json
    from brainview.language.backends.compositions import load_llama
    from brainview.language.backends.llava import load_llava
    from brainview.language.backends.registry import PARTS, SMOL, shipped_folder
    from brainview.language.backends.smollm import ensure_smollm
    from brainview.language.captioner.folder import grade
    from brainview.language.captioner.smol import GRADED, train_projector

    tower = load_llava(shipped_folder())
    folder = ensure_smollm(Stage(context, 0, 0.05))
    tokens = tower.image_tokens(train.images).astype(np.float16)
    linear = train_projector(train, tokens, folder, recipe, work / f"projector-{len(train)}-{recipe.steps}",
                             minutes=minutes, context=Stage(context, 0.05, 0.8))
    if linear is None:
        return None
    out.mkdir(parents=True, exist_ok=True)
    with atomic_path(out / PARTS[SMOL][0]) as part:
        save_file({k: v.detach().half().contiguous() for k, v in linear.state_dict().items()}, part)
    few = held.first(GRADED)
    backend = load_llama(folder, out / PARTS[SMOL][0], kind="smollm2", name=SMOL)
    graded = grade(backend, tower.image_tokens(few.images), few, boxes=False, context=Stage(context, 0.8, 1))
    card = {"name": SMOL, "frame": "chatml", "phantom": True, "parameters": sum(p.numel() for p in linear.parameters()),
            "trained_on": f"{len(train)} phantom scenes (train pool, seed {SEED}), drawn at {DRAWN} px; captions and "
                          "questions, no boxes",
            "held_out_on": f"{len(few)} phantom scenes (test pool with siblings, seed {SEED})",
            "settings": vars(recipe), "held_out": graded}
    write_json(out / "card.json", card)
    return card
