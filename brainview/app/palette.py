"""The palette: one box that finds commands, regions and places; everything by keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from brainview.app.theme import GRID
from brainview.app.widgets.basics import label
from brainview.core.names import shown
from brainview.state.commands import Command, Commands
from brainview.state.places import best, parse_place

Entry = tuple[str, Callable[[], Any]]


class Palette(QDialog):
    """Type, choose with the arrows, Return does it.

    Parameters
    ----------
    parent : QWidget
    commands : Commands or None
        None: only places.
    regions : iterable of (words, function)
    go_to : callable
        Called with a :class:`brainview.state.places.Place`.
    run : callable
        Runs a command and shows what it raises.
    """

    def __init__(self, parent: QWidget, commands: Commands | None, regions: Iterable[Entry],
                 go_to: Callable[[Any], Any], run: Callable[[Command], Any]) -> None:
        super().__init__(parent)
        self.setWindowTitle("Commands" if commands is not None else "Go to")
        self.setModal(True)
        self._go_to, self._run = go_to, run
        self._regions = list(regions)
        self._commands = [] if commands is None else [c for c in commands if c.id != "edit.palette"]
        self.field = QLineEdit()
        self.field.setPlaceholderText(
            "Command, region, MNI coordinate or vertex" if commands is not None
            else "Region, MNI152 coordinate (-42 -60 -12) or vertex (lh 1234)")
        self.field.setAccessibleName("Search")
        self.field.setClearButtonEnabled(True)
        self.list = QListWidget()
        self.list.setAccessibleName("Found")
        self.list.setUniformItemSizes(True)
        self.none = label("Nothing of that name. A coordinate is three numbers in mm, a vertex is lh 1234.", "caption",
                          wrap=True)
        self.none.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        for widget in (self.field, self.list, self.none):
            column.addWidget(widget)
        self.resize(560, 420)
        self.field.textChanged.connect(self._search)
        self.field.installEventFilter(self)
        self.list.itemActivated.connect(lambda _: self._choose())
        self.list.itemClicked.connect(lambda _: self._choose())
        self._search("")

    def _entries(self) -> list[tuple[str, tuple[str, str, Callable[[], Any], bool]]]:
        out: list[tuple[str, tuple[str, str, Callable[[], Any], bool]]] = []
        for c in self._commands:
            words = c.title.replace("&", "").rstrip("…")
            keys = QKeySequence(c.shortcut).toString(QKeySequence.SequenceFormat.NativeText) if c.shortcut else ""
            menu = c.menu.replace("&", "")
            out.append((f"{words} {menu} {c.hint}", (f"{menu}: {words}" if menu else words, keys,
                                                     partial(self._run, c), c.enabled())))
        out += [(words, (f"Region: {words}", "", do, True)) for words, do in self._regions]
        return out

    def _search(self, text: str) -> None:
        self.list.clear()
        place = parse_place(text)
        if place is not None:
            self._add(f"Go to {place.words}", "", lambda: self._go_to(place), True)
        else:
            for _, (words, keys, do, on) in best(text, self._entries()):
                self._add(words, keys, do, on)
        self.none.setVisible(self.list.count() == 0)
        self.list.setVisible(self.list.count() > 0)
        self._step(0, 1)

    def _add(self, words: str, keys: str, do: Callable[[], Any], on: bool) -> None:
        item = QListWidgetItem()
        item.setData(Qt.ItemDataRole.UserRole, do)
        item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{words} {keys}".strip())
        if not on:
            item.setFlags(Qt.ItemFlag.NoItemFlags)
        row = QWidget()
        box = QHBoxLayout(row)
        box.setContentsMargins(GRID, 6, GRID, 6)
        box.addWidget(label(shown(words, limit=90), "" if on else "caption"), 1)
        if keys:
            box.addWidget(label(keys, "caption"))
        row.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        item.setSizeHint(QSize(0, max(34, row.sizeHint().height())))
        self.list.addItem(item)
        self.list.setItemWidget(item, row)

    def _step(self, start: int, by: int) -> None:
        """Mark the next item that can be chosen."""
        row = start
        while 0 <= row < self.list.count():
            if self.list.item(row).flags() & Qt.ItemFlag.ItemIsEnabled:
                self.list.setCurrentRow(row)
                return
            row += by

    def _choose(self) -> None:
        item = self.list.currentItem()
        if item is None or not item.flags() & Qt.ItemFlag.ItemIsEnabled:
            return
        self.accept()
        item.data(Qt.ItemDataRole.UserRole)()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Arrows move in the list while the focus stays in the field; Return chooses."""
        if watched is self.field and event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            steps = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: 8, Qt.Key.Key_PageUp: -8}
            by = steps.get(Qt.Key(event.key()))
            if by is not None:
                last = self.list.count() - 1
                self._step(min(max(self.list.currentRow() + by, 0), max(0, last)), 1 if by > 0 else -1)
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._choose()
                return True
        return False
