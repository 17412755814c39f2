"""Back ends without a transformers class of their own: a Llama and a projector (Shikra, MMVP, DenseConnector, SmolLM2).

The projector's weights come from the file that each project publishes (``mm_projector.bin`` and the like): a plain
state dict, read with ``weights_only=True``; keys are found by their endings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brainview.core.errors import FormatError, MismatchError
from brainview.core.files import regular_file
from brainview.core.jobs import QUIET, JobContext
from brainview.language.backends.base import Backend, TokenSpace
from brainview.language.backends.llava import load_tokenizer, load_weights

#: What Shikra and LLaVA add to Llama's vocabulary.
PATCH, START, STOP = "<im_patch>", "<im_start>", "<im_end>"
#: Placeholders of vision tokens in the order of preference; the last is a token of SmolLM2 that no chat uses.
PLACES = (PATCH, "<image>", "<file_sep>")


def load_llama(source: str | Path, projector: str | Path, *, kind: str, name: str | None = None, bits: int = 16,
               frame: str | None = None, counts: tuple[int, ...] | None = None, context: JobContext = QUIET) -> Backend:
    """Load a Llama folder and projector files.

    Parameters
    ----------
    projector : path
        File of the projector; for ``mmvp`` two paths joined by a comma: CLIP's, then DINO's.
    kind : str
        ``shikra``, ``smollm2`` (one linear map), ``dense`` (two layers from 3456) or ``mmvp`` (two, interleaved).
    """
    from transformers import LlamaForCausalLM

    context.report(0, 2, f"loading {name or source}")
    model = load_weights(LlamaForCausalLM, source, bits)
    tokenizer = load_tokenizer(source)
    parts = [load_projector(p.strip()) for p in str(projector).split(",")]
    return wrap_llama(model, tokenizer, parts, kind=kind, name=name or kind, frame=frame, counts=counts)


def wrap_llama(model: Any, tokenizer: Any, projectors: list[Any], *, kind: str, name: str,
               frame: str | None = None, counts: tuple[int, ...] | None = None) -> Backend:
    """Return the back end of a Llama and projectors that are in memory."""
    known = {"shikra": ("shikra", (256,), "CLIP ViT-L/14 224 px, layer -2, patch tokens"),
             "dense": ("vicuna", (729,), "SigLIP-so400m 384 px, dense channel integration"),
             "mmvp": ("vicuna", (512,), "CLIP ViT-L/14 and DINOv2 ViT-L/14 224 px: CLIP's 256 tokens, then DINO's"),
             "smollm2": ("chatml", (49,), "tower of phantom-llava 112 px, layer -2, patch tokens")}
    if kind not in known:
        raise FormatError(f"no composition is called {kind!r}", remedy="Known: " + ", ".join(known) + ".")
    own_frame, own_counts, what = known[kind]
    if len(projectors) != (2 if kind == "mmvp" else 1):
        raise MismatchError(f"{kind} takes {2 if kind == 'mmvp' else 1} projector files, {len(projectors)} were given")
    hidden = model.get_input_embeddings().weight.shape[1]
    weights = [p.to(model.device, model.dtype).eval() for p in projectors]
    for part in weights:
        if list(part.modules())[-1].out_features != hidden:
            raise MismatchError(f"the projector gives {list(part.modules())[-1].out_features} values a token, the "
                                f"language model takes {hidden}", remedy="Take the projector of this model.")
    first = next(m for m in weights[0].modules() if hasattr(m, "in_features"))
    vocabulary = tokenizer.get_vocab()
    around = (START, STOP) if START in vocabulary and STOP in vocabulary else ("", "")
    image_id = next((vocabulary[p] for p in PLACES if p in vocabulary), tokenizer.unk_token_id)
    if image_id is None:
        raise FormatError("the tokenizer has no placeholder for vision tokens (<im_patch> or <image>)", where=name)

    def project(tokens: Any) -> Any:
        return interleave(tokens, weights[0], weights[1]) if kind == "mmvp" else weights[0](tokens)

    space = TokenSpace(own_counts if counts is None else counts, first.in_features, what)
    return Backend(name, model, tokenizer, space, project, frame or own_frame, int(image_id), around=around)


def interleave(tokens: Any, clip: Any, dino: Any) -> Any:
    """Return (B, 2n, hidden) of (B, 2n, width): the first half through `clip`, the second through `dino`.

    Token by token, CLIP's at even places (MMVP's interleaved mixture of features).
    """
    import torch

    n = tokens.shape[1] // 2
    if tokens.shape[1] != 2 * n:
        raise MismatchError(f"{tokens.shape[1]} tokens cannot be halves of two towers")
    return torch.stack([clip(tokens[:, :n]), dino(tokens[:, n:])], 2).flatten(1, 2)


def load_projector(file: str | Path) -> Any:
    """Return a projector as a module, its depth and sizes read from the keys and shapes.

    Accepts LLaVA's ``*.0.weight, *.2.weight`` (Linear, GELU, Linear), transformers' ``linear_1, linear_2`` and a single
    ``weight, bias``.
    """
    import torch

    path = regular_file(Path(file))
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        state = load_file(path)
    else:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as err:
            raise FormatError("is not a plain state dict of tensors", where=path) from err
    if not isinstance(state, dict) or not all(torch.is_tensor(v) for v in state.values()):
        raise FormatError("is not a plain state dict of tensors", where=path)
    weights = {k: v.float() for k, v in state.items() if k.rsplit(".", 1)[-1] in ("weight", "bias")}
    stems = sorted({k.rsplit(".", 1)[0] if "." in k else "" for k in weights})
    if len(stems) not in (1, 2) or any(weights.get(_key(s, "weight"), torch.zeros(1)).ndim != 2 for s in stems):
        raise FormatError(f"holds no projector of one or two linear layers (found {', '.join(list(state)[:4])})",
                          where=path)
    layers: list[Any] = []
    for stem in stems:
        weight, bias = weights[_key(stem, "weight")], weights.get(_key(stem, "bias"))
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
        layer.load_state_dict({"weight": weight} if bias is None else {"weight": weight, "bias": bias})
        layers += [torch.nn.GELU(), layer] if layers else [layer]
    return torch.nn.Sequential(*layers)


def _key(stem: str, name: str) -> str:
    return f"{stem}.{name}" if stem else name
