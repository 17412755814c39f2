"""MindEye's webdataset tars as a data set ("vindex" 1.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainview.core.errors import FormatError, MissingError
from brainview.core.files import read_json
from brainview.datasets.cache import CachedResponses
from brainview.datasets.images import load_image
from brainview.datasets.mindeye.facts import SAMPLES, VOXELS
from brainview.datasets.mindeye.place import voxel_ceiling, voxel_space
from brainview.datasets.mindeye.samples import PARTS, ROWS, Samples, TarBetas, open_samples
from brainview.datasets.mindeye.tars import array_of
from brainview.datasets.mindeye.words import TestIds, coco_ids, find_words
from brainview.datasets.stimuli import Words, truth_folder
from brainview.datasets.types import Stimuli, Subject, TrialTable

FOLDER = "webdataset_avg_split"
_SHARD = re.compile(r"^(train|val|test)_subj(\d{2})_(\d+)\.tar$")
#: Response sets: every real repetition once, or three rows per sample as upstream takes them.
VARIANTS = ("repetitions", "padded")


@dataclass(frozen=True, eq=False)
class TarStimuli:
    """Pictures in the tars of all subjects; the first tar that holds an id gives its picture."""

    source: dict[int, tuple[Samples, int]]
    words: Words

    @cached_property
    def ids(self) -> np.ndarray:
        """(n,) ascending int64 73k ids."""
        return np.array(sorted(self.source), np.int64)

    def image(self, stimulus: int) -> Image.Image:
        """Return the RGB picture."""
        if int(stimulus) not in self.source:
            raise MissingError(f"stimulus {int(stimulus)} is not in the data set")
        samples, number = self.source[int(stimulus)]
        data, name = samples.picture(number)
        return load_image(data, name=name)

    def captions(self, stimulus: int) -> list[str]:
        """Return the captions, [] when there are none."""
        return list(self.words.captions.get(int(stimulus), []))

    def details(self, stimulus: int) -> dict[str, Any]:
        """Return what else is known about the stimulus."""
        return dict(self.words.details.get(int(stimulus), {}))


@dataclass(frozen=True, eq=False)
class MindEye:
    """A folder with ``webdataset_avg_split``."""

    path: Path
    layout: str = field(default="mindeye", init=False)
    _opened: dict[str, Samples] = field(default_factory=dict, init=False)

    @cached_property
    def base(self) -> Path:
        """Folder of the parts."""
        return self.path / FOLDER if (self.path / FOLDER).is_dir() else self.path

    @property
    def homes(self) -> tuple[Path, ...]:
        """Folders in which masks, tables and captions are looked for."""
        return (self.path,) if self.base != self.path else (self.path, self.path.parent)

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
        return "phantom (MindEye layout)" if self.phantom else "Natural Scenes Dataset (MindEye tars)"

    @cached_property
    def shards(self) -> dict[str, list[tuple[str, Path]]]:
        """Subject -> (part, file) in the order of parts and shard numbers."""
        found: dict[str, list[tuple[int, int, str, Path]]] = {}
        for part in PARTS:
            folder = self.base / part
            for path in folder.iterdir() if folder.is_dir() else []:
                match = _SHARD.match(path.name)
                if match and match[1] == part:
                    found.setdefault(f"subj{match[2]}", []).append((PARTS.index(part), int(match[3]), part, path))
        return {s: [(part, path) for _, _, part, path in sorted(rows)] for s, rows in sorted(found.items())}

    @property
    def subjects(self) -> list[str]:
        """Subject ids in order."""
        return list(self.shards)

    def variants(self, subject: str) -> list[str]:
        """Return ``repetitions`` (honest) and ``padded`` (as upstream reads)."""
        return list(VARIANTS)

    def samples(self, subject: str) -> Samples:
        """Return the index of a subject's samples, made once."""
        if subject not in self.shards:
            raise MissingError(f"has no subject {subject!r}", where=self.path,
                               remedy="It has " + (", ".join(self.subjects) or "none") + ".")
        if subject not in self._opened:
            self._opened[subject] = open_samples(self.shards[subject])
        return self._opened[subject]

    def subject(self, subject: str, variant: str | None = None) -> Subject:
        """Open one subject: the tars are indexed, their betas are not read.

        ``repetitions``: each real repetition is a row. ``padded``: three rows per sample; where there were fewer
        repetitions some are copies or means, and the table says so (``averaged`` 0).
        """
        if variant not in (None, "", *VARIANTS):
            raise MissingError(f"{subject} has no response set {variant!r}",
                               remedy="It has " + ", ".join(VARIANTS) + ".")
        samples = self.samples(subject)
        own = samples.repeats if (variant or VARIANTS[0]) == VARIANTS[0] else np.full(len(samples), ROWS)
        sample = np.repeat(np.arange(len(samples)), own)
        row = np.arange(sample.size) - np.repeat(np.cumsum(own) - own, own)
        real = row < samples.repeats[sample]
        trials = TrialTable.of(samples.stimulus[sample], repetition=row, averaged=real.astype(np.int32),
                               extra={"part": samples.part[sample], "first_trial": samples.trial[sample]})
        space, rois, problems = voxel_space(self.homes, subject, samples.voxels)
        problems = [*samples.problems, *problems, *self._counts(subject, samples)]
        betas = CachedResponses(TarBetas(samples, sample, row))
        return Subject(id=subject, space=space, trials=trials, responses=betas, rois=rois,
                       ceiling=voxel_ceiling(self.homes, subject, space),
                       splits={p: np.unique(samples.stimulus[samples.of(p)]) for p in PARTS if samples.of(p).size},
                       dataset=self.name, phantom=self.phantom, variant=variant or VARIANTS[0],
                       problems=tuple(problems))

    def _counts(self, subject: str, samples: Samples) -> list[str]:
        """Return what differs from the metadata file and from the published counts."""
        out = []
        told = self._totals(subject)
        number = int(subject[4:])
        for part in PARTS:
            count = samples.of(part).size
            if part in told and told[part] != count:
                out.append(f"metadata_{subject}.json tells of {told[part]:,} samples in {part}, there are {count:,}.")
            if not self.phantom and number in (1, 2, 5, 7) and count and count != SAMPLES[part]:
                out.append(f"{part} has {count:,} samples, the published set {SAMPLES[part]:,}: shards are missing.")
        if not self.phantom and VOXELS.get(number) not in (None, samples.voxels):
            out.append(f"has {samples.voxels:,} voxels, nsdgeneral of {subject} has {VOXELS[number]:,}.")
        return out

    def _totals(self, subject: str) -> dict[str, int]:
        path = self.base / f"metadata_{subject}.json"
        if not path.is_file():
            return {}
        data = read_json(path, limit=1 << 20)
        totals = data.get("totals") if isinstance(data, dict) else None
        if not isinstance(totals, dict) or not all(isinstance(v, int) for v in totals.values()):
            raise FormatError("has no whole numbers under totals", where=path)
        return totals

    @cached_property
    def test_ids(self) -> TestIds:
        """Test position <-> 73k id <-> COCO id, by the first subject's order of the test shards."""
        if not self.subjects:
            raise MissingError("has no subject", where=self.path)
        samples = self.samples(self.subjects[0])
        return TestIds(samples.stimulus[samples.of("test")], coco_ids(*self.homes))

    @cached_property
    def stimuli(self) -> Stimuli:
        """Pictures of all subjects, captions of the phantom, of BrainHub or of COCO where they are in the folder."""
        source: dict[int, tuple[Samples, int]] = {}
        for subject in self.subjects:
            samples = self.samples(subject)
            for number, stimulus in enumerate(samples.stimulus.tolist()):
                source.setdefault(stimulus, (samples, number))
        return TarStimuli(source, find_words(self.homes, self._truth, self.test_ids))

    def order_problems(self) -> list[str]:
        """Return the subjects whose test pictures are not those of the first one, in its order."""
        out = []
        for subject in self.subjects[1:]:
            samples = self.samples(subject)
            if not np.array_equal(samples.stimulus[samples.of("test")], self.test_ids.ids):
                out.append(f"{subject}: its test pictures are not those of {self.subjects[0]} in the same order; "
                           "positions in caption files do not hold for it.")
        return out

    def inspect(self) -> dict[str, Any]:
        """Return layout, subjects, counts, ROIs, ceilings and problems as plain types."""
        from brainview.datasets.inspect import describe

        return describe(self, problems=self.order_problems())


