"""How the benchmark of LLM-VEM grades: weighted correlation, paired intervals, the written tables."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from brainview.cli.benchmarks import llm_vem
from brainview.cli.benchmarks.vem_bench import principal_scores
from brainview.cli.benchmarks.vem_grades import Person, compared, image_weights, interval, pooled, weighted_r


def test_weighted_correlation_is_that_of_repeated_images() -> None:
    rng = np.random.default_rng(0)
    y, p = rng.standard_normal((2, 30, 4)) + 5
    p += y
    p[:, 3] = 1.0
    weights = np.stack([np.ones(30), rng.poisson(1, 30)]).astype(np.float32)
    found = weighted_r(y, p, weights)
    again = np.repeat(np.arange(30), weights[1].astype(int))
    for v in range(3):
        assert found[0, v] == pytest.approx(np.corrcoef(y[:, v], p[:, v])[0, 1], abs=1e-5)
        assert found[1, v] == pytest.approx(np.corrcoef(y[again, v], p[again, v])[0, 1], abs=1e-5)
    assert (found[:, 3] == 0).all()
    shared = image_weights({"a": np.array([3, 5]), "b": np.array([5, 9])}, 20)
    assert (shared["a"][:, 1] == shared["b"][:, 0]).all() and (shared["a"][0] == 1).all()


def _person(rng: np.random.Generator, weights: np.ndarray, measured: np.ndarray) -> Person:
    return Person(np.arange(60), np.ones(40, bool), measured, measured, np.full(40, 0.6, np.float32), 0.3, weights)


def test_a_paired_difference_is_surer_than_the_two_scores() -> None:
    rng = np.random.default_rng(1)
    signal = rng.standard_normal((60, 40))
    weights = image_weights({"s": np.arange(60)}, 200)["s"]
    person = _person(rng, weights, (signal + rng.standard_normal((60, 40))).astype(np.float32))
    draws = {}
    for seed in range(3):
        base = signal + 1.2 * rng.standard_normal((60, 40))
        draws["good", seed, "s"] = person.grade(base)
        draws["worse", seed, "s"] = person.grade(base + 0.5 * rng.standard_normal((60, 40)))
    row = compared(draws, "good", "worse", [0, 1, 2], ["s"])
    assert row["low"] < row["r2/NC"] < row["high"] and 0 < row["difference low"] < row["difference"]
    assert row["difference high"] - row["difference low"] < row["high"] - row["low"]
    assert row["difference"] == pytest.approx(
        compared(draws, "good", None, [0, 1, 2], ["s"])["r2/NC"] - pooled(draws, "worse", [0, 1, 2], ["s"])[0, 0])
    one = draws["good", 0, "s"]
    assert interval(one[:, 0])[0] == pytest.approx(one[0, 0])
    assert person.bound(100) < person.bound(10_000) < 1


def test_ridge_on_principal_scores_is_ridge_on_the_tokens() -> None:
    rng = np.random.default_rng(2)
    train, test, y = rng.standard_normal((12, 3, 20)), rng.standard_normal((5, 3, 20)), rng.standard_normal((12, 2))
    a, b = principal_scores(train, test)
    x, z = train.reshape(12, -1), test.reshape(5, -1)
    x, z = (x - x.mean(0)) / x.std(0), (z - x.mean(0)) / x.std(0)
    by_hand = z @ x.T @ np.linalg.solve(x @ x.T + 7 * np.eye(12), y)
    np.testing.assert_allclose(b @ np.linalg.solve(a.T @ a + 7 * np.eye(a.shape[1]), a.T @ y), by_hand, rtol=2e-3,
                               atol=2e-3)


def test_tables_and_the_curve_are_written(tmp_path: Path) -> None:
    base = {"low": 0.1, "high": 0.3, "mean r": 0.4, "difference": None, "difference low": None,
            "difference high": None, "seeds": 3}
    rows = [{"subject": "subj01", "model": m, "images": n, "r2/NC": 0.2, **base} for m, n in
            (("group alone", 0), ("group + own part", 20), ("group + own part", 50), ("ridge on own images", 20),
             ("ridge on own images", 50))]
    llm_vem.write(tmp_path, "unseen", rows)
    assert (tmp_path / "unseen.png").stat().st_size > 5000
    with open(tmp_path / "unseen.csv", newline="") as file:
        assert [r["images"] for r in csv.DictReader(file)] == ["0", "20", "50", "20", "50"]
    assert "0.2000 [0.1000, 0.3000]" in llm_vem.text(rows) and "difference" not in llm_vem.text(rows)
