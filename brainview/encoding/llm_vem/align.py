"""Alignment of the picture's latent with the embedding of its caption (stage 2, section 2.6 of the reference)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize


class TextAlignment(nn.Module):
    """What alignment learns: W, from the latent to the space of the texts, and (if asked) the temperature.

    Parameters
    ----------
    text_width, latent_width : int
        Of t (a CLIP text embedding) and of f (the latent after the mean over layers).
    temperature : float
        Start value of tau.
    learn : bool
        Learn log tau.
    """

    def __init__(self, text_width: int, latent_width: int, *, temperature: float = 0.07, learn: bool = True) -> None:
        super().__init__()
        self.weight = nn.Linear(latent_width, text_width, bias=False)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)), requires_grad=learn)

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Return (W f (N, d) of unit length, tau)."""
        return normalize(self.weight(latent).float(), dim=1), self.log_temperature.exp().clamp(1e-3, 10.0)


def alignment_loss(text: Tensor, projected: Tensor, temperature: Tensor, ids: Tensor, *,
                   symmetric: bool = False) -> tuple[Tensor, Tensor]:
    """Return (InfoNCE, retrieval accuracy text -> image in the batch); logits are t_i' W f_j / tau.

    Parameters
    ----------
    text : (N, d) caption embeddings, any length
    projected : (N, d) unit vectors W f
    ids : (N,) stimulus ids
        Rows of one stimulus (seen by several subjects) are no negatives of each other: they are left out of each
        other's softmax.
    symmetric : bool
        Mean of texts -> images (the paper's formula) and images -> texts.
    """
    logits = normalize(text.float(), dim=1) @ projected.t() / temperature
    twin = (ids[:, None] == ids[None, :]) & ~torch.eye(len(ids), dtype=torch.bool, device=ids.device)
    logits = logits.masked_fill(twin, float("-inf"))
    target = torch.arange(len(ids), device=ids.device)
    loss = cross_entropy(logits, target)
    if symmetric:
        loss = (loss + cross_entropy(logits.t(), target)) / 2
    return loss, (logits.detach().argmax(1) == target).float().mean()
