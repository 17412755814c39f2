"""The two branches: frames or brains to 32 tokens, and the projection into the language model that both share.

Video (Video-LLaMA, DAMO-NLP-SG): frame tokens -> image Q-Former -> learned frame positions -> 2-layer video Q-Former
with 32 queries -> X (32 x width) -> one Linear -> soft tokens. Brain (Zheng & Sun 2024): tokenizer -> SC-MBM encoder
-> bridge (LayerNorm, Linear) -> a copy of the same video Q-Former -> Z -> the same Linear.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Blip2QFormerConfig, Blip2QFormerModel

from brainview.core.errors import MismatchError
from brainview.language.video.adaptors import KINDS, adapt_lora, adapt_qformer, adapt_vit
from brainview.language.video.mbm import BrainEncoder


@dataclass(frozen=True)
class BranchSizes:
    """Sizes; Video-LLaMA: width 768, 12 heads, image Q-Former 12 layers, video Q-Former 2, 32 queries each."""

    width: int = 128
    heads: int = 4
    image_layers: int = 1
    image_queries: int = 4
    video_layers: int = 2
    queries: int = 32
    frames: int = 32


def qformer(width: int, heads: int, layers: int, inside: int, every: int) -> Any:
    """Return a Blip2QFormerModel without text, cross-attending to `inside`-wide tokens in every `every`-th layer."""
    # BERT's 0.02 suits its width; a narrow model of that spread would hardly hear what it attends to
    spread = 0.02 if width >= 768 else width**-0.5
    config = Blip2QFormerConfig(initializer_range=spread, hidden_size=width, num_hidden_layers=layers,
                                num_attention_heads=heads, intermediate_size=4 * width, encoder_hidden_size=inside,
                                cross_attention_frequency=every, vocab_size=2, use_qformer_text_input=False)
    return Blip2QFormerModel(config)


class SoftProjection(nn.Module):
    """llama_proj: Linear, then LayerNorm times a learned scalar that starts at the s.d. of word embeddings."""

    def __init__(self, width: int, llm_width: int, sd: float) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(width, llm_width), nn.LayerNorm(llm_width)
        self.scale = nn.Parameter(torch.tensor(float(sd)))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B, L, llm width) soft tokens."""
        return self.norm(self.linear(tokens)) * self.scale


