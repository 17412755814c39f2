"""CLIP-S, RefCLIP-S, multiple choice and the groups of classes, by hand and through the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brainview.cli.main import main
from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.language.metrics.boxes import CLASSES, score_groups
from brainview.language.metrics.choices import binomial_p, lettered, read_choice, score_choices
from brainview.language.metrics.clipscore import PREFIX, clip_scores
from brainview.language.metrics.java import spice, spice_available


class Plane:
    """A CLIP of two dimensions: texts and pictures are angles."""

    name = "plane"

    def images(self, images, *, context=None):
        return np.array([self._at(a) for a in images], np.float32)

    def texts(self, texts, *, context=None):
        assert all(t.startswith(PREFIX) for t in texts)
        return np.array([self._at(float(t.removeprefix(PREFIX))) for t in texts], np.float32)

    def _at(self, angle: float) -> tuple[float, float]:
        return float(np.cos(np.radians(angle))), float(np.sin(np.radians(angle)))


def test_clip_scores_are_the_published_formulas() -> None:
    found = clip_scores(Plane(), [0, 90], ["60", "180"], [["0", "90"], ["180"]])
    assert found.clip == pytest.approx(2.5 * np.array([[0.5, np.sqrt(0.75)], [0, 0]]), abs=1e-6)
    assert found.ref is not None
    near = np.sqrt(0.75)  # of the references 0 and 90 the second is nearer to 60
    assert found.ref[0, 0] == pytest.approx(2 * 1.25 * near / (1.25 + near), abs=1e-6)
    assert found.ref[1] == pytest.approx([0, 0], abs=1e-6)  # one factor is 0
    assert clip_scores(Plane(), [0], ["0"]).ref is None
    with pytest.raises(MismatchError, match="at least one reference"):
        clip_scores(Plane(), [0], ["0"], [[]])


@pytest.mark.parametrize(("text", "letter"), [
    ("B", "B"), ("(b) it is", "B"), ("The answer is C.", "C"), ("A dog", "B"), ("It shows the hot dog!", "C"),
    ("a dog and a cat", None), ("", None), ("Z", None), ("1 1 1 1", None), ("A", "A"), ("answer: A", "A")])
def test_what_a_text_chooses(text: str, letter: str | None) -> None:
    assert read_choice(text, {"A": "cat", "B": "dog", "C": "hot dog"}) == letter


def test_choices_count_what_is_missing_as_wrong() -> None:
    questions = {"0": {"options": ["dog", "cat"], "answer": "A"}, "1": {"options": {"A": "x", "B": "y"}, "answer": "y"},
                 "2": {"options": ["dog", "cat", "cow", "bus"], "answer": "bus"}}
    scores = score_choices({"0": "a dog", "1": "A"}, questions)
    assert scores.right.tolist() == [1, 0, 0] and scores.unread == 1
    assert scores.chance == pytest.approx((0.5 + 0.5 + 0.25) / 3) and scores.commonest == pytest.approx(1 / 3)
    assert binomial_p(0, 5, 0.25) == 1 and binomial_p(5, 5, 0.25) == pytest.approx(0.25**5)
    assert "\nB. y" in lettered("Which?", ["x", "y"])
    for bad in ({"options": ["one"], "answer": "one"}, {"options": ["a", "b"], "answer": "c"}, "text"):
        with pytest.raises(FormatError):
            score_choices({}, {"0": bad})


def test_groups_of_the_leaderboard() -> None:
    sizes = {k: len(v) for k, v in CLASSES.items() if v is not None}
    assert sizes == {"S": 28, "SC": 11, "SO": 17, "I": 52}
    box = [[0.0, 0.0, 1.0, 1.0]]
    scores = score_groups({"0": {"dog": box}}, {"0": {"dog": box, "bus": box, "unicorn": box}})
    assert {k: (len(s.each), s.accuracy) for k, s in scores.items()} == {
        "A": (3, pytest.approx(1 / 3)), "S": (2, 0.5), "SC": (1, 1.0), "SO": (1, 0.0)}


def test_published_groups_are_those_of_the_reference_file(real_files: Path) -> None:
    labels = json.loads((real_files / "brainhub_s1" / "coco_categorized_labels.json").read_text())
    assert {k: set(CLASSES[k] or ()) for k in ("S", "SC", "SO", "I")} == {
        "S": set(labels["salient"]), "SC": set(labels["salient_creatures"]), "SO": set(labels["salient_objects"]),
        "I": set(labels["inconspicuous_objects"])}


def test_spice_says_what_it_needs() -> None:
    missing = spice_available()
    if missing is None:
        pytest.skip("SPICE is installed here")
    with pytest.raises(MissingError, match="SPICE needs"):
        spice({"0": "a dog"}, {"0": ["a dog"]})


def test_evaluate_scores_pictures_and_choices(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brainview.language.metrics.java.meteor_available", lambda: "not asked for")

    def write(name: str, value: object) -> str:
        (tmp_path / name).write_text(json.dumps(value))
        return str(tmp_path / name)

    for key, tint in (("0", (200, 30, 30)), ("1", (30, 160, 60))):
        Image.new("RGB", (64, 64), tint).save(tmp_path / f"{key}.png")
    truth = write("t.json", {"0": ["A red ball."], "1": ["A green ball."]})
    said = write("s.json", {"0": "A red ball.", "1": "1 1 1"})
    base = ["evaluate", "captions", "--references", truth, "--candidates", said, "--json"]
    assert main([*base, "--images", str(tmp_path), "--clip", "phantom-clip"]) == 0
    rows = {r["metric"]: r for r in json.loads(capsys.readouterr().out)["scores"]}
    assert 0 < rows["CLIP-S"]["value"] < 250 and "phantom-clip" in rows["CLIP-S"]["note"]
    assert rows["RefCLIP-S"]["value"] > 0 and rows["element F1: objects"]["value"] == 50.0
    assert main(base) == 0
    assert {r["metric"]: r for r in json.loads(capsys.readouterr().out)["scores"]}["CLIP-S"]["value"] is None
    (tmp_path / "1.png").unlink()
    assert main([*base, "--images", str(tmp_path), "--clip", "phantom-clip"]) == 1
    assert "holds no picture 1.png" in capsys.readouterr().err
    asked = write("q.json", {"0": {"options": ["a dog", "a cat"], "answer": "B"}})
    assert main(["evaluate", "choices", "--references", asked, "--candidates", write("a.json", {"0": "B."})]) == 0
    assert "guessing" in capsys.readouterr().out


@pytest.mark.parametrize(("what", "references", "candidates", "said"), [
    ("captions", {"0": ["a dog"], "1": []}, {"0": "a dog", "1": "x"}, "'1' has no reference caption"),
    ("captions", {"0": ["a dog"]}, '{"0": "a cat", "0": "a dog"}', "has the key '0' twice"),
    ("captions", {"0": ["a dog"]}, {"0": None}, "where a caption was expected"),
    ("boxes", {"0": {"dog": [[0, 0, 1]]}}, {"0": {}}, "'0' has no true box"),
    ("boxes", {"0": {}}, {"0": {}}, "hold no box"),
])
def test_files_that_cannot_be_scored_are_refused(what, references, candidates, said, tmp_path, capsys) -> None:
    files = []
    for name, value in (("references", references), ("candidates", candidates)):
        file = tmp_path / f"{name}.json"
        file.write_text(value if isinstance(value, str) else json.dumps(value))
        files += [f"--{name}", str(file)]
    assert main(["evaluate", what, *files]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_boxes_that_are_missing_or_no_boxes_are_counted_in_words(tmp_path, capsys) -> None:
    for name, value in (("r", {"0": {"dog": [[0, 0, 1, 1]], "cat": [[0, 0, 1, 1]], "bus": [[0, 0, 1, 1]]}}),
                        ("c", {"0": {"dog": [[0, 0, 1, 1]], "cat": "[0,0,1,1]"}})):
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    assert main(["evaluate", "boxes", "--references", str(tmp_path / "r.json"), "--candidates",
                 str(tmp_path / "c.json")]) == 0
    assert "2 predictions are missing or no box and count as wrong" in capsys.readouterr().out


def test_a_failure_of_meteor_leaves_no_lock_behind(monkeypatch) -> None:
    import sys
    import threading
    import types

    from brainview.core.errors import BrainViewError
    from brainview.language.metrics import java

    made = []

    class Meteor:
        def __init__(self) -> None:
            self.lock, self.meteor_p = threading.Lock(), types.SimpleNamespace(kill=lambda: None)
            made.append(self)

        def compute_score(self, references, candidates):
            self.lock.acquire()
            assert candidates == {"0": ["? dog"]}, "half a character is no character"
            raise ValueError("could not convert string to float")

    monkeypatch.setattr(java, "meteor_available", lambda: None)
    monkeypatch.setitem(sys.modules, "pycocoevalcap", types.ModuleType("pycocoevalcap"))
    monkeypatch.setitem(sys.modules, "pycocoevalcap.meteor", types.ModuleType("meteor"))
    monkeypatch.setitem(sys.modules, "pycocoevalcap.meteor.meteor", types.SimpleNamespace(Meteor=Meteor))
    with pytest.raises(BrainViewError, match="Java program failed"):
        java.meteor({"0": "\ud800 dog"}, {"0": ["a dog"]})
    assert not made[0].lock.locked()
