"""Significance and quality in the window: what is asked for, what is drawn, what the read-out says."""

from __future__ import annotations

import numpy as np
import pytest

from brainview.app.panels.quality import words_of
from brainview.datasets.quality import DEFINITIONS, histogram
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import Pick
from brainview.state.app import GROUP, Source
from tests.app.fakes import SPACE, present

pytestmark = pytest.mark.gui


def shuffled(run, subject, permutations):
    """Half of the cortex passes, the other half of it in the second subject."""
    q = np.full(SPACE.size, 0.4, np.float32)
    q[:SPACE.size // 2] = 0.01 if subject != "subj04" else 0.3
    made = BrainMap(q, SPACE, name=f"q (FDR) · {subject}", units="q", definition="False discovery rate.",
                    provenance={"phantom": True, "permutations": permutations})
    return {"p": made, "q": made, "permutations": permutations, "images": 60, "part": "test", "tested": SPACE.size,
            "significant": {"0.05": int((q <= 0.05).sum())}, "least": 1 / 1001, "note": "10,242 of 20,484 locations."}


def quality_of(path, subject, variant=None):
    rows = [{"session": s, "trials": 240, "runs": 2, "stimuli": 200, "read": 120, "empty": s - 1, "mean": 0.12,
             "spread": 1.4, "likeness": None if s == 1 else 0.83} for s in (1, 2)]
    lost = BrainMap(np.linspace(0, 1, SPACE.size), SPACE, name=f"missing data · {subject}", units="share of rows")
    return {"id": subject, "locations": SPACE.size, "trials": 480, "stimuli": 300, "rows_are": "single trials",
            "repetitions": {1: 120, 3: 60}, "sessions": rows, "read": 240, "definitions": DEFINITIONS,
            "missing": {"never": 7, "sometimes": 3, "constant": 573, "empty_rows": 1, "share": 0.02},
            "ceiling": {"source": "ncsnr", "note": "", "for": "test images", "images": 60, "median_percent": 30.0,
                        "histogram": histogram(np.linspace(0, 90, 500), (0.0, 100.0))},
            "tsnr": {"why": "The responses are betas."}, "problems": ["runs 3 have events and no series"],
            "maps": {"missing": lost}}


def counted(run):
    told = present(run)
    n = np.where(np.arange(SPACE.size) % 5, 4.0, 2.0)
    return told | {"counts": {k: m.having(values=n) for k, m in told["group"].items()}}


@pytest.fixture
def opened(desk):
    desk.engine.answers |= {"brainview.encoding.jobs:significance": shuffled,
                            "brainview.datasets.quality:report": quality_of}
    desk.engine.answers["brainview.training.jobs:present"] = counted
    desk.do(desk.c.session.open_dataset("/phantom"))
    desk.do(desk.c.session.open_run("/runs/one"))
    desk.c.choose_map_of_run("subj01", "R2")
    desk.settle()
    desk.section = desk.window.encoding.significance
    return desk


def asked(desk, name):
    return [j.arguments for j in desk.engine.jobs if j.function.endswith(name)]


def test_a_tick_cuts_the_map_and_the_choice_can_be_undone_kept_and_copied(opened):
    whole = opened.view.map
    opened.section.only.click()
    opened.settle()
    assert opened.app.source.fdr == 0.05 and [a["subject"] for a in asked(opened, ":significance")] == ["subj01"]
    cut = opened.view.map
    half = SPACE.size // 2
    assert np.isnan(cut.values[half:]).all() and "q ≤ 0.05" in cut.name
    np.testing.assert_array_equal(cut.values[:half], whole.values[:half])
    assert cut.provenance["fdr"]["tests"][0]["permutations"] == 1000
    assert opened.section.note.text() == "10,242 of 20,484 locations."
    opened.section.rate.setValue(0.005)
    opened.settle()
    assert np.isnan(opened.view.map.values).all() and opened.app.source.fdr == 0.005
    opened.c.undo.undo()
    opened.c.undo.undo()
    opened.settle()
    assert opened.app.source.fdr == 0 and not opened.section.only.isChecked()
    assert len(asked(opened, ":significance")) == 1, "tests are asked once"
    # the choice follows to other maps, and leaves in recipes and projects
    opened.section.rate.setValue(0.05)
    opened.section.only.click()
    opened.settle()
    opened.c.choose_map_of_run("subj01", "R2/NC")
    opened.settle()
    assert opened.app.source.fdr == 0.05 and "q ≤" in opened.view.map.name
    from brainview.state.recipes import recipe

    told = recipe(opened.app, opened.view, opened.view.map, {}, (100, 100))
    assert "--fdr 0.05" in told.as_command() and "fdr=0.05" in told.as_python()
    stored = opened.c.session.describe()
    assert stored["app"]["source"]["fdr"] == 0.05 and stored["parts"]["trust"]["masked"] is True
    opened.do(opened.c.session.open_run("/runs/two"))
    assert not opened.section.only.isChecked() and opened.app.source.fdr == 0


def test_a_group_needs_more_than_half_and_the_read_out_tells_its_n_and_q(opened):
    opened.c.choose_map_of_run(GROUP, "R2")
    opened.section.only.click()
    opened.settle()
    assert sorted(a["subject"] for a in asked(opened, ":significance")) == ["subj01", "subj02", "subj03", "subj04"]
    assert np.isfinite(opened.view.map.values[:100]).all() and "more than half of 4" in opened.view.map.name
    opened.section.passing.click()
    opened.settle()
    assert opened.app.source == Source("count", brain=GROUP, metric="q")
    assert set(np.unique(opened.view.map.values[:50])) == {3.0} and opened.view.map.units == "subjects of 4"
    opened.section.n.click()
    opened.settle()
    assert opened.app.source.kind == "count" and opened.view.map.values[5] == 2.0
    # the read-out tells q, n, and what is not drawn
    opened.c.choose_map_of_run("subj01", "R2")
    opened.settle()
    far = SPACE.size - 10
    opened.view.picked = Pick("right", 10, far, (1.0, 2.0, 3.0), "MNI305", root_index=far)
    opened.settle()
    words = opened.window.status.value.text()
    assert "q = 0.4" in words and "not drawn" in words
    assert "False discovery rate" in opened.window.status.value.toolTip()
    opened.c.choose_map_of_run(GROUP, "NC")
    opened.settle()
    assert "n = 2 of 4 subjects" in opened.window.status.value.text() or "n = 4 of 4" in \
        opened.window.status.value.text()


def test_quality_is_checked_when_its_page_is_seen_and_every_figure_is_defined(opened):
    page = opened.window.subjects.quality
    assert not asked(opened, ":report")
    opened.window.subjects.show_page("quality")
    opened.settle()
    opened.until(lambda: not page.check.isVisible())
    assert asked(opened, ":report") == [{"path": "/phantom", "subject": "subj01", "variant": None}]
    words = {name: text for name, text, _ in words_of(opened.c.session.quality.known("subj01"))}
    assert words["Shown"] == "120 once, 60 three times" and words["Constant"] == "573 locations"
    for k in range(page._grid.count()):
        assert page._grid.itemAt(k).widget().toolTip()
    assert page.sessions.item(1, 5).text() == "0.83" and page.sessions.item(0, 5).text() == "–"
    assert all(page.sessions.horizontalHeaderItem(c).toolTip() for c in range(6))
    assert page.ceiling.isVisibleTo(page) and sum(page.ceiling.counts) == 500 and not page.tsnr.isVisibleTo(page)
    page.draw_gaps.click()
    opened.settle()
    assert opened.app.source.kind == "quality" and opened.view.map.name == "missing data · subj01"
    opened.c.choose_subject("subj02")
    opened.settle()
    assert [a["subject"] for a in asked(opened, ":report")] == ["subj01", "subj02"]
    stored = opened.c.session.describe()["app"]["source"]
    assert stored["kind"] in ("quality", "ceiling")
