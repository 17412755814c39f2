"""The page "Get NSD data": the agreement, which files a layout needs, and the fetch from the user's own source."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QDialog, QFormLayout, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from brainview.app.theme import GRID
from brainview.app.widgets.basics import button, label, scrolled
from brainview.app.widgets.chooser import Chooser
from brainview.core.names import shown

PAGE = "brainview.datasets.access:page"
FETCH = "brainview.datasets.access:fetch"
LAYOUTS = (("mindeye", "MindEye tars (webdataset_avg_split)"), ("mindeye2", "MindEye-2 HDF5"),
           ("nsd", "NSD tree as its owners keep it"))
SUBJECTS = tuple(f"subj{n:02d}" for n in range(1, 9))


class GetDataPage(QDialog):
    """Nothing is fetched before a source is named and the agreement is confirmed.

    Signals
    -------
    page_wanted : str, list of str
        Layout and subjects; answer with :meth:`show_page`.
    fetch_wanted : dict
        Arguments of the fetch.
    folder_wanted : str
        ``source`` or ``out``: ask for a folder and answer with :meth:`set_folder`.
    """

    page_wanted = Signal(str, list)
    fetch_wanted = Signal(dict)
    folder_wanted = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Get NSD data")
        self.resize(720, 640)
        self.agreement = label("", "second", wrap=True)
        self.files = label("", "caption", wrap=True)
        self.files.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.files.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.layouts = Chooser()
        for key, words in LAYOUTS:
            self.layouts.addItem(words, key)
        self.layouts.setAccessibleName("Layout")
        self.layouts.currentIndexChanged.connect(lambda _: self.ask_page())
        self.subjects = [QCheckBox(s) for s in SUBJECTS]
        for box in self.subjects:
            box.setChecked(box.text() == SUBJECTS[0])
            box.toggled.connect(lambda _: self.ask_page())
        self.source, self.out = QLineEdit(), QLineEdit()
        self.source.setPlaceholderText("a folder, hf:OWNER/NAME or s3://BUCKET/PREFIX that was opened to you")
        self.out.setPlaceholderText("an empty folder with room for it")
        self.agreed = QCheckBox("The data access agreement of the Natural Scenes Dataset holds for me")
        self.start = button("Fetch", self._start, role="primary", tip="Runs as a job with progress and Cancel")
        for edit, name in ((self.source, "Source"), (self.out, "Target folder")):
            edit.setAccessibleName(name)
            edit.textChanged.connect(lambda _: self._ready())
        self.agreed.toggled.connect(lambda _: self._ready())
        self._lay_out()
        self._ready()

    def _lay_out(self) -> None:
        people = QHBoxLayout()
        people.setSpacing(GRID)
        for box in self.subjects:
            people.addWidget(box)
        people.addStretch(1)
        form = QFormLayout()
        form.setSpacing(GRID)
        form.addRow("Layout", self.layouts)
        form.addRow("Subjects", people)
        for words, edit, name in (("From", self.source, "source"), ("Into", self.out, "out")):
            line = QHBoxLayout()
            line.addWidget(edit, 1)
            line.addWidget(button("Folder…", partial(self.folder_wanted.emit, name)))
            form.addRow(words, line)
        below = QHBoxLayout()
        below.addWidget(self.agreed, 1)
        below.addWidget(button("Close", self.reject))
        below.addWidget(self.start)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        column.addWidget(label("Whose data this is", "section"))
        column.addWidget(self.agreement)
        column.addLayout(form)
        column.addWidget(label("What is fetched", "section"))
        column.addWidget(scrolled(self.files), 1)
        column.addLayout(below)

    def chosen(self) -> list[str]:
        """Return the subjects that are ticked."""
        return [b.text() for b in self.subjects if b.isChecked()]

    def ask_page(self) -> None:
        """Ask for what the chosen layout needs."""
        self._ready()
        if self.chosen():
            self.page_wanted.emit(str(self.layouts.currentData()), self.chosen())

    def show_page(self, told: Mapping[str, Any]) -> None:
        """Show agreement, files, size and the command that does the same."""
        if told["layout"] != self.layouts.currentData():
            return
        self.agreement.setText("\n\n".join(told["agreement"]))
        self.files.setText("\n".join([f"{told['note']} About {told['gigabytes']:,.0f} GB.", "", *told["patterns"], "",
                                      "As a command: " + told["command"]]))

    def set_folder(self, name: str, path: str) -> None:
        """Take a folder that was chosen."""
        (self.source if name == "source" else self.out).setText(path)

    def _ready(self) -> None:
        full = bool(self.source.text().strip() and self.out.text().strip() and self.chosen())
        self.start.setEnabled(full and self.agreed.isChecked())

    def _start(self) -> None:
        self.fetch_wanted.emit({"layout": str(self.layouts.currentData()), "source": self.source.text().strip(),
                                "out": self.out.text().strip(), "subjects": self.chosen(), "agreed": True})


class Getting:
    """The part of the controller that opens the page and starts the fetch."""

    window: Any
    session: Any
    reporter: Any
    get_page: GetDataPage | None = None

    def get_data(self) -> GetDataPage:
        """Open the page."""
        page = self.get_page = GetDataPage(self.window)
        page.page_wanted.connect(lambda layout, who: self.reporter.start(self._tell(page, layout, who)))
        page.fetch_wanted.connect(lambda wanted: self.reporter.start(self._fetch(page, wanted)))
        page.folder_wanted.connect(lambda name: self._choose(page, name))
        page.open()
        page.ask_page()
        return page

    def _choose(self, page: GetDataPage, name: str) -> None:
        words = "Folder that holds the data" if name == "source" else "Empty folder for the data"
        path = self._folder(words)  # type: ignore[attr-defined]
        if path:
            page.set_folder(name, path)

    async def _tell(self, page: GetDataPage, layout: str, subjects: list[str]) -> None:
        page.show_page(await self.session.ask(PAGE, "What NSD needs", layout=layout, subjects=subjects))

    async def _fetch(self, page: GetDataPage, wanted: dict[str, Any]) -> None:
        page.accept()
        done = await self.session.ask(FETCH, f"Fetch {shown(wanted['layout'])}", lane="batch", **wanted)
        await self.session.open_dataset(done["path"])
