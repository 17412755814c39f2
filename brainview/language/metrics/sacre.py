"""SacreBLEU-1 and -2: corpus BLEU with n-grams up to 1 and 2, with the signature that makes it comparable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from brainview.core.errors import MismatchError


@dataclass(frozen=True)
class Bleu:
    """Scores in percent with their signatures; the brevity penalty is in, so BLEU-1 is not the 1-gram precision."""

    bleu1: float
    bleu2: float
    signature: str


def sacre_bleu(hypotheses: Sequence[str], references: Sequence[str]) -> Bleu:
    """Return corpus BLEU-1 and -2, one reference a sample (tokenizer 13a, mixed case, exponential smoothing)."""
    from sacrebleu.metrics import BLEU

    if len(hypotheses) != len(references) or not hypotheses:
        raise MismatchError(f"{len(hypotheses)} texts and {len(references)} references do not belong together")
    values, signature = [], ""
    for order in (1, 2):
        metric = BLEU(max_ngram_order=order)
        values.append(float(metric.corpus_score(list(hypotheses), [list(references)]).score))
        signature = str(metric.get_signature())
    return Bleu(values[0], values[1], signature)
