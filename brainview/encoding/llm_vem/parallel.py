"""What several processes share in a step: batch statistics, and the latents of the whole batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator
from torch import Tensor, nn


def share_of(count: int, rank: int, world: int) -> slice:
    """Return the rows of a batch of `count` that a process takes; shares differ by one row at most."""
    return slice(count * rank // world, count * (rank + 1) // world)


class _Added(torch.autograd.Function):
    """The sum of a tensor over processes; its gradient is the sum of the gradients of all processes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        out = x.clone()
        dist.all_reduce(out)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        out = gradients[0].contiguous().clone()
        dist.all_reduce(out)
        return out


def added(x: Tensor) -> Tensor:
    """Return the sum of a tensor over processes."""
    out: Tensor = _Added.apply(x)  # type: ignore[no-untyped-call]
    return out


class SharedBatchNorm(nn.BatchNorm1d):
    """Batch norm over the rows of all processes, on any back end: torch's own SyncBatchNorm needs a GPU."""

    def forward(self, x: Tensor) -> Tensor:
        """Return normalised (N, C)."""
        if not (self.training and dist.is_initialized()):
            return super().forward(x)
        count = torch.tensor([float(len(x))], device=x.device)
        dist.all_reduce(count)
        mean = added(x.float().sum(0)) / count
        variance = added((x.float() - mean).square().sum(0)) / count
        if self.track_running_stats and self.running_mean is not None and self.running_var is not None:
            with torch.no_grad():
                rate = float(self.momentum or 0.1)
                self.running_mean.lerp_(mean, rate)
                self.running_var.lerp_(variance * (count / (count - 1)), rate)
                if self.num_batches_tracked is not None:
                    self.num_batches_tracked += 1
        out = (x - mean) * torch.rsqrt(variance + self.eps)
        return (out * self.weight + self.bias if self.affine else out).to(x.dtype)


def share_batch_norm(model: nn.Module) -> None:
    """Make every 1-d batch norm of a model one over all processes, in place; weights and names stay."""
    for module in model.modules():
        if type(module) is nn.BatchNorm1d:
            module.__class__ = SharedBatchNorm


def whole_batch(own: Tensor, count: int, accelerator: Accelerator) -> Tensor:
    """Return (count, d) rows of all processes; a gradient flows into this process's own.

    Every process computes the same loss of the whole batch; as processes average their gradients and each one holds
    that of its own rows alone, it is multiplied by the number of processes here.
    """
    world = accelerator.num_processes
    if world == 1:
        return own
    shares = [share_of(count, rank, world) for rank in range(world)]
    most = max(s.stop - s.start for s in shares)
    padded = torch.zeros(most, own.shape[1], device=own.device, dtype=own.dtype)
    padded[:len(own)] = own.detach()
    rows = accelerator.gather(padded).view(world, most, -1)
    scaled = own * world - own.detach() * (world - 1)
    return torch.cat([scaled if rank == accelerator.process_index else rows[rank, :s.stop - s.start].clone()
                      for rank, s in enumerate(shares)])
