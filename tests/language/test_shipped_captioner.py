"""The shipped captioner: its tower gives its known answer and it speaks; one that beats no blind guess is refused."""

from __future__ import annotations

import numpy as np
import pytest

from brainview.core.errors import FormatError, MissingError
from brainview.language.backends import registry
from brainview.language.backends.llava import REFERENCE, folder_card, load_llava, tower_self_test
from brainview.language.backends.registry import load_backend, why_silent


def test_shipped_captioner_is_llava_and_its_tower_is_the_one_brains_are_trained_on(tmp_path) -> None:
    from safetensors.numpy import load_file, save_file

    from brainview.core.paths import resource

    folder = resource("models/phantom-llava")
    backend = load_llava(folder)
    assert type(backend.model).__name__ == "LlavaForConditionalGeneration" and backend.frame == "plain"
    assert backend.space.counts == (49,) and backend.space.width == 128
    assert tower_self_test(backend, folder / REFERENCE) < 0.02
    stored = load_file(folder / REFERENCE)
    save_file({**stored, "tokens": stored["tokens"] + np.float16(1)}, tmp_path / "other.safetensors")
    with pytest.raises(FormatError, match="does not give its reference tokens"):
        tower_self_test(backend, tmp_path / "other.safetensors")
    pictures = np.stack([stored["image"], 255 - stored["image"]])
    tokens = backend.image_tokens(pictures)
    assert tokens.shape == (2, 49, 128) and np.abs(tokens[0] - tokens[1]).mean() > 0.1
    assert folder_card(folder)["phantom"] is True and backend.name == "phantom-llava"


def test_shipped_captioner_speaks_of_what_is_shown() -> None:
    from safetensors.numpy import load_file

    from brainview.core.paths import resource

    folder = resource("models/phantom-llava")
    assert why_silent(folder_card(folder)) is None
    backend = load_backend()
    image = load_file(folder / REFERENCE)["image"]
    tokens = backend.image_tokens(np.stack([image, np.full_like(image, 128)]))
    seen, grey = backend.reply(tokens, ["Describe this image <image> as simply as possible."] * 2, max_new=40)
    assert seen.text != grey.text and 3 <= len(seen.text.split()) <= 30
    assert seen.new_tokens < 40, "a text that ends by itself"


@pytest.mark.parametrize(("card", "reason"), [
    ({}, "never graded"),
    ({"held_out": {"answers": {"all": 0.5}}}, "never graded"),
    ({"held_out": {"answers": {"all": 0.16, "commonest answer": 0.16}}}, "16.0% .* commonest answer"),
    ({"held_out": {"answers": {"all": float("nan"), "commonest answer": 0.16}}}, "commonest answer"),
])
def test_a_captioner_that_beats_no_blind_guess_is_refused(card, reason, tmp_path, monkeypatch) -> None:
    import json

    folder = tmp_path / "models" / "phantom-llava"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "card.json").write_text(json.dumps(card))
    monkeypatch.setattr(registry, "resources_dir", lambda: tmp_path)
    registry._loaded.cache_clear()
    with pytest.raises(MissingError, match=f"cannot speak: .*{reason}") as caught:
        load_backend()
    assert "build-demo --part captioner" in str(caught.value)


def test_a_captioner_that_beats_the_commonest_answer_may_speak() -> None:
    assert why_silent({"held_out": {"answers": {"all": 0.4, "commonest answer": 0.16}}}) is None
