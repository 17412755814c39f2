"""System ``tgbd``: 3D convolutions over the volume, then a residual MLP, after TGBD (Kong et al.).

What is public: volumes of a common size, three 3D convolutions of 32, 48 and 64 channels with kernels 9, 7, 5 and
strides 3, 2, 2, then MindEye's MLP, plain CLIP loss. Simplified: the volume is the MNI 2 mm grid averaged over cubes of
two voxels (46 x 55 x 46) instead of the person's own volume resampled; its pooling to 4 x 4 x 4 before the MLP, the
norms and the widths of the MLP are our guesses; one global embedding; the tri-modal loss of eq. (1).
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brainview.alignment.decoders import voxel_weights
from brainview.alignment.whole_brain import run_fit
from brainview.alignment.workflow import COLUMNS as COLUMNS
from brainview.alignment.workflow import Embeddings, Task, train_system
from brainview.core.jobs import QUIET, JobContext

PRESETS: dict[str, dict[str, Any]] = {
    "small": {"hidden": 256, "blocks": 2, "lr": 1e-3, "epochs": 10, "noise": 0.3},
    "paper": {"clip": "ViT-H-14:laion2b_s32b_b79k", "hidden": 4096, "blocks": 4, "epochs": 150, "batch": 256,
              "patience": 0, "weighting": "none", "precision": "bf16"},
}
SIMPLIFIED = " ".join((__doc__ or "").split("Simplified: ")[-1].split())
#: Channels, kernels and strides of the public description.
CONVOLUTIONS = ((32, 9, 3), (48, 7, 2), (64, 5, 2))


class VolumeConvolutions(nn.Module):
    """(B, k) voxels put back into their volume, averaged over cubes of 2, convolved, and read out by an MLP.

    Parameters
    ----------
    mask : (X, Y, Z) bool
    inside : (k,) int64
        Which of the mask's voxels (C order) the columns are.
    weight : (k,) float32
    """

    def __init__(self, mask: np.ndarray, inside: np.ndarray, weight: np.ndarray, embed: int, hidden: int, blocks: int,
                 dropout: float) -> None:
        super().__init__()
        self.shape = tuple((n + 1) // 2 for n in mask.shape)
        place = np.stack(np.unravel_index(np.flatnonzero(mask)[inside], mask.shape)) // 2
        self.register_buffer("cell", torch.from_numpy(np.ravel_multi_index(tuple(place), self.shape).astype(np.int64)))
        self.register_buffer("weight", torch.from_numpy(np.array(weight, np.float32) / np.float32(8**0.5)))
        layers: list[nn.Module] = []
        before = 1
        for channels, kernel, stride in CONVOLUTIONS:
            layers += [nn.Conv3d(before, channels, kernel, stride, kernel // 2), nn.GroupNorm(8, channels), nn.GELU()]
            before = channels
        self.convolutions = nn.Sequential(*layers, nn.AdaptiveAvgPool3d(4), nn.Flatten())
        self.first = nn.Sequential(nn.Linear(before * 64, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Dropout(dropout))
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(hidden, hidden), nn.LayerNorm(hidden), nn.GELU(),
                                                  nn.Dropout(dropout * 0.3)) for _ in range(blocks))
        self.last = nn.Linear(hidden, embed)

    def forward(self, voxels: Tensor) -> Tensor:
        """Return (B, embed) unit vectors."""
        volume = voxels.new_zeros(len(voxels), int(np.prod(self.shape)))
        volume = volume.index_add(1, self.cell, voxels * self.weight).view(len(voxels), 1, *self.shape)
        x = self.first(self.convolutions(volume))
        for block in self.blocks:
            x = x + block(x)
        return F.normalize(self.last(x), dim=-1)


def train(path: os.PathLike | str, run: os.PathLike | str, *, subjects: list[str] | None = None,
          options: dict[str, Any] | None = None, context: JobContext = QUIET) -> str:
    """Train each subject; see :func:`~brainview.alignment.workflow.train_system`."""
    return train_system("tgbd", fit, path, run, subjects=subjects, options=options, context=context)


def fit(task: Task, context: JobContext) -> tuple[Embeddings, dict[str, Any]]:
    """Train, stop by the validation part, and return the test embeddings."""
    config = task.config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = VolumeConvolutions(task.brains.mask, task.brains.inside, voxel_weights(task.brains, config.weighting),
                                   task.targets.image.shape[1], config.hidden, config.blocks, config.dropout)
    card = {"what": "3D convolutions and residual MLP", "simplified": SIMPLIFIED,
            "parameters": sum(p.numel() for p in model.parameters())}
    return run_fit(model, task, card, context)
