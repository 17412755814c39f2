"""Movies of a map: the brain turning, unfolding from pial to flat, or a slider moving, as MP4 or GIF."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainview.core.errors import LimitError, MissingError
from brainview.core.files import atomic_path
from brainview.core.jobs import QUIET, JobContext
from brainview.maps import morph
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule, rule_for
from brainview.maps.layers import Layer
from brainview.scene.snapshot import Look, look_from, render
from brainview.scene.views import Camera, looking

KINDS = ("spin", "morph", "threshold", "slider")
#: Share of a movie of the threshold in which it stays at its lowest and at its highest.
REST = 0.1
#: The most frames of one movie.
LIMIT = 2000


def movie(map: BrainMap, out: str | Path, kind: str = "spin", *, rule: ColorRule | dict[str, Any] | None = None,
          look: Look | dict[str, Any] | None = None, size: tuple[int, int] = (960, 720), seconds: float = 6.0,
          fps: int = 24, layers: Sequence[Layer] = (), maps: Sequence[BrainMap] = (),
          context: JobContext = QUIET) -> str:
    """Write a movie and return its path.

    Parameters
    ----------
    map : BrainMap
        On a surface.
    out : path
        ``.mp4`` (H.264) or ``.gif``; written under a temporary name and renamed.
    kind : str
        ``spin``: once around the vertical axis. ``morph``: pial - white - inflated - flat and back.
        ``threshold``: it rises from zero to the upper limit. ``slider``: `maps` one after the other, as a model's
        setting moves.
    rule, look
        Colours and arrangement, as in :func:`brainview.scene.snapshot.snapshot`.
    size : (int, int)
        Pixels; MP4 needs even numbers and rounds down.
    seconds, fps
        Length, and frames a second.
    layers : sequence of Layer
        Maps over each other, `map` among them; empty draws it alone.
    maps : sequence of BrainMap
        Of a slider: the same space. Each name says what is shown, and each is drawn to its own limits (the colour bar
        tells them), since a price that runs over decades would leave one scale black or white.

    Raises
    ------
    MissingError
        Another ending or kind, a slider of fewer than two maps. LimitError: too many frames. Cancelled: between two
        frames; no file is left.
    """
    path = Path(out)
    if kind not in KINDS:
        raise MissingError(f"no movie is called {kind!r}", remedy="Known: " + ", ".join(KINDS) + ".")
    if kind == "slider" and len(maps) < 2:
        raise MissingError("a slider that moves needs two maps at least", where=path)
    if path.suffix.lower() not in (".mp4", ".gif"):
        raise MissingError("movies are written as MP4 or GIF", where=path, remedy="End the name in .mp4 or .gif.")
    count = max(2, round(seconds * fps))
    if count > LIMIT:
        raise LimitError(f"a movie of {count:,} frames is too long", remedy=f"Use at most {LIMIT:,} frames.")
    size = (size[0] // 2 * 2, size[1] // 2 * 2)
    rule = rule_for(map) if rule is None else ColorRule.from_dict(rule) if isinstance(rule, dict) else rule
    look = Look() if look is None else look_from(look) if isinstance(look, dict) else look
    look = replace(look, transparent=False)
    frames = _frames(_shots(map, rule, look, kind, count, layers, maps), size, count, context)
    with atomic_path(path, suffix=path.suffix.lower()) as temporary:
        (_mp4 if path.suffix.lower() == ".mp4" else _gif)(Path(temporary), frames, fps)
    return str(path)


#: What one frame shows.
Shot = tuple[BrainMap, ColorRule, Look, Sequence[Layer]]


def _shots(brain_map: BrainMap, rule: ColorRule, look: Look, kind: str, count: int, layers: Sequence[Layer],
           maps: Sequence[BrainMap]) -> Iterator[Shot]:
    for n in range(count):
        if kind == "spin":
            yield brain_map, rule, _spun(look, 360.0 * n / count), layers
        elif kind == "morph":
            yield brain_map, rule, _unfolded(look, n / (count - 1)), layers
        elif kind == "threshold":
            cut = _cut(rule, n / (count - 1))
            yield brain_map, cut, look, [replace(one, rule=cut) if one.map is brain_map else one for one in layers]
        else:
            drawn = maps[n * len(maps) // count]
            yield drawn, rule.having(limits=drawn.limits or rule.limits), look, ()


def _frames(shots: Iterator[Shot], size: tuple[int, int], count: int, context: JobContext) -> Iterator[np.ndarray]:
    scale = float(np.clip(min(size[0] / 900, size[1] / 675), 0.4, 8))
    for n, (brain_map, rule, look, layers) in enumerate(shots):
        context.report(n, count, f"frame {n + 1} of {count}")
        yield np.asarray(render(brain_map, size, rule, look, scale=scale, layers=layers).convert("RGB"))
    context.report(count, count, "written")


def _cut(rule: ColorRule, share: float) -> ColorRule:
    """Return the rule with the threshold that far from zero to the upper limit; it rests at both ends."""
    way = float(np.clip((share - REST) / (1 - 2 * REST), 0, 1))
    return rule.having(threshold=way * max(abs(limit) for limit in rule.limits), threshold_unit="value")


def _spun(look: Look, degrees: float) -> Look:
    """Turn every brain of the arrangement about its vertical axis."""
    surface = "inflated" if look.surface == "flat" else look.surface
    look = replace(look, surface=surface)
    eyes = []
    for panel in look.panels():
        towards, up = looking(panel.view, panel.sides[0])
        camera = Camera(towards, up)
        camera.orbit(degrees, 0.0)
        eyes.append(camera)
    return replace(look, cameras=tuple(eyes))


def _unfolded(look: Look, share: float) -> Look:
    """Go from pial to flat in the first half and back in the second, one hemisphere a panel, seen from outside."""
    way = min(1.0, 1.1 * (1 - abs(2 * share - 1)))  # it rests on the flat map, whatever the number of frames
    return replace(look, surface=morph.surface_at((len(morph.STOPS) - 1) * way), layout="split", view="lateral",
                   views=(), cameras=())


def _mp4(path: Path, frames: Iterator[np.ndarray], fps: int) -> None:
    import av

    with av.open(str(path), "w", format="mp4") as file:
        stream: Any = file.add_stream("libx264", rate=fps)
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "18", "preset": "veryfast"}
        for n, frame in enumerate(frames):
            if n == 0:
                stream.height, stream.width = frame.shape[:2]
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)


def _gif(path: Path, frames: Iterator[np.ndarray], fps: int) -> None:
    # an octree, because the usual median cut spends its colours on greys and leaves steps in the colour bar
    pictures = [Image.fromarray(f).quantize(255, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
                for f in frames]
    pictures[0].save(path, format="GIF", save_all=True, append_images=pictures[1:], duration=round(1000 / fps), loop=0)
