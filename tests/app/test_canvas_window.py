"""The OpenGL canvas on a real display (Xvfb): the same colours as off screen, one paint per change, none while idle."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.window

#: Run in a process of its own, because the suite's QApplication lives on the offscreen platform.
SCRIPT = r"""
import json, sys, time
import numpy as np
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMainWindow
from brainview.app.viewer import Viewer, prepare_surface_format
from brainview.scene.image_canvas import ImageCanvas
from brainview.scene.views import panels
from brainview.state.view import ViewState
from tests.scene.sample import bump

prepare_surface_format()
app = QApplication([])
view = ViewState()
window = QMainWindow()
viewer = Viewer(view)
window.setCentralWidget(viewer)
window.resize(640, 520)
ready, notices = [], []
viewer.ready.connect(lambda: ready.append(1))
viewer.notice.connect(notices.append)
window.show()
early = "pyvistaqt" in sys.modules
limit = time.monotonic() + 90
while not ready and time.monotonic() < limit:
    app.processEvents()
def settle(seconds=0.4):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        app.processEvents()
view.show(bump())
settle(1.5)
out = {"kind": type(viewer.canvas).__name__, "notices": notices, "early": early}
screen = viewer.canvas.picture()
h, w = screen.shape[:2]
image = ImageCanvas((w, h))
image.set_background("dark"); image.set_surface(bump().space, "inflated")
image.set_panels(panels("grid", "lateral", ("left", "right")))
image.set_values(bump(), view.rule)
other = image.picture()
out["differing"] = float((np.abs(screen.astype(int) - other) > 3).any(-1).mean())
grabbed = window.grab().toImage()
out["grab_colored"] = sum(grabbed.pixelColor(x, y).hsvSaturation() > 120
                          for x in range(0, grabbed.width(), 5) for y in range(0, grabbed.height(), 5))
settle()
before = viewer.canvas.paints
view.rule = view.rule.having(threshold=0.2)
view.rule = view.rule.having(threshold=0.3)
settle()
out["paints_per_change"] = viewer.canvas.paints - before
before, cpu = viewer.canvas.paints, time.process_time()
time.sleep(0)
start = time.monotonic()
while time.monotonic() < start + 1.0:
    app.processEvents(); time.sleep(0.02)
out["idle_paints"], out["idle_cpu"] = viewer.canvas.paints - before, time.process_time() - cpu
scene = viewer.canvas.scene
vertex = next(int(v) for v in np.argsort(scene.meshes["left"].normals[:, 0]) if scene.where("left", int(v)))
x, y = scene.where("left", vertex)[0]
body = viewer.canvas.widget
place = QPoint(int(x * body.width()), int((1 - y) * body.height()))
QTest.mouseClick(body, Qt.MouseButton.LeftButton, pos=place)
out["picked"] = [view.picked.hemisphere, abs(view.picked.ras[0] - scene.pick_of("left", vertex).ras[0])]
towards = scene.cells[0].camera.towards.copy()
QTest.mousePress(body, Qt.MouseButton.LeftButton, pos=place)
QTest.mouseMove(body, place + QPoint(60, 0)); QTest.mouseRelease(body, Qt.MouseButton.LeftButton, pos=place)
out["turned"] = bool(np.abs(scene.cells[0].camera.towards - towards).max() > 0.05)
window.resize(900, 600); settle()
out["resized"] = list(viewer.canvas.picture().shape[:2]) == [body.height(), body.width()]
image.close(); viewer.close(); settle(0.2)
second = Viewer(ViewState(), canvas="qt"); second.resize(300, 200); second.show(); settle(1.0)
out["second"] = type(second.canvas).__name__
second.close(); window.close(); settle(0.2)
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    if not os.environ.get("DISPLAY"):
        pytest.skip("no display; run under: xvfb-run -a -s '-screen 0 1920x1200x24'")
    environment = {**os.environ, "QT_QPA_PLATFORM": "xcb", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=240, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_the_driver_was_asked_and_the_widget_taken(told):
    assert told["kind"] == "QtCanvas"
    assert len(told["notices"]) == 1
    assert not told["early"]  # pyvistaqt comes after the first paint


def test_the_screen_has_the_colors_of_the_off_screen_picture(told):
    assert told["differing"] < 0.01
    assert told["grab_colored"] > 50


def test_one_paint_per_change_and_none_while_idle(told):
    assert told["paints_per_change"] == 1
    assert told["idle_paints"] == 0
    assert told["idle_cpu"] < 0.3


def test_mouse_and_size(told):
    assert told["picked"][0] == "left"
    assert told["picked"][1] < 8
    assert told["turned"]
    assert told["resized"]


def test_a_second_viewer_after_the_first_was_closed(told):
    assert told["second"] == "QtCanvas"
