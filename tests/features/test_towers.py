"""Tokens of vision towers: counts and widths of section 4, the layer that is taken, towers inside LLaVA folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.features.registry import feature_space
from brainview.features.towers import (
    TOWERS,
    TowerSpace,
    _classes,
    dense_channels,
    interleaved,
    matryoshka,
    pooled,
)


def pictures(n: int = 2) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (60, 60, 3), np.uint8)) for _ in range(n)]


SMALL = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2, "patch_size": 7}


@pytest.fixture(scope="module")
def towers(tmp_path_factory) -> dict[str, Path]:
    """Tiny models of the real classes with random weights: CLIP, SigLIP, DINOv2, and LLaVA around a CLIP tower."""
    from transformers import (
        CLIPVisionConfig,
        CLIPVisionModel,
        Dinov2Config,
        Dinov2Model,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        SiglipVisionConfig,
        SiglipVisionModel,
    )

    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("towers")
    vision = CLIPVisionConfig(**SMALL, image_size=28, projection_dim=8)
    text = LlamaConfig(vocab_size=40, hidden_size=24, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
    models = {"clip": CLIPVisionModel(vision), "siglip": SiglipVisionModel(SiglipVisionConfig(**SMALL, image_size=21)),
              "dinov2": Dinov2Model(Dinov2Config(**{k: SMALL[k] for k in SMALL if k != "intermediate_size"},
                                                 image_size=28)),
              "llava": LlavaForConditionalGeneration(LlavaConfig(vision_config=vision, text_config=text,
                                                                 image_token_index=39))}
    for name, model in models.items():
        model.save_pretrained(root / name)
    return {name: root / name for name in models}


def test_published_token_counts_and_widths() -> None:
    from brainview.features import towers as module

    want = {"clip_224": (256, 1024), "clip_336": (576, 1024), "dino_224": (256, 1024), "dino_336": (576, 1024),
            "siglip_384": (729, 3456)}
    with torch.device("meta"):
        for name, recipe in TOWERS.items():
            config, model_class = _classes(recipe.kind)
            model = model_class(config(**recipe.config)).eval()
            space = TowerSpace(name, recipe=recipe, **recipe.settings)
            side = recipe.settings.get("pixels") or recipe.config["image_size"]
            assert tuple(space._tokens(model, torch.zeros(1, 3, side, side)).shape[1:]) == want[name], name
    assert module.DEFAULTS == {"SE": "clip_224", "AF": "siglip_384", "NF": "clip_336"}


@pytest.mark.parametrize(("kind", "tokens"), [("clip", 16), ("siglip", 9), ("dinov2", 16)])
def test_layer_is_the_one_asked_for(towers, kind, tokens) -> None:
    space = feature_space(f"tower:{towers[kind]}[layer=-1]" if kind == "dinov2" else f"tower:{towers[kind]}")
    out = space.extract(pictures())
    assert out.shape == (2, tokens, 16) and out.dtype == np.float32
    model, transform = space._ready
    batch = torch.stack([transform(p) for p in pictures()])
    with torch.inference_mode():
        states = model(pixel_values=batch, output_hidden_states=True)
    first = 0 if kind == "siglip" else 1
    layer = -1 if kind == "dinov2" else -2
    np.testing.assert_allclose(out, states.hidden_states[layer][:, first:].numpy(), atol=1e-5)
    if kind == "dinov2":  # the target is the state before the last LayerNorm
        assert np.abs(out - states.last_hidden_state[:, first:].numpy()).max() > 1e-3
    assert feature_space(f"tower:{towers[kind]}", select="full").extract(pictures()).shape[1] == tokens + first


def test_tower_inside_llava_is_the_one_that_the_model_uses(towers) -> None:
    from transformers import LlavaForConditionalGeneration

    space = feature_space(f"tower:{towers['llava']}[layer=-2;select=patch]")
    out = space.extract(pictures())
    model = LlavaForConditionalGeneration.from_pretrained(towers["llava"]).eval()
    batch = torch.stack([space._ready[1](p) for p in pictures()])
    with torch.inference_mode():
        own = model.model.vision_tower(pixel_values=batch, output_hidden_states=True).hidden_states[-2][:, 1:]
    np.testing.assert_allclose(out, own.numpy(), atol=1e-5)
    assert space.shape == (16, 16) and not space.is_random
    assert feature_space(f"SE:{towers['llava']}").extract(pictures()).shape == (2, 16, 16)
    # the tower can be read from the older names of the library too
    from safetensors.torch import load_file, save_file

    old = towers["llava"].parent / "old"
    old.mkdir()
    (old / "config.json").write_text((towers["llava"] / "config.json").read_text())
    state = load_file(towers["llava"] / "model.safetensors")
    renamed = {k.replace("model.vision_tower.", "vision_tower.").replace("vision_tower.", "vision_tower.vision_model.")
               .replace("vision_model.vision_model.", "vision_model."): v for k, v in state.items()}
    save_file(renamed, old / "model.safetensors")
    np.testing.assert_allclose(feature_space(f"tower:{old}").extract(pictures()), out, atol=1e-6)


def test_dense_channels_are_the_published_groups(towers) -> None:
    hidden = [torch.full((1, 1, 1), float(i)) for i in range(28)]  # 27 blocks of SigLIP
    top, low, high = (float(p) for p in dense_channels(hidden, has_class=False))
    assert (top, low, high) == (26, np.mean(range(13)), np.mean(range(13, 26)))
    top, low, high = (float(p) for p in dense_channels(hidden[:25], has_class=True))
    assert (top, low, high) == (23, np.mean(range(12)), np.mean(range(12, 24)))
    assert feature_space(f"AF:{towers['siglip']}").extract(pictures()).shape == (2, 9, 48)


def test_matryoshka_scales_where_they_are_defined() -> None:
    assert [matryoshka(24, s) for s in (1, 9, 36, 144, 576)] == [(24, 1), (8, 9), (4, 36), (2, 144), (1, 576)]
    assert matryoshka(16, 9) == (5, 9) and matryoshka(27, 36) == (4, 36) and matryoshka(27, 729) == (1, 729)
    for side, scale, says in ((16, 36, "64 tokens"), (16, 144, "256 tokens"), (16, 576, "finer"), (27, 144, "169")):
        with pytest.raises(MismatchError, match=says):
            matryoshka(side, scale)
    grid = torch.arange(16.0).view(1, 16, 1)
    np.testing.assert_allclose(pooled(grid, 4).flatten(), [2.5, 4.5, 10.5, 12.5])


def test_pairs_and_pooled_spaces(towers) -> None:
    a, b = torch.zeros(1, 3, 2), torch.ones(1, 3, 2)
    assert interleaved(a, b)[0, :, 0].tolist() == [0, 1, 0, 1, 0, 1]
    pair = feature_space(f"ME:{towers['clip']},{towers['dinov2']}")
    out = pair.extract(pictures())
    assert out.shape == (2, 32, 16)
    np.testing.assert_allclose(out[:, 0::2], feature_space(f"tower:{towers['clip']}").extract(pictures()), atol=1e-5)
    np.testing.assert_allclose(out[:, 1::2], feature_space(f"tower:{towers['dinov2']}[layer=-1]").extract(pictures()),
                               atol=1e-5)
    assert feature_space(f"NF-4:{towers['clip']}").extract(pictures()).shape == (2, 4, 16)
    assert feature_space("tower:timm:vit_tiny_patch16_224[weights=random]").extract(pictures(1)).shape == (1, 196, 192)


def test_what_is_wrong_is_said(towers, tmp_path) -> None:
    for name in ("tower:nowhere", "SE:nowhere", "NF-x", "ME-9"):
        with pytest.raises(MissingError):
            feature_space(name).extract(pictures(1))
    with pytest.raises(MismatchError, match="hidden states"):
        feature_space(f"tower:{towers['clip']}[layer=9]").extract(pictures(1))
    with pytest.raises(MismatchError, match="scale 36"):
        feature_space(f"NF-36:{towers['clip']}").extract(pictures(1))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(FormatError, match="bert"):
        feature_space(f"tower:{tmp_path}").extract(pictures(1))
    with pytest.raises(MismatchError):
        feature_space(f"tower:{towers['clip']}[select=some]")
