"""Copy as Python, copy as command, open a picture again: each gives the picture that is on screen."""

from __future__ import annotations

import shlex
import shutil

import numpy as np
import pytest
from PIL import Image
from PySide6.QtWidgets import QPushButton

from brainview.app.comparing import ComparisonDialog
from brainview.app.viewer import Viewer
from brainview.cli.main import main
from brainview.core.errors import MissingError
from brainview.core.paths import computed_dir
from brainview.maps.brainmap import BrainMap
from brainview.maps.io import write_map
from brainview.maps.jobs import open_maps
from brainview.maps.space import surface_space
from brainview.pictures import load_map_job
from brainview.state.app import Source
from tests.app import fakes

pytestmark = pytest.mark.gui


@pytest.fixture
def drawn(desk, tmp_path):
    space = surface_space("fsaverage5")
    values = np.sin(np.arange(space.size) / 400).astype(np.float32)
    path = write_map(BrainMap(values, space, "waves", kind="diverging", units="z"), tmp_path / "wavy map.gii")
    desk.engine.answers["brainview.maps.jobs:open_maps"] = open_maps
    desk.shell._make_viewer = lambda view: Viewer(view, canvas="image")
    desk.shell.attach_viewer()
    desk.window.viewer.ensure_canvas()
    desk.do(desk.c.session.open_map_file(str(path)))
    desk.view.surface, desk.view.layout = "white-inflated-30", "split"
    desk.view.rule = desk.view.rule.having(threshold=0.4, below="faded")
    desk.settle()
    desk.until(lambda: len(desk.window.viewer.canvas.scene.cells) == 1)
    desk.window.viewer.canvas.scene.turn_all(25, 10)
    return desk


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def exported(desk, path):
    recipe = desk.get(desk.c.recipe())
    desk.c.export_picture(str(path), {"white": False, "size": recipe.size, "transparent": False, "dpi": 150.0})
    return pixels(path)


def test_the_command_draws_the_same_picture(drawn, tmp_path, capsys):
    wanted = exported(drawn, tmp_path / "screen.png")
    line = drawn.get(drawn.c.copy_command())
    words = shlex.split(line)
    assert words[:2] == ["brainview", "snapshot"] and "wavy map.gii" in words[2]
    words[words.index("--out") + 1] = str(tmp_path / "again.png")
    assert main(words[1:]) == 0, capsys.readouterr().err
    np.testing.assert_array_equal(pixels(tmp_path / "again.png"), wanted)


def test_the_python_draws_the_same_picture(drawn, tmp_path, monkeypatch):
    wanted = exported(drawn, tmp_path / "screen.png")
    program = drawn.get(drawn.c.copy_python())
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "copied", "exec"), {})
    np.testing.assert_array_equal(pixels(tmp_path / "picture.png"), wanted)


def test_two_linked_viewers_are_copied_as_they_are_seen(drawn, tmp_path, monkeypatch, capsys):
    other = write_map(BrainMap(np.cos(np.arange(20484) / 300).astype(np.float32), surface_space("fsaverage5"),
                               "other waves", kind="sequential", units="t"), tmp_path / "other.gii")
    drawn.c.viewers.sources = (Source("file", path=str(other)), Source(), Source())
    drawn.c.set_viewers(2)
    (one,) = drawn.window.gallery.others
    one.viewer.ensure_canvas()
    drawn.settle()
    drawn.until(lambda: one.view.map is not None and one.viewer.canvas.scene.cells)
    recipe = drawn.get(drawn.c.recipe())
    drawn.c.export_picture(str(tmp_path / "screen.png"), {"white": False, "size": recipe.size, "transparent": False,
                                                          "dpi": 150.0, "all": True})
    wanted = pixels(tmp_path / "screen.png")
    halves = np.split(wanted[:, :wanted.shape[1] // 2 * 2], 2, axis=1)
    assert (halves[0] != halves[1]).any(axis=2).mean() > 0.05, "two different maps"
    words = shlex.split(drawn.get(drawn.c.copy_command()))
    words[words.index("--out") + 1] = str(tmp_path / "again.png")
    assert main(words[1:]) == 0, capsys.readouterr().err
    np.testing.assert_array_equal(pixels(tmp_path / "again.png"), wanted)
    program = drawn.get(drawn.c.copy_python())
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "copied", "exec"), {})
    np.testing.assert_array_equal(pixels(tmp_path / "picture.png"), wanted)


