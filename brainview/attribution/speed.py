"""CPU time of one beta, beside a straightforward M2IB-style loop on the same encoder with the same noise."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from brainview.alignment.encoder import BrainEncoder, EncoderConfig
from brainview.attribution.ibba import START, IbbaConfig, frozen, ibba
from brainview.attribution.target import Target
from brainview.core.jobs import QUIET, JobContext

#: The comparison of the reference: width 192, 6 blocks, 182 tokens with the class token, after 3 blocks.
STANDARD = {"config": EncoderConfig(width=192, blocks=6, heads=6, patch=14, embed=512), "length": 182, "layer": 3}
SMALL = {"config": EncoderConfig(width=32, blocks=4, heads=4, patch=4, embed=32), "length": 40, "layer": 2}
GOAL = 3.5


def straightforward(encoder: BrainEncoder, patches: Tensor, target: Target, config: IbbaConfig) -> np.ndarray:
    """Return IB-BA scores as a plain M2IB loop finds them: weights trainable, every step from the patches on."""
    source = torch.Generator().manual_seed(config.seed)
    alpha = torch.full((encoder.n_tokens + 1, encoder.config.width), START, requires_grad=True)
    adam = torch.optim.Adam([alpha], lr=config.lr)
    capacity = torch.zeros_like(alpha)
    for _ in range(config.steps):
        x = encoder.embed(patches.expand(config.copies, -1, -1))
        for block in encoder.blocks[:config.layer]:
            x = block(x)
        lam = torch.sigmoid(alpha)
        z = lam * x + (1 - lam) * torch.randn(x.shape, generator=source)
        kl = -0.5 * (1 + 2 * torch.log(1 - lam) - (lam * x) ** 2 - (1 - lam) ** 2)
        for block in encoder.blocks[config.layer:]:
            z = block(z)
        found = encoder.head(z)
        likeness = torch.zeros(config.copies)
        for v in (target.image, target.text):
            if v is not None:
                likeness = likeness + F.cosine_similarity(found, v[None])
        loss = config.beta * kl.mean() - likeness.mean()
        adam.zero_grad()
        encoder.zero_grad()
        loss.backward()
        adam.step()
        capacity = kl.detach().mean(0)
    return (capacity[1:].sum(-1) / np.log(2)).numpy()


def measure(*, small: bool = False, repeats: int = 5, context: JobContext = QUIET) -> dict[str, Any]:
    """Time both in one process, alternating; medians of CPU seconds of one thread.

    Returns
    -------
    dict
        ``straightforward`` and ``brainview`` (CPU s per beta), ``gain`` (median of paired ratios), ``gains``,
        ``difference`` (largest relative difference of the maps), ``goal``, ``met``.
    """
    setting: dict[str, Any] = SMALL if small else STANDARD
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _measure(setting, repeats, context)
    finally:
        torch.set_num_threads(threads)


def _measure(setting: dict[str, Any], repeats: int, context: JobContext) -> dict[str, Any]:
    torch.manual_seed(0)
    plain = BrainEncoder(setting["config"], setting["length"] - 1)
    ours = BrainEncoder(setting["config"], setting["length"] - 1)
    ours.load_state_dict(plain.state_dict())
    frozen(ours)
    patches = torch.randn(1, plain.n_tokens, setting["config"].patch ** 3)
    target = Target(torch.randn(setting["config"].embed), torch.randn(setting["config"].embed))
    config = IbbaConfig(layer=setting["layer"])
    x = ours.stream(patches)[config.layer][0]  # cached once per stimulus, as in the session
    ours_map, plain_map = np.zeros(0), np.zeros(0)

    def fast() -> None:
        nonlocal ours_map
        ours_map = ibba(ours, x, target, config).scores

    def slow() -> None:
        nonlocal plain_map
        plain_map = straightforward(plain, patches, target, config)

    times: list[tuple[float, float]] = []
    for i in range(repeats):
        context.report(i, repeats, "timing")
        times.append((_cpu(slow), _cpu(fast)))
    slow_s, fast_s = np.median(times, axis=0)
    gains = [a / b for a, b in times]
    gap = float(np.abs(ours_map - plain_map).max() / np.abs(plain_map).max())
    gain = float(np.median(gains))
    return {"straightforward": float(slow_s), "brainview": float(fast_s), "gain": gain, "gains": gains,
            "difference": gap, "goal": GOAL, "met": bool(gain >= GOAL and gap < 1e-4)}


def _cpu(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
