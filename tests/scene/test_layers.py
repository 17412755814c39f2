"""Maps over each other, and maps that another map shows or hides: one composition for screen, export, page and bar."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from brainview.core.errors import FormatError, MismatchError
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule
from brainview.maps.layers import Gate, Layer, gate_for, layer_of
from brainview.maps.space import VolumeSpace
from brainview.scene.colormaps import lut
from brainview.scene.colors import FADE, bar_of, colorize, compose, gate_share, paint_of
from brainview.scene.image_canvas import ImageCanvas
from brainview.scene.slices import SliceScene, on_grid
from brainview.scene.snapshot import read_story, snapshot
from brainview.scene.views import panels
from brainview.scene.webpage import webpage
from tests.scene.sample import FSAVERAGE5, box, bump, white

GREY = np.full(4, 120, np.uint8)
SMALL = VolumeSpace("line", (4, 1, 1), np.eye(4), "MNI152")


def layer(values, **changes) -> Layer:
    return Layer(BrainMap(np.array(values, np.float32), SMALL), ColorRule("ember", (0, 1)), **changes)


def painted(*layers: Layer) -> np.ndarray:
    return compose([paint_of(a, a.map.values, None if a.second is None else a.second.values) for a in layers], GREY)


def test_the_upper_layer_covers_by_its_opacity_and_nan_lets_through():
    below, above = layer([1, 1, 1, np.nan]), layer([0, np.nan, 0, 0], opacity=0.5)
    table = lut("ember").astype(float)
    out = painted(below, above)
    half = np.round(table[255] + 0.5 * (table[0] - table[255]))
    np.testing.assert_array_equal(out[0], half)
    np.testing.assert_array_equal(out[1], table[255])
    np.testing.assert_array_equal(out[3], np.round(120 + 0.5 * (table[0] - 120)))


def test_one_plain_layer_is_colorize_and_hidden_ones_are_not_there():
    one = layer([0.1, 0.6, np.nan, 1])
    np.testing.assert_array_equal(painted(one), colorize(one.map.values, one.rule, GREY))
    np.testing.assert_array_equal(painted(one, layer([1, 1, 1, 1], visible=False)), painted(one))
    np.testing.assert_array_equal(painted(layer([1, 1, 1, 1], visible=False)), np.repeat(GREY[:, None], 3, 1))


def test_a_second_map_hides_fades_and_sets_the_opacity():
    t = np.array([-4, 1.5, np.nan, 3], np.float32)
    np.testing.assert_array_equal(gate_share(Gate(3.0), t), [1, 0, 0, 1])
    np.testing.assert_allclose(gate_share(Gate(3.0), t, faded=True), [1, FADE * 0.25, 0, 1], rtol=1e-6)
    np.testing.assert_array_equal(gate_share(Gate(3.0, two_sided=False), t), [0, 0, 0, 1])
    np.testing.assert_allclose(gate_share(Gate(fades=True, limits=(0, 6)), t), [4 / 6, 0.25, 0, 0.5], rtol=1e-6)
    second = BrainMap(t, SMALL, "t", kind="diverging")
    shown = layer([1, 1, 1, 1], gate=Gate(3.0), second=second)
    table = lut("ember")[255]
    np.testing.assert_array_equal(painted(shown), [table, [120] * 3, [120] * 3, table])
    assert gate_for(second).two_sided and not gate_for(second.having(kind="sequential")).two_sided


def test_impossible_gates_and_layers_are_refused():
    for wrong in ({"limits": (1, 1)}, {"threshold": -1}, {"limits": "ab"}):
        with pytest.raises(FormatError):
            Gate(**wrong)
    with pytest.raises(FormatError):
        Gate.from_dict({"colour": 1})
    with pytest.raises(FormatError):
        layer([1] * 4, gate=Gate())
    gate = Gate(2, True, (0, 5), False)
    assert Gate.from_dict(gate.to_dict()) == gate


def test_the_bar_shows_opacity_and_names_the_second_map():
    second = BrainMap(np.ones(4, np.float32), SMALL, "t", kind="diverging")
    found = bar_of(layer([1] * 4, opacity=0.5, gate=Gate(3.1, True, (0, 5)), second=second))
    assert found.note == "where |t| ≥ 3.1, opacity by |t|, 0 to 5 · 50 % opaque"
    middle = (190 + 142) // 2
    top = np.round(middle + 0.5 * (lut("ember")[255].astype(float) - middle))
    np.testing.assert_array_equal(found.picture[0, -1], top)
    assert len(found.picture) > 4 and (found.picture[-1] == middle).all()


def test_screen_export_page_and_slices_compose_alike(tmp_path):
    hill = layer_of(bump())
    other = BrainMap(np.where(white()[:, 2] > 0, -1, 1).astype(np.float32), FSAVERAGE5, "halves", kind="diverging")
    layers = [layer_of(other), hill.having(opacity=0.6, gate=Gate(0.5, two_sided=False), second=hill.map)]
    canvas = ImageCanvas((320, 240))
    try:
        canvas.set_surface(FSAVERAGE5, "inflated")
        canvas.set_panels(panels("single", "lateral", ("left",), "inflated"))
        canvas.set_values(hill.map, hill.rule)
        canvas.set_layers(layers)
        mesh = canvas.scene.meshes["left"]
        wanted = compose([paint_of(a, a.map.values, None if a.second is None else a.second.values).at(FSAVERAGE5.left)
                          for a in layers], mesh.underlay)
        np.testing.assert_array_equal(mesh.colors, wanted)
        pick = canvas.scene.pick_of("left", 0)
        assert np.isnan(pick.value) == np.isnan(hill.map.values[0])  # the main map is read, not the lowest
        canvas.set_values(hill.map, hill.rule)
        np.testing.assert_array_equal(mesh.colors, colorize(hill.map.values[FSAVERAGE5.left], hill.rule, mesh.underlay))
    finally:
        canvas.close()
    snapshot(hill.map, tmp_path / "one.png", size=(320, 280), rule=hill.rule, samples=0)
    path = snapshot(hill.map, tmp_path / "two.png", size=(320, 280), rule=hill.rule, layers=layers, samples=0)
    told = read_story(path)["layers"]
    assert [e["name"] for e in told] == ["halves", "hill"] and told[1]["main"] and told[1]["gate"]["threshold"] == 0.5
    one, two = (np.asarray(Image.open(tmp_path / n), int) for n in ("one.png", "two.png"))
    assert (np.abs(one - two).max(-1) > 20).mean() > 0.1
    text = webpage(hill.map, tmp_path / "p.html", layers=layers).read_text()
    assert text.count("<img alt=") == 2 and "halves" in text and "60 % opaque" in text


def test_slices_sample_other_grids_of_their_world_and_refuse_other_worlds():
    cube = box()
    fine = BrainMap(np.arange(8, dtype=np.float32), VolumeSpace("two", (2, 2, 2), np.array(
        [[8.0, 0, 0, 36], [0, 8, 0, 26], [0, 0, 8, 36], [0, 0, 0, 1]]), "MNI152"), "other")
    there = on_grid(fine, cube.space.root).reshape(cube.space.root.shape)
    assert np.isfinite(there).sum() == 8 and there[14, 17, 12] == 0 and there[15, 18, 13] == 7
    scene = SliceScene(cube, layer_of(cube).rule)
    scene.set_layers([layer_of(cube), layer_of(fine.having(limits=(0.0, 7.0)))])
    index = scene.index_of((40, 30, 40))
    alone = SliceScene(cube, layer_of(cube).rule).tile("axial", index[2], 90).image
    assert (scene.tile("axial", index[2], 90).image != alone).any()
    with pytest.raises(MismatchError):
        on_grid(bump(), cube.space.root)
    with pytest.raises(MismatchError):
        on_grid(box(world="scanner"), cube.space.root.__class__("x", (2, 2, 2), np.eye(4), "MNI152"))
