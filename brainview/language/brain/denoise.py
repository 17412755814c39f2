"""The denoising loss: our own choice where VINDEX's is not public ("vindex" section 8); off by default.

A small network predicts the noise of a noised token of the tower from the brain's token and the time. It is trained
with the encoder and dropped afterwards.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

#: Steps of the noise schedule; width of the time code.
STEPS, CODE = 1000, 64


def kept_share(t: Tensor) -> Tensor:
    """Return the share of the signal's variance left at step t of :data:`STEPS` (cosine, Nichol & Dhariwal 2021)."""
    angle = ((t.float() / STEPS + 0.008) / 1.008) * math.pi / 2
    return (torch.cos(angle) ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2).clamp(1e-4, 1.0)


def time_code(t: Tensor) -> Tensor:
    """Return (n, CODE) sinusoidal codes of steps."""
    rates = torch.exp(-math.log(10_000) * torch.arange(CODE // 2, device=t.device) / (CODE // 2))
    angle = t.float()[:, None] * rates
    return torch.cat([angle.sin(), angle.cos()], 1)


class Denoiser(nn.Module):
    """Three layers: noised token, brain token and time -> the noise.

    Parameters
    ----------
    channels : int
        Of a token. width : of the hidden layers.
    """

    def __init__(self, channels: int, width: int = 1024) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2 * channels + CODE, width), nn.GELU(), nn.Linear(width, width), nn.GELU(),
                                 nn.Linear(width, channels))

    def forward(self, noised: Tensor, brain: Tensor, t: Tensor) -> Tensor:
        """Return (B, N, channels) predicted noise; t is (B,)."""
        code = time_code(t)[:, None].expand(-1, noised.shape[1], -1).to(noised.dtype)
        return self.net(torch.cat([noised, brain, code], 2))


def denoising_loss(model: nn.Module, target: Tensor, brain: Tensor, source: torch.Generator) -> Tensor:
    """Return E over t and eps of ||J(v_t; b, t) - eps||² per channel, with one t and eps per sample.

    Tokens are scaled to unit s.d. of the batch first, so that the schedule fits any tower.
    """
    spread = target.std().clamp_min(1e-6)
    t = torch.randint(1, STEPS + 1, (len(target),), generator=source).to(target.device)
    noise = torch.randn(target.shape, generator=source).to(target.device, target.dtype)
    share = kept_share(t)[:, None, None].to(target.dtype)
    noised = share.sqrt() * (target / spread) + (1 - share).sqrt() * noise
    return mse_loss(model(noised, brain / spread, t).float(), noise.float())
