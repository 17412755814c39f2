"""What the window asks of a data set, by name, in a worker: plain dicts, arrays, maps and spaces come back."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import BrainViewError, MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.images import thumbnail
from brainview.datasets.inspect import evaluated_ids
from brainview.datasets.registry import open_dataset
from brainview.datasets.types import Dataset, Subject
from brainview.maps.brainmap import BrainMap
from brainview.maps.space import VolumeSpace

#: The most pictures of one page.
PAGE_LIMIT = 500


def _signature(path: Path) -> tuple:
    """Return times of change of a folder's upper levels, so that a data set still being built is opened anew."""
    out = [(str(path), path.stat().st_mtime_ns)]
    level = [path] if path.is_dir() else []
    for _ in range(4):
        below = []
        for folder in level:
            try:
                below += [e for e in os.scandir(folder) if e.is_dir(follow_symlinks=False)]
            except OSError:
                continue
            if len(out) + len(below) > 400:
                return tuple(out)
        out += [(e.path, e.stat().st_mtime_ns) for e in below]
        level = [Path(e.path) for e in below]
    if path.is_dir() and (path / "dataset.toml").is_file():
        out.append(("dataset.toml", (path / "dataset.toml").stat().st_mtime_ns))
    return tuple(out)


@lru_cache(maxsize=3)
def _remembered(path: str, signature: tuple) -> Dataset:
    return open_dataset(path)


def _open(path: str) -> Dataset:
    folder = Path(path).expanduser()
    if not folder.exists():
        return open_dataset(folder)  # raises, saying so
    return _remembered(str(folder), _signature(folder))


