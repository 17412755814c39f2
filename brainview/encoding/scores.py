"""How well predictions fit: every number with its definition, and what chance would give.

Two "R2" are in play and are never mixed: ``R2`` is the coefficient of determination, ``r2`` is the squared Pearson
correlation with negative correlations set to 0. Noise-normalised scores divide r2 by the noise ceiling *of the images
that were evaluated*. The official Algonauts 2023 score follows the challenge's own script (code/02_baseline_encoding
_model/03_test_encoding.py of gifale95/algonauts_2023): ceiling 0 becomes 1e-14, ratios are capped at 1, mean over all
vertices; a vertex with ceiling 0 and any positive r so scores 100 %, which is why a clean score stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainview.core.errors import MismatchError

#: Definitions of the metrics, in the order in which the screen lists them.
METRICS: dict[str, dict[str, str]] = {
    "r2_nc": {"title": "r² / noise ceiling", "units": "fraction",
              "definition": "Squared correlation of predicted and measured responses over the evaluated images "
                            "(negative r counts as 0), divided by the noise ceiling of those images and capped at 1. "
                            "Locations with ceiling 0 have no value."},
    "r2_nc_raw": {"title": "r² / noise ceiling, not capped", "units": "fraction",
                  "definition": "As r² / noise ceiling, without the cap: values above 1 show where the ceiling is too "
                                "low or the score is luck."},
    "R2": {"title": "R² (coefficient of determination)", "units": "fraction",
           "definition": "1 − squared error / variance of the measured responses over the evaluated images; negative "
                         "when the prediction is worse than the mean response."},
    "r": {"title": "Correlation r", "units": "r",
          "definition": "Pearson correlation of predicted and measured responses over the evaluated images."},
    "r2": {"title": "r² (squared correlation)", "units": "fraction",
           "definition": "Squared Pearson correlation, negative r set to 0. Not the coefficient of determination."},
    "nc": {"title": "Noise ceiling", "units": "fraction",
           "definition": "Share of the variance of the measured mean responses that any model could explain, for the "
                         "number of showings of the images that were evaluated."},
    "cv_r2": {"title": "R² within training", "units": "fraction",
              "definition": "R² of the criterion that chose the penalty (GCV or held-out folds), on training images."},
    "log_alpha": {"title": "Penalty (log10)", "units": "log10 alpha",
                  "definition": "Base-10 logarithm of the ridge penalty chosen for this location."},
}
#: The ceiling that the challenge's script puts in place of 0.
OFFICIAL_FLOOR = 1e-14
#: Share of locations at the cap above which a note warns.
CAP_WARNING = 0.03


@dataclass(eq=False)
class Totals:
    """Running sums per location over images, float64; feed blocks, then read the scores."""

    n: int
    y: np.ndarray
    yy: np.ndarray
    p: np.ndarray
    pp: np.ndarray
    yp: np.ndarray
    ee: np.ndarray

    @staticmethod
    def empty(size: int) -> Totals:
        """Return sums of nothing for `size` locations."""
        return Totals(0, *(np.zeros(size) for _ in range(6)))

    def add(self, measured: np.ndarray, predicted: np.ndarray) -> None:
        """Add (m, size) blocks of measured and predicted responses; NaN makes its location NaN."""
        if measured.shape != predicted.shape:
            raise MismatchError(f"measured {measured.shape} and predicted {predicted.shape} differ", where="scores")
        self.n += len(measured)
        y, p = measured.astype(np.float64), predicted.astype(np.float64)
        self.y += y.sum(0)
        self.p += p.sum(0)
        self.yy += np.einsum("ij,ij->j", y, y)
        self.pp += np.einsum("ij,ij->j", p, p)
        self.yp += np.einsum("ij,ij->j", y, p)
        y -= p
        self.ee += np.einsum("ij,ij->j", y, y)

    def scores(self) -> dict[str, np.ndarray]:
        """Return ``r``, ``r2``, ``R2`` (size,) float32 and ``constant`` bool (prediction without variance: r = 0).

        NaN where the measured response is constant or missing.
        """
        n = max(self.n, 1)
        var_y = self.yy - self.y**2 / n
        var_p = self.pp - self.p**2 / n
        flat_y = ~(var_y > 1e-10 * np.maximum(self.yy, 1e-300))
        flat_p = var_p <= 1e-10 * np.maximum(self.pp, 1e-300)
        with np.errstate(invalid="ignore", divide="ignore"):
            r = (self.yp - self.y * self.p / n) / np.sqrt(var_y * var_p)
            big = 1.0 - self.ee / var_y
        r = np.where(flat_p, 0.0, np.clip(r, -1, 1))
        missing = flat_y | ~np.isfinite(self.ee)
        r, big = np.where(missing, np.nan, r), np.where(missing, np.nan, big)
        return {"r": r.astype(np.float32), "r2": squared(r).astype(np.float32), "R2": big.astype(np.float32),
                "constant": flat_p & ~missing}


def squared(r: np.ndarray) -> np.ndarray:
    """Return max(r, 0)²."""
    return np.square(np.maximum(r, 0.0))


def score_arrays(measured: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of (n, locations) arrays; see :meth:`Totals.scores`."""
    totals = Totals.empty(measured.shape[1])
    for start in range(0, len(measured), 256):
        totals.add(measured[start:start + 256], predicted[start:start + 256])
    return totals.scores()


