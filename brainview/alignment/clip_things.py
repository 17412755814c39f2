"""Which thing stands where: a helper task of the small CLIP's image tower that is thrown away after training.

Each cell of the tower's inner grids is told which things cover it. Telling this teaches a small tower in few pictures
what a contrast of whole pictures teaches only late: that small things differ before large backgrounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brainview.core.errors import MismatchError

#: Layers of open_clip's residual tower whose output is told; with 64 pixels their grids have 8 x 8 and 4 x 4 cells.
LAYERS = ("layer2", "layer3")
#: A cell counts as wholly covered from this share on (a box is larger than what it holds).
_FULL = 0.75


@dataclass(frozen=True, eq=False)
class Things:
    """What stands in each picture.

    Parameters
    ----------
    labels : (n, m, k) int
        For each of up to m things one class of k kinds (noun, colour, ...); -1 = none.
    boxes : (n, m, 4) float
        x0, y0, x1, y1 as shares of the picture, y downwards.
    sizes : sequence of k int
        Number of classes of each kind.
    """

    labels: np.ndarray
    boxes: np.ndarray
    sizes: Sequence[int]

    def __post_init__(self) -> None:
        n, m = self.labels.shape[:2]
        if self.labels.shape[2:] != (len(self.sizes),) or self.boxes.shape != (n, m, 4):
            raise MismatchError(f"labels {self.labels.shape}, boxes {self.boxes.shape} and {len(self.sizes)} kinds of "
                                "classes do not belong together")
        if self.labels.size and (self.labels.max((0, 1)) >= np.asarray(self.sizes)).any():
            raise MismatchError("a thing has a class beyond the number of its kind's classes")

    def __len__(self) -> int:
        return len(self.labels)

    def joined(self, other: Things) -> Things:
        """Return these and, behind them, `other`; the longer list of things decides m."""
        m = max(self.labels.shape[1], other.labels.shape[1])

        def wide(array: np.ndarray, fill: float) -> np.ndarray:
            return np.pad(array, ((0, 0), (0, m - array.shape[1]), (0, 0)), constant_values=fill)

        return Things(np.concatenate([wide(self.labels, -1), wide(other.labels, -1)]),
                      np.concatenate([wide(self.boxes, 0), wide(other.boxes, 0)]), self.sizes)

    def cover(self, pick: np.ndarray, grid: int, mirrored: np.ndarray | None = None,
              shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
        """Return (len(pick), sum(sizes), grid, grid) float32: how far each cell is covered by a thing of the class.

        `mirrored` (len(pick),) bool tells which pictures are shown mirrored; `shift` moves all by (x, y) shares.
        """
        x0, y0, x1, y1 = np.moveaxis(self.boxes[pick].astype(np.float32), -1, 0)
        if mirrored is not None:
            x0, x1 = np.where(mirrored[:, None], 1 - x1, x0), np.where(mirrored[:, None], 1 - x0, x1)
        across = _share(x0 + shift[0], x1 + shift[0], grid)
        down = _share(y0 + shift[1], y1 + shift[1], grid)
        cells = np.minimum(1, down[..., :, None] * across[..., None, :] / _FULL)
        out = np.zeros((len(pick), sum(self.sizes), grid, grid), np.float32)
        first = 0
        for kind, size in enumerate(self.sizes):
            label = self.labels[pick, :, kind]
            row, thing = np.nonzero(label >= 0)
            np.maximum.at(out, (row, first + label[row, thing]), cells[row, thing])
            first += size
        return out


def _share(low: np.ndarray, high: np.ndarray, grid: int) -> np.ndarray:
    """Return (..., grid): the share of each of `grid` equal parts of 0..1 that low..high covers; 1 at its middle."""
    edge = np.arange(grid, dtype=np.float32) / grid
    share = grid * (np.minimum(high[..., None], edge + 1 / grid) - np.maximum(low[..., None], edge))
    middle = np.clip(((low + high) / 2 * grid).astype(int), 0, grid - 1)
    share = np.clip(share, 0, 1)
    np.put_along_axis(share, middle[..., None], 1.0, -1)  # a thing smaller than a cell is told as well
    return share


class ThingsHelper(nn.Module):
    """Linear read-outs of a tower's inner grids; its loss is cross entropy, summed over classes, mean over cells.

    Parameters
    ----------
    visual : module
        open_clip's residual image tower; its layers are listened to.
    things : Things
        What stands in the training pictures.
    pixels : int
        Edge of the pictures.
    """

    def __init__(self, visual: Any, things: Things, pixels: int) -> None:
        super().__init__()
        self.things = things
        self._seen: dict[str, Tensor] = {}
        for name in LAYERS:
            getattr(visual, name).register_forward_hook(self._listen(name))
        training = visual.training
        with torch.no_grad():  # of its own running means nothing may change
            visual.eval()(torch.zeros(1, 3, pixels, pixels))
        visual.train(training)
        self.heads = nn.ModuleDict()
        few = np.linspace(0, len(things) - 1, min(400, len(things))).astype(int)
        for name, seen in self._seen.items():
            head = self.heads[name] = nn.Conv2d(seen.shape[1], sum(things.sizes), 1)
            usual = torch.from_numpy(things.cover(few, seen.shape[-1]).mean((0, 2, 3))).clamp(1e-4, 0.9)
            nn.init.zeros_(head.weight)
            with torch.no_grad():
                head.bias.copy_(torch.logit(usual))

    def _listen(self, name: str) -> Any:
        def keep(_module: Any, _given: Any, out: Tensor) -> None:
            self._seen[name] = out

        return keep

    def loss(self, pick: np.ndarray, mirrored: np.ndarray, shift: tuple[float, float]) -> Tensor:
        """Return the loss of the pictures that the tower saw last."""
        told = [(self.heads[name](seen.float()), self.things.cover(pick, seen.shape[-1], mirrored, shift))
                for name, seen in self._seen.items()]
        parts = [F.binary_cross_entropy_with_logits(guess, torch.from_numpy(truth), reduction="none").sum(1).mean()
                 for guess, truth in told]
        return torch.stack(parts).sum()
