"""ROI and ceiling files of a manifest: any map file, or a plain array, on the subject's space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from brainview.core.errors import FormatError, MismatchError
from brainview.core.files import load_npy
from brainview.datasets.nsd.files import read_volume
from brainview.datasets.recordings import grid_and_index, kind_of
from brainview.maps.brainmap import Label
from brainview.maps.rois import RoiClass
from brainview.maps.space import MaskedSpace, Space, VolumeSpace


def read_values(path: Path, space: Space) -> np.ndarray:
    """Return (locations,) float32 of one map file at the locations of `space`.

    A file may cover the space itself or its unmasked root. Raises MismatchError for any other size.
    """
    if path.name.lower().endswith((".nii", ".nii.gz")) and kind_of(path) == "nifti" \
            and isinstance(space.root, VolumeSpace):
        grid, index = grid_and_index(space)
        volume = read_volume(path)
        if volume.shape != grid.shape:
            raise MismatchError(f"has shape {volume.shape}, the responses {grid.shape}", where=path)
        return volume.reshape(-1)[index]
    if path.name.lower().endswith(".npy"):
        values = np.asarray(load_npy(path, mmap=False), np.float32).reshape(-1)
    else:
        from brainview.maps.io import read_map

        values = read_map(path).values
    if values.size == space.root.size != space.size and isinstance(space, MaskedSpace):
        return values[space.root_index]
    space.check(values, where=path)
    return values


@dataclass(frozen=True, eq=False)
class ManifestRois(Mapping):
    """ROI classes read when they are asked for: class name to (file, names by label)."""

    space: Space
    files: dict[str, tuple[Path, dict[int, str]]]
    _read: dict[str, RoiClass] = field(default_factory=dict)

    def __getitem__(self, name: str) -> RoiClass:
        if name not in self.files:
            raise KeyError(name)
        if name not in self._read:
            path, names = self.files[name]
            values = np.nan_to_num(read_values(path, self.space))
            if (values != np.round(values)).any():
                raise FormatError("holds fractions, labels are whole numbers", where=path)
            labels = np.maximum(values, 0).astype(np.int32)
            present = np.unique(labels[labels > 0]).tolist()
            table = {k: Label(v) for k, v in names.items()}
            for key in present:
                table.setdefault(key, Label(name if len(present) == 1 and not names else f"{name} {key}"))
            self._read[name] = RoiClass(name, labels, dict(sorted(table.items())))
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)
