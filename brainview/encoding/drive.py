"""Which stimuli drive a place of the cortex most and least, measured and predicted, and the words of their captions.

Measured values are mean betas over repetitions of every stimulus that the subject saw; predicted ones are those of the
open model for the images of the evaluated part, which did not train it, so both lists can be compared. Of several
locations the mean of their z scores over stimuli is taken, so that none weighs more because its betas are larger.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import MissingError
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.datasets.by_location import by_location
from brainview.datasets.jobs import _open
from brainview.datasets.types import Dataset
from brainview.datasets.words import over_represented
from brainview.encoding.predict import evaluated_ids, open_model
from brainview.training.run import RunFolder

#: Share of the stimuli whose words are counted against the others, and the fewest of them.
SHARE, FEWEST = 0.1, 10


def drive(path: os.PathLike | str, subject: str, index: Any, run: os.PathLike | str | None = None,
          variant: str | None = None, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return the stimuli by the response of some locations.

    Parameters
    ----------
    index : (n,) int
        Positions in the subject's space.
    run : path, optional
        An encoding run that has the subject.

    Returns
    -------
    dict
        ``locations`` (with data), ``units``; ``measured`` and, with a run, ``predicted``: {``ids``, ``values`` (highest
        first), ``part``, ``words``: {``most``, ``least``: see ``over_represented``}, ``top`` (stimuli on each side)};
        ``r``: correlation of measured and predicted over the evaluated images (None without a run); ``note``.

    Raises
    ------
    MissingError
        None of the locations has data.
    """
    dataset = _open(str(path))
    person = dataset.subject(subject, variant)
    at = np.unique(np.asarray(index, np.int64))
    if at.size == 0 or at.min() < 0 or at.max() >= person.space.size:
        raise MissingError("this place is outside of the subject's responses", where=subject,
                           remedy="Choose a place where the map has data.")
    held = by_location(person, context=Stage(context, 0.0, 0.7))
    rows = held.rows(at)
    values, used = pooled(rows)
    if not used:
        raise MissingError("there are no data at this place, or they never vary", where=subject,
                           remedy="Choose another place.")
    out: dict[str, Any] = {"locations": used, "units": "beta" if used == 1 else "z (mean of locations)",
                           "measured": _ranked(dataset, held.ids, values, "all images"), "r": None}
    words = f"Mean beta over repetitions of {held.ids.size:,} images"
    if run is not None:
        found = _predicted(str(run), subject, Stage(context, 0.7, 0.95))
        if found is not None:
            ids, part, predicted = found
            guess, _ = pooled(np.ascontiguousarray(predicted[:, at].T))
            out["predicted"] = _ranked(dataset, ids, guess, f"{part} images")
            seen, _ = pooled(held.rows(at)[:, np.searchsorted(held.ids, ids)])
            out["r"] = _correlation(seen, guess)
            words += f"; predictions for {ids.size:,} {part} images"
    context.report(1, 1, "done")
    return out | {"note": f"{words}. Words: the {out['measured']['top']:,} highest (lowest) against all others."}


def pooled(rows: np.ndarray) -> tuple[np.ndarray, int]:
    """Return (stimuli,) values of (locations, stimuli) rows, and how many locations vary and have data: the row itself
    when it is one, else the mean of the rows' z scores over stimuli (NaN ignored)."""
    good = np.isfinite(rows)
    n = np.maximum(good.sum(1), 1)
    mean = np.where(good, rows, 0).sum(1) / n
    spread = np.sqrt(np.square(np.where(good, rows - mean[:, None], 0)).sum(1) / n)
    usable = (good.sum(1) > 2) & (spread > 0)
    if usable.sum() <= 1:
        return (rows[usable][0] if usable.any() else np.full(rows.shape[1], np.nan)), int(usable.sum())
    z = (rows[usable] - mean[usable, None]) / spread[usable, None]
    there = np.isfinite(z)
    with np.errstate(invalid="ignore"):
        return np.where(there, z, 0).sum(0) / np.where(there.any(0), there.sum(0), np.nan), int(usable.sum())


def _ranked(dataset: Dataset, ids: np.ndarray, values: np.ndarray, part: str) -> dict[str, Any]:
    good = np.isfinite(values)
    ids, values = ids[good], values[good]
    order = np.argsort(-values, kind="stable")
    ids, values = ids[order], values[order].astype(np.float32)
    top = min(max(FEWEST, round(SHARE * ids.size)), ids.size // 2)
    words = {"most": over_represented(dataset.stimuli, ids[:top], ids[top:]),
             "least": over_represented(dataset.stimuli, ids[::-1][:top], ids[::-1][top:])} if top else \
        {"most": [], "least": []}
    return {"ids": ids, "values": values, "part": part, "words": words, "top": int(top)}


def _predicted(run: str, subject: str, context: JobContext) -> tuple[np.ndarray, str, np.ndarray] | None:
    folder = RunFolder.open(run)
    place = folder.path / "subjects" / subject
    if not (place / "run.json").is_file():
        return None
    stamp = tuple(sorted((str(p), p.stat().st_mtime_ns) for p in Path(run).glob("**/pointer.json")))
    context.report(0, 1, "predicting")
    return _kept(run, subject, stamp)


@lru_cache(maxsize=2)
def _kept(run: str, subject: str, stamp: tuple) -> tuple[np.ndarray, str, np.ndarray]:
    """Return (ids, part, (n, locations) predictions) of the evaluated part; `stamp` is part of the key."""
    folder = RunFolder.open(run)
    model = open_model(run)
    part = str(RunFolder.open(folder.path / "subjects" / subject).card()["part"])
    ids = np.sort(evaluated_ids(folder, model.dataset, subject, part))
    return ids, part, model.predict_stimuli(ids, subject)


def _correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    good = np.isfinite(a) & np.isfinite(b)
    if good.sum() < 3 or a[good].std() == 0 or b[good].std() == 0:
        return None
    return float(np.corrcoef(a[good], b[good])[0, 1])
