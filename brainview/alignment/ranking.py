"""Rankings of one run for the window and the command: a brain's pictures and captions, a sentence's brains, matrices.

All read what training stored of the test part (``embeddings.safetensors``, ``texts.json``), so they need neither the
data set nor the model; only a typed sentence loads the CLIP model that the run was aligned with.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from brainview.alignment.retrieval import nearest, ranks, similarity_order
from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.core.files import read_text, regular_file
from brainview.core.jobs import QUIET, JobContext
from brainview.core.names import shown
from brainview.training.run import RunFolder

EMBEDDINGS, TEXTS = "embeddings.safetensors", "texts.json"
#: Pairs of modalities whose similarity matrices are shown (Fig. 12).
MATRICES = (("brain", "brain"), ("image", "image"), ("text", "text"), ("brain", "image"), ("brain", "text"),
            ("image", "text"))


@dataclass(frozen=True, eq=False)
class Shelf:
    """The test part of one subject: (n,) ids, (n, d) unit vectors of each view, and the words that were embedded.

    `text_center` (d,) is what a text embedding is taken about before it is compared (zeros unless the system centres
    its galleries, as ridge does).
    """

    run: RunFolder
    subject: str
    ids: np.ndarray
    views: dict[str, np.ndarray]
    text_center: np.ndarray
    texts: dict[int, list[str]]

    def row(self, stimulus: int) -> int:
        """Return the row of a stimulus; raises MissingError for one outside the test part."""
        found = np.flatnonzero(self.ids == stimulus)
        if not found.size:
            raise MissingError(f"stimulus {stimulus} is not among the {len(self.ids)} test stimuli of {self.subject}",
                               where=self.run.path, remedy="Rankings are of brains that training never saw.")
        return int(found[0])

    def of(self, modality: str, other: str = "image") -> np.ndarray:
        """Return (n, d) vectors; a brain has one view for pictures and one for words (the same but for ridge)."""
        return self.views[modality] if modality != "brain" else self.views[f"brain to {other}"]


def open_shelf(run: str | Path, subject: str) -> Shelf:
    """Read what a run stored of a subject's test part; raises MissingError or FormatError."""
    from safetensors.numpy import load_file

    folder = RunFolder.open(run)
    place = folder.path / "subjects" / subject
    if "/" in subject or "\\" in subject or not (place / EMBEDDINGS).is_file():
        raise MissingError(f"has no finished subject {shown(subject)!r}", where=folder.path)
    try:
        held = load_file(regular_file(place / EMBEDDINGS))
        ids, image = held["ids"], held["image"].astype(np.float32)
        views = {"brain to image": held["to_image"].astype(np.float32), "image": image,
                 "brain to text": held["to_text"].astype(np.float32), "text": held["text"].astype(np.float32)}
    except (SafetensorError, ValueError, OSError, KeyError) as err:
        raise FormatError(f"is not a sound file of embeddings: {shown(err)}", where=place / EMBEDDINGS) from err
    if ids.ndim != 1 or any(v.shape != image.shape or len(v) != len(ids) for v in views.values()):
        raise MismatchError("ids and embeddings differ in number", where=place / EMBEDDINGS)
    center = held.get("text_center", np.zeros(image.shape[1])).astype(np.float32)
    return Shelf(folder, subject, ids.astype(np.int64), views, center, _texts(place / TEXTS))


def _texts(file: Path) -> dict[int, list[str]]:
    if not file.is_file():
        return {}
    data = json.loads(read_text(file))
    return {int(k): [str(t) for t in v] for k, v in data.items()} if isinstance(data, dict) else {}


