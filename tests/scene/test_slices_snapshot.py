"""Slices and exported pictures: sides of the body, resolution, story, and the same colours as on screen."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from brainview.core.errors import BrainViewError
from brainview.core.lengths import pixels
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import rule_for
from brainview.maps.space import MaskedSpace
from brainview.scene import views
from brainview.scene.image_canvas import ImageCanvas
from brainview.scene.slices import SliceScene, nearest_ras
from brainview.scene.snapshot import Look, read_story, render, snapshot
from tests.scene.sample import FSAVERAGE5, box, bump, regions


def middle_of_color(image):
    """Return (x, y) in 0..1 of the middle of the coloured pixels."""
    spread = image.max(-1).astype(int) - image.min(-1)
    rows, columns = np.nonzero(spread > 60)
    assert len(rows)
    return columns.mean() / image.shape[1], rows.mean() / image.shape[0]


AFFINES = {
    "RAS": np.array([[8.0, 0, 0, -76], [0, 8, 0, -110], [0, 0, 8, -60], [0, 0, 0, 1]]),
    "LAS": np.array([[-8.0, 0, 0, 76], [0, 8, 0, -110], [0, 0, 8, -60], [0, 0, 0, 1]]),
    "LPI": np.array([[-8.0, 0, 0, 76], [0, -8, 0, 90], [0, 0, -8, 76], [0, 0, 0, 1]]),
    "SRA": np.array([[0, 8.0, 0, -76], [0, 0, 8, -110], [8, 0, 0, -60], [0, 0, 0, 1]]),
}


@pytest.mark.parametrize("name", AFFINES)
def test_the_right_front_top_cube_is_right_in_front_on_top(name):
    brain_map = box(AFFINES[name])
    scene = SliceScene(brain_map, rule_for(brain_map))
    i, j, k = scene.index_of((40, 30, 40))
    axial, coronal, sagittal = (scene.tile(p, s, 240) for p, s in (("axial", k), ("coronal", j), ("sagittal", i)))
    assert axial.letters == {"left": "L", "right": "R", "top": "A", "bottom": "P"}
    assert sagittal.letters == {"left": "P", "right": "A", "top": "S", "bottom": "I"}
    x, y = middle_of_color(axial.image)
    assert x > 0.6 and y < 0.45
    x, y = middle_of_color(coronal.image)
    assert x > 0.6 and y < 0.45
    x, y = middle_of_color(sagittal.image)
    assert x > 0.55 and y < 0.45
    pick = scene.pick((41, 29, 39))
    assert pick.value == 1.0
    stored = np.linalg.solve(AFFINES[name][:3, :3], np.array(pick.ras) - AFFINES[name][:3, 3])
    np.testing.assert_allclose(stored, pick.voxel, atol=1e-9)
    assert brain_map.values[pick.index] == 1.0


def test_radiological_flips_display_only():
    brain_map = box()
    plain = SliceScene(brain_map, rule_for(brain_map))
    flipped = SliceScene(brain_map, rule_for(brain_map), radiological=True)
    k = plain.index_of((40, 30, 40))[2]
    assert (plain.tile("axial", k, 200).image[:, ::-1] == flipped.tile("axial", k, 200).image).all()
    assert flipped.tile("axial", k, 200).letters["left"] == "R"
    x, _ = middle_of_color(flipped.tile("axial", k, 200).image)
    assert flipped.pick(flipped.ras("axial", k, x, 0.3)).ras[0] > 0  # a click on the cube is still on the right
    assert (flipped.tile("sagittal", 5, 200).letters) == plain.tile("sagittal", 5, 200).letters


@pytest.mark.parametrize("radiological", [False, True])
def test_a_click_finds_the_voxel_under_the_cross(radiological):
    brain_map = box()
    scene = SliceScene(brain_map, rule_for(brain_map), radiological=radiological)
    place = (36.0, 34.0, 36.0)
    for plane, step in zip(("sagittal", "coronal", "axial"), scene.index_of(place), strict=True):
        tile = scene.tile(plane, step, 300, place)
        assert tile.cross is not None
        assert scene.ras(plane, step, *tile.cross) == pytest.approx(place)


def test_unknown_orientation_shows_no_letters_and_masks_are_placed():
    brain_map = box(world="unknown")
    assert SliceScene(brain_map, rule_for(brain_map)).tile("axial", 9, 100).letters == {}
    full = box()
    keep = np.flatnonzero(np.isfinite(full.values))
    masked = BrainMap(np.ones(keep.size), MaskedSpace("cube", full.space, keep), limits=(0, 1))
    scene = SliceScene(masked, rule_for(masked))
    assert scene.pick((40, 30, 40)).index is not None
    assert scene.pick((-40, -30, -40)).index is None
    assert scene.best() == pytest.approx((40, 30, 40), abs=16)


def test_nearest_ras_of_an_oblique_grid():
    angle = np.deg2rad(20)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-2.0, 2, 2])
    assert nearest_ras(affine) == ((0, 1, 2), (-1, 1, 1))


# ---- pictures --------------------------------------------------------------------------------------------------------


def test_screen_equals_export():
    """The exported body is the screen's picture, pixel for pixel, at the same size; turned and zoomed views too."""
    brain_map, size = bump(), (500, 400)
    rule = rule_for(brain_map).having(threshold=0.2, below="faded")
    canvas = ImageCanvas(size)
    canvas.set_background("dark")
    canvas.set_surface(FSAVERAGE5, "pial")
    canvas.set_panels(views.panels("split", "posterior", ("left", "right")))
    canvas.set_values(brain_map, rule)
    canvas.set_outlines({"demo": regions()}, True)
    canvas.turn("orbit", 100, 200, 40, 15)
    canvas.turn("zoom", 300, 200, 0, 30)
    screen = canvas.picture()
    cameras = tuple(c.camera for c in canvas.scene.cells)
    look = Look(surface="pial", layout="split", view="posterior", background="dark", colorbar=False, names=True,
                samples=0, cameras=cameras)
    exported = np.asarray(render(brain_map, size, rule, look, outlines={"demo": regions()}))
    assert (exported == screen).all()
    # at twice the size the same vertices have the same colours
    large = np.asarray(render(brain_map, (1000, 800), rule, look, outlines={}))
    canvas.set_outlines({})
    screen, same = canvas.picture(), 0
    for vertex in range(0, 10242, 31):
        for x, y in canvas.scene.where("left", vertex):
            here = screen[int((1 - y) * 400), int(x * 500)].astype(int)
            there = large[int((1 - y) * 800), int(x * 1000)].astype(int)
            same += int(np.abs(here - there).max() <= 24)
            assert np.abs(here - there).max() <= 90
    assert same > 30
    canvas.close()


