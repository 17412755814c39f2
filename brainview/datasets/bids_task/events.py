"""Events files of a task and what they say of every trial."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainview.core.errors import BrainViewError, FormatError
from brainview.core.names import shown
from brainview.datasets.bids_task.mapping import TaskMapping
from brainview.datasets.tables import read_table

_RUN = re.compile(r"_run-(\d+)(?=_|\.)")
_SESSION = re.compile(r"(?:^|_)ses-([A-Za-z0-9]+)")
#: The most files of one pattern.
_LIMIT = 4000


def run_of(path: Path) -> int:
    """Return the number of a run from a file name, padded or not; 0 where it names none."""
    found = _RUN.findall(path.name)
    return int(found[-1]) if found else 0


def files_of(root: Path, pattern: str, subject: str, task: str) -> list[Path]:
    """Return the files of a pattern, sorted by session and then by run *number* (run-2 before run-10).

    Broken links (git-annex content that was not fetched) are in the list: who opens one is told.
    """
    found = []
    for path in root.glob(pattern.format(subject=subject, task=task)):
        found.append(path)
        if len(found) > _LIMIT:
            raise FormatError(f"matches more than {_LIMIT:,} files", where=pattern)
    return sorted(found, key=lambda p: ("".join(_SESSION.findall(p.name)[:1]), run_of(p), p.name))


@dataclass(frozen=True, eq=False)
class TaskTrials:
    """All trials of one subject in order of runs and onsets.

    Parameters
    ----------
    onset, duration : (n,) seconds from the first volume of the run; seconds
    run : (n,) int, number of the run as its file says
    clip : list of n clip names, relative to the clips' folder
    category : list of n category keys ("" = unknown)
    response, response_time : (n,) float, NaN = none
    files : events files by (session,) order
    problems : what was noticed
    """

    onset: np.ndarray
    duration: np.ndarray
    run: np.ndarray
    clip: list[str]
    category: list[str]
    response: np.ndarray
    response_time: np.ndarray
    files: list[Path]
    problems: list[str]

    def __len__(self) -> int:
        return len(self.clip)


def read_trials(root: Path, mapping: TaskMapping, subject: str) -> TaskTrials:
    """Read the events of one subject.

    Raises
    ------
    FormatError
        No events file, a column that is missing, a clip name that leads out of the folder.
    """
    files = files_of(root, mapping.events, subject, mapping.task)
    problems, parts = [], []
    for path in files:
        try:
            parts.append((path, read_table(path)))
        except BrainViewError as err:
            problems.append(f"{path.name} is left out: {err.what}")
    if not parts:
        raise FormatError("has no readable events file", where=f"{root}/{subject}",
                          remedy=f"Looked for {mapping.events}.")
    columns: dict[str, list] = {k: [] for k in ("onset", "duration", "run", "clip", "category", "response", "time")}
    for number, (path, table) in enumerate(parts):
        keep = _kept(table, mapping)
        clips = table.text(mapping.clip)
        onset, duration = table.numbers("onset"), table.numbers("duration")
        lost = [i for i in keep if not np.isfinite(onset[i])]
        if lost:
            raise FormatError(f"row {lost[0] + 1} has no onset", where=path)
        keep = sorted(keep, key=lambda i: onset[i])
        for i in keep:
            clip = clips[i].strip()
            if not clip or clip.startswith("/") or ".." in Path(clip).parts:
                raise FormatError(f"names the clip {shown(clip)!r}", where=path)
            columns["clip"].append(clip)
            columns["category"].append(_category(table, mapping, i, clip))
        columns["onset"].append(onset[keep] + mapping.onset_shift)
        columns["duration"].append(duration[keep])
        columns["run"].append(np.full(len(keep), run_of(path) or number + 1))
        for name, key in (("response", "response"), ("response_time", "time")):
            columns[key].append(table.numbers(name)[keep] if name in table.columns else np.full(len(keep), np.nan))
        if "response" not in table.columns:
            problems.append("events have no column of answers (an early release of the data)")
    stacked = {k: np.concatenate(columns[k]) for k in ("onset", "duration", "run", "response", "time")}
    return TaskTrials(stacked["onset"], stacked["duration"], stacked["run"].astype(int), columns["clip"],
                      columns["category"], stacked["response"], stacked["time"], [p for p, _ in parts],
                      list(dict.fromkeys(problems)))


def _kept(table, mapping: TaskMapping) -> list[int]:
    keep = list(range(len(table)))
    for column, values in mapping.rows.items():
        cells = table.text(column)
        keep = [i for i in keep if cells[i].strip() in values]
    return keep


def _category(table, mapping: TaskMapping, row: int, clip: str) -> str:
    """Return the key of a category: the clip's folder, else what the column says (numbers without a point)."""
    folder = clip.rsplit("/", 1)[0] if "/" in clip else ""
    if folder or not mapping.category:
        return folder
    cell = table.text(mapping.category)[row].strip()
    try:
        return str(int(float(cell)))
    except (ValueError, OverflowError):
        return "" if cell.lower() == "n/a" else cell
