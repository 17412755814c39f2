"""Settings of the alignment systems, as they stand in the card."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from brainview.alignment.encoder import PRESETS as ENCODERS
from brainview.core.errors import MismatchError


@dataclass(frozen=True)
class AlignConfig:
    """Everything that decides a run besides data set and subjects; each system reads the fields that it needs."""

    clip: str = "phantom-clip"       # target model: see brainview.features.clip_pair
    captions: str = "auto"           # caption source: see brainview.alignment.targets
    region: str = "brain"            # brain, or a class of regions, or class:region
    weighting: str = "reliability"   # reliability (q / sqrt(1 + q^2) of the shipped ncsnr) | denoised | none
    keep: int = 0                    # ridge-clip, whole-brain: only so many most reliable voxels; 0 = all
    pool: float = 0.0                # ridge of all people: share of the map that is common to them; 0 = one alone
    whiten: float = 0.0              # ridge: see decoders.fit_ridge_clip
    encoder: str = "live"            # preset of sizes: tiny, quick, live, small, base, paper
    patch: int = 0                   # 0 = the preset's
    start: str = "random"            # random | ridge | teacher (see brainview.alignment.warm_start, .linear_start)
    objective: str = "trimodal"      # trimodal (eq. 1) | mindeye (BiMixCo, then SoftCLIP)
    targets: str = "both"            # both | image | text
    epochs: int = 30
    batch: int = 64
    lr: float = 3e-4
    temperature: float = 0.0         # 0 = that of the target model
    queue: int = 4096
    noise: float = 0.3
    weight_decay: float = 0.05
    patience: int = 8
    voxels: int = 15000              # mindeye: the most reliable ones
    hidden: int = 256                # mindeye
    blocks: int = 4                  # mindeye
    dropout: float = 0.5             # mindeye
    precision: str = "no"
    val: float = 0.1
    test: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in (("weighting", ("reliability", "denoised", "none")),
                              ("targets", ("both", "image", "text")), ("start", ("random", "ridge", "teacher")),
                              ("objective", ("trimodal", "mindeye")),
                              ("encoder", tuple(ENCODERS))):
            if getattr(self, name) not in allowed:
                raise MismatchError(f"must be one of {', '.join(allowed)}, got {getattr(self, name)!r}", where=name)

    def plain(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    @staticmethod
    def of(options: dict[str, Any]) -> AlignConfig:
        """Build from plain types or texts; raises MismatchError for an unknown setting or a wrong type."""
        known: dict[str, Any] = {f.name: type(f.default) for f in fields(AlignConfig)}
        values: dict[str, Any] = {}
        for key, value in options.items():
            if key not in known:
                raise MismatchError(f"has no setting {key!r}", where="alignment", remedy="It has " + ", ".join(known))
            try:
                values[key] = known[key](value)
            except (TypeError, ValueError) as err:
                raise MismatchError(f"{key} must be {known[key].__name__}, got {value!r}", where="alignment") from err
        return replace(AlignConfig(), **values)


#: Named settings. `paper`: its encoder, target, schedule and noise; weighting is ours, so it is off there.
PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {"encoder": "tiny", "patch": 14, "epochs": 10},
    "live": {"encoder": "live"},
    "demo": {"encoder": "quick", "start": "teacher", "keep": 20000, "pool": 0.5, "whiten": 1.0, "epochs": 6, "lr": 3e-5,
             "noise": 0.1, "patience": 2, "queue": 0},
    "alone": {"encoder": "live", "start": "ridge", "epochs": 12, "lr": 1e-4, "noise": 0.3, "patience": 3, "queue": 0},
    "small": {"encoder": "small", "batch": 64},
    "base": {"encoder": "base", "batch": 128, "epochs": 60},
    "paper": {"encoder": "paper", "clip": "ViT-H-14:laion2b_s32b_b79k", "weighting": "none", "epochs": 150,
              "batch": 256, "patience": 0, "noise": 0.1, "precision": "bf16"},
}
