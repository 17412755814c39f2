"""BLEU, ROUGE-L and CIDEr-D of captions against several references, as the COCO caption benchmark defines them.

All take tokenised sentences: ``candidates[key]`` is a list of words, ``references[key]`` a list of lists of words.
Values are fractions (CIDEr: its own scale of about 0..10); tables multiply by 100.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from brainview.core.errors import MismatchError
from brainview.language.metrics.tokenize import words

Words = Sequence[str]
_TINY, _SMALL = 1e-15, 1e-9


@dataclass(frozen=True)
class CaptionScores:
    """Corpus values and, for intervals, the value of each image.

    Parameters
    ----------
    bleu : (4,) tuple of float
        Corpus BLEU-1..4.
    rouge_l, cider : float
        Means over images.
    rouge_each, cider_each : (n,) float64 arrays
        In the order of `keys`.
    keys : tuple of str
    """

    bleu: tuple[float, float, float, float]
    rouge_l: float
    cider: float
    rouge_each: np.ndarray
    cider_each: np.ndarray
    keys: tuple[str, ...]


def score_captions(candidates: Mapping[str, str], references: Mapping[str, Iterable[str]]) -> CaptionScores:
    """Tokenise and score captions.

    Every reference must have a candidate and the other way round (CIDEr depends on the whole reference pool, so a
    subset would give another number). Raises MismatchError otherwise.
    """
    missing = [k for k in references if k not in candidates]
    extra = [k for k in candidates if k not in references]
    if missing or extra:
        raise MismatchError(f"candidates and references differ: {len(missing)} references have no candidate "
                            f"(first {missing[:1]}), {len(extra)} candidates no reference (first {extra[:1]})",
                            remedy="Give one candidate for each reference; a subset would change CIDEr.")
    keys = tuple(references)
    hyp = [words(candidates[k]) for k in keys]
    refs = [[words(r) for r in references[k]] for k in keys]
    rouge = np.array([rouge_l(h, r) for h, r in zip(hyp, refs, strict=True)])
    cider = cider_d(hyp, refs)
    return CaptionScores(bleu(hyp, refs), float(rouge.mean()), float(cider.mean()), rouge, cider, keys)


def ngrams(sentence: Words, order: int) -> Counter[tuple[str, ...]]:
    """Return the counts of all n-grams of length 1..order."""
    return Counter(tuple(sentence[i:i + n]) for n in range(1, order + 1) for i in range(len(sentence) - n + 1))


def bleu(candidates: Sequence[Words], references: Sequence[Sequence[Words]]) -> tuple[float, float, float, float]:
    """Return corpus BLEU-1..4 (Papineni 2002): clipped counts summed over images, closest reference length.

    The brevity penalty is exp(1 - r/c) with the summed closest reference lengths r and candidate lengths c; ties in
    closeness go to the shorter reference.
    """
    guess, correct = np.zeros(4), np.zeros(4)
    length = reference_length = 0
    for candidate, refs in zip(candidates, references, strict=True):
        length += len(candidate)
        reference_length += min((abs(len(r) - len(candidate)), len(r)) for r in refs)[1]
        most: Counter[tuple[str, ...]] = Counter()
        for ref in refs:
            most |= ngrams(ref, 4)
        for gram, count in ngrams(candidate, 4).items():
            correct[len(gram) - 1] += min(count, most[gram])
        guess += [max(0, len(candidate) - n) for n in range(4)]
    values, product = [], 1.0
    for n in range(4):
        product *= (correct[n] + _TINY) / (guess[n] + _SMALL)
        values.append(product ** (1 / (n + 1)))
    ratio = (length + _TINY) / (reference_length + _SMALL)
    penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    return tuple(float(v * penalty) for v in values)  # type: ignore[return-value]


def rouge_l(candidate: Words, references: Sequence[Words], beta: float = 1.2) -> float:
    """Return ROUGE-L (Lin 2004) with the largest precision and the largest recall over references, F with `beta`.

    An empty candidate scores 0.
    """
    if not candidate or not any(references):
        return 0.0
    common = [longest_common_subsequence(candidate, ref) for ref in references]
    precision = max(c / len(candidate) for c in common)
    recall = max(c / len(r) for c, r in zip(common, references, strict=True) if r)
    if precision == 0 or recall == 0:
        return 0.0
    return (1 + beta**2) * precision * recall / (recall + beta**2 * precision)


def longest_common_subsequence(a: Words, b: Words) -> int:
    """Return the length of the longest common subsequence of two sentences, O(len(a) len(b))."""
    row = [0] * (len(b) + 1)
    for x in a:
        diagonal = 0
        for j, y in enumerate(b, 1):
            above = row[j]
            row[j] = diagonal + 1 if x == y else max(above, row[j - 1])
            diagonal = above
    return row[-1]


def cider_d(candidates: Sequence[Words], references: Sequence[Sequence[Words]], sigma: float = 6.0) -> np.ndarray:
    """Return (n,) CIDEr-D (Vedantam 2015): clipped tf-idf n-gram cosine x a Gaussian length penalty, x 10.

    Document frequencies come from the reference sets given here, so the value depends on the pool.
    """
    document: Counter[tuple[str, ...]] = Counter()
    counted = [[ngrams(ref, 4) for ref in refs] for refs in references]
    for refs in counted:
        document.update({gram for ref in refs for gram in ref})
    pool = math.log(len(references)) if references else 0.0

    def vector(counts: Counter[tuple[str, ...]]) -> tuple[list[dict[tuple[str, ...], float]], np.ndarray, int]:
        parts: list[dict[tuple[str, ...], float]] = [{}, {}, {}, {}]
        norm = np.zeros(4)
        length = 0
        for gram, count in counts.items():
            n = len(gram) - 1
            weight = count * (pool - math.log(max(1.0, document[gram])))
            parts[n][gram] = weight
            norm[n] += weight**2
            length += count if n == 1 else 0  # the reference implementation measures length in bigrams
        return parts, np.sqrt(norm), length

    scores = np.zeros(len(references))
    for i, candidate in enumerate(candidates):
        hyp, hyp_norm, hyp_length = vector(ngrams(candidate, 4))
        total = np.zeros(4)
        for counts in counted[i]:
            ref, ref_norm, ref_length = vector(counts)
            value = np.array([sum(min(w, ref[n][g]) * ref[n][g] for g, w in hyp[n].items() if g in ref[n])
                              for n in range(4)], float)
            both = hyp_norm * ref_norm
            value = np.divide(value, both, out=value, where=both != 0)
            total += value * math.exp(-((hyp_length - ref_length) ** 2) / (2 * sigma**2))
        scores[i] = 10 * total.mean() / len(counted[i]) if counted[i] else 0.0
    return scores
