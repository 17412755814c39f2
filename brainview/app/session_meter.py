"""What a session costs: lag of the event loop outside paints, who held it, memory, windows, threads, open files."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PySide6.QtCore import QEvent, Qt, QTimer
from PySide6.QtWidgets import QApplication, QDialog, QMainWindow, QWidget

#: Milliseconds between two beats, the lag that a user notices, and the most that an event may compute (design).
BEAT, NOTICED, FRAME = 10, 50.0, 16.0
_PAINTS = (QEvent.Type.UpdateRequest, QEvent.Type.Paint, QEvent.Type.Resize, QEvent.Type.Show, QEvent.Type.Expose,
           QEvent.Type.ShowToParent, QEvent.Type.LayoutRequest, QEvent.Type.Polish, QEvent.Type.StyleChange,
           QEvent.Type.PaletteChange)


class PaintClock:
    """Adds up the time that windows spend painting; install it on their classes before they are made."""

    def __init__(self) -> None:
        self.wall, self.cpu, self.painting = 0.0, 0.0, 0

    def install(self, cls: type, base: type) -> None:
        """Time paints, resizes and relayouts of the top-level windows of a class."""
        clock = self

        def event(widget: Any, given: QEvent) -> bool:
            if given.type() not in _PAINTS:
                return base.event(widget, given)  # type: ignore[attr-defined, no-any-return]
            start, used = time.perf_counter(), time.thread_time()
            clock.painting += 1
            try:
                return base.event(widget, given)  # type: ignore[attr-defined, no-any-return]
            finally:
                clock.painting -= 1
                if not clock.painting:
                    clock.wall += time.perf_counter() - start
                    clock.cpu += time.thread_time() - used

        cls.event = event  # type: ignore[attr-defined]


def install_paint_clock() -> PaintClock:
    """Return a clock that times the main window and the dialogs of this process."""
    from brainview.app.composer import ComposerDialog
    from brainview.app.window import MainWindow

    clock = PaintClock()
    clock.install(MainWindow, QMainWindow)
    clock.install(ComposerDialog, QDialog)
    return clock


class LagMeter:
    """Beats on the event loop; a beat that comes late says how long the loop was held, paints taken out.

    ``wall`` and ``cpu`` hold one number per beat, ms: how late it came, and the CPU time of the window's thread since
    the one before (on a busy machine only the second says something about the program). A watching thread notes where
    the window's thread is when it has computed for longer than 16 ms without a beat; it reads that thread's own CPU
    clock, so that other programs are not taken for stalls of this one.
    """

    def __init__(self, clock: PaintClock) -> None:
        self._clock = clock
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self.held: Counter[str] = Counter()
        self.longest: dict[str, float] = {}
        self.step = ""
        self._last = self._state()
        self._main = threading.main_thread().ident
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT)
        self._timer.timeout.connect(self._beat)
        self._running = True
        self._watcher = threading.Thread(target=self._watch, name="lag-watcher", daemon=True)

    def _state(self) -> tuple[float, float, float, float]:
        return time.perf_counter(), time.thread_time(), self._clock.wall, self._clock.cpu

    def start(self) -> None:
        """Begin to beat."""
        self._last = self._state()
        self._timer.start()
        self._watcher.start()

    def skip(self) -> None:
        """Leave out the time since the last beat."""
        self._last = self._state()

    def stop(self) -> None:
        """End."""
        self._running = False
        self._timer.stop()
        self._watcher.join(timeout=1)

    def _beat(self) -> None:
        now = self._state()
        wall, cpu, painted, painted_cpu = (1000 * (b - a) for a, b in zip(self._last, now, strict=True))
        self._last = now
        self.wall.append(max(0.0, wall - painted - BEAT))
        self.cpu.append(max(0.0, cpu - painted_cpu))

    def _watch(self) -> None:
        able = hasattr(time, "pthread_getcpuclockid") and self._main is not None
        clock = time.pthread_getcpuclockid(self._main) if able else None  # type: ignore[arg-type]
        while self._running:
            time.sleep(0.005)
            then = self._last
            used = time.clock_gettime(clock) - then[1] if clock is not None else time.perf_counter() - then[0]
            used = 1000 * (used - (self._clock.cpu - then[3]))
            if used > (FRAME if clock is not None else NOTICED + BEAT) and not self._clock.painting:
                where = self._where()
                self.held[where] += 1
                self.longest[where] = max(self.longest.get(where, 0.0), used)

    def _where(self) -> str:
        """Return the innermost function of the window's thread, and up to three of BrainView's that led there."""
        frame = sys._current_frames().get(self._main or 0)
        leaf, found = "", list[str]()
        while frame is not None and len(found) < 3:
            name = frame.f_code.co_filename
            ours = "/brainview/" in name and "session_" not in name and "/cli/" not in name
            words = f"{name.rsplit('brainview/' if ours else '/', 1)[-1]}:{frame.f_code.co_name}"
            leaf = leaf or words
            if ours:
                found.append(words)
            frame = frame.f_back
        return f"[{self.step}] " + " < ".join([*([] if leaf in found[:1] else [leaf]), *found])

    def figures(self) -> dict[str, Any]:
        """Return quantiles in ms, and who held the loop (samples of 5 ms beyond the first 16)."""
        out: dict[str, Any] = {"beats": len(self.wall)}
        for name, values in (("wall", self.wall), ("cpu", self.cpu)):
            array = np.array(values or [0.0])
            out[name] = {"p50": float(np.percentile(array, 50)), "p99": float(np.percentile(array, 99)),
                         "max": float(array.max()), "over_50": int((array > NOTICED).sum())}
        out["held"] = [{"where": w, "samples": n, "longest_ms": round(self.longest[w])}
                       for w, n in self.held.most_common(30)]
        return out


def resources() -> dict[str, int]:
    """Return memory (MB), windows, widgets, threads and open files of this process.

    Widgets of the list of jobs are counted apart (as its rows), for it holds the latest jobs, up to a limit.
    """
    gc.collect()
    status = {}
    if os.path.exists("/proc/self/status"):
        with open("/proc/self/status") as file:
            status = dict(line.split(":", 1) for line in file if ":" in line)
    memory = int(status.get("VmRSS", "0 kB").split()[0]) // 1024
    program = QApplication.instance()
    windows = [w for w in QApplication.topLevelWidgets() if w.isWindow()] if program is not None else []
    files = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    widgets = QApplication.allWidgets() if program is not None else []
    rows = [w for w in widgets if type(w).__name__ == "JobRow"]
    own = len(widgets) - sum(1 + len(r.findChildren(QWidget)) for r in rows)
    return {"memory_mb": memory, "windows": len(windows), "widgets": own, "job_rows": len(rows),
            "threads": int(status.get("Threads", str(threading.active_count()))), "files": files}


@dataclass
class Verdict:
    """What the session says: passed or not, and why."""

    passed: bool = True
    reasons: list[str] = field(default_factory=list)

    def need(self, good: bool, words: str) -> None:
        """Note one demand."""
        self.passed &= good
        self.reasons.append(("met: " if good else "NOT met: ") + words)


def judge(lag: dict[str, Any], series: list[dict[str, int]], by: str = "wall") -> Verdict:
    """Return whether the 99th percentile of the lag stays under 50 ms and nothing grows after the first round.

    Growth: the median of the last third of the rounds against that of the first third, the very first round left out
    (caches fill); memory may grow by 8 % or 48 MB, windows, threads and files by two, widgets by 2 %.
    """
    out = Verdict()
    p99 = lag[by]["p99"]
    out.need(p99 < NOTICED, f"event-loop lag at the 99th percentile {p99:.0f} ms ({by}, paints taken out; under 50)")
    rest = series[1:]
    if len(rest) < 3:
        out.reasons.append("not judged: growth needs four rounds, run it longer")
        return out
    third = max(1, len(rest) // 3)
    for key, share, extra in (("memory_mb", 0.08, 48), ("windows", 0, 2), ("widgets", 0.02, 10), ("threads", 0, 2),
                              ("files", 0, 2)):
        first, last = (float(np.median([r[key] for r in part])) for part in (rest[:third], rest[-third:]))
        out.need(last <= first + max(share * first, extra), f"{key.replace('_', ' ')} {first:.0f} -> {last:.0f}")
    return out
