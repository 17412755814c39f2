"""From a brain to tokens: parcels of a surface, or blocks of a volume by 3-D convolution."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brainview.core.errors import BrainViewError, MismatchError
from brainview.maps.space import GrayordinateSpace, MaskedSpace, Space, SurfaceSpace, VolumeSpace

#: The most tokens of a surface.
MOST = 512


class SurfaceTokenizer(nn.Module):
    """16 vertices a patch in a fixed order by parcel (Conv1d), patches of a parcel pooled to one token.

    The mean over a parcel is weighted by a learned gain for every patch, else all its patches would share one read-out
    of 16 numbers.

    Parameters
    ----------
    parcels : (locations,) int
        Parcel of every location, 0..n-1; -1 = left out.
    width, patch : int
    times : int
        Volumes of a trial; each has its own tokens, with a learned code of its time.
    """

    order: Tensor
    owner: Tensor
    share: Tensor
    slots: Tensor

    def __init__(self, parcels: np.ndarray, width: int, patch: int = 16, times: int = 1) -> None:
        super().__init__()
        rows, owner = [], []
        count = int(parcels.max()) + 1
        for parcel in range(count):
            members = np.flatnonzero(parcels == parcel)
            if not members.size:
                raise MismatchError(f"parcel {parcel} is empty")
            pad = -members.size % patch  # wrapped around inside the parcel, as mind-vis pads its row of voxels
            members = np.concatenate([members, np.resize(members, pad)]) if pad else members
            rows.append(members.reshape(-1, patch))
            owner += [parcel] * len(rows[-1])
        self.register_buffer("order", torch.from_numpy(np.concatenate(rows)), persistent=False)
        self.register_buffer("owner", torch.tensor(owner), persistent=False)
        counts = np.bincount(owner, minlength=count)
        self.register_buffer("share", torch.from_numpy((1 / counts).astype(np.float32)), persistent=False)
        slots = np.full((count, counts.max()), len(owner))  # parcels side by side; empty slots read a row of zeros
        for parcel in range(count):
            slots[parcel, :counts[parcel]] = np.flatnonzero(np.array(owner) == parcel)
        self.register_buffer("slots", torch.from_numpy(slots), persistent=False)
        self.tokens, self.times, self.target_width = count, times, patch
        self.embed = nn.Conv1d(1, width, patch, stride=patch)
        with torch.no_grad():  # betas are smooth: the mean of a patch carries what is common, single vertices are noise
            self.embed.weight.copy_((1 + 0.3 * torch.randn(width, 1, patch)) / patch)
            self.embed.bias.zero_()  # type: ignore[union-attr]
        # gains of mixed sign, so large that tokens are about as large as patches
        self.gain = nn.Parameter(torch.randn(len(owner), width) * self.share[self.owner].rsqrt()[:, None])
        self.time = nn.Parameter(torch.randn(times, width) * 0.02)

    def _patches(self, x: Tensor) -> Tensor:
        if x.ndim == 2:
            x = x[:, None]
        if x.shape[1] != self.times:
            raise MismatchError(f"the tokenizer was made for {self.times} volumes a trial, got {x.shape[1]}")
        return x[..., self.order]  # (B, T, patches, patch)

    def _side_by_side(self, rows: Tensor) -> Tensor:
        """Return (..., parcels, slots, k) of (..., patches, k)."""
        return F.pad(rows, (0, 0, 0, 1))[..., self.slots, :]

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T x parcels, width) tokens of (B, T, locations) or (B, locations)."""
        patches = self._patches(x)
        b, t = patches.shape[:2]
        # mean over patches of gain * (kernel . patch + bias), as one product for every parcel
        kernel, gain = self.embed.weight[:, 0].T, self.gain * self.share[self.owner][:, None]
        weight = self._side_by_side((gain[:, None] * kernel[None]).flatten(1))
        weight = weight.unflatten(-1, (-1, gain.shape[1])).flatten(1, 2)  # (parcels, slots x patch, width)
        seen = self._side_by_side(patches).flatten(3).flatten(0, 1).transpose(0, 1)  # (parcels, B T, slots x patch)
        values = torch.bmm(seen, weight).transpose(0, 1).unflatten(0, (b, t))
        values = values + self._side_by_side(gain).sum(1) * self.embed.bias
        return (values + self.time[None, :, None]).flatten(1, 2)

    def targets(self, x: Tensor) -> Tensor:
        """Return (B, T x parcels, patch): the mean patch of every parcel, what masked modelling rebuilds."""
        return (self._side_by_side(self._patches(x)).sum(3) * self.share[:, None]).flatten(1, 2)


