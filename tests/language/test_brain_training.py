"""Training and what comes out: planted brains are found, adaptation, resume, tokens, gradients, the causal probe."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from brainview.core.errors import BrainViewError, Cancelled, MismatchError, MissingError
from brainview.core.jobs import Quiet
from brainview.language.brain import jobs
from brainview.language.brain.config import PRESETS, BrainConfig
from brainview.language.brain.data import fixed_subset
from brainview.language.brain.denoise import STEPS, Denoiser, denoising_loss, kept_share
from brainview.language.brain.measure import scores
from brainview.language.brain.workflow import load_run, train
from brainview.training.jobs import present
from brainview.training.run import RunFolder
from tests.language.brain_sets import make_planted, tiny_llava

SMALL = {"width": 24, "depth": 1, "heads": 2, "head_width": 8, "epochs": 30, "batch": 20, "lr": 5e-3,
         "standardise": True, "rise": 3, "save_every": 10}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("brainx")
    make_planted(root / "data", {1: 60, 2: 50, 7: 40})
    tiny_llava(root / "llava")
    return root


@pytest.fixture(scope="module")
def options(place):
    return {**SMALL, "tower": f"tower:{place / 'llava'}"}


@pytest.fixture(scope="module")
def cross(place, options):
    return train(place / "data", place / "cross", subjects=["subj01", "subj02"], options=options)


def test_planted_brains_are_found_and_shuffled_ones_are_not(cross):
    card = RunFolder.open(cross).card("best")
    assert card["kind"] == "brainx" and card["token_shape"] == [16, 16]
    assert card["voxels"] == {"subj01": 60, "subj02": 50}
    for figures in card["metrics"].values():
        assert figures["part"] == "test" and figures["images"] == 10
        assert figures["token r"] > 0.35 and figures["shuffled token r"] < 0.2 and figures["R2"] > 0.05
        assert figures["p"] < 0.05 and figures["brain→image R@1"] > figures["chance R@1"] == 0.1
    shown = present(cross)
    assert shown["subjects"] == ["subj01", "subj02"] and shown["card"]["train_images"] == {"subj01": 40, "subj02": 40}


def test_validation_and_training_never_touch_test(cross, place, options, monkeypatch):
    split = json.loads((RunFolder.open(cross).path / "split.json").read_text())
    assert set(split["test"]) == set(range(10)) and not set(split["test"]) & (set(split["val"]) | set(split["train"]))
    assert split["name"] == "layout" and len(split["val"]) == 20


def test_single_subject_and_resume_end_in_the_same_weights(place, options):
    short = {**options, "epochs": 4, "save_every": 1, "denoise": 0.1, "noise": 0.2, "drop": 0.1}
    whole = train(place / "data", place / "one", subjects=["subj01"], options=short)

    class Stop(Quiet):
        def report(self, done, total, text=""):
            if "epoch 2 of 4" in text:
                raise Cancelled

    with pytest.raises(Cancelled):
        train(place / "data", place / "two", subjects=["subj01"], options=short, context=Stop())
    parts = train(place / "data", place / "two", subjects=["subj01"], options=short)
    a, b = (RunFolder.open(p).load("last")[0] for p in (whole, parts))
    assert RunFolder.open(parts).card("last")["kind"] == "brainxs" and len(RunFolder.open(parts).history()) == 4
    for key in a:
        np.testing.assert_allclose(a[key], b[key], atol=1e-5, err_msg=key)
    assert not any("denoiser" in k for k in a)  # dropped at inference
    with pytest.raises(BrainViewError, match="other settings"):
        train(place / "data", place / "two", subjects=["subj01"], options={**short, "epochs": 5})


def test_adaptation_to_a_new_subject_with_a_part_of_the_data(place, options, cross):
    few = {**options, "adapt": cross, "freeze": True, "ratio": 0.25, "epochs": 10}
    run = train(place / "data", place / "adapted", subjects=["subj07"], options=few)
    card = RunFolder.open(run).card("best")
    kept = json.loads((place / "adapted/subset.json").read_text())["train"]["subj07"]
    assert card["kind"] == "brainxc" and card["train_images"] == {"subj07": 10} and len(kept) == 10
    assert card["trainable"] == 2 * 16 + 24 * 40 + 24 and card["started_from"] == "cross"
    before, after = (RunFolder.open(p).load("best")[0] for p in (cross, run))
    for key in before:
        if key.startswith("perceiver."):
            np.testing.assert_array_equal(before[key], after[key])
    assert RunFolder.open(run).history()[-1]["lr"] < 1e-5  # the cycle ends with the run, whatever the share
    with pytest.raises(MismatchError, match="one new subject"):
        train(place / "data", place / "x", subjects=["subj01", "subj07"], options=few)
    with pytest.raises(MismatchError, match="trained towards"):
        train(place / "data", place / "x", subjects=["subj07"], options={**few, "tower": "gabor"})


def test_subsets_are_fixed_and_nested():
    ids = np.arange(200) * 3
    small, large = fixed_subset(ids, 0.05, 1), fixed_subset(ids, 0.5, 1)
    assert small.size == 10 and np.isin(small, large).all()
    np.testing.assert_array_equal(small, fixed_subset(ids[::-1], 0.05, 1))
    assert not np.array_equal(small, fixed_subset(ids, 0.05, 2))


def test_brain_tokens_repetitions_and_the_causal_probe(cross):
    ids = np.array([3, 1])
    plain = jobs.brain_tokens(cross, "subj01", ids)
    assert plain["tokens"].shape == (2, 16, 16) and plain["tokens"].dtype == np.float32
    assert plain["ids"].tolist() == [3, 1] and plain["voxels_scaled"] == 0
    again = jobs.brain_tokens(cross, "subj01", ids[::-1])["tokens"][::-1]
    np.testing.assert_allclose(plain["tokens"], again, atol=1e-4)
    outputs, first = (jobs.brain_tokens(cross, "subj01", ids, r)["tokens"] for r in ("outputs", "first"))
    assert np.abs(outputs - plain["tokens"]).max() > 0 and np.abs(first - outputs).max() > 0
    half = jobs.brain_tokens(cross, "subj01", ids, scale={"floc-faces": 0.0})
    assert half["voxels_scaled"] == 60
    with pytest.raises(MismatchError, match="as many voxels outside"):
        jobs.brain_tokens(cross, "subj01", ids, scale={"floc-faces": 0.0}, control=1)
    names = {r["region"]: r["voxels"] for r in jobs.regions(cross, "subj01")}
    region = min((n for n in names if n != "nsdgeneral"), key=names.get)
    cut = jobs.brain_tokens(cross, "subj01", ids, scale={region: 0.0})
    other = jobs.brain_tokens(cross, "subj01", ids, scale={region: 0.0}, control=1)
    assert cut["voxels_scaled"] == other["voxels_scaled"] == names[region] < 60
    assert np.abs(cut["tokens"] - plain["tokens"]).max() > 0 and np.abs(cut["tokens"] - other["tokens"]).max() > 0
    np.testing.assert_array_equal(jobs.brain_tokens(cross, "subj01", ids, scale={region: 1.0})["tokens"],
                                  plain["tokens"])
    matched = jobs.brain_tokens(cross, "subj01", np.arange(10), match=True)["tokens"]
    assert matched.std() > jobs.brain_tokens(cross, "subj01", np.arange(10))["tokens"].std() * 0.9
    true = jobs.true_tokens(cross, ids)["tokens"]
    assert np.corrcoef((true - plain["mean"]).ravel(), (plain["tokens"] - plain["mean"]).ravel())[0, 1] > 0.3
    for call in (lambda: jobs.brain_tokens(cross, "subj09", ids), lambda: jobs.brain_tokens(cross, "subj01", [77]),
                 lambda: jobs.brain_tokens(cross, "subj01", ids, scale={"nowhere": 0.0})):
        with pytest.raises(MissingError):
            call()


def test_gradient_is_the_slope_of_a_number_of_the_tokens(cross):
    model, extra, _, _, voxels = jobs.loaded(cross, "subj02", None)
    direction = np.random.default_rng(0).standard_normal((16, 16)).astype(np.float32)
    found = jobs.token_gradient(cross, "subj02", 3, direction)
    betas = torch.from_numpy(voxels.mean(np.array([3]))).double()
    double = model.double()
    step = 1e-4
    for voxel in (0, 17, 49):
        moved = betas.repeat(2, 1)
        moved[0, voxel] += step * voxels.weight[voxel]
        moved[1, voxel] -= step * voxels.weight[voxel]
        with torch.no_grad():
            tokens = double(moved, "subj02").numpy() * extra["target/spread"]
        slope = ((tokens[0] - tokens[1]) * direction).sum() / (2 * step)
        assert found[voxel] == pytest.approx(slope, rel=1e-3, abs=1e-5)
    model.float()
    drawn = jobs.gradient_map(cross, "subj02", 3, direction)
    assert drawn.values.shape == (voxels.subject.space.size,)
    with pytest.raises(MismatchError):
        jobs.token_gradient(cross, "subj02", 3, direction[:3])


def test_bits_of_a_word_lie_in_the_voxels_that_it_falls_without(cross):
    from brainview.attribution.ibba import IbbaConfig
    from brainview.language.brain.bottleneck import word_bits

    model, extra, _, _, voxels = jobs.loaded(cross, "subj02", None)
    z = torch.from_numpy(voxels.mean(np.array([3])))
    way = torch.from_numpy(np.random.default_rng(1).standard_normal(256).astype(np.float32))

    def score(tokens):
        return tokens.flatten(1) @ way

    config = IbbaConfig(beta=1.0, steps=15, copies=4)
    found = word_bits(cross, "subj02", 3, score, config=config)
    assert found.scores.shape == (voxels.size,) and (found.scores >= 0).all() and found.final
    order = np.argsort(found.scores)

    def without(columns):
        cut = z.clone()
        cut[0, columns] = 0
        with torch.no_grad():
            return float(score(model(cut, "subj02") * torch.from_numpy(extra["target/spread"])))

    assert without(order[-10:]) < without(order[:10]), "the bits lie where the number comes from"
    dead = voxels.weight == 0
    assert not dead.any() or found.scores[dead].max() == 0
    np.testing.assert_array_equal(found.scores, word_bits(cross, "subj02", 3, score, config=config).scores)


def test_pooled_targets_augmentation_weights_and_nsd_rows(place, options):
    pooled = train(place / "data", place / "nf", subjects=["subj01"], options={**options, "scale": 4, "epochs": 1})
    assert RunFolder.open(pooled).card("best")["token_shape"] == [4, 16]
    with pytest.raises(MismatchError, match="scale 36"):
        train(place / "data", place / "nf36", subjects=["subj01"], options={**options, "scale": 36, "epochs": 1})
    loop = {**options, "epochs": 1, "augment": True, "flip": False, "repetition": "upstream",
            "weighting": "reliability", "tokens": True, "model": "brainx"}
    run = train(place / "data", place / "aug", subjects=["subj01"], options=loop)
    model, extra, card = load_run(run)
    assert card["kind"] == "brainx" and len(model.token) == 1
    np.testing.assert_allclose(np.mean(extra["voxels/weight/subj01"] ** 2), 1, atol=1e-4)


def test_ridge_start_is_the_textbook_solution_and_is_held(place, options):
    from brainview.language.brain.start import ridge_map

    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((60, 30)), rng.standard_normal((4, 30))
    found, penalty = ridge_map(x, x @ w.T, x[:10], x[:10] @ w.T)
    np.testing.assert_allclose(found, np.linalg.solve(x.T @ x + penalty * np.trace(x @ x.T) / 60 * np.eye(30),
                                                      x.T @ (x @ w.T)).T, atol=1e-4)
    run = train(place / "data", place / "ridge", subjects=["subj01", "subj02"],
                options={**options, "start": "ridge", "epochs": 2})
    card = RunFolder.open(run).card("best")
    assert set(card["start"]["penalty"]) == {"subj01", "subj02"} and card["trainable"] < card["parameters"] - 60 * 24
    none = train(place / "data", place / "ridge0", subjects=["subj01", "subj02"],
                 options={**options, "start": "ridge", "epochs": 0})
    before, after = (RunFolder.open(r).load()[0]["lin2.fmri1.weight"] for r in (none, run))
    np.testing.assert_array_equal(before, after)  # held
    with pytest.raises(MismatchError, match="start=ridge"):
        BrainConfig.of({"start": "ridge", "adapt": "x"})


def test_published_weights_are_a_run_without_training(place, options, tmp_path):
    from brainview.language.brain.checkpoints import save_checkpoint
    from brainview.language.brain.encoders import BrainXS, Sizes

    torch.manual_seed(4)
    model = BrainXS(60, Sizes(16, 96, 16, 1, 1, 96))
    file = save_checkpoint(tmp_path / "last.pth", model)
    settings = {"tower": options["tower"], "checkpoint": str(file), "epochs": 0}
    run = train(place / "data", tmp_path / "run", subjects=["subj01"], options=settings)
    loaded, _, card = load_run(run)
    assert card["started_from"] == "last.pth" and "metrics" in card
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(loaded.state_dict()[key], value)
    with pytest.raises(MismatchError, match="does not fit"):
        train(place / "data", tmp_path / "wrong", subjects=["subj02"], options=settings)


def test_denoising_loss_is_small_for_the_right_answer():
    torch.manual_seed(0)
    assert float(kept_share(torch.tensor([1]))[0]) > 0.999 and float(kept_share(torch.tensor([STEPS]))[0]) < 1e-3
    target = torch.randn(64, 2, 3)

    class Oracle(torch.nn.Module):
        def forward(self, noised, brain, t):
            share = kept_share(t)[:, None, None]
            return (noised - share.sqrt() * brain) / (1 - share).sqrt()

    draw = torch.Generator().manual_seed(0)
    assert float(denoising_loss(Oracle(), target, target, draw)) < 1e-6
    assert float(denoising_loss(Denoiser(3, 8), target, target, draw)) > 0.5


def test_scores_tell_a_perfect_brain_from_noise():
    rng = np.random.default_rng(0)
    target = rng.standard_normal((30, 4, 5))
    mean = np.ones((4, 5))
    good = scores(target + 0.1 * rng.standard_normal(target.shape), target, mean)
    bad = scores(rng.standard_normal(target.shape), target, mean)
    assert good["token r"] > 0.98 and good["brain→image R@1"] == 1 and good["p"] == 0.001 and good["R2"] > 0.95
    assert bad["R2"] < 0 and bad["p"] > 0.01 and bad["shuffled R@1"] < 0.2


def test_settings_are_checked():
    assert BrainConfig.of({"tokens": "False"}).tokens is False  # upstream took any text for true
    for bad in ({"epoch": 3}, {"tokens": "maybe"}, {"loss": "l3"}, {"ratio": 0}, {"epochs": "many"}):
        with pytest.raises(MismatchError):
            BrainConfig.of(bad)
    for values in PRESETS.values():
        BrainConfig.of(values)
    paper, readme = BrainConfig.of(PRESETS["paper"]), BrainConfig.of(PRESETS["readme"])
    assert (paper.epochs, paper.tokens, paper.beta2) == (240, True, 0.95)
    assert (readme.epochs, readme.tokens, readme.beta2) == (300, False, 0.999)
    assert not paper.standardise and paper.denoise == 0 and paper.batch == 128
