"""The status line: what is under the mouse, and what is being worked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QStatusBar, QWidget

from brainview.app.jobs_view import progress_words
from brainview.app.theme import GRID
from brainview.app.widgets.basics import ElidedLabel, label
from brainview.core.names import plain, shown
from brainview.maps.brainmap import BrainMap


def value_words(brain_map: BrainMap | None, value: float) -> str:
    """Return a value with its unit, three significant digits; "no data" for NaN."""
    if brain_map is None:
        return ""
    if not math.isfinite(value):
        return "no data"
    if brain_map.kind == "label" and brain_map.labels:
        entry = brain_map.labels.get(int(value))
        return shown(entry.name) if entry else f"label {int(value)}"
    unit = "" if brain_map.units in ("", brain_map.name) else f" {brain_map.units}"
    return f"{value:.3g}{unit}"


def place_words(pick: Any) -> str:
    """Return hemisphere, vertex and coordinate with the name of its space."""
    x, y, z = pick.ras
    side = pick.hemisphere.capitalize()
    what = f"vertex {pick.vertex:,}" if pick.voxel is None else "voxel {} {} {}".format(*pick.voxel)
    return f"{side} · {what} · R {x:.1f}  A {y:.1f}  S {z:.1f} mm ({pick.space})"


class StatusBar(QStatusBar):
    """Place, regions, value; on the right the leading job, which opens the jobs."""

    def __init__(self, open_jobs: Callable[[], Any]) -> None:
        super().__init__()
        self.setSizeGripEnabled(False)
        self.place = label("", "mono")
        self.regions = ElidedLabel("", "mono", Qt.TextElideMode.ElideRight)
        self.value = label("", "")
        self.value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._job = QPushButton("")
        self._job.setProperty("role", "quiet")
        self._job.setAccessibleName("Open the jobs")
        self._job.clicked.connect(lambda *_: open_jobs())
        self._bar = QProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setFixedWidth(96)
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName("Progress of the leading job")
        left = QWidget()
        row = QHBoxLayout(left)
        row.setContentsMargins(GRID, 0, GRID, 0)
        row.setSpacing(2 * GRID)
        row.addWidget(self.place)
        row.addWidget(self.value)
        row.addWidget(self.regions, 1)
        self.addWidget(left, 1)
        self.addPermanentWidget(self._bar)
        self.addPermanentWidget(self._job)
        self.setContentsMargins(0, 0, GRID, 0)
        self.setFixedHeight(30)
        self.clear_reading()
        self.show_job(None, 0)

    def show_reading(self, pick: Any, brain_map: BrainMap | None, value: float, regions: Sequence[str],
                     more: Sequence[str] = ()) -> None:
        """Show what is at a picked or hovered location, `more` beside the value; None shows the hint."""
        if pick is None:
            self.clear_reading()
            return
        self.place.setText(place_words(pick))
        self.value.setText("  ·  ".join([value_words(brain_map, value), *more]))
        self.value.setToolTip("" if brain_map is None else plain(brain_map.definition, limit=1200))
        self.regions.show_text(", ".join(regions) if regions else "")

    def clear_reading(self) -> None:
        """Show what the mouse would do."""
        self.place.setText("Point at the cortex to read it, click to select its regions")
        self.value.setText("")
        self.regions.show_text("")

    def show_job(self, job: Any, active: int) -> None:
        """Show the leading job."""
        self._bar.setVisible(job is not None)
        if job is None:
            self._job.setText("No jobs")
            return
        self._bar.setValue(int(1000 * job.done / job.total) if job.total else 0)
        more = f"  (+{active - 1})" if active > 1 else ""
        words = f"{shown(job.title)} — {progress_words(job)}{more}"
        metrics = self._job.fontMetrics()
        self._job.setText(metrics.elidedText(words, Qt.TextElideMode.ElideMiddle, max(160, self.width() // 3)))
        self._job.setToolTip("")
