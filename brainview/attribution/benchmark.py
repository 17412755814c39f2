"""Which method finds the planted voxels, and what the degradation figures say.

Toy brains (20^3 voxels, tokens of 4^3) with known informative voxels; an encoder trained on them by the app's own
trainer. The headline is hard AUROC: informative voxels of this brain's concepts against voxels of other concepts and
of nuisances, so that a map of "everything informative" stays at chance. An encoder that retrieves badly cannot be
attributed well: its R@1 stands beside every table, as does the oracle, the best that tokens of this size permit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from brainview.attribution import grading
from brainview.attribution.ibba import IbbaConfig
from brainview.attribution.planted import LEVELS
from brainview.attribution.survey import Cell, Survey, SurveyConfig, faithfulness, summary
from brainview.attribution.toy import ToyConfig, train_toy
from brainview.core.jobs import QUIET, JobContext, Stage

#: Acceptance at level 1 with default settings; R@1 of image retrieval that the encoder must pass for them to count.
HARD, GAP, ORACLE, REPEAT, FLOOR = 0.85, 0.20, 0.97, 0.97, 0.20


def survey_level(level: int, config: SurveyConfig, toy: ToyConfig, *, cached: bool = True,
                 context: JobContext = QUIET) -> dict[str, Any]:
    """Train, grade and summarise one level.

    Returns
    -------
    dict
        ``level``, ``retrieval``, ``rows`` (one per method and setting), ``faithfulness``, ``repeatability`` (per
        layer), ``thresholds`` (level 1), ``modalities`` (level 3), ``best_layer``, ``notes``.
    """
    world = train_toy(toy, cached=cached, context=Stage(context, 0, 0.2, f"level {level}"))
    survey = Survey(world, config)
    found: dict[str, tuple[Cell, list[dict[str, float]]]] = {}
    for cell, _, grade in survey.grades(Stage(context, 0.2, 0.95, f"level {level}")):
        found.setdefault(cell.name, (cell, []))[1].append(grade)
    rows = summary(list(found.values()))
    default = IbbaConfig()
    layers = sorted({r["layer"] for r in rows if r["method"] == "ibba" and not r["note"]})
    repeat = [{"layer": layer, **survey.repeatability(layer, default.beta, context)} for layer in layers]
    out = {"level": level, "what": LEVELS[level], "samples": min(config.samples, toy.test), "tokens":
           world.grid.n_tokens, "copies": config.copies, "retrieval": world.retrieval, "rows": rows,
           "faithfulness": faithfulness(rows), "repeatability": repeat, "best_layer": best_layer(rows, default.beta)}
    if level == 1:
        out["thresholds"] = thresholds(rows, {name: grades for name, (_, grades) in found.items()}, repeat,
                                       world.retrieval)
    if level == 3:
        out["modalities"] = survey.modalities(default.layer, default.beta, context)
    return out


def best_layer(rows: list[dict[str, Any]], beta: float) -> int | None:
    """Return the IB-BA layer with the highest hard AUROC among those with the wanted target gap (else of all)."""
    plain = [r for r in rows if r["method"] == "ibba" and not r["note"] and r["beta"] == beta]
    good = [r for r in plain if r["target_gap"] >= GAP] or plain
    return max(good, key=lambda r: r["hard_auroc"])["layer"] if good else None


def thresholds(rows: list[dict[str, Any]], grades: dict[str, list[dict[str, float]]],
               repeat: list[dict[str, float]], retrieval: dict[str, float]) -> list[dict[str, Any]]:
    """Return what was asked of the default settings at level 1, what was found, and whether it is met."""
    default, by_name = IbbaConfig(), {r["name"]: r for r in rows}
    name = f"ibba layer {default.layer} beta {default.beta:g}"
    row = by_name.get(name)
    if row is None:
        return [{"what": "default settings were not among those asked for", "wanted": None, "found": None,
                 "met": False}]
    out = [_asked("R@1 (image) of the encoder", FLOOR, retrieval["image"]),
           _asked("hard AUROC, trilinear", HARD, row["hard_auroc"]),
           _asked("target gap", GAP, row["target_gap"]),
           _asked("oracle hard AUROC", ORACLE, by_name["oracle"]["hard_auroc"])]
    for rival in ("energy", "grad-cam"):
        best = max((r for r in rows if r["method"] == rival), key=lambda r: r["hard_auroc"], default=None)
        if best is not None:
            pairs = [a["hard_auroc"] - b["hard_auroc"] for a, b in zip(grades[name], grades[best["name"]], strict=True)]
            out.append(_asked(f"lower end of the interval of the lead over {best['name']}", 0.0,
                              grading.bootstrap(np.array(pairs)).low))
    out += [_asked("seed repeatability (Pearson)", REPEAT, r["pearson"]) for r in repeat
            if r["layer"] == default.layer]
    return out


def _asked(what: str, wanted: float, found: float) -> dict[str, Any]:
    return {"what": what, "wanted": wanted, "found": found, "met": bool(found >= wanted)}
