"""What stands beside every figure: interval by images, permutation p, the share of what is reachable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Beside:
    """One figure beside its baselines.

    Parameters
    ----------
    value, low, high : float
        Mean over images and its 95 % interval (images drawn with replacement).
    shuffled : float
        Mean over permutations of which brain belongs to which image.
    p : float
        Share of permutations at least as good, counting the true one (Phipson & Smyth 2010).
    top : float
        The true image's mean; NaN when not measured.
    share : float
        (value - shuffled) / (top - shuffled); NaN when there is nothing to reach.
    """

    value: float
    low: float
    high: float
    shuffled: float
    p: float
    top: float
    share: float
    n: int


def beside(pairwise: np.ndarray, top: np.ndarray | None = None, *, permutations: int = 2000, draws: int = 2000,
           seed: int = 0) -> Beside:
    """Return a figure with its baselines.

    Parameters
    ----------
    pairwise : (n, n) array
        Score of text i against the references of image j; the diagonal is the model's own.
    top : (n,) array, optional
        Scores of the texts of the true images.
    """
    table = np.asarray(pairwise, float)
    n = len(table)
    rng = np.random.default_rng(seed)
    own = np.diag(table)
    drawn = own[rng.integers(0, n, (draws, n))].mean(1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    index = np.arange(n)
    chance = np.array([table[index, rng.permutation(n)].mean() for _ in range(permutations)])
    p = float((1 + (chance >= own.mean() - 1e-12).sum()) / (1 + permutations))
    # every brain at another's place: the mean off the diagonal
    shuffled = float((table.sum() - own.sum()) / (n * (n - 1))) if n > 1 else float("nan")
    best = float(np.mean(top)) if top is not None else float("nan")
    gap = best - shuffled
    share = float((own.mean() - shuffled) / gap) if np.isfinite(gap) and gap > 1e-9 else float("nan")
    return Beside(float(own.mean()), float(low), float(high), shuffled, p, best, share, n)


def pairwise_scores(n: int, score: Callable[[int, int], float]) -> np.ndarray:
    """Return (n, n) float64 of ``score(text, image)``."""
    return np.array([[score(i, j) for j in range(n)] for i in range(n)], float).reshape(n, n)
