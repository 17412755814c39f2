"""What brains are aligned with: CLIP embeddings of pictures and words, computed once and kept.

The caption source is named: ``captions`` (the data set's own: unit mean of the normalised embeddings), ``first`` (the
first of them), ``detailed`` (the data set's detailed description), ``file:PATH`` (what a language model wrote: JSON
lines with id and text as of ``brainview caption``, or a JSON table of id -> text or texts), ``captioner:MODEL`` (texts
by an image-text-to-text model of transformers, asked with the prompt ``alignment`` for a paragraph that fits CLIP's
context; kept, so that an interrupted call goes on) or ``auto`` (detailed where every stimulus has one, else captions).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainview.core.errors import MissingError
from brainview.core.files import atomic_path, load_npy
from brainview.core.jobs import QUIET, JobContext
from brainview.core.paths import cache_dir
from brainview.datasets.types import Stimuli
from brainview.features.cache import features_for
from brainview.features.clip_pair import ClipPair
from brainview.features.texts import read_texts

SOURCES = ("auto", "detailed", "captions", "first", "file:PATH", "captioner:MODEL")


@dataclass(frozen=True, eq=False)
class Targets:
    """Embeddings of stimuli by one CLIP model.

    Parameters
    ----------
    ids : (n,) int64
    image, text : (n, embed) float32 unit vectors
    story : dict
        Plain JSON types: model, its key and temperature, caption source, texts, how many were cut.
    texts : n lists of the words that were embedded, () when they are not known
    """

    ids: np.ndarray
    image: np.ndarray
    text: np.ndarray
    story: dict[str, Any]
    texts: Sequence[Sequence[str]] = ()

    def of(self, ids: np.ndarray) -> Targets:
        """Return the targets of some of the stimuli, in the order of `ids`."""
        order = np.argsort(self.ids)
        rows = order[np.searchsorted(self.ids[order], ids)]
        return Targets(self.ids[rows], self.image[rows], self.text[rows], self.story,
                       [self.texts[int(i)] for i in rows] if self.texts else ())


@dataclass(eq=False)
class _ImageTower:
    """The image tower as a feature space, so that the cache of features keeps its embeddings."""

    clip: ClipPair
    name: str
    settings: dict[str, Any]

    @property
    def key(self) -> str:
        return f"pair-{self.clip.key}"

    @property
    def label(self) -> str:
        return f"{self.clip.name} (image tower)"

    def extract(self, images: Iterable[Image.Image], *, context: JobContext = QUIET) -> np.ndarray:
        """Return (n, 1, embed) unit vectors."""
        return self.clip.images(images, context=context)[:, None]


def make_targets(clip: ClipPair, stimuli: Stimuli, ids: np.ndarray, *, source: str = "auto",
                 context: JobContext = QUIET) -> Targets:
    """Return the embeddings of pictures and words of `ids`; raises MissingError when pictures or words are missing."""
    ids = np.asarray(ids, np.int64)
    tower = _ImageTower(clip, clip.name, {"space": clip.name, "pool": "joint embedding, unit length", "version": 1})
    image = np.asarray(features_for(tower, stimuli, ids, context=context))[:, 0]
    named, texts = texts_of(stimuli, ids, source, context=context)
    text = _embedded(clip, texts, context)
    flat = [t for row in texts for t in row]
    lengths = clip.lengths(flat)
    cut = int((lengths > clip.context).sum())
    story = {"model": clip.name, "key": clip.key, "temperature": clip.temperature, "embed": int(image.shape[1]),
             "caption_source": named, "texts": len(flat), "texts_cut": cut if (lengths >= 0).all() else None,
             "context": clip.context}
    if cut:
        context.log(f"{cut} of {len(flat)} texts are longer than {clip.context} tokens and were cut")
    return Targets(ids, image.astype(np.float32), text, story, texts)


def texts_of(stimuli: Stimuli, ids: np.ndarray, source: str = "auto", *,
             context: JobContext = QUIET) -> tuple[str, list[list[str]]]:
    """Return (source that was taken, texts of every stimulus)."""
    if source.startswith("captioner:"):
        return source, _from_file(_written(stimuli, ids, source.removeprefix("captioner:"), context), ids)
    if source.startswith("file:"):
        rows = _from_file(Path(source.removeprefix("file:")), ids)
        return source, rows
    if source not in SOURCES:
        raise MissingError(f"no caption source is called {source!r}", remedy="Use " + ", ".join(SOURCES) + ".")
    if source in ("auto", "detailed"):
        found = [str(stimuli.details(int(i)).get("description") or "") for i in ids]
        if all(found):
            return "detailed", [[t] for t in found]
        if source == "detailed":
            raise MissingError(f"{sum(not t for t in found)} of {len(found)} stimuli have no detailed description",
                               remedy="Use captions=captions or captions=file:PATH.")
    own = [stimuli.captions(int(i)) for i in ids]
    if not all(own):
        raise MissingError(f"{sum(not t for t in own)} of {len(own)} stimuli have no caption",
                           remedy="Add captions to the data set, or name a file with captions=file:PATH.")
    return ("first", [t[:1] for t in own]) if source == "first" else ("captions", own)


def _written(stimuli: Stimuli, ids: np.ndarray, model: str, context: JobContext) -> Path:
    """Return the file of texts by a captioner, writing what it lacks."""
    from brainview.features.captions import Decoding, caption_stimuli, load_captioner

    captioner = load_captioner(model, "alignment", Decoding(tokens=77, beams=1))
    return caption_stimuli(captioner, stimuli, ids.tolist(), context=context)


def _from_file(path: Path, ids: np.ndarray) -> list[list[str]]:
    table = read_texts(path)
    for i in ids.tolist():
        if not all(table.get(i) or [""]):
            raise MissingError(f"has no text for stimulus {i}", where=path)
    return [table[i] for i in ids.tolist()]


def _embedded(clip: ClipPair, texts: Sequence[Sequence[str]], context: JobContext) -> np.ndarray:
    """Return (n, embed) unit means of the texts' unit vectors, from the cache where they are known."""
    digest = hashlib.sha256(clip.key.encode())
    for row in texts:
        digest.update(b"\x00" + "\x01".join(row).encode())
    folder = cache_dir() / "clip-texts"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{digest.hexdigest()[:32]}.npy"
    if not file.exists():
        each = clip.texts([t for row in texts for t in row], context=context)
        edges = np.concatenate([[0], np.cumsum([len(row) for row in texts])[:-1]])
        mean = np.add.reduceat(each, edges, axis=0)
        mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
        with atomic_path(file) as part, open(part, "wb") as out:
            np.save(out, mean.astype(np.float32))
    return np.asarray(load_npy(file))
