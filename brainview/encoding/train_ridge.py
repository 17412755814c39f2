"""Train a ridge encoding model of a data set into a run folder, subject by subject, resumable.

::

    RUN/ run.json  split.json  history.csv  pointer.json  generations/...   maps and scores of the finished subjects
    RUN/subjects/<subject>/                                                 the model of one subject, itself a run
"""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from brainview import __version__
from brainview.core.errors import MissingError
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.datasets.registry import open_dataset
from brainview.datasets.splits import Split, load_split, make_split
from brainview.datasets.types import Dataset, Subject
from brainview.encoding.config import RidgeConfig
from brainview.encoding.evaluate import evaluate
from brainview.encoding.ridge import BlockSource, RidgeFit, fit_ridge
from brainview.encoding.ridge_needs import estimate as estimate
from brainview.features.cache import features_for
from brainview.features.reduce import Reduction, fit_reduction
from brainview.features.registry import feature_space
from brainview.training.run import RunFolder

#: Arrays of a RidgeFit that a checkpoint holds.
FIT_ARRAYS = ("mean", "scale", "basis", "eigenvalues", "factor", "target_mean", "alphas", "flags", "cv_r2")


def train(path: os.PathLike | str, run: os.PathLike | str, *, subjects: list[str] | None = None,
          features: str | None = None, options: dict[str, Any] | None = None, context: JobContext = QUIET) -> str:
    """Train ridge regressions from pictures to responses; goes on where an earlier call was interrupted.

    Parameters
    ----------
    path : path of a data set
    run : path of the run folder (new, empty, or one with the same settings)
    subjects : list of str, optional
        Default: all of the data set.
    features : str, optional
        Name of the feature space; wins over ``options["features"]``.
    options : dict, optional
        Fields of :class:`RidgeConfig`.

    Returns
    -------
    str
        Path of the run folder.

    Notes
    -----
    The penalty is chosen on training images only; validation and test images choose nothing. A subject is a unit of
    work: a finished one is never computed again, and the run is usable after the first.
    """
    config = RidgeConfig.of({**(options or {}), **({"features": features} if features else {})})
    dataset = open_dataset(path)
    names = subjects or dataset.subjects
    for name in names:
        if name not in dataset.subjects:
            raise MissingError(f"has no subject {name!r}", where=path,
                               remedy="It has " + ", ".join(dataset.subjects) + ".")
    folder = RunFolder.create(run, "ridge", {**config.plain(), "subjects": list(names)},
                              data=str(Path(path).resolve()), dataset=dataset.name, layout=dataset.layout,
                              phantom=dataset.phantom)
    split = _split(folder, dataset, names, config)
    for number, name in enumerate(names):
        stage = Stage(context, number / len(names), (number + 1) / len(names), name)
        part = RunFolder.create(folder.path / "subjects" / name, "ridge-subject",
                                {**config.plain(), "subject": name}, dataset=dataset.name)
        if not part.has_generation:
            _train_subject(part, dataset, dataset.subject(name, config.variant or None), split,
                           config, stage)
            folder.append_history({"subject": name, "finished": time.strftime("%Y-%m-%dT%H:%M:%S"),
                                   **headline(part.card()["metrics"])})
        publish(folder, dataset, split, names[:number + 1], complete=number + 1 == len(names))
    context.report(1, 1, "done")
    return str(folder.path)


