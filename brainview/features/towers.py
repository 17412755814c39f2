"""Tokens of vision towers, as multimodal language models read them: before the projector ("vindex" section 4).

Names::

    tower:FOLDER or tower:OWNER/NAME     CLIP, SigLIP, DINOv2, or the tower inside a LLaVA checkpoint, by transformers
    tower:phantom-llava                  the tower of the shipped captioner for drawn pictures
    tower:timm:MODEL                     a plain transformer of timm
    SE  SE:clip_336  SE:dino_224  SE:dino_336   one tower (UMBRAE, VINDEX; SE alone is clip_224)
    ME                                   clip_224 and dino_224 interleaved, CLIP at even places (MMVP)
    AF                                   SigLIP-so400m 384, three groups of layers side by side (DenseConnector)
    NF  NF-9                             clip_336, to be pooled behind the projector (M3); NF-k is pooled on the grid

Settings: ``layer`` (index of hidden states, or ``dci``), ``select`` (``patch`` or ``full``), ``norm`` (``own``,
``clip``, ``half``), ``pixels``, ``pool`` (Matryoshka scale), ``weights`` (``pretrained`` or ``random``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainview.core.errors import BrainViewError, FormatError, MismatchError, MissingError
from brainview.core.files import read_json
from brainview.core.jobs import QUIET, JobContext
from brainview.core.names import shown
from brainview.core.paths import resource
from brainview.features.hub import hub_access
from brainview.features.torch_space import RANDOM, TorchSpace, fill, load_state, no_bars, unreachable
from brainview.features.types import settings_key

#: Mean and standard deviation of the pixels: CLIP's, and those of SigLIP.
NORMS = {"clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
         "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
         "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))}
_OF_TYPE = {"clip": "clip", "siglip": "half", "dinov2": "imagenet"}
#: The captioner for drawn pictures that is shipped, by name.
SHIPPED = "phantom-llava"
_LLAVA = ("llava", "llava_next", "vipllava")


@dataclass(frozen=True)
class Recipe:
    """A named space: tower, its settings, and the architecture that its weights have."""

    tower: str
    settings: dict[str, Any]
    kind: str
    config: dict[str, Any]


_CLIP_L = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
           "patch_size": 14, "image_size": 224, "projection_dim": 768}
_DINO_L = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "patch_size": 14,
           "image_size": 518}
_SIGLIP = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16,
           "patch_size": 14, "image_size": 384}
#: Towers by the names of VINDEX's runs. DINOv2 gets pixels normalised as for CLIP, because MMVP has one processor.
TOWERS = {
    "clip_224": Recipe("openai/clip-vit-large-patch14", {"layer": -2, "norm": "clip"}, "clip", _CLIP_L),
    "clip_336": Recipe("openai/clip-vit-large-patch14-336", {"layer": -2, "norm": "clip"}, "clip",
                       {**_CLIP_L, "image_size": 336}),
    "dino_224": Recipe("facebook/dinov2-large", {"layer": -1, "norm": "clip", "pixels": 224}, "dinov2", _DINO_L),
    "dino_336": Recipe("facebook/dinov2-large", {"layer": -1, "norm": "clip", "pixels": 336}, "dinov2", _DINO_L),
    "siglip_384": Recipe("google/siglip-so400m-patch14-384", {"layer": "dci", "norm": "half"}, "siglip", _SIGLIP),
}
#: Space -> tower of its bare name.
DEFAULTS = {"SE": "clip_224", "AF": "siglip_384", "NF": "clip_336"}


def matryoshka(side: int, scale: int) -> tuple[int, int]:
    """Return (kernel, tokens) of average pooling a side x side grid to a Matryoshka scale (M3's rule).

    kernel = stride = floor(sqrt(side² / scale)); rows and columns that do not fill a window are unused.

    Raises
    ------
    MismatchError
        The rule gives another number of tokens than the scale is called, or none at all; says which.
    """
    kernel = int(np.sqrt(side * side / scale)) if scale > 0 else 0
    count = (side // kernel) ** 2 if kernel else 0
    if count != scale:
        got = f"gives {count} tokens" if kernel else "is finer than the grid"
        fine = [s for s in (1, 9, 36, 144, 576, side * side) if 0 < s <= side * side
                and (side // max(1, int(np.sqrt(side * side / s)))) ** 2 == s]
        raise MismatchError(f"scale {scale} {got} on a grid of {side} x {side}",
                            remedy="Use " + ", ".join(map(str, sorted(set(fine)))) + ".")
    return kernel, count


def pooled(tokens: Any, scale: int) -> Any:
    """Return (n, scale, width) of (n, side², width) torch tokens, mean over windows of the grid; refusals as above."""
    from torch.nn.functional import avg_pool2d

    side = round(tokens.shape[1] ** 0.5)
    if side * side != tokens.shape[1]:
        raise MismatchError(f"{tokens.shape[1]} tokens are no square grid, so no Matryoshka scale is defined")
    kernel, _ = matryoshka(side, scale)
    grid = tokens.transpose(1, 2).unflatten(2, (side, side))
    return avg_pool2d(grid, kernel, kernel).flatten(2).transpose(1, 2)


def interleaved(even: Any, odd: Any) -> Any:
    """Return (n, 2 N, width) with the first tokens at even places and the second at odd ones (MMVP)."""
    import torch

    if even.shape != odd.shape:
        raise MismatchError(f"tokens of {tuple(even.shape)} and {tuple(odd.shape)} cannot be interleaved")
    return torch.stack([even, odd], 2).flatten(1, 2)


class TowerSpace(TorchSpace):
    """(n, tokens, width) of one tower; see the module for names and settings."""

    def __init__(self, name: str, *, layer: int | str = -2, select: str = "patch", norm: str = "own", pixels: int = 0,
                 pool: int = 0, weights: str = "pretrained", batch: int = 16, recipe: Recipe | None = None) -> None:
        if select not in ("patch", "full"):
            raise MismatchError(f"select must be patch or full, got {shown(select)}", where=name)
        if norm not in (*NORMS, "own"):
            raise MismatchError(f"norm must be own, {', '.join(NORMS)}, got {shown(norm)}", where=name)
        if layer != "dci" and not isinstance(layer, int):
            raise MismatchError(f"layer must be a number or dci, got {shown(layer)}", where=name)
        super().__init__(name, pool="all", weights=weights, batch=batch, layer=layer, select=select, norm=norm,
                         pixels=int(pixels), scale=int(pool))
        self._recipe = recipe

    @property
    def _source(self) -> str:
        return self._recipe.tower if self._recipe else self.name.partition(":")[2]

    @cached_property
    def shape(self) -> tuple[int, int]:
        """(tokens, width) as the architecture says; loads the tower."""
        import torch

        side = self._ready[0].brainview_pixels
        with torch.inference_mode():
            return tuple(self._tokens(self._ready[0], torch.zeros(1, 3, side, side)).shape[1:])  # type: ignore[return-value]

    def _load(self) -> tuple[Any, Callable[[Image.Image], Any]]:
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model, kind, folder = self._model()
        norm = self.settings["norm"]
        mean, std = (_own_norm(folder) or NORMS[_OF_TYPE.get(kind, "imagenet")]) if norm == "own" else NORMS[norm]
        model.brainview_pixels = self.settings["pixels"] or _side_of(model)
        return model, _Preprocess(model.brainview_pixels, mean, std, squash=kind == "siglip")

    def _model(self) -> tuple[Any, str, Path | None]:
        source = self._source
        if source.startswith("timm:"):
            return _timm_tower(source[5:], self._weights, self.settings["pixels"]), "timm", None
        if self._recipe and self._weights == RANDOM and not Path(source).is_dir():
            return _classes(self._recipe.kind)[1](_classes(self._recipe.kind)[0](**self._recipe.config)), \
                self._recipe.kind, None
        return transformers_tower(source, self._weights)

    def _layers(self, model: Any, batch: Any) -> list[tuple[Any, Any]]:
        return [(None, self._tokens(model, batch))]

    def _tokens(self, model: Any, batch: Any) -> Any:
        """Return (n, tokens, width) of a batch of pixels."""
        import torch

        hidden = _hidden_states(model, batch)
        layer = self.settings["layer"]
        if layer == "dci":
            tokens = torch.cat(dense_channels(hidden, has_class=_prefix(hidden[0].shape[1]) > 0), -1)
        elif not -len(hidden) <= layer < len(hidden):
            raise MismatchError(f"has hidden states 0..{len(hidden) - 1}, {layer} was asked for", where=self.name)
        else:
            tokens = hidden[layer]
        if self.settings["select"] == "patch":
            tokens = tokens[:, _prefix(tokens.shape[1]):]
        return pooled(tokens, self.settings["scale"]) if self.settings["scale"] else tokens

    def _pooled(self, layers: list[tuple[Any, Any]]) -> np.ndarray:
        return layers[0][1].float().numpy()


def dense_channels(hidden: Any, *, has_class: bool) -> list[Any]:
    """Return the three parts of DenseConnector's dense channel integration, each (n, tokens, width).

    Hidden state 0 is the embedding. SigLIP with n blocks is used without its last one: state n - 1, the mean of states
    0 to (n - 1) / 2 - 1 and the mean of the rest below it. CLIP (with a class token): state n - 1, and the means of
    states 0 to n / 2 - 1 and n / 2 to n - 1.
    """
    import torch

    blocks = len(hidden) - 1
    top = blocks if has_class else blocks - 1
    if top < 2:
        raise MismatchError(f"dense channels need at least 3 blocks, the tower has {blocks}")
    half = top // 2
    return [hidden[blocks - 1], torch.stack(list(hidden[:half])).mean(0), torch.stack(list(hidden[half:top])).mean(0)]


def _prefix(tokens: int) -> int:
    """Return how many class or register tokens stand before the largest square grid."""
    return tokens - math.isqrt(tokens) ** 2


def _hidden_states(model: Any, batch: Any) -> Any:
    if hasattr(model, "forward_intermediates"):
        import torch

        found = model.forward_intermediates(batch, norm=False, output_fmt="NLC", intermediates_only=True,
                                            return_prefix_tokens=True)
        rows = [torch.cat([p[1], p[0]], 1) if p[1] is not None else p[0] for p in found]
        return [torch.full_like(rows[0], torch.nan), *rows]  # timm does not give the embedding; index 0 stays unusable
    return model(pixel_values=batch, output_hidden_states=True, **(
        {"interpolate_pos_encoding": True} if _needs_interpolation(model, batch) else {})).hidden_states


def _needs_interpolation(model: Any, batch: Any) -> bool:
    return model.config.model_type != "dinov2" and batch.shape[-1] != model.config.image_size


def _side_of(model: Any) -> int:
    if hasattr(model, "config"):
        return int(model.config.image_size)
    return int(model.patch_embed.img_size[0])


class _Preprocess:
    """Pixels 0..1, shorter side resized (bicubic, antialiased), centre cut, normalised; SigLIP's are squashed."""

    def __init__(self, side: int, mean: Iterable[float], std: Iterable[float], *, squash: bool) -> None:
        self.side, self.mean, self.std, self.squash = side, list(mean), list(std), squash

    def __call__(self, image: Image.Image) -> Any:
        import torch
        from torchvision.transforms.v2 import functional as f

        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        size = [self.side, self.side] if self.squash else [self.side]
        pixels = f.resize(pixels, size, interpolation=f.InterpolationMode.BICUBIC, antialias=True)
        return f.normalize(f.center_crop(pixels, [self.side, self.side]), self.mean, self.std)


def _classes(kind: str) -> tuple[Any, Any]:
    import transformers as t

    return {"clip": (t.CLIPVisionConfig, t.CLIPVisionModel), "siglip": (t.SiglipVisionConfig, t.SiglipVisionModel),
            "dinov2": (t.Dinov2Config, t.Dinov2Model)}[kind]


def _timm_tower(name: str, weights: str, pixels: int) -> Any:
    import timm

    if not timm.is_model(name):
        raise MissingError(f"timm has no model {shown(name)!r}", remedy="See timm.list_models().")
    try:
        with hub_access(weights == "pretrained"):
            model = timm.create_model(name, pretrained=weights == "pretrained", num_classes=0,
                                      **({"img_size": pixels} if pixels else {}))
    except (OSError, RuntimeError, ValueError) as err:
        raise unreachable(name, err) from err
    if not hasattr(model, "patch_embed"):
        raise MismatchError("is no plain transformer, its tokens cannot be taken", where=name)
    if weights not in ("pretrained", RANDOM):
        fill(model, load_state(weights), weights)
    return model


def transformers_tower(source: str, weights: str = "pretrained") -> tuple[Any, str, Path | None]:
    """Return (vision model, ``clip`` | ``siglip`` | ``dinov2``, local folder or None) of a folder or hub name.

    Of a LLaVA checkpoint only the tensors of its tower are read.

    Raises
    ------
    MissingError
        Neither here nor reachable. FormatError: another kind of model, or tensors that do not fit.
    """
    folder = _folder(source)
    settings = _config(source, folder)
    if settings.get("model_type") in _LLAVA:
        return _tower_of_llava(source, folder, settings, weights)
    kind = str(settings.get("model_type", "")).removesuffix("_vision_model")
    if kind not in _OF_TYPE:
        raise FormatError(f"is a model of type {shown(settings.get('model_type'))!r}; its tower is not known",
                          where=source, remedy="Use CLIP, SigLIP, DINOv2 or LLaVA.")
    config_class, model_class = _classes(kind)
    try:
        if weights == RANDOM:
            return model_class(config_class.from_dict(settings.get("vision_config", settings))), kind, folder
        with hub_access(folder is None), no_bars(folder is not None):
            return model_class.from_pretrained(str(folder or source)), kind, folder
    except (OSError, RuntimeError, ValueError, TypeError) as err:
        if folder is None:
            raise unreachable(source, err) from err
        raise FormatError(f"is no sound model: {shown(err, limit=160)}", where=folder) from err


def _folder(source: str) -> Path | None:
    """Return the local folder that a name means: the shipped captioner, or an existing folder."""
    if source == SHIPPED:
        try:
            return resource(f"models/{SHIPPED}")
        except FileNotFoundError as err:
            raise MissingError(str(err)) from err
    return Path(source).expanduser() if Path(source).expanduser().is_dir() else None


def _config(source: str, folder: Path | None) -> dict[str, Any]:
    if folder is None and ("/" not in source or source.startswith(("/", ".", "~")) or source.count("/") > 1):
        raise MissingError("is no folder and no name of the form OWNER/NAME", where=shown(source))
    if folder is None:
        from transformers.utils import cached_file

        try:
            with hub_access():
                return read_json(str(cached_file(source, "config.json")))
        except (OSError, ValueError) as err:
            raise unreachable(source, err) from err
    if not (folder / "config.json").is_file():
        raise MissingError("holds no model (no config.json)", where=folder)
    settings = read_json(folder / "config.json")
    if not isinstance(settings, dict):
        raise FormatError("is no configuration", where=folder / "config.json")
    return settings


def _tower_of_llava(source: str, folder: Path | None, settings: dict[str, Any],
                    weights: str) -> tuple[Any, str, Path | None]:
    vision = dict(settings.get("vision_config") or {})
    kind = str(vision.get("model_type", "clip_vision_model")).removesuffix("_vision_model")
    if kind not in _OF_TYPE:
        raise FormatError(f"has a tower of type {shown(kind)!r}, which is not known", where=source)
    config_class, model_class = _classes(kind)
    try:
        model = model_class(config_class.from_dict(vision))
    except (TypeError, ValueError) as err:
        raise FormatError(f"has an unsound vision_config: {shown(err, limit=160)}", where=source) from err
    if weights != RANDOM:
        folder = folder or _snapshot(source)
        fill(model, _tower_tensors(folder, set(model.state_dict())), str(folder))
    return model, kind, folder


def _snapshot(source: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        with hub_access():
            return Path(snapshot_download(source, allow_patterns=["*.json", "*.safetensors"]))
    except Exception as err:  # the hub raises many kinds for "not cached, not reachable"
        raise unreachable(source, err) from err


def _tower_tensors(folder: Path, names: set[str]) -> dict[str, Any]:
    """Return the tensors of ``vision_tower.`` under the names of the vision class, whatever the library's age."""
    from safetensors import SafetensorError, safe_open

    inner = any(n.startswith("vision_model.") for n in names)
    found: dict[str, Any] = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, "pt") as content:
                for key in content.keys():  # noqa: SIM118  # the handle has no __iter__
                    _, sign, name = key.partition("vision_tower.")
                    if sign:
                        bare = name.removeprefix("vision_model.")
                        found[f"vision_model.{bare}" if inner and name not in names else
                              (name if name in names else bare)] = content.get_tensor(key).float()
        except (SafetensorError, OSError, ValueError) as err:
            raise FormatError(f"is not a sound safetensors file: {shown(err)}", where=file) from err
    if not found:
        raise MissingError("holds no tensors of a vision tower", where=folder)
    return found


def _own_norm(folder: Path | None) -> tuple[list[float], list[float]] | None:
    """Return mean and s.d. of a folder's own preprocessor, None when it does not say."""
    for name in ("preprocessor_config.json", "processor_config.json"):
        if folder is None or not (folder / name).is_file():
            continue
        data = read_json(folder / name)
        data = data.get("image_processor", data) if isinstance(data, dict) else {}
        if isinstance(data, dict) and {"image_mean", "image_std"} <= set(data):
            return list(map(float, data["image_mean"])), list(map(float, data["image_std"]))
    return None


class PairSpace:
    """ME: two towers of equal token counts, interleaved; each is a space of its own."""

    def __init__(self, name: str, first: TowerSpace, second: TowerSpace) -> None:
        self.name, self.parts = name, (first, second)
        self.settings: dict[str, Any] = {"space": name, "version": 1, "interleaved": [first.settings, second.settings]}

    @property
    def key(self) -> str:
        """Hash of both towers."""
        return settings_key(self.settings, "|".join(p.key for p in self.parts))

    @property
    def is_random(self) -> bool:
        """True when weights of either were never trained."""
        return any(p.is_random for p in self.parts)

    @property
    def label(self) -> str:
        """Name on screen."""
        return f"{self.name} ({self.parts[0].label} / {self.parts[1].label})"

    def extract(self, images: Iterable[Image.Image], *, context: JobContext = QUIET) -> np.ndarray:
        """Return (n, 2 N, width) float32, the first tower's tokens at even places."""
        import torch

        pictures = list(images)
        first, second = (torch.from_numpy(p.extract(pictures, context=context)) for p in self.parts)
        return interleaved(first, second).numpy()


def tower_space(name: str, **settings: Any) -> TowerSpace | PairSpace:
    """Return the space called `name` (see the module); what ``feature_space`` calls for these names."""
    head, _, rest = name.partition(":")
    if head == "tower":
        return TowerSpace(name, **settings)
    space, _, scale = head.partition("-")
    if scale and (space != "NF" or not scale.isdigit()):
        raise MissingError(f"no feature space is called {shown(name)!r}", remedy="Use SE, ME, AF, NF or NF-9.")
    if space == "ME":
        first, second = (rest.split(",") + ["", ""])[:2] if rest else ("clip_224", "dino_224")
        return PairSpace(name, _named(f"{name} (even)", first, **settings), _named(f"{name} (odd)", second, **settings))
    if scale:
        settings = {"pool": int(scale), **settings}
    return _named(name, rest or DEFAULTS[space], **({"layer": "dci"} if space == "AF" else {}) | settings)


def _named(name: str, tower: str, **settings: Any) -> TowerSpace:
    if tower in TOWERS:
        recipe = TOWERS[tower]
        return TowerSpace(name, recipe=recipe, **{**recipe.settings, **settings})
    kind = _kind_of(tower)
    defaults: dict[str, Any] = {"layer": -1} if kind == "dinov2" else {}
    return TowerSpace(name, recipe=Recipe(tower, {}, kind, {}), **{**defaults, **settings})


def _kind_of(tower: str) -> str:
    try:
        settings = _config(tower, _folder(tower))
    except BrainViewError as err:
        raise MissingError(f"no tower is called {shown(tower)!r}",
                           remedy="Use " + ", ".join(TOWERS) + ", a folder or OWNER/NAME.") from err
    return str(settings.get("model_type", "")).removesuffix("_vision_model")
