"""Start: the window first, then the viewer, then the engine, then what was asked for."""

from __future__ import annotations

import asyncio
import logging
import logging.handlers
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from PySide6.QtCore import Qt, QTimer, QtMsgType, qInstallMessageHandler
from PySide6.QtWidgets import QApplication

from brainview.app import icons, theme
from brainview.app.actions import Actions
from brainview.app.command_list import make_commands
from brainview.app.controller import Controller
from brainview.app.guide import SEEN
from brainview.app.jobs_view import duration
from brainview.app.looks import log_path
from brainview.app.viewer import Viewer, prepare_surface_format
from brainview.app.window import MainWindow
from brainview.app.wiring import Wiring
from brainview.core.heap import keep_heap_small
from brainview.core.names import shown
from brainview.state.journal import Journal, Lost, forget, lost_sessions
from brainview.state.preferences import preference
from brainview.state.saved_views import KEYED

MakeViewer = Callable[[Any], Any]


def application() -> QApplication:
    """Return the one QApplication, made with the settings that must come first."""
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    keep_heap_small()
    qInstallMessageHandler(_heard)
    QApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
    prepare_surface_format()
    program = QApplication(sys.argv[:1])
    program.setApplicationName("BrainView")
    program.setDesktopFileName("brainview")
    program.setQuitOnLastWindowClosed(False)  # the loop ends by itself, after engine and canvas
    return program


def _heard(kind: QtMsgType, _where: object, text: str | None) -> None:
    """Qt's own messages go to the log, not to the user's terminal."""
    serious = kind in (QtMsgType.QtCriticalMsg, QtMsgType.QtFatalMsg)
    logging.getLogger("brainview").log(logging.ERROR if serious else logging.INFO, "Qt: %s", text)


