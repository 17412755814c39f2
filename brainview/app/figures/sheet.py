"""Sheets: what a figure is made of, its painter, and writing it as PNG, SVG, PDF or CSV.

All lengths are in points of a page (1/72 inch); text stays text in SVG and PDF. The same painter draws the preview, so
the file is what the screen shows.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QMarginsF, QPointF, QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPageSize, QPainter, QPdfWriter, QPen

from brainview.app.theme import load_fonts
from brainview.app.widgets.plots import save_picture
from brainview.core.errors import FormatError
from brainview.core.files import atomic_path, atomic_write, to_json
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule
from brainview.scene.colors import nice_ticks

FORMS = (".png", ".svg", ".pdf", ".csv")
#: Fonts of an SVG where the figure's own is not installed.
FALLBACK = "Helvetica, Arial, sans-serif"
INK, DIM, RULE, PAPER = QColor("#1a1d24"), QColor("#5a6270"), QColor("#c0c6d0"), QColor("#ffffff")
SIDES = {"left": QColor("#2f6fde"), "right": QColor("#d98324"), "both": QColor("#5a6270")}


def check_form(path: str | Path) -> str:
    """Return the ending of a figure's path; raises FormatError for one that is not written."""
    form = Path(path).suffix.lower()
    if form not in FORMS:
        raise FormatError(f"a figure is written as {', '.join(FORMS)}, not {form!r}", where=path)
    return form


def font(size: float, *, bold: bool = False) -> QFont:
    """Return the typeface of figures at a size in points of the page."""
    out = QFont(load_fonts())
    out.setPixelSize(max(1, round(size)))
    out.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
    return out


@dataclass(frozen=True, eq=False)
class Tile:
    """One picture with a title: (h, w, 3 or 4) uint8."""

    title: str
    image: np.ndarray


