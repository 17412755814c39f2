"""System ``mindeye``: a residual MLP on the most reliable voxels, trained like the transformer beside it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from brainview.alignment.config import AlignConfig
from brainview.alignment.decoders import VoxelMLP, voxel_weights
from brainview.alignment.whole_brain import run_fit
from brainview.alignment.workflow import COLUMNS as COLUMNS
from brainview.alignment.workflow import Embeddings, Task, train_system
from brainview.core.jobs import QUIET, JobContext

PRESETS: dict[str, dict[str, Any]] = {
    "small": {"hidden": 256, "blocks": 2, "lr": 1e-3, "epochs": 40, "noise": 0.5},
    "paper": {"clip": "ViT-H-14:laion2b_s32b_b79k", "hidden": 4096, "blocks": 4, "voxels": 15000, "epochs": 240,
              "batch": 256, "patience": 0, "weighting": "none", "precision": "bf16"},
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
    chosen = chosen_voxels(task.brains.reliability, config.voxels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = VoxelMLP(chosen, voxel_weights(task.brains, config.weighting)[chosen], task.targets.image.shape[1],
                         config.hidden, config.blocks, config.dropout)
    card = {"what": "residual MLP", "simplified": (VoxelMLP.__doc__ or "").split("Simplified: ")[-1].strip(),
            "parameters": sum(p.numel() for p in model.parameters()), "voxels_used": len(chosen)}
    return run_fit(model, task, card, context)
