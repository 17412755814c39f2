"""MindEye-2's HDF5 files as a data set ("vindex" 1.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.core.files import check_allocation, load_npy
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.cache import CachedResponses, fingerprint, key_of
from brainview.datasets.hdf5 import dataset_of, open_hdf5
from brainview.datasets.mindeye.facts import VOXELS
from brainview.datasets.mindeye.place import voxel_ceiling, voxel_space
from brainview.datasets.mindeye.tars import index_shard
from brainview.datasets.mindeye.words import TestIds, coco_ids, find_words
from brainview.datasets.stimuli import NoStimuli, Words, truth_folder
from brainview.datasets.types import Stimuli, Subject, TrialTable

_BETAS = re.compile(r"^betas_all_subj(\d{2})(?:_fp32_renorm)?\.hdf5$")
IMAGES, INDICES, SHARED = "coco_images_224_float16.hdf5", "COCO_73k_subj_indices.hdf5", "shared1000.npy"
#: Columns of ``behav.npy`` that are used, and how many there are.
IMAGE, SESSION, TRIAL, IN_SHARED, COLUMNS = 0, 2, 5, 16, 17
#: Trials of a real session.
PER_SESSION = 750


@dataclass(frozen=True, eq=False)
class HdfBetas:
    """``betas`` (trials, V) of one file; a source for the trial cache. Rows go in ascending order, as HDF5 wants."""

    path: Path
    trials: int
    locations: int
    stored: np.dtype

    def key(self) -> str:
        """Return the key of the cache."""
        return key_of("mindeye2", fingerprint(self.path))

    def fill(self, out: np.ndarray, context: JobContext = QUIET) -> None:
        """Read the file once from top to bottom; raises FormatError for NaN or infinite betas."""
        with open_hdf5(self.path) as file:
            data = dataset_of(file, "betas")
            for start in range(0, self.trials, 256):
                context.report(start, self.trials, f"indexing {self.path.name}")
                rows = data[start:start + 256]
                if not np.isfinite(rows).all():
                    raise FormatError(f"holds NaN or infinite betas in trials {start} to {start + len(rows) - 1}",
                                      where=self.path, remedy="Copy it again.")
                out[start:start + len(rows)] = rows


@dataclass(frozen=True, eq=False)
class HdfStimuli:
    """``images`` (n, 3, side, side) float16 in 0..1; the row is the 73k id."""

    path: Path
    count: int
    words: Words

    @cached_property
    def ids(self) -> np.ndarray:
        """(n,) int64 0-based 73k ids."""
        return np.arange(self.count)

    def image(self, stimulus: int) -> Image.Image:
        """Return the RGB picture."""
        with open_hdf5(self.path) as file:
            store = dataset_of(file, "images")
            if not 0 <= int(stimulus) < store.shape[0]:
                raise MissingError(f"stimulus {int(stimulus)} is outside 0..{store.shape[0] - 1}", where=self.path)
            check_allocation(store.shape[1:], store.dtype, where=self.path, limit=256 << 20)
            pixels = np.asarray(store[int(stimulus)], np.float32)
        if not np.isfinite(pixels).all():
            raise FormatError(f"holds NaN in picture {int(stimulus)}", where=self.path)
        return Image.fromarray(np.clip(np.rint(pixels * 255), 0, 255).astype(np.uint8).transpose(1, 2, 0))

    def captions(self, stimulus: int) -> list[str]:
        """Return the captions, [] when there are none."""
        return list(self.words.captions.get(int(stimulus), []))

    def details(self, stimulus: int) -> dict[str, Any]:
        """Return what else is known about the stimulus."""
        return dict(self.words.details.get(int(stimulus), {}))


@dataclass(frozen=True, eq=False)
class MindEye2:
    """A folder with ``betas_all_subjXX*.hdf5``."""

    path: Path
    layout: str = field(default="mindeye2", init=False)

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
        return "phantom (MindEye-2 layout)" if self.phantom else "Natural Scenes Dataset (MindEye-2 files)"

    @cached_property
    def files(self) -> dict[str, Path]:
        """Subject -> file of betas; the float32 file before the older float16 one."""
        found: dict[str, Path] = {}
        for path in sorted(self.path.glob("betas_all_subj*.hdf5"), key=lambda p: ("renorm" not in p.name, p.name)):
            match = _BETAS.match(path.name)
            if match:
                found.setdefault(f"subj{match[1]}", path)
        return dict(sorted(found.items()))

    @property
    def subjects(self) -> list[str]:
        """Subject ids in order."""
        return list(self.files)

    def variants(self, subject: str) -> list[str]:
        """Return the only response set: every trial."""
        return [""]

    def subject(self, subject: str, variant: str | None = None) -> Subject:
        """Open one subject: headers, the image of every trial, sessions from the behaviour where it is there."""
        if subject not in self.files:
            raise MissingError(f"has no subject {subject!r}", where=self.path,
                               remedy="It has " + (", ".join(self.subjects) or "none") + ".")
        path = self.files[subject]
        with open_hdf5(path) as file:
            data = dataset_of(file, "betas")
            if data.ndim != 2 or data.dtype.kind != "f":
                raise FormatError(f"betas is {data.dtype} {data.shape}, float (trials, voxels) was expected",
                                  where=path)
            shape, dtype = data.shape, np.dtype(data.dtype.newbyteorder("="))
        stimulus = self._images(subject, shape[0])
        session, flagged, problems = self._behaviour(subject, stimulus)
        shared = self._shared(stimulus)
        test = np.unique(stimulus[shared])
        if flagged is not None and not np.array_equal(np.unique(flagged), test):
            problems.append(f"the test tars name {np.unique(flagged).size:,} images, {SHARED} gives {test.size:,} that "
                            f"{subject} saw; {SHARED} is used.")
        space, rois, more = voxel_space((self.path,), subject, shape[1])
        problems += [*more, *self._mask_problems(subject, shape[1])]
        splits = {"train": np.setdiff1d(stimulus, test), "test": test} if test.size else {"train": np.unique(stimulus)}
        return Subject(id=subject, space=space, trials=TrialTable.of(stimulus, session=session),
                       responses=CachedResponses(HdfBetas(path, shape[0], shape[1], dtype)), rois=rois,
                       ceiling=voxel_ceiling((self.path,), subject, space), splits=splits, dataset=self.name,
                       phantom=self.phantom, problems=tuple(problems))

    def _images(self, subject: str, trials: int) -> np.ndarray:
        path = self.path / INDICES
        with open_hdf5(path) as file:
            found = dataset_of(file, subject)
            check_allocation(found.shape, found.dtype, where=path, limit=64 << 20)
            values = np.asarray(found[()]).reshape(-1)
        if values.dtype.kind not in "iuf" or (values != np.round(values)).any() or (values < 0).any():
            raise FormatError(f"{subject} holds something that is no image index", where=path)
        if values.size < trials:
            raise MismatchError(f"names the images of {values.size:,} trials of {subject}, there are {trials:,} betas",
                                where=path, remedy="Betas and indices must be of one release.")
        return values[:trials].astype(np.int64)

    def _shared(self, stimulus: np.ndarray) -> np.ndarray:
        path = self.path / SHARED
        if not path.is_file():
            return np.zeros(stimulus.size, bool)
        flags = load_npy(path, mmap=False).reshape(-1)
        if flags.dtype != bool or stimulus.max(initial=0) >= flags.size:
            raise MismatchError(f"is {flags.dtype} of {flags.size:,}, trials name image {stimulus.max():,}", where=path)
        return flags[stimulus]

    def _behaviour(self, subject: str, stimulus: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
        """Return (sessions 0-based, images that the test tars name or None, problems)."""
        session = np.full(stimulus.size, -1, np.int32)
        base, problems = self.path / "wds" / subject, []
        version = next((v for v in ("new_test", "test") if (base / v / "0.tar").is_file()), None)
        if version == "test":
            problems.append("only the old test set is in wds; new_test is the current one.")
        tars = sorted((base / "train").glob("*.tar"), key=lambda p: (len(p.name), p.name))
        flagged = []
        for path in [*tars, *([base / version / "0.tar"] if version else [])]:
            rows = index_shard(path, ("behav.npy",)).small("behav.npy").reshape(-1, COLUMNS)
            trial = rows[:, TRIAL].astype(np.int64)
            here = (trial >= 0) & (trial < stimulus.size)
            wrong = here & (rows[:, IMAGE] >= 0) & (stimulus[np.where(here, trial, 0)] != rows[:, IMAGE])
            if wrong.any():
                first = int(trial[wrong][0])
                raise MismatchError(f"says that trial {first} showed image {int(rows[wrong][0, IMAGE])}, {INDICES} "
                                    f"says {int(stimulus[first])}", where=path,
                                    remedy="Files of one release belong together.")
            session[trial[here]] = rows[here, SESSION].astype(np.int32) - 1
            if path not in tars:
                flagged.append(rows[here, IMAGE].astype(np.int64))
        if not tars and not self.phantom and stimulus.size % PER_SESSION == 0:
            session = (np.arange(stimulus.size) // PER_SESSION).astype(np.int32)
        return session, np.concatenate(flagged) if flagged else None, problems

    def _mask_problems(self, subject: str, voxels: int) -> list[str]:
        out, path = [], self.path / f"vox_include_{subject}.npy"
        if path.is_file():
            inside = int(np.count_nonzero(load_npy(path)))
            if inside != voxels:
                out.append(f"{path.name} marks {inside:,} voxels, the betas have {voxels:,}.")
        number = int(subject[4:])
        if not self.phantom and VOXELS.get(number) not in (None, voxels):
            out.append(f"has {voxels:,} voxels, nsdgeneral of {subject} has {VOXELS[number]:,}.")
        return out

    @cached_property
    def test_ids(self) -> TestIds:
        """The shared pictures by ascending 73k id (this layout has no positions of its own) and their COCO ids."""
        seen = [self.subject(s).splits.get("test", np.empty(0, np.int64)) for s in self.subjects]
        ids = np.unique(np.concatenate(seen)) if seen else np.empty(0, np.int64)
        return TestIds(ids, coco_ids(self.path))

    @cached_property
    def stimuli(self) -> Stimuli:
        """The pictures, with captions of the phantom or of COCO's files where they are in the folder."""
        words = find_words((self.path,), self._truth, self.test_ids, positions=False)
        path = self.path / IMAGES
        if not path.is_file():
            seen = [self.subject(s).trials.unique for s in self.subjects]
            return NoStimuli(np.unique(np.concatenate(seen)), f"{IMAGES} is not in the folder", words)
        with open_hdf5(path) as file:
            shape = dataset_of(file, "images").shape
        if len(shape) != 4 or shape[1] != 3:
            raise FormatError(f"images is {shape}, (n, 3, height, width) was expected", where=path)
        return HdfStimuli(path, shape[0], words)

    def inspect(self) -> dict[str, Any]:
        """Return layout, subjects, counts, ROIs, ceilings and problems as plain types."""
        from brainview.datasets.inspect import describe

        return describe(self)


@dataclass(frozen=True)
class _Reader:
    layout: str = "mindeye2"
    looks_for: str = f"betas_all_subjXX_fp32_renorm.hdf5 and {INDICES}"

    def recognises(self, path: Path) -> bool:
        return path.is_dir() and (path / INDICES).is_file() and bool(MindEye2(path).subjects)

    def open(self, path: Path) -> MindEye2:
        return MindEye2(path)


READER = _Reader()
