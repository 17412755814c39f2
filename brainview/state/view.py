"""What the viewer shows: one observable record that widgets write to and listen to. No Qt, no drawing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from psygnal import SignalGroupDescriptor

from brainview.core.errors import FormatError
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule, Pick, rule_for
from brainview.maps.layers import Layer
from brainview.maps.morph import PLAIN, is_surface
from brainview.state.layers import Laid

Hemispheres = Literal["both", "left", "right"]
Layout = Literal["single", "split", "grid"]
View = Literal["lateral", "medial", "dorsal", "ventral", "anterior", "posterior"]
Background = Literal["dark", "light", "white", "black"]
Volume = Literal["slices", "surface"]
Slices = Literal["ortho", "axial", "coronal", "sagittal"]

_CHOICES: dict[str, tuple[str, ...]] = {
    "hemispheres": get_args(Hemispheres), "layout": get_args(Layout),
    "view": get_args(View), "background": get_args(Background), "volume": get_args(Volume), "slices": get_args(Slices)}
_TYPES: dict[str, tuple[type, ...]] = {
    "map": (BrainMap, type(None)), "rule": (ColorRule,), "picked": (Pick, type(None)), "show_names": (bool,),
    "lock_limits": (bool,), "radiological": (bool,), "beside": (bool,), "laid": (Laid,)}


@dataclass(eq=False)
class ViewState:
    """The state of one viewer; setting a field to an equal value tells nobody.

    Every field has a psygnal signal of its name in :attr:`events` (``view.events.rule.connect(...)``). A wrong value is
    refused with FormatError and changes nothing.

    Parameters
    ----------
    map : BrainMap or None
        What is drawn.
    rule : ColorRule
        Its colours.
    surface : str
        Name of a surface, or a place between two (``white-inflated-40``, see :mod:`brainview.maps.morph`).
    hemispheres, layout, view, background : str
        See the types of this module.
    outlines : tuple of str
        Names of the ROI classes whose borders are drawn.
    show_names : bool
        Whether the ROIs are named.
    picked : Pick or None
        The marked place.
    lock_limits : bool
        Keep the limits when another map of the same kind and units is shown (a moved slider must not rescale the bar).
    volume : str
        ``slices`` or ``surface``: how volume maps are drawn.
    slices : str
        ``ortho``: three planes through the cross hair; or a mosaic of one orientation.
    radiological : bool
        Show the left side of the body on the right (display only, never data).
    beside : bool
        Show slices beside the cortex, linked with its cursor.
    layers : tuple of Layer
        Other maps below and above the one on screen, the lowest first; see :mod:`brainview.state.layers`.
    laid : Laid
        How the map on screen lies among them.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    map: BrainMap | None = None
    rule: ColorRule = field(default_factory=ColorRule)
    surface: str = "inflated"
    hemispheres: Hemispheres = "both"
    layout: Layout = "grid"
    view: View = "lateral"
    outlines: tuple[str, ...] = ()
    show_names: bool = False
    picked: Pick | None = None
    background: Background = "dark"
    lock_limits: bool = False
    volume: Volume = "slices"
    slices: Slices = "ortho"
    radiological: bool = False
    beside: bool = False
    layers: tuple[Layer, ...] = ()
    laid: Laid = field(default_factory=Laid)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, _checked(name, value))

    @property
    def sides(self) -> tuple[str, ...]:
        """The hemispheres shown, left first."""
        return ("left", "right") if self.hemispheres == "both" else (self.hemispheres,)

    def show(self, brain_map: BrainMap | None) -> None:
        """Show a map with the colours it asks for; locked limits (and the threshold) stay for maps of its like."""
        old = self.map
        alike = (old is not None and brain_map is not None
                 and (old.kind, old.units) == (brain_map.kind, brain_map.units))
        if brain_map is not None and not (self.lock_limits and alike):
            fresh = rule_for(brain_map)
            if alike:  # the user's way of showing it stays, the numbers are new
                fresh = fresh.having(below=self.rule.below, threshold_unit=self.rule.threshold_unit,
                                     threshold=self.rule.threshold if self.rule.threshold_unit == "percentile" else 0.0)
            self.rule = fresh
        self.map = brain_map

    def look(self, view: View) -> None:
        """Go to a standard view of every hemisphere in one step (leaves the grid, whose views are fixed)."""
        if self.layout == "grid":
            self.layout = "split"
        self.view = view

    def next_surface(self) -> None:
        """Go to the next of inflated, pial, white, flat."""
        order = ("inflated", "pial", "white", "flat")
        self.surface = order[(order.index(self.surface) + 1) % 4] if self.surface in order else "inflated"

    def next_layout(self) -> None:
        """Go to the next of single, split, grid."""
        order: tuple[Layout, ...] = get_args(Layout)
        self.layout = order[(order.index(self.layout) + 1) % len(order)]

    def toggle_hemisphere(self, side: Literal["left", "right"]) -> None:
        """Show or hide a hemisphere; the last one shown stays."""
        other: Hemispheres = "right" if side == "left" else "left"
        self.hemispheres = other if self.hemispheres == "both" else "both" if self.hemispheres == other else side

    def settings(self) -> dict[str, Any]:
        """Return everything but the maps and the picked place as plain JSON types (project files, undo)."""
        out: dict[str, Any] = {name: getattr(self, name) for name in _SETTINGS}
        out["rule"] = self.rule.to_dict()
        out["outlines"] = list(self.outlines)
        return out

    def apply(self, settings: dict[str, Any]) -> None:
        """Set the fields of :meth:`settings`; all are checked before the first is changed."""
        values = dict(settings)
        unknown = set(values) - {*_SETTINGS, "rule", "outlines"}
        if unknown:
            raise FormatError(f"a view has no setting {sorted(unknown)[0]!r}")
        if "rule" in values and not isinstance(values["rule"], ColorRule):
            values["rule"] = ColorRule.from_dict(values["rule"])
        checked = {name: _checked(name, value) for name, value in values.items()}
        for name, value in checked.items():
            setattr(self, name, value)


_SETTINGS = ("surface", "hemispheres", "layout", "view", "show_names", "background", "lock_limits", "volume", "slices",
             "radiological", "beside")


def _checked(name: str, value: Any) -> Any:
    if name in _CHOICES and value not in _CHOICES[name]:
        raise FormatError(f"{name} must be one of {', '.join(_CHOICES[name])}, got {value!r}")
    if name == "surface" and not is_surface(value):
        raise FormatError(f"surface must be one of {', '.join(PLAIN)} or lie between two such as white-inflated-40, "
                          f"got {value!r}")
    if name in _TYPES and not isinstance(value, _TYPES[name]):
        raise FormatError(f"{name} cannot be a {type(value).__name__}")
    if name == "layers":
        if not isinstance(value, (tuple, list)) or not all(isinstance(v, Layer) for v in value):
            raise FormatError("layers are a list of maps with their colours")
        return tuple(value)
    if name == "outlines":
        if isinstance(value, str) or not all(isinstance(v, str) for v in value):
            raise FormatError(f"outlines are names of ROI classes, got {value!r}")
        return tuple(value)
    return value
