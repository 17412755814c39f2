"""The resampler of the brain encoder: learned queries that look at the brain's tokens and at themselves.

Structure of Flamingo's Perceiver resampler (Alayrac et al. 2022, section 3.1.1) with the names of UMBRAE's published
state dict (Xia et al. 2024, arXiv 2404.07202; developers' page "vindex" 2.1 to 2.3).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class PerceiverAttention(nn.Module):
    """Latents ask, brain tokens and latents answer; no bias, no dropout, no mask.

    Parameters
    ----------
    width, heads, head_width : int
    """

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * head_width
        self.norm_media, self.norm_latents = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_kv = nn.Linear(width, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, width, bias=False)

    def forward(self, media: Tensor, latents: Tensor) -> Tensor:
        """Return (B, L, width) from media (B, n, width) and latents (B, L, width)."""
        media, latents = self.norm_media(media), self.norm_latents(latents)
        k, v = self.to_kv(torch.cat([media, latents], 1)).chunk(2, -1)
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (self.to_q(latents), k, v))
        return self.to_out(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def feed_forward(width: int, mult: int = 4) -> nn.Sequential:
    """Return LayerNorm, Linear, GELU, Linear; the linear layers have no bias."""
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, mult * width, bias=False), nn.GELU(),
                         nn.Linear(mult * width, width, bias=False))


class PerceiverResampler(nn.Module):
    """(B, n, width) tokens of any number -> (B, latents, width).

    Parameters
    ----------
    width, latents, depth, heads, head_width, mult : int
    """

    def __init__(self, width: int, latents: int, depth: int, heads: int, head_width: int, mult: int = 4) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(latents, width))
        self.media_pos_emb = nn.Parameter(torch.randn(1, 1, width))
        self.layers = nn.ModuleList([nn.ModuleList([PerceiverAttention(width, heads, head_width),
                                                    feed_forward(width, mult)]) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)

    def forward(self, media: Tensor) -> Tensor:
        """Return the latents after all layers and the final LayerNorm."""
        media = media + self.media_pos_emb
        latents = self.latents.expand(len(media), -1, -1)
        for attention, forward in self.layers:  # type: ignore[misc]
            latents = attention(media, latents) + latents
            latents = forward(latents) + latents
        return self.norm(latents)


class Perceiver(nn.Module):
    """Pre-norm, resampler and head: what all subjects share (names ``ln_vision``, ``perceiver``, ``llm_proj``)."""

    def __init__(self, width: int, out: int, latents: int, depth: int, heads: int, head_width: int,
                 mult: int = 4) -> None:
        super().__init__()
        self.ln_vision = nn.LayerNorm(width)
        self.perceiver = PerceiverResampler(width, latents, depth, heads, head_width, mult)
        self.llm_proj = nn.Linear(width, out)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B, latents, out) from (B, n, width)."""
        return self.llm_proj(self.perceiver(self.ln_vision(tokens)))
