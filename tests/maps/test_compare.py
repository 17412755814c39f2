"""Comparisons whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from brainview.core.errors import MismatchError, MissingError
from brainview.maps.brainmap import BrainMap
from brainview.maps.compare import _rotation, compare
from brainview.maps.meshes import load_mesh
from brainview.maps.space import SurfaceSpace, surface_space

SPACE = surface_space("fsaverage5")


def smooth(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    xyz = np.concatenate([load_mesh(SPACE, s, "sphere").vertices for s in ("left", "right")]) / 100
    return sum(np.sin(xyz @ rng.normal(size=3) * 2 + rng.uniform(0, 6)) for _ in range(4)).astype(np.float32)


def test_a_noisy_copy_agrees_and_an_unrelated_smooth_map_does_not():
    a = smooth(0)
    copy = a + np.random.default_rng(1).normal(0, 0.5, a.shape).astype(np.float32)
    found = compare(BrainMap(a, SPACE, "a"), BrainMap(copy, SPACE, "b"), spins=40)
    assert found["r"] > 0.8 and found["p_spin"] == pytest.approx(1 / 41)
    np.testing.assert_allclose(found["difference"].values, a - copy, atol=1e-6)
    null = [compare(BrainMap(smooth(k), SPACE), BrainMap(smooth(k + 50), SPACE), spins=40)["p_spin"] for k in (2, 3, 4)]
    assert max(null) > 0.05  # smooth maps correlate by chance, and the spin test knows it


def test_nan_is_left_out_and_spaces_must_agree():
    a = smooth(0)
    holes = a.copy()
    holes[:5000] = np.nan
    assert compare(BrainMap(a, SPACE), BrainMap(holes, SPACE), spins=1)["n"] == SPACE.size - 5000
    with pytest.raises(MismatchError, match="native:x"):
        compare(BrainMap(a, SPACE), BrainMap(np.zeros(20), SurfaceSpace("native:x", 10, 10)))
    with pytest.raises(MissingError, match="only 0"):
        compare(BrainMap(a, SPACE), BrainMap(np.full(SPACE.size, np.nan), SPACE))


def test_rotations_are_rotations():
    for k in range(5):
        q = _rotation(np.random.default_rng(k))
        np.testing.assert_allclose(q @ q.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(q) == pytest.approx(1)
