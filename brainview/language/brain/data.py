"""What an encoder reads and what it aims at: voxels of subjects, tokens of pictures, the parts they are split into."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainview.core.errors import MismatchError, MissingError
from brainview.core.files import atomic_path, load_npy
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.core.paths import cache_dir
from brainview.datasets.cache import key_of
from brainview.datasets.preprocessing import zscore
from brainview.datasets.splits import Split, make_split
from brainview.datasets.types import Dataset, Subject

#: Layouts whose betas are z-scored within each session already.
SCORED = ("mindeye", "mindeye2")
#: Region that is taken when none is named, where the subject has it.
DEFAULT_REGION = "nsdgeneral"


@dataclass(frozen=True, eq=False)
class Voxels:
    """z-scored betas of one subject, ready to be read in rows.

    Parameters
    ----------
    subject : Subject
    columns : (V,) int64
        Locations of the subject's space that are read, ascending.
    weight : (V,) float32
        Factor on every voxel (all 1, or reliability).
    stored : (trials, locations) float16 array, optional
        z-scored betas of all locations, for layouts that are not z-scored themselves.
    """

    subject: Subject
    columns: np.ndarray
    weight: np.ndarray
    stored: np.ndarray | None = None

    @property
    def size(self) -> int:
        """V."""
        return int(self.columns.size)

    def rows(self, index: np.ndarray) -> np.ndarray:
        """Return (n, V) float32 weighted betas of trials (any order, with repeats)."""
        unique, inverse = np.unique(np.asarray(index), return_inverse=True)
        if self.stored is not None:
            values = np.asarray(self.stored[unique], np.float32)
        else:
            values = self.subject.responses.rows(unique)
        if self.columns.size != values.shape[1]:
            values = values[:, self.columns]
        return (np.nan_to_num(values) * self.weight)[inverse]

    def trials_of(self, ids: np.ndarray) -> list[np.ndarray]:
        """Return the rows of every stimulus; raises MissingError when one was never shown."""
        table = self.subject.trials.stimulus
        order = np.argsort(table, kind="stable")
        left, right = (np.searchsorted(table[order], ids, side) for side in ("left", "right"))
        if (left == right).any():
            raise MissingError(f"image {int(np.asarray(ids)[left == right][0])} was never shown",
                               where=f"{self.subject.dataset} {self.subject.id}")
        return [order[a:b] for a, b in zip(left, right, strict=True)]

    def mean(self, ids: np.ndarray) -> np.ndarray:
        """Return (n, V) means over the repetitions of each stimulus."""
        groups = self.trials_of(np.asarray(ids, np.int64))
        rows = self.rows(np.concatenate(groups)) if groups else np.zeros((0, self.size), np.float32)
        edges = np.concatenate([[0], np.cumsum([len(g) for g in groups])[:-1]]).astype(int)
        counts = np.array([len(g) for g in groups], np.float32)
        return np.add.reduceat(rows, edges, axis=0) / counts[:, None]

    def mask(self, roi: str) -> np.ndarray:
        """Return (V,) bool of ``class``, ``class:region`` or a region's bare name; raises MissingError with a list."""
        where = region_mask(self.subject, roi)
        return where[self.columns]


def region_mask(subject: Subject, name: str) -> np.ndarray:
    """Return (locations,) bool of ``class``, ``class:region``, or the first class that has a region of that name."""
    head, _, region = name.partition(":")
    if head in subject.rois:
        roi = subject.rois[head]
        return roi.mask(region) if region else (roi.labels > 0)
    for key in subject.rois:
        for label in subject.rois[key].table.values():
            if label.name == name:
                return subject.rois[key].mask(name)
    known = sorted({label.name for key in subject.rois for label in subject.rois[key].table.values()})
    raise MissingError(f"{subject.id} has no region {name!r}",
                       remedy="It has " + (", ".join([*subject.rois, *known]) or "none") + ".")


def load_voxels(dataset: Dataset, name: str, *, region: str = "", weighting: str = "none", padded: bool = False,
                context: JobContext = QUIET) -> Voxels:
    """Return the voxels of a subject.

    Parameters
    ----------
    region : str
        Class of ROIs or class:region; "" = ``nsdgeneral`` where there is one, else every location with data.
    weighting : str
        ``reliability``: betas times q / sqrt(1 + q²) of the shipped ncsnr, divided by the root mean square of the
        weights. Raises MissingError when no ncsnr is shipped.
    padded : bool
        Three rows per sample as upstream reads them (MindEye's tars only).
    """
    variant = "padded" if padded and "padded" in dataset.variants(name) else None
    subject = dataset.subject(name, variant)
    subject.prepare(context=Stage(context, 0, 0.6, f"reading {name}"))
    stored = None if dataset.layout in SCORED else _scored(subject, Stage(context, 0.6, 1.0))
    probe = subject.responses.rows(np.arange(min(4, len(subject.trials)))) if stored is None else stored[:4]
    inside = np.isfinite(np.asarray(probe)).all(0)
    if region or DEFAULT_REGION in subject.rois:
        inside &= region_mask(subject, region or DEFAULT_REGION)
    columns = np.flatnonzero(inside)
    if columns.size == 0:
        raise MissingError(f"no voxel of {region or 'the brain'} holds data", where=name)
    weight = np.ones(columns.size, np.float32)
    if weighting == "reliability":
        q = subject.ceiling.ncsnr
        if q is None:
            raise MissingError(f"{name} has no ncsnr, by which voxels would be weighted", remedy="Set weighting=none.")
        q = np.maximum(np.nan_to_num(np.asarray(q, np.float32)[columns]), 0)
        weight = q / np.sqrt(1 + q**2)
        weight = (weight / max(1e-6, float(np.sqrt(np.mean(weight**2))))).astype(np.float32)
    return Voxels(subject, columns, weight, stored)


