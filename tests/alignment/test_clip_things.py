"""The helper task that tells a small CLIP's tower what stands where, and the command that uses it."""

from dataclasses import asdict

import numpy as np
import pytest

from brainview.alignment.clip_things import Things
from brainview.alignment.clip_training import Pairs, SmallClip, _Trainer
from brainview.cli import build_demo
from brainview.core.errors import MismatchError
from brainview.core.jobs import QUIET
from brainview.training.run import RunFolder

COLOURS = ((230, 30, 30), (30, 60, 230))
TOWER = SmallClip(embed=16, pixels=64, stages=(1, 1, 1, 1), image_width=8, width=32, text_layers=1, batch=16, steps=24,
                  restart=16, steps_per_round=8, lr=4e-3, things_weight=1.0, mirror=0.5)


def squares(n, seed):
    """Pictures with one small square; its colour and the corner that it stands in differ."""
    rng = np.random.default_rng(seed)
    kind, corner = rng.integers(0, 2, n), rng.integers(0, 2, (n, 2))
    images = np.full((n, 64, 64, 3), 128, np.uint8)
    boxes = np.zeros((n, 1, 4), np.float32)
    for picture, box, k, (x, y) in zip(images, boxes, kind, corner, strict=True):
        picture[32 * y + 8:32 * y + 24, 32 * x + 8:32 * x + 24] = COLOURS[k]
        box[0] = (0.5 * x + 0.125, 0.5 * y + 0.125, 0.5 * x + 0.375, 0.5 * y + 0.375)
    things = Things(kind[:, None, None], boxes, (2,))
    return Pairs(images, [[f"a {('red', 'blue')[k]} square"] for k in kind], things=things)


def test_cells_are_told_by_the_share_that_a_thing_covers():
    things = Things(np.array([[[1, 0], [0, -1]]]), np.array([[[0, 0, 0.5, 0.5], [0.9, 0.9, 0.95, 0.95]]]), (2, 3))
    cover = things.cover(np.array([0]), 4)[0]
    assert cover.shape == (5, 4, 4)
    assert (cover[1, :2, :2] == 1).all() and cover[1].sum() == 4, "a box of whole cells"
    np.testing.assert_array_equal(cover[2], cover[1])  # the same thing's other kind
    assert cover[0, 3, 3] == 1 and cover[0].sum() == 1, "a thing smaller than a cell is told in its cell"
    assert not cover[3:].any(), "-1 is no class"
    mirrored = things.cover(np.array([0, 0]), 4, np.array([True, False]))
    np.testing.assert_array_equal(mirrored[0], cover[:, :, ::-1])
    np.testing.assert_array_equal(mirrored[1], cover)
    moved = things.cover(np.array([0]), 4, shift=(0.25, 0))[0]
    np.testing.assert_array_equal(moved[1, :, 1:], cover[1, :, :-1])


def test_things_that_do_not_fit_are_refused():
    with pytest.raises(MismatchError, match="do not belong together"):
        Things(np.zeros((3, 2, 1), int), np.zeros((3, 1, 4)), (2,))
    with pytest.raises(MismatchError, match="beyond"):
        Things(np.full((3, 2, 1), 2), np.zeros((3, 2, 4)), (2,))
    pairs = squares(4, 0)
    with pytest.raises(MismatchError, match="things of 4"):
        Pairs(pairs.images[:3], pairs.texts[:3], things=pairs.things)


def test_joined_lists_of_things_keep_their_pictures():
    one = Things(np.array([[[0]]]), np.array([[[0, 0, 1, 1.0]]]), (2,))
    two = Things(np.array([[[1], [0]]]), np.array([[[0, 0, 0.5, 1], [0.5, 0, 1, 1.0]]]), (2,))
    both = one.joined(two)
    assert both.labels[..., 0].tolist() == [[0, -1], [1, 0]]
    np.testing.assert_array_equal(both.cover(np.array([1]), 2), two.cover(np.array([0]), 2))


def test_tower_learns_what_stands_where_before_contrast_begins(tmp_path):
    import torch

    def trainer(name):
        return _Trainer(squares(64, 0), TOWER, RunFolder.create(tmp_path / name, "small-clip", asdict(TOWER)))

    first = trainer("a")
    before = {k: v.clone() for k, v in first.model.text.state_dict().items()}
    losses = [first.round(QUIET), first.round(QUIET)]
    assert losses[1] < 0.9 * losses[0]
    assert all(torch.equal(v, before[k]) for k, v in first.model.text.state_dict().items()), "texts come later"
    assert not any("head" in k for k in first.model.state_dict()), "the helper is no part of the model"
    second = trainer("a")  # as if killed: goes on at the start of the contrast
    assert second.step == 16 and second.round(QUIET) == first.round(QUIET)
    assert any(not torch.equal(v, before[k]) for k, v in second.model.text.state_dict().items())


def test_command_draws_trains_and_grades(tmp_path, capsys):
    import argparse

    parser = argparse.ArgumentParser()
    build_demo.configure(parser)
    args = parser.parse_args(["--pictures", "16", "--siblings", "8", "--held", "8", "--steps", "4",
                              "--work", str(tmp_path / "w"), "--out", str(tmp_path / "m"), "--json"])
    assert build_demo.run(args) == 0
    printed = capsys.readouterr().out
    assert '"siblings": 24' in printed and '"R@1"' in printed
    assert (tmp_path / "m" / "open_clip_model.safetensors").is_file()
    train = build_demo._pairs(tmp_path / "w", "train", 16, 64, QUIET)  # read back, not drawn again
    assert len(train.things) == 16 and (train.things.labels[:, -1] >= -1).all() and (train.things.labels >= 0).any()
    boxes = train.things.boxes[train.things.labels[..., 0] >= 0]
    assert (boxes[:, 2:] > boxes[:, :2]).all()
