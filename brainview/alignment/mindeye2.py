"""System ``mindeye2``: a ridge per person into a shared width, then a residual MLP, after MindEye2 (Scotti 2024).

Simplified: what is shared between people is the ridge that training begins from (a map common to all plus one of each,
share `pool`), not gradient steps on seven people's trials; one global embedding instead of 256 tokens, no diffusion
prior, no low-level branch. The per-person layer is linear and penalised (weight decay), as there; losses are BiMixCo
and SoftCLIP.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brainview.alignment.decoders import read_chosen, voxel_weights
from brainview.alignment.linear_start import begin_as_ridge
from brainview.alignment.mindeye import SCRATCH, SMALL, chosen_voxels
from brainview.alignment.whole_brain import run_fit
from brainview.alignment.workflow import COLUMNS as COLUMNS
from brainview.alignment.workflow import Embeddings, Task, train_system
from brainview.core.jobs import QUIET, JobContext, Stage

PRESETS: dict[str, dict[str, Any]] = {
    "small": SMALL | {"start": "teacher", "pool": 0.5, "weight_decay": 0.2},
    "scratch": SMALL | SCRATCH,
    "paper": {"clip": "ViT-H-14:laion2b_s32b_b79k", "objective": "mindeye",
              "hidden": 4096, "blocks": 4, "voxels": 15000,
              "region": "nsdgeneral", "epochs": 150, "batch": 256, "patience": 0, "weighting": "none", "queue": 0,
              "precision": "bf16"},
}
SIMPLIFIED = " ".join((__doc__ or "").split("Simplified: ")[-1].split())


class SharedSpaceMLP(nn.Module):
    """(B, k) voxels of one person through a linear layer into the shared width, a residual MLP, a projector.

    Parameters
    ----------
    chosen : (m,) int64 columns that are read
    weight : (m,) float32 factors of them
    """

    def __init__(self, chosen: np.ndarray, weight: np.ndarray, embed: int, hidden: int, blocks: int,
                 dropout: float) -> None:
        super().__init__()
        self.register_buffer("chosen", torch.from_numpy(np.array(chosen, np.int64)))
        self.register_buffer("weight", torch.from_numpy(np.array(weight, np.float32)))
        self.ridge = nn.Linear(len(chosen), hidden)
        self.blocks = nn.ModuleList(nn.Sequential(nn.LayerNorm(hidden), nn.GELU(), nn.Dropout(dropout * 0.3),
                                                  nn.Linear(hidden, hidden)) for _ in range(blocks))
        self.last = nn.Sequential(nn.LayerNorm(hidden), nn.GELU(), nn.Linear(hidden, embed))
        for block in self.blocks:
            nn.init.zeros_(block[-1].weight)  # type: ignore[index]
            nn.init.zeros_(block[-1].bias)  # type: ignore[index]

    def forward(self, voxels: Tensor) -> Tensor:
        """Return (B, embed) unit vectors."""
        x = self.ridge(read_chosen(voxels, self.chosen) * self.weight)
        for block in self.blocks:
            x = x + block(x)
        return F.normalize(self.last(x), dim=-1)


def train(path: os.PathLike | str, run: os.PathLike | str, *, subjects: list[str] | None = None,
          options: dict[str, Any] | None = None, context: JobContext = QUIET) -> str:
    """Train each subject; see :func:`~brainview.alignment.workflow.train_system`."""
    return train_system("mindeye2", fit, path, run, subjects=subjects, options=options, context=context)


def fit(task: Task, context: JobContext) -> tuple[Embeddings, dict[str, Any]]:
    """Train, stop by the validation part, and return the test embeddings."""
    config = task.config
    chosen = chosen_voxels(task.ranking if config.weighting != "none" else task.brains.reliability, config.voxels)
    weight = voxel_weights(task.brains, config.weighting)[chosen]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = SharedSpaceMLP(chosen, weight, task.targets.image.shape[1], config.hidden, config.blocks,
                               config.dropout)
    if config.start != "random" and not task.folder.has_generation:
        begin_as_ridge(model.ridge, model.last[2], task, chosen, weight, Stage(context, 0, 0.3))
    card = {"what": "ridge to a shared width, residual MLP", "simplified": SIMPLIFIED, "start": config.start,
            "parameters": sum(p.numel() for p in model.parameters()), "voxels_used": len(chosen)}
    return run_fit(model, task, card, Stage(context, 0.3, 1), chosen)
