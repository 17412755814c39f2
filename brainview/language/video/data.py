"""What the stages train on: trials of all people with their clips, categories and answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainview.core.errors import MismatchError, MissingError
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.datasets.bids_task.clips import ClipStimuli
from brainview.datasets.bids_task.people import PeopleSplit
from brainview.datasets.types import Subject
from brainview.language.video.config import FilmConfig
from brainview.maps.space import Space, VolumeSpace


@dataclass(frozen=True, eq=False)
class Trials:
    """Trials of several people as one list.

    Parameters
    ----------
    people : list of Subject
    who : (n,) index into `people`; row : (n,) row of that subject
    stimulus : (n,) clip id; category : (n,) 0-based, -1 unknown; run : (n,) run number
    """

    people: list[Subject]
    who: np.ndarray
    row: np.ndarray
    stimulus: np.ndarray
    category: np.ndarray
    run: np.ndarray

    def __len__(self) -> int:
        return int(self.who.size)

    def at(self, index: np.ndarray) -> Trials:
        """Return some trials."""
        return Trials(self.people, self.who[index], self.row[index], self.stimulus[index], self.category[index],
                      self.run[index])

    def brains(self, index: np.ndarray) -> np.ndarray:
        """Return (len(index), T, locations) float32; NaN (no data) is 0."""
        out: np.ndarray | None = None
        for person in np.unique(self.who[index]):
            here = np.flatnonzero(self.who[index] == person)
            responses: Any = self.people[person].responses
            rows = self.row[index][here]
            found = responses.window_rows(rows) if hasattr(responses, "window_rows") else responses.rows(rows)[:, None]
            if out is None:
                out = np.empty((len(index), *found.shape[1:]), np.float32)
            out[here] = found
        if out is None:
            raise MissingError("no trials were asked for")
        return np.nan_to_num(out, copy=False)


@dataclass(frozen=True, eq=False)
class FilmData:
    """One data set ready for training.

    Parameters
    ----------
    train, adapt, test : Trials
        All trials of training subjects; runs of held-out subjects without labels; scored runs.
    space : Space
        The same for all people (surfaces), or of the first (volumes).
    times : int
        Volumes of a trial.
    """

    dataset: Any
    split: PeopleSplit
    train: Trials
    adapt: Trials
    test: Trials
    space: Space
    times: int
    categories: list[str]

    @property
    def stimuli(self) -> ClipStimuli:
        """The clips."""
        return self.dataset.stimuli


def load_film(dataset: Any, split: PeopleSplit, config: FilmConfig, *, context: JobContext = QUIET) -> FilmData:
    """Open everyone and index their responses.

    Raises
    ------
    MissingError
        A subject lacks the route. MismatchError: people are not on one space.
    """
    if not isinstance(dataset.stimuli, ClipStimuli):
        raise MissingError("holds no film clips", where=dataset.path, remedy="Use a HAD tree or a bids-task data set.")
    people = {}
    names = [*split.train, *split.held]
    for number, name in enumerate(names):
        person = dataset.subject(name, config.route)
        person.prepare(context=Stage(context, number / len(names), (number + 1) / len(names), name))
        people[name] = person
    first = people[names[0]]
    times = int(getattr(first.responses, "index", np.zeros((1, 1))).shape[1])
    for name, person in people.items():
        if isinstance(first.space.root, VolumeSpace):
            _same_grid(first.space, person.space, name)
        elif person.space != first.space:
            raise MismatchError(f"{name} is on {person.space.name} with {person.space.size:,} locations, {names[0]} "
                                f"has {first.space.size:,}", where=dataset.path, remedy="Use another route.")
    space = first.space
    if isinstance(space.root, VolumeSpace):  # every brain has its own mask: all of them are put on the whole grid
        people = {n: _on_grid(p) for n, p in people.items()}
        space = space.root
    held = [people[n] for n in split.held]
    return FilmData(dataset, split, _trials([people[n] for n in split.train], split, "all"),
                    _trials(held, split, "adapt"), _trials(held, split, "test"), space, times, dataset.categories)


def _same_grid(one: Space, two: Space, name: str) -> None:
    a, b = one.root, two.root
    assert isinstance(a, VolumeSpace)
    if not isinstance(b, VolumeSpace) or a.shape != b.shape:
        raise MismatchError(f"{name} has another grid of voxels", remedy="Resample all people to one grid first.")


@dataclass(frozen=True, eq=False)
class _WholeGrid:
    """Responses of a mask, spread over the whole grid when rows are read."""

    inner: Any
    place: np.ndarray
    size: int
    index: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.inner.shape[0], self.size

    def rows(self, index: Any) -> np.ndarray:
        """Return (n, grid) float32."""
        return self.window_rows(index).mean(1)

    def window_rows(self, index: Any) -> np.ndarray:
        """Return (n, T, grid) float32."""
        found = self.inner.window_rows(index)
        out = np.zeros((*found.shape[:2], self.size), np.float32)
        out[..., self.place] = found
        return out


def _on_grid(person: Subject) -> Subject:
    from dataclasses import replace

    root, inner = person.space.root, person.responses
    place = getattr(person.space, "root_index", np.arange(root.size))
    index = getattr(inner, "index", np.zeros((inner.shape[0], 1)))
    return replace(person, space=root, responses=_WholeGrid(inner, place, root.size, index))


def _trials(people: list[Subject], split: PeopleSplit, part: str) -> Trials:
    parts: dict[str, list[np.ndarray]] = {k: [] for k in ("who", "row", "stimulus", "category", "run")}
    for i, person in enumerate(people):
        rows = split.rows(person.trials, part)
        parts["who"].append(np.full(rows.size, i))
        parts["row"].append(rows)
        parts["stimulus"].append(person.trials.stimulus[rows])
        parts["category"].append(person.trials.extra["category"][rows] - 1)
        parts["run"].append(person.trials.extra["run_number"][rows])
    joined = {k: np.concatenate(v) if v else np.zeros(0, np.int64) for k, v in parts.items()}
    return Trials(people, **joined)


def batches(n: int, size: int, source: np.random.Generator | None) -> Iterable[np.ndarray]:
    """Yield index arrays of `size`: in random order without the last cut batch, or all in order."""
    order = np.arange(n) if source is None else source.permutation(n)
    stop = n if source is None or n < size else n - n % size
    for start in range(0, stop, size):
        yield order[start:start + size]
