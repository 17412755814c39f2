"""The head of stage 1: layers of tokens -> one latent vector -> shared and subject part -> frozen PCA readout.

Shapes after arXiv 2308.02351 and models/group_linear.py of childmindresearch/algonauts23. Layers may differ in tokens
and width, so that any timm model can be the trunk.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

Shapes = Sequence[tuple[int, int]]


class FactorisedLinear(nn.Module):
    """(N, T, C) tokens -> (N, K): each output unit has one weight per channel and one per token, multiplied.

    Parameters
    ----------
    tokens, width, out : int
        T, C, K. Weights: (K, T) spatial and (K, C) channels, no bias; drawn as a linear layer's are.
    """

    def __init__(self, tokens: int, width: int, out: int) -> None:
        super().__init__()
        self.spatial = nn.Parameter(torch.empty(out, tokens))
        self.channel = nn.Parameter(torch.empty(out, width))
        for weight in (self.spatial, self.channel):
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, K)."""
        return (x @ self.channel.t() * self.spatial.t()).sum(1)


class LayerProjection(nn.Module):
    """Dropout on the raw tokens, factorised projection, batch norm; of one layer."""

    def __init__(self, tokens: int, width: int, out: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.projection = FactorisedLinear(tokens, width, out)
        self.norm = nn.BatchNorm1d(out)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, out) of (N, tokens, width)."""
        return self.norm(self.projection(self.dropout(x)))


class LinearHead(nn.Module):
    """The original's head.

    Parameters
    ----------
    shapes : sequence of (tokens, width)
        One per layer.
    subjects, locations : int
        S, V.
    hidden, components : int
        1,024 and 2,048 in the paper.
    dropout : float
        On the raw tokens, 0.9 in the paper.
    bias_twice : bool
        Add the readout's bias once for the group and once for the subject part, as the public code does.

    Notes
    -----
    The readout (``readout.weight`` (V, components), ``readout.bias`` (V,)) is never trained; set it with
    :meth:`set_readout`.
    """

    def __init__(self, shapes: Shapes, subjects: int, locations: int, *, hidden: int = 1024, components: int = 2048,
                 dropout: float = 0.9, bias_twice: bool = False) -> None:
        super().__init__()
        self.subjects, self.components, self.bias_twice = subjects, components, bias_twice
        self.layers = nn.ModuleList(LayerProjection(t, c, hidden, dropout) for t, c in shapes)
        self.shared = nn.Linear(hidden, components, bias=False)
        self.subject = nn.Linear(hidden, subjects * components)
        self.readout = nn.Linear(components, locations)
        self.readout.requires_grad_(False)

    def set_readout(self, basis: Any, mean: Any) -> None:
        """Put (V, components) basis and (V,) mean in place; they stay frozen."""
        with torch.no_grad():
            self.readout.weight.copy_(torch.as_tensor(basis))
            self.readout.bias.copy_(torch.as_tensor(mean))

    def latent(self, layers: Sequence[Tensor]) -> Tensor:
        """Return z (N, hidden): the mean over the projected layers."""
        return torch.stack([project(x) for project, x in zip(self.layers, layers, strict=True)]).mean(0)

    def respond(self, latent: Tensor, subject: Tensor | None) -> Tensor:
        """Return (N, V) responses of a latent; `subject` (N,) int64, None = the group part alone."""
        mixed = self.shared(latent)
        if subject is None:
            return self.readout(mixed)
        weight = self.subject.weight.view(self.subjects, self.components, -1)
        bias = self.subject.bias.view(self.subjects, self.components)
        own = torch.empty_like(mixed)
        for s in torch.unique(subject).tolist():
            rows = subject == s
            own[rows] = nn.functional.linear(latent[rows], weight[s], bias[s]).to(own.dtype)
        out = self.readout(mixed + own)
        return out + self.readout.bias if self.bias_twice else out

    def forward(self, layers: Sequence[Tensor], subject: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return (responses (N, V), latent (N, hidden)) of a list of (N, T, C) layers."""
        latent = self.latent(layers)
        return self.respond(latent, subject), latent


def count_parameters(module: nn.Module) -> tuple[int, int]:
    """Return (all, trainable) parameters."""
    every = [(p.numel(), p.requires_grad) for p in module.parameters()]
    return sum(n for n, _ in every), sum(n for n, grad in every if grad)
