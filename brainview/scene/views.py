"""Cameras and layouts: which hemisphere is seen from where, in which part of the picture. Pure numpy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from brainview.core.errors import MissingError
from brainview.maps import morph

VIEWS = ("lateral", "medial", "dorsal", "ventral", "anterior", "posterior")
LAYOUTS = ("single", "split", "grid")
SURFACES = ("inflated", "pial", "white", "midthickness", "flat", "sphere")
#: Distance of the camera from what it looks at, mm; the projection is parallel, so it only has to be outside.
DISTANCE = 600.0
#: Room around the brain, for the letters.
MARGIN = 1.13

_FROM = {"dorsal": (0, 0, 1), "ventral": (0, 0, -1), "anterior": (0, 1, 0), "posterior": (0, -1, 0), "flat": (0, 0, 1)}
_LETTERS = ("RL", "AP", "SI")


def looking(view: str, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (from, up), unit vectors in RAS, of a standard view; `side` decides what lateral and medial mean."""
    if view in ("lateral", "medial"):
        sign = -1.0 if (side == "left") == (view == "lateral") else 1.0
        return np.array([sign, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
    if view not in _FROM:
        raise MissingError(f"no view is called {view!r}", remedy="Known: " + ", ".join(VIEWS) + ".")
    up = (0, 1, 0) if view in ("dorsal", "ventral", "flat") else (0, 0, 1)
    return np.array(_FROM[view], float), np.array(up, float)


@dataclass
class Camera:
    """A parallel camera on one panel.

    Parameters
    ----------
    towards, up : (3,) float arrays
        Unit vectors: from the brain to the eye, and up on the screen.
    zoom : float
        1 = the brain fills the panel.
    pan : (2,) float array
        Shift of the brain on the screen, right and up, in mm.
    center : (3,) float array
        What is looked at, in the coordinates of the drawn surface.
    fit : float
        Half of the height, in mm, that shows the whole brain.
    """

    towards: np.ndarray
    up: np.ndarray
    zoom: float = 1.0
    pan: np.ndarray = field(default_factory=lambda: np.zeros(2))
    center: np.ndarray = field(default_factory=lambda: np.zeros(3))
    fit: float = 100.0

    @property
    def right(self) -> np.ndarray:
        """The direction to the right of the screen."""
        return np.cross(self.up, self.towards)

    @property
    def half_height(self) -> float:
        """Half of the height that the panel shows, in mm."""
        return self.fit / self.zoom

    @property
    def focus(self) -> np.ndarray:
        """The point in the middle of the panel."""
        return self.center - self.pan[0] * self.right - self.pan[1] * self.up

    def orbit(self, across: float, upward: float) -> None:
        """Turn the brain by degrees to the right and upwards, as a hand would."""
        self.towards, self.up = (_turned(v, self.up, -across) for v in (self.towards, self.up))
        axis = self.right
        self.towards, self.up = (_turned(v, axis, upward) for v in (self.towards, self.up))
        self.towards /= np.linalg.norm(self.towards)
        self.up -= self.towards * (self.up @ self.towards)
        self.up /= np.linalg.norm(self.up)

    def ray(self, x: float, y: float, aspect: float) -> tuple[np.ndarray, np.ndarray]:
        """Return start and end (mm) of the line of sight through (x, y) in -1..1, y upwards."""
        point = self.focus + self.right * (x * self.half_height * aspect) + self.up * (y * self.half_height)
        return point + self.towards * DISTANCE, point - self.towards * DISTANCE

    def project(self, points: np.ndarray, aspect: float) -> np.ndarray:
        """Return (n, 2) positions in -1..1, y upwards, of (n, 3) points in mm."""
        away = np.asarray(points, float) - self.focus
        return np.stack([away @ self.right / (self.half_height * aspect), away @ self.up / self.half_height], axis=-1)

    def letters(self) -> dict[str, str]:
        """Return the anatomical letter at each edge: right, left, top, bottom."""
        out = {}
        for vector, ahead, behind in ((self.right, "right", "left"), (self.up, "top", "bottom")):
            axis = int(np.argmax(np.abs(vector)))
            pair = _LETTERS[axis] if vector[axis] >= 0 else _LETTERS[axis][::-1]
            out[ahead], out[behind] = pair[0], pair[1]
        return out


def _turned(vector: np.ndarray, axis: np.ndarray, degrees: float) -> np.ndarray:
    """Rotate about a unit axis (Rodrigues' formula)."""
    angle = np.deg2rad(degrees)
    return (vector * np.cos(angle) + np.cross(axis, vector) * np.sin(angle)
            + axis * (axis @ vector) * (1 - np.cos(angle)))


@dataclass(frozen=True)
class Panel:
    """A part of the picture.

    Parameters
    ----------
    rect : (x0, y0, x1, y1)
        In 0..1 of the picture, y upwards (as VTK's viewports).
    sides : tuple of str
        Hemispheres that are drawn.
    view : str
        Standard view.
    """

    rect: tuple[float, float, float, float]
    sides: tuple[str, ...]
    view: str

    @property
    def title(self) -> str:
        """What is seen, in words."""
        who = "Left" if self.sides == ("left",) else "Right" if self.sides == ("right",) else "Both"
        return f"{who} · {self.view}"

    def seen_from(self, towards: np.ndarray) -> str:
        """Return what is seen from a direction (unit vector, RAS): a brain turned by 45° or more is no longer
        "lateral"; which side it is stays true."""
        asked, _ = looking(self.view, self.sides[0])
        return self.title if float(asked @ towards) > np.cos(np.pi / 4) else self.title.partition(" · ")[0]


def panels(layout: str, view: str, sides: tuple[str, ...], surface: str = "inflated") -> list[Panel]:
    """Return the panels of a layout.

    ``single`` is one picture of both hemispheres (lateral: from the left; medial cannot be seen with both in place, so
    it is split), ``split`` one panel per hemisphere, ``grid`` the standard figure: lateral above medial, left and right
    (with one hemisphere: lateral, medial, dorsal, ventral). Flat surfaces have one view.
    """
    if layout not in LAYOUTS:
        raise MissingError(f"no layout is called {layout!r}", remedy="Known: " + ", ".join(LAYOUTS) + ".")
    looking(view, "left")
    if morph.parts(surface)[1] == "flat":  # also on the way there: what unrolls is seen from outside
        return rows([["flat" if surface == "flat" else "lateral"]], sides)
    if layout == "single" and not (len(sides) == 2 and view == "medial"):
        return [Panel((0.0, 0.0, 1.0, 1.0), sides, view)]
    if layout != "grid":
        return rows([[view]], sides)
    if len(sides) == 2:
        return rows([["lateral"], ["medial"]], sides)
    return rows([["lateral", "medial"], ["dorsal", "ventral"]], sides)


def rows(views: list[list[str]], sides: tuple[str, ...]) -> list[Panel]:
    """Return panels: one row per list of views, and in a row every view of every hemisphere."""
    out = []
    height = 1.0 / len(views)
    for i, row in enumerate(views):
        cells = [(view, side) for view in row for side in sides]
        width = 1.0 / len(cells)
        for j, (view, side) in enumerate(cells):
            rect = (j * width, 1 - (i + 1) * height, (j + 1) * width, 1 - i * height)
            out.append(Panel(rect, (side,), view))
    return out


def extents(points: np.ndarray, camera: Camera) -> tuple[float, float, np.ndarray]:
    """Return half width, half height (mm on the screen) and centre (3,) of (n, 3) points seen by a camera."""
    axes = np.stack([camera.right, camera.up, camera.towards])
    seen = axes @ points.T
    low, high = seen.min(1), seen.max(1)
    half = (high - low) / 2
    return float(half[0]), float(half[1]), ((high + low) / 2) @ axes
