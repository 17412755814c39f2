"""The ridge solver against textbook arithmetic in float64, himalaya, and itself in other forms."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from brainview.core.errors import FormatError, MismatchError
from brainview.core.jobs import QUIET
from brainview.encoding.ridge import CONSTANT, HAS_NAN, BlockSource, fit_banded, fit_ridge, make_folds
from tests.memory import PEAK

ALPHAS = np.logspace(-2, 6, 9)


def problem(n: int, p: int, t: int = 60, seed: int = 0, mean: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features with a falling spectrum, responses with more and less signal, new features."""
    rng = np.random.default_rng(seed)
    scale = np.arange(1, p + 1) ** -0.5
    x, new = rng.standard_normal((n, p)) * scale + 0.3, rng.standard_normal((20, p)) * scale + 0.3
    w = rng.standard_normal((p, t)) * rng.uniform(0.05, 2, t)
    y = x @ w + rng.standard_normal((n, t)) * 2 + mean
    return x, y.astype(np.float32), new


def textbook(x: np.ndarray, y: np.ndarray, alpha: float, intercept: bool) -> tuple[np.ndarray, np.ndarray]:
    """Solve the normal equations in float64; returns weights and intercepts."""
    y = y.astype(np.float64)
    mx, my = (x.mean(0), y.mean(0)) if intercept else (np.zeros(x.shape[1]), np.zeros(y.shape[1]))
    a = x - mx
    w = np.linalg.solve(a.T @ a + alpha * np.eye(x.shape[1]), a.T @ (y - my))
    return w, my - mx @ w


def held_out(x: np.ndarray, y: np.ndarray, labels: np.ndarray, intercept: bool) -> np.ndarray:
    """Return (A, t) squared error over the folds by refitting everything."""
    out = np.zeros((ALPHAS.size, y.shape[1]))
    for k in np.unique(labels):
        for i, alpha in enumerate(ALPHAS):
            w, b = textbook(x[labels != k], y[labels != k], alpha, intercept)
            out[i] += np.square(y[labels == k] - x[labels == k] @ w - b).sum(0)
    return out


@pytest.mark.parametrize("shape", [(120, 30), (60, 150)], ids=["n>p", "p>n"])
@pytest.mark.parametrize("method", ["gcv", "kfold"])
@pytest.mark.parametrize("intercept", [True, False])
def test_predictions_equal_the_textbook_at_the_chosen_penalty(shape, method, intercept) -> None:
    x, y, new = problem(*shape)
    fit = fit_ridge(x, y, method=method, alphas=ALPHAS, intercept=intercept)
    got, weights, offsets = fit.predict(new), fit.weights(), fit.intercepts()
    for j in range(y.shape[1]):
        w, b = textbook(x, y[:, j:j + 1], fit.alphas[j], intercept)
        want = (new @ w + b)[:, 0]
        assert np.abs(got[:, j] - want).max() <= 1e-3 * np.abs(want).max()
        assert np.linalg.norm(weights[:, j] - w[:, 0]) <= 1e-3 * np.linalg.norm(w)
        assert offsets[j] == pytest.approx(float(b[0]), abs=1e-3 * max(1.0, abs(float(b[0]))))


@pytest.mark.parametrize("shape", [(120, 30), (400, 30), (60, 150)], ids=["plain", "QR blocks", "p>n"])
@pytest.mark.parametrize("intercept", [True, False])
def test_kfold_chooses_what_refitting_every_fold_chooses(shape, intercept) -> None:
    x, y, _ = problem(*shape, t=40)
    labels = make_folds(shape[0], 5)
    error = held_out(x, y, labels, intercept)
    power = np.square(y.astype(float) - (y.mean(0) if intercept else 0)).sum(0)
    for search in ("full", "bracket"):
        fit = fit_ridge(x, y, method="kfold", search=search, alphas=ALPHAS, grow=False, intercept=intercept)
        np.testing.assert_allclose(fit.alphas, ALPHAS[error.argmin(0)], rtol=1e-9)
        np.testing.assert_allclose(fit.cv_r2, 1 - error.min(0) / power, atol=2e-4)


def test_gcv_equals_its_definition() -> None:
    x, y, _ = problem(90, 25, t=30)
    a = x - x.mean(0)
    gcv = []
    for alpha in ALPHAS:
        hat = a @ np.linalg.solve(a.T @ a + alpha * np.eye(25), a.T) + 1 / 90
        rest = y - hat @ y.astype(float)
        gcv.append(90 * np.square(rest).sum(0) / (90 - np.trace(hat)) ** 2)
    fit = fit_ridge(x, y, alphas=ALPHAS, grow=False)
    np.testing.assert_allclose(fit.alphas, ALPHAS[np.argmin(gcv, 0)], rtol=1e-9)


