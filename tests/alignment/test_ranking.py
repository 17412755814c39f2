"""Rankings, matrices and points of a stored run: the true one is where it was put; sentences go through the model."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from brainview.alignment import jobs
from brainview.alignment.retrieval import nearest
from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.training.run import RunFolder

N, WIDTH = 30, 128


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """30 test items; brain i is its picture but for item 4, whose brain says item 9."""
    rng = np.random.default_rng(3)
    image = unit(rng.normal(size=(N, WIDTH)))
    text = unit(image + 0.1 * unit(rng.normal(size=(N, WIDTH))))
    brain = unit(image + 0.02 * unit(rng.normal(size=(N, WIDTH))))
    brain[4] = unit(image[9:10] + 0.4 * image[4:5])[0]
    path = tmp_path_factory.mktemp("runs") / "r"
    folder = RunFolder.create(path, "whole-brain", {"clip": "phantom-clip", "subjects": ["s1"]})
    place = RunFolder.create(path / "subjects" / "s1", "whole-brain-subject", {}).path
    ids = np.arange(N, dtype=np.int64) * 2
    save_file({"ids": ids, "to_image": brain, "to_text": brain, "image": image, "text": text,
               "text_center": np.zeros(WIDTH, np.float32)}, place / "embeddings.safetensors")
    (place / "texts.json").write_text(json.dumps({str(i): [f"a thing called {i}"] for i in ids.tolist()}))
    folder.write_generation({"none": np.zeros(1, np.float32)}, {
        "finished": ["s1"], "phantom": True, "dataset": "d", "feature_label": "phantom-clip, captions: detailed",
        "metrics": {"s1": {"images": N, "brain→image R@1": 29 / 30}}, "targets": {"texts_cut": 3, "texts": 30,
                                                                                "context": 77}})
    return str(path)


def test_a_brain_ranks_its_own_picture_first_and_a_wrong_one_is_told(run):
    own = jobs.rank(run, "s1", 6, top=5)
    assert [e["rank"] for e in own["images"]] == [1, 2, 3, 4, 5] and own["images"][0]["own"]
    assert own["image_rank"] == own["text_rank"] == 1 and own["chance"] == 1 / N
    assert own["images"][0]["text"] == "a thing called 6"
    falls = jobs.rank(run, "s1", 8, top=1)
    assert falls["images"][0]["stimulus"] == 18 and not falls["images"][0]["own"]
    assert falls["image_rank"] == 2 and falls["images"][-1] == {**falls["images"][-1], "own": True, "rank": 2}
    assert len(falls["images"]) == 2, "the true one is shown below the top"


def test_pictures_captions_and_sentences_rank_brains(run):
    assert jobs.rank_brains(run, "s1", stimulus=12)["brain_rank"] == 1
    assert jobs.rank_brains(run, "s1", stimulus=12, kind="text")["brains"][0]["own"]
    said = jobs.rank_brains(run, "s1", text="a dog runs zzyzx in the park", top=3)
    assert said["brain_rank"] is None and len(said["brains"]) == 3 and said["kind"] == "text"
    assert said["query"]["unknown_tokens"] > 0 and not said["query"]["cut"]
    assert jobs.rank_brains(run, "s1", text="dog " * 200)["query"]["cut"]
    for wrong in ({}, {"stimulus": 2, "text": "a dog"}, {"stimulus": 2, "kind": "smell"}):
        with pytest.raises(MismatchError):
            jobs.rank_brains(run, "s1", **wrong)
    with pytest.raises(MissingError, match="test stimuli"):
        jobs.rank(run, "s1", 3)
    with pytest.raises(MissingError):
        jobs.rank(run, "../s1", 2)


def test_matrices_and_their_numbers(run):
    found = jobs.similarity(run, "s1", permutations=99)
    assert set(found["matrices"]) == {"brain–brain", "image–image", "text–text", "brain–image", "brain–text",
                                      "image–text"}
    assert found["matrices"]["brain–image"].shape == (N, N) and sorted(found["order"]) == list(range(N))
    numbers = {r["pair"]: r for r in found["numbers"]}
    assert numbers["brain–image"]["R@1"] == pytest.approx(29 / 30)
    assert numbers["brain–image"]["matched_cosine"] > 0.9 > 0.2 > numbers["brain–image"]["unmatched_cosine"]
    assert found["rsa"][0]["spearman"] > 0.7 and found["rsa"][0]["p"] == 0.01


def test_points_repeat_exactly(run):
    code = ("import sys, numpy as np\nfrom brainview.alignment import jobs\n"
            "a, b = (jobs.umap(sys.argv[1], 's1', neighbours=5) for _ in range(2))\n"
            "assert np.array_equal(a['points'], b['points']) and np.isfinite(a['points']).all()\n"
            f"assert a['points'].shape == ({3 * N}, 2) and a['modality'][{N}] == 'image' and a['ids'][{N}] == 0")
    # compiled code would take 15 s to compile and gives the same
    done = subprocess.run([sys.executable, "-c", code, run], env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_present_tells_table_notes_and_what_can_be_ranked(run):
    shown = jobs.present(run)
    assert shown["table"]["rows"][0]["brain→image R@1"] == 29 / 30 and shown["test"]["s1"][:2] == [0, 2]
    assert any("3 of 30 texts" in n for n in shown["notes"]) and shown["phantom"]


def test_damaged_embeddings_are_refused(run, tmp_path):
    import shutil

    shutil.copytree(run, tmp_path / "r")
    (tmp_path / "r" / "subjects" / "s1" / "embeddings.safetensors").write_bytes(b"\x08" * 99)
    with pytest.raises(FormatError):
        jobs.rank(str(tmp_path / "r"), "s1", 2)


def test_nearest_is_the_sorted_truth():
    rng = np.random.default_rng(0)
    gallery = unit(rng.normal(size=(500, 8)))
    gallery[7] = gallery[3]
    query = np.stack([gallery[3], gallery[11]])
    where, likeness = nearest(query, gallery, 10)
    truth = np.argsort(-(query @ gallery.T), axis=1, kind="stable")[:, :10]
    np.testing.assert_array_equal(where, truth)
    assert (np.diff(likeness, axis=1) <= 0).all() and where[0, :2].tolist() == [3, 7]
