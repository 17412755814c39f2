"""Splits by stimulus id: no image is in two parts, for any subject; named, stored as JSON, checked when loaded.

Within-recording designs whose stimuli repeat in every run (conditions) are split by run instead: :func:`leave_out`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.core.files import read_json, write_json
from brainview.datasets.types import Dataset, Stimuli, Subject, TrialTable

PARTS = ("train", "val", "test")
_FORMAT = "brainview-split 1"


@dataclass(frozen=True, eq=False)
class Split:
    """Stimulus ids of the three parts, ascending.

    Parameters
    ----------
    name : str
    train, val, test : (n,) int64
    story : dict
        Seed, shares, data set, subjects, rule: plain JSON types.
    warnings : tuple of str
        Leaks and strangers found when a stored split was loaded.
    """

    name: str
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    story: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def part(self, name: str) -> np.ndarray:
        """Return the ids of ``train``, ``val`` or ``test``."""
        if name not in PARTS:
            raise MissingError(f"a split has no part {name!r}", remedy="Use train, val or test.")
        return getattr(self, name)

    def of(self, subject: Subject, part: str) -> np.ndarray:
        """Return the ids of a part that this subject has responses to."""
        return np.intersect1d(self.part(part), subject.trials.unique)

    def leaks(self) -> list[str]:
        """Return one sentence per pair of parts that share images; [] for a sound split."""
        found = []
        for i, first in enumerate(PARTS):
            for second in PARTS[i + 1:]:
                both = np.intersect1d(self.part(first), self.part(second))
                if both.size:
                    found.append(f"{both.size:,} images are in {first} and in {second}, the first is {both[0]}; "
                                 "scores on it are too good.")
        return found

    @property
    def key(self) -> str:
        """A hash of the ids of all parts, for cards and caches."""
        digest = hashlib.sha256()
        for part in PARTS:
            digest.update(part.encode() + np.ascontiguousarray(self.part(part), "<i8").tobytes())
        return digest.hexdigest()[:20]

    def save(self, path: os.PathLike | str) -> None:
        """Write the split as JSON, atomically."""
        write_json(path, {"format": _FORMAT, "name": self.name, "story": self.story, "key": self.key,
                          **{p: self.part(p) for p in PARTS}})


def load_split(path: os.PathLike | str, dataset: Dataset | None = None) -> Split:
    """Read a stored split; overlaps of its parts and ids unknown to `dataset` become warnings.

    Raises FormatError for a file that is no split.
    """
    data = read_json(path)
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        raise FormatError(f"is not a split (format {_FORMAT!r})", where=path)
    parts = {}
    for part in PARTS:
        values = data.get(part)
        if not isinstance(values, list) or not all(isinstance(v, int) and not isinstance(v, bool) and abs(v) < 2**62
                                                   for v in values):
            raise FormatError(f"{part} is not a list of stimulus ids", where=path)
        parts[part] = np.unique(np.array(values, np.int64))
    split = Split(str(data.get("name", "loaded")), parts["train"], parts["val"], parts["test"],
                  story=dict(data.get("story") or {}))
    warnings = split.leaks()
    if data.get("key") != split.key:
        warnings.append("The ids were changed since the split was made.")
    if dataset is not None:
        known = np.concatenate([dataset.subject(s).trials.unique for s in dataset.subjects])
        strangers = np.setdiff1d(np.concatenate(list(parts.values())), known)
        if strangers.size:
            warnings.append(f"{strangers.size:,} of its images were shown to no subject of {dataset.name}.")
    return Split(split.name, split.train, split.val, split.test, split.story, tuple(warnings))


def make_split(dataset: Dataset, subjects: list[str] | None = None, *, val: float = 0.1, test: float = 0.1,
               seed: int = 0, name: str = "", layout: bool = True,
               groups: Mapping[int, int] | None = None) -> Split:
    """Divide the stimuli of all `subjects` together, so that no image is in two parts for anyone.

    The layout's own test part is kept as test (`layout`): an image that is in the test part of one subject is test
    for all, also where another subject has it in training. Validation images, and test images where the layout
    defines none, are those with the smallest hash of (seed, id): more subjects or images change few assignments.

    Parameters
    ----------
    val, test : float
        Shares of the images that are not in the layout's test part (`test` only when there is none).
    groups : mapping of id to group, optional
        Images of one group (near duplicates, siblings) stay together.
    """
    names = subjects or dataset.subjects
    opened = [dataset.subject(s) for s in names]
    everything = np.unique(np.concatenate([s.trials.unique for s in opened]))
    own = [s.splits["test"] for s in opened if layout and "test" in s.splits]
    held = np.intersect1d(np.unique(np.concatenate(own)), everything) if own else np.empty(0, np.int64)
    ids = np.setdiff1d(everything, held)
    group_of = groups or {}
    held_groups = {group_of[i] for i in held.tolist() if i in group_of}
    ids = np.array([i for i in ids.tolist() if group_of.get(i) not in held_groups or i not in group_of], np.int64)
    left_out = everything.size - held.size - ids.size
    rest, validation, chosen = divide(ids, val, 0.0 if held.size else test, seed=seed, groups=group_of)
    story = {"dataset": dataset.name, "layout": dataset.layout, "subjects": names, "seed": seed, "val": val,
             "test": "layout" if held.size else test, "by": "stimulus id over all subjects",
             "left_out_as_siblings_of_test": left_out, "phantom": dataset.phantom}
    return Split(name or f"seed {seed}", rest, validation, held if held.size else chosen, story)


def divide(ids: np.ndarray, val: float, test: float, *, seed: int = 0,
           groups: Mapping[int, int] | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (train, val, test) ids by rank of a hash of (seed, group or id).

    Raises MismatchError when the shares leave nothing to train on.
    """
    if val < 0 or test < 0 or val + test >= 1:
        raise MismatchError(f"shares of {val} and {test} leave nothing to train on")
    ids = np.unique(np.asarray(ids, np.int64))
    units = np.array([(groups or {}).get(i, i) for i in ids.tolist()], np.int64)
    order = sorted(np.unique(units).tolist(), key=lambda u: hashlib.sha256(f"{seed}|{u}".encode()).digest())
    n_test, n_val = (max(1, round(share * len(order))) if share > 0 and order else 0 for share in (test, val))
    in_test, in_val = np.isin(units, order[:n_test]), np.isin(units, order[n_test:n_test + n_val])
    train = ids[~in_test & ~in_val]
    if ids.size and not train.size:
        raise MismatchError(f"{ids.size} images are too few for a split with shares {val} and {test}")
    return train, ids[in_val], ids[in_test]


