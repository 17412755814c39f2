"""What a training will need, in one line with its basis on hover."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtWidgets import QVBoxLayout, QWidget

from brainview.app.jobs_view import duration
from brainview.app.widgets.basics import label
from brainview.core.names import plain


def size_words(count: float) -> str:
    """Return bytes in words.

    >>> size_words(850_000_000), size_words(12_300)
    ('850 MB', '12 kB')
    """
    for unit, words in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {words}"
    return f"{count:.0f} B"


def need_words(estimate: Mapping[str, Any]) -> str:
    """Return time, memory and disk of an estimate in one line."""
    seconds, memory, disk = (estimate.get(k) for k in ("seconds", "memory", "disk"))
    parts = [] if seconds is None else [f"about {duration(float(seconds))}"]
    parts += [f"{size_words(memory)} of memory"] if memory else []
    parts += [f"{size_words(disk)} of disk"] if disk else []
    unknown = " Its time is not known yet." if seconds is None else ""
    return ("Needs " + ", ".join(parts) + "." if parts else "") + unknown


class Needs(QWidget):
    """The line, and a warning when the disk is too small."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.warning = label("", "caption", wrap=True), label("", "bad", wrap=True)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(2)
        box.addWidget(self.words)
        box.addWidget(self.warning)
        self.show_estimate({})

    def show_estimate(self, estimate: Mapping[str, Any]) -> None:
        """Show another estimate; {} while it is worked out."""
        if not estimate:
            self.words.setText("Working out what it needs…")
            self.warning.hide()
            return
        self.words.setText(need_words(estimate))
        notes = [str(estimate.get("basis", "")), *map(str, estimate.get("notes") or ())]
        self.words.setToolTip(plain("\n".join(n for n in notes if n), limit=1500).replace("\\n", "<br>"))
        self.words.setAccessibleDescription(" ".join(notes))
        free, disk = estimate.get("free"), estimate.get("disk")
        short = bool(free and disk and disk > free)
        self.warning.setText(f"Only {size_words(free)} are free where runs are kept." if short and free else "")
        self.warning.setVisible(short)
        self.words.setVisible(not estimate.get("problem"))
