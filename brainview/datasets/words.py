"""Words of stimuli: an index for filters, and which words stand out in some stimuli against others.

Over-representation is the log-odds ratio of stimuli that hold a word among the chosen against the others, with half a
stimulus added to each count (Haldane-Anscombe); its z follows from the usual standard error, and q over all words that
were looked at from Benjamini & Hochberg. Stimuli are counted, not tokens: five captions of one picture are one.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.types import Stimuli

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_COMMON = """a an and are as at be been being by can could do does for from had has have he her his i if in into is it
its of off on onto or our out over own she so some than that the their them then there these they this those through to
too up very was we were what when where which while who will with you your not no near next behind two one three four s
t"""
#: Words that say nothing about a picture.
STOP = frozenset(_COMMON.split())
#: A word must stand in so many stimuli to be looked at.
LEAST = 3


def tokens(texts: Sequence[str]) -> frozenset[str]:
    """Return the different words of texts, lower case, without stop words."""
    return frozenset(w for text in texts for w in _WORD.findall(text.lower()) if w not in STOP and len(w) > 1)


def categories_of(details: dict[str, Any]) -> tuple[str, ...]:
    """Return the categories of a stimulus: its own, and the labels of its boxes."""
    found = [str(details["category"])] if details.get("category") not in (None, "") else []
    found += [str(b["label"]) for b in details.get("boxes") or () if isinstance(b, dict) and b.get("label")]
    return tuple(dict.fromkeys(found))


def index(path: str, ids: Any, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return what the film strip filters by, without reading a picture (a job of the window).

    Returns
    -------
    dict with ``ids`` (int64), ``texts`` (captions in one lower-case string) and ``categories`` (tuple of str), one per
    id; ``counts`` {category: stimuli}, the commonest first.
    """
    from brainview.datasets.jobs import _open

    stimuli = _open(path).stimuli
    wanted = np.asarray(ids, np.int64).reshape(-1)
    texts, kinds = [], []
    for number, key in enumerate(wanted.tolist()):
        if number % 500 == 0:
            context.report(number, wanted.size, "words")
        texts.append(" ".join(stimuli.captions(key)).lower())
        kinds.append(categories_of(stimuli.details(key)))
    counts = Counter(k for one in kinds for k in one)
    return {"ids": wanted, "texts": texts, "categories": kinds, "counts": dict(counts.most_common())}


def over_represented(stimuli: Stimuli, chosen: np.ndarray, others: np.ndarray, *,
                     most: int = 40) -> list[dict[str, Any]]:
    """Return the words whose stimuli are more often among `chosen` than among `others`, the surest first.

    Parameters
    ----------
    chosen, others : (n,) stimulus ids

    Returns
    -------
    list of dict
        ``word, log_odds, z, q, here`` (of the chosen, so many have it), ``of_here, there, of_there``; only words with
        a positive log-odds ratio.
    """
    sets = [[tokens(stimuli.captions(int(i))) for i in part] for part in (chosen, others)]
    here, there = (Counter(w for one in part for w in one) for part in sets)
    a_all, b_all = len(sets[0]), len(sets[1])
    rows: list[dict[str, Any]] = []
    looked = [w for w in here.keys() | there.keys() if here[w] + there[w] >= LEAST]
    for word in looked:
        a, b = here[word], there[word]
        cells = (a + 0.5, a_all - a + 0.5, b + 0.5, b_all - b + 0.5)
        log_odds = math.log(cells[0] / cells[1]) - math.log(cells[2] / cells[3])
        z = log_odds / math.sqrt(sum(1 / c for c in cells))
        rows.append({"word": word, "log_odds": log_odds, "z": z, "p": 0.5 * math.erfc(z / math.sqrt(2)), "here": a,
                     "of_here": a_all, "there": b, "of_there": b_all})
    rows.sort(key=lambda r: (r["p"], r["word"]))
    q = 1.0
    for rank in range(len(rows), 0, -1):
        q = min(q, rows[rank - 1]["p"] * len(rows) / rank)
        rows[rank - 1]["q"] = q
    return [r for r in rows if r["log_odds"] > 0][:most]
