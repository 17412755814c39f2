"""Several viewers as one picture: each drawn as it is, under its name, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from brainview.core.errors import LimitError, MissingError
from brainview.core.names import shown
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule, Pick
from brainview.maps.layers import Layer
from brainview.maps.rois import RoiClass
from brainview.scene import figure
from brainview.scene.snapshot import PIXEL_LIMIT, Look, render, save, story
from brainview.scene.theme import BACKGROUNDS

#: Height of the line with a viewer's name, in points (pixels at scale 1), and the space between viewers.
HEAD, GAP = 26, 6


@dataclass(frozen=True, eq=False)
class Shot:
    """What one viewer shows.

    Parameters
    ----------
    title : str
    brain_map, rule, look, outlines, marker, layers
        As for :func:`brainview.scene.snapshot.render`.
    """

    title: str
    brain_map: BrainMap
    rule: ColorRule
    look: Look
    outlines: Mapping[str, RoiClass] = field(default_factory=dict)
    marker: Pick | None = None
    layers: Sequence[Layer] = ()


def montage(shots: Sequence[Shot], out: str | Path, *, size: tuple[int, int], dpi: float = 150.0,
            source: Mapping[str, Any] | None = None) -> Path:
    """Write viewers as one PNG, two in a row, and return its path.

    Its story is that of the first viewer, with those of the others under ``viewers``. Raises BrainViewError when
    nothing is shown or the picture is too large.
    """
    if not shots:
        raise MissingError("there is no map on screen to export", remedy="Open or compute one first.")
    columns = min(2, len(shots))
    rows = -(-len(shots) // columns)
    width, height = size
    if width * height > PIXEL_LIMIT:
        raise LimitError(f"a picture of {width:,} x {height:,} pixels cannot be drawn",
                         remedy=f"Use up to {PIXEL_LIMIT:,} pixels in all.")
    scale = float(np.clip(min(width / columns / 900, height / rows / 675), 0.4, 8))
    gap, head = round(GAP * scale), round(HEAD * scale)
    tile = ((width - gap * (columns - 1)) // columns, (height - gap * (rows - 1)) // rows - head)
    look = shots[0].look
    paper = BACKGROUNDS[look.background]
    image = Image.new("RGBA" if look.transparent else "RGB", size,
                      (*paper.paper, 0) if look.transparent else paper.paper)
    pen, letters = ImageDraw.Draw(image), figure.font(13 * scale, "SemiBold")
    for number, shot in enumerate(shots):
        left, top = (number % columns) * (tile[0] + gap), (number // columns) * (tile[1] + head + gap)
        words = figure.fitted(pen, shown(shot.title, limit=120), letters, tile[0] - 2 * gap)
        pen.text((left + 2 * gap, top + head / 5), words, paper.ink, font=letters)
        image.paste(render(shot.brain_map, tile, shot.rule, shot.look, outlines=shot.outlines, marker=shot.marker,
                           scale=scale, layers=shot.layers), (left, top + head))
    stories = [story(s.brain_map, s.rule, s.look, size, dpi, s.outlines, s.layers) for s in shots]
    path = Path(out)
    save(image, path, dpi=dpi, story={**stories[0], "viewers": stories[1:], "source": dict(source or {})})
    return path
