"""A surface file that is dropped brings its other half, its other forms and its folds."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from brainview.core.errors import FormatError
from brainview.maps.jobs import open_maps
from brainview.maps.meshes import load_mesh
from brainview.state.showing import form_for


@pytest.fixture
def ball():
    points = np.concatenate([np.eye(3), -np.eye(3)])
    faces = np.array([[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]])
    return (50 * points).astype(np.float32), faces.astype(np.int32)


def gifti(path, ball):
    arrays = [nib.gifti.GiftiDataArray(ball[0], intent="NIFTI_INTENT_POINTSET"),
              nib.gifti.GiftiDataArray(ball[1], intent="NIFTI_INTENT_TRIANGLE")]
    nib.save(nib.GiftiImage(darrays=arrays), path)


def test_a_freesurfer_surface_brings_its_subject(tmp_path, ball):
    surf = tmp_path / "bert-dropped" / "surf"
    surf.mkdir(parents=True)
    for side in "lr":
        nib.freesurfer.write_geometry(surf / f"{side}h.pial", *ball)
        nib.freesurfer.write_morph_data(surf / f"{side}h.thickness", np.arange(6, dtype=np.float32))
    nib.freesurfer.write_morph_data(surf / "lh.curv", np.linspace(-1, 1, 6).astype(np.float32))
    (opened,) = open_maps(str(surf / "rh.pial"))
    assert opened.space.name == "native:bert-dropped" and opened.space.size == 12 and opened.units == "mm"
    assert opened.values[6:].tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_allclose(load_mesh(opened.space, "left", "pial").vertices, ball[0], atol=1e-3)
    assert form_for(opened.space, "inflated") == "pial" and form_for(opened.space, "pial-white-20") == "pial-white-20"
    (curve,) = open_maps(str(surf / "lh.curv"))
    assert curve.space.name == opened.space.name, "maps of the same subject are drawn on it"


def test_a_gifti_surface_finds_its_other_half_and_forms(tmp_path, ball):
    for name in ("one.L.inflated.surf.gii", "one.R.inflated.surf.gii", "one.L.white.surf.gii", "two.R.white.surf.gii"):
        gifti(tmp_path / name, ball)
    (opened,) = open_maps(str(tmp_path / "one.L.inflated.surf.gii"))
    assert opened.space.size == 12 and not np.isfinite(opened.values).any()
    assert opened.provenance["surfaces"] == ["inflated", "white"]
    assert load_mesh(opened.space, "right", "inflated").vertices.shape == (6, 3)
    gifti(tmp_path / "nobody.surf.gii", ball)
    with pytest.raises(FormatError, match="does not say of which hemisphere"):
        open_maps(str(tmp_path / "nobody.surf.gii"))
