"""ROUGE-L of one reference a sample: precision, recall and F apart, as the package rouge_score 0.1.2 defines them.

Words are runs of letters and digits in lower case; words of more than three letters are stemmed (Porter). This is
another ROUGE-L than that of the COCO caption benchmark (:func:`captions.rouge_l`, F with beta 1.2 over several
references).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from brainview.core.errors import MismatchError
from brainview.language.metrics.captions import longest_common_subsequence
from brainview.language.metrics.porter import stem

#: What stands beside the number.
DEFINITION = "ROUGE-L as rouge_score 0.1.2: stemmer on, one reference, mean over samples of P, R and F"


def rouge_words(text: str, *, stemmed: bool = True) -> list[str]:
    """Return the words that are compared."""
    found = re.sub(r"[^a-z0-9]+", " ", text.lower()).split()
    return [stem(w) if stemmed and len(w) > 3 else w for w in found]


def rouge_l_scores(hypotheses: Sequence[str], references: Sequence[str], *, stemmed: bool = True) -> np.ndarray:
    """Return (n, 3) float64 precision, recall and F of each sample; an empty text scores 0."""
    if len(hypotheses) != len(references):
        raise MismatchError(f"{len(hypotheses)} texts and {len(references)} references do not belong together")
    out = np.zeros((len(hypotheses), 3))
    cut: dict[str, list[str]] = {}
    for i, (a, b) in enumerate(zip(hypotheses, references, strict=True)):
        for text in (a, b):
            if text not in cut:
                cut[text] = rouge_words(text, stemmed=stemmed)
        x, y = cut[a], cut[b]
        common = longest_common_subsequence(x, y) if x and y else 0
        if common:
            p, r = common / len(x), common / len(y)
            out[i] = p, r, 2 * p * r / (p + r)
    return out
