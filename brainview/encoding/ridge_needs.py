"""What a ridge regression will need before the first one was trained, by arithmetic and two pictures' features."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from brainview.core.device import speed
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.registry import open_dataset
from brainview.datasets.types import Dataset, Subject
from brainview.encoding.config import RidgeConfig
from brainview.features.registry import feature_space, split_name

#: Feature spaces that compute at once, without a download: two pictures are tried.
TRIED = ("gabor", "efficientnet-lite0", "phantom-eva02")
#: Share of the speed of one large product that the fit reaches; seconds of imports; seconds per value read and scored.
#: Measured on one subject of the default phantom on a busy machine: 75 s were seen where this says 32, and with cached
#: features 43 s where it says 52.
EFFICIENCY, BEGIN, READ, SCORED = 0.4, 4.0, 2e-8, 1.2e-8
#: Columns taken for a network that is not loaded, and maps of a finished subject.
COLUMNS, MAPS = 20_000, 15


def estimate(path: str | os.PathLike, *, subjects: list[str] | None, options: dict[str, Any],
             context: JobContext = QUIET) -> dict[str, Any]:
    """Return ``seconds`` (None where the network would have to be fetched first), ``disk`` (bytes) and ``basis``.

    Raises
    ------
    MissingError
        No such subject, or no such feature space.
    """
    config = RidgeConfig.of(options)
    dataset = open_dataset(path)
    names = list(subjects or dataset.subjects)
    context.check()
    people = [dataset.subject(n, config.variant or None) for n in names]
    picture, columns = _picture(dataset, people[0], config.features)
    disk = sum(_disk(p, config, columns) for p in people)
    if picture is None:
        return {"disk": disk, "time_basis": "The time of this network is not known before it was loaded once."}
    seconds = BEGIN + sum(_seconds(p, config, picture, columns) for p in people)
    return {"seconds": round(seconds), "disk": disk, "basis": "Disk from the shapes of the data.",
            "time_basis": "Time by the features of two pictures, arithmetic, and the speed of one product just now: "
            "right within a factor of two or so; less where features are cached already."}


def _picture(dataset: Dataset, subject: Subject, name: str) -> tuple[float | None, int]:
    """Return (seconds of one picture's features, how many there are); None for a network that is not at hand."""
    if split_name(name)[0] not in TRIED:
        return None, COLUMNS
    space, ids = feature_space(name), subject.trials.unique[:2]
    space.extract([dataset.stimuli.image(int(ids[0]))])  # imports and tables
    start = time.monotonic()
    rows = space.extract(dataset.stimuli.image(int(i)) for i in ids)
    return (time.monotonic() - start) / len(ids), int(np.prod(rows.shape[1:]))


def _shape(subject: Subject, config: RidgeConfig, columns: int) -> tuple[int, int, int]:
    """Return (images that are trained on, columns after PCA, locations)."""
    named = sum(len(ids) for part, ids in subject.splits.items() if part.startswith("test"))
    every = int(subject.trials.unique.size)
    images = max(3, round((every - min(named, every)) * (1 - config.val)) if named else
                 round(every * (1 - config.val - config.test)))
    return images, min(config.components or columns, columns, images), int(subject.space.size)


def _seconds(subject: Subject, config: RidgeConfig, picture: float, columns: int) -> float:
    images, kept, places = _shape(subject, config, columns)
    fits = 1 if config.method == "gcv" else config.folds + 1
    work = 4.0 * images * images * min(columns, 4 * images) + fits * (6.0 * images * kept * (places + kept))
    every = int(subject.trials.unique.size)
    held = (every - images) / (2 if config.val else 1)
    draws = config.bootstraps + config.permutations
    return every * picture + work / speed() / EFFICIENCY + len(subject.trials) * places * READ \
        + draws * held * places * SCORED


def _disk(subject: Subject, config: RidgeConfig, columns: int) -> int:
    _, kept, places = _shape(subject, config, columns)
    return 4 * places * (MAPS + (kept if config.keep_model else 0)) + (4 * kept * columns if config.keep_model else 0)
