"""Feature spaces of open_clip's image towers: ``open_clip:<model>:<pretrained tag or local file>``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.core.names import shown
from brainview.features.hub import hub_access
from brainview.features.torch_space import RANDOM, TorchSpace, unreachable


class ClipSpace(TorchSpace):
    """Blocks of a CLIP image tower; ``layers`` None = the joint embedding of pictures and words, one token."""

    def __init__(self, name: str, **settings: Any) -> None:
        if name.endswith(f":{RANDOM}"):
            settings["weights"] = RANDOM
        super().__init__(name, **settings)

    def _load(self) -> tuple[Any, Callable[[Image.Image], Any]]:
        import open_clip
        import torch

        _, model_name, tag = self.name.split(":", 2)
        if model_name not in open_clip.list_models():
            raise MissingError(f"open_clip has no model {model_name!r}", remedy="See open_clip.list_models().")
        source = tag if self._weights == "pretrained" else self._weights
        tags = {t for model, t in open_clip.list_pretrained() if model == model_name}
        if source != RANDOM and source not in tags and not Path(source).is_file():
            raise MissingError(f"open_clip knows no weights {shown(source)!r} for {model_name} and sees no such file",
                               remedy="Known: " + (", ".join(sorted(tags)) or "none") + ".")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            try:
                with hub_access(source != RANDOM and not Path(source).is_file()):
                    model, _, transform = open_clip.create_model_and_transforms(
                        model_name, pretrained=None if source == RANDOM else source, weights_only=True)
            except (OSError, RuntimeError, ValueError) as err:
                if Path(source).is_file():
                    raise FormatError(f"does not fit {model_name}: {shown(err, limit=160)}", where=source) from err
                raise unreachable(self.name, err) from err
        return model, transform

    def _layers(self, model: Any, batch: Any) -> list[tuple[Any, Any]]:
        wanted = self.settings["layers"]
        if wanted is None:
            return [(model.encode_image(batch)[:, None], batch.new_zeros(len(batch), 0, 1, 1))]
        try:
            found = model.visual.forward_intermediates(batch, indices=wanted, intermediates_only=True,
                                                       output_fmt="NCHW", output_extra_tokens=True)
        except (AssertionError, IndexError, ValueError) as err:
            raise MismatchError(f"has no layers {wanted}", where=self.name) from err
        maps = found["image_intermediates"]
        prefixes = found.get("image_intermediates_prefix") or [None] * len(maps)
        return list(zip(prefixes, maps, strict=True))

    def _pooled(self, layers: list[tuple[Any, Any]]) -> Any:
        if self.settings["layers"] is None:
            return layers[0][0].float().numpy()
        return super()._pooled(layers)
