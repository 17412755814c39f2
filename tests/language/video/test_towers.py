"""Towers: a tiny InstructBlipVideo of the real classes from a folder, the tower of films, and what is no tower."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from brainview.core.errors import FormatError, MissingError
from brainview.language.video.branches import BranchSizes, VideoBranch
from brainview.language.video.motion import SIDE, WEIGHTS, MotionNet, load_motion, save_motion, with_changes
from brainview.language.video.towers import load_tower


def frames(n: int = 4, side: int = 32, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, 4, 4, 3), np.uint8)
    return coarse.repeat(side // 4, 1).repeat(side // 4, 2)


@pytest.fixture(scope="module")
def instruct(tmp_path_factory):
    from transformers import (
        InstructBlipVideoConfig,
        InstructBlipVideoForConditionalGeneration,
        InstructBlipVideoQFormerConfig,
        InstructBlipVideoVisionConfig,
        LlamaConfig,
    )

    vision = InstructBlipVideoVisionConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                                           num_attention_heads=2, image_size=28, patch_size=14, initializer_range=0.2)
    former = InstructBlipVideoQFormerConfig(vocab_size=120, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                                            intermediate_size=64, cross_attention_frequency=2, encoder_hidden_size=32,
                                            initializer_range=0.2)
    words = LlamaConfig(vocab_size=261, hidden_size=48, intermediate_size=96, num_hidden_layers=2,
                        num_attention_heads=2, num_key_value_heads=2)
    config = InstructBlipVideoConfig(vision_config=vision.to_dict(), qformer_config=former.to_dict(),
                                     text_config=words.to_dict(), num_query_tokens=32, video_token_index=260)
    torch.manual_seed(0)
    model = InstructBlipVideoForConditionalGeneration(config)
    torch.nn.init.normal_(model.query_tokens, std=0.5)
    folder = tmp_path_factory.mktemp("instruct")
    model.save_pretrained(folder)
    return folder, model.eval()


def test_instructblipvideo_gives_32_tokens_a_frame_and_its_model_reads_the_same_ones(instruct):
    folder, model = instruct
    tower = load_tower(f"instructblipvideo:{folder}")
    one, two = tower.tokens(frames()), tower.tokens(frames(seed=1))
    assert tower.queries and one.shape == (4, 32, 32) and np.isfinite(one).all()
    assert np.abs(one - two).max() > 1e-3  # other pictures, other tokens
    assert np.array_equal(one, load_tower(f"instructblipvideo:{folder}").tokens(frames()))
    with torch.inference_mode():  # what follows in the checkpoint takes them: projection and language model
        soft = model.language_projection(torch.from_numpy(one).flatten(0, 1)[None])
        out = model.language_model.generate(inputs_embeds=soft, max_new_tokens=3, min_new_tokens=3, do_sample=False,
                                            attention_mask=torch.ones(1, 128, dtype=torch.long))
    assert soft.shape == (1, 128, 48) and out.shape == (1, 3)


def test_its_tokens_go_straight_to_the_video_q_former(instruct):
    tower = load_tower(f"instructblipvideo:{instruct[0]}")
    video = VideoBranch(BranchSizes(32, 2, 1, 2, 2, 8), 32, 48, 0.1, queries=tower.queries).eval()
    assert not video.own_images
    with torch.no_grad():
        assert video(torch.from_numpy(tower.tokens(frames()))[None]).shape == (1, 8, 32)


def test_a_folder_that_is_no_model_is_told(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FormatError, match="InstructBlipVideo"):
        load_tower(f"instructblipvideo:{tmp_path}")
    with pytest.raises(MissingError, match="tower of films"):
        load_tower(f"phantom-film:{tmp_path}")
    (tmp_path / WEIGHTS).write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ")
    with pytest.raises(FormatError, match="no tower of films"):
        load_tower(f"phantom-film:{tmp_path}")


def test_film_tower_sees_change_and_comes_back_from_its_file(tmp_path):
    torch.manual_seed(0)
    save_motion(MotionNet(4).eval(), tmp_path)
    tower = load_motion(tmp_path)
    still = np.repeat(frames(1, SIDE), 3, 0)
    moved = still.copy()
    moved[1:, 10:60, 10:60] = 255
    assert tower.tokens(still).shape == (3, 4, 256) and not tower.queries
    assert np.allclose(tower.tokens(still)[0], tower.tokens(still)[2])  # nothing moves: all frames are alike
    assert np.abs(tower.tokens(moved)[0] - tower.tokens(still)[0]).max() > 1e-4  # same frame, another change after it
    x = with_changes(torch.from_numpy(moved)[None])[0]
    assert x.shape == (3, 6, SIDE, SIDE) and torch.allclose(x[0, 3:], 2 * (x[1, :3] - x[0, :3]))
    assert tower.tokens(frames(2, 32)).shape == (2, 4, 256)  # other sizes are resized
