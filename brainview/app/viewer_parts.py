"""Parts of the viewer: the page without a brain, the phantom label, and what the canvas has drawn already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from brainview.core.names import shown
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import Pick
from brainview.maps.layers import Layer
from brainview.maps.rois import RoiClass
from brainview.scene.theme import BACKGROUNDS
from brainview.state.view import ViewState

EMPTY = ("No map yet", "Open a data set, or drop a map file (NIfTI, GIFTI, CIFTI, MGH) here.")


class Page(QWidget):
    """Words in the middle of an empty viewer; tells when it was painted for the first time."""

    painted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title, self._text, self._done = *EMPTY, False
        self._look = BACKGROUNDS["dark"]
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def say(self, title: str, text: str, background: str) -> None:
        self._title, self._text, self._look = title, text, BACKGROUNDS[background]
        self.setAccessibleName(f"{title}. {text}")
        self.update()

    @property
    def words(self) -> tuple[str, str]:
        return self._title, self._text

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(*self._look.paper))
        font = self.font()
        font.setPixelSize(18)
        painter.setFont(font)
        painter.setPen(QColor(*self._look.ink))
        middle = self.rect().adjusted(40, 0, -40, -24)
        painter.drawText(middle, Qt.AlignmentFlag.AlignCenter, shown(self._title))
        painter.setFont(self.font())
        painter.setPen(QColor(*self._look.quiet))
        painter.drawText(self.rect().adjusted(40, self.height() // 2 + 6, -40, 0),
                         Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap,
                         shown(self._text, limit=600))
        if not self._done:
            self._done = True
            self.painted.emit()


class Pill(QLabel):
    """The label of simulated data, in the corner of its parent."""

    WORDS = "Phantom · simulated data"

    def __init__(self, parent: QWidget) -> None:
        super().__init__(self.WORDS, parent)
        self.low = False
        self._corner = parent
        self.setToolTip("These data were simulated: no brain was recorded")
        self.setStyleSheet("background:#ffc43d; color:#281c00; border-radius:10px; padding:3px 9px; font-weight:600;")
        self.hide()

    def place(self, brain_map: BrainMap | None, middle: float = 0.5) -> None:
        """Show it for a phantom map, in the upper right corner.

        In few words where many would cover the letter over the last panel, whose middle lies at `middle` (0..1).
        """
        self.setVisible(brain_map is not None and brain_map.is_phantom)
        self.setText(self.WORDS)
        self.adjustSize()
        room = (1 - middle) * self._corner.width()
        if self.width() + 24 > room:
            self.setText("Phantom")
            self.adjustSize()
        self.low = self.width() + 70 > room  # beside the caption there is no place: at the foot
        y = self._corner.height() - self.height() - 6 if self.low else 8
        self.move(self._corner.width() - self.width() - (4 if self.low else 10), y)
        self.raise_()


def dress(colors: Sequence[QWidget], hint: QWidget, background: str) -> None:
    """Give the hint and the colour bars the paper and ink of the scene."""
    look = BACKGROUNDS[background]  # type: ignore[index]
    for widget in (*colors, hint):
        palette = widget.palette()
        palette.setColor(QPalette.ColorRole.Window, QColor(*look.paper))
        ink = look.quiet if widget is hint else look.ink
        palette.setColor(QPalette.ColorRole.WindowText, QColor(*ink))
        widget.setAutoFillBackground(True)
        if palette != widget.palette():
            widget.setPalette(palette)


def marker_of(scene: Any, pick: Pick | None) -> Pick | None:
    """Return what to mark on the cortex: the picked vertex, or the one nearest to a picked voxel."""
    if pick is None or pick.hemisphere != "volume":
        return pick
    from brainview.scene.links import nearest_vertex

    return nearest_vertex(scene, pick.ras, pick.space)


class Drawn:
    """What the canvas shows, so that only what differs is drawn again."""

    def __init__(self) -> None:
        self._known: dict[str, object] = {}

    def forget(self, name: str | None = None) -> None:
        """Draw one thing (or everything) again at the next turn."""
        if name is None:
            self._known.clear()
        else:
            self._known.pop(name, None)

    def _differs(self, name: str, value: object) -> bool:
        known = name in self._known and (self._known[name] is value or
                                         (not isinstance(value, BrainMap) and self._known[name] == value))
        self._known[name] = value
        return not known

    def draw(self, canvas: Any, view: ViewState, space: Any, brain_map: BrainMap | None,
             outlines: Callable[[], Mapping[str, RoiClass]], layers: Sequence[Layer] = ()) -> None:
        """Bring the canvas up to date, in the order in which things depend on each other."""
        from brainview.scene.views import panels

        sides = tuple(s for s, n in (("left", space.n_left), ("right", space.n_right)) if n and s in view.sides)
        sides = sides or (("left",) if space.n_left else ("right",))
        if self._differs("background", view.background):
            canvas.set_background(view.background)
        fresh = self._differs("surface", (space, view.surface))
        if fresh:
            self.forget("surface")  # only remembered when it could be loaded
            canvas.set_surface(space, view.surface)
            self._known["surface"] = (space, view.surface)
        plan = panels(view.layout, view.view, sides, view.surface)
        if self._differs("panels", plan) or fresh:
            canvas.set_panels(plan)
        stacked = tuple((id(a.map), a.rule, a.opacity, a.visible, a.gate, id(a.second)) for a in layers)
        relaid = self._differs("layers", stacked)
        if self._differs("map", brain_map) or fresh or (relaid and not layers):
            self._known["rule"] = view.rule
            canvas.set_values(brain_map, view.rule)
            relaid = True
        elif not layers and self._differs("rule", view.rule):
            canvas.set_rule(view.rule)
        if layers and relaid:
            canvas.set_layers(layers)
        root = None if brain_map is None else brain_map.space.root
        if self._differs("outlines", (view.outlines, view.show_names, space, root)):
            canvas.set_outlines(outlines(), view.show_names)
        if self._differs("picked", view.picked) or fresh:
            canvas.set_marker(marker_of(canvas.scene, view.picked))
