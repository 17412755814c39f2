"""The middle of the window: the viewer, and up to three more beside it that look the same way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QComboBox, QFrame, QGridLayout, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from brainview.app.theme import GRID
from brainview.app.widgets.basics import ElidedLabel, tool
from brainview.app.widgets.chooser import Chooser
from brainview.core.names import shown
from brainview.state.app import Source
from brainview.state.layers import Offer
from brainview.state.view import ViewState


class Satellite(QFrame):
    """One more viewer with a chooser for its map.

    Signals
    -------
    chosen : Source
    closed : ()
    """

    chosen = Signal(object)
    closed = Signal()

    def __init__(self, number: int, make_viewer: Callable[[ViewState], Any]) -> None:
        super().__init__()
        self.number, self.view = number, ViewState()
        self.source = Source()
        self.viewer = make_viewer(self.view)
        self.viewer.setAccessibleName(f"Brain viewer {number + 2}")
        self.viewer.bar.hide()
        self.maps = Chooser()
        self.maps.setAccessibleName(f"Map of viewer {number + 2}")
        self.maps.setToolTip("Map of this viewer")
        self.maps.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.maps.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.maps.setMinimumContentsLength(8)
        self.maps.activated.connect(lambda row: self.chosen.emit(self.maps.itemData(row)))
        row = QHBoxLayout()
        row.setContentsMargins(6, 4, 6, 4)
        row.setSpacing(4)
        row.addWidget(self.maps, 1)
        row.addWidget(tool("close", f"Close viewer {number + 2}", self.closed.emit))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(row)
        column.addWidget(self.viewer, 1)

    def show_offers(self, offers: Sequence[Offer]) -> None:
        """Offer maps; the present one is marked, also when it is no longer among them."""
        with QSignalBlocker(self.maps):
            self.maps.clear()
            for offer in offers:
                self.maps.addItem(shown(offer.words, limit=60), offer.source)
            at = next((k for k, offer in enumerate(offers) if offer.source == self.source), -1)
            if at < 0 and self.view.map is not None:
                self.maps.insertItem(0, shown(self.view.map.name, limit=60), self.source)
                at = 0
            self.maps.setCurrentIndex(at)


class Gallery(QWidget):
    """Holds one, two or four viewers of equal size under the toolbar of the first."""

    def __init__(self, main: QWidget) -> None:
        super().__init__()
        self.main = main
        self.others: list[Satellite] = []
        self.name = ElidedLabel("", "second")
        self.name.setContentsMargins(GRID, 0, GRID, 0)
        self.name.setFixedHeight(5 * GRID)
        self.name.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        bar = getattr(main, "bar", None)
        if bar is not None:
            column.addWidget(bar)
        first = QFrame()
        own = QVBoxLayout(first)
        own.setContentsMargins(0, 0, 0, 0)
        own.setSpacing(0)
        own.addWidget(self.name)
        own.addWidget(main, 1)
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(1)
        column.addLayout(self._grid, 1)
        self._place(first, 0)

    def add(self, one: Satellite) -> None:
        """Take one more viewer in: right of the first, then the lower row."""
        self.others.append(one)
        self._place(one, len(self.others))

    def drop(self) -> Satellite:
        """Give the last viewer out."""
        one = self.others.pop()
        self._grid.removeWidget(one)
        one.hide()
        self._even()
        return one

    def _place(self, one: QWidget, at: int) -> None:
        one.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)  # equal shares, whatever they hold
        self._grid.addWidget(one, at // 2, at % 2)
        self._even()

    def _even(self) -> None:
        count = 1 + len(self.others)
        self.name.setVisible(count > 1)
        for k in range(2):
            self._grid.setColumnStretch(k, int(k == 0 or count > 1))
            self._grid.setRowStretch(k, int(k == 0 or count > 2))
