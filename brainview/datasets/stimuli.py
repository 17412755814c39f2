"""Stimuli of the layouts: picture files, picture bricks, named conditions; words and boxes from side files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainview.core.errors import FormatError, MissingError
from brainview.core.files import check_allocation, read_json, read_text
from brainview.datasets.hdf5 import dataset_of, open_hdf5
from brainview.datasets.images import load_image

#: Folder beside a phantom's data set; its presence labels everything read from it as simulated (phantom.md 3.9).
TRUTH_FOLDER = "phantom_truth"


def truth_folder(path: Path) -> Path | None:
    """Return the folder of known truth of the data set at `path` (or one of its subjects), None for real data."""
    for root in (path, path.parent):
        if (root / TRUTH_FOLDER).is_dir():
            return root / TRUTH_FOLDER
    return None


@dataclass(frozen=True)
class Words:
    """Captions, boxes and other knowledge about stimuli, by id; empty when the data set has none."""

    captions: Mapping[int, list[str]] = field(default_factory=dict)
    details: Mapping[int, dict[str, Any]] = field(default_factory=dict)


def read_scenes(path: Path) -> Words:
    """Read ``scenes.jsonl``: one JSON object per stimulus with ``id`` and any of the fields below.

    ``captions`` (texts, or objects with ``text``), ``description``, ``boxes`` ([{label, box (x0, y0, x1, y1) 0..1}]),
    ``questions`` ([{question, answer}]), ``category``; other fields are passed on in the details.
    """
    captions: dict[int, list[str]] = {}
    details: dict[int, dict[str, Any]] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            key = int(row["id"] if "id" in row else row["stimulus"])
            captions[key] = [str(c["text"]) if isinstance(c, dict) else str(c) for c in row.pop("captions", [])]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
            raise FormatError(f"line {number} is not a scene", where=path) from err
        details[key] = {k: v for k, v in row.items() if k not in ("id", "stimulus")}
    return Words(captions, details)


def read_coco_captions(path: Path, coco: Mapping[int, int]) -> Words:
    """Read COCO's ``captions_*.json``; `coco` maps COCO image id to stimulus id."""
    data = read_json(path)
    captions: dict[int, list[str]] = {}
    try:
        for row in data["annotations"]:
            stimulus = coco.get(int(row["image_id"]))
            if stimulus is not None:
                captions.setdefault(stimulus, []).append(" ".join(str(row["caption"]).split()))
    except (KeyError, TypeError, ValueError) as err:
        raise FormatError("is not a COCO caption file", where=path) from err
    return Words(captions)


class _Wordy:
    """The two word lookups that every kind of stimuli shares."""

    words: Words

    def captions(self, stimulus: int) -> list[str]:
        """Return the captions, [] when there are none."""
        return list(self.words.captions.get(int(stimulus), []))

    def details(self, stimulus: int) -> dict[str, Any]:
        """Return what else is known about the stimulus."""
        return dict(self.words.details.get(int(stimulus), {}))


@dataclass(frozen=True, eq=False)
class FileStimuli(_Wordy):
    """One picture file per stimulus.

    Parameters
    ----------
    files : mapping of stimulus id to path (None = a stimulus without a picture)
    truth : Path, optional
        ``scenes.jsonl`` of a phantom, read when words are first asked for.
    """

    files: Mapping[int, Path | None]
    truth: Path | None = None
    own_words: Words = field(default_factory=Words)

    @cached_property
    def ids(self) -> np.ndarray:
        """(n,) ascending int64 stimulus ids."""
        return np.array(sorted(self.files), np.int64)

    @cached_property
    def words(self) -> Words:  # type: ignore[override]
        """Captions and details; of the phantom where there is one."""
        if self.truth is None or not self.truth.is_file():
            return self.own_words
        return read_scenes(self.truth)

    def image(self, stimulus: int) -> Image.Image:
        """Return the RGB picture."""
        path = self.files.get(int(stimulus))
        if path is None:
            known = "was shown, its picture is not here" if int(stimulus) in self.files else "is not in the data set"
            raise MissingError(f"stimulus {int(stimulus)} {known}")
        return load_image(path)


@dataclass(frozen=True, eq=False)
class BrickStimuli(_Wordy):
    """Pictures in one HDF5 array (n, height, width, 3) uint8; the stimulus id is the row (NSD's ``imgBrick``)."""

    path: Path
    ids: np.ndarray
    dataset: str = "imgBrick"
    words: Words = field(default_factory=Words)

    def image(self, stimulus: int) -> Image.Image:
        """Return the RGB picture."""
        with open_hdf5(self.path) as file:
            brick = dataset_of(file, self.dataset)
            if brick.ndim != 4 or brick.shape[3] != 3 or brick.dtype != np.uint8:
                raise FormatError(f"{self.dataset} is {brick.shape} {brick.dtype}, (n, height, width, 3) uint8 was "
                                  "expected", where=self.path)
            if not 0 <= int(stimulus) < brick.shape[0]:
                raise MissingError(f"stimulus {int(stimulus)} is outside 0..{brick.shape[0] - 1}", where=self.path)
            check_allocation(brick.shape[1:], brick.dtype, where=self.path, limit=256 << 20)
            return Image.fromarray(brick[int(stimulus)])


@dataclass(frozen=True, eq=False)
class NoStimuli(_Wordy):
    """Ids without pictures: the tree lacks its stimulus file, or the experiment showed named conditions."""

    ids: np.ndarray
    reason: str
    words: Words = field(default_factory=Words)

    def image(self, stimulus: int) -> Image.Image:
        """Raise MissingError that says why there is no picture."""
        raise MissingError(f"stimulus {int(stimulus)} has no picture: {self.reason}")
