"""A pen for flat, softly shaded shapes on a Skia canvas.

Every shape is filled with a radial gradient whose bright spot lies on the side of the light. A pen in `flat` mode fills
in one colour without shading or smoothing: that gives the silhouettes from which boxes and ids are measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from math import cos, radians, sin

import skia

Point = tuple[float, float]
Rgb = tuple[int, int, int]

PALETTE: dict[str, Rgb] = {
    "red": (214, 48, 44), "orange": (240, 134, 34), "yellow": (248, 205, 52), "green": (58, 148, 72),
    "blue": (46, 100, 200), "pink": (240, 134, 172), "brown": (134, 84, 46), "black": (46, 44, 50),
    "white": (242, 241, 236), "gray": (140, 142, 150),
}  # fmt: skip
INK: Rgb = (38, 32, 34)


def shade(color: Rgb, factor: float) -> Rgb:
    """Return a colour made darker (factor < 1) or mixed towards white (factor > 1)."""
    if factor <= 1.0:
        return tuple(int(c * factor) for c in color)  # type: ignore[return-value]
    mix = min(1.0, factor - 1.0)
    return tuple(int(c + (255 - c) * mix) for c in color)  # type: ignore[return-value]


def blend(a: Rgb, b: Rgb, share: float) -> Rgb:
    """Return `a` with `share` of `b` mixed in."""
    return tuple(int(x + (y - x) * share) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def _argb(color: Rgb, alpha: float = 1.0) -> int:
    return (int(255 * alpha) << 24) | (color[0] << 16) | (color[1] << 8) | color[2]


class Pen:
    """Draws shapes in the canvas's current units; `light` points towards the light, `flat` switches shading off."""

    def __init__(self, canvas: skia.Canvas, light: Point = (-0.5, -0.8), *, flat: bool = False,
        depth: float = 0.22) -> None:
        self.canvas, self.light, self.flat, self.depth = canvas, light, flat, depth

    def _paint(self, color: Rgb, center: Point, radius: float, alpha: float = 1.0) -> skia.Paint:
        if self.flat:
            return skia.Paint(Color=_argb(color) if alpha >= 0.5 else 0, AntiAlias=False)
        paint = skia.Paint(AntiAlias=True)
        if radius <= 0 or self.depth <= 0:
            paint.setColor(_argb(color, alpha))
            return paint
        spot = (center[0] + 0.45 * radius * self.light[0], center[1] + 0.45 * radius * self.light[1])
        colors = [_argb(shade(color, 1 + 0.7 * self.depth), alpha), _argb(color, alpha),
            _argb(shade(color, 1 - 1.5 * self.depth), alpha)]
        paint.setShader(skia.GradientShader.MakeRadial(center=spot, radius=1.5 * radius, colors=colors,
            positions=[0.0, 0.4, 1.0]))
        return paint

    def oval(self, x: float, y: float, rx: float, ry: float, color: Rgb, turn: float = 0.0, alpha: float = 1.0) -> None:
        """Fill an ellipse, turned by `turn` degrees clockwise."""
        paint = self._paint(color, (x, y), max(rx, ry), alpha)
        rect = skia.Rect.MakeLTRB(x - rx, y - ry, x + rx, y + ry)
        if turn:
            self.canvas.save()
            self.canvas.rotate(turn, x, y)
            self.canvas.drawOval(rect, paint)
            self.canvas.restore()
        else:
            self.canvas.drawOval(rect, paint)

    def box(self, x0: float, y0: float, x1: float, y1: float, color: Rgb, r: float = 0.0, alpha: float = 1.0) -> None:
        """Fill a rectangle with corners rounded by `r`."""
        rect = skia.Rect.MakeLTRB(x0, y0, x1, y1)
        paint = self._paint(color, rect_center(rect), 0.6 * max(rect.width(), rect.height()), alpha)
        if r:
            self.canvas.drawRoundRect(rect, r, r, paint)
        else:
            self.canvas.drawRect(rect, paint)

    def poly(self, points: Sequence[Point], color: Rgb, alpha: float = 1.0) -> None:
        """Fill a polygon."""
        path = skia.Path()
        path.addPoly([skia.Point(*p) for p in points], True)
        self._fill(path, color, alpha)

    def curve(self, points: Sequence[Point], color: Rgb, alpha: float = 1.0) -> None:
        """Fill a smooth closed outline that passes through the middles between the points."""
        path = skia.Path()
        n = len(points)
        mids = [((points[i][0] + points[(i + 1) % n][0]) / 2,
            (points[i][1] + points[(i + 1) % n][1]) / 2) for i in range(n)]
        path.moveTo(*mids[-1])
        for i in range(n):
            path.quadTo(*points[i], *mids[i])
        path.close()
        self._fill(path, color, alpha)

    def _fill(self, path: skia.Path, color: Rgb, alpha: float) -> None:
        rect = path.getBounds()
        self.canvas.drawPath(path, self._paint(color, rect_center(rect), 0.6 * max(rect.width(), rect.height()), alpha))

    def line(self, points: Sequence[Point], color: Rgb, width: float, smooth: bool = False, alpha: float = 1.0) -> None:
        """Draw a line with round ends; `smooth` bends it through the middles of its segments."""
        path = skia.Path()
        path.moveTo(*points[0])
        if smooth and len(points) > 2:
            for a, b in pairwise(points[1:]):
                path.quadTo(*a, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2)
            path.lineTo(*points[-1])
        else:
            for p in points[1:]:
                path.lineTo(*p)
        rect = path.getBounds()
        paint = self._paint(color, rect_center(rect), 0.6 * max(rect.width(), rect.height(), width), alpha)
        paint.setStyle(skia.Paint.kStroke_Style)
        paint.setStrokeWidth(width)
        paint.setStrokeCap(skia.Paint.kRound_Cap)
        paint.setStrokeJoin(skia.Paint.kRound_Join)
        self.canvas.drawPath(path, paint)

    def arc(self, x: float, y: float, r: float, start: float, sweep: float, color: Rgb, width: float,
        squash: float = 1.0) -> None:
        """Draw a piece of a circle's outline; angles in degrees clockwise from the right."""
        n = max(6, int(abs(sweep) / 12))
        angles = [radians(start + sweep * i / n) for i in range(n + 1)]
        self.line([(x + r * cos(a), y + squash * r * sin(a)) for a in angles], color, width)

    def ring(self, x: float, y: float, r: float, color: Rgb, width: float) -> None:
        """Draw a whole circle's outline."""
        paint = self._paint(color, (x, y), r)
        paint.setStyle(skia.Paint.kStroke_Style)
        paint.setStrokeWidth(width)
        self.canvas.drawCircle(x, y, r, paint)

    @contextmanager
    def at(self, x: float, y: float, scale: float = 1.0, turn: float = 0.0, mirror: bool = False) -> Iterator[Pen]:
        """Move, turn and scale what is drawn inside; the light keeps its side when mirrored."""
        self.canvas.save()
        self.canvas.translate(x, y)
        if turn:
            self.canvas.rotate(turn)
        self.canvas.scale(-scale if mirror else scale, scale)
        kept = self.light
        c, s = cos(radians(-turn)), sin(radians(-turn))
        turned = (c * kept[0] - s * kept[1], s * kept[0] + c * kept[1])
        self.light = (-turned[0] if mirror else turned[0], turned[1])
        try:
            yield self
        finally:
            self.light = kept
            self.canvas.restore()

    @contextmanager
    def clip(self, points: Sequence[Point]) -> Iterator[Pen]:
        """Keep what is drawn inside to a polygon."""
        path = skia.Path()
        path.addPoly([skia.Point(*p) for p in points], True)
        self.canvas.save()
        self.canvas.clipPath(path, doAntiAlias=not self.flat)
        try:
            yield self
        finally:
            self.canvas.restore()


def rect_center(rect: skia.Rect) -> Point:
    """Return the middle of a rectangle."""
    return 0.5 * (rect.left() + rect.right()), 0.5 * (rect.top() + rect.bottom())
