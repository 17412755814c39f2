"""The dock itself: its pages as tabs. A page is a widget with `title`, `run_wanted` and `show_state(app)`."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from brainview.app.panels.decoding.film import FilmPage
from brainview.app.panels.decoding.retrieval import RetrievalPage
from brainview.app.panels.decoding.words import WordsPage
from brainview.state.app import AppState


class DecodingPanel(QWidget):
    """Retrieval, words and film. `run_wanted` asks for a run."""

    run_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.retrieval, self.words, self.film = RetrievalPage(), WordsPage(), FilmPage()
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName("Ways of decoding")
        for page in self.pages:
            self.tabs.addTab(page, page.title)
            page.run_wanted.connect(self.run_wanted)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.tabs)

    @property
    def pages(self) -> tuple[RetrievalPage, WordsPage, FilmPage]:
        """The pages in the order of their tabs."""
        return self.retrieval, self.words, self.film

    def show_state(self, app: AppState) -> None:
        """Show in every page what is there and what is missing; a run brings its own page to the front."""
        for page in self.pages:
            page.show_state(app)

    def show_page_of(self, system: str) -> None:
        """Bring the page of a system's runs to the front."""
        for page in self.pages:
            if system in page.systems:
                self.tabs.setCurrentWidget(page)
                return
