"""Captioners: tiny random models of the real classes, saved and loaded as real ones are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brainview.cli.main import main
from brainview.core.errors import Cancelled, FormatError, MissingError
from brainview.features.captions import Decoding, caption_stimuli, load_captioner
from brainview.features.texts import read_texts

WORDS = ["[PAD]", "[UNK]", "[BOS]", "[EOS]", "a", "cat", "dog", "on", "the", "house", "Question", ":", "Describe",
         "this", "image", "in", "one", "sentence", ".", "Answer"]


def _tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", bos_token="[BOS]",
                                   eos_token="[EOS]")


def _blip(folder: Path) -> Path:
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipImageProcessor, BlipProcessor

    text = {"vocab_size": len(WORDS), "hidden_size": 16, "encoder_hidden_size": 16, "intermediate_size": 16,
            "num_hidden_layers": 1, "num_attention_heads": 2, "bos_token_id": 2, "sep_token_id": 3, "pad_token_id": 0,
            "eos_token_id": 3}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
              "image_size": 32, "patch_size": 16}
    BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    BlipProcessor(BlipImageProcessor(size={"height": 32, "width": 32}), _tokenizer()).save_pretrained(folder)
    return folder


def _blip2(folder: Path) -> Path:
    from transformers import Blip2Config, Blip2ForConditionalGeneration, Blip2Processor, BlipImageProcessor

    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Blip2Config(
        vision_config={**small, "image_size": 32, "patch_size": 16},
        qformer_config={**small, "vocab_size": len(WORDS), "encoder_hidden_size": 16},
        text_config={"model_type": "opt", "vocab_size": len(WORDS) + 1, "hidden_size": 16, "ffn_dim": 16,
                     "num_hidden_layers": 1, "num_attention_heads": 2, "word_embed_proj_dim": 16,
                     "max_position_embeddings": 128, "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0},
        num_query_tokens=4, image_token_index=len(WORDS))
    Blip2ForConditionalGeneration(config).save_pretrained(folder)
    Blip2Processor(BlipImageProcessor(size={"height": 32, "width": 32}), _tokenizer(),
                   num_query_tokens=4).save_pretrained(folder)
    return folder


CHAT = [*WORDS, "<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>", "<|im_end|>", "user",
        "assistant"]
TEMPLATE = ("{% for m in messages %}{{ m['role'] }} {% for c in m['content'] %}{% if c['type'] == 'image' %}"
            "<|vision_start|><|image_pad|><|vision_end|>{% else %} {{ c['text'] }}{% endif %}{% endfor %}<|im_end|>"
            "{% endfor %}{% if add_generation_prompt %} assistant {% endif %}")


def _qwen(folder: Path) -> Path:
    """A chat model: it is asked through the template of its processor."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        PreTrainedTokenizerFast,
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(CHAT)}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokens = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]",
                                     eos_token="<|im_end|>", additional_special_tokens=CHAT[len(WORDS):len(WORDS) + 4])
    ids = {f"{name}_token_id": CHAT.index(f"<|{token}|>") for name, token in
           (("image", "image_pad"), ("video", "video_pad"), ("vision_start", "vision_start"),
            ("vision_end", "vision_end"))}
    small = {"hidden_size": 16, "intermediate_size": 16}
    vision = {**small, "out_hidden_size": 16, "depth": 1, "num_heads": 2, "patch_size": 14, "window_size": 56,
              "fullatt_block_indexes": [0]}
    text = {**small, **ids, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
            "vocab_size": len(CHAT), "max_position_embeddings": 256, "bos_token_id": 2, "pad_token_id": 0,
            "eos_token_id": CHAT.index("<|im_end|>"),
            "rope_scaling": {"type": "default", "mrope_section": [1, 1, 2]}}
    Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(**ids, vision_config=vision, text_config=text)
                                       ).save_pretrained(folder)
    Qwen2_5_VLProcessor(Qwen2VLImageProcessor(size={"shortest_edge": 56 * 56, "longest_edge": 56 * 56}), tokens,
                        Qwen2VLVideoProcessor(), chat_template=TEMPLATE).save_pretrained(folder)
    return folder


class Pictures:
    """Three pictures."""

    ids = np.array([3, 5, 9])
    shown = 0

    def image(self, stimulus: int) -> Image.Image:
        Pictures.shown += 1
        return Image.fromarray(np.random.default_rng(stimulus).integers(0, 255, (40, 40, 3), np.uint8))


@pytest.mark.parametrize(("make", "asked"), [(_blip, ""), (_blip2, "Question: Describe this image in one sentence. "
                                                                   "Answer:")])
