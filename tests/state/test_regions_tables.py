"""Regions both ways, the figures behind the bars, training form, thumbnails in pages."""

import asyncio

import numpy as np
import pytest

from brainview.maps.brainmap import BrainMap, Label
from brainview.maps.rois import RoiClass
from brainview.maps.space import MaskedSpace, surface_space
from brainview.state import training
from brainview.state.app import GROUP, RoiKey, RunInfo
from brainview.state.regions import regions_at, selection_class
from brainview.state.roi_table import bar_rows, ranked_stimuli
from brainview.state.stimuli import PAGE, Thumbs

SPACE = surface_space("fsaverage5")


def test_a_picked_vertex_finds_its_regions_through_a_mask():
    mask = MaskedSpace("m", SPACE, np.arange(100, 20_000, 3))
    labels = np.zeros(mask.size, np.int32)
    labels[[5, 6]] = 2
    rois = {"streams": RoiClass("streams", labels, {1: Label("early"), 2: Label("ventral")})}
    assert regions_at(rois, mask, 115) == (RoiKey("left", "streams", "ventral"),)
    assert regions_at(rois, mask, 116) == () and regions_at(rois, mask, 0) == ()


def test_selection_keeps_to_its_hemisphere():
    labels = np.zeros(SPACE.size, np.int32)
    labels[[3, 15_000]] = 1
    rois = {"a": RoiClass("a", labels, {1: Label("V1")})}
    chosen = selection_class(rois, SPACE, [RoiKey("right", "a", "V1")], (1, 0, 0, 1))
    assert chosen.labels.nonzero()[0].tolist() == [15_000]
    assert selection_class(rois, SPACE, [RoiKey("left", "a", "nothing")], (1, 0, 0, 1)) is None


def row(subject, side, roi, median, n=10):
    return {"subject": subject, "hemisphere": side, "roi_class": "c", "roi": roi, "metric": "R2", "median": median,
            "q25": 0.1, "q75": 0.3, "mean": median, "low": None, "high": None, "n": n}


def run(rows, stimuli=None):
    return RunInfo("/r", {}, False, ("s1", "s2", "s3"), {"R2": {}}, {}, {}, tuple(rows), stimuli or {})


def test_bars_sort_filter_and_leave_empty_regions_out():
    rows = [row("s1", side, roi, value) for roi, value in (("V1", 0.2), ("FFA", 0.5), ("None", None))
            for side in ("left", "right", "both")] + [row("s1", "left", "empty", 0.9, n=0)]
    got = bar_rows(run(rows), "s1", "R2")
    assert [r.roi for r in got] == ["FFA", "V1", "None"] and [len(r.bars) for r in got] == [2, 2, 2]
    assert [r.roi for r in bar_rows(run(rows), "s1", "R2", sort="name")] == ["FFA", "None", "V1"]
    assert [r.roi for r in bar_rows(run(rows), "s1", "R2", words="v1")] == ["V1"]
    assert [b.hemisphere for r in bar_rows(run(rows), "s1", "R2", hemisphere="right") for b in r.bars] == ["right"] * 3


def test_the_group_is_the_median_over_subjects_with_quartiles():
    rows = [row(s, "left", "V1", v) for s, v in (("s1", 0.1), ("s2", 0.2), ("s3", 0.6))]
    bar = bar_rows(run(rows), GROUP, "R2")[0].bars[0]
    assert bar.value == pytest.approx(0.2) and bar.subjects == 3
    assert (bar.low, bar.high) == (pytest.approx(0.15), pytest.approx(0.4))


def test_ranking_leaves_undefined_scores_out():
    stimuli = {"s1": ({"stimulus": 1, "R2": 0.1, "r": 0.3}, {"stimulus": 2, "R2": None, "r": None},
                      {"stimulus": 3, "R2": 0.4, "r": 0.6})}
    assert [s for s, _, _ in ranked_stimuli(run([], stimuli), "s1")] == [3, 1]
    assert [s for s, _, _ in ranked_stimuli(run([], stimuli), "s1", best=False, count=1)] == [1]


def test_form_tells_what_is_wrong(tmp_path):
    assert training.feature_problem("gabor") == "" and training.feature_problem("timm:a/b") == ""
    assert training.feature_problem("rm -rf /") != ""
    first = training.new_run_path("my data/§", "ridge", "timm:x.y", tmp_path)
    first.mkdir()
    assert first.parent == tmp_path and training.new_run_path("my data/§", "ridge", "timm:x.y", tmp_path) != first


def test_thumbnails_are_asked_once_in_pages():
    asked = []

    async def ask(function, title, lane="live", **arguments):
        asked.append(arguments["ids"].tolist())
        return {"ids": arguments["ids"], "thumbs": [np.zeros((4, 4, 3), np.uint8) for _ in arguments["ids"]],
                "captions": [["word"] for _ in arguments["ids"]], "details": [{} for _ in arguments["ids"]]}

    async def go():
        thumbs = Thumbs(ask, "/d")
        await asyncio.gather(thumbs.fetch(range(PAGE + 3)), thumbs.fetch(range(PAGE + 3)))
        return thumbs

    thumbs = asyncio.run(go())
    assert [len(a) for a in asked] == [PAGE, 3] and thumbs.get(5).words == "5  word"


@pytest.mark.parametrize(("ceiling", "first"), [(0.4, "r2_nc"), (0.03, "R2")])
def test_a_whole_cortex_with_hardly_any_ceiling_shows_r2_first(ceiling, first):
    space = surface_space("fsaverage5")
    made = {key: BrainMap(np.full(space.size, value), space, name=key)
            for key, value in (("r2_nc", 0.5), ("R2", 0.2), ("nc", ceiling))}
    run = RunInfo("/r", {}, False, ("s1",), {k: {} for k in made}, {"s1": made}, {}, (), {})
    assert run.first_metric("s1") == first
