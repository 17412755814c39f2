"""Token scores as maps: on MNI 2 mm, and on fsaverage5 by one matrix per patch grid.

A token of 14 voxels is 28 mm wide; anything finer in these maps is interpolation, and every map says so.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from scipy import sparse

from brainview.alignment.patches import PatchGrid
from brainview.core.errors import BrainViewError, MismatchError
from brainview.core.files import atomic_path, regular_file
from brainview.core.paths import cache_dir
from brainview.maps.brainmap import BrainMap
from brainview.maps.convert import transfer_matrix
from brainview.maps.space import MaskedSpace, Space, VolumeSpace, mni_space, surface_space
from brainview.maps.tokens import TokenSpread


def grid_space(grid: PatchGrid) -> MaskedSpace:
    """Return the space of a patch grid's mask; only the MNI 2 mm grid has one."""
    parent: VolumeSpace = mni_space(2)
    if grid.mask.shape != tuple(parent.shape):
        raise MismatchError(f"this encoder works on {' x '.join(map(str, grid.mask.shape))} voxels, "
                            f"not on MNI 2 mm ({' x '.join(map(str, parent.shape))})",
                            remedy="Its token scores can be read, but not drawn on a brain.")
    index = np.flatnonzero(grid.mask)
    return MaskedSpace(f"{parent.name}:mask-{hashlib.sha256(index.tobytes()).hexdigest()[:8]}", parent, index)


def resolution_mm(grid: PatchGrid, voxel_mm: float = 2.0) -> float:
    """Return the edge of a token in mm: the finest honest statement of a map."""
    return grid.patch * voxel_mm


def resolution_note(grid: PatchGrid, method: str = "trilinear") -> str:
    """Return the sentence that stands beside a map."""
    how = "interpolated between token centres" if method == "trilinear" else "shown token by token"
    return f"One token is {resolution_mm(grid):g} mm wide; values are {how}, nothing finer than a token is measured."


def volume_spread(grid: PatchGrid, method: str = "trilinear") -> TokenSpread:
    """Return the way from token scores to the mask's voxels on MNI 2 mm."""
    matrix = grid.spread_matrix(_known(method))
    return TokenSpread(grid_space(grid), matrix, method, resolution_mm(grid), resolution_note(grid, method))


def surface_spread(grid: PatchGrid, mesh: str = "fsaverage5", method: str = "trilinear") -> TokenSpread:
    """Return the way from token scores to a cortical mesh (see :func:`token_to_vertex`)."""
    return TokenSpread(surface_space(mesh), token_to_vertex(grid, mesh, method), method, resolution_mm(grid),
                       resolution_note(grid, method))


def volume_map(scores: np.ndarray, grid: PatchGrid, *, unit: str = "bits", method: str = "trilinear",
               name: str = "IB-BA", provenance: dict[str, Any] | None = None) -> BrainMap:
    """Return token scores as a map on MNI 2 mm; parameters as :meth:`TokenSpread.map`."""
    return volume_spread(grid, method).map(scores, unit=unit, name=name, provenance=provenance)


def surface_map(scores: np.ndarray, grid: PatchGrid, *, unit: str = "bits", method: str = "trilinear",
                name: str = "IB-BA", mesh: str = "fsaverage5", provenance: dict[str, Any] | None = None) -> BrainMap:
    """Return token scores on a cortical mesh; parameters as :meth:`TokenSpread.map`."""
    return surface_spread(grid, mesh, method).map(scores, unit=unit, name=name, provenance=provenance)


def token_to_vertex(grid: PatchGrid, mesh: str = "fsaverage5", method: str = "trilinear") -> sparse.csr_matrix:
    """Return the (n_vertices, n_tokens) float32 matrix from token scores to vertices; made once per grid, kept on disk.

    It is the product of token -> voxel (:meth:`PatchGrid.spread_matrix`) and voxel -> vertex (the app's own sampling
    from pial to white), so that it equals converting the volume map.
    """
    file = cache_dir() / "attribution" / f"tokens-{_grid_key(grid)}-{method}-{mesh}.npz"
    if file.exists():
        return _read_matrix(file)
    space: Space = surface_space(mesh)
    voxel_to_vertex = transfer_matrix(grid_space(grid), space, "linear")
    matrix = (voxel_to_vertex @ grid.spread_matrix(_known(method))).tocsr().astype(np.float32)
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(file, suffix=".npz") as temporary:
        sparse.save_npz(temporary, matrix)
    return matrix


def tokens_of(spread, values: np.ndarray) -> np.ndarray:
    """Return (n_tokens,) means of (n_vertices,) values, weighted as `spread` (n_vertices, n_tokens) draws tokens."""
    weight = np.asarray(spread.sum(0)).ravel()
    return np.asarray(spread.T @ values) / np.where(weight > 0, weight, 1)


def _read_matrix(file) -> sparse.csr_matrix:
    try:
        return sparse.load_npz(regular_file(file))
    except (ValueError, OSError, KeyError, EOFError) as err:
        file.unlink(missing_ok=True)  # our own cache: a damaged entry is made again at the next call
        raise BrainViewError("was a damaged cache file and is removed", where=file, remedy="Try again.") from err


def _grid_key(grid: PatchGrid) -> str:
    digest = hashlib.sha256(np.packbits(grid.mask).tobytes())
    digest.update(repr((grid.mask.shape, grid.patch, grid.padding, grid.min_fraction)).encode())
    return digest.hexdigest()[:16]


def _known(method: str) -> Any:
    if method not in ("trilinear", "nearest"):
        raise BrainViewError(f"there is no spreading {method!r}", remedy="Use trilinear or nearest.")
    return method
