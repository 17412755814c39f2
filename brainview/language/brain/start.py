"""A start for the tokenizer's voxel map by ridge regression: our own choice for few pictures and no GPU.

Everything that a brain tells the resampler sits in u = W x ("vindex" 2.1). So W is set, in closed form, to predict the
first principal components of the tower's tokens; the same components for all subjects, whose codes are thus aligned.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brainview.core.jobs import QUIET, JobContext
from brainview.language.brain.data import Targets
from brainview.language.brain.fit import Person

#: Penalties that are tried, over the mean diagonal of the Gram matrix; validation pictures choose.
PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


def components(targets: Targets, ids: np.ndarray, count: int) -> np.ndarray:
    """Return (count, N x D) float32 axes on which the tokens of `ids` have scores of variance sqrt(eigenvalue).

    Rows beyond the number of pictures are 0. Principal components by the Gram matrix of the pictures.
    """
    rows = targets.of(ids).reshape(len(ids), -1)
    rows = rows - rows.mean(0)
    values, vectors = np.linalg.eigh((rows @ rows.T).astype(np.float64) / len(rows))
    order = np.argsort(values)[::-1][:count]
    keep = order[values[order] > 1e-9 * values.max()]
    axes = (vectors[:, keep].T @ rows) / np.sqrt(len(rows) * values[keep])[:, None]
    out = np.zeros((count, rows.shape[1]), np.float32)
    out[:len(keep)] = axes * (values[keep] ** -0.25)[:, None]
    return out


def ridge_map(x: np.ndarray, y: np.ndarray, x_val: np.ndarray, y_val: np.ndarray) -> tuple[np.ndarray, float]:
    """Return ((k, V) float32 weights, penalty) of the ridge regression of y (n, k) on x (n, V) in its dual form.

    The penalty with the smallest squared error on the validation rows wins.
    """
    gram = (x @ x.T).astype(np.float64)
    unit = np.trace(gram) / len(gram)
    values, vectors = np.linalg.eigh(gram)
    turned, seen = vectors.T @ y, (x_val @ x.T).astype(np.float64) @ vectors
    errors = [float(np.mean((y_val - seen @ (turned / (values + p * unit)[:, None])) ** 2)) for p in PENALTIES]
    best = PENALTIES[int(np.argmin(errors))]
    dual = vectors @ (turned / (values + best * unit)[:, None])
    return (dual.T.astype(np.float32) @ x).astype(np.float32), best


def ridge_start(model: Any, people: list[Person], targets: Targets, *, hold: bool = True, seed: int = 0,
                context: JobContext = QUIET) -> dict[str, Any]:
    """Set the voxel map of every subject; with `hold` it is not trained further. Returns what the card tells of it."""
    everything = np.unique(np.concatenate([p.train for p in people]))
    picked = np.random.default_rng(seed).permutation(everything)[:2500]  # the Gram matrix stays small
    axes = components(targets, np.sort(picked), model.sizes.width)
    told: dict[str, Any] = {"what": "ridge to principal components of the tokens", "held": hold, "penalty": {}}
    draw = torch.Generator().manual_seed(seed)
    shared = torch.randn(model.sizes.width, generator=draw)
    # of one sign: gains round 0 cancel when fresh attention averages over the tokens, and nothing is learnt
    gain = 0.5 + torch.rand(model.sizes.latents, 1, generator=draw)
    for number, person in enumerate(people):
        context.report(number, len(people), f"{person.name}: a start by ridge")
        y, y_val = (targets.of(i).reshape(len(i), -1) @ axes.T for i in (person.train, person.val))
        weight, penalty = ridge_map(person.voxels.mean(person.train), y - y.mean(0), person.voxels.mean(person.val),
                                    y_val - y.mean(0))
        spread = float(np.sqrt(np.mean(np.square(person.voxels.mean(person.val) @ weight.T)))) or 1.0
        layer = model.voxel_map(person.name)
        first = model.lin1[f"fmri{int(person.name[4:])}"] if model.kind == "brainx" else model.lin1
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight / spread))
            layer.bias.copy_(0.5 * shared)  # without it the norm before the resampler would lose the code's length
            first = first[0] if isinstance(first, torch.nn.Sequential) else first
            first.weight.copy_(gain)
            first.bias.zero_()
        layer.weight.requires_grad_(not hold)
        told["penalty"][person.name] = penalty
    return told