def start_log() -> None:
    """Write the program's log to a file of bounded size."""
    handler = logging.handlers.RotatingFileHandler(log_path(), maxBytes=1 << 20, backupCount=1, encoding="utf-8",
                                                   delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("brainview")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def settle(future: asyncio.Future[None]) -> None:
    """End a future that may have ended already."""
    if not future.done():
        future.set_result(None)


class Shell:
    """One window with everything behind it.

    Parameters
    ----------
    engine : Engine
    make_viewer : callable, optional
        ``make_viewer(view)``; default: the real viewer, imported after the first paint.
    journal_folder : Path, optional
    theme_name : str
    """

    def __init__(self, engine: Any, *, make_viewer: MakeViewer | None = None, journal: bool = True,
                 theme_name: str = "dark", canvas: str = "auto") -> None:
        self.engine = engine
        self._make_viewer = make_viewer
        self._canvas = canvas
        tokens = theme.prepare(application(), theme_name)
        self.window = MainWindow()
        self.controller = Controller(engine, self.window)
        self.controller.app.theme = theme_name
        loop = asyncio.get_event_loop()
        self.journal = Journal(self.controller.session.describe, loop.call_later) if journal else None
        self.wiring = Wiring(self.controller, self.journal)
        self.controller.commands = make_commands(self.controller)
        self.actions = Actions(self.controller.commands, self.window, self.controller.reporter.guarded)
        application().setStyleSheet(theme.style_sheet(tokens))
        self.controller.undo.changed.connect(self._show_undo)
        for group in (self.controller.app.events, self.controller.view.events):
            group.connect(lambda *_: self.actions.refresh_soon())
        self.controller.saved.events.views.connect(self._name_views, check_nargs=False)
        self.closed: asyncio.Future[None] = loop.create_future()
        self.window.closing.connect(self._on_close)
        self.window.painted.connect(lambda: QTimer.singleShot(0, self.window, self._dress))
        self.controller.app.events.theme.connect(lambda *_: self.actions.paint_icons())
        self.controller.apply_background()

    def _dress(self) -> None:
        """Give the window its icons, after the first paint."""
        icons.load()
        self.window.retheme()
        self.actions.paint_icons()
        self.wiring.refresh_needs()

    def _show_undo(self) -> None:
        undo = self.controller.undo
        self.actions.rename("edit.undo", f"Undo {undo.undo_title}".strip())
        self.actions.rename("edit.redo", f"Redo {undo.redo_title}".strip())
        self.actions.refresh_soon()

    def show(self) -> None:
        """Show the window, fitted to the screen."""
        screen = self.window.screen().availableGeometry()
        self.window.resize(min(1680, int(screen.width() * 0.94)), min(1050, int(screen.height() * 0.94)))
        if screen.width() <= 1440:
            self.window.showMaximized()
        else:
            self.window.show()

    async def begin(self, target: str | None) -> None:
        """After the first paint: make the viewer, offer lost sessions, open what was asked for."""
        await asyncio.sleep(0)
        opening = self.controller.start(self._open(target))
        await asyncio.sleep(0.02)  # the first job is on its way before the viewer's imports take the loop
        self.attach_viewer()
        lost = lost_sessions() if self.journal is not None else []
        self._offer(lost)
        if self.journal is not None and not lost and not preference(SEEN):
            self.controller.show_guide()
        await asyncio.wait([opening])

    def attach_viewer(self) -> None:
        """Make the viewer and take it in."""
        if self.window.viewer is None:
            self.controller.make_viewer = self._viewer
            self.wiring.attach_viewer(self._viewer(self.controller.view))
            self.controller.refresh_viewers()
            bar = getattr(self.window.viewer, "bar", None)
            if bar is not None:
                by = self.actions.actions
                bar.set_views([[by["view.reset"]], [by[f"view.saved.{n}"] for n in range(1, KEYED + 1)],
                               [by["view.save_view"], by["view.saved_views"]],
                               [by["view.viewers.1"], by["view.viewers.2"], by["view.viewers.4"],
                                by["view.shared_scale"]]])

    def _viewer(self, view: Any) -> Any:
        if self._make_viewer is not None:
            return self._make_viewer(view)
        return Viewer(view, canvas=self._canvas)  # type: ignore[arg-type]

    def _name_views(self, *_: Any) -> None:
        """The menu tells the names of the saved views."""
        for number, one in enumerate(self.controller.saved.views[:KEYED], start=1):
            self.actions.rename(f"view.saved.{number}", shown(one.name, limit=60).replace("&", "&&"))
        self.actions.refresh_soon()

    async def _open(self, target: str | None) -> None:
        session = self.controller.session
        if target is not None:
            await session.open_path(target)
            return
        await session.open_phantom()
        self.controller.start(session.finish_phantom())

    def _offer(self, lost: list[Lost]) -> None:
        if not lost:
            return
        newest = lost[0]
        ago = duration(max(1.0, time.time() - newest.when))

        def restore() -> None:
            self.controller.start(self.controller.session.restore(newest.project))
            for entry in lost:
                forget(entry.path)

        def drop() -> None:
            for entry in lost:
                forget(entry.path)

        self.controller.reporter.tell(f"BrainView ended unexpectedly {ago} ago, with {newest.title} open.", "warning",
                                      [("Restore", restore), ("Discard", drop)])

    def _on_close(self) -> None:
        if self.journal is not None:
            self.journal.close()
        self.controller.reporter.cancel_all()
        settle(self.closed)

    async def shut_down(self) -> None:
        """End the engine and the canvas."""
        viewer = self.window.viewer
        if viewer is not None:
            self.controller.viewers.count = 1
            viewer.close()
        await self.engine.close()


def run(target: str | None = None, *, theme_name: str = "dark", canvas: str = "auto",
        scheduler: str | None = None) -> int:
    """Run the explorer until its window is closed; returns the exit status."""
    program = application()
    start_log()
    import qasync

    from brainview.engine import Engine

    loop = qasync.QEventLoop(program)
    asyncio.set_event_loop(loop)
    shell = Shell(Engine(scheduler), theme_name=theme_name, canvas=canvas)

    async def life() -> None:
        painted: asyncio.Future[None] = loop.create_future()
        shell.window.painted.connect(partial(settle, painted))
        shell.show()
        await painted
        beginning = shell.controller.start(shell.begin(target))
        await shell.closed
        beginning.cancel()
        await shell.shut_down()

    with loop:
        loop.run_until_complete(life())
    return 0
