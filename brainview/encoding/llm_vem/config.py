"""Settings of an LLM-VEM run, as they stand in the card, and the named presets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from brainview.core.errors import MismatchError

#: Patterns of trunk parameters that stay frozen in stage 2 (shell style, as in the public configuration).
FREEZE = "cls_token,pos_embed,patch_embed*,blocks*norm*,blocks*mlp*,fc_norm*"
CHOICES = {"head": ("linear", "attention"), "split": ("image", "original"), "padding": ("mask", "zeros"),
           "precision": ("no", "fp16", "bf16"), "control": ("none", "shuffled", "caption-only")}
#: Words of the command for fields whose name is a word of Python.
ALIASES = {"lambda": "lam"}


@dataclass(frozen=True)
class VemConfig:
    """Everything that decides a run besides data set and subjects; defaults are the paper's stage 1."""

    stage: int = 1                   # 1 = frozen trunk, 2 = from `start`, 3 = the part of people whom `start` never saw
    start: str = ""                  # run folder that stages 2 and 3 begin from
    published: str = ""              # checkpoint of childmindresearch/algonauts23 to begin with
    features: str = "timm:eva02_base_patch14_224.mim_in22k"  # the trunk, a feature space of timm
    layers: str = "0,2,4,6,8,10"     # outputs of blocks
    tokens: str = "all"              # what becomes of the tokens: all, or a pooling such as cls+4x4
    head: str = "linear"             # linear | attention
    hidden: int = 1024               # width of the latent
    components: int = 2048           # of the PCA readout
    width: int = 96                  # attention head
    dropout: float = 0.9             # on the raw tokens, while training
    epochs: int = 40                 # passes over the training images
    batch: int = 512                 # rows of one step, subjects mixed
    lr: float = 6e-4                 # highest rate of the schedule
    min_lr: float = 0.05             # fraction of lr at the end
    warmup: float = 0.05             # share of the steps
    weight_decay: float = 0.8        # of AdamW, on everything that trains
    beta2: float = 0.99              # of AdamW
    augment: bool = True             # random resized crops; False caches the frozen trunk's tokens
    crop: float = 0.8                # least area of a crop
    flip: float = 0.0                # probability of a mirror image, which destroys retinotopy
    pixels: int = 256                # side at which pictures are kept for cropping
    precision: str = "fp16"          # on a GPU
    padding: str = "mask"            # mask | zeros: what a subject's missing locations are to loss and PCA
    bias_twice: bool = False         # add the readout's bias to both parts, as the public code does
    freeze: str = FREEZE             # stage 2
    head_trainable: bool = True      # stage 2
    lam: float = 0.0                 # weight of the alignment with texts
    texts: str = "captions"          # captions, first, detailed, or file:PATH
    control: str = "none"            # none | shuffled | caption-only
    clip: str = "ViT-L-14:openai"    # text tower
    temperature: float = 0.07        # start value
    learn_temperature: bool = True   # let the temperature train
    symmetric: bool = False          # images -> texts as well
    variant: str = ""                # response set, such as MNI; empty = the data set's first
    limit: str = ""                  # fewer training images: subj03:60,subj04:10
    shuffle: bool = False            # deal the training responses to the wrong images: chance
    split: str = "image"             # image (no leak) | original (per subject, as published)
    val: float = 0.1                 # share of the images that choose the checkpoint
    test: float = 0.05               # where the layout defines no test part
    seed: int = 42                   # of everything drawn: weights, order, split
    bootstraps: int = 200            # draws of images behind the intervals
    permutations: int = 50           # shuffles of images behind chance
    keep_predictions: bool = False   # write the predictions of the evaluated images, for paired comparisons

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise MismatchError(f"must be one of {', '.join(allowed)}, got {getattr(self, name)!r}", where=name)
        if self.stage not in (1, 2, 3):
            raise MismatchError("must be 1, 2 or 3", where="stage")
        if self.stage > 1 and not self.start:
            raise MismatchError(f"stage {self.stage} begins with the best checkpoint of an earlier run", where="start",
                                remedy="Name its folder: --set start=RUN.")
        if min(self.epochs, self.batch, self.hidden, self.components) < 1 or not 0 <= self.dropout < 1:
            raise MismatchError("epochs, batch, hidden and components must be at least 1, dropout in [0, 1)",
                                where="settings")

    @property
    def layer_numbers(self) -> list[int]:
        """Indices of the layers."""
        return [int(n) for n in self.layers.split(",")]

    def having(self, **changes: Any) -> VemConfig:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def plain(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    @staticmethod
    def of(options: dict[str, Any]) -> VemConfig:
        """Build from plain types or texts; raises MismatchError for an unknown setting or a wrong type."""
        known: dict[str, Any] = {f.name: type(f.default) for f in fields(VemConfig)}
        values: dict[str, Any] = {}
        for word, value in options.items():
            key = ALIASES.get(word, word)
            if key not in known:
                raise MismatchError(f"has no setting {word!r}", where="llm-vem",
                                    remedy="It has " + ", ".join(known) + ".")
            kind = known[key]
            try:
                values[key] = str(value).lower() in ("1", "true", "yes") if kind is bool else kind(value)
            except (TypeError, ValueError) as err:
                raise MismatchError(f"{word} must be {kind.__name__}, got {value!r}", where="llm-vem") from err
        return replace(VemConfig(), **values)


#: What stage 2 takes from the run that it starts from.
INHERITED = ("features", "layers", "tokens", "head", "hidden", "components", "width", "padding", "bias_twice", "split",
             "val", "test", "variant", "limit")
#: What stage 3 takes from it: how many images a new person has is its own affair.
INHERITED_BY_PART = tuple(k for k in INHERITED if k != "limit")
_STAGE2: dict[str, Any] = {"stage": 2, "epochs": 6, "batch": 184, "lr": 1e-5, "min_lr": 0.0}
_DEMO: dict[str, Any] = {"features": "phantom-eva02", "tokens": "all", "hidden": 256, "components": 256, "epochs": 8,
                         "batch": 128, "lr": 3e-3, "weight_decay": 0.3, "dropout": 0.6, "augment": False, "pixels": 112,
                         "precision": "no", "clip": "phantom-clip", "bootstraps": 100, "permutations": 20, "seed": 0}
#: Named settings. `paper`: Table and text of arXiv 2401.03851 and the public configuration of its base model.
PRESETS: dict[str, dict[str, Any]] = {
    "demo": _DEMO,
    "demo-attention": {**_DEMO, "head": "attention", "width": 64, "dropout": 0.3, "lr": 2e-3, "weight_decay": 0.1},
    "demo-stage2": {**{k: v for k, v in _DEMO.items() if k not in INHERITED}, "stage": 2, "epochs": 3, "batch": 64,
                    "lr": 1e-4, "min_lr": 0.0, "augment": True, "pixels": 128},
    "demo-new-person": {"stage": 3, "bootstraps": 100, "permutations": 20, "seed": 0},
    "paper": {},
    "paper-stage2": _STAGE2,
    "new-person": {"stage": 3},
    "original": {"padding": "zeros", "bias_twice": True, "split": "original"},
}
