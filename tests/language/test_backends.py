"""Back ends on tiny random configurations of the very classes: injection, counts, pooling, gradients, boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainview.core.errors import BrainViewError, Cancelled, MismatchError, MissingError
from brainview.language.backends.base import Backend
from brainview.language.backends.boxes import florence_boxes, paligemma_boxes, qwen_boxes, shikra_boxes
from brainview.language.backends.compositions import interleave, load_projector, wrap_llama
from brainview.language.backends.frames import FRAMES, MARK, framed, without_mark
from brainview.language.backends.llava import load_weights, pool_grid, wrap_llava

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(["USER: Describe this image. ASSISTANT: A dog in the park."], trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<pad>", "<s>", "</s>", "<image>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
                                   additional_special_tokens=["<image>"])


def _llama(vocabulary: int) -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(vocab_size=vocabulary, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                       num_attention_heads=2, num_key_value_heads=2, pad_token_id=0, bos_token_id=1, eos_token_id=2,
                       initializer_range=0.3)


def _vision() -> Any:
    from transformers import CLIPVisionConfig

    return CLIPVisionConfig(hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
                            image_size=32, patch_size=8)


def _make(kind: str, tokenizer: Any) -> Backend:
    from transformers import (
        LlamaForCausalLM,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaNextConfig,
        LlavaNextForConditionalGeneration,
    )

    torch.manual_seed(3)
    n = len(tokenizer)
    shared = {"vision_config": _vision(), "text_config": _llama(n), "image_token_index": 3}
    if kind == "llava":
        return wrap_llava(LlavaForConditionalGeneration(LlavaConfig(**shared)), tokenizer, name=kind, frame="llava-hf")
    if kind == "llava-next":
        model = LlavaNextForConditionalGeneration(LlavaNextConfig(**shared, image_grid_pinpoints=[[32, 32]]))
        return wrap_llava(model, tokenizer, name=kind, frame="vicuna")
    if kind == "paligemma":
        return _paligemma(tokenizer)
    if kind == "smolvlm":
        return _smolvlm(tokenizer)
    if kind == "qwen":
        return _qwen(tokenizer)
    parts = [torch.nn.Sequential(torch.nn.Linear(24, 32)) for _ in range(2 if kind == "mmvp" else 1)]
    return wrap_llama(LlamaForCausalLM(_llama(n)), tokenizer, parts, kind=kind, name=kind, counts=(16,))


def _paligemma(tokenizer: Any) -> Backend:
    from transformers import GemmaConfig, PaliGemmaConfig, PaliGemmaForConditionalGeneration, SiglipVisionConfig

    from brainview.language.backends.present import wrap_paligemma

    text = GemmaConfig(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                       head_dim=16, num_attention_heads=2, num_key_value_heads=1, pad_token_id=0, bos_token_id=1,
                       eos_token_id=2)
    vision = SiglipVisionConfig(hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
                                image_size=32, patch_size=8, projection_dim=32)
    config = PaliGemmaConfig(vision_config=vision, text_config=text, image_token_index=3, projection_dim=32,
                             hidden_size=32)
    return wrap_paligemma(PaliGemmaForConditionalGeneration(config), tokenizer, name="paligemma")


def _smolvlm(tokenizer: Any) -> Backend:
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration

    from brainview.language.backends.present import wrap_smolvlm

    vision = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
              "image_size": 32, "patch_size": 8}
    config = SmolVLMConfig(vision_config=vision, text_config=_llama(len(tokenizer)).to_dict(), image_token_id=3,
                           scale_factor=2, pad_token_id=0)
    return wrap_smolvlm(SmolVLMForConditionalGeneration(config), tokenizer, name="smolvlm")


def _qwen(tokenizer: Any) -> Backend:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    from brainview.language.backends.present import wrap_qwen

    text = {"vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1,
            "eos_token_id": 2, "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3],
                                                   "rope_theta": 10000.0}}
    vision = {"depth": 2, "hidden_size": 24, "intermediate_size": 32, "num_heads": 2, "patch_size": 8,
              "out_hidden_size": 32, "fullatt_block_indexes": [1], "window_size": 16}
    config = Qwen2_5_VLConfig(text_config=text, vision_config=vision, image_token_id=3)
    return wrap_qwen(Qwen2_5_VLForConditionalGeneration(config), tokenizer, name="qwen", side=32)


KINDS = ("llava", "llava-next", "paligemma", "smolvlm", "qwen", "shikra", "mmvp", "dense")


@pytest.fixture(scope="module")
def made(tokenizer: Any) -> dict[str, Backend]:
    return {kind: _make(kind, tokenizer) for kind in KINDS}


def _tokens(backend: Backend, n: int) -> np.ndarray:
    count = backend.space.counts[0]
    return np.random.default_rng(0).standard_normal((n, count, backend.space.width)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_replies_depend_on_the_tokens_and_are_the_same_alone_and_padded(made: dict[str, Backend], kind: str) -> None:
    backend = made[kind]
    tokens = _tokens(backend, 2)
    prompts = ["Describe this image.", "Is there a dog in this image of the park?"]
    together = backend.reply(tokens, prompts, max_new=6)
    assert [r.frame for r in together] == [backend.frame] * 2 and together[0].vision_tokens > 0
    ids, mask, projected = backend.prepare(tokens, prompts)
    with torch.no_grad():
        one = [backend.prepare(tokens[k:k + 1], prompts[k:k + 1]) for k in range(2)]
        alone = [backend.model(**backend.inputs(*x, "embeds")).logits[0, -1] for x in one]
        padded = backend.model(**backend.inputs(ids, mask, projected, "embeds")).logits[:, -1]
        other = backend.prepare(tokens[1:], prompts[:1])
        moved = backend.model(**backend.inputs(*other, "embeds")).logits[0, -1]
    assert torch.allclose(alone[1], padded[1], atol=1e-4)
    if kind not in ("paligemma", "smolvlm"):  # those two count places from the padding on
        assert torch.allclose(alone[0], padded[0], atol=1e-3)
    assert not torch.allclose(moved, alone[0], atol=1e-3)


@pytest.mark.parametrize("kind", ["llava", "llava-next", "paligemma", "smolvlm"])
def test_both_ways_of_injection_agree(made: dict[str, Backend], kind: str) -> None:
    backend = made[kind]
    tokens = _tokens(backend, 2)
    prompts = ["Describe this image.", "Is there a dog?"]
    ids, mask, projected = backend.prepare(tokens, prompts)
    with torch.no_grad():
        a = backend.model(**backend.inputs(ids, mask, projected, "embeds")).logits
        b = backend.model(**backend.inputs(ids, mask, projected, "native")).logits
    rows = mask.bool()
    assert torch.allclose(a[rows], b[rows], atol=1e-5)
    if not backend.embeds:
        with pytest.raises(MissingError, match="cannot generate from embeddings"):
            backend.reply(tokens, prompts, max_new=8, injection="embeds")
        return
    one = [backend.reply(tokens, prompts, max_new=8, injection=way) for way in ("embeds", "native")]
    assert [r.text for r in one[0]] == [r.text for r in one[1]]
    assert one[0][0].injection != one[1][0].injection


def test_wrong_counts_and_ways_are_refused_in_words(made: dict[str, Backend]) -> None:
    backend = made["llava"]
    with pytest.raises(MismatchError, match=r"15 tokens of width 24.*takes 16 tokens of width 24"):
        backend.reply(np.zeros((1, 15, 24)), ["x"])
    with pytest.raises(MismatchError, match="an array of shape"):
        backend.reply(np.zeros((15, 24)), ["x"])
    with pytest.raises(MissingError, match="Use embeds"):
        made["shikra"].reply(np.zeros((1, 16, 24)), ["x"], injection="native")
    ids, _, projected = backend.prepare(_tokens(backend, 1), ["x"])
    with pytest.raises(MismatchError, match="places"):
        backend.embeddings(torch.cat([ids, ids[:, :1] * 0 + backend.image_id], 1), projected)


def test_text_streams_stops_and_is_cancelled(made: dict[str, Backend]) -> None:
    backend = made["llava"]
    seen: list[str] = []
    whole = backend.reply(_tokens(backend, 1), ["Describe."], max_new=12)[0]
    part = backend.reply(_tokens(backend, 1), ["Describe."], max_new=12, on_text=seen.append,
                         stop=lambda: len(seen) >= 3)[0]
    assert part.stopped and part.new_tokens == 3 and len(seen) == 3 and whole.text.startswith(part.text.rstrip("�"))

    class Context:
        def report(self, *_: Any) -> None: ...
        def log(self, line: str) -> None: ...
        def check(self) -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        backend.reply(_tokens(backend, 1), ["Describe."], context=Context())


def test_gradient_is_that_of_the_words_probability(made: dict[str, Backend]) -> None:
    backend = made["llava"]
    tokens = _tokens(backend, 1)[0]
    grad, value = backend.gradient(tokens, "Describe.", "A dog in the park.", (2, 5))
    assert grad.shape == tokens.shape and np.isfinite(grad).all() and value < 0
    step = 1e-2 * grad / np.linalg.norm(grad)
    up = backend.gradient(tokens + step, "Describe.", "A dog in the park.", (2, 5))[1]
    down = backend.gradient(tokens - step, "Describe.", "A dog in the park.", (2, 5))[1]
    assert (up - down) / 2 == pytest.approx(1e-2 * np.linalg.norm(grad), rel=0.05)


def test_probability_of_an_answer_is_that_of_its_words_alone_and_padded(made: dict[str, Backend]) -> None:
    for kind in ("llava", "qwen"):
        backend = made[kind]
        tokens = _tokens(backend, 3)
        prompts, answers = ["Describe.", "Describe this image.", "Dog?"], ["A dog", "A", "in the park."]
        together = backend.log_probability(tokens, prompts, answers)
        alone = [backend.log_probability(tokens[k:k + 1], [prompts[k]], [answers[k]])[0] for k in range(3)]
        assert together == pytest.approx(alone, abs=1e-3) and (together < 0).all()
    backend = made["llava"]
    word = backend.gradient(_tokens(backend, 1)[0], "Describe.", "A dog", (0, 5))[1]
    assert backend.log_probability(_tokens(backend, 1), ["Describe."], ["A dog"])[0] == pytest.approx(word, abs=1e-3)
    with pytest.raises(MismatchError, match="none of them empty"):
        backend.log_probability(_tokens(backend, 1), ["Describe."], [""])


def test_pooling_is_that_of_the_published_rule() -> None:
    grid = torch.arange(576.0).reshape(1, 576, 1)
    for scale in (1, 9, 36, 144, 576):
        assert pool_grid(grid, scale).shape[1] == scale
    assert pool_grid(grid, 1).item() == pytest.approx(287.5)
    assert pool_grid(torch.zeros(1, 256, 1), 9).shape[1] == 9
    for n, scale, given in ((256, 36, 64), (256, 144, 256), (729, 144, 169), (256, 576, 0)):
        with pytest.raises(MismatchError, match=f"scale {scale} is not defined on {n} tokens.*{given}"):
            pool_grid(torch.zeros(1, n, 1), scale)


def test_interleaving_puts_clip_at_even_places() -> None:
    tokens = torch.cat([torch.ones(1, 3, 2), 2 * torch.ones(1, 3, 2)], 1)
    out = interleave(tokens, lambda x: x * 10, lambda x: x * 100)
    assert out[0, :, 0].tolist() == [10, 200, 10, 200, 10, 200]


def test_projector_files_are_read_by_shape_and_never_unpickled(tmp_path: Path) -> None:
    two = {"model.mm_projector.0.weight": torch.ones(8, 4), "model.mm_projector.0.bias": torch.zeros(8),
           "model.mm_projector.2.weight": torch.ones(6, 8), "model.mm_projector.2.bias": torch.zeros(6)}
    torch.save(two, tmp_path / "two.bin")
    module = load_projector(tmp_path / "two.bin")
    assert [getattr(m, "out_features", None) for m in module] == [8, None, 6]
    torch.save({"weight": torch.ones(6, 4), "bias": torch.zeros(6)}, tmp_path / "one.bin")
    assert len(load_projector(tmp_path / "one.bin")) == 1
    torch.save({"weight": Path("x")}, tmp_path / "bad.bin")
    with pytest.raises(BrainViewError, match="not a plain state dict"):
        load_projector(tmp_path / "bad.bin")


def test_quantised_loading_is_refused_where_it_cannot_be() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(MissingError, match="4-bit weights need a CUDA device"):
        load_weights(None, "x", 4)


def test_frames_hold_the_image_once() -> None:
    for name in FRAMES:
        for prompt in ("Describe this image <image> as simply as possible.", "Locate dog in <image>", "Hello"):
            text = framed(name, prompt, [] if name == "x" else [("Is there a dog?", "yes")])
            assert text.count(MARK) == 1 and "<image>" not in text and "Is there a dog?" in text
    assert without_mark("Describe this image <image> as simply.") == "Describe this image as simply."
    assert without_mark("Locate dog in <image> and so") == "Locate dog in this image and so"
    assert framed("llava-hf", "Hi").startswith(f"USER: {MARK}\nHi ASSISTANT:")


def test_box_grammars_are_strict() -> None:
    assert shikra_boxes("[0.1,0.2,0.3,0.4;0.5,0.5,0.6,0.6]") == [[(0.1, 0.2, 0.3, 0.4), (0.5, 0.5, 0.6, 0.6)]]
    assert shikra_boxes("a dog [0.1,0.2,0.3,1] and [0,0,1,1]") == [[(0.1, 0.2, 0.3, 1.0)], [(0.0, 0.0, 1.0, 1.0)]]
    for text in ("[0.1, 0.2, 0.3, 0.4]", "[0.1,0.2,0.3]", "[10.1,0.2,0.3,0.4]", "", "[[[", "[0.1,0.2,0.3,x]"):
        assert shikra_boxes(text) == []
    assert paligemma_boxes("<loc0256><loc0512><loc0512><loc1023> dog") == [[(0.5, 0.25, 1023 / 1024, 0.5)]]
    assert florence_boxes("dog<loc_0><loc_499><loc_999><loc_999>")[0][0][1] == pytest.approx(0.4995)
    assert qwen_boxes(100)('{"bbox_2d": [10, 20, 30, 40]}') == [[(0.1, 0.2, 0.3, 0.4)]]
