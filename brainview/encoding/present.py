"""What the screen and ``brainview score`` show of a run: maps, tables, stimuli, single predictions."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from brainview.core.errors import MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.types import Subject
from brainview.encoding import rois, scores
from brainview.encoding.llm_vem.split import open_split
from brainview.encoding.predict import dataset_of, open_model, variant_of
from brainview.encoding.unfinished import read_parts
from brainview.maps.brainmap import BrainMap
from brainview.training.run import RunFolder

#: How each metric is drawn: kind, limits, colour map (None = default of the kind).
LOOKS: dict[str, tuple[str, tuple[float, float] | None]] = {
    "r2_nc": ("sequential", (0.0, 1.0)), "r2_nc_raw": ("sequential", (0.0, 1.5)), "R2": ("sequential", (0.0, 0.6)),
    "r": ("diverging", (-1.0, 1.0)), "r2": ("sequential", (0.0, 0.6)), "nc": ("sequential", (0.0, 1.0)),
    "cv_r2": ("sequential", (0.0, 0.6)), "log_alpha": ("sequential", None),
}


def score_maps(subject: Subject, arrays: dict[str, np.ndarray], card: dict[str, Any]) -> dict[str, BrainMap]:
    """Return the maps of one subject with definition, units and story."""
    story = {"system": str(card["system"]).removesuffix("-subject"), "features": card["feature_label"],
             "part": card["part"], "split": card["split"], "images": card["metrics"]["images"],
             "ceiling": card["metrics"]["ceiling_source"],
             "method": card["method"], "versions": card["versions"]}
    out = {}
    for key, entry in scores.METRICS.items():
        if key in arrays:
            kind, limits = LOOKS[key]
            out[key] = subject.map(arrays[key], f"{entry['title']} · {subject.id}", units=entry["units"], kind=kind,
                                   limits=limits, definition=entry["definition"], provenance=story)
    return out


def present(run: os.PathLike | str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return everything that the encoding panel shows of a run, as plain types and BrainMaps.

    Keys: ``run, card, phantom, subjects, metrics, maps, group, counts, rois, stimuli, notes``; see the package's
    contract.
    A training that was stopped is shown as it stands: see :mod:`brainview.encoding.unfinished`.
    The group map is the median over subjects, on the mesh or grid that their spaces are parts of; ``counts`` says how
    many subjects have a value at each location of it.
    """
    folder = RunFolder.open(run)
    card, parts = read_parts(folder, context=context)
    dataset = dataset_of(folder)
    maps: dict[str, dict[str, BrainMap]] = {}
    rows: list[dict[str, Any]] = []
    stimuli: dict[str, list[dict[str, Any]]] = {}
    notes: list[str] = []
    for number, (name, read) in enumerate(parts):
        context.report(number, len(parts), f"reading {name}")
        arrays, part_card = read()
        subject = dataset.subject(name, variant_of(folder))
        maps[name] = score_maps(subject, arrays, part_card)
        rows += part_card["rois"]
        stimuli[name] = part_card["stimuli"]
        notes += [f"{name}: {note}" for note in part_card["notes"]]
    if card.get("random_weights"):
        notes.insert(0, "The feature model has RANDOM weights: it was never trained.")
    if card.get("stopped"):
        notes.insert(0, card["stopped"])
    elif not card.get("complete"):
        notes.insert(0, f"{len(card['finished'])} of {len(card['subjects'])} subjects are trained.")
    if len(maps) > 1:
        rows += rois.group_rows(rows)
    group, counts = _group(maps)
    return {"run": str(folder.path), "card": card, "phantom": bool(card["phantom"]), "subjects": list(maps),
            "metrics": {k: dict(v) for k, v in scores.METRICS.items() if any(k in m for m in maps.values())},
            "maps": maps, "group": group, "counts": counts, "rois": rows, "stimuli": stimuli, "notes": notes}