class VolumeTokenizer(nn.Module):
    """Conv3d 1->16 k4 s4, GroupNorm, GELU, Conv3d 16->width k4 s4, for every volume; learned code of its time.

    100 x 100 x 72 voxels become 6 x 6 x 4 = 144 tokens.

    Parameters
    ----------
    space : MaskedSpace over, or, a VolumeSpace
        Trials are (locations,) of it; outside is 0.
    """

    place: Tensor

    def __init__(self, space: Space, width: int, times: int = 2, stride: int = 4) -> None:
        super().__init__()
        root = space.root
        if not isinstance(root, VolumeSpace):
            raise MismatchError(f"{space.name} is not a volume")
        index = space.root_index if isinstance(space, MaskedSpace) else np.arange(root.size)
        self.register_buffer("place", torch.from_numpy(np.array(index, np.int64)), persistent=False)
        self.shape, self.times = root.shape, times
        k = stride
        while k > 1 and min(root.shape) // (k * k) < 1:  # a shrunken volume has no room for two strides of 4
            k -= 1
        self.first, self.second = nn.Conv3d(1, 16, k, k), nn.Conv3d(16, width, k, k)
        self.norm, self.act = nn.GroupNorm(4, 16), nn.GELU()
        self.cells = tuple((n // k) // k for n in root.shape)
        self.tokens = int(np.prod(self.cells))
        self.block = k * k
        self.target_width = 8
        self.time = nn.Parameter(torch.randn(times, width) * 0.02)

    def grid(self, x: Tensor) -> Tensor:
        """Return (B x T, 1, X, Y, Z) volumes of (B, T, locations)."""
        if x.ndim == 2:
            x = x[:, None]
        if x.shape[1] != self.times:
            raise MismatchError(f"the tokenizer was made for {self.times} volumes a trial, got {x.shape[1]}")
        flat = x.new_zeros(x.shape[0] * x.shape[1], int(np.prod(self.shape)))
        flat[:, self.place] = x.flatten(0, 1)
        return flat.reshape(-1, 1, *self.shape)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T x cells, width) tokens."""
        b = x.shape[0]
        cells = self.second(self.act(self.norm(self.first(self.grid(x)))))
        tokens = cells.flatten(2).transpose(1, 2).reshape(b, self.times, self.tokens, -1)
        return (tokens + self.time[None, :, None]).flatten(1, 2)

    def targets(self, x: Tensor) -> Tensor:
        """Return (B, T x cells, 8): the means of the eight octants of every block."""
        half = max(1, self.block // 2)
        octants = nn.functional.avg_pool3d(self.grid(x), half, half)
        parts = []
        steps = 2 if self.block > 1 else 1
        for i in range(2):
            for j in range(2):
                for k in range(2):
                    part = octants[:, 0, i % steps::steps, j % steps::steps, k % steps::steps]
                    parts.append(part[:, :self.cells[0], :self.cells[1], :self.cells[2]].flatten(1))
        return torch.stack(parts, -1).reshape(x.shape[0], self.times * self.tokens, 8)


def parcels_of(space: Space, count: int = 64, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return parcels of a space: (locations,) numbers and (parcels, 3) centres.

    Neighbouring vertices are grouped by place on the cortex (balanced halving of the white surface, each hemisphere by
    itself); where no mesh is on this machine, by their number, which in the HCP's order is close to neighbourhood.
    """
    count = min(count, MOST)
    points, side = _places(space)
    parcels = np.zeros(space.size, np.int64)
    sides = np.unique(side)
    start = 0
    for i, which in enumerate(sides):
        here = np.flatnonzero(side == which)
        share = max(1, round(count * here.size / space.size)) if i < len(sides) - 1 else max(1, count - start)
        parcels[here] = start + _halved(points[here], share)
        start += share
    centres = np.stack([points[parcels == p].mean(0) for p in range(start)])
    return parcels, centres


def _halved(points: np.ndarray, count: int) -> np.ndarray:
    """Return groups of nearly equal size: cut along the longest axis, again and again."""
    out = np.zeros(len(points), np.int64)
    if count <= 1 or len(points) < 2 * count:
        return out if count <= 1 else np.minimum(np.arange(len(points)) * count // len(points), count - 1)
    left = count // 2
    axis = int(np.ptp(points, axis=0).argmax())
    order = np.argsort(points[:, axis], kind="stable")
    cut = len(points) * left // count
    out[order[:cut]] = _halved(points[order[:cut]], left)
    out[order[cut:]] = left + _halved(points[order[cut:]], count - left)
    return out


def _places(space: Space) -> tuple[np.ndarray, np.ndarray]:
    root = space.root
    if isinstance(root, SurfaceSpace):
        index = space.root_index if isinstance(space, MaskedSpace) else np.arange(root.size)
        side = (index >= root.n_left).astype(int)
        try:
            from brainview.maps.meshes import load_mesh

            whole = np.concatenate([load_mesh(root, s, "white").vertices for s in ("left", "right")])
            return whole[index].astype(float), side
        except BrainViewError:
            return np.stack([index, 0 * index, 0 * index], 1).astype(float), side
    if isinstance(root, GrayordinateSpace):
        side = np.concatenate([np.full(len(s.index), i) for i, s in enumerate(root.structures)])
        side = np.minimum(side, 2)  # left, right, everything below the cortex together
        order = np.concatenate([np.asarray(s.index) for s in root.structures])
        return np.stack([order, 0 * order, 0 * order], 1).astype(float), side
    raise MismatchError(f"{space.name} is no surface", remedy="Use route=volume.")


def make_tokenizer(space: Space, width: int, *, tokens: int, times: int, patch: int = 16) -> tuple[Any, Tensor]:
    """Return the tokenizer for a space and the (n, k) positions of its tokens."""
    if isinstance(space.root, VolumeSpace):
        made = VolumeTokenizer(space, width, times)
        cells = np.stack(np.meshgrid(*(np.arange(n) for n in made.cells), indexing="ij"), -1).reshape(-1, 3)
        return made, torch.from_numpy(cells.astype(np.float32))
    parcels, centres = parcels_of(space, tokens)
    return SurfaceTokenizer(parcels, width, patch, times), torch.from_numpy((centres / 10).astype(np.float32))
