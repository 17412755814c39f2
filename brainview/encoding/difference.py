"""The difference of two score maps with its uncertainty: a bootstrap over the images that were evaluated.

Both maps are computed again from predictions and measured responses, so that every draw of images (with replacement)
gives a difference; where both maps rest on the same images the draws are the same, which makes the comparison paired
(Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapters 6 and 13). What varies is the choice of images;
training, subjects and the noise ceiling are taken as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from brainview.core.errors import MismatchError, MissingError
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.encoding import scores
from brainview.encoding.predict import evaluated_ids, open_model, variant_of
from brainview.encoding.significance import benjamini_hochberg
from brainview.maps.brainmap import BrainMap
from brainview.training.run import RunFolder

#: Metrics that have an uncertainty over images.
METRICS = ("r", "r2", "R2", "r2_nc", "r2_nc_raw")
DRAWS = 200
#: Locations treated at once: draws x this x 4 bytes a map.
CHUNK = 4096


@dataclass(eq=False)
class _Side:
    """One of the two maps: its responses over the evaluated images."""

    metric: str
    subject: Any
    ids: np.ndarray
    model: Any
    part: str
    name: str

    def responses(self, ids: np.ndarray, context: JobContext) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return (n, locations) measured and predicted responses, and the ceiling for these images."""
        measured = np.empty((ids.size, self.subject.space.size), np.float32)
        for start, block in self.subject.iterate_means(ids, context=Stage(context, 0.0, 0.6)):
            measured[start:start + len(block)] = block
        predicted = self.model.predict_stimuli(ids, self.subject.id, context=Stage(context, 0.6, 1.0))
        ceiling = None
        if self.metric.startswith("r2_nc"):
            ceiling = self.subject.ceiling.for_repeats(self.subject.repeats(ids))
            if ceiling is None:
                raise MissingError("has no noise ceiling to divide by", where=self.subject.id)
        return measured, predicted, ceiling


def _opened(where: Mapping[str, Any], context: JobContext) -> _Side:
    metric, name = str(where.get("metric", "")), str(where.get("brain", ""))
    if metric not in METRICS:
        raise MissingError(f"a map of {metric or 'no score'!r} has no uncertainty over images",
                           remedy="Scores of trained encoding runs have one: " + ", ".join(METRICS) + ".")
    folder = RunFolder.open(str(where.get("path", "")))
    parts = folder.path / "subjects" / name
    if not (parts / "run.json").is_file():
        raise MissingError(f"has no trained subject {name!r}", where=folder.path,
                           remedy="A group map is a median of subjects; compare subjects one by one.")
    part = str(RunFolder.open(parts).card()["part"])
    model = open_model(folder.path, context=context)
    ids = evaluated_ids(folder, model.dataset, name, part)
    return _Side(metric, model.dataset.subject(name, variant_of(folder)), ids, model, part, folder.path.name)


def bootstrap(measured: np.ndarray, predicted: np.ndarray, draws: np.ndarray, metric: str,
              ceiling: np.ndarray | None = None) -> np.ndarray:
    """Return (count, locations) float32 scores of every draw.

    Parameters
    ----------
    measured, predicted : (n, locations) arrays
    draws : (count, n) array
        How often each image is in each draw.
    metric : str
        Of `METRICS`.
    ceiling : (locations,) array, optional
        Fraction 0..1, for the metrics over the noise ceiling.
    """
    n = len(measured)
    weights = draws.astype(np.float32) / n
    y, p = measured - measured.mean(0), predicted - predicted.mean(0)
    my, mp = weights @ y, weights @ p
    with np.errstate(invalid="ignore", divide="ignore"):
        vy = weights @ (y * y) - my * my
        if metric == "R2":
            error = weights @ np.square(measured - predicted)
            return np.where(vy > 0, 1.0 - error / vy, np.nan).astype(np.float32)
        r = (weights @ (y * p) - my * mp) / np.sqrt(vy * (weights @ (p * p) - mp * mp))
    r = np.clip(np.where((p == 0).all(0), 0.0, r), -1, 1)
    if metric == "r":
        return r.astype(np.float32)
    r2 = np.square(np.maximum(r, 0)).astype(np.float32)
    if metric == "r2":
        return r2
    return scores.normalized(r2, ceiling, cap=metric == "r2_nc")


