"""Maps over each other, and a map that another map shows or hides: plain records that state and scene share.

A layer is a map with its colours and its opacity. A second map may decide where the first is shown (|t| >= 3) and how
opaque it is (pale where t is small): the effect as colour, the statistic as opacity (Allen, Erhardt & Calhoun 2012,
Neuron 74:603; Taylor et al. 2023, NeuroImage 274:120138).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from brainview.core.errors import FormatError
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule, auto_limits, rule_for

#: The most layers of one picture.
MOST = 8


@dataclass(frozen=True)
class Gate:
    """What the strength s of a second map does to the map itself.

    Where the second map has no data the map is not shown at all (a NaN in either is no data).

    Parameters
    ----------
    threshold : float
        >= 0, in the second map's units: shown in full where s >= threshold; 0 = wherever it has data. Below it the
        map is hidden or faded, as its own :class:`ColorRule` says.
    fades : bool
        Whether the opacity runs with s.
    limits : (float, float)
        s of no and of full opacity; low < high.
    two_sided : bool
        s = |second| (a t value), else the second map itself (a noise ceiling).
    """

    threshold: float = 0.0
    fades: bool = False
    limits: tuple[float, float] = (0.0, 1.0)
    two_sided: bool = True

    def __post_init__(self) -> None:
        try:
            low, high = (float(x) for x in self.limits)
            threshold = float(self.threshold)
        except (TypeError, ValueError) as err:
            raise FormatError(f"a second map's limits are two numbers, got {self.limits!r}") from err
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise FormatError(f"opacity limits must be two rising numbers, got {self.limits!r}")
        if not (np.isfinite(threshold) and threshold >= 0):
            raise FormatError(f"a threshold must be >= 0, got {self.threshold!r}")
        object.__setattr__(self, "limits", (low, high))
        object.__setattr__(self, "threshold", threshold)

    def having(self, **changes: Any) -> Gate:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "limits": list(self.limits)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Gate:
        """Rebuild from :meth:`to_dict`; FormatError for unknown fields and wrong values."""
        unknown = set(value) - {f.name for f in fields(cls)}
        if unknown:
            raise FormatError(f"what a second map does has no field {sorted(unknown)[0]!r}")
        plain = dict(value)
        if "limits" in plain:
            plain["limits"] = tuple(plain["limits"])
        return cls(**plain)


def gate_for(second: BrainMap, *, fades: bool = False, threshold: float = 0.0) -> Gate:
    """Return what a second map does by default: signed maps count by size, opacity runs over its automatic range."""
    signed = second.kind == "diverging"
    low, high = second.limits if second.limits is not None and not signed else auto_limits(second.values, second.kind)
    low = max(0.0, low)
    return Gate(threshold, fades, (low, high if high > low else low + 1.0), signed)


@dataclass(frozen=True, eq=False)
class Layer:
    """One map of a picture.

    Parameters
    ----------
    map : BrainMap
    rule : ColorRule
        Its colours.
    opacity : float
        0..1 over what lies below it.
    visible : bool
    gate, second : Gate and BrainMap, optional
        What another map does to this one; both or none.
    where, second_where : mapping
        How the maps are found again (``path`` and arguments of :func:`brainview.pictures.load_map`); empty for maps
        that were computed in the window only.
    """

    map: BrainMap
    rule: ColorRule
    opacity: float = 1.0
    visible: bool = True
    gate: Gate | None = None
    second: BrainMap | None = None
    where: Mapping[str, Any] = field(default_factory=dict)
    second_where: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.opacity <= 1:
            raise FormatError(f"an opacity lies between 0 and 1, got {self.opacity!r}")
        if (self.gate is None) != (self.second is None):
            raise FormatError("a second map comes with what it does, and the other way round")

    def having(self, **changes: Any) -> Layer:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    @property
    def plain(self) -> bool:
        """True when only map and colours decide: opaque, visible, no second map."""
        return self.opacity == 1.0 and self.visible and self.gate is None


def layer_of(brain_map: BrainMap, **changes: Any) -> Layer:
    """Return a map as a layer with the colours that it asks for."""
    return Layer(brain_map, changes.pop("rule", None) or rule_for(brain_map), **changes)


def describe_layer(layer: Layer, *, main: bool = False) -> dict[str, Any]:
    """Return a layer as plain JSON types; of the map of the picture itself (`main`) only what makes it a layer."""
    out: dict[str, Any] = {"main": True} if main else {"map": dict(layer.where), "rule": layer.rule.to_dict()}
    if layer.opacity != 1.0:
        out["opacity"] = layer.opacity
    if not layer.visible:
        out["visible"] = False
    if layer.gate is not None:
        out |= {"second": dict(layer.second_where), "gate": layer.gate.to_dict()}
    return out
