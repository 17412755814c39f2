"""Scores against scipy, the challenge's script in its own words, and planted truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from brainview.core.errors import MismatchError
from brainview.encoding import rois, scores
from brainview.maps.brainmap import Label
from brainview.maps.rois import RoiClass
from brainview.maps.space import MaskedSpace, mni_space, surface_space


def pair(n: int = 50, t: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((n, t)).astype(np.float32)
    return y, (y * rng.uniform(-0.5, 1, t) + rng.standard_normal((n, t))).astype(np.float32)


def test_scores_equal_scipy_and_the_definition() -> None:
    y, p = pair()
    got = scores.score_arrays(y + 100, p + 100)  # a large mean must not cost digits
    want = [stats.pearsonr(y[:, i], p[:, i]).statistic for i in range(40)]
    np.testing.assert_allclose(got["r"], want, atol=1e-4)
    np.testing.assert_allclose(got["r2"], np.maximum(want, 0) ** 2, atol=1e-4)
    np.testing.assert_allclose(got["R2"], 1 - ((y - p) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0), atol=1e-4)
    assert (got["R2"] < 0).any() and (got["r"] < 0).any()


def test_edge_cases_are_defined() -> None:
    y, p = pair(t=4)
    p[:, 0], y[:, 1], y[3, 2] = 1.5, 2.0, np.nan
    got = scores.score_arrays(y, p)
    assert got["r"][0] == 0 and got["constant"].tolist() == [True, False, False, False]
    assert np.isnan(got["r"][[1, 2]]).all() and np.isnan(got["R2"][[1, 2]]).all() and np.isfinite(got["r"][3])


def test_official_score_keeps_the_trap_and_the_clean_one_does_not() -> None:
    r = np.array([0.5, 0.1, -0.4, np.nan, 0.9])
    ceiling = np.array([0.5, 0.0, 0.3, 0.4, 0.3], np.float32)
    # the challenge's own steps: negative r -> 0, square, ceiling 0 -> 1e-14, ratio in percent, cap, mean
    want = [min(0.25 / 0.5 * 100, 100), 100.0, 0.0, 0.0, 100.0]
    np.testing.assert_allclose(scores.official(r, ceiling), want, rtol=1e-6)
    got = scores.summary(r, ceiling)
    assert got["official_mean"] == pytest.approx(np.mean(want)) and got["official_median"] == pytest.approx(50)
    assert got["clean_n"] == 3 and got["clean_mean"] == pytest.approx((50 + 0 + 100) / 3, rel=1e-6)
    assert got["ceiling_zero"] == 1 and got["capped"] == pytest.approx(1 / 3)
    words = " ".join(scores.notes(got, "ncsnr"))
    assert "exactly 0" in words and "cap" in words
    assert "no ceiling" in scores.notes(scores.summary(r, None), "none")[0]


def test_a_ceiling_in_percent_is_refused() -> None:
    with pytest.raises(MismatchError, match="fraction"):
        scores.official(np.array([0.5]), np.array([38.0]))
    raw = scores.normalized(np.array([0.9, 0.2]), np.array([0.5, 0.0]), cap=False)
    assert raw[0] == pytest.approx(1.8) and np.isnan(raw[1])
    assert scores.normalized(np.array([0.9]), np.array([0.5]))[0] == 1


def test_a_perfect_model_reaches_the_ceiling_that_was_planted() -> None:
    rng = np.random.default_rng(1)
    signal = rng.standard_normal((4000, 60))
    noise = rng.uniform(0.5, 3, 60)
    measured = signal + noise * rng.standard_normal((4000, 3, 60)).mean(1)
    ceiling = 1 / (1 + noise**2 / 3)
    got = scores.score_arrays(measured.astype(np.float32), signal.astype(np.float32))
    assert np.median(scores.normalized(got["r2"], ceiling, cap=False)) == pytest.approx(1, abs=0.05)


def test_bootstrap_equals_resampling_and_its_width_is_right() -> None:
    y, p = pair(n=80, t=10)
    draws = scores.bootstrap_r(y, p, count=300, seed=4)
    counts = np.random.default_rng(4).multinomial(80, np.full(80, 1 / 80), size=300)
    rows = np.repeat(np.arange(80), counts[7])
    want = [stats.pearsonr(y[rows, i], p[rows, i]).statistic for i in range(10)]
    np.testing.assert_allclose(draws[7], want, atol=1e-4)
    r = scores.score_arrays(y, p)["r"]
    np.testing.assert_allclose(draws.std(0), (1 - r**2) / np.sqrt(80), rtol=0.35)  # asymptotic error of r


def test_permutations_give_chance() -> None:
    y, p = pair(n=100, t=300)
    chance = scores.permutation_baseline(y, p, np.full(300, 0.5, np.float32), count=60)
    assert abs(chance["mean_r"]) < 0.01 and chance["r_95"] == pytest.approx(1.645 / 10, abs=0.02)
    assert chance["max_r_95"] > chance["r_95"] + 0.1 and 0.5 < chance["official_mean"] < 2


def test_image_scores_run_over_locations() -> None:
    y, p = pair(n=3, t=200)
    y[:, 5] = np.nan
    got, keep = scores.image_scores(y, p), np.arange(200) != 5
    np.testing.assert_allclose(got["r"], [np.corrcoef(y[i, keep], p[i, keep])[0, 1] for i in range(3)], atol=1e-6)


def test_regions_by_hemisphere_with_counts_and_empty_ones() -> None:
    space = MaskedSpace("patch", surface_space("fsaverage5"), np.r_[100:150, 10242:10272])
    labels = np.zeros(80, np.int32)
    labels[:30], labels[50:60] = 1, 1
    table = {1: Label("V1v"), 2: Label("V1d")}
    r = np.linspace(0, 1, 80).astype(np.float32)
    r[0] = np.nan
    rows = rois.roi_rows("s1", space, {"prf": RoiClass("prf", labels, table)}, {"r": r})
    by = {(x["hemisphere"], x["roi"]): x for x in rows}
    assert by["both", "all"]["n"] == 79 and by["left", "V1v"]["n"] == 29 and by["right", "V1v"]["n"] == 10
    assert by["both", "V1d"]["n"] == 0 and by["both", "V1d"]["median"] is None
    assert by["right", "V1v"]["median"] == pytest.approx(float(np.median(r[50:60])))
    group = rois.group_rows(rows + [{**x, "subject": "s2", "median": None} for x in rows])
    assert {x["n"] for x in group if x["roi"] == "V1v"} == {1}
    sides = rois.hemispheres(mni_space(2))
    assert sides["left"].sum() == sides["right"].sum() == 45 * 109 * 91


def test_every_metric_says_what_it_is() -> None:
    for key, entry in scores.METRICS.items():
        assert set(entry) == {"title", "definition", "units"} and all(entry.values()), key
