"""``phantom-eva02``: a small EVA02 trunk of timm, pretrained on drawn scenes, for demos that need no download.

It is timm's ``eva02_base_patch14_224`` with other sizes, so that its parameters have the base model's names. Trained by
``brainview build-demo --part trunk``; see :mod:`brainview.encoding.llm_vem.pretrain`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from brainview.core.errors import MissingError
from brainview.core.paths import resource
from brainview.features.timm_models import TimmSpace
from brainview.features.torch_space import fill, load_state

NAME = "phantom-eva02"
FOLDER = "models/phantom-eva02"
FILE = "model.safetensors"
MODEL = "eva02_base_patch14_224"
#: Sizes that differ from the base model: 112 px, 64 patches, 12 blocks of width 96; 1.4 M parameters.
SIZES: dict[str, Any] = {"img_size": 112, "embed_dim": 96, "num_heads": 3}


class PhantomTrunk(TimmSpace):
    """The shipped trunk; its preprocessing is EVA02's at 112 px."""

    def __init__(self, name: str, *, layers: Sequence[int] | None = None, **more: Any) -> None:
        super().__init__(name, layers=layers, **{**SIZES, **more})

    @property
    def _model_name(self) -> str:
        return MODEL

    def _load(self) -> tuple[Any, Callable[[Image.Image], Any]]:
        if self._weights != "pretrained":
            return super()._load()
        try:
            file = resource(f"{FOLDER}/{FILE}")
        except FileNotFoundError as err:
            raise MissingError("the small trunk for drawn scenes is not among the resources", where=NAME,
                               remedy="Make it with 'brainview build-demo --part trunk'.") from err
        model = fill_trunk(self._create(False), file)
        return model, self._transform(model)


def fill_trunk(model: Any, file: Path) -> Any:
    """Return the trunk with the weights of a file (fp16 on disk)."""
    fill(model, {k: v.float() for k, v in load_state(file).items()}, str(file))
    return model
