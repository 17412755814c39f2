"""The measurement runs, compares like with like, and reports what it measured (no time is asserted)."""

from __future__ import annotations

import warnings

from brainview.maps import benchmark


def test_rows_hold_equal_results_and_a_ratio(monkeypatch):
    monkeypatch.setattr(benchmark, "FAST", 2)
    monkeypatch.setattr(benchmark, "SLOW", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = benchmark.run()
    assert [(r["sampling"], r["nan_outside_brain"]) for r in told["rows"]] == [
        ("depth", False), ("depth", True), ("line", False), ("line", True)]
    assert all(r["same_nan"] for r in told["rows"]) and told["largest_difference"] < 1e-5
    assert told["smallest_ratio"] == min(r["nilearn"] / r["brainview"] for r in told["rows"]) > 1
