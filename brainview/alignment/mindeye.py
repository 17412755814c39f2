"""System ``mindeye``: a residual MLP on the most reliable voxels with MindEye's two losses, by the shared loop.

``start=random`` is as published; on some hundred images it learns them by heart. ``start=ridge`` begins as the ridge
regression of :mod:`~brainview.alignment.linear_start`, and validation decides whether an epoch of training is better.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from brainview.alignment.config import AlignConfig
from brainview.alignment.decoders import VoxelMLP, voxel_weights
from brainview.alignment.linear_start import begin_as_ridge, quiet
from brainview.alignment.whole_brain import run_fit
from brainview.alignment.workflow import COLUMNS as COLUMNS
from brainview.alignment.workflow import Embeddings, Task, ranking_of, train_system
from brainview.core.jobs import QUIET, JobContext, Stage

#: Settings that both MindEyes share on some hundred images; chosen on validation images of two phantom people.
SMALL: dict[str, Any] = {"objective": "mindeye", "start": "ridge",
                         "weighting": "denoised", "whiten": 1.0, "voxels": 20000,
                         "keep": 20000, "hidden": 256, "blocks": 2, "lr": 1e-5, "epochs": 6, "noise": 1.0,
                         "dropout": 0.0, "patience": 4, "queue": 0, "temperature": 0.1}
SCRATCH: dict[str, Any] = {"start": "random", "lr": 1e-3, "epochs": 30, "patience": 8, "weight_decay": 0.2,
                           "dropout": 0.5}
PRESETS: dict[str, dict[str, Any]] = {
    "small": SMALL,
    "scratch": SMALL | SCRATCH,
    "paper": {"clip": "ViT-H-14:laion2b_s32b_b79k", "objective": "mindeye",
              "hidden": 4096, "blocks": 4, "voxels": 15000,
              "region": "nsdgeneral", "epochs": 240, "batch": 256, "patience": 0, "weighting": "none", "queue": 0,
              "precision": "bf16"},
}


def train(path: os.PathLike | str, run: os.PathLike | str, *, subjects: list[str] | None = None,
          options: dict[str, Any] | None = None, context: JobContext = QUIET) -> str:
    """Train the MLP of each subject; see :func:`~brainview.alignment.workflow.train_system`."""
    return train_system("mindeye", fit, path, run, subjects=subjects, options=options, context=context)


def chosen_voxels(reliability: np.ndarray, count: int) -> np.ndarray:
    """Return the ascending columns of the `count` most reliable voxels (all, when there are no more)."""
    return np.sort(np.argsort(-reliability, kind="stable")[:count])


def fit(task: Task, context: JobContext) -> tuple[Embeddings, dict[str, Any]]:
    """Train, stop by the validation part, and return the test embeddings."""
    import torch

    config: AlignConfig = task.config
    chosen = chosen_voxels(ranking_of(task.brains, config.weighting), config.voxels)
    weight = voxel_weights(task.brains, config.weighting)[chosen]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = VoxelMLP(chosen, weight, task.targets.image.shape[1], config.hidden, config.blocks, config.dropout)
    if config.start != "random" and not task.folder.has_generation:
        begin_as_ridge(model.first[0], model.last, task, chosen, weight, Stage(context, 0, 0.2))
        quiet([block[1] for block in model.blocks])  # type: ignore[index]
    card = {"what": "residual MLP", "simplified": " ".join((VoxelMLP.__doc__ or "").split("Simplified: ")[-1].split()),
            "start": config.start, "parameters": sum(p.numel() for p in model.parameters()),
            "voxels_used": len(chosen)}
    return run_fit(model, task, card, Stage(context, 0.2, 1), chosen)
