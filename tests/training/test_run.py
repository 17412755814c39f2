"""The run folder survives kills, tells damage, and resumes."""

import csv
import json

import numpy as np
import pytest

from brainview.core.errors import FormatError, MissingError
from brainview.training.run import RunFolder


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path / "run", "ridge", {"alpha": 1.0}, dataset="x")


def test_generations_best_and_last(run):
    a = run.write_generation({"w": np.arange(3.0)}, {"metrics": {"r": 0.1}}, best=True)
    b = run.write_generation({"w": np.arange(4.0)}, {"metrics": {"r": 0.05}}, best=False)
    again = RunFolder.open(run.path)
    assert (a, b) == (1, 2)
    assert again.load("best")[0]["w"].size == 3 and again.load("last")[0]["w"].size == 4
    assert json.loads((run.path / "card.json").read_text())["generation"] == 1
    last = run.path / "generations/000002/model.safetensors"
    assert (run.path / "last.safetensors").read_bytes() == last.read_bytes()


def test_a_generation_without_pointer_is_not_in_force(run):
    run.write_generation({"w": np.zeros(2)}, {})
    half = run.path / "generations" / "000002"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"cut")
    assert RunFolder.open(run.path).load("last")[1]["generation"] == 1
    assert run.write_generation({"w": np.zeros(2)}, {}) == 3


def test_old_generations_go_but_the_best_stays(run):
    run.write_generation({"w": np.zeros(1)}, {}, best=True)
    for _ in range(4):
        run.write_generation({"w": np.zeros(1)}, {}, best=False)
    assert sorted(p.name for p in (run.path / "generations").iterdir()) == ["000001", "000004", "000005"]


def test_damage_is_told(run):
    run.write_generation({"w": np.zeros(100)}, {})
    file = run.path / "generations/000001/model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(FormatError, match="hash"):
        run.load(verify=True)
    file.write_bytes(data[:20])
    with pytest.raises(FormatError, match="safetensors"):
        run.load()


def test_history_tolerates_a_cut_line_and_is_cut_back(run):
    for step in range(4):
        run.append_history({"step": step, "loss": 1 / (step + 1), "note": "a,b"})
    with open(run.path / "history.csv", "a") as file:
        file.write("4,0.")
    rows = run.history()
    run.append_history({"step": 4, "loss": 0.5})
    assert [r["step"] for r in run.history()] == [0, 1, 2, 3, 4]
    assert [r["step"] for r in rows] == [0, 1, 2, 3] and rows[1]["loss"] == 0.5 and rows[0]["note"] == "a,b"
    run.cut_history("step", 1)
    run.append_history({"step": 2, "loss": 9.0})
    assert [r["step"] for r in run.history()] == [0, 1, 2]
    with open(run.path / "history.csv", newline="") as file:
        assert len(list(csv.reader(file))) == 4


def test_settings_must_agree_to_resume(run):
    assert RunFolder.create(run.path, "ridge", {"alpha": 1.0}).path == run.path
    with pytest.raises(FormatError, match=r"alpha: 1\.0 → 2\.0"):
        RunFolder.create(run.path, "ridge", {"alpha": 2.0})


def test_foreign_folders_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(FormatError, match="not empty"):
        RunFolder.create(tmp_path, "ridge", {})
    with pytest.raises(MissingError, match=r"run\.json"):
        RunFolder.open(tmp_path)


def test_state_is_kept_with_its_generation(run):
    run.write_generation({"w": np.zeros(1)}, {}, state={"step": np.array(7)})
    assert run.load_state()["step"] == 7
    run.write_generation({"w": np.zeros(1)}, {})
    assert run.load_state() == {}
