"""Elements, baselines, and the description of a brain with a language model that is told what to say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from brainview.language import describe as words
from brainview.language.backends.base import Reply
from brainview.language.metrics.baselines import beside
from brainview.language.metrics.elements import capture, element_scores, f_score, parse
from brainview.language.scoring import choose, salient_questions, with_article


def test_elements_of_a_sentence() -> None:
    found = parse("A small red ball is next to two women in the park. The dog is brown.")
    assert found.objects == {"ball", "woman", "park", "dog"}
    assert found.attributes == {("ball", "small"), ("ball", "red"), ("dog", "brown")}
    assert ("ball", "next to", "woman") in found.relations and ("woman", "in", "park") in found.relations
    assert parse("A white umbrella and a couch").attributes == {("umbrella", "white")}
    for text in ("", "1 1 1 1 " * 5000, "\0\n", "[" * 2000):
        assert parse(text).objects == frozenset()


def test_capture_is_the_published_weighting() -> None:
    assert capture(1, 1, 1) == pytest.approx(1)
    assert capture(0.6, 0.4, 0.1) == pytest.approx((0.5 * 0.6 + 0.5 * 0.4 + 0.2 * 0.1) / 1.2)
    assert f_score({"a", "b"}, {"b", "c"}) == (0.5, 0.5, 0.5) and f_score(set(), set())[2] == 1
    scores = element_scores({"0": "a dog"}, {"0": ["A dog in the park.", "A dog."], "1": ["a cat"]})
    assert scores["objects"].tolist() == [pytest.approx(2 / 3), 0.0]


def test_baselines_see_a_difference_and_none() -> None:
    rng = np.random.default_rng(0)
    noise = rng.random((40, 40))
    seen = beside(noise + np.eye(40), np.full(40, 2.0), permutations=400)
    assert seen.p < 0.01 and seen.low < seen.value < seen.high and 0.5 < seen.share < 0.8
    none = beside(noise, np.full(40, 2.0), permutations=400)
    assert none.p > 0.01 and abs(none.share) < 0.2


class Talker:
    """A language model that says what its tokens hold."""

    name = "talker"

    def reply(self, tokens: np.ndarray, prompts: list[str], **_: Any) -> list[Reply]:
        out = []
        for token, prompt in zip(tokens, prompts, strict=True):
            value = int(token[0, 0])
            boxes = (((0.0, 0.0, 0.5, 0.5),),) if prompt.startswith("Locate") and value % 2 == 0 else ()
            text = f"A {'dog' if value % 2 == 0 else 'cat'} in the park."
            if prompt == "Which?":
                text = "even" if value % 2 == 0 else "odd"
            out.append(Reply(text, prompt, self.name, "plain", "embeds", 1, 3, 0.0, boxes=boxes))
        return out


    def log_probability(self, tokens: np.ndarray, prompts: list[str], answers: list[str]) -> np.ndarray:
        there = [("dog" if int(t[0, 0]) % 2 == 0 else "cat") in p for t, p in zip(tokens, prompts, strict=True)]
        return np.array([0.0 if (a == "yes") == here else -1.0 for here, a in zip(there, answers, strict=True)])


class Stimuli:
    def image(self, i: int) -> Image.Image:
        return Image.new("RGB", (32, 32), (250, 30, 30) if i % 2 == 0 else (20, 20, 20))

    def captions(self, i: int) -> list[str]:
        return [f"A {'dog' if i % 2 == 0 else 'cat'} in the park."]

    def details(self, i: int) -> dict[str, Any]:
        box = [0.0, 0.0, 0.5, 0.5] if i % 2 == 0 else [0.5, 0.5, 1, 1]
        return {"boxes": [{"label": "dog" if i % 2 == 0 else "cat", "box": box}],
                "questions": [{"question": "Which?", "answer": "even" if i % 2 == 0 else "odd", "kind": "parity"}]}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    from brainview.language.brain import jobs
    from brainview.training.run import RunFolder

    folder = RunFolder.create(tmp_path / "run", "brainx", {}, data="somewhere")
    folder.write_generation({"w": np.zeros(1, np.float32)}, {"system": "brainx", "subjects": ["subj01"],
                                                             "phantom": True, "dataset": "toy"})

    def tokens(run: str, ids: Any, *_: Any, **__: Any) -> dict[str, Any]:
        return {"tokens": np.array(ids, np.float32).reshape(-1, 1, 1)}

    monkeypatch.setattr(jobs, "true_tokens", lambda run, ids, **k: tokens(run, ids))
    monkeypatch.setattr(jobs, "brain_tokens", lambda run, subject, ids, **k: tokens(run, ids))
    monkeypatch.setattr(jobs, "test_ids", lambda run, subject: np.arange(11))
    monkeypatch.setattr(words, "load_backend", lambda *a, **k: Talker())
    monkeypatch.setattr("brainview.datasets.registry.open_dataset", lambda p: type("D", (), {"stimuli": Stimuli(),
                                                                                                "phantom": True})())
    return str(folder.path)


def test_every_text_stands_beside_image_and_shuffled_brain(run: str, tmp_path: Path) -> None:
    rows = words.describe(run, "subj01", [4, 5], ["What?", "Which?"])
    assert [(r["stimulus"], r["prompt"]) for r in rows] == [(4, "What?"), (4, "Which?"), (5, "What?"), (5, "Which?")]
    assert [r["brain"]["text"] for r in rows][1::2] == ["even", "odd"]
    assert words.partner(np.arange(11), 4) == 10 and words.partner(np.arange(11), 5) != 5
    head = words.provenance(run, "subj01", options={"scale": {"V1": 0.0}})
    lines = words.write_transcript(tmp_path / "t.jsonl", head, rows).read_text().splitlines()
    assert json.loads(lines[0])["provenance"]["options"] == {"scale": {"V1": 0.0}} and len(lines) == 5


def test_scores_stand_beside_their_baselines(run: str) -> None:
    found = {r["metric"]: r for r in words.score_run(run, "subj01")["rows"]}
    caption, box, answer = found["captions: object F1"], found["boxes: acc@0.5"], found["answers"]
    assert caption["value"] == caption["top"] == 1 and caption["shuffled"] < 1 and caption["share"] == 1
    things = found["captions: object F1, no places"]
    assert things["value"] == 1 and things["shuffled"] < caption["shuffled"], "the park, common to all, counts no more"
    assert box["value"] == pytest.approx(6 / 11) and box["share"] in (1, None)
    clip = found["captions: CLIP-S (phantom-clip)"]
    assert clip["value"] == pytest.approx(clip["top"]) and "captions: RefCLIP-S (phantom-clip)" in found
    assert "salient thing, 1 of 4" not in found, "two names in all give no question of four options"
    assert answer["constant"] == pytest.approx(6 / 11) and answer["p"] <= 1


def test_the_salient_thing_is_the_largest_and_no_other_option_is_in_the_picture() -> None:
    names = ("dog", "cat", "bus", "cake", "kite", "apple")
    details = {i: {"boxes": [{"label": names[i], "box": [0, 0, 0.2, 0.2]},
                             {"label": names[(i + 1) % 6], "box": [0, 0, 0.9, 0.5]}]} for i in range(6)}
    details[6] = {}
    made = salient_questions(range(7), details)
    assert len(made) == 6 and made == salient_questions(range(7), details)
    for q in made:
        i = q.stimulus
        assert q.options[q.answer] == names[(i + 1) % 6] and len(set(q.options)) == 4 and names[i] not in q.options
    assert with_article("apple") == "an apple" and with_article("bus") == "a bus"
    tokens = np.arange(7, dtype=np.float32).reshape(-1, 1, 1)
    right = choose(Talker(), tokens, made, range(7), batch=4)
    assert right.shape == (6,) and set(right) <= {0.0, 1.0}


def test_nearest_captions_are_those_of_the_nearest_tokens(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from brainview.language.brain import jobs
    from brainview.language.words_jobs import nearest

    codes = np.random.default_rng(0).standard_normal((11, 2, 6)).astype(np.float32)
    wander = 0.7 * codes[4] + 0.8 * codes[7]  # the brain of picture 4 looks a little more like picture 7
    monkeypatch.setattr(jobs, "true_tokens", lambda run, ids, **k: {"tokens": codes[np.asarray(ids)] + 3})
    monkeypatch.setattr(jobs, "brain_tokens", lambda run, subject, ids, **k: {
        "tokens": wander[None] + 3, "mean": np.full((2, 6), 3, np.float32)})
    found = nearest(run, "subj01", 4, 3)
    assert [r["stimulus"] for r in found["rows"][:2]] == [7, 4] and found["rank"] == 1 and found["of"] == 11
    assert [r["seen"] for r in found["rows"]] == [False, True, False]
    assert found["rows"][0]["caption"] == "A cat in the park." and found["rows"][0]["r"] > found["rows"][1]["r"]


def test_command_prints_the_three_voices(run: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from brainview.cli.main import main

    assert main(["describe", run, "--stimulus", "4", "--transcript", str(tmp_path / "t.jsonl")]) == 0
    out = capsys.readouterr().out
    assert "PHANTOM" in out and "true picture:" in out and "A dog in the park." in out
    assert main(["describe", run, "--subject", "nobody"]) == 1
    assert "subj01" in capsys.readouterr().err
    assert main(["describe", run, "--scale", "V1=x"]) == 1
    assert main(["describe", run, "--score"]) == 0
    assert "true image" in capsys.readouterr().out
