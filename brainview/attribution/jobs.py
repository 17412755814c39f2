"""Jobs that the window and the command submit by name; plain types in and out."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from brainview.attribution.batch import attribute_all, read_scores, story_of
from brainview.attribution.group import ALL, CORRECTIONS, LEAST, group_map
from brainview.attribution.maps import volume_map
from brainview.attribution.source import open_source
from brainview.core.errors import BrainViewError, MissingError
from brainview.core.files import atomic_write, write_json
from brainview.core.jobs import QUIET, JobContext
from brainview.core.names import shown
from brainview.maps.io import write_map


def attribute_many(run: str, out: str, subjects: list[str] | None = None, stimuli: list[int] | None = None,
                   request: dict[str, Any] | None = None, data: str = "", *,
                   context: JobContext = QUIET) -> dict[str, Any]:
    """Attribute many stimuli (:func:`batch.attribute_all`); returns ``files``."""
    found = attribute_all(run, out, subjects=subjects, stimuli=stimuli, request=request, data=data, context=context)
    return {"files": [str(f) for f in found]}


def categories(run: str, scores: str, data: str = "", *, context: JobContext = QUIET) -> list[tuple[str, int]]:
    """Return (category, stimuli) of the stimuli of a score file, all of them first, the largest next.

    `data` is the data set to ask where the run's own is not here.
    """
    ids = read_scores(scores)["ids"]
    names = _categories(run, story_of(scores)["subject"], ids, data)
    counts = Counter(n for n in names if n)
    return [(ALL, len(ids)), *((n, c) for n, c in counts.most_common() if LEAST <= c <= len(ids) - LEAST)]


def group(run: str, scores: str, category: str, permutations: int = 1000, data: str = "", *,
          context: JobContext = QUIET) -> dict[str, Any]:
    """Return the maps over a category: ``mean``, ``t``, ``shown`` (correction -> t, 0 where it fails), ``words``..."""
    arrays, story = read_scores(scores), story_of(scores)
    ids = arrays["ids"]
    if category == ALL:
        member = np.ones(len(ids), bool)
    else:
        member = np.array([n == category for n in _categories(run, story["subject"], ids, data)])
    grid = open_source(run, story["subject"], data).grid
    if not member.any():
        raise MissingError(f"no stimulus is of category {shown(category)}", where=scores)
    found = group_map(arrays["scores"], member, grid, permutations=permutations, context=context)
    return {"name": category, "n": found.n, "mean": found.mean, "t": found.t,
            "shown": {c: found.shown_t(c) for c in CORRECTIONS}, "passed": {c: int(found.passes(c).sum())
                                                                            for c in CORRECTIONS},
            "p_corrected": found.p_corrected, "p_cluster": found.p_cluster, "fdr": found.fdr, "unit": story["unit"],
            "words": found.words(shown(category)),
            "story": {"group": category, "stimuli": found.n, "against": found.rest, "scores": scores,
                      "permutations": found.permutations, "request": story["request"]}}


def _categories(run: str, subject: str, ids: np.ndarray, data: str) -> list[str]:
    try:
        stimuli = open_source(run, subject, data).dataset.stimuli
        return [str(stimuli.details(int(i)).get("category") or "") for i in ids]
    except BrainViewError:
        return [""] * len(ids)  # the data are elsewhere: only the group of all


def write_group(run: str, scores: str, category: str, folder: str, data: str = "", permutations: int = 1000, *,
                context: JobContext = QUIET) -> dict[str, Any]:
    """Write the group maps of a category as NIfTI into a folder and all token figures as CSV.

    Returns
    -------
    dict
        ``files``, ``words``, ``n``, ``passed`` (correction -> tokens).
    """
    found = group(run, scores, category, permutations, data, context=context)
    grid = open_source(run, story_of(scores)["subject"], data).grid
    stem = f"group-{story_of(scores)['subject']}-{re.sub(r'[^A-Za-z0-9]+', '-', category).strip('-')}"
    story = {"group": found["story"], "phantom": bool(story_of(scores)["phantom"])}
    files = []
    for kind, values, unit in (("mean", found["mean"], found["unit"]), ("t", found["t"], "t"),
                               *((f"t-{c}", found["shown"][c], "t") for c in ("fdr", "cluster", "max"))):
        made = volume_map(values, grid, unit=unit, name=f"{kind} over {category}", provenance=story)
        files.append(str(write_map(made, Path(folder) / f"{stem}-{kind}.nii.gz")))
    table = Path(folder) / f"{stem}.csv"
    with atomic_write(table) as file:
        lines = ["token,mean,t,p familywise,p cluster,passes FDR"]
        lines += [f"{k},{found['mean'][k]:.6g},{found['t'][k]:.6g},{found['p_corrected'][k]:.4g},"
                  f"{found['p_cluster'][k]:.4g},{int(found['fdr'][k])}" for k in range(len(found["t"]))]
        file.write(("\n".join(lines) + "\n").encode())
    return {"files": [*files, str(table)], "words": found["words"], "n": found["n"], "passed": found["passed"]}


def export_answer(folder: str, stem: str, scores: np.ndarray, facts: dict[str, Any], regions: list[dict[str, Any]], *,
                  context: JobContext = QUIET) -> list[str]:
    """Write token scores (npy), figures with all settings (json) and regions (csv); returns the files."""
    place = Path(folder)
    files = [place / f"{stem}-tokens.npy", place / f"{stem}.json", place / f"{stem}-regions.csv"]
    with atomic_write(files[0]) as file:
        np.save(file, np.asarray(scores, np.float32), allow_pickle=False)
    write_json(files[1], facts)
    with atomic_write(files[2]) as file:
        lines = ["class,region,hemisphere,share of the map's mass on the cortex,vertices"]
        lines += [f"{_cell(r['class'])},{_cell(r['roi'])},{r['hemisphere']},{r['share']:.6g},{r['n']}" for r in regions]
        file.write(("\n".join(lines) + "\n").encode())
    return [str(f) for f in files]


def _cell(value: Any) -> str:
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text
