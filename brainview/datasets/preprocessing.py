"""From a time series (or raw betas) to the rows that models use: detrend, z-score, average blocks or events.

Each step works inside one run or session at a time, so nothing leaks from one run into another and memory stays
bounded by the longest of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainview.core.errors import MismatchError, MissingError
from brainview.core.files import check_allocation
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.cache import key_of
from brainview.datasets.types import Preparable, Responses


@dataclass(frozen=True)
class Steps:
    """What is done to the rows of a recording, in this order.

    Parameters
    ----------
    detrend : str
        ``linear`` (per run) or ``none``.
    zscore : str
        ``run``, ``session`` (over all of its volumes, population s.d.) or ``none``.
    average : str
        ``blocks`` (consecutive volumes of one condition in one run), ``events`` (volumes in a window after each
        onset) or ``none``.
    drop : tuple of str
        Conditions that are left out after z-scoring (``rest``).
    delay, window : float
        For events: seconds from onset to the first volume, and length of the window (0 = the event's duration).
    """

    detrend: str = "none"
    zscore: str = "none"
    average: str = "none"
    drop: tuple[str, ...] = ()
    delay: float = 5.0
    window: float = 0.0

    def __post_init__(self) -> None:
        allowed = {"detrend": ("none", "linear"), "zscore": ("none", "run", "session"),
                   "average": ("none", "blocks", "events")}
        for name, choices in allowed.items():
            if getattr(self, name) not in choices:
                raise MissingError(f"{name} = {getattr(self, name)!r} is not known",
                                   remedy=f"Use {', '.join(choices)}.")

    @property
    def is_plain(self) -> bool:
        """True when the values stay as they are."""
        return self.detrend == "none" and self.zscore == "none"


def linear_detrend(values: np.ndarray) -> np.ndarray:
    """Return (n, locations) values without their least-squares line over rows (its mean included).

    Locations with a NaN become NaN altogether; fewer than three rows only lose their mean.
    """
    from scipy.signal import detrend  # slow to import

    values = np.asarray(values, np.float64)
    lost = ~np.isfinite(values).all(0)
    kind = "linear" if len(values) >= 3 else "constant"
    out = detrend(np.where(lost, 0, values), axis=0, type=kind)
    out[:, lost] = np.nan
    return out


def zscore(values: np.ndarray) -> np.ndarray:
    """Return (n, locations) values with mean 0 and population s.d. 1 over rows, NaN ignored; constant ones are 0."""
    values = np.asarray(values, np.float64)
    good = np.isfinite(values)
    count = np.maximum(good.sum(0), 1)
    centred = np.where(good, values - np.where(good, values, 0).sum(0) / count, np.nan)
    deviation = np.sqrt(np.nansum(centred**2, axis=0) / count)
    flat = deviation <= 1e-12 * np.maximum(1.0, np.abs(np.where(good, values, 0)).max(0, initial=0))
    return np.where(good, centred / np.where(flat, 1, deviation) * ~flat, np.nan)


def blocks_of(labels: np.ndarray, run: np.ndarray, drop: tuple[str, ...] = ()) -> list[np.ndarray]:
    """Return the row numbers of each block: consecutive rows of one label in one run, without dropped labels."""
    if labels.shape != run.shape:
        raise MismatchError(f"there are {labels.size} labels and {run.size} run numbers")
    change = np.flatnonzero((labels[1:] != labels[:-1]) | (run[1:] != run[:-1])) + 1
    return [b for b in np.split(np.arange(labels.size), change) if b.size and str(labels[b[0]]) not in drop]


def events_of(onset: np.ndarray, duration: np.ndarray, run: np.ndarray, volumes: np.ndarray, tr: float,
              delay: float, window: float) -> list[np.ndarray]:
    """Return the row numbers of the volumes behind each event.

    Parameters
    ----------
    onset, duration : (events,) seconds from the start of the event's run
    run : (events,) int, run of each event
    volumes : (rows,) int, run of each volume, in order of time
    tr : float
        Seconds per volume; volume i of a run covers i x tr to (i + 1) x tr.

    Raises
    ------
    MismatchError
        An event whose window holds no volume: it lies outside its run, or run numbers do not fit.
    """
    out = []
    for i in range(onset.size):
        rows = np.flatnonzero(volumes == run[i])
        middle = (np.arange(rows.size) + 0.5) * tr
        start = onset[i] + delay
        stop = start + max(window if window > 0 else float(np.nan_to_num(duration[i])), tr)
        inside = rows[(middle >= start) & (middle < stop)]
        if inside.size == 0:
            raise MismatchError(f"event {i + 1} (run {run[i]}, onset {onset[i]:g} s) has no volume in its window "
                                f"{start:g} to {stop:g} s", remedy="Check onsets (seconds), run numbers, TR and delay.")
        out.append(inside)
    return out


@dataclass(frozen=True, eq=False)
class ProcessedSource:
    """Rows made from rows of a recording; a source for the trial cache.

    Parameters
    ----------
    raw : Responses
        The recording, (volumes, locations).
    raw_key : str
        What decides its content.
    groups : list of (k,) int64
        Input rows averaged into each output row.
    run, session : (volumes,) int32
    steps : Steps
    """

    raw: Responses
    raw_key: str
    groups: list[np.ndarray]
    run: np.ndarray
    session: np.ndarray
    steps: Steps

    def __post_init__(self) -> None:
        if self.raw.shape[0] != self.run.size:
            raise MismatchError(f"the recording has {self.raw.shape[0]:,} volumes, the trial table describes "
                                f"{self.run.size:,}")

    @property
    def trials(self) -> int:
        return len(self.groups)

    @property
    def locations(self) -> int:
        return self.raw.shape[1]

    @property
    def stored(self) -> np.dtype:
        """Always float32."""
        return np.dtype(np.float32)

    def key(self) -> str:
        """Return the key of the cache: recording, table and steps."""
        groups = np.concatenate([np.r_[len(g), g] for g in self.groups]) if self.groups else np.empty(0)
        return key_of("processed", self.raw_key, groups.astype(np.int64), self.run, self.session,
                      (self.steps.detrend, self.steps.zscore))

    def fill(self, out: np.ndarray, context: JobContext = QUIET) -> None:
        """Process run by run (session by session when z-scored so) and write the means of the groups."""
        unit = self.session if self.steps.zscore == "session" else self.run
        owner = np.array([unit[g[0]] for g in self.groups])
        crossing = [i for i, g in enumerate(self.groups) if (unit[g] != owner[i]).any()]
        if crossing:
            raise MismatchError(f"trial {crossing[0] + 1} reaches over the end of its run")
        if isinstance(self.raw, Preparable):
            self.raw.prepare(context=context)
        units = np.unique(unit)
        for number, value in enumerate(units.tolist()):
            context.report(number, units.size, "preprocessing")
            rows = np.flatnonzero(unit == value)
            check_allocation((rows.size, self.locations, 4), np.float64, where=f"run {value}", limit=4 << 30)
            data = self._processed(rows)
            place = np.full(unit.size, -1)
            place[rows] = np.arange(rows.size)
            for i in np.flatnonzero(owner == value):
                out[i] = data[place[self.groups[i]]].mean(0)

    def _processed(self, rows: np.ndarray) -> np.ndarray:
        data = self.raw.rows(rows).astype(np.float64)
        if self.steps.detrend == "linear":
            for run in np.unique(self.run[rows]):
                here = self.run[rows] == run
                data[here] = linear_detrend(data[here])
        return zscore(data) if self.steps.zscore != "none" else data
