"""Export: the picture at a size in cm and dpi or in pixels, or the numbers of the map that is drawn."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from brainview.app.theme import GRID
from brainview.app.widgets.basics import button, decimal, label, row, whole
from brainview.app.widgets.chooser import Chooser
from brainview.core.lengths import pixels
from brainview.maps.brainmap import BrainMap
from brainview.maps.space import GrayordinateSpace, SurfaceSpace, VolumeSpace

#: The most pixels along one edge.
MOST = 16_384
FORMATS = (("nifti", "NIfTI (.nii.gz)", ".nii.gz"), ("gifti", "GIFTI (.func.gii)", ".func.gii"),
           ("cifti", "CIFTI-2 (.dscalar.nii)", ".dscalar.nii"), ("csv", "CSV table (.csv)", ".csv"))


class PicturePage(QWidget):
    """Size, resolution, ground."""

    def __init__(self, size: tuple[int, int], viewers: int = 1) -> None:
        super().__init__()
        self.unit = Chooser()
        self.unit.setAccessibleName("Unit of the size")
        self.unit.addItem("Centimetres and dpi", "cm")
        self.unit.addItem("Pixels", "px")
        self.width_cm, self.height_cm = decimal(17.0, 1, 200, "Width in cm"), decimal(12.0, 1, 200, "Height in cm")
        self.dpi = whole(300, 30, 2400, "Dots per inch")
        self.width_px, self.height_px = whole(size[0], 16, MOST, "Width in pixels"), whole(
            size[1], 16, MOST, "Height in pixels")
        self.transparent = QCheckBox("Transparent ground")
        self.light = QCheckBox("White ground (for print)")
        self.all = QCheckBox(f"All {viewers} viewers, side by side under their names")
        self.all.setChecked(viewers > 1)
        self.all.setVisible(viewers > 1)
        self.result = label("", "caption")
        form = QFormLayout(self)
        form.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        form.setSpacing(GRID)
        form.addRow("Size in", self.unit)
        self._cm = row(self.width_cm, label("×", "second"), self.height_cm, label("cm at", "second"), self.dpi,
                       label("dpi", "second"))
        self._px = row(self.width_px, label("×", "second"), self.height_px, label("px", "second"))
        form.addRow("Size", self._cm)
        form.addRow("", self._px)
        form.addRow("", self.result)
        form.addRow("Ground", self.transparent)
        form.addRow("", self.light)
        form.addRow("Viewers" if viewers > 1 else "", self.all)
        form.addRow("", label("What is on screen is what is in the file; dataset, subject, model and settings are "
                              "written into the PNG.", "caption", wrap=True))
        self.unit.currentIndexChanged.connect(lambda _: self._refresh())
        for field in (self.width_cm, self.height_cm, self.dpi):
            field.valueChanged.connect(lambda _: self._refresh())
        self.transparent.toggled.connect(lambda on: self.light.setEnabled(not on))
        self._refresh()

    def _refresh(self) -> None:
        in_cm = self.unit.currentData() == "cm"
        self._cm.setVisible(in_cm)
        self._px.setVisible(not in_cm)
        width, height = self.size_px()
        self.result.setText(f"{width:,} × {height:,} pixels" + ("" if max(width, height) <= MOST else
                                                                f"; the most is {MOST:,} along one edge"))

    def size_px(self) -> tuple[int, int]:
        """Return width and height in pixels."""
        if self.unit.currentData() == "cm":
            return pixels((self.width_cm.value(), self.height_cm.value()), self.dpi.value())
        return self.width_px.value(), self.height_px.value()

    def valid(self) -> bool:
        """Tell whether the size can be drawn."""
        return max(self.size_px()) <= MOST

    def values(self) -> dict[str, Any]:
        """Return size (px, px), dpi, transparent, white."""
        in_cm = self.unit.currentData() == "cm"
        return {"size": self.size_px(), "dpi": self.dpi.value() if in_cm else None,
                "transparent": self.transparent.isChecked(), "all": self.all.isChecked(),
                "white": self.light.isChecked() and not self.transparent.isChecked()}


class MapPage(QWidget):
    """Format and space."""

    def __init__(self, brain_map: BrainMap | None) -> None:
        super().__init__()
        self.form_box, self.space = Chooser(), Chooser()
        self.form_box.setAccessibleName("Format")
        self.space.setAccessibleName("Space")
        for key, words, suffix in FORMATS:
            self.form_box.addItem(words, (key, suffix))
        own = brain_map.space.name if brain_map is not None else ""
        self.space.addItem(f"As it is ({own})", None)
        for name in ("fsaverage5", "fsaverage6", "fsaverage", "fsLR32k", "mni152-2mm"):
            if name != own:
                self.space.addItem(name, name)
        self.note = label("", "caption", wrap=True)
        self._map = brain_map
        form = QFormLayout(self)
        form.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        form.setSpacing(GRID)
        form.addRow("Map", label(brain_map.name if brain_map else "none", "second", wrap=True))
        form.addRow("Format", self.form_box)
        form.addRow("Space", self.space)
        form.addRow("", self.note)
        self.form_box.currentIndexChanged.connect(lambda _: self._refresh())
        self.space.currentIndexChanged.connect(lambda _: self._refresh())
        self._refresh()

    def _refresh(self) -> None:
        key = self.values()["format"]
        space = self._map.space.root if self._map is not None else None
        kind = str(self.space.currentData() or (space.name if space else ""))
        volume = kind.startswith("mni152") or (self.space.currentData() is None and isinstance(space, VolumeSpace))
        surface = not volume and not (self.space.currentData() is None and isinstance(space, GrayordinateSpace))
        words = "Provenance is written into the file and into a JSON beside it."
        if key == "nifti" and surface and isinstance(space, SurfaceSpace):
            words = "NIfTI holds voxels: choose a volume space, else the map is converted to mni152-2mm. " + words
        if key == "gifti" and volume:
            words = "GIFTI holds surfaces: choose a surface space. " + words
        self.note.setText(words)

    def values(self) -> dict[str, Any]:
        """Return format, space (None = as it is) and the usual ending."""
        key, suffix = self.form_box.currentData()
        space = self.space.currentData()
        root = self._map.space.root if self._map is not None else None
        if key == "nifti" and space is None and isinstance(root, SurfaceSpace):
            space = "mni152-2mm"
        return {"format": key, "suffix": suffix, "space": space}


class ExportDialog(QDialog):
    """Asks what to write and where; `picture(path, settings)` or `map(path, settings)` is emitted on Export."""

    picture = Signal(str, dict)
    map = Signal(str, dict)

    def __init__(self, parent: QWidget | None, brain_map: BrainMap | None, size: tuple[int, int], folder: str,
                 page: int = 0, viewers: int = 1) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export")
        self.setMinimumWidth(480)
        self._map = brain_map
        self.pictures, self.maps = PicturePage(size, viewers), MapPage(brain_map)
        self.tabs = QTabWidget()
        self.tabs.addTab(self.pictures, "Picture")
        self.tabs.addTab(self.maps, "Map")
        self.tabs.setCurrentIndex(page)
        self.path = QLineEdit(str(Path(folder) / f"{self._stem()}.png"))
        self.path.setAccessibleName("File")
        self.problem = label("", "bad", wrap=True)
        self.save = button("Export", self._send, role="primary", glyph="export")
        self.save.setDefault(True)
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(button("Cancel", self.reject))
        buttons.addWidget(self.save)
        box = QVBoxLayout(self)
        box.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        box.setSpacing(GRID)
        box.addWidget(self.tabs)
        box.addWidget(row(self.path, button("Choose…", self._choose), stretch=0))
        box.addWidget(self.problem)
        box.addLayout(buttons)
        self.tabs.currentChanged.connect(lambda _: self._rename())
        self.maps.form_box.currentIndexChanged.connect(lambda _: self._rename())
        self._rename()

    def _stem(self) -> str:
        name = self._map.name if self._map is not None else "brain"
        plain = unicodedata.normalize("NFKD", name)  # r², not a letter that a server may refuse
        words = "".join(c if c.isascii() and (c.isalnum() or c == "_") else " " for c in plain).split()
        return "-".join(words)[:60] or "brain"

    def _suffix(self) -> str:
        return ".png" if self.tabs.currentIndex() == 0 else str(self.maps.values()["suffix"])

    def _rename(self) -> None:
        path = Path(self.path.text())
        name = path.name
        for suffix in (".png", *(s for _, _, s in FORMATS)):
            name = name.removesuffix(suffix)
        self.path.setText(str(path.with_name(name + self._suffix())))

    def _choose(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Export to", self.path.text())
        if path:
            self.path.setText(path)

    def _send(self) -> None:
        path = Path(self.path.text()).expanduser()
        if not path.parent.is_dir():
            self.problem.setText("The folder does not exist.")
            return
        if self.tabs.currentIndex() == 0:
            if not self.pictures.valid():
                self.problem.setText(f"The picture would be larger than {MOST:,} pixels.")
                return
            self.picture.emit(str(path), self.pictures.values())
        elif self._map is None:
            self.problem.setText("No map is drawn.")
            return
        else:
            self.map.emit(str(path), self.maps.values())
        self.accept()
