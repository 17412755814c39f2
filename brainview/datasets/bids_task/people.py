"""Splits by person: who is trained on, who is held out, and which of their runs adapt and which are scored.

Whole runs are on one side, so neither drift nor neighbouring trials leak from adaptation to test.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.core.files import read_json, to_json, write_json
from brainview.datasets.types import TrialTable

_FORMAT = "brainview-people 1"


@dataclass(frozen=True)
class PeopleSplit:
    """Who is on which side.

    Parameters
    ----------
    train, held : tuple of str
        Subjects that are trained on; subjects that are never trained on.
    adapt_runs, test_runs : tuple of int
        Run numbers of held-out subjects: fMRI without labels for adaptation; scored.
    """

    train: tuple[str, ...]
    held: tuple[str, ...]
    adapt_runs: tuple[int, ...]
    test_runs: tuple[int, ...]

    def __post_init__(self) -> None:
        both = set(self.train) & set(self.held)
        if both:
            raise MismatchError(f"{', '.join(sorted(both))} are both trained on and held out")
        twice = set(self.adapt_runs) & set(self.test_runs)
        if twice:
            raise MismatchError(f"runs {sorted(twice)} both adapt and test")
        if not self.train or not self.held or not self.test_runs:
            raise MismatchError("a split needs subjects to train on, held-out subjects and test runs")

    @property
    def key(self) -> str:
        """A hash of the whole split."""
        return hashlib.sha256(to_json(asdict(self), indent=None).encode()).hexdigest()[:20]

    def rows(self, trials: TrialTable, part: str) -> np.ndarray:
        """Return the rows of a subject's ``adapt`` or ``test`` runs; ``all`` rows."""
        if part == "all":
            return np.arange(len(trials))
        runs = {"adapt": self.adapt_runs, "test": self.test_runs}[part]
        return np.flatnonzero(np.isin(trials.extra["run_number"], runs))

    def save(self, path: os.PathLike | str) -> None:
        """Write the split as JSON, atomically."""
        write_json(path, {"format": _FORMAT, "key": self.key, **asdict(self)})


def load_people(path: os.PathLike | str) -> PeopleSplit:
    """Read a stored split; raises FormatError for a file that is none or was changed by hand without its key."""
    data = read_json(path, limit=1 << 20)
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        raise FormatError(f"is not a split by person (format {_FORMAT!r})", where=path)
    try:
        return PeopleSplit(tuple(map(str, data["train"])), tuple(map(str, data["held"])),
                           tuple(int(r) for r in data["adapt_runs"]), tuple(int(r) for r in data["test_runs"]))
    except (KeyError, TypeError, ValueError) as err:
        raise FormatError("is a damaged split by person", where=path) from err


def split_people(dataset: Any, *, held: list[str] | None = None, subjects: list[str] | None = None,
                 adapt: float = 0.5) -> PeopleSplit:
    """Return a split: the mapping's validation subjects (HAD: sub-27 to sub-30) where they are here, else the last.

    Of n subjects without a rule the last 2 (up to 10 subjects) or 4 are held out; 4 subjects give 2/2.

    Parameters
    ----------
    held : list of str, optional
        Any other subjects to hold out.
    adapt : float
        Share of the held-out subjects' runs that adapt (the first ones); the rest is scored.
    """
    names = list(subjects or dataset.subjects)
    unknown = [s for s in [*(held or []), *names] if s not in dataset.subjects]
    if unknown:
        raise MissingError(f"has no subject {unknown[0]!r}", where=dataset.path,
                           remedy="It has " + ", ".join(dataset.subjects) + ".")
    if held is None:
        own = [s for s in dataset.mapping.validation if s in names]
        held = own if own and len(own) < len(names) else names[-min(4 if len(names) > 10 else 2, len(names) - 1):]
    train = [s for s in names if s not in held]
    runs = sorted({int(r) for s in held for r in dataset.trials(s).run})
    if not 0 <= adapt < 1:
        raise MismatchError(f"a share of {adapt} of the runs cannot adapt", remedy="Give 0 up to less than 1.")
    cut = int(len(runs) * adapt)
    return PeopleSplit(tuple(train), tuple(held), tuple(runs[:cut]), tuple(runs[cut:]))
