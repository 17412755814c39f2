"""From command objects to Qt: menus, shortcuts, header buttons and the sheet of shortcuts, all from one list."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QGridLayout,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from brainview.app.icons import icon
from brainview.app.theme import GRID
from brainview.app.widgets.basics import label, scrolled, tool
from brainview.app.window import MainWindow
from brainview.state.commands import Command, Commands

#: Commands that have a button in the header.
IN_HEADER = ("edit.undo", "edit.redo", "file.open", "file.export", "window.theme")


def is_typing() -> bool:
    """Tell whether the focus is where letters are typed."""
    focus = QApplication.focusWidget()
    if isinstance(focus, QComboBox):
        return focus.isEditable()
    return isinstance(focus, (QLineEdit, QTextEdit, QPlainTextEdit, QAbstractSpinBox))


class Actions:
    """The QActions of all commands; refresh them after a change of state.

    Parameters
    ----------
    commands : Commands
    window : MainWindow
    run : callable
        Runs what a command does and shows what it raises.
    """

    def __init__(self, commands: Commands, window: MainWindow, run: Callable[[Callable[[], Any]], Any]) -> None:
        self.commands, self._window, self._run = commands, window, run
        self.actions: dict[str, QAction] = {}
        self._buttons: dict[str, QToolButton] = {}
        for command in commands:
            self.actions[command.id] = self._action(command)
        for title, members in commands.menus().items():
            window.add_menu(title, partial(self._fill, members))
        for name in IN_HEADER:
            self._header_button(commands[name])
        self._later = QTimer(window)
        self._later.setSingleShot(True)
        self._later.setInterval(0)
        self._later.timeout.connect(self.refresh)
        self.refresh()

    def _action(self, command: Command) -> QAction:
        action = QAction(command.title, self._window)
        if command.shortcut:
            action.setShortcut(QKeySequence(command.shortcut))
            action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        if command.icon:
            action.setIcon(icon(command.icon))
        action.setCheckable(command.checked is not None)
        action.setToolTip(command.hint or command.title)
        action.triggered.connect(lambda _=False, c=command: self.trigger(c))
        self._window.addAction(action)
        return action

    def trigger(self, command: Command) -> None:
        """Do a command, unless its key was meant for a text field."""
        if command.plain_key and is_typing():
            return
        self._run(lambda: self.commands.run(command.id))
        self.refresh_soon()

    def _fill(self, members: list[Command], menu: Any) -> None:
        group = None
        for command in members:
            if group is not None and command.group != group:
                menu.addSeparator()
            group = command.group
            menu.addAction(self.actions[command.id])
        menu.aboutToShow.connect(self.refresh)

    def _header_button(self, command: Command) -> None:
        part = tool(command.icon, command.title.rstrip("…"), lambda: self.trigger(command))
        self._buttons[command.id] = part
        self._window.header.add_tool(part)

    def refresh_soon(self) -> None:
        """Refresh once, after everything that happens now."""
        self._later.start()

    def refresh(self) -> None:
        """Show what can be done now, and what is on."""
        for command in self.commands:
            action, on = self.actions[command.id], command.enabled()
            action.setEnabled(on)
            if command.id.startswith("view.saved."):
                action.setVisible(on)  # nine grey lines tell nobody anything
            if command.checked is not None:
                action.setChecked(command.checked())
            part = self._buttons.get(command.id)
            if part is not None:
                part.setEnabled(on)
                keys = f" ({action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)})" \
                    if command.shortcut else ""
                part.setToolTip(f"{action.text().rstrip('…')}{keys}")

    def paint_icons(self) -> None:
        """Draw the icons of the menus again."""
        for command in self.commands:
            if command.icon:
                self.actions[command.id].setIcon(icon(command.icon))

    def rename(self, name: str, title: str) -> None:
        """Give an action other words ("Undo Select regions")."""
        self.actions[name].setText(title)


class ShortcutSheet(QDialog):
    """Every shortcut, by menu."""

    def __init__(self, parent: QWidget, commands: Commands, extra: list[tuple[str, list[tuple[str, str]]]]) -> None:
        super().__init__(parent)
        self.setWindowTitle("Shortcuts")
        body = QWidget()
        grid = QGridLayout(body)
        grid.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 3 * GRID)
        grid.setHorizontalSpacing(4 * GRID)
        grid.setVerticalSpacing(GRID)
        grid.setColumnStretch(1, 1)
        sheet = [(menu, [(c.title.rstrip("…"), c.shortcut) for c in members]) for menu, members in commands.sheet()]
        at = 0
        for menu, lines in [*sheet, *extra]:
            grid.setRowMinimumHeight(at, 32 if at else 0)
            grid.addWidget(label(menu.replace("&", ""), "section"), at, 0, 1, 2, Qt.AlignmentFlag.AlignBottom)
            at += 1
            for words, keys in lines:
                grid.addWidget(label(words, "second"), at, 0)
                shown_keys = QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText) or keys
                grid.addWidget(label(shown_keys, ""), at, 1, Qt.AlignmentFlag.AlignRight)
                at += 1
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(scrolled(body))
        self.resize(body.sizeHint().width() + 3 * GRID, 620)  # and the scroll bar


MOUSE = [("Mouse", [("Turn", "Left drag"), ("Move", "Middle or Shift+left drag"), ("Zoom", "Wheel or right drag"),
                    ("Read a place, select its regions", "Click"), ("Several regions", "Ctrl+click in the bars")])]
