"""Back ends of LLaVA's class: folders that transformers reads as ``LlavaForConditionalGeneration`` or ``LlavaNext...``.

One loader serves LLaVA-1.5 7b/13b, LLaVA-NeXT, the shipped captioner, and M3 (project first, then pool the grid).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.device import best_device, half_precision
from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.core.files import read_json
from brainview.core.jobs import QUIET, JobContext
from brainview.features.hub import hub_access
from brainview.features.torch_space import no_bars
from brainview.language.backends.base import Backend, TokenSpace

#: Known answer of the tower, beside the weights: a picture and the tokens it must give.
REFERENCE = "tower_reference.safetensors"
_TOLERANCE = 0.02


def is_llava(folder: Path) -> bool:
    """Tell whether a folder is one of transformers' LLaVA classes."""
    file = Path(folder) / "config.json"
    return file.is_file() and str(read_json(file).get("model_type", "")) in ("llava", "llava_next")


def load_llava(source: str | Path, *, name: str | None = None, frame: str | None = None, bits: int = 16,
               scale: int | None = None, context: JobContext = QUIET) -> Backend:
    """Load a local folder or hub name.

    Parameters
    ----------
    frame : str, optional
        Chat frame; None = what the folder's ``card.json`` names, else ``llava-hf``.
    bits : int
        16 or 32; 8 and 4 need CUDA and bitsandbytes.
    scale : int, optional
        Matryoshka (M3): pool the projected grid to so many tokens.
    """
    from transformers import AutoConfig, LlavaForConditionalGeneration, LlavaNextForConditionalGeneration

    context.report(0, 3, f"loading {name or source}")
    config = read(AutoConfig.from_pretrained, source)
    kinds: dict[str, Any] = {"llava": LlavaForConditionalGeneration, "llava_next": LlavaNextForConditionalGeneration}
    kind = kinds.get(config.model_type)
    if kind is None:
        raise FormatError(f"is a model of type {config.model_type!r}, not of LLaVA's class", where=source)
    tokenizer = load_tokenizer(source)
    model = load_weights(kind, source, bits)
    context.report(2, 3, f"loading {name or source}")
    card = folder_card(source)
    backend = wrap_llava(model, tokenizer, name=name or str(card.get("name") or source),
                         frame=frame or str(card.get("frame") or "llava-hf"), scale=scale)
    if Path(source).is_dir() and (Path(source) / REFERENCE).is_file():
        tower_self_test(backend, Path(source) / REFERENCE)
    return backend


def wrap_llava(model: Any, tokenizer: Any, *, name: str, frame: str, scale: int | None = None) -> Backend:
    """Return the back end of a model that is in memory."""
    model.eval()
    config, inner = model.config, model.model
    vision = config.vision_config
    grid = vision.image_size // vision.patch_size
    layers = config.vision_feature_layer
    width = vision.hidden_size * (len(layers) if isinstance(layers, (list, tuple)) else 1)
    found = inner.multi_modal_projector.linear_1.in_features
    if found != width:
        width = found  # a dense connector's projector; its tokens come from the feature space
    newline = getattr(inner, "image_newline", None)

    def project(tokens: Any) -> Any:
        import torch

        out = inner.multi_modal_projector(tokens)
        if scale is not None:
            out = pool_grid(out, scale)
        if newline is not None:  # LLaVA-NeXT ends an image without tiles with its new-line embedding
            out = torch.cat([out, newline.to(out).expand(len(out), 1, -1)], 1)
        return out

    counts = (grid * grid,) if scale is None else tuple(sorted({grid * grid, 576, 256, 729}))
    space = TokenSpace(counts, width, f"{vision.model_type} {vision.image_size} px, layer {layers}, patch tokens")
    own = found == vision.hidden_size
    return Backend(name, model, tokenizer, space, project, frame, config.image_token_id, native=True,
                   vision=_vision(model, tokenizer) if own else None)


