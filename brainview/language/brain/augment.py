"""Pictures changed in training, whose tokens the tower gives in the loop (UMBRAE's recipe, "vindex" 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from brainview.datasets.types import Stimuli
from brainview.features.towers import TowerSpace


@dataclass(frozen=True, eq=False)
class Pictures:
    """The augmented side of a batch.

    Parameters
    ----------
    space : TowerSpace
    stimuli : Stimuli
    flip : bool
        Mirrored pictures too; they break the tie between the brain signal and position, as the crop does.
    """

    space: TowerSpace
    stimuli: Stimuli
    flip: bool = True

    def tokens(self, ids: np.ndarray, seed: int) -> np.ndarray:
        """Return (n, N, D) float32 tokens of augmented pictures; the seed alone decides the changes."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            images = [augmented(self.stimuli.image(int(i)), flip=self.flip) for i in ids]
        return self.space.extract(images)


def augmented(image: Image.Image, *, flip: bool = True, side: int = 224) -> Image.Image:
    """Return a picture of side x side pixels: crop (p .3), resize, mirror (p .5), colour jitter (p .3), grey (p .3)."""
    from torchvision.transforms import v2

    steps: list[Any] = [v2.RandomApply([v2.RandomResizedCrop(side, scale=(0.6, 1.0))], 0.3), v2.Resize((side, side))]
    if flip:
        steps.append(v2.RandomHorizontalFlip(0.5))
    steps += [v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.2, 0.1)], 0.3), v2.RandomGrayscale(0.3)]
    return v2.Compose(steps)(image.convert("RGB"))