def rank(shelf: Shelf, stimulus: int, *, top: int = 20) -> dict[str, Any]:
    """Return pictures and captions of the test gallery by similarity to one brain, the true one marked."""
    row = shelf.row(stimulus)
    out: dict[str, Any] = {"run": str(shelf.run.path), "subject": shelf.subject, "stimulus": int(stimulus),
                           "gallery": len(shelf.ids), "chance": 1 / len(shelf.ids)}
    for kind in ("image", "text"):
        out[f"{kind}s"], out[f"{kind}_rank"] = _ranked(shelf, shelf.of("brain", kind)[row], shelf.of(kind), row, top)
    return out


def rank_brains(shelf: Shelf, *, stimulus: int | None = None, text: str | None = None, kind: str = "image",
                top: int = 20) -> dict[str, Any]:
    """Return the test brains by similarity to a picture, its caption (`kind` ``text``), or a typed sentence."""
    if (stimulus is None) == (not (text or "").strip()):
        raise MismatchError("name either a stimulus or a sentence")
    if kind not in ("image", "text"):
        raise MismatchError(f"must be image or text, got {shown(kind)!r}", where="kind")
    story: dict[str, Any] = {"stimulus": stimulus, "text": text}
    row = None
    if text:
        query, told, kind = *embed_sentence(shelf, text), "text"
        story |= told
    else:
        row = shelf.row(int(stimulus))  # type: ignore[arg-type]
        query = shelf.of(kind)[row]
    brains, own = _ranked(shelf, query, shelf.of("brain", kind), row, top)
    return {"run": str(shelf.run.path), "subject": shelf.subject, "kind": kind, "query": story, "brains": brains,
            "brain_rank": own, "gallery": len(shelf.ids), "chance": 1 / len(shelf.ids)}


def embed_sentence(shelf: Shelf, text: str) -> tuple[np.ndarray, dict[str, Any]]:
    """Return (d,) unit vector of a sentence in the run's space, and what was lost: tokens cut or never seen."""
    from brainview.features.clip_pair import load_clip

    clip = load_clip(str(shelf.run.config["clip"]))
    vector = clip.texts([text])[0] - shelf.text_center
    length = int(clip.lengths([text])[0])
    unknown = clip.tokenizer.unknown(text) if hasattr(clip.tokenizer, "unknown") else None
    told = {"tokens": length if length >= 0 else None, "context": clip.context, "cut": length > clip.context,
            "unknown_tokens": unknown}
    return (vector / max(1e-12, float(np.linalg.norm(vector)))).astype(np.float32), told


def _ranked(shelf: Shelf, query: np.ndarray, gallery: np.ndarray, own: int | None,
            top: int) -> tuple[list[dict[str, Any]], int | None]:
    """Return (the `top` entries, and the true one where it is further down, rank of the true one from 1)."""
    where, likeness = nearest(query[None], gallery, min(top, len(gallery)))
    entries = [_entry(shelf, int(i), place, float(s), own)
               for place, (i, s) in enumerate(zip(where[0], likeness[0], strict=True), start=1)]
    if own is None:
        return entries, None
    scores = gallery @ query
    rank_own = int((scores >= scores[own]).sum())
    if not any(e["own"] for e in entries):
        entries.append(_entry(shelf, own, rank_own, float(scores[own]), own))
    return entries, rank_own


def _entry(shelf: Shelf, row: int, place: int, likeness: float, own: int | None) -> dict[str, Any]:
    stimulus = int(shelf.ids[row])
    words = shelf.texts.get(stimulus, [])
    return {"rank": place, "stimulus": stimulus, "similarity": likeness, "own": row == own,
            "text": words[0] if words else ""}


