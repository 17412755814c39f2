"""Text, colour bars, slices and labels drawn into an exported picture (with Pillow; no window, no matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from brainview.core.names import shown
from brainview.core.paths import resource
from brainview.scene.colors import Bar
from brainview.scene.slices import PLANES, SliceScene, Tile
from brainview.scene.theme import Background

RGB = tuple[int, int, int]
#: Height of the strip with the colour bar, in points (pixels at scale 1).
STRIP = 68
PHANTOM_WORDS = "Phantom · simulated data"
#: The widest that these words may be, by the picture.
PILL_SHARE = 0.22


@cache
def font(size: float, weight: str = "Medium") -> ImageFont.FreeTypeFont:
    """Return the shipped typeface (Inter) at a size in pixels."""
    return ImageFont.truetype(str(resource(f"fonts/Inter-{weight}.ttf")), max(5, size))


#: The most colour bars side by side.
BARS_ACROSS = 3


def bar_rows(count: int) -> int:
    """Return how many strips `count` colour bars take."""
    return -(-count // BARS_ACROSS)


def draw_bars(image: Image.Image, bars: Sequence[Bar], look: Background, height: int, scale: float) -> None:
    """Draw colour bars into strips of `height` pixels at the foot of a picture, one layer beside the other."""
    lines = bar_rows(len(bars))
    for line in range(lines):
        part = bars[line * BARS_ACROSS:(line + 1) * BARS_ACROSS]
        span = min(image.width, round(620 * scale)) if len(part) == 1 else image.width // len(part)
        left = (image.width - span * len(part)) // 2
        top = image.height - (lines - line) * height
        for k, one in enumerate(part):
            draw_bar(image, one, look, (left + k * span, top, left + (k + 1) * span, top + height), scale)


def draw_bar(image: Image.Image, bar: Bar, look: Background, box: tuple[int, int, int, int], scale: float) -> None:
    """Draw a colour bar with title, ticks, threshold marks and note into `box` (left, top, right, bottom)."""
    pen = ImageDraw.Draw(image)
    left, top, right, bottom = box
    pad = round(14 * scale)
    title = font(13 * scale, "SemiBold")
    words = fitted(pen, shown(bar.title, limit=90), title, right - left - 2 * pad)
    pen.text((left + pad, top + 4 * scale), words, look.ink, font=title)
    if bar.labels:
        _draw_labels(pen, bar, look, (left + pad, round(top + 24 * scale), right - pad, bottom), scale)
        return
    note = font(11 * scale)
    below = ""
    if bar.note:
        used = pen.textlength(words, font=title)
        width = pen.textlength(shown(bar.note, limit=200), font=note)
        if left + pad + used + 3 * pad + width < right:
            pen.text((right - pad - width, top + 6 * scale), shown(bar.note, limit=200), look.quiet, font=note)
        else:  # no room beside the title: a line of its own under the numbers
            below = fitted(pen, shown(bar.note, limit=200), note, right - left - 2 * pad)
    y0, y1 = round(top + 26 * scale), round(top + 38 * scale)
    x0, x1 = left + pad, right - pad
    index = np.minimum((np.arange(x1 - x0) + 0.5) / (x1 - x0) * 256, 255).astype(int)
    rows = np.minimum((np.arange(y1 - y0) + 0.5) / (y1 - y0) * len(bar.picture), len(bar.picture) - 1).astype(int)
    strip = bar.picture[rows][:, index]
    image.paste(Image.fromarray(strip), (x0, y0))
    for mark in bar.marks:
        x = x0 + mark * (x1 - x0)
        pen.line([(x, y0 - 4 * scale), (x, y1 + 2 * scale)], fill=look.ink, width=max(1, round(1.6 * scale)))
    for place, text in bar.ticks:
        x = x0 + place * (x1 - x0)
        pen.line([(x, y1), (x, y1 + 3 * scale)], fill=look.quiet, width=max(1, round(scale)))
        width = pen.textlength(text, font=note)
        pen.text((min(max(x - width / 2, x0), x1 - width), y1 + 5 * scale), text, look.ink, font=note)
    if below:
        pen.text((x0, y1 + 17 * scale), below, look.quiet, font=font(10 * scale))


def fitted(pen: ImageDraw.ImageDraw, text: str, letters: ImageFont.FreeTypeFont, room: float) -> str:
    """Return a text that is cut at the end when it is wider than `room` pixels."""
    if pen.textlength(text, font=letters) <= room:
        return text
    while text and pen.textlength(text + "…", font=letters) > room:
        text = text[:-1]
    return text.rstrip() + "…"


def _draw_labels(pen: ImageDraw.ImageDraw, bar: Bar, look: Background, box: tuple[int, int, int, int],
                 scale: float) -> None:
    x, y, right, _ = box
    letters = font(11 * scale)
    for position, (name, color) in enumerate(bar.labels):
        name = shown(name, limit=24)
        width = 18 * scale + pen.textlength(name, font=letters) + 14 * scale
        if x + width > right and position < len(bar.labels):
            pen.text((x, y), f"+ {len(bar.labels) - position} more", look.quiet, font=letters)
            return
        pen.rectangle([x, y + 2 * scale, x + 11 * scale, y + 13 * scale], fill=color)
        pen.text((x + 16 * scale, y), name, look.ink, font=letters)
        x += round(width)


def draw_pill(image: Image.Image, text: str, scale: float) -> None:
    """Write a label in the upper right corner that cannot be missed: these are not real brains.

    Its first word alone where all of it would cover the title of the view (a small picture with large letters).
    """
    pen = ImageDraw.Draw(image)
    letters = font(11 * scale, "SemiBold")
    width = pen.textlength(text, font=letters)
    if width > PILL_SHARE * image.width:
        text = text.partition(" ")[0]
        width = pen.textlength(text, font=letters)
    right, top = image.width - 10 * scale, 8 * scale
    box = (right - width - 16 * scale, top, right, top + 21 * scale)
    pen.rounded_rectangle(box, radius=10 * scale, fill=(255, 196, 61, 255) if image.mode == "RGBA" else (255, 196, 61))
    pen.text((box[0] + 8 * scale, top + 3.5 * scale), text, (40, 28, 0), font=letters)


def ortho_boxes(scene: SliceScene, size: tuple[int, int], gap: int = 8) -> dict[str, tuple[int, int, int, int]]:
    """Return where the three planes lie in a picture: (left, top, width, height), all at one magnification.

    Side by side in a wide picture, as a 2 x 2 block (coronal, sagittal / axial) in a square one, below each other in a
    narrow one: whichever shows them largest.
    """
    extents = {plane: scene.extent(plane) for plane in PLANES}
    forms = ((("sagittal", "coronal", "axial"),), (("coronal", "sagittal"), ("axial",)),
             (("coronal",), ("sagittal",), ("axial",)))

    def magnification(lines: tuple[tuple[str, ...], ...]) -> float:
        wide = max(sum(extents[p][0] for p in line) for line in lines)
        high = sum(max(extents[p][1] for p in line) for line in lines)
        across, down = max(len(line) for line in lines) + 1, len(lines) + 1
        return min((size[0] - across * gap) / wide, (size[1] - down * gap) / high)

    lines = max(forms, key=magnification)
    scale = magnification(lines)
    wide = max(sum(extents[p][0] for p in line) * scale + (len(line) - 1) * gap for line in lines)
    highs = [max(extents[p][1] for p in line) * scale for line in lines]
    y = (size[1] - sum(highs) - (len(lines) - 1) * gap) / 2
    out: dict[str, tuple[int, int, int, int]] = {}
    for line, high in zip(lines, highs, strict=True):
        x = (size[0] - wide) / 2
        for plane in line:
            w, h = (e * scale for e in extents[plane])
            top = y + (high - h) / 2 if len(lines) == 1 else y
            out[plane] = (round(x), round(top), max(1, round(w)), max(1, round(h)))
            x += w + gap
        y += high + gap
    return out


def mosaic_boxes(scene: SliceScene, plane: str, size: tuple[int, int], gap: int = 4
                 ) -> list[tuple[int, tuple[int, int, int, int]]]:
    """Return (slice, (left, top, width, height)) of a mosaic that fills a picture with 12 to 20 slices."""
    wide, high = scene.extent(plane)
    best: tuple[float, int, int] = (0.0, 1, 1)
    for columns in range(1, 9):
        for lines in range(1, 7):
            if 12 <= columns * lines <= 20 or (columns * lines < 12 and scene.shape[PLANES[plane][0]] < 12):
                per = min((size[0] - gap * (columns + 1)) / (columns * wide),
                          (size[1] - gap * (lines + 1)) / (lines * high))
                best = max(best, (per, columns, lines))
    per, columns, lines = best
    chosen = scene.steps(plane, columns * lines)
    w, h = max(1, round(wide * per)), max(1, round(high * per))
    x0 = (size[0] - columns * (w + gap) + gap) // 2
    y0 = (size[1] - lines * (h + gap) + gap) // 2
    return [(index, (x0 + (n % columns) * (w + gap), y0 + (n // columns) * (h + gap), w, h))
            for n, index in enumerate(chosen)]


def draw_slices(image: Image.Image, scene: SliceScene, look: Background, mode: str, cursor: tuple[float, float, float],
                scale: float) -> None:
    """Draw the three planes through a place (``ortho``) or a mosaic of one orientation over the whole picture."""
    if mode == "ortho":
        index = scene.index_of(cursor)
        for plane, (x, y, _, h) in ortho_boxes(scene, image.size, round(10 * scale)).items():
            paste_tile(image, scene.tile(plane, index[PLANES[plane][0]], h, cursor), (x, y), look, scale)
        return
    for n, (step, (x, y, _, h)) in enumerate(mosaic_boxes(scene, mode, image.size)):
        paste_tile(image, scene.tile(mode, step, h), (x, y), look, scale * 0.85, letters=n == 0)


def paste_tile(image: Image.Image, tile: Tile, corner: tuple[int, int], look: Background, scale: float, *,
               letters: bool = True) -> None:
    """Draw one slice with its letters, cross hair and place."""
    pen = ImageDraw.Draw(image)
    image.paste(Image.fromarray(tile.image), corner)
    height, width = tile.image.shape[:2]
    x0, y0 = corner
    if tile.cross is not None:
        x, y = x0 + tile.cross[0] * width, y0 + tile.cross[1] * height
        free, line = 7 * scale, max(1, round(scale))
        for start, end in (((x, y0), (x, y - free)), ((x, y + free), (x, y0 + height)),
                           ((x0, y), (x - free, y)), ((x + free, y), (x0 + width, y))):
            if (end[0] - start[0]) + (end[1] - start[1]) > 0:
                pen.line([start, end], fill=look.marker, width=line)
    small = font(11 * scale)
    if letters:
        edges = {"left": (x0 + 3 * scale, y0 + height / 2, "lm"),
                 "right": (x0 + width - 3 * scale, y0 + height / 2, "rm"),
                 "top": (x0 + width / 2, y0 + 2 * scale, "ma"),
                 "bottom": (x0 + width / 2, y0 + height - 2 * scale, "md")}
        for edge, letter in tile.letters.items():
            x, y, anchor = edges[edge]
            pen.text((x, y), letter, look.ink, font=small, anchor=anchor)
    words = tile.label
    if pen.textlength(words, font=small) > width / 2 - 10 * scale:  # it would run into the letter at the foot
        words = words.removesuffix(" mm")
    pen.text((x0 + 3 * scale, y0 + height - 2 * scale), words, look.quiet, font=small, anchor="ld")
