"""IB-BA on a brain's voxels for a number that depends on its tokens, such as the log probability of a word.

The bottleneck of :mod:`brainview.attribution.ibba` stands before the encoder: noise is mixed into each voxel's z-scored
mean beta until only what the word needs comes through. The voxels are the elements, so the bits are per voxel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from brainview.attribution.ibba import IbbaConfig, IbbaResult, ibba
from brainview.attribution.target import Target
from brainview.core.errors import BrainViewError, MissingError
from brainview.core.jobs import QUIET, JobContext

#: Price of information: beta x (nats per voxel) stands against nats of the word's log probability.
BETA = 1.0


class _Voxels:
    """Encoder and language model as one function of z-scored voxels (B, V, 1); there is no class token."""

    prefix = 0

    def __init__(self, tokens_of: Callable[[Any], Any], score: Callable[[Any], Any], check: Callable[[], None]) -> None:
        self.tokens_of, self.score, self.check = tokens_of, score, check

    def check_layer(self, layer: int) -> int:
        if layer != 0:
            raise BrainViewError(f"the bottleneck on voxels is layer 0, got {layer}")
        return layer

    def tail(self, x: Any, layer: int) -> Any:
        self.check()
        return self.score(self.tokens_of(x[..., 0]))[:, None]


def word_bits(run: str, subject: str, stimulus: int, score: Callable[[Any], Any], *, config: IbbaConfig | None = None,
              data: str | None = None, context: JobContext = QUIET) -> IbbaResult:
    """Return the bits of each voxel that a run reads, (V,), that `score` needs; voxels of weight 0 have none.

    Parameters
    ----------
    score : callable
        (B, N, D) tokens in the tower's own units, a tensor -> (B,) tensor, differentiable.
    """
    import torch

    from brainview.core.device import best_device
    from brainview.language.brain.jobs import loaded

    model, extra, _, _, voxels = loaded(run, subject, data)
    device = best_device()
    model.to(device)
    spread, mean = (torch.from_numpy(np.asarray(extra[f"target/{k}"])).to(device) for k in ("spread", "mean"))
    read = voxels.weight > 0
    if not read.any():
        raise MissingError("reads no voxel of this brain", where=run)
    weight = torch.from_numpy(voxels.weight[read]).to(device)
    where = torch.from_numpy(np.flatnonzero(read)).to(device)
    z = torch.from_numpy(voxels.mean(np.array([int(stimulus)]))[0, read]).to(device) / weight

    def tokens_of(x: Any) -> Any:
        whole = x.new_zeros(len(x), voxels.size).index_copy(1, where, x * weight)
        return model(whole, subject).float() * spread + mean

    with torch.enable_grad():
        found = ibba(_Voxels(tokens_of, score, context.check), z[:, None], Target(None, torch.ones(1)),
                     config or IbbaConfig(beta=BETA), context.check)
    bits = np.zeros(voxels.size, np.float32)
    bits[read] = found.scores
    return IbbaResult(bits, found.bits, found.fit_curve, found.fit_open, found.fit_closed, found.final, found.step,
                      found.config)
