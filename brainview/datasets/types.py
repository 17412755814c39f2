"""Subjects, their trials and their stimuli, whatever layout they came from."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from brainview.core.errors import MismatchError, MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.maps.brainmap import BrainMap
from brainview.maps.rois import RoiClass
from brainview.maps.space import Space

#: Bytes of one read after which the pages of a mapped file are let go.
LARGE = 8 << 20


class Responses(Protocol):
    """Betas of one subject: trials x locations, read in rows, never as a whole unless asked for."""

    @property
    def shape(self) -> tuple[int, int]:
        """(trials, locations)."""

    def rows(self, index: np.ndarray | slice) -> np.ndarray:
        """Return (n, locations) float32 betas of the trials at `index`; NaN = no data."""


@runtime_checkable
class Preparable(Protocol):
    """Responses that must be indexed or preprocessed once before rows are cheap (NSD sessions, time series)."""

    def prepare(self, *, context: JobContext = QUIET) -> None:
        """Build what is missing of the cache, with progress and cancel; quick when nothing is missing."""


@dataclass(frozen=True, eq=False)
class ArrayResponses:
    """Responses in one array (memory-mapped or not), with a factor from stored numbers to betas.

    Parameters
    ----------
    array : (trials, locations) array of any number type
    scale : float
        Stored value x scale = beta (NSD's int16: 1 / 300).
    """

    array: np.ndarray
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        return self.array.shape[0], self.array.shape[1]

    def rows(self, index: np.ndarray | slice) -> np.ndarray:
        out = np.array(self.array[index], dtype=np.float32)
        if out.nbytes >= LARGE:
            release(self.array)
        return out * np.float32(self.scale) if self.scale != 1.0 else out


def release(array: np.ndarray) -> None:
    """Let go of the pages of a memory-mapped file that were read; they stay in the system's cache of the file.

    Otherwise a pass over all subjects counts 12 GB of mapped files as memory of the process. Does nothing for arrays
    in memory, or where the system has no such call.
    """
    pages = getattr(array, "_mmap", None)
    if pages is not None and hasattr(mmap, "MADV_DONTNEED") and array.flags.writeable is False:
        pages.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True, eq=False)
class TrialTable:
    """One row per trial, in the order of the responses.

    Parameters
    ----------
    stimulus : (n,) int64
        Stimulus id of the data set (NSD: 0-based 73k id).
    session, run, repetition : (n,) int32
        0-based; -1 where the layout does not say. `repetition` counts the showings of that image to that subject.
    averaged : (n,) int32
        Presentations averaged into this row (1 = a single trial; 0 = unknown).
    extra : dict
        Other columns of the layout, each (n,).
    """

    stimulus: np.ndarray
    session: np.ndarray
    run: np.ndarray
    repetition: np.ndarray
    averaged: np.ndarray
    extra: dict[str, np.ndarray] = field(default_factory=dict)

    @staticmethod
    def of(stimulus: Sequence[int] | np.ndarray, session: Any = None, run: Any = None, repetition: Any = None,
           averaged: Any = 1, extra: dict[str, np.ndarray] | None = None) -> TrialTable:
        """Build a table, filling what is not known with -1 and counting repetitions when they are not given."""
        ids = np.asarray(stimulus, dtype=np.int64)

        def column(value: Any, default: int) -> np.ndarray:
            return np.broadcast_to(np.asarray(default if value is None else value, np.int32), ids.shape).copy()

        if repetition is None:
            seen: dict[int, int] = {}
            repetition = np.empty(ids.size, np.int32)
            for i, s in enumerate(ids.tolist()):
                repetition[i] = seen.get(s, 0)
                seen[s] = repetition[i] + 1
        return TrialTable(ids, column(session, -1), column(run, -1), column(repetition, 0), column(averaged, 1),
                          dict(extra or {}))

    def __len__(self) -> int:
        return int(self.stimulus.size)

    @cached_property
    def unique(self) -> np.ndarray:
        """Ascending distinct stimulus ids."""
        return np.unique(self.stimulus)


@dataclass(frozen=True, eq=False)
class Ceiling:
    """Reliability of the responses, as ncsnr or as a finished noise ceiling.

    Parameters
    ----------
    source : str
        ``ncsnr``, ``single trials``, ``split halves``, ``shipped``, ``phantom truth`` or ``none``.
    ncsnr : (locations,) float32, optional
        Signal s.d. / noise s.d. of a single trial.
    fraction : (locations,) float32, optional
        Noise ceiling of R² as a fraction 0..1 for the rows that the layout evaluates.
    note : str
        What a reader must know (recomputed, approximated, other space ...).
    """

    source: str
    ncsnr: np.ndarray | None = None
    fraction: np.ndarray | None = None
    note: str = ""

    def for_repeats(self, repeats: np.ndarray | int) -> np.ndarray | None:
        """Return (locations,) the ceiling fraction for images averaged over `repeats` showings each.

        NC = ncsnr² / (ncsnr² + mean(1 / repeats)) (NSD data manual); `fraction` as it is when only that is known;
        None when there is no ceiling.
        """
        if self.ncsnr is not None:
            q2 = np.square(self.ncsnr.astype(np.float64))
            inverse = float(np.mean(1.0 / np.maximum(np.asarray(repeats, np.float64), 1.0)))
            return (q2 / (q2 + inverse)).astype(np.float32)
        return self.fraction


NO_CEILING = Ceiling("none", note="The data hold neither repetitions nor a ceiling, so none is shown.")


@dataclass(frozen=True, eq=False)
class Subject:
    """One person's responses, trial table, ROIs and ceiling; lazy.

    Parameters
    ----------
    id : str
        ``subj01`` ...
    space : Space
        Where the columns of `responses` are.
    trials : TrialTable
        Rows of `responses`.
    responses : Responses
    rois : mapping of str to RoiClass
        May load a class when it is asked for.
    ceiling : Ceiling
    splits : dict of str to (n,) int64
        Stimulus ids of the parts that the layout itself defines (``train``, ``test``...).
    anatomy : dict of str to Path
        Subject's own anatomical files by role (``T1``, ``brainmask`` ...).
    dataset : str
        Name of the data set.
    phantom : bool
        True for simulated brains.
    variant : str
        Which of several response sets of the layout this is (NSD: ``fsaverage/betas_fithrf``).
    problems : tuple of str
        What the reader noticed and could live with, one sentence each.
    """

    id: str
    space: Space
    trials: TrialTable
    responses: Responses
    rois: Mapping[str, RoiClass] = field(default_factory=dict)
    ceiling: Ceiling = NO_CEILING
    splits: dict[str, np.ndarray] = field(default_factory=dict)
    anatomy: dict[str, Path] = field(default_factory=dict)
    dataset: str = ""
    phantom: bool = False
    variant: str = ""
    problems: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        trials, locations = self.responses.shape
        if trials != len(self.trials) or locations != self.space.size:
            raise MismatchError(
                f"has responses of {trials:,} x {locations:,}, its trial table has {len(self.trials):,} rows and its "
                f"space {self.space.size:,} locations", where=f"{self.dataset} {self.id}".strip())

    def prepare(self, *, context: JobContext = QUIET) -> None:
        """Index or preprocess the responses once, with progress; returns at once when there is nothing to do."""
        if isinstance(self.responses, Preparable):
            self.responses.prepare(context=context)

    def mean_betas(self, ids: np.ndarray, *, context: JobContext = QUIET,
                   rows_at_once: int | None = None) -> np.ndarray:
        """Return (len(ids), locations) float32 betas averaged over the repetitions of each stimulus (NaN ignored)."""
        ids = np.asarray(ids, np.int64)
        out = np.empty((ids.size, self.space.size), np.float32)
        for start, block in self.iterate_means(ids, rows_at_once=rows_at_once, context=context):
            out[start:start + len(block)] = block
        return out

    def iterate_means(self, ids: np.ndarray, *, rows_at_once: int | None = None,
                      context: JobContext = QUIET) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (start, (m, locations) float32) blocks of mean betas in the order of `ids`; never the whole.

        `rows_at_once` defaults to what keeps a block at about 48 MB (at most 256 stimuli).
        Raises MissingError when an id was never shown to this subject.
        """
        order = np.argsort(self.trials.stimulus, kind="stable")
        sorted_ids = self.trials.stimulus[order]
        left = np.searchsorted(sorted_ids, ids, "left")
        right = np.searchsorted(sorted_ids, ids, "right")
        unseen = np.asarray(ids)[left == right]
        if unseen.size:
            words = f"stimulus {unseen[0]} was never shown" if unseen.size == 1 else \
                f"{unseen.size:,} of the stimuli were never shown, the first is {unseen[0]}"
            raise MissingError(words, where=f"{self.dataset} {self.id}".strip())
        self.prepare(context=context)
        if rows_at_once is None:
            rows_at_once = int(np.clip((48 << 20) // max(1, 4 * self.space.size), 1, 256))
        for start in range(0, len(ids), rows_at_once):
            context.report(start, len(ids), "reading betas")
            stop = min(start + rows_at_once, len(ids))
            groups = [order[left[i]:right[i]] for i in range(start, stop)]
            rows = np.concatenate(groups)
            unique, inverse = np.unique(rows, return_inverse=True)
            data = self.responses.rows(unique)[inverse]
            counts = np.array([len(g) for g in groups])
            if (counts == 1).all():
                yield start, data
                continue
            edges = np.concatenate([[0], np.cumsum(counts)[:-1]])
            good = np.isfinite(data)
            total = np.add.reduceat(np.where(good, data, 0), edges, axis=0)
            number = np.add.reduceat(good, edges, axis=0, dtype=np.int32)
            with np.errstate(invalid="ignore", divide="ignore"):
                yield start, (total / number).astype(np.float32)

    def repeats(self, ids: np.ndarray) -> np.ndarray:
        """Return (len(ids),) int32 presentations behind the mean beta of each stimulus."""
        ids = np.asarray(ids, np.int64)
        unique, inverse = np.unique(self.trials.stimulus, return_inverse=True)
        total = np.bincount(inverse, weights=np.maximum(self.trials.averaged, 1)).astype(np.int32)
        return total[np.searchsorted(unique, ids)]

    def map(self, values: np.ndarray, name: str, **fields: Any) -> BrainMap:
        """Return a BrainMap on this subject's space that says whose it is."""
        story = {"dataset": self.dataset, "subject": self.id, "phantom": self.phantom, **fields.pop("provenance", {})}
        return BrainMap(values, self.space, name=name, provenance=story, **fields)


class Stimuli(Protocol):
    """What was shown: id -> picture, words, boxes."""

    @property
    def ids(self) -> np.ndarray:
        """(n,) ascending int64 stimulus ids."""

    def image(self, stimulus: int) -> Image.Image:
        """Return the RGB picture; raises MissingError when there is none."""

    def captions(self, stimulus: int) -> list[str]:
        """Return human captions, [] when the layout has none."""

    def details(self, stimulus: int) -> dict[str, Any]:
        """Return what else is known: description, boxes [{label, box (x0,y0,x1,y1) 0..1}], questions, category."""


class Dataset(Protocol):
    """One data set on disk, read by the reader of its layout."""

    @property
    def layout(self) -> str:
        """Name of the layout."""

    @property
    def path(self) -> Path:
        """Folder of the data set."""

    @property
    def name(self) -> str:
        """What the data set is called on screen and in provenance."""

    @property
    def phantom(self) -> bool:
        """True for simulated brains."""

    @property
    def stimuli(self) -> Stimuli:
        """What was shown, of all subjects together."""

    @property
    def subjects(self) -> list[str]:
        """Subject ids in order."""

    def variants(self, subject: str) -> list[str]:
        """Return the response sets of one subject, the default first; [""] when the layout has only one."""

    def subject(self, subject: str, variant: str | None = None) -> Subject:
        """Open one subject lazily (headers only); MissingError lists what there is for an unknown name."""

    def inspect(self) -> dict[str, Any]:
        """Return what is in this folder as plain types: layout, subjects, counts, ROIs, ceilings, problems."""
