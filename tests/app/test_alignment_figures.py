"""Figures of alignment: curves, bars and grids hold their numbers, and the command writes them from stored runs."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PySide6.QtGui import QColor

from brainview.alignment import responses
from brainview.alignment.brains import Brains
from brainview.app.figures import alignment as figures
from brainview.cli.main import main
from brainview.core.errors import MissingError
from brainview.maps.brainmap import BrainMap
from brainview.maps.meshes import load_mesh
from brainview.maps.space import mni_space
from tests.alignment.test_comparison import N, stored
from tests.app.fakes import SPACE

pytestmark = pytest.mark.gui


def test_curves_are_drawn_in_the_colour_of_their_model(qapp):
    curves = {"good": {"brain→image": np.ones(50)}, "chance": {"brain→image": np.arange(1, 51) / 50}}
    sheet = figures.curves_sheet(curves, phantom=True)
    assert sheet.note.startswith("PHANTOM") and len(sheet.table[1]) == 100
    image = sheet.image(2)
    ink = dict(sheet.legend)["good"]
    seen = {QColor(image.pixel(x, y)).name() for x in range(100, 500, 7) for y in range(image.height())}
    assert ink.name() in seen
    with pytest.raises(MissingError):
        figures.curves_sheet({}, phantom=False)


def test_grid_has_one_scale_or_one_per_row(qapp):
    rng = np.random.default_rng(0)
    maps = {(r, c): BrainMap(rng.random(SPACE.size) * (10 if r == "b" else 1), SPACE, units="bits")
            for r in "ab" for c in ("x", "y", "z")}
    sheet = figures.grid_sheet(maps, "t", "n", phantom=False)
    assert [len(r) for r in sheet.rows] == [3, 3] and sheet.scale[0].limits[1] == pytest.approx(10, abs=0.2)
    each = figures.grid_sheet(maps, "t", "n", phantom=False, each_row=True)
    assert each.scale is None and "0–0.99" in each.rows[0][0].title and "0–9.9" in each.rows[1][0].title
    ones = {k: m.having(values=(m.values > 5).astype(np.float32)) for (r, k), m in maps.items() if r == "b"}
    shown = figures.responses_sheet(ones, maps["a", "x"], share=0.1, phantom=True)
    assert [r[0] for r in shown.table[1]] == ["x", "y", "z", "union"] and "10%" in shown.note


def test_command_finds_where_brains_answer(qapp, tmp_path, monkeypatch, capsys):
    """Two people answer at the back of the left half; which stimuli they saw most often decides what is averaged."""
    whole = mni_space(2)
    corner = np.zeros(whole.shape, bool)
    corner[6:40, 8:40, 25:60] = True
    world = np.argwhere(corner) @ whole.affine[:3, :3].T + whole.affine[:3, 3]
    signal = ((world[:, 0] < -20) & (world[:, 1] < -70)).astype(np.float32)
    rng = np.random.default_rng(0)
    seen = np.array([1, 1, 2, 2, 3])

    def brains(subject, *, context):
        scene = rng.normal(size=4)[seen][:, None] * signal * 2
        values = (scene + 0.3 * rng.normal(size=(5, len(signal)))).astype(np.float16)
        values[4] = 50  # seen once: never in the average
        person = SimpleNamespace(id=subject, trials=SimpleNamespace(stimulus=seen))
        return Brains(person, values, corner, np.arange(len(signal)), np.ones(len(signal), np.float32), True)

    monkeypatch.setattr(responses, "open_dataset", lambda path: SimpleNamespace(subjects=("a", "b"), phantom=True))
    monkeypatch.setattr(responses, "mni_subject", lambda dataset, name: name)
    monkeypatch.setattr(responses, "load_brains", brains)
    out = str(tmp_path / "r.csv")
    assert main(["figure", "responses", "nowhere", "--share", "0.25", "--out", out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 3
    found = responses.high_responses("nowhere", share=0.25)
    vertices = np.concatenate([load_mesh("fsaverage5", side).vertices for side in ("left", "right")])
    high = found.union.values == 2
    assert high.sum() > 50 and np.mean((vertices[high, 0] < -15) & (vertices[high, 1] < -65)) > 0.95
    assert main(["figure", "responses", "nowhere", "--out", str(tmp_path / "r")]) == 1, "refused before it is computed"
    assert "not ''" in capsys.readouterr().err


def test_command_writes_curves_and_captions(tmp_path, capsys):
    run = stored(tmp_path / "run", 0.3, 0)
    assert main(["figure", "curves", f"mine={run}", "--out", str(tmp_path / "c.csv")]) == 0
    rows = list(csv.DictReader((tmp_path / "c.csv").read_text().splitlines()))
    assert len(rows) == 4 * N and rows[-1]["recall"] == "1" and rows[0]["model"] == "mine"
    capsys.readouterr()
    table = tmp_path / "clip.csv"
    table.write_text("clip,texts,direction,gallery,R@1,low,high,chance\nphantom-clip,file:/a/b/llm.jsonl,image→text,200,"
                     "0.5,0.4,0.6,0.005\n")
    assert main(["figure", "captions", str(table), "--out", str(tmp_path / "f.svg"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 1
    words = (tmp_path / "f.svg").read_text()
    assert "file: llm.jsonl" in words and "/a/b" not in words.split("<desc>")[0]
    assert main(["figure", "captions", str(tmp_path / "c.csv"), "--out", str(tmp_path / "g.png")]) == 1


def test_grid_of_stored_attributions_orders_settings_and_refuses_two_in_one_cell(tmp_path, monkeypatch):
    from types import SimpleNamespace

    from safetensors.numpy import save_file

    from brainview.alignment.patches import PatchGrid
    from brainview.attribution import grid
    from brainview.maps.volumes import mni_mask

    tokens = PatchGrid(mni_mask(2), 14, "sym")
    monkeypatch.setattr(grid, "open_source", lambda run, subject: SimpleNamespace(grid=tokens))
    index = {}
    for k, (layer, beta) in enumerate([(2, 1.0), (0, 0.1), (2, 0.1)]):
        scores = np.full((2, tokens.n_tokens), k + 1, np.float32)
        save_file({"ids": np.arange(2), "scores": scores, **{f: np.ones(2, np.float32)
                                                             for f in ("bits", "fit_open", "fit_kept")}},
                  tmp_path / f"{k}.safetensors")
        index[f"{k}.safetensors"] = {"run": "r", "subject": "s1", "unit": "bits", "phantom": True,
                                     "request": {"layer": layer, "beta": beta}}
    (tmp_path / "index.json").write_text(json.dumps(index))
    maps, story = grid.grid_of(tmp_path)
    assert list(maps) == [("layer 0", "beta 0.1"), ("layer 2", "beta 0.1"), ("layer 2", "beta 1.0")]
    assert np.nanmax(maps["layer 2", "beta 0.1"].values) == pytest.approx(3) and story["phantom"]
    assert main(["figure", "grid", str(tmp_path), "--out", str(tmp_path / "g.png")]) == 0
    with pytest.raises(MissingError, match="are both"):
        grid.grid_of(tmp_path, "subject", "beta")
