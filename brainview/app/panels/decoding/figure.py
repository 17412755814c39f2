"""A window with one figure: to read and to save."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget

from brainview.app.figures.sheet import Sheet
from brainview.app.panels.figures import LargeFigure
from brainview.app.theme import GRID
from brainview.app.widgets.basics import button, row

ENDINGS = "PNG, 300 dpi (*.png);;SVG (*.svg);;PDF (*.pdf);;Numbers (*.csv)"


class SheetWindow(LargeFigure):
    """A sheet at reading size with a button that writes it; `written(path)` is called afterwards."""

    def __init__(self, parent: QWidget | None, sheet: Sheet, folder: str | Path,
                 written: Callable[[str], object]) -> None:
        super().__init__(parent, sheet)
        self.sheet, self._folder, self._written = sheet, Path(folder), written
        foot = row(QWidget(), button("Save figure…", self._ask, role="primary"), button("Close", self.close), stretch=0)
        foot.setContentsMargins(GRID, GRID, GRID, GRID)
        layout = self.layout()
        assert layout is not None
        layout.addWidget(foot)
        self.resize(self.width(), min(760, self.height() + 48))

    def _ask(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save figure", str(self._folder / "curves.png"), ENDINGS)
        if path:
            self.write(path)

    def write(self, path: str) -> None:
        """Write the figure; the ending decides the format."""
        self._written(self.sheet.save(path))
