"""Reader of the Algonauts 2023 challenge layout (NSD on fsaverage, one folder per subject).

Source of the layout: the challenge's preparation script and tutorial (gifale95/algonauts_2023). A tree may lack the
test split, hold test images only, or (organisers, phantoms) test responses and ceilings too.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.core.files import load_npy, load_npy_mapping
from brainview.core.names import shown
from brainview.datasets.ceilings import shipped_ceiling
from brainview.datasets.responses import SideBySide, Stacked
from brainview.datasets.stimuli import FileStimuli, truth_folder
from brainview.datasets.types import NO_CEILING, ArrayResponses, Ceiling, Responses, Subject, TrialTable
from brainview.maps.brainmap import Label
from brainview.maps.rois import RoiClass
from brainview.maps.space import VERTICES, MaskedSpace, SurfaceSpace, surface_space

#: ROI names in id order 1... of each class, for trees whose mapping file is absent or not readable.
ROI_NAMES: dict[str, tuple[str, ...]] = {
    "prf-visualrois": ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4"),
    "floc-bodies": ("EBA", "FBA-1", "FBA-2", "mTL-bodies"),
    "floc-faces": ("OFA", "FFA-1", "FFA-2", "mTL-faces", "aTL-faces"),
    "floc-places": ("OPA", "PPA", "RSC"),
    "floc-words": ("OWFA", "VWFA-1", "VWFA-2", "mfs-words", "mTL-words"),
    "streams": ("early", "midventral", "midlateral", "midparietal", "ventral", "lateral", "parietal"),
}
_IMAGE = re.compile(r"^(train|test)-(\d+)_nsd-?(\d+)\.(?:png|jpe?g)$", re.IGNORECASE)
_SUBJECT = re.compile(r"^(?:subj|sub-?)0*(\d+)$", re.IGNORECASE)
_PARTS = {"train": "training", "test": "test"}
_SIDES = ("lh", "rh")


def _is_subject(path: Path) -> bool:
    return (path / "training_split" / "training_fmri").is_dir() or (path / "roi_masks").is_dir()


def _subject_folders(path: Path) -> dict[str, Path]:
    """Return subject folders by id: `path` itself, its children, or their children (zips unpacked into folders)."""
    if not path.is_dir():
        return {}
    if _is_subject(path):
        return {path.name: path}
    found: dict[str, Path] = {}
    for child in sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))[:200]:
        if _SUBJECT.match(child.name) and _is_subject(child):
            found[child.name] = child
            continue
        for grandchild in sorted(p for p in child.iterdir() if p.is_dir())[:50] if os.access(child, os.R_OK) else []:
            if _SUBJECT.match(grandchild.name) and _is_subject(grandchild):
                found.setdefault(grandchild.name, grandchild)
    return found


@dataclass(frozen=True)
class Pictures:
    """Pictures of one part of one subject in row order: ids and files, and what is odd about them."""

    ids: np.ndarray
    files: tuple[Path, ...]
    problems: tuple[str, ...] = ()


def read_pictures(folder: Path, part: str) -> Pictures:
    """Read names like ``train-0001_nsd-00013.png`` (index 1-based, NSD id 0-based) in the order of the index."""
    if not folder.is_dir():
        return Pictures(np.empty(0, np.int64), ())
    found: dict[int, tuple[int, Path]] = {}
    strangers = 0
    for entry in os.scandir(folder):
        match = _IMAGE.match(entry.name)
        if not match or match[1].lower() != part:
            strangers += not entry.name.startswith(".")
            continue
        if int(match[2]) in found:
            raise FormatError(f"has two pictures of index {int(match[2])}", where=folder)
        found[int(match[2])] = int(match[3]), Path(entry.path)
    order = sorted(found)
    problems = []
    if strangers:
        problems.append(f"{folder.name}: {strangers} files are not named {part}-NNNN_nsd-NNNNN.png and are left out.")
    if order and order != list(range(order[0], order[0] + len(order))):
        missing = sorted(set(range(order[0], order[-1] + 1)) - set(order))
        raise FormatError(f"lacks {len(missing)} pictures, the first has index {missing[0]}", where=folder,
                          remedy="Unpack the subject's archive again.")
    if order and order[0] != 1:
        problems.append(f"{folder.name}: indices start at {order[0]}, 1 was expected; rows follow the index.")
    ids = np.array([found[i][0] for i in order], np.int64)
    if np.unique(ids).size != ids.size:
        raise FormatError("shows one NSD id under two indices", where=folder)
    if (np.diff(ids) < 0).any():
        problems.append(f"{folder.name}: NSD ids do not ascend with the index.")
    return Pictures(ids, tuple(found[i][1] for i in order), tuple(problems))


def _vector(path: Path) -> np.ndarray:
    values = load_npy(path, mmap=False, limit=64 << 20)
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        raise FormatError(f"has shape {values.shape} and type {values.dtype}, one vector of numbers was expected",
                          where=path)
    return values


def read_space(folder: Path, subject: str) -> MaskedSpace:
    """Return the challenge space: non-zero entries of both all-vertices masks, left first, on their fsaverage."""
    masks = [_vector(folder / f"{side}.all-vertices_fsaverage_space.npy") for side in _SIDES]
    lengths = {m.size for m in masks}
    known = {n: name for name, n in VERTICES.items() if name.startswith("fsaverage")}
    if len(lengths) != 1 or masks[0].size not in known:
        raise MismatchError(f"masks have {masks[0].size:,} and {masks[1].size:,} vertices, no fsaverage mesh has that",
                            where=folder, remedy="fsaverage has 163,842 and fsaverage5 10,242 per hemisphere.")
    inside = np.flatnonzero(np.concatenate(masks) != 0)
    return MaskedSpace(f"challenge:{subject}", surface_space(known[masks[0].size]), inside)


def _halves(space: MaskedSpace) -> tuple[int, int]:
    parent = space.parent
    assert isinstance(parent, SurfaceSpace)
    left = int(np.searchsorted(space.index, parent.n_left))
    return left, space.size - left


def _responses(folder: Path, part: str, space: MaskedSpace) -> SideBySide | None:
    files = [folder / f"{side}_{_PARTS[part]}_fmri.npy" for side in _SIDES]
    present = [f.is_file() for f in files]
    if not any(present):
        return None
    if not all(present):
        raise MissingError(f"has only one hemisphere: {files[present.index(False)].name} is not there", where=folder,
                           remedy="Unpack the subject's archive again.")
    arrays = [load_npy(f) for f in files]
    for file, array, width in zip(files, arrays, _halves(space), strict=True):
        if array.ndim != 2 or array.dtype.kind != "f":
            raise FormatError(f"has shape {array.shape} and type {array.dtype}, (images, vertices) float32 was "
                              "expected", where=file)
        if array.shape[1] != width:
            raise MismatchError(f"has {array.shape[1]:,} vertices, the mask has {width:,}", where=file,
                                remedy="Responses and roi_masks must be of one subject.")
    if arrays[0].shape[0] != arrays[1].shape[0]:
        raise MismatchError(f"has {arrays[0].shape[0]:,} rows left and {arrays[1].shape[0]:,} right", where=folder)
    return SideBySide([ArrayResponses(a) for a in arrays])


def _table(path: Path, name: str, problems: list[str]) -> dict[int, Label]:
    """Return the label table: the mapping file through a restricted reader, else the published names."""
    try:
        mapping = load_npy_mapping(path)
        return {int(k): Label(str(v)) for k, v in sorted(mapping.items()) if int(k) > 0}
    except MissingError:
        reason = "is not there"
    except (FormatError, ValueError, TypeError) as err:
        reason = f"was refused ({shown(err, limit=120)})"
    if name not in ROI_NAMES:
        problems.append(f"{path.name} {reason}; the ROIs of {name} are shown by number.")
        return {}
    problems.append(f"{path.name} {reason}; the published names are used.")
    return {i: Label(n) for i, n in enumerate(ROI_NAMES[name], 1)}


def read_rois(folder: Path, space: MaskedSpace) -> tuple[dict[str, RoiClass], list[str]]:
    """Return ROI classes in challenge space, and what is odd about their files."""
    suffix = "_challenge_space.npy"
    names = sorted({p.name[3:-len(suffix)] for p in folder.glob(f"[lr]h.*{suffix}")})
    problems: list[str] = []
    rois = {}
    for name in names:
        parts = []
        for side, width in zip(_SIDES, _halves(space), strict=True):
            file = folder / f"{side}.{name}{suffix}"
            if not file.is_file():
                problems.append(f"{file.name} is not there; that hemisphere has no {name}.")
                parts.append(np.zeros(width, np.int32))
                continue
            labels = _vector(file)
            if labels.size != width:
                raise MismatchError(f"has {labels.size:,} vertices, the mask has {width:,}", where=file)
            parts.append(labels.astype(np.int32))
        labels = np.concatenate(parts)
        table = _table(folder / f"mapping_{name}.npy", name, problems)
        unknown = sorted(set(np.unique(labels[labels > 0]).tolist()) - set(table))
        for key in unknown:
            table[key] = Label(f"{name} {key}")
        if unknown:
            problems.append(f"{name} uses the labels {unknown}, which its table does not name.")
        problems += _disagreement(folder, name, labels, space)
        rois[name] = RoiClass(name, labels, table)
    return rois, problems


def _disagreement(folder: Path, name: str, labels: np.ndarray, space: MaskedSpace) -> list[str]:
    files = [folder / f"{side}.{name}_fsaverage_space.npy" for side in _SIDES]
    if not all(f.is_file() for f in files):
        return []
    whole = np.concatenate([_vector(f) for f in files])
    if whole.size != space.parent.size:
        return [f"{name}: the fsaverage labels have {whole.size:,} vertices, the mask {space.parent.size:,}."]
    different = int((whole[space.index].astype(np.int64) != labels).sum())
    return [f"{name}: {different:,} challenge labels differ from the fsaverage labels."] if different else []


def read_ceiling(folder: Path, space: MaskedSpace) -> Ceiling:
    """Return the shipped noise ceiling (fraction or percent) of the test images, or none."""
    files = [folder / f"{side}_noise_ceiling.npy" for side in _SIDES]
    if not all(f.is_file() for f in files):
        return NO_CEILING
    parts = [_vector(f) for f in files]
    for file, part, width in zip(files, parts, _halves(space), strict=True):
        if part.size != width:
            raise MismatchError(f"has {part.size:,} vertices, the mask has {width:,}", where=file)
    return shipped_ceiling(np.concatenate(parts), where=folder)


@dataclass(frozen=True, eq=False)
class Algonauts2023:
    """A tree of Algonauts 2023 subjects."""

    path: Path
    folders: dict[str, Path]
    layout: str = field(default="algonauts2023", init=False)

    @cached_property
    def _truth(self) -> Path | None:
        first = next(iter(self.folders.values()))
        return truth_folder(self.path) or truth_folder(first)

    @property
    def phantom(self) -> bool:
        """True when the truth of a simulation lies beside the data."""
        return self._truth is not None

    @property
    def name(self) -> str:
        """What the data set is called on screen and in provenance."""
        return "phantom (Algonauts 2023 layout)" if self.phantom else "Algonauts 2023"

    @property
    def subjects(self) -> list[str]:
        """Subject ids in order."""
        return list(self.folders)

    def variants(self, subject: str) -> list[str]:
        """Return [""]: this layout has one response set."""
        self._folder(subject)
        return [""]

    def _folder(self, subject: str) -> Path:
        if subject not in self.folders:
            raise MissingError(f"has no subject {subject!r}", where=self.path,
                               remedy="It has " + ", ".join(self.folders) + ".")
        return self.folders[subject]

    def pictures(self, subject: str, part: str) -> Pictures:
        """Return the pictures of ``train`` or ``test`` in row order."""
        return read_pictures(self._folder(subject) / f"{_PARTS[part]}_split" / f"{_PARTS[part]}_images", part)

    @cached_property
    def stimuli(self) -> FileStimuli:
        """Pictures of all subjects by 0-based 73k id."""
        files: dict[int, Path | None] = {}
        for subject in self.folders:
            for part in _PARTS:
                pictures = self.pictures(subject, part)
                for key, file in zip(pictures.ids.tolist(), pictures.files, strict=True):
                    files.setdefault(key, file)
        return FileStimuli(files, truth=self._truth / "scenes.jsonl" if self._truth else None)

    def subject(self, subject: str, variant: str | None = None) -> Subject:
        """Open one subject: masks, ROI labels and file names are read, responses are mapped.

        ``splits`` holds ``train`` and, when their responses are here, ``test``; test pictures without responses are
        ``test-unlabelled``, in the row order that a submission needs.
        """
        folder = self._folder(subject)
        if variant:
            raise MissingError(f"has no response set {variant!r}", where=folder)
        space = read_space(folder / "roi_masks", subject)
        rois, problems = read_rois(folder / "roi_masks", space)
        parts: list[Responses] = []
        ids: list[np.ndarray] = []
        splits: dict[str, np.ndarray] = {}
        for part, word in _PARTS.items():
            pictures = self.pictures(subject, part)
            problems += pictures.problems
            responses = _responses(folder / f"{word}_split" / f"{word}_fmri", part, space)
            if responses is None:
                if pictures.ids.size:
                    splits[f"{part}-unlabelled"] = pictures.ids
                continue
            if responses.shape[0] != pictures.ids.size:
                raise MismatchError(f"{subject} has {pictures.ids.size:,} {part} pictures and {responses.shape[0]:,} "
                                    "rows of responses", where=folder, remedy="Unpack the subject's archive again.")
            parts.append(responses)
            ids.append(pictures.ids)
            splits[part] = pictures.ids
        if not parts:
            raise MissingError("holds no responses (training_split/training_fmri)", where=folder)
        twice = np.intersect1d(splits.get("train", []), splits.get("test", splits.get("test-unlabelled", [])))
        if twice.size:
            problems.append(f"{twice.size} images are in the training and in the test part.")
        trials = TrialTable.of(np.concatenate(ids), averaged=0)
        return Subject(id=subject, space=space, trials=trials, responses=Stacked(parts) if len(parts) > 1 else parts[0],
                       rois=rois, ceiling=read_ceiling(folder / "test_split" / "noise_ceiling", space), splits=splits,
                       dataset=self.name, phantom=self.phantom, problems=tuple(problems))

    def inspect(self) -> dict[str, Any]:
        """Return layout, subjects, counts, ROIs, ceilings and problems as plain types."""
        from brainview.datasets.inspect import describe

        return describe(self)


@dataclass(frozen=True)
class _Reader:
    layout: str = "algonauts2023"
    looks_for: str = "subjXX/training_split/training_fmri and subjXX/roi_masks"

    def recognises(self, path: Path) -> bool:
        return bool(_subject_folders(path))

    def open(self, path: Path) -> Algonauts2023:
        return Algonauts2023(path, _subject_folders(path))


READER = _Reader()