def normalized(r2: np.ndarray, ceiling: np.ndarray | None, *, cap: bool = True) -> np.ndarray:
    """Return r2 / ceiling (size,) float32; NaN without a ceiling or where it is 0; capped at 1 unless told not to.

    Raises MismatchError for a ceiling that is in percent (largest value above 1.5).
    """
    if ceiling is None:
        return np.full(np.shape(r2), np.nan, np.float32)
    check_fraction(ceiling)
    with np.errstate(invalid="ignore", divide="ignore"):
        out = np.where(ceiling > 0, r2 / ceiling, np.nan)
    return (np.minimum(out, 1.0) if cap else out).astype(np.float32)


def check_fraction(ceiling: np.ndarray) -> None:
    """Refuse a ceiling in percent: scores divided by it would come out a hundred times too small."""
    top = float(np.nanmax(ceiling)) if np.isfinite(ceiling).any() else 0.0
    if top > 1.5:
        raise MismatchError(f"goes up to {top:.3g}, a fraction 0..1 was expected", where="noise ceiling",
                            remedy="Divide a ceiling in percent by 100.")


def official(r: np.ndarray, ceiling: np.ndarray) -> np.ndarray:
    """Return (size,) float64 percent per vertex exactly as the challenge's script does; NaN r counts as 0."""
    check_fraction(ceiling)
    r = np.nan_to_num(np.asarray(r, np.float64), nan=0.0)
    floor = np.where(np.asarray(ceiling, np.float64) == 0, OFFICIAL_FLOOR, ceiling)
    return np.minimum(squared(r) / floor * 100.0, 100.0)


def summary(r: np.ndarray, ceiling: np.ndarray | None, big_r2: np.ndarray | None = None, *,
            threshold: float = 0.05) -> dict[str, Any]:
    """Return the headline numbers of one set of locations as plain floats.

    ``official_mean``, ``official_median`` : percent, all locations, ceiling 0 -> 1e-14.
    ``clean_mean``, ``clean_median`` : percent, capped, only locations with ceiling >= `threshold`; ``clean_n``.
    ``capped`` : share of those at the cap; ``ceiling_zero`` : locations whose ceiling is exactly 0.
    ``median_R2``, ``mean_r``, ``median_r`` : over locations with a value; ``n`` locations, ``n_scored`` with a value.
    """
    good = np.isfinite(r)
    out: dict[str, Any] = {"n": int(r.size), "n_scored": int(good.sum()), "mean_r": _mean(r), "median_r": _median(r)}
    if big_r2 is not None:
        out["median_R2"], out["mean_R2"] = _median(big_r2), _mean(big_r2)
    if ceiling is None:
        return out
    per = official(r, ceiling)
    kept = good & (ceiling >= max(threshold, 1e-9))
    ratio = squared(r[kept]) / ceiling[kept]
    out |= {"official_mean": _mean(per), "official_median": _median(per), "threshold": threshold,
            "clean_mean": _mean(np.minimum(ratio, 1) * 100), "clean_median": _median(np.minimum(ratio, 1) * 100),
            "clean_n": int(kept.sum()), "capped": float((ratio >= 1).mean()) if kept.any() else None,
            "ceiling_zero": int((ceiling == 0).sum())}
    return out


def _mean(values: np.ndarray) -> float | None:
    values = values[np.isfinite(values)]
    return float(values.mean(dtype=np.float64)) if values.size else None


def _median(values: np.ndarray) -> float | None:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size else None


