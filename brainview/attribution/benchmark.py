"""Which method finds the planted voxels, and what the degradation figures say.

Toy brains (20^3 voxels, tokens of 4^3) with known informative voxels; an encoder trained on them by the app's own
trainer. The headline is hard AUROC: informative voxels of this brain's concepts against voxels of other concepts and
of nuisances, so that a map of "everything informative" stays at chance. An encoder that retrieves badly cannot be
attributed well: its R@1 stands beside every table, as does the oracle, the best that tokens of this size permit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from brainview.attribution import grading
from brainview.attribution.ibba import IbbaConfig
from brainview.attribution.ledger import grade_all, ledger_file
from brainview.attribution.planted import LEVELS
from brainview.attribution.survey import SETTLED, Cell, Survey, SurveyConfig, World, faithfulness, summary
from brainview.attribution.toy import ToyConfig, train_toy
from brainview.core.jobs import QUIET, JobContext, Stage

#: Acceptance at level 1 with default settings; R@1 of image retrieval that the encoder must pass for them to count.
HARD, GAP, ORACLE, REPEAT, FLOOR = 0.85, 0.20, 0.97, 0.97, 0.20


def survey_level(level: int, config: SurveyConfig, toy: ToyConfig, *, cached: bool = True,
                 context: JobContext = QUIET) -> dict[str, Any]:
    """Train, grade and summarise one level of planted toy brains; a stopped one goes on (`cached`).

    Returns
    -------
    dict
        What :func:`survey_world` returns with ``level``, ``what`` and, at level 1, ``thresholds``.
    """
    config = replace(config, modalities=level == 3, variants=config.variants and level == 1)
    world = train_toy(toy, cached=cached, context=Stage(context, 0, 0.15, f"level {level}"))
    found = survey_world(world, config, toy.key if cached else None,
                         context=Stage(context, 0.15, 1.0, f"level {level}"))
    entries = found.pop("entries")
    out = {"level": level, "what": LEVELS[level], **found}
    if level == 1:
        names = {r["name"] for r in out["rows"]}
        grades = {n: [e["grades"][n] for e in entries if n in e["grades"]] for n in names}
        out["thresholds"] = thresholds(out["rows"], grades, out["repeatability"], out["retrieval"])
    return out


def survey_world(world: World, config: SurveyConfig, key: str | None = None, *,
                 context: JobContext = QUIET) -> dict[str, Any]:
    """Grade and summarise one world.

    Parameters
    ----------
    key : str, optional
        What the world is called in the cache of grades; None = keep none.

    Returns
    -------
    dict
        ``samples``, ``gaps`` (samples asked about a wrong target), ``retrieval``, ``rows`` (one per method and
        setting), ``faithfulness``, ``repeatability`` (per noisy row), ``modalities`` (level 3), ``best_layer``,
        ``shipped`` (layer and beta that the panel starts with on this encoder), ``entries`` (per brain).
    """
    return survey_rows(world, config, key, None, context=context)


def survey_rows(world: World, config: SurveyConfig, key: str | None, cells: list[Cell] | None, *,
                context: JobContext = QUIET) -> dict[str, Any]:
    """Do :func:`survey_world` for given rows (None = the usual ones; other rows need a key of their own)."""
    survey = Survey(world, config, cells)
    entries = grade_all(survey, None if key is None else ledger_file(key, config), context)
    graded = [(c, [e["grades"][c.name] for e in entries if c.name in e["grades"]]) for c in survey.cells]
    rows = summary([(c, found) for c, found in graded if found])
    out = {"samples": len(entries), "gaps": min(len(entries), config.gaps), "tokens": world.grid.n_tokens,
           "copies": config.copies, "retrieval": world.retrieval, "rows": rows, "faithfulness": faithfulness(rows),
           "repeatability": _repeats(survey, entries), "best_layer": best_layer(rows, IbbaConfig().beta),
           "shipped": {"layer": IbbaConfig.default_layer(len(world.encoder.blocks)), "beta": shipped_beta(world)},
           "entries": entries}
    if config.modalities:
        out["modalities"] = _modalities(entries)
    return out


def shipped_beta(world: World) -> float:
    """Return the beta that the panel starts with on the encoder of a world."""
    return IbbaConfig.default_beta(world.encoder.n_tokens + 1, world.encoder.config.width)


def _repeats(survey: Survey, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the mean over brains of each noisy row's repeatability."""
    out = []
    for cell in survey.noisy:
        found = [e["repeat"][cell.name] for e in entries if cell.name in e["repeat"]]
        if found:
            means = {k: float(np.mean([f[k] for f in found])) for k in found[0]}
            out.append({"name": cell.name, "layer": cell.layer, "note": cell.note, **means, "samples": len(found)})
    return out


def _modalities(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row per asked target and truth: the mean over brains with its interval."""
    return [{"target": asked, "truth": truth,
             **vars(grading.bootstrap(np.array([e["modalities"][asked][truth] for e in entries if e["modalities"]])))}
            for asked in ("image", "text") for truth in ("image", "text")]


def best_layer(rows: list[dict[str, Any]], beta: float) -> int | None:
    """Return the IB-BA layer with the highest hard AUROC among those with the wanted target gap (else of all)."""
    plain = [r for r in rows if r["method"] == "ibba" and not r["note"] and r["beta"] == beta]
    good = [r for r in plain if r["target_gap"] >= GAP] or plain
    return max(good, key=lambda r: r["hard_auroc"])["layer"] if good else None


def thresholds(rows: list[dict[str, Any]], grades: dict[str, list[dict[str, float]]],
               repeat: list[dict[str, Any]], retrieval: dict[str, float]) -> list[dict[str, Any]]:
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
    words = {"": f"seed repeatability (Pearson over tokens), {default.copies} copies",
             SETTLED: f"the same, {SETTLED} (what a resting slider settles on)"}
    out += [_asked(words[r["note"]], REPEAT, r["pearson"]) for r in repeat
            if r["name"].startswith("ibba") and r["layer"] == default.layer]
    return out


def _asked(what: str, wanted: float, found: float) -> dict[str, Any]:
    return {"what": what, "wanted": wanted, "found": found, "met": bool(found >= wanted)}
