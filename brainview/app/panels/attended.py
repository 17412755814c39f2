"""Under a stimulus of an attention-head model: where a region looks in it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from brainview.app.theme import GRID
from brainview.app.widgets.basics import label, row
from brainview.app.widgets.chooser import Chooser
from brainview.app.widgets.flat_picture import FlatPicture
from brainview.core.names import shown
from brainview.state.attended import Attended


class AttendedSection(QWidget):
    """A chooser of regions and the stimulus, bright where the region looks; `region_chosen(name)`."""

    region_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.regions = Chooser()
        self.regions.setAccessibleName("Region whose attention is shown")
        self.regions.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.regions.activated.connect(lambda _: self.region_chosen.emit(str(self.regions.currentData())))
        self.picture = FlatPicture("The stimulus, bright where the region looks", 180)
        self.words = label("", "caption", wrap=True)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID)
        for widget in (row(label("Region", "second"), self.regions, stretch=1), self.picture, self.words):
            box.addWidget(widget)

    def show_attended(self, attended: Attended | None, region: str, hint: str = "") -> None:
        """Show where a region looks; without attention the hint."""
        self.regions.setEnabled(attended is not None)
        if attended is None:
            self.picture.show_array(None)
            self.words.setText(shown(hint, limit=400))
            return
        if [self.regions.itemData(k) for k in range(self.regions.count())] != list(attended.regions):
            self.regions.clear()
            for name in attended.regions:
                self.regions.addItem(shown(name), name)
        self.regions.setCurrentIndex(self.regions.findData(region))
        self.picture.show_array(attended.drawn(region))
        self.words.setText(
            f"{attended.brain}, stimulus {attended.stimulus}: {attended.share(region):.0%} of the attention of "
            f"{shown(region)} is on the picture (the rest on the class token), half of it on "
            f"{attended.concentration(region):.0%} of the patches (50% = spread evenly). Brightest = most. Mean over "
            "heads and layers; attention shows what is read, not what causes the response.")
