"""Permutation p values and the false discovery rate: against the definition, and against planted truth."""

from __future__ import annotations

import numpy as np
import pytest

from brainview.core.errors import MissingError
from brainview.encoding import jobs, significance
from brainview.encoding.scores import score_arrays
from brainview.encoding.significance import benjamini_hochberg, permutation_p
from brainview.training.jobs import train
from tests.encoding import tiny


def test_q_values_are_those_of_the_step_up_procedure():
    rng = np.random.default_rng(0)
    p = np.r_[rng.uniform(0, 0.01, 40), rng.uniform(0, 1, 160), np.nan]
    q = benjamini_hochberg(p)
    good, m = p[:-1], 200
    for level in (0.01, 0.05, 0.2):
        passing = np.flatnonzero(np.sort(good) <= level * np.arange(1, m + 1) / m)
        cut = np.sort(good)[passing.max()] if passing.size else -1
        assert ((q[:-1] <= level) == (good <= cut)).all(), "largest k with p(k) <= k q / m"
    assert np.isnan(q[-1])
    from scipy.stats import false_discovery_control

    np.testing.assert_allclose(q[:-1], false_discovery_control(good))


def test_p_counts_shuffles_that_do_at_least_as_well_and_serves_R2_too():
    rng = np.random.default_rng(1)
    y, p = rng.standard_normal((2, 12, 5)).astype(np.float32)
    p[:, 0] = y[:, 0]
    p[:, 1] = 3.0  # says nothing
    got = permutation_p(y, p, count=199, seed=4)
    orders = np.random.default_rng(4)
    orders = [orders.permutation(12) for _ in range(199)]
    seen = score_arrays(y, p)
    shuffled = [score_arrays(y, p[o]) for o in orders]
    for key in ("r", "R2"):
        want = (1 + np.sum([s[key] >= seen[key] - 1e-6 for s in shuffled], axis=0)) / 200
        np.testing.assert_allclose(np.delete(got, 1), np.delete(want, 1))
    assert np.isnan(got[1]) and got[0] == 1 / 200


def test_under_the_null_p_is_uniform():
    y, p = np.random.default_rng(2).standard_normal((2, 40, 600))
    got = permutation_p(y, p, count=99)
    assert abs(got.mean() - 0.5) < 0.04 and 0.02 < (got <= 0.05).mean() < 0.085
    assert (benjamini_hochberg(got) <= 0.05).mean() < 0.01


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    data = tiny.write(tmp_path_factory.mktemp("tiny") / "algonauts", subjects=1)
    return train("ridge", str(data), str(tmp_path_factory.mktemp("runs") / "ridge"), options={
        "components": 0, "bootstraps": 0, "permutations": 0, "val": 0.15, "features": "gabor[grid=2]"})


def test_a_run_is_significant_where_signal_was_planted_and_is_asked_once(run, monkeypatch):
    told = jobs.significance(run, "subj01", 400)
    q = told["q"].values
    # the planted gain rises over all locations: from pure noise to an s.d. of 2.5 beside noise of 1
    assert (q[-25:] <= 0.05).mean() > 0.5 > (q[:10] <= 0.05).mean()
    assert told["significant"]["0.05"] == (q <= 0.05).sum() and told["tested"] == np.isfinite(q).sum()
    assert told["images"] == 24 and told["part"] == "test" and "Benjamini" in told["q"].definition
    assert told["p"].values.min() == pytest.approx(1 / 401) == told["least"]
    monkeypatch.setattr(significance, "permutation_p", None)
    np.testing.assert_array_equal(jobs.significance(run, "subj01", 400)["p"].values, told["p"].values)
    with pytest.raises(MissingError, match="no trained subject"):
        jobs.significance(run, "subj07")
