"""Spaces, maps on them, meshes, conversions, and the files they come from. Imports neither nilearn nor torch.

The names below are looked up when they are used, so that importing the package costs nothing. The function `convert`
is not among them, because the module of that name would hide it: ``from brainview.maps.convert import convert``.
"""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {
    "BrainMap": "brainmap", "Label": "brainmap",
    "RoiClass": "rois",
    "Space": "space", "SurfaceSpace": "space", "VolumeSpace": "space", "MaskedSpace": "space",
    "GrayordinateSpace": "space", "ParcelSpace": "space", "get_space": "space", "mni_space": "space",
    "surface_space": "space",
    "Mesh": "meshes", "load_mesh": "meshes", "load_scalar": "meshes", "cortex_mask": "meshes",
    "register_native": "meshes", "register_surfaces": "meshes", "MNI305_TO_MNI152": "meshes",
    "mni_mask": "volumes", "mni_template": "volumes", "mni_brain_space": "volumes",
    "standard_grayordinates": "grayordinates",
    "convert_values": "convert", "transfer_matrix": "convert",
    "Sampling": "sampling",
    "read_map": "io", "read_maps": "io", "write_map": "io", "read_labels": "io", "read_surface": "io",
}
__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
