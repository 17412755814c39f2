"""Labels that elide, buttons with icons, segments, collapsible sections, empty states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QButtonGroup,
    QDoubleSpinBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from brainview.app.icons import icon
from brainview.app.theme import GRID
from brainview.core.names import plain, shown


def label(text: str = "", role: str = "", *, wrap: bool = False, name: str = "") -> QLabel:
    """Return a plain-text label in one of the style sheet's roles."""
    out = QLabel(shown(text, limit=2000))
    out.setTextFormat(Qt.TextFormat.PlainText)
    out.setWordWrap(wrap)
    if role:
        out.setProperty("role", role)
    if name:
        out.setAccessibleName(name)
    return out


class ElidedLabel(QLabel):
    """A one-line label for names from files: escaped, cut in the middle, whole in the tooltip."""

    def __init__(self, text: str = "", role: str = "", mode: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self._mode, self._whole = mode, ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(3 * GRID)
        if role:
            self.setProperty("role", role)
        self.show_text(text)

    def show_text(self, text: str) -> None:
        """Show another text."""
        self._whole = shown(text)
        self.setAccessibleName(self._whole)
        self._elide()

    def whole(self) -> str:
        """Return the text that may be cut on screen."""
        return self._whole

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def sizeHint(self) -> QSize:
        return QSize(self.fontMetrics().horizontalAdvance(self._whole) + 2, super().sizeHint().height())

    def _elide(self) -> None:
        cut = QFontMetrics(self.font()).elidedText(self._whole, self._mode, max(0, self.width() - 1))
        self.setText(cut)
        self.setToolTip(plain(self._whole) if cut != self._whole else "")


def button(text: str, slot: Callable[[], object], *, role: str = "", glyph: str = "", tip: str = "") -> QPushButton:
    """Return a push button."""
    out = QPushButton(text)
    if role:
        out.setProperty("role", role)
    if glyph:
        out.setProperty("glyph", glyph)
        paint_button(out)
    out.setToolTip(tip)
    out.setAccessibleName(text)
    out.setAccessibleDescription(tip)
    out.clicked.connect(lambda *_: slot())
    return out


def paint_button(part: QAbstractButton) -> None:
    """Draw the icon that a button was given, in the theme in force."""
    primary = part.property("role") == "primary"
    part.setIcon(icon(str(part.property("glyph")), "on_accent" if primary else "text2",
                      "on_accent" if primary else "text"))


def tool(glyph: str, name: str, slot: Callable[[], object] | None = None, *, tip: str = "") -> QToolButton:
    """Return a quiet icon button with an accessible name."""
    out = QToolButton()
    out.setProperty("glyph", glyph)
    paint_button(out)
    out.setIconSize(QSize(18, 18))
    out.setAccessibleName(name)
    out.setToolTip(tip or name)
    out.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    if slot is not None:
        out.clicked.connect(lambda *_: slot())
    return out


def line() -> QFrame:
    """Return a hairline."""
    out = QFrame()
    out.setProperty("role", "line")
    return out


class Segments(QFrame):
    """Two to five alternatives side by side; `chosen` tells the value."""

    chosen = Signal(str)

    def __init__(self, choices: Sequence[tuple[str, str]], name: str, tips: Sequence[str] = ()) -> None:
        super().__init__()
        self.setProperty("role", "segments")
        self.setAccessibleName(name)
        self._group = QButtonGroup(self)
        self._buttons: dict[str, QToolButton] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(1, 1, 1, 1)
        row.setSpacing(0)
        for k, (value, words) in enumerate(choices):
            part = QToolButton()
            part.setText(words)
            part.setCheckable(True)
            part.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            part.setAccessibleName(f"{name}: {words}")
            part.setToolTip(tips[k] if k < len(tips) else "")
            part.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # equal widths
            part.setMinimumWidth(6 * GRID)
            part.clicked.connect(lambda _=False, v=value: self.chosen.emit(v))
            self._group.addButton(part)
            self._buttons[value] = part
            row.addWidget(part)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def show_value(self, value: str) -> None:
        """Mark one alternative without telling anybody."""
        if value in self._buttons:
            self._buttons[value].setChecked(True)

    def enable(self, value: str, on: bool) -> None:
        """Allow or forbid one alternative."""
        self._buttons[value].setEnabled(on)

    def value(self) -> str:
        """Return the marked alternative, "" when none is."""
        return next((v for v, b in self._buttons.items() if b.isChecked()), "")


class Section(QWidget):
    """A heading that folds what is under it."""

    toggled = Signal(bool)

    def __init__(self, title: str, content: QWidget, *, open_: bool = True, extra: QWidget | None = None) -> None:
        super().__init__()
        self.content = content
        self._head = QToolButton()
        self._head.setProperty("role", "section")
        self._head.setText(title)
        self._head.setAccessibleName(f"{title} (section)")
        self._head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._head.setCheckable(True)
        self._head.setChecked(open_)
        self._head.setIconSize(QSize(14, 14))
        self._head.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._head.toggled.connect(self._fold)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID // 2)
        row.addWidget(self._head, 1)
        if extra is not None:
            row.addWidget(extra)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID // 2)
        column.addLayout(row)
        column.addWidget(content)
        self._fold(open_)

    def _fold(self, open_: bool) -> None:
        self._head.setIcon(icon("down" if open_ else "right"))
        self.content.setVisible(open_)
        self.toggled.emit(open_)

    def set_title(self, title: str) -> None:
        """Change the words of the heading."""
        self._head.setText(title)

    def paint_icons(self) -> None:
        """Draw the arrow again."""
        self._head.setIcon(icon("down" if self._head.isChecked() else "right"))


class EmptyState(QFrame):
    """What a panel says while it has nothing to show: what it is for, and the next step."""

    def __init__(self, glyph: str, title: str, text: str, actions: Sequence[QPushButton] = (), *,
                 canvas: bool = False) -> None:
        super().__init__()
        if canvas:
            self.setObjectName("empty")
        self._glyph = glyph
        self._picture = QLabel()
        self._picture.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.heading = label(title, "title")
        self.heading.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.heading.setWordWrap(True)
        self.text = label(text, "second", wrap=True)
        self.text.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GRID, 3 * GRID, 3 * GRID, 3 * GRID)
        column.setSpacing(GRID)
        column.addStretch(2)
        for widget in (self._picture, self.heading, self.text):
            column.addWidget(widget)
        column.addSpacing(GRID)
        for action in actions:
            row = QHBoxLayout()
            row.addStretch()
            row.addWidget(action)
            row.addStretch()
            column.addLayout(row)
        column.addStretch(3)
        self._column = column
        self.paint_icons()

    def insert(self, widget: QWidget) -> None:
        """Put a widget between the words and the buttons."""
        self._column.insertWidget(4, widget)

    def paint_icons(self) -> None:
        """Draw the picture again."""
        self._picture.setPixmap(icon(self._glyph, "text3").pixmap(QSize(40, 40)))


