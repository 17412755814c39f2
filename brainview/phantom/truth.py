"""What was planted, stored beside the data set in ``phantom_truth/`` (reference "phantom", 3.9); no pickles.

``truth.json`` (constants, versions, wording), ``scenes.jsonl``, ``design.npz``, ``mni_vertex.npz`` and for every
subject ``subjXX_fields.npz``, ``subjXX_signal.npy`` and ``subjXX_reserve.npy``. Trial noise is not stored: from these
files any trial can be made again alone.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import FormatError, MissingError
from brainview.core.files import atomic_write, load_npy, read_json, write_json
from brainview.datasets.stimuli import TRUTH_FOLDER
from brainview.phantom import anatomy, category, gabor, noise, retinotopy, subjects
from brainview.phantom.design import Design
from brainview.phantom.responses import Recorder, Signals, ceiling
from brainview.phantom.subjects import Level, SubjectFields, level_of

FORMAT = 1
#: Shown wherever numbers of a phantom are shown.
WORDING = "Simulated brains (phantom): the responses come from a written-down model, not from people."
_HALF = ("area_weight", "tuning", "items", "phi", "sem")


@dataclass(frozen=True)
class Plan:
    """Everything that decides a phantom; equal plans give equal data sets.

    Parameters
    ----------
    layout : ``nsd`` or ``algonauts2023``
    level : name of a level of difficulty
    subjects, train, test, reserve : int
        People; training images each; shared test images; scenes that only intrude.
    seed : int
    suppression : bool
        Whether repetitions respond less.
    """

    layout: str
    level: str
    subjects: int
    train: int
    test: int
    reserve: int
    seed: int
    suppression: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @staticmethod
    def of(values: dict[str, Any]) -> Plan:
        """Return the plan of a truth or plan file; raises FormatError for another format."""
        try:
            if values["format"] != FORMAT:
                raise FormatError(f"is a phantom of format {values['format']!r}, {FORMAT} was expected",
                                  remedy="Build the phantom again.")
            return Plan(**{f.name: values[f.name] for f in dataclasses.fields(Plan)})
        except (KeyError, TypeError) as err:
            raise FormatError(f"is not the plan of a phantom: {err}") from err


def folder_of(root: Path) -> Path:
    """Return the folder of the truth of the data set at `root`."""
    return Path(root) / TRUTH_FOLDER


def constants() -> dict[str, Any]:
    """Return all constants of the model as plain JSON types."""
    return {
        "q_area": {"early": subjects.Q_AREA[1], "category": subjects.Q_AREA[2], "semantic": subjects.Q_AREA[3],
                   "rim": subjects.Q_AREA[4]},
        "q_limit": subjects.Q_LIMIT, "rim_gain": subjects.RIM_GAIN, "gabor_share": subjects.GABOR_SHARE,
        "amplitude": [subjects.AMPLITUDE, subjects.AMPLITUDE_SD],
        "noise": {"local": noise.LOCAL, "wide": noise.WIDE, "white": noise.WHITE, "local_steps": noise.LOCAL_STEPS,
                  "wide_steps": noise.WIDE_STEPS, "volume_mm": [noise.LOCAL_MM, noise.WIDE_MM]},
        "drift_sd": noise.DRIFT_SD, "gain_sd": noise.GAIN_SD,
        "retinotopy": dataclasses.asdict(retinotopy.Bands()), "prf_size": retinotopy.SIZE,
        "display": {"degrees": 2 * retinotopy.HALF_DISPLAY, "pixels": retinotopy.DISPLAY_PIXELS},
        "gabor": {"frequencies": gabor.FREQUENCIES, "orientations": gabor.ORIENTATIONS.size},
        "drives": category.DRIVES, "item_weight": category.ITEM_WEIGHT, "tuning_sd": subjects.TUNING_SD,
        "items": category.ITEMS, "tuning": {k: list(v) for k, v in category.TUNING.items()},
        "areas": anatomy.area_names(), "soft_width": anatomy.SOFT_WIDTH, "ribbon_mm": anatomy.RIBBON_MM,
        "drivers": ["none", "early", "category", "semantic", "rim"],
        "peaks": [dataclasses.asdict(p) for p in anatomy.peaks()]}


def write_truth(folder: Path, plan: Plan, scale: dict[str, Any], stimuli_hash: str) -> None:
    """Write ``truth.json``: the last file of a build, so its presence says that the surface part is complete."""
    level = level_of(plan.level)
    write_json(folder / "truth.json", {
        **plan.to_dict(), "simulated": True, "wording": WORDING, "parameters": dataclasses.asdict(level),
        "factors": list(subjects.FACTORS[:plan.subjects]), "constants": constants(), "code_scale": scale,
        "stimuli_sha256": stimuli_hash,
        "versions": {name: metadata.version(name) for name in ("numpy", "scipy", "nilearn", "nibabel")}})


def write_design(folder: Path, design: Design) -> None:
    """Write ``design.npz``."""
    with atomic_write(folder / "design.npz") as file:
        np.savez(file, ordering=design.ordering, ids=design.ids,
                 counts=np.array([design.subjects, design.train, design.test, design.sessions]))


def read_design(folder: Path) -> Design:
    """Read ``design.npz``."""
    values = _npz(folder / "design.npz")
    people, train, test, sessions = values["counts"].tolist()
    return Design(people, train, test, values["ordering"], values["ids"], sessions)


def write_subject(folder: Path, fields: SubjectFields, signals: Signals) -> Signals:
    """Write one subject's fields and signals; return the signals as stored (float16), which every trial is made of."""
    values = {f.name: getattr(fields, f.name) for f in dataclasses.fields(fields) if f.name not in
              ("index", "labels", "empty", "rotation")}
    stored = {k: v.astype(np.float16) if k in _HALF else v for k, v in values.items()}
    stored |= {f"label/{k}": v for k, v in fields.labels.items()}
    stored["empty"] = np.frombuffer(json.dumps(fields.empty).encode(), np.uint8)
    if fields.rotation is not None:
        stored["rotation"] = fields.rotation
    stored["driven"] = signals.driven.astype(np.int32)
    with atomic_write(folder / f"{fields.id}_fields.npz") as file:
        np.savez_compressed(file, **stored)
    rounded = Signals(signals.driven, signals.images.astype(np.float16).astype(np.float32),
                      signals.reserve.astype(np.float16).astype(np.float32))
    for name, array in (("signal", rounded.images), ("reserve", rounded.reserve)):
        with atomic_write(folder / f"{fields.id}_{name}.npy") as file:
            np.save(file, array.astype(np.float16), allow_pickle=False)
    return rounded


