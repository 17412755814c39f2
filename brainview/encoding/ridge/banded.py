"""Banded ridge: several feature spaces, each with its own penalty per target, by random search over band weights.

Feature space i is scaled by sqrt(g_i), weights g on the simplex; every candidate reuses the cross-products of the
unscaled features (X'X and X'Y), so the responses are read once however many candidates are tried. Method: Dupre la
Tour, Eickenberg, Nunez-Elizalde, Gallant (2022), NeuroImage 264, 119728 (random search over Dirichlet samples).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from brainview.core.errors import MismatchError
from brainview.core.jobs import QUIET, JobContext
from brainview.encoding.ridge import gcv, kfold
from brainview.encoding.ridge.alphas import AlphaGrid
from brainview.encoding.ridge.factor import Prepared, factorize, prepare, symmetric_eigen
from brainview.encoding.ridge.folds import make_folds
from brainview.encoding.ridge.result import HAS_NAN, OK
from brainview.encoding.ridge.source import ArraySource, BlockSource, as_source, scratch


@dataclass(frozen=True, eq=False)
class BandedFit:
    """A banded ridge.

    Parameters
    ----------
    bands : tuple of str
    prepared : tuple of (mean, scale, basis)
        How the features of each band get to their (q_i) eigen-coordinates.
    gram : (q, q) float64; cross : (q, t) float32
        X'X and X'Y of the concatenated coordinates.
    candidates : (c, bands) float64
        Band weights tried, each summing to 1; the first is equal weights.
    chosen : (t,) int
        Candidate of each target; its weights are ``candidates[chosen]``.
    alphas, cv_r2, target_mean, flags : (t,)
        As in :class:`~brainview.encoding.ridge.result.RidgeFit`.
    """

    bands: tuple[str, ...]
    prepared: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]
    gram: np.ndarray
    cross: np.ndarray
    candidates: np.ndarray
    chosen: np.ndarray
    alphas: np.ndarray
    cv_r2: np.ndarray
    target_mean: np.ndarray
    flags: np.ndarray
    warnings: list[str] = field(default_factory=list)

    @property
    def band_weights(self) -> np.ndarray:
        """(bands, t) float64 weight of every band for every target; NaN for flagged targets."""
        return np.where(self.flags == OK, self.candidates[self.chosen].T, np.nan)

    def _scales(self, candidate: int) -> np.ndarray:
        widths = [basis.shape[1] for _, _, basis in self.prepared]
        return np.repeat(np.sqrt(self.candidates[candidate]), widths)

    def coefficients(self) -> np.ndarray:
        """Return (q, t) float32 weights on the concatenated eigen-coordinates."""
        out = np.zeros_like(self.cross)
        for c in np.unique(self.chosen[self.flags == OK]):
            at = np.flatnonzero((self.chosen == c) & (self.flags == OK))
            root = self._scales(int(c))
            values, vectors = symmetric_eigen(self.gram * np.outer(root, root))
            z = (vectors.T * root).astype(np.float32) @ self.cross[:, at]
            z /= (values[:, None] + self.alphas[at]).astype(np.float32)
            out[:, at] = (vectors * root[:, None]).astype(np.float32) @ z
        return out

    def predict(self, features: Mapping[str, np.ndarray], *, only: str | None = None) -> np.ndarray:
        """Return (n, t) float32 predictions, of all bands or of one band alone (its share of the joint model)."""
        weights = self.coefficients()
        out = np.zeros((len(next(iter(features.values()))), self.chosen.size), np.float32)
        start = 0
        for name, (mean, scale, basis) in zip(self.bands, self.prepared, strict=True):
            stop = start + basis.shape[1]
            if only in (None, name):
                x = ((np.asarray(features[name], np.float64) - mean) / scale).astype(np.float32)
                out += (x @ basis) @ weights[start:stop]
            start = stop
        out += self.target_mean
        out[:, self.flags == HAS_NAN] = np.nan
        return out


def sample_weights(bands: int, count: int, seed: int) -> np.ndarray:
    """Return (count, bands) weights: equal ones first, then Dirichlet draws of concentration 1 and 0.1 in turn."""
    rng = np.random.default_rng(seed)
    draws = [np.full(bands, 1.0 / bands)]
    draws += [rng.dirichlet(np.full(bands, 1.0 if i % 2 else 0.1)) for i in range(count - 1)]
    return np.maximum(np.array(draws), 1e-6)


def fit_banded(features: Mapping[str, np.ndarray], responses: np.ndarray | ArraySource | BlockSource, *,
               candidates: int | np.ndarray = 40, method: Literal["gcv", "kfold"] = "gcv", alphas: object = None,
               relative: object = None, folds: int | np.ndarray = 5, groups: np.ndarray | None = None,
               intercept: bool = True, standardize: bool = True, seed: int = 0, targets_at_once: int = 2000,
               context: JobContext = QUIET) -> BandedFit:
    """Fit ridge with one penalty per feature space and target, choosing band weights by random search.

    Parameters
    ----------
    features : mapping of band name to (n, p_i) array
    responses : (n, t) array, ArraySource or BlockSource
    candidates : int or (c, bands) array
        How many band weightings are drawn, or the weightings themselves (rows are normalised to sum 1).
    method, alphas, relative, folds, groups, intercept, standardize, targets_at_once
        As in :func:`fit_ridge`; K-fold evaluates around the minima of GCV.

    Returns
    -------
    BandedFit
    """
    source = as_source(responses)
    n, t = source.shape
    if len(features) < 2:
        raise MismatchError("banded ridge needs at least two feature spaces", where="features")
    if any(len(x) != n for x in features.values()):
        rows = [len(x) for x in features.values()]
        raise MismatchError(f"rows differ: responses {n}, features {rows}", where="ridge")
    if method == "gcv" and groups is not None:
        raise MismatchError("GCV assumes independent rows and cannot respect groups", where="ridge",
                            remedy="Use method='kfold'.")
    ready: list[Prepared] = [prepare(x, intercept=intercept, standardize=standardize) for x in features.values()]
    parts = [factorize(x.values) for x in ready]
    rotated = np.concatenate([f.rotated for f in parts], axis=1)
    gram = rotated.T @ rotated
    weights = (sample_weights(len(ready), candidates, seed) if isinstance(candidates, int)
               else np.asarray(candidates, np.float64) / np.sum(candidates, axis=1, keepdims=True))
    widths = [f.rotated.shape[1] for f in parts]
    grid = AlphaGrid.of(np.array([np.trace(gram) / len(ready)]), sum(widths), alphas=alphas, relative=relative,
                        grow=False)
    search = _Search(rotated, gram, np.repeat(np.sqrt(weights), widths, axis=1), grid, n, intercept, targets_at_once)
    labels = make_folds(n, folds, groups=groups) if method == "kfold" else np.arange(n) * 2 // n
    split = kfold.split(rotated, labels, intercept=intercept)
    with kfold.chunk_reader(source, split, labels, intercept=intercept, context=context) as read, \
            scratch((len(split), sum(widths), t)) as folded:
        search.gather(read, split, folded, t, context)
        search.run(read, split, folded, method, context)
    return search.finish(tuple(features), tuple((x.mean, x.scale, f.basis) for x, f in zip(ready, parts, strict=True)),
                         weights)


class _Search:
    """The running best of every target over the candidates."""

    def __init__(self, rotated: np.ndarray, gram: np.ndarray, roots: np.ndarray, grid: AlphaGrid, n: int,
                 intercept: bool, chunk: int) -> None:
        self.rotated, self.gram, self.roots, self.grid = rotated, gram, roots, grid
        self.n, self.intercept, self.chunk = n, intercept, chunk

    def gather(self, read, split, folded: np.ndarray, t: int, context: JobContext) -> None:
        """Fill the cross-products of every fold, once."""
        self.power, self.mean = np.empty(t), np.empty(t)
        self.cross = np.zeros((folded.shape[1], t), np.float32)
        for a in range(0, t, self.chunk):
            context.report(a, t, "banded ridge: cross-products")
            part = slice(a, min(a + self.chunk, t))
            piece = read(part)
            moments = kfold.Moments.of(piece, split)
            for k, product in enumerate(moments.folds):
                folded[k, :, part] = product
            self.cross[:, part], self.power[part], self.mean[part] = moments.whole, piece.power, piece.mean
        self.flags = gcv.flag_targets(gcv.Rotated(self.cross, self.mean, self.power), self.n)
        self.power = np.where(self.flags == OK, self.power, 1.0)
        self.best = np.full(t, np.inf)
        self.alphas, self.chosen = np.full(t, np.nan), np.zeros(t, np.int64)

    def run(self, read, split, folded: np.ndarray, method: str, context: JobContext) -> None:
        """Try every candidate on every chunk and keep what is better."""
        for c, root in enumerate(self.roots):
            values, vectors = symmetric_eigen(self.gram * np.outer(root, root))
            left = (vectors.T * root / np.sqrt(values)[:, None]).astype(np.float32)
            fitted: list[kfold.FoldSolver] = []
            if method == "kfold":
                scaled = [kfold.Fold(f.rows, f.x * root, f.one, f.left) for f in split]
                fitted = kfold.solvers(scaled, intercept=self.intercept)
            for a in range(0, self.best.size, self.chunk):
                context.report(c * self.best.size + a, self.best.size * len(self.roots), "banded ridge: band weights")
                part = slice(a, min(a + self.chunk, self.best.size))
                z = left @ self.cross[:, part]
                if method == "gcv":
                    alphas, r2 = gcv.choose_gcv(z, self.power[part], values, self.n, self.grid,
                                                intercept=self.intercept)
                    error = 1.0 - r2
                else:
                    alphas, error = self._held_out(read(part), folded[:, :, part], root, fitted, z, values, part)
                better = error < self.best[part]
                self.best[part] = np.where(better, error, self.best[part])
                self.alphas[part] = np.where(better, alphas, self.alphas[part])
                self.chosen[part] = np.where(better, c, self.chosen[part])

    def _held_out(self, piece: kfold.Chunk, folded: np.ndarray, root: np.ndarray, fitted: list[kfold.FoldSolver],
                  z: np.ndarray, values: np.ndarray, part: slice) -> tuple[np.ndarray, np.ndarray]:
        scale = root.astype(np.float32)[:, None]
        products = [block * scale for block in folded]
        sums = [s.fold.one.astype(np.float32) @ p for s, p in zip(fitted, piece.parts, strict=True)]
        moments = kfold.Moments(products, sums, np.sum(products, axis=0), np.sum(sums, axis=0))
        wanted = gcv.promising(z, self.power[part], values, self.n, self.grid.base, intercept=self.intercept)
        alphas, error = kfold.choose_kfold(piece, moments, fitted, self.grid, wanted)
        return alphas, error / self.power[part]

    def finish(self, bands: tuple[str, ...], prepared: tuple, weights: np.ndarray) -> BandedFit:
        """Return the fit."""
        good = self.flags == OK
        _, warnings = self.grid.edges(np.where(good, self.alphas, np.nan), good)
        mean = np.where(self.flags == HAS_NAN, np.nan, self.mean if self.intercept else 0.0).astype(np.float32)
        r2 = np.where(good, 1.0 - self.best, np.nan).astype(np.float32)
        return BandedFit(bands, prepared, self.gram, self.cross, weights, self.chosen,
                         np.where(good, self.alphas, np.nan), r2, mean, self.flags, warnings)
