"""Training in the window: what can be set and within which bounds, the runs, their curves. No Qt.

The options of a system come from the system itself (job ``training.jobs:describe``); the words, bounds and choices
that a form wants on top stand here, by the name of the option, because systems share most of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from psygnal import SignalGroupDescriptor

from brainview.core.errors import BrainViewError
from brainview.core.files import read_json, write_json
from brainview.core.paths import data_dir
from brainview.core.systems import SYSTEMS
from brainview.state.training_words import ABOUT, ALWAYS, CHOICES, MAIN, PRESETS, UNREAD, words_of

#: File of the data folder with the runs that were opened elsewhere, and how many are kept.
RECENT, RECENT_LIMIT = "recent_runs.json", 30
#: Jobs of the training page.
DESCRIBE = "brainview.training.jobs:describe"
ESTIMATE = "brainview.training.jobs:estimate"
RESUME = "brainview.training.jobs:resume"
LIST_RUNS = "brainview.training.jobs:list_runs"
CURVES = "brainview.training.jobs:curves"
RUN_CARD = "brainview.training.jobs:run_card"
DISCARD = "brainview.training.jobs:discard"
RESTORE = "brainview.training.jobs:restore"


@dataclass(frozen=True)
class Option:
    """One setting of a system.

    Parameters
    ----------
    name, title, hint : str
        Key of the ``options`` dict; words of the form; one sentence that teaches.
    kind : str
        ``choice``, ``int``, ``float``, ``bool``, ``text``, ``features`` or ``run`` (folder of an earlier run).
    default : object
    choices : tuple of (value, words)
    low, high : float
        Bounds of a number.
    main : bool
        Whether it stands in the form at once, or under "More options".
    """

    name: str
    title: str
    kind: str
    default: Any
    hint: str = ""
    choices: tuple[tuple[Any, str], ...] = ()
    low: float = -1e9
    high: float = 1e9
    main: bool = False

    def problem(self, value: Any) -> str:
        """Return what is wrong with a value, "" when nothing is."""
        if self.kind == "choice" and value not in [c for c, _ in self.choices]:
            return f"must be one of {', '.join(words for _, words in self.choices)}"
        if self.kind in ("int", "float"):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                return "must be a number"
            if not self.low <= value <= self.high:
                return f"must lie between {self.low:g} and {self.high:g}"
        if self.kind == "features":
            return feature_problem(str(value))
        return ""


@dataclass(frozen=True, eq=False)
class SystemForm:
    """What the form of one system holds."""

    name: str
    title: str
    about: str
    presets: Mapping[str, Mapping[str, Any]]
    preset_notes: Mapping[str, str]
    options: tuple[Option, ...]

    @staticmethod
    def from_job(result: Mapping[str, Any]) -> SystemForm:
        """Read the dict of ``training.jobs:describe``."""
        name = str(result["name"])
        presets = {str(k): dict(v) for k, v in dict(result.get("presets") or {}).items()} or {"default": {}}
        touched = {key for values in presets.values() for key in values}
        options = tuple(_option(row, name, touched) for row in result.get("options", ())
                        if row["name"] not in UNREAD.get(name, ()))
        return SystemForm(name, str(result.get("title", name)), ABOUT.get(name) or str(result.get("about", "")),
                          presets, {**PRESETS.get(name, {}), **dict(result.get("preset_notes") or {})}, options)

    def option(self, name: str) -> Option | None:
        """Return an option by name."""
        return next((o for o in self.options if o.name == name), None)

    def first_preset(self) -> str:
        """Return the preset that a new form begins with: one that trains here."""
        return next((p for p in ("demo", "live", "tiny") if p in self.presets), next(iter(self.presets)))

    def values(self, preset: str) -> dict[str, Any]:
        """Return every option as a preset sets it."""
        own = self.presets.get(preset, {})
        return {o.name: own.get(o.name, o.default) for o in self.options}

    def changes(self, preset: str, values: Mapping[str, Any]) -> list[str]:
        """Return the titles of the options that differ from a preset."""
        base = self.values(preset)
        return [o.title for o in self.options if o.name in values and values[o.name] != base[o.name]]

    def preset_words(self, preset: str) -> str:
        """Return what a preset is for in a sentence, or else the settings it changes."""
        return str(self.preset_notes.get(preset) or self.preset_settings(preset))

    def preset_settings(self, preset: str) -> str:
        """Return the settings that a preset changes, in words."""
        own = self.presets.get(preset, {})
        titles = {o.name: o.title for o in self.options}
        told = [f"{titles.get(k, k)} {_short(v)}" for k, v in own.items()]
        return "Sets " + ", ".join(told) + "." if told else "The settings as the system has them."

    def problems(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Return option -> what is wrong; {} when the form can be sent."""
        found = {o.name: o.problem(values.get(o.name, o.default)) for o in self.options}
        return {name: words for name, words in found.items() if words}


