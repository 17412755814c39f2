"""Scores of one subject on one part of a split: maps, tables, intervals, chance, per-image scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from brainview.core.errors import MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.types import Subject
from brainview.encoding import rois, scores
from brainview.encoding.ridge.source import scratch

#: Locations treated at once where temporary arrays are larger than their result.
CHUNK = 8192


class Predictor(Protocol):
    """A model that is evaluated: a ridge fit, or predictions that are there already."""

    @property
    def warnings(self) -> list[str]:
        """What a reader must know of the fit, in sentences."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return (n, locations) predictions of (n, p) rows."""

    def own_maps(self) -> dict[str, np.ndarray]:
        """Return maps that only this kind of model has, by metric."""


@dataclass(frozen=True, eq=False)
class Ready:
    """Predictions that were made before: the rows are the predictions."""

    warnings: list[str] = field(default_factory=list)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the rows."""
        return features

    def own_maps(self) -> dict[str, np.ndarray]:
        """Return nothing."""
        return {}


def evaluate(subject: Subject, fit: Predictor, columns: np.ndarray, ids: np.ndarray, *, part: str,
             bootstraps: int = 200, permutations: int = 50, seed: int = 0,
             context: JobContext = QUIET) -> dict[str, Any]:
    """Return everything that is known about one model on one part.

    Parameters
    ----------
    fit : Predictor
    columns : (n, p) features of the images `ids` as the model was fitted on (for :class:`Ready`: its predictions)
    ids : (n,) stimulus ids, at least 3
    part : str
        ``train``, ``val`` or ``test``; recorded.

    Returns
    -------
    dict
        ``maps`` {metric: (locations,) float32}, ``rois`` rows, ``stimuli`` [{stimulus, R2, r}], ``metrics`` headline
        numbers, ``notes``.
    """
    if ids.size < 3:
        raise MissingError(f"has only {ids.size} evaluated images in {part}", where=subject.id,
                           remedy="Choose another part or larger shares.")
    n, t = ids.size, subject.space.size
    repeats = subject.repeats(ids)
    ceiling = subject.ceiling.for_repeats(repeats)
    with scratch((n, t)) as measured, scratch((n, t)) as predicted:
        totals, images = scores.Totals.empty(t), []
        for start, block in subject.iterate_means(ids, context=context):
            rows = slice(start, start + len(block))
            measured[rows], predicted[rows] = block, fit.predict(columns[rows])
            totals.add(measured[rows], predicted[rows])
            per = scores.image_scores(measured[rows], predicted[rows])
            images += [{"stimulus": int(i), "R2": float(a), "r": float(b)}
                       for i, a, b in zip(ids[rows], per["R2"], per["r"], strict=True)]
        found = totals.scores()
        maps = {k: found[k] for k in ("r", "r2", "R2")}
        draws = None
        if bootstraps:
            draws = np.empty((bootstraps, t), np.float32)
            for a in range(0, t, CHUNK):
                context.report(a, t, "intervals over images")
                at = slice(a, a + CHUNK)
                draws[:, at] = scores.bootstrap_r(measured[:, at], predicted[:, at], count=bootstraps, seed=seed)
        context.report(0, 1, "chance")
        chance = scores.permutation_baseline(measured, predicted, ceiling, count=permutations, seed=seed) \
            if permutations else {}
    if ceiling is not None:
        maps |= {"r2_nc": scores.normalized(maps["r2"], ceiling),
                 "r2_nc_raw": scores.normalized(maps["r2"], ceiling, cap=False), "nc": ceiling.astype(np.float32)}
    maps |= fit.own_maps()
    figures = scores.summary(maps["r"], ceiling, maps["R2"])
    figures |= {"part": part, "images": int(n), "ceiling_source": subject.ceiling.source, "chance": chance,
                "repeats": {int(k): int(c) for k, c in zip(*np.unique(repeats, return_counts=True), strict=True)},
                "constant_predictions": int(found["constant"].sum()), **_intervals(draws, ceiling)}
    words = scores.notes(figures, subject.ceiling.source) + list(fit.warnings)
    if subject.ceiling.note:
        words.append(f"Noise ceiling: {subject.ceiling.note}")
    if figures["constant_predictions"]:
        words.append(f"{figures['constant_predictions']:,} locations have a constant prediction; their r is set to 0.")
    rows_ = rois.roi_rows(subject.id, subject.space, subject.rois, maps, draws, ceiling)
    return {"maps": maps, "rois": rows_, "stimuli": images, "metrics": figures, "notes": words}


def _intervals(draws: np.ndarray | None, ceiling: np.ndarray | None) -> dict[str, list[float]]:
    """Return 95 % intervals over images of the headline numbers."""
    if draws is None:
        return {}
    good = np.isfinite(draws).all(0)
    if not good.any():
        return {}
    out = {"mean_r_interval": np.quantile(draws[:, good].mean(1), (0.025, 0.975)).tolist()}
    if ceiling is not None:
        means = [scores.official(row, ceiling).mean() for row in draws]
        out["official_mean_interval"] = np.quantile(means, (0.025, 0.975)).tolist()
    return out
