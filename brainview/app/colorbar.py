"""The colour bar under the brain: name and units, colours as drawn, and the threshold, which can be dragged."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFont,
    QFontInfo,
    QFontMetricsF,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QMenu, QSizePolicy, QWidget

from brainview.app.pixels import to_image
from brainview.core.names import plain, shown
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import DEFAULT_COLORMAPS, ColorRule, auto_limits, threshold_percentile, threshold_value
from brainview.maps.layers import Layer
from brainview.scene import colormaps
from brainview.scene.colors import Bar, bar_of, number

HOW = "Drag (or arrow keys) sets the threshold; right click: colours, limits, a second map"
_LEFT, _BAR_TOP, _BAR_HEIGHT = 14, 27, 12


class ColorBar(QWidget):
    """Draws :func:`brainview.scene.colors.bar_of`; dragging sets the threshold, the menu the rest.

    Signals
    -------
    rule_changed : ColorRule
        The user asked for other colours.
    lock_changed : bool
        The user locked or freed the limits.
    second_wanted : ()
        Another map is to decide where this one is shown, or how opaque it is.
    """

    rule_changed = Signal(object)
    lock_changed = Signal(bool)
    second_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._map: BrainMap | None = None
        self._rule = ColorRule()
        self._bar: Bar | None = None
        self._locked = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Colour bar")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def sizeHint(self) -> QSize:
        """Return a strip that holds title, bar and ticks, and a note that does not fit beside the title."""
        note = self._bar.note if self._bar is not None and not self._bar.labels else ""
        wide = QFontMetricsF(self.font()).horizontalAdvance(note) >= self._span().width() * 0.6
        return QSize(420, 78 if note and wide else 62)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The note may need a line of its own now."""
        super().resizeEvent(event)
        self.updateGeometry()

    def show_map(self, brain_map: BrainMap | None, rule: ColorRule, locked: bool = False,
                 layer: Layer | None = None) -> None:
        """Show the colours of a map, seen as a layer where it is one; hidden without a map."""
        self._map, self._rule, self._locked = brain_map, rule, locked
        self._bar = None if brain_map is None else bar_of(layer if layer is not None else Layer(brain_map, rule))
        self.setVisible(brain_map is not None)
        if self._bar is not None and brain_map is not None:
            self.setToolTip(f"{plain(brain_map.definition)}\n\n{HOW}".strip())
            low, high = rule.limits
            self.updateGeometry()
            self.setAccessibleDescription(f"{self._bar.title}, from {number(low)} to {number(high)}. {self._bar.note}")
        self.update()

    @property
    def drawn(self) -> Bar | None:
        """What is drawn."""
        return self._bar

    def _span(self) -> QRectF:
        width = min(self.width() - 2 * _LEFT, 640)
        return QRectF((self.width() - width) / 2, _BAR_TOP, width, _BAR_HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw title, note, colours, ticks and threshold marks."""
        if self._bar is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        span, ink = self._span(), self.palette().windowText().color()
        quiet = QColor(ink)
        quiet.setAlphaF(0.66)
        bold = QFont(self.font())
        bold.setWeight(QFont.Weight.DemiBold)
        painter.setFont(bold)
        painter.setPen(ink)
        metrics = QFontMetricsF(bold)
        note_width = QFontMetricsF(self.font()).horizontalAdvance(self._bar.note) if self._bar.note else 0
        room = span.width() - (note_width + 20 if note_width < span.width() * 0.6 else 0)
        title = metrics.elidedText(shown(self._bar.title), Qt.TextElideMode.ElideRight, room)
        painter.drawText(QPointF(span.left(), 18), title)
        painter.setFont(self.font())
        if self._bar.labels:
            self._paint_labels(painter, span, ink)
            return
        if note_width and note_width < span.width() * 0.6:
            painter.setPen(quiet)
            painter.drawText(QPointF(span.right() - note_width, 18), shown(self._bar.note))
        elif note_width:  # no room beside the title: a line of its own under the numbers
            painter.setPen(quiet)
            cut = QFontMetricsF(self.font()).elidedText(shown(self._bar.note), Qt.TextElideMode.ElideRight,
                                                        span.width())
            painter.drawText(QPointF(span.left(), span.bottom() + 31), cut)
        painter.drawImage(span, to_image(self._bar.picture))
        self._paint_scale(painter, span, ink, quiet)

    def _paint_scale(self, painter: QPainter, span: QRectF, ink: QColor, quiet: QColor) -> None:
        assert self._bar is not None
        small = QFont(self.font())
        small.setPixelSize(max(10, round(QFontInfo(self.font()).pixelSize() * 0.9)))
        painter.setFont(small)
        metrics = QFontMetricsF(small)
        for place, text in self._bar.ticks:
            x = span.left() + place * span.width()
            painter.setPen(QPen(quiet, 1))
            painter.drawLine(QPointF(x, span.bottom()), QPointF(x, span.bottom() + 3))
            width = metrics.horizontalAdvance(text)
            painter.setPen(ink)
            left = min(max(x - width / 2, span.left()), span.right() - width)
            painter.drawText(QPointF(left, span.bottom() + 15), text)
        painter.setPen(QPen(ink, 2))
        for mark in self._bar.marks:
            x = span.left() + mark * span.width()
            painter.drawLine(QPointF(x, span.top() - 3), QPointF(x, span.bottom() + 3))

    def _paint_labels(self, painter: QPainter, span: QRectF, ink: QColor) -> None:
        assert self._bar is not None
        x, metrics = span.left(), QFontMetricsF(self.font())
        for position, (name, color) in enumerate(self._bar.labels):
            text = shown(name, limit=24)
            width = metrics.horizontalAdvance(text)
            if x + width + 20 > span.right():
                painter.drawText(QPointF(x, 40), f"+ {len(self._bar.labels) - position} more")
                return
            painter.fillRect(QRectF(x, 30, 11, 11), QColor(*color))
            painter.setPen(ink)
            painter.drawText(QPointF(x + 16, 40), text)
            x += width + 32

    # ---- asking for other colours --------------------------------------------------------------------------------

    def _value_at(self, x: float) -> float:
        span, (low, high) = self._span(), self._rule.limits
        share = min(1.0, max(0.0, (x - span.left()) / max(1.0, span.width())))
        return low + share * (high - low)

    def _ask(self, rule: ColorRule) -> None:
        self._rule = rule  # what is asked next builds on it, even before the state has told us
        self.rule_changed.emit(rule)

    def _drag(self, event: QMouseEvent) -> None:
        if self._map is None or self._rule.labels or not event.buttons() & Qt.MouseButton.LeftButton:
            return
        value = self._value_at(event.position().x())
        value = abs(value) if self._rule.two_sided else max(0.0, value)
        if value < 0.012 * (self._rule.limits[1] - self._rule.limits[0]):
            value = 0.0  # the end of the bar is easy to hit
        rule = self._rule.having(threshold=float(f"{value:.3g}"), threshold_unit="value")
        if self._rule.threshold_unit == "percentile":
            share = threshold_percentile(rule, self._map.values)
            rule = self._rule.having(threshold=float(f"{share:.3g}"))
        self._ask(rule)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Set the threshold."""
        self._drag(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the threshold."""
        self._drag(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Take the threshold away."""
        self._ask(self._rule.having(threshold=0.0))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and right move the threshold by a hundredth of the bar, Home takes it away."""
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        rule = self._rule
        if self._map is None or rule.labels or event.key() not in (*steps, Qt.Key.Key_Home):
            super().keyPressEvent(event)
            return
        span = 100.0 if rule.threshold_unit == "percentile" else rule.limits[1] - rule.limits[0]
        step = steps.get(Qt.Key(event.key()), 0) * span / 100
        wanted = 0.0 if event.key() == Qt.Key.Key_Home else max(0.0, rule.threshold + step)
        self._ask(rule.having(threshold=float(f"{min(wanted, span):.4g}")))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer colour maps, limits and the manner of thresholding."""
        if self._map is not None:
            self.menu().exec(event.globalPos())

    def menu(self) -> QMenu:
        """Return the menu of the bar."""
        menu, rule, brain_map = QMenu(self), self._rule, self._map
        if brain_map is None:
            return menu
        values = brain_map.values
        tables = menu.addMenu("Colour map")
        kinds = ["diverging"] if brain_map.kind == "diverging" else [brain_map.kind]
        for kind in kinds + [k for k in ("sequential", "diverging", "cyclic") if k not in kinds]:
            for name in colormaps.names(kind) if kind in DEFAULT_COLORMAPS else []:
                self._offer(tables, name, rule.having(colormap=name), rule.colormap == name)
            tables.addSeparator()
        self._offer(menu, "Reverse colours", rule.having(reverse=not rule.reverse), rule.reverse)
        menu.addSeparator()
        low, high = auto_limits(values, brain_map.kind)
        self._offer(menu, f"Automatic limits ({number(low)} to {number(high)})", rule.having(limits=(low, high)))
        high = max(abs(rule.limits[0]), abs(rule.limits[1]))
        self._offer(menu, "Symmetric limits about 0", rule.having(limits=(-high, high), two_sided=True))
        locked = menu.addAction("Lock limits for the next maps")
        locked.setCheckable(True)
        locked.setChecked(self._locked)
        locked.toggled.connect(self.lock_changed)
        menu.addSeparator()
        other = "hidden" if rule.below == "faded" else "faded"
        self._offer(menu, "Fade below the threshold", rule.having(below=other), rule.below == "faded")
        self._offer(menu, "Two-sided threshold", rule.having(two_sided=not rule.two_sided), rule.two_sided)
        percent = rule.threshold_unit == "percentile"
        switched = (rule.having(threshold=threshold_value(rule, values), threshold_unit="value") if percent else
                    rule.having(threshold=threshold_percentile(rule, values), threshold_unit="percentile"))
        self._offer(menu, "Threshold as percentile", switched, percent)
        self._offer(menu, "No threshold", rule.having(threshold=0.0))
        menu.addAction("Threshold or opacity by another map…").triggered.connect(lambda *_: self.second_wanted.emit())
        return menu

    def _offer(self, menu: QMenu, text: str, rule: ColorRule, checked: bool | None = None) -> None:
        action = menu.addAction(text)
        if checked is not None:
            action.setCheckable(True)
            action.setChecked(checked)
        action.triggered.connect(lambda *_: self._ask(rule))