def test_real_classes_write_texts_that_are_kept(make, asked: str, tmp_path: Path) -> None:
    captioner = load_captioner(str(make(tmp_path / "model")), "short", Decoding(tokens=4, beams=1))
    assert captioner.asked == asked
    file = caption_stimuli(captioner, Pictures(), [3, 5], tmp_path / "c.jsonl")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [r["id"] for r in rows] == [3, 5] and rows[0]["key"] == captioner.key and rows[0]["decoding"]["tokens"] == 4
    file.write_bytes(file.read_bytes() + b'{"id": 9, "te')  # killed while it wrote
    seen = Pictures.shown
    caption_stimuli(captioner, Pictures(), [3, 5, 9], file)
    assert Pictures.shown == seen + 1  # only what was missing
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [r["id"] for r in rows] == [3, 5, 9] and len({r["picture"] for r in rows}) == 3
    longer = load_captioner(str(tmp_path / "model"), "short", Decoding(tokens=5, beams=1))
    assert longer.key != captioner.key


def test_a_chat_model_is_asked_through_its_own_template(tmp_path: Path) -> None:
    captioner = load_captioner(str(_qwen(tmp_path / "model")), "short", Decoding(tokens=3, beams=1))
    assert (captioner.family, captioner.asked) == ("qwen2_5_vl", "Describe this image in one sentence.")
    given = captioner._inputs([Pictures().image(3)], [captioner.asked])
    words = [CHAT[i] for i in given["input_ids"][0].tolist()]
    assert words[:2] == ["user", "<|vision_start|>"] and words.count("<|image_pad|>") == 4 and words[-1] == "assistant"
    written: list[int] = []
    captioner.model.generate, plain = lambda **kw: written.append(kw["max_new_tokens"]) or plain(**kw), \
        captioner.model.generate
    file = caption_stimuli(captioner, Pictures(), [3, 5], tmp_path / "c.jsonl", batch=2)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [r["id"] for r in rows] == [3, 5] and written == [3] and rows[0]["family"] == "qwen2_5_vl"
    assert all("user" not in r["text"] and "Describe" not in r["text"].split()[:1] for r in rows)


def test_the_shipped_captioner_is_a_llava_of_transformers(tmp_path: Path) -> None:
    import shutil

    from brainview.core.paths import resources_dir

    captioner = load_captioner("phantom", "short", Decoding(tokens=8, beams=1))
    assert captioner.family == "llava" and captioner.asked == "Describe this image as simply as possible."
    picture = Image.fromarray(np.full((60, 60, 3), (90, 140, 220), np.uint8))
    framed = captioner._inputs([picture], [captioner.asked])["input_ids"][0].tolist()
    begin, image = captioner.processor.tokenizer.convert_tokens_to_ids(["<s>", "<image>"])
    assert framed[0] == begin and framed.count(image) == 49
    text = captioner.write([picture])[0]
    assert len(text.split()) > 2 and "USER" not in text and "<" not in text
    bare = shutil.copytree(resources_dir() / "models" / "phantom-llava", tmp_path / "bare")
    (bare / "chat_template.jinja").unlink()  # as older checkpoints come
    framed = load_captioner(str(bare), "short")._inputs([picture], ["What?"])["input_ids"][0].tolist()
    assert framed.count(image) == 49


def test_texts_are_read_in_both_forms_and_faults_are_told(tmp_path: Path) -> None:
    (tmp_path / "l.jsonl").write_text('{"id": 3, "text": "a cat"}\n{"id": 3, "text": "a dog"}\n{"id": 5, "text": ""}\n')
    assert read_texts(tmp_path / "l.jsonl") == {3: ["a cat", "a dog"]}
    (tmp_path / "t.json").write_text('{"3": "a cat", "5": ["x", "y"]}')
    assert read_texts(tmp_path / "t.json") == {3: ["a cat"], 5: ["x", "y"]}
    (tmp_path / "b.json").write_text("[1, 2]")
    with pytest.raises(FormatError, match="no table of texts"):
        read_texts(tmp_path / "b.json")
    with pytest.raises(MissingError, match="not on this machine"):
        load_captioner("someone/nothing-of-the-kind")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match="no image-text-to-text"):
        load_captioner(str(tmp_path / "empty"))


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.encoding import tiny

    data = tiny.write(tmp_path / "data", subjects=1, train=3, test=3)
    model = str(_blip(tmp_path / "model"))
    out = tmp_path / "c.jsonl"
    assert main(["caption", str(data), "--model", model, "--out", str(out), "--tokens", "3", "--clip",
                 "phantom-clip"]) == 0
    told = capsys.readouterr()
    assert "6 texts" in told.out or "texts by" in told.out, told.err
    assert len(out.read_text().splitlines()) == 6


def test_a_cancel_keeps_what_was_written(tmp_path: Path) -> None:
    class Stop:
        def report(self, done, total, text="") -> None:
            if done >= 1:
                raise Cancelled()

        def log(self, line) -> None: ...
        def check(self) -> None: ...

    captioner = load_captioner(str(_blip(tmp_path / "model")), "none", Decoding(tokens=2, beams=1))
    with pytest.raises(Cancelled):
        caption_stimuli(captioner, Pictures(), [3, 5, 9], tmp_path / "c.jsonl", batch=1, context=Stop())
    assert len((tmp_path / "c.jsonl").read_text().splitlines()) == 1
