"""Losses of both stages. Reference: Zheng & Sun 2024 (arXiv 2409.18987); adaptation losses: Saito et al. 2020 (DANCE).

Cosine similarity is written s, batch B, tokens L of width D, categories C. Where the paper contradicts itself the
developers' page "video_to_text", section 3, says what is done here.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brainview.core.errors import MismatchError


def sample_vector(tokens: Tensor) -> Tensor:
    """Return (B, D) unit vectors of (B, L, D) tokens: the mean of L2-normalised tokens, L2-normalised again."""
    return F.normalize(F.normalize(tokens.float(), dim=-1).mean(1), dim=-1)


def clip_loss(brain: Tensor, video: Tensor, scale: float | Tensor = 20.0, same: Tensor | None = None) -> Tensor:
    """Return the sum (not the mean, as CLIP's own code) of both directions of the contrastive loss.

    Parameters
    ----------
    brain, video : (B, D)
        Normalised here.
    scale : float or tensor
        1 / tau; 20 for tau = 0.05.
    same : (B,) int, optional
        Categories: other samples of the same category are left out of the denominators (the paper keeps them).
    """
    logits = scale * F.normalize(brain.float(), dim=-1) @ F.normalize(video.float(), dim=-1).T
    if same is not None:
        twin = (same[:, None] == same[None]) & ~torch.eye(len(same), dtype=torch.bool, device=same.device)
        logits = logits.masked_fill(twin, float("-inf"))
    target = torch.arange(len(logits), device=logits.device)
    return F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)


def reconstruction_loss(brain: Tensor, video: Tensor, alpha: float = 0.5, reduce: str = "mean") -> Tensor:
    """Return 1/(N L) sum (1 - alpha) ||z - x||² + alpha ||z - x||_1 over tokens.

    Parameters
    ----------
    brain, video : (B, L, D)
    reduce : str
        ``sum`` over D inside the norms, as printed; ``mean`` divides by D.
    """
    if reduce not in ("sum", "mean"):
        raise MismatchError(f"reduce must be sum or mean, got {reduce!r}")
    difference = brain.float() - video.float()
    value = ((1 - alpha) * difference.square().sum(-1) + alpha * difference.abs().sum(-1)).mean()
    return value / brain.shape[-1] if reduce == "mean" else value


def stage_one_loss(brain: Tensor, video: Tensor, *, alpha: float, beta: float, scale: float | Tensor,
                   reduce: str = "mean", same: Tensor | None = None) -> dict[str, Tensor]:
    """Return ``loss = beta clip + (1 - beta) rec`` and its parts, of (B, L, D) tokens."""
    clip = clip_loss(sample_vector(brain), sample_vector(video), scale, same)
    rec = reconstruction_loss(brain, video, alpha, reduce)
    return {"loss": beta * clip + (1 - beta) * rec, "clip": clip, "rec": rec}


class CosineClassifier(nn.Module):
    """The classifier g: no bias, features and weights of unit length, divided by a temperature (DANCE).

    Parameters
    ----------
    width, categories : int
    temperature : float
    """

    def __init__(self, width: int, categories: int, temperature: float = 0.05) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(categories, width) * 0.02)
        self.temperature = temperature

    def prototypes(self) -> Tensor:
        """Return (C, width) unit vectors."""
        return F.normalize(self.weight, dim=-1)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C) logits of (B, width) features."""
        return F.normalize(features, dim=-1) @ self.prototypes().T / self.temperature


class FeatureBank(nn.Module):
    """One unit vector for every target sample, overwritten after each step (momentum 0 by default).

    Parameters
    ----------
    size, width : int
    momentum : float
        Share of the old row that is kept.
    """

    rows: Tensor
    filled: Tensor

    def __init__(self, size: int, width: int, momentum: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(size, width))
        self.register_buffer("filled", torch.zeros(size, dtype=torch.bool))
        self.momentum = momentum

    @torch.no_grad()
    def update(self, index: Tensor, features: Tensor) -> None:
        """Write the (detached) features of samples `index`."""
        new = F.normalize(features.detach().float(), dim=-1)
        if self.momentum:
            keep = self.momentum * self.filled[index].float()[:, None]
            new = F.normalize(keep * self.rows[index] + (1 - keep) * new, dim=-1)
        self.rows[index] = new
        self.filled[index] = True


def neighbourhood_loss(features: Tensor, index: Tensor, bank: FeatureBank, prototypes: Tensor,
                       temperature: float = 0.05) -> Tensor:
    """Return the mean entropy (nats) of the similarity of target samples to bank rows and prototypes.

    A sample's own bank row is left out, and so is every row that was never filled: a zero row would be a neighbour at
    similarity 0.

    Parameters
    ----------
    features : (B, D)
    index : (B,) rows of the samples in the bank
    prototypes : (C, D) unit vectors
    """
    if not bool(bank.filled.any()):
        raise MismatchError("the feature bank is empty", remedy="Fill it with one forward pass over the target part.")
    keys = torch.cat([bank.rows.to(features.dtype), prototypes])
    logits = F.normalize(features, dim=-1) @ keys.T / temperature
    drop = torch.zeros_like(logits, dtype=torch.bool)
    drop[:, :len(bank.rows)] = ~bank.filled[None]
    drop[torch.arange(len(index), device=index.device), index] = True
    log_p = F.log_softmax(logits.masked_fill(drop, float("-inf")), dim=-1)
    return -(log_p.exp() * log_p.masked_fill(drop, 0.0)).sum(-1).mean()


def entropy_separation(logits: Tensor, margin: float = 0.5, rho: float | None = None) -> Tensor:
    """Return the mean over samples of -|H - rho| where |H - rho| exceeds `margin`, else 0.

    `rho` defaults to log(C) / 2. Pushes each sample's entropy away from rho to the side that it is on.
    """
    log_p = F.log_softmax(logits.float(), dim=-1)
    entropy = -(log_p.exp() * log_p).sum(-1)
    away = (entropy - (math.log(logits.shape[-1]) / 2 if rho is None else rho)).abs()
    return torch.where(away > margin, -away, torch.zeros_like(away)).mean()


def adaptation_loss(source: Tensor, labels: Tensor, neighbourhood: Tensor | None, separation: Tensor | None,
                    eta: float = 0.05) -> dict[str, Tensor]:
    """Return ``loss = cls + eta (nc + es)``: cross-entropy of g on source categories, and the target's losses.

    Parameters
    ----------
    source : (B, C) logits of source samples; labels : (B,) int64
    neighbourhood, separation : scalars, None = switched off
    """
    cls = F.cross_entropy(source.float(), labels)
    zero = cls.new_zeros(())
    nc, es = (zero if v is None else v for v in (neighbourhood, separation))
    return {"loss": cls + eta * (nc + es), "cls": cls, "nc": nc, "es": es}
