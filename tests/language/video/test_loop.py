"""The loop of the stages: a run that was stopped ends as one that was not; nothing to train is told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from brainview.core.errors import Cancelled, MismatchError
from brainview.core.jobs import Quiet
from brainview.language.video.loop import Loop, Recipe
from brainview.training.run import RunFolder


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
