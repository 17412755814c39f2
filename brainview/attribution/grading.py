"""How good a map is: against planted truth, and by degradation, each with the control that makes it readable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from brainview.maps.tokens import unit_range as unit_range

#: Two likenesses closer than this are equal: a batch may round one row otherwise than another.
ROUNDING = 1e-6


def auroc(scores: np.ndarray, truth: np.ndarray) -> float:
    """Return the area under the ROC curve of (n,) scores against (n,) bool truth; ties count half, NaN if one-sided."""
    positive = int(truth.sum())
    negative = truth.size - positive
    if positive == 0 or negative == 0:
        return float("nan")
    ranks = stats.rankdata(scores)
    return float((ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Return the area under the precision-recall curve (step rule, ties pessimistic); its floor is truth.mean()."""
    if not truth.any():
        return float("nan")
    order = np.lexsort((truth, -scores))
    hits = np.cumsum(truth[order])
    precision = hits / np.arange(1, truth.size + 1)
    return float((precision * truth[order]).sum() / truth.sum())


def hard_auroc(scores: np.ndarray, truth: np.ndarray, distractors: np.ndarray) -> float:
    """Return AUROC of truth against distractor voxels only: the headline, for it ignores empty brain."""
    used = truth | distractors
    return auroc(scores[used], truth[used])


def pointing(scores: np.ndarray, truth: np.ndarray, xyz: np.ndarray, tolerance: float = 1.0) -> bool:
    """Tell whether the highest voxel lies within `tolerance` voxels (Chebyshev) of the truth; xyz is (n, 3)."""
    if not truth.any():
        return False
    peak = xyz[int(np.argmax(scores))]
    return bool((np.abs(xyz[truth] - peak).max(1) <= tolerance).any())


def energy_inside(scores: np.ndarray, truth: np.ndarray) -> float:
    """Return the share of the positive mass of a map that lies in the truth."""
    mass = np.maximum(scores, 0)
    return float(mass[truth].sum() / mass.sum()) if mass.sum() > 0 else float("nan")


@dataclass(frozen=True)
class Interval:
    """A mean and its bootstrap 95 % interval over samples."""

    mean: float
    low: float
    high: float
    n: int


def bootstrap(values: np.ndarray, *, draws: int = 2000, seed: int = 0) -> Interval:
    """Return the mean of (n,) values with a percentile bootstrap interval; NaN values are left out and not counted."""
    good = np.asarray(values, float)
    good = good[np.isfinite(good)]
    if good.size == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    picks = np.random.default_rng(seed).integers(0, good.size, (draws, good.size))
    means = good[picks].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(good.mean()), float(low), float(high), int(good.size))


def degradation(full: np.ndarray, masked: np.ndarray) -> dict[str, float]:
    """Return ``drop`` (100 mean max(0, Y - O), as in M2IB's code), ``relative_drop`` and ``increase``.

    full, masked : (n,) likeness of the whole input and of the input multiplied by its map.
    """
    loss = np.maximum(0, full - masked)
    positive = full > 0
    relative = float(100 * (loss[positive] / full[positive]).mean()) if positive.any() else float("nan")
    return {"drop": float(100 * loss.mean()), "relative_drop": relative,
            "increase": float(100 * (masked - full > ROUNDING).mean())}


def area_under_steps(curve: np.ndarray) -> float:
    """Return the trapezoid area of a deletion or insertion curve over steps 0..1."""
    return float(np.trapezoid(curve, dx=1 / (len(curve) - 1))) if len(curve) > 1 else float(curve[0])


def overlap_top(a: np.ndarray, b: np.ndarray, share: float = 0.1) -> float:
    """Return the share of the top tokens of one map that are among the top tokens of the other."""
    k = max(1, round(share * a.size))
    return len(set(np.argsort(-a)[:k].tolist()) & set(np.argsort(-b)[:k].tolist())) / k