@dataclass(frozen=True, eq=False)
class Box:
    """One box of a plot: quartiles, median, interval ends, hemisphere, number of locations."""

    side: str
    n: int
    median: float
    q25: float
    q75: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Sheet:
    """A figure: rows of tiles or boxes by name, a title, a note, one colour scale, and the numbers behind it."""

    title: str
    note: str
    rows: Sequence[Sequence[Tile]] = ()
    boxes: Sequence[tuple[str, Sequence[Box]]] = ()
    scale: tuple[ColorRule, BrainMap] | None = None
    legend: Sequence[tuple[str, QColor]] = ()
    table: tuple[Sequence[str], Sequence[Sequence[Any]]] = ((), ())
    story: dict[str, Any] = field(default_factory=dict)
    width: float = 540.0

    @property
    def height(self) -> float:
        """Height of the page in points."""
        return 46 + sum(self._row_height(r) for r in self.rows) + (250 if self.boxes else 0) \
            + (46 if self.scale else 0) + (22 if self.legend else 0) + 34

    def _row_height(self, row: Sequence[Tile]) -> float:
        return 18 + max((self._tile_width(row, t) * t.image.shape[0] / t.image.shape[1] for t in row), default=0) + 6

    def _tile_width(self, row: Sequence[Tile], tile: Tile) -> float:
        """Return the width of a tile: tiles of a row are equally high."""
        shares = [t.image.shape[1] / t.image.shape[0] for t in row]
        room = self.width - 32 - 8 * (len(row) - 1)
        own = tile.image.shape[1] / tile.image.shape[0]
        return (room - 8 if len(row) < 2 else room) * own / (2 * own if len(row) < 2 else sum(shares))

    # -- painting ------------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter) -> None:
        """Draw the sheet at one unit per point."""
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        painter.fillRect(QRectF(0, 0, self.width, self.height), PAPER)
        self._text(painter, QRectF(16, 12, self.width - 32, 20), self.title, 13, INK, bold=True)
        y = 40.0
        for row in self.rows:
            self._tiles(painter, row, y)
            y += self._row_height(row)
        if self.boxes:
            self._plot(painter, QRectF(16, y, self.width - 32, 240))
            y += 250
        if self.scale is not None:
            self._bar(painter, y)
            y += 46
        if self.legend:
            self._legend(painter, y)
            y += 22
        self._text(painter, QRectF(16, y, self.width - 32, 30), self.note, 8, DIM, wrap=True)

    @staticmethod
    def _text(painter: QPainter, box: QRectF, words: str, size: float, ink: QColor, *, bold: bool = False,
              wrap: bool = False, align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft) -> None:
        painter.setFont(font(size, bold=bold))
        painter.setPen(ink)
        flags = int(align) | int(Qt.AlignmentFlag.AlignTop if wrap else Qt.AlignmentFlag.AlignVCenter)
        painter.drawText(box, flags | int(Qt.TextFlag.TextWordWrap) if wrap else flags, words)

    def _tiles(self, painter: QPainter, row: Sequence[Tile], y: float) -> None:
        x = 16.0
        for tile in row:
            width = self._tile_width(row, tile)
            metrics_font = font(9)
            painter.setFont(metrics_font)
            words = painter.fontMetrics().elidedText(tile.title, Qt.TextElideMode.ElideRight, int(width))
            self._text(painter, QRectF(x, y, width, 16), words, 9, INK)
            height = width * tile.image.shape[0] / tile.image.shape[1]
            painter.drawImage(QRectF(x, y + 18, width, height), _qimage(tile.image))
            x += width + 8

    def _bar(self, painter: QPainter, y: float) -> None:
        from brainview.scene.colors import bar

        assert self.scale is not None
        rule, drawn = self.scale
        colors = np.ascontiguousarray(np.asarray(bar(rule, drawn).colors)[:, :3].astype(np.uint8))
        box = QRectF(self.width / 2 - 130, y + 6, 260, 9)
        painter.drawImage(box, QImage(colors.data, len(colors), 1, 3 * len(colors), QImage.Format.Format_RGB888))
        low, high = rule.limits
        for share, align in ((0.0, Qt.AlignmentFlag.AlignLeft), (0.5, Qt.AlignmentFlag.AlignHCenter),
                             (1.0, Qt.AlignmentFlag.AlignRight)):
            self._text(painter, QRectF(box.left(), box.bottom() + 2, box.width(), 12),
                       f"{low + share * (high - low):.3g}".replace("-", "−"), 8, DIM, align=align)
        self._text(painter, QRectF(box.right() + 8, y + 4, 140, 13), drawn.units, 9, INK)

    def _legend(self, painter: QPainter, y: float) -> None:
        x = 16.0
        for words, ink in self.legend:
            painter.fillRect(QRectF(x, y + 5, 9, 9), ink)
            painter.setFont(font(9))
            wide = painter.fontMetrics().horizontalAdvance(words) + 6.0
            self._text(painter, QRectF(x + 13, y + 1, wide, 16), words, 9, INK)
            x += wide + 26

    def _plot(self, painter: QPainter, area: QRectF) -> None:
        """Draw boxes: quartiles filled, the median a line, the bootstrap interval of the median a whisker."""
        ends = [v for _, bs in self.boxes for b in bs for v in (b.q25, b.q75, b.low, b.high) if math.isfinite(v)]
        low, high = (min(0.0, *ends), max(ends)) if ends else (0.0, 1.0)
        high = high if high > low else low + 1
        inner = area.adjusted(34, 6, -4, -46)

        def y(value: float) -> float:
            return inner.bottom() - (min(max(value, low), high) - low) / (high - low) * inner.height()

        for share, words in nice_ticks(low, high):
            value = low + share * (high - low)
            painter.setPen(QPen(RULE, 0.5))
            painter.drawLine(QPointF(inner.left(), y(value)), QPointF(inner.right(), y(value)))
            self._text(painter, QRectF(area.left(), y(value) - 7, 30, 14), words, 8, DIM,
                       align=Qt.AlignmentFlag.AlignRight)
        step = inner.width() / max(1, len(self.boxes))
        for k, (name, boxes) in enumerate(self.boxes):
            middle = inner.left() + (k + 0.5) * step
            width = min(9.0, step * 0.34)
            for j, b in enumerate(boxes):
                self._box(painter, middle + (j - (len(boxes) - 1) / 2) * (width + 1.5), width, b, y)
            painter.save()
            painter.translate(middle + 3, inner.bottom() + 5)
            painter.rotate(-55)
            self._text(painter, QRectF(-62, -6, 60, 12), name, 8, INK, align=Qt.AlignmentFlag.AlignRight)
            painter.restore()

    @staticmethod
    def _box(painter: QPainter, x: float, width: float, b: Box, y: Any) -> None:
        ink = SIDES.get(b.side, SIDES["both"])
        if math.isfinite(b.q25) and math.isfinite(b.q75):
            fill = QColor(ink)
            fill.setAlpha(90)
            painter.fillRect(QRectF(x - width / 2, y(b.q75), width, max(0.8, y(b.q25) - y(b.q75))), fill)
        painter.setPen(QPen(ink, 1.6))
        painter.drawLine(QPointF(x - width / 2, y(b.median)), QPointF(x + width / 2, y(b.median)))
        if math.isfinite(b.low) and math.isfinite(b.high):
            painter.setPen(QPen(INK, 0.8))
            painter.drawLine(QPointF(x, y(b.low)), QPointF(x, y(b.high)))

    # -- files ---------------------------------------------------------------------------------------------------

    def image(self, scale: float = 1.0) -> QImage:
        """Return the sheet as a picture at `scale` pixels per point."""
        out = QImage(QSize(math.ceil(self.width * scale), math.ceil(self.height * scale)),
                     QImage.Format.Format_ARGB32_Premultiplied)
        out.fill(PAPER)
        painter = QPainter(out)
        painter.scale(scale, scale)
        self.paint(painter)
        painter.end()
        return out

    def csv(self) -> str:
        """Return the numbers behind the figure."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.table[0])
        writer.writerows(self.table[1])
        return out.getvalue()

    def save(self, path: str | Path, *, dpi: float = 300.0) -> str:
        """Write the sheet by the ending of the path; raises FormatError for another one. Returns the path."""
        path = Path(path)
        form = check_form(path)
        if form == ".csv":
            with atomic_write(path) as file:
                file.write(self.csv().encode())
        elif form == ".png":
            image = self.image(dpi / 72)
            image.setDotsPerMeterX(round(dpi / 0.0254))
            image.setDotsPerMeterY(round(dpi / 0.0254))
            save_picture(image, path, self.story)
        else:
            with atomic_path(path) as part:
                self._vector(part, form)
        return str(path)

    def _vector(self, part: Path, form: str) -> None:
        if form == ".svg":
            from PySide6.QtSvg import QSvgGenerator

            device: Any = QSvgGenerator()
            device.setFileName(str(part))
            device.setSize(QSize(math.ceil(self.width), math.ceil(self.height)))
            device.setViewBox(QRectF(0, 0, self.width, self.height))
            device.setTitle(self.title)
            device.setDescription(to_json(self.story))
            painter = QPainter(device)
        else:
            device = QPdfWriter(str(part))
            device.setPageSize(QPageSize(QSizeF(self.width, self.height), QPageSize.Unit.Point))
            device.setPageMargins(QMarginsF(0, 0, 0, 0))
            device.setResolution(288)
            device.setTitle(self.title)
            painter = QPainter(device)
            painter.scale(4, 4)  # 288 dots per inch are four per point
        self.paint(painter)
        painter.end()
        if form == ".svg":  # a machine without our font shows a plain one, not the browser's serif
            text = part.read_text(encoding="utf-8")
            part.write_text(re.sub(r'font-family="([^",]+)"', rf'font-family="\1, {FALLBACK}"', text), encoding="utf-8")


def _qimage(array: np.ndarray) -> QImage:
    array = np.ascontiguousarray(array)
    form = QImage.Format.Format_RGBA8888 if array.shape[2] == 4 else QImage.Format.Format_RGB888
    return QImage(array.data, array.shape[1], array.shape[0], array.strides[0], form).copy()
