"""The start of the bridge and the choice of epochs: closed form, between people, exact on resuming."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from brainview.core.errors import Cancelled, MismatchError
from brainview.core.jobs import Quiet
from brainview.language.video.branches import BrainBranch, BranchSizes, MixingBridge, VideoBranch
from brainview.language.video.config import FilmConfig
from brainview.language.video.loop import Loop, Recipe
from brainview.language.video.losses import sample_vector
from brainview.language.video.mbm import BrainEncoder, MbmSizes
from brainview.language.video.start import choose_penalty, frame_targets, start_bridge
from brainview.language.video.tokenizers import SurfaceTokenizer
from brainview.training.run import RunFolder


@dataclass(frozen=True)
class Brains:
    """Trials of several people that follow their clips, with noise."""

    x: np.ndarray
    who: np.ndarray

    def __len__(self) -> int:
        return len(self.who)

    def at(self, index: np.ndarray) -> Brains:
        return Brains(self.x[index], self.who[index])

    def brains(self, index: np.ndarray) -> np.ndarray:
        return self.x[index]


def world(n: int = 160, noise: float = 1.0) -> tuple[VideoBranch, BrainBranch, np.ndarray, Brains]:
    torch.manual_seed(0)
    video = VideoBranch(BranchSizes(32, 2, 1, 2, 2, 8), 12, 48, 0.1, queries=False).eval()
    encoder = BrainEncoder(MbmSizes(32, 2, 2, 16, 1, 2), torch.randn(6, 3))
    tokenizer = SurfaceTokenizer(np.arange(96) // 16, 32, 16)
    brain = BrainBranch(tokenizer, encoder, video, rank=4, mixing=(4, 12)).eval()
    rng = np.random.default_rng(0)
    cause = rng.standard_normal((n, 3)).astype(np.float32)
    clips = (cause @ rng.standard_normal((3, 2 * 3 * 12)).astype(np.float32)).reshape(n, 2, 3, 12)
    seen = np.repeat(cause @ rng.standard_normal((3, 6)).astype(np.float32), 16, axis=1)  # a parcel follows as a whole
    x = (seen + noise * rng.standard_normal((n, 96))).astype(np.float32)
    return video, brain, clips, Brains(x, np.arange(n) % 4)


def test_ridge_start_reads_strangers_where_a_random_bridge_reads_nothing():
    video, brain, clips, trials = world()
    fit, strangers = (np.flatnonzero(c) for c in (trials.who < 3, trials.who == 3))
    with torch.no_grad():
        wish = sample_vector(video(torch.from_numpy(clips[strangers])))

        def right() -> float:
            z = sample_vector(brain(torch.from_numpy(trials.brains(strangers))))
            likeness = (z - z.mean(0)) @ (wish - wish.mean(0)).T
            return float((likeness.diag()[:, None] > likeness).float().sum() / (len(z) * (len(z) - 1)))

        before = right()
        told = start_bridge(brain, video, clips[fit], trials.at(fit), amplitude=0.5)
        assert before < 0.7 < 0.85 < right()
    assert told["trials"] == 120 and 0 < told["r"] < 1
    bridge = brain.bridge
    assert isinstance(bridge, MixingBridge)
    middle = frame_targets(video, clips[fit]).mean(0)  # the mean brain becomes the mean of what is seen of clips
    with torch.no_grad():
        said = brain.bridge(brain.encoder(brain.tokenizer(torch.from_numpy(trials.x[fit])))).flatten(1).mean(0).numpy()
    assert np.abs(said - middle).max() < 1e-3


def test_penalty_grows_with_noise_and_components_that_nobody_shares_have_no_correlation():
    rng = np.random.default_rng(1)
    who, cause = np.repeat(np.arange(4), 40), rng.standard_normal((160, 2)).astype(np.float32)
    weight = rng.standard_normal((2, 30)).astype(np.float32)
    found = {}
    for noise in (0.1, 10.0):
        x = (cause @ weight + noise * rng.standard_normal((160, 30))).astype(np.float32)
        lonely = rng.standard_normal((160, 1)).astype(np.float32)
        found[noise] = choose_penalty(x - x.mean(0), np.concatenate([cause, lonely], 1), who)
    assert found[0.1][0] < found[10.0][0]
    assert (found[0.1][1][:2] > 0.95).all() and abs(found[0.1][1][2]) < 0.3


class Stop(Quiet):
    def report(self, done, total, text=""):
        if "epoch 3" in text:
            raise Cancelled


def watched_loop(folder):
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.0)
    data = torch.ones(8, 1)

    def step(index: np.ndarray, source: np.random.Generator) -> dict[str, torch.Tensor]:
        return {"loss": (model(data[index]) - 3).square().mean()}  # training walks to 3 ...

    def watch() -> float:
        return -abs(float(model.weight.detach()) - 1)  # ... and a stranger is read best at 1

    return model, Loop(model, step, 8, Recipe(6, 4, 0.3, 0.0, 0.0, warmup=0.0), folder, watch=watch)


def test_the_best_epoch_is_kept_also_by_a_run_that_was_stopped(tmp_path):
    model, loop = watched_loop(RunFolder.create(tmp_path / "a", "t", {}))
    rows = loop.run()
    values = [r["watched"] for r in rows]
    assert np.argmax(values) < 5 and -abs(float(model.weight.detach()) - 1) == pytest.approx(max(values))
    with pytest.raises(Cancelled):
        watched_loop(RunFolder.create(tmp_path / "b", "t", {}))[1].run(Stop())
    again, second = watched_loop(RunFolder.open(tmp_path / "b"))
    second.run()
    assert torch.equal(again.weight, model.weight)


def test_a_start_that_is_worse_than_no_training_is_gone_back_to(tmp_path):
    model, loop = watched_loop(None)
    with torch.no_grad():
        model.weight.fill_(1.0)
    loop.run()
    assert float(model.weight.detach()) == 1.0


def test_a_ridge_start_needs_a_mixing_bridge():
    with pytest.raises(MismatchError, match="mixing bridge"):
        FilmConfig.of({"start": "ridge"})
    assert FilmConfig.of({"start": "ridge", "bridge": "mixing"}).bridge_rank == 96


def test_tokens_of_parcels_are_the_weighted_means_of_their_patches():
    torch.manual_seed(0)
    tokenizer = SurfaceTokenizer(np.repeat([0, 1, 2], [40, 17, 60]), 8, 16, times=2)
    with torch.no_grad():
        tokenizer.embed.bias.normal_()
        x = torch.randn(3, 2, 117)
        patches = x[..., tokenizer.order]
        values = tokenizer.embed(patches.reshape(6, 1, -1)).transpose(1, 2).reshape(3, 2, -1, 8) * tokenizer.gain
        for parcel in range(3):
            mean = values[:, :, tokenizer.owner == parcel].mean(2) + tokenizer.time
            assert torch.allclose(tokenizer(x).reshape(3, 2, 3, 8)[:, :, parcel], mean, atol=1e-5)
