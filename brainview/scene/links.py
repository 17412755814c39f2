"""One place seen twice: from a vertex of the cortex to a place in a volume, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from brainview.maps.display import Pick
from brainview.maps.meshes import MNI305_TO_MNI152

#: A place farther than this from every vertex has no vertex, mm.
REACH = 8.0
#: Names of the world coordinates as :class:`Pick` tells them.
MNI152, MNI305 = "MNI152", "MNI305 (fsaverage)"


def to_mni152(ras: Any) -> np.ndarray:
    """Return (..., 3) MNI152 mm of (..., 3) MNI305 mm (FreeSurfer's affine)."""
    points = np.asarray(ras, np.float64)
    return points @ MNI305_TO_MNI152[:3, :3].T + MNI305_TO_MNI152[:3, 3]


def place_of(pick: Pick | None, world: str) -> tuple[float, float, float] | None:
    """Return where a picked place is in the world of a volume, mm RAS; None where that is not known.

    Parameters
    ----------
    pick : Pick
        A vertex or a voxel.
    world : str
        ``MNI152``, ``scanner``, ... of the volume.
    """
    if pick is None or not np.all(np.isfinite(pick.ras)):
        return None
    if pick.hemisphere == "volume":
        return pick.ras
    if pick.space == MNI305 and world == MNI152:
        x, y, z = (float(c) for c in to_mni152(pick.ras))
        return x, y, z
    same = pick.space == world or (pick.space == "scanner RAS" and world == "scanner")
    return pick.ras if same else None


def nearest_vertex(scene: Any, ras: Any, world: str, *, reach: float = REACH) -> Pick | None:
    """Return the vertex nearest to a place in a world, None when none is within `reach` mm or the worlds differ.

    Parameters
    ----------
    scene : SurfaceScene
    ras : (3,) floats
        mm, RAS.
    world : str
        Of `ras`, as in :class:`Pick`.
    """
    best: tuple[float, str, int] | None = None
    for side, mesh in scene.meshes.items():
        points = mesh.anatomical
        if mesh.world == MNI305 and world == MNI152:
            points = to_mni152(points)
        elif mesh.world != world:
            continue
        away = ((points - np.asarray(ras, float)) ** 2).sum(1)
        if np.all(np.isnan(away)):
            continue
        vertex = int(np.nanargmin(away))
        if best is None or away[vertex] < best[0]:
            best = float(away[vertex]), side, vertex
    if best is None or best[0] > reach**2:
        return None
    return scene.pick_of(best[1], best[2])
