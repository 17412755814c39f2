"""The systems on a tiny data set with planted brains: found above chance, shuffled at chance, resumed, loaded again."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from brainview.alignment.brains import Brains
from brainview.alignment.config import PRESETS, AlignConfig
from brainview.alignment.decoders import fit_ridge_clip, voxel_weights
from brainview.alignment.mindeye import chosen_voxels
from brainview.alignment.mindeye import fit as fit_mlp
from brainview.alignment.mindeye2 import fit as fit_shared
from brainview.alignment.ridge_clip import fit as fit_ridge
from brainview.alignment.ridge_clip import load_ridge
from brainview.alignment.targets import Targets
from brainview.alignment.tgbd import fit as fit_volume
from brainview.alignment.whole_brain import fit as fit_transformer
from brainview.alignment.whole_brain import load_encoder
from brainview.alignment.workflow import Task, metrics_of, retrieval_rows
from brainview.core.errors import MismatchError
from brainview.core.jobs import QUIET
from brainview.training.run import RunFolder

SHAPE, WIDTH, N = (8, 8, 8), 12, 200


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@dataclass
class Planted:
    """512 voxels, 60 of them carry a linear image of the embedding, the rest are noise."""

    root: object
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(5))

    def task(self, system, **options):
        rng = np.random.default_rng(5)
        image = unit(rng.normal(size=(N, WIDTH)))
        text = unit(image + 0.3 * rng.normal(size=(N, WIDTH)))
        k = int(np.prod(SHAPE))
        gain = np.zeros(k, np.float32)
        gain[rng.choice(k, 60, replace=False)] = 1.0
        signal = image @ rng.normal(size=(WIDTH, k)) * gain
        values = (np.repeat(signal, 2, 0) + 0.5 * rng.normal(size=(2 * N, k))).astype(np.float16)
        person = SimpleNamespace(id="subj01", dataset="planted", phantom=True,
                                 trials=SimpleNamespace(stimulus=np.repeat(np.arange(N) * 3, 2)))
        brains = Brains(person, values, np.ones(SHAPE, bool), np.arange(k), 0.05 + 0.8 * gain, True)
        ids = np.arange(N) * 3
        targets = Targets(ids, image, text, {"temperature": 0.05, "model": "planted", "caption_source": "none"})
        folder = RunFolder.create(self.root / "subjects" / "subj01", f"{system}-subject", options)
        config = AlignConfig.of({"encoder": "tiny", "patch": 4, "epochs": 12, "batch": 40, "queue": 0, "lr": 1e-3,
                                 "hidden": 64, "blocks": 1, "voxels": 80, "patience": 0, **options})
        return Task(brains, targets, ids[:140], ids[140:160], ids[160:], config, folder)


@pytest.mark.parametrize(("system", "fit", "least"), [("ridge-clip", fit_ridge, 0.9), ("mindeye", fit_mlp, 0.15),
                                                      ("whole-brain", fit_transformer, 0.15),
                                                      ("mindeye2", fit_shared, 0.15), ("tgbd", fit_volume, 0.0)])
def test_system_finds_planted_brains_and_shuffled_ones_are_at_chance(tmp_path, system, fit, least):
    task = Planted(tmp_path).task(system, **({"epochs": 3} if system == "tgbd" else {}))
    found, story = fit(task, QUIET)
    figures = metrics_of(retrieval_rows(found), task)
    assert figures["brain→image R@1"] >= least and figures["chance R@1"] == 1 / 40
    assert figures["shuffled R@1"] <= 0.1 and figures["images"] == 40
    assert story["what"]
    if system != "ridge-clip":
        losses = [r["loss"] for r in task.folder.history()]
        assert losses[-1] < losses[0]
    for name in ("to_image", "to_text", "image", "text"):
        np.testing.assert_allclose(np.linalg.norm(getattr(found, name), axis=1), 1, atol=1e-4)


def test_a_start_from_ridge_finds_before_any_training_and_training_keeps_the_better(tmp_path):
    task = Planted(tmp_path).task("whole-brain", start="ridge", epochs=0, patch=2)
    found, story = fit_transformer(task, QUIET)
    least = metrics_of(retrieval_rows(found), task)
    assert least["brain→image R@1"] >= 0.6 and story["start"] == "ridge" and story["best_epoch"] == 0
    history = RunFolder.open(task.folder.path).history()
    assert [r["epoch"] for r in history] == [0] and history[0]["val_mrr"] > 0.5


def test_a_packed_run_is_small_and_gives_the_same_embeddings(tmp_path):
    import torch

    from brainview.alignment.ranking import open_shelf
    from brainview.alignment.shipped import pack
    from brainview.alignment.workflow import _publish, _train_one
    from brainview.core.files import write_json

    home = RunFolder.create(tmp_path / "run", "whole-brain", {"subjects": ["subj01"], "clip": "planted"}, phantom=True)
    task = Planted(tmp_path / "run").task("whole-brain", epochs=1)
    _train_one("whole-brain", fit_transformer, task, QUIET)
    task.targets.story.update(texts=1)
    write_json(home.path / "split.json", {"name": "s"})
    _publish(home, "whole-brain", ["subj01"], task.targets, "key", True)
    place = pack(home.path, "subj01", tmp_path / "small")
    model, card = load_encoder(tmp_path / "small", "subj01")
    assert card["phantom"] and card["stored_as"] == "float16" and not (place / "model.safetensors").exists()
    brain = model(torch.from_numpy(task.brains.mean(task.test))).numpy()
    np.testing.assert_allclose(brain, open_shelf(tmp_path / "small", "subj01").of("brain"), atol=0.02)


def test_checkpoint_carries_mask_tokens_and_weights(tmp_path):
    import torch

    task = Planted(tmp_path).task("whole-brain", epochs=1)
    found, _ = fit_transformer(task, QUIET)
    model, card = load_encoder(tmp_path, "subj01")
    assert model.grid.n_tokens == 8 and card["tokens"] == 8 and card["phantom"]
    brain = model(torch.from_numpy(task.brains.mean(task.test))).numpy()
    np.testing.assert_allclose(brain, found.to_image, atol=1e-5)


def test_ridge_is_the_textbook_solution_and_loads_again(tmp_path):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(30, 50)).astype(np.float32), rng.uniform(0.2, 2, 50).astype(np.float32)
    image, text = unit(rng.normal(size=(30, 4))), unit(rng.normal(size=(30, 4)))
    model, _ = fit_ridge_clip(x, image, text, w, alphas=np.array([3.0]))
    xc = (x - x.mean(0)) * w
    y = np.concatenate([image, text], 1)
    want = np.linalg.solve(xc.T @ xc + 3 * np.eye(50), xc.T @ (y - y.mean(0)))
    np.testing.assert_allclose(model.coef, want * w[:, None], atol=1e-4)
    task = Planted(tmp_path).task("ridge-clip")
    found, _ = fit_ridge(task, QUIET)
    again, used, _ = load_ridge(tmp_path, "subj01")
    np.testing.assert_allclose(again(task.brains.mean(task.test)[:, used])[0], found.to_image, atol=1e-5)


def test_reliability_weighting_helps_and_is_of_mean_square_one(tmp_path):
    task = Planted(tmp_path).task("ridge-clip")
    weight = voxel_weights(task.brains, "reliability")
    assert np.mean(weight**2) == pytest.approx(1, abs=1e-4)
    assert (voxel_weights(task.brains, "none") == 1).all()
    chosen = chosen_voxels(task.brains.reliability, 60)
    assert (task.brains.reliability[chosen] > 0.5).all() and (np.diff(chosen) > 0).all()


def test_settings_are_checked():
    with pytest.raises(MismatchError, match="no setting"):
        AlignConfig.of({"epoch": 3})
    with pytest.raises(MismatchError):
        AlignConfig.of({"encoder": "huge"})
    assert AlignConfig.of({"epochs": "7"}).epochs == 7
    for options in PRESETS.values():
        AlignConfig.of(options)


def test_other_people_help_where_their_voxels_say_the_same_and_whitening_keeps_what_is_found():
    from brainview.alignment.decoders import Fellow

    rng = np.random.default_rng(2)
    mixing = rng.normal(size=(WIDTH, 150))

    def person(n, seed):
        dice = np.random.default_rng(seed)
        image = unit(dice.normal(size=(n, WIDTH)))
        return (image @ mixing + 1.5 * dice.normal(size=(n, 150))).astype(np.float32), image, image

    own, other, held = person(40, 0), person(300, 1), person(200, 3)
    weight = np.ones(150, np.float32)

    def found(**more):
        model, story = fit_ridge_clip(*own, weight, **more)
        brain, gallery = model(held[0])[0], model.gallery(held[1], held[2])[0]
        return float(((brain @ gallery.T).argmax(1) == np.arange(200)).mean()), story

    alone, _ = found()
    fellow = [Fellow(other[0], weight, other[1], other[2])]
    pooled, story = found(others=fellow, share=0.9)
    assert pooled > alone + 0.05 and story["people"] == 2
    same = {"alphas": np.array([50.0])}
    assert found(others=fellow, share=0.0, **same)[0] == found(**same)[0], "alone again"
    assert found(others=fellow, share=0.9, whiten=1.0)[0] > pooled - 0.05


def test_leave_one_out_errors_are_those_of_leaving_one_out():
    from brainview.alignment.decoders import _dual

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 8)), rng.normal(size=(20, 3))
    _, errors, _ = _dual(x @ x.T, y, np.array([2.0]))
    rest = np.arange(20) != 7
    coef = np.linalg.solve(x[rest].T @ x[rest] + 2 * np.eye(8), x[rest].T @ y[rest])
    np.testing.assert_allclose(errors[7], y[7] - x[7] @ coef, atol=1e-9)


def test_a_start_from_a_teacher_answers_as_the_teacher_and_only_kept_voxels_count(tmp_path):
    from brainview.alignment.ridge_clip import fit_people
    from brainview.alignment.whole_brain import linear_teacher

    task = Planted(tmp_path).task("whole-brain", start="teacher", epochs=0, patch=2, keep=100, whiten=1.0)
    used, _, _ = fit_people(task, lambda t: t.train)
    assert len(used) == 100
    teacher = linear_teacher(task, QUIET)
    assert (np.flatnonzero(np.abs(teacher).sum(1)) == used).all()
    found, story = fit_transformer(task, QUIET)
    assert story["start"] == "teacher" and story["best_epoch"] == 0
    said = unit((task.brains.mean(task.test) - task.brains.mean(task.train).mean(0)) @ teacher)
    assert float((said * found.to_image).sum(1).mean()) > 0.75
    assert metrics_of(retrieval_rows(found), task)["brain→image R@1"] >= 0.6


def test_an_mlp_begins_as_the_ridge_and_its_blocks_without_effect(tmp_path):
    from brainview.alignment.whole_brain import linear_teacher

    for system, fit in (("mindeye", fit_mlp), ("mindeye2", fit_shared)):
        task = Planted(tmp_path / system).task(system, start="ridge", epochs=0, blocks=2, objective="mindeye")
        found, story = fit(task, QUIET)
        coef = linear_teacher(task, QUIET)
        coef[np.setdiff1d(np.arange(len(coef)), chosen_voxels(task.brains.reliability, 80))] = 0
        center = task.brains.mean(task.train).mean(0)
        want = unit((task.brains.mean(task.test) - center) @ coef)
        np.testing.assert_allclose(found.to_image, want, atol=2e-3)
        assert story["best_epoch"] == 0 and story["start"] == "ridge"


def test_a_convolutional_net_begins_with_components_and_a_ridge_from_them(tmp_path):
    task = Planted(tmp_path).task("tgbd", start="ridge", epochs=0)
    found, story = fit_volume(task, QUIET)
    assert metrics_of(retrieval_rows(found), task)["brain→image R@1"] >= 3 / 40 and story["best_epoch"] == 0


def test_mindeye_losses_pull_a_mixed_brain_to_both_and_resume_is_exact_with_dropout(tmp_path):
    import torch

    from brainview.alignment.loss import mindeye_loss, mixed_brains

    x, goal = mixed_brains(torch.eye(6), np.random.default_rng(1), share=1.0, beta=1.0)
    np.testing.assert_allclose(goal.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(x, goal, atol=1e-6)  # brains that are unit vectors: what they are mixed from is seen
    target = torch.eye(6)
    near, far = (mindeye_loss(b, target, target, 0.1, goal=goal)["loss"] for b in (x, x.roll(1, 0)))
    assert near < far
    soft = mindeye_loss(target, target, target, 0.1)
    assert soft["loss"] == pytest.approx(2 * float(soft["brain_image"]))
    options = {"objective": "mindeye", "epochs": 3, "dropout": 0.5}
    whole = Planted(tmp_path / "a").task("mindeye", **options)
    fit_mlp(whole, QUIET)

    class Stop:
        left = 8

        def report(self, *rest):
            pass

        log = report

        def check(self):
            self.left -= 1
            if self.left < 0:
                raise Cancelled

    from brainview.core.errors import Cancelled

    cut = Planted(tmp_path / "b").task("mindeye", **options)
    with pytest.raises(Cancelled):
        fit_mlp(cut, Stop())
    fit_mlp(cut, QUIET)
    assert [r["loss"] for r in whole.folder.history()] == [r["loss"] for r in cut.folder.history()]


def test_reliability_of_neighbours_leaves_out_what_has_no_signal():
    from brainview.alignment.reliability import denoised_reliability

    rng = np.random.default_rng(0)
    shape = (20, 20, 20)
    truth = np.zeros(shape, np.float32)
    truth[4:10, 4:10, 4:10] = 0.6
    estimate = np.sqrt(np.maximum(truth.ravel()**2 + 0.15 * rng.standard_normal(truth.size), 0))
    found = denoised_reliability(estimate, np.arange(truth.size), shape)
    inside = truth.ravel() > 0
    own = estimate**2 / (1 + estimate**2)
    assert found[inside].mean() > 10 * found[~inside].mean() and own[inside].mean() < 6 * own[~inside].mean()
    place = np.flatnonzero(rng.random(truth.size) < 0.7)  # a brain with holes
    part = denoised_reliability(estimate[place], place, shape)
    assert np.corrcoef(part, found[place])[0, 1] > 0.9
