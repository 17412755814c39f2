"""Exact K-fold cross-validation of every target and penalty, without predicting n x t per penalty.

What peers pay: per fold and penalty an (n_val x n_train) matrix times the training responses, K A 2 n_val n_train t
operations. Three exact steps bring that down:

1. The training responses enter only through X'Y, which is the total minus the fold's own part. Ridge does not change
   under a rotation of the features, so X stands here for the features in their eigenbasis: q = min(n, p) columns, and
   the total is already what the final fit needs.
2. A validation block with more rows than features is replaced by its QR factor (q + 1 rows; what lies outside the
   span of the features is the same for every penalty).
3. Every penalty is evaluated through a few shrinkage profiles (:mod:`.profiles`). On request (and for the many
   candidates of banded ridge) only some are: the error as a function of the penalty has one valley for all but a few
   targets in ten thousand, and GCV, which is nearly free here, knows where it is to within a step; the exact error is
   then evaluated around every local minimum of GCV and downhill from there, until the best one lies between two worse
   ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from brainview.core.jobs import JobContext
from brainview.encoding.ridge.alphas import AlphaGrid
from brainview.encoding.ridge.factor import symmetric_eigen
from brainview.encoding.ridge.source import SCRATCH_LIMIT, ArraySource, BlockSource, scratch


@dataclass(frozen=True, eq=False)
class Fold:
    """The part of one fold: features, the column of ones and how responses get to the same rows.

    ``rows`` (n_k,) positions in the samples; ``x`` (m, q) float64 and ``one`` (m,) float64 in the basis `left`;
    ``left`` (n_k, m) float32 orthonormal columns, None when the rows are kept as they are (m = n_k).
    """

    rows: np.ndarray
    x: np.ndarray
    one: np.ndarray
    left: np.ndarray | None

    @property
    def contiguous(self) -> slice | np.ndarray:
        """The rows as a slice where that is possible, which spares a copy."""
        if self.rows.size and self.rows[-1] - self.rows[0] + 1 == self.rows.size:
            return slice(int(self.rows[0]), int(self.rows[-1]) + 1)
        return self.rows


def split(x: np.ndarray, labels: np.ndarray, *, intercept: bool) -> list[Fold]:
    """Return the folds of (n, q) float64 centred features; blocks longer than q + 1 are replaced by their QR factor."""
    folds = []
    for k in range(int(labels.max()) + 1):
        rows = np.flatnonzero(labels == k)
        part = x[rows]
        ones = np.ones(rows.size) if intercept else np.zeros(rows.size)
        if rows.size <= x.shape[1] + 1:
            folds.append(Fold(rows, part, ones, None))
            continue
        q, r = np.linalg.qr(np.column_stack([part, ones]) if intercept else part)
        inside = r[:, :x.shape[1]]
        one = r[:, -1] if intercept else np.zeros(r.shape[0])
        folds.append(Fold(rows, np.ascontiguousarray(inside), np.ascontiguousarray(one), q.astype(np.float32)))
    return folds


def compressed_rows(folds: list[Fold]) -> int:
    """Return how many rows the folds have after compression."""
    return sum(f.x.shape[0] for f in folds)


@np.errstate(invalid="ignore")  # a missing response spoils its own target, which is flagged afterwards
def compress_stream(source: BlockSource, folds: list[Fold], labels: np.ndarray, out: np.ndarray,
                    context: JobContext) -> tuple[np.ndarray, np.ndarray]:
    """Fill `out` (compressed rows, t) with the folds' responses in one pass over the blocks.

    Returns the sum and the sum of squares of every target, (t,) float64.
    """
    starts = np.cumsum([0] + [f.x.shape[0] for f in folds])
    total, square = np.zeros(source.shape[1]), np.zeros(source.shape[1])
    place = np.empty(labels.size, np.int64)
    for f in folds:
        place[f.rows] = np.arange(f.rows.size)
    for rows, block in source.rows():
        context.report(rows.start, source.shape[0], "ridge: reading responses")
        total += block.sum(0, dtype=np.float64)
        square += np.einsum("ij,ij->j", block, block, dtype=np.float64)
        for k in np.unique(labels[rows]):
            mine = np.flatnonzero(labels[rows] == k)
            at = place[rows][mine]
            left = folds[k].left
            if left is None:
                out[starts[k] + at] = block[mine]
            else:
                out[starts[k]:starts[k + 1]] += np.ascontiguousarray(left[at].T) @ block[mine]
    return total, square


@dataclass(eq=False)
class Chunk:
    """Responses of some targets: ``parts`` one (m_k, targets) float32 array per fold, centred on `mean`; ``rest``
    (targets,) float64 squared error outside the span of the features, the same for every penalty; ``power`` centred
    sum of squares."""

    parts: list[np.ndarray]
    mean: np.ndarray
    power: np.ndarray
    rest: np.ndarray


@np.errstate(invalid="ignore")
def read_chunk(source: ArraySource, folds: list[Fold], columns: slice, *, intercept: bool) -> Chunk:
    """Return one chunk of targets of an array, compressed fold by fold."""
    block = source.columns(columns.start, columns.stop)
    mean = block.mean(0, dtype=np.float64) if intercept else np.zeros(block.shape[1])
    if intercept:
        block = block - mean.astype(np.float32)
    power = np.einsum("ij,ij->j", block, block).astype(np.float64)
    lost = ~np.isfinite(power)
    if lost.any():
        block = np.where(lost, np.float32(0), block)
    parts = [block[f.contiguous] if f.left is None else f.left.T @ block[f.contiguous] for f in folds]
    return Chunk(parts, mean, power, _outside(parts, folds, power))


@np.errstate(invalid="ignore")
def read_compressed(out: np.ndarray, folds: list[Fold], columns: slice, total: np.ndarray, square: np.ndarray, n: int,
                    *, intercept: bool) -> Chunk:
    """Return one chunk of targets of what :func:`compress_stream` wrote."""
    mean = total[columns] / n if intercept else np.zeros(columns.stop - columns.start)
    power = np.maximum(square[columns] - n * mean * mean, 0.0) if intercept else square[columns].copy()
    starts = np.cumsum([0] + [f.x.shape[0] for f in folds])
    parts = []
    lost = ~np.isfinite(power)
    for k, f in enumerate(folds):
        part = np.array(out[starts[k]:starts[k + 1], columns], np.float32)
        part[:, lost] = 0.0
        if intercept:
            part -= f.one.astype(np.float32)[:, None] * np.where(lost, 0.0, mean).astype(np.float32)
        parts.append(part)
    return Chunk(parts, mean, power, _outside(parts, folds, power))


def _outside(parts: list[np.ndarray], folds: list[Fold], power: np.ndarray) -> np.ndarray:
    if all(f.left is None for f in folds):
        return np.zeros_like(power)
    inside = np.sum([np.einsum("ij,ij->j", p, p).astype(np.float64) for p in parts], axis=0)
    return np.maximum(np.where(np.isfinite(power), power, 0.0) - inside, 0.0)


@contextmanager
def chunk_reader(source: ArraySource | BlockSource, folds: list[Fold], labels: np.ndarray, *, intercept: bool,
                 limit: int = SCRATCH_LIMIT, context: JobContext) -> Iterator[Callable[[slice], Chunk]]:
    """Give a function that returns the chunk of some targets; a stream is read once, into compressed rows."""
    if isinstance(source, ArraySource):
        yield lambda part: read_chunk(source, folds, part, intercept=intercept)
        return
    with scratch((compressed_rows(folds), source.shape[1]), limit=limit) as out:
        total, square = compress_stream(source, folds, labels, out, context)
        yield lambda part: read_compressed(out, folds, part, total, square, source.shape[0], intercept=intercept)


@dataclass(frozen=True, eq=False)
class FoldSolver:
    """Ridge of all penalties on the training part of one fold, seen from its validation rows.

    ``vectors`` V (q, s) float32 and ``eigenvalues`` (s,) float64 of the centred training features' Gram matrix;
    ``held_out`` (m, s) float32 the centred validation features in that basis; ``x_mean`` (q,) float64, ``n_train``.
    """

    fold: Fold
    vectors: np.ndarray
    eigenvalues: np.ndarray
    held_out: np.ndarray
    x_mean: np.ndarray
    n_train: float

    def operator(self, alpha: float) -> np.ndarray:
        """Return (m, s) float32: responses in the training eigenbasis -> predictions of the validation rows."""
        return self.held_out * (1.0 / (self.eigenvalues + alpha)).astype(np.float32)


def solvers(folds: list[Fold], *, intercept: bool) -> list[FoldSolver]:
    """Return one solver per fold; the features' moments of each training part are the total minus the fold's own."""
    counts = [float(f.rows.size) for f in folds]
    sums = [f.one @ f.x for f in folds]
    grams = [f.x.T @ f.x for f in folds]
    total, whole = np.sum(sums, axis=0), np.sum(grams, axis=0)
    out = []
    for k, fold in enumerate(folds):
        n = sum(counts) - counts[k]
        mean = (total - sums[k]) / n if intercept else np.zeros_like(total)
        values, vectors = symmetric_eigen(whole - grams[k] - n * np.outer(mean, mean))
        held_out = (fold.x - fold.one[:, None] * mean) @ vectors
        out.append(FoldSolver(fold, vectors.astype(np.float32), values, held_out.astype(np.float32), mean, n))
    return out


@dataclass(eq=False)
class Moments:
    """Cross-products of one chunk: per fold X_k'Y_k (q, t) and the sum of its responses (t,), and the totals."""

    folds: list[np.ndarray]
    sums: list[np.ndarray]
    whole: np.ndarray
    total: np.ndarray

    @staticmethod
    def of(chunk: Chunk, folds: list[Fold]) -> Moments:
        """Multiply features and responses fold by fold; these are the only products with all rows."""
        products = [np.ascontiguousarray(f.x.T, np.float32) @ p for f, p in zip(folds, chunk.parts, strict=True)]
        sums = [f.one.astype(np.float32) @ p for f, p in zip(folds, chunk.parts, strict=True)]
        return Moments(products, sums, np.sum(products, axis=0), np.sum(sums, axis=0))


