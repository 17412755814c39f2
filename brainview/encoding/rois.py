"""Scores per region and hemisphere: quartiles over locations, intervals over images, counts always shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from brainview.encoding import scores
from brainview.maps.rois import RoiClass
from brainview.maps.space import GrayordinateSpace, MaskedSpace, Space, SurfaceSpace, VolumeSpace

#: Metrics that get a bar per region.
ROI_METRICS = ("r", "r2", "R2", "r2_nc", "nc")


def hemispheres(space: Space) -> dict[str, np.ndarray]:
    """Return {"left", "right": (size,) bool}; empty for a space that has no sides (an unaligned grid, parcels).

    Volumes in a standard world are cut at x = 0 (a voxel on the midline belongs to neither side).
    """
    index = space.root_index if isinstance(space, MaskedSpace) else None
    root = space.root
    if isinstance(root, SurfaceSpace):
        left = np.arange(root.size) < root.n_left
    elif isinstance(root, VolumeSpace) and root.world.upper().startswith("MNI"):
        i, j, k = np.unravel_index(np.arange(root.size), root.shape)
        x = root.affine[0, 0] * i + root.affine[0, 1] * j + root.affine[0, 2] * k + root.affine[0, 3]
        left, right = x < 0, x > 0
        return {"left": left[index] if index is not None else left,
                "right": right[index] if index is not None else right}
    elif isinstance(root, GrayordinateSpace):
        names = np.concatenate([np.full(len(s.index), "LEFT" in s.name) for s in root.structures])
        sided = np.concatenate([np.full(len(s.index), "LEFT" in s.name or "RIGHT" in s.name) for s in root.structures])
        pair = {"left": names, "right": sided & ~names}
        return {k: v[index] if index is not None else v for k, v in pair.items()}
    else:
        return {}
    left = left[index] if index is not None else left
    return {"left": left, "right": ~left}


def regions(space: Space, rois: Mapping[str, RoiClass]) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """Yield (hemisphere, class, region, (size,) bool), every hemisphere and ``both``, empty regions included."""
    sides = {"both": np.ones(space.size, bool), **hemispheres(space)}
    for side, half in sides.items():
        yield side, "all", "all", half
        for name, roi_class in rois.items():
            for key, label in roi_class.table.items():
                if key > 0:
                    yield side, name, label.name, (roi_class.labels == key) & half


def roi_rows(subject: str, space: Space, rois: Mapping[str, RoiClass], maps: dict[str, np.ndarray],
             draws: np.ndarray | None = None, ceiling: np.ndarray | None = None) -> list[dict[str, Any]]:
    """Return one row per region, hemisphere and metric.

    Parameters
    ----------
    maps : metric key -> (size,) values
    draws : (count, size) float32, optional
        Bootstrap correlations over images: give ``low``, ``high`` (95 % interval of the median over locations) of
        r, r2 and r2_nc.
    ceiling : (size,) float32, optional

    Returns
    -------
    list of dict
        ``subject, hemisphere, roi_class, roi, metric, n, median, q25, q75, mean, low, high``; figures are None for an
        empty region (n = 0), never 0.
    """
    rows = []
    for side, class_name, roi, mask in regions(space, rois):
        at = np.flatnonzero(mask)
        for metric in ROI_METRICS:
            if metric not in maps:
                continue
            values = maps[metric][at]
            values = values[np.isfinite(values)]
            row: dict[str, Any] = {"subject": subject, "hemisphere": side, "roi_class": class_name, "roi": roi,
                                   "metric": metric, "n": int(values.size), "median": None, "q25": None, "q75": None,
                                   "mean": None, "low": None, "high": None}
            if values.size:
                q25, median, q75 = (float(q) for q in np.quantile(values.astype(np.float64), (0.25, 0.5, 0.75)))
                row |= {"median": median, "q25": q25, "q75": q75, "mean": float(values.mean(dtype=np.float64))}
                row |= _interval(metric, draws, at, ceiling)
            rows.append(row)
    return rows


def _interval(metric: str, draws: np.ndarray | None, at: np.ndarray, ceiling: np.ndarray | None) -> dict[str, float]:
    if draws is None or metric not in ("r", "r2", "r2_nc") or (metric == "r2_nc" and ceiling is None):
        return {}
    part = draws[:, at]
    if metric != "r":
        part = scores.squared(part)
    if metric == "r2_nc" and ceiling is not None:
        part = scores.normalized(part, ceiling[at][None, :])
    part = part[:, np.isfinite(part).all(0)]
    if part.shape[1] == 0:
        return {}
    low, high = np.quantile(np.median(part, axis=1), (0.025, 0.975))
    return {"low": float(low), "high": float(high)}


def group_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per region, hemisphere and metric for the group: mean over subjects of their medians.

    ``n`` counts subjects in which the region is not empty; the quartiles are over subjects.
    """
    found: dict[tuple, list[float]] = {}
    for row in rows:
        key = (row["hemisphere"], row["roi_class"], row["roi"], row["metric"])
        found.setdefault(key, [])
        if row["median"] is not None:
            found[key].append(row["median"])
    out = []
    for (side, class_name, roi, metric), values in found.items():
        row = {"subject": "group", "hemisphere": side, "roi_class": class_name, "roi": roi, "metric": metric,
               "n": len(values), "median": None, "q25": None, "q75": None, "mean": None, "low": None, "high": None}
        if values:
            q25, median, q75 = (float(q) for q in np.quantile(values, (0.25, 0.5, 0.75)))
            row |= {"median": median, "q25": q25, "q75": q75, "mean": float(np.mean(values))}
        out.append(row)
    return out
