"""Brain encoders from voxels to the tokens of a vision tower: BrainXS, BrainX, BrainXC (UMBRAE; "vindex" 2.1 to 2.4).

The tokenizer is Linear(1 -> L) on every voxel's value, then Linear(V -> h) over the voxels. Written out, token j is
a_j (W x) + b_j (W 1) + c: the same numbers without the (B, V, L) array, see :func:`factorised`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.utils.checkpoint import checkpoint

from brainview.core.errors import MismatchError
from brainview.language.brain.perceiver import Perceiver

#: Learned tokens of a subject, appended to its brain tokens.
SUBJECT_TOKENS = 5
#: Most bytes that the tokenizer with a norm may hold at once for one slice of voxels.
SLICE_BYTES = 64 << 20


@dataclass(frozen=True)
class Sizes:
    """Sizes of an encoder; the defaults are the published ones.

    Parameters
    ----------
    latents : int
        L: brain tokens, and tokens that come out.
    width : int
        h, inside.
    out : int
        Channels of a token of the tower.
    depth, heads, head_width, mult : int
        Of the resampler.
    """

    latents: int = 256
    width: int = 1024
    out: int = 1024
    depth: int = 6
    heads: int = 16
    head_width: int = 96
    mult: int = 4

    def plain(self) -> dict[str, int]:
        """Return plain JSON types."""
        return asdict(self)

    def perceiver(self) -> Perceiver:
        """Return the shared part with fresh weights."""
        return Perceiver(self.width, self.out, self.latents, self.depth, self.heads, self.head_width, self.mult)


def naive(x: Tensor, first: nn.Linear, second: nn.Linear) -> Tensor:
    """Return (B, L, h) tokens of (B, V) voxels as the published code computes them, through a (B, V, L) array."""
    return second(first(x.unsqueeze(2)).transpose(1, 2))


def factorised(x: Tensor, first: nn.Linear, second: nn.Linear) -> Tensor:
    """Return the same (B, L, h) tokens as :func:`naive` from one vector per brain: a (W x) + b (W 1) + c."""
    u = linear(x, second.weight)
    s = second.weight.sum(1)
    gain, offset = first.weight[:, 0].to(u.dtype), first.bias.to(u.dtype)
    rest = (offset[:, None] * s + second.bias).to(u.dtype)
    return torch.addcmul(rest, gain[:, None], u[:, None])  # one array of the size of the tokens, no second one


def sliced(x: Tensor, first: nn.Module, second: nn.Linear, *, latents: int) -> Tensor:
    """Return (B, L, h) tokens for a first layer that is not linear (norm variant), some voxels at a time.

    Slices are computed again in the backward pass, so that the (B, V, L) array never exists.
    """
    step = max(1, SLICE_BYTES // (4 * max(1, len(x)) * latents))
    total = x.new_zeros(len(x), latents, second.out_features)

    def part(values: Tensor, weight: Tensor) -> Tensor:
        return linear(first(values.unsqueeze(2)).transpose(1, 2), weight)

    for start in range(0, x.shape[1], step):
        args = x[:, start:start + step], second.weight[:, start:start + step]
        again = torch.is_grad_enabled() and x.shape[1] > step
        total = total + (checkpoint(part, *args, use_reentrant=False) if again else part(*args))
    return total + second.bias


def tokens_of(x: Tensor, first: nn.Module, second: nn.Linear, latents: int) -> Tensor:
    """Return (B, L, h) brain tokens of (B, V) z-scored betas."""
    if x.shape[-1] != second.in_features:
        raise MismatchError(f"the encoder reads {second.in_features:,} voxels, the brain has {x.shape[-1]:,}",
                            remedy="Use the subject that it was trained on.")
    if isinstance(first, nn.Linear):
        return factorised(x, first, second)
    return sliced(x, first, second, latents=latents)


def _first(latents: int, norm: bool) -> nn.Module:
    if not norm:
        return nn.Linear(1, latents)
    return nn.Sequential(nn.Linear(1, latents), nn.LayerNorm(latents), nn.GELU(), nn.Dropout(0.5))


class BrainXS(nn.Module):
    """One subject: (B, V) voxels -> (B, L, out) tokens.

    Parameters
    ----------
    voxels : int
    sizes : Sizes
    """

    kind = "brainxs"

    def __init__(self, voxels: int, sizes: Sizes = Sizes()) -> None:
        super().__init__()
        self.sizes = sizes
        self.lin1 = nn.Linear(1, sizes.latents)
        self.lin2 = nn.Linear(voxels, sizes.width)
        self.perceiver = sizes.perceiver()

    def forward(self, x: Tensor, subject: str | int | None = None) -> Tensor:
        """Return (B, L, out) from (B, V); `subject` is there so that all encoders are called alike."""
        return self.perceiver(tokens_of(x, self.lin1, self.lin2, self.sizes.latents))

    def voxel_map(self, subject: str | int | None = None) -> nn.Linear:
        """Return the V -> h map, to which everything before the resampler is linear in the voxels."""
        return self.lin2


class BrainXC(BrainXS):
    """Adaptation to a new subject: the shared part comes from a cross-subject model and may be frozen."""

    kind = "brainxc"

    def __init__(self, voxels: int, sizes: Sizes = Sizes(), *, freeze: bool = False) -> None:
        super().__init__(voxels, sizes)
        self.perceiver.requires_grad_(not freeze)


class BrainX(nn.Module):
    """Several subjects with tokenizers of their own and one resampler.

    Parameters
    ----------
    voxels : mapping of subject number to V
    sizes : Sizes
    tokens : bool
        Five learned tokens per subject behind its brain tokens (the paper; the README's command leaves them off).
    norm : bool
        LayerNorm, GELU and dropout 0.5 after the first layer; then the tokenizer is no longer linear.
    """

    kind = "brainx"

    def __init__(self, voxels: Mapping[int, int], sizes: Sizes = Sizes(), *, tokens: bool = False,
                 norm: bool = False) -> None:
        super().__init__()
        self.sizes = sizes
        self.lin1 = nn.ModuleDict({f"fmri{s}": _first(sizes.latents, norm) for s in voxels})
        self.lin2 = nn.ModuleDict({f"fmri{s}": nn.Linear(v, sizes.width) for s, v in voxels.items()})
        self.token = nn.ParameterDict({f"fmri{s}": nn.Parameter(0.02 * torch.randn(1, SUBJECT_TOKENS, sizes.width))
                                       for s in voxels} if tokens else {})
        self.perceiver = sizes.perceiver()

    def forward(self, x: Tensor, subject: str | int | None = None) -> Tensor:
        """Return (B, L, out) from the (B, V) voxels of one subject (number or ``subj01``)."""
        key = self._key(subject)
        tokens = tokens_of(x, self.lin1[key], self.lin2[key], self.sizes.latents)  # type: ignore[arg-type]
        if len(self.token):
            tokens = torch.cat([tokens, self.token[key].expand(len(x), -1, -1).to(tokens.dtype)], 1)
        return self.perceiver(tokens)

    def voxel_map(self, subject: str | int | None = None) -> nn.Linear:
        """Return the V -> h map of one subject."""
        return self.lin2[self._key(subject)]  # type: ignore[return-value]

    def _key(self, subject: str | int | None) -> str:
        key = f"fmri{number_of(subject)}"
        if key not in self.lin2:
            known = ", ".join(f"subj{int(k.removeprefix('fmri')):02d}" for k in self.lin2)
            raise MismatchError(f"the encoder knows no subject {subject!r}", remedy=f"It knows {known}.")
        return key


def number_of(subject: str | int | None) -> int:
    """Return the number of ``subj05`` (5); raises MismatchError for names without one."""
    digits = str(subject).removeprefix("subj").removeprefix("sub")
    if not digits.isdigit():
        raise MismatchError(f"{subject!r} is no subject with a number", remedy="Name it like subj01.")
    return int(digits)


def parameters_of(model: nn.Module, *, trainable: bool = False) -> int:
    """Return the number of parameters, all or only those that train."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)


def build(kind: str, voxels: Mapping[int, int], sizes: Sizes, **options: Any) -> BrainXS | BrainX:
    """Return a fresh encoder of a kind (``brainxs``, ``brainx``, ``brainxc``); one subject for all but ``brainx``."""
    if kind == "brainx":
        return BrainX(voxels, sizes, **options)
    if len(voxels) != 1:
        raise MismatchError(f"{kind} reads one subject, {len(voxels)} were named")
    count = next(iter(voxels.values()))
    return BrainXC(count, sizes, **options) if kind == "brainxc" else BrainXS(count, sizes)
