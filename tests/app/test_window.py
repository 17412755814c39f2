"""The window as a user meets it: opening, choosing, undoing, failing, recovering. Engine faked, maps real."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, QRect, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QComboBox, QLabel, QLineEdit, QSpinBox

from brainview.app import theme
from brainview.app.export_dialog import ExportDialog
from brainview.app.viewer import Viewer
from brainview.app.window import MainWindow
from brainview.core.errors import FormatError, MissingError
from brainview.state.app import GROUP, RoiKey, Source
from brainview.state.journal import Journal, Lost, lost_sessions
from brainview.state.session import with_variant

pytestmark = pytest.mark.gui


@pytest.fixture
def phantom(desk):
    desk.do(desk.c.session.open_dataset("/phantom"))
    return desk


@pytest.fixture
def trained(phantom):
    phantom.do(phantom.c.session.open_run("/runs/one"))
    return phantom


def test_first_start_shows_the_ceiling_of_the_first_subject(desk):
    desk.shell._make_viewer = _no_viewer
    desk.do(desk.shell.begin(None))
    assert desk.app.dataset.path == "/phantom"
    assert desk.app.source == Source("ceiling", brain="subj01")
    assert desk.view.map.name == "noise ceiling"
    asked = [(j.function.rsplit(":", 1)[1], j.arguments.get("stage")) for j in desk.engine.jobs]
    assert ("ensure_default", "first") in asked and ("ensure_default", "full") in asked
    assert desk.window.subjects.subjects.count() == 4
    assert "noise ceiling" in desk.window.header.where.whole()


def _no_viewer(view):
    from PySide6.QtCore import Signal
    from PySide6.QtWidgets import QWidget

    class Blank(QWidget):
        hovered, picked, surface_needed, notice = Signal(object), Signal(object), Signal(object), Signal(str)
        volume_needed = Signal(object)

        @property
        def beside(self):
            return self

        def set_rois(self, rois):
            self.rois = rois

    return Blank()


def test_another_response_set_is_opened_trained_on_and_kept_by_the_project(phantom, tmp_path):
    panel = phantom.window.subjects
    assert panel.variants.isHidden()  # this subject has one set only
    phantom.do(phantom.c.session.open_subject("subj02"))
    assert not panel.variants.isHidden()
    assert [panel.variants.itemText(k) for k in range(2)] == ["fsaverage5 betas", "MNI 2 mm betas"]
    panel.variants.setCurrentIndex(1)
    panel.variants.activated.emit(1)
    phantom.settle()
    assert phantom.app.subject.variant == phantom.app.variant == "MNI/betas" and panel.variants.currentIndex() == 1
    assert phantom.app.source == Source("ceiling", brain="subj02")
    phantom.do(phantom.c.session.response("subj02", 120))
    assert phantom.engine.jobs[-1].arguments["variant"] == "MNI/betas"
    session = phantom.c.session
    assert with_variant(phantom.app, {"variant": "", "seed": 1}) == {"variant": "MNI/betas", "seed": 1}
    assert with_variant(phantom.app, {"variant": "fsaverage"}) == {"variant": "fsaverage"}
    assert with_variant(phantom.app, {"seed": 1}) == {"seed": 1}  # a system that cannot be told
    file = session.save_project(str(tmp_path / "mni"))
    phantom.do(session.open_dataset("/phantom"))
    assert phantom.app.variant == "" and "variant" not in phantom.engine.jobs[-1].arguments
    phantom.do(session.open_project(file))
    assert phantom.app.subject.variant == "MNI/betas" and phantom.app.subject.id == "subj02"


def test_undo_of_a_map_brings_the_response_set_back(phantom):
    phantom.do(phantom.c.session.open_subject("subj02"))
    phantom.do(phantom.c.session.open_variant("MNI/betas"))
    phantom.c.show_response(120)
    phantom.settle()
    for title, variant, kind in (("Show response", "MNI/betas", "ceiling"), ("Choose response set", "", "ceiling")):
        assert phantom.c.undo.undo_title == title
        phantom.c.commands.run("edit.undo")
        phantom.settle()
        assert (phantom.app.variant, phantom.app.source.kind) == (variant, kind)
        assert phantom.app.subject.variant == (variant or "fsaverage/betas")
    phantom.c.commands.run("edit.redo")
    phantom.settle()
    assert phantom.app.subject.variant == phantom.app.variant == "MNI/betas"
    assert phantom.view.map is phantom.app.subject.ceiling


def test_a_response_set_that_cannot_be_opened_leaves_the_other(phantom):
    phantom.do(phantom.c.session.open_subject("subj02"))
    phantom.engine.answers["brainview.datasets.jobs:open_subject"] = _refuse
    phantom.do(phantom.c.session.open_variant("MNI/betas"))
    assert phantom.app.variant == "" and phantom.app.subject.variant == "fsaverage/betas"


def _refuse(**_):
    raise FormatError("is damaged")


def test_training_from_the_dock_opens_the_result(phantom):
    form = phantom.window.subjects.form
    assert form.button.isEnabled()
    form.button.click()
    phantom.settle()
    job = next(j for j in phantom.engine.jobs if j.function.endswith(":train"))
    assert job.arguments["subjects"] == ["subj01", "subj02", "subj03", "subj04"]
    assert job.arguments["options"]["features"] == "gabor"
    assert Path(job.arguments["run"]).name.startswith("phantom-ridge-gabor")
    assert phantom.app.run is not None and phantom.app.source.metric == "R2/NC"
    assert phantom.window.encoding.currentIndex() == 1


def test_a_wrong_form_cannot_be_sent_and_says_why(phantom):
    form = phantom.window.subjects.form
    form.features.setEditText("no such thing!")
    assert not form.button.isEnabled() and "Features must be" in form.problem.text()
    form.features.setEditText("timm:resnet18")
    for box in form._boxes.values():
        box.setChecked(False)
    assert form.problem.text() == "Tick at least one subject." and not form.button.isEnabled()


def test_metric_and_group_choosers_change_the_map_and_undo(trained):
    chooser = trained.window.encoding.chooser
    chooser.brains.setCurrentIndex(chooser.brains.findData(GROUP))
    chooser.brains.activated.emit(chooser.brains.currentIndex())
    trained.settle()
    assert trained.app.source == Source("metric", brain=GROUP, metric="R2/NC")
    assert trained.view.map is trained.app.run.group["R2/NC"]
    assert "perfect model" in chooser.definition.text()
    trained.c.undo.undo()
    trained.settle()
    assert trained.app.source.brain == "subj01" and trained.view.map is trained.app.run.maps["subj01"]["R2/NC"]
    assert chooser.brains.currentData() == "subj01"


def test_colours_are_kept_per_metric_over_subjects(trained):
    trained.view.rule = trained.view.rule.having(limits=(0.0, 0.33))
    trained.c.choose_subject("subj02")
    trained.settle()
    assert trained.view.map is trained.app.run.maps["subj02"]["R2/NC"] and trained.view.rule.limits == (0.0, 0.33)
    trained.c.choose_map_of_run("subj02", "R2")
    trained.settle()
    assert trained.view.rule.limits != (0.0, 0.33)
    trained.c.choose_map_of_run("subj01", "R2/NC")
    trained.settle()
    assert trained.view.rule.limits == (0.0, 0.33)


def test_bars_select_regions_and_filter_and_sort(trained):
    bars = trained.window.encoding.bars
    rows = bars.list.bars.rows
    assert [r.value for r in rows] == sorted((r.value for r in rows), reverse=True) and len(rows) > 10
    bars.list.setCurrentIndex(bars.list.bars.index(0))
    assert {k.roi for k in trained.app.rois} == {rows[0].roi} and len(trained.app.rois) == 2
    bars.sides._buttons["left"].click()
    QTest.keyClicks(bars.search, "v1")
    trained.settle()
    assert [r.roi for r in bars.list.bars.rows if r.roi.startswith("V1")] and \
        all(b.hemisphere == "left" for r in bars.list.bars.rows for b in r.bars)
    trained.c.undo.undo()  # the hemisphere
    trained.c.undo.undo()  # the selection
    trained.settle()
    assert trained.app.rois == () and trained.app.roi_hemisphere == "both"


def test_choosing_a_stimulus_fetches_the_prediction(trained):
    strip = trained.window.strip
    index = strip.model.index(strip.model.ids.index(345))
    strip.list.setCurrentIndex(index)
    trained.settle()
    assert trained.app.prediction.stimulus == 345
    card = trained.window.encoding.predictions.card
    assert card.isVisibleTo(trained.window.encoding) and "R² = 0.51" in card.title.text()
    assert not card.measured._image.isNull() and not card.predicted._image.isNull()
    assert trained.app.source.kind == "metric"  # the brain stays where it was
    card.which._buttons["predicted"].click()
    trained.settle()
    limits = trained.view.rule.limits
    assert trained.app.source.kind == "predicted" and limits[0] == -limits[1]
    card.which._buttons["measured"].click()
    trained.settle()
    assert trained.view.rule.limits == limits, "measured and predicted share one scale"


def test_a_picture_on_its_way_has_a_quiet_place(desk):
    desk.engine.held.add("brainview.datasets.jobs:stimulus_page")
    desk.app.theme = "light"
    desk.c.start(desk.c.session.open_dataset("/phantom"))
    strip = desk.window.strip
    desk.until(lambda: strip.model.ids)
    seen, at = desk.window.grab().toImage(), strip.list.viewport().mapTo(desk.window, QPoint(0, 0))
    box = strip.list.visualRect(strip.model.index(1)).translated(at)
    place, ground = seen.pixelColor(box.left() + 20, box.top() + 14), seen.pixelColor(box.left() - 1, box.top() + 14)
    assert place.name() == theme.LIGHT.hover != ground.name(), "it can be told from the ground"
    assert theme.contrast(place.name(), ground.name()) < 1.5, "and does not shine"
    desk.engine.held.clear()
    for job in [j for j in desk.engine.jobs if not j._value.done()]:
        job.run()
    desk.settle()


def test_strip_filters_orders_and_loads_pages(trained):
    strip = trained.window.strip
    strip.order_chosen.emit("best")
    trained.settle()
    scores = [strip.model.scores[i] for i in strip.model.ids]
    assert scores == sorted(scores, reverse=True) and len(scores) == 60
    strip.order_chosen.emit("id")
    QTest.keyClicks(strip.search, "dog sofa")
    trained.settle()
    trained.until(lambda: 0 < len(strip.model.ids) < 300)
    assert all(i % 4 == 0 for i in strip.model.ids), "dogs on sofas"
    pages = [j for j in trained.engine.jobs if j.function.endswith(":stimulus_page")]
    assert len(pages) <= 8, "thumbnails come in pages"
    index = [j for j in trained.engine.jobs if j.function.endswith("words:index")]
    assert len(index) == 1 and len(index[0].arguments["ids"]) == 300, "words are asked for once, without pictures"
    trained.app.strip_filter = ""
    trained.settle()
    names = [strip.category.itemText(k) for k in range(strip.category.count())]
    assert names[:2] == ["All categories", "Person (150)"] and "Food (75)" in names
    strip.category_chosen.emit("food")
    trained.settle()
    assert len(strip.model.ids) == 75 and strip.category.currentData() == "food"
    trained.c.undo.undo()
    trained.settle()
    assert len(strip.model.ids) == 300 and trained.app.strip_category == ""


def test_a_dropped_map_is_drawn_without_a_data_set(desk, tmp_path):
    path = tmp_path / "z.nii.gz"
    path.write_bytes(b"x")
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    drop = QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton,
                      Qt.KeyboardModifier.NoModifier)
    desk.window.dropEvent(drop)
    desk.settle()
    assert desk.app.dataset is None and desk.view.map.name == "map 0"
    assert "fsaverage5" in desk.window.header.where.whole()
    desk.c.commands.run("view.next_map")
    desk.settle()
    assert desk.view.map.name == "map 1"
    desk.c.commands.run("edit.undo")
    desk.settle()
    assert desk.view.map.name == "map 0"
    desk.c.commands.run("view.previous_map")  # round the end
    desk.settle()
    assert desk.view.map.name == "map 1"


def test_a_failure_is_one_line_that_does_not_block(desk):
    desk.do(desk.c.session.open_dataset("/broken<b>folder</b>"))
    notice = desk.window.notices.shown[-1]
    assert notice.level == "error" and "is not a data set that BrainView knows" in notice.words
    assert all(label.textFormat() == Qt.TextFormat.PlainText for label in notice.findChildren(QLabel) if label.text())
    assert desk.app.dataset is None and desk.window.isActiveWindow() is not None
    desk.window.notices.close_notice(notice)
    assert not desk.window.notices.isVisible()


def test_a_failed_training_is_retried_and_then_opens(phantom):
    phantom.engine.held.add("brainview.training.jobs:train")
    phantom.window.subjects.form.button.click()
    phantom.until(lambda: any(j.function.endswith(":train") for j in phantom.engine.jobs))
    job = next(j for j in phantom.engine.jobs if j.function.endswith(":train"))
    job.report(0.43, "subject 1 of 4", 84)
    phantom.until(lambda: "43 %" in phantom.window.status._job.text())
    job.fail(FormatError("the worker ended", remedy="Retry."))
    phantom.settle()
    row = phantom.window.jobs.rows[0]
    phantom.until(lambda: row._retry.isVisibleTo(row))
    phantom.engine.held.clear()
    row._retry.click()
    phantom.settle()
    assert phantom.app.run is not None


def test_cancel_button_cancels(phantom):
    phantom.engine.held.add("brainview.training.jobs:train")
    phantom.window.subjects.form.button.click()
    phantom.until(lambda: phantom.window.jobs.rows)
    phantom.window.jobs.rows[0]._cancel.click()
    phantom.settle()
    job = next(j for j in phantom.engine.jobs if j.function.endswith(":train"))
    assert job.status == "cancelled" and phantom.app.run is None
    assert phantom.window.notices.shown[-1].level == "info"


def test_letters_do_not_fire_while_typing(trained):
    trained.view.surface = "inflated"
    trained.window.activateWindow()
    QTest.qWaitForWindowActive(trained.window)
    field = trained.window.strip.search
    field.setFocus()
    trained.until(lambda: trained.window.focusWidget() is field)
    QTest.keyClicks(field, "pial")
    trained.settle()
    assert field.text() == "pial" and trained.view.surface == "inflated"
    trained.window.activateWindow()
    QTest.qWaitForWindowActive(trained.window)
    trained.window.subjects.subjects.setFocus()
    QTest.keyClick(trained.window.subjects.subjects, Qt.Key.Key_P)
    trained.settle()
    assert trained.view.surface == "pial"


def test_menus_hold_every_command_and_shortcuts_are_unique(desk):
    titles = {a.text() for m in desk.window.header.menus.actions() for a in m.menu().actions() if not a.isSeparator()}
    commands = list(desk.c.commands)
    assert {c.title for c in commands if not c.id.startswith("edit.")} <= titles
    keys = [c.shortcut for c in commands if c.shortcut]
    assert len(keys) == len(set(keys))
    sheet = desk.c.show_keys()
    words = {label.text() for label in sheet.findChildren(QLabel)}
    assert {c.title.rstrip("…") for c in commands if c.shortcut} <= words
    sheet.reject()


def test_undo_is_named_and_disabled_when_empty(trained):
    undo = trained.shell.actions.actions["edit.undo"]
    trained.until(lambda: not undo.isEnabled())
    trained.view.surface = "flat"
    trained.until(lambda: undo.isEnabled() and undo.text() == "Undo Surface")
    undo.trigger()
    trained.settle()
    assert trained.view.surface == "inflated" and not undo.isEnabled()


def test_project_brings_everything_back(trained, tmp_path):
    trained.c.choose_map_of_run("subj02", "R2")
    trained.app.rois = (RoiKey("left", "streams", "early"),)
    trained.view.surface = "flat"
    trained.view.rule = trained.view.rule.having(limits=(0.0, 0.2))
    trained.settle()
    path = trained.c.session.save_project(str(tmp_path / "study"))
    before = json.loads(Path(path).read_text())
    trained.view.surface = "pial"
    trained.do(trained.c.session.open_dataset("/other"))
    assert trained.app.run is None
    trained.do(trained.c.session.open_path(path))
    assert trained.app.source == Source("metric", brain="subj02", metric="R2")
    assert trained.app.rois == (RoiKey("left", "streams", "early"),)
    assert trained.view.surface == "flat" and trained.view.rule.limits == (0.0, 0.2)
    after = trained.c.session.describe()
    assert json.loads(json.dumps(after["app"])) == before["app"]
    assert json.loads(json.dumps(after["view"])) == before["view"]


def test_changes_reach_the_journal_and_lost_sessions_are_offered(desk, tmp_path):
    class Later:
        def __init__(self, seconds, function):
            Later.pending = function

        def cancel(self):
            pass

    journal = Journal(desk.c.session.describe, Later, tmp_path)
    desk.shell.wiring.journal = journal
    for group, name in ((desk.app.events, "source"), (desk.view.events, "surface")):
        getattr(group, name).connect(desk.shell.wiring._touch, check_nargs=False)
    desk.view.surface = "white"
    Later.pending()
    assert json.loads(journal.path.read_text())["view"]["surface"] == "white"
    journal._holder.close()  # what the system does when the process dies
    lost = lost_sessions(tmp_path)
    desk.view.surface = "pial"
    desk.shell._offer(lost)
    notice = desk.window.notices.shown[-1]
    assert "ended unexpectedly" in notice.words
    next(b for b in notice.findChildren(QAbstractButton) if b.text() == "Restore").click()
    desk.settle()
    assert desk.view.surface == "white" and lost_sessions(tmp_path) == []


def test_export_dialog_asks_in_cm_and_pixels(trained, tmp_path):
    dialog = trained.c.export()
    assert isinstance(dialog, ExportDialog)
    page = dialog.pictures
    page.width_cm.setValue(8.5), page.height_cm.setValue(6.0), page.dpi.setValue(600)
    assert page.size_px() == (2008, 1417)
    page.width_cm.setValue(200), page.dpi.setValue(2400)
    assert not page.valid()
    dialog.tabs.setCurrentIndex(1)
    assert dialog.path.text().endswith(".nii.gz")
    dialog.maps.form_box.setCurrentIndex(3)
    assert dialog.path.text().endswith(".csv")
    dialog.path.setText(str(tmp_path / "m.csv"))
    dialog.save.click()
    trained.settle()
    job = next(j for j in trained.engine.jobs if j.function.endswith(":export_map"))
    assert job.arguments["format"] == "csv"
    assert job.arguments["map"] is trained.view.map


def test_every_control_has_a_name_and_can_be_reached(trained):
    nameless = [w for kind in (QComboBox, QLineEdit, QSpinBox) for w in trained.window.findChildren(kind)
                if not (w.accessibleName() or w.parent().__class__ in (QComboBox, QSpinBox))
                and w.isVisibleTo(trained.window) and not w.objectName().startswith("qt_")]
    assert nameless == []
    bare = [b for b in trained.window.findChildren(QAbstractButton)
            if not (b.accessibleName() or b.text()) and not b.objectName().startswith("qt_")
            and b.metaObject().className() not in ("QLineEditIconButton", "CloseButton")]
    assert bare == []


@pytest.mark.parametrize("name", ["dark", "light"])
def test_contrast_of_every_pair_of_tokens(name):
    tokens = theme.THEMES[name]
    weak = [(a, b, round(theme.contrast(getattr(tokens, a), getattr(tokens, b)), 2)) for a, b in theme.PAIRS
            if theme.contrast(getattr(tokens, a), getattr(tokens, b)) < 4.5]
    assert weak == []


def test_theme_switch_recolours_window_and_brain(desk):
    desk.c.commands.run("window.theme")
    desk.settle()
    light = desk.window.grab().toImage().pixelColor(640, 20)
    assert desk.view.background == "light" and light.lightness() > 200
    desk.c.commands.run("window.theme")
    desk.settle()
    assert desk.window.grab().toImage().pixelColor(640, 20).lightness() < 60


def test_earlier_notices_fold_under_the_newest_and_long_ones_start_short(desk):
    notices = desk.window.notices
    for k in range(3):
        desk.c.reporter.error(MissingError(f"file {k} is not there", remedy="Check the name."))
    assert [n.isVisible() for n in notices.shown] == [False, False, True] and notices.more.text() == "2 earlier"
    notices.more.click()
    assert all(n.isVisible() for n in notices.shown)
    notices.close_notice(notices.shown[-1])
    notices.more.click()
    assert [n.isVisible() for n in notices.shown] == [False, True]
    words = "The first sentence says what happened. " + "The others explain it at length. " * 8
    desk.c.reporter.tell(words)
    notice = notices.shown[-1]
    body = next(w for w in notice.findChildren(QLabel) if w.text())
    assert body.text().endswith("…") and len(body.text()) < 160 and notice.words.startswith(body.text()[:60])
    next(b for b in notice.findChildren(QAbstractButton) if b.text() == "More").click()
    assert body.text() == notice.words


def test_no_notice_covers_the_label_of_simulated_data(desk):
    desk.shell._make_viewer = lambda view: Viewer(view, canvas="image")
    desk.shell.attach_viewer()
    desk.window.viewer.ensure_canvas()
    desk.do(desk.c.session.open_dataset("/phantom"))
    desk.shell._offer([Lost(Path("nowhere.json"), {"app": {"dataset": "/phantom", "subject": "subj01"}}, 0.0)])
    desk.settle()
    pill, notices = desk.window.viewer._pill, desk.window.notices
    assert pill.isVisible() and notices.isVisible()
    rects = [QRect(w.mapToGlobal(w.rect().topLeft()), w.size()) for w in (pill, notices)]
    assert not rects[0].intersects(rects[1]), rects


def test_small_screen_shows_everything_without_overlap(trained):
    trained.window.resize(1280, 800)
    trained.settle()
    assert trained.window.width() == 1280 and trained.window.height() == 800
    assert trained.window.pages.width() >= 600
    body = trained.window.encoding.pages["model"]
    assert body.widget().width() <= body.viewport().width()
    for name in ("data", "training"):
        trained.window.subjects.show_page(name)
        trained.settle()
        left = trained.window.subjects.page(name)
        assert left.widget().width() <= left.viewport().width()


def test_the_window_opens_no_wider_than_it_is_asked_for(desk):
    """Docks that become tabs must not leave their widths beside each other as the least width of the window."""
    window = MainWindow()
    window.resize(1280, 800)
    assert (window.width(), window.height()) == (1280, 800)
    window.deleteLater()
