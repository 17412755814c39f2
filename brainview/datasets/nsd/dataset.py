"""An NSD tree as a data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import MismatchError, MissingError
from brainview.core.files import walk
from brainview.datasets.hdf5 import dataset_of, open_hdf5
from brainview.datasets.nsd.design import (
    Design,
    disagreements,
    read_design,
    read_stim_info,
    stimuli_of_behaviour,
    stimuli_of_table,
)
from brainview.datasets.nsd.files import (
    PPDATA,
    SUBJECT,
    BetaSet,
    beta_space,
    find_beta_sets,
    find_subjects,
    read_volume,
    trials_of,
    valid_files,
    volume_grid,
)
from brainview.datasets.nsd.labels import find_rois, read_vector
from brainview.datasets.nsd.sessions import surface_responses, volume_responses
from brainview.datasets.responses import SideBySide, Stacked
from brainview.datasets.stimuli import BrickStimuli, NoStimuli, Words, read_coco_captions, read_scenes, truth_folder
from brainview.datasets.tables import Table
from brainview.datasets.types import Ceiling, Responses, Stimuli, Subject, TrialTable
from brainview.maps.space import VolumeSpace

BRICK = Path("nsddata_stimuli") / "stimuli" / "nsd" / "nsd_stimuli.hdf5"
_ANATOMY = ("T1", "T1_to_func1pt8mm", "T1_to_func1mm", "brainmask", "mean", "aseg", "signaldropout")


@dataclass(frozen=True, eq=False)
class Nsd:
    """A tree with ``nsddata`` and ``nsddata_betas``."""

    path: Path
    layout: str = field(default="nsd", init=False)

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
        return "phantom (NSD layout)" if self.phantom else "Natural Scenes Dataset"

    @cached_property
    def subjects(self) -> list[str]:  # type: ignore[override]
        """Subject ids in order."""
        return [s for s in find_subjects(self.path) if self.beta_sets(s)]

    def beta_sets(self, subject: str) -> list[BetaSet]:
        """Return the response sets of one subject, the default first."""
        return find_beta_sets(self.path, subject)

    def variants(self, subject: str) -> list[str]:
        """Return names like ``fsaverage/betas_fithrf_GLMdenoise_RR``, the default first."""
        return [b.name for b in self.beta_sets(subject)]

    def variant_words(self, subject: str, variant: str) -> str:
        """Return what a response set is called in a chooser: ``fsaverage5 betas``, ``MNI 2 mm betas``."""
        betas = self.beta_set(subject, variant)
        if betas.is_surface:
            return f"{beta_space(self.path, betas)[0].name} betas"
        edge = 2.0 if betas.decimated else min(volume_grid(self.path, betas)[0].zooms)
        return f"{'MNI' if betas.space == 'MNI' else 'native'} {edge:.2g} mm betas"

    def beta_set(self, subject: str, variant: str | None = None) -> BetaSet:
        """Return one response set; `variant` may be a whole name or its first part (``MNI``)."""
        sets = self.beta_sets(subject)
        if not sets:
            raise MissingError(f"has no betas of subject {subject!r}", where=self.path,
                               remedy="It has " + (", ".join(find_subjects(self.path)) or "none") + ".")
        if not variant:
            return sets[0]
        for betas in sets:
            if variant in (betas.name, betas.space):
                return betas
        raise MissingError(f"{subject} has no response set {variant!r}", where=self.path,
                           remedy="It has " + ", ".join(b.name for b in sets) + ".")

    @cached_property
    def design(self) -> Design | None:
        """The plan of the experiment, None when ``nsd_expdesign.mat`` is not in the tree."""
        return read_design(self.path)

    @cached_property
    def stim_info(self) -> Table | None:
        """``nsd_stim_info_merged.csv``, None when it is not in the tree."""
        return read_stim_info(self.path)

    def _planned(self, subject: str, trials_per_session: int) -> np.ndarray:
        """Return (trials,) 0-based 73k ids of all planned trials, from the best source there is."""
        number = int(SUBJECT.match(subject)[1])  # type: ignore[index]
        if self.design is not None:
            return self.design.stimuli(number)
        if self.stim_info is not None:
            return stimuli_of_table(self.stim_info, number)
        behaviour = self.path / PPDATA / subject / "behav" / "responses.tsv"
        if behaviour.is_file():
            return stimuli_of_behaviour(behaviour, trials_per_session)
        raise MissingError("holds nothing that says which image a trial showed", where=self.path,
                           remedy="Add nsddata/experiments/nsd/nsd_expdesign.mat.")

    def trial_table(self, betas: BetaSet) -> TrialTable:
        """Return the trials of the sessions that are there; `extra` holds the 0-based planned trial number."""
        counts = {n: trials_of(next(iter(f.values())))[0] for n, f in betas.sessions.items()}
        full = max(counts.values())
        last = max(counts)
        short = [n for n, c in counts.items() if c != full and n != last]
        if short:
            raise MismatchError(f"session {short[0]} has {counts[short[0]]} trials, others {full}", where=betas.folder,
                                remedy="Copy that session again.")
        planned = self._planned(betas.subject, full)
        rows = np.concatenate([(n - 1) * full + np.arange(c) for n, c in counts.items()])
        if rows.max() >= planned.size:
            raise MismatchError(f"has trials up to {rows.max() + 1:,}, the design plans {planned.size:,}",
                                where=betas.folder, remedy="Betas and design must be of one release.")
        stimulus = planned[rows]
        if (stimulus < 0).any():
            raise MissingError(f"{int((stimulus < 0).sum())} trials of {betas.subject} show no known image",
                               where=self.path, remedy="Add nsd_expdesign.mat.")
        runs = None if self.design is None else np.concatenate([self.design.runs(n, c) for n, c in counts.items()])
        repetition = None if self.design is None else self.design.repetition()[rows]
        return TrialTable.of(stimulus, session=np.repeat(np.array(list(counts)) - 1, list(counts.values())), run=runs,
                             repetition=repetition, extra={"trial": rows})

    def subject(self, subject: str, variant: str | None = None) -> Subject:
        """Open one subject: headers, the design and the brain mask are read, betas are not.

        ``splits``: ``test`` = the shared images that this subject saw, ``train`` = all others it saw.
        """
        betas = self.beta_set(subject, variant)
        space, positions, problems = beta_space(self.path, betas)
        grid = None if positions is None else volume_grid(self.path, betas)[0]
        trials = self.trial_table(betas)
        missing = sorted(set(range(1, max(betas.sessions) + 1)) - set(betas.sessions))
        if missing:
            problems.append(f"{betas.name}: sessions {', '.join(map(str, missing))} are missing; their trials are "
                            "left out.")
        return Subject(id=subject, space=space, trials=trials, responses=self._responses(betas, positions, grid),
                       rois=find_rois(self.path, betas, space, positions, grid),
                       ceiling=self._ceiling(betas, positions, grid, problems), splits=self._splits(subject, trials),
                       anatomy=self._anatomy(betas), dataset=self.name, phantom=self.phantom, variant=betas.name,
                       problems=tuple(problems))

    def _responses(self, betas: BetaSet, positions: np.ndarray | None, grid: VolumeSpace | None) -> Responses:
        parts: list[Responses] = []
        for number, files in betas.sessions.items():
            if positions is None:
                parts.append(SideBySide([surface_responses(files[side]) for side in ("lh", "rh")]))
            else:
                assert grid is not None
                parts.append(volume_responses(files[""], positions, valid_files(self.path, betas, number), grid.shape))
        return Stacked(parts)

    def _ceiling(self, betas: BetaSet, positions: np.ndarray | None, grid: VolumeSpace | None,
                 problems: list[str]) -> Ceiling:
        if positions is None:
            files = [_any(betas.folder, f"{side}.ncsnr", (".mgh", ".mgz")) for side in ("lh", "rh")]
            if all(files):
                values = np.concatenate([read_vector(f) for f in files if f])
                return Ceiling("ncsnr", ncsnr=_sound(values), note=f"ncsnr of {betas.name}")
        else:
            file = _any(betas.folder, "ncsnr", (".nii.gz", ".nii"))
            if file is not None:
                volume = read_volume(file)
                assert grid is not None
                if volume.shape != grid.shape:
                    raise MismatchError(f"has shape {volume.shape}, the betas {grid.shape}", where=file)
                return Ceiling("ncsnr", ncsnr=_sound(volume.reshape(-1, order="F")[positions]),
                               note=f"ncsnr of {betas.name}")
        word = f"{betas.name}: no ncsnr file, so no noise ceiling is shown until it is computed from single trials"
        problems.append(word + (" (ncsnr of another space does not hold after interpolation)."
                                if betas.space == "MNI" else "."))
        return Ceiling("none", note=word + ".")

    def _splits(self, subject: str, trials: TrialTable) -> dict[str, np.ndarray]:
        if self.design is not None:
            shared = self.design.shared(int(SUBJECT.match(subject)[1]))  # type: ignore[index]
        elif self.stim_info is not None and "shared1000" in self.stim_info.columns:
            flags = [c.strip().lower() in ("1", "1.0", "true") for c in self.stim_info.text("shared1000")]
            shared = self.stim_info.integers("nsdId")[np.array(flags, bool)]
        else:
            return {}
        test = np.intersect1d(trials.unique, shared)
        return {"train": np.setdiff1d(trials.unique, shared), "test": test} if test.size else {"train": trials.unique}

    def _anatomy(self, betas: BetaSet) -> dict[str, Path]:
        folders = [betas.folder, *(self.path / PPDATA / betas.subject / name for name in (betas.space, "anat"))]
        found: dict[str, Path] = {}
        for folder in folders:
            for path in sorted(folder.glob("*.nii.gz")) if folder.is_dir() else []:
                role = path.name[:-7]
                if role in _ANATOMY or role.startswith("T1"):
                    found.setdefault(role, path)
        return found

    @cached_property
    def stimuli(self) -> Stimuli:  # type: ignore[override]
        """The picture brick with captions (COCO's files when they are in the tree, the phantom's own otherwise)."""
        words = self._words()
        brick = self.path / BRICK
        if not brick.is_file():
            ids = np.unique(self.design.images) if self.design is not None else np.empty(0, np.int64)
            return NoStimuli(ids, f"{BRICK} is not in the tree", words)
        with open_hdf5(brick) as file:
            count = dataset_of(file, "imgBrick").shape[0]
        return BrickStimuli(brick, np.arange(count), words=words)

    def _words(self) -> Words:
        if self._truth is not None and (self._truth / "scenes.jsonl").is_file():
            return read_scenes(self._truth / "scenes.jsonl")
        files = [p for p in walk(self.path, depth=3, count=20_000) if p.name.startswith("captions_")
                 and p.suffix == ".json"] if self._coco_folder() else []
        if not files or self.stim_info is None:
            return Words()
        ids = self.stim_info.integers("nsdId").tolist()
        coco = dict(zip(self.stim_info.integers("cocoId").tolist(), ids, strict=True))
        captions: dict[int, list[str]] = {}
        for file in files:
            captions.update(read_coco_captions(file, coco).captions)
        return Words(captions)

    def _coco_folder(self) -> bool:
        return any((self.path / n).is_dir() for n in ("annotations", "nsddata_stimuli/annotations", "coco/annotations"))

    def design_problems(self) -> list[str]:
        """Return what design, stimulus table and behaviour say differently."""
        problems: list[str] = []
        for subject in self.subjects:
            number = int(SUBJECT.match(subject)[1])  # type: ignore[index]
            if self.design is not None and self.stim_info is not None:
                problems += disagreements(self.design, self.stim_info, number)
            behaviour = self.path / PPDATA / subject / "behav" / "responses.tsv"
            if self.design is not None and behaviour.is_file():
                betas = self.beta_set(subject)
                full = max(trials_of(next(iter(f.values())))[0] for f in betas.sessions.values())
                told = stimuli_of_behaviour(behaviour, full)[:self.design.ordering.size]
                wrong = int(((told >= 0) & (told != self.design.stimuli(number)[:told.size])).sum())
                if wrong:
                    problems.append(f"{subject}: {wrong:,} trials show another image in responses.tsv than in "
                                    "nsd_expdesign.mat.")
        return problems

    def inspect(self) -> dict[str, Any]:
        """Return layout, subjects, counts, ROIs, ceilings and problems as plain types."""
        from brainview.datasets.inspect import describe

        return describe(self, problems=self.design_problems())


def _any(folder: Path, stem: str, suffixes: tuple[str, ...]) -> Path | None:
    return next((folder / f"{stem}{s}" for s in suffixes if (folder / f"{stem}{s}").is_file()), None)


def _sound(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float32)
    return np.where(np.isfinite(values), np.maximum(values, 0), np.nan).astype(np.float32)


@dataclass(frozen=True)
class _Reader:
    layout: str = "nsd"
    looks_for: str = "nsddata_betas/ppdata/subjXX/<space>/<betas_...>/betas_sessionNN.*"

    def recognises(self, path: Path) -> bool:
        return path.is_dir() and bool(find_subjects(path))

    def open(self, path: Path) -> Nsd:
        return Nsd(path)


READER = _Reader()
