"""Whole LLM-VEM trainings on a tiny data set: resumed, second stage, attention head, controls."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from brainview.core.errors import Cancelled, MismatchError
from brainview.datasets.registry import open_dataset
from brainview.encoding.llm_vem.new_person import fit_part
from brainview.encoding.predict import open_model
from brainview.training import history
from brainview.training.jobs import present, train
from brainview.training.run import RunFolder
from tests.encoding import tiny
from tests.encoding.test_llm_vem import QUICK


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vem")
    tiny.write(folder / "data", train=60, test=8)
    train("llm-vem", str(folder / "data"), str(folder / "one"), options=QUICK)
    ids = open_dataset(folder / "data").stimuli.ids.tolist()
    words = ["a cat", "a dog", "a house", "a person"]
    (folder / "texts.jsonl").write_text("".join(json.dumps({"id": i, "text": words[i % 4]}) + "\n" for i in ids))
    return folder


class StopAfterAnEpoch:
    """Cancels in the second epoch."""

    def report(self, done, total, text="") -> None:
        if text == "epoch 2":
            raise Cancelled()

    def log(self, line) -> None: ...
    def check(self) -> None: ...


def test_an_interrupted_training_is_usable_and_goes_on_exactly(place: Path) -> None:
    with pytest.raises(Cancelled):
        train("llm-vem", str(place / "data"), str(place / "cut"), options=QUICK, context=StopAfterAnEpoch())
    assert open_model(place / "cut").predict_pictures([tiny.picture(5003)], "subj01").shape == (1, 110)
    assert history.standing(place / "cut")["usable"] and not history.standing(place / "cut")["finished"]
    shown = present(str(place / "cut"))  # nothing is written, and test images are not touched
    assert "after epoch 1 of 2" in shown["notes"][0] and shown["maps"]["subj02"]["R2"].provenance["part"] == "val"
    assert not (place / "cut" / "subjects").exists()
    train("llm-vem", str(place / "data"), str(place / "cut"), options=QUICK)
    runs = [RunFolder.open(place / n) for n in ("one", "cut")]
    a, b = ([{k: v for k, v in row.items() if k != "seconds"} for row in run.history()] for run in runs)
    assert a == b
    first, second = (RunFolder.open(run.path / "model").load("last")[0] for run in runs)
    for key in first:
        np.testing.assert_array_equal(first[key], second[key])


def test_stage_2_moves_only_the_attention_of_the_trunk_and_logs_its_retrieval(place: Path) -> None:
    options = {"stage": 2, "start": str(place / "one"), "epochs": 1, "batch": 32, "bootstraps": 0, "permutations": 0,
               "pixels": 32, "lambda": "0.1", "texts": f"file:{place / 'texts.jsonl'}", "clip": "phantom-clip",
               "lr": 1e-3}
    train("llm-vem", str(place / "data"), str(place / "two"), options=options)
    row = RunFolder.open(place / "two").history()[0]
    assert row["align"] > 0 and 0 <= row["accuracy"] <= 1
    assert row["loss"] == pytest.approx(row["mse"] + 0.1 * row["align"], rel=1e-4)
    tensors = RunFolder.open(place / "two" / "model").load("last")[0]
    fresh = open_model(place / "one").model._look.model.state_dict()
    moved = {k for k, v in fresh.items() if not np.array_equal(tensors[f"trunk.{k}"], v.numpy())}
    assert moved and all(".attn." in k and not k.startswith("blocks.11.") for k in moved)
    before = RunFolder.open(place / "one" / "model").load("best")[0]
    np.testing.assert_array_equal(tensors["head.readout.weight"], before["head.readout.weight"])
    assert (RunFolder.open(place / "two").path / "split.json").read_text() == (place / "one" / "split.json").read_text()


def test_controls_and_the_attention_head(place: Path) -> None:
    texts = f"file:{place / 'texts.jsonl'}"
    train("llm-vem", str(place / "data"), str(place / "words"),
          options={**QUICK, "control": "caption-only", "texts": texts, "clip": "phantom-clip"})
    assert "captions only" in present(str(place / "words"))["card"]["feature_label"]
    train("llm-vem", str(place / "data"), str(place / "look"),
          options={**QUICK, "head": "attention", "width": 16, "epochs": 1, "limit": "subj02:12"})
    assert present(str(place / "look"))["card"]["metrics"]["subj02"]["train_images"] == 12
    maps = open_model(place / "look").attention(tiny.picture(5003), "subj01")  # type: ignore[attr-defined]
    assert {"LH V1v", "LH V1d", "RH other"} <= set(maps)
    assert all(m.shape == (2, 2) and 0 < m.sum() <= 1 + 1e-5 for m in maps.values())


def test_the_original_split_says_that_it_leaks(place: Path) -> None:
    train("llm-vem", str(place / "data"), str(place / "leaky"),
          options={**QUICK, "epochs": 1, "split": "original", "padding": "zeros", "bias_twice": "true"})
    assert any("too good" in note for note in present(str(place / "leaky"))["notes"])


def test_stage_3_gives_a_new_person_a_part_and_leaves_everything_else(place: Path) -> None:
    train("llm-vem", str(place / "data"), str(place / "first"), subjects=["subj01"], options=QUICK)
    before = RunFolder.open(place / "first" / "model").load("best")[0]
    options = {"stage": 3, "start": str(place / "first"), "bootstraps": 0, "permutations": 0, "limit": "subj02:30",
               "keep_predictions": True}
    train("llm-vem", str(place / "data"), str(place / "new"), options=options)
    shown = present(str(place / "new"))
    assert shown["subjects"] == ["subj02"] and shown["metrics"] and "trained on subj01" in " ".join(shown["notes"])
    after = RunFolder.open(place / "new" / "model").load("best")[0]
    for key in [k for k in before if k.startswith(("head.layers.", "head.shared."))]:
        np.testing.assert_array_equal(before[key], after[key])
    assert after["head.readout.weight"].shape[0] == before["head.readout.weight"].shape[0] - 1  # one vertex is missing
    ids = RunFolder.open(place / "new" / "subjects" / "subj02").card()["stimuli"]
    kept = np.load(place / "new" / "subjects" / "subj02" / "predicted.npy")
    model = open_model(place / "new")
    np.testing.assert_allclose(model.predict_stimuli(np.array([i["stimulus"] for i in ids]), "subj02"), kept, atol=1e-4)
    average = open_model(place / "first").predict_average([tiny.picture(5003)])[0]
    own = model.predict_average([tiny.picture(5003)])[0]
    np.testing.assert_allclose(own, np.delete(average, 49, 1), atol=1e-4)  # the group part is the same
    with pytest.raises(MismatchError, match="subj01 already"):
        train("llm-vem", str(place / "data"), str(place / "q"), subjects=["subj01"], options=options)


def test_a_part_is_ridge_and_keeps_still_when_there_is_nothing_to_learn() -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((40, 12)).astype(np.float32) + 1
    left = z @ rng.standard_normal((12, 5)) + 0.3 * rng.standard_normal((40, 5))
    part = fit_part(z, left)
    scale = np.sqrt(np.square(z.astype(float)).mean())
    wide = np.concatenate([z, np.full((40, 1), scale)], 1)
    by_hand = np.linalg.solve(wide.T @ wide + part.penalty * scale**2 * 13 * np.eye(13), wide.T @ left)
    np.testing.assert_allclose(part.weight, by_hand[:-1].T, atol=1e-4)
    np.testing.assert_allclose(part.bias, scale * by_hand[-1], atol=1e-4)
    assert part.error < 0.05
    noise = fit_part(z[:20], rng.standard_normal((20, 400)))
    assert noise.penalty > 0.1 and np.abs(noise.weight).max() < 0.2 and noise.error > 0.8