def inspect(path: str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return what is in the folder as plain types (``datasets.inspect.describe``)."""
    context.report(0, 1, "looking")
    report = open_dataset(path).inspect()
    context.report(1, 1, "done")
    return report


def ceiling_map(subject: Subject) -> BrainMap | None:
    """Return the noise ceiling of the evaluated images as a map (fraction of variance), None when there is none."""
    ids, word = evaluated_ids(subject)
    values = subject.ceiling.for_repeats(subject.repeats(ids))
    if values is None:
        return None
    definition = f"Largest R² that a perfect model could reach for the {word} ({ids.size:,}), from " \
                 f"{subject.ceiling.source}. {subject.ceiling.note}".strip()
    return subject.map(values, "noise ceiling", units="R²", limits=(0.0, 1.0), definition=definition,
                       provenance={"ceiling": subject.ceiling.source, "variant": subject.variant})


def variant_words(dataset: Dataset, subject: str) -> dict[str, str]:
    """Return response set -> words for it (``fsaverage5 betas``), the default first; its name where that says more."""
    names = [v for v in dataset.variants(subject) if v]
    told = getattr(dataset, "variant_words", None)
    words = {v: str(told(subject, v)) if told is not None else v for v in names}
    return {v: w if list(words.values()).count(w) == 1 else f"{w} ({v.rpartition('/')[2]})" for v, w in words.items()}


def open_subject(path: str, subject: str, variant: str | None = None, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Open one subject for the window; reads headers, ROIs and the ceiling.

    Returns
    -------
    dict with ``id, dataset, layout, phantom, variant, variants, space, rois, ceiling, stimuli, splits, trials, anatomy,
    problems`` (``variants``: name -> words, the default first;
    ``stimuli``: ascending int64 ids with responses; ``ceiling``: BrainMap or None).
    """
    context.report(0, 1, f"opening {subject}")
    dataset = _open(path)
    person = dataset.subject(subject, variant)
    return {"id": person.id, "dataset": person.dataset, "layout": dataset.layout, "phantom": person.phantom,
            "variant": person.variant, "variants": variant_words(dataset, subject), "space": person.space,
            "rois": {k: person.rois[k] for k in person.rois}, "ceiling": ceiling_map(person),
            "stimuli": person.trials.unique, "splits": {k: np.asarray(v) for k, v in person.splits.items()},
            "trials": len(person.trials), "anatomy": sorted(person.anatomy), "problems": list(person.problems)}


def anatomy(path: str, subject: str, variant: str | None = None, *, context: JobContext = QUIET) -> BrainMap | None:
    """Return the subject's own T1 in the space of its responses, None where there is none (or that space is MNI).

    A T1 counts that lies in the folder of the response set or of its space (NSD's ``T1_to_func1pt8mm``), or that a
    manifest names ``T1``; NSD's ``anat`` folder has coordinates of its own and does not.
    """
    from brainview.maps.io import read_maps

    dataset = _open(path)
    person = dataset.subject(subject, variant)
    root = person.space.root
    if not isinstance(root, VolumeSpace) or root.world == "MNI152":
        return None
    for role, file in person.anatomy.items():
        if role.startswith("T1") and (dataset.layout != "nsd" or file.parent.name in person.variant.split("/")):
            context.report(0, 1, f"reading {file.name}")
            return read_maps(file)[0]
    return None


def prepare(path: str, subject: str, variant: str | None = None, *, context: JobContext = QUIET) -> str:
    """Index or preprocess a subject's responses once (trial cache), with progress and cancel."""
    _open(path).subject(subject, variant).prepare(context=context)
    return f"{subject} is indexed"


def estimate_ceiling(path: str, subject: str, source: str = "single trials", variant: str | None = None, *,
                     context: JobContext = QUIET) -> BrainMap:
    """Return the noise ceiling estimated from repetitions (``single trials`` or ``split halves``) as a map."""
    from brainview.datasets.ceilings import split_half_ceiling, trial_ceiling

    makers: dict[str, Any] = {"single trials": trial_ceiling, "split halves": split_half_ceiling}
    if source not in makers:
        raise MissingError(f"a ceiling cannot be estimated from {source!r}",
                           remedy="Use one of " + ", ".join(makers) + ".")
    person = _open(path).subject(subject, variant)
    found = ceiling_map(replace(person, ceiling=makers[source](person, context=context)))
    assert found is not None
    return found


def stimulus(path: str, id: int, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return ``id, image (h, w, 3) uint8 or None, captions, details`` of one stimulus."""
    stimuli = _open(path).stimuli
    try:
        image = np.asarray(stimuli.image(int(id)))
    except MissingError:
        if int(id) not in stimuli.ids:
            raise
        image = None
    return {"id": int(id), "image": image, "captions": stimuli.captions(int(id)), "details": stimuli.details(int(id))}


def stimulus_page(path: str, ids: Any, size: int = 96, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return thumbnails of a page of stimuli.

    Returns
    -------
    dict with ``ids`` (int64), ``thumbs`` (list of (h, w, 3) uint8, the longer side `size`; a grey square where there
    is no readable picture), ``captions``, ``details`` and ``problems`` (text or None), one entry per id.
    """
    stimuli = _open(path).stimuli
    wanted = np.asarray(ids, np.int64).reshape(-1)[:PAGE_LIMIT]
    thumbs, captions, details, problems = [], [], [], []
    for number, key in enumerate(wanted.tolist()):
        context.report(number, wanted.size, "pictures")
        problem = None
        try:
            thumbs.append(thumbnail(stimuli.image(key), size))
        except BrainViewError as err:
            problem = str(err)
            thumbs.append(np.full((size, size, 3), 127, np.uint8))
        captions.append(stimuli.captions(key))
        details.append(stimuli.details(key))
        problems.append(problem)
    return {"ids": wanted, "thumbs": thumbs, "captions": captions, "details": details, "problems": problems}


def response_map(path: str, subject: str, stimulus: int, variant: str | None = None, *,
                 context: JobContext = QUIET) -> BrainMap:
    """Return the mean response of a subject to one stimulus as a map."""
    person = _open(path).subject(subject, variant)
    values = person.mean_betas(np.array([int(stimulus)]), context=context)[0]
    repeats = int((person.trials.stimulus == int(stimulus)).sum())
    spread = float(np.nanpercentile(np.abs(values), 99)) if np.isfinite(values).any() else 1.0
    return person.map(values, f"response of {subject} to {int(stimulus)}", units="beta", kind="diverging",
                      limits=(-spread, spread),
                      definition=f"Mean beta over {repeats} presentation{'s' if repeats != 1 else ''} in this file.",
                      provenance={"stimulus": int(stimulus), "variant": person.variant})
