"""Paper and ink of the drawn area: the few colours that do not come from a map."""

from __future__ import annotations

from dataclasses import dataclass

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Background:
    """Colours 0..255: paper, text, quiet text (letters, captions), and the marker of the picked place."""

    paper: RGB
    ink: RGB
    quiet: RGB
    marker: RGB = (60, 255, 190)


BACKGROUNDS = {
    "dark": Background((22, 24, 29), (236, 238, 242), (150, 156, 168)),
    "light": Background((250, 250, 251), (28, 31, 38), (104, 110, 122), (0, 150, 110)),
    "white": Background((255, 255, 255), (0, 0, 0), (96, 96, 96), (0, 150, 110)),
    "black": Background((0, 0, 0), (255, 255, 255), (165, 165, 165)),
}
