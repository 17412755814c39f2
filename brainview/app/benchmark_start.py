"""What starting costs: time to the window and to the brain, and peak memory, beside a bare program and MNE's Brain.

Each program is a process of its own, started anew every round, in turn; wall time counts from before the process is
started. Absolute times depend on the machine, so the ratios of one run are what is told, with the smallest and the
largest of the rounds; the ratio of CPU seconds is told too, because it survives other work on the machine.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from brainview.core.errors import BrainViewError, MissingError
from brainview.core.jobs import QUIET, JobContext

#: Told by every child on standard output, one JSON object.
_TELL = """
import json, os, resource, sys, time
def tell(**marks):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    start = float(os.environ["BRAINVIEW_T0"])
    print(json.dumps({k: v - start for k, v in marks.items()} | {"MiB": peak, "cpu": time.process_time()}), flush=True)
    os._exit(0)
"""

#: A window with a QtInteractor that shows both hemispheres of fsaverage5 with values: the least one can write.
_BARE = _TELL + """
os.environ["QT_API"] = "pyside6"
import numpy as np
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QMainWindow
import pyvista as pv
from pyvistaqt import QtInteractor
from brainview.maps.meshes import load_mesh
app = QApplication([])
window = QMainWindow()
plotter = QtInteractor(window, auto_update=False, multi_samples=0)
window.setCentralWidget(plotter)
window.resize(1280, 800)
for side, shift in (("left", -45), ("right", 45)):
    mesh = load_mesh("fsaverage5", side, "inflated")
    faces = np.column_stack([np.full(len(mesh.faces), 3), mesh.faces]).ravel()
    shape = pv.PolyData(mesh.vertices + [shift, 0, 0], faces)
    plotter.add_mesh(shape, scalars=mesh.vertices[:, 1], show_scalar_bar=False)
window.show()
app.processEvents()
shown = time.time()
plotter.render()
app.processEvents()
tell(window=shown, brain=time.time())
"""

_OURS = _TELL + """
import asyncio
from brainview.app import start
program = start.application()
import qasync
from brainview.engine import Engine
loop = qasync.QEventLoop(program)
asyncio.set_event_loop(loop)
shell = start.Shell(Engine(), journal=False)
marks = {}
async def life():
    painted = loop.create_future()
    def first_paint():
        marks.setdefault("window", time.time())
        start.settle(painted)
    shell.window.painted.connect(first_paint)
    shell.show()
    shell.window.resize(1280, 800)
    await painted
    assert "pyvistaqt" not in sys.modules
    shell.attach_viewer()
    shell.window.show_viewer(True)
    viewer = shell.window.viewer
    ready = loop.create_future()
    viewer.ready.connect(lambda: start.settle(ready))
    await ready
    await asyncio.sleep(0)
    viewer.sync()
    program.processEvents()
    tell(brain=time.time(), **marks)
with loop:
    loop.run_until_complete(life())
"""

_MNE = _TELL + """
import mne
mne.viz.set_3d_backend("pyvistaqt")
mne.set_log_level("ERROR")
brain = mne.viz.Brain("fsaverage5", hemi="both", surf="inflated", subjects_dir=os.environ["BRAINVIEW_SUBJECTS"],
                      size=(1280, 800))
from qtpy.QtWidgets import QApplication
QApplication.processEvents()
now = time.time()
tell(window=now, brain=now)
"""


def _write_subject(folder: Path) -> None:
    """Write fsaverage5 as the FreeSurfer subject that MNE wants."""
    import nibabel as nib

    from brainview.maps.meshes import load_mesh, load_scalar

    place = folder / "fsaverage5" / "surf"
    place.mkdir(parents=True)
    for side, name in (("left", "lh"), ("right", "rh")):
        for surface in ("inflated", "white"):
            mesh = load_mesh("fsaverage5", side, surface)  # type: ignore[arg-type]
            nib.freesurfer.write_geometry(place / f"{name}.{surface}", mesh.vertices, mesh.faces)  # type: ignore
        curv = load_scalar("fsaverage5", side, "curv")  # type: ignore[arg-type]
        nib.freesurfer.write_morph_data(place / f"{name}.curv", curv)  # type: ignore[attr-defined]


def measure(rounds: int = 5, *, peer_python: str | None = None, context: JobContext = QUIET) -> dict[str, Any]:
    """Start each program `rounds` times in turn and return medians and ratios as plain JSON types.

    Raises
    ------
    MissingError
        There is no display for the windows.
    """
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise MissingError("starting windows needs a display", remedy="Run it under xvfb-run.")
    programs = {"bare PySide6 + QtInteractor": (sys.executable, _BARE), "BrainView": (sys.executable, _OURS)}
    notes = []
    peer = peer_python or (sys.executable if importlib.util.find_spec("mne") else None)
    if peer:
        programs["MNE Brain"] = (peer, _MNE)
    else:
        notes.append("MNE is not installed (extra 'peers'), so it was not measured")
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as folder:
        if peer:
            _write_subject(Path(folder))
        for round_number in range(rounds + 1):
            for name, (python, code) in programs.items():
                context.report(round_number, rounds + 1, name)
                marks = _start(python, code, name, folder)
                if round_number:  # the first round fills the disk cache
                    seen[name].append(marks)
    middle = {name: {k: statistics.median(m[k] for m in marks) for k in ("window", "brain", "MiB", "cpu")}
              for name, marks in seen.items()}
    bare = middle["bare PySide6 + QtInteractor"]
    if peer:
        notes += [f"MNE brain / our brain: {_ratios(seen['MNE Brain'], seen['BrainView'], 'brain')} by wall time, "
                  f"{_ratios(seen['MNE Brain'], seen['BrainView'], 'cpu')} by CPU seconds"]
    ours, least = seen["BrainView"], seen["bare PySide6 + QtInteractor"]
    notes.append(f"our brain / bare: {_ratios(ours, least, 'brain')} by wall time, "
                 f"{_ratios(ours, least, 'cpu')} by CPU seconds")
    rows = [{"program": name, "window s": m["window"], "brain s": m["brain"], "CPU s": m["cpu"], "peak MiB": m["MiB"],
             "window / bare": m["window"] / bare["window"], "brain / bare": m["brain"] / bare["brain"],
             "memory / bare": m["MiB"] / bare["MiB"]} for name, m in middle.items()]
    return {"rows": rows, "rounds": rounds, "notes": notes,
            "goals": {"window / bare": 0.5, "brain / bare": 1.0, "memory / bare": 1.25, "MNE brain / our brain": 1.5}}


def _ratios(above: list[dict[str, float]], below: list[dict[str, float]], what: str) -> str:
    """Return the median of the rounds' ratios, with the smallest and the largest."""
    each = sorted(a[what] / b[what] for a, b in zip(above, below, strict=True))
    return f"{statistics.median(each):.2f} ({each[0]:.2f} to {each[-1]:.2f})"


def _start(python: str, code: str, name: str, subjects: str) -> dict[str, float]:
    environment = os.environ | {"BRAINVIEW_T0": repr(time.time()), "BRAINVIEW_SUBJECTS": subjects,
                                "QT_QPA_PLATFORM": "xcb"
                                if sys.platform.startswith("linux") and os.environ.get("DISPLAY") else ""}
    if not environment["QT_QPA_PLATFORM"]:
        environment.pop("QT_QPA_PLATFORM")
    environment["BRAINVIEW_CANVAS"] = "qt"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=120, env=environment)
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, json.JSONDecodeError) as err:
        raise BrainViewError(f"{name} did not start: {done.stderr.strip()[-300:]}") from err