def notes(figures: dict[str, Any], source: str) -> list[str]:
    """Return what a reader of the scores must know, in sentences."""
    out = []
    if "official_mean" not in figures:
        return [f"No noise-normalised score: the data hold no ceiling (source: {source})."]
    if figures["ceiling_zero"]:
        out.append(f"{figures['ceiling_zero']:,} locations have a ceiling of exactly 0; the official score gives them "
                   "100 % for any positive r, the clean score leaves them out.")
    if (figures["capped"] or 0) > CAP_WARNING:
        out.append(f"{figures['capped']:.1%} of the locations reach the cap of 100 %: clipping hides luck at low "
                   "ceilings, look at the map without the cap.")
    return out


def image_scores(measured: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """Return per image (n,): ``R2`` over locations and ``r`` over locations (spatial), NaN locations left out."""
    good = np.isfinite(measured) & np.isfinite(predicted)
    count = np.maximum(good.sum(1), 1)
    y, p = np.where(good, measured, 0).astype(np.float64), np.where(good, predicted, 0).astype(np.float64)
    my, mp = y.sum(1) / count, p.sum(1) / count
    y_, p_ = np.where(good, y - my[:, None], 0), np.where(good, p - mp[:, None], 0)
    vy, vp = np.square(y_).sum(1), np.square(p_).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {"R2": 1.0 - np.square(y - p).sum(1) / vy, "r": (y_ * p_).sum(1) / np.sqrt(vy * vp)}


def bootstrap_r(measured: np.ndarray, predicted: np.ndarray, *, count: int = 200, seed: int = 0) -> np.ndarray:
    """Return (count, locations) float32 correlations over images drawn with replacement.

    Every draw is a vector of multiplicities, so all draws are three matrix products with centred data.
    """
    rng = np.random.default_rng(seed)
    n = len(measured)
    draws = rng.multinomial(n, np.full(n, 1.0 / n), size=count).astype(np.float32)
    y, p = measured - measured.mean(0), predicted - predicted.mean(0)
    my, mp = draws @ y / n, draws @ p / n
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (draws @ (y * p) / n - my * mp) / np.sqrt((draws @ (y * y) / n - my * my) * (draws @ (p * p) / n - mp * mp))
    flat = (p == 0).all(0)
    return np.where(flat, 0.0, np.clip(r, -1, 1)).astype(np.float32)


def permutation_baseline(measured: np.ndarray, predicted: np.ndarray, ceiling: np.ndarray | None = None, *,
                         count: int = 100, seed: int = 0, chunk: int = 8192) -> dict[str, Any]:
    """Return what chance gives: the scores when predictions are dealt to the wrong images.

    Returns
    -------
    dict
        ``count``; ``mean_r``, ``median_r2`` (means over shuffles), ``official_mean`` (percent, with a ceiling),
        ``r_95`` and ``max_r_95``: the 95th percentile over shuffles of r at a location (all pooled) and of the
        largest r over all locations (family-wise threshold).
    """
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(measured)) for _ in range(count)]
    r = np.empty((count, measured.shape[1]), np.float32)
    for a in range(0, measured.shape[1], chunk):
        y, p = (_standard(block[:, a:a + chunk]) for block in (measured, predicted))
        for i, order in enumerate(orders):
            r[i, a:a + chunk] = np.einsum("ij,ij->j", y, p[order])
    good = np.isfinite(r).all(0)
    if not good.any():
        return {"count": count}
    r = r[:, good]
    out: dict[str, Any] = {"count": count, "mean_r": float(r.mean()), "median_r2": float(np.median(squared(r))),
                           "r_95": float(np.quantile(r, 0.95)), "max_r_95": float(np.quantile(r.max(1), 0.95))}
    if ceiling is not None:
        out["official_mean"] = float(np.mean([official(row, ceiling[good]).mean() for row in r]))
    return out


def _standard(values: np.ndarray) -> np.ndarray:
    values = values - values.mean(0)
    norm = np.sqrt(np.square(values).sum(0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norm > 0, values / norm, 0.0).astype(np.float32)


def group_value(values: Iterable[float | None], how: str = "mean") -> float | None:
    """Return the mean or median over subjects of their values; subjects without one are left out."""
    found = np.array([v for v in values if v is not None and np.isfinite(v)], float)
    if found.size == 0:
        return None
    return float(found.mean() if how == "mean" else np.median(found))