def difference(first: Mapping[str, Any], second: Mapping[str, Any], draws: int = DRAWS, seed: int = 0, *,
               context: JobContext = QUIET) -> dict[str, Any]:
    """Return the difference of two score maps of encoding runs with its uncertainty.

    Parameters
    ----------
    first, second : mapping
        ``path`` (run), ``brain`` (subject), ``metric`` (one of `METRICS`, the same for both).
    draws : int
        Bootstrap samples of the images.

    Returns
    -------
    dict
        ``difference``, ``error`` (standard error), ``z`` (difference / error) (BrainMap), ``low``, ``high`` (BrainMap,
        95 % interval), ``images``, ``paired`` (bool), ``draws``, ``apart`` (locations whose interval leaves out 0),
        ``sure`` (those at a false discovery rate of 0.05), ``tested``, ``note``.

    Raises
    ------
    MissingError
        A map is no score of a trained subject. MismatchError: metrics or spaces differ.
    """
    a, b = _opened(first, context), _opened(second, context)
    if a.metric != b.metric:
        raise MismatchError(f"{a.metric} and {b.metric} are different scores",
                            remedy="Compare the same score of two runs or subjects.")
    if a.subject.space != b.subject.space:
        raise MismatchError(f"{a.subject.id} is on {a.subject.space.name}, {b.subject.id} on {b.subject.space.name}")
    same_data = a.model.dataset.path.resolve() == b.model.dataset.path.resolve()
    common = np.intersect1d(a.ids, b.ids) if same_data else np.empty(0, np.int64)
    paired = common.size >= 10
    ids = (common, common) if paired else (a.ids, b.ids)
    left = a.responses(ids[0], Stage(context, 0.0, 0.35))
    right = b.responses(ids[1], Stage(context, 0.35, 0.7))
    rng = np.random.default_rng(seed)
    drawn = [rng.multinomial(i.size, np.full(i.size, 1 / i.size), size=draws) for i in ids]
    if paired:
        drawn[1] = drawn[0]
    whole = np.ones((1, 1))
    out = np.full((4, a.subject.space.size), np.nan, np.float32)  # difference, error, low, high
    for start in range(0, out.shape[1], CHUNK):
        context.report(0.7 * out.shape[1] + 0.3 * start, out.shape[1], "drawing images")
        at = slice(start, start + CHUNK)
        found = []
        for (y, p, ceiling), d in ((left, drawn[0]), (right, drawn[1])):
            nc = None if ceiling is None else ceiling[at]
            point = bootstrap(y[:, at], p[:, at], whole.repeat(len(y), 1), a.metric, nc)
            found.append((point[0], bootstrap(y[:, at], p[:, at], d, a.metric, nc)))
        gap = found[0][1] - found[1][1]
        out[0, at] = found[0][0] - found[1][0]
        out[1, at] = gap.std(0, ddof=1)
        out[2:, at] = np.quantile(gap, (0.025, 0.975), axis=0)
    context.report(1, 1, "done")
    return _told(a, b, out, ids, paired, draws, seed)


def _told(a: _Side, b: _Side, out: np.ndarray, ids: tuple[np.ndarray, np.ndarray], paired: bool, draws: int,
          seed: int) -> dict[str, Any]:
    value, error, low, high = out
    tested = int(np.isfinite(error).sum())
    apart = int(((low > 0) | (high < 0)).sum())
    images = f"{ids[0].size:,} {a.part} images" if paired else \
        f"{ids[0].size:,} {a.part} and {ids[1].size:,} {b.part} images"
    how = f"{draws:,} bootstrap draws of {images}, " + ("the same images for both" if paired else
                                                        "drawn separately for each")
    title, units = scores.METRICS[a.metric]["title"], scores.METRICS[a.metric]["units"]
    who = [s.subject.id if a.name == b.name else f"{s.name}, {s.subject.id}" for s in (a, b)]
    name = f"{title}: {who[0]} − {who[1]}"
    story = {"derived": "difference", "metric": a.metric, "runs": [a.name, b.name], "draws": draws, "seed": seed,
             "subjects": [a.subject.id, b.subject.id], "images": [int(i.size) for i in ids], "paired": paired}

    def drawn(values: np.ndarray, words: str, definition: str, **looks: Any) -> BrainMap:
        return a.subject.map(values, words, provenance=story, definition=f"{definition} {how}.", **looks)

    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(error > 0, value / error, np.nan)
    sure = int((benjamini_hochberg(2 * ndtr(-np.abs(z))) <= 0.05).sum())
    note = f"{apart:,} of {tested:,} locations have a 95 % interval that leaves out 0 (each by itself); {sure:,} at " \
           f"a false discovery rate of 0.05 (normal approximation). {how}. Training, ceiling and the choice of " \
           "subjects are taken as they are."
    return {
        "difference": drawn(value, name, "First minus second.", units=units, kind="diverging"),
        "error": drawn(error, f"Standard error of {name}", "Standard error of the difference.", units=units),
        "z": drawn(z, "difference / standard error", "Difference divided by its standard error.", units="z",
                   kind="diverging"),
        "low": drawn(low, f"Lower end of {name}", "Lower end of the 95 % interval.", units=units, kind="diverging"),
        "high": drawn(high, f"Upper end of {name}", "Upper end of the 95 % interval.", units=units, kind="diverging"),
        "images": int(ids[0].size), "paired": paired, "draws": draws, "apart": apart, "sure": sure, "tested": tested,
        "note": note}
