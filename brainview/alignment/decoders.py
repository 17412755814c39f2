"""From voxels of one person to CLIP space: whole-brain transformer, MindEye-style MLP, ridge; one interface.

Each takes (n, k) z-scored values on the voxels of :class:`~brainview.alignment.brains.Brains` and holds what it
needs to be used again: the mask, which of its voxels the columns are, and their weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brainview.alignment.brains import Brains
from brainview.alignment.encoder import BrainEncoder, EncoderConfig
from brainview.alignment.patches import PatchGrid


def voxel_weights(brains: Brains, weighting: str, keep: int = 0, ranking: np.ndarray | None = None) -> np.ndarray:
    """Return (k,) factors of mean square 1: the reliability q / sqrt(1 + q^2), or ones for ``none``.

    ``denoised`` takes the share of variance q^2 / (1 + q^2) of smoothed q^2 without its floor: locations without a
    signal count for nothing and weak ones for little.

    With `keep` only so many voxels, first by `ranking` (their reliability by default), have a factor that is not 0:
    estimated reliability of a voxel without a signal is not 0, and a hundred thousand of them drown the others.
    """
    if weighting == "none" or not brains.weighted:
        factors = np.ones(brains.values.shape[1], np.float32)
    elif weighting == "denoised" and brains.denoised is not None:
        factors = np.array(brains.denoised, np.float32)
    else:
        factors = np.array(brains.reliability, np.float32)
    if keep and brains.weighted and keep < len(factors):
        order = np.argsort(-(brains.reliability if ranking is None else ranking), kind="stable")
        factors[order[keep:]] = 0
    return (factors / max(1e-6, float(np.sqrt(np.mean(factors**2))))).astype(np.float32)


class VoxelEncoder(nn.Module):
    """The whole-brain transformer behind voxel weights and patches: (B, k) voxels to (B, embed) unit vectors.

    Its state holds the encoder, the mask and the kept tokens, so that a checkpoint is complete by itself.
    """

    def __init__(self, config: EncoderConfig, mask: np.ndarray, inside: np.ndarray, weight: np.ndarray) -> None:
        super().__init__()
        self.grid = PatchGrid(mask, config.patch, config.padding, config.min_fraction)  # type: ignore[arg-type]
        self.encoder = BrainEncoder(config, self.grid.n_tokens)
        for name, value in (("mask", self.grid.mask), ("kept", self.grid.kept), ("inside", inside), ("weight", weight)):
            self.register_buffer(name, torch.from_numpy(np.array(value)))
        column = np.full(int(self.grid.mask.sum()) + 1, len(inside), np.int64)
        column[inside] = np.arange(len(inside))
        self.register_buffer("gather", torch.from_numpy(column[self.grid.voxel_index]), persistent=False)

    def patches(self, voxels: Tensor) -> Tensor:
        """Return (B, n_tokens, p^3) weighted patches of (B, k) voxels."""
        return F.pad(voxels * self.weight, (0, 1))[:, self.gather]

    def forward(self, voxels: Tensor) -> Tensor:
        """Return (B, embed) unit vectors."""
        return self.encoder(self.patches(voxels))


def read_chosen(voxels: Tensor, chosen: Tensor) -> Tensor:
    """Return (B, m) chosen columns of (B, k) voxels, or (B, m) voxels as they are."""
    return voxels if voxels.shape[1] == len(chosen) else voxels[:, chosen]


class VoxelMLP(nn.Module):
    """A residual MLP over the most reliable voxels, after MindEye (Scotti et al. 2023).

    Simplified: one global embedding instead of 257 tokens, aligned with pictures and texts alike; no diffusion prior; a
    narrower hidden layer. It takes (B, k) voxels of which `chosen` are read, or these alone.
    """

    def __init__(self, chosen: np.ndarray, weight: np.ndarray, embed: int, hidden: int, blocks: int,
                 dropout: float) -> None:
        super().__init__()
        self.register_buffer("chosen", torch.from_numpy(np.array(chosen, np.int64)))
        self.register_buffer("weight", torch.from_numpy(np.array(weight, np.float32)))
        self.first = nn.Sequential(nn.Linear(len(chosen), hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Dropout(dropout))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(hidden, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Dropout(dropout * 0.3))
            for _ in range(blocks))
        self.last = nn.Linear(hidden, embed)

    def forward(self, voxels: Tensor) -> Tensor:
        """Return (B, embed) unit vectors of (B, k) voxels."""
        x = self.first(read_chosen(voxels, self.chosen) * self.weight)
        for block in self.blocks:
            x = x + block(x)
        return F.normalize(self.last(x), dim=-1)


@dataclass(frozen=True, eq=False)
class RidgeClip:
    """Two ridge regressions, to image and to text embeddings, each column with its own penalty.

    Parameters
    ----------
    coef : (k, 2 embed) float32
    center : (k,) float32 mean of the training values
    target_center : (2 embed,) float32 mean of the training targets
    """

    coef: np.ndarray
    center: np.ndarray
    target_center: np.ndarray

    @property
    def embed(self) -> int:
        """Width of CLIP's space."""
        return self.coef.shape[1] // 2

    def __call__(self, voxels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the (n, embed) unit predictions of image and text, about the training mean of the targets."""
        out = (voxels - self.center) @ self.coef
        return _unit(out[:, :self.embed]), _unit(out[:, self.embed:])

    def gallery(self, image: np.ndarray, text: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return image and text embeddings about the same mean, as unit vectors."""
        return _unit(image - self.target_center[:self.embed]), _unit(text - self.target_center[self.embed:])

    def tensors(self) -> dict[str, np.ndarray]:
        """Return what a checkpoint holds."""
        return {"coef": self.coef, "center": self.center, "target_center": self.target_center}


def fit_ridge_clip(values: np.ndarray, image: np.ndarray, text: np.ndarray, weight: np.ndarray,
                   alphas: np.ndarray | None = None, *, others: Sequence[Fellow] = (), share: float = 0.5,
                   whiten: float = 0.0) -> tuple[RidgeClip, dict[str, Any]]:
    """Fit both regressions in their dual form; generalised cross-validation chooses the penalty of each column.

    Parameters
    ----------
    values : (n, k) float32 mean responses of the training images
    image, text : (n, embed) float32 unit vectors
    weight : (k,) factors of the voxels (a weight of 0 leaves a voxel out)
    others : further people on the same k voxels; see :func:`_person_kernel` for `share`
    whiten : float
        0 leaves predictions as they are. Otherwise they are multiplied by the inverse of the covariance of their
        leave-one-out errors plus `whiten` times its mean variance: directions that brains tell badly count less, as in
        a linear discriminant. Each target's predictions then have mean square 1.

    Notes
    -----
    Cost: one n x n product over k voxels and its eigenvectors. GCV: n |(I - H) y|^2 / tr(I - H)^2 (Golub 1979).
    """
    center = values.mean(0)
    people = [((values - center) * weight, image, text)] + [((f.values - f.values.mean(0)) * f.weight, f.image, f.text)
                                                            for f in others]
    x = people[0][0] if not others else np.concatenate([p[0] for p in people])
    told = [np.concatenate(p[1:], 1).astype(np.float64) for p in people]
    y_center = told[0].mean(0)
    y = np.concatenate([t - t.mean(0) for t in told])  # as brains are: about the mean of each person
    who = np.repeat(np.arange(len(people)), [len(p[0]) for p in people])
    kernel = _person_kernel((x @ x.T).astype(np.float64), who, share if others else 1.0)
    dual, errors, story = _dual(kernel, y, alphas)
    own = dual[who == 0].astype(np.float32)
    coef = people[0][0].T @ own if not others else share * (x.T @ dual.astype(np.float32)) \
        + (1 - share) * (people[0][0].T @ own)
    model = RidgeClip((coef * weight[:, None]).astype(np.float32), center.astype(np.float32),
                      y_center.astype(np.float32))
    if whiten:
        half = model.embed
        for part in (slice(0, half), slice(half, 2 * half)):
            model.coef[:, part] = model.coef[:, part] @ _whitener(y[:, part], errors[:, part], whiten)
    return model, story | {"people": len(people), "share": share if others else None, "whiten": whiten}


@dataclass(frozen=True, eq=False)
class Fellow:
    """Another person for :func:`fit_ridge_clip`: (m, k) values on the same voxels, (k,) weight, (m, embed) targets."""

    values: np.ndarray
    weight: np.ndarray
    image: np.ndarray
    text: np.ndarray


def _person_kernel(kernel: np.ndarray, who: np.ndarray, share: float) -> np.ndarray:
    """Return the kernel of a map that is the sum of one common to all people and one of each: entries between people
    times `share`. 0: everyone alone, 1: all as one person (multi-task kernel of Evgeniou and Pontil 2004)."""
    return kernel * np.where(who[:, None] == who[None], 1.0, share)


def _dual(kernel: np.ndarray, y: np.ndarray,
          alphas: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Return ((n, m) dual coefficients, (n, m) leave-one-out errors, story) with a penalty per column by GCV."""
    eigenvalues, vectors = np.linalg.eigh(kernel)
    eigenvalues = np.maximum(eigenvalues, 0)
    rotated = vectors.T @ y
    grid = np.logspace(-4, 2, 25) * eigenvalues.sum() / len(y) if alphas is None else np.asarray(alphas)
    shrink = grid[:, None] / (eigenvalues + grid[:, None])
    # the mean was taken out, so one eigenvalue is 0 by construction and counts in neither sum
    loss = (shrink**2 @ rotated**2) / np.square((shrink.sum(1) - 1).clip(1e-9))[:, None]
    chosen = loss.argmin(0)
    dual = vectors @ (rotated / (eigenvalues[:, None] + grid[chosen][None]))
    left = np.square(vectors) @ shrink.T  # 1 - leverage of each row for each penalty
    errors = (y - kernel @ dual) / np.maximum(left[:, chosen], 1e-9)
    edges = int(((chosen == 0) | (chosen == len(grid) - 1)).sum())
    return dual, errors, {"alphas": [float(a) for a in grid],
                          "chosen": np.bincount(chosen, minlength=len(grid)).tolist(),
                          "columns_at_the_edge_of_the_grid": edges}


def _whitener(y: np.ndarray, errors: np.ndarray, amount: float) -> np.ndarray:
    """Return (e, e) float32: the inverse of the regularised error covariance, scaled for mean square 1."""
    covariance = np.cov(errors.T)
    size = len(covariance)
    out = np.linalg.inv(covariance + amount * np.trace(covariance) / size * np.eye(size))
    scale = np.sqrt(np.square((y - errors) @ out).sum(1).mean())
    return (out / max(1e-12, float(scale))).astype(np.float32)


def _unit(x: np.ndarray) -> np.ndarray:
    return (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)).astype(np.float32)
