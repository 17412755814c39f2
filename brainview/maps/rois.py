"""ROIs: exclusive labellings of the locations of a space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainview.core.errors import MissingError
from brainview.maps.brainmap import Label


@dataclass(frozen=True, eq=False)
class RoiClass:
    """One exclusive labelling of a subject's locations, for example ``floc-faces``.

    Parameters
    ----------
    name : str
    labels : (locations,) int32
        0 = none of them; values outside the table count as none.
    table : dict of int to Label
        Names (and colours) of the ids > 0; empty ROIs stay in the table.
    """

    name: str
    labels: np.ndarray
    table: dict[int, Label]

    def mask(self, name: str) -> np.ndarray:
        """Return (locations,) bool of one ROI; raises MissingError for an unknown name."""
        for key, label in self.table.items():
            if label.name == name:
                return self.labels == key
        raise MissingError(f"{self.name} has no ROI {name!r}",
                           remedy="It has " + ", ".join(t.name for t in self.table.values()) + ".")

    def sizes(self) -> dict[str, int]:
        """Return the number of locations of every ROI, 0 for empty ones."""
        return {label.name: int((self.labels == key).sum()) for key, label in self.table.items()}
