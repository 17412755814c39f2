"""Noise: variance 1 everywhere, three parts, every trial reproducible alone."""

import numpy as np
import pytest

from brainview.phantom import noise
from brainview.phantom.anatomy import SIDES, hemisphere


def test_variance_is_one_per_vertex_session_by_session():
    cortex = np.concatenate([hemisphere(s).cortex for s in SIDES])
    for session in range(2):
        n = noise.surface_noise(3, 0, session, np.arange(150))[:, cortex]
        assert np.square(n).mean() == pytest.approx(1, abs=0.02)
        # 150 draws of a squared normal: 1 +- 0.115; a vertex with the wrong scale would fall out of five of those
        assert np.abs(np.square(n).mean(0) - 1).max() < 5 * np.sqrt(2 / 150)
    a, b = (noise.surface_noise(3, 0, s, np.arange(3)) for s in (0, 1))
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.02


def test_a_trial_alone_is_the_trial_in_its_block():
    block = noise.surface_noise(3, 1, 2, np.arange(20))
    for trial in (13, 0, 19):
        assert np.array_equal(noise.surface_noise(3, 1, 2, np.array([trial]))[0], block[trial])
    assert not np.allclose(noise.surface_noise(3, 2, 2, np.array([0]))[0], block[0])
    assert not np.allclose(noise.surface_noise(4, 1, 2, np.array([0]))[0], block[0])


@pytest.mark.parametrize(("steps", "low", "high"), [(noise.LOCAL_STEPS, 6, 8), (noise.WIDE_STEPS, 14, 18.5)])
def test_smoothness_in_mm(steps, low, high):
    fields = noise.smooth_fields(noise.stream(1, 0, noise.FIELDS), 80, steps)[:, :10_242]
    edges = hemisphere("left").edges.tocoo()
    length = edges.data / 0.93
    some = (edges.row < edges.col) & (length > 2) & (length < 4)
    r = (fields[:, edges.row[some]] * fields[:, edges.col[some]]).mean()
    assert low < np.sqrt(-2 * np.log(2) * np.square(length[some]).mean() / np.log(r)) < high


def test_volume_noise_is_stationary_with_variance_one():
    pairs = np.concatenate([noise.volume_noise(5, 0, 0, pair) for pair in range(8)])
    assert pairs.shape == (16, 129_229)
    assert np.square(pairs).mean() == pytest.approx(1, abs=0.02)
    thirds = [np.square(part).mean() for part in np.array_split(pairs, 3, axis=1)]
    assert np.allclose(thirds, 1, atol=0.05)
    assert abs(np.corrcoef(pairs[0], pairs[1])[0, 1]) < 0.05  # two trials from one transform are independent
    assert np.array_equal(noise.volume_noise(5, 0, 0, 6), pairs[12:14])


def test_session_course_and_intruders():
    course = noise.session_course(100)
    assert np.allclose(course.mean(1), 0, atol=1e-6) and np.allclose(course.var(1), 1, atol=1e-5)
    draws = [noise.intruder(1, 0, 0, t, 50) for t in range(400)]
    assert min(draws) == 0 and max(draws) == 49 and len(set(draws)) > 40
    assert draws[17] == noise.intruder(1, 0, 0, 17, 50)
