"""A whole window on the offscreen platform, with a fake engine and the picture canvas."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PySide6.QtCore import QTimer

from brainview.app.start import Shell, application
from brainview.app.viewer import Viewer
from brainview.app.wiring_strip import BESIDE
from tests.app.fakes import FakeEngine


class Desk:
    """A window under test: the shell, its engine, and a way to let the loop turn."""

    def __init__(self, loop: Any, engine: FakeEngine, shell: Shell) -> None:
        self.loop, self.engine, self.shell = loop, engine, shell
        self.c, self.window = shell.controller, shell.window
        self.app, self.view = self.c.app, self.c.view

    def until(self, done: Callable[[], Any], seconds: float = 20.0) -> None:
        """Let the loop turn until `done()` is true; fail when it does not come true."""
        async def wait() -> None:
            end = self.loop.time() + seconds
            while not done():
                assert self.loop.time() < end, "did not happen in time"
                await asyncio.sleep(0.005)

        self.loop.run_until_complete(wait())

    def settle(self) -> None:
        """Let everything that is under way end."""
        self.until(lambda: self.c.reporter.busy == 0)
        self.loop.run_until_complete(asyncio.sleep(0.02))
        self.until(lambda: not any(t.isActive() for t in self.window.findChildren(QTimer)
                                   if t.isSingleShot() and t.interval() == BESIDE))

    def get(self, work: Any) -> Any:
        """Run a coroutine and return its value; what it raises is raised."""
        return self.loop.run_until_complete(work)

    def do(self, work: Any) -> None:
        """Run a coroutine as a button would."""
        self.c.start(work)
        self.settle()


@pytest.fixture
def trained(desk: Desk) -> Desk:
    """Give a window with a viewer, a data set and a run."""
    desk.shell._make_viewer = lambda view: Viewer(view, canvas="image")
    desk.shell.attach_viewer()
    desk.window.viewer.ensure_canvas()
    desk.do(desk.c.session.open_dataset("/phantom"))
    desk.do(desk.c.session.open_run("/runs/one"))
    desk.until(lambda: desk.window.viewer.canvas.scene.cells)
    return desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Give a window without viewer."""
    import qasync

    loop = qasync.QEventLoop(application())
    asyncio.set_event_loop(loop)
    engine = FakeEngine()
    shell = Shell(engine, journal=False)
    shell.window.resize(1280, 800)
    shell.window.show()
    out = Desk(loop, engine, shell)
    yield out
    shell.window.close()
    if shell.window.viewer is not None:
        shell.window.viewer.close()
    shell.window.deleteLater()
    out.loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    asyncio.set_event_loop(None)
