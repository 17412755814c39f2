"""Grading predictions on a phantom: r2 / planted ceiling over driven vertices, with paired intervals.

The score of a subject is the median over driven vertices (planted signal, planted ceiling of three showings above 0.05)
of max(r, 0)^2 / planted ceiling, over the test images. Intervals are a bootstrap over images and seeds together: test
images get Poisson(1) weights by their id, seeds are drawn with replacement, and every model and subject gets the same
draws, so that a difference of two models is paired. The draws are moved so that their mean is the estimate, because
resampled images raise every r2 a little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainview.datasets.types import Dataset
from brainview.phantom.truth import read_design, read_signals, read_truth

#: Effective features of the phantom's own model, for the bound of the sample size (reference "phantom", 0.3).
EFFECTIVE = 60
#: Draws of the bootstrap.
DRAWS = 400
#: Least planted ceiling of a vertex that counts.
FLOOR = 0.05
#: (model, seed, subject) -> (draws + 1, 2): ratio and mean r, the estimate first.
Draws = dict[tuple[str, int, str], np.ndarray]


@dataclass(eq=False)
class Person:
    """One subject's test images on the vertices that count.

    Parameters
    ----------
    ids : (n,) test images, ascending
    good : (locations,) bool, the vertices that count
    measured, planted : (n, v) float32 measured and noise-free responses
    ceiling : (v,) planted ceiling of three showings
    reliability : float, median planted reliability of one showing (a training row)
    weights : (draws + 1, n) float32, the first row all ones
    """

    ids: np.ndarray
    good: np.ndarray
    measured: np.ndarray
    planted: np.ndarray
    ceiling: np.ndarray
    reliability: float
    weights: np.ndarray

    def bound(self, images: int) -> float:
        """Return r2 / ceiling that ridge on the true features would reach with so many training images."""
        return 1 / (1 + EFFECTIVE * (1 - self.reliability) / (max(images, 1) * self.reliability))

    def grade(self, predicted: np.ndarray) -> np.ndarray:
        """Return (draws + 1, 2): ratio and mean r of (n, locations or v) predictions, for every draw of images."""
        if predicted.shape[1] == self.good.size:
            predicted = predicted[:, self.good]
        r = weighted_r(self.measured, predicted, self.weights)
        ratio = np.median(np.square(np.maximum(r, 0)) / self.ceiling, axis=1)
        return np.stack([ratio, r.mean(1)], 1)


def weighted_r(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (draws, v) correlations of (n, v) arrays under (draws, n) weights; 0 where a prediction is constant."""
    w = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    y, p = (np.nan_to_num(a - a.mean(0)).astype(np.float32) for a in (y, p))
    my, mp = w @ y, w @ p
    vy, vp = w @ (y * y) - my**2, w @ (p * p) - mp**2
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (w @ (y * p) - my * mp) / np.sqrt(vy * vp)
    return np.where((vp > 1e-12) & (vy > 1e-12), np.clip(r, -1, 1), 0.0)


def image_weights(ids: Mapping[str, np.ndarray], count: int = DRAWS, seed: int = 0) -> dict[str, np.ndarray]:
    """Return subject -> (count + 1, n) Poisson weights by image id: an image has one weight for all subjects."""
    union = np.unique(np.concatenate(list(ids.values())))
    drawn = np.random.default_rng(seed).poisson(1.0, (count, union.size)).astype(np.float32)
    drawn = np.concatenate([np.ones((1, union.size), np.float32), drawn])
    return {name: drawn[:, np.searchsorted(union, own)] for name, own in ids.items()}


def read_people(dataset: Dataset, tests: Mapping[str, np.ndarray], count: int = DRAWS) -> dict[str, Person]:
    """Return what the subjects of a phantom are graded with; raises MissingError where nothing was planted."""
    truth = read_truth(Path(dataset.path))
    design, weights = read_design(truth.folder), image_weights(tests, count)
    out = {}
    for name, ids in tests.items():
        subject = dataset.subject(name)
        at = subject.space.root_index  # type: ignore[attr-defined]
        number = int(name[-2:]) - 1
        signals = read_signals(truth.folder, number)
        three, one = truth.ceiling(name, 3)[at], truth.ceiling(name, 1)[at]
        good = np.isin(at, signals.driven) & (three > FLOOR)
        order = np.argsort(design.ids[number])
        rows = order[np.searchsorted(design.ids[number][order], ids)]
        planted = signals.images[np.ix_(rows, np.searchsorted(signals.driven, at[good]))]
        out[name] = Person(ids, good, subject.mean_betas(ids)[:, good].astype(np.float32), planted,
                           three[good].astype(np.float32), float(np.median(one[good])), weights[name])
    return out


def seed_draws(seeds: int, count: int = DRAWS, seed: int = 1) -> np.ndarray:
    """Return (count + 1, seeds) float32 shares of every seed: drawn with replacement, the first row equal."""
    drawn = np.random.default_rng(seed).multinomial(seeds, np.full(seeds, 1 / seeds), size=count)
    return np.concatenate([np.ones((1, seeds)), drawn]) / seeds


def pooled(draws: Draws, model: str, seeds: Sequence[int], subjects: Sequence[str]) -> np.ndarray:
    """Return (draws + 1, 2): a model's scores over subjects (equal weights) and seeds."""
    stack = np.stack([np.mean([draws[model, s, p] for p in subjects], axis=0) for s in seeds])
    return np.einsum("dsk,ds->dk", stack.transpose(1, 0, 2), seed_draws(len(seeds), stack.shape[1] - 1))


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return (estimate, low, high) of (draws + 1,) values: 95 %, draws moved to the estimate."""
    moved = values[1:] - values[1:].mean() + values[0]
    low, high = np.quantile(moved, (0.025, 0.975))
    return float(values[0]), float(low), float(high)


def compared(draws: Draws, model: str, reference: str | None, seeds: Sequence[int],
             subjects: Sequence[str]) -> dict[str, float | None]:
    """Return ``r2/NC, low, high, mean r`` of a model and ``difference, difference low, difference high`` to another."""
    own = pooled(draws, model, seeds, subjects)
    value, low, high = interval(own[:, 0])
    row: dict[str, float | None] = {"r2/NC": value, "low": low, "high": high, "mean r": float(own[0, 1]),
                                    "difference": None, "difference low": None, "difference high": None}
    if reference is not None and reference != model:
        other = pooled(draws, reference, seeds, subjects)
        found = interval(own[:, 0] - other[:, 0])
        row |= dict(zip(("difference", "difference low", "difference high"), found, strict=True))
    return row
