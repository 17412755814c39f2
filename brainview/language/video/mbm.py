"""Masked brain modelling (SC-MBM): tokens of a brain, most of them hidden, rebuilt from the rest.

Encoder and decoder are timm ViT blocks as in mind-vis (Chen et al. 2023; github zjc062/mind-vis,
sc_mbm/mae_for_fmri.py): mlp_ratio 1.0, qkv bias, class token, fixed sin-cos positions; mask ratio 0.75, squared error
per patch over hidden patches only. Tokens come from a tokenizer of this package (surface parcels or volume blocks) in
place of 16 voxels in a row.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from brainview.core.errors import MismatchError


def sincos(positions: Tensor, width: int) -> Tensor:
    """Return (n, width) fixed sin-cos codes of (n, k) coordinates, each axis in an equal share of the width."""
    axes = positions.shape[1]
    share = width // (2 * axes)
    if share < 1:
        raise MismatchError(f"a width of {width} cannot hold positions on {axes} axes")
    omega = 1.0 / 10_000 ** (torch.arange(share, dtype=torch.float64) / max(share, 1))
    parts = []
    for axis in range(axes):
        angle = positions[:, axis].double()[:, None] * omega[None]
        parts += [angle.sin(), angle.cos()]
    code = torch.cat(parts, 1)
    return torch.cat([code, code.new_zeros(len(code), width - code.shape[1])], 1).float()


@dataclass(frozen=True)
class MbmSizes:
    """Sizes; mind-vis has width 1024, depth 24, heads 16, decoder 512 x 8."""

    width: int = 128
    depth: int = 4
    heads: int = 4
    decoder_width: int = 64
    decoder_depth: int = 2
    decoder_heads: int = 4
    mlp_ratio: float = 1.0


class BrainEncoder(nn.Module):
    """Blocks over tokens with a class token.

    Parameters
    ----------
    sizes : MbmSizes
    positions : (n, k) float tensor
        Where the tokens are (mm, or cells); codes are fixed.
    """

    positions: Tensor

    def __init__(self, sizes: MbmSizes, positions: Tensor) -> None:
        super().__init__()
        self.sizes = sizes
        self.cls_token = nn.Parameter(torch.randn(1, 1, sizes.width) * 0.02)
        self.register_buffer("positions", sincos(positions, sizes.width), persistent=False)
        self.blocks = nn.ModuleList(Block(sizes.width, sizes.heads, sizes.mlp_ratio, qkv_bias=True)
                                    for _ in range(sizes.depth))
        self.norm = nn.LayerNorm(sizes.width)

    def forward(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return (B, n, width) encoded tokens without the class token.

        Parameters
        ----------
        tokens : (B, n, width); `keep` : (B, m) indices of the tokens that are seen (masked pretraining)
        """
        repeat = tokens.shape[1] // len(self.positions)
        x = tokens + self.positions.repeat(repeat, 1)
        if keep is not None:
            x = x.gather(1, keep[..., None].expand(-1, -1, x.shape[-1]))
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)[:, 1:]


class MaskedModel(nn.Module):
    """Tokenizer, encoder and decoder for masked pretraining.

    Parameters
    ----------
    tokenizer : module with ``forward(x) -> (B, n, width)`` and ``targets(x) -> (B, n, target)``, ``target_width`` int
    encoder : BrainEncoder
    ratio : float
        Share of tokens that is hidden.
    """

    def __init__(self, tokenizer: Any, encoder: BrainEncoder, ratio: float = 0.75) -> None:
        super().__init__()
        sizes = encoder.sizes
        self.tokenizer, self.encoder, self.ratio = tokenizer, encoder, ratio
        self.embed = nn.Linear(sizes.width, sizes.decoder_width)
        self.mask_token = nn.Parameter(torch.randn(1, 1, sizes.decoder_width) * 0.02)
        code = sincos(torch.arange(len(encoder.positions), dtype=torch.float32)[:, None], sizes.decoder_width)
        self.register_buffer("places", code, persistent=False)
        self.blocks = nn.ModuleList(Block(sizes.decoder_width, sizes.decoder_heads, sizes.mlp_ratio, qkv_bias=True)
                                    for _ in range(sizes.decoder_depth))
        self.norm = nn.LayerNorm(sizes.decoder_width)
        self.head = nn.Linear(sizes.decoder_width, tokenizer.target_width)

    def masks(self, batch: int, tokens: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return (B, kept) indices that are seen and (B, n) bool of hidden tokens, random for every sample."""
        kept = max(1, round(tokens * (1 - self.ratio)))
        order = torch.rand(batch, tokens, generator=generator).argsort(1)
        hidden = torch.ones(batch, tokens, dtype=torch.bool)
        hidden.scatter_(1, order[:, :kept], False)
        return order[:, :kept], hidden

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss: squared error per patch, averaged over hidden patches only, targets not normalised."""
        tokens = self.tokenizer(x)
        keep, hidden = (v.to(tokens.device) for v in self.masks(tokens.shape[0], tokens.shape[1], generator))
        seen = self.embed(self.encoder(tokens, keep))
        full = self.mask_token.expand(len(tokens), tokens.shape[1], -1).scatter(
            1, keep[..., None].expand(-1, -1, seen.shape[-1]), seen)
        full = full + self.places.repeat(tokens.shape[1] // len(self.places), 1)  # type: ignore[operator]
        for block in self.blocks:
            full = block(full)
        return masked_error(self.head(self.norm(full)), self.tokenizer.targets(x), hidden)


def masked_error(predicted: Tensor, target: Tensor, hidden: Tensor) -> Tensor:
    """Return the mean over hidden patches of the mean squared error of a patch; (B, n, p), (B, n, p), (B, n) bool."""
    each = (predicted.float() - target.float()).square().mean(-1)
    return (each * hidden).sum() / hidden.sum().clamp(min=1)


def load_mind_vis(encoder: BrainEncoder, path: os.PathLike | str) -> dict[str, Any]:
    """Load the blocks of a mind-vis / MinD-Video state dict where shapes fit; report every key.

    Patch embedding, positions and decoder are another brain's and are never loaded.

    Returns
    -------
    dict with ``loaded``, ``other shape``, ``not in file``, ``not used``: lists of names.

    Raises
    ------
    MismatchError
        Nothing fits. FormatError: no state dict.
    """
    from brainview.core.errors import FormatError
    from brainview.core.files import regular_file

    try:
        content = torch.load(regular_file(path), map_location="cpu", weights_only=True)
    except Exception as err:  # whatever torch's reader raises on what is no checkpoint
        raise FormatError("is not a state dict that can be read safely (weights only)", where=path) from err
    for key in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise FormatError("holds no state dict", where=path)
    found = {str(k).removeprefix("module.").removeprefix("mae."): v for k, v in content.items()
             if isinstance(v, Tensor)}
    own = dict(encoder.state_dict())
    report: dict[str, Any] = {"loaded": [], "other shape": [], "not in file": [], "not used": []}
    for name, value in own.items():
        if name not in found:
            report["not in file"].append(name)
        elif found[name].shape != value.shape:
            report["other shape"].append(f"{name} {tuple(found[name].shape)} here {tuple(value.shape)}")
        else:
            report["loaded"].append(name)
    report["not used"] = sorted(set(found) - set(own))
    if not any(n.startswith("blocks.") for n in report["loaded"]):
        raise MismatchError(f"no block fits (first: {report['other shape'][:1] or report['not in file'][:1]})",
                            where=path, remedy="Blocks fit at width 1024, depth 24 (preset paper).")
    encoder.load_state_dict({n: found[n] for n in report["loaded"]}, strict=False)
    return report
