"""Which image each trial showed: ``nsd_expdesign.mat``, ``nsd_stim_info_merged.csv``, ``responses.tsv``.

All of NSD's indices are 1-based except ``nsdId``; everything returned here is 0-based.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainview.core.errors import FormatError, LimitError, MismatchError, MissingError
from brainview.core.files import regular_file
from brainview.core.names import shown
from brainview.datasets.tables import Table, read_table

EXPERIMENT = Path("nsddata") / "experiments" / "nsd"
_FIELDS = ("masterordering", "subjectim", "sharedix", "stimpattern")


@dataclass(frozen=True, eq=False)
class Design:
    """The plan of the experiment.

    Parameters
    ----------
    ordering : (trials,) int64
        Which of the subject's images each planned trial shows, 0-based, the same for all subjects.
    images : (subjects, images) int64
        0-based 73k id of every image of every subject.
    n_shared : int
        The first so many images are the ones shared by all.
    run_lengths : (sessions, runs) int64, optional
        Stimulus trials per run.
    """

    ordering: np.ndarray
    images: np.ndarray
    n_shared: int
    run_lengths: np.ndarray | None = None

    def stimuli(self, number: int) -> np.ndarray:
        """Return (trials,) int64 0-based 73k ids of all planned trials of subject `number` (1-based)."""
        if not 1 <= number <= len(self.images):
            raise MissingError(f"the design has {len(self.images)} subjects, none is number {number}")
        return self.images[number - 1][self.ordering]

    def repetition(self) -> np.ndarray:
        """Return (trials,) int32 how often the image of each trial was shown before."""
        order = np.argsort(self.ordering, kind="stable")
        _, first, counts = np.unique(self.ordering[order], return_index=True, return_counts=True)
        out = np.empty(self.ordering.size, np.int32)
        out[order] = np.arange(self.ordering.size) - np.repeat(first, counts)
        return out

    def shared(self, number: int) -> np.ndarray:
        """Return the 0-based 73k ids of the shared images."""
        return self.images[number - 1][:self.n_shared]

    def runs(self, session: int, trials: int) -> np.ndarray:
        """Return (trials,) int32 0-based run of each trial of a session (1-based); -1 when the plan does not say."""
        lengths = None if self.run_lengths is None or session > len(self.run_lengths) else self.run_lengths[session - 1]
        if lengths is None or int(lengths.sum()) != trials:
            return np.full(trials, -1, np.int32)
        return np.repeat(np.arange(lengths.size, dtype=np.int32), lengths)


def read_design(root: Path) -> Design | None:
    """Read ``nsd_expdesign.mat`` (MATLAB 5 file); None when the tree has none."""
    path = root / EXPERIMENT / "nsd_expdesign.mat"
    if not path.exists():
        return None
    if regular_file(path).stat().st_size > 64 << 20:
        raise LimitError("is larger than 64 MiB, too large for a design", where=path)
    from scipy.io import loadmat

    try:
        values = loadmat(path, variable_names=_FIELDS)
    except Exception as err:  # loadmat raises whatever the damaged bytes lead to
        raise FormatError(f"is not a readable MATLAB 5 file: {shown(err, limit=120)}", where=path) from err
    lost = [f for f in _FIELDS[:2] if f not in values]
    if lost:
        raise FormatError(f"lacks {', '.join(lost)}", where=path)
    ordering = _whole(values["masterordering"], path).reshape(-1)
    images = np.atleast_2d(_whole(values["subjectim"], path))
    if ordering.min(initial=1) < 1 or images.min(initial=1) < 1:
        raise FormatError("holds an index of 0; its indices are 1-based", where=path)
    if ordering.max(initial=0) > images.shape[1]:
        raise FormatError(f"orders image {ordering.max():,}, each subject has {images.shape[1]:,}", where=path)
    n_shared = int(np.size(values["sharedix"])) if "sharedix" in values else 0
    pattern = values.get("stimpattern")
    lengths = None if pattern is None or np.ndim(pattern) != 3 else _whole(pattern, path).sum(-1)
    return Design(ordering - 1, images - 1, n_shared, lengths)


def _whole(values: np.ndarray, path: Path) -> np.ndarray:
    if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise FormatError("holds something that is no number", where=path)
    return values.astype(np.int64)


def read_stim_info(root: Path) -> Table | None:
    """Read ``nsd_stim_info_merged.csv``; None when the tree has none."""
    path = root / EXPERIMENT / "nsd_stim_info_merged.csv"
    return read_table(path) if path.exists() else None


def stimuli_of_table(info: Table, number: int) -> np.ndarray:
    """Return (trials,) 0-based 73k ids from the ``subjectK_repR`` columns (1-based trial number, 0 = not shown).

    Trials that the table does not fill are -1.
    """
    ids = info.integers("nsdId")
    columns = [c for c in info.columns if c.startswith(f"subject{number}_rep")]
    if not columns:
        raise MissingError(f"has no columns subject{number}_rep0...", where=info.where)
    places = [info.integers(c) for c in columns]
    out = np.full(max(int(p.max(initial=0)) for p in places), -1, np.int64)
    for place in places:
        shown_rows = place > 0
        out[place[shown_rows] - 1] = ids[shown_rows]
    return out


def stimuli_of_behaviour(path: Path, trials_per_session: int) -> np.ndarray:
    """Return (trials,) 0-based 73k ids from ``responses.tsv`` (columns SESSION and 73KID, 1-based), -1 = no row."""
    table = read_table(path)
    session, ids = table.integers("SESSION"), table.integers("73KID")
    out = np.full(int(session.max()) * trials_per_session, -1, np.int64)
    for number in np.unique(session).tolist():
        rows = ids[session == number] - 1
        if rows.size > trials_per_session:
            raise MismatchError(f"session {number} has {rows.size} trials, its betas {trials_per_session}", where=path)
        start = (number - 1) * trials_per_session
        out[start:start + rows.size] = rows
    return out


def disagreements(design: Design, info: Table, number: int) -> list[str]:
    """Return what the design and the stimulus table say differently about one subject (the off-by-one test)."""
    problems = []
    flag = f"subject{number}"
    if flag in info.columns:
        said = np.sort(info.integers("nsdId")[_truth(info.text(flag))])
        planned = np.unique(design.images[number - 1])
        if not np.array_equal(said, planned):
            off = np.array_equal(said, planned + 1) or np.array_equal(said, planned - 1)
            word = "are off by one against" if off else "are not the images of"
            problems.append(f"subj{number:02d}: the images of nsd_stim_info_merged.csv {word} nsd_expdesign.mat.")
    if any(c.startswith(f"{flag}_rep") for c in info.columns):
        table = stimuli_of_table(info, number)[:design.ordering.size]
        planned = design.stimuli(number)[:table.size]
        wrong = int(((table >= 0) & (table != planned)).sum())
        if wrong:
            problems.append(f"subj{number:02d}: {wrong:,} trials show another image in nsd_stim_info_merged.csv than "
                            "in nsd_expdesign.mat.")
    return problems


def _truth(cells: list[str]) -> np.ndarray:
    return np.array([c.strip().lower() in ("1", "1.0", "true") for c in cells])
