"""The tri-modal contrastive loss and its queue (eq. 1 of the whole-brain alignment paper); MindEye's two losses."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


class EmbeddingQueue:
    """The last `size` samples as extra negatives: first in, first out, all ranks alike.

    Brain embeddings are stored detached; image and text embeddings are frozen, so theirs are never stale.
    """

    def __init__(self, size: int, embed: int, device: torch.device | str = "cpu") -> None:
        self.size = size
        self.ids = torch.full((size,), -1, dtype=torch.int64, device=device)
        self.store = {k: torch.zeros(size, embed, device=device) for k in ("brain", "image", "text")}
        self.position = 0
        self.filled = 0

    def push(self, ids: Tensor, brain: Tensor, image: Tensor, text: Tensor) -> None:
        """Write a batch (n,), 3 x (n, embed) over the oldest entries; call it after the loss."""
        n = min(len(ids), self.size)
        if n == 0:
            return
        where = (self.position + torch.arange(n, device=self.ids.device)) % self.size
        self.ids[where] = ids[-n:].to(self.ids)
        for name, value in (("brain", brain), ("image", image), ("text", text)):
            self.store[name][where] = value[-n:].detach().to(self.store[name])
        self.position = (self.position + n) % self.size
        self.filled = min(self.size, self.filled + n)

    def entries(self, name: str) -> Tensor:
        """Return the (filled, embed) stored embeddings of one modality."""
        return self.store[name][:self.filled] if self.filled < self.size else self.store[name]

    @property
    def entry_ids(self) -> Tensor:
        """(filled,) stimulus ids in the order of :meth:`entries`."""
        return self.ids[:self.filled]

    def state(self) -> dict[str, Tensor]:
        """Return everything an exact resume needs."""
        return {"queue.ids": self.ids, "queue.counters": torch.tensor([self.position, self.filled]),
                **{f"queue.{k}": v for k, v in self.store.items()}}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over a saved state."""
        self.ids.copy_(state["queue.ids"])
        self.position, self.filled = (int(v) for v in state["queue.counters"])
        for name, value in self.store.items():
            value.copy_(state[f"queue.{name}"])


def contrast(query: Tensor, keys: Tensor, query_ids: Tensor, key_ids: Tensor, temperature: float) -> Tensor:
    """Return the cross-entropy of each query (n, d) against its own key, the first n of (m, d) keys.

    Keys with the query's stimulus id, other than its own, are no negatives and are masked.
    """
    logits = query @ keys.T / temperature
    own = torch.zeros_like(logits, dtype=torch.bool)
    own.fill_diagonal_(True)
    logits = logits.masked_fill((query_ids[:, None] == key_ids[None, :]) & ~own, float("-inf"))
    return F.cross_entropy(logits, torch.arange(len(query), device=query.device))


def trimodal_loss(brain: Tensor, image: Tensor, text: Tensor, ids: Tensor, temperature: float, *,
                  queue: EmbeddingQueue | None = None, image_weight: float = 1.0,
                  text_weight: float = 1.0) -> dict[str, Tensor]:
    """Return ``loss`` and its parts ``brain_image``, ``brain_text`` for unit vectors (n, d) each.

    L = L_BI + L_BT; each is the sum (not the mean) of its two directions, eq. (1). The queue adds negatives:
    frozen image or text embeddings for the brain's softmax, detached brain embeddings for the other direction.
    """
    parts = {}
    for name, other, weight in (("image", image, image_weight), ("text", text, text_weight)):
        if weight == 0:
            continue
        keys, key_ids, brains, brain_ids = other, ids, brain, ids
        if queue is not None and queue.filled:
            keys = torch.cat([other, queue.entries(name).to(other)])
            brains = torch.cat([brain, queue.entries("brain").to(brain)])
            key_ids = brain_ids = torch.cat([ids, queue.entry_ids.to(ids)])
        parts[f"brain_{name}"] = weight * (contrast(brain, keys, ids, key_ids, temperature)
                                           + contrast(other, brains, ids, brain_ids, temperature))
    return {"loss": sum(parts.values()), **parts}  # type: ignore[dict-item]


def mixed_brains(brains: Tensor, source: np.random.Generator, *, share: float = 0.5,
          beta: float = 0.15) -> tuple[Tensor, Tensor]:
    """Return brains (n, ...) of which a share is mixed with another of the batch, and (n, n) how much of each is whose.

    The weight of a brain's own part is drawn from Beta(beta, beta) (MixCo, Kim et al. 2020; both numbers MindEye's).
    """
    count = len(brains)
    own = source.beta(beta, beta, count).astype(np.float32)
    own[source.random(count) >= share] = 1.0
    partner = source.permutation(count)
    goal = np.diag(own)
    goal[np.arange(count), partner] += 1 - own
    weight = torch.from_numpy(own).view(-1, *[1] * (brains.ndim - 1))
    return brains * weight + brains[torch.from_numpy(partner)] * (1 - weight), torch.from_numpy(goal)


def mindeye_loss(brain: Tensor, image: Tensor, text: Tensor, temperature: float, *, goal: Tensor | None = None,
                 image_weight: float = 1.0, text_weight: float = 1.0) -> dict[str, Tensor]:
    """Return ``loss`` and its parts as :func:`trimodal_loss` does, after MindEye (Scotti et al. 2023, eqs. 1 and 2).

    With the `goal` of :func:`mixed_brains` (n, n) it is BiMixCo, each brain against what it was mixed from; without,
    SoftCLIP: against the softmax of the targets' own likeness. Both directions are added, as in eq. (1) here.
    """
    parts = {}
    for name, other, weight in (("image", image, image_weight), ("text", text, text_weight)):
        if weight == 0:
            continue
        logits = brain @ other.T / temperature
        if goal is None:
            there = back = F.softmax(other @ other.T / temperature, 1)
        else:
            there, back = goal.to(logits), goal.T.to(logits)
        parts[f"brain_{name}"] = -weight * ((F.log_softmax(logits, 1) * there).sum(1).mean()
                                            + (F.log_softmax(logits.T, 1) * back).sum(1).mean())
    return {"loss": sum(parts.values()), **parts}  # type: ignore[dict-item]
