"""The measured slider session on a real display (Xvfb), in small: the right map is left, nothing fails, nothing grows.

Seconds are not judged here: `brainview benchmark attribution --live` does that on a quiet machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.attribution.runs_for_tests import make_run

pytestmark = pytest.mark.window

SCRIPT = """
import json, sys
from brainview.app.benchmark_live import measure
from brainview.cli.benchmarks.attribution_live import live_text
found = measure("", sys.argv[1], moves=30, seconds=2.0, repeats=1, keys=5)
print("FOUND" + json.dumps([found, live_text(found)]))
"""


def test_a_slider_session_leaves_the_right_map(tmp_path):
    if not os.environ.get("DISPLAY"):
        pytest.skip("no display; run under: xvfb-run -a -s '-screen 0 1920x1200x24'")
    run = make_run(tmp_path / "whole-brain", step=200)
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(run)], capture_output=True, text=True, timeout=600,
                          env={**os.environ, "BRAINVIEW_HOME": str(tmp_path / "home"), "QT_QPA_PLATFORM": "xcb"})
    line = next((x for x in done.stdout.splitlines() if x.startswith("FOUND")), None)
    assert line is not None, done.stderr[-2000:]
    found, text = json.loads(line.removeprefix("FOUND"))
    moved = found["moves"]
    assert moved["right_map"] and not moved["errors"] and moved["requests"] > 0
    assert max(moved["grown_threads"].values()) <= 2 and "Actor" not in done.stderr
    assert set(found["pixels"]["drawn"]) <= {"interpolated", "near", "final", "preview"}
    assert found["pixels"]["moves"] == 5
    assert [f["layer"] for f in found["finals"]] == [0, 1, 2] and found["finals"][0]["default"]
    assert "event to pixels" in text and "right" in text
