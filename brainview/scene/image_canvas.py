"""A canvas without a window: draws off screen and gives the picture as an array.

For tests, remote X, machines whose OpenGL fails in a widget, and exports. It holds a bare VTK window instead of a
pyvista plotter: that is all the scene needs, and importing pyvista would take a second.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import vtkmodules.vtkRenderingOpenGL2  # noqa: F401  (registers the render window)
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkLogger
from vtkmodules.vtkRenderingCore import vtkRenderWindow, vtkWindowToImageFilter

from brainview.scene.canvas import SceneCanvas
from brainview.scene.surface import SurfaceScene


class ImageCanvas(SceneCanvas):
    """An off-screen scene.

    Parameters
    ----------
    size : (int, int)
        Device pixels.
    scale : float
        Size of text and lines, also the device pixel ratio for places.
    samples : int
        Multisampling; 0 on screens with software OpenGL, more for exports.
    alpha : bool
        Give the picture a transparent background.
    """

    def __init__(self, size: tuple[int, int] = (800, 600), *, scale: float = 1.0, samples: int = 0,
                 alpha: bool = False, ratio: float = 1.0) -> None:
        vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_ERROR)  # it warns when it finds no X server and goes on
        window = vtkRenderWindow()
        window.SetOffScreenRendering(True)
        window.SetMultiSamples(samples)
        window.SetAlphaBitPlanes(bool(alpha))
        window.SetSize(*(max(1, int(n)) for n in size))
        window.SetDPI(72)
        self._window: vtkRenderWindow | None = window
        self._alpha, self._ratio = alpha, ratio
        self.scene = SurfaceScene(window, scale=scale)
        #: Called when the picture is out of date; the widget that shows it then asks Qt for one paint.
        self.on_change: Callable[[], None] = lambda: None
        self.paints = 0

    def request_paint(self) -> None:
        """Tell the owner that the picture is out of date."""
        self.on_change()

    def size(self) -> tuple[int, int]:
        """Return the size in logical pixels."""
        width, height = self.scene.window.GetSize()
        return round(width / self._ratio), round(height / self._ratio)

    def resize(self, width: int, height: int) -> None:
        """Change the size (device pixels)."""
        if self._window is not None and (width, height) != tuple(self._window.GetSize()):
            self._window.SetSize(max(1, width), max(1, height))
            self.scene.resized()

    def picture(self) -> np.ndarray:
        """Paint and return (height, width, 3) uint8, with alpha (height, width, 4)."""
        assert self._window is not None
        self._window.Render()
        self.paints += 1
        return grab(self._window, self._alpha)

    def close(self) -> None:
        """Free the scene and the render window."""
        if self._window is not None:
            self.scene.close()
            self._window.Finalize()
            self._window = None


def grab(window: vtkRenderWindow, alpha: bool = False) -> np.ndarray:
    """Return the last frame of a render window, (height, width, 3 or 4) uint8, top row first."""
    reader = vtkWindowToImageFilter()
    reader.SetInput(window)
    reader.ReadFrontBufferOff()
    reader.ShouldRerenderOff()
    if alpha:
        reader.SetInputBufferTypeToRGBA()
    reader.Update()
    image = reader.GetOutput()
    width, height, _ = image.GetDimensions()
    pixels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)
    return np.ascontiguousarray(pixels[::-1])
