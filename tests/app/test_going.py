"""Going places: palette, coordinates, regions, the morph slider, slices linked with the cortex."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest

from brainview.app.viewer import Viewer
from brainview.core.errors import MissingError
from brainview.maps import morph
from brainview.scene.links import to_mni152
from brainview.state.app import RoiKey
from brainview.state.places import Place, best, parse_place

pytestmark = pytest.mark.gui


@pytest.fixture
def brain(desk):
    desk.shell._make_viewer = lambda view: Viewer(view, canvas="image")
    desk.shell.attach_viewer()
    desk.window.viewer.ensure_canvas()
    desk.do(desk.c.session.open_dataset("/phantom"))
    desk.until(lambda: desk.window.viewer.canvas.scene.space is not None)
    return desk


@pytest.mark.parametrize(("text", "wanted"), [
    ("-42 -60 -12", Place(ras=(-42.0, -60.0, -12.0))), ("(10.5, 3; 7 mm)", Place(ras=(10.5, 3.0, 7.0))),
    ("mni 1 2 3", Place(ras=(1.0, 2.0, 3.0))), ("lh 1,234", Place(hemisphere="left", vertex=1234)),
    ("right vertex 7", Place(hemisphere="right", vertex=7)), ("1 2", None), ("FFA-1", None), ("rh", None)])
def test_places_are_read(text, wanted):
    assert parse_place(text) == wanted


def test_beginnings_of_words_come_first_and_all_parts_must_occur():
    pairs = [("noise offset", 1), ("Flat surface", 2), ("Show off", 3), ("Offset", 4)]
    assert {thing for _, thing in best("off", pairs)} == {1, 3, 4} and best("off", pairs)[0][1] == 4
    assert best("flat off", pairs) == [] and len(best("", pairs)) == 4


def test_the_palette_runs_a_command_by_its_name(brain):
    palette = brain.c.show_palette()
    QTest.keyClicks(palette.field, "pial")
    assert "Pial" in palette.list.itemWidget(palette.list.item(0)).findChildren(type(palette.none))[0].text()
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    brain.settle()
    assert brain.view.surface == "pial" and not palette.isVisible()


def test_the_palette_says_when_there_is_nothing(brain):
    palette = brain.c.show_palette()
    QTest.keyClicks(palette.field, "no such thing")
    assert palette.none.isVisible() and palette.list.count() == 0
    palette.reject()


def test_a_coordinate_puts_the_cursor_on_the_nearest_vertex(brain):
    palette = brain.c.show_palette(True)
    QTest.keyClicks(palette.field, "-10 -95 2")
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    brain.settle()
    pick = brain.view.picked
    assert pick.hemisphere == "left"
    assert np.linalg.norm(to_mni152(pick.ras) - (-10, -95, 2)) < 8
    with pytest.raises(MissingError, match="20 mm"):
        brain.c.go_to(Place(ras=(0, 0, 300)))
    with pytest.raises(MissingError, match="no vertex 99,999"):
        brain.c.go_to(Place(hemisphere="left", vertex=99_999))


def test_a_region_is_selected_and_its_middle_is_marked(brain):
    name, one = next(iter(brain.app.subject.rois.items()))
    key = RoiKey("left", name, next(iter(one.table.values())).name)
    pick = brain.c.go_to_region(key)
    assert brain.app.rois == (key,) and brain.view.picked == pick
    assert key.roi in [k.roi for k in brain.shell.wiring._regions(pick)]


def test_the_morph_slider_moves_the_surface_and_catches_the_plain_ones(brain):
    slider = brain.window.viewer.bar.morph
    scene = brain.window.viewer.canvas.scene
    brain.view.surface = "white"
    brain.until(lambda: scene.surface == "white")
    start = scene.meshes["left"].points.copy()
    mesh = scene.meshes["left"]
    slider.setValue(150)
    brain.until(lambda: scene.surface == "white-inflated-50")
    assert brain.view.surface == "white-inflated-50" and scene.meshes["left"] is mesh  # moved in place
    assert 1 < np.abs(mesh.points - start).max() < 60
    slider.setValue(203)
    assert brain.view.surface == "inflated"
    slider.setValue(260)
    brain.until(lambda: scene.surface == "inflated-flat-60")
    assert len(scene.cells) == 2
    assert brain.c.undo.undo_title


def test_half_way_is_the_mean_of_the_neighbours():
    from brainview.maps.space import surface_space
    from brainview.scene.hemisphere import drawn_points

    space = surface_space("fsaverage5")
    a, b, half = (drawn_points(space, s)["right"][0] for s in ("pial", "white", "pial-white-50"))
    np.testing.assert_allclose(half, (a + b) / 2, atol=1e-4)
    assert morph.surface_at(0.5) == "pial-white-50" and morph.position_of("pial-white-50") == 0.5
    assert not morph.is_surface("pial-flat-50") and not morph.is_surface("white-inflated-0")


def test_slices_beside_the_cortex_follow_it_and_lead_it(brain):
    viewer = brain.window.viewer
    brain.c.commands.run("view.beside")
    brain.until(lambda: viewer.beside.isVisible())
    brain.settle()
    brain.until(lambda: viewer.beside.slices.scene.map.name == brain.view.map.name)
    pick = brain.c.go_to(Place(hemisphere="right", vertex=500))
    brain.until(lambda: np.allclose(viewer.beside.slices.place, to_mni152(pick.ras), atol=1e-3))
    away = viewer.beside.slices.scene
    place = tuple(to_mni152(viewer.canvas.scene.meshes["left"].anatomical[2000]))
    viewer.beside.slices.picked.emit(away.pick(place))
    brain.settle()
    assert brain.view.picked.hemisphere == "left"
    assert np.linalg.norm(to_mni152(brain.view.picked.ras) - place) < 8
    picture = viewer.beside.slices.picture()
    brain.view.radiological = True
    brain.settle()
    mirrored = viewer.beside.slices.picture()
    assert not np.array_equal(picture, mirrored) and brain.view.map is not None
    assert viewer.beside.slices.place_at(QPointF(-5, -5)) is None


def test_clusters_are_listed_lead_to_their_peaks_and_leave_as_csv(brain, tmp_path):
    panel = brain.window.peaks
    brain.window.show_dock("peaks")
    panel.make.click()
    brain.settle()
    assert "threshold above 0" in brain.window.notices.shown[-1].words and not panel.model.rows
    brain.view.rule = brain.view.rule.having(threshold=0.3)
    panel.make.click()
    brain.settle()
    assert panel.model.rows and f"{len(panel.model.rows)} clusters" in panel.note.whole()
    assert "phantom" in panel.note.whole()
    panel.table.selectRow(0)
    best_row = panel.model.rows[0]
    assert brain.view.picked.vertex == best_row["peak"]
    assert brain.view.picked.value == pytest.approx(best_row["value"])
    wiring = next(p for p in brain.shell.wiring.pages if hasattr(p, "list_clusters"))
    wiring.write(str(tmp_path / "t.csv"))
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert len(lines) == 1 + len(panel.model.rows) and "MNI152" in lines[0]
    brain.view.rule = brain.view.rule.having(threshold=0.2)
    assert "list again" in panel.note.whole()
