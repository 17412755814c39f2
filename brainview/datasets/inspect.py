"""What is in a data set, told without reading the responses: counts, spaces, ROIs, ceilings, and every problem."""

from __future__ import annotations

from typing import Any

import numpy as np

from brainview.core.errors import BrainViewError
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.types import Dataset, Subject
from brainview.maps.rois import RoiClass
from brainview.maps.space import Space, SurfaceSpace


def describe(dataset: Dataset, *, problems: list[str] | None = None, context: JobContext = QUIET) -> dict[str, Any]:
    """Return plain types: layout, name, path, phantom, subjects (see :func:`describe_subject`), stimuli, problems.

    A subject that cannot be opened has an ``error`` instead of its figures; the others are told all the same.
    """
    found = list(problems or [])
    subjects = []
    names = dataset.subjects
    for number, name in enumerate(names):
        context.report(number, len(names), name)
        try:
            subjects.append(describe_subject(dataset, name))
        except BrainViewError as err:
            subjects.append({"id": name, "error": str(err)})
            found.append(f"{name} cannot be opened: {err}")
    for entry in subjects:
        found += [f"{entry['id']}: {p}" for p in entry.get("problems", [])]
    try:
        stimuli: dict[str, Any] = {"count": int(dataset.stimuli.ids.size)}
        first = next((i for i in dataset.stimuli.ids.tolist()), None)
        stimuli["captions"] = first is not None and bool(dataset.stimuli.captions(first))
        lacking = getattr(dataset.stimuli, "reason", "")
        if lacking:
            found.append(f"No pictures: {lacking}.")
    except BrainViewError as err:
        stimuli = {"count": 0, "captions": False}
        found.append(f"Stimuli: {err}")
    if not names:
        found.append("There is no subject.")
    return {"layout": dataset.layout, "name": dataset.name, "path": str(dataset.path), "phantom": dataset.phantom,
            "subjects": subjects, "stimuli": stimuli, "problems": list(dict.fromkeys(found))}


def describe_subject(dataset: Dataset, name: str) -> dict[str, Any]:
    """Return what is known of one subject as plain types."""
    subject = dataset.subject(name)
    table = subject.trials
    counts = np.unique(table.stimulus, return_counts=True)[1]
    known = bool((table.averaged == 1).all())
    return {
        "id": name, "variant": subject.variant, "variants": _variants(dataset, name),
        "space": subject.space.describe() | {"root": subject.space.root.name},
        "trials": len(table), "stimuli": int(table.unique.size),
        "sessions": int(np.unique(table.session[table.session >= 0]).size),
        "repetitions": {str(k): int((counts == k).sum()) for k in np.unique(counts)} if known else {},
        "rows_are": "single trials" if known else "averages over an unknown number of trials",
        "splits": {k: int(v.size) for k, v in subject.splits.items()},
        "rois": {k: roi_sizes(v, subject.space) for k, v in subject.rois.items()},
        "ceiling": describe_ceiling(subject), "anatomy": sorted(subject.anatomy), "problems": list(subject.problems),
    }


def _variants(dataset: Dataset, name: str) -> list[dict[str, Any]]:
    sets = getattr(dataset, "beta_sets", None)
    if sets is None:
        return [{"name": v} for v in dataset.variants(name) if v]
    out = []
    for betas in sets(name):
        last = max(betas.sessions)
        file = next(iter(betas.sessions[last].values())).name
        out.append({"name": betas.name, "sessions": len(betas.sessions),
                    "missing_sessions": sorted(set(range(1, last + 1)) - set(betas.sessions)),
                    "format": file.split(".", 2 if betas.is_surface else 1)[-1]})
    return out


def roi_sizes(roi: RoiClass, space: Space) -> dict[str, dict[str, int]]:
    """Return locations per ROI: ``total``, and ``left`` and ``right`` on surfaces."""
    root = space.root
    if not isinstance(root, SurfaceSpace):
        return {k: {"total": v} for k, v in roi.sizes().items()}
    place = getattr(space, "root_index", np.arange(space.size))
    left = place < root.n_left
    return {label.name: {"total": int((roi.labels == key).sum()), "left": int((roi.labels[left] == key).sum()),
                         "right": int((roi.labels[~left] == key).sum())} for key, label in roi.table.items()}


def evaluated_ids(subject: Subject) -> tuple[np.ndarray, str]:
    """Return the images that a ceiling is told for: the layout's test part, else all; and their name."""
    if "test" in subject.splits and subject.splits["test"].size:
        return subject.splits["test"], "test images"
    return subject.trials.unique, "all images"


def describe_ceiling(subject: Subject) -> dict[str, Any]:
    """Return source, note and quantiles (percent of variance) of the ceiling of the evaluated images."""
    ids, word = evaluated_ids(subject)
    values = subject.ceiling.for_repeats(subject.repeats(ids))
    out: dict[str, Any] = {"source": subject.ceiling.source, "note": subject.ceiling.note}
    if values is None or not np.isfinite(values).any():
        return out
    percent = 100 * values[np.isfinite(values)]
    low, middle, high = np.percentile(percent, [5, 50, 95])
    return out | {"for": word, "images": int(ids.size), "median_percent": float(middle), "p5_percent": float(low),
                  "p95_percent": float(high), "mean_percent": float(percent.mean()),
                  "zero": int((percent == 0).sum())}
