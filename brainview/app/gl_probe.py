"""Ask the graphics driver, in a child process, whether it can draw: a failing driver aborts, and that must not be us.

Run as ``python -m brainview.app.gl_probe``; prints one line of JSON: the driver's name and version.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer
from PySide6.QtGui import QGuiApplication

#: Drivers that draw on the processor: multisampling would multiply the time of a frame by 2.3 to 4.6 there.
SOFTWARE = ("llvmpipe", "softpipe", "swrast", "software rasterizer", "gdi generic")
#: The longest wait for the child, ms.
PATIENCE = 8000


@dataclass(frozen=True)
class Graphics:
    """What the driver said; `usable` False with the reason when it cannot draw in a widget."""

    usable: bool
    renderer: str = ""
    reason: str = ""

    @property
    def samples(self) -> int:
        """Multisampling that this driver affords on screen."""
        return 0 if any(word in self.renderer.lower() for word in SOFTWARE) else 4


class Probe(QObject):
    """One question to the driver; `answer` is called once, in this thread's event loop."""

    def __init__(self, answer: Callable[[Graphics], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._answer: Callable[[Graphics], None] | None = answer
        platform = QGuiApplication.platformName()
        if platform in ("offscreen", "minimal", "vnc", "linuxfb"):
            unable = Graphics(False, "", f"the {platform} platform has no OpenGL")
            QTimer.singleShot(0, self, lambda: self._tell(unable))
            return
        self._child = QProcess(self)
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("QT_QPA_PLATFORM", platform)
        self._child.setProcessEnvironment(environment)
        self._child.finished.connect(self._finished)
        self._child.errorOccurred.connect(lambda _: self._tell(Graphics(False, "", "the test could not be started")))
        self._child.start(sys.executable, ["-m", "brainview.app.gl_probe"])
        QTimer.singleShot(PATIENCE, self, lambda: self._tell(Graphics(False, "", "the driver did not answer")))

    def _finished(self, status: int, _how: object = None) -> None:
        text = bytes(self._child.readAllStandardOutput().data()).decode(errors="replace").strip()
        try:
            said = json.loads(text.splitlines()[-1])
            self._tell(Graphics(bool(said["usable"]), str(said.get("renderer", "")), str(said.get("reason", ""))))
        except (ValueError, IndexError, KeyError, TypeError):
            self._tell(Graphics(False, "", f"the driver ended the test (status {status})"))

    def _tell(self, graphics: Graphics) -> None:
        if self._answer is not None:
            answer, self._answer = self._answer, None
            answer(graphics)

    def cancel(self) -> None:
        """Forget the question."""
        self._answer = None
        child = getattr(self, "_child", None)
        if child is not None and child.state() != QProcess.ProcessState.NotRunning:
            child.kill()
            child.waitForFinished(500)


def ask_driver() -> dict[str, object]:
    """Make an OpenGL 3.2 core context off screen and return what it says about itself."""
    from PySide6.QtGui import QOffscreenSurface, QOpenGLContext, QSurfaceFormat

    wanted = QSurfaceFormat()
    wanted.setRenderableType(QSurfaceFormat.RenderableType.OpenGL)
    wanted.setProfile(QSurfaceFormat.OpenGLContextProfile.CoreProfile)
    wanted.setVersion(3, 2)
    context = QOpenGLContext()
    context.setFormat(wanted)
    if not context.create():
        return {"usable": False, "reason": "no OpenGL context could be made"}
    surface = QOffscreenSurface()
    surface.setFormat(context.format())
    surface.create()
    if not context.makeCurrent(surface):
        return {"usable": False, "reason": "the OpenGL context could not be used"}
    version = context.format().version()
    if tuple(version) < (3, 2):
        return {"usable": False, "reason": f"OpenGL {version[0]}.{version[1]} is too old, 3.2 is needed"}
    renderer = context.functions().glGetString(0x1F01)  # GL_RENDERER
    context.doneCurrent()
    return {"usable": True, "renderer": str(renderer or "unknown"), "version": f"{version[0]}.{version[1]}"}


if __name__ == "__main__":
    application = QGuiApplication(sys.argv[:1])
    sys.stdout.write(json.dumps(ask_driver()) + "\n")
    sys.stdout.flush()
