"""The reader of task data sets: subjects, their trials, their series in the order of the mapping."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import BrainViewError, FormatError, MismatchError, MissingError
from brainview.core.files import read_json
from brainview.datasets.bids_task.clips import ClipStimuli
from brainview.datasets.bids_task.events import TaskTrials, files_of, read_trials, run_of
from brainview.datasets.bids_task.mapping import FILE, Series, TaskMapping, read_mapping
from brainview.datasets.bids_task.windows import (
    RunsSource,
    WindowResponses,
    is_cifti,
    volume_space,
    volumes_in,
    window_index,
)
from brainview.datasets.cache import CachedResponses
from brainview.datasets.stimuli import Words, truth_folder
from brainview.datasets.tables import read_table
from brainview.datasets.types import Subject, TrialTable
from brainview.maps.space import Space

_SUBJECT = re.compile(r"^sub-[A-Za-z0-9]+$")


@dataclass(frozen=True, eq=False)
class TaskDataset:
    """One task data set.

    Parameters
    ----------
    path : Path
    mapping : TaskMapping
    layout : str
    """

    path: Path
    mapping: TaskMapping
    layout: str = "bids-task"

    @cached_property
    def _truth(self) -> Path | None:
        return truth_folder(self.path)

    @property
    def phantom(self) -> bool:
        """True when the truth of a simulation lies beside the data."""
        return self._truth is not None

    @property
    def name(self) -> str:
        """What the data set is called on screen and in provenance."""
        return f"phantom ({self.mapping.name} layout)" if self.phantom else self.mapping.name

    @cached_property
    def subjects(self) -> list[str]:
        """Subjects that have events, in order."""
        found = [p.name for p in self.path.iterdir() if _SUBJECT.match(p.name) and p.is_dir()]
        return sorted(s for s in found if files_of(self.path, self.mapping.events, s, self.mapping.task))

    @cached_property
    def _trials(self) -> dict[str, TaskTrials]:
        return {}

    def trials(self, subject: str) -> TaskTrials:
        """Return what the events say of a subject."""
        self._known(subject)
        if subject not in self._trials:
            self._trials[subject] = read_trials(self.path, self.mapping, subject)
        return self._trials[subject]

    def _known(self, subject: str) -> None:
        if subject not in self.subjects:
            raise MissingError(f"has no subject {subject!r}", where=self.path,
                               remedy="It has " + ", ".join(self.subjects) + ".")

    @cached_property
    def categories(self) -> list[str]:
        """Category keys in alphabetical order (of an events column with numbers: in order of numbers)."""
        keys = {c for s in self.subjects for c in self.trials(s).category if c}
        return sorted(keys, key=lambda k: (0, int(k), "") if k.isdigit() else (1, 0, k))

    @cached_property
    def stimuli(self) -> ClipStimuli:
        """Clips of all subjects; ids are places in the sorted list of their names."""
        category: dict[str, str] = {}
        for subject in self.subjects:
            told = self.trials(subject)
            category.update(zip(told.clip, told.category, strict=True))
        names = sorted(category)
        number = {n: i for i, n in enumerate(names)}
        return ClipStimuli(self.path / self.mapping.clips, names, {number[n]: c for n, c in category.items()},
                           self.mapping.labels, self._truth / "scenes.jsonl" if self._truth else None,
                           self._captions(number))

    def _captions(self, number: dict[str, int]) -> Words:
        told = self.mapping.captions
        if not told or not (self.path / told["file"]).is_file():
            return Words()
        table = read_table(self.path / told["file"])
        found: dict[int, list[str]] = {}
        for clip, text in zip(table.text(told.get("clip", "clip")), table.text(told.get("text", "caption")),
                              strict=True):
            if clip in number:
                found.setdefault(number[clip], []).append(" ".join(text.split()))
        return Words(found)

    def series_files(self, subject: str, series: Series) -> dict[int, Path]:
        """Return run number -> file of one sort of series, runs in numerical order; broken links are left out."""
        found = [p for p in files_of(self.path, series.pattern, subject, self.mapping.task) if p.is_file()]
        return dict(sorted((run_of(p), p) for p in found))

    def _series(self, subject: str) -> dict[str, tuple[Series, dict[int, Path]]]:
        found = {s.name: (s, self.series_files(subject, s)) for s in self.mapping.series}
        return {k: v for k, v in found.items() if v[1]}

    def variants(self, subject: str) -> list[str]:
        """Return the response sets of a subject, the default first."""
        self._known(subject)
        return list(self._series(subject))

    def subject(self, subject: str, variant: str | None = None) -> Subject:
        """Open one subject: events are read, headers of the series; volumes need a mask, computed once."""
        names = self.variants(subject)
        if not names:
            wanted = "; ".join(s.pattern for s in self.mapping.series)
            raise MissingError("has no time series here", where=f"{self.path}/{subject}",
                               remedy=f"Looked for {wanted}. Links whose content was not fetched do not count.")
        chosen = variant or names[0]
        if chosen not in names:
            raise MissingError(f"{subject} has no response set {chosen!r}", where=self.path,
                               remedy="It has " + ", ".join(names) + ".")
        return self.windowed(subject, *self._series(subject)[chosen])

    def windowed(self, subject: str, series: Series, files: dict[int, Path], first: int | None = None,
                 count: int | None = None) -> Subject:
        """Return a subject whose trials are windows of z-scored volumes (`first`, `count` default to the mapping's)."""
        told = self.trials(subject)
        lost = sorted(set(told.run.tolist()) - set(files))
        keep = np.isin(told.run, list(files))
        if not keep.any():
            raise MissingError(f"{subject}: no run of {series.name} fits the events", where=self.path)
        problems = [f"runs {', '.join(map(str, lost))} have events and no {series.name}"] if lost else []
        paths = list(files.values())
        space = self.space_of(subject, paths[0])
        starts, row = {}, 0
        for number, path in files.items():
            volumes = volumes_in(path)
            starts[number] = (row, volumes)
            row += volumes
        m = self.mapping
        index = window_index(told.onset[keep], told.run[keep], starts, self.tr(paths[0]),
                             m.first if first is None else first, m.count if count is None else count)
        source = RunsSource(tuple(paths), space, m.drift_order)
        return self.made(subject, space, WindowResponses(CachedResponses(source), index), keep, series.name, problems)

    def made(self, subject: str, space: Space, responses: Any, keep: np.ndarray, variant: str,
             problems: list[str]) -> Subject:
        """Return the subject with the trials at `keep` (bool mask or row numbers)."""
        told = self.trials(subject)
        rows = np.flatnonzero(keep) if np.asarray(keep).dtype == bool else np.asarray(keep)
        number, order = self.stimuli.number, {c: i + 1 for i, c in enumerate(self.categories)}
        ids = np.array([number[told.clip[i]] for i in rows], np.int64)
        extra = {"category": np.array([order.get(told.category[i], 0) for i in rows], np.int64),
                 "onset": told.onset[rows], "duration": told.duration[rows], "response": told.response[rows],
                 "response_time": told.response_time[rows], "run_number": told.run[rows]}
        table = TrialTable.of(ids, session=0, run=told.run[rows] - 1, extra=extra)
        return Subject(id=subject, space=space, trials=table, responses=responses, dataset=self.name,
                       phantom=self.phantom, variant=variant, problems=(*told.problems, *problems))

    def space_of(self, subject: str, path: Path) -> Space:
        """Return the space of a series."""
        if not is_cifti(path):
            return volume_space(path, subject)
        from brainview.maps.io import read_map

        return read_map(path).space

    def tr(self, path: Path) -> float:
        """Return seconds per volume: mapping, sidecar, header; refuses a header and a sidecar that disagree."""
        if self.mapping.tr > 0:
            return self.mapping.tr
        told = [v for v in (self._sidecar(path), _header_tr(path)) if v]
        if not told:
            raise MissingError("says no TR, nor does a sidecar", where=path, remedy="Set tr in [window].")
        if max(told) - min(told) > 0.01:
            raise MismatchError(f"has a TR of {told[1]:g} s, its sidecar says {told[0]:g} s", where=path,
                                remedy="Set tr in [window].")
        return told[0]

    def _sidecar(self, path: Path) -> float:
        stem = path.name.split(".")[0]
        for file in (path.with_name(f"{stem}.json"), self.path / f"task-{self.mapping.task}_bold.json"):
            if file.is_file():
                value = read_json(file, limit=4 << 20)
                if isinstance(value, dict) and isinstance(value.get("RepetitionTime"), (int, float)):
                    return float(value["RepetitionTime"])
        return 0.0

    def inspect(self) -> dict[str, Any]:
        """Return layout, subjects, counts, categories, answers and problems as plain types."""
        from brainview.datasets.inspect import describe

        problems = self.problems()
        report = describe(self, problems=problems)  # type: ignore[arg-type]
        shown = [self.mapping.labels.get(k, k) for k in self.categories]
        attention = {}
        for name in self.subjects:
            told = self.trials(name)
            attention[name] = {"trials": len(told), "answers missing": int(np.isnan(told.response).sum()),
                               "runs": np.unique(told.run).tolist()}
        return report | {"categories": len(shown), "category_labels": shown, "attention": attention}

    def problems(self) -> list[str]:
        """Return what is wrong or odd in the folder, one sentence each."""
        found = []
        stimuli = self.stimuli
        there = sum(stimuli.path(i).is_file() for i in stimuli.ids.tolist())
        if there < stimuli.ids.size:
            found.append(f"{stimuli.ids.size - there:,} of {stimuli.ids.size:,} clips are not here (links whose "
                         "content was not fetched, or clips that are not shipped); trials are read without them.")
        lacking = [s for s in self.subjects if not self.variants(s)]
        if lacking:
            found.append(f"{', '.join(lacking)}: no time series and no betas are here.")
        for name in self.subjects:
            missing = np.isnan(self.trials(name).response)
            if missing.any() and not missing.all() and missing.mean() > 0.15:
                found.append(f"{name}: {int(missing.sum())} of {missing.size} answers are missing "
                             "(an attention check).")
        return found


def _header_tr(path: Path) -> float:
    import nibabel as nib

    try:
        if is_cifti(path):
            image: Any = nib.load(path)
            return float(image.header.get_axis(0).step)
        zoom = nib.load(path).header.get_zooms()  # type: ignore[attr-defined]
        value = float(zoom[3]) if len(zoom) > 3 else 0.0
        return value if 0.05 < value < 30 else 0.0
    except (OSError, ValueError, KeyError, AttributeError, nib.filebasedimages.ImageFileError) as err:
        raise FormatError("has no readable header", where=path) from err


def is_bids(path: Path) -> bool:
    """True for a folder with BIDS subjects and a description; the BIDS version is not looked at."""
    if not path.is_dir() or not (path / "dataset_description.json").is_file():
        return False
    try:
        json.loads((path / "dataset_description.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return False
    return any(_SUBJECT.match(p.name) for p in path.iterdir())


@dataclass(frozen=True)
class _Reader:
    layout: str = "bids-task"
    looks_for: str = f"dataset_description.json, sub-*/ and a mapping {FILE} (templates: urgen, bold_moments)"

    def recognises(self, path: Path) -> bool:
        return is_bids(path) and (path / FILE).is_file()

    def open(self, path: Path) -> TaskDataset:
        try:
            return TaskDataset(path, read_mapping(path / FILE))
        except BrainViewError:
            raise


READER = _Reader()
