"""The one call: features and responses in, one regularised regression per target out."""

from __future__ import annotations

from typing import Literal

import numpy as np

from brainview.core.errors import MismatchError
from brainview.core.jobs import QUIET, JobContext
from brainview.encoding.ridge import gcv, kfold
from brainview.encoding.ridge.alphas import AlphaGrid
from brainview.encoding.ridge.factor import Factor, Form, Prepared, factorize, prepare
from brainview.encoding.ridge.folds import make_folds
from brainview.encoding.ridge.profiles import GridProfiles
from brainview.encoding.ridge.result import CONSTANT, HAS_NAN, OK, RidgeFit
from brainview.encoding.ridge.source import SCRATCH_LIMIT, ArraySource, BlockSource, as_source

Method = Literal["gcv", "kfold"]


def fit_ridge(features: np.ndarray, responses: np.ndarray | ArraySource | BlockSource, *, method: Method = "gcv",
              search: Literal["full", "bracket"] = "full", alphas: object = None, relative: object = None,
              grow: bool = True, folds: int | np.ndarray = 5, groups: np.ndarray | None = None, intercept: bool = True,
              standardize: bool = False, form: Form = "auto", targets_at_once: int = 2000,
              scratch_limit: int = SCRATCH_LIMIT, context: JobContext = QUIET) -> RidgeFit:
    """Fit ridge regressions of many targets on the same features, each with its own penalty.

    Parameters
    ----------
    features : (n, p) array of finite numbers
    responses : (n, t) array (memory-mapped or not), ArraySource or BlockSource
        Read once. A target with a missing response is flagged and not fitted; the others are not touched by it.
    method : "gcv" or "kfold"
        How the penalty is chosen. GCV assumes independent rows: with repeated images or sessions in the rows use
        ``kfold`` with `groups`.
    search : "full" or "bracket"
        For ``kfold``: evaluate every penalty (through the profiles of :mod:`.profiles`), or only those around the
        minima of GCV, walking downhill from there (:mod:`.kfold`): less work on long grids, but a target with hardly
        any signal may end in another valley.
    alphas, relative : sequence of float, optional
        Penalties, absolute or as multiples of the mean eigenvalue; default 33 multiples from 1e-4 to 1e4.
    grow : bool
        Try targets on an edge of the grid on its extension; see :class:`AlphaGrid`.
    folds, groups : int or (n,) labels; (n,) array
        For ``kfold``: see :func:`make_folds`.
    intercept, standardize : bool
        Centre (exactly, inside every fold) and scale features to unit s.d.
    form : "auto", "primal" or "dual"
        Which Gram matrix is decomposed; auto takes the smaller one.
    targets_at_once : int
        Targets per chunk; decides memory and speed, never the result.

    Returns
    -------
    RidgeFit

    Raises
    ------
    MismatchError, FormatError
        Shapes that do not fit, fewer than 3 samples, impossible folds, NaN in the features.
    """
    source = as_source(responses)
    n = source.shape[0]
    if n != np.shape(features)[0]:
        raise MismatchError(f"{np.shape(features)[0]} rows of features and {n} rows of responses", where="ridge")
    if n < 3 or targets_at_once < 1:
        raise MismatchError(f"{n} samples are too few, 3 is the least", where="ridge")
    if method == "gcv" and groups is not None:
        raise MismatchError("GCV assumes independent rows and cannot respect groups", where="ridge",
                            remedy="Use method='kfold'.")
    x = prepare(features, intercept=intercept, standardize=standardize)
    context.report(0, 1, "ridge: eigenbasis of the features")
    factor = factorize(x.values, form)
    grid = AlphaGrid.of(factor.eigenvalues, x.values.shape[1], alphas=alphas, relative=relative, grow=grow)
    if method == "gcv":
        return _fit_gcv(source, x, factor, grid, intercept=intercept, chunk=targets_at_once, context=context)
    if method != "kfold":
        raise MismatchError(f"must be gcv or kfold, got {method!r}", where="method")
    if search not in ("bracket", "full"):
        raise MismatchError(f"must be bracket or full, got {search!r}", where="search")
    labels = make_folds(n, folds, groups=groups)
    return _fit_kfold(source, x, factor, grid, labels, intercept=intercept, chunk=targets_at_once, limit=scratch_limit,
                      search=search, context=context)


