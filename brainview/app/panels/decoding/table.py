"""A window with one table: to read, copy and save."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QFileDialog, QVBoxLayout, QWidget

from brainview.app.panels.training.compare import fill, table
from brainview.app.theme import GRID
from brainview.app.widgets.basics import button, label, row
from brainview.core.files import atomic_write


class TableWindow(QDialog):
    """Shows rows of words under columns."""

    def __init__(self, parent: QWidget | None, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]],
                 note: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self._columns, self._rows = list(columns), [list(r) for r in rows]
        self.table = table(title)
        fill(self.table, columns, rows)
        box = QVBoxLayout(self)
        box.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        box.addWidget(self.table, 1)
        box.addWidget(label(note, "caption", wrap=True))
        box.addWidget(row(QWidget(), button("Copy table", self.copy), button("Save as CSV…", self._ask),
                          button("Close", self.close, role="primary"), stretch=0))
        self.resize(960, 460)

    def csv(self) -> str:
        """Return the table as CSV."""
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([self._columns, *self._rows])
        return out.getvalue()

    def copy(self) -> None:
        """Put the table on the clipboard."""
        QGuiApplication.clipboard().setText(self.csv())

    def _ask(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save table", "table.csv", "Tables (*.csv)")
        if path:
            with atomic_write(Path(path)) as file:
                file.write(self.csv().encode())
