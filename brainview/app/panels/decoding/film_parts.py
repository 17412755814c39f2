"""Parts of the film page: the clip, the course of the response under it, texts, scores, the map of people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFont, QImage, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QGridLayout, QSizePolicy, QVBoxLayout, QWidget

from brainview.app.pixels import to_image
from brainview.app.theme import GRID, color
from brainview.app.widgets.basics import label, tool
from brainview.core.names import shown
from brainview.state.film import p_words, response_curve

#: Hues of people and categories on the plane, in turn.
_HUES = (212, 28, 142, 330, 52, 265, 180, 5, 95, 300)


def small(widget: QWidget, factor: float = 0.85) -> QFont:
    """Return the font of captions that are painted."""
    font = QFont(widget.font())
    font.setPixelSize(max(10, round(font.pixelSize() * factor)) if font.pixelSize() > 0 else 11)
    return font


class ClipPlayer(QWidget):
    """Plays frames again and again; `moved(share)` tells how far the clip is (0..1)."""

    moved = Signal(float)

    def __init__(self, side: int = 168) -> None:
        super().__init__()
        self.setFixedSize(side, side)
        self.setAccessibleName("The clip that was shown")
        self._frames: list[QImage] = []
        self._at, self._words = 0, ""
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._next)
        self.button = tool("play", "Play or pause the clip", self.toggle)
        self.button.setParent(self)
        self.button.move(6, side - 34)
        self.button.hide()

    def show_clip(self, frames: np.ndarray | None, rate: float, problem: str = "") -> None:
        """Show (n, h, w, 3) uint8 frames at `rate` per second; without frames say why."""
        self._frames = [] if frames is None else [to_image(f) for f in frames]
        self._at, self._words = 0, problem
        self.setToolTip(shown(problem) if problem else "")
        self.button.setVisible(bool(self._frames))
        self._timer.setInterval(max(20, round(1000 / max(rate, 0.5))))
        self._timer.start() if self._frames else self._timer.stop()
        self._paint_button()
        self.update()

    @property
    def playing(self) -> bool:
        """Whether frames follow each other."""
        return self._timer.isActive()

    def toggle(self) -> None:
        """Play or pause."""
        self._timer.stop() if self._timer.isActive() else self._timer.start()
        self._paint_button()

    def pause(self) -> None:
        """Stand still (the page is hidden)."""
        self._timer.stop()
        self._paint_button()

    def _paint_button(self) -> None:
        from brainview.app.widgets.basics import paint_button

        self.button.setProperty("glyph", "pause" if self._timer.isActive() else "play")
        paint_button(self.button)

    def _next(self) -> None:
        if not self.isVisible():
            return
        self._at = (self._at + 1) % max(1, len(self._frames))
        self.moved.emit(self._at / max(1, len(self._frames) - 1))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        box = QRectF(self.rect())
        path = QPainterPath()
        path.addRoundedRect(box, 6, 6)
        painter.setClipPath(path)
        painter.fillRect(box, color("sunken"))
        if self._frames:
            frame = self._frames[self._at]
            size = frame.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
            at = QRectF((self.width() - size.width()) / 2, (self.height() - size.height()) / 2, size.width(),
                        size.height())
            painter.drawImage(at, frame)
        else:
            painter.setPen(color("text3"))
            painter.setFont(small(self))
            painter.drawText(box.adjusted(12, 12, -12, -12), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap,
                             "No clip here" if self._words else "…")


class CourseStrip(QWidget):
    """Seconds round the clip: when it was on, the response to be expected, the volumes; `chosen(number)` picks one."""

    chosen = Signal(int)
    LEFT, RIGHT, TOP, BOTTOM = 10, 10, 20, 36

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(116)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Volumes round the clip; left and right choose one")
        self._times: list[float] = []
        self._duration, self._at, self._tr, self._now = 2.0, 0, 2.0, -1.0

    def sizeHint(self) -> QSize:
        return QSize(220, 116)

    def show_times(self, times: Sequence[float], duration: float, tr: float) -> None:
        """Show volumes by the seconds from clip onset to their middle; an empty list clears."""
        self._times, self._duration, self._tr = list(times), duration, tr or 2.0
        self.update()

    def show_volume(self, number: int) -> None:
        """Mark a volume."""
        self._at = int(np.clip(number, 0, max(0, len(self._times) - 1)))
        self.update()

    def show_now(self, share: float) -> None:
        """Mark how far the clip is, 0..1."""
        self._now = share
        self.update()

    def _range(self) -> tuple[float, float]:
        if len(self._times) < 2:
            return -2.0, 14.0
        return min(self._times) - self._tr / 2, max(self._times) + self._tr / 2

    def _x(self, seconds: float) -> float:
        low, high = self._range()
        return self.LEFT + (seconds - low) / (high - low) * (self.width() - self.LEFT - self.RIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(small(self))
        top, base = self.TOP, self.height() - self.BOTTOM
        low, high = self._range()
        clip = QRectF(self._x(0), top, self._x(self._duration) - self._x(0), base - top)
        ground = QColor(color("accent"))
        ground.setAlpha(56)
        painter.fillRect(clip, ground)
        painter.setPen(color("text2"))
        painter.drawText(QRectF(clip.left() - 20, 2, clip.width() + 40, 16), Qt.AlignmentFlag.AlignCenter, "clip")
        t = np.linspace(low, high, 160)
        h = response_curve(t)
        curve = QPainterPath()
        for i, (x, y) in enumerate(zip(t, h, strict=True)):
            point = QPointF(self._x(float(x)), base - 4 - float(y) * (base - top - 8) * 0.85)
            curve.moveTo(point) if i == 0 else curve.lineTo(point)
        painter.setPen(QPen(color("right"), 1.6))
        painter.drawPath(curve)
        painter.setPen(color("right"))
        where = QRectF(self.width() - 140, 2, 138, 16)
        painter.drawText(where, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, "response")
        if self._now >= 0 and self._duration:
            painter.setPen(QPen(color("accent_text"), 1))
            x = self._x(self._now * self._duration)
            painter.drawLine(QPointF(x, top), QPointF(x, base))
        self._paint_volumes(painter, base)

    def _paint_volumes(self, painter: QPainter, base: float) -> None:
        for i, seconds in enumerate(self._times):
            half = self._tr / 2 if len(self._times) > 1 else 1.0
            left, right = self._x(seconds - half), self._x(seconds + half)
            box = QRectF(left + 1, base + 2, right - left - 2, 14)
            chosen = i == self._at
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color("accent") if chosen else color("raised"))
            painter.drawRoundedRect(box, 3, 3)
            painter.setPen(color("text") if chosen else color("text3"))
            painter.drawText(box.adjusted(-10, 15, 10, 18), Qt.AlignmentFlag.AlignCenter, f"{seconds:.0f}")

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._times:
            x = event.position().x()
            self.chosen.emit(int(np.argmin([abs(self._x(s) - x) for s in self._times])))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.mousePressEvent(event)

    def keyPressEvent(self, event: Any) -> None:
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(event.key())
        if step is None or not self._times:
            super().keyPressEvent(event)
            return
        self.chosen.emit(int(np.clip(self._at + step, 0, len(self._times) - 1)))


#: Width of what stands left of a text.
_WORDS = 112


class TextCards(QFrame):
    """What the brain says beside the teacher and the baselines, one line each."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(12, 10, 12, 10)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(1, 1)
        self._rows: list[tuple[Any, Any]] = []

    def show_texts(self, rows: Sequence[tuple[str, str, str]], *, machine: bool = True) -> None:
        """Show (kind, words, text) rows; the brain's own stands out."""
        while len(self._rows) < len(rows):
            left, right = label("", "caption", wrap=True), label("", "", wrap=True)
            left.setFixedWidth(_WORDS)  # a whole question stands here as well
            left.setAlignment(Qt.AlignmentFlag.AlignTop)
            right.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            at = len(self._rows)
            self._grid.addWidget(left, at, 0)
            self._grid.addWidget(right, at, 1)
            self._rows.append((left, right))
        for i, (left, right) in enumerate(self._rows):
            there = i < len(rows)
            left.setVisible(there)
            right.setVisible(there)
            if not there:
                continue
            kind, words, text = rows[i]
            mark = "\n(machine written)" if kind == "reference" and machine else ""
            left.setText(words + mark)
            right.setText(shown(text, limit=400) or "–")
            right.setProperty("role", "title" if kind == "brain" else "second")
            right.style().unpolish(right)
            right.style().polish(right)
            right.setAccessibleName(f"{words}: {text}")

    def texts(self) -> list[str]:
        """Return the texts on screen, in order."""
        return [right.text() for left, right in self._rows if not right.isHidden()]


