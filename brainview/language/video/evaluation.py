"""Scores of texts with every baseline beside them, person by person.

Baselines (reference, 4.5): shuffled brain (texts exchanged within a person), noise brain, mean brain, no brain, best
constant sentence of the training part, nearest training neighbour, wrong person, and the clip itself as upper bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainview.core.errors import BrainViewError
from brainview.core.jobs import QUIET, JobContext
from brainview.language.metrics.bertscore import bert_scores, sentence_vectors
from brainview.language.metrics.identification import (
    category_interval,
    collapsed,
    distinct_share,
    identify,
    permutation_p,
    permuted_two_way,
)
from brainview.language.metrics.rouge_l import DEFINITION, rouge_l_scores
from brainview.language.metrics.sacre import sacre_bleu

#: Figures in percent, in the order of tables.
METRICS = ("2-way id.", "top-1", "top-5", "category", "BERTScore", "BLEU-1", "BLEU-2", "ROUGE-L F", "ROUGE-L P",
           "ROUGE-L R")
#: Kinds of text in the order of tables.
KINDS = ("brain", "shuffled", "noise brain", "mean brain", "no brain", "constant", "nearest neighbour", "wrong person",
         "without adaptation", "stage I", "clip (upper bound)")
#: The paper's tables with the means recomputed: its "Total" row of HAD is that of the other table.
ANCHORS: dict[str, dict[str, Any]] = {
    "HAD (Zheng & Sun 2024)": {
        "columns": ("BERTScore", "BLEU-1", "BLEU-2", "ROUGE-L F", "ROUGE-L P", "ROUGE-L R"),
        "subjects": {"1": (54.48, 32.92, 22.35, 33.97, 35.44, 40.02), "2": (51.77, 34.87, 23.27, 34.22, 37.11, 35.82),
                     "3": (52.01, 33.50, 22.71, 34.35, 36.61, 38.36), "4": (54.81, 34.34, 23.44, 34.30, 33.86, 41.48)},
        "note": "means recomputed; the printed total of this table repeats that of the other. No baseline, encoder of "
                "BERTScore unnamed, references machine written: not comparable with values here"},
    "Urgen (Zheng & Sun 2024)": {
        "columns": ("BERTScore", "BLEU-1", "BLEU-2", "ROUGE-L F", "ROUGE-L P", "ROUGE-L R"),
        "subjects": {"1": (67.14, 54.19, 45.00, 54.42, 56.49, 54.99), "2": (65.06, 52.98, 42.95, 52.02, 55.96, 54.11)},
        "note": "mean of ROUGE-L precision recomputed (printed: 54.47)"},
}


def anchor_means(name: str) -> dict[str, float]:
    """Return the recomputed mean of every column of a published table, rounded to two digits."""
    table = ANCHORS[name]
    values = np.array(list(table["subjects"].values()))
    return {c: round(float(v) + 1e-9, 2) for c, v in zip(table["columns"], values.mean(0), strict=True)}


@dataclass(frozen=True, eq=False)
class Judge:
    """What all texts of one person are compared with.

    Parameters
    ----------
    references : list of n texts
    category : (n,) category of each sample
    prototypes : (C, 384) unit mean sentence vectors of training answers by category; rows of NaN = none
    bertscore : str
        Encoder, or ``none``.
    """

    references: list[str]
    category: np.ndarray
    prototypes: np.ndarray
    bertscore: str = "minilm"

    def each(self, texts: Sequence[str], order: np.ndarray | None = None, *,
             bert: bool = False) -> dict[str, np.ndarray]:
        """Return the value of every sample for each metric that has one (percent; `bert` = BERTScore too)."""
        texts = [texts[i] for i in order] if order is not None else list(texts)
        vectors = sentence_vectors(texts)
        found = identify(vectors @ sentence_vectors(self.references).T)
        said = np.nan_to_num(vectors @ self.prototypes.T, nan=-2.0).argmax(1)
        rouge = rouge_l_scores(texts, self.references)
        out = {"2-way id.": found.two_way, "top-1": found.top(1), "top-5": found.top(5),
               "category": said == self.category, "ROUGE-L P": rouge[:, 0], "ROUGE-L R": rouge[:, 1],
               "ROUGE-L F": rouge[:, 2]}
        if bert and self.bertscore != "none":
            out["BERTScore"] = np.asarray(bert_scores(texts, self.references, model=self.bertscore).f)
        return {k: 100 * np.asarray(v, float) for k, v in out.items()}

    def score(self, texts: Sequence[str], order: np.ndarray | None = None, *,
              bert: bool = True) -> tuple[dict[str, float], dict[str, str]]:
        """Return every metric (percent; `bert` = BERTScore too) and the definitions that go with them."""
        each = self.each(texts, order)
        said = [texts[i] for i in order] if order is not None else list(texts)
        bleu = sacre_bleu(said, self.references)
        out = {k: float(v.mean()) for k, v in each.items()} | {"BLEU-1": bleu.bleu1, "BLEU-2": bleu.bleu2}
        words = {"BLEU-1": bleu.signature, "BLEU-2": bleu.signature, "ROUGE-L F": DEFINITION}
        if bert and self.bertscore != "none":
            scored = bert_scores(said, self.references, model=self.bertscore)
            out["BERTScore"], words["BERTScore"] = 100 * float(scored.f.mean()), scored.label
        return {k: out[k] for k in METRICS if k in out}, words


def prototypes(answers: Sequence[str], category: np.ndarray, count: int) -> np.ndarray:
    """Return (count, 384) unit mean sentence vectors of training answers by category; NaN where there are none."""
    vectors = sentence_vectors(list(answers))
    out = np.full((count, vectors.shape[1]), np.nan, np.float32)
    for c in np.unique(category[category >= 0]):
        mean = vectors[category == c].mean(0)
        out[c] = mean / np.linalg.norm(mean)
    return out


def best_constant(answers: Sequence[str]) -> str:
    """Return the training answer that is nearest to all others on average; ties: the most frequent, then the first."""
    unique, counts = np.unique(np.array(list(answers), dtype=object).astype(str), return_counts=True)
    vectors = sentence_vectors(unique.tolist())
    score = vectors @ (vectors * counts[:, None]).sum(0) / counts.sum()
    return str(unique[np.lexsort((-counts, -np.round(score, 6)))[0]])


def judge_person(judge: Judge, texts: Mapping[str, Sequence[str]], *, permutations: int = 20, seed: int = 0,
                 g_correct: np.ndarray | None = None, g_category: np.ndarray | None = None,
                 context: JobContext = QUIET) -> dict[str, Any]:
    """Return the whole table of one person.

    Parameters
    ----------
    texts : kind -> n texts; ``brain`` is required
    permutations : int
        Shuffles for text metrics; 2-way identification and category accuracy are shuffled 1,000 times.
    g_correct : (n,) bool, optional
        Whether the classifier g was right; `g_category` : (n,) what it said.

    Returns
    -------
    dict with ``rows`` (kind, metric values), ``tests`` (metric -> brain, shuffled mean, s.d., difference, p, interval),
    ``definitions``, ``collapsed``, ``distinct``, ``n``.
    """
    brain = list(texts["brain"])
    source = np.random.default_rng(seed)
    orders = [source.permutation(len(brain)) for _ in range(permutations)]
    rows: list[dict[str, Any]] = []
    definitions: dict[str, str] = {}
    for kind in KINDS:
        if kind == "shuffled":
            continue
        if kind in texts:
            context.check()
            values, words = judge.score(texts[kind])
            definitions |= words
            rows.append({"kind": kind, **values})
    shuffles = []
    for number, order in enumerate(orders):
        context.report(number, len(orders), "shuffled brains")
        shuffles.append(judge.score(brain, order, bert=False)[0])
    for found, value in zip(shuffles, _shuffled_bert(judge, brain, orders), strict=False):
        found["BERTScore"] = value
    own, each = rows[0], judge.each(brain)
    tests = {}
    for metric in own:
        if metric == "kind":
            continue
        null = np.array([s[metric] for s in shuffles])
        tests[metric] = {"brain": own[metric], "shuffled": float(null.mean()), "sd": float(null.std(ddof=1)),
                         "difference": own[metric] - float(null.mean()), "p": permutation_p(own[metric], null),
                         "shuffles": len(null)}
        if metric in each:
            low, high = category_interval(each[metric], judge.category)
            tests[metric] |= {"low": low, "high": high}
    _sharper(tests, judge, brain, seed)
    if g_correct is not None:
        tests["category by g"] = _g_test(g_correct, np.asarray(g_category), judge.category, seed)
    middle = {"kind": "shuffled", **{m: t["shuffled"] for m, t in tests.items() if m in own}}
    rows.insert(1, middle)
    return {"rows": rows, "tests": tests, "definitions": definitions, "collapsed": collapsed(brain),
            "distinct": distinct_share(brain), "n": len(brain)}


def _shuffled_bert(judge: Judge, brain: list[str], orders: list[np.ndarray]) -> list[float]:
    """Return BERTScore (percent) of every shuffle, in one call: each different text goes through the encoder once."""
    if judge.bertscore == "none" or not orders:
        return []
    texts = [brain[i] for order in orders for i in order]
    found = bert_scores(texts, judge.references * len(orders), model=judge.bertscore)
    return [100 * float(v) for v in found.f.reshape(len(orders), -1).mean(1)]


def _sharper(tests: dict[str, Any], judge: Judge, brain: list[str], seed: int) -> None:
    """Replace the p of identification and category accuracy by one of 1,000 shuffles."""
    vectors = sentence_vectors(brain)
    null = 100 * permuted_two_way(vectors @ sentence_vectors(judge.references).T, 1000, seed)
    tests["2-way id."] |= {"shuffled": float(null.mean()), "sd": float(null.std()), "shuffles": 1000,
                           "p": permutation_p(tests["2-way id."]["brain"], null)}
    said = np.nan_to_num(vectors @ judge.prototypes.T, nan=-2.0).argmax(1)
    tests["category"] |= _category_null(said, judge.category, seed)
    for name in ("2-way id.", "category"):
        tests[name]["difference"] = tests[name]["brain"] - tests[name]["shuffled"]


def _category_null(said: np.ndarray, category: np.ndarray, seed: int) -> dict[str, Any]:
    source = np.random.default_rng(seed)
    null = np.array([100 * (said[source.permutation(len(said))] == category).mean() for _ in range(1000)])
    score = 100 * float((said == category).mean())
    frequent = np.bincount(category[category >= 0]).max() / len(category) if (category >= 0).any() else 0.0
    return {"shuffled": float(null.mean()), "sd": float(null.std()), "p": permutation_p(score, null), "shuffles": 1000,
            "chance": 100 * float(frequent)}


def _g_test(correct: np.ndarray, said: np.ndarray, category: np.ndarray, seed: int) -> dict[str, Any]:
    score = 100 * float(correct.mean())
    low, high = category_interval(100 * correct.astype(float), category)
    found = _category_null(said, category, seed)
    return {"brain": score, **found, "difference": score - found["shuffled"], "low": low, "high": high}


def compare(one: Mapping[str, np.ndarray], two: Mapping[str, np.ndarray], category: np.ndarray) -> dict[str, Any]:
    """Return metric -> difference (one minus two) of paired samples with its interval over categories."""
    out = {}
    for metric in one:
        if metric in two:
            difference = one[metric] - two[metric]
            low, high = category_interval(difference, category)
            out[metric] = {"difference": float(difference.mean()), "low": low, "high": high, "n": int(difference.size)}
    return out


def evaluate_files(references: Mapping[str, str], candidates: Mapping[str, str], *, bertscore: str = "minilm",
                   permutations: int = 20, categories: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Score a file of answers against references with shuffles; for ``brainview evaluate answers``.

    Parameters
    ----------
    references, candidates : key -> text, same keys
    categories : key -> category, optional
        For category accuracy (prototypes are then the references themselves) and intervals over categories.

    Raises
    ------
    BrainViewError
        Keys that differ.
    """
    keys = list(references)
    lost = [k for k in keys if k not in candidates]
    if lost or len(candidates) != len(keys):
        raise BrainViewError(f"{len(lost)} references have no answer (first {lost[:1]}), "
                             f"{len(set(candidates) - set(keys))} answers no reference",
                             remedy="Give one answer for each reference.")
    names = sorted({str(categories.get(k, "")) for k in keys}) if categories else []
    number = {n: i for i, n in enumerate(names)}
    category = np.array([number[str(categories.get(k, ""))] if categories else i for i, k in enumerate(keys)])
    texts = [references[k] for k in keys]
    judge = Judge(texts, category, prototypes(texts, category, int(category.max()) + 1), bertscore)
    report = judge_person(judge, {"brain": [candidates[k] for k in keys]}, permutations=permutations)
    if not categories:
        for rows in report["rows"]:
            rows.pop("category", None)
        report["tests"].pop("category", None)
    return report
