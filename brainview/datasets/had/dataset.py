"""The HAD tree: the task reader with HAD's mapping, its betas, its surfaces and its peculiarities.

Reference: Zhou et al. 2023, Scientific Data 10:415; files as counted in ds004488 (README and tree disagree: the tree
is right). Run numbers are padded in the raw tree and not in the derivatives; ``ses-action02`` of sub-03
belongs to nothing.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import BrainViewError
from brainview.core.files import read_json
from brainview.datasets.bids_task.events import run_of
from brainview.datasets.bids_task.mapping import FILE, shipped
from brainview.datasets.bids_task.reader import TaskDataset, is_bids
from brainview.datasets.cache import CachedResponses
from brainview.datasets.had.betas import BetaFiles, beta_files, labels_of, match_rows
from brainview.datasets.types import Subject
from brainview.maps.grayordinates import cortex_space, positions
from brainview.maps.meshes import load_mesh, register_surfaces, registered_space
from brainview.maps.space import GrayordinateSpace, MaskedSpace, Space, SurfaceSpace

_PARTS = ("white", "pial", "inflated")
_STRAY = re.compile(r"_?ses-action0[2-9]")


@dataclass(frozen=True, eq=False)
class Had(TaskDataset):
    """One copy of HAD, whole or in part, real or phantom."""

    layout: str = "had"

    def results(self, subject: str) -> Path:
        """Return the folder of a subject's CIFTI files."""
        return self.path / "derivatives" / "ciftify" / subject / "results"

    def variants(self, subject: str) -> list[str]:
        """Return ``betas`` where they are here, then the series."""
        series = super().variants(subject)
        return ["betas", *series] if beta_files(self.results(subject)) else series

    def subject(self, subject: str, variant: str | None = None) -> Subject:
        """Open one subject; ``betas`` (the default) are single-trial estimates, one row a clip, in order of trials."""
        names = self.variants(subject)
        if names and "betas" in names and (variant or names[0]) == "betas":
            return self._betas(subject)
        return super().subject(subject, variant)

    def _betas(self, subject: str) -> Subject:
        files = beta_files(self.results(subject))
        paths = tuple(files.values())
        space = self.space_of(subject, paths[0])
        source = BetaFiles(paths, space)
        names: list[str] = []
        for path, count in zip(paths, source.counts, strict=True):
            names += labels_of(path, count)
        told = self.trials(subject)
        rows = match_rows(names, told.clip, self.results(subject))
        order = np.argsort(rows, kind="stable")
        lost = len(told) - rows.size
        problems = [f"{lost} of {len(told)} trials have no betas here"] if lost else []
        return self.made(subject, space, _Reordered(CachedResponses(source), order), rows[order], "betas",
                         problems + self.strays(subject))

    def strays(self, subject: str) -> list[str]:
        """Return a sentence about files of sessions that the raw tree does not have."""
        folder = self.results(subject)
        found = list(folder.glob("ses-action0[2-9]_*")) if folder.is_dir() else []
        raw = any((self.path / subject).glob("ses-action0[2-9]"))
        return [f"{len(found)} files of another session (ses-action02) are ignored: it has no events"] \
            if found and not raw else []

    def space_of(self, subject: str, path: Path) -> Space:
        """Return the space of CIFTI files: grayordinates, or on the data set's own surfaces where that is needed.

        Cortex-only files on a machine without fsLR 32k meshes are drawn on the surfaces that the data set ships
        (``standard_fsLR_surface``); a phantom's are always its own.
        """
        space = super().space_of(subject, path)
        if not isinstance(space, GrayordinateSpace) or any(not s.n_vertices for s in space.structures):
            return space
        mesh = self._own_mesh(subject)
        if mesh is None:
            return space
        surface = cortex_space(space)
        _, vertex, _, _ = positions(space)
        if surface is None or (surface.n_left, surface.n_right) != (mesh.n_left, mesh.n_right) \
                or (np.diff(vertex) <= 0).any():
            return space
        return MaskedSpace(f"cortex of {self.mapping.name}", mesh, vertex)

    def _own_mesh(self, subject: str) -> SurfaceSpace | None:
        if not self.phantom:
            try:
                load_mesh("fsLR32k", "left", "inflated")
                return None  # the standard mesh is here: grayordinates are drawn on it
            except BrainViewError:
                pass
        digest = hashlib.sha256(str(self.path.resolve()).encode()).hexdigest()[:6]
        name = f"native:{self.path.name}-{digest}"
        files = self._surface_files(subject)
        if not files:
            return None
        try:
            known = registered_space(name)
            load_mesh(known, "left", "inflated")
            return known
        except BrainViewError:
            return register_surfaces(name, files)

    def _surface_files(self, subject: str) -> dict[str, dict[str, str]]:
        for who in [subject, *self.subjects]:
            folder = self.path / "derivatives" / "ciftify" / who / "standard_fsLR_surface"
            files = {side: {part: str(p) for part in _PARTS
                            if (p := folder / f"{who}.{side[0].upper()}.{part}.32k_fs_LR.surf.gii").is_file()}
                     for side in ("left", "right")}
            if all(len(v) == len(_PARTS) for v in files.values()):
                return files
        return {}

    def problems(self) -> list[str]:
        """Return what is wrong or odd: the task reader's list, broken links, strays, padded runs that lack partners."""
        found = super().problems()
        for subject in self.subjects:
            found += [f"{subject}: {s}" for s in self.strays(subject)]
            raw = {run_of(p) for p in self.trials(subject).files}
            for series in self.mapping.series:
                there = set(self.series_files(subject, series))
                if there and raw - there:
                    found.append(f"{subject}: {series.name} lacks run {', '.join(map(str, sorted(raw - there)))}")
                if there - raw:
                    found.append(f"{subject}: {series.name} has run {', '.join(map(str, sorted(there - raw)))} "
                                 "without events")
        return found

    def inspect(self) -> dict[str, Any]:
        """Return what the task reader tells, and the BIDS version that the description claims."""
        description = read_json(self.path / "dataset_description.json", limit=1 << 20)
        version = description.get("BIDSVersion") if isinstance(description, dict) else None
        return super().inspect() | {"bids_version": str(version)}


@dataclass(frozen=True, eq=False)
class _Reordered:
    """Rows of a cache in order of trials."""

    cached: CachedResponses
    order: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.cached.shape

    def rows(self, index: np.ndarray | slice) -> np.ndarray:
        """Return (n, locations) float32 z-scored betas."""
        from brainview.datasets.responses import as_rows

        return self.cached.rows(self.order[as_rows(index, len(self.order))])

    def prepare(self, **given: Any) -> None:
        """Build the cache when it is missing."""
        self.cached.prepare(**given)


@dataclass(frozen=True)
class _Reader:
    layout: str = "had"
    looks_for: str = "dataset_description.json and sub-*/ses-action01/func/*_task-action_*_events.tsv"

    def recognises(self, path: Path) -> bool:
        return is_bids(path) and not (path / FILE).is_file() and any(
            True for _ in path.glob("sub-*/ses-action01/func/*_task-action_*_events.tsv"))

    def open(self, path: Path) -> Had:
        return Had(path, shipped("had"))


READER = _Reader()
