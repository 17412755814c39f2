"""How well predicted tokens fit the tower's: correlation, error against the mean predictor, retrieval, permutation."""

from __future__ import annotations

from typing import Any

import numpy as np

from brainview.alignment.retrieval import ranks, score_ranks, shuffled


def flat_unit(tokens: np.ndarray) -> np.ndarray:
    """Return (n, N x D) unit vectors."""
    rows = np.asarray(tokens, np.float32).reshape(len(tokens), -1)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def token_correlation(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return (n,) Pearson correlation over all tokens and channels of each picture."""
    a, b = (np.asarray(t, np.float32).reshape(len(t), -1) for t in (predicted, target))
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    norm = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return (a * b).sum(1) / np.maximum(norm, 1e-12)


def quick_scores(predicted: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """Return what an epoch's validation tells: mean square error, token correlation, R@1 (brain to picture)."""
    found = ranks(flat_unit(predicted), flat_unit(target))
    return {"val_loss": float(np.mean((predicted - target) ** 2)),
            "val_r": float(token_correlation(predicted, target).mean()), "val_r1": float((found == 0).mean())}


def scores(predicted: np.ndarray, target: np.ndarray, mean: np.ndarray, *, seed: int = 0,
           permutations: int = 999) -> dict[str, Any]:
    """Return the figures of one subject's test part.

    Parameters
    ----------
    predicted, target : (n, N, D) in one unit
    mean : (N, D) mean token array of the training pictures, which is taken off both first: what remains is what tells
        pictures apart.

    Returns
    -------
    dict
        ``token r`` (mean over pictures, 95 % bootstrap interval), the same with shuffled brains, ``R2`` = 1 - squared
        error / squared error of the training mean, R@1 of the whole gallery with its chance, interval and shuffled
        value, and ``p``: share of `permutations` of the pairing whose mean similarity reaches the true one.
    """
    a, b = predicted - mean, target - mean
    r = token_correlation(a, b)
    rng = np.random.default_rng(seed)
    boot = r[rng.integers(0, len(r), (1000, len(r)))].mean(1)
    unit_a, unit_b = flat_unit(a), flat_unit(b)
    similarity = unit_a @ unit_b.T
    own = float(np.trace(similarity) / len(r))
    drawn = [float(similarity[np.arange(len(r)), rng.permutation(len(r))].mean()) for _ in range(permutations)]
    retrieval = score_ranks(ranks(unit_a, unit_b), len(unit_b), "brain→image", f"all {len(unit_b)}", seed=seed)
    control = shuffled(unit_a, seed=seed)
    return {"token r": float(r.mean()), "token r low": float(np.percentile(boot, 2.5)),
            "token r high": float(np.percentile(boot, 97.5)),
            "shuffled token r": float(token_correlation(shuffled(a, seed=seed), b).mean()),
            "R2": float(1 - np.mean((a - b) ** 2) / np.mean(b**2)),
            "brain→image R@1": retrieval.recall[1], "brain→image R@1 low": retrieval.interval[1][0],
            "brain→image R@1 high": retrieval.interval[1][1], "brain→image R@10": retrieval.recall[10],
            "chance R@1": 1 / len(r), "shuffled R@1": float((ranks(control, unit_b) == 0).mean()),
            "p": float((1 + sum(d >= own for d in drawn)) / (1 + permutations))}
