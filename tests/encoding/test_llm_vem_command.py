"""LLM-VEM through the command: stopped and resumed, published weights, controls, two processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from brainview.cli.main import main
from brainview.datasets.registry import open_dataset
from brainview.encoding.llm_vem.config import VemConfig
from brainview.encoding.llm_vem.fit import Fit
from brainview.encoding.llm_vem.head import LinearHead
from brainview.encoding.llm_vem.workflow import assemble, prepare
from brainview.training.run import RunFolder
from tests.encoding import tiny
from tests.encoding.test_llm_vem import QUICK

ROOT = Path(__file__).resolve().parents[2]
PLAIN = {**QUICK, "bootstraps": 0, "permutations": 0}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("command")
    tiny.write(folder / "data", train=60, test=8)
    ids = open_dataset(folder / "data").stimuli.ids.tolist()
    words = ["a cat", "a dog", "a house", "a person", "a red car", "two birds", "a plate of food", "a tall tree"]
    (folder / "texts.jsonl").write_text("".join(json.dumps({"id": i, "text": words[i % 8]}) + "\n" for i in ids))
    return folder


def _command(place: Path, run: str) -> list[str]:
    settings = [word for k, v in PLAIN.items() for word in ("--set", f"{k}={v}")]
    return ["train", "llm-vem", str(place / "data"), "--out", str(place / run), *settings]


def test_the_command_stops_softly_and_goes_on_exactly(place: Path, monkeypatch: pytest.MonkeyPatch,
                                                      capsys: pytest.CaptureFixture[str]) -> None:
    assert main(_command(place, "whole")) == 0
    whole = Fit._finish

    def interrupted(self: Fit, row: dict, seconds: float, context) -> None:
        whole(self, row, seconds, context)
        os.kill(os.getpid(), 2)  # Ctrl-C after the first epoch

    monkeypatch.setattr(Fit, "_finish", interrupted)
    assert main(_command(place, "cut")) == 3
    assert "what was finished is kept" in capsys.readouterr().err
    assert [r["epoch"] for r in RunFolder.open(place / "cut").history()] == [1]
    monkeypatch.undo()
    assert main(_command(place, "cut")) == 0
    a, b = (RunFolder.open(place / n / "model").load("last")[0] for n in ("whole", "cut"))
    assert all(np.array_equal(a[k], b[k]) for k in a)
    assert main([*_command(place, "cut"), "--set", "lr=0.5"]) == 1
    assert "lr: 0.0006 → 0.5" in capsys.readouterr().err


def test_a_published_checkpoint_starts_a_run_and_is_told_key_by_key(place: Path,
                                                                    capsys: pytest.CaptureFixture[str]) -> None:
    work = prepare(place / "data", place / "sizes", None, {**PLAIN, "bias_twice": True})
    model, _ = assemble(work)
    head = model.head
    assert isinstance(head, LinearHead)
    theirs = {}
    names = {"projection.spatial": "proj.weight1", "projection.channel": "proj.weight2"}
    for ours, tensor in head.state_dict().items():
        key = ours
        for a, b in names.items():
            key = key.replace(a, b)
        key = key.replace("layers.", "feat_projs.").replace("shared.", "shared_proj.").replace(
            "subject.", "subj_proj.fc.").replace("readout.", "embed.")
        theirs[key] = tensor + 0.5 if tensor.is_floating_point() else tensor
    torch.save({"epoch": 3, "metric": 0.2, "trunk": None, "encoder": theirs}, place / "published.pt")
    more = ["--set", f"published={place / 'published.pt'}", "--set", "bias_twice=true"]
    assert main([*_command(place, "published"), *more]) == 0
    told = capsys.readouterr().err
    assert f"{len(theirs)} tensors of the published head fit" in told
    after = RunFolder.open(place / "published" / "model").load("last")[0]
    np.testing.assert_allclose(after["head.readout.weight"], theirs["embed.weight"].numpy())  # frozen: still theirs
    del theirs["embed.bias"]
    torch.save({"encoder": theirs}, place / "broken.pt")
    assert main([*_command(place, "refused"), "--set", f"published={place / 'broken.pt'}"]) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "does not fit: 1 of" in line and "readout.bias (missing" in line


def test_captions_are_learned_and_shuffled_ones_stay_at_chance(place: Path) -> None:
    """Texts that follow from the tokens are found again on validation pictures; dealt wrongly they are not."""
    found = {}
    for control in ("none", "shuffled"):
        work = prepare(place / "data", place / f"texts-{control}", None, {
            **PLAIN, "lambda": 1.0, "epochs": 12, "lr": 1e-2, "dropout": 0.0, "control": control,
            "clip": "phantom-clip", "texts": f"file:{place / 'texts.jsonl'}"})
        model, data = assemble(work)
        ids, matrix = data.texts  # type: ignore[misc]
        planted = _planted(model, data, matrix.shape[1])
        order = np.random.default_rng(0).permutation(len(ids)) if control == "shuffled" else np.arange(len(ids))
        data = type(data)(**{**vars(data), "texts": (ids, planted[order])})
        found[control] = Fit(model, data, work.config)
        found[control].run()
    rows = {k: f.validate() for k, f in found.items()}
    assert rows["none"]["val_retrieval"] > 5 * rows["none"]["val_chance"]
    assert rows["shuffled"]["val_retrieval"] <= 3 * rows["shuffled"]["val_chance"]


def _planted(model, data, width: int) -> np.ndarray:
    """Return unit texts that are a fixed linear function of what the trunk sees in each picture."""
    from brainview.encoding.llm_vem.samples import Samples

    ids = data.texts[0]
    who = np.zeros(len(ids), np.int64)
    for number, known in enumerate(data.tokens._ids):
        who[np.isin(ids, known)] = number
    tokens = torch.cat([x.mean(1) for x in data.tokens.layers(Samples(who, ids, ids))], 1).numpy()
    tokens = (tokens - tokens.mean(0)) / (tokens.std(0) + 1e-6)
    out = tokens @ np.random.default_rng(3).standard_normal((tokens.shape[1], width))
    return (out / np.linalg.norm(out, axis=1, keepdims=True)).astype(np.float32)


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.encoding.test_llm_vem_command import fit_shared
rank = fit_shared(Path({place!r}), "two")
"""


