"""Checkpoints of childmindresearch/algonauts23, read key by key.

Form: ``{"epoch", "metric", "encoder": state, "trunk": state or None}`` (scripts/train_group_encoder.py); the encoder's
names are those of models/group_linear.py.
"""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from brainview.core.errors import FormatError
from brainview.core.files import regular_file
from brainview.core.names import shown
from brainview.encoding.llm_vem.head import LinearHead
from brainview.encoding.llm_vem.model import Vem

#: Their name (a pattern) -> ours.
KEYS: tuple[tuple[str, str], ...] = (
    (r"feat_projs\.(\d+)\.proj\.weight1", r"layers.\1.projection.spatial"),
    (r"feat_projs\.(\d+)\.proj\.weight2", r"layers.\1.projection.channel"),
    (r"feat_projs\.(\d+)\.norm\.(weight|bias|running_mean|running_var|num_batches_tracked)", r"layers.\1.norm.\2"),
    (r"shared_proj\.weight", "shared.weight"),
    (r"subj_proj\.fc\.(weight|bias)", r"subject.\1"),
    (r"embed\.(weight|bias)", r"readout.\1"),
)


def our_name(theirs: str) -> str | None:
    """Return our name of a tensor of their encoder, None for a stranger."""
    for pattern, name in KEYS:
        if re.fullmatch(pattern, theirs):
            return re.sub(pattern, name, theirs)
    return None


def compare(state: dict[str, Tensor], own: dict[str, Tensor]) -> list[dict[str, Any]]:
    """Return one row per tensor: ``theirs, ours, shape, expected, state`` (fits | other shape | stranger | missing)."""
    rows, seen = [], set()
    for theirs, tensor in state.items():
        ours = our_name(theirs)
        there = own.get(ours) if ours else None
        seen.add(ours)
        word = "stranger" if there is None else "fits" if there.shape == tensor.shape else "other shape"
        rows.append({"theirs": theirs, "ours": ours, "shape": list(tensor.shape),
                     "expected": None if there is None else list(there.shape), "state": word})
    return rows + [{"theirs": None, "ours": name, "shape": None, "expected": list(tensor.shape), "state": "missing"}
                   for name, tensor in own.items() if name not in seen]


def load_published(model: Vem, path: os.PathLike | str, *, log: Callable[[str], None] | None = None
                   ) -> list[dict[str, Any]]:
    """Load a checkpoint into head and (where it holds one) trunk; strict; returns the report of :func:`compare`.

    Use ``bias_twice=true`` with their weights: their code adds the readout's bias to both parts.

    Raises
    ------
    FormatError
        No such checkpoint, or any tensor that is missing, strange or of another shape; the line names the first.
    """
    head = model.head
    if not isinstance(head, LinearHead):
        raise FormatError("is of the linear head; the run has the attention head", where=path)
    content = _read(path)
    rows = compare(content["encoder"], head.state_dict())
    wrong = [r for r in rows if r["state"] != "fits"]
    if wrong:
        first = wrong[0]
        raise FormatError(f"does not fit: {len(wrong)} of {len(rows)} tensors, the first is "
                          f"{first['theirs'] or first['ours']} ({first['state']}, has {first['shape']}, expected "
                          f"{first['expected']})", where=path, remedy="Use the sizes and subjects of the checkpoint.")
    head.load_state_dict({str(our_name(k)): v for k, v in content["encoder"].items()})
    trunk = content.get("trunk")
    if isinstance(trunk, dict):
        own = model._look.model.state_dict()
        strange = [k for k in {*own, *trunk} if k not in own or k not in trunk or own[k].shape != trunk[k].shape]
        if strange:
            raise FormatError(f"holds another trunk: {len(strange)} tensors differ, the first is {shown(min(strange))}",
                              where=path)
        model._look.model.load_state_dict(trunk)
    if log is not None:
        log(f"{len(rows)} tensors of the published head fit" + (", and the trunk" if trunk else ""))
    return rows


def _read(path: os.PathLike | str) -> dict[str, Any]:
    file = regular_file(path)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as err:
        raise FormatError(f"is not a plain file of weights: {shown(err, limit=120)}", where=file,
                          remedy="Only tensors are read, never code.") from err
    encoder = content.get("encoder") if isinstance(content, dict) else None
    if not isinstance(encoder, dict) or not all(isinstance(v, Tensor) for v in encoder.values()):
        raise FormatError("holds no encoder of algonauts23", where=file)
    return content