def test_a_picture_opens_again_with_colours_surface_and_cameras(drawn, tmp_path):
    wanted = exported(drawn, tmp_path / "screen.png")
    rule = drawn.view.rule
    drawn.view.surface, drawn.view.layout = "pial", "grid"
    drawn.view.rule = rule.having(threshold=0.0)
    drawn.app.source = Source()
    drawn.settle()
    drawn.do(drawn.c.open_picture(str(tmp_path / "screen.png")))
    assert drawn.view.surface == "white-inflated-30" and drawn.view.rule == rule and drawn.view.layout == "split"
    drawn.settle()
    np.testing.assert_array_equal(exported(drawn, tmp_path / "second.png"), wanted)


def test_what_cannot_be_named_is_refused_in_words(drawn, tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "holiday.png")
    drawn.do(drawn.c.open_picture(str(tmp_path / "holiday.png")))
    assert "holds no story" in drawn.window.notices.shown[-1].words
    drawn.app.source = Source()
    drawn.settle()
    with pytest.raises(MissingError):
        drawn.get(drawn.c.recipe())


def test_page_and_movie_leave_the_window_as_jobs(drawn, tmp_path):
    drawn.do(drawn.c.write_page(str(tmp_path / "m.html")))
    assert "waves" in (tmp_path / "m.html").read_text()
    drawn.do(drawn.c.write_movie(str(tmp_path / "m.gif"), "spin", seconds=0.5, fps=4, size=(160, 120)))
    assert (tmp_path / "m.gif").stat().st_size > 500
    assert "slider" not in dict(drawn.c.movies())  # this map comes from no model
    drawn.do(drawn.c.write_movie(str(tmp_path / "t.gif"), "threshold", seconds=0.5, fps=4, size=(160, 120)))
    assert drawn.engine.jobs[-1].arguments["look"]["cameras"]  # seen as on screen
    assert {"page", "movie"} <= {j.function.rsplit(":", 1)[1] for j in drawn.engine.jobs}


def test_the_wizard_shows_checks_as_one_types_saves_and_opens(desk, tmp_path):
    from brainview.datasets import recognise

    folder = tmp_path / "lab"
    folder.mkdir()
    np.save(folder / "betas.npy", np.zeros((6, 20), np.float32))
    (folder / "trials.tsv").write_text("stimulus\n" + "a\nb\nc\n" * 2)
    desk.engine.answers |= {f"brainview.datasets.recognise:{f}": getattr(recognise, f)
                            for f in ("recognise", "check", "save")}
    desk.do(desk.c.open_wizard(str(folder)))
    dialog = desk.c.wizard
    assert {dialog.files.item(r, 1).text() for r in range(dialog.files.rowCount())} == {"responses", "trials"}
    desk.until(lambda: dialog.problems.text())
    dialog.text.setPlainText("name = ")
    desk.until(lambda: "no TOML" in dialog.problems.text())
    assert not dialog.save.isEnabled()
    dialog.text.setPlainText('format = "brainview-dataset 1"\n[space]\nname = "native"\n[[subjects]]\nid = "a"\n'
                             'responses = "betas.npy"\ntrials = "trials.tsv"\n')
    desk.until(lambda: "no TOML" not in dialog.problems.text())
    dialog.save_wanted.emit(dialog.text.toPlainText())
    desk.settle()
    assert (folder / "dataset.toml").is_file() and not dialog.isVisible()
    assert desk.engine.jobs[-1].function.startswith("brainview.datasets.jobs:")


