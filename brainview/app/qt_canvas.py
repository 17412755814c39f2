"""The canvas of a real screen: a pyvistaqt QtInteractor that only paints when it is asked to.

What it takes away from the interactor, and why: the timer (redraws five times a second for ever), the mouse and key
handling (ours is the same on all canvases, and pyvista's ``q`` closes the plotter), the drops (its own handler adds a
bare mesh), ``plotter.render()`` (draws twice; Qt is asked for one paint instead).
"""

from __future__ import annotations

import os

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget

from brainview.app.pointer import Pointer
from brainview.core.imports import called_later, postpone
from brainview.scene.canvas import SceneCanvas


class QtCanvas(SceneCanvas):
    """A scene in an OpenGL widget; create it in the GUI thread, on a platform with OpenGL (see gl_probe).

    Parameters
    ----------
    parent : QWidget
    samples : int
        Multisampling; 0 on software OpenGL.
    """

    def __init__(self, parent: QWidget | None = None, *, samples: int = 0) -> None:
        os.environ.setdefault("QT_API", "pyside6")
        postpone("matplotlib.pyplot")  # pyvista's charts want it, no brain does
        with called_later("matplotlib.backends.backend_agg", "FigureCanvasAgg"):
            from pyvistaqt import QtInteractor  # takes a second: imported after the window's first paint

        from brainview.scene.surface import SurfaceScene

        self.widget = QtInteractor(parent, auto_update=False, multi_samples=samples, lighting="none")
        self.widget.setAcceptDrops(False)
        self.widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.scene = SurfaceScene(self.widget, scale=self.widget.devicePixelRatioF())
        self.widget.ren_win.SetDPI(72)
        self.paints = 0
        self._observers = [self.widget.ren_win.AddObserver("EndEvent", self._painted),
                           self.widget.ren_win.AddObserver("StartEvent", self._starting)]
        self.pointer = Pointer(self.widget, self)
        self.pointer.resized.connect(self._resized)
        self._closed = False

    def request_paint(self) -> None:
        """Ask Qt for one paint; several requests in one turn of the event loop are one paint."""
        if not self._closed:
            self.widget.update()

    def size(self) -> tuple[int, int]:
        """Return the widget's size."""
        return self.widget.width(), self.widget.height()

    def picture(self) -> np.ndarray:
        """Return what the widget shows, in device pixels."""
        image = self.widget.grabFramebuffer().convertToFormat(QImage.Format.Format_RGB888)
        pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
        return pixels[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()

    def close(self) -> None:
        """Free the scene, the context and the widget."""
        if self._closed:
            return
        self._closed = True
        self.widget.removeEventFilter(self.pointer)
        for observer in self._observers:
            self.widget.ren_win.RemoveObserver(observer)
        self.scene.close()
        self.widget.close()
        self.widget.deleteLater()

    def _starting(self, *_: object) -> None:
        """Hold the resolution: the widget raises it with the pixel ratio, which the scene's scale has in it already."""
        self.widget.ren_win.SetDPI(72)

    def _painted(self, *_: object) -> None:
        self.paints += 1

    def _resized(self) -> None:
        ratio = self.widget.devicePixelRatioF()
        # the widget tells VTK its size only when it paints; the cameras need it now
        self.widget.ren_win.SetSize(max(1, round(self.widget.width() * ratio)),
                                    max(1, round(self.widget.height() * ratio)))
        self.widget.ren_win.SetDPI(72)
        self.scene.resized()
        self.request_paint()