def test_snapshot_size_resolution_and_story(tmp_path):
    out = snapshot(bump(provenance={"phantom": True, "dataset": "x"}), tmp_path / "a.png", cm=(8, 6), dpi=200,
                   layout="single", view="posterior")
    with Image.open(out) as image:
        assert image.size == pixels((8, 6), 200) == (630, 472)
        assert image.info["dpi"] == pytest.approx((200, 200), abs=0.1)
        body = np.asarray(image.convert("RGB"))
    story = read_story(out)
    assert story["map"]["provenance"]["dataset"] == "x"
    assert story["map"]["phantom"] is True
    assert story["rule"]["limits"] == [0.0, 1.0]
    assert story["look"]["view"] == "posterior"
    json.dumps(story, allow_nan=False)
    assert (np.abs(body.astype(int) - [255, 196, 61]).max(-1) < 3).sum() > 300  # the phantom label
    real = snapshot(bump(), tmp_path / "b.png", size=(630, 472), layout="single", view="posterior")
    assert (np.abs(np.asarray(Image.open(real)).astype(int) - [255, 196, 61]).max(-1) < 3).sum() < 30


def test_transparent_pictures_have_no_paper_and_the_same_brain(tmp_path):
    clear = Image.open(snapshot(bump(), tmp_path / "a.png", size=(400, 300), transparent=True, layout="split",
                                view="posterior"))
    assert clear.mode == "RGBA"
    pixels_ = np.asarray(clear)
    assert pixels_[2, 200, 3] == 0
    share = (pixels_[..., 3] == 255).mean()
    assert 0.1 < share < 0.8
    assert not ((pixels_[..., 3] > 0) & (pixels_[..., 3] < 255)).mean() > 0.1


def test_volumes_are_drawn_as_slices(tmp_path):
    for mode in ("ortho", "axial"):
        out = snapshot(box(), tmp_path / f"{mode}.png", size=(600, 400), slices=mode, background="black")
        body = np.asarray(Image.open(out))[:330]
        assert ((body.max(-1).astype(int) - body.min(-1)) > 60).sum() > 100


@pytest.mark.parametrize("wrong", [{"size": (4, 4)}, {"size": (100_000, 100_000)}, {"view": "sideways"},
                                   {"surface": "crumpled"}, {"layout": "heap"}, {"background": "pink"}])
def test_impossible_pictures_are_refused_and_leave_no_file(tmp_path, wrong):
    with pytest.raises(BrainViewError):
        snapshot(bump(), tmp_path / "a.png", **wrong)
    assert list(tmp_path.iterdir()) == []


def test_pictures_without_a_story_and_other_names(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    with pytest.raises(BrainViewError):
        read_story(tmp_path / "x.png")
    with pytest.raises(BrainViewError):
        snapshot(bump(), tmp_path / "a.jpg")


def test_the_command_draws_a_file(tmp_path, capsys):
    from brainview.cli.main import main
    from brainview.maps.io import write_map

    path = write_map(box(), tmp_path / "cube.nii.gz")
    out = tmp_path / "cube.png"
    arguments = ["snapshot", str(path), "--out", str(out), "--size", "320x240", "--threshold", "50%", "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["story"]["rule"]["threshold_unit"] == "percentile"
    with Image.open(out) as image:
        assert image.size == (320, 240)
    assert main([*arguments[:4], "--size", "big"]) == 1
    assert "pixels" in capsys.readouterr().err
    assert main([*arguments[:4], "--index", "3"]) == 1
    assert main([*arguments[:4], "--colormap", "jet"]) == 1
