"""The part of ``brainview build-demo`` that draws clips and trains the shipped tower of films."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

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
    from brainview.cli.terminal import print_json, terminal_job
    from brainview.core.paths import cache_dir, resources_dir
    from brainview.language.video.motion import FOLDER
    from brainview.language.video.motion_training import MotionRecipe, train_motion

    work = args.work or cache_dir() / "build-demo"
    with terminal_job(quiet=args.json) as context:
        train = clips(work, "train", min(args.pictures, MOST), Stage(context, 0, 0.45))
        held = clips(work, "test", args.held, Stage(context, 0.45, 0.5))
        story = {"trained_on": f"{len(train.frames)} phantom clips (seed {SEED}), four frames of {SIDE} px",
                 "held_out_on": f"{args.held} other phantom clips (seed {SEED + 1})", "phantom": True}
        card = train_motion(train, held, args.out or resources_dir() / FOLDER, MotionRecipe(steps=args.steps),
                            work / f"film-{len(train.frames)}-{args.steps}", story=story, minutes=args.minutes,
                            context=Stage(context, 0.5, 1))
    if card is None:
        print(f"stopped after {args.minutes:g} minutes; call again to go on")
        return 0
    if args.json:
        print_json(card)
        return 0
    found = card["held_out"]
    print(f"phantom-film: {card['parameters']:,} parameters; on {card['held_out_on']}: action of {found['actions']} "
          f"named {found['action']:.3f} (chance {1 / found['actions']:.3f}), words told AUC {found['words AUC']:.3f}")
    return 0


def clips(work: Path, pool: str, count: int, context: JobContext) -> Any:
    """Return `count` clips of a pool, every action equally often; drawn chunks are kept."""
    from brainview.language.video.motion_training import Clips

    frames, told, action = [], [], []
    for number, start in enumerate(range(0, count, CHUNK)):
        context.report(start, count, f"drawing {pool} clips")
        file = work / f"film-{pool}-{SEED}-{SIDE}-{CHUNK}-{number}.npz"
        if not file.exists():
            _draw(file, pool, number, context)
        with np.load(file, allow_pickle=False) as archive:
            frames.append(archive["frames"])
            rows = json.loads(archive["rows"].tobytes().decode())
            told += [r[1] for r in rows]
            action += [r[0] for r in rows]
    return Clips(np.concatenate(frames)[:count], told[:count], action[:count])


def _draw(file: Path, pool: str, number: int, context: JobContext) -> None:
    from brainview.core.files import atomic_write
    from brainview.phantom.clips import frames_at
    from brainview.phantom.writers.had_world import CATEGORIES, action_scenes, answers

    each = CHUNK // len(CATEGORIES)
    seed = 1000 * (SEED + (pool == "test")) + number
    frames, rows = [], []
    for action in CATEGORIES:
        for scene in action_scenes(action, each, seed, context=context):
            frames.append(frames_at(scene, MOMENTS, SIDE))
            said = answers(scene, action)
            rows.append([action, [said[k] for k in TOLD]])
    order = np.random.default_rng(seed).permutation(len(rows))
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(file) as out:
        np.savez(out, frames=np.stack(frames)[order],
                 rows=np.frombuffer(json.dumps([rows[i] for i in order]).encode(), np.uint8))
