"""Clusters of maps whose clusters are known."""

from __future__ import annotations

import numpy as np
import pytest

from brainview.core.errors import MismatchError, MissingError
from brainview.maps.brainmap import BrainMap, Label
from brainview.maps.cluster_table import to_csv
from brainview.maps.clusters import clusters, neighbours, vertex_areas
from brainview.maps.meshes import load_mesh
from brainview.maps.rois import RoiClass
from brainview.maps.space import VolumeSpace, surface_space

SPACE = surface_space("fsaverage5")


def disc(center: int, rings: int, side: str = "left") -> np.ndarray:
    edges = neighbours(load_mesh(SPACE, side, "white"))
    inside = np.zeros(edges.shape[0], bool)
    inside[center] = True
    for _ in range(rings):
        inside |= edges.astype(bool) @ inside
    return np.flatnonzero(inside)


def test_two_discs_of_opposite_sign_are_found_with_place_size_and_region():
    values = np.zeros(SPACE.size, np.float32)
    left, right = disc(4000, 3), disc(700, 2, "right") + SPACE.n_left
    values[left], values[4000], values[right] = 2.0, 3.0, -1.5
    labels = np.zeros(SPACE.size, np.int32)
    labels[left] = 1
    rois = {"a": RoiClass("a", labels, {1: Label("FFA-1")})}
    rows = clusters(BrainMap(values, SPACE, kind="diverging", units="z"), 1.0, two_sided=True, rois=rois)
    assert [(r["hemisphere"], r["peak"], r["locations"]) for r in rows] == [("left", 4000, len(left)),
                                                                         ("right", int(right[np.argmin(values[right])])
                                                                          - SPACE.n_left, len(right))]
    assert rows[0]["region"] == "FFA-1" and rows[0]["covers"] == "FFA-1 100 %" and rows[0]["world"] == "MNI152"
    mesh = load_mesh(SPACE, "left", "midthickness")
    np.testing.assert_allclose([rows[0][c] for c in "xyz"], mesh.in_mni152()[4000], atol=0.06)
    assert rows[0]["size"] == pytest.approx(vertex_areas(mesh)[left].sum(), abs=0.1)
    assert len(clusters(BrainMap(values, SPACE, kind="diverging"), 1.0)) == 1  # one-sided: only the positive one


def test_touching_parts_are_one_cluster_and_small_ones_are_left_out():
    values = np.zeros(SPACE.size, np.float32)
    values[disc(4000, 1)] = values[disc(int(disc(4000, 1)[-1]), 1)] = 1.0
    values[9000] = 5.0
    rows = clusters(BrainMap(values, SPACE), 0.5)
    assert len(rows) == 1 and rows[0]["locations"] > len(disc(4000, 1))
    assert len(clusters(BrainMap(values, SPACE), 0.5, least=1)) == 2


def test_volumes_give_world_coordinates_and_ignore_nan():
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-10, -20, -30)
    space = VolumeSpace("grid", (8, 9, 10), affine, "MNI152")
    values = np.full(space.shape, np.nan, np.float32)
    values[2:4, 3:5, 4:6] = 1.0
    values[3, 4, 5] = 2.0
    rows = clusters(BrainMap(values.reshape(-1), space, units="R²"), 0.5)
    assert [(r["x"], r["y"], r["z"], r["size"], r["locations"]) for r in rows] == [(-4.0, -12.0, -20.0, 64.0, 8)]
    head = to_csv(rows, "R²").splitlines()
    assert head[0].startswith("hemisphere,peak value (R²),peak index,R mm (MNI152)") and len(head) == 2


def test_what_has_no_clusters_is_refused():
    flat = BrainMap(np.zeros(SPACE.size), SPACE)
    with pytest.raises(MissingError, match="threshold"):
        clusters(flat, 0.0)
    assert clusters(flat, 0.1) == []
    with pytest.raises(MismatchError, match="labels"):
        clusters(flat.having(kind="label"), 1.0)
