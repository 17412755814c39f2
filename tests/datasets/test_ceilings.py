"""Noise ceilings: published figures to the digit, planted ceilings recovered, nothing invented."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.datasets.ceilings import (
    ceiling_of_counts,
    evaluated_ceiling,
    rdm_ceiling,
    shipped_ceiling,
    split_half_ceiling,
    trial_ceiling,
)
from brainview.datasets.types import NO_CEILING, ArrayResponses, Ceiling, Subject, TrialTable
from brainview.maps.space import MaskedSpace, surface_space

V = 150


def planted(images: int = 400, reps: int = 3, sessions: int = 6, seed: int = 0, scale: float = 1.0) -> tuple:
    """Return a subject of single trials, each session with its own offset and gain, and the planted ncsnr."""
    rng = np.random.default_rng(seed)
    share = np.linspace(0.0, 0.6, V)  # signal variance of a single trial of variance 1
    signal = rng.standard_normal((images, V)) * np.sqrt(share)
    stimulus = np.tile(np.arange(images), reps)
    order = rng.permutation(stimulus.size)
    stimulus = stimulus[order]
    data = signal[stimulus] + rng.standard_normal((stimulus.size, V)) * np.sqrt(1 - share)
    session = np.arange(stimulus.size) * sessions // stimulus.size
    data = (data * (0.5 + session[:, None]) * scale + 10.0 * session[:, None]).astype(np.float32)
    space = MaskedSpace("m", surface_space("fsaverage3"), np.arange(V))
    table = TrialTable.of(stimulus, session=session)
    return Subject("s", space, table, ArrayResponses(data)), np.sqrt(share / (1 - share))


def test_every_published_nsd_ceiling_comes_out_of_its_ncsnr(real_files):
    rows = list(csv.DictReader((real_files / "nsd_noise_ceiling_facts" / "fsaverage_k3.csv").read_text().splitlines()))
    assert len(rows) == 8
    percents = []
    for row in rows:
        ncsnr = np.array([float(row["median_ncsnr_nsdgeneral_fsaverage"])])
        low, high = (100 * Ceiling("ncsnr", ncsnr=ncsnr + d).for_repeats(3)[0] for d in (-0.0005, 0.0005))
        published = float(row["median_nc_percent"])
        assert low - 0.05 <= published <= high + 0.05, row  # the table gives ncsnr to three digits only
        percents.append(100 * ceiling_of_counts(ncsnr, 0, 0, 1000)[0])
    assert np.mean(percents) == pytest.approx(36.20, abs=0.06)


def test_counts_of_one_two_and_three_showings_follow_the_script():
    ncsnr = np.array([0.0, 0.7, 2.0])
    got = ceiling_of_counts(ncsnr, once=5, twice=3, thrice=2)
    expected = ncsnr**2 / (ncsnr**2 + (2 / 3 + 3 / 2 + 5) / 10)
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    assert 100 * ceiling_of_counts(np.array([0.7]), 1, 0, 0)[0] == pytest.approx(33, abs=0.5)
    assert 100 * ceiling_of_counts(np.array([0.7]), 0, 0, 1)[0] == pytest.approx(60, abs=0.5)
    with pytest.raises(MismatchError):
        ceiling_of_counts(ncsnr, 0, 0, 0)


def test_the_ceiling_counts_the_images_actually_evaluated():
    space = MaskedSpace("m", surface_space("fsaverage3"), np.arange(2))
    table = TrialTable.of([7, 7, 7, 8, 9, 9])
    subject = Subject("s", space, table, ArrayResponses(np.zeros((6, 2))),
                      ceiling=Ceiling("ncsnr", ncsnr=np.array([1.0, 1.0], np.float32)))
    np.testing.assert_allclose(evaluated_ceiling(subject, np.array([7])), 1 / (1 + 1 / 3))
    np.testing.assert_allclose(evaluated_ceiling(subject, np.array([8, 9])), 1 / (1 + 0.75))


@pytest.mark.parametrize("scale", [1.0, 1e-4, 3e3])
def test_single_trials_give_the_planted_ncsnr_whatever_the_units_and_sessions(scale):
    subject, truth = planted(scale=scale)
    got = trial_ceiling(subject)
    assert got.source == "single trials" and "400 images" in got.note
    assert np.corrcoef(got.ncsnr, truth)[0, 1] > 0.98
    assert np.polyfit(truth[40:], got.ncsnr[40:], 1)[0] == pytest.approx(1, abs=0.06)
    assert (got.ncsnr >= 0).all()


def test_without_session_zscoring_the_ceiling_is_wrong_with_it_right():
    subject, truth = planted()
    raw = trial_ceiling(subject, zscore=False, method="means")
    assert np.abs(raw.ncsnr - truth).mean() > 3 * np.abs(trial_ceiling(subject).ncsnr - truth).mean()
    both = trial_ceiling(subject, method="means")
    np.testing.assert_allclose(both.ncsnr[40:], trial_ceiling(subject).ncsnr[40:], atol=0.12)


def test_split_halves_agree_with_the_planted_reliability_of_the_mean_of_three():
    subject, truth = planted(sessions=1)
    got = split_half_ceiling(subject, splits=10)
    expected = truth**2 / (truth**2 + 1 / 3)
    assert np.abs(got.fraction - expected).mean() < 0.04
    assert (got.fraction >= 0).all() and "Spearman-Brown" in got.note
    pair, truth2 = planted(images=600, reps=2, sessions=1, seed=4)
    expected = truth2**2 / (truth2**2 + 1 / 2)
    assert np.abs(split_half_ceiling(pair, splits=6).fraction - expected).mean() < 0.04


def test_locations_without_data_in_a_session_use_the_others():
    subject, truth = planted()
    subject.responses.array[:200, 100:] = np.nan  # the first session
    got = trial_ceiling(subject).ncsnr
    assert np.isfinite(got).all() and np.corrcoef(got[100:], truth[100:])[0, 1] > 0.8


def test_shipped_ceilings_in_fractions_and_percent():
    np.testing.assert_allclose(shipped_ceiling(np.array([0.2, -0.1, 1.0, np.nan])).fraction, [0.2, 0, 1, np.nan])
    got = shipped_ceiling(np.array([0.4, 38.3, 85.3]))
    np.testing.assert_allclose(got.fraction, [0.004, 0.383, 0.853], rtol=1e-6)
    assert "percent" in got.note
    np.testing.assert_allclose(got.for_repeats(1), got.fraction)
    for wrong in ([140.0, 3.0], [np.nan]):
        with pytest.raises(FormatError):
            shipped_ceiling(np.array(wrong))


def test_nothing_is_invented():
    assert NO_CEILING.for_repeats(3) is None
    space = MaskedSpace("m", surface_space("fsaverage3"), np.arange(2))
    once = Subject("s", space, TrialTable.of([1, 2, 3]), ArrayResponses(np.zeros((3, 2))))
    averaged = Subject("s", space, TrialTable.of([1, 1, 2, 2], averaged=0), ArrayResponses(np.zeros((4, 2))))
    for subject in (once, averaged):
        for estimate in (trial_ceiling, split_half_ceiling):
            with pytest.raises(MissingError):
                estimate(subject)


@pytest.mark.parametrize("area", ["EVC", "IT"])
def test_published_rdm_ceilings_to_the_printed_digit(real_files, area):
    folder = real_files / "fmri_rdms_78images"
    published = json.loads((folder / "noise_ceiling_log.json").read_text())[f"fmri_{area}_RDMs.npz"]["spearman"]
    with np.load(folder / f"fmri_{area}_RDMs.npz", allow_pickle=False) as file:
        rdms = file["arr_0"]
    lower, upper = rdm_ceiling(rdms)
    assert lower == pytest.approx(published["lnc"], abs=1e-15) and upper == pytest.approx(published["unc"], abs=1e-15)
    plain = rdm_ceiling(rdms, squared=False)
    np.testing.assert_allclose(plain, {"EVC": (0.0157, 0.2205), "IT": (0.0116, 0.2346)}[area], atol=5e-5)
    with pytest.raises(MismatchError):
        rdm_ceiling(rdms[0])
