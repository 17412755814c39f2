"""Reverse mapping into both CLIP towers: the cut towers are the whole ones, and planted evidence is found."""

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from brainview.attribution.ibba import IbbaConfig
from brainview.attribution.reverse import picture_map, split_words, word_map
from brainview.attribution.towers import ResNetTower, TextTower, ViTTower, image_tower
from brainview.core.errors import BrainViewError
from brainview.features.clip_pair import ClipPair, load_clip

QUICK = IbbaConfig(copies=2, steps=6)


@pytest.fixture(scope="module")
def shipped():
    return load_clip("phantom-clip")


@pytest.fixture(scope="module")
def vit():
    torch.manual_seed(0)
    model = open_clip.CLIP(16, open_clip.CLIPVisionCfg(layers=3, width=32, head_width=16, patch_size=8, image_size=32),
                           open_clip.CLIPTextCfg(context_length=77, vocab_size=49408, width=32, heads=2, layers=3))
    return model.eval().requires_grad_(False)


def test_a_cut_tower_is_the_whole_tower(vit, shipped):
    picture = torch.randn(1, 3, 32, 32)
    tower = image_tower(vit)
    streams = tower.stream(picture)
    assert isinstance(tower, ViTTower) and tower.grid(0) == (4, 4) and len(streams) == 4
    for layer, x in enumerate(streams):
        assert torch.allclose(tower.tail(x[None], layer)[0], vit.encode_image(picture, normalize=True)[0], atol=1e-5)
    picture = torch.randn(1, 3, 64, 64)
    small = image_tower(shipped.model)
    assert isinstance(small, ResNetTower)
    for layer, x in enumerate(small.stream(picture)):
        assert small.grid(layer)[0] * small.grid(layer)[1] == len(x)
        assert torch.allclose(small.tail(x[None], layer)[0], shipped.model.encode_image(picture, normalize=True)[0],
                              atol=1e-5)
    tokens = open_clip.get_tokenizer("ViT-B-32")(["a red bus beside two people"])
    words = TextTower(vit)
    for layer, x in enumerate(words.stream(tokens, 8)):
        assert torch.allclose(words.tail(x[None], layer)[0], vit.encode_text(tokens, normalize=True)[0], atol=1e-5)
    tokens = shipped.tokenizer(["a red bus"])
    custom = TextTower(shipped.model)
    assert torch.allclose(custom.tail(custom.stream(tokens, 5)[1][None], 1)[0],
                          shipped.model.encode_text(tokens, normalize=True)[0], atol=1e-5)


def test_the_picture_part_that_the_brain_speaks_of_is_found(shipped):
    """The target is the embedding of a picture whose left half alone holds anything."""
    left = np.full((64, 64, 3), 128, np.uint8)
    left[16:48, 4:28] = (220, 30, 30)
    both = left.copy()
    both[10:54, 38:60] = (20, 60, 220)
    brain = torch.from_numpy(shipped.images([Image.fromarray(left)])[0])
    found = picture_map(shipped, Image.fromarray(both), brain, IbbaConfig(copies=4, beta=1.0))
    assert found["scores"].shape == (8, 8) and found["layer"] == 2 and found["bits"] > 0
    assert np.isfinite(found["scores"]).all() and 0 < found["fit_kept"] < 1.5


def test_words_are_whole_and_carry_the_sum_of_their_pieces(shipped):
    text = "A brown table is beside a white poster, in the shop."
    words, counts = split_words(shipped.tokenizer, text)
    assert words == text.split() and sum(counts) == len(shipped.tokenizer.encode(text)) - 2
    brain = torch.from_numpy(shipped.texts(["a brown table"])[0])
    found = word_map(shipped, text, brain, QUICK)
    assert found["words"] == words and found["scores"].shape == (len(words),) and not found["cut"]
    long = " ".join(["table"] * 90)
    cut = word_map(shipped, long, brain, QUICK)
    assert cut["cut"] and len(cut["words"]) < 90


def test_a_tower_that_cannot_be_cut_is_refused(vit):
    with pytest.raises(BrainViewError, match="image tower"):
        image_tower(type("Model", (), {"visual": torch.nn.Linear(2, 2)})())
    with pytest.raises(BrainViewError, match="no layer 9"):
        picture_map(ClipPair("x", vit, lambda p: torch.zeros(3, 32, 32), None), Image.new("RGB", (8, 8)),
                    torch.ones(16), QUICK, layer=9)
