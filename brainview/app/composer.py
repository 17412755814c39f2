"""The figure composer: choose maps, views, bars, rows and columns, size and resolution; the preview is the figure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QVBoxLayout,
    QWidget,
)

from brainview.app.figures.composed import Composed
from brainview.app.panels.figures import Preview
from brainview.app.theme import GRID
from brainview.app.widgets.basics import button, decimal, label, row, scrolled, whole
from brainview.app.widgets.chooser import Chooser
from brainview.core.lengths import pixels
from brainview.core.names import plain, shown

#: name -> (words, fields of a look, width over height of the picture).
VIEWS: dict[str, tuple[str, dict[str, Any], float]] = {
    "screen": ("As on screen", {}, 0.0),
    "grid": ("Lateral and medial, both hemispheres", {"layout": "grid"}, 1.45),
    **{v: (f"{v.capitalize()}, both hemispheres", {"views": (v,)}, 2.7 if v in ("lateral", "medial") else 2.0)
       for v in ("lateral", "medial", "ventral", "dorsal", "posterior", "anterior")},
    **{f"{side}-{v}": (f"{v.capitalize()}, {side}", {"views": (v,), "hemispheres": side}, 1.35)
       for side in ("left", "right") for v in ("lateral", "medial")},
    "flat": ("Flat, both hemispheres", {"surface": "flat", "layout": "split"}, 2.0),
}
FORMS = "PDF with real text (*.pdf);;SVG with real text (*.svg);;PNG (*.png)"


@dataclass(frozen=True)
class Wish:
    """One cell that was asked for: a map by its key in a view, or the region bars of a map."""

    key: str
    view: str = "grid"
    bars: bool = False
    title: str = ""


class ComposerDialog(QDialog):
    """`changed()` when the figure must be drawn anew, `save_wanted(path)`; maps are offered as key -> words."""

    changed = Signal()
    save_wanted = Signal(str)

    def __init__(self, parent: QWidget | None, maps: dict[str, str], barred: set[str], folder: str) -> None:
        super().__init__(parent)
        self.asked = 0  # previews asked for
        self.setWindowTitle("Compose a figure")
        self.setModal(False)
        self.resize(1060, 720)
        self._maps, self._barred, self._folder = maps, barred, folder
        self.wishes: list[Wish] = []
        self.list = QListWidget()
        self.list.setAccessibleName("Cells of the figure")
        self.list.setMinimumHeight(120)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.map, self.view = Chooser(), Chooser()
        self.map.setAccessibleName("Map of the next cell")
        self.view.setAccessibleName("View of the next cell")
        for key, words in maps.items():
            self.map.addItem(shown(words, limit=80), key)
        for box in (self.map, self.view):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(22)
        for name, (words, _, _) in VIEWS.items():
            self.view.addItem(words, name)
        self.view.setCurrentIndex(self.view.findData("lateral"))
        self.title = QLineEdit()
        self.title.setPlaceholderText("No title")
        self.title.setAccessibleName("Title of the figure")
        self.columns = whole(2, 1, 6, "Columns")
        self.dpi = whole(300, 72, 1200, "Dots per inch")
        self.cm = decimal(17.0, 4, 60, "Width in cm", " cm")
        self.letters, self.bar, self.outlines = (QCheckBox(t) for t in ("Letters A, B, C", "Colour bars",
                                                                        "Region outlines"))
        self.letters.setChecked(True)
        self.bar.setChecked(True)
        self.size_words = label("", "caption", wrap=True)
        self.problem = label("", "bad", wrap=True)
        self.preview = Preview()
        self._lay_out()
        for signal in (self.title.editingFinished, self.columns.valueChanged, self.cm.valueChanged,
                       self.letters.toggled, self.bar.toggled, self.outlines.toggled):
            signal.connect(lambda *_: self.changed.emit())

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setSpacing(GRID)
        form.addRow("Map", self.map)
        form.addRow("View", self.view)
        form.addRow("", row(button("Add view", self._add, role="primary", tip="Put this map in this view into the "
                                   "next cell"),
                            button("Add region bars", self._add_bars, tip="Medians per region of this map"), QWidget(),
                            stretch=2))
        form.addRow("Cells", self.list)
        form.addRow("", row(button("Up", lambda: self._move(-1)), button("Down", lambda: self._move(1)),
                            button("Remove", self._remove), QWidget(), stretch=3))
        form.addRow("Title", self.title)
        form.addRow("Columns", self.columns)
        form.addRow("Width", self.cm)
        form.addRow("Resolution", row(self.dpi, label("dpi of brains and of PNG", "caption"), QWidget(), stretch=2))
        for part in (self.letters, self.bar, self.outlines):
            form.addRow("", part)
        form.addRow("", self.size_words)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(form)
        column.addStretch(1)
        column.addWidget(self.problem)
        left.setFixedWidth(370)
        pages = QHBoxLayout()
        pages.setSpacing(2 * GRID)
        pages.addWidget(left)
        pages.addWidget(scrolled(self.preview), 1)
        self.save = button("Save…", self._ask, role="primary", glyph="export")
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(button("Close", self.reject))
        buttons.addWidget(self.save)
        box = QVBoxLayout(self)
        box.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        box.setSpacing(GRID)
        box.addLayout(pages, 1)
        box.addLayout(buttons)

    # -- cells ---------------------------------------------------------------------------------------------------

    def add(self, wish: Wish) -> None:
        """Put a cell at the end."""
        self.wishes.append(wish)
        self._refill(len(self.wishes) - 1)

    def _add(self) -> None:
        self.add(Wish(str(self.map.currentData()), str(self.view.currentData())))

    def _add_bars(self) -> None:
        key = str(self.map.currentData())
        if key in self._barred:
            self.add(Wish(key, bars=True))
        else:
            self.problem.setText("This map has no regional summary: choose a metric of a run.")

    def _move(self, step: int) -> None:
        at = self.list.currentRow()
        if at >= 0 and 0 <= at + step < len(self.wishes):
            self.wishes[at], self.wishes[at + step] = self.wishes[at + step], self.wishes[at]
            self._refill(at + step)

    def _remove(self) -> None:
        at = self.list.currentRow()
        if at >= 0:
            del self.wishes[at]
            self._refill(min(at, len(self.wishes) - 1))

    def _refill(self, current: int) -> None:
        self.problem.setText("")
        self.list.clear()
        for wish in self.wishes:
            what = "region bars" if wish.bars else VIEWS[wish.view][0]
            words = shown(f"{self._maps.get(wish.key, wish.key)} — {what}", limit=120)
            self.list.addItem(words)
            self.list.item(self.list.count() - 1).setToolTip(plain(words))
        self.list.setCurrentRow(current)
        self.changed.emit()

    def settings(self) -> dict[str, Any]:
        """Return title, columns, width in cm, letters, colorbar, outlines, dpi."""
        return {"title": self.title.text().strip(), "columns": self.columns.value(), "cm": self.cm.value(),
                "letters": self.letters.isChecked(), "colorbar": self.bar.isChecked(),
                "outlines": self.outlines.isChecked(), "dpi": self.dpi.value()}

    # -- the figure ----------------------------------------------------------------------------------------------

    def show_sheet(self, sheet: Composed | None, words: str = "") -> None:
        """Show the figure, or say why there is none."""
        self.save.setEnabled(sheet is not None)
        self.problem.setText(shown(words, limit=300))
        if sheet is None:
            self.size_words.setText("Add a cell.")
            return
        self.preview.show_image(sheet.image(1.8))
        high = sheet.height / 72 * 2.54
        wide = self.cm.value()
        across, down = pixels((wide, high), self.dpi.value())
        self.size_words.setText(f"{wide:.1f} × {high:.1f} cm; as PNG {across:,} × {down:,} pixels")

    def _ask(self) -> None:
        path, form = QFileDialog.getSaveFileName(self, "Save figure", f"{self._folder}/figure.pdf", FORMS)
        if path:
            if "." not in path.rsplit("/", 1)[-1]:
                path += "." + form.split("*.")[1].split(")")[0]
            self.save_wanted.emit(path)


def titled(wish: Wish, words: str) -> Wish:
    """Return the wish with a title made of its map's words."""
    return replace(wish, title=wish.title or words)
