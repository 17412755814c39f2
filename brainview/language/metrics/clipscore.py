"""CLIP-S and RefCLIP-S: how near a caption is to its picture, and to the captions people wrote, in a CLIP's space.

Definitions of CLIPScore (Hessel 2021, equations 1 and 2; repository jmhessel/clipscore): CLIP-S = 2.5 max(cos(picture,
caption), 0); RefCLIP-S = harmonic mean of CLIP-S and max(largest cos(caption, reference), 0). Every text begins with
"A photo depicts ". Published values use CLIP ViT-B/32 of OpenAI; another model gives other values, so the model's
name belongs to the number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainview.core.errors import MismatchError
from brainview.core.jobs import QUIET, JobContext, Stage

PREFIX = "A photo depicts "
WEIGHT = 2.5
#: The published model, as ``brainview.features.clip_pair`` names it.
PUBLISHED = "ViT-B-32:openai"


@dataclass(frozen=True, eq=False)
class ClipScores:
    """Both scores.

    Parameters
    ----------
    clip : (n, n) float32
        CLIP-S of caption i with picture j; the diagonal is the model's own.
    ref : (n, n) float32, optional
        RefCLIP-S of caption i with picture j and its references; None without references.
    model : str
    """

    clip: np.ndarray
    ref: np.ndarray | None
    model: str


def clip_scores(clip: Any, images: Iterable[Any], captions: Sequence[str],
                references: Sequence[Sequence[str]] | None = None, *, context: JobContext = QUIET) -> ClipScores:
    """Return the scores of every caption with every picture.

    Parameters
    ----------
    clip : ClipPair
        ``images(pictures)`` and ``texts(texts)`` give unit vectors.
    images : PIL pictures, one for each caption
    references : for each picture at least one sentence, optional

    Raises
    ------
    MismatchError
        The numbers differ, or a picture has no reference.
    """
    pictures = clip.images(images, context=Stage(context, 0, 0.6))
    said = clip.texts([PREFIX + c for c in captions], context=Stage(context, 0.6, 0.7))
    if len(pictures) != len(said):
        raise MismatchError(f"{len(pictures)} pictures and {len(said)} captions do not belong together")
    table = WEIGHT * np.maximum(said @ pictures.T, 0)
    if references is None:
        return ClipScores(table, None, clip.name)
    if len(references) != len(said) or not all(references):
        raise MismatchError("every picture needs at least one reference",
                            remedy="Leave the references out to get CLIP-S alone.")
    sizes = [len(r) for r in references]
    known = clip.texts([PREFIX + t for r in references for t in r], context=Stage(context, 0.7, 1))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    nearest = np.maximum(np.maximum.reduceat(said @ known.T, starts, axis=1), 0)
    total = table + nearest
    both = np.divide(2 * table * nearest, total, out=np.zeros_like(total), where=total > 0)
    return ClipScores(table, both, clip.name)
