"""The eigenbasis of the features, in float64, from the smaller of the two Gram matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.linalg

from brainview.core.errors import FormatError, MismatchError

Form = Literal["auto", "primal", "dual"]
#: Eigenvalues below this share of the largest one are rounding and carry no weight.
RANK = 1e-10


@dataclass(frozen=True, eq=False)
class Prepared:
    """Features centred and scaled in float64.

    ``values`` (n, p) float64; ``mean``, ``scale`` (p,) float64 as subtracted and divided by.
    """

    values: np.ndarray
    mean: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True, eq=False)
class Factor:
    """X = U diag(sqrt(eigenvalues)) V'.

    ``rotated`` X V (n, q) float64; ``basis`` V (p, q) float32; ``eigenvalues`` (q,) float64 descending, all > 0;
    ``form`` says which Gram matrix was decomposed.
    """

    rotated: np.ndarray
    basis: np.ndarray
    eigenvalues: np.ndarray
    form: str

    @property
    def samples(self) -> np.ndarray:
        """U (n, q) float32."""
        return (self.rotated / np.sqrt(self.eigenvalues)).astype(np.float32)


def prepare(features: np.ndarray, *, intercept: bool, standardize: bool) -> Prepared:
    """Return features as finite float64, centred when there is an intercept, scaled to unit s.d. when asked.

    A constant feature is kept with scale 1. Raises FormatError for NaN or infinite features.
    """
    x = np.asarray(features)
    if x.ndim != 2 or 0 in x.shape:
        raise MismatchError(f"must be a non-empty 2-D array (samples, features), got {x.shape}", where="features")
    x = x.astype(np.float64)
    if not np.isfinite(x).all():
        bad = int((~np.isfinite(x)).any(0).sum())
        raise FormatError(f"{bad} of {x.shape[1]} features hold NaN or infinite values", where="features",
                          remedy="Remove or fill them; ridge cannot guess.")
    mean = x.mean(0) if intercept else np.zeros(x.shape[1])
    x -= mean
    scale = np.ones(x.shape[1])
    if standardize:
        sd = np.sqrt(np.mean(x * x, 0)) if intercept else x.std(0)
        scale = np.where(sd > 1e-12 * max(float(sd.max(initial=0.0)), 1e-300), sd, 1.0)
        x /= scale
    return Prepared(x, mean, scale)


def symmetric_eigen(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (eigenvalues descending, vectors as columns) of a symmetric float64 matrix, rounding removed."""
    values, vectors = scipy.linalg.eigh(gram, driver="evd", check_finite=False)
    values, vectors = values[::-1], vectors[:, ::-1]
    keep = values > max(float(values[0]), 0.0) * RANK if values.size else np.zeros(0, bool)
    return np.ascontiguousarray(values[keep]), np.ascontiguousarray(vectors[:, keep])


def choose_form(n: int, p: int, form: Form = "auto") -> str:
    """Return ``primal`` when p <= n, else ``dual`` (the smaller Gram matrix), or what was asked for."""
    if form not in ("auto", "primal", "dual"):
        raise MismatchError(f"must be auto, primal or dual, got {form!r}", where="form")
    return form if form != "auto" else ("primal" if p <= n else "dual")


def factorize(x: np.ndarray, form: Form = "auto") -> Factor:
    """Return the thin singular system of (n, p) float64 `x` from X'X (primal) or XX' (dual); both give the same fit."""
    n, p = x.shape
    chosen = choose_form(n, p, form)
    if chosen == "primal":
        values, basis = symmetric_eigen(x.T @ x)
        rotated = x @ basis
    else:
        values, samples = symmetric_eigen(x @ x.T)
        basis = (x.T @ samples) / np.sqrt(values)
        rotated = samples * np.sqrt(values)
    return Factor(rotated, basis.astype(np.float32), values, chosen)
