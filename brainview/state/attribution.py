"""What the attribution panel has chosen, and what was found: evented, without Qt or torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar

import numpy as np
from psygnal import SignalGroupDescriptor

from brainview.core.errors import FormatError

#: Slider ends of beta (log10), and steps of the slider per decade.
BETA_LOW, BETA_HIGH, PER_DECADE = -3.0, 3.0, 50
TARGETS = ("image", "text", "both")
MODES = ("m2ib", "recommended", "m2ib_strict")
#: What can be drawn on the brain, with the words of the chooser.
VIEWS: dict[str, str] = {
    "map": "This map", "mismatched": "Wrong target", "contrast": "This − wrong target", "seed": "Other noise seed",
    "other": "Setting B", "difference": "A − B", "group": "Group mean", "t": "Group t"}
#: Which tokens of a group's t-map are drawn.
CORRECTIONS = ("fdr", "cluster", "max", "none")
#: Methods that read beta, copies, steps and noise, and those that read a layer.
NOISY, LAYERED = ("ibba",), ("ibba", "grad-cam", "relevance", "energy", "gradient-input")


@dataclass(frozen=True)
class Setting:
    """One setting of a map; equal settings give equal maps.

    Parameters
    ----------
    method : str
    layer : int
        Blocks passed, -1 = the encoder's default.
    beta : float
    target : str
        ``image``, ``text`` or ``both``.
    words : str
        A text to compare with instead of the run's captions, "" = those.
    copies, steps, seed : int
    average : int
        Seeds that are averaged.
    sigma : float
    mode : str
        Of IB-BA.
    target_of : int
        Stimulus whose image and text are the target, -1 = the brain's own (for the mismatched map).
    """

    method: str = "ibba"
    layer: int = -1
    beta: float = 0.1
    target: str = "both"
    words: str = ""
    copies: int = 10
    steps: int = 20
    seed: int = 0
    average: int = 1
    sigma: float = 1.0
    mode: str = "m2ib"
    target_of: int = -1

    def __post_init__(self) -> None:
        if self.target not in TARGETS or self.mode not in MODES:
            raise FormatError(f"an attribution has no target {self.target!r} or mode {self.mode!r}")
        counts = min(self.copies, self.steps, self.average)
        if not (math.isfinite(self.beta) and self.beta > 0 and self.sigma > 0 and counts >= 1):
            raise FormatError("beta, sigma, copies and steps of an attribution must be positive")

    def having(self, **changes: Any) -> Setting:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    @property
    def plain(self) -> Setting:
        """The setting without what its method does not read, so that equal maps are computed once."""
        out = self
        if self.method not in LAYERED:
            out = replace(out, layer=-1)
        if self.method not in NOISY:
            default = Setting()
            out = replace(out, beta=default.beta, copies=default.copies, steps=default.steps, sigma=default.sigma,
                          mode=default.mode, average=1, seed=self.seed if self.method in ("rise", "random") else 0)
        return replace(out, words="") if self.target == "image" or self.target_of >= 0 else out

    @property
    def family(self) -> Setting:
        """The setting without beta: maps of one family are interpolated between their betas."""
        return replace(self, beta=1.0)

    def request(self) -> dict[str, Any]:
        """Return the arguments of ``LiveAttribution.attribute``."""
        config = {"copies": self.copies, "steps": self.steps, "seed": self.seed, "sigma": self.sigma, "mode": self.mode,
                  "average": self.average}
        seeded = {"seed": self.seed} if self.method in ("rise", "random") else {}
        return {"method": self.method, "layer": None if self.layer < 0 else self.layer, "beta": self.beta,
                "target": self.target, "config": config if self.method in NOISY else None,
                "settings": None if self.method in NOISY else seeded, "words": self.words,
                "target_of": self.target_of}

    @staticmethod
    def of(value: Mapping[str, Any]) -> Setting:
        """Rebuild one from plain types; unknown keys are left out, wrong ones refused with FormatError."""
        known: dict[str, Any] = {f.name: type(f.default) for f in fields(Setting)}
        try:
            return Setting(**{k: known[k](v) for k, v in value.items() if k in known})
        except (TypeError, ValueError) as err:
            raise FormatError(f"is not a setting of an attribution: {err}") from err


def beta_of(position: int) -> float:
    """Return the beta of a slider position (0 = the lowest), rounded to three digits."""
    return float(f"{10 ** (BETA_LOW + position / PER_DECADE):.3g}")


def position_of(beta: float) -> int:
    """Return the slider position of a beta."""
    return round((min(max(math.log10(beta), BETA_LOW), BETA_HIGH) - BETA_LOW) * PER_DECADE)


@dataclass(frozen=True, eq=False)
class Answer:
    """One map as token scores.

    Parameters
    ----------
    stimulus : int
    setting : Setting
        That it stands for (of an interpolated one: the setting that was wanted).
    status : str
        ``final``, ``preview``, ``interpolated`` (between finished betas) or ``near`` (a finished map of another beta
        or layer).
    scores : (n_tokens,) float32
    unit : str
    bits, fit_open, fit_kept : float
        NaN where the method has none.
    step, copies, steps, layer : int
        Steps and copies that were done.
    note : str
        Where an interpolated or near map comes from.
    """

    stimulus: int
    setting: Setting
    status: str
    scores: np.ndarray
    unit: str = "bits"
    bits: float = math.nan
    fit_open: float = math.nan
    fit_kept: float = math.nan
    fit_curve: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    step: int = 0
    copies: int = 0
    layer: int = -1
    note: str = ""
    story: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def from_reply(stimulus: int, setting: Setting, reply: Mapping[str, Any], status: str = "") -> Answer:
        """Read what ``LiveAttribution.attribute`` returns."""
        plain = {k: v for k, v in reply.items() if k not in ("scores", "fit_curve", "number", "cached", "status")}
        nan = math.nan
        return Answer(stimulus, setting, status or str(reply["status"]), np.asarray(reply["scores"], np.float32),
                      str(reply.get("unit", "bits")), float(reply.get("bits", nan)), float(reply.get("fit_open", nan)),
                      float(reply.get("fit_kept", nan)), np.asarray(reply.get("fit_curve", ()), np.float32),
                      int(reply.get("step", 0)), int(reply.get("copies", 0)), int(reply.get("layer", -1)), "", plain)

    @property
    def final(self) -> bool:
        """Whether this is the finished map of its setting."""
        return self.status == "final"

    @property
    def label(self) -> str:
        """What stands beside the map: preview or final, with steps and copies."""
        if self.status == "interpolated":
            return f"Interpolated {self.note}"
        if self.status == "near":
            return f"Not computed yet; drawn: {self.note}"
        word = "Final" if self.final else "Preview"
        if self.final and self.setting.average > 1:
            word += f", mean of {self.setting.average} seeds"
        if not self.step:
            return word
        return f"{word}, {self.step} steps × {self.copies} {'copy' if self.copies == 1 else 'copies'}"


@dataclass
class AttributionState:
    """What is chosen in the panel and what has arrived; ``events`` as in ``AppState``."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    setting: Setting = Setting()
    other: Setting | None = None  # setting B of a side-by-side comparison
    subject: str = ""
    view: str = "map"  # what is drawn on the brain, see VIEWS
    scale: str = "own"  # "own", "hold" (limits stay), "share" (0..1)
    tokens: bool = False  # tokens as they are, without interpolation
    truth: bool = False  # outline of the planted truth
    category: str = ""  # of the group maps
    correction: str = "fdr"  # of the group's t-map, see CORRECTIONS
    description: Mapping[str, Any] | None = None  # of the live model, None = none is loaded
    answer: Answer | None = None
    compared: Answer | None = None  # of setting B
    mismatched: Answer | None = None
    repeated: Answer | None = None  # another noise seed
    busy: str = ""  # what is being computed, "" = nothing
    problem: str = ""
    chosen: bool = False  # whether a beta was chosen by the user or a project; else a model's own default is taken

    def settings(self) -> dict[str, Any]:
        """Return what a project keeps."""
        return {"setting": asdict(self.setting), "other": None if self.other is None else asdict(self.other),
                **{k: getattr(self, k) for k in _KEPT}}

    def apply(self, stored: Mapping[str, Any]) -> None:
        """Take what a project kept; checked before anything changes."""
        setting = Setting.of(stored.get("setting") or {})
        other = stored.get("other")
        second = None if other is None else Setting.of(other)
        kept = {k: stored[k] for k in _KEPT if isinstance(stored.get(k), type(getattr(self, k)))}
        if kept.get("view", "map") not in VIEWS:
            kept["view"] = "map"
        if kept.get("correction", "fdr") not in CORRECTIONS:
            kept["correction"] = "fdr"
        self.chosen = self.chosen or "beta" in (stored.get("setting") or {})
        self.setting, self.other = setting, second
        for name, value in kept.items():
            setattr(self, name, value)


