"""Settings of the brain encoders, as they stand in the card, and their presets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from brainview.core.errors import MismatchError

LOSSES = ("mse", "l1", "huber", "quantile")
#: How the repetitions of a picture enter training: one at random, their mean, or as upstream (batch number mod 3 of the
#: padded rows).
REPETITIONS = ("one", "mean", "upstream")


@dataclass(frozen=True)
class BrainConfig:
    """Everything that decides a run besides data set and subjects ("vindex" sections 2 to 4, 8)."""

    tower: str = "tower:phantom-llava"  # target space, see brainview.features.towers
    scale: int = 0                # Matryoshka scale of the targets, 0 = the whole grid ("NF-k", our own choice)
    model: str = "auto"           # brainxs (one subject), brainx (several), auto
    width: int = 1024             # h
    depth: int = 6
    heads: int = 16
    head_width: int = 96
    mult: int = 4
    tokens: bool = False          # five learned tokens per subject (the paper)
    norm: bool = False            # LayerNorm, GELU and dropout in the tokenizer
    weighting: str = "none"       # none | reliability: voxels times q / sqrt(1 + q^2) of the shipped ncsnr (ours)
    region: str = ""              # class of ROIs or class:region, "" = nsdgeneral where there is one
    standardise: bool = False     # targets minus their mean token array, over each channel's s.d. (ours)
    start: str = "random"         # random | ridge: voxel maps by ridge to components of the tokens (ours)
    hold: bool = True             # start=ridge: the voxel maps are not trained further
    loss: str = "mse"
    denoise: float = 0.0          # beta of the denoising loss (our choice, section 8), 0 = off
    epochs: int = 240
    batch: int = 128              # of each subject of a step
    together: int = 2             # subjects of an epoch, 0 = all
    lr: float = 3e-4              # maximum of the cycle
    rise: float = 2.0             # epochs until the maximum
    weight_decay: float = 1e-2
    beta1: float = 0.9
    beta2: float = 0.999
    repetition: str = "one"
    noise: float = 0.0            # s.d. of noise added to the betas in training (ours)
    drop: float = 0.0             # share of voxels set to 0 in training (ours)
    augment: bool = False         # pictures changed in training; then the tower runs in the loop
    flip: bool = True             # augmentation: mirrored pictures (breaks the tie between brain and position)
    precision: str = "no"         # no | bf16 | fp16
    patience: int = 0             # epochs without a better validation that end the training, 0 = never
    save_every: int = 5           # epochs between generations
    checkpoint: str = ""          # published .pth whose weights are the start (all keys must fit)
    adapt: str = ""               # run or .pth of a cross-subject model to adapt to one new subject
    freeze: bool = False          # adaptation: only the new tokenizer trains
    ratio: float = 1.0            # share of the training pictures, a fixed subset; an epoch has fewer steps then
    val: float = 0.1              # validation share where the layout defines no part for it
    seed: int = 42

    def __post_init__(self) -> None:
        for name, allowed in (("loss", LOSSES), ("start", ("random", "ridge")),
                              ("repetition", REPETITIONS), ("weighting", ("none", "reliability")),
                              ("model", ("auto", "brainxs", "brainx")), ("precision", ("no", "bf16", "fp16"))):
            if getattr(self, name) not in allowed:
                raise MismatchError(f"must be one of {', '.join(allowed)}, got {getattr(self, name)!r}", where=name)
        if not 0 < self.ratio <= 1:
            raise MismatchError(f"must be above 0 and at most 1, got {self.ratio}", where="ratio")
        if self.epochs < 0 or self.batch < 1 or self.save_every < 1:
            raise MismatchError("epochs, batch and save_every must be positive", where="brainx")
        if self.start == "ridge" and (self.adapt or self.checkpoint):
            raise MismatchError("start=ridge does not go together with adapt or checkpoint, which start it",
                                where="brainx", remedy="Set start=random, or use the preset demo-adapt.")
        if self.scale and self.augment:
            raise MismatchError("pooled targets and augmented pictures do not go together yet", where="brainx")

    def plain(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    @staticmethod
    def of(options: dict[str, Any]) -> BrainConfig:
        """Build from plain types or texts; raises MismatchError for an unknown setting or a wrong type."""
        known: dict[str, Any] = {f.name: type(f.default) for f in fields(BrainConfig)}
        values: dict[str, Any] = {}
        for key, value in options.items():
            if key not in known:
                raise MismatchError(f"has no setting {key!r}", where="brainx", remedy="It has " + ", ".join(known))
            values[key] = _typed(key, value, known[key])
        return replace(BrainConfig(), **values)


def _typed(key: str, value: Any, kind: type) -> Any:
    if kind is bool:  # upstream's type=bool took any text for true, "False" too
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if str(value).lower() not in words:
            raise MismatchError(f"{key} must be true or false, got {value!r}", where="brainx")
        return words[str(value).lower()]
    try:
        return kind(value)
    except (TypeError, ValueError) as err:
        raise MismatchError(f"{key} must be {kind.__name__}, got {value!r}", where="brainx") from err


_UPSTREAM = {"tower": "SE", "repetition": "upstream", "augment": True, "precision": "fp16", "batch": 128}
#: Named settings. `paper` and `readme` differ as UMBRAE's paper and command do (its issue 14); `demo` is small, for
#: drawn pictures and a CPU.
PRESETS: dict[str, dict[str, Any]] = {
    "demo": {"width": 128, "depth": 1, "heads": 4, "head_width": 32, "weighting": "reliability", "standardise": True,
             "start": "ridge", "epochs": 20, "batch": 64, "lr": 2e-3, "rise": 3.0, "noise": 0.3, "together": 0},
    "demo-adapt": {"weighting": "reliability", "standardise": True, "freeze": True, "epochs": 20, "batch": 64,
                   "lr": 2e-3, "rise": 3.0, "noise": 0.3},
    "readme": {**_UPSTREAM, "epochs": 300},
    "paper": {**_UPSTREAM, "epochs": 240, "tokens": True, "beta2": 0.95},
    "single": {**_UPSTREAM, "epochs": 240, "model": "brainxs"},
    "adapt": {**_UPSTREAM, "epochs": 240, "freeze": True},
    "dino": {**_UPSTREAM, "tower": "SE:dino_224", "epochs": 300},
    "clip-336": {**_UPSTREAM, "tower": "SE:clip_336", "epochs": 300, "batch": 64},
    "siglip": {**_UPSTREAM, "tower": "AF", "epochs": 500, "batch": 32},
}
