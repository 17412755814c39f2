"""The part of ``brainview build-demo`` that draws clips and trains the shipped tower of films."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from brainview.cli.demo_parts import finish, kept, work_folder
from brainview.core.jobs import JobContext, Stage

#: Seed of the scenes; not that of any built-in phantom.
SEED = 5309
#: Clips of one file of the work folder; side; moments that are drawn, as four frames of eight are read from a file.
CHUNK, SIDE, MOMENTS = 400, 96, (0.0, 0.25, 0.625, 0.875)
#: Most clips that are drawn for training.
MOST = 6400
#: Questions whose answers' words the tower learns to tell.
TOLD = ("event", "clothes", "objects")


def build(args: argparse.Namespace) -> int:
    """Draw, train, grade on clips that were not trained on, and print the figures."""
    from brainview.cli.terminal import terminal_job
    from brainview.core.paths import resources_dir
    from brainview.language.video.motion import FOLDER
    from brainview.language.video.motion_training import MotionRecipe, train_motion

    work, recipe = work_folder(args), MotionRecipe(steps=args.steps or 500)
    with terminal_job(quiet=args.json) as context:
        train = clips(work, "train", min(args.pictures, MOST), Stage(context, 0, 0.45))
        held = clips(work, "test", args.held, Stage(context, 0.45, 0.5))
        story = {"trained_on": f"{len(train.frames)} phantom clips (seed {SEED}), four frames of {SIDE} px",
                 "held_out_on": f"{args.held} other phantom clips (seed {SEED + 1})", "phantom": True}
        card = train_motion(train, held, args.out or resources_dir() / FOLDER, recipe,
                            work / f"film-{len(train.frames)}-{recipe.steps}", story=story, minutes=args.minutes,
                            context=Stage(context, 0.5, 1))
    return finish(args, card, _words)


def _words(card: dict[str, Any]) -> str:
    found = card["held_out"]
    return (f"phantom-film: {card['parameters']:,} parameters; on {card['held_out_on']}: action of {found['actions']} "
            f"named {found['action']:.3f} (chance {1 / found['actions']:.3f}), words told AUC {found['words AUC']:.3f}")


def clips(work: Path, pool: str, count: int, context: JobContext) -> Any:
    """Return `count` clips of a pool, every action equally often; drawn chunks are kept."""
    from brainview.language.video.motion_training import Clips

    files = [work / f"clips-{pool}-{SEED}-{SIDE}-{CHUNK}-{n}.npz" for n in range(-(-count // CHUNK))]
    frames, rows = [], []
    for images, said in kept(files, lambda n: _draw(pool, n, context), f"drawing {pool} clips", context):
        frames.append(images)
        rows += said
    return Clips(np.concatenate(frames)[:count], [r[1] for r in rows][:count], [r[0] for r in rows][:count])


def _draw(pool: str, number: int, context: JobContext) -> tuple[np.ndarray, list[Any]]:
    from brainview.phantom.clips import frames_at
    from brainview.phantom.writers.had_world import CATEGORIES, action_scenes, answers

    seed = 1000 * (SEED + (pool == "test")) + number
    frames, rows = [], []
    for action in CATEGORIES:
        for scene in action_scenes(action, CHUNK // len(CATEGORIES), seed, context=context):
            frames.append(frames_at(scene, MOMENTS, SIDE))
            said = answers(scene, action)
            rows.append([action, [said[k] for k in TOLD]])
    order = np.random.default_rng(seed).permutation(len(rows))
    return np.stack(frames)[order], [rows[i] for i in order]
