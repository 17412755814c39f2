"""What the keys of the viewer do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent

VIEWS = ("lateral", "medial", "dorsal", "ventral", "anterior", "posterior")


def viewer_keys(viewer: Any) -> dict[str, tuple[str, Callable[[], None]]]:
    """Return key -> (what it does, function) of a viewer."""
    view = viewer.view
    out: dict[str, tuple[str, Callable[[], None]]] = {
        "Left": ("Turn left", partial(_turn, viewer, -15, 0)), "Right": ("Turn right", partial(_turn, viewer, 15, 0)),
        "Up": ("Turn up", partial(_turn, viewer, 0, 15)), "Down": ("Turn down", partial(_turn, viewer, 0, -15)),
        "+": ("Nearer", partial(_zoom, viewer, 40)), "-": ("Farther", partial(_zoom, viewer, -40)),
        "R": ("Standard view", viewer.reset_view), "F": ("Flat", partial(setattr, view, "surface", "flat")),
        "I": ("Inflated", partial(setattr, view, "surface", "inflated")),
        "P": ("Pial", partial(setattr, view, "surface", "pial")),
        "W": ("White", partial(setattr, view, "surface", "white")),
        "G": ("Next layout", view.next_layout),
        "Shift+L": ("Left hemisphere on/off", partial(view.toggle_hemisphere, "left")),
        "Shift+R": ("Right hemisphere on/off", partial(view.toggle_hemisphere, "right"))}
    out.update({str(n): (name.capitalize(), partial(view.look, name)) for n, name in enumerate(VIEWS, 1)})
    return out


def key_name(event: QKeyEvent) -> str:
    """Return the name under which :func:`viewer_keys` lists a key press, "" with Ctrl, Alt or Meta."""
    plain = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier
    if event.modifiers() & ~plain:
        return ""
    named = {Qt.Key.Key_Left: "Left", Qt.Key.Key_Right: "Right", Qt.Key.Key_Up: "Up", Qt.Key.Key_Down: "Down"}
    key = named.get(Qt.Key(event.key()), event.text().upper())
    if event.modifiers() & Qt.KeyboardModifier.ShiftModifier and key.isalpha() and len(key) == 1:
        key = f"Shift+{key}"
    return {"=": "+"}.get(key, key)


def _turn(viewer: Any, across: float, upward: float) -> None:
    if viewer.canvas is not None:
        viewer.canvas.turn_all(across, upward)


def _zoom(viewer: Any, step: float) -> None:
    if viewer.canvas is not None:
        width, height = viewer.canvas.size()
        viewer.canvas.turn("zoom", width / 2, height / 2, 0, step)
