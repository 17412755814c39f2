"""What the window knows: the open data set, subject, run, selection, and what is drawn. No Qt, no torch.

Everything a user can change is one field of :class:`AppState` (or of ``ViewState``, which holds the camera and the
colours). Widgets write to these fields and listen to them; an equal value fires nothing. Undo, the project file and
the journal watch the same fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from psygnal import SignalGroupDescriptor

from brainview.core.errors import FormatError, MissingError
from brainview.maps.brainmap import BrainMap
from brainview.maps.rois import RoiClass
from brainview.maps.space import Space

#: The brain that stands for the whole group in choosers and in :class:`Source`.
GROUP = "group"
Kind = Literal["none", "ceiling", "metric", "measured", "predicted", "difference", "file", "picture", "attribution",
               "quality", "significance", "count"]
KINDS: tuple[str, ...] = get_args(Kind)


#: Median noise ceiling (share of variance) under which a ratio to it is not the first map that is shown.
LOW_CEILING = 0.1


@dataclass(frozen=True)
class Source:
    """Which map is drawn: enough to find it again in a project file.

    Parameters
    ----------
    kind : str
        ``ceiling`` (of a subject), ``metric`` (of a run), ``measured`` / ``predicted`` / ``difference`` (of one
        stimulus), ``file`` (a map file), ``picture`` (predicted for any picture: `path` is the picture, `metric` one
        to subtract; see ``state.in_silico``), ``attribution`` (of one stimulus, as the panel is set), ``quality`` (of
        a subject's data: `metric` is missing or tsnr), ``significance`` (of a run: p or q), ``count`` (subjects at
        each location of a group map), ``none``.
    brain : str
        Subject id, or ``group``.
    metric : str
        Key of the run's metric.
    stimulus : int
        Stimulus id, -1 = none.
    path : str
        Map file. index : number of the map inside it.
    fdr : float
        Of a metric: draw only locations whose false discovery rate is at most this; 0 = all.
    """

    kind: Kind = "none"
    brain: str = ""
    metric: str = ""
    stimulus: int = -1
    path: str = ""
    index: int = 0
    fdr: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise FormatError(f"what is drawn must be one of {', '.join(KINDS)}, got {self.kind!r}")

    @property
    def color_key(self) -> tuple:
        """What shares colours: the metric over all brains, measured and predicted of a stimulus, a file's map."""
        if self.kind in ("measured", "predicted", "difference"):
            return ("response", self.brain, self.stimulus)
        return (self.kind, self.metric, self.path, self.index)


@dataclass(frozen=True, order=True)
class RoiKey:
    """One ROI of one hemisphere (``left``, ``right`` or ``both``)."""

    hemisphere: str
    roi_class: str
    roi: str


@dataclass(frozen=True, eq=False)
class DatasetInfo:
    """What ``brainview inspect`` says about the open folder."""

    path: str
    name: str
    layout: str
    phantom: bool
    subjects: tuple[str, ...]
    problems: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def from_job(path: str, result: Mapping[str, Any]) -> DatasetInfo:
        """Read the dict of ``datasets.jobs:inspect``; subjects may be names or dicts with an ``id``."""
        subjects = tuple(_subject_id(s) for s in result.get("subjects", ()))
        problems = tuple(str(p) for p in result.get("problems", ()))
        return DatasetInfo(str(result.get("path", path)), str(result.get("name") or PurePath(path).name),
                           str(result.get("layout", "?")), bool(result.get("phantom", False)), subjects, problems,
                           dict(result))

    def subject_facts(self, subject: str) -> Mapping[str, Any]:
        """Return what inspect said about one subject, {} when it said nothing."""
        for entry in self.facts.get("subjects", ()):
            if isinstance(entry, Mapping) and _subject_id(entry) == subject:
                return entry
        return {}


def _subject_id(entry: Any) -> str:
    return str(entry.get("id", entry.get("subject"))) if isinstance(entry, Mapping) else str(entry)


@dataclass(frozen=True, eq=False)
class SubjectInfo:
    """One opened subject: headers, ROIs and ceiling, never its responses."""

    id: str
    dataset: str
    phantom: bool
    space: Space
    rois: Mapping[str, RoiClass]
    ceiling: BrainMap | None
    stimuli: np.ndarray
    splits: Mapping[str, np.ndarray]
    trials: int
    anatomy: tuple[str, ...] = ()
    variant: str = ""
    variants: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def from_job(result: Mapping[str, Any]) -> SubjectInfo:
        """Read the dict of ``datasets.jobs:open_subject``."""
        return SubjectInfo(
            str(result["id"]), str(result["dataset"]), bool(result["phantom"]), result["space"],
            dict(result["rois"]), result.get("ceiling"), np.asarray(result["stimuli"], np.int64),
            {str(k): np.asarray(v, np.int64) for k, v in result.get("splits", {}).items()},
            int(result.get("trials", 0)), tuple(str(a) for a in result.get("anatomy", ())),
            str(result.get("variant", "")), {str(k): str(v) for k, v in dict(result.get("variants") or {}).items()})