@pytest.mark.parametrize("method", ["gcv", "kfold"])
def test_primal_and_dual_and_chunks_and_streams_agree(method) -> None:
    x, y, new = problem(90, 70, t=101)
    want = fit_ridge(x, y, method=method, form="primal", targets_at_once=500)
    assert (want.form, fit_ridge(x[:40], y[:40], method=method).form) == ("primal", "dual")

    def blocks():
        return ((a, y[a:a + 17]) for a in range(0, 90, 17))

    for other in (fit_ridge(x, y, method=method, form="dual"), fit_ridge(x, y, method=method, targets_at_once=7),
                  fit_ridge(x, BlockSource(y.shape, blocks), method=method, targets_at_once=33, scratch_limit=0),
                  fit_ridge(x, y.astype(np.float64), method=method)):
        np.testing.assert_allclose(other.alphas, want.alphas, rtol=1e-6)
        np.testing.assert_allclose(other.predict(new), want.predict(new), atol=2e-4 * np.abs(y).max())


@pytest.mark.parametrize("method", ["gcv", "kfold"])
def test_large_means_do_not_cost_precision(method) -> None:
    x, y, new = problem(150, 20, t=30)
    shifted = (y.astype(np.float64) + 1000).astype(np.float32)
    blocks = BlockSource(y.shape, lambda: ((a, shifted[a:a + 40]) for a in range(0, 150, 40)))
    want = fit_ridge(x, y, method=method, alphas=ALPHAS)
    for source in (shifted, blocks):
        got = fit_ridge(x, source, method=method, alphas=ALPHAS)
        assert np.abs(got.predict(new) - 1000 - want.predict(new)).max() < 0.05
        assert (got.alphas == want.alphas).mean() > 0.9


def test_same_penalties_as_himalaya_on_the_folds() -> None:
    ridge = pytest.importorskip("himalaya.ridge")
    x, y, _ = problem(300, 40, t=2000, seed=3)
    x = x.astype(np.float32)
    peer = ridge.RidgeCV(alphas=ALPHAS, cv=5).fit(x, y)
    for search in ("bracket", "full"):
        fit = fit_ridge(x, y, method="kfold", search=search, alphas=ALPHAS, grow=False, intercept=False)
        assert np.isclose(fit.alphas, np.asarray(peer.best_alphas_), rtol=1e-3).mean() >= 0.999


def test_missing_and_constant_targets_are_flagged_and_touch_nobody() -> None:
    x, y, new = problem(80, 20, t=12)
    for method in ("gcv", "kfold"):
        want = fit_ridge(x, y, method=method)
        broken = y.copy()
        broken[7, 3], broken[9, 5], broken[:, 8] = np.nan, np.inf, 2.5
        for source in (broken, BlockSource(y.shape, lambda b=broken: ((a, b[a:a + 32]) for a in range(0, 80, 32)))):
            fit = fit_ridge(x, source, method=method)
            assert fit.flags.tolist() == [0, 0, 0, HAS_NAN, 0, HAS_NAN, 0, 0, CONSTANT, 0, 0, 0]
            got, good = fit.predict(new), fit.flags == 0
            assert np.isnan(got[:, [3, 5]]).all() and np.isnan(fit.alphas[[3, 5, 8]]).all()
            np.testing.assert_allclose(got[:, 8], 2.5, rtol=1e-6)
            np.testing.assert_allclose(got[:, good], want.predict(new)[:, good], atol=2e-3)
            assert "missing" in " ".join(fit.warnings) and "constant" in " ".join(fit.warnings)


@pytest.mark.parametrize("method", ["gcv", "kfold"])
def test_a_grid_that_ends_too_low_grows_or_warns(method) -> None:
    x, y, _ = problem(100, 60, t=40)
    low = [1e-3, 1e-2, 1e-1]
    fixed = fit_ridge(x, y, method=method, alphas=low, grow=False)
    assert fixed.edges["high"] > 0.5 and any("largest penalty" in w for w in fixed.warnings)
    grown = fit_ridge(x, y, method=method, alphas=low)
    assert grown.edges["grown"] > 0.5 and grown.cv_r2.mean() > fixed.cv_r2.mean()
    assert sum(row["targets"] for row in grown.histogram()) == 40


def test_penalties_scale_with_the_features() -> None:
    x, y, new = problem(100, 30, t=20)
    a, b = fit_ridge(x, y), fit_ridge(x * 1000, y)
    np.testing.assert_allclose(b.alphas, a.alphas * 1e6, rtol=1e-6)
    np.testing.assert_allclose(b.predict(new * 1000), a.predict(new), atol=1e-3)


