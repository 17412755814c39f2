"""Checkpoints of UMBRAE and VINDEX: read strictly, told key by key when they do not fit, written in the same form.

Class and sizes are found by the names and shapes of the keys, never by the name of the file: a single-subject file in
the cross-subject class is what gave users random captions without any error (UMBRAE issue 5).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from brainview.core.errors import FormatError, MismatchError
from brainview.core.files import atomic_path, regular_file
from brainview.core.names import shown
from brainview.language.brain.encoders import BrainX, BrainXC, BrainXS, Sizes, build

#: Widths of an attention head that published sizes are made of; shapes alone do not say how many heads there are.
HEAD_WIDTH = 96
_SHARED = "perceiver."
_LAYER = re.compile(r"^perceiver\.perceiver\.layers\.(\d+)\.")
_SUBJECT = re.compile(r"^lin2\.fmri(\d+)\.weight$")


@dataclass(frozen=True)
class Found:
    """What a state dict is.

    Parameters
    ----------
    kind : str
        ``brainxs`` (also the form of ``brainxc``) or ``brainx``.
    voxels : dict of subject number to V; number 0 where the file does not name its only subject
    sizes : Sizes
    options : dict
        ``tokens`` and ``norm`` of a cross-subject file.
    """

    kind: str
    voxels: dict[int, int]
    sizes: Sizes
    options: dict[str, Any]

    def line(self) -> str:
        """Return one line for people."""
        who = ", ".join(f"subject {s}: {v:,} voxels" if s else f"{v:,} voxels" for s, v in self.voxels.items())
        more = "".join(f", {k}" for k, v in self.options.items() if v)
        s = self.sizes
        return f"{self.kind} ({who}), {s.latents} tokens x {s.out}, width {s.width}, {s.depth} layers{more}"


def read_checkpoint(path: os.PathLike | str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return (state dict without ``module.``, the file's other entries) of a ``.pth``; bare state dicts too.

    Raises FormatError for anything but tensors and plain containers (``weights_only=True`` always).
    """
    import pickle

    file = regular_file(path)
    if file.suffix == ".safetensors":
        from brainview.features.torch_space import load_state

        return load_state(file), {}
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as err:
        with file.open("rb") as opened:
            begun = opened.read(4)
        if not begun.startswith((b"PK", b"\x80")):
            what = "is no checkpoint of PyTorch at all"
        elif isinstance(err, pickle.UnpicklingError):
            what = "holds code or objects beside tensors, and none of it is run"
        else:
            what = f"is damaged or cut off ({shown(err, limit=80)})"
        raise FormatError(what, where=file, remedy="Only tensors, numbers and lists are read, never code. Copy it "
                          "again, or save its state dict alone.") from err
    state = content.get("model_state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise FormatError("holds no table of tensors (model_state_dict)", where=file)
    rest = {k: v for k, v in content.items() if k != "model_state_dict"} if state is not content else {}
    return {str(k).removeprefix("module."): v for k, v in state.items()}, rest


def inspect_state(state: Mapping[str, Tensor], *, heads: int | None = None, where: object = None) -> Found:
    """Return class, subjects and sizes of a state dict from its keys and shapes.

    Parameters
    ----------
    heads : int, optional
        Attention heads, when known; else inner width / 96 (16 in the published models).

    Raises
    ------
    FormatError
        The keys are of no known brain encoder (a ``brainx2`` file with other keys ends here).
    """
    shapes = {k: tuple(v.shape) for k, v in state.items()}
    try:
        latents, width = shapes["perceiver.perceiver.latents"]
        out = shapes["perceiver.llm_proj.weight"][0]
        inner = shapes["perceiver.perceiver.layers.0.0.to_q.weight"][0]
        mult = shapes["perceiver.perceiver.layers.0.1.1.weight"][0] // width
    except (KeyError, ValueError, IndexError) as err:
        first = ", ".join(shown(k, limit=60) for k in list(shapes)[:4])
        raise FormatError(f"is no brain encoder of UMBRAE or VINDEX: {shown(err)} is missing; its keys begin with "
                          f"{first}",
                          where=where, remedy="Name the checkpoint of a brain encoder.") from err
    depth = 1 + max(int(m[1]) for k in shapes if (m := _LAYER.match(k)))
    if heads is None:
        heads = max(1, inner // HEAD_WIDTH)
    if inner % heads:
        raise FormatError(f"has an attention of {inner} channels, which {heads} heads cannot share", where=where)
    sizes = Sizes(latents, width, out, depth, heads, inner // heads, mult)
    many = {int(m[1]): shapes[k][1] for k in shapes if (m := _SUBJECT.match(k))}
    if many:
        options = {"tokens": any(k.startswith("token.") for k in shapes), "norm": any(k.endswith(".1.weight") and
                   k.startswith("lin1.") for k in shapes)}
        return Found("brainx", dict(sorted(many.items())), sizes, options)
    if "lin2.weight" in shapes:
        return Found("brainxs", {0: shapes["lin2.weight"][1]}, sizes, {})
    raise FormatError("has a resampler but no tokenizer (lin1, lin2)", where=where)


def compare(model: torch.nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Return one sentence per key that is missing, unexpected, or of another shape; [] when all fit."""
    own = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    lines = [f"{k}: missing, {own[k]} was expected" for k in own if k not in state]
    lines += [f"{shown(k)}: unexpected, {tuple(v.shape)}" for k, v in state.items() if k not in own]
    lines += [f"{k}: {tuple(state[k].shape)}, {shape} was expected" for k, shape in own.items()
              if k in state and tuple(state[k].shape) != shape]
    return lines


def load_strictly(model: torch.nn.Module, state: Mapping[str, Tensor], *, where: object = None) -> None:
    """Load every key or nothing.

    Raises
    ------
    MismatchError
        Says how many keys do not fit and names the first ones; :func:`compare` has them all.
    """
    lines = compare(model, state)
    if lines:
        kind = getattr(model, "kind", type(model).__name__)
        raise MismatchError(f"does not fit {kind}: {len(lines)} keys. " + "; ".join(lines[:6])
                            + (" ..." if len(lines) > 6 else ""), where=where,
                            remedy="Load it as what it is, see 'brainview inspect'.")
    model.load_state_dict({k: v.float() for k, v in state.items()})


def load_encoder(path: os.PathLike | str, *, heads: int | None = None) -> tuple[BrainXS | BrainX, Found]:
    """Return the encoder of a published checkpoint, whatever its class, in eval mode, with every key in its place."""
    state, _ = read_checkpoint(path)
    found = inspect_state(state, heads=heads, where=path)
    model = build(found.kind, found.voxels, found.sizes, **found.options)
    load_strictly(model, state, where=path)
    return model.eval(), found


def adapted(state: Mapping[str, Tensor], voxels: int, *, freeze: bool, heads: int | None = None,
            where: object = None) -> BrainXC:
    """Return a BrainXC for a new subject whose shared part is that of a trained encoder; its tokenizer is fresh.

    Every key of the shared part must be there. Raises FormatError and MismatchError as the loaders do.
    """
    found = inspect_state(state, heads=heads, where=where)
    model = BrainXC(voxels, found.sizes, freeze=freeze)
    shared = {k.removeprefix(_SHARED): v for k, v in state.items() if k.startswith(_SHARED)}
    load_strictly(model.perceiver, shared, where=where)
    return model


def save_checkpoint(path: os.PathLike | str, model: torch.nn.Module, **rest: Any) -> Path:
    """Write a checkpoint in the published form (``model_state_dict`` beside numbers and lists), atomically."""
    with atomic_path(path, suffix=".pth") as part:
        torch.save({"epoch": 0, "train_losses": [], "val_losses": [], "lrs": [], **rest,
                    "model_state_dict": model.state_dict()}, part)
    return Path(path)
