"""The first steps: five cards over the window, beside the part that it speaks of. Dismissed once, they stay away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, Qt, Signal
from PySide6.QtGui import QAccessible, QAccessibleEvent, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from brainview.app.theme import GRID, color
from brainview.app.widgets.basics import button, label, tool

#: Name under which it is remembered that the guide was seen.
SEEN = "guide_seen"
WIDTH = 340


@dataclass(frozen=True)
class Step:
    """One card: which part it stands beside, and what it says."""

    part: str
    title: str
    text: str


STEPS = (
    Step("subjects", "Your brains", "A folder of recorded brains opens with Ctrl+O; files that are in no known layout "
         "go through File > Your own data. Until then the built-in phantom is open: simulated brains with known truth, "
         "labelled as such everywhere."),
    Step("viewer", "The cortex", "Drag turns it, the wheel zooms, a click reads a place and selects its regions. The "
         "bar above goes from pial to flat; I, P, W and F do the same. B puts slices beside it, Views holds several "
         "linked viewers."),
    Step("colors", "The colours", "Drag on the bar to set the threshold. Its menu (right click, or the menu key) has "
         "colour maps, limits and a second map that decides what is shown. Ctrl+L keeps a map as a layer."),
    Step("encoding", "The models", "Train one in the dock on the left, or open one with Ctrl+R. What it explains is "
         "drawn on the cortex; the bars select regions and are selected by them."),
    Step("header", "Everything else", "Ctrl+K finds every command, region and coordinate by name; ? lists the keys. "
         "Ctrl+Z takes anything back, Ctrl+E writes pictures and numbers. Help > First steps shows this again."),
)


class Ring(QWidget):
    """A line around the part that a card speaks of; lets the mouse through."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the line."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(color("accent_text"), 2))
        painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), 8, 8)


class Guide(QFrame):
    """The card. `ended` tells that it was gone through or dismissed."""

    ended = Signal()

    def __init__(self, window: QWidget, part: Callable[[str], QWidget | None], *, show_part: Any = None) -> None:
        super().__init__(window)
        self.setObjectName("notice")
        self._window, self._part, self._show_part = window, part, show_part
        self.at = 0
        self._ring = Ring(window)
        self.count = label("", "caption")
        self.title = label("", "title")
        self.text = label("", "second", wrap=True)
        self.back = button("Back", lambda: self.go(self.at - 1))
        self.next = button("Next", self._next, role="primary")
        head = QHBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(tool("close", "Dismiss the first steps", self.end, tip="Dismiss (Esc)"))
        foot = QHBoxLayout()
        foot.addWidget(self.count, 1)
        foot.addWidget(self.back)
        foot.addWidget(self.next)
        column = self._column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addLayout(head)
        column.addWidget(self.text)
        column.addLayout(foot)
        self.setFixedWidth(WIDTH)
        window.installEventFilter(self)
        self.go(0)
        self.show()
        self.next.setFocus(Qt.FocusReason.OtherFocusReason)

    def go(self, at: int) -> None:
        """Show a card."""
        self.at = min(max(at, 0), len(STEPS) - 1)
        step = STEPS[self.at]
        if self._show_part is not None:
            self._show_part(step.part)
        self.count.setText(f"{self.at + 1} of {len(STEPS)}")
        self.title.setText(step.title)
        self.text.setText(step.text)
        self.back.setEnabled(self.at > 0)
        last = self.at == len(STEPS) - 1
        self.next.setText("Done" if last else "Next")
        self.next.setAccessibleName("Done" if last else "Next")
        self.setAccessibleName(f"First steps, {self.count.text()}: {step.title}. {step.text}")
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))
        self._place()

    def _next(self) -> None:
        if self.at == len(STEPS) - 1:
            self.end()
        else:
            self.go(self.at + 1)

    def end(self) -> None:
        """Go away."""
        self._window.removeEventFilter(self)
        self._ring.hide()
        self._ring.deleteLater()
        self.hide()
        self.deleteLater()
        self.ended.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape dismisses."""
        if event.key() == Qt.Key.Key_Escape:
            self.end()
        else:
            super().keyPressEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the window's size."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest):
            self._place()
        return False

    def _place(self) -> None:
        """Stand right or left of the part, below or above it, where there is room; else in its middle."""
        self.text.setFixedHeight(self.text.heightForWidth(WIDTH - 3 * GRID))
        self._column.activate()
        self.setFixedHeight(self._column.sizeHint().height())
        part, whole = self._part(STEPS[self.at].part), self._window.rect()
        if part is None or not part.isVisible():
            self._ring.hide()
            self.move((whole.width() - self.width()) // 2, (whole.height() - self.height()) // 2)
            self.raise_()
            return
        box = QRect(part.mapTo(self._window, QPoint(0, 0)), part.size())
        w, h, gap = self.width(), self.height(), GRID
        middle = box.center() - QPoint(w // 2, h // 2)
        spots = [QPoint(box.right() + gap, box.top() + 6 * gap), QPoint(box.left() - w - gap, box.top() + 6 * gap),
                 QPoint(box.left() + box.width() // 4 - gap, box.bottom() + gap),
                 QPoint(middle.x(), box.top() - h - gap), middle]
        inside = whole.adjusted(gap, gap, -gap, -gap)
        spot = next((s for s in spots if inside.contains(QRect(s, self.size()))), middle)
        self.move(min(max(spot.x(), inside.left()), inside.right() - w),
                  min(max(spot.y(), inside.top()), inside.bottom() - h))
        self._ring.setGeometry(box.intersected(whole))
        self._ring.show()
        self._ring.raise_()
        self.raise_()