def _group(maps: dict[str, dict[str, BrainMap]]) -> tuple[dict[str, BrainMap], dict[str, BrainMap]]:
    """Return the median over subjects of every metric that all have, and how many subjects have a value where.

    Subjects whose spaces differ (a vertex is missing in one) meet on the mesh or grid that all of them are parts of;
    at each location the median is over those who have a value there.
    """
    each = list(maps.values())
    if len(each) < 2:
        return {}, {}
    group, counts = {}, {}
    for key in each[0]:
        found = [m[key] for m in each if key in m]
        if len(found) < len(each):
            continue
        if len({m.space.key for m in found}) > 1:
            found = [m.expanded() for m in found]
        if len({m.space.key for m in found}) > 1:
            continue
        title = scores.METRICS[key]["title"]
        n = np.sum([np.isfinite(m.values) for m in found], axis=0)
        drawn = BrainMap.mean(found, f"{title} · median of {len(found)} subjects", median=True)
        group[key] = drawn.having(definition=f"{drawn.definition} Median over the subjects that have a value at this "
                                             f"location (up to {len(found)}).")
        counts[key] = drawn.having(
            values=np.where(n > 0, n, np.nan), name=f"Subjects with {title}", units=f"subjects of {len(found)}",
            kind="sequential", limits=(0.0, float(len(found))), colormap=None,
            definition=f"How many of the {len(found)} subjects have a value of {title} at this location: the n of the "
                       "group map.")
    return group, counts


def predict_stimulus(run: os.PathLike | str, subject: str, stimulus: int, *,
                     context: JobContext = QUIET) -> dict[str, Any]:
    """Return measured and predicted response to one stimulus on one scale, with their agreement over locations.

    Keys: ``measured, predicted`` (BrainMap, limits symmetric and shared), ``R2``, ``r``, ``image`` (uint8 or None),
    ``captions``, ``part``. ``measured`` is None when the subject never saw the stimulus.
    """
    folder = RunFolder.open(run)
    model = open_model(run, context=context)
    if subject not in model.subjects:
        raise MissingError(f"has no trained subject {subject!r}", where=run,
                           remedy="It has " + ", ".join(model.subjects) + ".")
    dataset = model.dataset
    person = dataset.subject(subject, variant_of(folder))
    ids = np.array([int(stimulus)], np.int64)
    image = dataset.stimuli.image(int(stimulus)).convert("RGB")
    predicted = model.predict_pictures([image], subject, context=context)
    seen = bool(np.isin(ids, person.trials.unique)[0])
    measured = person.mean_betas(ids, context=context) if seen else None
    both = predicted if measured is None else np.concatenate([predicted, measured])
    top = float(np.nanquantile(np.abs(both), 0.99)) or 1.0
    found: dict[str, float | None] = {"R2": None, "r": None}
    if measured is not None:
        per = scores.image_scores(measured, predicted)
        found = {k: float(v[0]) for k, v in per.items()}
    story = {"system": folder.system, "stimulus": int(stimulus), "features": model.label,
             "part": _part_of(folder, int(stimulus))}

    def drawn(values: np.ndarray, word: str) -> BrainMap:
        return person.map(values[0], f"{word} response · {subject} · stimulus {int(stimulus)}", units="beta",
                          kind="diverging", limits=(-top, top), provenance=story,
                          definition=f"{word} mean response to this stimulus, in the units of the data.")

    return {"measured": None if measured is None else drawn(measured, "Measured"),
            "predicted": drawn(predicted, "Predicted"), **found, "image": np.asarray(image, np.uint8),
            "captions": list(dataset.stimuli.captions(int(stimulus))), "part": story["part"]}


def _part_of(folder: RunFolder, stimulus: int) -> str:
    split = open_split(folder)
    return next((p for p in ("train", "val", "test") if stimulus in split.part(p)), "none")


def score(run: os.PathLike | str, part: str | None = None, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return the figures of a run as plain types; another `part` than the stored one is evaluated anew.

    Keys: ``run, dataset, phantom, features, subjects`` {id: metrics}, ``rois`` rows (with the group), ``notes``.
    """
    folder = RunFolder.open(run)
    card, parts = read_parts(folder, context=context)
    out: dict[str, Any] = {"run": str(folder.path), "dataset": card["dataset"], "phantom": card["phantom"],
                           "features": card["feature_label"], "split": card["split"]["name"], "subjects": {},
                           "rois": [], "notes": [card["stopped"]] if card.get("stopped") else []}
    for name, read in parts:
        found = read()[1]
        if part is not None and part != found["part"]:
            found = open_model(folder.path, context=context).evaluate(name, part, context=context)
        out["subjects"][name] = found["metrics"]
        out["rois"] += found["rois"]
        out["notes"] += [f"{name}: {note}" for note in found["notes"]]
    if len(card["finished"]) > 1:
        out["rois"] += rois.group_rows(out["rois"])
        keys = ("mean_r", "median_R2", "official_mean", "official_median", "clean_mean", "clean_median")
        out["group"] = {k: scores.group_value(m.get(k) for m in out["subjects"].values()) for k in keys}
    return out
