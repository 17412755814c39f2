"""What is chosen on the film page: person, trial, volume, how the map of people is coloured. No Qt, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, gamma
from typing import Any, ClassVar

import numpy as np
from psygnal import SignalGroupDescriptor

#: Names of the engine's jobs.
FILM = "brainview.language.video.jobs:film"
TRIAL = "brainview.language.video.jobs:film_trial"
ASK = "brainview.language.video.jobs:film_ask"
#: Kinds of text shown beside the brain's, in order, with their words on screen.
BESIDE: tuple[tuple[str, str], ...] = (
    ("reference", "Teacher"), ("brain", "This brain"), ("shuffled", "Another trial's brain"),
    ("mean brain", "Mean brain"),
    ("no brain", "No brain"), ("without adaptation", "Without adaptation"), ("clip (upper bound)", "The clip itself"))
#: Kinds that only some runs have.
_SOMETIMES = ("without adaptation",)


@dataclass
class FilmState:
    """The evented choices of the page; kept in projects and the journal."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    subject: str = ""
    trial: int = 0  # place in the list of the subject's test trials
    volume: int = 3  # place among the volumes round the clip
    colour: str = "subject"  # "subject" or "category"
    when: str = "after"  # "before" or "after" adaptation
    link: bool = True  # draw the chosen volume on the cortex
    question: str = ""  # key of the question that is asked, or own words; "" = every one

    def settings(self) -> dict[str, Any]:
        """Return plain types for a project file."""
        return {"subject": self.subject, "trial": self.trial, "volume": self.volume, "colour": self.colour,
                "when": self.when, "link": self.link, "question": self.question}

    def apply(self, values: dict[str, Any]) -> None:
        """Take back what :meth:`settings` gave; whatever does not fit is left out."""
        for name, value in values.items():
            if name in self.settings() and type(value) is type(getattr(self, name)):
                if name in ("trial", "volume") and not 0 <= value < 100_000:
                    continue
                if (name == "colour" and value not in ("subject", "category")) or \
                        (name == "when" and value not in ("before", "after")):
                    continue
                setattr(self, name, value[:400] if isinstance(value, str) else value)


def response_curve(times: np.ndarray) -> np.ndarray:
    """Return the canonical double-gamma response at `times` (s), its maximum 1: what delay to expect."""
    def one(t: float) -> float:
        if t <= 0:
            return 0.0
        return t**5 * exp(-t) / gamma(6) - t**15 * exp(-t) / gamma(16) / 6

    top = max(one(0.1 * i) for i in range(1, 200))
    return np.array([one(float(t)) / top for t in np.asarray(times, float)])


def shuffled_text(rows: list[dict[str, Any]], trial: int) -> str:
    """Return what the brain of another trial says: half of the list further on, always the same."""
    return str(rows[(trial + len(rows) // 2) % len(rows)].get("brain", "")) if rows else ""


def beside(rows: list[dict[str, Any]], trial: int) -> list[tuple[str, str, str]]:
    """Return (kind, words, text) for one trial, in the order of :data:`BESIDE`."""
    if not rows:
        return []
    row = rows[min(trial, len(rows) - 1)]
    return [(kind, words, shuffled_text(rows, trial) if kind == "shuffled" else str(row.get(kind, "")))
            for kind, words in BESIDE if kind in row or kind not in _SOMETIMES]


def adaptation_words(evaluation: Mapping[str, Any], subject: str) -> str:
    """Return what adaptation changed for a person and for all, or why there is nothing to compare."""
    person = evaluation["people"].get(subject, {})
    found = evaluation.get("adaptation")
    if found:
        if found["same"]:
            return str(found["note"])
        kind = "without adaptation"
        own = _differences(person.get("compared", {}).get(kind, {}))
        every = _differences(found["everyone"].get(kind, {}))
        people = len(evaluation["people"])
        return (f"Adaptation on minus off, this person (95 % over categories): {own}. All {people} held-out people "
                f"(95 % over people and categories): {every}. {found['different'][kind]} of {found['texts']} texts "
                f"differ. {found['note']}").strip()
    old = person.get("adaptation")  # runs of before adaptation had a report of its own
    if not old:
        return "Adaptation was off, so there is nothing to compare."
    if all(old[m][k] == 0 for m in old if m != "category by g" for k in ("difference", "low", "high")):
        return "Both arms say the same texts: stage II changed nothing in them, or none of it was kept. There is " \
               "nothing to compare."
    return f"Adaptation on minus off, this person (95 % over categories): {_differences(old)}."


def _differences(found: Mapping[str, Mapping[str, float]]) -> str:
    return ", ".join(f"{m} {found[m]['difference']:+.1f} ({found[m]['low']:.1f} to {found[m]['high']:.1f})"
                     for m in ("2-way id.", "category", "category by g") if m in found) or "–"


def score_rows(person: dict[str, Any]) -> list[tuple[str, float, float, float, float, str]]:
    """Return (metric, score, shuffled, difference, p, what the definition is) of one person."""
    out = []
    definitions = person.get("definitions", {})
    for metric, test in person.get("tests", {}).items():
        interval = f"95 % interval over categories {test['low']:.1f} to {test['high']:.1f}. " if "low" in test else ""
        words = f"{interval}p of {test['shuffles']:,} shuffles of trials within this person. " \
                + str(definitions.get(metric, ""))
        out.append((metric, float(test["brain"]), float(test["shuffled"]), float(test["difference"]), float(test["p"]),
                    words.strip()))
    return out


def p_words(p: float) -> str:
    """Return a p value as it is shown."""
    return f"{p:.3f}" if p >= 0.0095 else "< 0.01" if p >= 0.0015 else "≤ 0.001"
