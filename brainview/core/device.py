"""Where models compute: one answer for training, loading and estimates. torch is imported when asked, not before."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any


def best_device() -> Any:
    """Return the torch.device of models on this machine: CUDA, else Apple's MPS, else the processor."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def mixed(precision: str) -> str:
    """Return the mixed precision to train in: that of the settings on CUDA, ``no`` elsewhere.

    bfloat16 is emulated on most processors and ten times slower there; MPS has no autocast that every layer of ours
    was tried with.
    """
    return precision if best_device().type == "cuda" else "no"


def half_precision() -> Any:
    """Return the dtype that big frozen models are loaded in: float16 on a GPU, float32 on a processor."""
    import torch

    return torch.float32 if best_device().type == "cpu" else torch.float16


@lru_cache(maxsize=1)
def _speed(_minute: int) -> float:
    import torch

    device = best_device()
    a = torch.randn(1024, 1024, device=device)
    best = 0.0
    for _ in range(4):
        start = time.monotonic()
        float((a @ a)[0, 0])  # waits for the device
        best = max(best, 2.0 * 1024**3 / max(1e-6, time.monotonic() - start))
    return best


def speed() -> float:
    """Return the operations per second of a large product on this machine as it is loaded now, kept for a minute."""
    return _speed(int(time.monotonic() / 60))
