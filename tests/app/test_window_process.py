"""The window's process holds nothing heavy: a fresh process shows a brain and its modules are looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SHOW = """
import asyncio, json, sys, time
sys.path.insert(0, {root!r})
start = time.perf_counter()
import qasync
from brainview.app.start import Shell, application
from brainview.engine import Engine
loop = qasync.QEventLoop(application())
asyncio.set_event_loop(loop)
engine = Engine()
shell = Shell(engine, journal=False, canvas="image")
seen = {{}}
shell.window.painted.connect(lambda: seen.setdefault("heavy", [m for m in ("pyvista", "vtkmodules", "pyvistaqt",
                                                                             "torch", "nilearn", "distributed",
                                                                             "scipy", "pyqtgraph", "matplotlib")
                                                                if m in sys.modules]))
shell.window.show()

async def life():
    import numpy as np
    from brainview.maps.brainmap import BrainMap
    from brainview.maps.space import surface_space
    while "heavy" not in seen:
        await asyncio.sleep(0.01)
    shell.attach_viewer()
    shell.controller.view.show(BrainMap(np.linspace(0, 1, 20484), surface_space("fsaverage5"), name="test"))
    for _ in range(2000):
        await asyncio.sleep(0.01)
        viewer = shell.window.viewer
        if viewer.canvas is not None and viewer.stack.currentWidget() is viewer._body:
            break
    await asyncio.sleep(0.3)
    image = shell.window.viewer.grab().toImage()
    colors = {{image.pixel(x, y) for x in range(0, image.width(), 9) for y in range(0, image.height(), 9)}}
    seen["colors"] = len(colors)
    shell.window.close()
    await shell.shut_down()

loop.run_until_complete(life())
loop.close()
banned = ("torch", "nilearn", "transformers", "timm", "open_clip", "sklearn", "brainview.datasets", "brainview.phantom",
          "brainview.features", "brainview.encoding", "brainview.training", "brainview.alignment",
          "brainview.attribution", "brainview.language")
seen["banned"] = [m for m in banned if m in sys.modules]
print("RESULT" + json.dumps(seen))
"""


@pytest.mark.gui
def test_a_fresh_process_shows_a_brain_without_torch_nilearn_or_any_system(tmp_path):
    root = str(Path(__file__).resolve().parents[2])
    env = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "BRAINVIEW_HOME": str(tmp_path), "QT_API": "pyside6"}
    out = subprocess.run([sys.executable, "-c", SHOW.format(root=root)], capture_output=True, text=True, timeout=200,
                         env=env, check=False)
    line = next((s for s in out.stdout.splitlines() if s.startswith("RESULT")), None)
    assert line is not None, out.stderr[-3000:]
    seen = json.loads(line[6:])
    assert seen["heavy"] == [], "nothing heavy is imported before the first paint"
    assert seen["banned"] == []
    assert seen["colors"] > 60, "a brain with a map was drawn"