def similarity(shelf: Shelf, *, permutations: int = 1000, seed: int = 0, context: JobContext = QUIET) -> dict[str, Any]:
    """Return cosine matrices within and across brain, image and text (Fig. 12), and what they amount to.

    ``order`` puts alike pictures beside each other (leaf order of a clustering of the image matrix). ``numbers``: mean
    cosine of matched and of unmatched pairs and distance of the modalities' centres for each pair of modalities, and
    Spearman's correlation of the upper triangles of the brain's matrix and the other's, with the share of permuted
    stimuli that reach it (p, one-sided).
    """
    matrices, numbers = {}, []
    for a, b in MATRICES:
        context.check()
        first = shelf.of(a, b if b != "brain" else "image")
        matrix = first @ shelf.of(b).T if b != "brain" else first @ first.T
        matrices[f"{a}–{b}"] = matrix.astype(np.float32)
        if a != b:
            numbers.append({"pair": f"{a}–{b}", **_pair(matrix, first, shelf.of(b))})
    rsa = []
    for other in ("image", "text"):
        brain = shelf.of("brain", other)
        rsa.append({"pair": f"brain–{other}", **_rsa(brain @ brain.T, matrices[f"{other}–{other}"], permutations, seed,
                                                     context)})
    return {"run": str(shelf.run.path), "subject": shelf.subject, "ids": shelf.ids,
            "order": similarity_order(matrices["image–image"]), "matrices": matrices, "numbers": numbers, "rsa": rsa,
            "what": "Cosine of embeddings of the test stimuli, brains averaged over repetitions"}


def _pair(matrix: np.ndarray, first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    n = len(matrix)
    matched = float(np.trace(matrix) / n)
    return {"matched_cosine": matched, "unmatched_cosine": float((matrix.sum() - n * matched) / max(1, n * (n - 1))),
            "centre_distance": float(np.linalg.norm(first.mean(0) - second.mean(0))),
            "R@1": float((ranks(first, second) == 0).mean())}


def _rsa(brain: np.ndarray, other: np.ndarray, permutations: int, seed: int, context: JobContext) -> dict[str, float]:
    """Return Spearman of the upper triangles and its permutation p (whole stimuli are moved, not single cells)."""
    from scipy.stats import rankdata

    rows, columns = np.triu_indices(len(brain), 1)
    ranked = np.empty(other.shape, np.float32)
    values = rankdata(other[rows, columns]).astype(np.float32)
    values = (values - values.mean()) / max(1e-12, float(values.std()))
    ranked[rows, columns] = ranked[columns, rows] = values
    own = rankdata(brain[rows, columns]).astype(np.float32)
    own = (own - own.mean()) / max(1e-12, float(own.std()))
    rho = float(np.mean(own * values))
    rng, reached = np.random.default_rng(seed), 0
    for k in range(permutations):
        if k % 50 == 0:
            context.check()
        order = rng.permutation(len(brain))
        reached += float(np.mean(own * ranked[order[rows], order[columns]])) >= rho
    return {"spearman": rho, "p": (reached + 1) / (permutations + 1), "permutations": permutations}


def points(shelf: Shelf, *, neighbours: int = 15, spread: float = 0.1, seed: int = 0) -> dict[str, Any]:
    """Return (3n, 2) UMAP coordinates of brain, image and text embeddings (Fig. 8); cosine, one seed, one thread.

    Clusters by modality are the known gap between modalities, no sign of alignment; the notes say so.
    """
    import warnings

    stack = np.concatenate([shelf.of("brain"), shelf.of("image"), shelf.of("text")])
    if len(stack) < 4:
        raise MismatchError("a map of points needs more test stimuli", where=shelf.run.path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # umap tells that a seed costs it its threads
        from umap import UMAP

        plan = UMAP(n_neighbors=min(neighbours, len(stack) - 1), min_dist=spread, metric="cosine", random_state=seed,
                    n_jobs=1).fit_transform(stack)
    n = len(shelf.ids)
    return {"run": str(shelf.run.path), "subject": shelf.subject, "points": np.asarray(plan, np.float32),
            "modality": ["brain"] * n + ["image"] * n + ["text"] * n, "ids": np.tile(shelf.ids, 3),
            "settings": {"neighbours": neighbours, "min_dist": spread, "metric": "cosine", "seed": seed},
            "note": "Separate clouds per modality are the known modality gap; they say nothing for or against "
                    "alignment."}
