"""Where a region of an attention-head model looks in a stimulus, as the window keeps and draws it. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

ATTENTION = "brainview.encoding.jobs:attention"


@dataclass(frozen=True, eq=False)
class Attended:
    """One stimulus.

    Parameters
    ----------
    brain : str
    stimulus : int
    regions : tuple of str
    maps : (R, side, side) float32, share of a region's attention on every patch; the rest is on the class token
    image : (h, w, 3) uint8
    """

    brain: str
    stimulus: int
    regions: tuple[str, ...]
    maps: np.ndarray
    image: np.ndarray

    @staticmethod
    def from_job(brain: str, stimulus: int, result: Mapping[str, Any]) -> Attended:
        """Read the dict of ``encoding.jobs:attention``."""
        return Attended(brain, int(stimulus), tuple(map(str, result["regions"])),
                        np.asarray(result["maps"], np.float32), np.asarray(result["image"], np.uint8))

    def share(self, region: str) -> float:
        """Return the share of a region's attention that is on the picture at all."""
        return float(self.maps[self.regions.index(region)].sum())

    def concentration(self, region: str) -> float:
        """Return the share of patches that hold half of what is on the picture: 0.5 when it is spread evenly."""
        flat = np.sort(self.maps[self.regions.index(region)].ravel())[::-1]
        return float((np.searchsorted(np.cumsum(flat), 0.5 * flat.sum()) + 1) / flat.size)

    def drawn(self, region: str) -> np.ndarray:
        """Return (h, w, 3) uint8: the stimulus, bright where the region looks and dark where it does not."""
        height, width = self.image.shape[:2]
        light = smooth(self.maps[self.regions.index(region)], height, width)
        light = light / max(float(light.max()), 1e-12)
        return (self.image * (0.15 + 0.85 * light[..., None])).astype(np.uint8)


def smooth(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return (height, width) bilinear enlargement of (side, side) values that belong to the centres of patches."""
    out = values
    for axis, size in ((0, height), (1, width)):
        count = values.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * count / size - 0.5, 0, count - 1)
        low = np.minimum(at.astype(int), max(count - 2, 0))
        share = (at - low).reshape(-1, *[1] * (1 - axis))
        high = np.minimum(low + 1, count - 1)
        out = np.take(out, low, axis) * (1 - share) + np.take(out, high, axis) * share
    return out
