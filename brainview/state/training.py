"""The training form: what can be set, within which bounds; the same table makes the widgets and checks the values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brainview.core.errors import BrainViewError
from brainview.core.files import read_json
from brainview.core.paths import data_dir


@dataclass(frozen=True)
class Option:
    """One setting of a system.

    Parameters
    ----------
    name, title, hint : str
        Key of the ``options`` dict; words of the form; one sentence that teaches.
    kind : str
        ``choice``, ``int``, ``float``, ``bool`` or ``text``.
    default : object
    choices : tuple of (value, words)
    low, high : float
        Bounds of a number.
    """

    name: str
    title: str
    kind: str
    default: Any
    hint: str = ""
    choices: tuple[tuple[Any, str], ...] = ()
    low: float = 0.0
    high: float = 1e9

    def problem(self, value: Any) -> str:
        """Return what is wrong with a value, "" when nothing is."""
        if self.kind == "choice" and value not in [c for c, _ in self.choices]:
            return f"must be one of {', '.join(words for _, words in self.choices)}"
        if self.kind in ("int", "float"):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                return "must be a number"
            if not self.low <= value <= self.high:
                return f"must lie between {self.low:g} and {self.high:g}"
        return ""


#: Feature spaces that work without a download come first; any other name can be typed.
FEATURES: tuple[tuple[str, str], ...] = (
    ("gabor", "Gabor energies: edges and contrast, no network"),
    ("efficientnet-lite0", "EfficientNet-Lite0: small ImageNet network"),
    ("timm:eva02_base_patch14_224.mim_in22k", "EVA02 base: the network of LLM-VEM (needs its weights)"),
)

RIDGE: tuple[Option, ...] = (
    Option("method", "Choose alpha by", "choice", "gcv", "How the ridge penalty of every vertex is chosen, on training "
           "images only.", (("gcv", "Generalised cross-validation"), ("kfold", "K-fold cross-validation"))),
    Option("folds", "Folds", "int", 5, "Parts of the training images for K-fold; an image is never in two parts.",
           low=2, high=20),
    Option("components", "Principal components", "int", 1000, "Features are reduced to this many components, fitted on "
           "training images. 0 keeps all.", low=0, high=20_000),
    Option("bootstraps", "Bootstrap draws", "int", 200, "Draws of images behind the intervals of the ROI bars.",
           low=0, high=10_000),
    Option("permutations", "Permutations", "int", 50, "Shuffles of images behind the chance baseline.", low=0,
           high=10_000),
    Option("seed", "Seed", "int", 0, "Decides the split and the folds; written into the model's card.", low=0,
           high=2**31 - 1),
)
SYSTEMS: dict[str, tuple[str, tuple[Option, ...]]] = {"ridge": ("Ridge regression", RIDGE)}


def defaults(system: str) -> dict[str, Any]:
    """Return the default options of a system."""
    return {o.name: o.default for o in SYSTEMS[system][1]}


def problems(system: str, options: Mapping[str, Any]) -> dict[str, str]:
    """Return option -> what is wrong; {} when the form can be sent."""
    found = {o.name: o.problem(options.get(o.name, o.default)) for o in SYSTEMS[system][1]}
    return {name: words for name, words in found.items() if words}


def feature_problem(name: str) -> str:
    """Return what is wrong with a feature space's name, "" when nothing is."""
    if re.fullmatch(r"[a-z0-9][\w.-]*|(timm|open_clip):\S+", name):
        return ""
    return "must be a known name, timm:MODEL or open_clip:MODEL:PRETRAINED"


def runs_dir() -> Path:
    """Return the folder that holds the user's runs."""
    folder = data_dir() / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def new_run_path(dataset: str, system: str, features: str, folder: Path | None = None) -> Path:
    """Return a free folder name that tells what was trained."""
    words = "-".join([dataset, system, features.split(":")[-1].split(".")[0]])
    stem = re.sub(r"-{2,}", "-", re.sub(r"[^\w.-]+", "-", words)).strip("-.")[:80] or "run"
    folder = folder or runs_dir()
    path, number = folder / stem, 2
    while path.exists():
        path, number = folder / f"{stem}-{number}", number + 1
    return path


@dataclass(frozen=True)
class RunEntry:
    """One run folder in the list of runs."""

    path: str
    name: str
    system: str
    dataset: str
    finished: bool
    when: float


def list_runs(folder: Path | None = None) -> list[RunEntry]:
    """Return the runs in the user's folder, newest first; folders that are no runs are left out."""
    out = []
    for path in (folder or runs_dir()).iterdir():
        try:
            story = read_json(path / "run.json", limit=1 << 20)
            if isinstance(story, dict):
                out.append(RunEntry(str(path), path.name, str(story.get("system", "?")), str(story.get("dataset", "")),
                                    (path / "card.json").is_file(), path.stat().st_mtime))
        except (BrainViewError, OSError):
            continue
    return sorted(out, key=lambda r: -r.when)
