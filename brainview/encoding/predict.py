"""A trained encoding model of any system, opened: predictions for any picture, evaluation on another part."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from brainview.core.errors import BrainViewError, MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.core.systems import load
from brainview.datasets.registry import open_dataset
from brainview.datasets.types import Dataset
from brainview.encoding.evaluate import evaluate
from brainview.encoding.train_ridge import load_model
from brainview.features.cache import features_for
from brainview.features.registry import feature_space
from brainview.maps.space import MaskedSpace, Space
from brainview.training.run import RunFolder

#: system -> module:class of its opened model, imported when asked for.
MODELS = {"ridge": "brainview.encoding.predict:RidgeModel", "llm-vem": "brainview.encoding.llm_vem.opened:OpenedVem"}
#: The word for the average brain instead of a subject.
AVERAGE = "average"


class EncodingModel(Protocol):
    """What every encoding system offers once trained.

    ``folder`` its run; ``dataset`` what it was trained on; ``label`` name of the features on screen; ``subjects`` those
    that it predicts.
    """

    folder: RunFolder

    @property
    def dataset(self) -> Dataset:
        """The data set of the run."""

    @property
    def label(self) -> str:
        """Name of the features on screen."""

    @property
    def subjects(self) -> list[str]:
        """Subjects that it predicts."""

    def predict_pictures(self, images: Sequence[Image.Image], subject: str, *,
                         context: JobContext = QUIET) -> np.ndarray:
        """Return (n, locations) float32 responses of a subject."""

    def predict_stimuli(self, ids: np.ndarray, subject: str, *, context: JobContext = QUIET) -> np.ndarray:
        """Return (n, locations) float32 responses of a subject to stimuli of the data set, from kept features where
        there are any."""

    def predict_average(self, images: Sequence[Image.Image], *,
                        context: JobContext = QUIET) -> tuple[np.ndarray, Space, str]:
        """Return ((n, V) responses of the average brain, their space, what the average is, in words)."""

    def evaluate(self, subject: str, part: str, *, context: JobContext = QUIET) -> dict[str, Any]:
        """Return what :func:`brainview.encoding.evaluate.evaluate` does, of another part."""


def open_model(run: os.PathLike | str, *, context: JobContext = QUIET) -> EncodingModel:
    """Return the opened model of a run; the last two opened stay loaded.

    Raises
    ------
    MissingError
        The run is of no encoding system, or has no model yet.
    """
    folder = RunFolder.open(run)
    if folder.system not in MODELS:
        raise MissingError(f"is a run of {folder.system}, which predicts no responses", where=folder.path,
                           remedy="Name a run of " + ", ".join(MODELS) + ".")
    pointers = tuple(sorted((str(p), p.stat().st_mtime_ns) for p in folder.path.glob("**/pointer.json")))
    return _opened(str(folder.path.resolve()), pointers)


@lru_cache(maxsize=2)
def _opened(path: str, stamp: tuple) -> EncodingModel:
    """Load a model; `stamp` (times of its pointers) is part of the key, so that a retrained run is read anew."""
    folder = RunFolder.open(path)
    return load(MODELS[folder.system])(folder)


def dataset_of(folder: RunFolder) -> Dataset:
    """Open the data set that a run was trained on; raises MissingError when it is not there any more."""
    try:
        return open_dataset(folder.story["data"])
    except BrainViewError as err:
        raise MissingError(f"was trained on data that cannot be opened any more: {err}", where=folder.path,
                           remedy="Put the data set back in its place.") from err


def variant_of(folder: RunFolder) -> str | None:
    """Return the response set that a run was trained on, None = the data set's first."""
    return folder.config.get("variant") or None


def evaluated_ids(folder: RunFolder, dataset: Dataset, subject: str, part: str) -> np.ndarray:
    """Return the ids of a part that a subject has responses to; raises MissingError below three."""
    from brainview.encoding.llm_vem.split import open_split

    ids = open_split(folder).of(dataset.subject(subject, variant_of(folder)), part)
    if ids.size < 3:
        raise MissingError(f"has {ids.size} images with responses in part {part!r}", where=subject,
                           remedy="Score another part.")
    return ids


