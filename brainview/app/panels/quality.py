"""Page "Quality" of the subjects dock: sessions, repetitions, gaps, noise ceiling, temporal signal to noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHeaderView,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from brainview.app.theme import GRID
from brainview.app.widgets.basics import Section, button, column, label, scrolled
from brainview.app.widgets.distributions import Histogram
from brainview.core.names import plain, shown

#: key of a session's row -> (heading, key of its definition).
COLUMNS = (("session", "#", "sessions"), ("trials", "Trials", "trials"), ("empty", "Empty", "empty_rows"),
           ("mean", "Mean", "mean"), ("spread", "S.d.", "spread"), ("likeness", "Like", "likeness"))


def words_of(report: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (name, words, key of the definition) of the figures of a report."""
    gaps, sessions = report["missing"], report["sessions"]
    known = [s for s in sessions if s["session"] > 0]
    shows = report["repetitions"]
    times = {1: "once", 2: "twice", 3: "three times"}
    repeated = ", ".join(f"{n:,} {times.get(int(k), f'{k} times')}" for k, n in shows.items()) or \
        "not known (rows are averages)"
    share = gaps["share"]
    return [
        ("Sessions", f"{len(known)}" if known else "not told apart", "sessions"),
        ("Rows", f"{report['trials']:,} {report['rows_are']}", "trials"),
        ("Stimuli", f"{report['stimuli']:,}", "stimuli"),
        ("Shown", repeated, "repetitions"),
        ("Read", f"{report['read']:,} of {report['trials']:,} rows", "rows_read"),
        ("No data", f"{gaps['never']:,} of {report['locations']:,} locations", "never"),
        ("Gaps", f"{gaps['sometimes']:,} locations, {gaps['empty_rows']:,} rows", "sometimes"),
        ("Constant", f"{gaps['constant']:,} locations", "constant"),
        ("Missing", "none" if share == 0 else f"{100 * share:.3g} % of all numbers", "share"),
    ]


class SessionTable(QTableWidget):
    """A row per session."""

    def __init__(self) -> None:
        super().__init__(0, len(COLUMNS))
        self.setAccessibleName("Sessions")
        self.setHorizontalHeaderLabels([words for _, words, _ in COLUMNS])
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setAlternatingRowColors(True)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(22)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setSectionResizeMode(len(COLUMNS) - 1, QHeaderView.ResizeMode.Stretch)
        self.horizontalHeader().setMinimumSectionSize(28)
        self.setShowGrid(False)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def show_sessions(self, report: Mapping[str, Any]) -> None:
        """Fill the table."""
        rows = report["sessions"]
        self.setRowCount(len(rows))
        for c, (_, _, key) in enumerate(COLUMNS):
            heading = self.horizontalHeaderItem(c)
            assert heading is not None
            heading.setToolTip(plain(report["definitions"][key], limit=600))
        for r, row in enumerate(rows):
            for c, (key, _, told) in enumerate(COLUMNS):
                item = QTableWidgetItem(self._cell(key, row[key]))
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                item.setToolTip(plain(report["definitions"][told], limit=600))
                self.setItem(r, c, item)
        self.setColumnHidden(2, not any(row["empty"] for row in rows))  # the width is for what there is to see
        self.setFixedHeight(min(8, max(1, len(rows))) * 22 + 30)

    @staticmethod
    def _cell(key: str, value: Any) -> str:
        if value is None:
            return "–"
        if key == "session":
            return str(value) if value else "all"
        return f"{value:z.2f}".replace("-", "−") if isinstance(value, float) else f"{value:,}"