def fit_shared(place: Path, name: str) -> int:
    """Train a model with texts; every process of a group calls this. Returns the number of processes."""
    options = {**PLAIN, "lambda": 0.3, "dropout": 0.0, "epochs": 2, "batch": 31, "clip": "phantom-clip",
               "texts": f"file:{place / 'texts.jsonl'}"}
    work = prepare(place / "data", place / name, None, options)
    model, data = assemble(work)
    config: VemConfig = work.config
    fit = Fit(model, data, config, RunFolder.create(place / name / "model", "llm-vem-model", config.plain()),
              work.folder)
    fit.run()
    (place / f"{name}-process-{fit.accelerator.process_index}.txt").write_text(str(fit.accelerator.num_processes))
    return fit.accelerator.num_processes


@pytest.mark.slow
def test_two_processes_have_the_same_loss_curve(place: Path) -> None:
    """Batch norm, the mask of known locations and the negatives of the text loss are those of the whole batch."""
    script = place / "train.py"
    script.write_text(SCRIPT.format(root=str(ROOT), place=str(place)))
    prepare(place / "data", place / "two", None, {**PLAIN, "lambda": 0.3, "dropout": 0.0, "epochs": 2, "batch": 31,
                                                  "clip": "phantom-clip", "texts": f"file:{place / 'texts.jsonl'}"})
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true"}
    assert fit_shared(place, "alone") == 1  # fills the caches, so that the two do not write them at once
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment, cwd=place)
    told = [place / f"two-process-{rank}.txt" for rank in (0, 1)]
    assert [p.read_text() for p in told if p.exists()] == ["2", "2"], done.stderr[-2000:]
    keys = ("mse", "align", "loss", "val_mse")
    one, two = (np.array([[row[k] for k in keys] for row in RunFolder.open(place / n).history()])
                for n in ("alone", "two"))
    np.testing.assert_allclose(two, one, rtol=2e-4)
    assert one[0, 2] > one[-1, 2]
