"""Sizes and schedules of the shipped captioner, and the configuration of its transformers class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Pixel statistics of the pictures, so that inputs are about -1..1.
MEAN = STD = (0.5, 0.5, 0.5)
IMAGE = "<image>"
PAD, BEGIN, END = "<pad>", "<s>", "</s>"
#: Coordinates of boxes are one token each, whose text is the published three decimals: a box takes nine tokens and one
#: decision per edge. Digit by digit it took seventeen, and a language model of this size never learnt the second.
BINS = tuple(f"0.{k:02d}0" for k in range(100))
SPECIAL = (PAD, BEGIN, END, IMAGE)


@dataclass(frozen=True)
class Captioner:
    """Sizes and schedules.

    The tower has `layers` blocks; as in LLaVA its second-last output is what the language part sees. Its training
    reads, from each place, the thing that is nearest there, its colour and its box, and from all places the setting,
    the things present and the verb: linear heads that are thrown away afterwards.

    The language part is trained with the tower frozen. The target of a box's edge is spread over the bins beside the
    right one (`bin_spread` bins), since a near miss is nearly right. A share `blur` of the pictures is shown as a
    brain would give them: pulled towards the mean token by a factor between `blur_low` and 1, plus noise of
    `blur_noise` of the spread. At most `turns` questions on one picture, of together `row_tokens`, share its tokens
    and do not see each other, but for a share `talk` of the pictures, which are conversations.
    """

    pixels: int = 112
    patch: int = 16
    width: int = 128
    layers: int = 5
    heads: int = 4
    tower_steps: int = 1800
    tower_batch: int = 64
    tower_lr: float = 2e-3
    vocabulary: int = 1098
    text_width: int = 128
    text_layers: int = 3
    text_heads: int = 4
    text_mlp: int = 352
    text_steps: int = 1500
    text_batch: int = 24
    text_lr: float = 3e-3
    turns: int = 10
    row_tokens: int = 170
    bin_spread: float = 1.5
    blur: float = 0.5
    blur_low: float = 0.3
    blur_noise: float = 0.3
    talk: float = 0.2
    weight_decay: float = 0.05
    round: int = 25
    seed: int = 0

    @property
    def tokens(self) -> int:
        """Number of vision tokens (the class token is dropped)."""
        return (self.pixels // self.patch) ** 2

    def vision(self) -> dict[str, Any]:
        """Return the arguments of ``CLIPVisionConfig``."""
        return {"hidden_size": self.width, "intermediate_size": 4 * self.width, "num_hidden_layers": self.layers,
                "num_attention_heads": self.heads, "image_size": self.pixels, "patch_size": self.patch,
                "projection_dim": self.width, "hidden_act": "gelu", "attention_dropout": 0.0}

    def text(self, vocabulary: int) -> dict[str, Any]:
        """Return the arguments of ``LlamaConfig``."""
        return {"vocab_size": vocabulary, "hidden_size": self.text_width, "intermediate_size": self.text_mlp,
                "num_hidden_layers": self.text_layers, "num_attention_heads": self.text_heads,
                "num_key_value_heads": self.text_heads, "max_position_embeddings": 1024, "tie_word_embeddings": True,
                "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "rms_norm_eps": 1e-5}


def llava_config(config: Captioner, vocabulary: int) -> Any:
    """Return the ``LlavaConfig`` of the whole model."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    return LlavaConfig(vision_config=CLIPVisionConfig(**config.vision()), text_config=LlamaConfig(
        **config.text(vocabulary)), image_token_index=SPECIAL.index(IMAGE), projector_hidden_act="gelu",
        vision_feature_layer=-2, vision_feature_select_strategy="default", image_seq_length=config.tokens,
        multimodal_projector_bias=True, tie_word_embeddings=True)
