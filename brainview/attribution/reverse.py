"""Reverse mapping: which parts of the picture and which words the brain's embedding speaks of.

The same bottleneck as in the brain, put into the CLIP image (text) tower, with the brain's embedding as the target:
M2IB with the brain as the other modality (whole-brain alignment paper, Fig. 6, names no method; this is the natural
reading). Default layers: three quarters of the depth in transformers, the middle in a residual network, whose later
stages have too few places; one value per patch or word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from brainview.attribution.ibba import IbbaConfig, ibba
from brainview.attribution.target import Target
from brainview.attribution.towers import ResNetTower, TextTower, image_tower
from brainview.features.clip_pair import ClipPair


def default_tower_layer(blocks: int, residual: bool = False) -> int:
    """Return blocks passed: 3/4 of the depth (stages 2 of 4 in a residual network)."""
    return blocks // 2 if residual else max(0, (3 * blocks) // 4)


def picture_map(clip: ClipPair, picture: Image.Image, brain: Tensor, config: IbbaConfig, *, layer: int | None = None,
                check: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Return which patches of a picture carry what the brain says of it.

    Parameters
    ----------
    clip : ClipPair
    picture : PIL image
    brain : (embed,) tensor
        The brain's embedding.
    config : IbbaConfig
        ``layer`` is not read.
    layer : int, optional
        Blocks (stages) passed; default: see the module.

    Returns
    -------
    dict
        ``scores`` (rows, columns) float32 bits per patch, ``bits``, ``fit_open``, ``fit_kept``, ``layer``, ``blocks``.
    """
    tower = image_tower(clip.model)
    at = tower.check_layer(default_tower_layer(len(tower.blocks), isinstance(tower, ResNetTower))
                           if layer is None else layer)
    with torch.no_grad():
        streams = tower.stream(clip.preprocess(picture.convert("RGB"))[None])
    found = ibba(tower, streams[at], Target(brain, None), config.having(layer=at), check)
    return {"scores": found.scores.reshape(tower.grid(at)), "bits": found.bits, "fit_open": found.fit_open,
            "fit_kept": found.fit_kept, "layer": at, "blocks": len(tower.blocks)}


def word_map(clip: ClipPair, text: str, brain: Tensor, config: IbbaConfig, *, layer: int | None = None,
             check: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Return which words of a text carry what the brain says of it; pieces of a word are summed.

    Returns
    -------
    dict
        ``words`` (list of str), ``scores`` (n_words,) float32 bits, and as :func:`picture_map`; ``cut`` tells whether
        the text was longer than the tower reads.
    """
    tower = TextTower(clip.model)
    at = tower.check_layer(default_tower_layer(len(tower.blocks)) if layer is None else layer)
    words, counts = split_words(clip.tokenizer, text)
    with torch.no_grad():
        tokens = clip.tokenizer([text])
        length = min(int(sum(counts)) + 2, clip.context)
        streams = tower.stream(tokens, length)
    found = ibba(tower, streams[at], Target(brain, None), config.having(layer=at), check)
    pieces = found.scores[:-1]  # the end of the text is no word
    ends = np.cumsum(counts)
    kept = [k for k, end in enumerate(ends) if end <= len(pieces)]
    scores = np.array([pieces[end - count:end].sum() for end, count in
                       ((ends[k], counts[k]) for k in kept)], np.float32)
    return {"words": [words[k] for k in kept], "scores": scores, "bits": found.bits, "fit_open": found.fit_open,
            "fit_kept": found.fit_kept, "layer": at, "blocks": len(tower.blocks), "cut": len(kept) < len(words)}


def split_words(tokenizer: Any, text: str) -> tuple[list[str], list[int]]:
    """Return the words of a text and how many tokens each has (a word = what stands between spaces)."""
    from brainview.features.compact_tokens import clip_tokens

    words = [w for w in text.split() if clip_tokens(w)]
    return words, [len(clip_tokens(w)) for w in words]
