"""A process that has drawn can load torch's compiler afterwards, where load_compilers went first."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

DRAW_THEN_LOAD = """
from brainview.core.graphics import load_compilers
load_compilers()
from brainview.maps.space import surface_space
from brainview.scene import views
from brainview.scene.image_canvas import ImageCanvas
canvas = ImageCanvas((64, 48))
canvas.set_surface(surface_space("fsaverage5"), "pial")
canvas.set_panels(views.panels("single", "lateral", ("left", "right"), "pial"))
assert canvas.picture().std() > 1
import triton
"""


def test_drawing_first_does_not_kill_the_compiler():
    if importlib.util.find_spec("triton") is None:
        pytest.skip("triton is not installed on this system")
    done = subprocess.run([sys.executable, "-c", DRAW_THEN_LOAD], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