def _scored(subject: Subject, context: JobContext) -> np.ndarray:
    """Return (trials, locations) float16 betas z-scored within each session, made once; NaN stays NaN."""
    trials = subject.trials
    key = key_of("brainx", subject.dataset, subject.id, subject.variant, subject.space.key, trials.stimulus,
                 trials.session, subject.responses.rows(np.arange(min(4, len(trials))))[:, ::97])
    file = cache_dir() / "brainx" / f"{key}.npy"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        sessions = np.unique(trials.session)
        with atomic_path(file) as part:
            out = np.lib.format.open_memmap(part, mode="w+", dtype=np.float16, shape=(len(trials), subject.space.size))
            for number, session in enumerate(sessions):
                context.report(number, len(sessions), "z-scoring sessions")
                rows = np.flatnonzero(trials.session == session)
                if len(rows) < 2:
                    raise MismatchError(f"session {session} has one trial, which cannot be z-scored", where=subject.id)
                out[rows] = zscore(subject.responses.rows(rows))
            out.flush()
            del out
    return load_npy(file)


def split_of(dataset: Dataset, names: Sequence[str], *, val: float, seed: int) -> Split:
    """Return the parts: the layout's own where it defines validation and test, else test of the layout, val by hash.

    A picture that is test or validation for one of the subjects is in training for none.
    """
    people = [dataset.subject(n) for n in names]
    if not all("val" in p.splits and "test" in p.splits for p in people):
        return make_split(dataset, list(names), val=val, test=0.1, seed=seed)
    test, held, rest = (np.unique(np.concatenate([p.splits.get(part, np.empty(0, np.int64)) for p in people]))
                        for part in ("test", "val", "train"))
    held = np.setdiff1d(held, test)
    rest = np.setdiff1d(np.setdiff1d(rest, test), held)
    return Split("layout", rest, held, test, {"dataset": dataset.name, "layout": dataset.layout,
                                              "subjects": list(names), "by": "the layout's own parts",
                                              "phantom": dataset.phantom})


def fixed_subset(ids: np.ndarray, ratio: float, seed: int) -> np.ndarray:
    """Return the share of ids with the smallest hash of (seed, id), ascending: small shares lie in larger ones."""
    ids = np.unique(np.asarray(ids, np.int64))
    count = max(1, round(ratio * ids.size))
    order = sorted(ids.tolist(), key=lambda i: hashlib.sha256(f"{seed}|{i}".encode()).digest())
    return np.sort(np.array(order[:count], np.int64))


@dataclass(frozen=True, eq=False)
class Targets:
    """Tokens of the tower for a set of pictures.

    Parameters
    ----------
    ids : (n,) ascending int64
    tokens : (n, N, D) float32, memory-mapped
    mean : (N, D) float32; spread : (D,) float32
        What is taken off and divided by before the loss: 0 and 1, or statistics of the training pictures.
    """

    ids: np.ndarray
    tokens: np.ndarray
    mean: np.ndarray
    spread: np.ndarray

    def raw(self, ids: np.ndarray) -> np.ndarray:
        """Return (n, N, D) float32 tokens as the tower gives them."""
        rows = np.searchsorted(self.ids, ids)
        unique, inverse = np.unique(rows, return_inverse=True)
        return np.asarray(self.tokens[unique], np.float32)[inverse]

    def of(self, ids: np.ndarray) -> np.ndarray:
        """Return (n, N, D) float32 in the units of the loss."""
        return (self.raw(ids) - self.mean) / self.spread

    def back(self, tokens: np.ndarray) -> np.ndarray:
        """Return tokens in the tower's own units from those of the loss."""
        return tokens * self.spread + self.mean


def make_targets(space: Any, dataset: Dataset, ids: np.ndarray, train: np.ndarray, *, scale: int = 0,
                 standardise: bool = False, statistics: Mapping[str, np.ndarray] | None = None,
                 context: JobContext = QUIET) -> Targets:
    """Compute (or find in the cache) the tokens of `ids`; statistics are those of `train`, or given."""
    from brainview.features.cache import features_for

    ids = np.unique(np.asarray(ids, np.int64))
    tokens = features_for(space, dataset.stimuli, ids, context=context)
    if scale:
        import torch

        from brainview.features.towers import pooled

        tokens = np.concatenate([pooled(torch.from_numpy(np.array(tokens[a:a + 256])), scale).numpy()
                                 for a in range(0, len(tokens), 256)])
    shape = tokens.shape[1:]
    if statistics is not None:
        return Targets(ids, tokens, statistics["mean"], statistics["spread"])
    if not standardise:
        return Targets(ids, tokens, np.zeros(shape, np.float32), np.ones(shape[1], np.float32))
    rows = np.searchsorted(ids, np.unique(train))
    total, square = np.zeros(shape), np.zeros(shape)
    for start in range(0, len(rows), 256):
        block = np.asarray(tokens[rows[start:start + 256]], np.float64)
        total += block.sum(0)
        square += (block**2).sum(0)
    mean = total / len(rows)
    spread = np.sqrt(np.maximum(square / len(rows) - mean**2, 0).mean(0))
    return Targets(ids, tokens, mean.astype(np.float32), np.maximum(spread, 1e-6).astype(np.float32))
