"""Values to colours: :func:`colorize` for one map, :func:`compose` for maps over each other.

They serve the screen, the exported picture, the web page and the colour bar alike; nothing else decides a colour.

The rules (they hold for every renderer):

- NaN is no data: the plain anatomy, never a colour of the map; ``|v| >= threshold`` is shown; 0 hides nothing.
- Colours are blended over the anatomy here, in numpy, and drawn opaque. Translucent actors would need depth peeling,
  which software OpenGL does slowly and together with multisampling wrongly.
- What a second map hides or fades, and the opacity of a layer, are one weight per value: colour over what lies below.
- A one-sided bar that starts at 0 or above does not clamp at its lower end: what lies below it is anatomy (a negative
  R² explains nothing). Its upper end, and both ends of a bar about 0, clamp.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brainview.maps.brainmap import BrainMap
from brainview.maps.display import (
    ColorRule,
    Pick,
    auto_limits,
    rule_for,
    threshold_percentile,
    threshold_value,
)
from brainview.maps.layers import Gate, Layer
from brainview.scene.colormaps import lut

__all__ = ["Bar", "ColorRule", "Paint", "Pick", "anatomy", "auto_limits", "bar", "bar_of", "colorize", "colorize_map",
           "compose", "rule_for", "threshold_percentile", "threshold_value"]

#: Grey of gyri and sulci: close to each other, so that the map is read and not the folds.
GYRUS, SULCUS = 190, 142
#: Opacity that a faded value reaches just below the threshold.
FADE = 0.62


def anatomy(curvature: np.ndarray | None, size: int = 0, *, width: float = 0.05) -> np.ndarray:
    """Return (n,) uint8 grey of the folds: gyri light, sulci dark, low contrast.

    Parameters
    ----------
    curvature : (n,) float array or None
        FreeSurfer's sulc or curv (positive in sulci), mm or 1/mm; None or NaN gives one middle grey.
    size : int
        n, when `curvature` is None.
    width : float
        Half width of the soft step between the two greys (avoids saw teeth between vertices).
    """
    middle = (GYRUS + SULCUS) // 2
    if curvature is None:
        return np.full(size, middle, np.uint8)
    share = 0.5 + 0.5 * np.tanh(np.asarray(curvature, np.float32) / width)
    grey = GYRUS + (SULCUS - GYRUS) * share
    return np.where(np.isfinite(grey), np.round(grey), middle).astype(np.uint8)


def colorize(values: np.ndarray, rule: ColorRule, underlay: np.ndarray, *, threshold: float | None = None,
             out: np.ndarray | None = None) -> np.ndarray:
    """Return the colour of every value, blended over the underlay.

    Parameters
    ----------
    values : (n,) float array
        In the map's units; NaN = no data.
    rule : ColorRule
        Colour table, limits, threshold.
    underlay : (n,) or (n, 3) uint8 array
        Anatomy, grey or RGB.
    threshold : float, optional
        The threshold in the map's units, when `values` are only a part of the map (a percentile is of the whole map).
    out : (n, 3) uint8 array, optional
        Written in place.

    Returns
    -------
    (n, 3) uint8 array, RGB.
    """
    values = np.asarray(values)
    if out is None:
        out = np.empty((values.size, 3), np.uint8)
    if rule.labels or rule.colormap == "labels":
        out[:] = underlay[:, None] if underlay.ndim == 1 else underlay
        return _label_colors(values, rule, out)
    low, high = rule.limits
    cut = threshold_value(rule, values) if threshold is None else threshold
    packed = _packed(underlay)
    with np.errstate(invalid="ignore", over="ignore"):
        drawn = values >= low if low >= 0 and not rule.two_sided else np.isfinite(values)
        strength = np.abs(values) if rule.two_sided else values
        full = drawn & (strength >= cut) if cut > 0 else drawn
        position = (values - np.float32(low)) * np.float32(256.0 / (high - low))
        np.nan_to_num(position, copy=False, nan=0.0)
        index = np.clip(position, 0, 255).astype(np.uint8)
    table = lut(rule.colormap, rule.reverse)
    packed = np.where(full, _packed(table)[index], packed)
    out[:] = packed.view(np.uint8).reshape(-1, 4)[:, :3]
    if rule.below == "faded" and cut > 0:
        part = np.flatnonzero(drawn & ~full & (strength > 0))
        weight = (FADE * (strength[part] / cut) ** 2).astype(np.float32)[:, None]
        under = (underlay[part, None] if underlay.ndim == 1 else underlay[part]).astype(np.float32)
        out[part] = np.round(under + weight * (table[index[part]] - under)).astype(np.uint8)
    return out


def _packed(rgb: np.ndarray) -> np.ndarray:
    """Return (n,) or (n, 3) uint8 as (n,) uint32: one move per colour instead of three."""
    four = np.empty((len(rgb), 4), np.uint8)
    four[:, :3] = rgb[:, None] if rgb.ndim == 1 else rgb
    four[:, 3] = 255
    return four.view(np.uint32).reshape(-1)


def _label_colors(values: np.ndarray, rule: ColorRule, out: np.ndarray) -> np.ndarray:
    if not rule.labels:
        return out
    ids = np.array([k for k, _, _ in rule.labels])
    order = np.argsort(ids)
    colors = np.array([c for _, _, c in rule.labels], np.uint8)[order]
    ids = ids[order]
    asked = np.where(np.isfinite(values), np.round(values), 0).astype(np.int64)
    place = np.minimum(np.searchsorted(ids, asked), ids.size - 1)
    known = (ids[place] == asked) & (asked > 0)
    out[known] = colors[place[known]]
    return out


@dataclass(frozen=True, eq=False)
class Paint:
    """A layer with its values where they are drawn.

    Parameters
    ----------
    layer : Layer
    values, second : (n,) float arrays
        Of the layer's map and of its second map (None without one) at the drawn places.
    threshold : float
        Of the rule, in the map's units, over the whole map.
    """

    layer: Layer
    values: np.ndarray
    second: np.ndarray | None = None
    threshold: float = 0.0

    def at(self, part: slice) -> Paint:
        """Return the paint of some of the places."""
        return Paint(self.layer, self.values[part], None if self.second is None else self.second[part],
                     self.threshold)


def paint_of(layer: Layer, values: np.ndarray, second: np.ndarray | None = None) -> Paint:
    """Return a layer with its values; the threshold is that of the whole map."""
    rule = layer.rule
    return Paint(layer, values, second, 0.0 if rule.labels else threshold_value(rule, layer.map.values))


def compose(paints: Sequence[Paint], underlay: np.ndarray, *, out: np.ndarray | None = None) -> np.ndarray:
    """Return the colour of every place: the layers over each other, the first lowest, over the underlay.

    Parameters
    ----------
    paints : sequence of Paint
        Those of hidden layers are skipped.
    underlay : (n,) or (n, 3) uint8 array
        Anatomy, grey or RGB.
    out : (n, 3) uint8 array, optional
        Written in place.

    Returns
    -------
    (n, 3) uint8 array, RGB.
    """
    if out is None:
        out = np.empty((len(underlay), 3), np.uint8)
    under = underlay
    for paint in paints:
        if not paint.layer.visible:
            continue
        colorize(paint.values, paint.layer.rule, under, threshold=paint.threshold, out=out)
        weight = weight_of(paint)
        if weight is not None:
            below = (under[:, None] if under.ndim == 1 else under).astype(np.float32)
            out[:] = np.round(below + weight * (out - below)).astype(np.uint8)
        under = out.copy()
    if under is underlay:
        out[:] = underlay[:, None] if underlay.ndim == 1 else underlay
    return out


def weight_of(paint: Paint) -> np.ndarray | np.float32 | None:
    """Return how much of a layer's colour is seen, (n, 1) or one number, None for all of it."""
    layer = paint.layer
    if layer.gate is None or paint.second is None:
        return None if layer.opacity == 1.0 else np.float32(layer.opacity)
    share = gate_share(layer.gate, paint.second, faded=layer.rule.below == "faded")
    return (share * np.float32(layer.opacity))[:, None]


