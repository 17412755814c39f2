"""Training an alignment system on a data set: targets, split, each subject in turn, retrieval on the test part.

::

    RUN/ run.json  split.json  history.csv  pointer.json  generations/...   embeddings and tables of finished subjects
    RUN/subjects/<subject>/                                                 the model of one subject, itself a run
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from brainview import __version__
from brainview.alignment.brains import Brains, load_brains, mni_subject
from brainview.alignment.config import AlignConfig
from brainview.alignment.retrieval import retrieval_table, shuffled
from brainview.alignment.targets import Targets, make_targets
from brainview.core.errors import MissingError
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.datasets.registry import open_dataset
from brainview.datasets.splits import load_split, make_split
from brainview.datasets.types import Dataset, Subject
from brainview.features.clip_pair import load_clip
from brainview.training.run import RunFolder

DIRECTIONS = ("brain→image", "image→brain", "brain→text", "text→brain")
#: Figures of the tables that the command prints.
COLUMNS = ("part", "images", "train_images", "chance R@1", *(f"{d} R@1" for d in DIRECTIONS), "shuffled R@1")


@dataclass(frozen=True, eq=False)
class Task:
    """What a system gets to train one subject."""

    brains: Brains
    targets: Targets
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    config: AlignConfig
    folder: RunFolder
    #: The other people of the run, where they are pooled; their ids are their own.
    others: tuple[Task, ...] = ()

    @property
    def ranking(self) -> np.ndarray:
        """(k,) reliability that decides which voxels are kept: the mean over pooled people."""
        rows = [ranking_of(self.brains, self.config.weighting)]
        for other in self.others:
            at, known = same_places(other.brains, self.brains)
            rows.append(ranking_of(other.brains, self.config.weighting)[at] * known)
        return np.mean(rows, axis=0)


def ranking_of(brains: Brains, weighting: str) -> np.ndarray:
    """Return (k,) what tells reliable voxels from others under a way of weighting."""
    return brains.denoised if weighting == "denoised" and brains.denoised is not None else brains.reliability


def same_places(theirs: Brains, own: Brains) -> tuple[np.ndarray, np.ndarray]:
    """Return ((k,) columns of another person at the places of one's own columns, (k,) 1 where they have one or 0)."""
    place, wanted = (np.flatnonzero(b.mask)[b.inside] for b in (theirs, own))
    at = np.minimum(np.searchsorted(place, wanted), len(place) - 1)
    return at, (place[at] == wanted).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Test brains and galleries in comparable form: brain (two views), image and text, (n, d) unit vectors each.

    `text_center` (d,): what was taken from text embeddings before they became unit vectors, None for nothing.
    """

    to_image: np.ndarray
    to_text: np.ndarray
    image: np.ndarray
    text: np.ndarray
    text_center: np.ndarray | None = None


#: A system: trains (or resumes) and returns the embeddings of the test part, and its own part of the card.
System = Callable[[Task, JobContext], tuple[Embeddings, dict[str, Any]]]


def train_system(name: str, system: System, path: os.PathLike | str, run: os.PathLike | str, *,
                 subjects: list[str] | None, options: dict[str, Any] | None, context: JobContext = QUIET) -> str:
    """Train a system on every subject of a data set; finished subjects are not computed again.

    Returns
    -------
    str
        Path of the run folder.

    Raises
    ------
    MissingError
        An unknown subject, no MNI volumes, no captions, no weights of the target model.
    """
    config = AlignConfig.of(options or {})
    dataset = open_dataset(path)
    names = list(subjects or dataset.subjects)
    for subject in names:
        if subject not in dataset.subjects:
            raise MissingError(f"has no subject {subject!r}", where=path,
                               remedy="It has " + ", ".join(dataset.subjects) + ".")
    people = {n: mni_subject(dataset, n) for n in names} | _further(dataset, names, config, context)
    folder = RunFolder.create(run, name, {**config.plain(), "subjects": names}, data=str(Path(path).resolve()),
                              dataset=dataset.name, layout=dataset.layout, phantom=dataset.phantom)
    file = folder.path / "split.json"
    if not file.exists():
        make_split(dataset, list(people), val=config.val, test=config.test, seed=config.seed).save(file)
    split = load_split(file)
    if split.val.size == 0:
        raise MissingError("has no validation images, which choose the stop", where=path, remedy="Raise val=0.1.")
    ids = np.unique(np.concatenate([s.trials.unique for s in people.values()]))
    targets = make_targets(load_clip(config.clip), dataset.stimuli, ids, source=config.captions,
                           context=Stage(context, 0, 0.2, "targets"))
    tasks: dict[str, Task] = {}
    for number, subject in enumerate(names):
        stage = Stage(context, 0.2 + 0.8 * number / len(names), 0.2 + 0.8 * (number + 1) / len(names), subject)
        part = RunFolder.create(folder.path / "subjects" / subject, f"{name}-subject",
                                {**config.plain(), "subject": subject}, dataset=dataset.name, phantom=dataset.phantom)
        result = part.path / "result.json"
        if not result.exists():
            for other in people if config.pool else [subject]:
                if other not in tasks:
                    brains = load_brains(people[other], region=config.region, context=Stage(stage, 0, 0.1))
                    train, val, test = (split.of(people[other], p) for p in ("train", "val", "test"))
                    tasks[other] = Task(brains, targets, train, val, test, config, part)
            task = replace(tasks[subject], folder=part, others=tuple(t for n, t in tasks.items() if n != subject))
            _train_one(name, system, task, Stage(stage, 0.1, 1))
            if not config.pool:
                tasks.clear()
            folder.append_history({"subject": subject, "finished": time.strftime("%Y-%m-%dT%H:%M:%S"),
                                   **{k: v for k, v in _result(part)["metrics"].items() if k in COLUMNS}})
        _publish(folder, name, names[:number + 1], targets, split.key, dataset.phantom)
    context.report(1, 1, "done")
    return str(folder.path)


def _further(dataset: Dataset, names: list[str], config: AlignConfig, context: JobContext) -> dict[str, Subject]:
    """Return the other people of the data set, where they are pooled; those without MNI volumes are told and left."""
    found: dict[str, Subject] = {}
    for name in dataset.subjects if config.pool else ():
        if name not in names:
            try:
                found[name] = mni_subject(dataset, name)
            except MissingError as err:
                context.log(f"{name} is not pooled: {err}")
    return found


def _train_one(name: str, system: System, task: Task, context: JobContext) -> None:
    from safetensors.numpy import save_file

    from brainview.core.files import atomic_path, write_json

    if task.test.size < 2:
        raise MissingError("has no test images", where=task.brains.subject.id)
    begun = time.process_time()
    found, story = system(task, context)
    seconds = time.process_time() - begun
    with atomic_path(task.folder.path / "embeddings.safetensors") as part:
        center = np.zeros(found.text.shape[1], np.float32) if found.text_center is None else found.text_center
        save_file({"ids": task.test, "to_image": found.to_image, "to_text": found.to_text, "image": found.image,
                   "text": found.text, "text_center": np.ascontiguousarray(center, np.float32)}, part)
    words = task.targets.of(task.test).texts
    write_json(task.folder.path / "texts.json", dict(zip(map(str, task.test.tolist()), words, strict=False)))
    rows = retrieval_rows(found, seed=task.config.seed)
    write_json(task.folder.path / "result.json", {"system": name, "metrics": metrics_of(rows, task), "rows": rows,
                                                  "story": story, "cpu_seconds": round(seconds, 1)})


def retrieval_rows(found: Embeddings, *, sub_gallery: int | Sequence[int] | None = 300,
                   seed: int = 0) -> list[dict[str, Any]]:
    """Return rows of the four directions, the same with shuffled brains marked ``shuffled``."""
    rows = []
    for control in (False, True):
        views = [shuffled(v, seed=seed) if control else v for v in (found.to_image, found.to_text)]
        scores = retrieval_table(views[0], found.image, None, sub_gallery=sub_gallery, seed=seed) \
            + retrieval_table(views[1], None, found.text, sub_gallery=sub_gallery, seed=seed)
        rows += [{**score.row(), "shuffled": control} for score in scores]
    return rows


def metrics_of(rows: list[dict[str, Any]], task: Task) -> dict[str, Any]:
    """Return the headline figures of one subject over the whole test gallery."""
    whole = [r for r in rows if r["gallery"] == len(task.test) and r["protocol"].startswith("all")]
    own, control = ([r for r in whole if r["shuffled"] is flag] for flag in (False, True))
    return {"part": "test", "images": int(task.test.size), "train_images": int(task.train.size),
            "voxels": int(task.brains.values.shape[1]), "weighted": task.brains.weighted,
            "chance R@1": own[0]["R@1 chance"], **{f"{r['direction']} R@1": r["R@1"] for r in own},
            "shuffled R@1": float(np.mean([r["R@1"] for r in control]))}


def _result(part: RunFolder) -> dict[str, Any]:
    from brainview.core.files import read_json

    return read_json(part.path / "result.json")


def _publish(folder: RunFolder, name: str, done: list[str], targets: Targets, split_key: str, phantom: bool) -> None:
    if folder.has_generation and folder.card("last").get("finished") == done:
        return
    results = {s: _result(RunFolder.open(folder.path / "subjects" / s)) for s in done}
    label = f"{targets.story['model']}, captions: {targets.story['caption_source']}"
    folder.write_generation({"none": np.zeros(1, np.float32)}, {
        "dataset": folder.story.get("dataset"), "data": folder.story.get("data"), "phantom": phantom,
        "subjects": folder.config["subjects"], "finished": done, "feature_label": label, "targets": targets.story,
        "split": {"key": split_key}, "metrics": {s: r["metrics"] for s, r in results.items()},
        "story": {s: r["story"] for s, r in results.items()},
        "versions": {"brainview": __version__, "numpy": np.__version__, "python": platform.python_version()}})
