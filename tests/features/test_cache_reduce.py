"""Cached features: found again, resumed, cancelled; reductions learn from training rows only."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from brainview.core.errors import Cancelled
from brainview.core.jobs import QUIET
from brainview.core.paths import cache_dir
from brainview.features import reduce
from brainview.features.cache import features_for
from brainview.features.reduce import Reduction, fit_reduction


class Pictures:
    ids = np.arange(100)
    shift = 0

    def image(self, stimulus: int) -> Image.Image:
        return Image.new("RGB", (8, 8), (stimulus + self.shift, 2, 3))


class Counting:
    name, label, key = "counting", "counting", "k1"
    settings: dict = {}

    def __init__(self, key: str = "k1") -> None:
        self.key, self.seen = key, 0

    def extract(self, images, *, context=QUIET) -> np.ndarray:
        rows = [np.asarray(i, np.float32).mean((0, 1)) for i in images]
        self.seen += len(rows)
        return np.stack(rows)[:, None]


class StopAt:
    def __init__(self, share: float) -> None:
        self.share = share

    def report(self, done, total, text="") -> None:
        if done / total >= self.share:
            raise Cancelled()

    def log(self, line) -> None: ...
    def check(self) -> None: ...


def test_found_again_and_not_confused() -> None:
    space, ids = Counting("found"), np.array([5, 3, 90])
    first = features_for(space, Pictures(), ids)
    assert isinstance(first, np.memmap) and first[:, 0, 0].tolist() == [5, 3, 90]
    features_for(space, Pictures(), ids)
    assert space.seen == 3
    other = Pictures()
    other.shift = 7
    assert features_for(space, other, ids)[0, 0, 0] == 12 and space.seen == 6
    assert features_for(Counting("found2"), Pictures(), ids[::-1])[0, 0, 0] == 90


def test_cancelled_work_goes_on_where_it_stopped() -> None:
    space, ids = Counting("resume"), np.arange(100)
    with pytest.raises(Cancelled):
        features_for(space, Pictures(), ids, context=StopAt(0.6))
    assert space.seen == 64 and not list((cache_dir() / "features" / "resume").glob("*.npy"))
    assert features_for(space, Pictures(), ids)[:, 0, 0].tolist() == list(range(100)) and space.seen == 100
    left = {p.suffix for p in (cache_dir() / "features" / "resume").iterdir()}
    assert left == {".npy", ".json"} and len(list((cache_dir() / "features" / "resume").glob("*.json"))) == 1


def test_a_damaged_cache_is_computed_again() -> None:
    space, ids = Counting("damaged"), np.arange(10)
    features_for(space, Pictures(), ids)
    file = next((cache_dir() / "features" / "damaged").glob("*.npy"))
    file.write_bytes(file.read_bytes()[:-20])
    assert features_for(space, Pictures(), ids)[9, 0, 0] == 9


def test_reduction_is_pca_of_standardised_training_rows() -> None:
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((300, 4, 10)) * rng.uniform(0.5, 20, (4, 10)) + 5).astype(np.float32)
    x[:, 0, 0] = 3.0
    got = fit_reduction(x[:200], components=6)
    flat = x.reshape(300, -1)
    mean, sd = flat[:200].mean(0), flat[:200].std(0)
    z = (flat - mean) / np.where(sd > 1e-3, sd, 1)
    axes = np.linalg.svd(z[:200], full_matrices=False)[2][:6]
    want = z @ axes.T
    np.testing.assert_allclose(np.abs(got.apply(x)), np.abs(want), atol=2e-3)
    again = Reduction.of(got.tensors(), got.settings)
    np.testing.assert_array_equal(again.apply(x[:5]), got.apply(x[:5]))
    assert got.settings["components"] == 6 and 0.1 < got.settings["variance_kept"] < 0.9
    assert fit_reduction(x[:200], components=None).apply(x).shape == (300, 40)


def test_wide_features_are_projected_keeping_distances(monkeypatch) -> None:
    monkeypatch.setattr(reduce, "PROJECTED", 512)
    x = np.random.default_rng(1).standard_normal((40, 60, 100)).astype(np.float32)
    fit = fit_reduction(x, components=None, seed=3)
    small, big = fit.apply(x), fit._standard(x)
    assert small.shape == (40, 512) and fit.settings["projection_seed"] == 3
    ratio = np.linalg.norm(small[0] - small[1:], axis=1) / np.linalg.norm(big[0] - big[1:], axis=1)
    assert np.abs(ratio - 1).max() < 0.2
