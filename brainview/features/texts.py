"""Texts of stimuli and their CLIP embeddings: human captions, descriptions, or what a language model wrote.

A source is named: ``captions`` (all of the data set's own: mean of the unit vectors), ``first`` (the first of them),
``detailed`` (its detailed description), ``file:PATH`` (what ``brainview caption`` wrote: JSON lines with ``id`` and
``text``, or a JSON table of id -> text or texts).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import FormatError, MissingError
from brainview.core.files import atomic_path, load_npy, read_text
from brainview.core.jobs import QUIET, JobContext
from brainview.core.names import shown
from brainview.core.paths import cache_dir
from brainview.datasets.types import Stimuli
from brainview.features.clip_pair import ClipPair

SOURCES = ("captions", "first", "detailed", "file:PATH")


@dataclass(frozen=True, eq=False)
class TextEmbeddings:
    """Embeddings of the texts of stimuli.

    Parameters
    ----------
    ids : (n,) int64 ascending
    matrix : (n, d) float32 unit vectors
    story : dict
        Model, its key, source, number of texts, how many exceeded the context and were cut.
    """

    ids: np.ndarray
    matrix: np.ndarray
    story: dict[str, Any]

    def shuffled(self, seed: int = 0) -> TextEmbeddings:
        """Return the same texts dealt to the wrong stimuli: a control that keeps everything but the meaning."""
        order = np.random.default_rng([seed, 5]).permutation(len(self.ids))
        return TextEmbeddings(self.ids, self.matrix[order], {**self.story, "shuffled": True})


def embed_texts(clip: ClipPair, stimuli: Stimuli, ids: np.ndarray, source: str = "captions", *,
                context: JobContext = QUIET) -> TextEmbeddings:
    """Return the embeddings of the texts of `ids`, kept in the cache.

    Raises
    ------
    MissingError
        A stimulus has no text, or the source is unknown.
    """
    ids = np.unique(np.asarray(ids, np.int64))
    texts = texts_of(stimuli, ids, source)
    flat = [t for row in texts for t in row]
    digest = hashlib.sha256(clip.key.encode())
    for row in texts:
        digest.update(b"\x00" + "\x01".join(row).encode())
    file = cache_dir() / "text-embeddings" / f"{digest.hexdigest()[:32]}.npy"
    if not file.exists():
        each = clip.texts(flat, context=context)
        edges = np.concatenate([[0], np.cumsum([len(row) for row in texts])[:-1]])
        mean = np.add.reduceat(each, edges, axis=0)
        mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
        with atomic_path(file) as part, open(part, "wb") as out:
            np.save(out, mean.astype(np.float32))
    lengths = clip.lengths(flat)
    cut = int((lengths > clip.context).sum()) if (lengths >= 0).all() else None
    if cut:
        context.log(f"{cut} of {len(flat)} texts are longer than {clip.context} tokens and were cut")
    return TextEmbeddings(ids, np.asarray(load_npy(file)), {"model": clip.name, "key": clip.key, "source": source,
                                                            "texts": len(flat), "texts_cut": cut})


def texts_of(stimuli: Stimuli, ids: np.ndarray, source: str) -> list[list[str]]:
    """Return the texts of every stimulus."""
    if source.startswith("file:"):
        table = read_texts(Path(source.removeprefix("file:")))
        rows = [table.get(i, []) for i in ids.tolist()]
    elif source == "detailed":
        rows = [[t] if (t := str(stimuli.details(int(i)).get("description") or "")) else [] for i in ids]
    elif source in ("captions", "first"):
        rows = [stimuli.captions(int(i))[: 1 if source == "first" else None] for i in ids]
    else:
        raise MissingError(f"no source of texts is called {shown(source)!r}", remedy="Use " + ", ".join(SOURCES) + ".")
    lacking = [i for i, row in zip(ids.tolist(), rows, strict=True) if not row]
    if lacking:
        raise MissingError(f"{len(lacking)} of {len(rows)} stimuli have no text, the first is {lacking[0]}",
                           where=source, remedy="Write texts with 'brainview caption', or choose another source.")
    return rows


def read_texts(path: Path) -> dict[int, list[str]]:
    """Read JSON lines with ``id`` and ``text`` (a later line of an id adds a text), or one table id -> text(s)."""
    content = read_text(path)
    try:
        return _table(json.loads(content)) if not _is_lines(content) else _lines(content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
        raise FormatError(f"is no table of texts: {shown(err, limit=120)}", where=path,
                          remedy='One line per text: {"id": 13, "text": "..."}.') from err


def _is_lines(content: str) -> bool:
    first = content.lstrip().partition("\n")[0].strip()
    return first.startswith("{") and first.endswith("}") and '"text"' in first


def _lines(content: str) -> dict[int, list[str]]:
    out: dict[int, list[str]] = {}
    for line in content.splitlines():
        if line.strip():
            row = json.loads(line)
            if row.get("text"):
                out.setdefault(int(row["id"]), []).append(str(row["text"]))
    return out


def _table(data: Any) -> dict[int, list[str]]:
    return {int(k): [v] if isinstance(v, str) else [str(t) for t in v] for k, v in data.items()}