@dataclass(eq=False)
class RidgeModel:
    """An opened ridge run."""

    folder: RunFolder
    _fits: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def dataset(self) -> Dataset:
        """The data set of the run."""
        return dataset_of(self.folder)

    @cached_property
    def _space(self) -> Any:
        return feature_space(self.folder.config["features"])

    @property
    def label(self) -> str:
        """Name of the features on screen."""
        return self._space.label

    @property
    def subjects(self) -> list[str]:
        """Subjects whose training is finished."""
        return list(self.folder.card("last")["finished"])

    def _fit(self, subject: str) -> Any:
        if subject not in self._fits:
            self._fits[subject] = load_model(self.folder.path, subject)
        return self._fits[subject]

    def predict_pictures(self, images: Sequence[Image.Image], subject: str, *,
                         context: JobContext = QUIET) -> np.ndarray:
        """Return (n, locations) float32 responses of a subject."""
        fit, reduction, _ = self._fit(subject)
        return fit.predict(reduction.apply(self._space.extract(images, context=context)))

    def predict_stimuli(self, ids: np.ndarray, subject: str, *, context: JobContext = QUIET) -> np.ndarray:
        """Return (n, locations) float32 responses of a subject to stimuli of the data set."""
        fit, reduction, _ = self._fit(subject)
        return fit.predict(reduction.apply(features_for(self._space, self.dataset.stimuli, ids, context=context)))

    def predict_average(self, images: Sequence[Image.Image], *,
                        context: JobContext = QUIET) -> tuple[np.ndarray, Space, str]:
        """Return the mean over subjects of their predictions, at each location over those who have it."""
        variant = variant_of(self.folder)
        spaces = {s: self.dataset.subject(s, variant).space for s in self.subjects}
        roots = {space.root.key for space in spaces.values()}
        if len(roots) != 1:
            raise MissingError("its subjects live in spaces of their own, so they have no average brain",
                               where=self.folder.path, remedy="Choose a subject.")
        index = {s: v.root_index if isinstance(v, MaskedSpace) else np.arange(v.size) for s, v in spaces.items()}
        union = np.unique(np.concatenate(list(index.values())))
        total, count = np.zeros((len(images), union.size), np.float32), np.zeros(union.size, np.float32)
        for subject, at in index.items():
            where = np.searchsorted(union, at)
            values = self.predict_pictures(images, subject, context=context)
            good = np.isfinite(values).all(0)
            total[:, where[good]] += values[:, good]
            count[where[good]] += 1
        root = next(iter(spaces.values())).root
        whole = next((v for s, v in spaces.items() if index[s].size == union.size), None)
        space = whole if whole is not None else MaskedSpace("union of " + ", ".join(spaces), root, union)
        with np.errstate(invalid="ignore", divide="ignore"):
            return total / np.where(count > 0, count, np.nan), space, f"mean of {len(spaces)} subjects' predictions"

    def evaluate(self, subject: str, part: str, *, context: JobContext = QUIET) -> dict[str, Any]:
        """Evaluate one subject on a part of the split."""
        fit, reduction, _ = self._fit(subject)
        ids = evaluated_ids(self.folder, self.dataset, subject, part)
        raw = features_for(self._space, self.dataset.stimuli, ids, context=context)
        config = self.folder.config
        person = self.dataset.subject(subject, variant_of(self.folder))
        return evaluate(person, fit, reduction.apply(raw), ids, part=part, bootstraps=config["bootstraps"],
                        permutations=config["permutations"], seed=config["seed"], context=context)


def predict_picture(run: os.PathLike | str, image: np.ndarray | str, subject: str = AVERAGE,
                    minus: np.ndarray | str | None = None, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return the predicted response to any picture, or the difference of two.

    Parameters
    ----------
    image, minus : (H, W, 3) uint8 array, or path of a picture
    subject : str
        A subject of the run, or ``average``: LLM-VEM's group part alone, for ridge the mean over subjects.

    Returns
    -------
    dict
        ``predicted`` (BrainMap, limits symmetric), ``image`` and ``minus`` (uint8; None without a second picture),
        ``subject``, ``subjects``, ``system``, ``phantom``, ``note`` (what the map is, in words).
    """
    from brainview.maps.brainmap import BrainMap

    model = open_model(run, context=context)
    pictures = [_picture(p) for p in ([image] if minus is None else [image, minus])]
    if subject == AVERAGE:
        values, space, words = model.predict_average(pictures, context=context)
        who = "average brain"
    else:
        if subject not in model.subjects:
            raise MissingError(f"has no trained subject {subject!r}", where=run,
                               remedy="It has " + ", ".join([*model.subjects, AVERAGE]) + ".")
        values = model.predict_pictures(pictures, subject, context=context)
        space = model.dataset.subject(subject, variant_of(model.folder)).space
        who, words = subject, f"prediction for {subject}"
    row = values[0] if minus is None else values[0] - values[1]
    top = float(np.nanquantile(np.abs(row), 0.99)) if np.isfinite(row).any() else 0.0
    kind = "Predicted response" if minus is None else "Predicted difference of two pictures"
    note = f"{kind}: {words}. Nothing was measured for this picture."
    story = {"system": model.folder.system, "features": model.label, "dataset": model.dataset.name, "subject": who,
             "phantom": bool(model.dataset.phantom), "picture": _name(image), "minus": _name(minus)}
    drawn = BrainMap(row.astype(np.float32), space, name=f"{kind} · {who}", units="beta", kind="diverging",
                     limits=(-(top or 1.0), top or 1.0), definition=note, provenance=story)
    return {"predicted": drawn, "image": np.asarray(pictures[0], np.uint8), "subject": subject,
            "minus": None if minus is None else np.asarray(pictures[1], np.uint8), "subjects": model.subjects,
            "system": model.folder.system, "phantom": bool(model.dataset.phantom), "note": note}


def _name(picture: np.ndarray | str | None) -> str | None:
    return Path(picture).name if isinstance(picture, (str, os.PathLike)) else None if picture is None else "array"


def _picture(source: np.ndarray | str | os.PathLike) -> Image.Image:
    from brainview.core.errors import FormatError
    from brainview.datasets.images import load_image

    if isinstance(source, (str, os.PathLike)):
        return load_image(source)
    array = np.asarray(source)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or 0 in array.shape:
        raise FormatError(f"has shape {array.shape} and type {array.dtype}, (height, width, 3) uint8 was expected",
                          where="picture")
    return Image.fromarray(array)
