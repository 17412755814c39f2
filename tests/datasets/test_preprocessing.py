"""Each step against its definition, and that nothing crosses from one run into another."""

from __future__ import annotations

import numpy as np
import pytest

from brainview.core.errors import MismatchError, MissingError
from brainview.datasets.preprocessing import ProcessedSource, Steps, blocks_of, events_of, linear_detrend, zscore
from brainview.datasets.responses import SideBySide, Stacked
from brainview.datasets.types import ArrayResponses


def test_a_line_is_taken_out_and_the_rest_stays():
    time = np.arange(40.0)
    wave = np.sin(time)
    values = np.stack([3 + 0.5 * time, wave + 10 - time, np.where(time == 5, np.nan, time)], axis=1)
    got = linear_detrend(values)
    np.testing.assert_allclose(got[:, 0], 0, atol=1e-10)
    residual = wave - np.polyval(np.polyfit(time, wave, 1), time)
    np.testing.assert_allclose(got[:, 1], residual, atol=1e-10)
    assert np.isnan(got[:, 2]).all()


def test_zscore_is_nilearns_and_constant_locations_are_zero():
    from nilearn.signal import clean

    rng = np.random.default_rng(0)
    values = rng.standard_normal((50, 4)) * [1, 100, 1e-3, 1] + [0, 1e4, 5, 7]
    got = zscore(linear_detrend(values))
    expected = clean(values, detrend=True, standardize="zscore_sample") * np.sqrt(50 / 49)
    np.testing.assert_allclose(got, expected, atol=1e-6)
    values[:, 3] = 1e6
    assert (zscore(values)[:, 3] == 0).all()
    values[3, 0] = np.nan
    got = zscore(values)
    assert np.isnan(got[3, 0]) and np.nanstd(got[:, 0]) == pytest.approx(1)


def test_blocks_end_with_the_run_and_dropped_labels_vanish():
    labels = np.array(["rest", "a", "a", "b", "b", "b", "rest", "b"])
    run = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    assert [b.tolist() for b in blocks_of(labels, run, ("rest",))] == [[1, 2], [3, 4], [5], [7]]


def test_events_take_the_volumes_of_their_window():
    volumes = np.repeat([1, 2], 10)
    onset, duration = np.array([4.0, 0.0]), np.array([6.0, np.nan])
    got = events_of(onset, duration, np.array([1, 2]), volumes, tr=2.0, delay=4.0, window=0)
    assert [g.tolist() for g in got] == [[4, 5, 6], [12]]
    with pytest.raises(MismatchError, match="onset 30 s"):
        events_of(np.array([30.0]), np.array([2.0]), np.array([1]), volumes, tr=2.0, delay=0.0, window=0)


def test_runs_do_not_leak_into_each_other():
    rng = np.random.default_rng(1)
    first = rng.standard_normal((30, 5))
    groups = [np.arange(i, i + 5) for i in range(0, 60, 5)]
    run, session = np.repeat([0, 1], 30).astype(np.int32), np.zeros(60, np.int32)
    out = []
    for second in (rng.standard_normal((30, 5)), 1e3 * rng.standard_normal((30, 5))):
        raw = ArrayResponses(np.concatenate([first, second]))
        steps = Steps(detrend="linear", zscore="run", average="blocks")
        source = ProcessedSource(raw, "k", groups, run, session, steps)
        rows = np.empty((12, 5), np.float32)
        source.fill(rows)
        out.append(rows)
    np.testing.assert_array_equal(out[0][:6], out[1][:6])
    np.testing.assert_allclose(out[0][0], zscore(linear_detrend(first))[:5].mean(0), atol=1e-6)
    bad = ProcessedSource(raw, "k", [np.arange(28, 33)], run, session, Steps(zscore="run"))
    with pytest.raises(MismatchError, match="over the end"):
        bad.fill(np.empty((1, 5), np.float32))
    with pytest.raises(MissingError):
        Steps(average="median")


def test_parts_side_by_side_and_stacked_are_one_table():
    rng = np.random.default_rng(0)
    blocks = [[rng.standard_normal((n, w)).astype(np.float32) for w in (3, 4)] for n in (5, 7)]
    whole = np.concatenate([np.concatenate(b, axis=1) for b in blocks])
    got = Stacked([SideBySide([ArrayResponses(a) for a in b]) for b in blocks])
    assert got.shape == (12, 7)
    for index in (slice(None), slice(3, 8), slice(None, None, -2), np.array([11, 0, 5, 5]), whole[:, 0] > 0,
                  np.array([-1])):
        np.testing.assert_array_equal(got.rows(index), whole[index])
    with pytest.raises(IndexError):
        got.rows(np.array([12]))
    with pytest.raises(MismatchError):
        SideBySide([ArrayResponses(blocks[0][0]), ArrayResponses(blocks[1][0])])
