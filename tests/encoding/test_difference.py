"""The difference of two scores with its uncertainty: against the definition, against planted truth, and in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brainview.core.errors import MismatchError, MissingError
from brainview.encoding import jobs
from brainview.encoding.difference import METRICS, bootstrap
from brainview.encoding.scores import bootstrap_r, score_arrays
from brainview.training.jobs import train
from tests.encoding import tiny


def test_every_draw_is_the_score_of_the_images_it_holds():
    rng = np.random.default_rng(0)
    y, p = rng.standard_normal((2, 30, 7)).astype(np.float32)
    p += y
    draws = rng.multinomial(30, np.full(30, 1 / 30), size=4)
    ceiling = np.full(7, 0.8, np.float32)
    for metric in METRICS:
        got = bootstrap(y, p, draws, metric, ceiling)
        for counts, row in zip(draws, got, strict=True):
            at = np.repeat(np.arange(30), counts)
            seen = score_arrays(y[at], p[at])
            want = {"r": seen["r"], "r2": seen["r2"], "R2": seen["R2"]}.get(metric, seen["r2"] / 0.8)
            np.testing.assert_allclose(row, np.minimum(want, 1) if metric == "r2_nc" else want, atol=2e-4)
    seeded = np.random.default_rng(3).multinomial(30, np.full(30, 1 / 30), size=50)
    np.testing.assert_allclose(bootstrap(y, p, seeded, "r"), bootstrap_r(y, p, count=50, seed=3), atol=1e-5)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    data = str(tiny.write(tmp_path_factory.mktemp("tiny") / "algonauts", subjects=1))
    folder = tmp_path_factory.mktemp("runs")
    options = {"components": 0, "bootstraps": 0, "permutations": 0, "val": 0.15, "features": "gabor[grid=2]"}
    good = train("ridge", data, str(folder / "good"), options=options)
    poor = train("ridge", data, str(folder / "poor"), options={**options, "components": 2})
    return good, poor


def test_a_better_model_is_better_beyond_doubt_where_there_is_signal(runs):
    first, second = ({"path": run, "brain": "subj01", "metric": "r"} for run in runs)
    told = jobs.difference(first, second, 300)
    gap, error, z = (told[k].values for k in ("difference", "error", "z"))
    assert told["paired"] and told["images"] == 24 and "the same images for both" in told["note"]
    assert gap[-25:].mean() > 0.2 and (told["low"].values[-25:] > 0).mean() > 0.5
    assert told["apart"] == ((told["low"].values > 0) | (told["high"].values < 0)).sum()
    noise = np.r_[gap[:8]]
    assert np.abs(noise).mean() < 3 * error[:8].mean()
    np.testing.assert_allclose(z, gap / error, rtol=1e-5)
    assert told["difference"].kind == "diverging" and "bootstrap draws" in told["error"].definition
    itself = jobs.difference(first, first, 50)
    assert itself["apart"] == 0 and np.nanmax(np.abs(itself["difference"].values)) == 0
    assert Path(runs[0]).name in told["difference"].name


def test_what_has_no_uncertainty_is_refused_in_words(runs):
    good = {"path": runs[0], "brain": "subj01", "metric": "r"}
    with pytest.raises(MissingError, match="no uncertainty"):
        jobs.difference({**good, "metric": "log_alpha"}, good)
    with pytest.raises(MissingError, match="median of subjects"):
        jobs.difference({**good, "brain": "group"}, good)
    with pytest.raises(MismatchError, match="different scores"):
        jobs.difference({**good, "metric": "R2"}, good)
