"""What a user can do, as objects: menus, toolbar, shortcut sheet and tests are made from one list."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from brainview.core.errors import MissingError


def _always() -> bool:
    return True


@dataclass(frozen=True, eq=False)
class Command:
    """One thing to do.

    Parameters
    ----------
    id : str
        ``file.open``; unique.
    title : str
        Words of the menu, in the imperative.
    do : callable
        Called without arguments; may return an awaitable, which the window runs.
    shortcut : str
        Portable text of Qt (``Ctrl+O``, ``L``), "" = none.
    menu : str
        Menu it stands in; group : commands of one group stand together.
    enabled, checked : callable
        Whether it can be done now; whether it is on (None = no check mark).
    undo : callable, optional
        For what no state field records; most commands change the state, which undoes itself.
    hint : str
        One sentence for tooltip and shortcut sheet.
    """

    id: str
    title: str
    do: Callable[[], Any]
    shortcut: str = ""
    menu: str = ""
    group: str = ""
    enabled: Callable[[], bool] = field(default=_always)
    checked: Callable[[], bool] | None = None
    undo: Callable[[], Any] | None = None
    icon: str = ""
    hint: str = ""

    @property
    def plain_key(self) -> bool:
        """True for a shortcut that a text field would want: one character, with or without Shift."""
        return bool(re.fullmatch(r"(Shift\+)?\S", self.shortcut))


class Commands:
    """All commands by id, in the order of the menus."""

    def __init__(self) -> None:
        self._known: dict[str, Command] = {}

    def add(self, *commands: Command) -> None:
        """Register commands; a second use of an id or of a shortcut is a fault of the program."""
        for command in commands:
            if command.id in self._known:
                raise ValueError(f"two commands are called {command.id!r}")
            twin = next((c for c in self if c.shortcut and c.shortcut == command.shortcut), None)
            if twin is not None:
                raise ValueError(f"{command.shortcut} is taken by {twin.id!r}, {command.id!r} wants it too")
            self._known[command.id] = command

    def __iter__(self) -> Iterator[Command]:
        return iter(self._known.values())

    def __getitem__(self, name: str) -> Command:
        if name not in self._known:
            raise MissingError(f"no command is called {name!r}")
        return self._known[name]

    def run(self, name: str) -> Any:
        """Do a command if it is enabled; returns what it returns, None when it is not enabled."""
        command = self[name]
        return command.do() if command.enabled() else None

    def menus(self) -> dict[str, list[Command]]:
        """Return menu title -> commands, in the order of registration."""
        out: dict[str, list[Command]] = {}
        for command in self:
            if command.menu:
                out.setdefault(command.menu, []).append(command)
        return out

    def sheet(self) -> list[tuple[str, list[Command]]]:
        """Return (menu, commands with a shortcut) for the sheet of shortcuts."""
        keyed = {menu: [c for c in commands if c.shortcut] for menu, commands in self.menus().items()}
        return [(menu, commands) for menu, commands in keyed.items() if commands]
