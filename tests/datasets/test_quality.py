"""The quality report tells what is in the arrays: counts, gaps, levels, temporal signal to noise."""

from __future__ import annotations

import numpy as np
import pytest

from brainview.core.files import to_json
from brainview.datasets.preprocessing import linear_detrend
from brainview.datasets.quality import DEFINITIONS, check, report, run_tsnr
from brainview.datasets.registry import open_dataset
from brainview.datasets.types import ArrayResponses, Ceiling, Subject, TrialTable
from brainview.maps.space import VolumeSpace
from tests.datasets.layouts import make_algonauts
from tests.datasets.test_manifest import haxby


def person(values, session, **fields):
    space = VolumeSpace("native:x", (values.shape[1], 1, 1), np.eye(4))
    return Subject("s", space, TrialTable.of(fields.pop("ids", np.arange(len(values)) % 20), session=session),
                   ArrayResponses(values), **fields)


@pytest.fixture
def values():
    rng = np.random.default_rng(0)
    level = rng.normal(0, 2, 50)
    out = (level + rng.normal(0, 1, (60, 50))).astype(np.float32)
    out[:, 3] = np.nan  # never
    out[10:20, 4] = np.nan  # sometimes
    out[:, 5] = 7.0  # constant
    out[41] = np.nan  # an empty row
    return out


def test_counts_of_what_is_missing_are_exact(values):
    told = check(person(values, np.repeat([0, 1, 2], 20), ceiling=Ceiling("shipped", fraction=np.linspace(0, 1, 50))))
    assert told["missing"] == {"never": 1, "sometimes": 49, "constant": 1, "empty_rows": 1,
                               "share": pytest.approx(np.isnan(values).mean())}
    assert told["repetitions"] == {3: 20} and told["read"] == 60
    lost = told["maps"]["missing"].values
    np.testing.assert_allclose(lost, np.isnan(values).mean(0), atol=1e-6)
    assert [r["session"] for r in told["sessions"]] == [1, 2, 3] and told["sessions"][2]["empty"] == 1
    row = told["sessions"][0]
    first = np.delete(values[:20], 3, axis=1)
    assert row["mean"] == pytest.approx(np.nanmean(np.nanmean(first, 0)), abs=1e-4)
    assert row["spread"] == pytest.approx(np.nanmedian(np.nanstd(first, 0)), abs=1e-4)
    assert row["likeness"] > 0.9, "sessions share their mean pattern"
    assert sum(told["ceiling"]["histogram"]["counts"]) == 50
    assert "betas" in told["tsnr"]["why"]
    to_json({k: v for k, v in told.items() if k != "maps"})


def test_a_session_that_was_centred_has_no_likeness_and_a_strange_one_a_low_one(values):
    centred = values.copy()
    strange = values.copy()
    strange[40:] = strange[40:][:, np.random.default_rng(1).permutation(50)]
    sessions = np.repeat([0, 1, 2], 20)
    for s in range(3):
        here = sessions == s
        centred[here] -= np.nan_to_num(centred[here]).sum(0) / np.maximum(np.isfinite(centred[here]).sum(0), 1)
    assert all(r["likeness"] is None for r in check(person(centred, sessions))["sessions"])
    likeness = [r["likeness"] for r in check(person(strange, sessions))["sessions"]]
    assert likeness[2] < 0.5 < likeness[0]


def test_only_so_many_rows_of_a_session_are_read(values):
    told = check(person(values, np.repeat([0, 1], 30)), rows_per_session=10)
    assert told["read"] == 20 and [r["trials"] for r in told["sessions"]] == [30, 30]


def test_temporal_signal_to_noise_is_mean_over_deviation_without_the_trend():
    rng = np.random.default_rng(2)
    t = np.arange(80)[:, None]
    series = (1000 + rng.normal(0, [[5, 10, 20]], (80, 3)) + t * [[0, 1, -2]]).astype(np.float32)
    series = np.c_[series, np.full(80, 500)]
    got = run_tsnr(iter(series))
    want = series.mean(0) / np.where(linear_detrend(series).std(0) > 1e-6, linear_detrend(series).std(0), np.nan)
    np.testing.assert_allclose(got, want, rtol=1e-4)


def test_a_layout_of_averages_says_so_and_time_series_have_a_map(tmp_path, tiny_film):
    make_algonauts(tmp_path / "a", subjects=1, train=20, test=8)
    told = report(str(tmp_path / "a"), "subj01")
    assert told["rows_are"] == "averages over trials" and told["repetitions"] == {}
    assert told["ceiling"]["histogram"] and set(DEFINITIONS) == set(told["definitions"])
    variants = open_dataset(tiny_film).variants("sub-01")
    assert variants[0] == "betas" and "betas" in report(str(tiny_film), "sub-01")["tsnr"]["why"]
    film = report(str(tiny_film), "sub-01", variants[1])
    assert film["tsnr"]["runs"] == 3 and film["tsnr"]["median"] > 5, film["tsnr"]
    assert np.nanmedian(film["maps"]["tsnr"].values) == pytest.approx(film["tsnr"]["median"])


def test_the_real_recording_of_haxby_has_a_tsnr_of_real_scanners(tmp_path, real_files):
    source = real_files / "haxby2001_excerpt" / "one_slice_1452vol"
    data = open_dataset(haxby(tmp_path, source, 'detrend = "linear"\nzscore = "run"\naverage = "blocks"\n'
                                                'drop = ["rest"]'))
    told = check(data.subject("sub-01"))
    assert told["tsnr"]["runs"] == 12 and 20 < told["tsnr"]["median"] < 200, told["tsnr"]
