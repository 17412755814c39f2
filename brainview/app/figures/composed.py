"""A sheet composed by hand: cells in rows and columns, letters, colour bars, region bars; text stays text.

Lengths are points of a page (1/72 inch); the width is what the user asked for in cm, the height follows.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QImage, QPainter, QPen

from brainview.app.figures.sheet import DIM, INK, PAPER, RULE, SIDES, Sheet, _qimage, font
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule
from brainview.scene.colors import bar
from brainview.state.roi_table import BarRow

#: Points of a centimetre.
CM = 72 / 2.54
#: Space around cells, and the heights of letter lines, colour bars and rows of region bars.
MARGIN, GAP, HEAD, BAR, ROW = 10.0, 8.0, 15.0, 30.0, 11.0


@dataclass(frozen=True, eq=False)
class Cell:
    """One cell: a picture of a brain with its colours, or bars of regions.

    Parameters
    ----------
    title : str
    image : (h, w, 3) uint8 array, optional
    shape : (float, float)
        Width and height of the picture in any unit: only their ratio counts.
    scale : (ColorRule, BrainMap), optional
        Its colours, for the colour bar.
    bars : rows of the region bars, highest value at their right end
    axis : str
        What the bars measure; stands below them.
    """

    title: str
    image: np.ndarray | None = None
    shape: tuple[float, float] = (4.0, 3.0)
    scale: tuple[ColorRule, BrainMap] | None = None
    bars: Sequence[BarRow] = ()
    axis: str = ""

    def height(self, width: float) -> float:
        """Return the height of the body for a width in points."""
        return len(self.bars) * ROW + 14 if self.bars else width * self.shape[1] / self.shape[0]


def common_name(names: Collection[str]) -> str:
    """Return what names in parts (``R² · subj01``) have in common: a bar that serves all maps is named after no one."""
    parts = [name.split(" · ") for name in names]
    shared = [words for words in parts[0] if all(words in other for other in parts)]
    return " · ".join(shared) or ("these maps" if len(parts) > 1 else "")


@dataclass(frozen=True, eq=False)
class Composed(Sheet):
    """Cells in `columns`, with letters A, B, C ... and colour bars where asked for."""

    cells: Sequence[Cell] = ()
    columns: int = 2
    letters: bool = True
    colorbar: bool = True

    @property
    def cell_width(self) -> float:
        """Width of a column in points."""
        return (self.width - 2 * MARGIN - GAP * (self.columns - 1)) / self.columns

    def _lines(self) -> list[list[Cell]]:
        return [list(self.cells[k:k + self.columns]) for k in range(0, len(self.cells), self.columns)]

    def shared(self) -> bool:
        """Tell whether all maps have the same colours and units, so that one bar serves them all."""
        scales = [c.scale for c in self.cells if c.scale is not None]
        return bool(scales) and all(s[0] == scales[0][0] and s[1].units == scales[0][1].units for s in scales)

    def _body(self, cell: Cell) -> float:
        own = BAR if self.colorbar and cell.scale is not None and not self.shared() else 0.0
        return cell.height(self.cell_width) + own

    @property
    def height(self) -> float:
        """Height of the page in points."""
        rows = sum(HEAD + max((self._body(c) for c in line), default=0) + GAP for line in self._lines())
        common = BAR if self.colorbar and self.shared() else 0.0
        return MARGIN + (22 if self.title else 0) + rows + common + (24 if self.note else 0) + MARGIN / 2

    def paint(self, painter: QPainter) -> None:
        """Draw the sheet at one unit per point."""
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        painter.fillRect(QRectF(0, 0, self.width, self.height), PAPER)
        y = MARGIN
        if self.title:
            self._text(painter, QRectF(MARGIN, y, self.width - 2 * MARGIN, 16), self.title, 12, INK, bold=True)
            y += 22
        number = 0
        for line in self._lines():
            for k, cell in enumerate(line):
                self._cell(painter, cell, MARGIN + k * (self.cell_width + GAP), y, number)
                number += 1
            y += HEAD + max((self._body(c) for c in line), default=0) + GAP
        if self.colorbar and self.shared():
            scale = next(c.scale for c in self.cells if c.scale is not None)
            assert scale is not None
            half = min(130.0, self.width * 0.3)
            names = {c.scale[1].name for c in self.cells if c.scale is not None}
            named = replace(scale[1], name=common_name(names))
            self._scale(painter, QRectF(self.width / 2 - half, y, 2 * half, BAR), (scale[0], named))
            y += BAR
        if self.note:
            self._text(painter, QRectF(MARGIN, y, self.width - 2 * MARGIN, 24), self.note, 7, DIM, wrap=True)

    def _cell(self, painter: QPainter, cell: Cell, x: float, y: float, number: int) -> None:
        left, width = x, self.cell_width
        if self.letters:
            self._text(painter, QRectF(x, y, 14, HEAD), chr(65 + number % 26), 10, INK, bold=True)
            left += 14
        painter.setFont(font(9))
        words = painter.fontMetrics().elidedText(cell.title, Qt.TextElideMode.ElideMiddle, int(width - (left - x)))
        self._text(painter, QRectF(left, y, width - (left - x), HEAD), words, 9, INK)
        top, height = y + HEAD, cell.height(width)
        if cell.bars:
            self._bars(painter, QRectF(x, top, width, height), cell)
        elif cell.image is not None:
            painter.drawImage(QRectF(x, top, width, height), _qimage(cell.image))
        else:
            painter.setPen(QPen(RULE, 0.6))
            painter.drawRect(QRectF(x, top, width, height))
        if self.colorbar and cell.scale is not None and not self.shared():
            self._scale(painter, QRectF(x + width * 0.15, top + height, width * 0.7, BAR), cell.scale)

    def _scale(self, painter: QPainter, box: QRectF, scale: tuple[ColorRule, BrainMap]) -> None:
        rule, drawn = scale
        told = bar(rule, drawn)
        colors = np.ascontiguousarray(np.asarray(told.colors)[:, :3].astype(np.uint8))
        strip = QRectF(box.left(), box.top() + 10, box.width(), 6)
        self._text(painter, QRectF(box.left(), box.top(), box.width(), 9), told.title, 7, INK,
                   align=Qt.AlignmentFlag.AlignHCenter)
        if told.labels:
            return
        painter.drawImage(strip, QImage(colors.data, len(colors), 1, 3 * len(colors), QImage.Format.Format_RGB888))
        for place, words in told.ticks:
            x = strip.left() + place * strip.width()
            painter.setPen(QPen(DIM, 0.5))
            painter.drawLine(QPointF(x, strip.bottom()), QPointF(x, strip.bottom() + 2))
            self._text(painter, QRectF(x - 20, strip.bottom() + 2, 40, 9), words, 7, DIM,
                       align=Qt.AlignmentFlag.AlignHCenter)

    def _bars(self, painter: QPainter, area: QRectF, cell: Cell) -> None:
        ends = [v for r in cell.bars for b in r.bars for v in (b.value, b.low, b.high) if math.isfinite(v)]
        low, high = min(0.0, *ends, 0.0), max(1e-9, *ends, 1e-9)
        names = min(70.0, area.width() * 0.3)
        inner = QRectF(area.left() + names + 4, area.top(), area.width() - names - 34, len(cell.bars) * ROW)

        lines = any(math.isfinite(b.low) and math.isfinite(b.high) for one in cell.bars for b in one.bars)

        def x(value: float) -> float:
            return inner.left() + (min(max(value, low), high) - low) / (high - low) * inner.width()

        for k, entry in enumerate(cell.bars):
            top = inner.top() + k * ROW
            self._text(painter, QRectF(area.left(), top, names, ROW), entry.roi, 7, INK,
                       align=Qt.AlignmentFlag.AlignRight)
            thick = (ROW - 3) / max(1, len(entry.bars))
            for j, b in enumerate(entry.bars):
                if not math.isfinite(b.value):
                    continue
                start, stop = sorted((x(0.0), x(b.value)))
                middle = top + 1.5 + (j + 0.5) * thick
                painter.fillRect(QRectF(start, middle - thick * 0.42, max(0.5, stop - start), thick * 0.84),
                                 SIDES.get(b.hemisphere, SIDES["both"]))
                if math.isfinite(b.low) and math.isfinite(b.high):
                    painter.setPen(QPen(INK, 0.6))
                    painter.drawLine(QPointF(x(b.low), middle), QPointF(x(b.high), middle))
            words = f"{entry.value:.2f}".replace("-", "−") if math.isfinite(entry.value) else "–"
            self._text(painter, QRectF(inner.right() + 2, top, 26, ROW), words, 7, DIM)
        painter.setPen(QPen(RULE, 0.6))
        painter.drawLine(QPointF(x(0.0), inner.top()), QPointF(x(0.0), inner.bottom()))
        self._text(painter, QRectF(inner.left(), inner.bottom() + 2, inner.width() + 30, 10),
                   "; ".join([*([cell.axis] if cell.axis else []), "left blue, right orange",
                              *(["line: 95 % interval"] if lines else [])]), 6.5, DIM)
