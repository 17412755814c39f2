"""Generalised cross-validation for every target in one pass over the responses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainview.core.jobs import JobContext
from brainview.encoding.ridge.alphas import AlphaGrid
from brainview.encoding.ridge.result import CONSTANT, HAS_NAN, OK
from brainview.encoding.ridge.source import ArraySource, BlockSource

#: GCV R2 below which a target counts as hardly predictable.
FAINT = 0.01


@dataclass(eq=False)
class Rotated:
    """Responses in the eigenbasis of the features: ``factor`` U'Y (q, t) float32, centred sums (t,) float64."""

    factor: np.ndarray
    mean: np.ndarray
    power: np.ndarray


@np.errstate(invalid="ignore")  # a missing response spoils its own target, which is flagged afterwards
def rotate(source: ArraySource | BlockSource, samples: np.ndarray, *, intercept: bool, targets_at_once: int,
           context: JobContext) -> Rotated:
    """Return U'Y and the centred sum of squares of every target, touching each response once.

    Because the features fit in memory, U is known before the responses are read; multiplying by U' instead of X'
    gives the eigenbasis at once and saves the second product V'(X'Y), 2 p² t operations.
    """
    n, t = source.shape
    out = Rotated(np.zeros((samples.shape[1], t), np.float32), np.zeros(t), np.zeros(t))
    if isinstance(source, ArraySource):
        left = np.ascontiguousarray(samples.T)
        for a in range(0, t, targets_at_once):
            context.report(a, t, "ridge: reading responses")
            b = min(a + targets_at_once, t)
            block = source.columns(a, b)
            if intercept:
                out.mean[a:b] = block.mean(0, dtype=np.float64)
                block = block - out.mean[a:b].astype(np.float32)
            np.matmul(left, block, out=out.factor[:, a:b])
            out.power[a:b] = np.einsum("ij,ij->j", block, block)
        return out
    shift: np.ndarray | None = None
    for rows, block in source.rows():
        context.report(rows.start, n, "ridge: reading responses")
        if intercept:
            # centring on the first block keeps float32 sums exact for responses far from 0
            shift = block.mean(0) if shift is None else shift
            block = block - shift
            out.mean += block.sum(0, dtype=np.float64)
        left = np.ascontiguousarray(samples[rows].T)
        for a in range(0, t, targets_at_once):
            out.factor[:, a:a + targets_at_once] += left @ block[:, a:a + targets_at_once]
        out.power += np.einsum("ij,ij->j", block, block)
    if intercept and shift is not None:
        mean = out.mean / n
        out.power = np.maximum(out.power - n * mean * mean, 0.0)
        out.mean = mean + shift
    return out


def flag_targets(rotated: Rotated, n: int) -> np.ndarray:
    """Return (t,) uint8 flags and set the factor of flagged targets to 0."""
    flags = np.full(rotated.power.size, OK, np.uint8)
    scale = np.square(rotated.mean) * n + 1e-300
    with np.errstate(invalid="ignore"):
        flags[rotated.power <= 1e-11 * scale] = CONSTANT
    flags[~np.isfinite(rotated.power)] = HAS_NAN
    rotated.factor[:, flags != OK] = 0.0
    return flags


def choose_gcv(factor: np.ndarray, power: np.ndarray, eigenvalues: np.ndarray, n: int, grid: AlphaGrid, *,
               intercept: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return (alpha, GCV R2) of every target, both (m,) float64.

    GCV(a) = (RSS(a) / n) / (1 - df(a) / n)² with df the trace of the hat matrix (Golub, Heath, Wahba 1979); here
    RSS(a) = RSS(0) + sum_j (a / (l_j + a))² z_j², a sum of positive terms, so nothing cancels in float32.

    Parameters
    ----------
    factor : (q, m) float32, power : (m,) float64 centred sum of squares, eigenvalues : (q,) float64
    """
    squared = np.square(factor)
    rest = np.maximum(power - squared.sum(0, dtype=np.float64), 0.0)
    alphas, error = _scan(squared, rest, eigenvalues, n, grid.base, intercept)
    if grid.grow:
        for edge, extension in ((grid.base[0], grid.below), (grid.base[-1], grid.above)):
            at = np.flatnonzero(alphas == edge)
            if at.size:
                more, less = _scan(squared[:, at], rest[at], eigenvalues, n, extension, intercept)
                better = less < error[at]
                alphas[at[better]], error[at[better]] = more[better], less[better]
    null = power * n / max(n - int(intercept), 1) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return alphas, 1.0 - error / null


def promising(factor: np.ndarray, power: np.ndarray, eigenvalues: np.ndarray, n: int, alphas: np.ndarray, *,
              intercept: bool) -> np.ndarray:
    """Return (A, t) bool: penalties at and next to every local minimum of GCV, and those that tie with the best.

    Targets that GCV hardly finds predictable have a flat error with more than one shallow valley; for them one penalty
    per decade is named, whatever GCV says.
    """
    squared = np.square(factor)
    rest = np.maximum(power - squared.sum(0, dtype=np.float64), 0.0)
    error = _errors(squared, rest, eigenvalues, n, alphas, intercept)
    null = power * n / max(n - int(intercept), 1) ** 2
    faint = error.min(axis=0) > (1.0 - FAINT) * null
    wall = np.full((1, error.shape[1]), np.inf)
    low = (error <= np.vstack([wall, error[:-1]])) & (error <= np.vstack([error[1:], wall]))
    low |= error <= error.min(axis=0) * (1 + 1e-6)
    out = low.copy()
    out[1:] |= low[:-1]
    out[:-1] |= low[1:]
    decades = np.floor(np.log10(alphas / alphas[0]) + 1e-9)
    out[:, faint] |= (np.diff(decades, prepend=-1) > 0)[:, None]
    return out


def _errors(squared: np.ndarray, rest: np.ndarray, eigenvalues: np.ndarray, n: int, alphas: np.ndarray,
            intercept: bool) -> np.ndarray:
    """Return (A, t) float64 GCV errors."""
    residue = alphas[:, None] / (eigenvalues[None, :] + alphas[:, None])
    freedom = n - int(intercept) - (1.0 - residue).sum(1)
    rss = np.square(residue).astype(np.float32) @ squared + rest
    return rss * (n / np.maximum(freedom, 1e-6) ** 2)[:, None]


def _scan(squared: np.ndarray, rest: np.ndarray, eigenvalues: np.ndarray, n: int, alphas: np.ndarray,
          intercept: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the best of `alphas` and its GCV for every column."""
    error = _errors(squared, rest, eigenvalues, n, alphas, intercept)
    best = np.argmin(error, axis=0)
    return alphas[best], error[best, np.arange(best.size)]
