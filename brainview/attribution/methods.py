"""The methods that IB-BA is compared with, all as one function of the same four things.

``method(encoder, patches, target, layer, **settings) -> (n_tokens,) float32 token scores``. `patches` is one brain
(n_tokens, p^3), z-scored, so that a voxel set to 0 is a voxel at its mean. No hooks are used: the encoder's own
`stream`, `tail` and `attention` are called, so nothing is left behind after a run, an error or a cancel.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from brainview.alignment.encoder import BrainEncoder
from brainview.alignment.patches import PatchGrid
from brainview.attribution.ibba import IbbaConfig, ibba
from brainview.attribution.target import Target
from brainview.core.errors import BrainViewError
from brainview.core.jobs import QUIET, JobContext

Method = Callable[..., np.ndarray]


def ibba_map(encoder: BrainEncoder, patches: Tensor, target: Target, layer: int, *, context: JobContext = QUIET,
             **settings) -> np.ndarray:
    """Return IB-BA's capacity per token in bits (see :mod:`brainview.attribution.ibba`)."""
    x = encoder.stream(patches[None])[layer][0]
    return ibba(encoder, x, target, IbbaConfig(layer=layer, **settings), context.check).scores


def random_map(encoder: BrainEncoder, patches: Tensor, target: Target, layer: int, *, seed: int = 0,
               context: JobContext = QUIET) -> np.ndarray:
    """Return uniform noise per token: the floor that every table needs."""
    return np.random.default_rng(seed).random(encoder.n_tokens).astype(np.float32)


def activation_energy(encoder: BrainEncoder, patches: Tensor, target: Target, layer: int, *,
                      context: JobContext = QUIET) -> np.ndarray:
    """Return the squared norm of each token's residual stream; knows nothing of the target."""
    return encoder.stream(patches[None])[layer][0, 1:].square().sum(-1).cpu().numpy()


def _gradient(encoder: BrainEncoder, patches: Tensor, target: Target, layer: int) -> tuple[Tensor, Tensor]:
    """Return ((n_tokens, d) activations, (n_tokens, d) gradient of s) at a layer, class token dropped."""
    x = encoder.stream(patches[None])[encoder.check_layer(layer)].requires_grad_(True)
    with torch.enable_grad():
        score = target.score(encoder.tail(x, layer, class_only=False)).sum()
        (gradient,) = torch.autograd.grad(score, [x])
    return x[0, 1:].detach(), gradient[0, 1:]


def gradient_input(encoder: BrainEncoder, patches: Tensor, target: Target, layer: int, *,
                   context: JobContext = QUIET) -> np.ndarray:
    """Return the inner product of activation and gradient per token; signed: what pushes the likeness up or down."""
    activation, gradient = _gradient(encoder, patches, target, layer)
    return (activation * gradient).sum(-1).cpu().numpy()


def grad_cam(encoder: BrainEncoder, patches: Tensor, target: Target, layer: int, *,
             context: JobContext = QUIET) -> np.ndarray:
    """Return Grad-CAM on tokens (Selvaraju 2017): ReLU of activations weighted by the mean gradient per channel.

    After the last block the gradient on patch tokens is exactly zero (only the class token is read out): refused.
    """
    if layer >= len(encoder.blocks):
        raise BrainViewError(f"Grad-CAM has no gradient after the last block (layer {layer})",
                             remedy=f"Use a layer from 0 to {len(encoder.blocks) - 1}.")
    activation, gradient = _gradient(encoder, patches, target, layer)
    return (activation @ gradient.mean(0)).relu().cpu().numpy()


def relevance(encoder: BrainEncoder, patches: Tensor, target: Target, layer: int = 0, *,
              context: JobContext = QUIET) -> np.ndarray:
    """Return Chefer's relevance (2021, self-attention rule): R <- R + mean_heads(max(0, grad A)) R from `layer` on.

    Token j's relevance is R[class, j]. Attention is computed explicitly here, so that it has a gradient.
    """
    with torch.enable_grad():
        x = encoder.stream(patches[None])[encoder.check_layer(layer)].requires_grad_(True)
        attentions = []
        for block in encoder.blocks[layer:]:
            context.check()
            x, probability = block.attention(x)
            attentions.append(probability)
        gradients = torch.autograd.grad(target.score(encoder.head(x)).sum(), attentions) if attentions else []
    return relevance_rule([(a[0].detach(), g[0]) for a, g in zip(attentions, gradients, strict=True)],
                          encoder.n_tokens + 1)[0, 1:].cpu().numpy()


def relevance_rule(layers: list[tuple[Tensor, Tensor]], length: int) -> Tensor:
    """Return R (L, L) of attention probabilities and their gradients, (heads, L, L) each, first block first."""
    r = torch.eye(length, device=layers[0][0].device if layers else None)
    for attention, gradient in layers:
        r = r + (attention * gradient).clamp(min=0).mean(0) @ r
    return r


