"""The attribution dock as a user meets it: real widgets, the real model code in a thread, real maps."""

from __future__ import annotations

import asyncio
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QImage

from brainview.attribution.desk import AttributionDesk
from brainview.attribution.jobs import export_answer
from brainview.cli.main import main
from brainview.core.errors import MissingError
from brainview.maps.io import read_maps
from brainview.maps.jobs import export_map
from brainview.state.app import Source
from brainview.state.attribution import Setting
from tests.app.fakes import present
from tests.attribution.runs_for_tests import make_run

pytestmark = pytest.mark.gui


class Local:
    """The engine's session with the model in a thread of this process."""

    def __init__(self, desk):
        self.desk, self.threads, self.asked = desk, ThreadPoolExecutor(1), []

    async def call(self, method, /, **arguments):
        self.asked.append((method, arguments))
        return await asyncio.get_event_loop().run_in_executor(  # the desk also turns Qt's loop outside of asyncio's
            self.threads, lambda: getattr(self.desk, method)(**arguments))

    async def call_now(self, method, /, **arguments):
        return getattr(self.desk, method)(**arguments)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "whole-brain", step=200)


@pytest.fixture
def panel(desk, run):
    sessions = []

    async def session(factory, *, arguments):
        sessions.append(Local(AttributionDesk(**arguments)))
        return sessions[-1]

    desk.engine.session, desk.sessions = session, sessions
    whole = {"run": str(run), "card": {"system": "whole-brain"}, "phantom": True, "subjects": ["subj01"]}
    desk.engine.answers["brainview.training.jobs:present"] = \
        lambda run: whole if "whole-brain" in run else present(run)
    desk.engine.answers["brainview.maps.jobs:export_map"] = lambda map, path, format, space_name: export_map(
        map, path, format, space_name)
    desk.engine.answers["brainview.attribution.jobs:export_answer"] = export_answer
    desk.wire = next(p for p in desk.shell.wiring.pages if type(p).__name__ == "AttributionWiring")
    desk.c.undo._clock = itertools.count(0, 10).__next__  # steps of undo are not merged, however fast this runs
    desk.wire.state.setting = Setting(copies=2, steps=4, layer=1)
    desk.do(desk.c.session.open_dataset("/phantom"))
    desk.do(desk.c.session.open_run(str(run)))
    desk.window.show_dock("attribution")
    desk.until(lambda: desk.wire.model is not None)
    desk.wire.model.ahead = False
    done(desk)
    yield desk
    for local in sessions:
        local.threads.shutdown(wait=False)


def done(desk):
    """Wait for the finished map of what is chosen, and for everything else that is under way."""
    state = desk.wire.state
    desk.until(lambda: state.answer is not None and state.answer.final and state.answer.setting == state.setting
               and state.answer.stimulus == desk.app.stimulus)
    desk.until(lambda: "Computing" not in desk.window.attribution.result.state.whole())
    desk.settle()


def test_the_first_map_comes_by_itself_and_says_what_it_is(panel):
    assert panel.app.source == Source("attribution", brain="subj01", stimulus=0) and panel.view.volume == "surface"
    assert panel.view.map.space.root.name == "mni152-2mm" and panel.view.map.units == "bits"
    result, words = panel.window.attribution.result, panel.window.attribution.card.facts.text()
    assert result.state.whole() == "Final, 4 steps × 2 copies" and "bits" in result.figures.whole()
    assert "174 tokens of 28 mm" in words and "28 mm wide" in result.note.text()
    # 175 tokens x 16 channels at the benchmark's price of a nat, not the 0.1 of the paper
    assert panel.wire.state.setting.beta == 1.0 and not panel.wire.state.chosen
    assert panel.window.attribution.controls.price.text().startswith("One nat costs")
    assert panel.window.attribution.controls.price.text().endswith("the default")
    assert panel.view.map.is_phantom and panel.view.map.provenance["attribution"]["steps"] == 4


def test_a_movie_of_the_slider_has_a_map_for_every_price_and_the_panel_stays(panel):
    panel.until(lambda: panel.wire.answered)
    reverse = panel.window.attribution.reverse
    reverse.show_look({"picture": np.zeros((8, 8, 3), np.uint8), "texts": [], "problem": ""})
    assert not reverse.pictures.isHidden()
    before = panel.wire.state.setting
    assert "slider" in dict(panel.c.movies())
    maps = panel.get(panel.wire.slid())
    assert len(maps) == 9 and maps[0].name.endswith("β = 0.1") and maps[-1].name.endswith("β = 10")
    assert maps[0].values[np.isfinite(maps[0].values)].sum() > maps[-1].values[np.isfinite(maps[-1].values)].sum()
    assert panel.wire.state.setting == before
    reverse.show_look({"picture": None, "texts": [], "problem": "its pictures are not here"})
    assert reverse.pictures.isHidden() and "not here" in reverse.caption.text()  # no empty frames


def test_sliders_change_the_map_and_undo_brings_it_back(panel):
    first = panel.view.map.values
    controls = panel.window.attribution.controls
    controls.beta.slider.setValue(100)  # beta 0.1
    assert panel.wire.state.setting.beta == 0.1 and panel.wire.state.chosen
    assert "Not computed yet" in panel.wire.state.answer.label
    done(panel)
    assert panel.wire.state.answer.final and not np.array_equal(panel.view.map.values, first, equal_nan=True)
    controls.layer.slider.setValue(3)
    done(panel)
    assert controls.layer.value.text() == "the output" and panel.wire.state.answer.layer == 3
    panel.c.undo.undo()
    panel.c.undo.undo()
    done(panel)
    assert panel.wire.state.setting == Setting(copies=2, steps=4, layer=1, beta=1.0)
    assert np.array_equal(panel.view.map.values, first, equal_nan=True) and controls.beta.slider.value() == 150


