"""The compact toolbar of the viewer: surface, hemispheres, view, layout, outlines, slices. Writes to the ViewState."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import QEvent, QSignalBlocker, QSize, Qt
from PySide6.QtGui import QAction, QColor, QIcon, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QButtonGroup, QComboBox, QHBoxLayout, QMenu, QSizePolicy, QSlider, QToolButton, QWidget

from brainview.app.widgets.chooser import Chooser
from brainview.core.names import plain, shown
from brainview.maps import morph
from brainview.state.view import ViewState

_SURFACES = ("inflated", "pial", "white", "flat")
_VIEWS = ("lateral", "medial", "dorsal", "ventral", "anterior", "posterior")
_TIPS = {"both": "Both hemispheres", "left": "Left hemisphere (Shift+L)", "right": "Right hemisphere (Shift+R)",
         "single": "One picture of the whole brain", "split": "One picture per hemisphere",
         "grid": "Standard figure: lateral and medial of both hemispheres",
         "slices": "Show the volume as slices", "surface": "Show the volume on the cortical surface"}


class Segments(QWidget):
    """A row of buttons of which one is down."""

    def __init__(self, name: str, choices: Sequence[tuple[str, str, QIcon | None]], chosen: Callable[[str], None],
                 parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        self.setAccessibleName(name)
        self.buttons: dict[str, QToolButton] = {}
        self._group = QButtonGroup(self)
        for key, text, icon in choices:
            button = QToolButton(self)
            button.setCheckable(True)
            button.setToolTip(_TIPS.get(key, key.capitalize()))
            button.setAccessibleName(_TIPS.get(key, key.capitalize()))
            button.setText(text)
            if icon is not None:
                button.setIcon(icon)
                button.setIconSize(QSize(18, 18))
                button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
            button.clicked.connect(partial(lambda k, _=False: chosen(k), key))
            self._group.addButton(button)
            self.buttons[key] = button
            row.addWidget(button)

    def choose(self, key: str) -> None:
        """Press a button without telling anybody."""
        if key in self.buttons:
            self.buttons[key].setChecked(True)


class MorphSlider(QSlider):
    """From pial over white and inflated to flat; clicks into the plain surfaces when near them."""

    STEPS = 100
    #: How near to a plain surface the handle jumps to it, in steps.
    CATCH = 7

    def __init__(self, view: ViewState, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._view = view
        self.setRange(0, self.STEPS * (len(morph.STOPS) - 1))
        self.setPageStep(self.STEPS)
        self.setSingleStep(10)
        self.setFixedWidth(48)
        self.setAccessibleName("Morph from pial to flat")
        self.setToolTip("Morph: pial, white, inflated, flat (drag; Page keys go from one to the next)")
        self.valueChanged.connect(self._moved)

    def _moved(self, value: int) -> None:
        near = round(value / self.STEPS) * self.STEPS
        self._view.surface = morph.surface_at((near if abs(value - near) < self.CATCH else value) / self.STEPS)

    def refresh(self) -> None:
        """Show the surface of the state without telling anybody; a slider in the hand stays where it is."""
        place = morph.position_of(self._view.surface)
        self.setEnabled(place is not None)
        if place is not None and not self.isSliderDown():
            with QSignalBlocker(self):
                self.setValue(round(place * self.STEPS))


class ViewBar(QWidget):
    """Toolbar over a ViewState; shows what the state says and writes what the user asks for."""

    def __init__(self, view: ViewState, reset: Callable[[], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = view
        row = QHBoxLayout(self)
        row.setContentsMargins(6, 4, 6, 4)
        row.setSpacing(3)
        self.volume = Segments("How the volume is drawn", [("slices", "Slices", None), ("surface", "Surface", None)],
                               partial(setattr, view, "volume"))
        self.slices = self._combo("Slices", ("ortho", "axial", "coronal", "sagittal"), partial(setattr, view, "slices"))
        self.surface = self._combo("Surface", _SURFACES, partial(setattr, view, "surface"))
        self.surface.setPlaceholderText("Between")
        self.morph = MorphSlider(view)
        self.sides = Segments("Hemispheres", [("left", "L", None), ("both", "L R", None), ("right", "R", None)],
                              partial(setattr, view, "hemispheres"))
        self.layouts = Segments("Layout", [(k, k.capitalize(), layout_icon(k, self.palette().windowText().color()))
                                           for k in ("single", "split", "grid")], partial(setattr, view, "layout"))
        self.view = self._combo("View", _VIEWS, view.look)  # type: ignore[arg-type]
        self.outlines = QToolButton(self)
        self.outlines.setText("ROIs ▾")
        self.outlines.setToolTip("Outlines and names of regions")
        self.outlines.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.outlines.setMenu(QMenu(self.outlines))
        self.views = QToolButton(self)
        self.views.setText("Views ▾")
        self.views.setAccessibleName("Views and viewers")
        self.views.setToolTip("Standard view (R), saved views, several viewers")
        self.views.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.views.setMenu(QMenu(self.views))
        self.views.menu().addAction("Standard view again").triggered.connect(lambda *_: reset())
        for widget in (self.volume, self.slices, self.surface, self.morph, self.sides, self.layouts, self.view,
                       self.outlines):
            row.addWidget(widget)
        row.addStretch(1)
        row.addWidget(self.views)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.set_rois([])

    def set_views(self, groups: Sequence[Sequence[QAction]]) -> None:
        """Offer commands in the menu of views, a line between groups."""
        menu = self.views.menu()
        menu.clear()
        for actions in groups:
            menu.addActions(list(actions))
            menu.addSeparator()

    def _combo(self, name: str, choices: Sequence[str], chosen: Callable[[str], None]) -> QComboBox:
        combo = Chooser(self)
        combo.setAccessibleName(name)
        combo.setToolTip(name)
        combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        combo.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)  # a cut name is worse than a tight bar
        for choice in choices:
            combo.addItem({"ortho": "Three planes"}.get(choice, choice.capitalize()), choice)
        combo.activated.connect(lambda index: chosen(combo.itemData(index)))
        return combo

    def changeEvent(self, event: QEvent) -> None:
        """Draw the icons anew in the ink of another theme."""
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "layouts"):
            for key, button in self.layouts.buttons.items():
                button.setIcon(layout_icon(key, self.palette().windowText().color()))
        super().changeEvent(event)

    def set_rois(self, names: Sequence[str]) -> None:
        """Offer the outlines of ROI classes."""
        menu = self.outlines.menu()
        menu.clear()
        for name in names:
            action = menu.addAction(shown(name, limit=60).replace("&", "&&"))
            action.setCheckable(True)
            action.setToolTip(plain(name))
            action.setData(name)
            action.setChecked(name in self._view.outlines)
            action.toggled.connect(partial(self._outline, name))
        menu.addSeparator()
        self._names = menu.addAction("Names")
        self._names.setCheckable(True)
        self._names.setChecked(self._view.show_names)
        self._names.toggled.connect(partial(setattr, self._view, "show_names"))
        self.outlines.setEnabled(bool(names))

    def _outline(self, name: str, wanted: bool) -> None:
        others = tuple(n for n in self._view.outlines if n != name)
        self._view.outlines = (*others, name) if wanted else others

    def refresh(self, volume: bool, slices: bool) -> None:
        """Show what the state says; `volume`: the map is one, `slices`: it is drawn as slices."""
        view = self._view
        self.volume.setVisible(volume)
        self.slices.setVisible(slices)
        for widget in (self.surface, self.sides, self.layouts):
            widget.setVisible(not slices)
        self.morph.setVisible(not volume)  # a volume's own buttons take its room; the keys stay
        self.view.setVisible(not slices and not (volume and view.layout == "grid"))
        self.volume.choose(view.volume)
        self.sides.choose(view.hemispheres)
        self.layouts.choose(view.layout)
        for combo, value in ((self.surface, view.surface), (self.view, view.view), (self.slices, view.slices)):
            with QSignalBlocker(combo):
                combo.setCurrentIndex(combo.findData(value))
        self.morph.refresh()
        fixed = view.layout == "grid" or view.surface == "flat"
        self.view.setToolTip("Choosing a view leaves the standard figure" if fixed else "View")
        for action in self.outlines.menu().actions():
            with QSignalBlocker(action):
                action.setChecked(action.data() in view.outlines if action.data() else view.show_names)


def layout_icon(layout: str, ink: QColor) -> QIcon:
    """Return a small drawing of the panels of a layout."""
    icon = QIcon()
    for ratio in (1.0, 2.0):
        pixmap = QPixmap(round(18 * ratio), round(18 * ratio))
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setPen(QPen(ink, 1.4))
        painter.drawRect(2, 3, 14, 12)
        if layout in ("split", "grid"):
            painter.drawLine(9, 3, 9, 15)
        if layout == "grid":
            painter.drawLine(2, 9, 16, 9)
        painter.end()
        icon.addPixmap(pixmap)
    return icon
