"""Small maps whose colours are known, for the tests of scene, viewer and snapshot."""

from __future__ import annotations

import numpy as np

from brainview.maps.brainmap import BrainMap, Label
from brainview.maps.meshes import load_mesh
from brainview.maps.rois import RoiClass
from brainview.maps.space import VolumeSpace, surface_space

FSAVERAGE5 = surface_space("fsaverage5")


def white() -> np.ndarray:
    """Return (20484, 3) coordinates of the white surfaces, left first."""
    return np.concatenate([load_mesh(FSAVERAGE5, side, "white").vertices for side in ("left", "right")])


def bump(**changes) -> BrainMap:
    """Return a map with one hill of height 1 in the left occipital pole and NaN in front of y = 0."""
    points = white()
    values = np.exp(-((points - [-15, -95, 0]) ** 2).sum(1) / (2 * 25**2))
    values[points[:, 1] > 0] = np.nan
    return BrainMap(values, FSAVERAGE5, **{"name": "hill", "units": "a.u.", "limits": (0.0, 1.0), **changes})


def regions() -> RoiClass:
    """Return two regions: around the left occipital pole and on the left lateral surface."""
    points = white()
    labels = np.zeros(len(points), np.int32)
    labels[((points - [-50, -60, 5]) ** 2).sum(1) < 15**2] = 2
    labels[((points - [-15, -95, 0]) ** 2).sum(1) < 15**2] = 1
    labels[points[:, 0] > 0] = 0
    return RoiClass("demo", labels, {1: Label("V1"), 2: Label("EBA"), 3: Label("empty")})


def box(affine: np.ndarray | None = None, world: str = "MNI152") -> BrainMap:
    """Return a 20 x 24 x 18 volume at 8 mm with a bright cube on the right, in front, on top."""
    if affine is None:
        affine = np.array([[8.0, 0, 0, -76], [0, 8, 0, -110], [0, 0, 8, -60], [0, 0, 0, 1]])
    shape = (20, 24, 18)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    place = grid @ affine[:3, :3].T + affine[:3, 3]
    values = np.full(shape, np.nan)
    values[(np.abs(place - [40, 30, 40]) <= 12).all(-1)] = 1.0
    return BrainMap(values.reshape(-1), VolumeSpace("box", shape, affine, world), name="cube", units="a.u.",
                    limits=(0.0, 1.0))
