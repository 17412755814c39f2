"""Samples of one subject in all its shards, checked when they are opened, and their betas read when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from brainview.core.errors import FormatError, MismatchError
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.cache import fingerprint, key_of
from brainview.datasets.mindeye.tars import Shard, index_shard

PARTS = ("train", "val", "test")
BETAS, IMAGES = "nsdgeneral.npy", ("jpg", "png", "jpeg")
NUMBERS = ("coco73k.npy", "trial.npy", "num_uniques.npy")
#: Rows of betas that every sample has.
ROWS = 3


@dataclass(frozen=True, eq=False)
class Samples:
    """All samples of a subject, part by part in the order of the shards.

    Parameters
    ----------
    shards : tuple of Shard
    shard, place : (n,) int64
        Shard of each sample and its place in it.
    part : (n,) int8
        Position in :data:`PARTS`.
    stimulus, trial, repeats : (n,) int64
        0-based 73k id, first trial, number of real repetitions 1 to 3.
    voxels : int
    problems : tuple of str
    """

    shards: tuple[Shard, ...]
    shard: np.ndarray
    place: np.ndarray
    part: np.ndarray
    stimulus: np.ndarray
    trial: np.ndarray
    repeats: np.ndarray
    voxels: int
    problems: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.stimulus)

    def of(self, part: str) -> np.ndarray:
        """Return the samples of a part, in the order of the shards (for ``test``: BrainHub's positions)."""
        return np.flatnonzero(self.part == PARTS.index(part))

    def picture(self, sample: int) -> tuple[bytes, str]:
        """Return bytes and name of a sample's picture."""
        shard, place = self.shards[int(self.shard[sample])], int(self.place[sample])
        extension = next(e for e in IMAGES if shard.has(e)[place])
        return shard.read(place, extension), shard.name(place, extension)


def open_samples(shards: Sequence[tuple[str, Path]]) -> Samples:
    """Index the shards (part, file) of one subject and check every sample; betas stay unread.

    Samples without a picture are left out and told. Raises FormatError or MismatchError for everything that cannot be
    lived with: a cut or foreign file, missing arrays, betas of another shape, impossible counts, an image twice.
    """
    opened, columns, problems = [], [], []
    voxels = 0
    for number, (part, path) in enumerate(shards):
        shard = index_shard(path, (BETAS, *NUMBERS))
        seen = np.any([shard.has(e) for e in IMAGES], axis=0)
        if not seen.all():
            first = shard.keys[int(np.flatnonzero(~seen)[0])]
            problems.append(f"{path.name}: {int((~seen).sum())} of {len(shard)} samples have no picture, the first is "
                            f"{first}; they are left out.")
        voxels = _check_betas(shard, voxels)
        stimulus, trial, repeats = (_integers(shard, e) for e in NUMBERS)
        bad = np.flatnonzero((repeats < 1) | (repeats > ROWS))
        if bad.size:
            raise FormatError(f"num_uniques is {repeats[bad[0]]}, 1 to {ROWS} were expected",
                              where=shard.name(int(bad[0]), NUMBERS[2]), remedy="Build the shard again.")
        if (stimulus < 0).any():
            raise FormatError("names a negative image", where=shard.name(int(np.argmin(stimulus)), NUMBERS[0]))
        keep = np.flatnonzero(seen)
        opened.append(shard)
        columns.append(np.stack([np.full(keep.size, number), keep, np.full(keep.size, PARTS.index(part)),
                                 stimulus[keep], trial[keep], repeats[keep]]))
    table = np.concatenate(columns, 1)
    problems += _overlaps(table[2], table[3])
    return Samples(tuple(opened), table[0], table[1], table[2], table[3], table[4], table[5], voxels, tuple(problems))


def _integers(shard: Shard, extension: str) -> np.ndarray:
    values = shard.small(extension)
    if values.dtype.kind not in "iu" or values.size != len(shard):
        raise FormatError(f"{extension} is {values.dtype} {values.shape[1:]}, one whole number was expected",
                          where=shard.path)
    return values.reshape(-1).astype(np.int64)


def _check_betas(shard: Shard, voxels: int) -> int:
    for sample, (shape, dtype, _) in enumerate(shard.heads(BETAS)):
        voxels = voxels or (shape[1] if len(shape) == 2 else 0)
        if len(shape) != 2 or shape != (ROWS, voxels) or dtype.kind != "f":
            raise MismatchError(f"is {dtype} {shape}, float ({ROWS}, {voxels:,}) was expected",
                                where=shard.name(sample, BETAS), remedy="All shards must be of one subject.")
    return voxels


def _overlaps(part: np.ndarray, stimulus: np.ndarray) -> list[str]:
    problems = []
    for number, name in enumerate(PARTS):
        ids = stimulus[part == number]
        if np.unique(ids).size < ids.size:
            problems.append(f"{ids.size - np.unique(ids).size} images occur twice in {name}.")
        for other in range(number + 1, len(PARTS)):
            both = np.intersect1d(ids, stimulus[part == other])
            if both.size:
                problems.append(f"{both.size} images are in {name} and in {PARTS[other]}: scores on them are too good.")
    return problems


@dataclass(frozen=True, eq=False)
class TarBetas:
    """Betas of samples as trials x voxels; a source for the trial cache.

    Parameters
    ----------
    samples : Samples
    sample, row : (trials,) int64
        Which sample each trial is of, and which of its rows.
    """

    samples: Samples
    sample: np.ndarray
    row: np.ndarray

    @property
    def trials(self) -> int:
        """Rows."""
        return len(self.sample)

    @property
    def locations(self) -> int:
        """Columns."""
        return self.samples.voxels

    @cached_property
    def stored(self) -> np.dtype:
        """float16 as in the files, float32 when a file holds more."""
        kinds = {h[1].itemsize for s in self.samples.shards for h in s.heads(BETAS)}
        return np.dtype(np.float16 if kinds == {2} else np.float32)

    def key(self) -> str:
        """Return the key of the cache."""
        return key_of("mindeye", [fingerprint(s.path) for s in self.samples.shards], self.sample, self.row)

    def fill(self, out: np.ndarray, context: JobContext = QUIET) -> None:
        """Read every shard once, in its own order; raises FormatError for betas that are NaN or infinite."""
        order = np.argsort(self.sample, kind="stable")
        for number, shard in enumerate(self.samples.shards):
            context.report(number, len(self.samples.shards), f"indexing {shard.path.name}")
            rows = order[self.samples.shard[self.sample[order]] == number]
            with open(shard.path, "rb") as file:
                self._fill_shard(out, shard, file, rows, context)

    def _fill_shard(self, out: np.ndarray, shard: Shard, file, rows: np.ndarray, context: JobContext) -> None:
        heads = shard.heads(BETAS)
        last, data = -1, np.empty(0)
        for count, trial in enumerate(rows.tolist()):
            place = int(self.samples.place[self.sample[trial]])
            if place != last:
                shape, dtype, offset = heads[place]
                file.seek(offset)
                data = np.frombuffer(file.read(shape[0] * shape[1] * dtype.itemsize), dtype).reshape(shape)
                last = place
                if not np.isfinite(data).all():
                    raise FormatError(f"holds {int((~np.isfinite(data)).sum()):,} NaN or infinite betas",
                                      where=shard.name(place, BETAS), remedy="Build the shard again.")
            out[trial] = data[int(self.row[trial])]
            if count % 256 == 0:
                context.check()