def gate_share(gate: Gate, second: np.ndarray, *, faded: bool = False) -> np.ndarray:
    """Return (n,) float32 of 0..1: how much a second map lets through."""
    strength = np.abs(second) if gate.two_sided else np.asarray(second)
    with np.errstate(invalid="ignore"):
        share = np.isfinite(strength).astype(np.float32)
        if gate.fades:
            low, high = gate.limits
            share *= np.clip((np.nan_to_num(strength, nan=low) - low) / (high - low), 0, 1).astype(np.float32)
        if gate.threshold > 0:
            below = np.flatnonzero(~(strength >= gate.threshold))
            part = np.clip(np.nan_to_num(strength[below], nan=0.0), 0, None) / gate.threshold
            share[below] *= (FADE * part**2).astype(np.float32) if faded else np.float32(0)
    return share


def colorize_map(brain_map: BrainMap, rule: ColorRule, underlay: np.ndarray) -> np.ndarray:
    """Return (space.size, 3) uint8 colours of a map; the threshold is that of the whole map."""
    return colorize(brain_map.values, rule, underlay)


@dataclass(frozen=True)
class Bar:
    """A colour bar, ready to be drawn by Qt or into a picture.

    Parameters
    ----------
    colors : (256, 3) uint8 array
        From the low to the high end, exactly as a value there is drawn over middle-grey anatomy.
    ticks : tuple of (position 0..1, text)
    marks : tuple of float
        Positions (0..1) of the threshold, inside the bar.
    labels : tuple of (name, (r, g, b))
        Entries of a label map; then the other fields are empty.
    title : str
        Name and units.
    note : str
        What the threshold is, in words; empty without one.
    shades : (rows, 256, 3) uint8 array, optional
        The bar from full opacity (top) to none, where a second map decides it.
    """

    colors: np.ndarray
    ticks: tuple[tuple[float, str], ...]
    marks: tuple[float, ...]
    labels: tuple[tuple[str, tuple[int, int, int]], ...]
    title: str
    note: str
    shades: np.ndarray | None = None

    @property
    def picture(self) -> np.ndarray:
        """The bar as (rows, 256, 3) uint8."""
        return self.colors[None] if self.shades is None else self.shades


