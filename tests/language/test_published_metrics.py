"""Published prediction files come out to the printed digit."""

import json

import numpy as np
import pytest

from brainview.core.errors import MismatchError
from brainview.language.metrics.boxes import first_box, iou, score_boxes
from brainview.language.metrics.captions import bleu, cider_d, rouge_l, score_captions
from brainview.language.metrics.tokenize import words


@pytest.fixture(scope="module")
def hub(real_files):
    folder = real_files / "brainhub_s1"
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in (
        "fmri_cococap", "umbrae_v1.4_sub01_captions", "coco_bbox_categorized", "umbrae_v1.4_sub01_boxes",
        "coco_categorized_labels")}


def test_captions_of_the_leaderboard(hub):
    scores = score_captions(hub["umbrae_v1.4_sub01_captions"], hub["fmri_cococap"])
    got = [round(100 * v, 2) for v in (scores.bleu[0], scores.bleu[3], scores.rouge_l, scores.cider)]
    assert got == [59.44, 19.03, 43.71, 61.06]


def test_boxes_of_the_leaderboard(hub):
    labels = hub["coco_categorized_labels"]
    truth, found = hub["coco_bbox_categorized"], hub["umbrae_v1.4_sub01_boxes"]
    groups = {"A": None, "S": labels["salient"], "I": labels["inconspicuous_objects"]}
    got = {g: score_boxes(found, truth, c) for g, c in groups.items()}
    assert {g: (round(100 * s.accuracy, 2), round(100 * s.iou, 2)) for g, s in got.items()} == {
        "A": (18.93, 21.28), "S": (30.23, 30.18), "I": (4.83, 10.18)}
    assert (len(got["A"].each), len(got["S"].each), len(got["I"].each)) == (2419, 1343, 1076)


@pytest.mark.parametrize(("text", "expected"), [
    ("A man (in red) can't see 3.5 dogs; he'll go!", "a man -lrb- in red -rrb- ca n't see 3.5 dogs he 'll go"),
    ("It's a 1950's style diner; the dogs' bowls", "it 's a 1950 's style diner the dogs bowls"),
    ("two-year-old boy's black/white T-shirt, $5.00", "two-year-old boy 's black/white t-shirt $ 5.00"),
    ("Mr. Smith plays rock 'n' roll -- wow...", "mr. smith plays rock 'n' roll wow"),
    ("", ""), ("...", ""), ("café naïve coffee/tea w/ milk", "café naïve coffee/tea w / milk"),
])
def test_words(text, expected):
    assert " ".join(words(text)) == expected


def test_degenerate_text_survives():
    keys = [str(i) for i in range(4)]
    references = {k: ["a dog runs on the grass", "the dog is running"] for k in keys}
    scores = score_captions({"0": "", "1": "1" * 5000, "2": "?!", "3": "a dog runs on the grass"}, references)
    assert np.isfinite(scores.bleu).all() and scores.rouge_each.tolist()[:3] == [0, 0, 0]
    assert scores.rouge_each[3] == pytest.approx(1)


def test_perfect_and_foreign_captions():
    refs = [[words("a red bus parks near a tall house")], [words("two cows eat grass on a hill")]]
    assert bleu([r[0] for r in refs], refs)[3] == pytest.approx(1, abs=1e-6)
    assert cider_d([r[0] for r in refs], refs) == pytest.approx([10, 10])
    assert rouge_l(words("nothing here matches"), refs[0]) == 0


def test_a_subset_is_refused():
    with pytest.raises(MismatchError, match="no candidate"):
        score_captions({"0": "a"}, {"0": ["a"], "1": ["b"]})


def test_boxes_by_hand():
    assert iou([0, 0, 2, 2], [1, 1, 3, 3]) == pytest.approx(1 / 7)
    assert first_box([[[0, 0, 1, 1]], [[0, 0, 2, 2]]]) == [0, 0, 1, 1]
    assert first_box("nonsense") == first_box([[float("nan"), 0, 1, 1]]) == [0, 0, 0, 0]
    scores = score_boxes({"1": {"cat": [[[0, 0, 1, 1]]]}}, {"1": {"cat": [[0, 0, 1, 1]], "dog": [[0, 0, 1, 1]]}})
    assert scores.accuracy == 0.5 and scores.iou == 0.5


def test_evaluate_verb_prints_the_leaderboard(real_files, capsys):
    from brainview.cli.main import main

    folder = real_files / "brainhub_s1"
    assert main(["evaluate", "captions", "--references", str(folder / "fmri_cococap.json"), "--candidates",
                 str(folder / "umbrae_v1.4_sub01_captions.json"), "--json"]) == 0
    rows = {r["metric"]: r["value"] for r in json.loads(capsys.readouterr().out)["scores"]}
    assert rows["BLEU-4"] == 19.03 and rows["METEOR"] in (None, 19.45)
    assert main(["evaluate", "boxes", "--references", str(folder / "coco_bbox_categorized.json"), "--candidates",
                 str(folder / "umbrae_v1.4_sub01_captions.json"), "--json"]) == 0
    assert {r["value"] for r in json.loads(capsys.readouterr().out)["scores"]} == {0.0}


def test_evaluate_verb_refuses_in_one_line(tmp_path, capsys):
    from brainview.cli.main import main

    bad = tmp_path / "bad.json"
    bad.write_text("[1, 2")
    assert main(["evaluate", "captions", "--references", str(bad), "--candidates", str(bad)]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "not valid JSON" in err
