"""What Attribution and Decoding share while no model of theirs is open: what they need, and the way to it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from brainview.app.icons import icon
from brainview.app.theme import GRID
from brainview.app.widgets.basics import EmptyState, button, label, scrolled


class NeedsPanel(QWidget):
    """An empty state with a list of what is there and what is missing. `run_wanted` asks for a run."""

    run_wanted = Signal()

    def __init__(self, glyph: str, title: str, text: str, button_words: str) -> None:
        super().__init__()
        self._lines = QVBoxLayout()
        self._lines.setSpacing(GRID)
        holder = QWidget()
        holder.setLayout(self._lines)
        self.empty = EmptyState(glyph, title, text,
                                [button(button_words, self.run_wanted.emit, role="primary", glyph="open")])
        self.empty.insert(holder)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scrolled(self.empty))

    def show_needs(self, needs: Sequence[tuple[bool, str]]) -> None:
        """Show (is it there, words) lines."""
        while self._lines.count():
            item = self._lines.takeAt(0)
            old = item.widget() if item is not None else None
            if old is not None:
                old.deleteLater()
        for there, words in needs:
            line = QWidget()
            box = QHBoxLayout(line)
            box.setContentsMargins(GRID, 0, GRID, 0)
            box.setSpacing(GRID)
            mark = QLabel()
            mark.setPixmap(icon("done" if there else "waiting", "good" if there else "text3").pixmap(QSize(16, 16)))
            text = label(words, "second" if there else "caption", wrap=True)
            text.setAccessibleName(f"{'There' if there else 'Missing'}: {words}")
            box.addWidget(mark)
            box.addWidget(text, 1)
            self._lines.addWidget(line)
