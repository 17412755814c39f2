"""Metrics against published definitions and worked numbers; tables whose baselines stand where they must."""

from __future__ import annotations

import json

import numpy as np
import pytest

from brainview.cli.main import main
from brainview.core.errors import BrainViewError, MissingError
from brainview.language.metrics.bertscore import bert_scores, sentence_vectors
from brainview.language.metrics.identification import (
    category_interval,
    collapsed,
    identify,
    permutation_p,
    permuted_two_way,
)
from brainview.language.metrics.porter import stem
from brainview.language.metrics.rouge_l import rouge_l_scores
from brainview.language.metrics.sacre import sacre_bleu
from brainview.language.video.evaluation import ANCHORS, Judge, anchor_means, best_constant, judge_person, prototypes

VERBS = ("running", "reading a book", "sleeping", "riding a horse", "eating an apple", "dancing")
WHO = ("A man", "A woman", "A girl", "A boy", "A chef")


def world(n: int = 60, seed: int = 0) -> tuple[list[str], np.ndarray, list[str]]:
    """Return references, categories, and texts with the right verb and other details."""
    rng = np.random.default_rng(seed)
    category = np.arange(n) % len(VERBS)
    said = [[f"{WHO[rng.integers(5)]} is {VERBS[c]}." for c in category] for _ in range(2)]
    return said[0], category, said[1]


def test_bleu_is_corpus_bleu_with_its_brevity_penalty():
    found = sacre_bleu(["the cat sat"], ["the cat sat on the mat"])
    assert found.bleu1 == pytest.approx(100 * np.exp(1 - 6 / 3), abs=0.01)  # precision 1, penalty exp(1 - r/c)
    assert found.signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")


def test_rouge_has_precision_recall_and_f_in_this_order():
    p, r, f = rouge_l_scores(["the cats were running"], ["the cat is running fast now"])[0]
    assert (p, r) == pytest.approx((3 / 4, 3 / 6)) and f == pytest.approx(0.6)  # the, cat(s), run(ning)
    assert rouge_l_scores([""], ["a b"])[0].tolist() == [0, 0, 0]
    assert rouge_l_scores(["cats"], ["cat"], stemmed=False)[0, 2] == 0


@pytest.mark.parametrize(("word", "root"), [
    ("caresses", "caress"), ("ponies", "poni"), ("ties", "tie"), ("feed", "feed"), ("agreed", "agre"),
    ("plastered", "plaster"), ("motoring", "motor"), ("sing", "sing"), ("conflated", "conflat"), ("hopping", "hop"),
    ("falling", "fall"), ("filing", "file"), ("happy", "happi"), ("relational", "relat"), ("conditional", "condit"),
    ("digitizer", "digit"), ("triplicate", "triplic"), ("hopefulness", "hope"), ("goodness", "good"),
    ("adjustable", "adjust"), ("adoption", "adopt"), ("probate", "probat"), ("controll", "control"), ("roll", "roll")])
def test_porters_own_examples(word, root):
    assert stem(word) == root


def test_bertscore_names_its_encoder_and_never_ignores_rescaling():
    found = bert_scores(["a man runs", "a dog eats", ""], ["a man is running", "a woman reads a book", "a cat"])
    assert found.label == "BERTScore (MiniLM-L6, layer 6)" and found.f[0] > found.f[1] + 0.2 and found.f[2] == 0
    with pytest.raises(MissingError, match="baseline"):
        bert_scores(["a"], ["b"], rescale=True)
    with pytest.raises(MissingError, match="no folder"):
        bert_scores(["a"], ["b"], model="roberta-large")


def test_identification_against_hand_counts():
    s = np.array([[0.9, 0.1, 0.5], [0.8, 0.2, 0.1], [0.3, 0.3, 0.3]])
    found = identify(s)
    assert found.rank.tolist() == [0, 1, 1] and found.two_way.tolist() == [1, 0.5, 0.5]
    assert found.top(1).tolist() == [True, False, False]
    null = permuted_two_way(np.random.default_rng(0).standard_normal((40, 40)), 300)
    assert abs(null.mean() - 0.5) < 0.01
    assert permutation_p(0.9, null) == pytest.approx(1 / 301) and permutation_p(0.0, null) == 1
    low, high = category_interval(np.r_[np.ones(20), np.zeros(20)], np.repeat(np.arange(8), 5))
    assert low < 0.5 < high