def scrolled(content: QWidget) -> QScrollArea:
    """Return a vertical scroll area without a frame."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidget(content)
    area.setAccessibleName("Scrolling page")
    return area


def column(*widgets: QWidget, margin: int = GRID, spacing: int = GRID, stretch: bool = False) -> QWidget:
    """Return widgets stacked in one."""
    out = QWidget()
    layout = QVBoxLayout(out)
    layout.setContentsMargins(margin, margin, margin, margin)
    layout.setSpacing(spacing)
    for widget in widgets:
        layout.addWidget(widget)
    if stretch:
        layout.addStretch()
    return out


def row(*widgets: QWidget, spacing: int = GRID, stretch: int = -1) -> QWidget:
    """Return widgets side by side; `stretch` is the number of the one that grows."""
    out = QWidget()
    layout = QHBoxLayout(out)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(spacing)
    for k, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if k == stretch else 0)
    return out


def whole(value: int, low: int, high: int, name: str) -> QSpinBox:
    """Return a field for a whole number."""
    return _field(QSpinBox(), value, low, high, name)


def decimal(value: float, low: float, high: float, name: str, suffix: str = "") -> QDoubleSpinBox:
    """Return a field for a number with one decimal."""
    out = QDoubleSpinBox()
    out.setDecimals(1)
    out.setSuffix(suffix)
    return _field(out, value, low, high, name)


def _field(out: Any, value: float, low: float, high: float, name: str) -> Any:
    out.setRange(low, high)
    out.setValue(value)
    out.setAccessibleName(name)
    out.setAlignment(Qt.AlignmentFlag.AlignRight)
    return out


def is_chosen(view: QAbstractItemView, index: QModelIndex) -> bool:
    """Tell whether an entry was chosen: a list that gets the focus by Tab makes its first entry current, no more."""
    return index.isValid() and view.selectionModel().isSelected(index)


def restyle(widget: QWidget, **properties: object) -> None:
    """Set properties that the style sheet looks at, and let it look again."""
    for name, value in properties.items():
        widget.setProperty(name, value)
    widget.style().unpolish(widget)
    widget.style().polish(widget)
