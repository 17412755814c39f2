"""How far what is drawn can be trusted: significance of a run, quality of a subject's data. No Qt, no computing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from psygnal import Signal, SignalGroupDescriptor

from brainview.core.errors import MissingError
from brainview.maps.brainmap import BrainMap
from brainview.maps.significant import count_map, significant_only
from brainview.state.app import GROUP, Source
from brainview.state.regions import own_index

SIGNIFICANCE = "brainview.encoding.jobs:significance"
QUALITY = "brainview.datasets.quality:report"
#: Systems whose runs predict responses, so that their predictions can be dealt to other images.
TESTED = ("ridge", "llm-vem")


@dataclass
class TrustState:
    """What the user chose: whether only significant locations are drawn, at which rate, from how many shuffles."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    masked: bool = False
    level: float = 0.05
    permutations: int = 1000

    def settings(self) -> dict[str, Any]:
        """Return what a project file keeps."""
        return {"masked": self.masked, "level": self.level, "permutations": self.permutations}

    def apply(self, stored: Mapping[str, Any]) -> None:
        """Take a stored choice back; what is out of range is left out."""
        if isinstance(stored.get("masked"), bool):
            self.masked = stored["masked"]
        if isinstance(stored.get("level"), (int, float)) and 0 < stored["level"] < 1:
            self.level = float(stored["level"])
        if isinstance(stored.get("permutations"), int) and 19 <= stored["permutations"] <= 100_000:
            self.permutations = stored["permutations"]


class Significances:
    """p and q of the subjects of runs, asked once.

    Parameters
    ----------
    session : Session
    """

    arrived = Signal(str, str)

    def __init__(self, session: Any) -> None:
        self._session = session
        self.state = TrustState()
        self._have: dict[tuple[str, str, int], dict[str, Any]] = {}

    def subjects(self, brain: str) -> tuple[str, ...]:
        """Return whose tests a map of `brain` needs: itself, or all for the group."""
        run = self._session.app.run
        return () if run is None else tuple(run.subjects) if brain == GROUP else (brain,)

    def able(self) -> bool:
        """Tell whether the open run can be tested."""
        run = self._session.app.run
        return run is not None and str(run.card.get("system", "")).removesuffix("-subject") in TESTED

    def known(self, brain: str) -> list[dict[str, Any]] | None:
        """Return the tests of a brain in the order of its subjects, None when one is missing."""
        run = self._session.app.run
        if run is None:
            return None
        found = [self._have.get((run.path, s, self.state.permutations)) for s in self.subjects(brain)]
        return None if not found or any(f is None for f in found) else [f for f in found if f is not None]

    async def fetch(self, brain: str) -> list[dict[str, Any]]:
        """Ask for what is missing; raises MissingError when no run is open that can be tested."""
        run = self._session.app.run
        if run is None or not self.able():
            raise MissingError("only encoding models can be tested against chance by shuffled images",
                               remedy="Open a run of ridge or llm-vem.")
        count = self.state.permutations
        for subject in self.subjects(brain):
            if (run.path, subject, count) not in self._have:
                self._have[run.path, subject, count] = await self._session.ask(
                    SIGNIFICANCE, f"Shuffle the test images of {subject}, {count:,} times", lane="batch", run=run.path,
                    subject=subject, permutations=count)
                self.arrived.emit(run.path, subject)
        found = self.known(brain)
        if found is None:
            raise MissingError("the run was closed while it was tested")
        return found

    def cut(self, source: Source, whole: BrainMap) -> BrainMap | None:
        """Return what of a metric's map is significant, None while the tests are missing."""
        found = self.known(source.brain)
        return None if found is None else significant_only(whole, [f["q"] for f in found], source.fdr)

    def value(self, brain: str, root_index: int) -> float | None:
        """Return the q of one subject at a location of the root space; None when it is not known."""
        found = self.known(brain)
        if found is None or brain == GROUP:
            return None
        q: BrainMap = found[0]["q"]
        at = own_index(q.space, root_index)
        return None if at is None or not np.isfinite(q.values[at]) else float(q.values[at])

    # -- the maker of the maps: kinds "significance" (p, q) and "count" -----------------------------------------------

    def at_once(self, source: Source) -> BrainMap | None:
        """Return p, q, the n of a group map, or the number of significant subjects, when it is here."""
        run = self._session.app.run
        if source.kind == "count" and source.metric != "q":
            found = None if run is None else run.counts.get(source.metric)
            if found is None:
                raise MissingError("the run has no group map of this figure")
            return found
        tests = self.known(source.brain)
        if tests is None:
            return None
        if source.kind == "count":
            assert run is not None
            return count_map(next(iter(run.group.values())), [t["q"] for t in tests], self.state.level)
        return tests[0]["p" if source.metric == "p" else "q"]

    async def fetch_map(self, source: Source) -> BrainMap | None:
        """Ask for what is missing and return the map."""
        await self.fetch(source.brain)
        return self.at_once(source)


class Quality:
    """Quality reports of subjects, asked once, and the maps in them (source kind ``quality``).

    Parameters
    ----------
    session : Session
    """

    arrived = Signal(str)

    def __init__(self, session: Any) -> None:
        self._session = session
        self._have: dict[tuple[str, str, str], dict[str, Any]] = {}

    def _key(self, subject: str) -> tuple[str, str, str]:
        dataset = self._session.app.dataset
        return (dataset.path if dataset is not None else "", subject, self._session.app.variant)

    def known(self, subject: str) -> dict[str, Any] | None:
        """Return a report that is here."""
        return self._have.get(self._key(subject))

    async def fetch(self, subject: str) -> dict[str, Any]:
        """Ask for the report of a subject of the open data set."""
        if self._session.app.dataset is None:
            raise MissingError("no data set is open", remedy="Open one first.")
        key = self._key(subject)
        if key not in self._have:
            self._have[key] = await self._session.ask(QUALITY, f"Check the data of {subject}", lane="batch",
                                                      path=key[0], subject=subject, variant=key[2] or None)
            self.arrived.emit(subject)
        return self._have[key]

    def at_once(self, source: Source) -> BrainMap | None:
        """Return a map of a report that is here."""
        report = self.known(source.brain)
        return None if report is None else self._among(report, source)

    async def fetch_map(self, source: Source) -> BrainMap:
        """Ask for the report and return one of its maps."""
        return self._among(await self.fetch(source.brain), source)

    @staticmethod
    def _among(report: Mapping[str, Any], source: Source) -> BrainMap:
        if source.metric not in report["maps"]:
            raise MissingError(f"the data of {source.brain} give no map of {source.metric}",
                               remedy=str(report["tsnr"].get("why", "")))
        return report["maps"][source.metric]


class Maker:
    """Adapts ``at_once`` and ``fetch_map`` to what the shower calls."""

    def __init__(self, part: Any) -> None:
        self._part = part

    def at_once(self, source: Source) -> BrainMap | None:
        """Return the map when it is here."""
        return self._part.at_once(source)

    async def fetch(self, source: Source) -> BrainMap | None:
        """Ask for the map."""
        return await self._part.fetch_map(source)
