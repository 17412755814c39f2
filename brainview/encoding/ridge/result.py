"""A fitted ridge: the small factor through which everything is predicted, and what was chosen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from brainview.core.errors import MismatchError

#: Flags of a target.
OK, HAS_NAN, CONSTANT = 0, 1, 2


@dataclass(frozen=True, eq=False)
class RidgeFit:
    """One ridge regression per target, without its weights.

    The prediction for features x is ``target_mean + ((x - mean) / scale) @ basis @ shrink(alpha) @ factor`` with
    ``shrink = sqrt(eigenvalues) / (eigenvalues + alpha)``. Weights (p, t) are made only when asked for: they are
    what fills the memory of other tools when p is large (brain-score/vision issue 2364).

    Parameters
    ----------
    mean, scale : (p,) float64
        Of the features.
    basis : (p, q) float32
        V.
    eigenvalues : (q,) float64
        Of the Gram matrix of all samples.
    factor : (q, t) float32
        U'Y; NaN-flagged and constant targets are 0.
    target_mean : (t,) float32
        Intercept at the mean of the features; 0 without intercept.
    alphas : (t,) float64
        The chosen penalty; NaN for flagged targets.
    flags : (t,) uint8
        OK, HAS_NAN (a response is missing) or CONSTANT.
    cv_r2 : (t,) float32
        R2 of the criterion: 1 - GCV error / variance, or 1 - held-out error / variance over the folds.
    method, form : str
        ``gcv`` or ``kfold``; ``primal`` or ``dual``.
    edges : dict
        Share of targets at the ends of the grid (``low``, ``high``) and outside the base grid (``grown``).
    warnings : list of str
    """

    mean: np.ndarray
    scale: np.ndarray
    basis: np.ndarray
    eigenvalues: np.ndarray
    factor: np.ndarray
    target_mean: np.ndarray
    alphas: np.ndarray
    flags: np.ndarray
    cv_r2: np.ndarray
    method: str
    form: str
    edges: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return int(self.alphas.size)

    def coefficients(self, targets: slice = slice(None), *, alpha: float | None = None) -> np.ndarray:
        """Return (q, m) float32 weights in the eigenbasis; one `alpha` for all when given."""
        chosen = self.alphas[targets] if alpha is None else np.full(self.alphas[targets].size, float(alpha))
        chosen = np.where(np.isfinite(chosen), chosen, 1.0)
        root = np.sqrt(self.eigenvalues)[:, None]
        unique, inverse = np.unique(chosen, return_inverse=True)
        shrink = (root / (self.eigenvalues[:, None] + unique)).astype(np.float32)
        part = self.factor[:, targets]
        return shrink * part if unique.size == 1 else np.take(shrink, inverse, axis=1) * part

    def project(self, features: np.ndarray) -> np.ndarray:
        """Return (n, q) float32 coordinates of (n, p) features in the eigenbasis."""
        x = np.asarray(features, np.float64)
        if x.ndim != 2 or x.shape[1] != self.mean.size:
            raise MismatchError(f"have shape {x.shape}, the model was fitted on {self.mean.size} features",
                                where="features")
        return ((x - self.mean) / self.scale).astype(np.float32) @ self.basis

    def predict(self, features: np.ndarray, targets: slice = slice(None), *, alpha: float | None = None) -> np.ndarray:
        """Return (n, m) float32 predictions; flagged targets are NaN (missing) or their constant."""
        out = self.project(features) @ self.coefficients(targets, alpha=alpha)
        out += self.target_mean[targets]
        out[:, self.flags[targets] == HAS_NAN] = np.nan
        return out

    def weights(self, targets: slice = slice(None), *, targets_at_once: int = 2000) -> np.ndarray:
        """Return (p, m) float32 weights for features as given (not scaled); costs p x m x 4 bytes."""
        start, stop, _ = targets.indices(self.n_targets)
        out = np.empty((self.mean.size, max(stop - start, 0)), np.float32)
        basis = (self.basis / self.scale[:, None]).astype(np.float32) if (self.scale != 1).any() else self.basis
        for a in range(start, stop, targets_at_once):
            b = min(a + targets_at_once, stop)
            np.matmul(basis, self.coefficients(slice(a, b)), out=out[:, a - start:b - start])
        return out

    def intercepts(self) -> np.ndarray:
        """Return (t,) float32 intercepts that go with :meth:`weights`."""
        shift = self.project(np.zeros((1, self.mean.size)))
        return np.concatenate([self.target_mean[a:a + 2000] + (shift @ self.coefficients(slice(a, a + 2000)))[0]
                               for a in range(0, self.n_targets, 2000)])

    def own_maps(self) -> dict[str, np.ndarray]:
        """Return {"cv_r2", "log_alpha"}: (t,) float32."""
        return {"cv_r2": self.cv_r2, "log_alpha": np.log10(self.alphas).astype(np.float32)}

    def histogram(self) -> list[dict[str, Any]]:
        """Return how many targets chose each penalty: [{"alpha", "targets"}...]."""
        values, counts = np.unique(self.alphas[self.flags == OK], return_counts=True)
        return [{"alpha": float(a), "targets": int(c)} for a, c in zip(values, counts, strict=True)]
