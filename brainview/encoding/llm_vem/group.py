"""The common space of several subjects: the union of their locations, with a mask of what each one has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brainview.core.errors import MismatchError
from brainview.datasets.types import Subject
from brainview.maps.space import MaskedSpace, Space


@dataclass(frozen=True, eq=False)
class GroupSpace:
    """The union of the subjects' locations.

    Parameters
    ----------
    space : Space
        Where the (V,) values of the group are.
    columns : mapping of subject to (n_s,) int64
        Position in the group of every location of the subject, in the subject's order.
    """

    space: Space
    columns: Mapping[str, np.ndarray]

    @property
    def size(self) -> int:
        """V."""
        return self.space.size

    @property
    def subjects(self) -> list[str]:
        """Subject ids in order."""
        return list(self.columns)

    def mask(self) -> np.ndarray:
        """Return (S, V) bool: True where the subject has the location."""
        out = np.zeros((len(self.columns), self.size), bool)
        for row, columns in enumerate(self.columns.values()):
            out[row, columns] = True
        return out

    def scatter(self, subject: str, values: np.ndarray, fill: float = 0.0) -> np.ndarray:
        """Return (n, V) float32 of (n, n_s) values, `fill` where the subject has no location."""
        out = np.full((len(values), self.size), fill, np.float32)
        out[:, self.columns[subject]] = values
        return out


def group_space(people: Mapping[str, Subject]) -> GroupSpace:
    """Return the common space of subjects.

    Raises
    ------
    MismatchError
        Their locations are parts of different spaces (native grids), so there is nothing to unite.
    """
    spaces = {name: person.space for name, person in people.items()}
    roots = {space.root.key for space in spaces.values()}
    if len(roots) != 1:
        raise MismatchError("the subjects live in different spaces, so they have no locations in common",
                            where=", ".join(f"{n}: {s.name}" for n, s in list(spaces.items())[:3]),
                            remedy="Train one subject at a time, or use responses on a standard surface or in MNI.")
    index = {name: space.root_index if isinstance(space, MaskedSpace) else np.arange(space.size)
             for name, space in spaces.items()}
    union = np.unique(np.concatenate(list(index.values())))
    first = next(iter(spaces.values()))
    whole = next((s for n, s in spaces.items() if index[n].size == union.size), None)
    space = whole if whole is not None else MaskedSpace("union of " + ", ".join(spaces), first.root, union)
    return GroupSpace(space, {name: np.searchsorted(union, at) for name, at in index.items()})
