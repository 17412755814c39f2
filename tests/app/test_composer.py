"""The composer: what a figure holds in each format; the batch: every combination, told what failed."""

from __future__ import annotations

import re

import numpy as np
import pytest

from brainview.app.figures.composed import CM, Cell, Composed, common_name
from brainview.cli import many
from brainview.core.errors import LimitError, MissingError
from brainview.maps.display import rule_for
from brainview.scene.snapshot import read_story
from tests.app.fakes import SUBJECTS, ceiling, present

pytestmark = pytest.mark.gui


def drawn_cells(map, size, rule, look, outlines=None, scale=1.0):
    drawn_cells.asked.append((map.name, size, look))
    return np.full((size[1], size[0], 3), 128, np.uint8)


@pytest.fixture
def composer(desk):
    drawn_cells.asked = []
    desk.engine.answers["brainview.scene.jobs:picture"] = drawn_cells
    desk.do(desk.c.session.open_dataset("/phantom"))
    desk.do(desk.c.session.open_run("/runs/one"))
    desk.c.choose_map_of_run("subj01", "R2")
    desk.settle()
    desk.dialog = desk.c.compose()
    desk.until(lambda: not desk.dialog.preview._image.isNull())
    yield desk
    desk.dialog.close()


def test_a_sheet_has_real_text_brains_as_pictures_and_the_size_asked_for(composer, tmp_path):
    dialog = composer.dialog
    assert dialog.list.count() == 3 and "region bars" in dialog.list.item(2).text()
    dialog.title.setText("Two subjects")
    dialog.map.setCurrentIndex(dialog.map.findData("metric/subj02/R2"))
    dialog._add()
    composer.settle()
    assert drawn_cells.asked[-1][2]["views"] == ("lateral",) and dialog.list.count() == 4
    rough = drawn_cells.asked[-1][1][0]
    for form in ("svg", "pdf", "png"):
        dialog.save_wanted.emit(str(tmp_path / f"f.{form}"))
        composer.settle()
    fine = drawn_cells.asked[-1][1][0]
    assert fine == pytest.approx(rough * 300 / 110, rel=0.01), "brains are drawn anew at the resolution asked for"
    svg = (tmp_path / "f.svg").read_text()
    words = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert "Two subjects" in words and "A" in words and "D" in words and any("PHANTOM" in w for w in words)
    assert any(w.startswith("FFA") or w in ("V1v", "early", "OFA", "EBA") for w in words) and svg.count("<image") == 4
    assert set(re.findall(r'font-family="[^"]*?, (.*?)"', svg)) == {"Helvetica, Arial, sans-serif"}
    assert b"/Font" in (tmp_path / "f.pdf").read_bytes()
    from PySide6.QtGui import QImage

    image = QImage(str(tmp_path / "f.png"))
    assert image.width() == pytest.approx(17 / 2.54 * 300, abs=2) and image.dotsPerMeterX() == round(300 / 0.0254)
    assert '"cells"' in image.text("brainview")
    dialog.list.setCurrentRow(0)
    dialog._move(1)
    assert [w.view for w in dialog.wishes[:2]] == ["medial", "lateral"]
    dialog._remove()
    composer.settle()
    assert dialog.list.count() == 3


def test_one_bar_serves_maps_of_one_scale_and_each_has_its_own_otherwise():
    maps = present("/r")["maps"]["subj01"]
    one, two = maps["R2"], maps["R2/NC"]
    image = np.zeros((30, 40, 3), np.uint8)

    def sheet(*drawn):
        cells = [Cell(m.name, image, (4, 3), (rule_for(m), m)) for m in drawn]
        return Composed("t", "", width=10 * CM, cells=cells, columns=2)

    assert sheet(one, one).shared() and not sheet(one, two).shared()
    assert sheet(one, one).height == sheet(one, two).height, "a bar below all, or one below each"
    assert common_name({"R² · subj01", "R² · subj02"}) == "R²" and common_name({"one"}) == "one"
    assert sheet(one, one, one).height > 1.5 * sheet(one, one).height - 30


def test_every_combination_is_drawn_once_and_failures_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(many.Loader, "map_of", lambda self, item: _map(item))
    monkeypatch.setattr(many.Loader, "source", lambda self, item: {"source": {"kind": item["kind"]}})
    told = many.draw("/r", str(tmp_path), ["subj01", "subj02", "group"], ["R2"], ["measured"], [7], size=(160, 120))
    names = sorted(p.split("/")[-1] for p in told["written"])
    assert names == ["group-R2.png", "subj01-R2.png", "subj01-measured-00007.png", "subj02-R2.png"]
    assert len(told["failed"]) == 1 and told["failed"][0].startswith("subj02-measured-00007: never saw")
    assert read_story(tmp_path / "subj01-R2.png")["source"]["source"]["kind"] == "metric"
    with pytest.raises(MissingError):
        many.plan([], ["R2"], [], [])
    with pytest.raises(LimitError):
        many.plan(["a"], [], ["measured"], range(6000))


def _map(item):
    if item["brain"] == "subj02" and item["kind"] == "measured":
        raise MissingError("never saw it")
    return ceiling(SUBJECTS[0])


def test_the_batch_dialog_counts_and_the_engine_draws(composer, tmp_path):
    asked = {}

    def answer(**given):
        asked.update(given)
        return {"written": ["a", "b"], "failed": []}

    composer.engine.answers["brainview.cli.many:draw"] = answer
    dialog = composer.c.export_many()
    assert "5 pictures" in dialog.words.text()
    dialog.measured.setChecked(True)
    dialog.stimuli.setText("341, 342")
    assert "13 pictures" in dialog.words.text(), "five maps, and two responses of four subjects"
    dialog.stimuli.setText("x")
    assert not dialog.go.isEnabled()
    dialog.stimuli.setText("341, 342")
    dialog.folder.setText(str(tmp_path / "out"))
    dialog.go.click()
    composer.settle()
    assert asked["stimuli"] == [341, 342] and asked["kinds"] == ["measured"] and asked["metrics"] == ["R2"]
    assert asked["brains"] == [*SUBJECTS, "group"] and asked["path"] == "/runs/one"