def _short(value: Any) -> str:
    if isinstance(value, str):
        head, _, tail = value.partition("[")
        return head.split(":")[-1] + (f" [{tail}" if tail else "")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _option(row: Mapping[str, Any], system: str, touched: set[str]) -> Option:
    name, default = str(row["name"]), row.get("default")
    title, hint, bounds = words_of(system, name)
    own = re.sub(rf"^{re.escape(system)}:\s*", "", str(row.get("hint") or ""))
    found = [tuple(c) if isinstance(c, (tuple, list)) else (c, str(c)) for c in row.get("choices") or ()]
    choices: tuple[tuple[Any, str], ...] = tuple((c, w) for c, w in found)
    known = CHOICES.get(name, ())
    if known and (not choices or {c for c, _ in choices} <= {c for c, _ in known}):
        choices = tuple((c, w) for c, w in known if not choices or c in {v for v, _ in choices})
    if choices and default not in {c for c, _ in choices}:
        choices = ()
    run = name in ("start", "begin") and default == ""
    kind = "features" if name == "features" else "choice" if choices else "run" if run else \
        {"int": "int", "float": "float", "bool": "bool"}.get(str(row.get("kind")), "text")
    low, high = row.get("low"), row.get("high")
    main = kind in ("features", "run") or (name in MAIN and (name in touched or name == "epochs")) \
        or name in ALWAYS.get(system, ())
    bounds = bounds if bounds is not None else (-1e9, 1e9)
    return Option(name, str(row.get("title") or title or name.replace("_", " ").capitalize()), kind, default,
                  hint or own[:1].upper() + own[1:], choices, bounds[0] if low is None else float(low),
                  bounds[1] if high is None else float(high), main)


def feature_problem(name: str) -> str:
    """Return what is wrong with a feature space's name, "" when nothing is."""
    if re.fullmatch(r"[a-z0-9][\w.-]*(\[[^\[\]]*\])?|(timm|open_clip):\S+", name):
        return ""
    return "must be a known name, timm:MODEL or open_clip:MODEL:PRETRAINED"


def runs_dir() -> Path:
    """Return the folder that holds the user's runs."""
    folder = data_dir() / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def recent_runs() -> list[str]:
    """Return the opened runs that lie outside the runs folder, the newest first; a damaged list counts as none."""
    try:
        found = read_json(data_dir() / RECENT, limit=1 << 20)
    except BrainViewError:
        return []
    return [p for p in found if isinstance(p, str)] if isinstance(found, list) else []


def remember_run(path: str) -> None:
    """Put an opened run on top of the recent ones, unless the runs folder lists it anyway."""
    place = Path(path).expanduser().absolute()
    if place.resolve().parent != runs_dir().resolve():
        others = [p for p in recent_runs() if p != str(place)]
        write_json(data_dir() / RECENT, [str(place), *others][:RECENT_LIMIT])


def new_run_path(dataset: str, system: str, features: str, folder: Path | None = None) -> Path:
    """Return a free folder name that tells what was trained."""
    words = "-".join([dataset, system, *([features.split(":")[-1].split(".")[0]] if features else [])])
    stem = re.sub(r"-{2,}", "-", re.sub(r"[^\w.-]+", "-", words)).strip("-.")[:80] or "run"
    folder = folder or runs_dir()
    path, number = folder / stem, 2
    while path.exists():
        path, number = folder / f"{stem}-{number}", number + 1
    return path


# -- runs ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class RunEntry:
    """One run folder in the list of runs."""

    path: str
    name: str
    system: str
    dataset: str
    finished: bool
    when: float
    usable: bool = True
    phantom: bool = False
    progress: str = ""
    subjects: tuple[str, ...] = ()
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None

    @staticmethod
    def from_job(row: Mapping[str, Any]) -> RunEntry:
        """Read one row of ``training.jobs:list_runs``."""
        return RunEntry(str(row["path"]), str(row["name"]), str(row["system"]), str(row.get("dataset", "")),
                        bool(row.get("finished")), float(row.get("when", 0.0)), bool(row.get("usable", True)),
                        bool(row.get("phantom")), str(row.get("progress", "")),
                        tuple(map(str, row.get("subjects") or ())), dict(row.get("metrics") or {}),
                        dict(row.get("config") or {}), (row.get("cost") or {}).get("seconds"))

    @property
    def title(self) -> str:
        """Words of its system."""
        return SYSTEMS[self.system].title if self.system in SYSTEMS else self.system

    def figures(self) -> dict[str, float]:
        """Return the mean over subjects of every figure that is a number."""
        out: dict[str, list[float]] = {}
        for row in self.metrics.values():
            for key, value in (row or {}).items():
                if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
                    out.setdefault(key, []).append(float(value))
        return {k: sum(v) / len(v) for k, v in out.items()}


