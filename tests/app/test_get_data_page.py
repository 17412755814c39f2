"""The page that gets NSD's data: nothing starts without a source, a target and the user's word on the agreement."""

from __future__ import annotations

import pytest

from brainview.app.get_data import FETCH, PAGE
from brainview.datasets.access import page as told

pytestmark = pytest.mark.gui


def test_nothing_is_fetched_before_source_target_and_agreement(desk, tmp_path):
    asked = []

    def fetch(**wanted):
        asked.append(wanted)
        return {"files": 3, "kept": 0, "path": "/phantom"}

    desk.engine.answers |= {PAGE: lambda layout, subjects: told(layout, subjects), FETCH: fetch}
    page = desk.c.get_data()
    desk.settle()
    assert "data access form" in page.agreement.text() and "metadata_subj01.json" in page.files.text()
    assert not page.start.isEnabled()
    page.set_folder("source", "hf:me/mine")
    page.set_folder("out", str(tmp_path))
    assert not page.start.isEnabled(), "the agreement was not confirmed"
    page.agreed.setChecked(True)
    assert page.start.isEnabled()
    page.subjects[4].setChecked(True)
    page.layouts.setCurrentIndex(1)
    desk.settle()
    assert "betas_all_subj05_fp32_renorm.hdf5" in page.files.text() and "--subjects subj01 subj05" in page.files.text()
    page.start.click()
    desk.settle()
    assert asked == [{"layout": "mindeye2", "source": "hf:me/mine", "out": str(tmp_path),
                      "subjects": ["subj01", "subj05"], "agreed": True}]
    assert desk.c.app.dataset is not None and not page.isVisible()
    for box in page.subjects:
        box.setChecked(False)
    assert not page.start.isEnabled()
