"""Scene graphs: exact round trips, pools that never meet, siblings, rules of sight, codes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from brainview.core.errors import BrainViewError, FormatError
from brainview.phantom.world import (
    ACTIONS,
    CATEGORIES,
    COLORS,
    NOUNS,
    POSITIONS,
    RELATIONS,
    SCENES,
    SIGN_WORDS,
    Scene,
    caption_code,
    caption_codes,
    code_features,
    code_scale,
    feature_names,
    generate_scene,
    generate_scenes,
    generate_world,
    graph_key,
    object_summaries,
    scene_hash,
)
from brainview.phantom.world.codes import caption_code_parts
from brainview.phantom.world.compose import box_iou
from brainview.phantom.world.poses import POSTURES, skeleton


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return generate_scenes(240, 11)


@pytest.fixture(scope="module")
def world():
    return generate_world(120, 60, 30, 7)


def test_the_vocabulary_has_the_stated_sizes():
    counts = Counter(entry.category for entry in NOUNS.values())
    assert counts == {"person": 6, "animal": 8, "vehicle": 6, "food": 8, "furniture": 5, "word": 2, "object": 5}
    assert (len(SCENES), len(NOUNS), len(SIGN_WORDS), len(COLORS), len(ACTIONS), len(RELATIONS)) == (12, 40, 24, 10,
        20, 8)
    assert len(POSITIONS) == 9 and all(3 <= len(word) <= 7 for word in SIGN_WORDS)
    assert set(CATEGORIES) == set(counts)


def test_a_scene_survives_json_exactly(scenes):
    for scene in scenes:
        again = Scene.from_dict(json.loads(json.dumps(scene.to_dict(), allow_nan=False)))
        assert again == scene and scene_hash(again) == scene_hash(scene)


@pytest.mark.parametrize("damage", [{"format": 99}, {"objects": [{"noun": "dog"}]}, {"key": [1]}, {"light": {}}])
def test_damaged_graphs_are_refused_in_one_line(scenes, damage):
    with pytest.raises(FormatError) as caught:
        Scene.from_dict({**scenes[0].to_dict(), **damage})
    assert "\n" not in str(caught.value)


def test_any_scene_can_be_made_alone(scenes, world):
    for k in (0, 17, 239):
        assert generate_scene(k, 11) == scenes[k]
    for scene in (world.test[3], world.test[40], world.reserve[5]):
        pool, seed, index, salt = scene.key
        assert generate_scene(index, seed, pool=pool, salt=salt) == scene
    assert generate_scenes(3, 12) != scenes[:3]


def test_pools_share_no_graph_and_test_scenes_all_differ(world):
    keys = {name: {graph_key(s) for s in getattr(world, name)} for name in ("train", "test", "reserve")}
    assert not keys["train"] & keys["test"] and not keys["train"] & keys["reserve"]
    assert not keys["test"] & keys["reserve"]
    assert len(keys["test"]) == len(world.test)


def test_every_test_scene_has_a_sibling(world):
    for a, b in zip(world.test[::2], world.test[1::2], strict=True):
        assert a.scene == b.scene and a.main.noun == b.main.noun and a.main.color == b.main.color
        assert [t.noun for t in a.objects] == [t.noun for t in b.objects]
        assert a.event != b.event


def test_easy_worlds_have_no_siblings():
    scenes = generate_scenes(12, 5, "easy", pool="test")
    assert any([t.noun for t in a.objects] != [t.noun for t in b.objects] for a,
        b in zip(scenes[::2], scenes[1::2], strict=True))
    with pytest.raises(BrainViewError, match="level"):
        generate_scenes(1, 5, "nightmare")


def test_everything_named_can_be_seen(scenes, world):
    for scene in (*scenes, *world.test):
        for k, thing in enumerate(scene.objects):
            assert thing.visible >= (0.92 if thing.text else 0.55)
            assert min(thing.box[2] - thing.box[0], thing.box[3] - thing.box[1]) * 425 >= 24
            assert 0 <= thing.box[0] < thing.box[2] <= 1 and 0 <= thing.box[1] < thing.box[3] <= 1
            assert all(box_iou(thing.box, other.box) <= 0.4 for other in scene.objects[:k])
            if thing.noun == "board":
                assert 0.24 * thing.height_px >= 22
            if thing.noun == "poster":
                assert 0.15 * thing.height_px >= 22


def test_composition_keeps_its_shares(scenes):
    n = len(scenes)
    counts = Counter(len(scene.objects) for scene in scenes)
    for number, share in zip((1, 2, 3, 4), (0.15, 0.35, 0.30, 0.20), strict=True):
        assert abs(counts[number] / n - share) < 0.13
    assert abs(sum(any(t.category == "person" for t in s.objects) for s in scenes) / n - 0.40) < 0.12
    assert abs(sum(bool(s.sign_text) for s in scenes) / n - 0.25) < 0.12
    assert {s.scene for s in scenes} == set(SCENES)


def test_many_actions_occur():
    seen = {thing.action for scene in generate_scenes(300, 2) for thing in scene.objects}
    assert len(set(ACTIONS) & seen) >= 18, set(ACTIONS) - seen


def test_poses_stand_on_the_ground():
    for name in POSTURES:
        for phase in (0.0, 0.3, 0.7):
            bones = skeleton("man", name, phase)
            feet = max(bones.near_leg[2][1], bones.far_leg[2][1], bones.near_leg[1][1], bones.far_leg[1][1])
            assert feet <= 1e-9 and bones.head[1] < bones.hip[1]
    with pytest.raises(KeyError):
        skeleton("man", "somersault")


def test_actions_move_over_their_phase():
    for name in ("walk", "run", "wave", "dance", "push", "pedal"):
        assert skeleton("girl", name, 0.1) != skeleton("girl", name, 0.4)


def test_summaries_are_in_degrees_round_fixation(scenes):
    scene = scenes[0]
    middle = replace(scene, objects=(replace(scene.main, box=(0.4, 0.2, 0.6, 0.4)),))
    summary = object_summaries(middle)[0]
    assert summary.x == pytest.approx(0, abs=1e-9) and summary.y == pytest.approx(0.2 * 425 / 50.6)
    assert summary.size == pytest.approx(0.2 * 425 / 50.6) and summary.ecc == pytest.approx(summary.y)
    assert object_summaries(scene, {0: (0.9, 0.9, 1.0, 1.0)})[0].x > 3


def test_faces_vanish_from_behind_and_when_tiny(scenes):
    scene = next(s for s in scenes if s.main.category == "person" and s.main.pose != "sleep")
    front = replace(scene.main, facing="front", box=(0.4, 0.2, 0.6, 0.8))
    for thing, face in ((front, True), (replace(front, facing="back"), False),
        (replace(front, box=(0.45, 0.5, 0.5, 0.6)), False)):
        summary = object_summaries(replace(scene, objects=(thing,)))[0]
        assert summary.face_visible is face and summary.body_visible


def test_caption_codes_split_their_variance_as_stated(scenes):
    for share in (0.5, 0.6):
        scale = code_scale(scenes, share)
        visual, text = caption_code_parts(scenes, scale)
        assert visual.var(0).mean() == pytest.approx(1 - share) and text.var(0).mean() == pytest.approx(share)
        codes = caption_codes(scenes, share)
        np.testing.assert_allclose(codes, visual + text)
        assert codes.shape == (len(scenes), 48) and abs(codes.var(0).mean() - 1) < 0.25


def test_text_only_features_ignore_what_is_merely_there(world):
    a, b = next((a, b) for a, b in zip(world.test[::2], world.test[1::2], strict=True) if a.main.category == "person")
    names = feature_names()
    assert not set(names[0]) & set(names[1])
    visual_a, text_a = code_features(replace(a, event=b.event))
    visual, text = code_features(a)
    np.testing.assert_array_equal(visual_a, visual)
    assert not np.array_equal(text_a, text)


def test_one_code_equals_its_row():
    scene = generate_scene(3, 1)
    first, second = caption_code(scene), caption_code(scene)
    assert first.shape == (48,) and np.isfinite(first).all()
    np.testing.assert_array_equal(first, second)


def test_too_few_scenes_make_no_scale(scenes):
    with pytest.raises(BrainViewError, match="8 scenes"):
        code_scale(scenes[:3])
