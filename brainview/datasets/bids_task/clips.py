"""Film clips as stimuli: frames through PyAV, words from captions or a phantom's scenes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainview.core.errors import FormatError, LimitError, MissingError
from brainview.core.files import regular_file
from brainview.core.names import shown
from brainview.datasets.stimuli import Words, read_scenes

#: The largest clip that is decoded: bytes, frames, pixels of a frame.
BYTES, FRAMES, PIXELS = 256 << 20, 4000, 4096 * 2304


def read_clip(path: Path, frames: int = 0, size: int = 0) -> tuple[np.ndarray, float]:
    """Return the frames of a clip as (n, h, w, 3) uint8, and its frames per second.

    Parameters
    ----------
    frames : int
        How many frames, spread evenly over the clip (0 = all; a shorter clip gives what it has, repeated).
    size : int
        Longer side in pixels (0 = as it is).

    Raises
    ------
    MissingError
        It is not there (for example a git-annex link whose content was not fetched). FormatError: it is no clip.
        LimitError: it is larger than a clip of a few seconds should be.
    """
    import av

    path = _present(path)
    if path.stat().st_size > BYTES:
        raise LimitError(f"is a clip of more than {BYTES >> 20} MiB", where=path)
    found: list[np.ndarray] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise FormatError("holds no picture track", where=path)
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            rate = float(stream.average_rate or 0) or 25.0
            if stream.codec_context.width * stream.codec_context.height > PIXELS:
                raise LimitError("has frames that are too large", where=path)
            for frame in container.decode(stream):
                if len(found) >= FRAMES:
                    raise LimitError(f"has more than {FRAMES} frames", where=path)
                if size and max(frame.width, frame.height) != size:
                    scale = size / max(frame.width, frame.height)
                    frame = frame.reformat(max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
                found.append(frame.to_ndarray(format="rgb24"))
    except (av.FFmpegError, ValueError, OSError) as err:
        raise FormatError(f"is not a readable clip: {shown(err, limit=120)}", where=path) from err
    if not found:
        raise FormatError("holds no frame", where=path)
    if frames:
        pick = np.round(np.linspace(0, len(found) - 1, frames)).astype(int) if frames > 1 else [len(found) // 2]
        rate *= frames / len(found)
        found = [found[i] for i in pick]
    return np.stack(found), rate


def _present(path: Path) -> Path:
    try:
        return regular_file(path)
    except MissingError as err:
        words = "its content was not fetched (git-annex link)" if path.is_symlink() else "is not there"
        raise MissingError(words, where=path, remedy="Fetch the clips, for example with: datalad get stimuli.") from err


@dataclass(frozen=True, eq=False)
class ClipStimuli:
    """Clips by id; the id is the place of the clip's name in the sorted list of all clips of the data set.

    Parameters
    ----------
    root : Path
        Folder of the clips.
    names : list of str
        Sorted clip names.
    category : mapping of id to category key
    labels : mapping of key to the label that is shown
    truth : Path, optional
        ``scenes.jsonl`` of a phantom.
    told : Words
        Human captions.
    """

    root: Path
    names: list[str]
    category: Mapping[int, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    truth: Path | None = None
    told: Words = field(default_factory=Words)

    @cached_property
    def ids(self) -> np.ndarray:
        """(n,) ascending int64 ids."""
        return np.arange(len(self.names), dtype=np.int64)

    @cached_property
    def number(self) -> dict[str, int]:
        """Id by name."""
        return {n: i for i, n in enumerate(self.names)}

    @cached_property
    def _words(self) -> Words:
        return read_scenes(self.truth) if self.truth is not None and self.truth.is_file() else self.told

    def path(self, stimulus: int) -> Path:
        """Return the file of a clip, there or not."""
        if not 0 <= int(stimulus) < len(self.names):
            raise MissingError(f"stimulus {int(stimulus)} is not in the data set")
        return self.root / self.names[int(stimulus)]

    def clip(self, stimulus: int, frames: int = 0, size: int = 0) -> tuple[np.ndarray, float]:
        """Return (n, h, w, 3) uint8 frames and frames per second."""
        return read_clip(self.path(stimulus), frames, size)

    def image(self, stimulus: int) -> Image.Image:
        """Return the middle frame."""
        return Image.fromarray(self.clip(stimulus, 1)[0][0])

    def captions(self, stimulus: int) -> list[str]:
        """Return human captions (or those of a phantom), [] where there are none."""
        return list(self._words.captions.get(int(stimulus), []))

    def label(self, stimulus: int) -> str:
        """Return the shown label of a clip's category."""
        key = self.category.get(int(stimulus), "")
        return self.labels.get(key, key)

    def details(self, stimulus: int) -> dict[str, Any]:
        """Return category key and label, the clip's name, and what a phantom knows."""
        known = dict(self._words.details.get(int(stimulus), {}))
        known.pop("graph", None)
        return known | {"category": self.category.get(int(stimulus), ""), "label": self.label(stimulus),
                        "clip": self.names[int(stimulus)] if 0 <= int(stimulus) < len(self.names) else ""}
