"""What feature spaces of torch models share: batches, preprocessing, pooling of tokens, hash of the weights."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainview.core.errors import FormatError, MissingError
from brainview.core.files import regular_file
from brainview.core.jobs import QUIET, JobContext
from brainview.core.names import shown
from brainview.features.types import parse_pool, settings_key

#: Word for weights that were never trained; only ever used when asked for.
RANDOM = "random"


class TorchSpace(ABC):
    """A feature space of a torch model; loads the model when first needed.

    Parameters
    ----------
    name : str
        Name in the registry.
    layers : sequence of int, optional
        Which outputs are taken; None = the default of the model.
    pool : str
        What becomes of the tokens of each layer; see :func:`parse_pool`.
    weights : str
        ``pretrained``, ``random``, or a local file.
    batch : int
        Pictures at once; does not change the numbers.
    """

    def __init__(self, name: str, *, layers: Sequence[int] | None = None, pool: str = "cls+mean+4x4",
                 weights: str = "pretrained", batch: int = 16, **more: Any) -> None:
        parse_pool(pool)
        self.name = name
        self._weights, self._batch = weights, batch
        where = weights if weights in ("pretrained", RANDOM) else Path(weights).name
        self.settings: dict[str, Any] = {"space": name, "version": 1, "pool": pool, "weights": where,
                                         "layers": None if layers is None else [int(i) for i in layers], **more}

    @abstractmethod
    def _load(self) -> tuple[Any, Callable[[Image.Image], Any]]:
        """Return (model in eval mode, preprocessing of one picture)."""

    @abstractmethod
    def _layers(self, model: Any, batch: Any) -> list[tuple[Any, Any]]:
        """Return [(class tokens (n, k, w) or None, map (n, w, h, w'))...] of a batch."""

    @cached_property
    def _ready(self) -> tuple[Any, Callable[[Image.Image], Any]]:
        model, transform = self._load()
        model.eval()
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        return model, transform

    @property
    def is_random(self) -> bool:
        """True when the weights were never trained."""
        return self._weights == RANDOM

    @property
    def label(self) -> str:
        """Name on screen."""
        return f"{self.name} (RANDOM WEIGHTS, untrained)" if self.is_random else self.name

    @cached_property
    def key(self) -> str:
        """Hash of settings and of every weight."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self._ready[0].state_dict().items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
        return settings_key(self.settings, digest.hexdigest())

    def extract(self, images: Iterable[Image.Image], *, context: JobContext = QUIET) -> np.ndarray:
        """Return (n, tokens, width) float32; layers of different widths are concatenated into one token."""
        import torch

        model, transform = self._ready
        stream, rows = iter(images), []
        while part := list(islice(stream, self._batch)):
            context.check()
            with torch.inference_mode():
                batch = torch.stack([transform(image.convert("RGB")) for image in part])
                rows.append(self._pooled(self._layers(model, batch)))
        return np.concatenate(rows) if rows else np.zeros((0, 0, 0), np.float32)

    def _pooled(self, layers: list[tuple[Any, Any]]) -> np.ndarray:
        import torch
        from torch.nn.functional import adaptive_avg_pool2d

        cls, mean, side = parse_pool(self.settings["pool"])
        out = []
        for prefix, grid in layers:
            tokens = [prefix] if cls and prefix is not None else []
            if self.settings["pool"] == "all":
                tokens.append(grid.flatten(2).transpose(1, 2))
            if mean:
                tokens.append(grid.mean((2, 3))[:, None])
            if side:
                tokens.append(adaptive_avg_pool2d(grid, side).flatten(2).transpose(1, 2))
            out.append(torch.cat(tokens, 1))
        if len({t.shape[2] for t in out}) > 1:
            out = [torch.cat([t.flatten(1) for t in out], 1)[:, None]]
        return torch.cat(out, 1).float().numpy()


def load_state(path: str | Path) -> dict[str, Any]:
    """Return the tensors of a local .safetensors or torch file; torch files with ``weights_only=True`` always.

    Raises FormatError when the file is neither, or holds anything but tensors and plain containers.
    """
    file = regular_file(path)
    if file.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(file)
        except (SafetensorError, ValueError) as err:
            raise FormatError(f"is not a sound safetensors file: {shown(err)}", where=file) from err
    import pickle

    import torch

    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as err:
        raise FormatError(f"is not a plain file of weights: {shown(err, limit=120)}", where=file,
                          remedy="Only tensors are read, never code.") from err
    for wrapper in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise FormatError("holds no table of tensors", where=file)
    return state


@contextmanager
def no_bars(local: bool = True) -> Iterator[None]:
    """Keep transformers' own progress bars off the terminal while a local model is read; a download keeps its bar."""
    from transformers.utils import logging

    off = local and logging.is_progress_bar_enabled()
    if off:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        if off:
            logging.enable_progress_bar()


def unreachable(name: str, err: Exception, remedy: str = "") -> MissingError:
    """Return the error for weights that are neither cached nor to be fetched."""
    reason = (str(err).strip() or type(err).__name__).splitlines()[0]
    return MissingError(f"the weights of {name} are not on this machine and could not be fetched "
                        f"({shown(reason, limit=120)})",
                        remedy=remedy or "Connect once, give a local file with weights=FILE, or ask for "
                                         "weights=random.")


def fill(model: Any, state: dict[str, Any], where: str) -> None:
    """Load `state` into `model`, telling in one line what does not fit; heads that the model lacks are left out."""
    own = model.state_dict()
    state = {k: v for k, v in state.items() if k in own}
    wrong = [k for k in own if k not in state or state[k].shape != own[k].shape]
    if wrong:
        raise FormatError(f"does not fit the model: {len(wrong)} of {len(own)} tensors are missing or of another "
                          f"shape, the first is {wrong[0]}", where=where)
    model.load_state_dict(state)