def test_collapse_is_flagged():
    assert collapsed(["A man runs."] * 20).startswith("only 1")
    assert "first" in collapsed([f"A man runs. {i}" for i in range(20)]) or "begin" in collapsed(
        [f"A man runs. {i}" for i in range(20)])
    assert collapsed([f"{i} man runs." for i in range(20)]) == ""


def test_table_tells_knowledge_from_fluency():
    references, category, right = world()
    answers = [f"A person is {v}." for v in VERBS]
    judge = Judge(references, category, prototypes(answers, np.arange(len(VERBS)), len(VERBS)))
    shuffled = [right[i] for i in np.random.default_rng(3).permutation(len(right))]
    good = judge_person(judge, {"brain": right, "constant": [best_constant(answers)] * 60}, permutations=5)
    bad = judge_person(judge, {"brain": shuffled}, permutations=5)
    assert good["tests"]["category"]["brain"] == 100 and good["tests"]["category"]["p"] < 0.01
    assert good["tests"]["2-way id."]["p"] < 0.01 < bad["tests"]["2-way id."]["p"]
    assert good["tests"]["BLEU-1"]["shuffled"] > 40  # fluent text of the right form scores high by itself
    assert [r["kind"] for r in good["rows"]] == ["brain", "shuffled", "constant"]
    assert abs(bad["tests"]["BLEU-1"]["difference"]) < abs(good["tests"]["BLEU-1"]["difference"])


def test_published_tables_are_shown_with_their_means_recomputed():
    had = anchor_means("HAD (Zheng & Sun 2024)")
    assert had == {"BERTScore": 53.27, "BLEU-1": 33.91, "BLEU-2": 22.94, "ROUGE-L F": 34.21, "ROUGE-L P": 35.76,
                   "ROUGE-L R": 38.92}
    assert anchor_means("Urgen (Zheng & Sun 2024)")["ROUGE-L P"] in (56.22, 56.23)
    assert all("recomputed" in t["note"] for t in ANCHORS.values())


def test_command_scores_answers_beside_shuffles(tmp_path, capsys):
    references, category, right = world(24)
    files = {"r": dict(enumerate(references)), "c": dict(enumerate(right)),
             "g": {i: VERBS[c] for i, c in enumerate(category)}}
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    command = ["evaluate", "answers", "--references", str(tmp_path / "r.json"), "--candidates",
               str(tmp_path / "c.json"), "--groups", str(tmp_path / "g.json")]
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["tests"]["category"]["brain"] > 90 > report["tests"]["category"]["shuffled"]
    assert main([*command, "--encoder", "none"]) == 0
    assert "shuffled" in capsys.readouterr().out
    (tmp_path / "c.json").write_text(json.dumps({"0": "a"}))
    assert main(command) == 1


def test_command_reads_the_texts_of_a_film_run(tmp_path, capsys):
    references, category, right = world(24)
    rows = [{"subject": "sub-05", "row": i, "question": "What?", "reference": r, "category": VERBS[c], "brain": b,
             "constant": right[0]} for i, (r, c, b) in enumerate(zip(references, category, right, strict=True))]
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["evaluate", "answers", "--candidates", str(file), "--encoder", "none"]
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["n"] == 24 and report["tests"]["category"]["brain"] > 90
    assert main([*command, "--kind", "constant", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tests"]["category"]["brain"] < 50
    assert main([*command, "--kind", "brian"]) == 1
    assert "--kind is one of brain, constant" in capsys.readouterr().err
    for damaged, words in (("{}\n", "line 1: is not a text"), ("{", "line 1: is not valid JSON"), ("", "is empty"),
                           (" \n", "no text")):
        file.write_text(damaged)
        assert main(command) == 1 and words in capsys.readouterr().err
    assert main(["evaluate", "captions", "--candidates", str(file)]) == 1
    assert "needs --references" in capsys.readouterr().err


def test_sentence_vectors_are_unit_and_in_order():
    v = sentence_vectors(["a dog runs", "a cat", "a dog runs"])
    assert np.allclose(np.linalg.norm(v, axis=1), 1, atol=1e-5) and np.allclose(v[0], v[2])
    with pytest.raises(BrainViewError):
        sacre_bleu(["a"], [])
