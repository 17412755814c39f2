"""What a training will need before it starts: time from runs of the same system here, memory and disk from sizes.

A system that knows better holds ``estimate(path, *, subjects, options, context) -> dict`` of the same keys in its
module: its figures come before the general ones, which fill what it leaves open (the time, from earlier runs).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from statistics import median
from typing import Any

from brainview.core.errors import BrainViewError
from brainview.core.jobs import QUIET, JobContext
from brainview.core.systems import load, system
from brainview.training.history import list_runs, size_on_disk
from brainview.training.options import checked

#: Settings that make an epoch dear or cheap: runs that differ in them are no measure of time for each other.
COSTLY = ("stage", "head", "features", "tokens", "augment", "hidden", "encoder", "width", "depth", "patch", "pixels",
          "model", "tower", "route", "llm", "vision", "limit")
#: A worker with torch and nothing else in it, in bytes.
BASE_MEMORY = 700 << 20


def estimate(name: str, path: str, *, subjects: list[str] | None, options: dict[str, Any], runs: str | None,
             context: JobContext = QUIET) -> dict[str, Any]:
    """Return what a training will need.

    Parameters
    ----------
    name, path : str
        System and data set.
    runs : str, optional
        Folder whose earlier runs are the measure of time.

    Returns
    -------
    dict
        ``seconds, memory, disk`` (bytes; None = not known), ``free`` (bytes on that disk), ``basis`` (a sentence on
        where the figures come from), ``notes`` (lines), ``problem`` ("" or what the system says against the options).
    """
    settings, problem = checked(name, options)
    out: dict[str, Any] = {"seconds": None, "memory": None, "disk": None, "basis": "", "notes": [], "problem": problem,
                           "free": _free(runs)}
    if problem:
        return out
    own = getattr(load(system(name).module), "estimate", None)
    try:
        found = _generic(name, path, subjects, settings, runs, context)
        if own:
            found = _better(found, own(path, subjects=subjects, options=dict(options), context=context))
        elif found.get("seconds") is None:
            found["basis"] += " Memory: one subject's responses and the program."
    except BrainViewError as err:
        return out | {"problem": str(err)}
    return out | {k: v for k, v in found.items() if v is not None}


def _free(runs: str | None) -> int | None:
    place = Path(runs) if runs else Path.home()
    return shutil.disk_usage(place).free if place.exists() else None


def _better(general: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return the general figures with a system's own in their place, and whose basis is whose."""
    own, basis = dict(own), own.get("basis", "")
    measured = general.get("seconds") is not None and (general.get("alike") or own.get("seconds") is None)
    if measured:
        own.pop("seconds", None)
    time_basis = own.pop("time_basis", "")
    if measured or own.get("seconds") is None:
        basis = f"Time: {general.get('basis', '')} {basis}".strip()
    else:
        basis = f"{time_basis} {basis}".strip()
    return {**general, **{k: v for k, v in own.items() if v is not None}, "basis": basis}


def _generic(name: str, path: str, subjects: list[str] | None, settings: dict[str, Any], runs: str | None,
             context: JobContext) -> dict[str, Any]:
    dataset = load("brainview.datasets.registry:open_dataset")(path)
    names = list(subjects or dataset.subjects)
    largest = 0
    for subject in names:
        context.check()
        person = dataset.subject(subject, settings.get("variant") or None)
        largest = max(largest, 4 * len(person.trials) * person.space.size)
    earlier = [r for r in (list_runs(runs) if runs else []) if r["system"] == name and r["finished"]
               and r["cost"].get("seconds")]
    passes = int(settings.get("epochs", 1) or 1)
    alike = [r for r in earlier if all(r["config"].get(k) == settings.get(k) for k in COSTLY)]
    return {"memory": BASE_MEMORY + largest, **_from_earlier(alike or earlier, len(names), passes),
            "alike": bool(alike)}


def _from_earlier(earlier: list[dict[str, Any]], subjects: int, passes: int) -> dict[str, Any]:
    """Return time and disk per subject and epoch of earlier runs, times those of this one."""
    if not earlier:
        return {"basis": "Nothing of this kind was trained here yet, so the time is not known before it starts; the "
                         "job says it after the first minute."}
    rates = [r["cost"]["seconds"] / max(1, len(r["subjects"]) * int(r["config"].get("epochs", 1) or 1))
             for r in earlier]
    sizes = [size_on_disk(Path(r["path"])) / max(1, len(r["subjects"])) for r in earlier[:3]]
    peaks = [int(r["cost"].get("peak_memory", 0)) for r in earlier]
    out: dict[str, Any] = {
        "seconds": median(rates) * subjects * passes, "disk": int(median(sizes) * subjects),
        "basis": f"From {len(earlier)} earlier run{'s' if len(earlier) != 1 else ''} of this system on this computer, "
                 "per subject and epoch; another size of model changes it."}
    if max(peaks):
        out["memory"] = max(peaks)
    return out
