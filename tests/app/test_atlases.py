"""Regions of the user's own: an atlas from a file, a region grown at the cursor, and where they are used."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from brainview.app.viewer import Viewer
from brainview.core.errors import MismatchError, MissingError
from brainview.maps.brainmap import BrainMap, Label
from brainview.maps.clusters import grow
from brainview.maps.io import read_maps
from brainview.maps.jobs import export_map, open_maps
from brainview.maps.meshes import load_mesh
from brainview.maps.space import SurfaceSpace, surface_space
from brainview.state.atlases import OWN, atlas_of, fitting, sister
from brainview.state.places import Place

pytestmark = pytest.mark.gui
SPACE = surface_space("fsaverage5")


@pytest.fixture
def files(tmp_path):
    """Write a two-hemisphere annotation: parcels by thirds of the vertex number."""
    colors = np.array([[25, 5, 25, 0, 0], [200, 30, 30, 0, 0], [30, 200, 30, 0, 0]], np.int32)
    colors[:, 4] = colors[:, 0] + colors[:, 1] * 256 + colors[:, 2] * 65536
    for side in ("lh", "rh"):
        labels = (np.arange(10242) * 3 // 10242).astype(np.int32)
        nib.freesurfer.write_annot(tmp_path / f"{side}.thirds.annot", labels, colors, [b"unknown", b"middle", b"last"],
                                   fill_ctab=False)
    return tmp_path / "lh.thirds.annot"


@pytest.fixture
def brain(desk):
    desk.engine.answers |= {"brainview.maps.jobs:open_maps": open_maps, "brainview.maps.jobs:export_map": export_map,
                            "brainview.maps.clusters:grow": grow}
    desk.shell._make_viewer = lambda view: Viewer(view, canvas="image")
    desk.shell.attach_viewer()
    desk.window.viewer.ensure_canvas()
    desk.do(desk.c.session.open_dataset("/phantom"))
    desk.until(lambda: desk.window.viewer.canvas.scene.space is not None)
    return desk


def test_both_hemispheres_make_one_atlas_that_serves_hover_palette_and_outlines(brain, files):
    brain.do(brain.c.load_atlas(str(files)))
    assert "thirds" in brain.view.outlines
    classes, _ = brain.c.regions()
    assert {label.name for label in classes["thirds"].table.values()} >= {"middle", "last"}
    pick = brain.c.go_to(Place(hemisphere="right", vertex=10_000))
    assert "last" in brain.window.status.regions.whole()
    assert any(k.roi == "last" and k.hemisphere == "right" for k in brain.shell.wiring._regions(pick))
    palette = brain.c.show_palette(True)
    palette.field.setText("middle left")
    assert palette.list.count() == 1
    palette.reject()


def test_a_grown_disc_has_its_radius_joins_the_regions_and_survives_a_project(brain, tmp_path):
    brain.c.go_to(Place(hemisphere="left", vertex=4000))
    dialog = brain.c.ask_region()
    dialog.name.setText("Spot")
    dialog.disc.setChecked(True)
    dialog.radius.setValue(12)
    dialog.accept()
    brain.settle()
    classes, _ = brain.c.regions()
    inside = np.flatnonzero(classes[OWN].mask("Spot"))
    places = load_mesh(SPACE, "left", "midthickness").vertices
    away = np.linalg.norm(places[inside] - places[4000], axis=1)
    assert len(inside) > 20 and away.max() <= 12.01  # along the cortex is never shorter than straight
    assert brain.app.rois[0].roi == "Spot"
    path = brain.c.session.save_project(str(tmp_path / "s.brainview"))
    brain.c.atlases.remove(OWN)
    brain.do(brain.c.session.open_project(path))
    assert np.array_equal(np.flatnonzero(brain.c.regions()[0][OWN].mask("Spot")), inside)
    brain.do(brain.c.write_regions(str(tmp_path / "mine.gii")))
    written = read_maps(next(tmp_path.glob("mine*L*.gii"), None) or next(tmp_path.glob("*mine*.gii")))[0]
    assert written.kind == "label" and "Spot" in [label.name for label in written.labels.values()]


def test_growing_needs_a_place_and_keeps_to_the_blob(brain):
    values = np.zeros(SPACE.size, np.float32)
    blob = grow(BrainMap(values, SPACE), "left", 4000, radius=9)
    values[blob] = 2.0
    values[9000] = 2.0
    found = grow(BrainMap(values, SPACE), "left", 4000, threshold=1.0)
    np.testing.assert_array_equal(found, blob)
    with pytest.raises(MissingError, match="below the threshold"):
        grow(BrainMap(values, SPACE), "left", 100, threshold=1.0)
    brain.view.picked = None
    with pytest.raises(MissingError, match="no vertex is chosen"):
        brain.c.ask_region()


def test_finer_meshes_serve_coarser_ones_and_others_are_refused(files):
    fine = surface_space("fsaverage")
    labels = np.zeros(fine.size, np.float32)
    labels[5] = labels[fine.n_left + 6] = 1
    atlas = atlas_of([BrainMap(labels, fine, kind="label", labels={1: Label("dot")})], "x.dlabel.nii")
    np.testing.assert_array_equal(np.flatnonzero(fitting(atlas, SPACE).labels), [5, SPACE.n_left + 6])
    assert fitting(atlas, SurfaceSpace("native:me", 10, 10)) is None
    with pytest.raises(MismatchError, match="no named labels"):
        atlas_of([BrainMap(np.zeros(SPACE.size), SPACE)], "map.gii")
    assert sister(str(files)).endswith("rh.thirds.annot") and sister("nothing.gii") is None
