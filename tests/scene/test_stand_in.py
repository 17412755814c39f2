"""A map on fsaverage is drawn on fsaverage5 where its own surfaces are missing, and every number stays its own."""

import numpy as np
import pytest

from brainview.maps.brainmap import BrainMap, Label
from brainview.maps.rois import RoiClass
from brainview.maps.space import MaskedSpace, VolumeSpace, mni_space, surface_space
from brainview.scene import hemisphere
from brainview.scene.colors import rule_for
from brainview.scene.image_canvas import ImageCanvas
from brainview.scene.slices import SliceScene, keep_anatomy, underlay_of
from brainview.scene.views import panels

N = 163_842


@pytest.fixture
def no_fsaverage(monkeypatch):
    hemisphere._drawn_form.cache_clear()
    real = hemisphere.load_mesh

    def load(space, side, surface):
        if getattr(space, "name", space) == "fsaverage":
            raise hemisphere.MissingError("not here")
        return real(space, side, surface)

    monkeypatch.setattr(hemisphere, "load_mesh", load)
    yield
    hemisphere._drawn_form.cache_clear()


def test_values_picks_and_outlines_stay_those_of_the_large_mesh(no_fsaverage):
    big = surface_space("fsaverage")
    index = np.sort(np.random.default_rng(0).choice(big.size, 200_000, replace=False))
    mask = MaskedSpace("challenge", big, index)
    values = np.random.default_rng(1).random(mask.size).astype(np.float32)
    brain_map = BrainMap(values, mask, "r2")
    drawn = hemisphere.surface_of(mask)
    assert drawn.name == "fsaverage5" and "every 16th vertex" in hemisphere.drawn_note(mask)
    canvas = ImageCanvas((300, 200))
    try:
        canvas.set_surface(drawn, "inflated")
        canvas.set_panels(panels("single", "lateral", ("left",), "inflated"))
        canvas.set_values(brain_map, rule_for(brain_map))
        labels = np.zeros(big.size, np.int32)
        labels[N:N + 500] = 1
        canvas.set_outlines({"roi": RoiClass("roi", labels, {1: Label("A")})})
        vertex = int(index[index >= N][3]) - N
        assert vertex < 10_242
        pick = canvas.scene.pick_of("right", vertex)
        assert pick.root_index == N + vertex and mask.index[pick.index] == N + vertex
        assert pick.value == pytest.approx(values[pick.index])
    finally:
        canvas.close()


def test_fsaverage5_needs_no_stand_in():
    space = surface_space("fsaverage5")
    assert hemisphere.surface_of(space) == space and hemisphere.drawn_note(space) == ""


def test_exact_zeros_of_a_statistic_show_the_anatomy_and_read_no_data():
    volume = mni_space(2)
    values = np.zeros(volume.shape, np.float32)
    values[45:50, 50:55, 40:45] = 3
    scene = SliceScene(BrainMap(values.ravel(), volume, "z"), rule_for(BrainMap(values.ravel(), volume)))
    assert scene.zeros_are_nothing
    pick = scene.pick((0.0, 60.0, 60.0))
    assert np.isnan(pick.value) and str(pick).endswith("no data")
    assert scene.pick(scene.world((47, 52, 42))).value == 3
    dense = np.random.default_rng(0).random(volume.size).astype(np.float32)
    dense[:100] = 0
    assert not SliceScene(BrainMap(dense, volume, "z"), rule_for(BrainMap(dense, volume))).zeros_are_nothing


def test_the_persons_own_t1_lies_under_its_slices_and_under_nobody_elses():
    grid = VolumeSpace("func:a", (20, 24, 18), np.diag([2.0, 2.0, 2.0, 1.0]), world="subject")
    t1 = BrainMap(np.linspace(1, 100, grid.size, dtype=np.float32), grid, "T1")
    values = np.full(grid.size, np.nan, np.float32)
    values[:40] = 1.0
    mine, other = (BrainMap(values, grid, "z", provenance={"dataset": "d", "subject": s}) for s in ("a", "b"))
    assert underlay_of(mine) is None
    keep_anatomy(t1, "d", "a", grid)
    assert underlay_of(mine) is not None and underlay_of(other) is None
    image = SliceScene(mine, rule_for(mine), underlay=underlay_of(mine)).tile("axial", 9, 48).image
    blank = SliceScene(other, rule_for(other), underlay=underlay_of(other)).tile("axial", 9, 48).image
    assert len(np.unique(image[..., 0])) > 20 and len(np.unique(blank[..., 0])) == 2  # paper, value
    assert image[24, 38, 0] > image[24, 2, 0]  # the ramp of the T1 rises along the first axis