def bar_of(layer: Layer, *, ticks: int = 5) -> Bar:
    """Return the colour bar of a layer: as :func:`bar`, seen through its opacity, with its second map in words."""
    from dataclasses import replace

    found = bar(layer.rule, layer.map, ticks=ticks)
    notes = [found.note, gate_note(layer), "" if layer.opacity == 1.0 else f"{100 * layer.opacity:.0f} % opaque"]
    note = " · ".join(n for n in notes if n)
    if layer.rule.labels:
        return replace(found, note=note)
    grey = np.float32((GYRUS + SULCUS) // 2)
    share = np.linspace(1, 0, 8, dtype=np.float32) if layer.gate is not None and layer.gate.fades else np.ones(1)
    rows = np.round(grey + (layer.opacity * share)[:, None, None] * (found.colors.astype(np.float32) - grey))
    rows = rows.astype(np.uint8)
    return replace(found, note=note, colors=rows[0], shades=rows if len(rows) > 1 else None)


def gate_note(layer: Layer) -> str:
    """Return what a second map does, in words; empty without one."""
    gate, second = layer.gate, layer.second
    if gate is None or second is None:
        return ""
    name = f"|{second.name}|" if gate.two_sided else second.name
    words = [f"where {name} ≥ {number(gate.threshold)}"] if gate.threshold > 0 else []
    if gate.fades:
        words.append(f"opacity by {name}, {number(gate.limits[0])} to {number(gate.limits[1])}")
    return ", ".join(words) or f"where {second.name} has data"


def bar(rule: ColorRule, brain_map: BrainMap | None = None, *, ticks: int = 5) -> Bar:
    """Return the colour bar of a rule; the map gives the name, the units and the meaning of a percentile."""
    values = brain_map.values if brain_map is not None else np.zeros(0, np.float32)
    title = bar_title(brain_map)
    if rule.labels:
        return Bar(np.zeros((0, 3), np.uint8), (), (), tuple((n, c) for _, n, c in rule.labels), title, "")
    low, high = rule.limits
    cut = threshold_value(rule, values)
    along = np.linspace(low, high, 256, dtype=np.float64)
    middle = np.full(256, (GYRUS + SULCUS) // 2, np.uint8)
    colors = colorize(along, rule, middle, threshold=cut)
    marks = tuple((t - low) / (high - low) for t in ((-cut, cut) if rule.two_sided else (cut,))
                  if cut > 0 and low <= t <= high)
    counted = brain_map is not None and brain_map.units.startswith("subjects")  # there is no half subject
    ticks = min(ticks, max(1, round(high - low))) if counted else ticks
    return Bar(colors, tuple(nice_ticks(low, high, ticks)), marks, (), title, threshold_note(rule, values, cut))


def bar_title(brain_map: BrainMap | None) -> str:
    """Return ``name (units)``; a map without units has only its name."""
    if brain_map is None:
        return ""
    return f"{brain_map.name} ({brain_map.units})" if brain_map.units else brain_map.name


def threshold_note(rule: ColorRule, values: np.ndarray, cut: float) -> str:
    """Return the threshold in words with its equivalent in the other unit, empty for none."""
    if cut <= 0:
        return ""
    sign = "|x|" if rule.two_sided else "x"
    below = ", below faded" if rule.below == "faded" else ""
    share = threshold_percentile(rule, values)
    same = f" = {share:.3g}th percentile" if values.size else ""
    return f"{sign} ≥ {number(cut)}{same}{below}"


def number(value: float) -> str:
    """Return a number with three significant digits and a true minus sign."""
    if not math.isfinite(value):
        return "no data"
    text = f"{value:.3g}"
    if "e" in text:
        mantissa, power = text.split("e")
        text = f"{mantissa}·10^{int(power)}"
    return text.replace("-", "−")


def nice_ticks(low: float, high: float, count: int = 5) -> list[tuple[float, str]]:
    """Return up to about `count` round ticks as (position 0..1, text), all with the same number of decimals."""
    span = high - low
    raw = span / max(1, count)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    places = [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if abs(step * 10**decimals - round(step * 10**decimals)) > 1e-6:
        decimals += 1
    if max(abs(low), abs(high)) >= 1e5 or decimals > 5:
        return [((p - low) / span, number(p)) for p in places]
    return [((p - low) / span, f"{p + 0.0:.{decimals}f}".replace("-", "−")) for p in places]
