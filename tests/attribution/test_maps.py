"""Token scores land where their tokens are, in volumes and on the cortex."""

import numpy as np
import pytest

from brainview.alignment.patches import PatchGrid
from brainview.attribution.maps import resolution_note, surface_map, token_to_vertex, volume_map
from brainview.core.errors import BrainViewError, MismatchError
from brainview.maps.convert import convert
from brainview.maps.meshes import load_mesh
from brainview.maps.space import surface_space
from brainview.maps.volumes import mni_mask


@pytest.fixture(scope="module")
def grid():
    return PatchGrid(mni_mask(), 14)


def left_token(grid):
    """A token well inside the left hemisphere: RAS x < -30 at its centre."""
    cells = np.stack(np.unravel_index(grid.kept, grid.grid), 1)
    x = (cells[:, 0] + 0.5) * grid.patch - grid.offset[0]
    wanted = np.flatnonzero((x * 2 - 90 < -30) & (grid.brain_fraction[grid.kept] > 0.9))
    return int(wanted[0])


def test_one_token_is_one_block_on_its_own_side(grid):
    scores = np.zeros(grid.n_tokens, np.float32)
    scores[left_token(grid)] = 5
    blocky = volume_map(scores, grid, method="nearest")
    index = np.stack(np.unravel_index(blocky.space.root_index, (91, 109, 91)), 1)
    where = index[blocky.values == 5]
    assert (where.max(0) - where.min(0) < 14).all() and (where[:, 0] * 2 - 90 < 0).all()
    smooth = volume_map(scores, grid)
    assert 0 < np.nanmax(smooth.values) <= 5 and (smooth.values > 0).sum() > len(where)
    cortex = surface_map(scores, grid)
    n = cortex.space.left.stop
    assert np.nansum(cortex.values[:n]) > 0 and np.nansum(cortex.values[n:]) == 0
    vertices = load_mesh("fsaverage5", "left", "pial").in_mni152()[np.nan_to_num(cortex.values[:n]) > 0.5]
    centre = (where.mean(0) * 2 + [-90, -126, -72])
    assert np.abs(vertices - centre).max() < 2 * 28


def test_the_matrix_equals_converting_the_volume(grid):
    scores = np.random.default_rng(1).random(grid.n_tokens).astype(np.float32)
    direct, detour = surface_map(scores, grid), convert(volume_map(scores, grid), surface_space("fsaverage5"))
    both = np.isfinite(direct.values) & np.isfinite(detour.values)
    assert both.mean() > 0.95 and np.abs(direct.values - detour.values)[both].max() < 1e-4
    first, again = token_to_vertex(grid), token_to_vertex(grid)  # the second from disk
    assert (first != again).nnz == 0 and first.shape == (20484, grid.n_tokens)


def test_maps_say_what_they_are(grid):
    scores = np.linspace(2, 10, grid.n_tokens)
    found = volume_map(scores, grid, provenance={"beta": 0.1, "phantom": True})
    assert "28 mm" in resolution_note(grid) and "28 mm" in found.definition and found.units == "bits"
    assert found.provenance["beta"] == 0.1 and found.provenance["resolution_mm"] == 28 and found.is_phantom
    assert found.limits == (0, 10)
    share = volume_map(scores, grid, unit="share", method="nearest")
    assert np.nanmin(share.values) == 0 and np.nanmax(share.values) == 1
    assert volume_map(scores - 5, grid, unit="score").kind == "diverging"


def test_wrong_sizes_are_told(grid):
    with pytest.raises(MismatchError):
        volume_map(np.ones(3), grid)
    with pytest.raises(MismatchError, match="MNI"):
        volume_map(np.ones(8), PatchGrid(np.ones((6, 6, 6), bool), 3))
    with pytest.raises(BrainViewError, match="spreading"):
        volume_map(np.ones(grid.n_tokens), grid, method="cubic")