def runs_to_start_from(runs: Sequence[RunEntry], system: str, stage: int | None, dataset: str) -> list[RunEntry]:
    """Return the runs that a later stage of a system can begin from, in the order of the list.

    None as the stage: a system whose finished runs can all be begun from.
    """
    if stage is None:
        return [r for r in runs if r.system == system and r.finished and r.dataset == dataset]
    stages = (1,) if stage == 2 else (1, 2)
    return [r for r in runs if r.system == system and r.finished and r.dataset == dataset
            and r.config.get("stage") in stages and r.config.get("control") != "caption-only"]


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a plot: which part of which run, which column."""

    part: str
    column: str
    axis: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    best: float | None


@dataclass(frozen=True, eq=False)
class Curves:
    """The curves of one run."""

    run: str
    system: str
    lines: tuple[Curve, ...]
    table: tuple[Mapping[str, Any], ...]

    @staticmethod
    def from_job(result: Mapping[str, Any]) -> Curves:
        """Read the dict of ``training.jobs:curves``."""
        lines = [Curve(str(part["name"]), str(column), str(part["axis"]), tuple(part["x"]), tuple(values),
                       part.get("best"))
                 for part in result.get("parts", ()) for column, values in part["columns"].items()]
        return Curves(str(result["run"]), str(result["system"]), tuple(lines), tuple(result.get("table", ())))

    def columns(self, losses: bool) -> list[str]:
        """Return the columns that are losses, or scores; the telling ones first."""
        names = list(dict.fromkeys(c.column for c in self.lines))
        found = [n for n in names if is_loss(n)] if losses else \
            [n for n in names if not is_loss(n) and n not in ASIDE]
        return sorted(found, key=lambda n: (not n.startswith("val") if not losses else n != "loss", names.index(n)))


#: Columns of a history that are neither a loss nor a score.
ASIDE = ("lr", "seconds", "time", "generation", "images", "step", "epoch", "queue", "grad_norm")


def is_loss(column: str) -> bool:
    """Tell whether a column of a history is a loss: lower is better."""
    return "loss" in column or column in ("mse", "nll", "perplexity", "val_mse", "val_nll")


def table_of(runs: Sequence[RunEntry], most: int = 14) -> tuple[list[str], list[list[str]]]:
    """Return (columns, rows of words) of figures side by side, one row per run; figures that several have come first.
    """
    figures = [r.figures() for r in runs]
    counts: dict[str, int] = {}
    for row in figures:
        for key in row:
            counts[key] = counts.get(key, 0) + 1
    order = list(counts)
    keys = sorted(counts, key=lambda k: (-counts[k], order.index(k)))[:most]
    rows = [[r.name, r.title, f"{len(r.subjects)}", *("–" if k not in f else _figure(f[k]) for k in keys)]
            for r, f in zip(runs, figures, strict=True)]
    return ["run", "system", "subjects", *keys], rows


def _figure(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def settings_that_differ(runs: Sequence[RunEntry]) -> list[tuple[str, list[str]]]:
    """Return (setting, its value in every run) where runs differ; settings that one lacks read "–"."""
    keys = list(dict.fromkeys(k for r in runs for k in r.config))
    out = []
    for key in keys:
        values = ["–" if key not in r.config else str(r.config[key]) for r in runs]
        if len(set(values)) > 1:
            out.append((key, values))
    return out


@dataclass
class TrainingState:
    """What the training page has chosen and shows."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    system: str = "ridge"
    form: SystemForm | None = None
    preset: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    estimate: dict[str, Any] = field(default_factory=dict)
    runs: tuple[RunEntry, ...] = ()
    watched: str = ""  # run whose curves are shown
    curves: Curves | None = None

    def settings(self) -> dict[str, Any]:
        """Return what a project file keeps."""
        return {"system": self.system, "preset": self.preset, "values": dict(self.values), "watched": self.watched}

    def apply(self, stored: Mapping[str, Any]) -> None:
        """Take a stored choice back; unknown systems are left out."""
        if stored.get("system") in SYSTEMS:
            self.system = str(stored["system"])
            self.preset = str(stored.get("preset", ""))
            self.values = dict(stored.get("values") or {})
        self.watched = str(stored.get("watched", ""))

    def entry(self, path: str) -> RunEntry | None:
        """Return a run of the list."""
        return next((r for r in self.runs if r.path == path), None)
