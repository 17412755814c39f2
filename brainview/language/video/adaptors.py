"""Nonlinear low-rank adaptors: y = W x + s B gelu(A x + b), with B zero at first, so that step 0 is the frozen model.

They wrap frozen modules (no hooks), so a checkpoint of the trained ones holds adaptor weights only. In timm blocks the
q third of the fused qkv and the MLP are adapted; in Q-Formers the queries of self- and cross-attention and the MLP of
the query path. Linear LoRA through peft is the ablation.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brainview.core.errors import MismatchError

KINDS = ("nonlinear", "lora", "none")
_MARK = ".adaptor."


class LowRank(nn.Module):
    """The branch alone: s B gelu(A x + b).

    Parameters
    ----------
    inside, outside, rank : int
    scale : float
    """

    def __init__(self, inside: int, outside: int, rank: int = 8, scale: float = 1.0) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(inside, rank), nn.Linear(rank, outside, bias=False)
        nn.init.normal_(self.down.weight, std=0.02)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.weight)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., outside)."""
        return self.scale * self.up(F.gelu(self.down(x)))


class AdaptedLinear(nn.Module):
    """A frozen linear layer with a branch on its first `width` outputs (the q third of a fused qkv)."""

    def __init__(self, base: nn.Linear, rank: int, scale: float, width: int | None = None) -> None:
        super().__init__()
        self.base, self.width = base, width or base.out_features
        self.adaptor = LowRank(base.in_features, self.width, rank, scale)

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output plus the branch."""
        y, extra = self.base(x), self.adaptor(x)
        return y + (extra if self.width == y.shape[-1] else F.pad(extra, (0, y.shape[-1] - self.width)))


class AdaptedMlp(nn.Module):
    """A frozen MLP with a branch beside the whole of it."""

    def __init__(self, base: nn.Module, width: int, rank: int, scale: float) -> None:
        super().__init__()
        self.base, self.adaptor = base, LowRank(width, width, rank, scale)

    def forward(self, x: Tensor) -> Tensor:
        """Return MLP plus branch."""
        return self.base(x) + self.adaptor(x)


class AdaptedOutput(nn.Module):
    """The second half of a Q-Former's MLP; the branch joins its residual before the layer norm."""

    def __init__(self, base: nn.Module, width: int, rank: int, scale: float) -> None:
        super().__init__()
        self.base, self.adaptor = base, LowRank(width, width, rank, scale)

    def forward(self, hidden_states: Tensor, input_tensor: Tensor) -> Tensor:
        """Return LayerNorm(dense(hidden) + input + branch(input))."""
        return self.base(hidden_states, input_tensor + self.adaptor(input_tensor))


def adapt_vit(blocks: nn.ModuleList, rank: int = 8, scale: float = 1.0) -> None:
    """Put adaptors into timm ViT blocks, in place."""
    for block in blocks:
        attention: Any = block.attn
        attention.qkv = AdaptedLinear(attention.qkv, rank, scale, attention.qkv.out_features // 3)
        block.mlp = AdaptedMlp(block.mlp, attention.proj.out_features, rank, scale)  # type: ignore[assignment]


def adapt_qformer(model: Any, rank: int = 8, scale: float = 1.0) -> None:
    """Put adaptors into a Blip2QFormerModel, in place."""
    width = model.config.hidden_size
    for layer in model.encoder.layer:
        for part in ("attention", "crossattention"):
            if hasattr(layer, part):
                inner = getattr(layer, part).attention
                inner.query = AdaptedLinear(inner.query, rank, scale)
        layer.output_query = AdaptedOutput(layer.output_query, width, rank, scale)


def adapt_lora(model: nn.Module, rank: int = 8) -> nn.Module:
    """Return the model with peft's linear LoRA on the same places; raises MismatchError where it has none of them."""
    from peft import LoraConfig, inject_adapter_in_model

    wanted = [n for n, m in model.named_modules() if isinstance(m, nn.Linear)
              and n.endswith(("attn.qkv", "attention.query", "mlp.fc1", "mlp.fc2", "intermediate_query.dense",
                              "output_query.dense"))]
    if not wanted:
        raise MismatchError("has no layers that LoRA is put on", where=type(model).__name__)
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=wanted)
    return inject_adapter_in_model(config, model, "adaptor")


def is_adaptor(name: str) -> bool:
    """True for the name of an adaptor's weight (ours, or peft's)."""
    return _MARK in f".{name}." or "lora_" in name


def adaptor_parameters(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return names and weights of all adaptors."""
    return [(n, p) for n, p in model.named_parameters() if is_adaptor(n)]


def adaptor_state(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights of all adaptors and nothing else."""
    return {n: p.detach().cpu() for n, p in adaptor_parameters(model)}


@torch.no_grad()
def load_adaptors(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Load adaptor weights; raises MismatchError that names missing, unexpected and misshapen ones."""
    own = dict(adaptor_parameters(model))
    missing, extra = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    wrong = [n for n in own if n in state and own[n].shape != state[n].shape]
    if missing or extra or wrong:
        raise MismatchError(f"the adaptors do not fit: {len(missing)} missing {missing[:1]}, {len(extra)} unknown "
                            f"{extra[:1]}, {len(wrong)} of another shape {wrong[:1]}",
                            remedy="Use the same rank, depth and kind of adaptor.")
    for name, parameter in own.items():
        parameter.copy_(state[name])
