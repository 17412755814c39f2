"""Adaptation on against off: two Stage IIs from one Stage I, one seed and one g, compared sample by sample.

Nothing can be compared when both arms keep the weights of Stage I (the watching person may find no epoch better); the
report then says so in place of a difference of zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from brainview.core.files import read_json
from brainview.core.names import shown

#: Figures that are compared, in the order of tables.
COMPARED = ("2-way id.", "top-1", "top-5", "category", "category by g", "BERTScore", "ROUGE-L F", "ROUGE-L P",
            "ROUGE-L R")
#: The two comparisons with their words: with the target's losses against without, and against no Stage II at all.
PAIRS = (("without adaptation", "on minus off"), ("stage I", "on minus stage I alone"))
NOTHING = ("Both arms kept the weights of stage I (whoever watches found no epoch of stage II better), so there is "
           "nothing to compare. Train with the preset adaptation, or with stage2_watch=none.")


def same_weights(one: nn.Module, two: nn.Module) -> bool:
    """Return True when two modules of one make hold the same numbers."""
    other = dict(two.named_parameters())
    return all(bool((p == other[k]).all()) for k, p in one.named_parameters())


def arms(on: nn.Module, off: nn.Module | None, first: nn.Module) -> dict[str, Any]:
    """Return ``on, off`` (does the arm differ from Stage I?) and ``note`` ("" when both do)."""
    moved = {"on": not same_weights(on, first), "off": off is not None and not same_weights(off, first)}
    note = ""
    if not any(moved.values()):
        note = NOTHING
    elif not all(moved.values()):
        kept = "off" if moved["on"] else "on"
        note = f"The arm with adaptation {kept} kept the weights of stage I, so this compares stage II with none."
    return {**moved, "note": note}


def over_people(differences: Sequence[np.ndarray], category: Sequence[np.ndarray], *, draws: int = 2000, seed: int = 0,
                level: float = 0.95) -> dict[str, float]:
    """Return the mean over people of mean differences with its bootstrap interval over people and categories.

    Both are drawn with replacement, categories the same ones for all people drawn (they are crossed, not nested).

    Parameters
    ----------
    differences, category : one (n,) array for each person
    """
    names = np.unique(np.concatenate(category))
    total, count = (np.stack([np.bincount(np.searchsorted(names, c), w, len(names)) for c, w in zip(
        category, weights, strict=True)]) for weights in (differences, [np.ones(len(c)) for c in category]))
    source = np.random.default_rng(seed)
    means = np.empty(draws)
    for i in range(draws):
        who = source.integers(len(total), size=len(total))
        pick = source.integers(len(names), size=len(names))
        seen = count[who][:, pick].sum(1)
        means[i] = (total[who][:, pick].sum(1)[seen > 0] / seen[seen > 0]).mean() if (seen > 0).any() else 0.0
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return {"difference": float(np.mean([d.mean() for d in differences])), "low": float(low), "high": float(high),
            "n": int(sum(map(len, differences))), "people": len(differences)}


def everyone(samples: Mapping[str, list[dict[str, np.ndarray]]],
             category: Sequence[np.ndarray]) -> dict[str, dict[str, Any]]:
    """Return kind -> metric -> difference of all people (see :func:`over_people`); brain minus that kind.

    Parameters
    ----------
    samples : kind -> one dict for each person of metric -> (n,) values; ``brain`` is the arm with adaptation
    """
    out: dict[str, dict[str, Any]] = {}
    for kind, _ in PAIRS:
        if kind in samples:
            found = {m: [a[m] - b[m] for a, b in zip(samples["brain"], samples[kind], strict=True)] for m in COMPARED
                     if all(m in p for p in (*samples["brain"], *samples[kind]))}
            out[kind] = {m: over_people(d, category) for m, d in found.items()}
    return out


def remarks(run: str | Path) -> list[dict[str, Any]]:
    """Return what a run's table does not say: adaptation on against off, and the first test brains beside the truth.

    Nothing of it is chosen: the samples are the first trials of each person in order.

    Returns
    -------
    list of dict with ``title``, ``header`` and ``rows`` (of a table, may be empty) and ``lines`` (under it).
    """
    report = read_json(Path(run) / "evaluation.json")
    parts = [_compared(report), _samples(report)]
    weak = [shown(n) for n, p in report["people"].items() if p["tests"]["2-way id."]["p"] >= 0.01]
    if weak:
        parts.append(_part("", lines=[f"A demonstration: not above the shuffled brain at p < .01 for {', '.join(weak)}."
                                      " The texts show that the path from brain to words runs; they tell nothing of "
                                      "the brain."]))
    return [p for p in parts if p]


def _part(title: str, header: Sequence[str] = (), rows: Sequence[Sequence[str]] = (),
          lines: Sequence[str] = ()) -> dict[str, Any]:
    return {"title": title, "header": list(header), "rows": [list(r) for r in rows], "lines": list(lines)}


def _compared(report: dict[str, Any]) -> dict[str, Any]:
    found = report.get("adaptation")
    title = "Adaptation on against off"
    if not found:
        return _part(title, lines=["Adaptation was off, or there is no stage II: nothing to compare."])
    if found["note"] == NOTHING:
        return _part(title, lines=[NOTHING])
    rows = []
    for kind, words in PAIRS:
        of = [(n, p["compared"].get(kind)) for n, p in report["people"].items()]
        for name, values in (*of, ("all", found["everyone"].get(kind))):
            rows += [[words, shown(name), metric, f"{v['difference']:+.2f}", f"{v['low']:+.2f} to {v['high']:+.2f}",
                      verdict(v)] for metric, v in (values or {}).items() if metric in COMPARED[:7]]
    lines = [f"{n} of {found['texts']} texts differ from those of {kind}." for kind, n in found["different"].items()]
    return _part(f"{title}: one stage I, one seed, one g; 95 % intervals over categories, of all also over people",
                 ("comparison", "people", "figure", "difference", "95 % interval", "verdict"), rows,
                 [*lines, *([found["note"]] if found["note"] else [])])


def _samples(report: dict[str, Any]) -> dict[str, Any]:
    rows = [[shown(s["subject"]), shown(s["reference"], limit=90), shown(s["brain"], limit=90)]
            for s in report.get("samples", ())]
    return _part(f"The first test brains, unselected: {shown(report['question'], limit=120)}",
                 ("subject", "truth", "brain"), rows) if rows else {}


def verdict(value: Mapping[str, float]) -> str:
    """Return ``better``, ``worse`` or ``not shown`` of a difference with its interval.

    >>> verdict({"low": 0.1, "high": 2.0}), verdict({"low": -1.0, "high": 0.0}), verdict({"low": -3, "high": -1})
    ('better', 'not shown', 'worse')
    """
    return "better" if value["low"] > 0 else "worse" if value["high"] < 0 else "not shown"
