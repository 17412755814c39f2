"""Training of the captioner on a handful of made-up scenes: coordinates as tokens, overlap of boxes, both stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from brainview.language.backends.boxes import shikra_boxes
from brainview.language.captioner.bank import SceneBank
from brainview.language.captioner.config import BINS, Captioner
from brainview.language.captioner.text import TextTrainer, train_text
from brainview.language.captioner.tower import Labels, generalised_iou, tower_tokens, train_tower
from brainview.language.captioner.turns import Encoder, bin_ids, box_text, make_tokenizer, turns_of

TINY = Captioner(pixels=32, patch=16, width=16, layers=2, heads=2, tower_steps=2, tower_batch=4, vocabulary=480,
                 text_width=32, text_layers=1, text_heads=2, text_mlp=32, text_steps=3, text_batch=4, round=2)


def _bank() -> SceneBank:
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    ids = np.zeros((8, 8, 8), np.int8)
    for k in range(8):
        noun, color = ("dog", "cat")[k % 2], ("red", "blue")[k // 4]
        ids[k, :3, :3] = 1
        rows.append({"captions": [f"A {color} {noun} in the park."] * 5, "description": f"The {noun} is {color}.",
                     "questions": [{"question": "What is it?", "answer": noun, "kind": "what"}], "scene": "park",
                     "verb": "rest", "things": [{"name": noun, "noun": noun, "coco": noun, "color": color,
                                                 "category": "animal", "phrase": None, "box": [0.0, 0.0, 0.375, 0.4]}]})
    return SceneBank(rng.integers(0, 255, (8, 32, 32, 3), dtype=np.uint8), ids, rows)


def test_a_box_is_nine_tokens_and_its_text_is_the_published_form() -> None:
    tokenizer = make_tokenizer(_bank(), TINY.vocabulary)
    text = box_text([-0.1, 0.333, 0.5, 1.0])
    assert text == "[0.000,0.330,0.500,0.990]"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert len(ids) == 9 and tokenizer.decode(ids) == text and shikra_boxes(text) == [[(0.0, 0.33, 0.5, 0.99)]]
    bins = bin_ids(tokenizer)
    assert bins == list(range(bins[0], bins[0] + len(BINS)))
    turn = Encoder(tokenizer).turn("Locate it.", text)
    assert sum(w > 1 for w in turn.weights) == 4
    prompts = [p for p, _ in turns_of(_bank().rows[0], 10, np.random.default_rng(1))]
    assert sum(p.startswith(("Locate", "Where is dog")) for p in prompts) >= 3


def test_generalised_overlap_of_known_boxes() -> None:
    one = torch.tensor([[0.0, 0.0, 0.5, 0.5]] * 4)
    two = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.5, 1.0], [0.5, 0.5, 1.0, 1.0], [0.9, 0.9, 0.8, 0.8]])
    value = generalised_iou(one, two)
    assert value[:3].tolist() == pytest.approx([1.0, 0.5, -0.5], abs=1e-3) and value[3] < 0


def test_near_coordinates_cost_less_than_far_ones() -> None:
    bank = _bank()
    tokenizer = make_tokenizer(bank, TINY.vocabulary)
    trainer = TextTrainer(bank, np.zeros((8, 4, 16), np.float16), tokenizer, TINY)
    start = trainer.bins.start
    sure = torch.full((4, len(tokenizer)), -20.0)
    sure[torch.arange(4), start + torch.tensor([50, 51, 60, 0])] = 0.0
    losses = trainer._losses(sure.log_softmax(-1), torch.full((4,), start + 50))
    assert losses[0] < losses[1] < losses[2] and losses[2] == pytest.approx(float(losses[3]), abs=1)
    word = trainer._losses(sure.log_softmax(-1), torch.full((4,), 5))
    assert torch.allclose(word, torch.full((4,), 20.0), atol=0.1)


def test_both_stages_train_stop_and_go_on(tmp_path: Path) -> None:
    bank = _bank()
    noun, color, box = Labels(bank, 2).places(bank, np.array([0, 1]), np.array([False, True]))
    assert noun.tolist() == [[1, -1, -1, -1], [-1, 0, -1, -1]] and color[0, 0] == 1
    assert box[1, 1].tolist() == pytest.approx([0.625, 0.0, 1.0, 0.4])
    assert train_tower(bank, TINY, tmp_path / "tower", minutes=-1) is None
    tower = train_tower(bank, TINY, tmp_path / "tower")
    assert tower is not None
    tokens = tower_tokens(tower, bank.images)
    assert tokens.shape == (8, 4, 16)
    tokenizer = make_tokenizer(bank, TINY.vocabulary)
    model = train_text(bank, tokens, tokenizer, TINY, tmp_path / "text")
    again = train_text(bank, tokens, tokenizer, TINY, tmp_path / "text")  # all steps are done: read back
    assert model is not None and again is not None
    for key, value in model.model.language_model.state_dict().items():
        assert torch.equal(value, again.model.language_model.state_dict()[key]), key
