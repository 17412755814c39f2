"""The captioner that is shipped: its tower gives its known answer; it is refused while it cannot speak."""

from __future__ import annotations

import numpy as np
import pytest

from brainview.core.errors import FormatError, MissingError
from brainview.language.backends.llava import REFERENCE, folder_card, load_llava, tower_self_test
from brainview.language.backends.registry import load_backend


def test_shipped_captioner_is_llava_and_its_tower_is_the_one_brains_are_trained_on(tmp_path) -> None:
    from safetensors.numpy import load_file, save_file

    from brainview.core.paths import resource

    folder = resource("models/phantom-llava")
    backend = load_llava(folder)
    if not folder_card(folder).get("speaks", True):
        with pytest.raises(MissingError, match="build-demo --part captioner"):
            load_backend()
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