def headline(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a row of the history."""
    keys = ("part", "images", "n_scored", "mean_r", "median_R2", "official_mean", "clean_median")
    return {k: metrics.get(k) for k in keys}


def _split(folder: RunFolder, dataset: Dataset, names: list[str], config: RidgeConfig) -> Split:
    """Return the run's stored split, made once."""
    file = folder.path / "split.json"
    if not file.exists():
        make_split(dataset, names, val=config.val, test=config.test, seed=config.seed).save(file)
    return load_split(file)


def evaluated_part(split: Split, subject: Subject) -> str:
    """Return ``test`` when this subject has responses to test images, else ``val``."""
    return "test" if split.of(subject, "test").size >= 3 else "val"


def _train_subject(part: RunFolder, dataset: Dataset, subject: Subject, split: Split, config: RidgeConfig,
                   context: JobContext) -> None:
    space = feature_space(config.features)
    train_ids, name = split.of(subject, "train"), evaluated_part(split, subject)
    held_ids = split.of(subject, name)
    if train_ids.size < 3:
        raise MissingError(f"has only {train_ids.size} training images", where=subject.id)
    raw = features_for(space, dataset.stimuli, train_ids, context=Stage(context, 0.0, 0.4))
    held = features_for(space, dataset.stimuli, held_ids, context=Stage(context, 0.4, 0.5))
    reduction = fit_reduction(raw, components=config.components or None, seed=config.seed, context=context)
    columns = reduction.apply(raw, context=context)
    reading = Stage(context, 0.5, 0.8)
    source = BlockSource((train_ids.size, subject.space.size),
                         lambda: subject.iterate_means(train_ids, rows_at_once=512, context=reading))
    fit = fit_ridge(columns, source, method=config.method, folds=config.folds,  # type: ignore[arg-type]
                    context=Stage(context, 0.5, 0.8))
    found = evaluate(subject, fit, reduction.apply(held), held_ids, part=name, bootstraps=config.bootstraps,
                     permutations=config.permutations, seed=config.seed, context=Stage(context, 0.8, 1.0))
    tensors = {f"map/{k}": v for k, v in found["maps"].items()}
    if config.keep_model:
        tensors |= {f"fit/{k}": np.asarray(getattr(fit, k)) for k in FIT_ARRAYS} | reduction.tensors()
    part.write_generation(tensors, {
        "subject": subject.id, "dataset": dataset.name, "phantom": subject.phantom, "part": name,
        "train_images": int(train_ids.size), "feature_label": space.label, "feature_key": space.key,
        "feature_settings": space.settings, "random_weights": bool(getattr(space, "is_random", False)),
        "reduction": reduction.settings, "method": fit.method, "form": fit.form, "edges": fit.edges,
        "fit_warnings": fit.warnings, "alphas": fit.histogram(), "split": {"name": split.name, "key": split.key},
        "metrics": found["metrics"], "rois": found["rois"], "stimuli": found["stimuli"], "notes": found["notes"],
        "versions": versions()})


def versions() -> dict[str, str]:
    """Return the versions that a card names."""
    return {"brainview": __version__, "numpy": np.__version__, "scipy": scipy.__version__,
            "python": platform.python_version()}


def publish(folder: RunFolder, dataset: Dataset, split: Split, done: list[str], *, complete: bool) -> None:
    """Write the run's own generation from the finished subjects, unless it says the same already."""
    if folder.has_generation:
        last = folder.card("last")
        if last.get("finished") == done or (last.get("complete") and set(done) <= set(last.get("finished", []))):
            return
    tensors: dict[str, np.ndarray] = {}
    metrics: dict[str, Any] = {}
    parts: dict[str, Any] = {}
    for name in done:
        arrays, card = RunFolder.open(folder.path / "subjects" / name).load()
        tensors |= {f"{name}/{k[4:]}": v for k, v in arrays.items() if k.startswith("map/")}
        metrics[name] = card["metrics"]
        parts[name] = {"generation": card["generation"], "files": card["files"], "part": card["part"]}
    folder.write_generation(tensors, {
        "dataset": dataset.name, "layout": dataset.layout, "data": folder.story.get("data"),
        "phantom": dataset.phantom, "variant": folder.config.get("variant", ""),
        "subjects": folder.config["subjects"], "finished": list(done),
        "complete": complete, "split": {"name": split.name, "key": split.key, **split.story},
        "seed": folder.config["seed"], "feature_label": card["feature_label"], "random_weights": card["random_weights"],
        "metrics": metrics, "parts": parts, "versions": versions()})


def load_model(run: os.PathLike | str, subject: str) -> tuple[RidgeFit, Reduction, dict[str, Any]]:
    """Return (fit, reduction, card) of one subject of a run.

    Raises MissingError when the subject is not trained, or was trained without keeping the model.
    """
    folder = RunFolder.open(run)
    place = folder.path / "subjects" / subject
    if subject not in folder.config.get("subjects", []) or not (place / "run.json").exists():
        raise MissingError(f"has no trained subject {subject!r}", where=run,
                           remedy="It has " + ", ".join(folder.config.get("subjects", [])) + ".")
    arrays, card = RunFolder.open(place).load()
    if "fit/factor" not in arrays:
        raise MissingError("was trained without keeping the model, only its scores", where=place,
                           remedy="Train again with keep_model=true.")
    fit = RidgeFit(**{k: arrays[f"fit/{k}"] for k in FIT_ARRAYS}, method=card["method"], form=card["form"],
                   edges=card.get("edges", {}), warnings=list(card.get("fit_warnings", [])))
    return fit, Reduction.of(arrays, card["reduction"]), card
