"""Every penalty of a grid for the price of a few: held-out errors through shrinkage profiles.

On the validation rows of a fold, ridge with penalty a predicts H diag(1 / (l_j + a)) z. As functions of the eigenvalue
l the shrinkages l / (l + a) of a whole grid are nearly dependent (they are one sigmoid of log l, shifted), so a few
profiles b_r span them: with 1 / (l_j + a_i) = sum_r c_ir b_rj

    || y - H diag(1 / (l + a_i)) z ||² = (c_i, -1) M (c_i, -1)'

with M the Gram matrix of (H diag(b_1) z, ..., H diag(b_R) z, y), which is all that has to be computed from data. Ten
penalties over nine decades need eight profiles, forty need about fifteen.

How exact that is: profiles are added until no shrinkage factor is off by more than `TOLERANCE` of the largest factor of
its penalty. An error then is off by at most about 2 TOLERANCE times the product of the norms of residual and
prediction, so the choice can differ from that of evaluating each penalty only where two penalties are that close.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainview.encoding.ridge.kfold import Chunk, FoldSolver, Moments

#: Largest error of a shrinkage factor, relative to the largest factor of its penalty.
TOLERANCE = 1e-5
#: Targets whose predictions are made at once: what keeps them in the cache of the processor.
AT_ONCE = 512


def profiles(eigenvalues: np.ndarray, alphas: np.ndarray,
             tolerance: float = TOLERANCE) -> tuple[np.ndarray, np.ndarray]:
    """Return (R, s) profiles and (A, R) coefficients with 1 / (l + a) = coefficients @ profiles.

    Parameters
    ----------
    eigenvalues : (s,) float64 > 0. alphas : (A,) float64 > 0
    """
    shrink = eigenvalues / (eigenvalues + alphas[:, None])
    size = shrink.max(1, keepdims=True)
    left, weight, right = np.linalg.svd(shrink / size, full_matrices=False)
    count = weight.size
    for r in range(1, weight.size):
        if np.abs((left[:, r:] * weight[r:]) @ right[r:]).max() <= tolerance:
            count = r
            break
    return right[:count] / eigenvalues, left[:, :count] * weight[:count] * size


@dataclass(frozen=True, eq=False)
class FoldProfiles:
    """All penalties of one fold.

    ``operator`` (q, R m) float32 takes a target's training cross-products X'y to its R predictions of the m validation
    rows; ``pairs`` ((R + 1)², A) float64 takes the Gram matrix of predictions and truth to the errors.
    """

    solver: FoldSolver
    operator: np.ndarray
    pairs: np.ndarray

    @staticmethod
    def of(solver: FoldSolver, alphas: np.ndarray) -> FoldProfiles:
        """Build the operator, 2 m q² operations a profile; the targets need no rotation of their own then."""
        shapes, coefficients = profiles(solver.eigenvalues, alphas)
        back = solver.vectors.T
        blocks = [(solver.held_out * shape.astype(np.float32)) @ back for shape in shapes]
        full = np.column_stack([coefficients, np.full(alphas.size, -1.0)])
        pairs = (full[:, :, None] * full[:, None, :]).reshape(alphas.size, -1).T
        return FoldProfiles(solver, np.ascontiguousarray(np.concatenate(blocks).T), np.ascontiguousarray(pairs))

    def errors(self, stat: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return (A, t) float64 squared errors of (q, t) training cross-products and (m, t) validation responses."""
        rows, t = truth.shape
        count = self.operator.shape[1] // max(rows, 1)
        out = np.empty((self.pairs.shape[1], t))
        buffer = np.empty((min(AT_ONCE, t), count + 1, rows), np.float32)
        for a in range(0, t, AT_ONCE):
            b = min(a + AT_ONCE, t)
            part = buffer[:b - a]
            # (targets, profiles, rows): the vectors of one target lie side by side for the small products below
            part[:, :count] = (stat[:, a:b].T @ self.operator).reshape(b - a, count, rows)
            part[:, count] = truth[:, a:b].T
            gram = np.matmul(part, part.transpose(0, 2, 1))
            out[:, a:b] = (gram.reshape(b - a, -1).astype(np.float64) @ self.pairs).T
        return out


def held_out_errors(chunk: Chunk, moments: Moments, fitted: list[FoldProfiles], columns: np.ndarray | None = None,
                    ) -> np.ndarray:
    """Return (A, t) float64 errors of every penalty, summed over the folds, for all targets of a chunk or for some."""
    parts = []
    for k, fold in enumerate(fitted):
        solver = fold.solver
        whole, own, truth = moments.whole, moments.folds[k], chunk.parts[k]
        ones, sums = solver.fold.one, moments.total - moments.sums[k]
        if columns is not None:
            whole, own, truth, sums = whole[:, columns], own[:, columns], truth[:, columns], sums[columns]
        stat = whole - own
        if ones.any():
            mean = sums / np.float32(solver.n_train)
            stat -= (solver.n_train * solver.x_mean).astype(np.float32)[:, None] * mean
            truth = truth - ones.astype(np.float32)[:, None] * mean
        parts.append(fold.errors(stat, truth))
    return np.maximum(np.sum(parts, axis=0), 0.0)


@dataclass(frozen=True, eq=False)
class GridProfiles:
    """The profiles of a grid of penalties and of its extensions, fold by fold."""

    alphas: tuple[np.ndarray, np.ndarray, np.ndarray]
    base: list[FoldProfiles]
    below: list[FoldProfiles]
    above: list[FoldProfiles]

    @staticmethod
    def of(solvers: list[FoldSolver], base: np.ndarray, below: np.ndarray, above: np.ndarray) -> GridProfiles:
        """Build the operators of every fold."""
        made = [[FoldProfiles.of(s, alphas) for s in solvers] if alphas.size else [] for alphas in (base, below, above)]
        return GridProfiles((base, below, above), *made)

    def choose(self, chunk: Chunk, moments: Moments) -> tuple[np.ndarray, np.ndarray]:
        """Return (alpha, held-out squared error) of every target of a chunk.

        Every penalty of the base grid is evaluated for every target; targets whose best one is the first or the last
        are evaluated on the extension of that side too.
        """
        base, below, above = self.alphas
        error = held_out_errors(chunk, moments, self.base)
        best = np.argmin(error, axis=0)
        chosen, lowest = base[best], error[best, np.arange(best.size)]
        for edge, alphas, fitted in ((0, below, self.below), (base.size - 1, above, self.above)):
            at = np.flatnonzero(best == edge)
            if at.size and alphas.size:
                more = held_out_errors(chunk, moments, fitted, at)
                top = np.argmin(more, axis=0)
                least = more[top, np.arange(at.size)]
                better = least < lowest[at]
                chosen[at[better]], lowest[at[better]] = alphas[top[better]], least[better]
        return chosen, lowest + chunk.rest
