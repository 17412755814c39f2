"""Both towers of an open_clip model cut at a layer, so that the bottleneck of :mod:`ibba` fits into them.

A tower has `stream` (activations (L, d) at every layer), `tail` (from a layer to unit vectors), `check_layer` and
`prefix` (leading tokens that are no place: the class token, the start of a text). Layers are counted as blocks
passed; in a residual network as stages passed (0 = after its stem). Nothing is hooked.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from brainview.core.errors import BrainViewError


class Tower:
    """What both towers share: a list of blocks, a head, and the layer in the middle."""

    blocks: list[Any]
    prefix: int

    def check_layer(self, layer: int) -> int:
        """Refuse a layer that is not 0..blocks."""
        if not 0 <= layer <= len(self.blocks):
            raise BrainViewError(f"there is no layer {layer}; this tower has 0 (its input) to {len(self.blocks)}")
        return layer

    def tail(self, x: Tensor, layer: int) -> Tensor:
        """Return (B, embed) unit vectors of (B, L, d) activations at `layer`."""
        raise NotImplementedError


class ViTTower(Tower):
    """open_clip's VisionTransformer: patches in rows, class token first."""

    prefix = 1

    def __init__(self, visual: Any) -> None:
        self.visual, self.blocks = visual, list(visual.transformer.resblocks)

    @torch.no_grad()
    def stream(self, picture: Tensor) -> list[Tensor]:
        """Return [layer] -> (L, d) of a (1, 3, H, W) picture."""
        x = self.visual._embeds(picture)
        out = [x]
        for block in self.blocks:
            x = self._run(block, x)
            out.append(x)
        return [v[0] for v in out]

    def _run(self, block: Any, x: Tensor) -> Tensor:
        if self.visual.transformer.batch_first:
            return block(x)
        return block(x.transpose(0, 1)).transpose(0, 1)

    def grid(self, layer: int) -> tuple[int, int]:
        """Return (rows, columns) of the places at a layer."""
        rows, columns = self.visual.grid_size
        return int(rows), int(columns)

    def tail(self, x: Tensor, layer: int) -> Tensor:
        for block in self.blocks[layer:]:
            x = self._run(block, x)
        pooled, _ = self.visual._pool(x)
        return F.normalize(pooled if self.visual.proj is None else pooled @ self.visual.proj, dim=-1)


class ResNetTower(Tower):
    """open_clip's ModifiedResNet: places are the cells of the feature map; no class token."""

    prefix = 0

    def __init__(self, visual: Any) -> None:
        self.visual = visual
        self.blocks = [visual.layer1, visual.layer2, visual.layer3, visual.layer4]
        self._grids: list[tuple[int, int]] = []

    @torch.no_grad()
    def stream(self, picture: Tensor) -> list[Tensor]:
        """Return [layer] -> (h w, channels) of a (1, 3, H, W) picture."""
        x = self.visual.stem(picture)
        maps = [x]
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        self._grids = [(int(m.shape[2]), int(m.shape[3])) for m in maps]
        return [m[0].flatten(1).T.contiguous() for m in maps]

    def grid(self, layer: int) -> tuple[int, int]:
        """Return (rows, columns) of the places at a layer of the last picture."""
        return self._grids[layer]

    def tail(self, x: Tensor, layer: int) -> Tensor:
        rows, columns = self._grids[layer]
        out = x.transpose(1, 2).unflatten(2, (rows, columns))
        for block in self.blocks[layer:]:
            out = block(out)
        return F.normalize(self.visual.attnpool(out), dim=-1)


class TextTower(Tower):
    """open_clip's text tower, causal mask and end-of-text pooling kept; cut after the end of the text."""

    prefix = 1

    def __init__(self, model: Any) -> None:
        inner = getattr(model, "text", model)
        if not hasattr(inner, "token_embedding") or getattr(inner, "cls_emb", None) is not None \
                or getattr(inner, "use_pad_mask", False):
            raise BrainViewError("this text tower is not one that words can be mapped back to",
                                 remedy="Use an open_clip model with CLIP's own text transformer.")
        self.inner, self.blocks = inner, list(inner.transformer.resblocks)
        self._mask: Tensor | None = None

    @torch.no_grad()
    def stream(self, tokens: Tensor, length: int) -> list[Tensor]:
        """Return [layer] -> (length, d) of (1, context) token numbers, the end of the text at `length` - 1."""
        x = self.inner.token_embedding(tokens[:, :length]) + self.inner.positional_embedding[:length]
        mask = self.inner.attn_mask
        self._mask = None if mask is None else mask[:length, :length]
        out = [x]
        for block in self.blocks:
            x = self._run(block, x)
            out.append(x)
        return [v[0] for v in out]

    def _run(self, block: Any, x: Tensor) -> Tensor:
        if self.inner.transformer.batch_first:
            return block(x, attn_mask=self._mask)
        return block(x.transpose(0, 1), attn_mask=self._mask).transpose(0, 1)

    def tail(self, x: Tensor, layer: int) -> Tensor:
        for block in self.blocks[layer:]:
            x = self._run(block, x)
        pooled = self.inner.ln_final(x)[:, -1]  # the end of the text is the last token kept
        projection = self.inner.text_projection
        if projection is not None:
            pooled = projection(pooled) if isinstance(projection, torch.nn.Linear) else pooled @ projection
        return F.normalize(pooled, dim=-1)


def image_tower(model: Any) -> ViTTower | ResNetTower:
    """Return the image tower of an open_clip model; raises BrainViewError for one that cannot be cut."""
    visual = model.visual
    if hasattr(visual, "_embeds") and hasattr(visual, "transformer"):
        return ViTTower(visual)
    if hasattr(visual, "stem") and hasattr(visual, "layer4") and getattr(visual, "attnpool", None) is not None:
        return ResNetTower(visual)
    raise BrainViewError(f"a {type(visual).__name__} is not an image tower that a brain can be mapped back to",
                         remedy="Use an open_clip model with a vision transformer or CLIP's residual network.")
