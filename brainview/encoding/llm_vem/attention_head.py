"""The second head: one query per region and hemisphere looks at the tokens; its attention can be drawn on the picture.

After the transformer brain encoder (arXiv 2505.17329, repository Hosseinadeli/transformer_brain_encoder): region
queries cross-attend to frozen patch tokens. Ours differs in that regions are those of the common space, and that every
location has a shared readout and a residual per subject, as in the linear head.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

Shapes = Sequence[tuple[int, int]]


class AttentionHead(nn.Module):
    """Queries of regions over tokens.

    Parameters
    ----------
    shapes : sequence of (tokens, width)
        One per layer; all layers with the same tokens.
    subjects : int
        S.
    regions : (V,) int64
        Which query answers for each location.
    width, heads : int
    dropout : float
        On the raw tokens and on what a region read.
    """

    def __init__(self, shapes: Shapes, subjects: int, regions: Tensor, *, width: int = 96, heads: int = 4,
                 dropout: float = 0.5) -> None:
        super().__init__()
        if len({t for t, _ in shapes}) != 1:
            raise ValueError("the attention head needs layers with the same tokens")
        tokens, count, size = shapes[0][0], int(regions.max()) + 1, regions.numel()
        self.heads, self.width = heads, width
        self.register_buffer("regions", regions.clone())
        self.token_dropout, self.dropout = nn.Dropout(dropout), nn.Dropout(dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(c) for _, c in shapes)
        self.embeds = nn.ModuleList(nn.Linear(c, width, bias=False) for _, c in shapes)
        self.position = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.mix = nn.Parameter(torch.zeros(count, len(shapes)))
        self.queries = nn.Parameter(torch.randn(count, width) / math.sqrt(width))
        self.subject_queries = nn.Parameter(torch.zeros(subjects, count, width))
        self.key, self.value = nn.Linear(width, width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(),
                                 nn.Linear(2 * width, width))
        self.weight = nn.Parameter(torch.randn(size, width) / width)
        self.subject_weight = nn.Parameter(torch.zeros(subjects, size, width))
        self.bias = nn.Parameter(torch.zeros(size))

    def attend(self, layers: Sequence[Tensor], subject: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return (what each region read (N, R, width), its attention (N, R, T), mean over heads and layers)."""
        parts = [embed(norm(self.token_dropout(x)))
                 for embed, norm, x in zip(self.embeds, self.norms, layers, strict=True)]
        query = self.queries if subject is None else self.queries + self.subject_queries[subject]
        read, seen = 0.0, 0.0
        share = torch.softmax(self.mix, 1)
        for number, part in enumerate(parts):
            found, attention = self._look(query, part)
            read = read + share[:, number, None] * found
            seen = seen + share[:, number, None] * attention
        return read + self.mlp(read), seen  # type: ignore[return-value]

    def _look(self, query: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        n, t, _ = tokens.shape
        side = self.width // self.heads
        q = query.expand(n, -1, -1) if query.ndim == 2 else query
        q = q.view(n, -1, self.heads, side).transpose(1, 2)
        k = self.key(tokens + self.position).view(n, t, self.heads, side).transpose(1, 2)
        v = self.value(tokens).view(n, t, self.heads, side).transpose(1, 2)
        attention = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(side), -1)
        return (attention @ v).transpose(1, 2).reshape(n, -1, self.width), attention.mean(1)

    def forward(self, layers: Sequence[Tensor], subject: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return (responses (N, V), latent (N, width): the mean over regions)."""
        read, _ = self.attend(layers, subject)
        return self.respond(read, subject), read.mean(1)

    def respond(self, read: Tensor, subject: Tensor | None) -> Tensor:
        """Return (N, V) of what the regions read."""
        read = self.dropout(read)[:, self.regions]
        if subject is None:
            return torch.einsum("nvd,vd->nv", read, self.weight) + self.bias
        out = torch.empty(read.shape[:2], device=read.device, dtype=read.dtype)
        for s in torch.unique(subject).tolist():
            rows = subject == s
            out[rows] = torch.einsum("nvd,vd->nv", read[rows], self.weight + self.subject_weight[s])
        return out + self.bias
