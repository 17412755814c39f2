"""Settings of the film systems as they stand in the card, and the named presets with what each departs in."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from brainview.core.errors import MismatchError

ROUTES = ("betas", "grayordinates", "volume", "raw")


@dataclass(frozen=True)
class FilmConfig:
    """Everything that decides a run besides data set and subjects."""

    begin: str = ""                  # finished run whose stages up to I are taken with their settings: II alone trains
    # what goes in
    route: str = "betas"             # betas on fsLR (T = 1), grayordinates (dtseries windows), volume
    tokens: int = 64                 # parcels of a surface, at most 512
    held: str = ""                   # held-out subjects, comma separated; "" = the data set's rule
    adapt_share: float = 0.5         # of the held-out subjects' runs, without labels, for adaptation
    # SC-MBM
    width: int = 128
    depth: int = 4
    heads: int = 4
    decoder_width: int = 64
    decoder_depth: int = 2
    mask: float = 0.75
    mbm_epochs: int = 2
    mbm_lr: float = 2.5e-4
    mbm_batch: int = 100
    mbm_weights: str = ""            # a mind-vis state dict
    # adaptors, Q-Formers
    adaptor: str = "nonlinear"       # nonlinear, lora, none
    rank: int = 8
    bridge: str = "token"            # token (the paper's: each token by itself) | mixing (across tokens)
    bridge_rank: int = 96            # mixing: rank of the map
    start: str = "random"            # random | ridge (mixing only): closed-form start of the bridge
    amplitude: float = 0.5           # ridge: 0 = shrunk as ridge says, 1 = as large as in clips
    encoder_trained: bool = False    # ours: train SC-MBM too in stage I (the paper freezes it)
    qformer_trained: bool = False    # ours: train the brain's copy of the video Q-Former in stage I
    qformer_width: int = 128
    qformer_heads: int = 4
    image_layers: int = 1
    image_queries: int = 4
    queries: int = 32
    # clips, teacher, language model
    vision: str = "phantom-clip"
    frames: int = 4
    teacher: str = "auto"
    questions: str = ""              # file of questions, "" = the shipped ten
    ask: str = ""                    # keys of the questions that are used, comma separated, "" = all
    llm: str = "tiny"                # tiny, smol, folder or hub name
    llm_width: int = 128
    llm_depth: int = 2
    words_epochs: int = 4            # tiny: epochs of the teacher's sentences alone, before clips
    words_lr: float = 3e-3
    contrast: float = 1.0            # weight of the clip-text contrast that trains the video branch beside its answers
    video_epochs: int = 6            # 0 = keep the video branch as made (random: only for tests)
    video_lr: float = 2e-3
    video_weights: str = ""          # safetensors of a trained video branch
    # stage I
    stage1_epochs: int = 6
    stage1_lr: float = 1e-3
    alpha: float = 0.5
    beta: float = 0.5
    tau: float = 0.05
    learn_tau: bool = False
    mask_same: bool = False          # leave clips of one category out of each other's negatives
    reduce: str = "mean"
    noise: float = 0.3
    watch: str = "none"              # person: the last training person is not trained on and chooses the epoch
    # stage II
    stage2_epochs: int = 2
    stage2_lr: float = 5e-4
    lam: float = 0.5                 # lambda L_CE + (1 - lambda) L_DA
    eta: float = 0.05
    bank_tau: float = 0.05
    bank_momentum: float = 0.0
    rho: float = 0.0                 # 0 = log(C) / 2
    margin: float = 0.5
    adapt: bool = True               # neighbourhood clustering (and separation) on target fMRI
    separate: bool = False           # entropy separation
    adaptors_in_stage2: bool = False # train adaptors and tokenizer too, at a tenth of the rate
    stage2_watch: str = "same"       # same (as in stage I) | none (all epochs count, as in the paper) | person
    stage2_seed: int = 0             # added to the seed in stage II: order, questions, noise
    # the rest
    batch: int = 64
    weight_decay: float = 0.05
    clip_grad: float = 0.8
    precision: str = "no"
    longest: int = 32
    permutations: int = 20
    bertscore: str = "minilm"        # minilm, a local folder, or none
    plane: str = "umap"              # umap | pca: how features are laid out on the map of people
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in (("route", ROUTES), ("adaptor", ("nonlinear", "lora", "none")),
                              ("reduce", ("sum", "mean")), ("precision", ("no", "bf16", "fp16")),
                              ("plane", ("umap", "pca")), ("bridge", ("token", "mixing")),
                              ("start", ("random", "ridge")), ("watch", ("none", "person")),
                              ("stage2_watch", ("same", "none", "person"))):
            if getattr(self, name) not in allowed:
                raise MismatchError(f"must be one of {', '.join(allowed)}, got {getattr(self, name)!r}", where=name)
        if self.start == "ridge" and self.bridge != "mixing":
            raise MismatchError("ridge starts a mixing bridge only", where="start", remedy="Set bridge=mixing.")
        for name in ("alpha", "beta", "lam", "amplitude"):
            if not 0 <= getattr(self, name) <= 1:
                raise MismatchError(f"must lie between 0 and 1, got {getattr(self, name)}", where=name)

    def plain(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    @property
    def second_watch(self) -> str:
        """``person`` or ``none``: who chooses the epoch of stage II."""
        return self.watch if self.stage2_watch == "same" else self.stage2_watch

    def having(self, **changes: Any) -> FilmConfig:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    @staticmethod
    def of(options: dict[str, Any]) -> FilmConfig:
        """Build from plain types or texts; raises MismatchError for an unknown setting or a wrong type."""
        known: dict[str, Any] = {f.name: type(f.default) for f in fields(FilmConfig)}
        values: dict[str, Any] = {}
        for key, value in options.items():
            if key not in known:
                raise MismatchError(f"has no setting {key!r}", where="video-text",
                                    remedy="It has " + ", ".join(known) + ".")
            try:
                if known[key] is bool and isinstance(value, str):
                    if value.lower() not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
                        raise ValueError
                    values[key] = value.lower() in ("true", "1", "yes", "on")
                else:
                    values[key] = known[key](value)
            except (TypeError, ValueError) as err:
                raise MismatchError(f"{key} must be {known[key].__name__}, got {value!r}", where="video-text") from err
        return replace(FilmConfig(), **values)


#: Settings of stage II and of the scores, which a run that begins from another has for itself.
_LATER = ("begin", "stage2_epochs", "stage2_lr", "lam", "eta", "bank_tau", "bank_momentum", "rho", "margin", "adapt",
          "separate", "adaptors_in_stage2", "stage2_watch", "stage2_seed", "longest", "permutations", "bertscore",
          "plane")
#: What a run takes from the one that it begins from.
INHERITED = tuple(f.name for f in fields(FilmConfig) if f.name not in _LATER)
#: What each preset departs in from the paper, in words; shown by the panel and the card.
DEPARTURES: dict[str, tuple[str, ...]] = {
    "paper": ("the paper leaves T, space, tokenizer, rank, alpha, beta, lambda, eta, rho, m and the optimiser open",),
    "recommended": ("bank temperature 0.05 as in DANCE (0.5 makes the softmax nearly uniform)",
                    "adaptors trained in stage II at a tenth of the rate", "SmolLM2-135M in place of Vicuna-7B",
                    "a bridge that mixes tokens (as MinD-Video's head does) and starts from a ridge regression"),
    "demo": ("a small Llama trained on the teacher's sentences and clips in place of Vicuna-7B",
             "the phantom's tower of films in place of EVA-CLIP, image Q-Former of one layer with four queries",
             "SC-MBM of depth 2 and width 128, 64 parcels in place of 3,714 patches",
             "a bridge that mixes tokens (as MinD-Video's head does) and starts from a ridge regression",
             "the last training person is not trained on and chooses the epochs of both stages",
             "a clip-text contrast beside the answers of the video branch"),
    "adaptation": ("as demo or as the run it begins from, up to stage I",
                   "every step of stage II counts and nobody may reject it, so that both arms are stage II's",
                   "adaptors trained in stage II at a tenth of the rate"),
}
_DEMO: dict[str, Any] = {"vision": "phantom-film", "depth": 2, "bridge": "mixing", "start": "ridge", "watch": "person",
                         "words_epochs": 2, "video_epochs": 7, "mbm_epochs": 1, "stage1_epochs": 2, "stage1_lr": 3e-4,
                         "stage2_epochs": 1, "stage2_lr": 5e-5}
PRESETS: dict[str, dict[str, Any]] = {
    "demo": _DEMO,
    "adaptation": {**_DEMO, "stage2_watch": "none", "adaptors_in_stage2": True},
    "recommended": {"llm": "smol", "width": 256, "depth": 6, "heads": 8, "tokens": 256, "qformer_width": 256,
                    "qformer_heads": 8, "adaptors_in_stage2": True, "frames": 8, "mbm_epochs": 40, "stage1_epochs": 30,
                    "stage2_epochs": 10, "video_epochs": 10, "precision": "bf16", "bridge": "mixing", "start": "ridge",
                    "bridge_rank": 256},
    "paper": {"route": "volume", "llm": "lmsys/vicuna-7b-v1.5",
              "vision": "instructblipvideo:Salesforce/instructblip-vicuna-7b", "width": 1024, "depth": 24, "heads": 16,
              "decoder_width": 512, "decoder_depth": 8, "qformer_width": 768, "qformer_heads": 12, "tokens": 512,
              "mbm_epochs": 500, "frames": 8, "stage1_epochs": 30, "stage2_epochs": 10, "video_epochs": 10,
              "bank_tau": 0.5, "separate": True, "noise": 0.0, "precision": "bf16", "longest": 80},
}
#: Presets of masked pretraining alone.
MBM_PRESETS: dict[str, dict[str, Any]] = {
    "demo": {"mbm_epochs": 5},
    "paper": {"width": 1024, "depth": 24, "heads": 16, "decoder_width": 512, "decoder_depth": 8, "tokens": 512,
              "mbm_epochs": 500, "mbm_batch": 100, "precision": "bf16"},
}
