"""Pictures as a CLIP-class tower takes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def clip_pixels(images: Iterable[Any], side: int, *, mean: Sequence[float] = CLIP_MEAN,
                std: Sequence[float] = CLIP_STD, crop: bool = True) -> Any:
    """Return (n, 3, side, side) float32 of PIL pictures or (h, w, 3) bytes.

    CLIP's own recipe: shorter side to `side` (bicubic, antialiased), centre crop; without `crop` squashed to a square.
    """
    import torch
    from PIL import Image

    out = []
    for image in images:
        picture = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image, np.uint8))
        picture = picture.convert("RGB")
        wide, high = picture.size
        if crop:
            factor = side / min(wide, high)
            wide, high = max(side, round(wide * factor)), max(side, round(high * factor))
            picture = picture if picture.size == (wide, high) else picture.resize((wide, high), 3)
            left, top = (wide - side) // 2, (high - side) // 2
            picture = picture.crop((left, top, left + side, top + side))
        elif picture.size != (side, side):
            picture = picture.resize((side, side), 3)
        out.append(np.asarray(picture, np.float32) / 255)
    x = (np.stack(out) - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32))
