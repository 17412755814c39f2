"""What fluent text cannot fake: is the right reference nearer than others, is the category the right one.

Chance of 2-way identification is 1/2, of top-k among n references k/n, of category accuracy that of always saying the
most frequent category. Permutations exchange brains within a person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainview.core.errors import MismatchError


@dataclass(frozen=True)
class Identification:
    """Scores of each sample.

    Parameters
    ----------
    two_way : (n,) float64
        Share of the other references that are farther than the right one (ties count half).
    rank : (n,) float64
        References nearer than the right one (ties half).
    """

    two_way: np.ndarray
    rank: np.ndarray

    def top(self, k: int) -> np.ndarray:
        """Return (n,) bool: the right reference is among the k nearest."""
        return self.rank < k


def identify(similarity: np.ndarray) -> Identification:
    """Return identification from an (n, n) similarity of texts (rows) and references; the diagonal is right."""
    s = np.asarray(similarity, np.float64)
    if s.ndim != 2 or s.shape[0] != s.shape[1] or len(s) < 2:
        raise MismatchError(f"a similarity of {s.shape} identifies nothing; (n, n) with n > 1 is needed")
    own = np.diag(s)[:, None]
    rank = (s > own).sum(1) + 0.5 * ((s == own).sum(1) - 1)
    return Identification(1 - rank / (len(s) - 1), rank)


def permuted_two_way(similarity: np.ndarray, count: int = 1000, seed: int = 0) -> np.ndarray:
    """Return (count,) mean 2-way identification with the brains (rows) permuted."""
    s = np.asarray(similarity, np.float64)
    n = len(s)
    order = np.argsort(np.argsort(s, axis=1), axis=1)  # place of every reference in the row of every text
    equal = np.array([np.unique(row).size < n for row in s])
    if equal.any():  # ties count half
        for i in np.flatnonzero(equal):
            values, inverse = np.unique(s[i], return_inverse=True)
            ends = np.cumsum(np.bincount(inverse))
            starts = ends - np.bincount(inverse)
            order = order.astype(np.float64)
            order[i] = ((starts + ends - 1) / 2)[inverse]
            assert values.size == ends.size
    source = np.random.default_rng(seed)
    columns = np.arange(n)
    return np.array([order[source.permutation(n), columns].mean() / (n - 1) for _ in range(count)])


def permutation_p(score: float, null: np.ndarray) -> float:
    """Return (1 + shuffles at least as good) / (1 + shuffles); never 0."""
    return float((1 + (null >= score - 1e-12).sum()) / (1 + len(null)))


def category_interval(values: np.ndarray, category: np.ndarray, *, draws: int = 1000, seed: int = 0,
                      level: float = 0.95) -> tuple[float, float]:
    """Return the bootstrap interval of a mean over samples, categories drawn with replacement."""
    names, inverse = np.unique(category, return_inverse=True)
    total, count = np.bincount(inverse, values), np.bincount(inverse)
    source = np.random.default_rng(seed)
    pick = source.integers(len(names), size=(draws, len(names)))
    means = total[pick].sum(1) / count[pick].sum(1)
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


def distinct_share(texts: list[str]) -> float:
    """Return distinct texts over texts."""
    return len(set(texts)) / max(1, len(texts))


def collapsed(texts: list[str]) -> str:
    """Return in words why outputs have collapsed, "" when they have not: under a tenth distinct, or one beginning."""
    if len(texts) < 10:
        return ""
    share = distinct_share(texts)
    if share < 0.1:
        return f"only {len(set(texts))} different texts for {len(texts)} brains"
    first = {t.split(".")[0] for t in texts}
    return "all texts begin with the same sentence" if len(first) == 1 else ""