@dataclass(frozen=True, eq=False)
class RunInfo:
    """One trained model as its ``present`` function shows it."""

    path: str
    card: Mapping[str, Any]
    phantom: bool
    subjects: tuple[str, ...]
    metrics: Mapping[str, Mapping[str, str]]
    maps: Mapping[str, Mapping[str, BrainMap]]
    group: Mapping[str, BrainMap]
    rois: tuple[Mapping[str, Any], ...]
    stimuli: Mapping[str, tuple[Mapping[str, Any], ...]]
    notes: tuple[str, ...] = ()
    counts: Mapping[str, BrainMap] = field(default_factory=dict)

    @staticmethod
    def from_job(path: str, result: Mapping[str, Any]) -> RunInfo:
        """Read the dict of a system's ``present``; runs that draw no metric leave ``metrics`` and ``maps`` out."""
        return RunInfo(
            str(result.get("run", path)), dict(result.get("card", {})), bool(result.get("phantom", False)),
            tuple(str(s) for s in result["subjects"]), dict(result.get("metrics") or {}),
            dict(result.get("maps") or {}),
            dict(result.get("group") or {}), tuple(result.get("rois", ())),
            {str(k): tuple(v) for k, v in (result.get("stimuli") or {}).items()},
            tuple(str(n) for n in result.get("notes", ())), dict(result.get("counts") or {}))

    @property
    def name(self) -> str:
        """Name of the run folder."""
        return PurePath(self.path).name

    @property
    def brains(self) -> tuple[str, ...]:
        """Subjects, and the group where there is one."""
        return (*self.subjects, GROUP) if self.group else self.subjects

    def map_of(self, brain: str, metric: str) -> BrainMap:
        """Return one map; raises MissingError that names what there is."""
        maps = self.group if brain == GROUP else self.maps.get(brain)
        if maps is None:
            raise MissingError(f"the run has no subject {brain!r}", where=self.name,
                               remedy="It has " + ", ".join(self.brains) + ".")
        if metric not in maps:
            raise MissingError(f"the run has no metric {metric!r} for {brain}", where=self.name,
                               remedy="It has " + ", ".join(maps) + ".")
        return maps[metric]

    def metrics_of(self, brain: str) -> tuple[str, ...]:
        """Return the metric keys that have a map for this brain, in the run's order."""
        maps = self.group if brain == GROUP else self.maps.get(brain, {})
        return tuple(key for key in self.metrics if key in maps)

    def first_metric(self, brain: str) -> str:
        """Return the metric to show first: normalised by the ceiling where there is one, else R², else any.

        Where most locations have next to no ceiling (a whole cortex), the ratio is mostly noise, and R² comes first.
        """
        keys = self.metrics_of(brain)
        if not keys:
            raise MissingError(f"the run has no map for {brain}", where=self.name)
        ratios: tuple[str, ...] = ("R2/NC", "r2/NC", "R2_NC", "r2_nc")
        if "nc" in keys:
            ceiling = self.map_of(brain, "nc").values
            if np.nanmedian(ceiling if np.isfinite(ceiling).any() else [0.0]) < LOW_CEILING:
                ratios = ()
        return next(wish for wish in (*ratios, "R2", "r2", "r", *keys) if wish in keys)


@dataclass(frozen=True, eq=False)
class Prediction:
    """Measured (None where the subject never saw it) and predicted response of one subject to one stimulus."""

    run: str
    brain: str
    stimulus: int
    measured: BrainMap | None
    predicted: BrainMap
    R2: float
    r: float
    image: np.ndarray | None
    captions: tuple[str, ...]

    @staticmethod
    def from_job(run: str, brain: str, stimulus: int, result: Mapping[str, Any]) -> Prediction:
        """Read the dict of ``encoding.jobs:predict_stimulus``."""
        return Prediction(run, brain, int(stimulus), result.get("measured"), result["predicted"], _number(result["R2"]),
                          _number(result["r"]), result.get("image"), tuple(result.get("captions") or ()))


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


@dataclass
class AppState:
    """The evented root of what is open and chosen; see ``ViewState`` for how it is drawn.

    ``events`` is a psygnal group: ``state.events.source.connect(f)`` calls ``f(new, old)``.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    dataset: DatasetInfo | None = None
    subject: SubjectInfo | None = None
    variant: str = ""  # response set wanted of every subject, "" = the data set's first
    run: RunInfo | None = None
    source: Source = Source()
    prediction: Prediction | None = None
    stimulus: int = -1  # highlighted in the film strip, -1 = none
    split: str = ""  # part of the stimuli in the film strip, "" = all
    strip_filter: str = ""
    strip_category: str = ""  # category of the stimuli in the film strip, "" = all
    strip_order: str = "id"  # "id", "best", "worst"
    rois: tuple[RoiKey, ...] = ()  # selected bars = outlined regions
    roi_hemisphere: str = "both"
    roi_sort: str = "value"  # "value", "name", "atlas"
    roi_filter: str = ""
    theme: str = "dark"
    project: str = ""  # path of the project file, "" = not saved under a name yet
    opened_maps: tuple[str, ...] = ()  # names of the maps of the opened map file, for choosing among them

    def selected(self, hemisphere: str, roi_class: str, roi: str) -> bool:
        """Tell whether a bar is selected."""
        return RoiKey(hemisphere, roi_class, roi) in self.rois


#: Fields that a user changes and can undo, with the words of the undo menu.
UNDOABLE: dict[str, str] = {
    "source": "Show another map", "stimulus": "Choose stimulus", "split": "Choose split",
    "strip_order": "Order stimuli", "strip_category": "Choose category",
    "rois": "Select regions", "roi_hemisphere": "Choose hemisphere of bars", "roi_sort": "Sort regions",
}
#: Fields that a project file keeps as they are.
KEPT: tuple[str, ...] = ("variant", "stimulus", "split", "strip_filter", "strip_category", "strip_order",
                         "roi_hemisphere", "roi_sort", "roi_filter", "theme")
