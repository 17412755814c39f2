"""Training: exact resume, the same curve on two processes, retrieval that finds, controls that do not."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from brainview.alignment.encoder import BrainEncoder, EncoderConfig
from brainview.alignment.patches import PatchGrid
from brainview.alignment.retrieval import ranks, retrieval_table, shuffled
from brainview.alignment.train import AlignmentData, Fit, FitConfig, encode
from brainview.attribution.planted import PlantedConfig, plant
from brainview.core.errors import Cancelled
from brainview.training.run import RunFolder

ROOT = Path(__file__).resolve().parents[2]
ENCODER = EncoderConfig(width=32, blocks=2, heads=4, patch=5, embed=16)
FIT = FitConfig(epochs=4, batch=16, lr=1e-3, temperature=0.07, queue=24, noise=0.1, weight_decay=0.05)


def data(samples=48, seed=0):
    brains = plant(PlantedConfig(size=20, concepts=4, nuisances=2, active=2, embed=16, seed=seed), samples)
    grid = PatchGrid(brains.mask, 5)
    rows = tuple(np.array([i, (i + 1) % samples]) for i in range(samples))
    return grid, AlignmentData(grid.patches(brains.volumes), rows, np.arange(samples), brains.image, brains.text)


def fit(grid, train, run=None, config=FIT, context=None):
    torch.manual_seed(0)
    loop = Fit(BrainEncoder(ENCODER, grid.n_tokens), train, train, config, run)
    loop.run(*([context] if context else []))
    return loop


class StopAt:
    """A user who cancels in the middle of the third epoch."""

    def __init__(self, checks):
        self.left = checks

    def report(self, done, total, text=""):
        pass

    def log(self, line):
        pass

    def check(self):
        self.left -= 1
        if self.left < 0:
            raise Cancelled()


def test_resume_is_exact(tmp_path):
    grid, train = data()
    whole = RunFolder.create(tmp_path / "whole", "whole-brain", {})
    fit(grid, train, whole)
    cut = RunFolder.create(tmp_path / "cut", "whole-brain", {})
    with pytest.raises(Cancelled):
        fit(grid, train, cut, context=StopAt(7 + 2))
    assert 0 < len(cut.history()) < 4
    fit(grid, train, RunFolder.open(cut.path))
    a, b = whole.load("last")[0], cut.load("last")[0]
    assert all(np.array_equal(a[k], b[k]) for k in a)
    strip = [{k: v for k, v in row.items() if k != "seconds"} for row in whole.history()]
    assert strip == [{k: v for k, v in row.items() if k != "seconds"} for row in cut.history()]


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from brainview.training.run import RunFolder
from tests.alignment.test_train import data, fit
loop = fit(*data(), RunFolder.open({run!r}))
rank, count = loop.accelerator.process_index, loop.accelerator.num_processes
(Path({run!r}) / f"process-{{rank}}.txt").write_text(str(count))  # two processes may write into one line of stdout
"""


@pytest.mark.slow
def test_two_processes_have_the_same_loss_curve(tmp_path):
    one, two = (RunFolder.create(tmp_path / n, "whole-brain", {}) for n in ("one", "two"))
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(root=str(ROOT), run=str(two.path)))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true"}
    # what `accelerate launch` runs for several processes of one machine; on a CPU it wants MPI to start them
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment, cwd=tmp_path)
    counts = [(two.path / f"process-{rank}.txt") for rank in (0, 1)]
    assert [p.read_text() for p in counts if p.exists()] == ["2", "2"], done.stderr[-2000:]
    fit(*data(), one)
    curves = [[row["loss"] for row in run.history()] for run in (one, two)]
    assert len(curves[0]) == 4 and np.allclose(curves[0], curves[1], rtol=1e-4)
    assert curves[0][0] > curves[0][-1]


def test_a_small_encoder_learns_planted_brains():
    grid, train = data(400, seed=3)
    _, test = data(400, seed=3)
    loop = fit(grid, train, config=FIT.having(epochs=16, batch=50, queue=0, one_repetition=False, lr=2e-3))
    brain = encode(loop.bare, test)
    rows = {r.direction: r for r in retrieval_table(brain, test.image, test.text, sub_gallery=50, sub_draws=5)
            if r.gallery == 400}
    control = {r.direction: r for r in retrieval_table(shuffled(brain), test.image, test.text)}
    assert rows["brain→image"].recall[10] > 4 * rows["brain→image"].chance[10]
    assert control["brain→image"].recall[10] < 3 * rows["brain→image"].chance[10]
    assert set(rows) == {"brain→image", "image→brain", "brain→text", "text→brain"}


def test_ranks_break_ties_pessimistically():
    q = np.eye(3, dtype=np.float32)
    assert ranks(q, q).tolist() == [0, 0, 0]
    assert ranks(np.zeros((3, 3), np.float32), q).tolist() == [2, 2, 2]
    moved = shuffled(np.arange(50.0)[:, None])
    assert sorted(moved[:, 0]) == list(range(50)) and (moved[:, 0] != np.arange(50)).all()
