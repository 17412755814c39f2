"""Feature spaces of timm's models: ``timm:<model>``, any layers, weights by name, local file or cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PIL import Image

from brainview.core.errors import MismatchError, MissingError
from brainview.features.hub import hub_access
from brainview.features.torch_space import RANDOM, TorchSpace, fill, load_state, unreachable


class TimmSpace(TorchSpace):
    """Outputs of blocks (transformers) or stages (convolutional networks) of a timm model.

    ``layers`` are timm's own indices of ``forward_intermediates``; None = the last. For LLM-VEM:
    ``timm:eva02_base_patch14_224.mim_in22k`` with layers 0, 2, 4, 6, 8, 10. Other settings go to timm's
    ``create_model``: ``img_size=112``, ``embed_dim=96``, ``num_heads=3``.
    """

    #: Settings that are ours, not timm's.
    _OWN = frozenset({"space", "version", "pool", "weights", "layers"})

    @property
    def _model_name(self) -> str:
        return self.name.partition(":")[2]

    def _create(self, pretrained: bool) -> Any:
        import timm

        if not timm.is_model(self._model_name):
            raise MissingError(f"timm has no model {self._model_name!r}", remedy="See timm.list_models().")
        more = {k: v for k, v in self.settings.items() if k not in self._OWN}
        try:
            with hub_access(pretrained):
                return timm.create_model(self._model_name, pretrained=pretrained, num_classes=0, **more)
        except TypeError as err:
            raise MismatchError(f"does not take the settings {', '.join(more)}", where=self.name) from err
        except (OSError, RuntimeError, ValueError) as err:
            raise unreachable(self._model_name, err) from err

    def _load(self) -> tuple[Any, Callable[[Image.Image], Any]]:
        import torch

        if self._weights == RANDOM:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                model = self._create(False)
        else:
            model = self._create(self._weights == "pretrained")
            if self._weights != "pretrained":
                fill(model, load_state(self._weights), self._weights)
        return model, self._transform(model)

    def _transform(self, model: Any) -> Callable[[Image.Image], Any]:
        from timm.data import create_transform

        return create_transform(**self.data_config(model), is_training=False)

    def data_config(self, model: Any) -> dict[str, Any]:
        """Return timm's input settings of the model (``input_size`` (3, h, w), ``mean``, ``std`` ...)."""
        from timm.data import resolve_model_data_config

        found = dict(resolve_model_data_config(model))
        if "img_size" in self.settings:  # timm's own settings do not follow this one
            found["input_size"] = (3, int(self.settings["img_size"]), int(self.settings["img_size"]))
        return found

    def _layers(self, model: Any, batch: Any) -> list[tuple[Any, Any]]:
        wanted = self.settings["layers"]
        if not hasattr(model, "forward_intermediates"):
            raise MismatchError("gives no intermediate layers through timm", where=self.name)
        prefix = bool(getattr(model, "num_prefix_tokens", 0))
        more = {"return_prefix_tokens": True} if prefix else {}
        try:
            found = model.forward_intermediates(batch, indices=1 if wanted is None else wanted,
                                                intermediates_only=True, output_fmt="NCHW", **more)
        except (AssertionError, IndexError, ValueError) as err:
            raise MismatchError(f"has no layers {wanted}", where=self.name) from err
        return [(pair[1], pair[0]) if isinstance(pair, tuple) else (None, pair) for pair in found]
