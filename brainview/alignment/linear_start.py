"""A start for an MLP that is not random: a ridge regression written into its weights, exactly.

From scratch on some hundred images such an MLP learns them by heart. GELU(x) - GELU(-x) = x: pairs of hidden units with
opposite signs are linear, LayerNorm over such pairs has mean 0 and only changes the length of a person's answer, which
is normalised anyway. So ``Linear, LayerNorm, GELU, Linear`` can be a linear map, residual blocks can begin without an
effect, and training goes on from there. Our own construction; the published methods start at random.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from brainview.core.jobs import QUIET, JobContext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from brainview.alignment.workflow import Task


@torch.no_grad()
def write_linear(first: nn.Linear, last: nn.Linear, values: np.ndarray, coef: np.ndarray) -> int:
    """Make `last` of GELU of LayerNorm of `first` a map with the direction of (values - mean) @ coef; return its rank.

    Parameters
    ----------
    values : (n, k) what `first` takes for the training images
    coef : (k, embed)
        Of rank at most half of the hidden units, or cut to the directions that answers to `values` vary most in.
    """
    center = values.mean(0)
    answers = (values - center) @ coef
    right = np.linalg.svd(answers, full_matrices=False)[2][:first.out_features // 2]
    left = coef @ right.T
    left = left / max(1e-12, float(np.sqrt(np.square(answers @ right.T).mean())))
    bias = -(center @ left)
    rank = len(right)
    for layer in (first, last):
        layer.weight.zero_()
        layer.bias.zero_()
    for sign, rows in ((1.0, slice(0, rank)), (-1.0, slice(rank, 2 * rank))):
        first.weight[rows] = sign * torch.from_numpy(np.ascontiguousarray(left.T, np.float32))
        first.bias[rows] = sign * torch.from_numpy(np.ascontiguousarray(bias, np.float32))
        last.weight[:, rows] = sign * torch.from_numpy(np.ascontiguousarray(right.T, np.float32))
    return rank


@torch.no_grad()
def quiet(norms: Sequence[nn.LayerNorm]) -> None:
    """Let residual blocks that end in these norms, GELU and dropout begin without an effect."""
    for norm in norms:
        norm.weight.zero_()
        norm.bias.zero_()


def begin_as_ridge(first: nn.Module, last: nn.Module, task: Task, chosen: np.ndarray, weight: np.ndarray,
                   context: JobContext = QUIET) -> int:
    """Write the ridge of a task (to images, texts or both; of all people where they are pooled) into an MLP.

    Parameters
    ----------
    chosen : columns that `first` takes
    weight : (len(chosen),) factors that the model multiplies them with
    """
    from brainview.alignment.whole_brain import linear_teacher

    assert isinstance(first, nn.Linear) and isinstance(last, nn.Linear)
    coef = linear_teacher(task, context)[chosen]
    values = task.brains.mean(task.train, columns=chosen, context=context) * weight
    return write_linear(first, last, values, np.where(weight[:, None] > 0, coef / np.maximum(weight, 1e-6)[:, None], 0))
