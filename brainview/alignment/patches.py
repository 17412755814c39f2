"""Cutting a masked volume into cubes and putting values back where they were.

A token is a cube of `patch` voxels a side that holds some brain. Kept tokens are in C order of the patch grid
(x slowest). The padding is remembered, so that a value returns to the voxel it came from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from brainview.core.errors import BrainViewError, MismatchError

Padding = Literal["end", "sym", "crop"]


@dataclass(frozen=True, eq=False)
class PatchGrid:
    """How a volume becomes tokens.

    Parameters
    ----------
    mask : (X, Y, Z) bool array
        Voxels that are brain.
    patch : int
        Edge of a token in voxels.
    padding : str
        ``end`` pads zeros at the high end of each axis, ``sym`` splits them (smaller half first), ``crop`` centres
        and drops the rim.
    min_fraction : float
        Least share of a token's voxels that must be brain; 0 keeps any token with one brain voxel.
    """

    mask: np.ndarray
    patch: int = 14
    padding: Padding = "sym"
    min_fraction: float = 0.0

    def __post_init__(self) -> None:
        mask = np.array(self.mask, dtype=bool)
        if mask.ndim != 3 or not mask.any():
            raise MismatchError(f"a patch grid needs a 3D mask with brain in it, got shape {mask.shape}")
        if self.padding not in ("end", "sym", "crop") or not 1 <= self.patch <= max(mask.shape):
            raise BrainViewError(f"no patches of {self.patch} voxels with padding {self.padding!r}",
                                 remedy="Use end, sym or crop, and a patch no larger than the volume.")
        mask.setflags(write=False)
        object.__setattr__(self, "mask", mask)

    @cached_property
    def grid(self) -> tuple[int, int, int]:
        """Tokens per axis."""
        count = (lambda n: n // self.patch) if self.padding == "crop" else (lambda n: math.ceil(n / self.patch))
        return tuple(count(n) for n in self.mask.shape)  # type: ignore[return-value]

    @cached_property
    def offset(self) -> tuple[int, int, int]:
        """Zeros put before (or, negative, voxels cut from) the low end of each axis."""
        spare = [g * self.patch - n for g, n in zip(self.grid, self.mask.shape, strict=True)]
        if self.padding == "end":
            return 0, 0, 0
        return tuple(s // 2 if s >= 0 else -((-s) // 2) for s in spare)  # type: ignore[return-value]

    def _padded(self, volume: np.ndarray) -> np.ndarray:
        """Return (..., gx*p, gy*p, gz*p) of (..., X, Y, Z)."""
        lead = [(0, 0)] * (volume.ndim - 3)
        cut, pads = [slice(None)] * (volume.ndim - 3), []
        for n, g, low in zip(self.mask.shape, self.grid, self.offset, strict=True):
            high = g * self.patch - n - low
            cut.append(slice(max(0, -low), n + min(0, high)))
            pads.append((max(0, low), max(0, high)))
        return np.pad(volume[tuple(cut)], lead + pads)

    def _cubes(self, volume: np.ndarray) -> np.ndarray:
        """Return (..., gx*gy*gz, p^3) of (..., X, Y, Z)."""
        p, (gx, gy, gz) = self.patch, self.grid
        lead = volume.shape[:-3]
        cubes = self._padded(volume).reshape(*lead, gx, p, gy, p, gz, p)
        order = [*range(len(lead)), *(len(lead) + i for i in (0, 2, 4, 1, 3, 5))]
        return cubes.transpose(order).reshape(*lead, gx * gy * gz, p**3)

    @cached_property
    def brain_fraction(self) -> np.ndarray:
        """(grid cells,) share of each cube that is brain."""
        return self._cubes(self.mask).mean(-1)

    @cached_property
    def kept(self) -> np.ndarray:
        """(n_tokens,) ascending cells of the grid that are tokens."""
        share = self.brain_fraction
        keep = share > 0 if self.min_fraction <= 0 else share >= self.min_fraction
        return np.flatnonzero(keep)

    @property
    def n_tokens(self) -> int:
        """Number of tokens, without the class token."""
        return int(self.kept.size)

    @cached_property
    def lost_voxels(self) -> int:
        """Brain voxels in no token (rim dropped by ``crop``, or tokens below `min_fraction`)."""
        inside = self._cubes(self.mask)[self.kept].sum()
        return int(self.mask.sum() - inside)

    @cached_property
    def voxel_index(self) -> np.ndarray:
        """(n_tokens, p^3) position of every token voxel among the mask's voxels (C order), -1 outside the mask."""
        positions = np.full(self.mask.shape, 0, np.int64)
        positions[self.mask] = np.arange(1, int(self.mask.sum()) + 1)
        return self._cubes(positions)[self.kept] - 1

    def patches(self, values: np.ndarray) -> np.ndarray:
        """Return (..., n_tokens, p^3) float32 of (..., n_mask_voxels) values; outside the mask 0, NaN becomes 0."""
        if values.shape[-1] != int(self.mask.sum()):
            raise MismatchError(f"got {values.shape[-1]:,} voxels, the mask has {int(self.mask.sum()):,}")
        padded = np.concatenate([np.nan_to_num(values), np.zeros((*values.shape[:-1], 1), values.dtype)], -1)
        return padded[..., self.voxel_index].astype(np.float32, copy=False)

    def unpatch(self, patches: np.ndarray) -> np.ndarray:
        """Return (..., n_mask_voxels) of (..., n_tokens, p^3); voxels in no token are 0."""
        out = np.zeros((*patches.shape[:-2], int(self.mask.sum())), patches.dtype)
        inside = self.voxel_index >= 0
        out[..., self.voxel_index[inside]] = patches[..., inside]
        return out

    def spread(self, scores: np.ndarray, method: Literal["trilinear", "nearest"] = "trilinear") -> np.ndarray:
        """Return (..., n_mask_voxels) float32 of (..., n_tokens) token scores.

        ``trilinear`` interpolates between token centres (corners not aligned) and divides by the interpolated
        occupancy, so that the rim of the brain is not darkened; ``nearest`` shows the tokens as they are.
        """
        weights = self.spread_matrix(method)
        flat = np.asarray(scores, np.float32).reshape(-1, self.n_tokens)
        return np.asarray((weights @ flat.T).T, np.float32).reshape(*np.shape(scores)[:-1], -1)

    def spread_matrix(self, method: Literal["trilinear", "nearest"] = "trilinear"):
        """Return the (n_mask_voxels, n_tokens) sparse matrix behind :meth:`spread`; rows sum to 1 (0 in no token)."""
        cache = self.__dict__.setdefault("_spread", {})
        if method not in cache:
            cache[method] = self._trilinear() if method == "trilinear" else self._nearest()
        return cache[method]

    def _nearest(self):
        from scipy import sparse

        token, _ = np.nonzero(self.voxel_index >= 0)
        voxel = self.voxel_index[self.voxel_index >= 0]
        shape = (int(self.mask.sum()), self.n_tokens)
        return sparse.csr_matrix((np.ones(len(voxel), np.float32), (voxel, token)), shape)

    def _trilinear(self):
        from scipy import sparse

        xyz = np.argwhere(self.mask) + np.array(self.offset)
        position = (xyz + 0.5) / self.patch - 0.5
        low = np.floor(position).astype(int)
        share = (position - low).astype(np.float32)
        token_of = np.full(int(np.prod(self.grid)), -1, np.int64)
        token_of[self.kept] = np.arange(self.n_tokens)
        rows, columns, weights = [], [], []
        for corner in np.ndindex(2, 2, 2):
            cell = np.clip(low + np.array(corner), 0, np.array(self.grid) - 1)
            token = token_of[np.ravel_multi_index(tuple(cell.T), self.grid)]
            weight = np.where(np.array(corner), share, 1 - share).prod(1)
            good = (token >= 0) & (weight > 0)
            rows.append(np.flatnonzero(good))
            columns.append(token[good])
            weights.append(weight[good])
        shape = (len(xyz), self.n_tokens)
        matrix = sparse.csr_matrix((np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape)
        total = np.asarray(matrix.sum(1)).ravel()
        scale = np.divide(1, total, out=np.zeros_like(total), where=total > 0)
        return (sparse.diags(scale.astype(np.float32)) @ matrix).tocsr()
