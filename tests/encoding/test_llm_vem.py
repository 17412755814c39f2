"""LLM-VEM: block by block against the reference's tables, then whole trainings on a tiny data set in a real layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brainview.core.files import to_json
from brainview.encoding import jobs
from brainview.training.jobs import present, train
from brainview.training.run import RunFolder
from tests.encoding import tiny

TRUNK = "timm:eva02_base_patch14_224[weights=random;img_size=28;embed_dim=24;num_heads=1]"
QUICK = {"features": TRUNK, "hidden": 32, "components": 64, "epochs": 2, "batch": 32, "augment": "false",
         "bootstraps": 10, "permutations": 5, "val": 0.15, "seed": 1, "pixels": 32}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("tiny") / "algonauts")


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return train("llm-vem", str(data), str(tmp_path_factory.mktemp("runs") / "vem"), options=QUICK)


def test_present_gives_the_panel_what_ridge_gives(run: str) -> None:
    shown = present(run)
    assert set(shown) == {"run", "card", "phantom", "subjects", "metrics", "maps", "group", "counts", "rois", "stimuli",
                          "notes"}
    assert shown["subjects"] == ["subj01", "subj02"] and "RANDOM" in shown["notes"][0]
    assert shown["maps"]["subj02"]["R2"].provenance["system"] == "llm-vem"
    rows = RunFolder.open(run).history()
    assert [r["epoch"] for r in rows] == [1, 2] and {"loss", "val_median_R2", "lr", "seconds"} <= set(rows[0])
    to_json({k: v for k, v in shown.items() if k not in ("maps", "group", "counts")})


def test_one_picture_is_predicted_as_it_was_scored(run: str) -> None:
    listed = {s["stimulus"]: s for s in present(run)["stimuli"]["subj02"]}
    assert jobs.predict_stimulus(run, "subj02", 5003)["R2"] == pytest.approx(listed[5003]["R2"], abs=1e-4)
    image = np.asarray(tiny.picture(5003))
    whole = jobs.predict_picture(run, image, "subj02")["predicted"]
    np.testing.assert_allclose(whole.values, jobs.predict_stimulus(run, "subj02", 5003)["predicted"].values, atol=1e-5)
    other = np.zeros((30, 30, 3), np.uint8)
    both = [jobs.predict_picture(run, i, "subj01")["predicted"].values for i in (image, other)]
    found = jobs.predict_picture(run, image, "subj01", other)
    np.testing.assert_allclose(found["predicted"].values, both[0] - both[1], atol=1e-5)
    average = jobs.predict_picture(run, image)
    assert average["predicted"].values.shape == (tiny.LEFT + tiny.RIGHT,) and "group part" in average["note"]
