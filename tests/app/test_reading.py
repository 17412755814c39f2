"""The status line: what is read off the map under the mouse and at the picked place."""

from __future__ import annotations

import numpy as np
import pytest

from brainview.state.app import RoiKey

pytestmark = pytest.mark.gui


def test_hover_reads_value_region_and_space(trained):
    from brainview.maps.display import Pick

    subject = trained.app.subject
    name, roi = next((n, r) for n, r in subject.rois.items() if (r.labels[:10_242] > 0).any())
    at = int((roi.labels > 0).nonzero()[0][0])
    region = roi.table[int(roi.labels[at])].name
    drawn = trained.view.map
    pick = Pick("left", at, at, (-12.34, -90.0, 4.0), "MNI305 (fsaverage)", float(drawn.values[at]), root_index=at)
    trained.shell.wiring._on_hover(pick)
    status = trained.window.status
    assert "Left" in status.place.text() and "MNI305" in status.place.text() and "-12.3" in status.place.text()
    assert region in status.regions.whole()
    assert status.value.text() == f"{drawn.values[at]:.3g} fraction of ceiling"
    trained.shell.wiring._on_pick(pick)
    trained.settle()
    assert RoiKey("left", name, region) in trained.app.rois
    marked = {trained.window.encoding.bars.list.bars.rows[i.row()].roi
              for i in trained.window.encoding.bars.list.selectionModel().selectedIndexes()}
    assert region in marked


def test_the_reading_of_a_picked_place_follows_the_map(trained):
    from brainview.maps.brainmap import BrainMap
    from brainview.maps.display import Pick
    from brainview.maps.space import get_space

    shell, status = trained.shell, trained.window.status
    first = trained.view.map
    at = int(np.flatnonzero(np.isfinite(first.values))[0])
    trained.view.picked = Pick("left", at, at, (-1.0, 2.0, 3.0), "MNI305 (fsaverage)", first.at(at), root_index=at)
    assert status.value.text().startswith(f"{first.at(at):.3g}")
    other = BrainMap(np.arange(first.space.root.size, dtype=np.float32), first.space.root, name="other", units="steps")
    trained.view.map = other
    assert status.value.text().startswith(f"{at:.3g} steps")
    shell.wiring._on_hover(None)  # the mouse leaves: the picked place is read off the map that is drawn
    assert status.value.text().startswith(f"{at:.3g} steps")
    trained.view.map = BrainMap(np.zeros(get_space("mni152-2mm").size), get_space("mni152-2mm"), name="volume")
    assert status.value.text() == "" and "Point at" in status.place.text()
    trained.view.map = first
    assert status.value.text().startswith(f"{first.at(at):.3g}")
