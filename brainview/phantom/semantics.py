"""The caption code in the cortex beyond vision: what pictures mean, half of it carried by no picture statistic.

Reference: developers' page "phantom", 3.4. The code itself (a fixed random projection of the scene graph, with its
visual and its text-only part) belongs to :mod:`brainview.phantom.world`; visual areas never receive the text-only part.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brainview.phantom.world import CodeScale, Scene, caption_codes, code_scale


def population_scale(scenes: Sequence[Scene], text_share: float) -> CodeScale:
    """Return the scale of both parts over a whole phantom, so that every subject and picture shares one code."""
    return code_scale(list(scenes), share=text_share)


def codes(scenes: Sequence[Scene], scale: CodeScale) -> np.ndarray:
    """Return (n, 48) float32 caption codes of scenes."""
    return np.asarray(caption_codes(list(scenes), scale=scale), np.float32)


def semantic_signal(code: np.ndarray, weights: np.ndarray, rotation: np.ndarray | None = None) -> np.ndarray:
    """Return (n, V) float32 signal z . w of semantic vertices, before standardisation.

    Parameters
    ----------
    code : (n, 48)
    weights : (V, 48)
    rotation : (48, 48) orthogonal, optional
        A subject's own orientation of the code (level ``hard``).
    """
    turned = code if rotation is None else code @ rotation
    return (turned @ weights.T).astype(np.float32)
