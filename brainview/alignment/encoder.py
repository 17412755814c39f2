"""The whole-brain encoder: 3D patches of a volume through CLIP-style blocks into CLIP space.

Layers are counted as blocks passed: 0 = the input of the first block (after ln_pre), n = after n blocks.
Source: the whole-brain CLIP alignment paper (its section on the brain encoder) with every other choice as in the
CLIP ViT-H/14 configuration of open_clip.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brainview.core.errors import BrainViewError


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of the encoder.

    Parameters
    ----------
    width, blocks, heads : int
        Transformer width, number of blocks, attention heads.
    mlp_ratio : float
        Hidden width of the MLP over `width`.
    patch : int
        Edge of a token in voxels; padding : how the rim is treated (see PatchGrid).
    embed : int
        Width of CLIP's space.
    min_fraction : float
        Least share of brain in a token.
    """

    width: int = 1280
    blocks: int = 12
    heads: int = 16
    mlp_ratio: float = 4.0
    patch: int = 14
    padding: str = "sym"
    embed: int = 1024
    min_fraction: float = 0.0

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise BrainViewError(f"width {self.width} is not a multiple of {self.heads} heads")

    def having(self, **changes: Any) -> EncoderConfig:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)


#: `quick` is what is shipped: it starts as well as `live` (85 validation images of one phantom person, mean reciprocal
#: rank .299 against .303), and a map at layer 0 costs a third (1.1 against 3.1 CPU s).
PRESETS = {
    "tiny": EncoderConfig(width=64, blocks=4, heads=4, patch=4, embed=32),
    "live": EncoderConfig(width=128, blocks=4, heads=4, patch=14, embed=128),
    "quick": EncoderConfig(width=128, blocks=2, heads=4, patch=14, embed=128),
    "small": EncoderConfig(width=192, blocks=6, heads=6, patch=14, embed=512),
    "base": EncoderConfig(width=512, blocks=8, heads=8, patch=14, embed=512),
    "paper": EncoderConfig(),
}


class Block(nn.Module):
    """A pre-norm block as in CLIP: attention and an MLP with exact GELU, LayerNorm eps 1e-5."""

    def __init__(self, width: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1 = nn.LayerNorm(width)
        self.in_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)
        self.ln_2 = nn.LayerNorm(width)
        hidden = int(width * mlp_ratio)
        self.c_fc = nn.Linear(width, hidden)
        self.c_proj = nn.Linear(hidden, width)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)

    def forward(self, x: Tensor, only_class: bool = False) -> Tensor:
        """Return (B, L, d) of (B, L, d); with `only_class` (B, 1, d), exactly the first token of the full answer."""
        normed = self.ln_1(x)
        width = x.shape[-1]
        if only_class:  # queries, output and MLP for the class token alone; keys and values for all
            weight, bias = self.in_proj.weight, self.in_proj.bias
            query = F.linear(normed[:, :1], weight[:width], bias[:width])
            key, value = F.linear(normed, weight[width:], bias[width:]).chunk(2, -1)
            x = x[:, :1]
        else:
            query, key, value = self.in_proj(normed).chunk(3, -1)
        attended = F.scaled_dot_product_attention(self._heads(query), self._heads(key), self._heads(value))
        x = x + self.out_proj(attended.transpose(-2, -3).flatten(-2))
        return x + self.c_proj(F.gelu(self.c_fc(self.ln_2(x))))

    def attention(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return ((B, L, d) output, (B, heads, L, L) attention probabilities that take part in the graph)."""
        query, key, value = map(self._heads, self.in_proj(self.ln_1(x)).chunk(3, -1))
        probability = (query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5).softmax(-1)
        x = x + self.out_proj((probability @ value).transpose(-2, -3).flatten(-2))
        return x + self.c_proj(F.gelu(self.c_fc(self.ln_2(x)))), probability


class BrainEncoder(nn.Module):
    """Volume patches (B, n_tokens, p^3) to unit vectors (B, embed) in CLIP space.

    Parameters
    ----------
    config : EncoderConfig
    n_tokens : int
        Tokens of the patch grid, without the class token.
    """

    def __init__(self, config: EncoderConfig, n_tokens: int) -> None:
        super().__init__()
        self.config, self.n_tokens = config, n_tokens
        width = config.width
        self.patch_embed = nn.Linear(config.patch**3, width, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty(n_tokens + 1, width))
        self.ln_pre = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, config.heads, config.mlp_ratio) for _ in range(config.blocks))
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.empty(width, config.embed))
        if self.proj.device.type != "meta":
            self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Initialise as CLIP does: class and positions N(0, d^-.5), attention N(0, d^-.5) (2 blocks)^-.5 ..."""
        width, depth = self.config.width, self.config.blocks
        out_std = width**-0.5 * (2 * depth) ** -0.5
        for tensor in (self.class_embedding, self.positional_embedding, self.proj):
            nn.init.normal_(tensor, std=width**-0.5)
        nn.init.normal_(self.patch_embed.weight, std=self.patch_embed.in_features**-0.5)
        for block in self.blocks:
            nn.init.normal_(block.in_proj.weight, std=width**-0.5)
            nn.init.normal_(block.out_proj.weight, std=out_std)
            nn.init.normal_(block.c_fc.weight, std=(2 * width) ** -0.5)
            nn.init.normal_(block.c_proj.weight, std=out_std)
            for linear in (block.in_proj, block.out_proj, block.c_fc, block.c_proj):
                nn.init.zeros_(linear.bias)

    def embed(self, patches: Tensor) -> Tensor:
        """Return (B, 1 + n_tokens, d): layer 0, the input of the first block."""
        tokens = self.patch_embed(patches)
        first = self.class_embedding.to(tokens.dtype).expand(len(tokens), 1, -1)
        return self.ln_pre(torch.cat([first, tokens], 1) + self.positional_embedding.to(tokens.dtype))

    def head(self, x: Tensor) -> Tensor:
        """Return (B, embed) unit vectors of the class token of (B, L, d)."""
        return F.normalize(self.ln_post(x[:, 0]) @ self.proj.to(x.dtype), dim=-1)

    def tail(self, x: Tensor, layer: int, *, class_only: bool = True) -> Tensor:
        """Return (B, embed) of the residual stream (B, L, d) at `layer` blocks passed."""
        blocks = self.blocks[layer:]
        for i, block in enumerate(blocks):
            x = block(x, only_class=class_only and i == len(blocks) - 1)
        return self.head(x)

    @torch.no_grad()
    def stream(self, patches: Tensor) -> list[Tensor]:
        """Return the residual stream at every layer: blocks + 1 tensors (B, L, d), layer 0 first."""
        streams = [self.embed(patches)]
        for block in self.blocks:
            streams.append(block(streams[-1]))
        return streams

    def check_layer(self, layer: int) -> int:
        """Refuse a layer that is not 0..blocks."""
        if not 0 <= layer <= len(self.blocks):
            raise BrainViewError(f"there is no layer {layer}; this encoder has 0 (its input) to {len(self.blocks)}")
        return layer

    def forward(self, patches: Tensor) -> Tensor:
        """Return (B, embed) unit vectors of (B, n_tokens, p^3) patches."""
        return self.tail(self.embed(patches), 0)


def count_parameters(config: EncoderConfig, n_tokens: int) -> int:
    """Return the number of parameters without allocating any."""
    with torch.device("meta"):
        model = BrainEncoder(config, n_tokens)
    return sum(p.numel() for p in model.parameters())
