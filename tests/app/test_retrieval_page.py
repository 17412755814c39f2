"""The retrieval page: scores with chance and shuffled brain, rankings both ways, points and matrices, exports."""

from __future__ import annotations

import json

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest

from brainview.app.panels.decoding.ranked import HIT
from brainview.app.wiring_retrieval import RetrievalWiring

pytestmark = pytest.mark.gui
RUN = "/data/runs/phantom-ridge-clip"


@pytest.fixture
def page(desk):
    desk.do(desk.c.session.open_dataset("/phantom"))
    desk.do(desk.c.session.open_run(RUN))
    desk.wiring = next(p for p in desk.shell.wiring.pages if isinstance(p, RetrievalWiring))
    desk.page = desk.window.decoding.retrieval
    desk.until(lambda: desk.wiring.state.scores)
    desk.settle()
    return desk


def ask(page, stimulus):
    page.app.stimulus = stimulus
    page.until(lambda: page.wiring.state.ranking is not None and page.wiring.state.ranking.stimulus == stimulus)
    page.settle()


def test_an_aligned_run_opens_in_its_page_with_scores(page):
    assert page.page.currentIndex() == 1 and page.window.decoding.tabs.currentWidget() is page.page
    shown = page.page.bars._scores
    assert [s.direction for s in shown] == ["brain→image", "image→brain", "brain→text", "text→brain"]
    told = page.page.bars.accessibleDescription()
    assert "R@1 14.0 %" in told and "chance 2.5 %" in told and "shuffled brain" in told and "over 40 queries" in told
    page.page.protocol.setCurrentIndex(1)
    page.page.protocol.activated.emit(1)
    page.settle()
    assert {s.gallery for s in page.page.bars._scores} == {20}
    page.page.table.click()
    table = page.wiring.window.csv()
    assert "subj02" in table and "30 draws of 20" in table and "shuffled R@10 %" in table
    page.wiring.window.close()


def test_curves_of_all_subjects_open_in_a_window_and_are_saved(page, tmp_path):
    page.page.curves.click()
    page.until(lambda: page.wiring.figure is not None)
    figure = page.wiring.figure
    assert "PHANTOM" in figure.sheet.note and [n for n, _ in figure.sheet.legend] == ["subj01", "subj02"]
    figure.write(str(tmp_path / "c.csv"))
    assert len((tmp_path / "c.csv").read_text().splitlines()) == 1 + 2 * 4 * 40
    figure.close()


def test_a_brain_ranks_pictures_and_captions_with_the_true_one_marked(page):
    assert "Choose a stimulus" in page.page.asked_brain.text()
    ask(page, 345)
    found = page.page.found.ranked
    assert found.hits[0].stimulus == 350 and sum(h.own for h in found.hits) == 1
    assert "true picture has rank 7 of 40" in page.page.asked_brain.text()
    own = next(found.index(k) for k, h in enumerate(found.hits) if h.own)
    assert own.data(HIT).stimulus == 345 and "the true one" in own.data(Qt.ItemDataRole.AccessibleTextRole)
    page.page.gallery._buttons["text"].click()
    page.settle()
    assert found.hits[0].own and "true caption has rank 1" in page.page.asked_brain.text()
    page.c.undo.undo()
    page.settle()
    assert not found.hits[0].own


def test_a_stimulus_outside_the_test_part_is_explained_and_led_out_of(page):
    page.app.stimulus = 120
    page.until(lambda: "not one of the test stimuli" in page.page.asked_brain.text())
    assert page.page.to_test.isVisibleTo(page.page) and not page.window.notices.shown
    page.page.to_test.click()
    page.settle()
    assert page.app.split == "test" and page.app.stimulus == 340
    page.until(lambda: page.page.found.ranked.hits)


def test_pictures_and_sentences_rank_brains(page):
    ask(page, 345)
    page.page.found.setCurrentIndex(page.page.found.ranked.index(0))
    page.until(lambda: page.page.brains.ranked.hits)
    assert "fit the picture of stimulus 350" in page.page.asked_words.text()
    assert page.app.stimulus == 345, "asking about a picture does not change the brain"
    QTest.keyClicks(page.page.sentence, "a zzyzx on a sofa")
    QTest.keyClick(page.page.sentence, Qt.Key.Key_Return)
    page.until(lambda: "a zzyzx on a sofa" in page.page.asked_words.text())
    page.settle()
    assert "1 word is unknown" in page.page.asked_words.text() and not page.page.asked_kind.isVisibleTo(page.page)
    page.page.brains.opened.emit(360)
    page.settle()
    assert page.app.stimulus == 360


def test_another_subject_asks_its_own_brain(page):
    ask(page, 345)
    box = page.page.head.subject
    box.setCurrentIndex(1)
    box.activated.emit(1)
    page.until(lambda: page.wiring.state.ranking is not None and page.wiring.state.ranking.subject == "subj02")
    assert page.wiring.state.points is None


def test_points_and_matrices_name_choose_and_save(page, tmp_path):
    space = page.page.space
    space.make.click()
    page.until(lambda: page.wiring.state.points is not None)
    space._over_point(41)
    assert space.reading.text().startswith("Picture of stimulus 341.")
    space.cloud.chosen.emit(41)
    page.settle()
    assert page.app.stimulus == 341 and len(space.cloud._marked) == 3, "brain, picture and caption of it are ringed"
    space.which._buttons["matrix"].click()
    space.make.click()
    page.until(lambda: page.wiring.state.matrices is not None)
    drawn = page.wiring.state.matrices
    space._over_cell(2, 5)
    first = int(drawn.ids[drawn.order[2]])
    assert f"brain {first} · image" in space.reading.text() and "Spearman ρ" in space.note.text()
    page.wiring.write("matrix", "picture", str(tmp_path / "m.png"))
    picture = QImage(str(tmp_path / "m.png"))
    assert picture.width() >= 1500 and json.loads(picture.text("brainview"))["phantom"] is True
    page.wiring.write("matrix", "numbers", str(tmp_path / "m.csv"))
    lines = (tmp_path / "m.csv").read_text().splitlines()
    assert len(lines) == 41 and lines[3].startswith(f"{first},")
    page.wiring.write("points", "numbers", str(tmp_path / "p.csv"))
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 121


def test_what_was_asked_is_part_of_the_project(page):
    page.wiring.state.sentence, page.wiring.state.gallery = "two people", "text"
    kept = page.c.session.describe()["parts"]["retrieval"]
    page.wiring.state.sentence, page.wiring.state.gallery = "", "image"
    page.wiring.state.apply({**kept, "asked": "nonsense"})
    assert page.wiring.state.sentence == "two people" and page.wiring.state.gallery == "text"
    assert page.wiring.state.asked == -1
