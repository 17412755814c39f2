"""Many pictures at once: which brains, which figures, which stimuli, into which folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from brainview.app.theme import GRID
from brainview.app.widgets.basics import button, label, row
from brainview.core.names import shown

#: The most pictures of one export.
MOST = 5000


def checks(name: str, entries: Mapping[str, str], chosen: Sequence[str]) -> QListWidget:
    """Return a list of boxes to tick."""
    out = QListWidget()
    out.setAccessibleName(name)
    for key, words in entries.items():
        item = QListWidgetItem(shown(words, limit=80))
        item.setData(Qt.ItemDataRole.UserRole, key)
        item.setFlags(Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
        item.setCheckState(Qt.CheckState.Checked if key in chosen else Qt.CheckState.Unchecked)
        out.addItem(item)
    out.setMaximumHeight(132)
    return out


def ticked(box: QListWidget) -> list[str]:
    """Return the keys of the ticked entries."""
    return [str(box.item(k).data(Qt.ItemDataRole.UserRole)) for k in range(box.count())
            if box.item(k).checkState() == Qt.CheckState.Checked]


class BatchDialog(QDialog):
    """`wanted(settings)`: brains, metrics, kinds, stimuli, out, size, dpi, count."""

    wanted = Signal(dict)

    def __init__(self, parent: QWidget | None, brains: Sequence[str], metrics: Mapping[str, str],
                 ranked: Sequence[int], stimulus: int, out: str) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export many pictures")
        self.setMinimumWidth(520)
        self.brains = checks("Brains", {b: b for b in brains}, list(brains))
        entries = dict(metrics)
        self.metrics = checks("Figures", entries or {"": "Noise ceiling"}, list(entries)[:1] or [""])
        self.measured, self.predicted = QCheckBox("Measured response"), QCheckBox("Predicted response")
        self.predicted.setEnabled(bool(entries))
        start = [stimulus] if stimulus >= 0 else list(ranked[:4])
        self.stimuli = QLineEdit(", ".join(map(str, start)))
        self.stimuli.setPlaceholderText("Stimulus numbers, separated by commas")
        self.stimuli.setAccessibleName("Stimuli")
        self.best = button("Best predicted", lambda: self.stimuli.setText(", ".join(map(str, ranked))),
                           tip="Put the twelve best predicted stimuli in")
        self.best.setEnabled(bool(ranked))
        self.folder = QLineEdit(out)
        self.folder.setAccessibleName("Folder")
        self.words = label("", "caption", wrap=True)
        self.problem = label("", "bad", wrap=True)
        form = QFormLayout()
        form.setSpacing(GRID)
        form.addRow("Brains", self.brains)
        form.addRow("Maps", self.metrics)
        form.addRow("Stimuli", row(self.stimuli, self.best, stretch=0))
        form.addRow("", row(self.measured, self.predicted, QWidget(), stretch=2))
        form.addRow("Folder", row(self.folder, button("Choose…", self._choose), stretch=0))
        form.addRow("", self.words)
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(button("Cancel", self.reject))
        self.go = button("Export", self._send, role="primary", glyph="export")
        buttons.addWidget(self.go)
        box = QVBoxLayout(self)
        box.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        box.setSpacing(GRID)
        box.addLayout(form)
        box.addWidget(self.problem)
        box.addLayout(buttons)
        for part in (self.brains, self.metrics):
            part.itemChanged.connect(lambda _: self._count())
        for signal in (self.measured.toggled, self.predicted.toggled, self.stimuli.textChanged):
            signal.connect(lambda _: self._count())
        self._count()

    def _choose(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Folder of the pictures", self.folder.text())
        if path:
            self.folder.setText(path)

    def settings(self) -> dict[str, Any] | None:
        """Return what is chosen, None when the numbers of stimuli are no numbers."""
        try:
            stimuli = [int(part) for part in self.stimuli.text().replace(";", ",").split(",") if part.strip()]
        except ValueError:
            return None
        kinds = [k for k, part in (("measured", self.measured), ("predicted", self.predicted)) if part.isChecked()]
        brains, metrics = ticked(self.brains), ticked(self.metrics)
        people = [b for b in brains if b != "group"]
        count = len(brains) * len(metrics) + len(people) * len(kinds) * len(stimuli)
        return {"brains": brains, "metrics": metrics, "kinds": kinds, "stimuli": stimuli, "out": self.folder.text(),
                "size": (1600, 1200), "count": count}

    def _count(self) -> None:
        told = self.settings()
        bad = told is None or not 0 < told["count"] <= MOST
        self.problem.setText("Stimuli are whole numbers, separated by commas." if told is None else
                             f"{told['count']:,} pictures; the most are {MOST:,}." if told["count"] > MOST else "")
        self.words.setText("" if told is None else f"{told['count']:,} pictures of 1,600 × 1,200 pixels on white, each "
                           "with its story inside. They are drawn in the background; Jobs has Cancel.")
        self.go.setEnabled(not bad)

    def _send(self) -> None:
        told = self.settings()
        if told is None:
            return
        if not Path(told["out"]).expanduser().parent.is_dir():
            self.problem.setText("The folder above this one does not exist.")
            return
        told["out"] = str(Path(told["out"]).expanduser())
        self.wanted.emit(told)
        self.accept()