class VideoBranch(nn.Module):
    """Frame tokens to X and to soft tokens.

    Parameters
    ----------
    sizes : BranchSizes
    inside : int
        Width of the tower's tokens.
    llm_width : int
    llm_sd : float
        Standard deviation of the word embeddings.
    queries : bool
        The tower ends with an image Q-Former of its own.
    """

    def __init__(self, sizes: BranchSizes, inside: int, llm_width: int, llm_sd: float, *, queries: bool) -> None:
        super().__init__()
        self.sizes = sizes
        if not queries:
            self.image_qformer = qformer(sizes.width, sizes.heads, sizes.image_layers, inside,
                                         2 if sizes.image_layers > 1 else 1)
            self.image_queries = nn.Parameter(torch.randn(1, sizes.image_queries, sizes.width) * 0.02)
        self.own_images = not queries
        self.frames = nn.Embedding(sizes.frames, sizes.width)
        self.video_qformer = qformer(sizes.width, sizes.heads, sizes.video_layers,
                                     sizes.width if not queries else inside, 1)
        if queries and inside != sizes.width:
            raise MismatchError(f"the tower's queries are {inside} wide, the video Q-Former {sizes.width}",
                                remedy=f"Set qformer_width={inside}.")
        self.queries = nn.Parameter(torch.randn(1, sizes.queries, sizes.width) * 0.02)
        self.proj = SoftProjection(sizes.width, llm_width, llm_sd)

    def seen(self, tokens: Tensor) -> Tensor:
        """Return what the video Q-Former attends to, (B, frames x tokens, width), of (B, frames, tokens, inside)."""
        b, f, n, w = tokens.shape
        x = tokens.float().reshape(b * f, n, w)
        if self.own_images:
            x = self.image_qformer(query_embeds=self.image_queries.expand(b * f, -1, -1),
                                   encoder_hidden_states=x).last_hidden_state
        x = x.reshape(b, f, x.shape[1], -1) + self.frames.weight[None, :f, None]
        return x.flatten(1, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return X, (B, 32, width), of (B, frames, tokens, inside)."""
        return self.video_qformer(query_embeds=self.queries.expand(len(tokens), -1, -1),
                                  encoder_hidden_states=self.seen(tokens)).last_hidden_state


class MixingBridge(nn.Module):
    """All tokens of a brain to tokens such as frames have: LayerNorm, then a linear map of rank `rank` across tokens.

    MinD-Video's projection head mixes tokens as well (jqin4749/MindVideo, src/MindVideo/models/fmri_encoder.py). No
    single parcel knows a clip, and a frozen Q-Former expects tokens that each tell a frame.

    Parameters
    ----------
    inside, outside : (tokens, width)
    rank : int
    """

    def __init__(self, inside: tuple[int, int], outside: tuple[int, int], rank: int) -> None:
        super().__init__()
        self.outside = outside
        self.norm = nn.LayerNorm(inside[1])
        self.down = nn.Linear(inside[0] * inside[1], rank, bias=False)
        self.up = nn.Linear(rank, outside[0] * outside[1])

    def features(self, tokens: Tensor) -> Tensor:
        """Return (B, tokens x width): what the linear map reads."""
        return self.norm(tokens).flatten(1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B, *outside) of (B, *inside)."""
        return self.up(self.down(self.features(tokens))).unflatten(1, self.outside)


class BrainBranch(nn.Module):
    """Trials to Z, through a copy of the video Q-Former that carries adaptors of its own.

    Parameters
    ----------
    tokenizer, encoder : see :mod:`tokenizers` and :mod:`mbm`
    video : VideoBranch
        Its Q-Former and queries are copied; its projection is shared.
    adaptor : ``nonlinear``, ``lora`` or ``none``; rank : int; scale : float
    mixing : (tokens, rank), optional
        Use a :class:`MixingBridge` to so many tokens; None = LayerNorm and Linear for each token, as in the paper.
    """

    def __init__(self, tokenizer: Any, encoder: BrainEncoder, video: VideoBranch, *, adaptor: str = "nonlinear",
                 rank: int = 8, scale: float = 1.0, mixing: tuple[int, int] | None = None) -> None:
        super().__init__()
        if adaptor not in KINDS:
            raise MismatchError(f"adaptor must be one of {', '.join(KINDS)}, got {adaptor!r}")
        width = video.sizes.width
        self.tokenizer, self.encoder = tokenizer, encoder
        self.bridge: nn.Module = nn.Sequential(nn.LayerNorm(encoder.sizes.width),
                                               nn.Linear(encoder.sizes.width, width))
        if mixing is not None:
            inside = tokenizer.tokens * tokenizer.times, encoder.sizes.width
            self.bridge = MixingBridge(inside, (mixing[0], width), mixing[1])
        self.qformer = copy.deepcopy(video.video_qformer)
        self.register_buffer("queries", video.queries.detach().clone())
        if adaptor == "nonlinear":
            adapt_vit(encoder.blocks, rank, scale)
            adapt_qformer(self.qformer, rank, scale)
        elif adaptor == "lora":
            adapt_lora(encoder, rank)
            adapt_lora(self.qformer, rank)

    def forward(self, x: Tensor) -> Tensor:
        """Return Z, (B, 32, width), of (B, T, locations) or (B, locations)."""
        brain = self.bridge(self.encoder(self.tokenizer(x)))
        queries: Any = self.queries
        return self.qformer(query_embeds=queries.expand(len(x), -1, -1),
                            encoder_hidden_states=brain).last_hidden_state


def train_only(module: nn.Module, wanted: Any) -> list[tuple[str, nn.Parameter]]:
    """Let gradients reach only weights whose name `wanted` says yes to; return them.

    Frozen parts are put into eval mode, dropout included: it would else stay on in a frozen Q-Former.
    """
    module.eval()
    chosen = []
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(bool(wanted(name)))
        if parameter.requires_grad:
            chosen.append((name, parameter))
    return chosen
