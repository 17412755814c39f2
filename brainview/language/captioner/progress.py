"""State of a training in a run folder: modules and optimiser, saved after every round, without pickles."""

from __future__ import annotations

from typing import Any

import numpy as np

from brainview.training.run import RunFolder


def save(run: RunFolder, module: Any, optimizer: Any, step: int, loss: float) -> None:
    """Write one generation."""
    state = {f"{i}.{k}": np.atleast_1d(np.asarray(v)) for i, values in optimizer.state_dict()["state"].items()
             for k, v in values.items()}
    tensors = {k: v.detach().numpy() for k, v in module.state_dict().items()}
    run.write_generation(tensors, {"step": step, "loss": loss}, state=state, keep=0)


def resume(run: RunFolder, module: Any, optimizer: Any) -> int:
    """Fill module and optimiser from the last generation and return its step; 0 without one."""
    import torch

    if not run.has_generation:
        return 0
    tensors, card = run.load("last")
    module.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in tensors.items()})
    content = optimizer.state_dict()
    flat = [p for group in optimizer.param_groups for p in group["params"]]
    for key, value in run.load_state("last").items():
        number, name = key.split(".", 1)
        shape = () if name == "step" else flat[int(number)].shape
        content["state"].setdefault(int(number), {})[name] = torch.from_numpy(np.array(value)).reshape(shape)
    optimizer.load_state_dict(content)
    return int(card["step"])