def read_fields(folder: Path, index: int) -> SubjectFields:
    """Read what was planted in one subject (0-based index)."""
    values = _npz(folder / f"subj{index + 1:02d}_fields.npz")
    names = {f.name for f in dataclasses.fields(SubjectFields)}
    plain = {k: v.astype(np.float32) if k in _HALF else v for k, v in values.items() if k in names - {"empty"}}
    labels = {k.removeprefix("label/"): v for k, v in values.items() if k.startswith("label/")}
    return SubjectFields(index=index, labels=labels, empty=tuple(json.loads(values["empty"].tobytes().decode())),
                         **plain)


def read_signals(folder: Path, index: int) -> Signals:
    """Read one subject's noise-free signals (float16 on disk) as float32."""
    name = f"subj{index + 1:02d}"
    driven = _npz(folder / f"{name}_fields.npz")["driven"].astype(np.int64)
    images, reserve = (np.asarray(load_npy(folder / f"{name}_{part}.npy"), np.float32)
                       for part in ("signal", "reserve"))
    return Signals(driven, images, reserve)


@dataclass(frozen=True, eq=False)
class Truth:
    """The known truth of a phantom on disk.

    Parameters
    ----------
    folder : Path of ``phantom_truth``
    plan : Plan
    card : dict, the content of ``truth.json``
    """

    folder: Path
    plan: Plan
    card: dict[str, Any]

    @property
    def level(self) -> Level:
        """The level of difficulty."""
        return level_of(self.plan.level)

    def fields(self, subject: str | int) -> SubjectFields:
        """Return what was planted in a subject (``subj01`` or 0)."""
        return read_fields(self.folder, self._index(subject))

    def recorder(self, subject: str | int) -> Recorder:
        """Return the subject in the scanner: any trial, alone, in any order, exactly as written."""
        index = self._index(subject)
        return Recorder(self.plan.seed, self.fields(index), read_signals(self.folder, index),
                        read_design(self.folder), self.level, self.plan.suppression)

    def ceiling(self, subject: str | int, repeats: float = 1) -> np.ndarray:
        """Return the (20,484,) exact noise ceiling (fraction of R²) of the mean of `repeats` trials, drift included."""
        return ceiling(self.fields(subject).q, repeats, drift=True)

    def _index(self, subject: str | int) -> int:
        index = int(str(subject).removeprefix("subj")) - 1 if isinstance(subject, str) else int(subject)
        if not 0 <= index < self.plan.subjects:
            raise MissingError(f"the phantom has no subject {subject!r}", where=self.folder)
        return index


def read_truth(root: Path | str) -> Truth:
    """Read the truth beside the data set at `root`.

    Raises
    ------
    MissingError
        There is none: the data are real, or the build did not finish.
    """
    folder = folder_of(Path(root))
    path = folder / "truth.json"
    if not path.is_file():
        raise MissingError("has no phantom_truth/truth.json beside it", where=root,
                           remedy="Only a finished phantom has a known truth.")
    card = read_json(path)
    return Truth(folder, Plan.of(card), card)


def write_ribbon(folder: Path) -> None:
    """Write ``mni_vertex.npz``: vertex (-1 none) and distance in mm of every voxel of the MNI152 2 mm mask."""
    ribbon = anatomy.mni_ribbon()
    with atomic_write(folder / "mni_vertex.npz") as file:
        np.savez_compressed(file, vertex=ribbon.vertex, distance=ribbon.distance)


def _npz(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise MissingError("is not there", where=path, remedy="Build the phantom again.")
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
