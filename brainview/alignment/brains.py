"""Responses of one person as alignment takes them: chosen voxels, z-scored in their session, on disk once.

z-score: each voxel over the trials of a session (mean 0, s.d. 1); constant or missing voxels become 0. Nothing of the
test images' values enters any weight: reliability is the data set's own ncsnr.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainview.alignment.reliability import denoised_reliability
from brainview.core.errors import MismatchError, MissingError
from brainview.core.files import atomic_path, load_npy
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.core.paths import cache_dir
from brainview.datasets.cache import key_of
from brainview.datasets.preprocessing import zscore
from brainview.datasets.types import Dataset, Subject
from brainview.maps.space import VolumeSpace

#: Grid of the whole-brain encoder.
GRID = (91, 109, 91)


@dataclass(frozen=True, eq=False)
class Brains:
    """One person's trials on the voxels that hold data.

    Parameters
    ----------
    subject : Subject
    values : (trials, k) float16 array, memory-mapped; z-scored in their session
    mask : (X, Y, Z) bool
        Brain (or region) that patches are cut from.
    inside : (k,) int64
        Which of the mask's voxels (C order) the columns are.
    reliability : (k,) float32
        q / sqrt(1 + q^2) of the data set's ncsnr q; ones where the data set has none.
    weighted : bool
        Whether there is a real reliability.
    denoised : (k,) float32, optional
        Share of variance as :func:`~brainview.alignment.reliability.denoised_reliability` tells it.
    """

    subject: Subject
    values: np.ndarray
    mask: np.ndarray
    inside: np.ndarray
    reliability: np.ndarray
    weighted: bool
    denoised: np.ndarray | None = None

    def rows_of(self, ids: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the trials of each stimulus."""
        order = np.argsort(self.subject.trials.stimulus, kind="stable")
        known = self.subject.trials.stimulus[order]
        left, right = np.searchsorted(known, ids, "left"), np.searchsorted(known, ids, "right")
        if (left == right).any():
            raise MissingError("has no trials of some stimuli", where=self.subject.id)
        return tuple(order[a:b] for a, b in zip(left, right, strict=True))

    def mean(self, ids: np.ndarray, *, columns: np.ndarray | None = None, context: JobContext = QUIET) -> np.ndarray:
        """Return (n, k) float32 mean of the repetitions of each stimulus, of some columns if they are named."""
        out = np.empty((len(ids), self.values.shape[1] if columns is None else len(columns)), np.float32)
        for i, rows in enumerate(self.rows_of(ids)):
            if i % 64 == 0:
                context.check()
            mean = np.asarray(self.values[np.sort(rows)], np.float32).mean(0)
            out[i] = mean if columns is None else mean[columns]
        return out


def mni_subject(dataset: Dataset, name: str) -> Subject:
    """Return the subject on the MNI 2 mm grid; raises MissingError when the data set has no such responses."""
    for variant in dataset.variants(name):
        subject = dataset.subject(name, variant)
        root = subject.space.root
        if isinstance(root, VolumeSpace) and tuple(root.shape) == GRID:
            return subject
    raise MissingError(f"has no responses of {name} in MNI 2 mm volumes (91 x 109 x 91)", where=dataset.path,
                       remedy="Transform the volumes to MNI 2 mm first; a phantom of layout nsd has them.")


def region_mask(subject: Subject, region: str | None) -> np.ndarray:
    """Return the 91 x 109 x 91 mask of the brain, or of a region ``class`` or ``class:name``."""
    space = subject.space
    index = np.asarray(getattr(space, "root_index", np.arange(space.size)))
    mask = np.zeros(int(np.prod(GRID)), bool)
    if region in (None, "", "brain"):
        mask[index] = True
        return mask.reshape(GRID)
    group, _, wanted = str(region).partition(":")
    if group not in subject.rois:
        raise MissingError(f"{subject.id} has no regions {group!r}",
                           remedy="It has " + ", ".join(subject.rois) + ".")
    rois = subject.rois[group]
    chosen = rois.mask(wanted) if wanted else np.isin(rois.labels, list(rois.table))
    mask[index[chosen]] = True
    return mask.reshape(GRID)


def load_brains(subject: Subject, *, region: str | None = None, context: JobContext = QUIET) -> Brains:
    """Return the subject's trials on the voxels of a region that hold data in every session."""
    mask = region_mask(subject, region)
    space_index = np.asarray(getattr(subject.space, "root_index", np.arange(subject.space.size)))
    position = np.full(mask.size, -1, np.int64)
    position[np.flatnonzero(mask)] = np.arange(int(mask.sum()))
    wanted = np.flatnonzero(mask.ravel()[space_index])
    columns, values = _zscored(subject, context)
    keep = np.isin(columns, wanted)
    if not keep.any():
        raise MissingError(f"no voxel of {region or 'the brain'} holds data", where=subject.id)
    q, whole = subject.ceiling.ncsnr, columns
    columns = columns[keep]
    inside = position[space_index[columns]]
    if not keep.all():
        values = np.ascontiguousarray(values[:, keep])
    if q is None:
        return Brains(subject, values, mask, inside, np.ones(len(columns), np.float32), False)
    own = np.maximum(np.nan_to_num(np.asarray(q, np.float32)[whole]), 0)
    denoised = denoised_reliability(own, space_index[whole], GRID)[keep]
    own = own[keep]
    return Brains(subject, values, mask, inside, own / np.sqrt(1 + own**2), True, denoised)


def _zscored(subject: Subject, context: JobContext) -> tuple[np.ndarray, np.ndarray]:
    """Return (columns of the subject that hold data, (trials, k) float16) from the cache, made once."""
    trials = subject.trials
    subject.prepare(context=Stage(context, 0, 0.5, "reading volumes"))
    probe = np.asarray(subject.responses.rows(np.arange(min(len(trials), 8))))
    key = key_of("brains", subject.dataset, subject.id, subject.variant, subject.space.key, trials.stimulus,
                 trials.session, probe[:, ::97])
    folder = cache_dir() / "brains"
    folder.mkdir(parents=True, exist_ok=True)
    file, side = folder / f"{key}.npy", folder / f"{key}.columns.npy"
    if not (file.exists() and side.exists()):
        sessions = np.unique(trials.session)
        columns = np.flatnonzero(np.isfinite(probe).all(0))
        with atomic_path(file) as part:
            out = np.lib.format.open_memmap(part, mode="w+", dtype=np.float16, shape=(len(trials), len(columns)))
            for number, session in enumerate(sessions):
                context.report(0.5 + 0.5 * number / len(sessions), 1, "z-scoring sessions")
                rows = np.flatnonzero(trials.session == session)
                if len(rows) < 2:
                    raise MismatchError(f"session {session} has one trial, which cannot be z-scored", where=subject.id)
                out[rows] = np.nan_to_num(zscore(subject.responses.rows(rows)[:, columns]))
            out.flush()
            del out
        with atomic_path(side) as part, open(part, "wb") as handle:
            np.save(handle, columns)
    return np.asarray(load_npy(side)), load_npy(file)
