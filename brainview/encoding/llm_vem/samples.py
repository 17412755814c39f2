"""What the loop takes batches from: which picture of whom, tokens or pictures, responses in the group space."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from brainview.core.errors import MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.types import Stimuli, Subject
from brainview.encoding.llm_vem.group import GroupSpace
from brainview.encoding.llm_vem.trunk import Preprocessing, TokenSpace, Trunk, unflatten
from brainview.features.cache import features_for
from brainview.features.types import FeatureSpace

#: Responses of one subject up to this size are kept in memory; larger ones are read batch by batch.
IN_MEMORY = 1 << 30


@dataclass(frozen=True, eq=False)
class Samples:
    """Rows of one part of the data: (subject number, stimulus id), and where the targets of a row are taken from.

    Parameters
    ----------
    subject, stimulus : (n,) int64
    source : (n,) int64
        Stimulus whose response is the target; differs from `stimulus` only when responses are dealt to wrong images.
    """

    subject: np.ndarray
    stimulus: np.ndarray
    source: np.ndarray

    def __len__(self) -> int:
        return int(self.subject.size)

    def of(self, rows: np.ndarray | slice) -> Samples:
        """Return some of the rows."""
        return Samples(self.subject[rows], self.stimulus[rows], self.source[rows])


def make_samples(ids: Mapping[str, np.ndarray], *, shuffle: bool = False, seed: int = 0) -> Samples:
    """Return the rows of all subjects; `shuffle` deals each subject's responses to its images at random."""
    who = np.concatenate([np.full(len(v), i) for i, v in enumerate(ids.values())]).astype(np.int64)
    what = np.concatenate([np.asarray(v, np.int64) for v in ids.values()])
    source = what
    if shuffle:
        rng = np.random.default_rng([seed, 99])
        source = np.concatenate([rng.permutation(np.asarray(v, np.int64)) for v in ids.values()])
    return Samples(who, what, source)


def limited(ids: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return `count` of the ids, those with the smallest hash of (seed, id), ascending."""
    order = sorted(ids.tolist(), key=lambda i: hashlib.sha256(f"limit|{seed}|{i}".encode()).digest())
    return np.sort(np.array(order[:count], np.int64))


@dataclass(eq=False)
class Responses:
    """Mean betas of subjects in the group space.

    Parameters
    ----------
    people : mapping of subject id to Subject, in the order of their numbers
    group : GroupSpace
    """

    people: Mapping[str, Subject]
    group: GroupSpace
    _kept: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def own(self, name: str, ids: np.ndarray, context: JobContext = QUIET) -> np.ndarray:
        """Return (n, n_s) float32 mean betas of one subject."""
        person = self.people[name]
        every = person.trials.unique
        if 4 * every.size * person.space.size > IN_MEMORY:
            return person.mean_betas(ids, context=context)
        if name not in self._kept:
            self._kept[name] = every, person.mean_betas(every, context=context)
        known, values = self._kept[name]
        return values[np.searchsorted(known, ids)]

    def batch(self, samples: Samples) -> tuple[np.ndarray, np.ndarray]:
        """Return (targets (n, V) float32 with 0 for what is not known, known (n, V) bool)."""
        targets = np.zeros((len(samples), self.group.size), np.float32)
        known = np.zeros(targets.shape, bool)
        for number, name in enumerate(self.people):
            rows = np.flatnonzero(samples.subject == number)
            if rows.size == 0:
                continue
            values = self.own(name, samples.source[rows])
            good = np.isfinite(values)
            at = np.ix_(rows, self.group.columns[name])
            targets[at], known[at] = np.where(good, values, 0), good
        return targets, known


class TokenSource:
    """Tokens of the frozen trunk from the cache of features."""

    def __init__(self, trunk: Trunk, stimuli: Stimuli, people: Mapping[str, Subject],
                 context: JobContext = QUIET) -> None:
        space: FeatureSpace = TokenSpace(trunk)
        self.shapes = trunk.shapes
        self._ids = [person.trials.unique for person in people.values()]
        self._rows = [features_for(space, stimuli, ids, context=context) for ids in self._ids]

    def layers(self, samples: Samples, device: torch.device | str = "cpu") -> list[Tensor]:
        """Return [(n, T, C)...] of the pictures of `samples`."""
        first = self._rows[0]
        out = np.empty((len(samples), first.shape[2]), np.float32)
        for number in np.unique(samples.subject).tolist():
            rows = np.flatnonzero(samples.subject == number)
            out[rows] = self._rows[number][np.searchsorted(self._ids[number], samples.stimulus[rows]), 0]
        return unflatten(torch.from_numpy(out).to(device), self.shapes)


class PictureSource:
    """Pictures, kept small in memory, cropped at random in training and whole in evaluation.

    Parameters
    ----------
    pixels : int
        Side at which they are kept (256 in the paper, bicubic).
    crop : float
        Least area of a random square crop; resized (bicubic) to the trunk's input.
    """

    def __init__(self, stimuli: Stimuli, ids: np.ndarray, form: Preprocessing, *, pixels: int = 256, crop: float = 0.8,
                 flip: float = 0.0, context: JobContext = QUIET) -> None:
        self.form, self.crop, self.flip = form, crop, flip
        self._ids = np.unique(ids)
        self._pictures = np.empty((self._ids.size, pixels, pixels, 3), np.uint8)
        for row, stimulus in enumerate(self._ids.tolist()):
            if row % 50 == 0:
                context.report(row, self._ids.size, "reading pictures")
            image = stimuli.image(stimulus).convert("RGB").resize((pixels, pixels), Image.Resampling.BICUBIC)
            self._pictures[row] = np.asarray(image)

    def batch(self, stimuli: np.ndarray, source: np.random.Generator | None) -> Tensor:
        """Return (n, 3, p, p) normalised pictures: cropped by `source`, or whole when it is None."""
        rows = np.searchsorted(self._ids, stimuli)
        if (rows >= self._ids.size).any() or (self._ids[rows] != stimuli).any():
            raise MissingError("a picture was asked for that was not read", where="pictures")
        side, out = self.form.pixels, np.empty((len(rows), self.form.pixels, self.form.pixels, 3), np.uint8)
        for i, row in enumerate(rows.tolist()):
            image = Image.fromarray(self._pictures[row])
            box = None if source is None else _square(image.width, self.crop, source)
            image = image.resize((side, side), Image.Resampling.BICUBIC, box=box)
            if source is not None and self.flip and source.random() < self.flip:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            out[i] = np.asarray(image)
        return self.form.normalise(out)


def _square(size: int, least: float, source: np.random.Generator) -> tuple[float, float, float, float]:
    """Return the box of a random square whose area is a share in [least, 1] of the picture."""
    side = size * float(np.sqrt(source.uniform(least, 1.0)))
    left, top = source.uniform(0, size - side, 2)
    return float(left), float(top), float(left + side), float(top + side)
