"""Splits: by image over all subjects (no leak), or the published ones per subject, which leak shared images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import FormatError
from brainview.core.files import read_json, write_json
from brainview.datasets.splits import PARTS, Split, load_split, make_split
from brainview.datasets.types import Dataset, Subject
from brainview.training.run import RunFolder

FILE, OWN = "split.json", "split_by_subject.json"
SHARES = (0.85, 0.10, 0.05)


@dataclass(frozen=True, eq=False)
class SubjectSplit(Split):
    """A split whose parts differ between subjects: ``tables`` {subject: {part: ids}}; the parts are the unions."""

    tables: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)

    def of(self, subject: Subject, part: str) -> np.ndarray:
        """Return the ids of a part of this subject."""
        super().part(part)
        return np.intersect1d(self.tables[subject.id][part], subject.trials.unique)


def seed_of(subject: str, year: int = 2023) -> int:
    """Return the seed of the published split of a subject: an MD5 of the argument tuple's text, modulo 2^31."""
    text = str(("generate_splits", "training-official", subject, year))
    return int(hashlib.md5(text.encode()).hexdigest(), 16) % 2**31


def original_parts(count: int, seed: int, shares: tuple[float, ...] = SHARES) -> list[np.ndarray]:
    """Return the rows of train, val and testval: a seeded permutation, cut at rounded cumulative shares, sorted."""
    ends = np.round(np.cumsum(np.asarray(shares) * count)).astype(int)
    order = np.random.default_rng(seed).permutation(count)
    return [np.sort(order[a:b]) for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def make(folder: RunFolder, dataset: Dataset, subjects: list[str], *, kind: str, val: float, test: float,
         seed: int, start: str = "") -> Split:
    """Return the run's stored split, made once.

    Parameters
    ----------
    kind : str
        ``image``: by stimulus id over all subjects; ``original``: dataset/generate_splits.py of
        childmindresearch/algonauts23, image-blind, so that shared images may be in one subject's train and another's
        val; loading it says so. Its 5 % testval is the test part where the layout has none.
    start : str
        A run that was trained on other people: what it was trained on is taken out of val and test.
    """
    file = folder.path / FILE
    if not file.exists():
        if start or kind == "image":
            found = make_split(dataset, subjects, val=val, test=test, seed=seed)
            (_unseen(found, open_split(RunFolder.open(start)).train) if start else found).save(file)
        else:
            _original(file, dataset, subjects)
    return open_split(folder)


def _unseen(split: Split, seen: np.ndarray) -> Split:
    """Return the split without what another training saw in its val and test."""
    val, test = np.setdiff1d(split.val, seen), np.setdiff1d(split.test, seen)
    out = split.val.size + split.test.size - val.size - test.size
    return Split(split.name, split.train, val, test, {**split.story, "left_out_as_seen_by_start": out})


def _original(file: Path, dataset: Dataset, subjects: list[str]) -> None:
    tables: dict[str, dict[str, np.ndarray]] = {}
    for name in subjects:
        person = dataset.subject(name)
        ids = np.sort(person.splits.get("train", person.trials.unique))
        parts = [ids[rows] for rows in original_parts(ids.size, seed_of(name))]
        tables[name] = dict(zip(PARTS, parts, strict=True))
        if "test" in person.splits:
            tables[name]["test"] = np.sort(person.splits["test"])
    union = {p: np.unique(np.concatenate([t[p] for t in tables.values()])) for p in PARTS}
    write_json(file.with_name(OWN), {n: {p: v.tolist() for p, v in t.items()} for n, t in tables.items()})
    story = {"dataset": dataset.name, "layout": dataset.layout, "subjects": subjects,
             "by": "row within subject, as published: shared images leak between subjects", "phantom": dataset.phantom}
    Split("original", union["train"], union["val"], union["test"], story).save(file)


def open_split(folder: RunFolder) -> Split:
    """Return the split of a run, per subject where it is stored so."""
    split = load_split(folder.path / FILE)
    own = folder.path / OWN
    if not own.exists():
        return split
    data: Any = read_json(own)
    try:
        tables = {n: {p: np.array(t[p], np.int64) for p in PARTS} for n, t in data.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        raise FormatError("is no table of splits by subject", where=own) from err
    return SubjectSplit(split.name, split.train, split.val, split.test, split.story, split.warnings, tables)