@dataclass(eq=False)
class Search:
    """Held-out errors of one chunk of targets, evaluated only where they are asked for.

    ``error`` (A, t) float64, infinite where not evaluated; columns are in the order of the first guess, so that the
    targets that ask for one penalty are neighbours.
    """

    fitted: list[FoldSolver]
    rotated: list[np.ndarray]
    measured: list[np.ndarray]
    alphas: np.ndarray
    error: np.ndarray

    @staticmethod
    def begin(chunk: Chunk, moments: Moments, fitted: list[FoldSolver], alphas: np.ndarray,
              order: np.ndarray) -> Search:
        """Rotate each fold's training responses into its eigenbasis, 2 q² t operations per fold."""
        rotated, measured = [], []
        for k, solver in enumerate(fitted):
            stat = moments.whole - moments.folds[k]
            part = np.take(chunk.parts[k], order, axis=1)
            if solver.fold.one.any():
                mean = (moments.total - moments.sums[k]) / np.float32(solver.n_train)
                stat -= (solver.n_train * solver.x_mean).astype(np.float32)[:, None] * mean
                part -= solver.fold.one.astype(np.float32)[:, None] * mean[order]
            rotated.append(np.take(solver.vectors.T @ stat, order, axis=1))
            measured.append(part)
        return Search(fitted, rotated, measured, alphas, np.full((alphas.size, order.size), np.inf))

    def evaluate(self, wanted: np.ndarray) -> None:
        """Fill the errors at `wanted` (A, t) bool, summed over the folds."""
        for i in np.flatnonzero(wanted.any(1)):
            at = np.flatnonzero(wanted[i])
            columns = slice(at[0], at[-1] + 1) if at[-1] - at[0] + 1 == at.size else at
            total = np.zeros(at.size)
            for solver, z, truth in zip(self.fitted, self.rotated, self.measured, strict=True):
                predicted = solver.operator(float(self.alphas[i])) @ z[:, columns]
                predicted -= truth[:, columns]
                total += np.einsum("ij,ij->j", predicted, predicted)
            self.error[i, columns] = total

    def descend(self) -> None:
        """Evaluate neighbours of each target's best penalty until the best one lies between two worse ones."""
        size = self.alphas.size
        while True:
            best = np.argmin(self.error, axis=0)
            wanted = np.zeros(self.error.shape, bool)
            columns = np.arange(best.size)
            for side in (-1, 1):
                next_to = best + side
                inside = (next_to >= 0) & (next_to < size)
                wanted[next_to[inside], columns[inside]] = True
            wanted &= np.isinf(self.error)
            if not wanted.any():
                return
            self.evaluate(wanted)


def choose_kfold(chunk: Chunk, moments: Moments, fitted: list[FoldSolver], grid: AlphaGrid,
                 wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (alpha, held-out squared error) of every target of a chunk.

    Parameters
    ----------
    wanted : (A, t) bool
        Which penalties of the base grid to begin with for every target (all, or around the minima of GCV). The search
        goes on while the best penalty has a neighbour that was not tried, into the grid's extension too.
    """
    alphas = grid.whole
    order = np.argsort(np.argmax(wanted, axis=0), kind="stable")
    state = Search.begin(chunk, moments, fitted, alphas, order)
    begin = np.zeros((alphas.size, order.size), bool)
    begin[grid.below.size:grid.below.size + grid.base.size] = wanted[:, order]
    state.evaluate(begin)
    state.descend()
    best = np.argmin(state.error, axis=0)
    chosen, lowest = np.empty(order.size), np.empty(order.size)
    chosen[order], lowest[order] = alphas[best], state.error[best, np.arange(best.size)]
    return chosen, lowest + chunk.rest
