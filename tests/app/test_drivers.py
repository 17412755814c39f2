"""The dock of drivers: what is asked for a place and for regions, what is shown, what a choice does."""

from __future__ import annotations

import numpy as np
import pytest

from brainview.maps.display import Pick
from brainview.maps.space import MaskedSpace
from brainview.state.app import RoiKey
from brainview.state.drivers import picked_place, region_place
from tests.app.fakes import SPACE, rois

pytestmark = pytest.mark.gui
WORDS = {side: [{"word": f"{side}-dog", "log_odds": 2.5, "z": 4.0, "q": 0.01, "here": 8, "of_here": 10, "there": 20,
                 "of_there": 290}] for side in ("most", "least")}


def drive(path, subject, index, run=None, variant=None):
    ids = np.arange(100, 400)
    told = {"ids": ids, "values": np.linspace(3, -3, 300).astype(np.float32), "part": "all images", "words": WORDS,
            "top": 30}
    out = {"locations": len(index), "units": "beta", "measured": told, "r": None, "note": "Mean beta."}
    return out if run is None else out | {"r": 0.61, "predicted": told | {"ids": ids[240:], "values": np.linspace(
        1, -1, 60).astype(np.float32), "part": "test images"}}


def pick(vertex):
    return Pick("left", vertex, vertex, (0.0, 0.0, 0.0), "MNI305", root_index=vertex)


def asked(desk):
    return [j.arguments for j in desk.engine.jobs if j.function.endswith(":drive")]


def test_a_click_asks_what_drives_it_and_regions_ask_for_all_of_theirs(desk):
    desk.engine.answers["brainview.encoding.jobs:drive"] = drive
    panel = desk.window.drivers
    desk.do(desk.c.session.open_dataset("/phantom"))
    desk.view.picked = pick(17)
    desk.settle()
    assert not asked(desk), "nothing is asked while the dock is out of sight"
    desk.window.show_dock("drivers")
    desk.until(lambda: panel.model.ids)
    assert asked(desk)[0] == {"path": "/phantom", "subject": "subj01", "index": [17], "run": None, "variant": None}
    assert panel.model.ids[:2] == [100, 101] and panel.where.whole().startswith("Left vertex 17")
    assert panel.table.item(0, 0).text() == "most-dog" and panel.table.item(0, 2).text() == "8/10"
    assert not panel.kind._buttons["predicted"].isEnabled()
    panel.order._buttons["least"].click()
    desk.settle()
    assert panel.model.ids[0] == 399 and panel.table.item(0, 0).text() == "least-dog"
    desk.do(desk.c.session.open_run("/runs/one"))
    desk.until(lambda: asked(desk)[-1]["run"] == "/runs/one" and panel.model.ids)
    panel.kind._buttons["predicted"].click()
    desk.settle()
    assert panel.model.ids[0] == 399 and len(panel.model.ids) == 60 and "r = 0.61" in panel.note.whole()
    desk.c.undo.undo()
    desk.settle()
    assert desk.c.session.parts["drivers"].kind == "measured"
    panel.place._buttons["regions"].click()
    desk.app.rois = (RoiKey("left", "floc-faces", "FFA-1"),)
    desk.until(lambda: len(asked(desk)[-1]["index"]) > 1 and panel.model.ids)
    labels = rois()["floc-faces"]
    inside = np.flatnonzero(labels.mask("FFA-1"))
    np.testing.assert_array_equal(asked(desk)[-1]["index"], inside[inside < SPACE.n_left])
    assert "FFA-1 (left)" in panel.where.whole()
    panel.list.setCurrentIndex(panel.model.index(3))
    desk.settle()
    assert desk.app.stimulus == panel.model.ids[3]


def test_places_follow_masks_and_labels_of_the_whole_mesh():
    masked = MaskedSpace("m", SPACE, np.arange(0, SPACE.size, 2))
    assert picked_place(pick(8), masked, ["V1"]).index.tolist() == [4]
    assert picked_place(pick(9), masked, []) is None and picked_place(None, masked, []) is None
    whole = region_place(rois(), SPACE, SPACE, (RoiKey("both", "floc-faces", "OFA"),))
    part = region_place(rois(), SPACE, masked, (RoiKey("both", "floc-faces", "OFA"),))
    np.testing.assert_array_equal(masked.root_index[part.index], whole.index[whole.index % 2 == 0])
    assert region_place(rois(), SPACE, SPACE, ()) is None
