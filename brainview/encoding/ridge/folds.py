"""Folds of samples: consecutive blocks by default, or whole groups (sessions, runs, repeated images)."""

from __future__ import annotations

import numpy as np

from brainview.core.errors import MismatchError


def make_folds(n: int, folds: int | np.ndarray = 5, *, groups: np.ndarray | None = None, shuffle: bool = False,
               seed: int = 0) -> np.ndarray:
    """Return (n,) int fold numbers 0..K-1.

    Parameters
    ----------
    n : int
        Samples.
    folds : int or (n,) int array
        How many, or the fold of every sample as it is.
    groups : (n,) array, optional
        Samples of one group stay in one fold; the largest groups are dealt first to the smallest fold.
    shuffle : bool
        Deal samples (or groups of equal size) at random from `seed` instead of in order.

    Raises
    ------
    MismatchError
        Fewer than two folds, more folds than samples or groups, or an empty fold.
    """
    if not isinstance(folds, (int, np.integer)):
        labels = np.unique(np.asarray(folds).reshape(-1), return_inverse=True)[1]
        if labels.size != n or labels.max(initial=0) < 1:
            raise MismatchError(f"fold labels must be {n} values with at least two kinds, got {labels.size} values",
                                where="folds")
        return labels.astype(np.int64)
    k = int(folds)
    units = n if groups is None else np.unique(groups).size
    if k < 2 or k > units:
        raise MismatchError(f"{k} folds of {units} {'samples' if groups is None else 'groups'} are not possible",
                            where="folds", remedy="Use between 2 folds and one per sample or group.")
    rng = np.random.default_rng(seed)
    if groups is None:
        parts = np.array_split(rng.permutation(n) if shuffle else np.arange(n), k)
        out = np.empty(n, np.int64)
        for i, part in enumerate(parts):
            out[part] = i
        return out
    _, member, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    order = rng.permutation(sizes.size) if shuffle else np.arange(sizes.size)
    order = order[np.argsort(-sizes[order], kind="stable")]
    load = np.zeros(k, np.int64)
    fold_of = np.empty(sizes.size, np.int64)
    for g in order:
        fold_of[g] = int(np.argmin(load))
        load[fold_of[g]] += sizes[g]
    return fold_of[member.reshape(-1)]
