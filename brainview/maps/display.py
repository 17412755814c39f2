"""How a map is to be coloured, and which place was pointed at: two plain records that state and scene share."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

import numpy as np

from brainview.core.errors import BrainViewError, FormatError
from brainview.maps.brainmap import BrainMap

Unit = Literal["value", "percentile"]
Below = Literal["hidden", "faded"]

#: The colour map of every kind of map, safe for the common colour-vision deficiencies.
DEFAULT_COLORMAPS = {"sequential": "ember", "diverging": "RdBu", "cyclic": "twilight", "label": "labels"}
#: Share of the values inside the automatic limits.
AUTO_PERCENTILE = 99.0


@dataclass(frozen=True)
class ColorRule:
    """Everything that decides the colour of a value; equal rules give equal pictures.

    Parameters
    ----------
    colormap : str
        Name of a table of :mod:`brainview.scene.colormaps`, or ``labels``.
    limits : (float, float)
        Values of the first and the last colour, in the map's units; low < high.
    threshold : float
        >= 0. A value v is shown in full when ``|v| >= threshold`` (two-sided) or ``v >= threshold``; 0 hides nothing.
        With the unit ``percentile`` it is 0..100 of the finite |values| (two-sided) or values, both hemispheres
        together.
    threshold_unit : str
        ``value`` or ``percentile``.
    below : str
        ``hidden`` shows the plain anatomy below the threshold, ``faded`` lets the value fade into it.
    two_sided : bool
        Whether the sign counts in the threshold.
    reverse : bool
        Turn the colour table round.
    labels : tuple of (id, name, (red, green, blue))
        Table of a label map, colours 0..255; empty for all others.
    """

    colormap: str = "ember"
    limits: tuple[float, float] = (0.0, 1.0)
    threshold: float = 0.0
    threshold_unit: Unit = "value"
    below: Below = "hidden"
    two_sided: bool = False
    reverse: bool = False
    labels: tuple[tuple[int, str, tuple[int, int, int]], ...] = ()

    def __post_init__(self) -> None:
        low, high = (float(x) for x in self.limits)
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise FormatError(f"colour limits must be two rising numbers, got {self.limits!r}")
        if not (np.isfinite(self.threshold) and self.threshold >= 0):
            raise FormatError(f"a threshold must be >= 0, got {self.threshold!r}")
        if self.threshold_unit == "percentile" and self.threshold > 100:
            raise FormatError(f"a percentile must be at most 100, got {self.threshold!r}")
        if self.threshold_unit not in get_args(Unit) or self.below not in get_args(Below):
            raise FormatError(f"unknown threshold unit {self.threshold_unit!r} or manner {self.below!r}")
        object.__setattr__(self, "limits", (low, high))
        object.__setattr__(self, "threshold", float(self.threshold))

    def having(self, **changes: Any) -> ColorRule:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> ColorRule:
        """Rebuild a rule from :meth:`to_dict`; unknown keys and wrong types are refused with FormatError."""
        unknown = set(value) - {f.name for f in fields(cls)}
        if unknown:
            raise FormatError(f"a colour rule has no field {sorted(unknown)[0]!r}")
        plain = dict(value)
        try:
            if "limits" in plain:
                low, high = plain["limits"]
                plain["limits"] = (float(low), float(high))
            if "labels" in plain:
                plain["labels"] = tuple((int(k), str(n), (int(c[0]), int(c[1]), int(c[2])))
                                        for k, n, c in plain["labels"])
            return cls(**plain)
        except (TypeError, ValueError, IndexError) as err:
            raise FormatError(f"is not a colour rule: {err}") from err


@dataclass(frozen=True)
class Pick:
    """A place that was pointed at.

    Parameters
    ----------
    hemisphere : str
        ``left``, ``right``, or ``volume``.
    vertex : int
        0-based vertex of that hemisphere, -1 in a volume.
    index : int or None
        Position in the space of the drawn map; None where the map has no location (outside its mask).
    ras : (float, float, float)
        World coordinates in mm, RAS+: of the white (else mid-thickness) surface's vertex also when the inflated or
        flat surface is on screen, or of the voxel's centre.
    space : str
        What `ras` means, for example ``MNI305 (fsaverage)``.
    value : float
        Value of the map there, NaN = no data.
    voxel : (int, int, int), optional
        0-based i, j, k in a volume.
    root_index : int
        Position in the space without its mask (left hemisphere first; volumes in C order).
    """

    hemisphere: Literal["left", "right", "volume"]
    vertex: int
    index: int | None
    ras: tuple[float, float, float]
    space: str
    value: float = float("nan")
    voxel: tuple[int, int, int] | None = None
    root_index: int = -1

    def __str__(self) -> str:
        x, y, z = self.ras
        side = {"left": "Left", "right": "Right", "volume": "Voxel"}[self.hemisphere]
        place = "{} {} {}".format(*self.voxel) if self.voxel is not None else f"vertex {self.vertex:,}"
        number = f"{self.value:.3g}" if np.isfinite(self.value) else "no data"
        return f"{side} {place} · {x:.1f} {y:.1f} {z:.1f} mm {self.space} · {number}"


def rule_for(brain_map: BrainMap) -> ColorRule:
    """Return the colours that a map asks for, or good ones for its kind.

    Sequential maps run from 0 (R² may be negative: those stay below the bar) to the 99th percentile, diverging maps
    symmetrically about 0, cyclic ones over their limits, label maps have their table. NaN is ignored; a map without
    any finite value gets 0..1.
    """
    values = brain_map.values
    table = brain_map.colormap or DEFAULT_COLORMAPS[brain_map.kind]
    if brain_map.kind == "label":
        labels = label_colors(brain_map)
        top = max((k for k, _, _ in labels), default=1)
        return ColorRule(colormap="labels", limits=(0.0, float(max(1, top))), labels=labels)
    limits = brain_map.limits if brain_map.limits is not None else auto_limits(values, brain_map.kind)
    if not limits[0] < limits[1]:
        limits = (float(limits[0]), float(limits[0]) + 1.0)
    return ColorRule(colormap=table, limits=(float(limits[0]), float(limits[1])),
                     two_sided=brain_map.kind == "diverging")


def auto_limits(values: np.ndarray, kind: str) -> tuple[float, float]:
    """Return limits for (n,) values of a kind: robust against outliers, rounded up to two digits.

    All-NaN and constant-zero values give (0, 1) or (-1, 1).
    """
    good = values[np.isfinite(values)]
    if kind == "diverging":
        high = _rounded(float(np.percentile(np.abs(good), AUTO_PERCENTILE)) if good.size else 1.0)
        return (-high, high)
    if kind == "cyclic":
        return (float(good.min()), float(good.max())) if good.size and good.min() < good.max() else (0.0, 1.0)
    high = float(np.percentile(good, AUTO_PERCENTILE)) if good.size else 1.0
    if high <= 0 and good.size and good.min() < 0:  # all negative: show what there is
        return (-_rounded(-float(good.min())), 0.0)
    return (0.0, _rounded(high))


def _rounded(high: float) -> float:
    if not high > 0:
        return 1.0
    step = 10.0 ** (np.floor(np.log10(high)) - 1)
    return float(f"{np.ceil(high / step - 1e-9) * step:.6g}")


def threshold_value(rule: ColorRule, values: np.ndarray) -> float:
    """Return the threshold of `rule` in the units of the (n,) values; a percentile of no values is 0."""
    if rule.threshold_unit == "value":
        return rule.threshold
    if rule.threshold == 0:
        return 0.0
    good = values[np.isfinite(values)]
    if not good.size:
        return 0.0
    return max(0.0, float(np.percentile(np.abs(good) if rule.two_sided else good, rule.threshold)))


def threshold_percentile(rule: ColorRule, values: np.ndarray) -> float:
    """Return the share (0..100) of finite values below the threshold: what the other unit would say."""
    good = values[np.isfinite(values)]
    if not good.size:
        return 0.0
    return float(100.0 * np.mean((np.abs(good) if rule.two_sided else good) < threshold_value(rule, values)))


def label_colors(brain_map: BrainMap) -> tuple[tuple[int, str, tuple[int, int, int]], ...]:
    """Return (id, name, RGB) of every label > 0 of a label map: the atlas' own colours, else a qualitative set."""
    table = brain_map.labels
    if table is None:
        good = brain_map.values[np.isfinite(brain_map.values)]
        ids = [int(k) for k in np.unique(np.round(good)) if k > 0]
        if len(ids) > 4096:
            raise BrainViewError(f"has {len(ids):,} different values, too many for labels", where=brain_map.name,
                                 remedy="Open it as a map of numbers.")
        named: list[tuple[int, str, tuple[float, float, float, float] | None]] = [(k, str(k), None) for k in ids]
    else:
        named = [(int(k), label.name, label.rgba) for k, label in sorted(table.items()) if int(k) > 0]
    out = []
    for position, (key, name, rgba) in enumerate(named):
        rgb = qualitative(position) if rgba is None else tuple(round(255 * min(1.0, max(0.0, c))) for c in rgba[:3])
        out.append((key, name, (rgb[0], rgb[1], rgb[2])))
    return tuple(out)


#: Okabe & Ito's set without black (Color Universal Design, 2008), then lighter and darker ones in between.
_QUALITATIVE = [(230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
                (204, 121, 167)]


def qualitative(position: int) -> tuple[int, int, int]:
    """Return the RGB of the n-th label without a colour of its own; each round of seven is another lightness."""
    red, green, blue = _QUALITATIVE[position % len(_QUALITATIVE)]
    turn = (position // len(_QUALITATIVE)) % 4
    mix, target = [(0.0, 255), (0.45, 255), (0.4, 0), (0.65, 255)][turn]
    return tuple(round(c * (1 - mix) + target * mix) for c in (red, green, blue))  # type: ignore[return-value]
