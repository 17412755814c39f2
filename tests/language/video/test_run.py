"""The whole of both systems on a tiny film phantom: every stage, resume, tables, description, the window's jobs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from brainview.core.errors import Cancelled, MismatchError, MissingError
from brainview.core.files import read_json
from brainview.core.jobs import Quiet
from brainview.datasets.registry import open_dataset
from brainview.language.video import jobs
from brainview.language.video.adaptation import NOTHING, over_people, remarks, verdict
from brainview.language.video.pretrain import train as pretrain
from brainview.language.video.teacher import find_answers, read_answers, read_questions, write_answers
from brainview.language.video.train import train
from brainview.training.run import RunFolder

TINY = {"tokens": 8, "width": 16, "depth": 1, "heads": 2, "decoder_width": 16, "decoder_depth": 1, "qformer_width": 16,
        "qformer_heads": 2, "queries": 4, "image_queries": 2, "frames": 2, "llm_width": 32, "llm_depth": 1, "rank": 2,
        "words_epochs": 1, "video_epochs": 1, "mbm_epochs": 1, "stage1_epochs": 2, "stage2_epochs": 1, "batch": 16,
        "longest": 6, "permutations": 2, "bertscore": "none", "plane": "pca", "bridge": "mixing", "bridge_rank": 8,
        "start": "ridge", "watch": "person"}


class Stop(Quiet):
    """Cancels when a text is reported."""

    def __init__(self, words: str) -> None:
        self.words = words

    def report(self, done, total, text=""):
        if self.words in text:
            raise Cancelled


@pytest.fixture(scope="module")
def film_run(tiny_film, tmp_path_factory):
    """A finished run that was killed in Stage I and gone on with."""
    path = tmp_path_factory.mktemp("film-run") / "run"
    with pytest.raises(Cancelled):
        train(tiny_film, path, options=TINY, context=Stop("stage I epoch 2"))
    done = RunFolder.open(path / "stages" / "stage1")
    assert done.has_generation and len(done.history()) == 1 and not (path / "stages" / "stage2").exists()
    weights = (path / "stages" / "mbm" / "model.safetensors").read_bytes()
    train(tiny_film, path, options=TINY)
    assert (path / "stages" / "mbm" / "model.safetensors").read_bytes() == weights  # finished stages are kept
    return path


def test_run_tells_who_was_seen_and_every_baseline(film_run):
    card = RunFolder.open(film_run).card("last")
    assert card["subjects"] == ["sub-02"] and card["trained_on"] == ["sub-01"] and card["phantom"]
    assert card["seen_in_training"] == {"sub-02": "unlabelled"} and card["references"]["written by"] == "a machine"
    report = read_json(film_run / "evaluation.json")
    kinds = [r["kind"] for r in report["people"]["sub-02"]["rows"]]
    assert kinds == ["brain", "shuffled", "noise brain", "mean brain", "no brain", "constant", "nearest neighbour",
                     "wrong person", "without adaptation", "stage I", "clip (upper bound)"]
    tests = report["people"]["sub-02"]["tests"]
    assert {"2-way id.", "category", "category by g", "BLEU-1", "ROUGE-L P"} <= set(tests)
    assert all({"brain", "shuffled", "difference", "p"} <= set(t) for t in tests.values())
    assert len(report["samples"]) == report["people"]["sub-02"]["n"] or len(report["samples"]) == 10


def test_adaptation_is_compared_from_one_stage_one_and_says_when_there_is_nothing_to_compare(film_run, tiny_film,
                                                                                           tmp_path):
    def run(name, **more):
        out = train(tiny_film, tmp_path / name, options={"begin": str(film_run), "adaptors_in_stage2": True,
                                                         "stage2_watch": "none", "longest": 6, "permutations": 2,
                                                         "bertscore": "none", "plane": "pca", **more})
        return RunFolder.open(out), read_json(tmp_path / name / "evaluation.json")

    folder, report = run("both", stage2_epochs=1, stage2_lr=1e-2, eta=1)
    assert folder.config["width"] == TINY["width"] and folder.config["eta"] == 1.0  # of stage I taken, of II its own
    first, mine = (RunFolder.open(p / "stages" / "stage1").load("last")[0] for p in (film_run, folder.path))
    assert all(np.array_equal(first[k], mine[k]) for k in first)
    found = report["adaptation"]
    assert found["on"] and found["off"] and not found["same"]
    assert ("nothing to compare in words" in found["note"]) == (found["different"]["without adaptation"] == 0)
    assert {"difference", "low", "high", "people"} <= set(found["everyone"]["without adaptation"]["2-way id."])
    assert {"category by g", "2-way id."} <= set(report["people"]["sub-02"]["compared"]["without adaptation"])
    on, off = (RunFolder.open(folder.path / "stages" / n).load("last")[0] for n in ("stage2", "stage2-off"))
    assert any(not np.array_equal(on[k], off[k]) for k in on if k.startswith("brain."))
    assert "adaptation on" not in remarks(folder.path)[0]["lines"] and remarks(folder.path)[0]["rows"]
    assert remarks(folder.path)[1]["rows"][0][1] == report["samples"][0]["reference"]

    folder, report = run("none", stage2_epochs=1, stage2_lr=0.0)  # neither arm moves
    assert report["adaptation"]["same"] and "compared" not in report["people"]["sub-02"]
    assert remarks(folder.path)[0] == {"title": "Adaptation on against off", "header": [], "rows": [],
                                       "lines": [NOTHING]}
    with pytest.raises(MismatchError, match="Begin from a run of video-text"):
        run("wrong", begin=pretrain(tiny_film, tmp_path / "mbm", options=TINY))


def test_interval_over_people_and_categories_is_wider_than_of_categories_when_people_differ():
    category = np.repeat(np.arange(10), 6)
    noise = np.random.default_rng(0).standard_normal((2, 60))
    alike = over_people([noise[0], noise[0]], [category] * 2)
    apart = over_people([noise[0] + 3, noise[0] - 3], [category] * 2)
    assert alike["difference"] == pytest.approx(apart["difference"]) == pytest.approx(noise[0].mean())
    assert apart["high"] - apart["low"] > 2 * (alike["high"] - alike["low"]) and apart["low"] < -2 and apart["high"] > 2
    only = over_people([np.ones(60), np.ones(60)], [category] * 2)
    assert only["low"] == only["high"] == 1.0 and verdict(only) == "better"


def test_test_runs_alone_are_scored_and_no_test_clip_was_trained_on(film_run, tiny_film):
    split = read_json(film_run / "people.json")
    data = open_dataset(tiny_film)
    rows = [json.loads(line) for line in (film_run / "texts.jsonl").read_text().splitlines()]
    trials = data.subject("sub-02").trials
    assert {int(trials.extra["run_number"][r["row"]]) for r in rows} == set(split["test_runs"])
    assert not set(split["adapt_runs"]) & set(split["test_runs"])
    assert not {r["stimulus"] for r in rows} & set(data.subject("sub-01").trials.stimulus.tolist())


def test_stage_generations_hold_only_what_was_trained(film_run):
    names = set(RunFolder.open(film_run / "stages" / "stage2").load("last")[0])
    assert {n.split(".")[1] for n in names if n.startswith("brain.")} == {"bridge"} and "g.weight" in names
    names = set(RunFolder.open(film_run / "stages" / "stage1").load("last")[0])
    assert any("adaptor" in n for n in names) and not any("qkv.base" in n or n.startswith("llm") for n in names)


def test_describe_answers_any_question_as_the_evaluation_did(film_run):
    rows = [json.loads(line) for line in (film_run / "texts.jsonl").read_text().splitlines()]
    told = jobs.describe(str(film_run), limit=2)
    assert [r["text"] for r in told["rows"]] == [r["brain"] for r in rows[:2]]
    one = jobs.film_ask(str(film_run), "sub-02", rows[0]["row"])
    assert len(one["rows"]) == 10 and one["rows"][0]["reference"] == rows[0]["reference"]
    own = jobs.describe(str(film_run), stimulus=rows[1]["stimulus"], prompts=["Is there a dog?"])
    assert own["rows"][0]["question"] == "Is there a dog?" and own["rows"][0]["reference"] == ""
    with pytest.raises(MissingError, match="held-out"):
        jobs.describe(str(film_run), subject="sub-01")


def test_window_gets_clip_and_volumes_in_step(film_run):
    film = jobs.film(str(film_run))
    assert set(film["trials"]) == {"sub-02"} and film["plane"]["umap.after"].shape[1] == 2
    assert len(film["plane"]["subject"]) == len(film["plane"]["umap.before"])
    row = film["trials"]["sub-02"][0]["row"]
    found = jobs.film_trial(str(film_run), "sub-02", row)
    assert found["kind"] == "volumes" and len(found["maps"]) == len(found["times"]) == 8
    assert found["times"][0] < 0 < found["times"][1] + found["tr"] and np.allclose(np.diff(found["times"]), 2.0)
    assert (found["frames"] is None and "not there" in found["problem"]) or found["frames"].ndim == 4
    assert jobs.present(str(film_run))["subjects"] == ["sub-02"]


def test_masked_pretraining_alone_feeds_the_film_system(tiny_film, tmp_path):
    run = pretrain(tiny_film, tmp_path / "mbm", options=TINY)
    card = RunFolder.open(run).card("last")
    assert card["metrics"]["sub-02"]["part"] == "held out" and card["metrics"]["sub-01"]["loss"] > 0
    with pytest.raises(Cancelled):  # reaching Stage I means that the weights fitted
        train(tiny_film, tmp_path / "run", options={**TINY, "mbm_weights": run}, context=Stop("stage I epoch 1"))


def test_teachers(tiny_film, tmp_path):
    stimuli = open_dataset(tiny_film).stimuli
    known = find_answers("auto", stimuli)
    assert known.teacher == "phantom scene graph" and not known.human
    assert find_answers("category", stimuli).teacher.startswith("template")
    assert next(iter(read_questions())) == "event" and len(read_questions()) == 10
    there = [i for i in stimuli.ids.tolist() if stimuli.path(i).is_file()][:2]

    class Teacher:
        name = "counts frames"

        def answer(self, frames, question):
            return f"{len(frames)} frames, {question.lower()}"

    absent = next(i for i in stimuli.ids.tolist() if not stimuli.path(i).is_file())
    out = write_answers(Teacher(), stimuli, [*there, absent], {"event": "What?"}, tmp_path / "a.jsonl", frames=3)
    assert len(read_answers(out).text) == 2  # the clip that is not here is left out
    write_answers(Teacher(), stimuli, there, {"event": "What?", "who": "Who?"}, out, frames=3)
    assert len(read_answers(out).text) == 4 and len(out.read_text().splitlines()) == 4
    (tmp_path / "bad.jsonl").write_text('{"clip": 1}\n')
    with pytest.raises(Exception, match="line 1"):
        read_answers(tmp_path / "bad.jsonl")


@pytest.mark.parametrize("route", ["grayordinates", "volume"])
def test_other_routes_reach_tokens(tiny_film, tmp_path, route):
    with pytest.raises(Cancelled):
        train(tiny_film, tmp_path / "run", options={**TINY, "route": route, "video_epochs": 0},
              context=Stop("stage I epoch 2"))
    history = RunFolder.open(tmp_path / "run" / "stages" / "stage1").history()
    assert np.isfinite(history[0]["loss"])
