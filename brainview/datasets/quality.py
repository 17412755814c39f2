"""How good a subject's data are: sessions, repetitions, missing data, noise ceiling, temporal signal to noise.

Rows are sampled evenly within each session when there are many, and the report says how many were read: real NSD
subjects have 30,000 trials of 327,684 vertices. Temporal SNR is mean over s.d. of a location's time series within a
run (Murphy et al. 2007, NeuroImage 34:565), after the run's linear trend is taken out; it is told only where the
responses come from time series, never for betas.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.datasets.bids_task.windows import RunsSource, WindowResponses, run_frames
from brainview.datasets.cache import CachedResponses
from brainview.datasets.inspect import describe_ceiling, evaluated_ids
from brainview.datasets.preprocessing import ProcessedSource
from brainview.datasets.types import Preparable, Subject
from brainview.maps.brainmap import BrainMap
from brainview.maps.space import GrayordinateSpace, MaskedSpace, VolumeSpace

#: Rows read of each session unless told otherwise.
ROWS = 120
BINS = 25
#: What each figure of the report means; shown on hover.
DEFINITIONS: dict[str, str] = {
    "sessions": "Scanning sessions that the trial table tells apart.",
    "trials": "Rows of the trial table: single trials, or averages where the layout ships averages.",
    "stimuli": "Different stimuli with at least one response.",
    "repetitions": "How many stimuli were shown once, twice, three times ... to this subject.",
    "rows_read": "Rows of the responses that this check has read; they lie evenly over each session.",
    "never": "Locations without a number in every row that was read: outside the recorded brain.",
    "sometimes": "Locations that lack a number in some of the rows read and have one in others.",
    "constant": "Locations whose value never changes over the rows read (a mask, or a dead channel).",
    "empty_rows": "Rows read in which no location has a number.",
    "share": "Missing numbers among all that were read.",
    "mean": "Mean over locations and rows of the session, in the units of the responses.",
    "spread": "Median over locations of the standard deviation over the session's rows, in the units of the responses.",
    "likeness": "Correlation over locations between the mean response of this session and that of all others. Low "
                "values point to misalignment or a changed mask; – where the responses were centred in the session.",
    "ceiling": "Share of the variance of the evaluated mean responses that a perfect model could explain.",
    "tsnr": "Temporal signal to noise: mean of a location's time series over its standard deviation within a run, "
            "linear trend removed; median over runs.",
}


def check(subject: Subject, *, rows_per_session: int = ROWS, context: JobContext = QUIET) -> dict[str, Any]:
    """Return the quality report of one subject.

    Parameters
    ----------
    rows_per_session : int
        Rows to read of each session, evenly spaced; 0 = all.

    Returns
    -------
    dict
        ``id, variant, trials, stimuli, rows_are, repetitions {showings: stimuli}, sessions`` (a row each: ``session,
        trials, runs, stimuli, read, empty, mean, spread, likeness``), ``read``, ``missing`` (counts of locations
        ``never, sometimes, constant``, of rows ``empty_rows``, and ``share``), ``ceiling`` (as ``brainview inspect``
        tells it, with ``histogram``), ``tsnr`` (quantiles, ``runs``, ``histogram``; or ``why`` there is none),
        ``definitions``, ``problems``, ``maps`` {``missing``, ``tsnr``: BrainMap}.
    """
    subject.prepare(context=Stage(context, 0.0, 0.2, "indexing"))
    series = time_series(subject)
    rows, sums = _read(subject, rows_per_session, Stage(context, 0.2, 0.7 if series else 1.0, "reading"))
    table = subject.trials
    counts = np.unique(table.stimulus, return_counts=True)[1]
    single = bool((table.averaged == 1).all())
    missing, lost = _missing(sums)
    out: dict[str, Any] = {
        "id": subject.id, "variant": subject.variant, "locations": subject.space.size, "trials": len(table),
        "stimuli": int(table.unique.size), "rows_are": "single trials" if single else "averages over trials",
        "repetitions": {int(k): int((counts == k).sum()) for k in np.unique(counts)} if single else {},
        "sessions": rows, "read": int(sum(r["read"] for r in rows)), "missing": missing,
        "ceiling": _ceiling(subject), "definitions": DEFINITIONS, "problems": list(subject.problems),
        "maps": {"missing": subject.map(lost, f"missing data · {subject.id}", units="share of rows", limits=(0.0, 1.0),
                                        definition=DEFINITIONS["share"] + " One value per location.")}}
    out["tsnr"] = {"why": "The responses are estimates of single trials (betas), not time series."} if series is None \
        else _tsnr(subject, series, out["maps"], Stage(context, 0.7, 1.0, "time series"))
    context.report(1, 1, "done")
    return out


def report(path: str, subject: str, variant: str | None = None, rows_per_session: int = ROWS, *,
           context: JobContext = QUIET) -> dict[str, Any]:
    """Return :func:`check` of a subject of the data set at `path` (a job of the window)."""
    from brainview.datasets.jobs import _open

    return check(_open(path).subject(subject, variant), rows_per_session=rows_per_session, context=context)


class _Sums:
    """Running sums per location over the rows of a session or of all."""

    def __init__(self, size: int) -> None:
        self.n, self.empty = 0, 0
        self.good = np.zeros(size, np.int64)
        self.total, self.square, self.shift = np.zeros(size), np.zeros(size), np.zeros(size)

    def add(self, block: np.ndarray) -> None:
        good = np.isfinite(block)
        if self.n == 0:  # a first guess of the mean keeps the variance exact for data far from 0
            self.shift = np.where(good[0], block[0], 0).astype(np.float64)
        values = np.where(good, block - self.shift, 0).astype(np.float64)
        self.n += len(block)
        self.empty += int((~good.any(1)).sum())
        self.good += good.sum(0)
        self.total += values.sum(0)
        self.square += np.square(values).sum(0)

    def mean(self) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.total / np.where(self.good, self.good, np.nan) + self.shift

    def spread(self) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            n = np.where(self.good, self.good, np.nan)
            return np.sqrt(np.maximum(self.square / n - (self.total / n) ** 2, 0))


def _read(subject: Subject, most: int, context: JobContext) -> tuple[list[dict[str, Any]], list[_Sums]]:
    """Return one row of figures per session, and the sums of each."""
    table = subject.trials
    names = np.unique(table.session)
    step = int(np.clip((48 << 20) // max(1, 8 * subject.space.size), 1, 512))
    rows, every = [], []
    for number, session in enumerate(names.tolist()):
        mine = np.flatnonzero(table.session == session)
        read = mine if most <= 0 or mine.size <= most else mine[np.linspace(0, mine.size - 1, most).astype(int)]
        sums = _Sums(subject.space.size)
        for start in range(0, read.size, step):
            context.report(number + start / read.size, names.size, f"session {number + 1} of {names.size}")
            sums.add(subject.responses.rows(read[start:start + step]))
        every.append(sums)
        runs = np.unique(table.run[mine])
        rows.append({"session": int(session) + 1 if session >= 0 else 0, "trials": int(mine.size),
                     "runs": int((runs >= 0).sum()), "stimuli": int(np.unique(table.stimulus[mine]).size),
                     "read": int(read.size), "empty": sums.empty, "mean": _finite(np.nanmean, sums.mean()),
                     "spread": _finite(np.nanmedian, sums.spread()), "likeness": None})
    _likeness(rows, every)
    return rows, every


def _likeness(rows: list[dict[str, Any]], every: list[_Sums]) -> None:
    means = [s.mean() for s in every]
    if len(means) < 2:
        return
    total = np.nansum(means, axis=0)
    count = np.sum([np.isfinite(m) for m in means], axis=0)
    for row, mean, sums in zip(rows, means, every, strict=True):
        others = (total - np.nan_to_num(mean)) / np.where(count > np.isfinite(mean), count - np.isfinite(mean), np.nan)
        good = np.isfinite(mean) & np.isfinite(others)
        level = float(np.std(mean[good])) if good.any() else 0.0
        noise = row["spread"] or 0.0
        # what is centred within the session has a mean of rounding errors, whose correlation says nothing
        if good.sum() > 2 and level > 1e-3 * noise and sums.n > 1 and float(np.std(others[good])) > 0:
            row["likeness"] = float(np.corrcoef(mean[good], others[good])[0, 1])


def _missing(every: list[_Sums]) -> tuple[dict[str, Any], np.ndarray]:
    """Return the counts, and (locations,) the share of rows without a number."""
    n = sum(s.n for s in every)
    good = np.sum([s.good for s in every], axis=0)
    means = np.array([s.mean() for s in every])
    flat = np.all([(s.spread() == 0) | (s.good == 0) for s in every], axis=0) & (good > 0)
    if len(every) > 1:
        with np.errstate(invalid="ignore"):
            flat &= ~(np.nanmax(np.where(good > 0, means, 0), 0) - np.nanmin(np.where(good > 0, means, 0), 0) > 0)
    lost = 1 - good / max(n, 1)
    return {"never": int((good == 0).sum()), "sometimes": int(((good > 0) & (good < n)).sum()),
            "constant": int(flat.sum()), "empty_rows": int(sum(s.empty for s in every)),
            "share": float(lost.mean())}, lost.astype(np.float32)


def _ceiling(subject: Subject) -> dict[str, Any]:
    out = describe_ceiling(subject)
    values = subject.ceiling.for_repeats(subject.repeats(evaluated_ids(subject)[0]))
    if values is not None and np.isfinite(values).any():
        out["histogram"] = histogram(100 * values, (0.0, 100.0))
    return out


def histogram(values: np.ndarray, span: tuple[float, float] | None = None) -> dict[str, Any]:
    """Return ``edges`` (BINS + 1) and ``counts`` (BINS) of the finite values; without a span up to the 99.5th
    percentile, what lies beyond is counted in the last bin."""
    good = values[np.isfinite(values)]
    low, high = span or (min(0.0, float(good.min())), float(np.percentile(good, 99.5)))
    counts, edges = np.histogram(np.clip(good, low, high), BINS, (low, high if high > low else low + 1))
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _finite(how: Any, values: np.ndarray) -> float | None:
    return float(how(values)) if np.isfinite(values).any() else None


# -- time series ---------------------------------------------------------------------------------------------------


def time_series(subject: Subject) -> list[Any] | None:
    """Return what :func:`_frames` takes for each run of the time series behind the responses, None for betas."""
    responses = subject.responses
    if isinstance(responses, WindowResponses) and isinstance(responses.volumes.source, RunsSource):
        return list(responses.volumes.source.files)
    if isinstance(responses, CachedResponses) and isinstance(responses.source, ProcessedSource):
        source = responses.source
        longest = max(np.bincount(source.run - source.run.min()))
        if longest >= 8 and any(len(g) > 1 for g in source.groups):
            return [(source.raw, np.flatnonzero(source.run == run)) for run in np.unique(source.run)]
    return None


def _frames(run: Any, subject: Subject) -> Iterator[np.ndarray]:
    if isinstance(run, tuple):
        raw, rows = run
        for start in range(0, rows.size, 32):
            yield from raw.rows(rows[start:start + 32])
        return
    root, index = subject.space.root, None
    if isinstance(root, VolumeSpace) and not isinstance(root, GrayordinateSpace):
        flat = subject.space.root_index if isinstance(subject.space, MaskedSpace) else np.arange(root.size)
        index = np.ravel_multi_index(np.unravel_index(flat, root.shape), root.shape, order="F")
    yield from run_frames(run, index)


def run_tsnr(frames: Iterator[np.ndarray]) -> np.ndarray:
    """Return (locations,) mean / s.d. over the volumes of one run, its linear trend removed; NaN where nothing varies.

    One pass: sums of y, t y and y² about the first volume.
    """
    n, first = 0, None
    for frame in frames:
        if first is None:
            first = np.nan_to_num(frame.astype(np.float64))
            y_, ty, yy = np.zeros(first.size), np.zeros(first.size), np.zeros(first.size)
        y = frame - first
        y_ += y
        ty += n * y
        yy += y * y
        n += 1
    if first is None or n < 3:
        return np.empty(0) if first is None else np.full(first.size, np.nan)
    middle = (n - 1) / 2
    slope = (ty - middle * y_) / (n * (n * n - 1) / 12)
    variance = yy / n - (y_ / n) ** 2 - slope**2 * (n * n - 1) / 12
    level = np.abs(first + y_ / n)
    with np.errstate(invalid="ignore", divide="ignore"):
        out = level / np.sqrt(variance)
    return np.where(variance > 1e-12 * np.maximum(level, 1e-12) ** 2, out, np.nan)


def _tsnr(subject: Subject, runs: list[Any], maps: dict[str, BrainMap], context: JobContext) -> dict[str, Any]:
    for run in runs[:1]:
        if isinstance(run, tuple) and isinstance(run[0], Preparable):
            run[0].prepare(context=context)
    found = []
    for number, run in enumerate(runs):
        context.report(number, len(runs), f"run {number + 1} of {len(runs)}")
        found.append(run_tsnr(_frames(run, subject)))
    stack = np.stack(found)
    good = np.isfinite(stack).any(0)
    values = np.full(stack.shape[1], np.nan)
    values[good] = np.nanmedian(stack[:, good], axis=0)
    if not good.any():
        return {"why": "No location of the time series varies."}
    level = np.nanmedian(values)
    if level < 1:
        return {"why": f"The time series were centred before they were stored (median mean / s.d. {level:.2g}), so "
                       "they hold no temporal signal to noise."}
    maps["tsnr"] = subject.map(values, f"tSNR · {subject.id}", units="mean / s.d.", definition=DEFINITIONS["tsnr"],
                               provenance={"runs": len(runs)})
    low, middle, high = np.nanpercentile(values, [5, 50, 95])
    return {"runs": len(runs), "per_run": [_finite(np.nanmedian, r) for r in found], "median": float(middle),
            "p5": float(low), "p95": float(high), "histogram": histogram(values)}
