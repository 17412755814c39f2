"""What the window asks its workers to draw or to read: pages, movies, the stories of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brainview.core.jobs import QUIET, JobContext
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule
from brainview.maps.layers import Layer
from brainview.scene import snapshot


def read_story(path: str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return the story inside a picture that BrainView wrote."""
    context.check()
    return snapshot.read_story(path)


def page(map: BrainMap, path: str, rule: ColorRule | None = None, background: str = "dark",
         layers: Sequence[Layer] = (), *, context: JobContext = QUIET) -> str:
    """Write a map as one HTML file; returns its path."""
    from brainview.scene.webpage import webpage

    context.report(0, 1, "packing geometry and colours")
    written = str(webpage(map, path, rule=rule, background=background, layers=layers))
    context.report(1, 1, "written")
    return written


def movie(map: BrainMap, path: str, kind: str = "spin", rule: ColorRule | None = None,
          look: dict[str, Any] | None = None, seconds: float = 6.0, fps: int = 24,
          size: tuple[int, int] = (960, 720), layers: Sequence[Layer] = (), maps: Sequence[BrainMap] = (), *,
          context: JobContext = QUIET) -> str:
    """Write a movie of a map; returns its path."""
    from brainview.core.graphics import load_compilers
    from brainview.scene.movie import movie as work

    load_compilers()  # this worker may train after it has drawn
    return work(map, path, kind, rule=rule, look=look, size=size, seconds=seconds, fps=fps, layers=layers,
                maps=maps, context=context)


def picture(map: BrainMap, size: tuple[int, int], rule: ColorRule, look: dict[str, Any],
            outlines: dict[str, Any] | None = None, scale: float = 1.0, *, context: JobContext = QUIET) -> Any:
    """Return the picture of a map as (height, width, 3) uint8, for a sheet that is composed in the window."""
    import numpy as np

    from brainview.core.graphics import load_compilers

    load_compilers()  # this worker may train after it has drawn
    context.report(0, 1, "drawing")
    image = snapshot.render(map, size, rule, snapshot.look_from(look), outlines=outlines, scale=scale)
    context.report(1, 1, "drawn")
    return np.asarray(image.convert("RGB"), np.uint8)
