"""Pictures: ids and boxes that agree, signs that can be read, statistics near those of photographs, moving clips."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from brainview.core.errors import BrainViewError
from brainview.phantom.clips import clip_frames, moment, motion_energy
from brainview.phantom.draw import draw_scene, render, silhouettes
from brainview.phantom.draw.letters import STROKES
from brainview.phantom.draw.light import noise_tile
from brainview.phantom.statistics import (
    color_histogram,
    crop_square,
    picture_statistics,
    probe_accuracy,
    small_gray,
    spectrum_slope,
)
from brainview.phantom.world import NOUNS, SIGN_WORDS, Scene, SceneObject, generate_scenes
from brainview.phantom.world.scene import Event, Light


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return generate_scenes(60, 31)


@pytest.fixture(scope="module")
def pictures(scenes) -> list[np.ndarray]:
    return [draw_scene(scene) for scene in scenes]


def _alone(noun: str, **changes) -> Scene:
    entry = NOUNS[noun]
    text = "OPEN" if entry.category == "word" else ""
    pose = {"person": "stand", "animal": "stand"}.get(entry.category, "park")
    thing = SceneObject(noun, entry.category, entry.coco, entry.colors[0], "medium", 0.5, 0.9, 0.5, 0.35, text=text,
        pose=pose, look=3)
    return Scene("x", "park", (replace(thing, **changes),), (), Event(0, "stand"), Light(60, 0.25, 1.0, 0.0), 9,
        "nsd", ("train", 0, 0, 0))


def test_a_picture_can_be_drawn_again(scenes, pictures):
    again = draw_scene(scenes[0])
    assert again.shape == (425, 425, 3) and again.dtype == np.uint8
    np.testing.assert_array_equal(again, pictures[0])
    assert np.abs(draw_scene(scenes[1]).astype(int) - pictures[0]).mean() > 10


def test_ids_and_boxes_agree_with_what_composition_measured(scenes):
    for scene in scenes[:25]:
        drawn = render(scene)
        assert set(np.unique(drawn.ids)) == {0, *range(1, len(scene.objects) + 1)}
        for k, thing in enumerate(scene.objects):
            ys, xs = np.nonzero(drawn.ids == k + 1)
            assert drawn.boxes[k] == pytest.approx((xs.min() / 425, ys.min() / 425, (xs.max() + 1) / 425,
                (ys.max() + 1) / 425))
            assert np.abs(np.subtract(drawn.boxes[k], thing.box)).max() < 0.02


@pytest.mark.parametrize("noun", list(NOUNS))
def test_every_thing_paints_where_its_mask_says(noun):
    scene = _alone(noun)
    _, seen = silhouettes(scene, 425)
    blank = replace(scene, objects=(replace(scene.main, x=9.0, box=(0.0, 0.0, 0.1, 0.1)),))
    change = np.abs(draw_scene(scene).astype(int) - draw_scene(blank)).max(-1) > 12
    assert seen[0].sum() > 900
    assert change[seen[0]].mean() > 0.75
    assert (change & ~seen[0]).sum() < 0.5 * seen[0].sum() + 2500  # the shadow, soft edges


def test_things_face_both_ways():
    for noun in ("dog", "car", "man"):
        right, left = (silhouettes(_alone(noun, facing=way), 200)[1][0] for way in ("right", "left"))
        assert not np.array_equal(right, left)
        assert (right ^ left[:, ::-1]).sum() < 0.12 * right.sum()


def test_every_action_has_its_own_outline():
    from brainview.phantom.world.poses import POSTURES

    masks = {pose: silhouettes(_alone("woman", pose=pose, height=0.5),
        160)[1][0] for pose in POSTURES if not pose.startswith("baby")}
    names = list(masks)
    for i, a in enumerate(names):
        for b in names[:i]:
            if {a, b} <= {"carry", "carry walk", "walk", "receive", "read", "ride", "sit", "pedal"}:
                continue
            union = (masks[a] | masks[b]).sum()
            assert (masks[a] & masks[b]).sum() / union < 0.985, (a, b)


def test_sign_letters_exist_and_differ():
    assert set("".join(SIGN_WORDS)) <= set(STROKES)
    stop, sale = (draw_scene(_alone("board", text=word, height=0.5)) for word in ("STOP", "SALE"))
    assert (np.abs(stop.astype(int) - sale).max(-1) > 40).sum() > 400


def test_noise_has_its_spectrum():
    tile = noise_tile(1.2, 3)
    assert tile.std() == pytest.approx(1, abs=1e-3) and abs(tile.mean()) < 1e-4
    assert spectrum_slope(tile) == pytest.approx(-1.2, abs=0.12)


def test_pictures_have_the_statistics_of_photographs(pictures):
    found = picture_statistics(pictures)
    assert -1.5 <= found.slope <= -1.1
    assert found.contrast >= 0.35
    assert 88 <= found.luminance <= 148 and found.luminance_sd >= 22
    with pytest.raises(BrainViewError):
        picture_statistics([])


def test_drawing_is_quick(scenes):
    start = time.process_time()
    for scene in scenes[:20]:
        draw_scene(scene)
    assert (time.process_time() - start) / 20 < 0.12  # about .03 on an idle core


def test_probe_tells_signal_from_noise():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 400)
    signal = rng.standard_normal((400, 30)) + 2.0 * np.eye(4, 30)[labels]
    assert probe_accuracy(signal, labels, 300) > 0.7
    assert probe_accuracy(rng.standard_normal((400, 30)), labels, 300) < 0.45


@pytest.mark.slow
def test_main_things_are_named_by_shape_not_by_color():
    """A linear probe names the main thing from a 64 px grey view of it; the picture's colours alone do not."""
    train = 640
    scenes = generate_scenes(800, 5)
    views, colors = [], []
    for scene in scenes:
        picture = draw_scene(scene, 212)
        views.append(small_gray(crop_square(picture, scene.main.box)))
        colors.append(color_histogram(picture))
    nouns = np.array([list(NOUNS).index(scene.main.noun) for scene in scenes])
    x = np.stack(views)
    mirrored = x.reshape(-1, 64, 64)[:, :, ::-1].reshape(len(x), -1)
    both = np.concatenate([x[:train], mirrored[:train], x[train:]])  # things face either way
    assert probe_accuracy(both, np.concatenate([nouns[:train], nouns[:train], nouns[train:]]), 2 * train) >= 0.60
    assert probe_accuracy(np.stack(colors), nouns, train) < 0.35


def test_clips_move_their_actors(scenes):
    runner = next(s for s in generate_scenes(200, 8) if s.event.verb == "run")
    clip = clip_frames(runner, 128)
    assert clip.shape == (16, 128, 128, 3) and clip.dtype == np.uint8
    energy = motion_energy(clip)
    x0, y0, x1, y1 = (int(128 * v) for v in runner.objects[runner.event.actor].box)
    inside = energy[:, y0:y1, x0:x1].mean()
    assert inside > 5 * energy.mean() * 0.5 and inside > 1e-4
    sign = -1 if runner.objects[runner.event.actor].facing == "left" else 1
    way = moment(runner, 0.9).objects[runner.event.actor].x - moment(runner, 0.1).objects[runner.event.actor].x
    assert sign * way > 0.05
    with pytest.raises(BrainViewError):
        clip_frames(runner, 4)


def test_order_of_frames_matters():
    """Shuffled frames move more from one to the next: the order carries the action."""
    walker = next(s for s in generate_scenes(200, 9) if s.event.verb in ("walk", "run", "drive"))
    clip = clip_frames(walker, 96)
    shuffled = clip[np.random.default_rng(1).permutation(16)]
    assert motion_energy(shuffled).mean() > 1.1 * motion_energy(clip).mean()
