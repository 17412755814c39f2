"""What a checkpoint of a brain encoder holds, key by key, and how it differs from the class that its keys name."""

from __future__ import annotations

import os
from typing import Any

from brainview.core.errors import FormatError
from brainview.core.jobs import QUIET, JobContext


def report(path: os.PathLike | str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return the report of a ``.pth`` or ``.safetensors`` checkpoint as plain types; its code is never run.

    ``kind`` and ``sizes`` are None where the keys are of no known encoder (`why` says which key is missing);
    ``differences`` names every key that is missing, unexpected or of another shape; ``rest`` is what else the file
    holds. Raises FormatError for what is no checkpoint at all.
    """
    import torch

    from brainview.language.brain.checkpoints import compare, inspect_state, read_checkpoint
    from brainview.language.brain.encoders import build

    context.report(0, 2, "reading the checkpoint")
    state, rest = read_checkpoint(path)
    context.report(1, 2, "comparing the keys")
    keys = [{"key": k, "shape": list(v.shape), "dtype": str(v.dtype).removeprefix("torch."),
             "finite": bool(torch.isfinite(v.float()).all())} for k, v in state.items()]
    out: dict[str, Any] = {"path": os.fspath(path), "parameters": sum(v.numel() for v in state.values()),
                           "keys": keys, "rest": {str(k): _short(v) for k, v in rest.items()}, "kind": None,
                           "subjects": {}, "sizes": None, "options": {}, "differences": [], "why": ""}
    try:
        found = inspect_state(state, where=path)
    except FormatError as err:
        return {**out, "why": str(err)}
    with torch.device("meta"):  # shapes alone: nothing of a file's claims is allocated
        model = build(found.kind, found.voxels, found.sizes, **found.options)
    return {**out, "kind": found.kind, "subjects": {str(k): v for k, v in found.voxels.items()},
            "sizes": dict(vars(found.sizes)), "options": dict(found.options), "differences": compare(model, state)}


def _short(value: Any) -> str:
    if isinstance(value, (int, float, str)):
        return str(value)[:60]
    return f"{type(value).__name__} of {len(value)}" if hasattr(value, "__len__") else type(value).__name__
