"""Learning-rate schedules and parameter groups that several systems share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any


def warmup_cosine(step: int, steps: int, *, warmup: float = 0.01, floor: float = 0.0) -> float:
    """Return the factor on the peak rate at `step` (0-based) of `steps`: linear warm-up, then cosine to `floor`.

    Parameters
    ----------
    warmup : float
        Share of the steps that warm up (at least one step).
    floor : float
        Last factor, for example 1e-5 / 3e-4.
    """
    rise = max(1, round(warmup * steps))
    if step < rise:
        return (step + 1) / rise
    share = min(1.0, (step - rise) / max(1, steps - rise))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * share))


def decay_groups(named: Iterable[tuple[str, Any]], weight_decay: float) -> list[dict[str, Any]]:
    """Return AdamW groups: decay on matrices only, none on biases, norms, class and position vectors."""
    with_decay: list[Any] = []
    without: list[Any] = []
    for name, parameter in named:
        if not parameter.requires_grad:
            continue
        flat = parameter.ndim < 2 or "embedding" in name
        (without if flat else with_decay).append(parameter)
    return [{"params": with_decay, "weight_decay": weight_decay}, {"params": without, "weight_decay": 0.0}]