class ScoreTable(QWidget):
    """Metric, score, shuffled, difference, p: never the bare score."""

    HEAD = ("percent", "score", "shuffled", "difference", "p")

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(0, 1)
        for column, words in enumerate(self.HEAD):
            head = label(words, "caption")
            head.setAlignment(Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft)
            self._grid.addWidget(head, 0, column)
        self._cells: list[list[Any]] = []

    def show_rows(self, rows: Sequence[tuple[str, float, float, float, float, str]]) -> None:
        """Show (metric, score, shuffled, difference, p, definition)."""
        while len(self._cells) < len(rows):
            made = [label("", "second" if c == 0 else "") for c in range(5)]
            for column, cell in enumerate(made):
                if column:
                    cell.setAlignment(Qt.AlignmentFlag.AlignRight)
                self._grid.addWidget(cell, len(self._cells) + 1, column)
            self._cells.append(made)
        for i, cells in enumerate(self._cells):
            for cell in cells:
                cell.setVisible(i < len(rows))
            if i >= len(rows):
                continue
            metric, score, control, difference, p, words = rows[i]
            texts = (metric, f"{score:.1f}", f"{control:.1f}", f"{difference:+.1f}", p_words(p))
            for cell, text in zip(cells, texts, strict=True):
                cell.setText(text)
                cell.setToolTip(words)