class QualityPage(QWidget):
    """The page. `came()` when it comes to sight, `wanted()` to check, `map_wanted(name)` to draw one of its maps."""

    came = Signal()
    wanted = Signal()
    map_wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.state = label("", "caption", wrap=True)
        self.check = button("Check the data", self.wanted.emit, role="primary",
                            tip="Reads up to 120 rows of every session in the background; can be cancelled in Jobs")
        self.facts = QWidget()
        self._grid = QGridLayout(self.facts)
        self._grid.setContentsMargins(GRID, 0, GRID, 0)
        self._grid.setVerticalSpacing(GRID // 2)
        self._grid.setColumnStretch(1, 1)
        self.sessions = SessionTable()
        self.ceiling, self.tsnr = Histogram("Histogram of the noise ceiling"), Histogram("Histogram of tSNR")
        self.no_ceiling, self.no_tsnr = label("", "caption", wrap=True), label("", "caption", wrap=True)
        self.draw_gaps = button("Draw missing data", lambda: self.map_wanted.emit("missing"), role="link",
                                tip="Share of rows without a number, at each location")
        self.draw_tsnr = button("Draw tSNR", lambda: self.map_wanted.emit("tsnr"), role="link",
                                tip="Temporal signal to noise at each location")
        self.problems = label("", "bad", wrap=True)
        self.parts = [Section("Figures", column(self.facts, self.draw_gaps, margin=0, spacing=GRID // 2)),
                      Section("Sessions", self.sessions),
                      Section("Noise ceiling", column(self.ceiling, self.no_ceiling, margin=0)),
                      Section("Temporal signal to noise", column(self.tsnr, self.no_tsnr, self.draw_tsnr, margin=0))]
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(scrolled(column(self.state, self.check, self.problems, *self.parts, margin=12, spacing=GRID,
                                      stretch=True)))
        self._shown: Mapping[str, Any] | None = None
        self.show_report(None, "")

    def showEvent(self, event: object) -> None:
        super().showEvent(event)  # type: ignore[arg-type]
        self.came.emit()

    def show_report(self, report: Mapping[str, Any] | None, words: str, *, busy: bool = False) -> None:
        """Show a report, or say why there is none yet."""
        self.state.setText(shown(words))
        self.state.setVisible(bool(words))
        self.check.setVisible(report is None)
        self.check.setEnabled(not busy)
        for part in self.parts:
            part.setVisible(report is not None)
        self.problems.setVisible(report is not None and bool(report["problems"]))
        if report is None or report is self._shown:
            return
        self._shown = report
        self._show_facts(report)
        self.sessions.show_sessions(report)
        self.problems.setText("\n".join("• " + shown(p) for p in report["problems"][:4]))
        told = report["ceiling"]
        bins = told.get("histogram")
        if bins:
            self.ceiling.show_counts(bins["edges"], bins["counts"], "% of variance", median=told["median_percent"],
                                     tip=f"{report['definitions']['ceiling']} For {told['images']:,} {told['for']}, "
                                         f"from {told['source']}.")
        self.ceiling.setVisible(bool(bins))
        self.no_ceiling.setText(shown(f"{told.get('images', 0):,} {told.get('for', '')}, {told['source']}." if bins else
                                      told["note"] or "No ceiling is known.", limit=300))
        self._show_tsnr(report)

    def _show_tsnr(self, report: Mapping[str, Any]) -> None:
        told = report["tsnr"]
        bins = told.get("histogram")
        if bins:
            self.tsnr.show_counts(bins["edges"], bins["counts"], "mean / s.d. over time", median=told["median"],
                                  tip=report["definitions"]["tsnr"])
            each = ", ".join("–" if v is None else f"{v:.0f}" for v in told["per_run"])
            self.no_tsnr.setText(f"Median of each of {told['runs']} runs: {each}.")
        else:
            self.no_tsnr.setText(shown(told["why"]))
        self.tsnr.setVisible(bool(bins))
        self.draw_tsnr.setVisible(bool(bins))

    def _show_facts(self, report: Mapping[str, Any]) -> None:
        while self._grid.count():
            item = self._grid.takeAt(0)
            old = item.widget() if item is not None else None
            if old is not None:
                old.deleteLater()
        for k, (name, words, key) in enumerate(words_of(report)):
            for c, part in enumerate((label(name, "caption"), label(words, "second", wrap=True))):
                part.setToolTip(plain(report["definitions"][key], limit=600))
                self._grid.addWidget(part, k, c, Qt.AlignmentFlag.AlignTop)
