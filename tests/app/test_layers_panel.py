"""The dock "Layers" in a whole window: keep, add, order, second map; undo, projects, recipes, export."""

from __future__ import annotations

import shlex

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog, QPushButton

from brainview.app.viewer import Viewer
from brainview.cli.main import main
from brainview.maps.brainmap import BrainMap
from brainview.maps.io import write_map
from brainview.maps.jobs import open_maps
from brainview.maps.space import surface_space
from brainview.pictures import load_map_job
from brainview.state import layers
from brainview.state.app import Source

pytestmark = pytest.mark.gui


@pytest.fixture
def stacked(desk, tmp_path):
    space = surface_space("fsaverage5")
    n = np.arange(space.size)
    paths = []
    for name, values in (("waves", np.sin(n / 400)), ("steps", np.floor(n / 2000) % 5), ("t", np.cos(n / 900) * 5)):
        made = BrainMap(values.astype(np.float32), space, name, kind="diverging" if name != "steps" else "sequential")
        paths.append(str(write_map(made, tmp_path / f"{name}.gii")))
    desk.engine.answers["brainview.maps.jobs:open_maps"] = open_maps
    desk.engine.answers["brainview.pictures:load_map_job"] = load_map_job
    desk.shell._make_viewer = lambda view: Viewer(view, canvas="image")
    desk.shell.attach_viewer()
    desk.window.viewer.ensure_canvas()
    desk.do(desk.c.session.open_map_file(paths[0]))
    desk.c.commands.run("view.keep_layer")
    desk.do(desk.c.session.open_map_file(paths[1]))
    desk.do(desk.c.add_layer_file(paths[2]))
    desk.paths = paths
    return desk


def names(desk) -> list[str]:
    return [one.map.name for one in layers.stack(desk.view)]


def rows(panel) -> list[str]:
    return [panel.list.item(k).text() for k in range(panel.list.count())]


def test_the_list_shows_orders_hides_and_removes(stacked):
    panel = stacked.window.layers
    assert names(stacked) == ["waves", "steps", "t"] and rows(panel) == ["t", "steps · on screen", "waves"]
    assert len(stacked.window.viewer.bars.others) == 2
    panel.choose(0)
    panel.up.click()
    stacked.settle()
    assert names(stacked) == ["steps", "waves", "t"] and panel.current() == 1
    panel.list.item(0).setCheckState(Qt.CheckState.Unchecked)
    stacked.settle()
    assert not layers.stack(stacked.view)[2].visible and len(stacked.window.viewer.bars.others) == 1
    panel.choose(1)
    panel.opacity.setValue(35)
    panel.low.setText("-3")
    panel.low.setModified(True)
    QTest.keyClick(panel.low, Qt.Key.Key_Return)
    stacked.settle()
    one = layers.stack(stacked.view)[1]
    assert one.opacity == 0.35 and one.rule.limits[0] == -3
    panel.choose(1)
    panel.drop.click()
    stacked.settle()
    assert names(stacked) == ["steps", "t"]
    assert stacked.c.undo.undo_title == "Remove layer"
    for _ in range(3):
        stacked.c.undo.undo()
    stacked.settle()
    assert len(names(stacked)) == 3
    panel.choose(layers.main_index(stacked.view))
    assert not panel.drop.isEnabled() and panel.second.count() >= 4


