"""Names of feature spaces: ``gabor``, ``timm:<model>``, ``open_clip:<model>:<tag>``, ``efficientnet-lite0``."""

from __future__ import annotations

import importlib
from typing import Any

from brainview.core.errors import MismatchError, MissingError
from brainview.core.names import shown
from brainview.features.types import FeatureSpace

#: Beginning of the name -> (module, class, whether it takes the name).
SPACES: dict[str, tuple[str, str, bool]] = {
    "gabor": ("brainview.features.gabor", "GaborSpace", False),
    "efficientnet-lite0": ("brainview.features.imagenet_package", "EfficientNetLite0", True),
    "phantom-eva02": ("brainview.features.phantom_trunk", "PhantomTrunk", True),
    "timm": ("brainview.features.timm_models", "TimmSpace", True),
    "open_clip": ("brainview.features.clip_models", "ClipSpace", True),
    **dict.fromkeys(("tower", "SE", "ME", "AF", "NF"), ("brainview.features.towers", "tower_space", True)),
}


def feature_space(name: str, **settings: Any) -> FeatureSpace:
    """Return the feature space called `name`.

    Parameters
    ----------
    name : str
        ``gabor`` | ``efficientnet-lite0`` | ``timm:<model>`` | ``open_clip:<model>:<pretrained tag or file>`` |
        ``tower:<folder or hub name>`` and ``SE``, ``ME``, ``AF``, ``NF`` (:mod:`brainview.features.towers`). Settings
        may follow in brackets: ``timm:vit_base_patch16_224[layers=0,2,4;pool=cls+mean]``.
    **settings
        ``layers``, ``pool``, ``weights`` (``pretrained``, ``random`` or a file), ``grid`` ... of that space.

    Raises
    ------
    MissingError
        No space of that name. MismatchError: a setting that it does not have.
    """
    bare, inline = split_name(name)
    head, _, rest = bare.partition(":")
    head = "NF" if head.startswith("NF-") else head
    if head not in SPACES or (head in ("timm", "tower") and not rest) or (head == "open_clip" and rest.count(":") < 1):
        raise MissingError(f"no feature space is called {shown(name)!r}",
                           remedy="Use gabor, efficientnet-lite0, phantom-eva02, timm:MODEL, open_clip:MODEL:TAG, "
                                  "tower:FOLDER, SE, ME, AF or NF.")
    module, kind, named = SPACES[head]
    try:
        make = getattr(importlib.import_module(module), kind)
        options = {**inline, **settings}
        return make(bare, **options) if named else make(**options)
    except TypeError as err:
        raise MismatchError(f"does not take these settings: {shown(err)}", where=shown(name)) from err


def split_name(name: str) -> tuple[str, dict[str, Any]]:
    """Return (bare name, settings) of ``name[key=value;key=value]``; numbers and lists of numbers are parsed."""
    if not name.endswith("]") or "[" not in name:
        return name, {}
    bare, _, inside = name[:-1].partition("[")
    settings: dict[str, Any] = {}
    for part in filter(None, inside.split(";")):
        key, sign, value = part.partition("=")
        if not sign:
            raise MismatchError(f"{shown(part)!r} is no key=value", where=shown(name))
        numbers = value.split(",")
        if all(n.strip().lstrip("-").isdigit() for n in numbers):
            parsed: Any = [int(n) for n in numbers]
            settings[key.strip()] = parsed if key.strip() == "layers" or len(parsed) > 1 else parsed[0]
        else:
            settings[key.strip()] = value.strip()
    return bare, settings
