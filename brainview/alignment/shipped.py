"""The trained phantom checkpoint that ships with BrainView, so that the first start has something to attribute.

It is a run folder of ``whole-brain`` for one simulated person (float16 weights, mask, token list, card), with the
embeddings and texts of its test part, and some test brains in ``stimuli.safetensors``. ``brainview build-demo --part
encoder`` makes it anew.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import MissingError
from brainview.core.files import write_json
from brainview.core.paths import resource
from brainview.training.run import RunFolder

#: Folder among the resources.
FOLDER = "models/demo-whole-brain"


def demo_run() -> Path:
    """Return the run folder of the shipped checkpoint; raises MissingError where it was not built."""
    path = Path(resource(FOLDER))
    if not (path / "run.json").is_file():
        raise MissingError("holds no shipped whole-brain checkpoint", where=path,
                           remedy="Run brainview build-demo --part encoder.")
    return path


def pack(run: os.PathLike | str, subject: str, out: os.PathLike | str, *, note: str = "") -> Path:
    """Copy one subject of a run as a small run folder at `out`: one generation, float16 weights, no resume state.

    Returns
    -------
    Path
        Folder of the subject, where test brains may be put beside the weights.
    """
    import shutil

    source = RunFolder.open(run)
    place = source.path / "subjects" / subject
    part = RunFolder.open(place)
    top = dict(source.card("last"))
    story = {k: v for k, v in source.story.items() if k in ("dataset", "layout", "phantom")}
    folder = RunFolder.create(out, source.system, {**source.config, "subjects": [subject]}, **story)
    own = RunFolder.create(folder.path / "subjects" / subject, part.system, part.config, **story)
    tensors, card = part.load("best")
    keep = {k: v for k, v in card.items() if k not in _WRITTEN}
    own.write_generation({k: _small(k, v) for k, v in tensors.items()}, keep | {"stored_as": "float16", "note": note})
    for name in ("embeddings.safetensors", "texts.json", "result.json", "history.csv"):
        if (place / name).is_file():
            shutil.copyfile(place / name, own.path / name)
    head = {k: v for k, v in top.items() if k not in (*_WRITTEN, "data")}
    head |= {"subjects": [subject], "finished": [subject], "note": note}
    head |= {k: {subject: top[k][subject]} for k in ("metrics", "story") if subject in top.get(k, {})}
    folder.write_generation({"none": np.zeros(1, np.float32)}, head)
    write_json(folder.path / "split.json", _read_split(source.path / "split.json"))
    for made in (folder, own):  # what the generation holds already
        for name in ("model.safetensors", "last.safetensors", "card.json", "last_card.json"):
            (made.path / name).unlink(missing_ok=True)
    return own.path


_WRITTEN = ("system", "config", "generation", "files", "written", "brainview")


def _small(name: str, value: np.ndarray) -> np.ndarray:
    """Return float16 for floats and int32 for indices; which of the mask's voxels a column is needs no more."""
    if np.issubdtype(value.dtype, np.floating):
        return value.astype(np.float16)
    return value.astype(np.int32) if value.dtype == np.int64 else value


def _read_split(path: Path) -> Any:
    from brainview.core.files import read_json

    return read_json(path)


def spread(ids: Sequence[int] | np.ndarray, count: int) -> np.ndarray:
    """Return `count` of the ids, evenly spread over their order."""
    ids = np.asarray(ids, np.int64)
    return ids[np.unique(np.linspace(0, len(ids) - 1, min(count, len(ids))).round().astype(int))]
