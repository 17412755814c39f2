"""The one thing that the viewer draws and every exporter writes: values on a space, with their story."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from brainview.core.errors import MismatchError
from brainview.maps.space import MaskedSpace, Space

Kind = Literal["sequential", "diverging", "label", "cyclic"]


@dataclass(frozen=True)
class Label:
    """One entry of a label table: name and RGBA colour (0..1), None = chosen by the viewer."""

    name: str
    rgba: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class BrainMap:
    """Values on a space; immutable.

    Parameters
    ----------
    values : (space.size,) float32 array
        NaN = no data (drawn as plain anatomy, ignored by statistics). Labels are whole numbers, 0 = none.
    space : Space
        Where the values are.
    name : str
        What is shown, for example ``R² / noise ceiling``.
    units : str
        Unit or, for a dimensionless number, its name.
    kind : str
        ``sequential`` (from 0), ``diverging`` (about 0), ``label``, ``cyclic``.
    limits : (float, float), optional
        Suggested range of the colour bar, in units.
    colormap : str, optional
        Suggested colour map; None = the default of the kind.
    labels : dict of int to Label, optional
        Table of a label map.
    definition : str
        One sentence that says what the number is; shown on hover.
    provenance : dict
        Plain JSON types: dataset, subject, phantom (bool), model card, parameters, software versions.
    """

    values: np.ndarray
    space: Space
    name: str = "map"
    units: str = ""
    kind: Kind = "sequential"
    limits: tuple[float, float] | None = None
    colormap: str | None = None
    labels: dict[int, Label] | None = None
    definition: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float32)  # a private copy, so that nobody changes it later
        if values.ndim != 1:
            raise MismatchError(f"a map is one vector, these values have shape {values.shape}", where=self.name)
        self.space.check(values, where=self.name)
        values[~np.isfinite(values)] = np.nan
        values.setflags(write=False)
        object.__setattr__(self, "values", values)

    @property
    def is_phantom(self) -> bool:
        """True when the values come from simulated brains; every view and file says so."""
        return bool(self.provenance.get("phantom", False))

    def having(self, **changes: Any) -> BrainMap:
        """Return a copy with some fields changed (``having(name="...")``)."""
        return replace(self, **changes)

    def at(self, index: int) -> float:
        """Return the value at one location, NaN when there is none."""
        return float(self.values[index])

    def minus(self, other: BrainMap, name: str | None = None) -> BrainMap:
        """Return the difference map self - other (NaN where either has no data)."""
        self._same_space(other)
        return self._derived(self.values - other.values, name or f"{self.name} − {other.name}", "difference",
                             [self, other], kind="diverging", limits=None, colormap=None)

    def only(self, keep: np.ndarray, name: str | None = None) -> BrainMap:
        """Return the map with NaN wherever `keep` (space.size,) bool is False."""
        self.space.check(np.asarray(keep), where=self.name)
        return self._derived(np.where(keep, self.values, np.nan), name or self.name, "mask", [self])

    def expanded(self) -> BrainMap:
        """Return the map on the root space, NaN outside the mask."""
        values, space = self.values, self.space
        while isinstance(space, MaskedSpace):
            values, space = space.expand(values), space.parent
        return replace(self, values=values, space=space)

    @staticmethod
    def mean(maps: list[BrainMap], name: str | None = None, *, median: bool = False) -> BrainMap:
        """Return the NaN-ignoring mean (or median) of maps on one space."""
        if not maps:
            raise MismatchError("the mean of no maps was asked for")
        for other in maps[1:]:
            maps[0]._same_space(other)
        stack = np.stack([m.values for m in maps])
        good = np.isfinite(stack).any(0)
        values = np.full(stack.shape[1], np.nan, np.float32)
        values[good] = (np.nanmedian if median else np.nanmean)(stack[:, good], axis=0)
        word = "median" if median else "mean"
        return maps[0]._derived(values, name or f"{word} of {len(maps)} maps", word, maps)

    def _derived(self, values: np.ndarray, name: str, how: str, parents: list[BrainMap], **changes: Any) -> BrainMap:
        story = {"derived": how, "parents": [{"name": m.name, **m.provenance} for m in parents],
                 "phantom": any(m.is_phantom for m in parents)}
        return replace(self, values=values, name=name, provenance=story, **changes)

    def _same_space(self, other: BrainMap) -> None:
        if self.space != other.space:
            raise MismatchError(f"{self.name!r} is on {self.space.name}, {other.name!r} on {other.space.name}",
                                remedy="Convert one of them first.")