def test_a_second_map_is_chosen_and_keeps_what_it_does(stacked):
    panel = stacked.window.layers
    layers.change(stacked.view, 2, visible=False)
    panel.choose(1)
    row = next(k for k in range(panel.second.count()) if panel.second.itemText(k).startswith("t ·"))
    panel.second.setCurrentIndex(row)
    panel.second.activated.emit(row)
    stacked.settle()
    laid = stacked.view.laid
    assert laid.second.name == "t" and laid.gate.two_sided
    panel.where.entered.emit(3.0)
    panel.fades.click()
    stacked.settle()
    assert stacked.view.laid.gate.threshold == 3.0 and stacked.view.laid.gate.fades
    assert "where |t| ≥ 3" in stacked.window.viewer.colors.drawn.note
    mesh = stacked.window.viewer.canvas.scene.meshes["left"]
    with_t = mesh.colors.copy()
    panel.second.activated.emit(0)
    stacked.settle()
    assert stacked.view.laid.gate is None and (mesh.colors != with_t).any()


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def test_command_python_project_and_picture_draw_the_same_stack(stacked, tmp_path, monkeypatch, capsys):
    layers.change(stacked.view, 0, opacity=0.8)
    stacked.do(stacked.c.set_second(1, Source("file", path=stacked.paths[2]), threshold=2.0))
    layers.change(stacked.view, 2, opacity=0.3, rule=stacked.view.layers[1].rule.having(threshold=1.0, below="faded"))
    stacked.view.layout = "single"
    stacked.settle()
    recipe = stacked.get(stacked.c.recipe())
    small = {"white": False, "size": (400, 320), "transparent": False, "dpi": 150.0}
    stacked.c.export_picture(str(tmp_path / "screen.png"), small)
    wanted = pixels(tmp_path / "screen.png")
    words = shlex.split(recipe.as_command())
    words[words.index("--out") + 1], words[words.index("--size") + 1] = str(tmp_path / "again.png"), "400x320"
    assert main(words[1:]) == 0, capsys.readouterr().err
    np.testing.assert_array_equal(pixels(tmp_path / "again.png"), wanted)
    monkeypatch.chdir(tmp_path)
    exec(compile(recipe.as_python().replace(repr(recipe.size), "(400, 320)"), "copied", "exec"), {})
    np.testing.assert_array_equal(pixels(tmp_path / "picture.png"), wanted)
    kept = stacked.c.session.describe()
    assert len(kept["parts"]["layers"]["stack"]) == 3
    stacked.view.layers, stacked.view.laid = (), layers.Laid()
    stacked.settle()
    stacked.do(stacked.c.open_picture(str(tmp_path / "screen.png")))
    stacked.settle()
    assert names(stacked) == ["waves", "steps", "t"] and stacked.view.laid.gate.threshold == 2.0
    assert stacked.c.session.describe()["parts"]["layers"] == kept["parts"]["layers"]
    stacked.c.export_picture(str(tmp_path / "second.png"), small)
    np.testing.assert_array_equal(pixels(tmp_path / "second.png"), wanted)


def test_layers_follow_another_subject(desk):
    desk.do(desk.c.session.open_dataset("/phantom"))
    desk.do(desk.c.session.open_run("/runs/one"))
    desk.c.commands.run("view.keep_layer")
    desk.c.choose_map_of_run("subj01", "R2")
    desk.do(desk.c.set_second(1, Source("metric", brain="subj01", metric="NC"), threshold=0.1))
    desk.c.choose_map_of_run("subj02", "R2")
    desk.settle()
    maps = desk.app.run.maps["subj02"]
    assert desk.view.layers[0].map is maps["R2/NC"] and desk.view.laid.second is maps["NC"]


def test_a_difference_is_drawn_with_its_uncertainty(desk):
    from brainview.maps.compare import compare

    asked = []

    def difference(first, second):
        asked.append((first, second))
        maps = desk.app.run.maps
        gap = maps["subj01"]["R2"].minus(maps["subj02"]["R2"])
        error = gap.having(values=np.full(gap.values.size, 0.05), kind="sequential", name="standard error")
        return {"difference": gap, "error": error, "note": "12 of 20,484 locations",
                "z": gap.having(values=gap.values / 0.05, name="difference / standard error")}

    desk.engine.answers |= {"brainview.maps.compare:compare": lambda first, second: compare(first, second, spins=0),
                            "brainview.encoding.jobs:difference": difference}
    desk.do(desk.c.session.open_dataset("/phantom"))
    desk.do(desk.c.session.open_run("/runs/one"))
    desk.c.choose_map_of_run("subj01", "R2")
    desk.settle()
    desk.c.hold_map()
    desk.c.choose_map_of_run("subj02", "R2")
    desk.settle()
    desk.do(desk.c.compare_maps())
    dialog = next(w for w in desk.window.findChildren(QDialog) if w.windowTitle() == "Comparison")
    next(b for b in dialog.findChildren(QPushButton) if b.text() == "With its uncertainty").click()
    desk.settle()
    assert [w["brain"] for w in asked[0]] == ["subj01", "subj02"] and asked[0][0]["path"] == "/runs/one"
    assert desk.view.laid.gate.threshold == 1.96 and desk.view.laid.second.name.startswith("difference /")
    assert desk.view.rule.below == "faded" and desk.view.map.kind == "diverging"
    assert "12 of 20,484" in desk.window.notices.shown[-1].words
    dialog.reject()
    desk.c.choose_map_of_run("subj02", "R2")
    desk.settle()
    assert desk.view.laid.gate is None, "what belonged to the difference leaves with it"
    desk.do(desk.c.session.open_map_file("/maps/z.nii.gz"))
    desk.do(desk.c.compare_maps())
    other = [w for w in desk.window.findChildren(QDialog) if w.windowTitle() == "Comparison"][-1]
    assert "none" in other.doubt.text() and len(other.findChildren(QPushButton)) == 2
    other.reject()
