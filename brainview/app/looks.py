"""What commands do to the looks of the window: theme, docks, outlines, sheets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QApplication, QWidget

from brainview.app import theme
from brainview.app.actions import MOUSE, ShortcutSheet
from brainview.app.errors import Reporter
from brainview.app.guide import SEEN, Guide
from brainview.app.window import MainWindow
from brainview.core.paths import cache_dir
from brainview.maps.rois import RoiClass
from brainview.maps.space import Space
from brainview.state.app import AppState
from brainview.state.commands import Commands
from brainview.state.preferences import remember
from brainview.state.regions import SELECTION
from brainview.state.undo import UndoStack
from brainview.state.view import ViewState


def log_path() -> Path:
    """Return where the window writes its log."""
    return cache_dir() / "brainview.log"


class Looks:
    """The half of the controller that only changes how things look."""

    app: AppState
    view: ViewState
    window: MainWindow
    undo: UndoStack
    reporter: Reporter
    commands: Commands | None
    regions: Callable[[], tuple[dict[str, RoiClass], Space | None]]

    def has_outlines(self) -> bool:
        """Tell whether borders of regions are drawn, the selected ones aside."""
        return any(name != SELECTION for name in self.view.outlines)

    def toggle_outlines(self) -> None:
        """Show the borders of every class of regions, or none."""
        classes, _ = self.regions()
        selected = tuple(n for n in self.view.outlines if n == SELECTION)
        self.view.outlines = selected if self.has_outlines() else (*classes, *selected)

    def reset_camera(self) -> None:
        """Go back to the standard cameras."""
        if self.window.viewer is not None:
            self.window.viewer.reset_view()

    def toggle_theme(self) -> None:
        """Go from dark to light and back."""
        self.app.theme = "light" if self.app.theme == "dark" else "dark"

    def apply_theme(self) -> None:
        """Give the program the theme of the state."""
        program = QApplication.instance()
        if isinstance(program, QApplication):
            theme.apply(program, self.app.theme)
        self.apply_background()

    def apply_background(self) -> None:
        """Give the brain the paper of the theme."""
        with self.undo.paused():
            self.view.background = "light" if self.app.theme == "light" else "dark"

    def toggle_docks(self) -> None:
        """Hide all docks, or show them again."""
        docks = list(self.window.docks.values())
        hide = any(d.isVisible() for d in docks)
        for dock in docks:
            dock.setVisible(not hide)

    def show_keys(self) -> ShortcutSheet | None:
        """Open the sheet of shortcuts."""
        if self.commands is None:
            return None
        sheet = ShortcutSheet(self.window, self.commands, MOUSE)
        sheet.open()
        return sheet

    def show_guide(self) -> Guide:
        """Show the first steps; that they were seen is remembered when they are dismissed."""
        window = self.window

        def part(name: str) -> QWidget | None:
            viewer = window.viewer
            known = {"viewer": getattr(viewer, "stack", viewer), "colors": getattr(viewer, "bars", None),
                     "header": window.header}
            return known[name] if name in known else window.docks[name]

        def show(name: str) -> None:
            if name in window.docks:
                window.docks[name].show()
                window.docks[name].raise_()

        guide = Guide(window, part, show_part=show)
        guide.ended.connect(lambda: remember(SEEN, True))
        return guide

    def show_log_place(self) -> None:
        """Say where the log is."""
        self.reporter.tell(f"The log is {log_path()}")