@torch.no_grad()
def occlusion(encoder: BrainEncoder, patches: Tensor, target: Target, layer: int = 0, *, batch: int = 64,
              context: JobContext = QUIET) -> np.ndarray:
    """Return how much the likeness falls when one token's voxels are set to their mean: exact, n_tokens forwards."""
    full = float(target.score(encoder(patches[None])))
    drops = []
    for start in range(0, encoder.n_tokens, batch):
        context.report(start, encoder.n_tokens, "occluding tokens")
        rows = torch.arange(start, min(start + batch, encoder.n_tokens))
        masked = patches.expand(len(rows), -1, -1).clone()
        masked[torch.arange(len(rows)), rows] = 0
        drops.append(full - target.score(encoder(masked)))
    return torch.cat(drops).cpu().numpy()


@torch.no_grad()
def rise(encoder: BrainEncoder, patches: Tensor, target: Target, layer: int = 0, *, grid: PatchGrid, masks: int = 4000,
         cells: tuple[int, int, int] | None = None, keep: float = 0.5, seed: int = 0, batch: int = 64,
         context: JobContext = QUIET) -> np.ndarray:
    """Return RISE in 3D (Petsiuk 2018) as *voxel* scores (n_mask_voxels,).

    Soft random masks: a coarse binary grid, upsampled linearly, shifted by less than a cell. Scores are the
    mask-weighted mean of s minus its mean over masks (the offset of cosines only adds variance).
    """
    volume = torch.as_tensor(grid.unpatch(patches.cpu().numpy()))
    cells = cells or tuple(max(2, round(n / 16)) for n in grid.mask.shape)  # type: ignore[assignment]
    source = torch.Generator().manual_seed(seed)
    inside = torch.as_tensor(np.flatnonzero(grid.mask.reshape(-1)))
    weighted = torch.zeros(len(inside), dtype=torch.float64)
    coverage, plain = torch.zeros_like(weighted), torch.zeros_like(weighted)
    total, done = 0.0, 0
    while done < masks:
        context.report(done, masks, "random masks")
        count = min(batch, masks - done)
        soft = _soft_masks(grid.mask.shape, cells, keep, count, source).flatten(1)[:, inside]
        cut = torch.as_tensor(grid.patches((soft * volume).numpy())).to(patches)
        score = target.score(encoder(cut)).double().cpu()
        soft = soft.double()
        weighted += score @ soft
        coverage += soft.sum(0)
        total += float(score.sum())
        done += count
    plain = weighted / coverage.clamp(min=1e-9)
    return (plain - total / done).float().numpy()


def _soft_masks(shape: tuple[int, ...], cells: tuple[int, ...], keep: float, count: int,
                source: torch.Generator) -> Tensor:
    """Return (count, X, Y, Z) masks in 0..1."""
    size = [-(-n // c) for n, c in zip(shape, cells, strict=True)]
    coarse = (torch.rand((count, 1, *(c + 1 for c in cells)), generator=source) < keep).float()
    large = [(c + 1) * s for c, s in zip(cells, size, strict=True)]
    fine = torch.nn.functional.interpolate(coarse, size=large, mode="trilinear", align_corners=False)[:, 0]
    shift = [torch.randint(0, s, (count,), generator=source).tolist() for s in size]
    return torch.stack([fine[i, shift[0][i]:shift[0][i] + shape[0], shift[1][i]:shift[1][i] + shape[1],
                             shift[2][i]:shift[2][i] + shape[2]] for i in range(count)])


#: name -> (function, does it give voxels instead of tokens, one line for the screen)
METHODS: dict[str, tuple[Method, bool, str]] = {
    "ibba": (ibba_map, False, "information that must pass a noisy bottleneck, in bits"),
    "rise": (rise, True, "likeness under random soft masks of the volume"),
    "grad-cam": (grad_cam, False, "activations weighted by their mean gradient; weak on token encoders"),
    "relevance": (relevance, False, "attention times its gradient, followed through the blocks (Chefer)"),
    "occlusion": (occlusion, False, "fall of the likeness without one token"),
    "energy": (activation_energy, False, "strength of a token, whatever the target"),
    "gradient-input": (gradient_input, False, "signed first-order effect of a token"),
    "random": (random_map, False, "noise: the floor"),
}


def token_scores(name: str, encoder: BrainEncoder, patches: Tensor, target: Target, layer: int, *, grid: PatchGrid,
                 context: JobContext = QUIET, **settings) -> np.ndarray:
    """Run a method by name and return (n_tokens,) scores; voxel methods are averaged over their tokens."""
    if name not in METHODS:
        raise BrainViewError(f"there is no attribution method {name!r}", remedy="Use " + ", ".join(METHODS) + ".")
    function, voxels, _ = METHODS[name]
    if not voxels:
        return function(encoder, patches, target, layer, context=context, **settings)
    values = function(encoder, patches, target, layer, grid=grid, context=context, **settings)
    return grid.patches(values).sum(-1) / np.maximum((grid.voxel_index >= 0).sum(-1), 1)


def contrast(true_scores: np.ndarray, mismatched: list[np.ndarray]) -> np.ndarray:
    """Return the map of the true target minus the mean map of mismatched ones, (n_tokens,): what is specific to it."""
    return true_scores - np.mean(mismatched, axis=0)
