"""Figures 2A, 2B and 2C: what they show, that regions are outlined, what each format holds."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PySide6.QtGui import QImage

from brainview.app.figures.flat import CLASS_COLORS, boundaries
from brainview.app.wiring_figures import FiguresWiring
from brainview.core.errors import FormatError
from tests.app.fakes import SPACE, rois

pytestmark = pytest.mark.gui


@pytest.fixture
def page(desk):
    desk.do(desk.c.session.open_dataset("/phantom"))
    desk.do(desk.c.session.open_run("/runs/one"))
    desk.c.choose_map_of_run("subj01", "R2")
    desk.settle()
    desk.wiring = next(p for p in desk.shell.wiring.pages if isinstance(p, FiguresWiring))
    desk.window.encoding.show_page("figures")
    desk.until(lambda: desk.wiring.sheet is not None)
    return desk


def show(page, kind):
    page.wiring.sheet = None
    page.wiring.page.kind._buttons[kind].click()
    page.until(lambda: page.wiring.sheet is not None)
    return page.wiring.sheet


def test_maps_of_all_subjects_and_the_group_share_one_scale(page):
    sheet = page.wiring.sheet
    titles = [t.title for r in sheet.rows for t in r]
    assert titles == ["subj01", "subj02", "subj03", "subj04", "Group"]
    assert sheet.scale[0].limits == (0.0, 0.6) and "PHANTOM" in sheet.note
    assert {w for w, _ in sheet.legend} == {"early visual", "faces", "places", "bodies"}
    red = (sheet.rows[0][0].image[..., :3] == CLASS_COLORS["prf-visualrois"]).all(-1)
    assert red.sum() > 50, "early visual areas are outlined in red"
    assert not page.wiring.page.preview._image.isNull()


def test_the_figure_before_is_not_saved_under_the_name_of_the_next(page, tmp_path):
    page.wiring.page.kind._buttons["regions"].click()
    assert not page.wiring.page.save.isEnabled() and not page.wiring.page.large.isEnabled()
    page.wiring.write(str(tmp_path / "regions.png"))
    assert not (tmp_path / "regions.png").exists()
    page.until(lambda: page.wiring.page.save.isEnabled())
    page.c.choose_map_of_run("subj02", "R2")
    assert page.wiring.sheet is None
    page.until(lambda: page.wiring.sheet is not None)


def test_an_outline_lies_where_the_label_changes(page):
    edges = boundaries(rois(), SPACE)
    inside = boundaries({"all": type(next(iter(rois().values())))("all", np.ones(SPACE.size, np.int32), {})}, SPACE)
    assert 0.001 < edges["floc-places"].mean() < 0.1
    assert inside["all"].mean() < 0.05, "one region everywhere has only the rim of the cortex"


def test_images_with_measured_and_predicted_maps(page):
    sheet = show(page, "predictions")
    best = [int(r[1]) for r in sheet.table[1]]
    assert len(best) == 4 and all(len(r) == 3 for r in sheet.rows)
    assert "nsd-" in sheet.rows[0][2].title and "R² 0.51" in sheet.rows[0][2].title
    low, high = sheet.scale[0].limits
    assert low == -high
    page.wiring.sheet = None
    page.wiring.page.order._buttons["worst"].click()
    page.until(lambda: page.wiring.sheet is not None)
    assert not set(best) & {int(r[1]) for r in page.wiring.sheet.table[1]}


def test_boxes_per_region_and_hemisphere_hold_the_numbers_of_the_table(page, tmp_path):
    sheet = show(page, "regions")
    named = dict(sheet.boxes)
    assert [b.side for b in named["V1v"]] == ["left", "right"]
    page.wiring.write(str(tmp_path / "r.csv"))
    with open(tmp_path / "r.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    one = next(r for r in rows if r["roi"] == "V1v" and r["hemisphere"] == "left")
    assert float(one["median"]) == named["V1v"][0].median and one["metric"] == "R2"


def test_every_format_is_written_with_real_text_and_its_story(page, tmp_path):
    show(page, "regions")
    for form in ("png", "svg", "pdf"):
        page.wiring.write(str(tmp_path / f"f.{form}"))
    picture = QImage(str(tmp_path / "f.png"))
    assert picture.width() == round(page.wiring.sheet.width * 300 / 72)
    assert round(picture.dotsPerMeterX() * 0.0254) == 300
    assert json.loads(picture.text("brainview"))["figure"] == "regions"
    text = (tmp_path / "f.svg").read_text()
    assert "<text" in text and "V1v" in text and "PHANTOM" in text
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(FormatError, match="is written as"):
        page.wiring.sheet.save(tmp_path / "f.doc")
