"""The figures of an encoding model: maps of all brains, images beside measured and predicted maps, boxes per region."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PySide6.QtGui import QColor

from brainview.app.figures.flat import CLASS_COLORS, boundaries, outlined
from brainview.app.figures.sheet import SIDES, Box, Sheet, Tile
from brainview.app.widgets.flat_picture import picture
from brainview.core.errors import MissingError
from brainview.maps.display import ColorRule, rule_for
from brainview.maps.rois import RoiClass
from brainview.maps.space import SurfaceSpace
from brainview.state.app import GROUP, Prediction, RunInfo, SubjectInfo
from brainview.state.showing import common_limit

CLASS_WORDS = {"prf-visualrois": "early visual", "floc-bodies": "bodies", "floc-faces": "faces",
               "floc-places": "places", "floc-words": "words"}
#: Range of R² in Fig. 2A; other metrics keep their own.
R2_RANGE = (0.0, 0.6)


def story(run: RunInfo, **more: Any) -> dict[str, Any]:
    """Return what a figure's file says of its origin."""
    return {"run": run.path, "card": {k: run.card.get(k) for k in ("system", "feature_label", "dataset", "versions")},
            "phantom": run.phantom, **more}


def label(run: RunInfo) -> str:
    """Return the words that every figure of a phantom run carries."""
    return "PHANTOM: simulated brains, not measurements. " if run.phantom else ""


def maps_sheet(run: RunInfo, metric: str, people: Mapping[str, SubjectInfo]) -> Sheet:
    """Return Fig. 2A: flat maps of a metric for every subject and the group, regions outlined by class.

    Raises MissingError when no map lies on a surface that can be flattened here.
    """
    brains = [b for b in run.brains if metric in run.metrics_of(b)
              and isinstance(run.map_of(b, metric).space.root, SurfaceSpace)]
    if not brains:
        raise MissingError("has no map on a cortical surface, which could be flattened", where=run.name)
    first = run.map_of(brains[0], metric)
    rule = rule_for(first).having(limits=R2_RANGE) if metric in ("R2", "r2") else rule_for(first)
    rule = rule.having(colormap="inferno") if first.kind != "diverging" else rule
    tiles, rows, classes = [], [], set()
    for brain in brains:
        drawn = run.map_of(brain, metric)
        person = people.get(brain)
        rois: Mapping[str, RoiClass] = person.rois if person is not None else {}
        space = person.space if person is not None else drawn.space
        tiles.append(Tile("Group" if brain == GROUP else brain, outlined(drawn, rule, rois, space)))
        classes |= set(boundaries(rois, space))
        values = drawn.values[np.isfinite(drawn.values)]
        rows.append([brain, metric, int(values.size), *(f"{v:.6g}" for v in np.percentile(values, (25, 50, 75)))]
                    if values.size else [brain, metric, 0, "", "", ""])
    pairs = [tiles[k:k + 2] for k in range(0, len(tiles), 2)]
    entry = run.metrics[metric]
    legend = [(CLASS_WORDS[k], QColor(*CLASS_COLORS[k])) for k in CLASS_COLORS if k in classes]
    return Sheet(f"{entry.get('title', metric)} of every subject", label(run) + str(entry.get("definition", "")),
                 rows=pairs, scale=(rule, first), legend=legend,
                 table=(("brain", "metric", "locations", "q25", "median", "q75"), rows),
                 story=story(run, figure="maps", metric=metric, limits=list(rule.limits), colormap=rule.colormap))


def predictions_sheet(run: RunInfo, predictions: Sequence[Prediction]) -> Sheet:
    """Return Fig. 2B: image, measured and predicted map per row, all on one symmetric scale."""
    if not predictions:
        raise MissingError("has no predicted stimuli to show", where=run.name)
    maps = [m for p in predictions for m in (p.measured, p.predicted) if m is not None]
    limit = common_limit(*maps)
    rows, table = [], []
    rule = ColorRule()
    for p in predictions:
        same: dict[str, Any] = {"kind": "diverging", "limits": (-limit, limit)}
        rule = rule_for(p.predicted.having(**same))
        score = f"R² {p.R2:.2f}, r {p.r:.2f}" if math.isfinite(p.R2) else "not measured"
        row = [Tile(f"{p.stimulus}", p.image)] if p.image is not None else []
        for words, drawn in (("measured", p.measured), ("predicted", p.predicted)):
            if drawn is not None:
                row.append(Tile(f"{p.brain} · nsd-{p.stimulus:05d} · {words} · {score}" if words == "predicted"
                                else words, picture(drawn.having(**same), rule)))
        rows.append(row)
        table.append([p.brain, p.stimulus, f"{p.R2:.6g}", f"{p.r:.6g}", p.captions[0] if p.captions else ""])
    return Sheet("Measured and predicted responses", label(run) + "R² and r over locations of one image; one symmetric "
                 "scale for all maps.", rows=rows, scale=(rule, predictions[0].predicted),
                 table=(("subject", "stimulus", "R2 over locations", "r over locations", "caption"), table),
                 story=story(run, figure="predictions", stimuli=[p.stimulus for p in predictions], limit=limit))


def regions_sheet(run: RunInfo, brain: str, metric: str) -> Sheet:
    """Return Fig. 2C: boxes per region and hemisphere of one brain."""
    keys = ("subject", "hemisphere", "roi_class", "roi", "metric", "n", "median", "q25", "q75", "low", "high")
    found = [r for r in run.rois if r["subject"] == brain and r["metric"] == metric and r.get("n")]
    if not found:
        raise MissingError(f"has no regional summary of {metric} for {brain}", where=run.name)
    grouped: dict[tuple[str, str], list[Box]] = {}
    for r in found:
        numbers = [math.nan if r.get(k) is None else float(r[k]) for k in ("median", "q25", "q75", "low", "high")]
        grouped.setdefault((str(r["roi_class"]), str(r["roi"])), []).append(
            Box(str(r["hemisphere"]), int(r["n"]), *numbers))
    boxes = [(roi, sorted(bs, key=lambda b: b.side)) for (_, roi), bs in grouped.items()]
    title = run.metrics[metric].get("title", metric)
    who = "the group" if brain == GROUP else brain
    legend = [(side.capitalize(), SIDES[side]) for side in ("left", "right") if any(b.side == side for _, bs in boxes
                                                                                    for b in bs)]
    line = "quartiles over subjects" if brain == GROUP else "95 % bootstrap interval of the median"
    return Sheet(f"{title} per region, {who}", label(run) + "Box: quartiles over locations; line: median; whisker: "
                 f"{line}. " + str(run.metrics[metric].get("definition", "")), boxes=boxes, legend=legend,
                 table=(keys, [[r.get(k) for k in keys] for r in found]),
                 story=story(run, figure="regions", brain=brain, metric=metric), width=max(540.0, 22.0 * len(boxes)))

