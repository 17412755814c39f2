"""Postponed imports: nothing runs before it is used, and what runs then is the real module."""

import subprocess
import sys

CODE = """
import sys
from brainview.core.imports import postpone
assert postpone("no_such_package.at_all") is None and "no_such_package" not in sys.modules
module = postpone("colorsys")
assert sys.modules["colorsys"] is module and "hls_to_rgb" not in vars(module)
import colorsys
from importlib import import_module
assert import_module("colorsys") is colorsys is module and "hls_to_rgb" not in vars(module)
from colorsys import rgb_to_hsv
assert colorsys.rgb_to_hsv is rgb_to_hsv and rgb_to_hsv(1, 0, 0) == (0.0, 1.0, 1)
assert rgb_to_hsv.__globals__ is vars(module) and postpone("colorsys") is None
try:
    colorsys.nothing
except AttributeError as err:
    assert "nothing" in str(err)
else:
    raise SystemExit("an attribute that is not there was found")
"""

CHARTS = """
import os, sys
from brainview.core.imports import called_later, postpone
os.environ["QT_API"] = "pyside6"
postpone("matplotlib.pyplot")
with called_later("matplotlib.backends.backend_agg", "FigureCanvasAgg"):
    import pyvistaqt, pyvista
for name in ("figure", "text", "backends.backend_agg"):
    assert f"matplotlib.{name}" not in sys.modules, "pyvista has come to use matplotlib while it is imported"
import matplotlib.pyplot as plt
figure = plt.figure()
assert figure.number == 1 and "matplotlib.figure" in sys.modules
chart = pyvista.ChartMPL(figure)
from matplotlib.backends.backend_agg import FigureCanvasAgg
assert isinstance(chart._canvas, FigureCanvasAgg) and isinstance(FigureCanvasAgg, type)
"""


def test_a_postponed_module_runs_when_it_is_used():
    subprocess.run([sys.executable, "-c", CODE], check=True)


def test_pyplot_waits_behind_pyvista_and_works_when_wanted():
    subprocess.run([sys.executable, "-c", CHARTS], check=True)
