"""The loop of the stages: a run that was stopped ends as one that was not; nothing to train is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from brainview.core.errors import Cancelled, MismatchError
from brainview.core.jobs import Quiet
from brainview.language.video.loop import Loop, Recipe
from brainview.training.run import RunFolder

ROOT = Path(__file__).resolve().parents[3]


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight, self.scale = nn.Parameter(torch.ones(3, 2)), nn.Parameter(torch.tensor(1.0))


class Stop(Quiet):
    def report(self, done, total, text=""):
        if "epoch 3" in text:
            raise Cancelled


def loop(folder):
    model, data = Small(), torch.randn(40, 2, generator=torch.Generator().manual_seed(0))

    def step(index: np.ndarray, source: np.random.Generator) -> dict[str, torch.Tensor]:
        x = data[index] + 0.1 * torch.from_numpy(source.standard_normal((len(index), 2), np.float32))
        return {"loss": (model.scale * x @ model.weight.T - 1).square().mean()}

    return model, Loop(model, step, 40, Recipe(4, 8, 1e-2), folder)


def test_a_stopped_stage_ends_as_one_that_was_not(tmp_path):
    whole, first = loop(RunFolder.create(tmp_path / "a", "t", {}))
    first.run()
    with pytest.raises(Cancelled):
        loop(RunFolder.create(tmp_path / "b", "t", {}))[1].run(Stop())
    again, second = loop(RunFolder.open(tmp_path / "b"))
    second.run()
    assert second.epoch == 4 and len(RunFolder.open(tmp_path / "b").history()) == 4
    assert torch.equal(whole.weight, again.weight) and torch.equal(whole.scale, again.scale)


def test_faults_are_told_in_one_line():
    model = Small().requires_grad_(False)
    with pytest.raises(MismatchError, match="nothing is left to train"):
        Loop(model, lambda i, s: {}, 4, Recipe(1, 2, 1e-3))
    model.requires_grad_(True)
    broken = Loop(model, lambda i, s: {"loss": model.weight.sum() * float("nan")}, 4, Recipe(1, 2, 1e-3))
    with pytest.raises(MismatchError, match="loss is nan"):
        broken.run()


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from brainview.training.run import RunFolder
from tests.language.video.test_loop import plain_loop
loop = plain_loop(RunFolder.open({run!r}))
loop.run()
count = loop.accelerator.num_processes
(Path({run!r}) / f"process-{{loop.accelerator.process_index}}.txt").write_text(str(count))
"""


def plain_loop(folder: RunFolder) -> Loop:
    torch.manual_seed(0)
    model, data = nn.Linear(3, 1), torch.randn(40, 3, generator=torch.Generator().manual_seed(0))

    def step(index: np.ndarray, source: np.random.Generator) -> dict[str, torch.Tensor]:
        return {"loss": (model(data[index]) - data[index].sum(1, keepdim=True)).square().mean()}

    return Loop(model, step, 40, Recipe(3, 8, 1e-2), folder, watch=lambda: -float(model.bias.detach().abs()))


@pytest.mark.slow
def test_two_processes_train_the_same_weights_and_one_writes(tmp_path):
    one, two = (RunFolder.create(tmp_path / n, "t", {}) for n in ("one", "two"))
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(root=str(ROOT), run=str(two.path)))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment, cwd=tmp_path)
    files = [two.path / f"process-{rank}.txt" for rank in (0, 1)]
    assert [f.read_text() for f in files if f.exists()] == ["2", "2"], done.stderr[-2000:]
    plain_loop(one).run()
    (a, _), (b, _) = (run.load("last") for run in (one, two))
    assert len(two.history()) == 3 and all(np.allclose(a[k], b[k], rtol=1e-4, atol=1e-6) for k in a)
