"""Page "In silico": drop any picture, see the predicted response of a subject or of the average brain."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImageReader
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from brainview.app.theme import GRID
from brainview.app.widgets.basics import (
    ElidedLabel,
    Section,
    Segments,
    button,
    column,
    label,
    restyle,
    row,
    scrolled,
    tool,
)
from brainview.app.widgets.chooser import Chooser
from brainview.app.widgets.flat_picture import FlatPicture
from brainview.core.names import shown
from brainview.state.app import GROUP, RunInfo
from brainview.state.in_silico import is_picture, title_of

SIDE = 96


class Slot(QFrame):
    """One picture: dropped, chosen from a file, or the stimulus in the strip. Signals carry what the user did."""

    dropped = Signal(str)
    file_wanted = Signal()
    stimulus_wanted = Signal()
    cleared = Signal()

    def __init__(self, letter: str) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setAcceptDrops(True)
        self.setAccessibleName(f"Picture {letter}")
        self.letter = letter
        self.name = ElidedLabel("", "title")
        self.picture = FlatPicture(f"Picture {letter}", SIDE)
        self.picture.setFixedWidth(SIDE)
        self.hint = label("Drop a picture here", "caption", wrap=True)
        self.clear = tool("close", f"Remove picture {letter}", self.cleared.emit)
        self.file = button("Choose file…", self.file_wanted.emit)
        self.stimulus = button("Stimulus in the strip", self.stimulus_wanted.emit,
                               tip="Take the stimulus that is chosen in the film strip")
        side = column(row(label(letter, "title"), self.name, self.clear, stretch=1), self.hint, self.file,
                      self.stimulus, margin=0, spacing=GRID // 2, stretch=True)
        box = QHBoxLayout(self)
        box.setContentsMargins(12, 12, 12, 12)
        box.setSpacing(12)
        box.addWidget(self.picture, 0, Qt.AlignmentFlag.AlignTop)
        box.addWidget(side, 1)

    def show_picture(self, name: str, image: Any) -> None:
        """Show a picture by name with its (h, w, 3) pixels or, for a file, as Qt reads it small."""
        self.name.show_text(title_of(name) if name else "")
        self.hint.setVisible(not name)
        self.clear.setVisible(bool(name))
        if image is not None or not name or name.startswith("stimulus:"):
            self.picture.show_array(image)
        else:
            self.picture.show_image(thumbnail(name))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(is_picture(u.toLocalFile()) for u in event.mimeData().urls()):
            event.acceptProposedAction()
            restyle(self, over="true")

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [u.toLocalFile() for u in event.mimeData().urls() if is_picture(u.toLocalFile())]
        if paths:
            event.acceptProposedAction()
            self.dropped.emit(paths[0])


def thumbnail(path: str) -> Any:
    """Return a picture file small as a QImage; a null image when it cannot be read (the job says why)."""
    reader = QImageReader(path)
    reader.setAutoTransform(True)
    size = reader.size()
    if size.isValid() and size.width() * size.height() <= 200_000_000:
        reader.setScaledSize(size.scaled(2 * SIDE, 2 * SIDE, Qt.AspectRatioMode.KeepAspectRatio))
    return reader.read()


class InSilicoPage(QWidget):
    """The page. Signals: `picture_given(slot, path)`, `file_wanted(slot)`, `stimulus_wanted(slot)`, `cleared(slot)`,
    `brain_chosen(id)`, `shown_chosen(which)`."""

    picture_given = Signal(str, str)
    file_wanted = Signal(str)
    stimulus_wanted = Signal(str)
    cleared = Signal(str)
    brain_chosen = Signal(str)
    shown_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.slots = {"first": Slot("A"), "second": Slot("B")}
        for name, slot in self.slots.items():
            slot.dropped.connect(lambda path, n=name: self.picture_given.emit(n, path))
            slot.file_wanted.connect(lambda n=name: self.file_wanted.emit(n))
            slot.stimulus_wanted.connect(lambda n=name: self.stimulus_wanted.emit(n))
            slot.cleared.connect(lambda n=name: self.cleared.emit(n))
        self.brain = Chooser()
        self.brain.setAccessibleName("Whose predicted response")
        self.brain.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.brain.activated.connect(lambda _: self.brain_chosen.emit(str(self.brain.currentData())))
        self.which = Segments((("first", "A"), ("second", "B"), ("difference", "A − B")), "Predicted map on the cortex",
                              ("Response to picture A", "Response to picture B", "Where A drives more than B"))
        self.which.chosen.connect(self.shown_chosen)
        self.note = label("", "caption", wrap=True)
        words: QLabel = label("What would the brain do? The open model predicts the response to any picture; drop one "
                              "on the window.", "second", wrap=True)
        body = column(words, Section("Pictures", column(*self.slots.values(), margin=0)),
                      Section("Predicted response", column(row(label("Brain", "second"), self.brain, stretch=1),
                                                           self.which, self.note, margin=0)),
                      margin=12, spacing=GRID, stretch=True)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(scrolled(body))

    def show_run(self, run: RunInfo) -> None:
        """Offer the brains of a model."""
        self.brain.clear()
        for name in run.subjects:
            self.brain.addItem(shown(name), name)
        self.brain.addItem("Average brain", GROUP)

    def show_choice(self, first: str, second: str, brain: str, which: str, stimulus: int, note: str) -> None:
        """Show what is chosen."""
        self.brain.setCurrentIndex(max(0, self.brain.findData(brain)))
        self.which.show_value(which)
        self.which.enable("first", bool(first))
        self.which.enable("second", bool(second))
        self.which.enable("difference", bool(first and second))
        for slot in self.slots.values():
            slot.stimulus.setEnabled(stimulus >= 0)
        self.note.setText(shown(note or "Choose a picture; its map is drawn on the cortex.", limit=400))