_KEPT = ("subject", "view", "scale", "tokens", "truth", "category", "correction")
#: Fields that can be undone, with the words of the menu.
UNDOABLE = {"setting": "Change attribution", "other": "Compare settings", "view": "Show another attribution map",
            "scale": "Change the scale", "tokens": "Show tokens", "truth": "Outline the truth",
            "category": "Choose the group", "subject": "Choose the model's subject"}


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation of two score vectors, NaN where one is constant."""
    return float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) > 0 and np.ptp(b) > 0 else math.nan


def overlap_top(a: np.ndarray, b: np.ndarray, share: float = 0.1) -> float:
    """Return the share of the top tokens of one map that are among the top tokens of the other."""
    k = max(1, round(share * a.size))
    return len(set(np.argsort(-a)[:k].tolist()) & set(np.argsort(-b)[:k].tolist())) / k


def hard_auroc(values: np.ndarray, truth: np.ndarray, distractors: np.ndarray) -> float:
    """Return the chance that a vertex of the truth is above one of the distractors (ties half); NaN values left out."""
    good = np.isfinite(values)
    high, low = values[truth & good], np.sort(values[distractors & good])
    if not high.size or not low.size:
        return math.nan
    below = np.searchsorted(low, high, "left")
    same = np.searchsorted(low, high, "right") - below
    return float((below + 0.5 * same).sum() / (high.size * low.size))
