"""The whole model as one module, and how it is written to and read from a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from brainview.core.errors import FormatError
from brainview.datasets.types import Subject
from brainview.encoding.llm_vem.align import TextAlignment
from brainview.encoding.llm_vem.attention_head import AttentionHead
from brainview.encoding.llm_vem.config import VemConfig
from brainview.encoding.llm_vem.group import GroupSpace
from brainview.encoding.llm_vem.head import LinearHead
from brainview.encoding.llm_vem.trunk import Trunk, unfreeze


class Vem(nn.Module):
    """Trunk, head and alignment as one module, so that several processes can wrap it.

    Parameters
    ----------
    head : LinearHead or AttentionHead
    trunk : Trunk
    config : VemConfig
    align : TextAlignment, optional

    Notes
    -----
    The trunk's weights belong to the module (and to a checkpoint) only in stage 2.
    """

    def __init__(self, head: LinearHead | AttentionHead, trunk: Trunk, config: VemConfig,
                 align: TextAlignment | None = None) -> None:
        super().__init__()
        self.head, self.align = head, align
        self._look = trunk
        self.tunes_trunk = config.stage == 2
        if self.tunes_trunk:
            self.trunk = trunk.model
            unfreeze(self.trunk, config.freeze)
            if not config.head_trainable:
                head.requires_grad_(False)

    def layers(self, x: Tensor | Sequence[Tensor]) -> list[Tensor]:
        """Return token layers: of pictures (N, 3, p, p), or as they are."""
        if not isinstance(x, Tensor):
            return list(x)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.tunes_trunk):
            return self._look(x)

    def forward(self, x: Tensor | Sequence[Tensor], subject: Tensor | None) -> tuple[Tensor, Tensor | None, Any]:
        """Return (responses (N, V), W f (N, d) or None, tau or None)."""
        responses, latent = self.head(self.layers(x), subject)
        projected, temperature = self.align(latent) if self.align is not None else (None, None)
        return responses, projected, temperature

    def to_device(self, device: torch.device | str) -> Vem:
        """Move everything, the frozen trunk included."""
        self._look.model.to(device)
        return self.to(device)


def regions_of(group: GroupSpace, people: dict[str, Subject]) -> tuple[np.ndarray, list[str]]:
    """Return ((V,) int64 number of the query of each location, names of the queries).

    A location belongs to the finest region that any subject gives it (visual areas before category areas before
    streams, the first subject wins), apart by hemisphere where the space has sides; the rest is one region per side.
    """
    from brainview.encoding.rois import hemispheres

    names = np.full(group.size, "", dtype=object)
    order = ["prf-visualrois", "floc-faces", "floc-bodies", "floc-places", "floc-words"]
    for person_name, person in people.items():
        at = group.columns[person_name]
        classes = [c for c in order if c in person.rois] + [c for c in person.rois if c not in order]
        for name in classes:
            roi = person.rois[name]
            for key, label in roi.table.items():
                where = at[(roi.labels == key) & (key > 0)]
                free = where[names[where] == ""]
                names[free] = label.name
    sides = hemispheres(group.space)
    side = np.where(sides["left"], "LH ", "RH ") if sides else np.full(group.size, "", dtype=object)
    full = np.array([f"{s}{n or 'other'}" for s, n in zip(side, names, strict=True)], dtype=object)
    unique, number = np.unique(full.astype(str), return_inverse=True)
    return number.astype(np.int64), unique.tolist()


def build(config: VemConfig, trunk: Trunk, group: GroupSpace, people: dict[str, Subject], *,
          text_width: int = 0) -> Vem:
    """Return the model of a configuration with fresh weights drawn by its seed; the readout still has to be set."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        head: LinearHead | AttentionHead
        if config.head == "attention":
            numbers, _ = regions_of(group, people)
            head = AttentionHead(trunk.shapes, len(people), torch.from_numpy(numbers), width=config.width,
                                 dropout=config.dropout)
            latent = config.width
        else:
            head = LinearHead(trunk.shapes, len(people), group.size, hidden=config.hidden,
                              components=config.components, dropout=config.dropout, bias_twice=config.bias_twice)
            latent = config.hidden
        align = TextAlignment(text_width, latent, temperature=config.temperature,
                              learn=config.learn_temperature) if text_width else None
    return Vem(head, trunk, config, align)


def tensors_of(model: Vem) -> dict[str, np.ndarray]:
    """Return what a checkpoint holds."""
    return {k: v.detach().cpu().numpy() for k, v in model.state_dict().items()}


def load_tensors(model: Vem, tensors: dict[str, np.ndarray], *, where: object, strict: bool = True) -> None:
    """Load a checkpoint's tensors; not `strict` takes what there is of head and trunk (stage 2 from stage 1).

    Raises FormatError when a tensor of the head is missing or of another shape.
    """
    own = model.state_dict()
    tensors = {k: np.reshape(v, own[k].shape) if k in own and own[k].ndim == 0 and v.size == 1 else v
               for k, v in tensors.items()}  # safetensors of arrays without dimensions come back with one
    wrong = [k for k, v in own.items() if (k in tensors or strict or k.startswith("head."))
             and (k not in tensors or tuple(tensors[k].shape) != tuple(v.shape))]
    if wrong:
        raise FormatError(f"does not fit the model: {len(wrong)} of {len(own)} tensors are missing or of another "
                          f"shape, the first is {wrong[0]}", where=where)
    state = {k: torch.from_numpy(np.array(tensors[k])) for k in own if k in tensors}
    model.load_state_dict({**own, **state})
