"""Token scores as maps: on MNI 2 mm, and on fsaverage5 by one matrix per patch grid.

A token of 14 voxels is 28 mm wide; anything finer in these maps is interpolation, and every map says so.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from scipy import sparse

from brainview.alignment.patches import PatchGrid
from brainview.attribution.grading import unit_range
from brainview.core.errors import BrainViewError, MismatchError
from brainview.core.files import atomic_path, regular_file
from brainview.core.paths import cache_dir
from brainview.maps.brainmap import BrainMap
from brainview.maps.convert import transfer_matrix
from brainview.maps.space import MaskedSpace, Space, SurfaceSpace, VolumeSpace, mni_space, surface_space

#: unit -> what one number of a map is.
UNITS = {"bits": "information that passes the bottleneck at this token, in bits",
         "share": "the same map scaled so that its lowest token is 0 and its highest 1"}


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


def volume_map(scores: np.ndarray, grid: PatchGrid, *, unit: str = "bits", method: str = "trilinear",
               name: str = "IB-BA", provenance: dict[str, Any] | None = None) -> BrainMap:
    """Return token scores as a map on MNI 2 mm.

    Parameters
    ----------
    scores : (n_tokens,) array
    grid : PatchGrid
        Of the MNI 2 mm mask.
    unit : str
        ``bits`` (or the method's own unit: any other text), ``share`` for the map scaled to 0..1.
    method : str
        ``trilinear`` or ``nearest`` (shows the tokens).
    provenance : dict
        Method and all its settings, checkpoint, stimulus.
    """
    tokens = np.asarray(scores, np.float32)
    if tokens.shape != (grid.n_tokens,):
        raise MismatchError(f"{tokens.shape} scores for {grid.n_tokens} tokens")
    tokens = unit_range(tokens) if unit == "share" else tokens
    values = grid.spread(tokens, _known(method))
    covered = np.asarray(grid.spread_matrix(_known(method)).sum(1)).ravel() > 0
    return BrainMap(np.where(covered, values, np.nan), grid_space(grid), **_looks(tokens, grid, unit, method, name,
                                                                                 provenance))


def surface_map(scores: np.ndarray, grid: PatchGrid, *, unit: str = "bits", method: str = "trilinear",
                name: str = "IB-BA", mesh: str = "fsaverage5", provenance: dict[str, Any] | None = None) -> BrainMap:
    """Return token scores on a cortical mesh: one sparse product (see :func:`token_to_vertex`)."""
    tokens = np.asarray(scores, np.float32)
    tokens = unit_range(tokens) if unit == "share" else tokens
    matrix = token_to_vertex(grid, mesh, method)
    covered = np.asarray(matrix.sum(1)).ravel() > 0
    space: SurfaceSpace = surface_space(mesh)
    return BrainMap(np.where(covered, matrix @ tokens, np.nan), space, **_looks(tokens, grid, unit, method, name,
                                                                               provenance))


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


def _looks(tokens: np.ndarray, grid: PatchGrid, unit: str, method: str, name: str,
           provenance: dict[str, Any] | None) -> dict[str, Any]:
    signed = bool((tokens < 0).any())
    peak = float(np.abs(tokens).max(initial=0)) or 1.0
    note = resolution_note(grid, method)
    story = {**(provenance or {}), "spread": method, "unit": unit, "resolution_mm": resolution_mm(grid),
             "resolution": note}
    return {"name": name, "units": "" if unit == "share" else unit, "kind": "diverging" if signed else "sequential",
            "limits": (-peak, peak) if signed else (0.0, peak), "provenance": story,
            "definition": f"{UNITS.get(unit, f'score of a token ({unit})').capitalize()}. {note}"}
