"""Two maps side by side: how they agree, and whether more than two smooth maps would by themselves.

The spin test turns one map on the sphere at random (the same turn for both hemispheres, mirrored) and compares again:
Alexander-Bloch et al. 2018, NeuroImage 178:540. Locations that a turn brings under no data are left out of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats
from scipy.spatial import cKDTree

from brainview.core.errors import MismatchError, MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.maps.brainmap import BrainMap
from brainview.maps.meshes import load_mesh
from brainview.maps.space import SurfaceSpace

#: The most locations that a plot gets.
POINTS = 200_000


def compare(first: BrainMap, second: BrainMap, *, spins: int = 200, seed: int = 0,
            context: JobContext = QUIET) -> dict[str, Any]:
    """Return how two maps on one space agree.

    Returns
    -------
    dict
        ``n`` (locations with data in both), ``r`` (Pearson), ``rho`` (Spearman), ``p_spin`` (two-sided, None where
        the maps lie on no sphere), ``spins``, ``null`` (the r of each spin), ``x`` and ``y`` (at most `POINTS`
        locations), ``difference`` (BrainMap, first - second), ``mean_difference``.

    Raises
    ------
    MismatchError
        The spaces differ. MissingError: fewer than 10 locations have data in both.
    """
    a, b = first.expanded(), second.expanded()
    if a.space != b.space:
        raise MismatchError(f"{first.name!r} is on {a.space.name}, {second.name!r} on {b.space.name}",
                            remedy="Convert one of them first (Export map, another space).")
    good = np.isfinite(a.values) & np.isfinite(b.values)
    x, y = a.values[good].astype(float), b.values[good].astype(float)
    if len(x) < 10:
        raise MissingError(f"only {len(x)} locations have data in both maps", remedy="Choose maps that overlap.")
    r = pearson(x, y)
    null, p = _spins(a, b, r, spins, seed, context)
    chosen = np.random.default_rng(seed).permutation(len(x))[:POINTS]
    return {"n": len(x), "r": r, "rho": float(stats.spearmanr(x, y).statistic), "p_spin": p, "spins": len(null),
            "null": null, "x": x[chosen].astype(np.float32), "y": y[chosen].astype(np.float32),
            "difference": first.minus(second), "mean_difference": float((x - y).mean())}


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """Return the correlation of two (n,) vectors, NaN when one is constant."""
    x, y = x - x.mean(), y - y.mean()
    size = np.sqrt((x**2).sum() * (y**2).sum())
    return float(x @ y / size) if size > 0 else float("nan")


def _spins(a: BrainMap, b: BrainMap, r: float, spins: int, seed: int,
           context: JobContext) -> tuple[np.ndarray, float | None]:
    space = a.space
    if not isinstance(space, SurfaceSpace) or not space.name.startswith("fsaverage") or spins < 1:
        return np.empty(0), None
    sides = [(side, part) for side, part, count in (("left", space.left, space.n_left),
                                                    ("right", space.right, space.n_right)) if count]
    points = {side: _unit(load_mesh(space, side, "sphere").vertices) for side, _ in sides}  # type: ignore[arg-type]
    trees = {side: cKDTree(p) for side, p in points.items()}
    rng, null = np.random.default_rng(seed), np.empty(spins)
    mirror = np.diag([-1.0, 1.0, 1.0])
    for n in range(spins):
        context.report(n, spins, f"spin {n + 1} of {spins}")
        turn = _rotation(rng)
        turned = np.empty_like(a.values)
        for side, part in sides:
            own = turn if side == "left" else mirror @ turn @ mirror
            turned[part] = a.values[part][trees[side].query(points[side] @ own.T)[1]]
        good = np.isfinite(turned) & np.isfinite(b.values)
        null[n] = pearson(turned[good].astype(float), b.values[good].astype(float)) if good.sum() > 2 else np.nan
    null = null[np.isfinite(null)]
    return null, float((1 + (np.abs(null) >= abs(r)).sum()) / (1 + len(null)))


def _unit(points: np.ndarray) -> np.ndarray:
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def _rotation(rng: np.random.Generator) -> np.ndarray:
    """Return a uniformly random rotation (QR of a Gaussian matrix)."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else q * np.array([-1.0, 1.0, 1.0])
