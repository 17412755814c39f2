"""Multiple-choice questions: which option a free text chose, and the share of right ones beside blind guesses.

A question file is ``{key: {"options": {"A": text, ...} or [text, ...], "answer": letter or text, ...}}``; an answer
file is ``{key: text}``. VINDEX asks such questions on the salient thing of a picture ("vindex" section 6.4).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainview.core.errors import FormatError
from brainview.core.names import shown

LETTERS = "ABCDEFGHIJ"
_SAID = re.compile(r"^\W*(?:the\s+)?(?:correct\s+)?(?:answer|option|choice)?\W*(?:is)?\W*"
                   r"(?:\(([A-J])\)|([A-J])(?=[.:,)]|\s*$))", re.IGNORECASE)


@dataclass(frozen=True)
class Choice:
    """One question: options by letter and the right letter."""

    options: dict[str, str]
    answer: str


@dataclass(frozen=True, eq=False)
class ChoiceScores:
    """Figures of a set of questions.

    Parameters
    ----------
    right : (n,) float64
        1 where the chosen option is the right one; an answer that chooses none is wrong.
    chance, commonest : float
        Guessing at random; always giving the letter that is right most often in these very questions.
    unread : int
        Answers that choose no option.
    keys : tuple of str
    """

    right: np.ndarray
    chance: float
    commonest: float
    unread: int
    keys: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(self.right.mean())


def as_choice(value: Any, key: str) -> Choice:
    """Return a question from plain JSON; raises FormatError in words."""
    options = value.get("options") if isinstance(value, dict) else None
    if isinstance(options, list):
        options = dict(zip(LETTERS, options, strict=False))
    if not isinstance(options, dict) or not 2 <= len(options) <= len(LETTERS) \
            or not all(isinstance(t, str) for t in options.values()):
        raise FormatError(f"question {shown(key)} has no options (2 to {len(LETTERS)} texts)")
    table = {str(k).strip(" ().").upper(): str(v) for k, v in options.items()}
    wanted = str(value.get("answer", "")).strip()
    letter = wanted.strip(" ().").upper()
    if letter not in table:
        letter = next((k for k, v in table.items() if _plain(v) == _plain(wanted)), "")
    if not letter:
        raise FormatError(f"question {shown(key)}: its answer {shown(wanted)!r} is none of its options")
    return Choice(table, letter)


def read_choice(text: str, options: Mapping[str, str]) -> str | None:
    """Return the letter that a text chooses: the letter it begins with, or the one option whose words it says.

    A letter stands alone, in brackets or before a mark ("A dog" begins with an article). A text that says the words
    of several options chooses none, but an option that is a part of another gives way to the longer one.
    """
    match = _SAID.match(text.strip())
    letter = (match.group(1) or match.group(2)).upper() if match else ""
    if letter in options:
        return letter
    said = _plain(text)
    named = [k for k, v in options.items() if _plain(v) and re.search(rf"\b{re.escape(_plain(v))}\b", said)]
    named = [k for k in named if not any(k != o and _plain(options[k]) in _plain(options[o]) for o in named)]
    return named[0] if len(named) == 1 else None


def score_choices(answers: Mapping[str, str], questions: Mapping[str, Any]) -> ChoiceScores:
    """Return the share of right answers; a question without an answer counts as wrong."""
    parsed = {k: as_choice(v, k) for k, v in questions.items()}
    chosen = {k: read_choice(str(answers.get(k, "")), q.options) for k, q in parsed.items()}
    right = np.array([float(chosen[k] == q.answer) for k, q in parsed.items()])
    counts = Counter(q.answer for q in parsed.values())
    return ChoiceScores(right, float(np.mean([1 / len(q.options) for q in parsed.values()])),
                        max(counts.values()) / len(parsed), sum(v is None for v in chosen.values()), tuple(parsed))


def binomial_p(right: int, n: int, chance: float) -> float:
    """Return the probability of at least `right` of `n` by guessing."""
    from scipy.special import betainc

    return float(betainc(right, n - right + 1, chance)) if right > 0 else 1.0


def lettered(question: str, options: Sequence[str]) -> str:
    """Return a question with its lettered options, as VINDEX's kind of prompt has them."""
    lines = "\n".join(f"{k}. {v}" for k, v in zip(LETTERS, options, strict=False))
    return f"{question}\n{lines}\nAnswer with the option's letter from the given choices directly."


def _plain(text: str) -> str:
    return re.sub(r"[^\w\s]", "", text.lower()).strip()
