"""The mapping file: which files of a BIDS tree are events, series and clips, and how trials lie in the runs."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brainview.core.errors import FormatError
from brainview.core.files import read_text
from brainview.core.names import shown
from brainview.core.paths import resource

FORMAT = "brainview-bids-task 1"
#: Name of the mapping in a data set's folder.
FILE = "bids_task.toml"


@dataclass(frozen=True)
class Series:
    """One set of time series: its name and the pattern of its files (``{subject}``, ``{task}``, ``*``, ``**``)."""

    name: str
    pattern: str


@dataclass(frozen=True)
class TaskMapping:
    """How a task data set is read.

    Parameters
    ----------
    name, task : str
    events : str
        Pattern of the events files.
    clip, category : str
        Columns; an empty category means the folder that the clip lies in.
    onset_shift : float
        Seconds from the first volume to time 0 of the events files.
    clips : str
        Folder of the clips.
    first, count, drift_order : int
        Window: volumes after the one that the clip begins in, how many, and the drift taken out of every run.
    tr : float
        Seconds per volume where neither header nor sidecar says it; 0 = they do.
    series : tuple of Series
    validation : tuple of str
        Subjects that are held out by default.
    captions : mapping
        ``file, clip, text`` of a table of human captions; {} = none.
    labels : mapping of key to shown label
    rows : mapping of column to the values whose rows are trials; {} = all rows
    """

    name: str
    task: str
    events: str
    clip: str = "stim_file"
    category: str = ""
    onset_shift: float = 0.0
    clips: str = "stimuli"
    first: int = 2
    count: int = 2
    drift_order: int = 2
    tr: float = 0.0
    series: tuple[Series, ...] = ()
    validation: tuple[str, ...] = ()
    captions: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_mapping(path: os.PathLike | str) -> TaskMapping:
    """Read a mapping file.

    Raises
    ------
    FormatError
        No TOML, another format, a field that is missing, of a wrong type, still marked CHECK, or leads out of the
        data set.
    """
    path = Path(path)
    try:
        data = tomllib.loads(read_text(path, limit=1 << 20))
    except tomllib.TOMLDecodeError as err:
        raise FormatError(f"is not valid TOML: {shown(err)}", where=path) from err
    if data.get("format") != FORMAT:
        raise FormatError(f"is no mapping (format = {FORMAT!r} is missing)", where=path)
    events, window = _table(data, "events", path), _table(data, "window", path)
    split, captions = _table(data, "split", path), _table(data, "captions", path)
    series = data.get("series", [])
    if not isinstance(series, list) or not series:
        raise FormatError("names no [[series]]", where=path, remedy="Add one with name and pattern.")
    rows = _table(events, "rows", path)
    mapping = TaskMapping(
        name=_text(data, "name", path), task=_text(data, "task", path), events=_pattern(events, path),
        clip=_text(events, "clip", path, "stim_file"), category=_text(events, "category", path, ""),
        onset_shift=_number(events, "onset_shift", path, 0.0), clips=_inside(_table(data, "clips", path).get(
            "folder", "stimuli"), path),
        first=int(_number(window, "first", path, 2)), count=int(_number(window, "count", path, 2)),
        drift_order=int(_number(window, "drift_order", path, 2)), tr=_number(window, "tr", path, 0.0),
        series=tuple(Series(_text(s, "name", path), _pattern(s, path)) for s in series if isinstance(s, dict)),
        validation=tuple(str(s) for s in split.get("validation", [])),
        captions={k: str(v) for k, v in captions.items()},
        labels={str(k): str(v) for k, v in _table(data, "labels", path).items()},
        rows={str(k): tuple(str(x) for x in (v if isinstance(v, list) else [v])) for k, v in rows.items()})
    if not 0 <= mapping.first <= 60 or not 1 <= mapping.count <= 60 or not 0 <= mapping.drift_order <= 8:
        raise FormatError("has a [window] that makes no sense: first 0 to 60, count 1 to 60, drift_order 0 to 8",
                          where=path)
    return mapping


def shipped(name: str) -> TaskMapping:
    """Return a mapping that BrainView ships (``had``)."""
    return read_mapping(resource(f"bids_task/{name}.toml"))


def _table(data: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    value = data.get(key, {})
    if not isinstance(value, dict):
        raise FormatError(f"[{key}] is not a table", where=path)
    return value


def _text(data: Mapping[str, Any], key: str, path: Path, default: str | None = None) -> str:
    value = data.get(key, default)
    if not isinstance(value, str):
        raise FormatError(f"{key} is missing or not text", where=path)
    if value == "CHECK":
        raise FormatError(f"{key} is still to be filled in", where=path, remedy="Complete the lines marked CHECK.")
    return value


def _number(data: Mapping[str, Any], key: str, path: Path, default: float) -> float:
    value = data.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e6 < value < 1e6:
        raise FormatError(f"{key} is not a number", where=path)
    return float(value)


def _pattern(data: Mapping[str, Any], path: Path) -> str:
    pattern = _inside(_text(data, "pattern", path), path)
    if "{subject}" not in pattern:
        raise FormatError(f"pattern {shown(pattern)!r} does not hold {{subject}}", where=path)
    return pattern


def _inside(pattern: Any, path: Path) -> str:
    text = str(pattern)
    if text.startswith(("/", "~")) or ".." in Path(text).parts or "\\" in text:
        raise FormatError(f"{shown(text)!r} leads out of the data set", where=path)
    return text
