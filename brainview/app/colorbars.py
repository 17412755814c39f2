"""The colour bars of all visible layers, the map on screen first; up to three side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from brainview.app.colorbar import ColorBar
from brainview.maps.display import ColorRule
from brainview.maps.layers import Layer

#: The most bars side by side.
ACROSS = 3


class ColorBars(QWidget):
    """One :class:`ColorBar` for each visible layer.

    Signals
    -------
    layer_changed : (int, ColorRule)
        The user asked for other colours of a layer, counted in the whole stack.
    second_wanted : int
        A second map is wanted for this layer.
    """

    layer_changed = Signal(int, object)
    second_wanted = Signal(int)

    def __init__(self, main: ColorBar, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.main = main
        self.others: list[ColorBar] = []
        self._numbers: list[int] = []
        self._main = 0
        main.second_wanted.connect(lambda: self.second_wanted.emit(self._main))
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(0)
        self._grid.addWidget(main, 0, 0, Qt.AlignmentFlag.AlignTop)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def bars(self) -> list[ColorBar]:
        """All bars, the main one first."""
        return [self.main, *self.others]

    def show_layers(self, layers: Sequence[Layer], main: int) -> None:
        """Show the bars of the layers beside the main one; () shows only that."""
        wanted = [k for k, one in enumerate(layers) if one.visible and k != main][::-1]
        while len(self.others) > len(wanted):
            gone = self.others.pop()
            self._grid.removeWidget(gone)
            gone.hide()
            gone.deleteLater()
        while len(self.others) < len(wanted):
            fresh = ColorBar(self)
            fresh.rule_changed.connect(self._asked(len(self.others)))
            fresh.second_wanted.connect(partial(lambda k: self.second_wanted.emit(self._numbers[k]), len(self.others)))
            self.others.append(fresh)
            at = len(self.others)
            self._grid.addWidget(fresh, at // ACROSS, at % ACROSS, Qt.AlignmentFlag.AlignTop)
        self._numbers, self._main = wanted, main
        for bar, k in zip(self.others, wanted, strict=True):
            bar.show_map(layers[k].map, layers[k].rule, layer=layers[k])
            bar.setAccessibleName(f"Colour bar of {layers[k].map.name}")
        if layers:
            self.main.setVisible(layers[main].visible)

    def _asked(self, position: int) -> object:
        def tell(rule: ColorRule) -> None:
            self.layer_changed.emit(self._numbers[position], rule)

        return tell
