"""The wizard of one's own data: what was recognised, the manifest it makes, what is wrong with it; save and open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPlainTextEdit,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from brainview.app.theme import GRID
from brainview.app.widgets.basics import ElidedLabel, button, label
from brainview.core.names import shown


class DataWizard(QDialog):
    """Left: the files and what they seem to be. Right: the manifest as text. Below: problems with their remedies.

    Signals
    -------
    check_wanted : str
        Look at the data set with this text; answer with :meth:`show_check`.
    save_wanted : str
        Write this text and open the data set.
    """

    check_wanted = Signal(str)
    save_wanted = Signal(str)

    def __init__(self, parent: QWidget, found: dict[str, Any]) -> None:
        super().__init__(parent)
        self.setWindowTitle("Your own data")
        self.resize(1080, 680)
        self.files = QTableWidget(0, 4)
        self.files.setHorizontalHeaderLabels(["File", "Role", "Subject", "What was understood"])
        self.files.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.files.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.files.verticalHeader().hide()
        self.files.setAccessibleName("Recognised files")
        header = self.files.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(3, QHeaderView.ResizeMode.Stretch)
        self.text = QPlainTextEdit(found["toml"])
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setAccessibleName("dataset.toml")
        self.problems = QLabel()
        self.problems.setTextFormat(Qt.TextFormat.PlainText)
        self.problems.setWordWrap(True)
        self.problems.setAccessibleName("Problems")
        self.save = button("Save and open", lambda: self.save_wanted.emit(self.text.toPlainText()), role="primary",
                           tip="Writes dataset.toml into the folder; an older one is kept as dataset.toml~")
        self._guessed = list(found["problems"])
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(400)
        self._later.timeout.connect(lambda: self.check_wanted.emit(self.text.toPlainText()))
        self.text.textChanged.connect(self._edited)
        self._lay_out(str(found["folder"]))
        self._show_files(found["files"])
        self._later.start()

    def _lay_out(self, folder: str) -> None:
        left, right = QWidget(), QWidget()
        for part, title, hint, inner in (
                (left, "Recognised", "Headers were read, no data. Orientation is as stored: RAS means x to the right.",
                 self.files),
                (right, "dataset.toml", "Change anything; it is checked as you type.", self.text)):
            box = QVBoxLayout(part)
            box.setContentsMargins(0, 0, 0, 0)
            box.addWidget(label(title, "section"))
            box.addWidget(label(hint, "caption", wrap=True))
            box.addWidget(inner, 1)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(left)
        split.addWidget(right)
        split.setSizes([600, 460])
        row = QHBoxLayout()
        row.addWidget(ElidedLabel(folder, "caption"), 1)
        row.addWidget(button("Cancel", self.reject))
        row.addWidget(self.save)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        column.addWidget(split, 1)
        column.addWidget(self.problems)
        column.addLayout(row)

    def _show_files(self, files: list[dict[str, Any]]) -> None:
        self.files.setRowCount(len(files))
        for row, one in enumerate(files):
            for column, words in enumerate((one["path"], one["role"], one["subject"] or "all", one["words"])):
                item = QTableWidgetItem(shown(words, limit=200))
                item.setToolTip(shown(words, limit=600).replace("<", "‹"))
                self.files.setItem(row, column, item)

    def _edited(self) -> None:
        self.save.setEnabled(False)
        self._later.start()

    def show_check(self, result: dict[str, Any]) -> None:
        """Show what is wrong, or what the data set is."""
        facts, wrong = result["facts"], list(result["problems"])
        self.save.setEnabled(bool(facts))
        lines = [f"{'✗' if not facts else '!'} {shown(p, limit=400)}" for p in wrong]
        if facts:
            for one in facts["subjects"]:
                if "error" not in one:
                    lines.append(f"✓ {shown(one['id'])}: {one['trials']:,} trials of {one['stimuli']:,} stimuli, "
                                 f"{one['space'].get('name', '')}")
        lines += [f"· {shown(p, limit=400)}" for p in self._guessed if p not in wrong]
        self.problems.setText("\n".join(lines[:9]))


class Wizards:
    """The part of the controller that opens the wizard."""

    window: Any
    session: Any
    reporter: Any
    folder: str
    wizard: DataWizard | None = None

    def choose_own_data(self) -> None:
        """Ask for the folder of one's own data."""
        path = self._folder("Folder of your own data")  # type: ignore[attr-defined]
        if path:
            self.reporter.start(self.open_wizard(path))

    async def open_wizard(self, folder: str) -> DataWizard:
        """Recognise what is in a folder and show it."""
        found = await self.session.ask("brainview.datasets.recognise:recognise", f"Look at {Path(folder).name}",
                                       folder=folder)
        dialog = DataWizard(self.window, found)
        dialog.check_wanted.connect(lambda text: self.reporter.start(self._check(dialog, found["folder"], text)))
        dialog.save_wanted.connect(lambda text: self.reporter.start(self._save(dialog, found["folder"], text)))
        dialog.open()
        self.wizard = dialog
        return dialog

    async def _check(self, dialog: DataWizard, folder: str, text: str) -> None:
        result = await self.session.ask("brainview.datasets.recognise:check", "Check dataset.toml", folder=folder,
                                        text=text)
        if dialog.text.toPlainText() == text:
            dialog.show_check(result)

    async def _save(self, dialog: DataWizard, folder: str, text: str) -> None:
        path = await self.session.ask("brainview.datasets.recognise:save", "Write dataset.toml", folder=folder,
                                      text=text)
        dialog.accept()
        await self.session.open_dataset(path)
