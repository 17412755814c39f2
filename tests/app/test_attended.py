"""Where a region of an attention-head model looks: drawn on the stimulus, asked as a job, shown for such runs alone."""

from __future__ import annotations

import numpy as np
import pytest

from brainview.state.attended import ATTENTION, Attended, smooth
from tests.app.fakes import present

MAPS = np.zeros((2, 2, 2), np.float32)
MAPS[0] = [[0.6, 0.1], [0.1, 0.1]]
MAPS[1] = 0.2
ANSWER = {"regions": ["LH V1v", "RH other"], "maps": MAPS, "image": np.full((40, 60, 3), 200, np.uint8)}


def test_the_picture_is_bright_where_the_region_looks() -> None:
    seen = Attended.from_job("subj01", 3, ANSWER)
    drawn = seen.drawn("LH V1v").astype(int)
    assert drawn.shape == (40, 60, 3) and drawn[2, 2, 0] == 200 and drawn[-1, -1, 0] < 80
    assert np.ptp(seen.drawn("RH other")) == 0
    assert seen.share("LH V1v") == pytest.approx(0.9) and seen.share("RH other") == pytest.approx(0.8)
    assert seen.concentration("LH V1v") == 0.25 and seen.concentration("RH other") == 0.5
    np.testing.assert_allclose(smooth(np.array([[0.0, 1.0]]), 1, 4)[0], [0, 0.25, 0.75, 1])


@pytest.mark.gui
def test_the_section_comes_with_the_attention_head(desk) -> None:
    panel = desk.window.encoding
    desk.do(desk.c.session.open_dataset("/phantom"))
    desk.do(desk.c.session.open_run("/phantom/ridge"))
    desk.settle()
    assert panel.attended_section.isHidden()

    def shown(run):
        answer = present(run)
        return {**answer, "card": {**answer["card"], "config": {"head": "attention"}}}

    desk.engine.answers["brainview.training.jobs:present"] = shown
    desk.engine.answers[ATTENTION] = lambda run, subject, stimulus: ANSWER
    desk.do(desk.c.session.open_run("/phantom/look"))
    desk.settle()
    assert not panel.attended_section.isHidden() and "Choose a stimulus" in panel.attended.words.text()
    run = desk.app.run
    brain = run.subjects[0]
    desk.do(desk.c.session.predict(brain, run.stimuli[brain][0]["stimulus"]))
    desk.until(lambda: "90%" in panel.attended.words.text())
    assert [panel.attended.regions.itemText(k) for k in range(2)] == ["LH V1v", "RH other"]
    panel.attended.regions.setCurrentIndex(1)
    panel.attended.regions.activated.emit(1)
    desk.settle()
    assert "80%" in panel.attended.words.text()
