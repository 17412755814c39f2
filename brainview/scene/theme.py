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
    "dark": Background((16, 18, 22), (232, 234, 238), (143, 150, 163)),
    "light": Background((255, 255, 255), (26, 29, 36), (98, 106, 120), (0, 140, 105)),
    "white": Background((255, 255, 255), (0, 0, 0), (96, 96, 96), (0, 140, 105)),
    "black": Background((0, 0, 0), (255, 255, 255), (165, 165, 165)),
}