def _finish(x: Prepared, factor: Factor, z: np.ndarray, mean: np.ndarray, alphas: np.ndarray, flags: np.ndarray,
            r2: np.ndarray, grid: AlphaGrid, method: str, intercept: bool) -> RidgeFit:
    good = flags == OK
    alphas = np.where(good, alphas, np.nan)
    edges, warnings = grid.edges(alphas, good)
    for flag, word in ((HAS_NAN, "hold missing values"), (CONSTANT, "are constant")):
        count = int((flags == flag).sum())
        if count:
            warnings.append(f"{count:,} of {flags.size:,} targets {word} and were not fitted")
    mean = np.where(flags == HAS_NAN, np.nan, mean if intercept else 0.0).astype(np.float32)
    return RidgeFit(x.mean, x.scale, factor.basis, factor.eigenvalues, z, mean, alphas, flags,
                    np.where(good, r2, np.nan).astype(np.float32), method, factor.form, edges, warnings)


def _fit_gcv(source: ArraySource | BlockSource, x: Prepared, factor: Factor, grid: AlphaGrid, *, intercept: bool,
             chunk: int, context: JobContext) -> RidgeFit:
    rotated = gcv.rotate(source, factor.samples, intercept=intercept, targets_at_once=chunk, context=context)
    n, t = source.shape
    flags = gcv.flag_targets(rotated, n)
    alphas, r2 = np.empty(t), np.empty(t)
    power = np.where(flags == OK, rotated.power, 1.0)
    for a in range(0, t, chunk):
        context.check()
        part = slice(a, min(a + chunk, t))
        alphas[part], r2[part] = gcv.choose_gcv(rotated.factor[:, part], power[part], factor.eigenvalues, n, grid,
                                                intercept=intercept)
    return _finish(x, factor, rotated.factor, rotated.mean, alphas, flags, r2, grid, "gcv", intercept)


def _fit_kfold(source: ArraySource | BlockSource, x: Prepared, factor: Factor, grid: AlphaGrid, labels: np.ndarray, *,
               intercept: bool, chunk: int, limit: int, search: str, context: JobContext) -> RidgeFit:
    n, t = source.shape
    folds = kfold.split(factor.rotated, labels, intercept=intercept)
    fitted = kfold.solvers(folds, intercept=intercept)
    every = GridProfiles.of(fitted, grid.base, grid.below, grid.above) if search == "full" else None
    rotated = gcv.Rotated(np.zeros((factor.eigenvalues.size, t), np.float32), np.zeros(t), np.zeros(t))
    alphas, error = np.empty(t), np.empty(t)
    root = (1.0 / np.sqrt(factor.eigenvalues)).astype(np.float32)[:, None]
    with kfold.chunk_reader(source, folds, labels, intercept=intercept, limit=limit, context=context) as read:
        for a in range(0, t, chunk):
            context.report(a, t, "ridge: cross-validation")
            part = slice(a, min(a + chunk, t))
            piece = read(part)
            moments = kfold.Moments.of(piece, folds)
            np.multiply(moments.whole, root, out=rotated.factor[:, part])
            if every is not None:
                alphas[part], error[part] = every.choose(piece, moments)
            else:
                power = np.where(np.isfinite(piece.power), piece.power, 1.0)
                wanted = gcv.promising(rotated.factor[:, part], power, factor.eigenvalues, n, grid.base,
                                       intercept=intercept)
                alphas[part], error[part] = kfold.choose_kfold(piece, moments, fitted, grid, wanted)
            rotated.mean[part], rotated.power[part] = piece.mean, piece.power
    flags = gcv.flag_targets(rotated, n)
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = 1.0 - error / rotated.power
    return _finish(x, factor, rotated.factor, rotated.mean, alphas, flags, r2, grid, "kfold", intercept)