def pool_grid(tokens: Any, scale: int) -> Any:
    """Return (B, scale, hidden): the square grid average-pooled with kernel = stride = floor(side / root of scale).

    The rule of M3 (projected first). Raises MismatchError where it does not give `scale` tokens: 36 and 144 are not
    defined on a 16 x 16 grid, for instance.
    """
    from torch.nn import functional as F

    n = tokens.shape[1]
    side = round(n**0.5)
    root = round(scale**0.5)
    kernel = int((n / scale) ** 0.5)
    if side * side != n or root * root != scale or kernel < 1 or (side // kernel) ** 2 != scale:
        given = (side // kernel) ** 2 if kernel else 0
        raise MismatchError(f"scale {scale} is not defined on {n} tokens: pooling would give {given}",
                            remedy="Take a scale whose root divides the grid, or a tower of 336 px.")
    square = tokens.transpose(1, 2).reshape(len(tokens), -1, side, side)
    return F.avg_pool2d(square, kernel, kernel).flatten(2).transpose(1, 2)


def _vision(model: Any, tokenizer: Any) -> Any:
    from brainview.language.backends.pictures import clip_pixels

    config = model.config

    def vision(images: Any) -> np.ndarray:
        import torch

        stats = getattr(tokenizer, "brainview_pixels", None) or {}
        x = clip_pixels(images, config.vision_config.image_size, **stats)
        with torch.inference_mode():
            states = model.model.vision_tower(x.to(model.device, model.dtype), output_hidden_states=True)
        layers = config.vision_feature_layer
        chosen = [states.hidden_states[k] for k in (layers if isinstance(layers, (list, tuple)) else [layers])]
        if config.vision_feature_select_strategy == "default":
            chosen = [c[:, 1:] for c in chosen]
        return torch.cat(chosen, -1).float().cpu().numpy()

    return vision


def tower_self_test(backend: Backend, file: Path) -> float:
    """Return the largest deviation from stored reference tokens over their spread; raise FormatError above 2 %.

    Other package versions that change a tower silently would otherwise show only as bad texts.
    """
    from safetensors.numpy import load_file

    stored = load_file(file)
    found = backend.image_tokens(stored["image"][None])[0]
    wanted = stored["tokens"].astype(np.float32)
    if found.shape != wanted.shape:
        raise FormatError(f"the tower gives {found.shape}, its reference is {wanted.shape}", where=file)
    gap = float(np.abs(found - wanted).max() / wanted.std())
    if gap > _TOLERANCE:
        raise FormatError(f"the vision tower does not give its reference tokens (off by {gap:.2g} of their spread)",
                          where=file, remedy="Install the pinned versions of torch and transformers.")
    return gap


def folder_card(source: str | Path) -> dict[str, Any]:
    """Return our own card of a folder, {} where there is none."""
    file = Path(source) / "card.json"
    return read_json(file) if file.is_file() else {}


def read(loader: Any, source: str | Path, **arguments: Any) -> Any:
    """Call a ``from_pretrained`` without its own bars and turn its many failures into one line."""
    try:
        with hub_access(not Path(source).is_dir()), no_bars(Path(source).is_dir()):
            return loader(str(source), **arguments)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as err:
        line = str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
        raise MissingError(f"cannot be loaded: {line}", where=source,
                           remedy="Give a local folder, or a name that is in the offline cache.") from err


def load_tokenizer(source: str | Path) -> Any:
    """Return the tokenizer of a folder, with the pixel statistics of its pictures as ``brainview_pixels``."""
    from transformers import AutoTokenizer

    tokenizer = read(AutoTokenizer.from_pretrained, source)
    file = Path(source) / "preprocessor_config.json"
    if file.is_file():
        values = read_json(file)
        tokenizer.brainview_pixels = {"mean": tuple(values["image_mean"]), "std": tuple(values["image_std"]),
                                      "crop": bool(values.get("do_center_crop", True))}
    return tokenizer


def load_weights(kind: Any, source: str | Path, bits: int) -> Any:
    """Load the weights on the best device in 32, 16, 8 or 4 bits; refuse in words where the platform cannot."""
    import importlib.util

    import torch

    if bits not in (4, 8, 16, 32):
        raise MissingError(f"weights of {bits} bits are not known", remedy="Take 4, 8, 16 or 32.")
    device = best_device()
    cuda = device.type == "cuda"
    if bits in (4, 8):
        if not cuda or importlib.util.find_spec("bitsandbytes") is None:
            what = "a CUDA device" if not cuda else "the package bitsandbytes"
            raise MissingError(f"{bits}-bit weights need {what}, which is not on this machine",
                               remedy="Take 16 bits (a 7b model needs about 14 GB), or a smaller model.")
        from transformers import BitsAndBytesConfig

        plan = BitsAndBytesConfig(load_in_4bit=bits == 4, load_in_8bit=bits == 8)
        return read(kind.from_pretrained, source, quantization_config=plan, device_map="auto").eval()
    dtype = torch.float32 if bits == 32 else half_precision()
    model = read(kind.from_pretrained, source, dtype=dtype)
    return model.to(device).eval()
