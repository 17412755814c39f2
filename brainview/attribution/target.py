"""What every attribution method explains: the likeness of a brain's embedding to an image and a text."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, eq=False)
class Target:
    """s(e) = w_image cos(e, image) + w_text cos(e, text) (eq. 9 of the whole-brain alignment paper: both 1).

    Parameters
    ----------
    image, text : (embed,) tensors or None
        Embeddings; normalised here.
    image_weight, text_weight : float
    """

    image: Tensor | None
    text: Tensor | None
    image_weight: float = 1.0
    text_weight: float = 1.0

    @staticmethod
    def of(image: Tensor | None, text: Tensor | None, which: str = "both") -> Target:
        """Return the target of ``image``, ``text`` or ``both``."""
        return Target(image, text, float(which != "text"), float(which != "image"))

    @property
    def direction(self) -> Tensor:
        """(embed,) the vector whose inner product with a unit embedding is s(e)."""
        parts = [w * F.normalize(v.float(), dim=-1) for v, w in
                 ((self.image, self.image_weight), (self.text, self.text_weight)) if v is not None and w]
        if not parts:
            raise ValueError("a target needs an image or a text with a weight")
        return torch.stack(parts).sum(0)

    def score(self, embedding: Tensor) -> Tensor:
        """Return (...,) likeness of (..., embed) unit vectors."""
        return embedding.float() @ self.direction.to(embedding.device)
