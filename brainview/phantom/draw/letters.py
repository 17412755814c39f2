"""Signs, with capital letters of our own: each letter is a few strokes in a box 0.62 wide and 1 high."""

from __future__ import annotations

from math import cos, radians, sin

from brainview.phantom.draw.pen import PALETTE, Pen, Point, Rgb, blend, shade
from brainview.phantom.world.layout import frame_aspect
from brainview.phantom.world.scene import SceneObject

ADVANCE = 0.80
W = 0.62


def _arc(cx: float, cy: float, rx: float, ry: float, start: float, stop: float) -> list[Point]:
    n = max(4, int(abs(stop - start) / 18))
    return [
        (cx + rx * cos(radians(start + (stop - start) * i / n)), cy + ry * sin(radians(start + (stop - start) * i / n)))
        for i in range(n + 1)
    ]


_BOWL_TOP = [(0.0, 0.0), (0.30, 0.0), *_arc(0.32, 0.25, 0.26, 0.25, -90, 90), (0.0, 0.5)]
_BOWL_LOW = [(0.0, 0.5), (0.32, 0.5), *_arc(0.34, 0.75, 0.28, 0.25, -90, 90), (0.0, 1.0)]
_STEM = [(0.0, 0.0), (0.0, 1.0)]
STROKES: dict[str, list[list[Point]]] = {
    "A": [[(0, 1), (0.31, 0), (W, 1)], [(0.12, 0.66), (0.50, 0.66)]],
    "B": [_STEM, _BOWL_TOP, _BOWL_LOW],
    "C": [_arc(0.33, 0.5, 0.33, 0.5, -48, -312)],
    "D": [_STEM, [(0.0, 0.0), (0.2, 0.0), *_arc(0.2, 0.5, 0.42, 0.5, -90, 90), (0.0, 1.0)]],
    "E": [[(0.56, 0), (0, 0), (0, 1), (0.56, 1)], [(0, 0.5), (0.46, 0.5)]],
    "F": [[(0.56, 0), (0, 0), (0, 1)], [(0, 0.5), (0.46, 0.5)]],
    "G": [[*_arc(0.33, 0.5, 0.33, 0.5, -48, -360), (0.66, 0.56), (0.38, 0.56)]],
    "H": [_STEM, [(W, 0), (W, 1)], [(0, 0.5), (W, 0.5)]],
    "I": [[(0.31, 0), (0.31, 1)], [(0.12, 0), (0.50, 0)], [(0.12, 1), (0.50, 1)]],
    "K": [_STEM, [(0.58, 0), (0.02, 0.56)], [(0.18, 0.42), (0.60, 1)]],
    "L": [[(0, 0), (0, 1), (0.56, 1)]],
    "M": [[(0, 1), (0.02, 0), (0.31, 0.58), (0.60, 0), (W, 1)]],
    "N": [[(0, 1), (0, 0), (W, 1), (W, 0)]],
    "O": [_arc(0.31, 0.5, 0.33, 0.5, 0, 360)],
    "P": [_STEM, _BOWL_TOP],
    "Q": [_arc(0.31, 0.5, 0.33, 0.5, 0, 360), [(0.38, 0.70), (0.66, 1.04)]],
    "R": [_STEM, _BOWL_TOP, [(0.24, 0.5), (0.60, 1)]],
    "S": [[*_arc(0.31, 0.255, 0.28, 0.255, -30, -270), *_arc(0.31, 0.755, 0.30, 0.245, -90, 150)]],
    "T": [[(0, 0), (W, 0)], [(0.31, 0), (0.31, 1)]],
    "U": [[(0, 0), (0, 0.68), *_arc(0.31, 0.68, 0.31, 0.32, 180, 0), (W, 0)]],
    "V": [[(0, 0), (0.31, 1), (W, 0)]],
    "W": [[(-0.04, 0), (0.13, 1), (0.31, 0.36), (0.49, 1), (0.66, 0)]],
    "X": [[(0, 0), (W, 1)], [(W, 0), (0, 1)]],
    "Y": [[(0, 0), (0.31, 0.5), (W, 0)], [(0.31, 0.5), (0.31, 1)]],
    "Z": [[(0, 0), (W, 0), (0, 1), (W, 1)]],
}  # fmt: skip


def word_width(word: str) -> float:
    """Return the width of a word in letter heights."""
    return ADVANCE * (len(word) - 1) + W


def draw_word(pen: Pen, word: str, x: float, y: float, height: float, color: Rgb, weight: float = 0.17) -> None:
    """Write a word centred at (x, y) with letters of the given height."""
    with pen.at(x - 0.5 * word_width(word) * height, y - 0.5 * height, height) as p:
        kept, p.depth = p.depth, 0.0
        for k, letter in enumerate(word):
            for stroke in STROKES[letter]:
                p.line([(px + ADVANCE * k, py) for px, py in stroke], color, weight)
        p.depth = kept


def draw_sign(pen: Pen, thing: SceneObject, phase: float = 0.0) -> None:
    """Draw a sign board on a post, or a poster (hanging when it faces the front), of height 1 at the origin."""
    half = 0.5 * frame_aspect(thing.noun, thing.text)
    color = PALETTE[thing.color]
    pale = 0.3 * color[0] + 0.59 * color[1] + 0.11 * color[2] > 150
    ink = (34, 30, 40) if pale else (252, 250, 242)
    if thing.noun == "board":
        pen.line([(0, -0.1), (0, -0.03)], (96, 70, 48), 0.10)
        pen.line([(0, -0.62), (0, -0.06)], (120, 88, 58), 0.085)
        pen.box(-half, -1.0, half, -0.54, shade(color, 0.62), r=0.05)
        pen.box(-half + 0.03, -0.97, half - 0.03, -0.57, color, r=0.035)
        draw_word(pen, thing.text, 0, -0.77, 0.24, ink)
        return
    if thing.pose != "hang":
        for x in (-0.7 * half, 0.7 * half):
            pen.line([(x, -0.2), (x * 1.15, -0.02)], (96, 70, 48), 0.045)
    low = 0.0 if thing.pose == "hang" else -0.12
    pen.box(-half, -1.0, half, low, (248, 246, 238), r=0.012)
    pen.box(-half + 0.035, -0.965, half - 0.035, low - 0.035, color)
    draw_word(pen, thing.text, 0, -0.845, 0.15, ink)
    kept, pen.depth = pen.depth, 0.0
    pale_sky = blend(color, (255, 255, 255), 0.72 if not pale else 0.2)
    pen.box(-half + 0.07, -0.72, half - 0.07, low - 0.07, pale_sky)
    pen.oval(0.35 * half, -0.60, 0.065, 0.065, (248, 190, 60))
    y = low - 0.07
    pen.poly([(-half + 0.07, y), (-0.55 * half, y - 0.30), (-0.1 * half, y)],
        shade(color, 0.5) if not pale else (120, 130, 150))
    pen.poly([(-0.45 * half, y), (0.25 * half, y - 0.40), (half - 0.07, y)],
        shade(color, 0.36) if not pale else (90, 100, 120))
    pen.depth = kept
