"""The part of ``brainview build-demo`` that trains and packs the shipped whole-brain checkpoint."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

from brainview.core.jobs import QUIET, JobContext, Stage

#: Test brains that are shipped beside the weights (0.26 MB each).
BRAINS = 12


def run(args: argparse.Namespace) -> int:
    """Build from ``--data`` and print the figures."""
    from brainview.alignment.shipped import FOLDER
    from brainview.cli.terminal import print_json, terminal_job
    from brainview.core.errors import MissingError
    from brainview.core.paths import cache_dir, resources_dir

    if args.data is None:
        raise MissingError("the whole-brain checkpoint needs a phantom in NSD layout",
                           remedy="Write one with brainview phantom --layout nsd --out DIR, then --data DIR.")
    with terminal_job(quiet=args.json) as context:
        found = build(args.data, args.out or resources_dir() / FOLDER, args.work or cache_dir() / "build-demo",
                      context=context)
    if args.json:
        print_json(found)
    else:
        print("demo-whole-brain (PHANTOM: simulated brains), test part: "
              + ", ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in found.items()))
    return 0


def build(data: Path, out: Path, work: Path, *, subject: str = "subj01", options: dict[str, Any] | None = None,
          context: JobContext = QUIET) -> dict[str, Any]:
    """Train the ``demo`` preset on one subject of a phantom in NSD layout, pack it at `out`, and return its metrics.

    An interrupted training goes on in `work`.
    """
    from brainview.alignment.whole_brain import PRESETS, train

    run = train(data, work / "demo-whole-brain", subjects=[subject], options=PRESETS["demo"] | (options or {}),
                context=Stage(context, 0, 0.95))
    return publish(Path(run), data, out, subject, context=context)


def publish(run: Path, data: Path, out: Path, subject: str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Pack a finished run at `out`, with some test brains, replacing what was there."""
    from brainview.alignment.brains import load_brains, mni_subject
    from brainview.alignment.ranking import open_shelf
    from brainview.alignment.shipped import pack, spread
    from brainview.attribution.source import write_stimuli
    from brainview.datasets.registry import open_dataset
    from brainview.training.run import RunFolder

    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    place = pack(run, subject, part, note=told(run, subject))
    shelf = open_shelf(part, subject)
    chosen = spread(shelf.ids, BRAINS)
    rows = [shelf.row(int(i)) for i in chosen]
    region = RunFolder.open(part).config.get("region")
    brains = load_brains(mni_subject(open_dataset(data), subject), region=region, context=context)
    write_stimuli(place, chosen, brains.mean(chosen), shelf.views["image"][rows], shelf.views["text"][rows])
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)
    return dict(RunFolder.open(out).card("last")["metrics"][subject])


def told(run: Path, subject: str) -> str:
    """Return one honest sentence on how the weights came about and how well they retrieve."""
    from brainview.training.run import RunFolder

    card = RunFolder.open(run).card("last")
    story, figures = card["story"][subject], card["metrics"][subject]
    epoch = story["best_epoch"]
    how = ("the start from ridge itself: no epoch of gradient training is in these weights" if not epoch
           else f"{epoch} epochs of training after the start {story.get('start')}")
    share, chance = figures["brain→image R@1"], figures["chance R@1"]
    return (f"PHANTOM (simulated brains). Weights: {how}. Brain to image R@1 {share:.3f} among {figures['images']} "
            f"test images, {share / chance:.0f} times chance ({chance:.3f}).")
