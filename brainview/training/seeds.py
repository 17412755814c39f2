"""What a grid of settings says over its seeds: mean and 95 % interval of every figure of every cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

#: The setting that is averaged over.
SEED = "seed"
#: Said beside the table.
MEANING = ("Mean and 95 % t interval over seeds: what initialisation, order of the batches and the division into "
           "training and validation images change where the seed draws them. Not the uncertainty of the test images or "
           "of the subjects. Rows share their seeds: a difference between rows can be surer than their intervals say.")


def summarise(rows: Sequence[Mapping[str, Any]], settings: Sequence[str],
              figures: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row per group of rows that differ in the seed alone.

    Parameters
    ----------
    rows : sequence of mapping
        A row per cell of the grid and subject, as ``brainview train --sweep`` makes them.
    settings : sequence of str
        What was varied.
    figures : sequence of str
        Which keys are averaged; those that hold text are dropped.

    Returns
    -------
    list of dict
        The settings without the seed, ``subject``, ``seeds`` (different ones), then per figure ``{mean, low, high}``,
        with ``low`` and ``high`` None below two seeds that have the figure, and None where none has it. Student's t
        with n - 1 degrees of freedom. Counts (whole numbers) get their mean alone.
    """
    keys = [k for k in settings if k != SEED] + ["subject"]
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[k] for k in keys), []).append(row)
    numeric = [f for f in figures if not any(isinstance(row.get(f), str) for row in rows)]
    found = []
    for values, members in groups.items():
        seeds = {str(m[SEED]): m for m in members}  # a seed given twice is one run
        found.append({**dict(zip(keys, values, strict=True)), "seeds": len(seeds),
                      **{f: _cell([m.get(f) for m in seeds.values()]) for f in numeric}})
    return found


def _cell(values: Sequence[float | None]) -> dict[str, float | None] | None:
    found = interval(values)
    if found is not None and all(isinstance(v, int) for v in values if v is not None):
        return {**found, "low": None, "high": None}
    return found


def interval(values: Sequence[float | None]) -> dict[str, float | None] | None:
    """Return ``mean, low, high`` of some numbers; missing ones are left out.

    >>> {k: round(v, 3) for k, v in interval([1.0, 2.0, 3.0, None]).items()}
    {'mean': 2.0, 'low': -0.484, 'high': 4.484}
    """
    known = [float(v) for v in values if v is not None and math.isfinite(v)]
    if not known:
        return None
    n, mean = len(known), sum(known) / len(known)
    if n < 2:
        return {"mean": mean, "low": None, "high": None}
    from scipy.stats import t

    half = float(t.ppf(0.975, n - 1)) * math.sqrt(sum((v - mean) ** 2 for v in known) / (n - 1) / n)
    return {"mean": mean, "low": mean - half, "high": mean + half}


def words(cell: Any) -> Any:
    """Return a cell of the table as text: ``0.12 [0.1, 0.14]``; what is no interval stays as it is."""
    if not isinstance(cell, dict):
        return cell
    if cell["low"] is None or cell["low"] == cell["high"]:
        return f"{cell['mean']:.4g}"
    return f"{cell['mean']:.4g} [{cell['low']:.4g}, {cell['high']:.4g}]"
