"""Views with names: surface, layout, slices and cameras, to come back to. No Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from psygnal import SignalGroupDescriptor

from brainview.core.errors import FormatError, LimitError, MissingError
from brainview.core.names import shown

#: Fields of a ViewState that a saved view keeps.
FIELDS = ("surface", "hemispheres", "layout", "view", "volume", "slices", "radiological", "beside")
#: The most views of a project, and how many of them have a key.
MOST, KEYED = 40, 9


@dataclass(frozen=True, eq=False)
class SavedView:
    """One view.

    Parameters
    ----------
    name : str
    settings : dict
        Fields of the ViewState, see `FIELDS`.
    cameras : tuple of dict
        One per panel: ``towards``, ``up``, ``zoom``, ``pan``.
    place : dict
        The marked place: ``hemisphere`` and ``vertex``, or ``ras`` (mm) of a volume; empty without one.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    cameras: tuple[Mapping[str, Any], ...] = ()
    place: Mapping[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class SavedViews:
    """The saved views of a session, observable."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    views: tuple[SavedView, ...] = ()

    def add(self, view: SavedView) -> None:
        """Take a view in; one of the same name is replaced where it stands."""
        if not view.name.strip():
            raise MissingError("a saved view needs a name", remedy="Type one.")
        names = [v.name for v in self.views]
        if view.name in names:
            self.views = tuple(view if v.name == view.name else v for v in self.views)
        elif len(self.views) >= MOST:
            raise LimitError(f"a project keeps at most {MOST} views", remedy="Remove one first.")
        else:
            self.views = (*self.views, view)

    def rename(self, old: str, new: str) -> None:
        """Give a view another name."""
        if not new.strip() or (new != old and any(v.name == new for v in self.views)):
            raise MissingError(f"{shown(new)!r} is no free name", remedy="Choose another one.")
        self.views = tuple(replace(v, name=new) if v.name == old else v for v in self.views)

    def remove(self, name: str) -> None:
        """Drop a view."""
        self.views = tuple(v for v in self.views if v.name != name)

    def fresh_name(self) -> str:
        """Return a name that no view has."""
        names = {v.name for v in self.views}
        return next(f"View {k}" for k in range(1, MOST + 2) if f"View {k}" not in names)

    def settings(self) -> dict[str, Any]:
        """Return the views as plain JSON types."""
        return {"views": [{"name": v.name, "settings": dict(v.settings), "cameras": [dict(c) for c in v.cameras],
                           "place": dict(v.place)} for v in self.views]}

    def apply(self, stored: Mapping[str, Any]) -> None:
        """Bring the views of a project back; FormatError for what are none."""
        entries = stored.get("views", ())
        if not isinstance(entries, Sequence) or isinstance(entries, str):
            raise FormatError("has saved views that are no list")
        self.views = tuple(_read(entry) for entry in entries[:MOST])


def _read(entry: Any) -> SavedView:
    try:
        settings = {k: v for k, v in dict(entry["settings"]).items() if k in FIELDS}
        cameras = tuple({"towards": [float(x) for x in c["towards"]], "up": [float(x) for x in c["up"]],
                         "zoom": float(c["zoom"]), "pan": [float(x) for x in c["pan"]]}
                        for c in entry.get("cameras", ()))
        return SavedView(str(entry["name"]), settings, cameras, dict(entry.get("place") or {}))
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise FormatError(f"has a saved view that is none: {err}") from err