def test_a_held_map_is_compared_and_the_difference_drawn_kept_and_named(drawn, tmp_path):
    from brainview.maps.compare import compare

    drawn.engine.answers["brainview.maps.compare:compare"] = lambda first, second: compare(first, second, spins=9)
    drawn.engine.answers["brainview.pictures:load_map_job"] = load_map_job
    waves = drawn.app.source
    drawn.c.commands.run("edit.hold")
    drawn.app.source = Source("file", path=drawn.app.source.path, index=0)
    drawn.do(drawn.c.compare_maps())
    dialog = next(w for w in drawn.window.findChildren(ComparisonDialog))
    assert "Pearson r = 1.000" in dialog.lines[0].text() and "spin test p" in dialog.lines[1].text()
    next(b for b in dialog.findChildren(QPushButton) if "difference" in b.text()).click()
    drawn.settle()
    assert np.nanmax(np.abs(drawn.view.map.values)) == 0 and "−" in drawn.view.map.name
    dialog.close()
    drawn.view.rule = drawn.view.rule.having(limits=(-2.0, 2.0))
    drawn.c.keep_layer()
    drawn.app.source = waves
    drawn.settle()
    recipe = drawn.get(drawn.c.recipe())
    assert "computed" in recipe.layers[0]["map"]["path"] and "computed" in recipe.as_command()
    kept = drawn.c.session.save_project(str(tmp_path / "study.brainview"))
    assert sorted(p.suffix for p in (tmp_path / "study-maps").iterdir()) == [".gii", ".json"]
    shutil.rmtree(computed_dir())
    drawn.c.session.files.clear()
    drawn.view.layers = ()
    drawn.do(drawn.c.session.open_project(kept))
    drawn.settle()
    assert "−" in drawn.view.layers[0].map.name and drawn.view.layers[0].rule.limits == (-2.0, 2.0)


def test_the_command_names_the_response_set_and_draws_its_map(desk, tmp_path, monkeypatch, capsys):
    folder, asked = tmp_path / "set", []
    folder.mkdir()

    def opened(path, subject, variant=None):
        asked.append(variant)
        told = fakes.open_subject(subject, variant)
        own = told["ceiling"]
        values = own.values[::-1].copy() if variant == "MNI/betas" else own.values
        return told | {"ceiling": BrainMap(values, own.space, own.name, units=own.units, limits=own.limits)}

    monkeypatch.setattr("brainview.datasets.jobs.open_subject", opened)
    monkeypatch.setattr("brainview.datasets.jobs.inspect", fakes.inspect)
    desk.engine.answers["brainview.datasets.jobs:open_subject"] = opened
    desk.shell._make_viewer = lambda view: Viewer(view, canvas="image")
    desk.shell.attach_viewer()
    desk.window.viewer.ensure_canvas()
    desk.do(desk.c.session.open_dataset(str(folder), subject="subj02"))
    desk.do(desk.c.session.open_variant("MNI/betas"))
    desk.until(lambda: desk.window.viewer.canvas.scene.cells)
    desk.view.outlines = ()
    desk.settle()
    wanted = exported(desk, tmp_path / "screen.png")
    words = shlex.split(desk.get(desk.c.copy_command()))
    assert words[words.index("--variant") + 1] == "MNI/betas"
    words[words.index("--out") + 1] = str(tmp_path / "again.png")
    assert main(words[1:]) == 0, capsys.readouterr().err
    assert asked[-1] == "MNI/betas"
    np.testing.assert_array_equal(pixels(tmp_path / "again.png"), wanted)
    del words[words.index("--variant"):words.index("--variant") + 2]
    assert main(words[1:]) == 0 and (pixels(tmp_path / "again.png") != wanted).any(), "the first set is another map"
