"""Both towers of a CLIP model: pictures and words into one space.

Names: ``phantom-clip`` (small, shipped, trained on drawn scenes), ``MODEL:TAG`` of open_clip (``ViT-H-14:
laion2b_s32b_b79k``), ``MODEL:FILE`` for local weights, ``local-dir:FOLDER`` and ``hf-hub:OWNER/NAME`` as open_clip
writes them. Nothing is fetched for local names; hub names work offline from the cache.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainview.core.errors import FormatError, MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.core.names import shown
from brainview.core.paths import resource
from brainview.features.compact_tokens import FILE as VOCABULARY
from brainview.features.compact_tokens import CompactTokenizer
from brainview.features.hub import hub_access
from brainview.features.torch_space import unreachable

#: Name of the shipped model and its folder among the resources.
PHANTOM_CLIP = "phantom-clip"
PHANTOM_CLIP_FOLDER = "models/phantom-clip"
#: The paper's target space.
DEFAULT = "ViT-H-14:laion2b_s32b_b79k"


@dataclass(frozen=True, eq=False)
class ClipPair:
    """A loaded model; make one with :func:`load_clip`.

    Parameters
    ----------
    name : str
    model : open_clip model, frozen, in eval mode
    preprocess : PIL picture to tensor
    tokenizer : texts to (n, context) tokens
    """

    name: str
    model: Any
    preprocess: Any
    tokenizer: Any
    batch: int = 32

    @cached_property
    def key(self) -> str:
        """Hash of every weight and of what decides the inputs."""
        digest = hashlib.sha256(f"{self.preprocess}|{self.context}|{getattr(self.tokenizer, 'tokens', '')}".encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode() + np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
        return digest.hexdigest()[:24]

    @property
    def temperature(self) -> float:
        """1 / exp(logit_scale) of the checkpoint (0.01 for LAION's)."""
        return float(1 / self.model.logit_scale.detach().exp())

    @property
    def context(self) -> int:
        """Tokens that the text tower reads, start and end included."""
        return int(self.tokenizer.context_length)

    def images(self, images: Iterable[Image.Image], *, context: JobContext = QUIET) -> np.ndarray:
        """Return (n, embed) float32 unit vectors of RGB pictures."""
        import torch

        stream, rows = iter(images), []
        while part := list(islice(stream, self.batch)):
            context.check()
            with torch.inference_mode():
                batch = torch.stack([self.preprocess(i.convert("RGB")) for i in part])
                rows.append(self.model.encode_image(batch, normalize=True).float().numpy())
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)

    def texts(self, texts: Sequence[str], *, context: JobContext = QUIET) -> np.ndarray:
        """Return (n, embed) float32 unit vectors of texts; what exceeds the context is cut, see :meth:`lengths`."""
        import torch

        rows = []
        for start in range(0, len(texts), 2 * self.batch):
            context.check()
            with torch.inference_mode():
                tokens = self.tokenizer(list(texts[start:start + 2 * self.batch]))
                rows.append(self.model.encode_text(tokens, normalize=True).float().numpy())
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)

    def lengths(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n,) tokens of each text with start and end, before any cut; -1 where the tokenizer cannot say."""
        if isinstance(self.tokenizer, CompactTokenizer):
            return np.array([len(self.tokenizer.encode(t)) for t in texts], np.int64)
        if hasattr(self.tokenizer, "encode"):
            return np.array([len(self.tokenizer.encode(t)) + 2 for t in texts], np.int64)
        return np.full(len(texts), -1, np.int64)


def load_clip(name: str = DEFAULT) -> ClipPair:
    """Load a model by name (see the module).

    Raises
    ------
    MissingError
        Unknown name, or weights that are neither here nor reachable. FormatError: files that do not fit.
    """
    import open_clip
    from safetensors import SafetensorError

    plain = name.removeprefix("open_clip:")
    model_name, tag, folder = _resolve(plain)
    try:
        with hub_access(folder is None and not (tag and Path(tag).is_file())):
            model, _, preprocess = open_clip.create_model_and_transforms(model_name, pretrained=tag, weights_only=True)
            tokenizer = CompactTokenizer.load(folder) if folder is not None and (folder / VOCABULARY).is_file() \
                else open_clip.get_tokenizer(model_name)
    except (OSError, RuntimeError, ValueError, SafetensorError) as err:
        if folder is not None or (tag and Path(tag).is_file()):
            raise FormatError(f"is no sound CLIP model: {shown(err, limit=160)}", where=folder or tag) from err
        raise unreachable(plain, err) from err
    model.eval().requires_grad_(False)
    return ClipPair(plain, model, preprocess, tokenizer)


def _resolve(name: str) -> tuple[str, str | None, Path | None]:
    """Return open_clip's (model name, pretrained) and the local folder, if it is one."""
    import open_clip

    if name == PHANTOM_CLIP:
        folder = resource(PHANTOM_CLIP_FOLDER)
        return f"local-dir:{folder}", None, folder
    if name.startswith("local-dir:"):
        folder = Path(name.removeprefix("local-dir:")).expanduser()
        if not (folder / "open_clip_config.json").is_file():
            raise MissingError("holds no open_clip model (no open_clip_config.json)", where=folder)
        return f"local-dir:{folder}", None, folder
    if name.startswith("hf-hub:"):
        return name, None, None
    model, _, tag = name.partition(":")
    if model not in open_clip.list_models() or not tag:
        raise MissingError(f"no CLIP model is called {shown(name)!r}",
                           remedy=f"Use {PHANTOM_CLIP}, MODEL:TAG of open_clip, local-dir:FOLDER or hf-hub:OWNER/NAME.")
    known = {t for m, t in open_clip.list_pretrained() if m == model}
    if tag not in known and not Path(tag).is_file():
        raise MissingError(f"open_clip knows no weights {shown(tag)!r} for {model} and sees no such file",
                           remedy="Known: " + (", ".join(sorted(known)) or "none") + ".")
    return model, tag, None