def test_groups_stay_together() -> None:
    groups = np.repeat(np.arange(11), 7)
    labels = make_folds(77, 4, groups=groups)
    assert all(np.unique(labels[groups == g]).size == 1 for g in range(11)) and np.unique(labels).size == 4
    assert np.bincount(labels).max() <= 21
    with pytest.raises(MismatchError, match="not possible"):
        make_folds(77, 12, groups=groups)
    x, y, _ = problem(77, 10, t=5)
    with pytest.raises(MismatchError, match="independent rows"):
        fit_ridge(x, y, groups=groups)
    assert fit_ridge(x, y, method="kfold", groups=groups, folds=4).method == "kfold"


def test_faults_are_told() -> None:
    x, y, _ = problem(30, 5, t=4)
    with pytest.raises(FormatError, match="1 of 5 features"):
        fit_ridge(np.where(np.arange(5) == 2, np.nan, x), y)
    with pytest.raises(MismatchError, match="29 rows of features"):
        fit_ridge(x[:-1], y)
    with pytest.raises(MismatchError, match="block"):
        fit_ridge(x, BlockSource((30, 4), lambda: [(0, y[:, :3])]))
    with pytest.raises(MismatchError, match="20 rows"):
        fit_ridge(x, BlockSource((30, 4), lambda: [(0, y[:20])]))
    with pytest.raises(MismatchError, match="finite and > 0"):
        fit_ridge(x, y, alphas=[0.0, 1.0])


def test_cancel_stops_between_chunks() -> None:
    class Stop(type(QUIET)):
        def report(self, done, total, text="") -> None:
            if done > 20:
                raise KeyboardInterrupt

    x, y, _ = problem(30, 5, t=60)
    with pytest.raises(KeyboardInterrupt):
        fit_ridge(x, y, targets_at_once=10, context=Stop())


@pytest.mark.parametrize("method", ["gcv", "kfold"])
def test_banded_finds_the_band_that_carries_the_signal(method) -> None:
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((200, 30)), rng.standard_normal((200, 120))
    y = np.concatenate([a @ rng.standard_normal((30, 20)), b[:, :20] @ rng.standard_normal((20, 20))], 1)
    y = (y + 2 * rng.standard_normal(y.shape)).astype(np.float32)
    fit = fit_banded({"a": a, "b": b}, y, candidates=20, method=method, targets_at_once=9)
    assert (fit.band_weights[0, :20] > 0.5).mean() > 0.9 and (fit.band_weights[1, 20:] > 0.5).mean() > 0.9
    joint = fit_ridge(np.concatenate([a / a.std(0), b / b.std(0)], 1), y, method=method)
    assert fit.cv_r2.mean() > joint.cv_r2.mean() + 0.02
    whole = fit.predict({"a": a, "b": b})
    parts = fit.predict({"a": a, "b": b}, only="a") + fit.predict({"a": a, "b": b}, only="b") - fit.target_mean
    np.testing.assert_allclose(whole, parts, atol=1e-3)


@pytest.mark.parametrize("method", ["gcv", "kfold"])
def test_banded_with_equal_weights_is_plain_ridge(method) -> None:
    x, y, new = problem(100, 40, t=15)
    bands = {"a": x[:, :10], "b": x[:, 10:]}
    banded = fit_banded(bands, y, candidates=np.ones((1, 2)), alphas=ALPHAS, standardize=False, method=method)
    plain = fit_ridge(x, y, alphas=ALPHAS * 2, grow=False, method=method)  # sqrt(1/2) on the features halves X'X
    np.testing.assert_allclose(banded.alphas * 2, plain.alphas, rtol=1e-6)
    np.testing.assert_allclose(banded.predict({"a": new[:, :10], "b": new[:, 10:]}), plain.predict(new), atol=5e-3)


MEMORY = PEAK + """
import numpy as np, sys
from brainview.encoding.ridge import fit_ridge
rng = np.random.default_rng(0)
x = rng.standard_normal((1000, 300), dtype=np.float32)
y = rng.standard_normal((1000, 40000), dtype=np.float32)
fit_ridge(x[:50], y[:50, :50])
before = peak()
fit_ridge(x, y, method=sys.argv[1], alphas=np.logspace(0, 6, 10), grow=False, targets_at_once=2000)
print(peak() - before)
"""


@pytest.mark.parametrize("method", ["gcv", "kfold"])
def test_memory_stays_near_the_factor(method) -> None:
    """160 MB of responses and a 48 MB factor: everything else together stays below 130 MB."""
    out = subprocess.run([sys.executable, "-c", MEMORY, method], capture_output=True, text=True, check=True)
    assert 48 < float(out.stdout) < 48 + 130
