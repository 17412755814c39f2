"""The verbs train, score and benchmark as a user types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from brainview.cli.main import main
from brainview.maps.io import read_map
from brainview.training.jobs import present
from tests.encoding import tiny

QUICK = ["--features", "gabor[grid=2]", "--set", "bootstraps=10", "--set", "permutations=5", "--set", "components=0"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("tiny") / "algonauts")


def test_train_then_score_in_text_and_json(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = str(tmp_path / "run")
    assert main(["train", "ridge", str(data), "--out", run, *QUICK]) == 0
    out = capsys.readouterr().out
    assert "subj02" in out and "Gabor energies" in out
    assert main(["score", run]) == 0
    out = capsys.readouterr().out
    assert "V1v" in out and "chance" in out and "r2_nc by region" in out and "divided by the noise ceiling" in out
    assert main(["score", run, "--split", "val", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["subjects"]["subj01"]["part"] == "val" and "definition" in found["definitions"]["R2"]


def test_maps_of_runs_and_data_sets_are_converted(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = str(tmp_path / "run")
    assert main(["train", "ridge", str(data), "--out", run, *QUICK]) == 0
    whole = present(run)
    for words, expected in ((["--metric", "R2", "--brain", "subj02"], whole["maps"]["subj02"]["R2"]),
                            (["--kind", "ceiling"], whole["maps"]["subj01"]["nc"])):
        assert main(["convert", run, *words, "--to", "csv", "--out", str(tmp_path / "m.csv")]) == 0
        made = read_map(tmp_path / "m.csv")
        np.testing.assert_allclose(made.values, expected.values, rtol=1e-6)
        assert made.space == expected.space and made.is_phantom == expected.is_phantom
    assert main(["convert", str(data), "--kind", "ceiling", "--to", "npy", "--out", str(tmp_path)]) == 0
    assert (tmp_path / f"{data.name}.npy").is_file()
    capsys.readouterr()
    assert main(["convert", str(tmp_path / "m.csv"), "--metric", "R2", "--to", "npy", "--out", "x"]) == 1
    assert "choose in a run or data set" in capsys.readouterr().err


def test_sweep_trains_the_grid(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["train", "ridge", str(data), "--out", str(tmp_path / "s"), "--subjects", "subj01", *QUICK,
                 "--sweep", "method=gcv,kfold", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [r["method"] for r in rows] == ["gcv", "kfold"] and all(r["mean_r"] > 0.2 for r in rows)
    assert (tmp_path / "s" / "method=gcv" / "card.json").exists()


def test_faults_are_one_line(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for words in (["train", "ridge", str(tmp_path / "nowhere"), "--out", str(tmp_path / "r")],
                  ["train", "ridge", str(data), "--out", str(tmp_path / "r"), "--features", "magic"],
                  ["train", "ridge", str(data), "--out", str(tmp_path / "r2"), "--preset", "best"],
                  ["score", str(tmp_path)], ["benchmark", "encoding", "--size", "small", "--nothing"]):
        try:
            status = main(words)
        except SystemExit as stop:
            status = int(stop.code or 0)
        err = capsys.readouterr().err
        assert status in (1, 2) and "Traceback" not in err and (status == 2 or err.strip().count("\n") == 0), err


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_ctrl_c_leaves_a_run_that_goes_on(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = [sys.executable, "-m", "brainview", "train", "ridge", str(data), "--out", str(run), *QUICK,
             "--set", "permutations=3000"]  # long enough to be caught in the middle
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env={**os.environ})
    deadline = time.monotonic() + 120
    while not (run / "split.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=120)[1]
    assert process.returncode == 3 and "Traceback" not in err, err
    assert main([*words[3:-1], "permutations=3000"]) == 0
    assert main(["score", str(run), "--json"]) == 0


def test_benchmark_of_the_solver_runs_small(capsys: pytest.CaptureFixture) -> None:
    pytest.importorskip("himalaya")
    assert main(["benchmark", "encoding", "--size", "small", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = {r["method"]: r for r in found["rows"]}
    # 300 samples leave many targets without signal, where penalties 1e7..1e9 tie to float32; the acceptance test of
    # agreement is tests/encoding/test_ridge.py
    assert rows["BrainView 5-fold (every penalty)"]["same_penalty"] >= 0.95
    assert rows["BrainView GCV"]["times_less_cpu"] > 1
    assert found["extra_memory_gb"]["gcv"] < 0.2
