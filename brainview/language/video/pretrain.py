"""System ``sc-mbm``: masked brain modelling alone, on the runs of all subjects; its run feeds ``video-text``.

Use it with ``brainview train video-text PATH --set mbm_weights=RUN``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brainview.core.errors import MissingError
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.datasets.bids_task.people import load_people, split_people
from brainview.datasets.registry import open_dataset
from brainview.language.video.config import MBM_PRESETS as PRESETS
from brainview.language.video.config import FilmConfig
from brainview.language.video.data import FilmData, Trials, batches, load_film
from brainview.language.video.mbm import BrainEncoder, MaskedModel, MbmSizes, load_mind_vis
from brainview.language.video.stages import fit_masked
from brainview.language.video.tokenizers import make_tokenizer
from brainview.training.run import RunFolder

COLUMNS = ("n", "loss", "mean patch loss", "explained")
__all__ = ["COLUMNS", "PRESETS", "masked_loss", "train"]


def train(path: os.PathLike | str, run: os.PathLike | str, *, subjects: list[str] | None = None,
          options: dict[str, Any] | None = None, context: JobContext = QUIET) -> str:
    """Pretrain tokenizer and encoder on training subjects; held-out people show how well it rebuilds strangers.

    Returns the run folder's path.
    """
    config = FilmConfig.of(options or {})
    dataset = open_dataset(path)
    if not hasattr(dataset, "mapping"):
        raise MissingError("holds no film clips", where=path, remedy="Use a HAD tree or a bids-task data set.")
    held = [s.strip() for s in config.held.split(",") if s.strip()] or None
    split = split_people(dataset, held=held, subjects=subjects, adapt=config.adapt_share)
    folder = RunFolder.create(run, "sc-mbm", {**config.plain(), "subjects": [*split.train, *split.held]},
                              data=str(Path(path).resolve()), dataset=dataset.name, layout=dataset.layout,
                              phantom=dataset.phantom)
    if not (folder.path / "people.json").exists():
        split.save(folder.path / "people.json")
    split = load_people(folder.path / "people.json")
    data = load_film(dataset, split, config, context=Stage(context, 0, 0.2))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed + 2)
        sizes = MbmSizes(config.width, config.depth, config.heads, config.decoder_width, config.decoder_depth)
        tokenizer, places = make_tokenizer(data.space, config.width, tokens=config.tokens, times=data.times)
        model = MaskedModel(tokenizer, BrainEncoder(sizes, places), config.mask)
    report = load_mind_vis(model.encoder, config.mbm_weights) if config.mbm_weights else {}
    stage = RunFolder.create(folder.path / "stages" / "mbm", "sc-mbm-stage", config.plain(), dataset=dataset.name,
                             phantom=dataset.phantom)
    fit_masked(model, data.train, config, stage, Stage(context, 0.2, 0.9))
    metrics = _figures(model, data, Stage(context, 0.9, 1.0))
    if not folder.has_generation:
        tensors = {k: v.detach().float().cpu().numpy() for k, v in model.state_dict().items()}
        folder.write_generation(tensors, {
            "dataset": dataset.name, "data": folder.story.get("data"), "phantom": dataset.phantom,
            "subjects": list(metrics), "trained_on": list(split.train), "split": {"key": split.key},
            "feature_label": f"{config.route}, masked {config.mask:.0%}", "tokens": len(places),
            "parameters": sum(p.numel() for p in model.encoder.parameters()), "mind-vis": report, "metrics": metrics})
    context.report(1, 1, "done")
    return str(folder.path)


def _figures(model: MaskedModel, data: FilmData, context: JobContext) -> dict[str, dict[str, Any]]:
    out = {}
    people = {**{n: (data.train, i) for i, n in enumerate(data.split.train)},
              **{n: (data.test, i) for i, n in enumerate(data.split.held)}}
    for number, (name, (trials, who)) in enumerate(people.items()):
        context.report(number, len(people), name)
        own = trials.at(np.flatnonzero(trials.who == who))
        loss, base = masked_loss(model, own)
        out[name] = {"n": len(own), "loss": loss, "mean patch loss": base, "explained": 1 - loss / base,
                     "part": "held out" if name in data.split.held else "trained on"}
    return out


@torch.inference_mode()
def masked_loss(model: MaskedModel, trials: Trials, *, batch: int = 64, seed: int = 1) -> tuple[float, float]:
    """Return the loss on hidden patches, and that of always saying the mean patch (0 for z-scored data)."""
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    device, losses, bases, counts = next(model.parameters()).device, [], [], []
    for index in batches(len(trials), batch, None):
        x = torch.from_numpy(trials.brains(index)).to(device)
        losses.append(float(model(x, generator)) * len(index))
        bases.append(float(model.tokenizer.targets(x).square().mean()) * len(index))
        counts.append(len(index))
    return sum(losses) / sum(counts), sum(bases) / sum(counts)


