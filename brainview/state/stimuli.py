"""Thumbnails of the film strip: asked for in pages, kept up to a limit, never twice."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from psygnal import Signal

from brainview.core.errors import BrainViewError

PAGE_JOB = "brainview.datasets.jobs:stimulus_page"
WORDS_JOB = "brainview.datasets.words:index"
#: Stimuli fetched with one job, and thumbnails kept in memory.
PAGE, KEPT = 48, 4000


@dataclass(frozen=True, eq=False)
class Thumb:
    """One stimulus, small: (h, w, 3) uint8 picture, captions, what else is known."""

    stimulus: int
    image: np.ndarray
    captions: tuple[str, ...]
    details: dict[str, Any]

    @property
    def words(self) -> str:
        """All that the filter searches."""
        category = self.details.get("category", "")
        return " ".join([str(self.stimulus), str(category), *self.captions]).lower()


class WordIndex:
    """Captions and categories of stimuli, asked once for all, so that a filter needs no pictures.

    Parameters
    ----------
    ask : coroutine function
        ``ask(function, title, lane, **arguments)`` of the session.
    path : str
        The data set.
    """

    arrived = Signal()

    def __init__(self, ask: Any, path: str) -> None:
        self._ask, self._path = ask, path
        self._words: dict[int, str] = {}
        self._kinds: dict[int, tuple[str, ...]] = {}
        self._asked: set[int] = set()

    def missing(self, stimuli: Sequence[int]) -> list[int]:
        """Return those of `stimuli` that were not asked for yet."""
        return [s for s in stimuli if s not in self._asked]

    async def fetch(self, stimuli: Sequence[int]) -> None:
        """Ask for what is missing."""
        wanted = self.missing(stimuli)
        if not wanted:
            return
        self._asked.update(wanted)
        try:
            told = await self._ask(WORDS_JOB, "Read captions and categories", path=self._path,
                                   ids=np.asarray(wanted, np.int64))
        except BrainViewError:
            self._asked.difference_update(wanted)
            raise
        for stimulus, words, kinds in zip(told["ids"], told["texts"], told["categories"], strict=True):
            self._kinds[int(stimulus)] = tuple(kinds)
            self._words[int(stimulus)] = " ".join([str(int(stimulus)), *(k.lower() for k in kinds), words])
        self.arrived.emit()

    def counts(self, stimuli: Sequence[int]) -> dict[str, int]:
        """Return category -> how many of `stimuli` show it, the commonest first."""
        found = Counter(k for s in stimuli for k in self._kinds.get(s, ()))
        return dict(sorted(found.items(), key=lambda e: (-e[1], e[0])))

    def keep(self, stimuli: Sequence[int], words: str, category: str) -> list[int]:
        """Return those of `stimuli` that hold every word and show the category ("" = any)."""
        needles = words.lower().split()
        return [s for s in stimuli if (not category or category in self._kinds.get(s, ()))
                and all(n in self._words.get(s, str(s)) for n in needles)]


class Thumbs:
    """The thumbnails of one data set.

    Parameters
    ----------
    ask : coroutine function
        ``ask(function, title, lane, **arguments)`` of the session.
    path : str
        The data set.
    """

    arrived = Signal(tuple)

    def __init__(self, ask: Any, path: str, size: int = 96) -> None:
        self._ask, self._path, self._size = ask, path, size
        self._have: OrderedDict[int, Thumb] = OrderedDict()
        self._asked: set[int] = set()

    def get(self, stimulus: int) -> Thumb | None:
        """Return a thumbnail that is here."""
        thumb = self._have.get(stimulus)
        if thumb is not None:
            self._have.move_to_end(stimulus)
        return thumb

    def missing(self, stimuli: Sequence[int]) -> list[int]:
        """Return those of `stimuli` that are neither here nor asked for."""
        return [s for s in stimuli if s not in self._have and s not in self._asked]

    async def fetch(self, stimuli: Sequence[int]) -> None:
        """Fetch what is missing of `stimuli`, page by page."""
        wanted = self.missing(stimuli)
        self._asked.update(wanted)
        for start in range(0, len(wanted), PAGE):
            ids = wanted[start:start + PAGE]
            try:
                page = await self._ask(PAGE_JOB, "Read stimuli", path=self._path,
                                       ids=np.asarray(ids, np.int64), size=self._size)
            except BrainViewError:
                self._asked.difference_update(wanted[start:])
                raise
            self._take(page)

    def _take(self, page: dict[str, Any]) -> None:
        ids = [int(i) for i in page["ids"]]
        captions = page.get("captions") or [[] for _ in ids]
        details = page.get("details") or [{} for _ in ids]
        for stimulus, image, words, known in zip(ids, page["thumbs"], captions, details, strict=True):
            self._have[stimulus] = Thumb(stimulus, np.ascontiguousarray(image, np.uint8), tuple(words), dict(known))
            self._asked.discard(stimulus)
        while len(self._have) > KEPT:
            self._have.popitem(last=False)
        self.arrived.emit(tuple(ids))
