"""Dock "Layers": the maps over each other as a list, and how the chosen one is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from brainview.app.theme import GRID
from brainview.app.widgets.basics import label, scrolled, tool
from brainview.app.widgets.chooser import Chooser
from brainview.core.names import plain, shown
from brainview.maps.display import DEFAULT_COLORMAPS
from brainview.maps.layers import Layer
from brainview.scene import colormaps
from brainview.state.layers import Offer

NONE = "No second map"


class Number(QLineEdit):
    """A field for one number; `entered` tells it when it was changed and is finite."""

    entered = Signal(float)

    def __init__(self, name: str, tip: str = "") -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setToolTip(tip or name)
        self.setFixedWidth(60)
        self.setTextMargins(-3, 0, -3, 0)
        self._value = math.nan
        self.editingFinished.connect(self._read)

    def show_value(self, value: float) -> None:
        """Show a number; what is being typed stays."""
        self._value = value
        if not (self.hasFocus() and self.isModified()):
            self.setText(f"{value:.4g}")

    def _read(self) -> None:
        self.setModified(False)
        try:
            value = float(self.text().replace(",", ".").replace("−", "-"))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self.setText(f"{self._value:.4g}")
        elif f"{value:.4g}" != f"{self._value:.4g}":
            self._value = value
            self.entered.emit(value)


class LayerList(QListWidget):
    """The stack, the highest layer first; rows are dragged to another place. `moved(from, to)` counts rows."""

    moved = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Layers, the highest first")
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setMinimumWidth(130)

    def dropEvent(self, event: QDropEvent) -> None:
        """Tell where a row was dropped; the list itself follows the state."""
        start = self.currentRow()
        at = self.indexAt(event.position().toPoint())
        to = at.row() if at.isValid() else self.count() - 1
        event.setDropAction(Qt.DropAction.IgnoreAction)
        event.accept()
        if start >= 0 and to != start:
            self.moved.emit(start, to)


class LayersPanel(QWidget):
    """List and settings; layers are counted from the bottom of the stack in every signal.

    Signals
    -------
    keep_wanted, file_wanted : ()
        Keep the map on screen as a layer; add one from a file.
    add_wanted : Source
    changed : (int, dict)
        Fields of a layer; of ``rule`` and ``gate`` a dict of the fields that change.
    second_chosen : (int, Source or None)
    moved : (int, int)
        From and to.
    removed : int
    """

    keep_wanted = Signal()
    file_wanted = Signal()
    add_wanted = Signal(object)
    changed = Signal(int, dict)
    second_chosen = Signal(int, object)
    moved = Signal(int, int)
    removed = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._layers: Sequence[Layer] = ()
        self._main = 0
        self._offers: list[Offer] = []
        self.list = LayerList()
        self.list.currentRowChanged.connect(lambda _: self._show_settings())
        self.list.itemChanged.connect(self._checked)
        self.list.moved.connect(lambda a, b: self.moved.emit(self._index(a), self._index(b)))
        self.add = QToolButton()
        self.add.setText("Add layer ▾")
        self.add.setAccessibleName("Add layer")
        self.add.setToolTip("Lay another map over the ones here")
        self.add.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.add.setMenu(QMenu(self.add))
        self.up = tool("up", "Layer up", partial(self._step, 1))
        self.down = tool("down", "Layer down", partial(self._step, -1))
        self.drop = tool("close", "Remove layer", self._remove)
        self._make_settings()
        self._lay_out()
        self.show_layers((), 0, [])

    def _make_settings(self) -> None:
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setPageStep(10)
        self.opacity.setAccessibleName("Opacity, percent")
        self.opacity.setToolTip("How much the layer covers what lies below it")
        self.opacity.valueChanged.connect(lambda v: self._tell(opacity=v / 100))
        self.percent = label("", "mono")
        self.percent.setMinimumWidth(40)
        self.tables = Chooser()
        self.tables.setAccessibleName("Colour map")
        self.tables.setToolTip("Colours of this layer")
        self.tables.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.opacity.setFixedWidth(120)
        self.tables.activated.connect(lambda _: self._rule(colormap=self.tables.currentData()))
        self.low, self.high = Number("Lower limit of the colours"), Number("Upper limit of the colours")
        self.low.entered.connect(lambda _: self._limits())
        self.high.entered.connect(lambda _: self._limits())
        self.threshold = Number("Threshold", "Values below are hidden or faded; 0 hides nothing")
        self.threshold.entered.connect(lambda v: self._rule(threshold=max(0.0, v), threshold_unit="value"))
        self.faded = QCheckBox("fade")
        self.faded.setAccessibleName("Fade below the threshold")
        self.faded.setToolTip("Fade what is below a threshold instead of hiding it")
        self.faded.clicked.connect(lambda on: self._rule(below="faded" if on else "hidden"))
        self.second = Chooser()
        self.second.setAccessibleName("Second map")
        self.second.setToolTip("Another map that decides where this one is shown, or how opaque it is")
        self.second.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.second.setMinimumContentsLength(12)
        self.second.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.second.activated.connect(self._second)
        self.where = Number("Show where the second map is at least", "Shown where the second map (its size, where it "
                            "is signed) is at least this; 0 asks nothing")
        self.where.entered.connect(lambda v: self._gate(threshold=max(0.0, v)))
        self.fades = QCheckBox("opacity")
        self.fades.setAccessibleName("Opacity from the second map")
        self.fades.setToolTip("The layer is the more opaque the larger the second map is")
        self.fades.clicked.connect(lambda on: self._gate(fades=on))
        self.clear = Number("Second map: nothing is seen at")
        self.full = Number("Second map: fully opaque at")
        self.clear.entered.connect(lambda _: self._gate_limits())
        self.full.entered.connect(lambda _: self._gate_limits())

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setSpacing(2)
        bar.addWidget(self.add)
        bar.addStretch(1)
        for part in (self.up, self.down, self.drop):
            bar.addWidget(part)
        left = QVBoxLayout()
        left.setSpacing(GRID // 2)
        left.addLayout(bar)
        left.addWidget(self.list, 1)
        body = QWidget()
        grid = QGridLayout(body)
        grid.setContentsMargins(0, 0, GRID, 0)
        grid.setHorizontalSpacing(GRID)
        grid.setVerticalSpacing(GRID // 2 + 2)

        def line(at: int, words: str, *parts: Any) -> None:
            grid.addWidget(label(words, "caption"), at, 0)
            row = QHBoxLayout()
            row.setSpacing(6)
            for part in parts:
                row.addWidget(label(part, "caption") if isinstance(part, str) else part)
            if self.second not in parts and self.opacity not in parts:
                row.addStretch(1)
            grid.addLayout(row, at, 1)

        line(0, "Opacity", self.opacity, self.percent, self.tables)
        line(1, "Limits", self.low, "to", self.high, "from", self.threshold, self.faded)
        line(2, "Second map", self.second)
        line(3, "Shown from", self.where, self.fades, self.clear, "to", self.full)
        grid.setColumnStretch(1, 1)
        grid.setRowStretch(4, 1)
        self.settings = scrolled(body)
        self.settings.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # what is in it takes the focus and scrolls
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID, GRID, GRID, GRID)
        row.setSpacing(GRID)
        row.addLayout(left, 1)
        row.addWidget(self.settings, 2)
        self.settings.setMinimumWidth(404)

    # ---- showing ---------------------------------------------------------------------------------------------------

    def show_layers(self, layers: Sequence[Layer], main: int, offers: list[Offer]) -> None:
        """Show a stack (the lowest first), which of it is the map on screen, and the maps that can join."""
        row = self.list.currentRow()
        kept = self._index(row) if row >= 0 and len(layers) == len(self._layers) else main
        self._layers, self._main, self._offers = layers, main, offers
        with QSignalBlocker(self.list):
            self.list.clear()
            for index in reversed(range(len(layers))):
                one = layers[index]
                item = QListWidgetItem(shown(one.map.name, limit=80) + (" · on screen" if index == main else ""))
                item.setToolTip(plain(one.map.name) + ("" if one.where or index == main else
                                                       "\nComputed in the window: projects do not keep it"))
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                item.setCheckState(Qt.CheckState.Checked if one.visible else Qt.CheckState.Unchecked)
                self.list.addItem(item)
            if layers:
                self.list.setCurrentRow(len(layers) - 1 - min(kept, len(layers) - 1))
        self._fill_menu()
        self._show_settings()

    def _fill_menu(self) -> None:
        menu = self.add.menu()
        menu.clear()
        keep = menu.addAction("Keep the map on screen (Ctrl+L)")
        keep.setEnabled(bool(self._layers))
        keep.triggered.connect(lambda *_: self.keep_wanted.emit())
        menu.addAction("From a file…").triggered.connect(lambda *_: self.file_wanted.emit())
        menu.addSeparator()
        for offer in self._offers:
            action = menu.addAction(shown(offer.words, limit=70).replace("&", "&&"))
            action.triggered.connect(partial(lambda s, *_: self.add_wanted.emit(s), offer.source))
        self.add.setEnabled(bool(self._layers))

    def _show_settings(self) -> None:
        index = self.current()
        some = index >= 0
        self.settings.setEnabled(some)
        self.up.setEnabled(some and index < len(self._layers) - 1)
        self.down.setEnabled(some and index > 0)
        self.drop.setEnabled(some and index != self._main)
        if not some:
            return
        layer = self._layers[index]
        rule, gate = layer.rule, layer.gate
        with QSignalBlocker(self.opacity):
            self.opacity.setValue(round(100 * layer.opacity))
        self.percent.setText(f"{100 * layer.opacity:.0f} %")
        self._show_tables(layer)
        for field, value in ((self.low, rule.limits[0]), (self.high, rule.limits[1]),
                             (self.threshold, rule.threshold if rule.threshold_unit == "value" else 0.0)):
            field.show_value(value)
            field.setEnabled(not rule.labels)
        self.threshold.setEnabled(not rule.labels and rule.threshold_unit == "value")
        self.faded.setChecked(rule.below == "faded")
        with QSignalBlocker(self.second):
            self.second.clear()
            self.second.addItem(NONE, None)
            if layer.second is not None:
                self.second.addItem(shown(layer.second.name, limit=60), "kept")
                self.second.setCurrentIndex(1)
            for offer in self._offers:
                self.second.addItem(shown(offer.words, limit=60), offer.source)
        for part in (self.where, self.fades, self.clear, self.full):
            part.setEnabled(gate is not None)
        if gate is not None:
            self.where.show_value(gate.threshold)
            self.fades.setChecked(gate.fades)
            self.clear.show_value(gate.limits[0])
            self.full.show_value(gate.limits[1])
            for part in (self.clear, self.full):
                part.setEnabled(gate.fades)

    def _show_tables(self, layer: Layer) -> None:
        with QSignalBlocker(self.tables):
            self.tables.clear()
            if layer.rule.labels:
                self.tables.addItem("Atlas colours", "labels")
            else:
                for kind in dict.fromkeys([layer.map.kind, *DEFAULT_COLORMAPS]):
                    for name in colormaps.names(kind):
                        self.tables.addItem(name, name)
            self.tables.setCurrentIndex(self.tables.findData(layer.rule.colormap))
            self.tables.setEnabled(not layer.rule.labels)

    # ---- telling ---------------------------------------------------------------------------------------------------

    def current(self) -> int:
        """Return the chosen layer, counted from the bottom, -1 for none."""
        row = self.list.currentRow()
        return self._index(row) if 0 <= row < len(self._layers) else -1

    def choose(self, index: int) -> None:
        """Choose a layer."""
        self.list.setCurrentRow(self._index(index))

    def _index(self, row: int) -> int:
        return len(self._layers) - 1 - row

    def _tell(self, **changes: Any) -> None:
        if self.current() >= 0:
            self.changed.emit(self.current(), changes)

    def _rule(self, **changes: Any) -> None:
        self._tell(rule=changes)

    def _limits(self) -> None:
        low, high = float(self.low.text()), float(self.high.text())
        if low < high:
            self._rule(limits=(low, high))
        else:
            self._show_settings()

    def _gate(self, **changes: Any) -> None:
        self._tell(gate=changes)

    def _gate_limits(self) -> None:
        low, high = float(self.clear.text()), float(self.full.text())
        if low < high:
            self._gate(limits=(low, high))
        else:
            self._show_settings()

    def _second(self, row: int) -> None:
        source = self.second.itemData(row)
        if source != "kept" and self.current() >= 0:
            self.second_chosen.emit(self.current(), source)

    def _checked(self, item: QListWidgetItem) -> None:
        index = self._index(self.list.row(item))
        self.changed.emit(index, {"visible": item.checkState() == Qt.CheckState.Checked})

    def _step(self, step: int) -> None:
        index = self.current()
        if index >= 0:
            self.moved.emit(index, index + step)

    def _remove(self) -> None:
        if self.current() >= 0 and self.current() != self._main:
            self.removed.emit(self.current())