def self_check(dataset: MindEye, subject: str, *, samples: int = 3) -> float:
    """Return the largest difference between ``nsdgeneral`` and ``wholebrain_3d`` at the mask's places.

    Raises MissingError when the tars hold no whole volumes, or the mask is not there.
    """
    from brainview.maps.space import MaskedSpace

    found, person = dataset.samples(subject), dataset.subject(subject)
    shard = next((s for s in found.shards if s.has("wholebrain_3d.npy").any()), None)
    if shard is None or not isinstance(person.space, MaskedSpace):
        raise MissingError("holds no wholebrain_3d.npy, or no mask, to compare with", where=dataset.path)
    worst = 0.0
    for place in np.flatnonzero(shard.has("wholebrain_3d.npy"))[:samples].tolist():
        whole, own = (array_of(shard.read(place, e, limit=256 << 20), shard.name(place, e))
                      for e in ("wholebrain_3d.npy", "nsdgeneral.npy"))
        if whole.ndim == 3:
            whole, own = whole[None], own[:1]
        flat = whole.reshape(len(whole), -1)[:, person.space.root_index]
        worst = max(worst, float(np.abs(flat.astype(np.float32) - own.astype(np.float32)).max()))
    return worst


@dataclass(frozen=True)
class _Reader:
    layout: str = "mindeye"
    looks_for: str = f"{FOLDER}/train/train_subjXX_0.tar"

    def recognises(self, path: Path) -> bool:
        return path.is_dir() and bool(MindEye(path).subjects)

    def open(self, path: Path) -> MindEye:
        return MindEye(path)


READER = _Reader()