def test_the_command_writes_the_map_of_the_panel(panel, run, tmp_path):
    panel.window.attribution.controls.target._buttons["text"].click()
    done(panel)
    out = tmp_path / "map.nii.gz"
    assert main(["attribute", str(run), "--stimulus", "0", "--layer", "1", "--target", "text", "--copies", "2",
                 "--steps", "4", "--out", str(out), "--json"]) == 0
    files = panel.loop.run_until_complete(panel.wire.export_to(str(tmp_path)))
    ours, theirs = (read_maps(f)[0] for f in (files[0], out))
    assert np.allclose(np.nan_to_num(ours.values), np.nan_to_num(theirs.values), rtol=1e-5)
    assert [f.rsplit(".", 1)[1] for f in files[:5]] == ["gz", "gii", "npy", "json", "csv"]
    assert np.array_equal(np.load(files[2]), panel.wire.state.answer.scores)


def test_a_stimulus_of_the_strip_is_attributed(panel):
    panel.app.stimulus = 14
    done(panel)
    assert panel.app.source.stimulus == 14 and panel.view.map.name == "ibba of stimulus 14 (both)"
    assert panel.window.attribution.bars.list.bars.rows, "regions have their share"
    shares = [b.value for r in panel.window.attribution.bars.list.bars.rows for b in r.bars]
    assert all(0 <= s <= 1 for s in shares)
    panel.app.stimulus = 12345  # of another data set
    panel.settle()
    assert "not on this machine" in panel.window.attribution.result.problem.text()


def test_checks_and_comparison_stand_beside_the_map(panel, tmp_path):
    believe, compare = panel.window.attribution.believe, panel.window.attribution.compare
    believe.mismatch.click()
    panel.settle()
    believe.seed.click()
    panel.settle()
    wire = panel.wire
    panel.until(lambda: wire.state.repeated is not None and "Another noise" in believe.repeat.text())
    assert wire.state.mismatched.setting.target_of == int(wire.model._session.desk.unlike(0))
    assert "Correlation with the wrong target" in believe.wrong.text() and not believe.pair.pictures[1]._image.isNull()
    panel.window.attribution.result.view_chosen.emit("contrast")
    panel.settle()
    assert panel.view.map.kind == "diverging" and "wrong target" in panel.view.map.name
    compare.keep.click()
    panel.window.attribution.controls.beta.slider.setValue(180)
    done(panel)
    panel.until(lambda: wire.state.compared is not None)
    panel.settle()
    assert compare.pair.isVisibleTo(compare) and "Correlation of the two maps" in compare.line.text()
    files = panel.loop.run_until_complete(wire.export_to(str(tmp_path)))
    names, facts = [f.rsplit("-", 1)[-1] for f in files], json.loads(Path(files[3]).read_text())
    assert "side.png" in names and not compare.isVisible()  # folded, yet its picture shows all of it
    assert QImage(files[names.index("side.png")]).height() > 250
    assert facts["setting_B"]["setting"]["beta"] != wire.state.setting.beta
    assert len(facts["setting_B"]["scores"]) == 174 and -1 <= facts["setting_B"]["pearson"] <= 1
    wire.state.view = "difference"
    panel.settle()
    assert panel.view.map.name.startswith("A − B")
    compare.drop.click()
    panel.settle()
    assert wire.state.view == "map" and not compare.pair.isVisibleTo(compare)


def test_two_hundred_moves_leave_the_right_map(panel):
    controls, rng = panel.window.attribution.controls, np.random.default_rng(0)
    for k, (place, layer) in enumerate(zip(rng.integers(0, 200, 100), rng.integers(0, 4, 100), strict=True)):
        controls.beta.slider.setValue(int(place))
        controls.layer.slider.setValue(int(layer))
        if k % 10 == 0:
            panel.loop.run_until_complete(asyncio.sleep(0.002))
    done(panel)
    state = panel.wire.state
    fresh = AttributionDesk(str(panel.app.run.path), "subj01").attribute(
        1, 0, layer=state.setting.layer, beta=state.setting.beta, config={"copies": 2, "steps": 4})
    assert np.array_equal(fresh["scores"], state.answer.scores)
    assert not panel.window.notices.shown and panel.view.map.provenance["attribution"]["beta"] == state.setting.beta


def test_a_project_brings_the_map_back(panel):
    panel.window.attribution.controls.beta.slider.setValue(100)
    done(panel)
    values, stored = panel.view.map.values, panel.c.session.describe()
    panel.do(panel.c.session.open_run("/runs/one"))
    assert panel.wire.model is None and panel.app.source.kind == "metric"
    panel.do(panel.c.session.restore(stored))
    panel.until(lambda: panel.wire.model is not None and panel.view.map is not None
                and panel.view.map.units == "bits")
    done(panel)
    assert np.array_equal(panel.view.map.values, values, equal_nan=True) and panel.wire.state.setting.beta == 0.1


def test_a_run_without_brains_says_so(panel):
    with pytest.raises(MissingError, match="not on this machine"):
        panel.loop.run_until_complete(panel.wire.model.plain("unlike", stimulus=99999))