def leave_out(trials: TrialTable, by: str = "run") -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield (run or session, training rows, held-out rows), each run (or session) of a recording held out once.

    Runs are counted inside sessions where both are known. The same stimuli may be on both sides: right for
    decoding conditions, wrong for scoring encoding models of images.

    Raises MissingError when the layout does not say the runs, or there is only one.
    """
    if by not in ("run", "session"):
        raise MissingError(f"rows cannot be left out by {by!r}", remedy="Use run or session.")
    units = trials.session if by == "session" else np.maximum(trials.session, 0) * 10_000 + trials.run
    if ((trials.session if by == "session" else trials.run) < 0).any() or np.unique(units).size < 2:
        raise MissingError(f"the trial table names fewer than two {by}s")
    for number, unit in enumerate(np.unique(units)):
        yield number, np.flatnonzero(units != unit), np.flatnonzero(units == unit)


def same_pictures(stimuli: Stimuli, split: Split, *, limit: int = 20_000) -> list[str]:
    """Return one sentence when pictures of different ids are identical pixel by pixel across parts (a leak by content).

    Reads up to `limit` pictures.
    """
    seen: dict[bytes, tuple[int, str]] = {}
    pairs = []
    for part in PARTS:
        for key in split.part(part)[:limit].tolist():
            try:
                image = stimuli.image(key)
            except MissingError:
                continue
            digest = hashlib.sha256(repr(image.size).encode() + image.tobytes()).digest()
            other = seen.setdefault(digest, (key, part))
            if other[1] != part:
                pairs.append((other[0], key))
    if not pairs:
        return []
    return [f"{len(pairs):,} pictures are in two parts under different ids, the first pair is {pairs[0][0]} and "
            f"{pairs[0][1]}."]
