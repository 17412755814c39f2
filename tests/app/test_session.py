"""The scripted session: its verdict by made-up figures; one short round in a real window on a display."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from brainview.app.session_meter import judge

SERIES = [{"memory_mb": 500 + 2 * (k > 0), "windows": 3, "widgets": 900, "threads": 20, "files": 60} for k in range(7)]


def test_growth_and_lag_fail_the_session_and_the_first_round_does_not_count():
    lag = {"wall": {"p99": 31.0}, "cpu": {"p99": 9.0}}
    assert judge(lag, SERIES).passed
    assert judge(lag, [{**SERIES[0], "memory_mb": 100}, *SERIES[1:]]).passed, "caches fill in the first round"
    for key, step in (("memory_mb", 40), ("windows", 2), ("threads", 3), ("files", 4), ("widgets", 60)):
        told = judge(lag, [{**row, key: row[key] + step * k} for k, row in enumerate(SERIES)])
        assert not told.passed and sum(r.startswith("NOT") for r in told.reasons) == 1, key
    assert not judge({"wall": {"p99": 80.0}, "cpu": {"p99": 9.0}}, SERIES).passed
    assert judge({"wall": {"p99": 80.0}, "cpu": {"p99": 9.0}}, SERIES, "cpu").passed
    assert any("not judged" in r for r in judge(lag, SERIES[:2]).reasons)


#: In a process of its own: the suite's QApplication lives on the offscreen platform.
SCRIPT = r"""
import asyncio, json, sys, qasync
from brainview.app.session_meter import LagMeter, install_paint_clock, resources
from brainview.app.session_benchmark import SessionRun
from brainview.app.start import Shell, application
from tests.app.fakes import FakeEngine
clock = install_paint_clock()
loop = qasync.QEventLoop(application()); asyncio.set_event_loop(loop)
for job in ("active",):
    from tests.app.fakes import FakeJob
    FakeJob.active = property(lambda self: self.status in ("queued", "running"))
async def main():
    shell = Shell(FakeEngine(), journal=False, canvas="qt")
    shell.window.show(); shell.window.resize(1280, 800)
    session = SessionRun(shell, "/phantom", "/runs/one")
    await session.begin()
    short = ("subjects", "maps", "hover", "threshold", "regions", "undo")
    session.steps = lambda every=session.steps: [s for s in every() if s[0] in short]
    told = await session.measure(0.001, LagMeter(clock))
    picked = shell.window.status.place.text()
    seen = {"failed": told["failed"], "canvas": type(shell.window.viewer.canvas).__name__, "hovered": picked,
            "painted": clock.wall > 0, "resources": told["resources"][0], "rounds": told["rounds"]}
    shell.window.close(); await shell.shut_down()
    return seen
with loop:
    print("TOLD " + json.dumps(loop.run_until_complete(main())))
"""


@pytest.mark.window
def test_a_short_session_on_a_display():
    if not os.environ.get("DISPLAY"):
        pytest.skip("no display; run under: xvfb-run -a -s '-screen 0 1920x1200x24'")
    environment = {**os.environ, "QT_QPA_PLATFORM": "xcb", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=240, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("TOLD "))[5:])
    assert told["failed"] == [] and told["rounds"] == 1 and told["canvas"] == "QtCanvas"
    assert told["painted"] and told["resources"]["windows"] >= 1 and told["resources"]["files"] > 3
