"""The viewer on the offscreen platform: state in, picture and signals out."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest

from brainview.app.gl_probe import Graphics, Probe
from brainview.app.viewer import Viewer
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule
from brainview.maps.space import ParcelSpace, SurfaceSpace
from brainview.scene.theme import BACKGROUNDS
from brainview.state.view import ViewState
from tests.scene.sample import FSAVERAGE5, box, bump, regions

pytestmark = pytest.mark.gui


@pytest.fixture
def viewer(qtbot):
    view = ViewState()
    viewer = Viewer(view, canvas="image")
    viewer.resize(640, 520)
    with qtbot.waitSignal(viewer.ready, timeout=30_000):
        viewer.show()
    yield viewer
    viewer.close()
    viewer.deleteLater()


def pixels(widget) -> np.ndarray:
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def colored(picture) -> int:
    return int(((picture.max(-1).astype(int) - picture.min(-1)) > 40).sum())


def settle(qtbot):
    qtbot.wait(1)


def test_the_empty_viewer_shows_a_brain_and_says_what_to_do(viewer, qtbot):
    assert "drop" in viewer.hint.text()
    assert viewer.hint.isVisible()
    assert not viewer.colors.isVisible()
    picture = pixels(viewer.stack)
    paper = np.array(BACKGROUNDS["dark"].paper)
    assert (np.abs(picture.astype(int) - paper).max(-1) > 40).mean() > 0.15
    assert colored(picture) == 0


def test_a_map_is_drawn_with_its_bar(viewer, qtbot):
    viewer.view.show(bump())
    settle(qtbot)
    assert colored(pixels(viewer.stack)) > 500
    assert viewer.colors.isVisible()
    assert not viewer.hint.isVisible()
    assert viewer.colors.drawn.title == "hill (a.u.)"
    bar = pixels(viewer.colors)
    expected = viewer.colors.drawn.colors[-3]
    assert (np.abs(bar.astype(int) - expected).max(-1) < 12).sum() > 5  # the colours of the bar are on the screen


def test_many_changes_in_one_turn_are_one_paint(viewer, qtbot):
    viewer.view.show(bump())
    settle(qtbot)
    qtbot.wait(150)
    viewer.grab()
    before = viewer.canvas.paints
    for threshold in (0.1, 0.2, 0.3, 0.4):
        viewer.view.rule = viewer.view.rule.having(threshold=threshold)
    viewer.view.background = "light"
    viewer.view.layout = "split"
    settle(qtbot)
    viewer.grab()
    assert viewer.canvas.paints == before + 1


def test_nothing_is_painted_while_idle(viewer, qtbot):
    viewer.view.show(bump())
    settle(qtbot)
    viewer.grab()
    seen = [-1]
    while viewer.canvas.paints != seen[-1] and len(seen) < 20:  # the strip of the bar takes its place: one more size
        seen.append(viewer.canvas.paints)
        qtbot.wait(150)
    qtbot.wait(600)
    assert viewer.canvas.paints == seen[-1]


def place_of(viewer, side, vertex):
    x, y = viewer.canvas.scene.where(side, vertex)[0]
    body = viewer._body
    return QPoint(int(x * body.width()), int((1 - y) * body.height()))


def visible_vertex(viewer, side="left"):
    mesh = viewer.canvas.scene.meshes[side]
    for vertex in np.argsort(mesh.normals[:, 0])[:200]:
        if viewer.canvas.scene.where(side, int(vertex)):
            return int(vertex)
    raise AssertionError


def test_click_picks_and_drag_turns(viewer, qtbot):
    viewer.view.show(bump())
    settle(qtbot)
    vertex = visible_vertex(viewer)
    place = place_of(viewer, "left", vertex)
    body = viewer._body
    with qtbot.waitSignal(viewer.picked) as told:
        QTest.mouseClick(body, Qt.MouseButton.LeftButton, pos=place)
    assert told.args[0].hemisphere == "left"
    assert np.linalg.norm(np.array(told.args[0].ras) - viewer.canvas.scene.pick_of("left", vertex).ras) < 8
    assert viewer.view.picked == told.args[0]
    before = viewer.canvas.scene.cells[0].camera.towards.copy()
    picks = []
    viewer.picked.connect(picks.append)
    QTest.mousePress(body, Qt.MouseButton.LeftButton, pos=place)
    QTest.mouseMove(body, place + QPoint(2, 0))
    assert (viewer.canvas.scene.cells[0].camera.towards == before).all()  # below the drag threshold
    QTest.mouseMove(body, place + QPoint(40, 10))
    QTest.mouseRelease(body, Qt.MouseButton.LeftButton, pos=place + QPoint(40, 10))
    assert not np.allclose(viewer.canvas.scene.cells[0].camera.towards, before)
    assert picks == []
    viewer.reset_view()
    np.testing.assert_allclose(viewer.canvas.scene.cells[0].camera.towards, before)


def test_a_click_beside_the_brain_keeps_the_pick(viewer, qtbot):
    viewer.view.show(bump())
    viewer.view.picked = viewer.canvas.scene.pick_of("left", 5)
    QTest.mouseClick(viewer._body, Qt.MouseButton.LeftButton, pos=QPoint(3, 3))
    assert viewer.view.picked.vertex == 5


def test_hover_reads_out_without_painting(viewer, qtbot):
    viewer.view.show(bump())
    settle(qtbot)
    viewer.grab()
    before, seen = viewer.canvas.paints, []
    viewer.hovered.connect(seen.append)
    QTest.mouseMove(viewer._body, place_of(viewer, "left", visible_vertex(viewer)))
    QTest.mouseMove(viewer._body, QPoint(2, 2))
    assert seen[0] is not None and seen[0].hemisphere == "left"
    assert seen[-1] is None
    viewer.grab()
    assert viewer.canvas.paints == before


def test_keys(viewer, qtbot):
    view = viewer.view
    viewer.setFocus()
    for key, field, value in [(Qt.Key.Key_P, "surface", "pial"), (Qt.Key.Key_F, "surface", "flat"),
                              (Qt.Key.Key_I, "surface", "inflated"), (Qt.Key.Key_4, "view", "ventral"),
                              (Qt.Key.Key_6, "view", "posterior")]:
        QTest.keyClick(viewer, key)
        assert getattr(view, field) == value
    QTest.keyClick(viewer, Qt.Key.Key_L, Qt.KeyboardModifier.ShiftModifier)
    assert view.hemispheres == "right"
    QTest.keyClick(viewer, Qt.Key.Key_R, Qt.KeyboardModifier.ShiftModifier)
    assert view.hemispheres == "right"  # the last one stays
    settle(qtbot)
    before = viewer.canvas.scene.cells[0].camera.towards.copy()
    QTest.keyClick(viewer, Qt.Key.Key_Left)
    assert not np.allclose(viewer.canvas.scene.cells[0].camera.towards, before)
    QTest.keyClick(viewer, Qt.Key.Key_R)
    np.testing.assert_allclose(viewer.canvas.scene.cells[0].camera.towards, before)


def test_outlines_of_rois_and_of_unfit_rois(viewer, qtbot):
    viewer.view.show(bump())
    viewer.set_rois({"demo": regions(), "other": type(regions())("other", np.zeros(7, int), {})})
    settle(qtbot)
    plain = (pixels(viewer.stack).min(-1) > 240).sum()
    notices = []
    viewer.notice.connect(notices.append)
    viewer.view.outlines = ("demo", "other", "gone")
    settle(qtbot)
    assert (pixels(viewer.stack).min(-1) > 240).sum() > plain + 60
    assert len(notices) == 1 and "other" in notices[0]
    texts = [a.text() for a in viewer.bar.outlines.menu().actions() if a.isCheckable()]
    assert texts == ["demo", "other", "Names"]
    viewer.bar.outlines.menu().actions()[0].trigger()
    assert viewer.view.outlines == ("other", "gone")


def test_a_space_without_a_mesh_is_said_not_crashed(viewer, qtbot):
    viewer.view.show(BrainMap(np.zeros(200), SurfaceSpace("native:nobody", 100, 100)))
    settle(qtbot)
    assert viewer.stack.currentWidget() is viewer.page
    assert "nobody" in viewer.page.words[1]
    viewer.view.show(BrainMap(np.zeros(2), ParcelSpace("unplaced", ("a", "b"))))
    settle(qtbot)
    assert viewer.stack.currentWidget() is viewer.page
    assert "unplaced" in viewer.page.words[1]
    viewer.view.show(bump())
    settle(qtbot)
    assert viewer.stack.currentWidget() is viewer._body
    assert colored(pixels(viewer.stack)) > 500


def test_volumes_are_slices_or_asked_to_be_put_on_the_surface(viewer, qtbot):
    volume = box()
    viewer.view.show(volume)
    settle(qtbot)
    assert colored(pixels(viewer.stack)) > 50
    assert viewer.bar.volume.isVisible()
    slices = viewer._slices
    point = QPoint(*map(int, next_place(slices)))
    _, ras = slices.place_at(QPointF(point))
    with qtbot.waitSignal(viewer.picked) as told:
        QTest.mouseClick(slices, Qt.MouseButton.LeftButton, pos=point)
    assert told.args[0].hemisphere == "volume"
    assert told.args[0].ras == pytest.approx(ras)
    settle(qtbot)
    assert slices.place == pytest.approx(ras)
    with qtbot.waitSignal(viewer.surface_needed) as asked:
        viewer.view.volume = "surface"
    assert asked.args[0] is volume
    assert viewer.stack.currentWidget() is viewer.page
    viewer.set_surface_map(volume, bump())
    settle(qtbot)
    assert viewer.stack.currentWidget() is viewer._body
    assert colored(pixels(viewer.stack)) > 500


def next_place(slices):
    from brainview.scene import figure

    x, y, w, h = figure.ortho_boxes(slices.scene, (slices.width(), slices.height()), 10)["axial"]
    return x + w * 0.4, y + h * 0.55


def test_phantom_maps_are_labelled(viewer, qtbot):
    viewer.view.show(bump(provenance={"phantom": True}))
    settle(qtbot)
    assert viewer._pill.isVisible()
    viewer.view.show(bump())
    settle(qtbot)
    assert not viewer._pill.isVisible()


def test_the_bar_is_dragged_and_its_menu_changes_the_rule(viewer, qtbot):
    viewer.view.show(bump())
    settle(qtbot)
    span = viewer.colors._span()
    QTest.mousePress(viewer.colors, Qt.MouseButton.LeftButton,
                     pos=QPoint(int(span.left() + span.width() * 0.4), int(span.center().y())))
    assert viewer.view.rule.threshold == pytest.approx(0.4, abs=0.02)
    actions = {a.text(): a for a in viewer.colors.menu().actions()}
    actions["Fade below the threshold"].trigger()
    assert viewer.view.rule.below == "faded"
    settle(qtbot)
    {a.text(): a for a in viewer.colors.menu().actions()}["Threshold as percentile"].trigger()
    assert viewer.view.rule.threshold_unit == "percentile"
    assert 50 < viewer.view.rule.threshold < 100
    QTest.mouseDClick(viewer.colors, Qt.MouseButton.LeftButton, pos=QPoint(80, 30))
    assert viewer.view.rule.threshold == 0


def test_locked_limits_stay_for_maps_of_their_like(viewer):
    view = viewer.view
    view.show(bump(limits=None))
    view.rule = view.rule.having(limits=(0.0, 7.0))
    view.lock_limits = True
    view.show(bump(limits=None).having(values=np.ones(20484)))
    assert view.rule.limits == (0.0, 7.0)
    view.show(bump(limits=None, kind="diverging"))
    assert view.rule.limits != (0.0, 7.0)


def test_the_export_is_what_is_on_screen(viewer, qtbot, tmp_path):
    from PIL import Image

    viewer.view.show(bump())
    viewer.view.rule = ColorRule("viridis", (0, 1), 0.2)
    viewer.view.layout = "single"
    viewer.view.view = "posterior"
    settle(qtbot)
    viewer.canvas.turn("orbit", 200, 200, 30, 10)
    screen = viewer.canvas.picture()
    out = viewer.snapshot(tmp_path / "x.png", size=(screen.shape[1], screen.shape[0]), colorbar=False, samples=0)
    exported = np.asarray(Image.open(out))
    assert (np.abs(exported.astype(int) - screen) > 2).any(-1).mean() < 0.01  # letters are scaled with the picture


def test_toolbar_follows_and_writes_the_state(viewer, qtbot):
    viewer.view.surface = "pial"
    viewer.view.hemispheres = "left"
    settle(qtbot)
    assert viewer.bar.surface.currentData() == "pial"
    assert viewer.bar.sides.buttons["left"].isChecked()
    viewer.bar.layouts.buttons["single"].click()
    assert viewer.view.layout == "single"
    settle(qtbot)
    assert len(viewer.canvas.scene.cells) == 1


def test_names_from_files_cannot_inject(viewer, qtbot):
    viewer.view.show(bump(name="<b>x</b>\n\x1b[31m"))
    settle(qtbot)
    viewer.grab()
    assert viewer.colors.drawn is not None


def test_closing_frees_everything(qtbot):
    import gc

    from vtkmodules.vtkRenderingCore import vtkRenderWindow

    gc.collect()
    before = sum(isinstance(o, vtkRenderWindow) for o in gc.get_objects())
    view = ViewState()
    viewer = Viewer(view, canvas="image")
    viewer.ensure_canvas()
    viewer.close()
    viewer.close()
    view.surface = "pial"  # nobody listens any more
    viewer.deleteLater()
    del viewer
    qtbot.wait(1)
    gc.collect()
    assert sum(isinstance(o, vtkRenderWindow) for o in gc.get_objects()) <= before


def test_the_probe_knows_that_offscreen_has_no_opengl(qtbot):
    answers: list[Graphics] = []
    probe = Probe(answers.append)
    qtbot.waitUntil(lambda: bool(answers), timeout=10_000)
    assert not answers[0].usable
    assert "offscreen" in answers[0].reason
    probe.cancel()
    assert Graphics(True, "llvmpipe (LLVM 15)").samples == 0
    assert Graphics(True, "NVIDIA GeForce").samples == 4


def test_the_viewer_imports_no_pyvista_for_pictures(viewer):
    import subprocess
    import sys

    code = ("import sys\nfrom PySide6.QtWidgets import QApplication\napp = QApplication([])\n"
            "from brainview.app.viewer import Viewer\nfrom brainview.state.view import ViewState\n"
            "v = Viewer(ViewState(), canvas='image'); assert 'vtkmodules' not in sys.modules\n"
            "v.ensure_canvas(); v.canvas.picture()\n"
            "bad = {'torch', 'nilearn', 'pyvista', 'matplotlib', 'pyvistaqt'} & set(sys.modules)\n"
            "assert not bad, bad\nv.close()")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_fsaverage_is_the_default_anatomy(viewer):
    assert viewer.canvas.scene.space == FSAVERAGE5


def test_toolbar_icons_follow_the_theme(viewer, qtbot):
    from PySide6.QtGui import QColor, QPalette

    palette = viewer.bar.palette()
    for ink in ("#102030", "#f0e0d0"):
        palette.setColor(QPalette.ColorRole.WindowText, QColor(ink))
        viewer.bar.setPalette(palette)
        image = viewer.bar.layouts.buttons["grid"].icon().pixmap(18, 18).toImage()
        points = [image.pixelColor(x, y) for x in range(18) for y in range(18)]
        found = {color.name() for color in points if color.alpha() > 250}
        assert ink in found
