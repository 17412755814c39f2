"""The in-silico page: a dropped picture is a picture, its predicted map is drawn, undone, and kept in the project."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QAbstractButton

from brainview.app.wiring_in_silico import InSilicoWiring
from brainview.state.app import GROUP, Source

pytestmark = pytest.mark.gui


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "my cat.png"
    Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(path)
    return str(path)


@pytest.fixture
def page(desk):
    desk.do(desk.c.session.open_dataset("/phantom"))
    desk.do(desk.c.session.open_run("/runs/one"))
    desk.wiring = next(p for p in desk.shell.wiring.pages if isinstance(p, InSilicoWiring))
    return desk


def drop(window, *paths):
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(p) for p in paths])
    window.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton,
                                Qt.KeyboardModifier.NoModifier))


def test_a_dropped_picture_is_predicted_and_never_opened_as_a_map(page, picture):
    before = page.app.source
    drop(page.window, picture)
    page.settle()
    assert page.window.encoding.tabs.currentWidget() is page.window.encoding.in_silico
    assert page.app.source == Source("picture", brain="subj01", path=picture)
    assert "my cat.png" in page.view.map.name and "Nothing was measured" in page.wiring.page.note.text()
    assert not any(j.function.endswith((":open_maps", ":inspect")) and picture in str(j.arguments)
                   for j in page.engine.jobs)
    assert not page.wiring.page.slots["first"].picture._image.isNull()
    page.c.undo.undo()
    page.settle()
    assert page.app.source == before


def test_the_difference_of_two_pictures_and_the_average_brain(page, picture):
    page.wiring.give("first", picture)
    page.app.stimulus = 345
    page.settle()
    page.wiring.page.slots["second"].stimulus.click()
    page.settle()
    assert page.app.source.path == "stimulus:345"
    page.wiring.page.which._buttons["difference"].click()
    page.settle()
    assert page.app.source == Source("picture", brain="subj01", path=picture, metric="stimulus:345")
    job = [j for j in page.engine.jobs if j.function.endswith(":predict_picture")][-1]
    assert job.arguments["image"] == picture and job.arguments["minus"].dtype == np.uint8
    brain = page.wiring.page.brain
    brain.setCurrentIndex(brain.findData(GROUP))
    brain.activated.emit(brain.currentIndex())
    page.settle()
    job = [j for j in page.engine.jobs if j.function.endswith(":predict_picture")][-1]
    assert job.arguments["subject"] == "average" and page.app.source.brain == GROUP
    asked = len(page.engine.jobs)
    page.c.undo.undo()
    page.settle()
    assert page.wiring.state.brain == "subj01" and len(page.engine.jobs) == asked, "a known map is not asked again"


def test_without_a_model_a_dropped_picture_says_what_is_missing(desk, picture):
    drop(desk.window, picture)
    desk.settle()
    notice = desk.window.notices.shown[-1]
    assert notice.level == "info" and "none is open" in notice.words
    assert next(b for b in notice.findChildren(QAbstractButton) if b.text() == "Go to training")
    assert not desk.engine.jobs


def test_other_files_dropped_with_a_picture_are_opened(page, picture, tmp_path):
    (tmp_path / "z.nii.gz").write_bytes(b"x")
    drop(page.window, picture, str(tmp_path / "z.nii.gz"))
    page.settle()
    assert any(j.function.endswith(":open_maps") for j in page.engine.jobs)
    assert page.wiring.state.first == picture


def test_clearing_and_the_project(page, picture):
    page.wiring.give("first", picture)
    page.settle()
    kept = page.c.session.describe()
    assert kept["parts"]["in_silico"]["first"] == picture and kept["app"]["source"]["kind"] == "picture"
    page.wiring.page.slots["first"].clear.click()
    page.settle()
    assert page.wiring.state.first == "" and not page.wiring.page.which._buttons["first"].isEnabled()
