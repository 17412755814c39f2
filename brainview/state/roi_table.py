"""The figures behind the ROI bars and the best-and-worst list: chosen, summed up over subjects, sorted, filtered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, quantiles
from typing import Any

from brainview.state.app import GROUP, RoiKey, RunInfo

#: Metric keys under which runs keep the noise ceiling and the plain R², best first.
CEILING_KEYS = ("NC", "nc", "ceiling", "noise_ceiling")
R2_KEYS = ("R2", "r2")


@dataclass(frozen=True)
class Bar:
    """One bar: median over `n` locations, its 95 % interval, quartiles.

    For the group (`subjects` > 0): median over subjects of their medians, and its quartiles over subjects as interval.
    """

    hemisphere: str
    value: float
    low: float
    high: float
    q25: float
    q75: float
    n: int
    subjects: int = 0


@dataclass(frozen=True)
class BarRow:
    """One region with a bar per hemisphere."""

    roi_class: str
    roi: str
    bars: tuple[Bar, ...]

    @property
    def value(self) -> float:
        """Mean of the hemispheres' values, NaN when there is none."""
        values = [b.value for b in self.bars if math.isfinite(b.value)]
        return fmean(values) if values else math.nan

    @property
    def keys(self) -> tuple[RoiKey, ...]:
        """The regions that the row stands for."""
        return tuple(RoiKey(b.hemisphere, self.roi_class, self.roi) for b in self.bars)

    def tip(self, title: str) -> str:
        """Return the figures in words."""
        lines = [f"{self.roi} ({self.roi_class}) — {title}"]
        for b in self.bars:
            word = "quartiles" if b.subjects else "95 % interval"
            interval = f", {word} {b.low:.3g} to {b.high:.3g}" if math.isfinite(b.low) else ""
            spread = f", quartiles {b.q25:.3g} to {b.q75:.3g}" if math.isfinite(b.q25) else ""
            count = f"{b.subjects} subjects" if b.subjects else f"n = {b.n:,}"
            lines.append(f"{b.hemisphere.capitalize()}: median {b.value:.3g}{interval}{spread}, {count}")
        return "\n".join(lines)


def _number(entry: Mapping[str, Any], key: str) -> float:
    value = entry.get(key)
    return math.nan if value is None else float(value)


def _bar(entry: Mapping[str, Any]) -> Bar:
    if entry.get("subject") == GROUP:
        return Bar(str(entry["hemisphere"]), _number(entry, "median"), _number(entry, "q25"), _number(entry, "q75"),
                   math.nan, math.nan, 0, int(entry.get("n") or 0))
    return Bar(str(entry["hemisphere"]), _number(entry, "median"), _number(entry, "low"), _number(entry, "high"),
               _number(entry, "q25"), _number(entry, "q75"), int(entry.get("n") or 0))


def _group(bars: Sequence[Bar]) -> Bar:
    """Return the median over subjects of their values, with quartiles over subjects."""
    good = [b for b in bars if math.isfinite(b.value)]
    if not good:
        return bars[0]
    values = [b.value for b in good]
    low, middle, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return Bar(good[0].hemisphere, middle, low, high, math.nan, math.nan, 0, len(good))


def bar_rows(run: RunInfo, brain: str, metric: str, *, hemisphere: str = "both", sort: str = "value",
             words: str = "") -> list[BarRow]:
    """Return the rows of the ROI bars.

    For ``group``: the rows that the run itself gives for the group, else the median over subjects with their quartiles.
    Regions without a location are left out.
    """
    wanted = [e for e in run.rois if e.get("metric") == metric and (e.get("n") or 0) > 0
              and hemisphere in ("both", str(e["hemisphere"]))]
    mine = [e for e in wanted if e.get("subject") == brain]
    if brain == GROUP and not mine:
        mine = [e for e in wanted if e.get("subject") in run.subjects]
    found: dict[tuple[str, str], dict[str, list[Bar]]] = {}
    for entry in mine:
        sides = found.setdefault((str(entry["roi_class"]), str(entry["roi"])), {})
        sides.setdefault(str(entry["hemisphere"]), []).append(_bar(entry))
    for sides in found.values():
        if len(sides) > 1:  # a run may give the sum of both hemispheres too; two bars say more than three
            sides.pop("both", None)
    needles = words.lower().split()
    rows = [BarRow(c, r, tuple(b[0] if len(b) == 1 else _group(b) for _, b in sorted(sides.items())))
            for (c, r), sides in found.items() if all(n in f"{c} {r}".lower() for n in needles)]
    if sort == "value":
        rows.sort(key=lambda r: -r.value if math.isfinite(r.value) else math.inf)
    elif sort == "name":
        rows.sort(key=lambda r: r.roi.lower())
    return rows


def ranked_stimuli(run: RunInfo, brain: str, *, best: bool = True, count: int = 0) -> list[tuple[int, float, float]]:
    """Return (stimulus, R², r) of one subject's test images, best or worst first; for the group, means over subjects
    that saw the image."""
    if brain == GROUP:
        sums: dict[int, list[tuple[float, float]]] = {}
        for rows in run.stimuli.values():
            for e in rows:
                sums.setdefault(int(e["stimulus"]), []).append((_number(e, "R2"), _number(e, "r")))
        found = [(s, fmean(v[0] for v in vs), fmean(v[1] for v in vs)) for s, vs in sums.items()]
    else:
        found = [(int(e["stimulus"]), _number(e, "R2"), _number(e, "r")) for e in run.stimuli.get(brain, ())]
    found = [f for f in found if math.isfinite(f[1])]
    found.sort(key=lambda f: (-f[1] if best else f[1], f[0]))
    return found[:count] if count else found


def key_among(run: RunInfo, brain: str, keys: Sequence[str]) -> str:
    """Return the first of `keys` that the run has a map for, "" when none."""
    have = run.metrics_of(brain)
    return next((k for k in keys if k in have), "")
