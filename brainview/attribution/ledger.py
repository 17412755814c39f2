"""The grades of a benchmark, kept brain by brain so that a stopped run goes on where it was.

One JSON line per brain in the cache folder, named by everything that the grades depend on besides the number of
brains: asking for more of them later computes only the new ones.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from brainview.attribution.survey import Survey, SurveyConfig
from brainview.core.files import to_json
from brainview.core.jobs import QUIET, JobContext
from brainview.core.paths import cache_dir

#: Raised when a change makes old grades incomparable.
VERSION = 1


def ledger_file(world_key: str, config: SurveyConfig) -> Path:
    """Return where the grades of a world under a configuration are kept."""
    facts = {k: v for k, v in asdict(config).items() if k != "samples"}
    digest = hashlib.sha256(to_json([VERSION, world_key, facts]).encode()).hexdigest()[:16]
    return cache_dir() / "attribution" / f"grades-{digest}.jsonl"


def read_ledger(file: Path) -> dict[int, dict[str, Any]]:
    """Return sample -> its entry; a line cut short by a stop is left out, and computed again."""
    found: dict[int, dict[str, Any]] = {}
    if not file.is_file():
        return found
    for line in file.read_text("utf-8").splitlines():
        try:
            entry = json.loads(line)
            found[int(entry["sample"])] = _numbers(entry)
        except (ValueError, KeyError, TypeError):
            continue
    return found


def grade_all(survey: Survey, file: Path | None, context: JobContext = QUIET) -> list[dict[str, Any]]:
    """Return the entries of the survey's samples in order, from `file` where it has them; appended as they come."""
    known = {} if file is None else read_ledger(file)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    out, total = [], len(survey.samples)
    for place, sample in enumerate(survey.samples):
        context.report(place, total, f"brain {place + 1} of {total}")
        if sample not in known:
            entry = {"sample": sample, **survey.sample_grades(sample, place, context=_Inner(context, place, total))}
            if file is not None:
                with open(file, "a", encoding="utf-8") as lines:  # appended whole: a torn last line is read over
                    lines.write("\n" * _torn(file) + to_json(entry, indent=None) + "\n")
            known[sample] = entry
        out.append(known[sample])
    context.report(total, total, "graded")
    return out


class _Inner:
    """Progress within one brain."""

    def __init__(self, context: JobContext, place: int, total: int) -> None:
        self._context, self._place, self._total = context, place, total

    def report(self, done: float, total: float, text: str = "") -> None:
        """Report as a share of all brains."""
        self._context.report(self._place + done / total, self._total, text)

    def log(self, line: str) -> None:
        """Pass the line on."""
        self._context.log(line)

    def check(self) -> None:
        """Pass the question on."""
        self._context.check()


def _torn(file: Path) -> bool:
    """Whether the last line of a file lacks its end."""
    if not file.stat().st_size:
        return False
    with open(file, "rb") as lines:
        lines.seek(-1, 2)
        return lines.read(1) != b"\n"


def _numbers(value: Any) -> Any:
    """Return the entry with JSON's null as NaN again."""
    if isinstance(value, dict):
        return {k: _numbers(v) for k, v in value.items()}
    return math.nan if value is None else value
