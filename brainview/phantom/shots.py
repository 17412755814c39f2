"""Pictures of scenes in resumable chunks: drawn once, packed for the layout, with their Gabor energies and words."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainview.core.files import atomic_write
from brainview.core.jobs import JobContext
from brainview.phantom import gabor
from brainview.phantom.draw import draw_scene, render
from brainview.phantom.words import CAPTION_STYLES, captions, description, questions
from brainview.phantom.world import Scene

#: Scenes of one chunk: what a cancelled build may have to draw again.
CHUNK = 40
_THREADS = 2


@dataclass(frozen=True, eq=False)
class Shot:
    """One drawn scene: packed picture (None for scenes that are never shown), energies, words."""

    packed: bytes | None
    energy: np.ndarray
    words: dict[str, Any]


def pack_png(pixels: np.ndarray) -> bytes:
    """Return a picture as PNG (fast packing)."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


def shoot(scene: Scene, pack: Callable[[np.ndarray], bytes] | None) -> Shot:
    """Draw one scene and measure what the brain will see of it."""
    if pack is None:
        small = draw_scene(scene, 2 * gabor.SIDE)
        return Shot(None, gabor.energies(gabor.luminance(Image.fromarray(small))).astype(np.float16), {})
    picture = render(scene)
    pixels = picture.image
    energy = gabor.energies(gabor.luminance(Image.fromarray(pixels))).astype(np.float16)
    return Shot(pack(pixels), energy, told(scene, picture.boxes))


def told(scene: Scene, boxes: dict[int, tuple[float, float, float, float]]) -> dict[str, Any]:
    """Return what is said about a scene, as one line of ``scenes.jsonl`` without its id.

    Captions with their style, description, boxes {label, noun, box (x0, y0, x1, y1 in 0..1)}, questions, the scene
    graph (from which the clip of the scene is drawn as well).
    """
    texts = [{"text": text, "style": style} for text, style in zip(captions(scene), CAPTION_STYLES, strict=True)]
    things = [{"label": scene.objects[i].coco or scene.objects[i].noun, "noun": scene.objects[i].noun,
               "box": list(box)} for i, box in sorted(boxes.items())]
    return {"captions": texts, "description": description(scene), "boxes": things,
            "questions": questions(scene), "category": scene.main.category,
            "scene": scene.scene, "graph": scene.to_dict()}


class Album:
    """Shots of a list of scenes in chunk files below a folder; a chunk is drawn only when its file is missing.

    Parameters
    ----------
    folder : Path
    name : str
        Of this list; part of the file names.
    scenes : sequence of Scene
    pack : function of (h, w, 3) uint8 pixels to bytes, or None when the pictures are not kept
    """

    def __init__(self, folder: Path, name: str, scenes: Sequence[Scene],
                 pack: Callable[[np.ndarray], bytes] | None) -> None:
        self._folder, self._name, self._scenes, self._pack = folder, name, scenes, pack

    def __len__(self) -> int:
        return len(self._scenes)

    def _file(self, chunk: int) -> Path:
        return self._folder / f"{self._name}-{chunk:04d}.npz"

    def develop(self, context: JobContext) -> None:
        """Draw every chunk that is not there."""
        for chunk, start in enumerate(range(0, len(self), CHUNK)):
            context.report(start, len(self), f"drawing {self._name} scenes")
            if not self._file(chunk).is_file():
                self._draw(chunk, self._scenes[start:start + CHUNK], context)
        context.report(len(self), len(self), f"drawing {self._name} scenes")

    def _draw(self, chunk: int, scenes: Sequence[Scene], context: JobContext) -> None:
        shots: list[Shot] = []
        with ThreadPoolExecutor(_THREADS) as pool:
            for shot in pool.map(lambda s: _unless(context, s, self._pack), scenes):
                shots.append(shot)
        sizes = np.array([len(s.packed or b"") for s in shots], np.int64)
        with atomic_write(self._file(chunk)) as file:
            np.savez(file, energy=np.stack([s.energy for s in shots]), sizes=sizes,
                     packed=np.frombuffer(b"".join(s.packed or b"" for s in shots), np.uint8),
                     words=np.frombuffer(json.dumps([s.words for s in shots]).encode(), np.uint8))

    def _chunks(self) -> Iterator[Any]:
        for chunk in range(-(-len(self) // CHUNK)):
            with np.load(self._file(chunk), allow_pickle=False) as archive:
                yield archive

    def energies(self) -> np.ndarray:
        """Return (n, 32, 26, 26) float16."""
        return np.concatenate([archive["energy"] for archive in self._chunks()])

    def words(self) -> list[dict[str, Any]]:
        """Return captions, description, boxes, questions and graph of every scene."""
        return [row for archive in self._chunks() for row in json.loads(archive["words"].tobytes().decode())]

    def pictures(self) -> Iterator[bytes]:
        """Yield the packed pictures in order, one chunk in memory at a time."""
        for archive in self._chunks():
            packed, edges = archive["packed"].tobytes(), np.concatenate([[0], np.cumsum(archive["sizes"])]).tolist()
            for start, stop in pairwise(edges):
                yield packed[start:stop]


def _unless(context: JobContext, scene: Scene, pack: Callable[[np.ndarray], bytes] | None) -> Shot:
    context.check()
    return shoot(scene, pack)
