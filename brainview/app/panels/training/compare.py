"""Windows over runs: several compared (curves over each other, figures and settings side by side), one run's card."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QGridLayout,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from brainview.app.panels.training.live import lines_of
from brainview.app.theme import GRID
from brainview.app.widgets.basics import ElidedLabel, button, column, label, row, scrolled
from brainview.app.widgets.chooser import Chooser
from brainview.app.widgets.plots import Line, Plot
from brainview.core.files import atomic_write
from brainview.core.names import plain, shown
from brainview.state.glossary import definition
from brainview.state.training import Curves, RunEntry, settings_that_differ, table_of


def table(name: str) -> QTableWidget:
    """Return a quiet table that is read, not written."""
    out = QTableWidget()
    out.setAccessibleName(name)
    out.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
    out.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
    out.verticalHeader().hide()
    out.setShowGrid(False)
    out.setWordWrap(False)
    out.setHorizontalScrollMode(QTableWidget.ScrollMode.ScrollPerPixel)
    return out


def fill(widget: QTableWidget, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Fill a table; words left, numbers right."""
    widget.setColumnCount(len(columns))
    widget.setRowCount(len(rows))
    widget.setHorizontalHeaderLabels([shown(c) for c in columns])
    right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
    for c in range(len(columns)):
        number = c > 0 and all(_is_number(values[c]) for values in rows)
        head = widget.horizontalHeaderItem(c)
        if head is not None:
            head.setToolTip(plain(definition(columns[c]), limit=600))
            head.setTextAlignment(right if number else Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    for r, values in enumerate(rows):
        for c, value in enumerate(values):
            item = QTableWidgetItem(shown(value))
            item.setToolTip(plain(value))
            if c and _is_number(value):
                item.setTextAlignment(right)
            widget.setItem(r, c, item)
    widget.resizeColumnsToContents()
    widget.setColumnWidth(0, min(260, widget.columnWidth(0)))
    widget.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == "–"
    return True


class CompareWindow(QDialog):
    """Runs side by side. Fill it with :meth:`show_runs`."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Compare runs")
        self.setModal(False)
        self._runs: list[RunEntry] = []
        self._curves: list[Curves] = []
        self.loss, self.score = Plot("Losses of the runs"), Plot("Scores of the runs")
        self.loss.make_tall(150)
        self.score.make_tall(150)
        self.loss_column, self.score_column = Chooser(), Chooser()
        for box, name in ((self.loss_column, "Loss that is drawn"), (self.score_column, "Score that is drawn")):
            box.setAccessibleName(name)
            box.setMinimumWidth(160)
            box.activated.connect(lambda _: self._draw())
        self.figures, self.settings = table("Figures of the runs"), table("Settings that differ")
        self.same = label("", "caption", wrap=True)
        self.note = label("Figures are means over the subjects of a run, on its own test part; compare runs of the "
                          "same data and split only.", "caption", wrap=True)
        self._lay_out()
        self.resize(980, 680)

    def _lay_out(self) -> None:
        plots = QGridLayout()
        plots.setHorizontalSpacing(2 * GRID)
        for k, (words, chooser, plot) in enumerate((("Loss", self.loss_column, self.loss),
                                                    ("Score", self.score_column, self.score))):
            plots.addWidget(row(label(words, "section"), chooser, QWidget(), stretch=2), 0, k)
            plots.addWidget(plot, 1, k)
            plots.setColumnStretch(k, 1)
        plots.setRowStretch(1, 1)
        above = QWidget()
        above.setLayout(plots)
        plots.setContentsMargins(0, 0, 0, 0)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(column(self.figures, self.note, margin=0), "Figures")
        self.tabs.addTab(column(self.settings, self.same, margin=0), "Settings that differ")
        box = QVBoxLayout(self)
        box.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        box.setSpacing(GRID)
        box.addWidget(above, 3)
        box.addWidget(self.tabs, 2)
        box.addWidget(row(QWidget(), button("Copy table", self._copy), button("Save as CSV…", self._ask_save),
                          button("Close", self.close, role="primary"), stretch=0))

    def show_runs(self, runs: Sequence[RunEntry], curves: Sequence[Curves]) -> None:
        """Show these runs; `curves` in the same order."""
        self._runs, self._curves = list(runs), list(curves)
        for box, losses in ((self.loss_column, True), (self.score_column, False)):
            names = list(dict.fromkeys(n for c in self._curves for n in c.columns(losses)))
            box.clear()
            box.addItems(names)
            box.setVisible(bool(names))
        columns, rows = table_of(self._runs)
        fill(self.figures, columns, rows)
        differ = settings_that_differ(self._runs)
        fill(self.settings, ["setting", *(r.name for r in self._runs)], [[k, *v] for k, v in differ])
        same = {k for r in self._runs for k in r.config} - {k for k, _ in differ}
        self.same.setText(f"{len(same)} settings are the same in all." if same else "")
        self._draw()

    def _draw(self) -> None:
        for box, plot, losses in ((self.loss_column, self.loss, True), (self.score_column, self.score, False)):
            lines: list[Line] = []
            for entry, curves in zip(self._runs, self._curves, strict=True):
                found = lines_of(curves, box.currentText(), prefix=entry.name)
                lines += [Line(f.words, f.x, f.y, len(lines) + k, best=f.best) for k, f in enumerate(found)]
            axis = next((c.axis for cs in self._curves for c in cs.lines), "epoch")
            plot.show_lines(lines[:8], axis, "These runs are fitted in one step, without a curve." if losses else
                            "No score is written while these train.")

    def csv(self) -> str:
        """Return the figures and the settings as CSV."""
        columns, rows = table_of(self._runs, most=1000)
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerows([columns, *rows, []])
        writer.writerow(["setting", *(r.name for r in self._runs)])
        writer.writerows([[k, *v] for k, v in settings_that_differ(self._runs)])
        return out.getvalue()

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.csv())

    def _ask_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save table", "runs.csv", "Tables (*.csv)")
        if path:
            with atomic_write(Path(path)) as file:
                file.write(self.csv().encode())

    def retheme(self) -> None:
        """Draw the plots in the theme in force."""
        self.loss.retheme()
        self.score.retheme()


def _inset(widget: QWidget) -> QWidget:
    """Return a row with the margins of a window."""
    widget.setContentsMargins(2 * GRID, 0, 2 * GRID, 0)
    return widget


class CardWindow(QDialog):
    """Everything that is written about one run."""

    def __init__(self, parent: QWidget | None, card: Mapping[str, Any]) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Card of {shown(card['name'])}")
        self.setModal(False)
        self._card = card
        badge = label("PHANTOM", "badge")
        badge.setVisible(bool(card.get("phantom")))
        badge.setToolTip("Trained and scored on simulated brains with known truth.")
        random = label("RANDOM WEIGHTS", "badge")
        random.setVisible(bool(card.get("random_weights")))
        body = QWidget()
        grid = QGridLayout(body)
        grid.setContentsMargins(2 * GRID, GRID, 2 * GRID, 2 * GRID)
        grid.setHorizontalSpacing(3 * GRID)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        at = 0
        for title, rows in card["sections"]:
            head = label(title, "section")
            grid.setRowMinimumHeight(at, 34 if at else 0)
            grid.addWidget(head, at, 0, 1, 2, Qt.AlignmentFlag.AlignBottom)
            at += 1
            for name, value in rows:
                grid.addWidget(label(str(name).replace("_", " "), "caption"), at, 0, Qt.AlignmentFlag.AlignTop)
                words = label(str(value), "second", wrap=True)
                words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse
                                              | Qt.TextInteractionFlag.TextSelectableByKeyboard)
                grid.addWidget(words, at, 1)
                at += 1
        grid.setRowStretch(at, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 2 * GRID, 0, 2 * GRID)
        box.addWidget(_inset(row(ElidedLabel(str(card["name"]), "heading"), random, badge, stretch=0)))
        box.addWidget(scrolled(body), 1)
        box.addWidget(_inset(row(QWidget(), button("Copy", self.copy, tip="Copy the card as text"),
                                 button("Close", self.close, role="primary"), stretch=0)))
        self.resize(560, 680)

    def text(self) -> str:
        """Return the card as plain text."""
        lines = [str(self._card["name"]) + (" (PHANTOM: simulated brains)" if self._card.get("phantom") else "")]
        for title, rows in self._card["sections"]:
            lines += ["", title, *(f"  {name}: {value}" for name, value in rows)]
        return "\n".join([*lines, "", *self._card.get("notes", ())])

    def copy(self) -> None:
        """Put the card on the clipboard."""
        QGuiApplication.clipboard().setText(self.text())
