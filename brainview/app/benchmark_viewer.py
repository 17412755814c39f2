"""What a change costs: new values, threshold and limits against one bare paint, and against MNE's Brain if installed.

Everything is measured in one run and told as ratios: on a busy machine milliseconds mean nothing. CPU time of the
process is counted, of all its threads, because software OpenGL draws in several.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from brainview.core.errors import FormatError
from brainview.core.jobs import QUIET, JobContext
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule
from brainview.maps.space import surface_space

SIZE = (800, 600)
#: What a change may cost, in bare paints.
GOAL = 1.2


def measure(mesh: str = "fsaverage5", rounds: int = 30, *, peer_python: str | None = None,
            context: JobContext = QUIET) -> dict[str, Any]:
    """Measure the viewer's drawing and return the figures as plain JSON types.

    Parameters
    ----------
    mesh : str
        Standard mesh to draw (both hemispheres).
    rounds : int
        Repetitions; bare paints and changes alternate, so that other work on the machine hits all alike.
    peer_python : str, optional
        A Python that has MNE, to measure beside it in the same run; default this one.

    Returns
    -------
    dict
        ``rows`` (what, canvas, CPU ms median, ratio to the bare paint of the same canvas), ``goal``, ``met``,
        ``notes``.
    """
    if rounds < 3:
        raise FormatError(f"at least 3 rounds are needed for a median, got {rounds}")
    rows, notes = [], []
    steps = ["off screen"] + (["OpenGL widget"] if _has_display() else [])
    if len(steps) == 1:
        notes.append("no display: the OpenGL widget was not measured")
    for position, name in enumerate(steps):
        context.report(position, len(steps) + 1, f"measuring {name}")
        rows += _canvas_rows(name, mesh, rounds)
    context.report(len(steps), len(steps) + 1, "measuring MNE Brain")
    rows += _mne_rows(mesh, rounds, peer_python or sys.executable, notes, rows)
    ours = [r["ratio"] for r in rows if r["ratio"] is not None and r["canvas"] != "MNE Brain"]
    context.report(1, 1, "done")
    return {"mesh": mesh, "size": list(SIZE), "rounds": rounds, "goal": GOAL, "met": max(ours) <= GOAL, "rows": rows,
            "notes": notes}


def _has_display() -> bool:
    from PySide6.QtGui import QGuiApplication

    application = QGuiApplication.instance()
    return application is not None and QGuiApplication.platformName() not in ("offscreen", "minimal")


def _canvas_rows(name: str, mesh: str, rounds: int) -> list[dict[str, Any]]:
    from brainview.scene.views import panels

    space = surface_space(mesh)
    generator = np.random.default_rng(0)
    maps = [BrainMap(generator.normal(size=space.size), space, kind="diverging") for _ in range(4)]
    canvas, paint, close = _off_screen() if name == "off screen" else _widget()
    canvas.set_surface(space, "inflated")
    canvas.set_panels(panels("split", "lateral", ("left", "right")))
    rule = ColorRule("RdBu", (-3, 3), two_sided=True)
    canvas.set_values(maps[0], rule)
    for _ in range(4):
        paint()
    changes: dict[str, Callable[[int], None]] = {
        "bare paint": lambda n: None,
        "new values": lambda n: canvas.set_values(maps[n % 4], rule),
        "threshold": lambda n: canvas.set_rule(rule.having(threshold=0.5 + 0.01 * (n % 50))),
        "percentile, faded": lambda n: canvas.set_rule(
            rule.having(threshold=50 + (n % 40), threshold_unit="percentile", below="faded")),
        "limits": lambda n: canvas.set_rule(rule.having(limits=(-3 - 0.01 * (n + 1), 3 + 0.01 * (n + 1))))}
    spent: dict[str, list[float]] = {key: [] for key in changes}
    gc.disable()
    try:
        for n in range(rounds):
            for key, change in changes.items():
                start = time.process_time()
                change(n)
                paint()
                spent[key].append(time.process_time() - start)
    finally:
        gc.enable()
        close()
    bare = float(np.median(spent["bare paint"]))
    return [{"what": key, "canvas": name, "cpu_ms": 1000 * float(np.median(times)),
             "ratio": None if key == "bare paint" else float(np.median(times)) / bare} for key, times in spent.items()]


def _off_screen() -> tuple[Any, Callable[[], None], Callable[[], None]]:
    from brainview.scene.image_canvas import ImageCanvas

    canvas = ImageCanvas(SIZE)

    def paint() -> None:
        canvas.scene.window.Render()
        canvas.scene.window.WaitForCompletion()

    return canvas, paint, canvas.close


def _widget() -> tuple[Any, Callable[[], None], Callable[[], None]]:
    from PySide6.QtWidgets import QApplication

    from brainview.app.qt_canvas import QtCanvas

    canvas = QtCanvas(samples=0)
    canvas.widget.resize(*SIZE)
    canvas.widget.show()
    limit = time.monotonic() + 20
    while canvas.paints == 0 and time.monotonic() < limit:
        QApplication.processEvents()

    def paint() -> None:
        before = canvas.paints
        canvas.request_paint()
        end = time.monotonic() + 5
        while canvas.paints == before and time.monotonic() < end:
            QApplication.processEvents()
        canvas.scene.window.WaitForCompletion()

    return canvas, paint, canvas.close


#: Run by the Python that has MNE: the same mesh and size, one window with both hemispheres beside each other.
_MNE = r"""
import sys, time, os, tempfile, json
import numpy as np, mne
mesh_files, rounds, size = json.loads(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
mne.set_log_level("ERROR")
folder = tempfile.mkdtemp()
surf = os.path.join(folder, "s", "surf"); os.makedirs(surf); os.makedirs(os.path.join(folder, "s", "label"))
with np.load(mesh_files) as data:
    for side in ("lh", "rh"):
        mne.write_surface(os.path.join(surf, side + ".inflated"), data[side + "_points"], data[side + "_faces"])
        mne.write_surface(os.path.join(surf, side + ".white"), data[side + "_points"], data[side + "_faces"])
        import nibabel
        nibabel.freesurfer.write_morph_data(os.path.join(surf, side + ".curv"), data[side + "_sulc"])
brain = mne.viz.Brain("s", hemi="split", surf="inflated", subjects_dir=folder, size=tuple(size), show=True)
n = len(data_l := np.load(mesh_files)["lh_points"])
rng = np.random.default_rng(0)
series = [rng.normal(size=(n, 4)) for _ in range(2)]
for k, side in enumerate(("lh", "rh")):
    brain.add_data(series[k], hemi=side, fmin=0.0, fmid=1.0, fmax=3.0, center=0.0, vertices=np.arange(n),
                   smoothing_steps=0, time=np.arange(4.0), colormap="RdBu_r", colorbar=False)
plotter = brain.plotter
def settle():
    brain._renderer._update() if hasattr(brain._renderer, "_update") else None
    plotter.app.processEvents() if getattr(plotter, "app", None) is not None else None
for k in range(4):
    brain.set_time_point(k % 4); settle()
out = {"values": [], "limits": []}
for k in range(rounds):
    start = time.process_time()
    brain.set_time_point(k % 4)
    settle()
    out["values"].append(time.process_time() - start)
    start = time.process_time()
    brain.update_lut(fmin=0.0, fmid=1.0 + 0.001 * k, fmax=3.0 + 0.01 * k)
    settle()
    out["limits"].append(time.process_time() - start)
print(json.dumps({k: float(np.median(v)) * 1000 for k, v in out.items()}))
os._exit(0)
"""


def _mne_rows(mesh: str, rounds: int, python: str, notes: list[str], ours: list[dict[str, Any]]
              ) -> list[dict[str, Any]]:
    import json
    import tempfile
    from pathlib import Path

    from brainview.maps.meshes import load_mesh, load_scalar

    if not any(row["canvas"] == "OpenGL widget" for row in ours):
        return []
    try:
        absent = subprocess.run([python, "-c", "import mne, pyvistaqt"], capture_output=True).returncode != 0
    except OSError:
        absent = True
    if absent:
        notes.append("MNE is not installed (extra `peers`): not measured")
        return []
    with tempfile.TemporaryDirectory() as folder:
        arrays = {}
        for side, short in (("left", "lh"), ("right", "rh")):
            surface = load_mesh(mesh, side, "inflated")  # type: ignore[arg-type]
            arrays.update({f"{short}_points": surface.vertices, f"{short}_faces": surface.faces,
                           f"{short}_sulc": load_scalar(mesh, side, "sulc")})  # type: ignore[arg-type]
        path = Path(folder) / "mesh.npz"
        np.savez(path, **arrays)  # type: ignore[arg-type]
        try:
            done = subprocess.run([python, "-c", _MNE, json.dumps(str(path)), str(rounds), json.dumps(SIZE)],
                                  capture_output=True, text=True, timeout=300)
            said = json.loads(done.stdout.strip().splitlines()[-1])
        except (subprocess.TimeoutExpired, ValueError, IndexError) as err:
            notes.append(f"MNE Brain could not be measured: {type(err).__name__}")
            return []
    rows = []
    for what, key in (("new values", "values"), ("limits", "limits")):
        mine = next(r["cpu_ms"] for r in ours if r["canvas"] == "OpenGL widget" and r["what"] == what)
        rows.append({"what": what, "canvas": "MNE Brain", "cpu_ms": said[key], "ratio": None,
                     "ours_by_mne": mine / said[key]})
    return rows


def run(rounds: int = 30, mesh: str = "fsaverage5", *, peer_python: str | None = None,
        context: JobContext = QUIET) -> dict[str, Any]:
    """Make a Qt application if there is none (on the present platform) and measure."""
    import os

    from PySide6.QtWidgets import QApplication

    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY") and sys.platform.startswith("linux"):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    application = QApplication.instance() or QApplication([])
    out = measure(mesh, rounds, peer_python=peer_python, context=context)
    del application
    return out


def main() -> None:
    """Print the table (``python -m brainview.app.benchmark_viewer [PYTHON_WITH_MNE]``)."""
    from brainview.core.files import to_json

    sys.stdout.write(to_json(run(peer_python=sys.argv[1] if len(sys.argv) > 1 else None)) + "\n")


if __name__ == "__main__":
    main()
