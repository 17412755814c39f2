"""System ``tgbd``: 3D convolutions over the volume, then a residual MLP, after TGBD (Kong et al.).

What is public: volumes of a common size, three 3D convolutions of 32, 48 and 64 channels with kernels 9, 7, 5 and
strides 3, 2, 2, then MindEye's MLP, plain CLIP loss. Simplified: the volume is the MNI 2 mm grid averaged over cubes of
two voxels (46 x 55 x 46) instead of the person's own volume resampled; its pooling to 4 x 4 x 4 before the MLP, the
norms and the widths of the MLP are our guesses; one global embedding; the tri-modal loss of eq. (1). ``start=ridge``,
ours: convolutions begin as principal components of what they look at, layer by layer, and the MLP as a ridge from them.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brainview.alignment.decoders import fit_ridge_clip, voxel_weights
from brainview.alignment.linear_start import quiet, write_linear
from brainview.alignment.train import AlignmentData
from brainview.alignment.whole_brain import alignment_data, run_fit
from brainview.alignment.workflow import COLUMNS as COLUMNS
from brainview.alignment.workflow import Embeddings, Task, train_system
from brainview.core.jobs import QUIET, JobContext, Stage

PRESETS: dict[str, dict[str, Any]] = {
    "small": {"start": "ridge", "weighting": "denoised", "whiten": 1.0, "hidden": 256, "blocks": 2, "lr": 1e-5,
              "epochs": 3, "noise": 0.3, "patience": 2, "queue": 0, "temperature": 0.05},
    "scratch": {"hidden": 256, "blocks": 2, "lr": 1e-3, "epochs": 10, "noise": 0.3},
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

    def volume(self, voxels: Tensor) -> Tensor:
        """Return (B, 1, X, Y, Z) weighted sums over cubes of two voxels."""
        flat = voxels.new_zeros(len(voxels), int(np.prod(self.shape)))
        return flat.index_add(1, self.cell, voxels * self.weight).view(len(voxels), 1, *self.shape)

    def forward(self, voxels: Tensor) -> Tensor:
        """Return (B, embed) unit vectors."""
        x = self.first(self.convolutions(self.volume(voxels)))
        for block in self.blocks:
            x = x + block(x)
        return F.normalize(self.last(x), dim=-1)


#: Stimuli and windows that principal components of a layer are taken from.
STIMULI, WINDOWS = 32, 2000


@torch.no_grad()
def principal_convolutions(model: VolumeConvolutions, data: AlignmentData, seed: int) -> None:
    """Set each convolution to the principal components of its windows over training stimuli, each with both signs."""
    source = np.random.default_rng(seed)
    few = np.sort(source.choice(len(data), min(STIMULI, len(data)), replace=False))
    x = model.volume(data.batch(few, None))
    for layer in model.convolutions:
        if isinstance(layer, nn.Conv3d):
            kernel, stride, margin = layer.kernel_size[0], layer.stride[0], layer.padding[0]  # type: ignore[arg-type]
            padded = F.pad(x, (int(margin),) * 6)
            cuts = padded.unfold(2, kernel, stride).unfold(3, kernel, stride).unfold(4, kernel, stride)
            energy = cuts.square().sum((1, 5, 6, 7)).flatten()
            lit = torch.nonzero(energy > energy.mean() * 0.1).flatten().numpy()  # windows outside the brain say nothing
            chosen = source.choice(lit, min(WINDOWS, len(lit)), replace=False)
            n, i, j, k = np.unravel_index(chosen, (len(x), *cuts.shape[2:5]))
            rows = cuts[n, :, i, j, k].flatten(1)
            center = rows.mean(0)
            half = layer.out_channels // 2
            parts = torch.pca_lowrank(rows - center, min(half, *rows.shape), center=False)[2].T
            parts = parts / ((rows - center) @ parts.T).square().mean().sqrt().clamp_min(1e-9)
            layer.weight.zero_()
            bias = layer.bias
            assert bias is not None
            bias.zero_()
            for sign, start in ((1.0, 0), (-1.0, 1)):  # neighbours, so that a group of the norm holds both
                where = torch.arange(len(parts)) * 2 + start
                layer.weight[where] = sign * parts.view(-1, *layer.weight.shape[1:])
                bias[where] = -sign * (parts @ center)
        x = layer(x) if not isinstance(layer, nn.Flatten) else x


@torch.no_grad()
def begin(model: VolumeConvolutions, task: Task, context: JobContext = QUIET) -> None:
    """Begin with principal convolutions and a ridge from them to what the task aligns with."""
    data = alignment_data(task, task.train)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(task.config.seed)
        principal_convolutions(model, data, task.config.seed)
    found = []
    for start in range(0, len(data), 32):
        context.report(start, len(data), "features of the start")
        items = np.arange(start, min(start + 32, len(data)))
        found.append(model.convolutions(model.volume(data.batch(items, None))))
    features = torch.cat(found).numpy()
    scale = (1 / np.maximum(features.std(0), 1e-3 * features.std())).astype(np.float32)
    ridge, _ = fit_ridge_clip(features, data.image, data.text, scale, whiten=task.config.whiten)
    coef = (task.config.targets != "text") * ridge.coef[:, :ridge.embed] \
        + (task.config.targets != "image") * ridge.coef[:, ridge.embed:]
    first = model.first[0]
    assert isinstance(first, nn.Linear)
    write_linear(first, model.last, features, coef)
    quiet([block[1] for block in model.blocks])  # type: ignore[index]


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
    if config.start != "random" and not task.folder.has_generation:
        begin(model, task, Stage(context, 0, 0.2))
    card = {"what": "3D convolutions and residual MLP", "simplified": SIMPLIFIED, "start": config.start,
            "parameters": sum(p.numel() for p in model.parameters())}
    return run_fit(model, task, card, Stage(context, 0.2, 1))
