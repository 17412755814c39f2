"""The trunk: any timm model (by name, local file or cache) as a list of token layers, frozen or partly trained."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from brainview.core.errors import MismatchError
from brainview.core.jobs import QUIET, JobContext
from brainview.features.registry import feature_space
from brainview.features.timm_models import TimmSpace
from brainview.features.types import parse_pool, settings_key


@dataclass(frozen=True)
class Preprocessing:
    """How pictures become the trunk's input."""

    pixels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def tensor(self, images: Iterable[Image.Image]) -> Tensor:
        """Return (n, 3, pixels, pixels): the whole picture resized (bicubic) without a crop, normalised."""
        return self.normalise(np.stack([np.asarray(i.convert("RGB").resize((self.pixels, self.pixels),
                                                                           Image.Resampling.BICUBIC)) for i in images]))

    def normalise(self, pictures: np.ndarray | Tensor) -> Tensor:
        """Return normalised (n, 3, h, w) of (n, h, w, 3) uint8."""
        x = torch.as_tensor(pictures).permute(0, 3, 1, 2).float() / 255
        return (x - torch.tensor(self.mean).view(1, 3, 1, 1)) / torch.tensor(self.std).view(1, 3, 1, 1)


class Trunk:
    """A timm model with the layers that the head reads.

    Parameters
    ----------
    name : str
        Name of a feature space of timm: ``timm:MODEL[img_size=112;weights=FILE]``, ``phantom-eva02``, ...
    layers : sequence of int
        Blocks (or stages) as timm counts them.
    tokens : str
        ``all`` or a pooling; see :func:`brainview.features.types.parse_pool`.

    Raises
    ------
    MismatchError
        The name is of no timm model. MissingError: no such model, or no weights (random ones only when asked for).
    """

    def __init__(self, name: str, layers: Sequence[int], tokens: str = "all") -> None:
        space = feature_space(name, layers=list(layers))
        if not isinstance(space, TimmSpace):
            raise MismatchError("is no network of timm", where=name, remedy="Use timm:MODEL or phantom-eva02.")
        self._pool = parse_pool(tokens)
        self.name, self.tokens, self.space = name, tokens, space
        self.model: nn.Module = space._ready[0]
        self.input = _preprocessing(space, self.model)
        with torch.inference_mode():
            size = self.input.pixels
            self.shapes = [tuple(x.shape[1:]) for x in self(torch.zeros(1, 3, size, size))]

    @property
    def is_random(self) -> bool:
        """True when the weights were never trained."""
        return self.space.is_random

    @property
    def label(self) -> str:
        """Name on screen."""
        return self.space.label

    def __call__(self, pictures: Tensor) -> list[Tensor]:
        """Return [(N, T, C)...], class token first where there is one."""
        return [self._pooled(prefix, grid) for prefix, grid in self.space._layers(self.model, pictures)]

    def _pooled(self, prefix: Tensor | None, grid: Tensor) -> Tensor:
        cls, mean, side = self._pool
        parts = [prefix] if cls and prefix is not None else []
        if self.tokens == "all":
            parts.append(grid.flatten(2).transpose(1, 2))
        if mean:
            parts.append(grid.mean((2, 3))[:, None])
        if side:
            parts.append(adaptive_avg_pool2d(grid, side).flatten(2).transpose(1, 2))
        return torch.cat(parts, 1)

    @property
    def grid(self) -> tuple[int, int] | None:
        """(prefix tokens, side) of the last layer's tokens, None when they form no square grid."""
        count = self.shapes[-1][0]
        for prefix in range(6):
            side = round(max(count - prefix, 0) ** 0.5)
            if side > 0 and side * side == count - prefix:
                return prefix, side
        return None


class TokenSpace:
    """The trunk's layers of a picture, flattened side by side, as a feature space that the cache keeps."""

    def __init__(self, trunk: Trunk) -> None:
        self.trunk = trunk
        self.name = trunk.name
        self.settings: dict[str, Any] = {**trunk.space.settings, "pool": trunk.tokens, "form": "layers side by side",
                                         "resize": "whole picture", "version": 1}

    @property
    def key(self) -> str:
        """Hash of weights and settings."""
        return settings_key(self.settings, self.trunk.space.key)

    @property
    def label(self) -> str:
        """Name on screen."""
        return self.trunk.label

    def extract(self, images: Iterable[Image.Image], *, context: JobContext = QUIET) -> np.ndarray:
        """Return (n, 1, sum of tokens x width) float32."""
        context.check()
        with torch.inference_mode():
            layers = self.trunk(self.trunk.input.tensor(images))
        return torch.cat([x.flatten(1) for x in layers], 1)[:, None].float().numpy()


def unflatten(rows: Tensor, shapes: Sequence[tuple[int, int]]) -> list[Tensor]:
    """Return [(N, T, C)...] of (N, sum T x C) rows of :class:`TokenSpace`."""
    parts = torch.split(rows, [t * c for t, c in shapes], 1)
    return [part.view(-1, t, c) for part, (t, c) in zip(parts, shapes, strict=True)]


def unfreeze(model: nn.Module, patterns: str) -> list[str]:
    """Make every parameter of a trunk trainable but those that match a pattern; return the names that train.

    Parameters
    ----------
    patterns : str
        Shell-style patterns, comma-separated; ``blocks*norm*`` also matches ``blocks.3.mlp.norm.weight``.
    """
    wanted = [p.strip() for p in patterns.split(",") if p.strip()]
    names = []
    for name, parameter in model.named_parameters():
        frozen = any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted)
        parameter.requires_grad_(not frozen)
        if not frozen:
            names.append(name)
    return names


def _preprocessing(space: TimmSpace, model: Any) -> Preprocessing:
    found = space.data_config(model)
    return Preprocessing(int(found["input_size"][-1]), tuple(found["mean"]), tuple(found["std"]))