class PeoplePlane(QWidget):
    """Features of trials on a plane (UMAP), coloured by person or by category; held-out people are ringed."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(220)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Map of trials by person or category")
        self._points = np.empty((0, 2))
        self._group = np.empty(0, int)
        self._held = np.empty(0, bool)
        self._names: list[str] = []
        self._picture: QImage | None = None

    def sizeHint(self) -> QSize:
        return QSize(280, 220)

    def show_plane(self, points: np.ndarray, group: np.ndarray, held: np.ndarray, names: Sequence[str]) -> None:
        """Show (n, 2) points (NaN = not placed), group (index into `names`), and whether held out."""
        good = np.isfinite(points).all(1)
        self._points, self._group, self._held = points[good], group[good], held[good]
        self._names, self._picture = list(names), None
        self.update()

    @staticmethod
    def hue(number: int) -> QColor:
        """Return the colour of a group."""
        return QColor.fromHsl(_HUES[number % len(_HUES)], 150 if number < len(_HUES) else 90,
                              150 if color("window").lightness() < 128 else 110)

    def resizeEvent(self, event: Any) -> None:
        self._picture = None

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._picture is None:
            self._picture = self._painted()
        QPainter(self).drawImage(0, 0, self._picture)

    def _painted(self) -> QImage:
        ratio = self.devicePixelRatioF()
        out = QImage(round(self.width() * ratio), round(self.height() * ratio),
                     QImage.Format.Format_ARGB32_Premultiplied)
        out.setDevicePixelRatio(ratio)
        out.fill(color("sunken"))
        painter = QPainter(out)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(small(self))
        if not len(self._points):
            painter.setPen(color("text3"))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "No features are stored with this run")
            painter.end()
            return out
        places, rows = self._legend_places(painter)
        legend = 16 * rows + 2 * bool(rows)
        low, high = np.percentile(self._points, 0.5, axis=0), np.percentile(self._points, 99.5, axis=0)
        unit = (self._points - low) / np.maximum(high - low, 1e-6)
        x = 10 + np.clip(unit[:, 0], 0, 1) * (self.width() - 20)
        y = 10 + (1 - np.clip(unit[:, 1], 0, 1)) * (self.height() - 20 - legend)
        for held in (False, True):
            for i in np.flatnonzero(self._held == held).tolist():
                tint = self.hue(int(self._group[i]))
                tint.setAlpha(230 if held else 130)
                painter.setBrush(tint)
                painter.setPen(QPen(color("text"), 0.6) if held else Qt.PenStyle.NoPen)
                size = 2.6 if held else 1.9
                painter.drawEllipse(QPointF(float(x[i]), float(y[i])), size, size)
        for number, (at, line) in enumerate(places):
            foot = self.height() - 16 * (rows - 1 - line)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self.hue(number))
            painter.drawEllipse(QPointF(at + 3, foot - 10), 3.2, 3.2)
            painter.setPen(color("text2"))
            painter.drawText(QPointF(at + 10, foot - 6), shown(self._names[number], limit=20))
        painter.end()
        return out

    def _legend_places(self, painter: QPainter) -> tuple[list[tuple[float, int]], int]:
        """Return (x, line) of every name and how many lines they take; none where there are too many names."""
        places: list[tuple[float, int]] = []
        at, line = 10.0, 0
        for name in self._names if len(self._names) <= 10 else ():
            width = painter.fontMetrics().horizontalAdvance(shown(name, limit=20)) + 22
            if at + width - 12 > self.width() and at > 10:
                at, line = 10.0, line + 1
            places.append((at, line))
            at += width
        return places, line + 1 if places else 0


def stacked(*widgets: QWidget, spacing: int = GRID) -> QWidget:
    """Return widgets one below the other without margins."""
    out = QWidget()
    box = QVBoxLayout(out)
    box.setContentsMargins(0, 0, 0, 0)
    box.setSpacing(spacing)
    for widget in widgets:
        box.addWidget(widget)
    return out
