"""Answers of the fake engine for the retrieval page: forty test stimuli; the brain at 345 finds another first."""

from __future__ import annotations

from typing import Any

import numpy as np

from brainview.core.errors import MissingError

TEST = np.arange(340, 380)
DIRECTIONS = ("brain→image", "image→brain", "brain→text", "text→brain")


def present_aligned(run: str) -> dict[str, Any]:
    """Return an alignment run."""
    return {"run": run, "card": {"system": "ridge-clip", "feature_label": "phantom-clip, captions: detailed"},
            "phantom": True, "subjects": ["subj01", "subj02"], "notes": ["No text was cut."],
            "test": {"subj01": TEST.tolist(), "subj02": TEST.tolist()}}


def retrieve(run: str, gallery: int) -> dict[str, Any]:
    """Return scores of two subjects under two protocols, with the shuffled brain."""
    rows = []
    for shuffled in (False, True):
        for protocol, size in (("all 40 test items", 40), ("30 draws of 20", 20)):
            for number, direction in enumerate(DIRECTIONS):
                row: dict[str, Any] = {"direction": direction, "gallery": size, "queries": 40, "protocol": protocol,
                                       "shuffled": shuffled}
                for k in (1, 5, 10):
                    value = k / size if shuffled else min(1.0, (0.14 + 0.02 * number) * k ** 0.7 * 40 / size)
                    row |= {f"R@{k}": value, f"R@{k} low": value * 0.7, f"R@{k} high": min(1, value * 1.3),
                            f"R@{k} chance": k / size}
                rows.append(row)
    return {"run": run, "subjects": {s: {"rows": rows, "images": 40, "metrics": {}} for s in ("subj01", "subj02")}}


def _hits(own: int | None, first: int, text: str) -> list[dict[str, Any]]:
    order = [first, *(int(i) for i in TEST if i != first)][:12]
    out = [{"rank": k, "stimulus": s, "similarity": 0.6 - 0.04 * k, "own": s == own, "text": f"{text} number {s}"}
           for k, s in enumerate(order, start=1)]
    if own is not None and own not in order:
        out.append({"rank": 31, "stimulus": own, "similarity": 0.02, "own": True, "text": f"{text} number {own}"})
    return out


def rank(run: str, subject: str, stimulus: int, top: int) -> dict[str, Any]:
    """Return rankings; 345 is found second."""
    if stimulus not in TEST:
        raise MissingError(f"stimulus {stimulus} is not among the 40 test stimuli of {subject}", where=run)
    first = 350 if stimulus == 345 else stimulus
    images, texts = _hits(stimulus, first, "a long caption of a scene with two people and a dog on a sofa"), \
        _hits(stimulus, stimulus, "words")
    place = next(h["rank"] for h in images if h["own"])
    return {"images": images, "texts": texts, "image_rank": place, "text_rank": 1, "gallery": 40, "chance": 1 / 40}


def rank_brains(run: str, subject: str, top: int, stimulus: int | None = None, text: str | None = None,
                kind: str = "image") -> dict[str, Any]:
    """Return brains."""
    brains = _hits(stimulus, 360, "what it saw")
    own = next((h["rank"] for h in brains if h["own"]), None)
    query = {"stimulus": stimulus, "text": text, "cut": bool(text and len(text) > 60), "context": 77,
             "unknown_tokens": 1 if text and "zzyzx" in text else 0}
    return {"brains": brains, "brain_rank": own, "gallery": 40, "query": query, "kind": kind}


def similarity(run: str, subject: str) -> dict[str, Any]:
    """Return matrices with a bright diagonal."""
    rng = np.random.default_rng(1)
    n = len(TEST)
    names = ("brain–brain", "image–image", "text–text", "brain–image", "brain–text", "image–text")
    blocks = 0.4 * (np.add.outer(np.arange(n) // 8, -(np.arange(n) // 8)) == 0)
    order = rng.permutation(n)
    back = np.argsort(order)
    matrices = {k: (blocks + 0.6 * np.eye(n) + rng.normal(0, 0.05, (n, n)))[np.ix_(back, back)].astype(np.float32)
                for k in names}
    return {"ids": TEST, "order": order, "matrices": matrices, "what": "cosine of embeddings",
            "numbers": [{"pair": "brain–image", "matched_cosine": 0.61, "unmatched_cosine": 0.08, "R@1": 0.14}],
            "rsa": [{"pair": "brain–image", "spearman": 0.33, "p": 0.001, "permutations": 1000}]}


def umap(run: str, subject: str) -> dict[str, Any]:
    """Return three clouds."""
    rng = np.random.default_rng(2)
    n = len(TEST)
    plan = rng.normal(size=(3 * n, 2)) + np.repeat([[0, 0], [6, 1], [2, 6]], n, 0)
    return {"points": plan.astype(np.float32), "modality": ["brain"] * n + ["image"] * n + ["text"] * n,
            "ids": np.tile(TEST, 3), "settings": {"seed": 0}, "note": "Separate clouds are the modality gap."}


ANSWERS = {
    "brainview.alignment.jobs:retrieve": retrieve,
    "brainview.alignment.jobs:curves": lambda run: {
        s: {d: np.minimum(1, (np.arange(1, 41) / 40) ** power) for d in DIRECTIONS}
        for s, power in (("subj01", 0.4), ("subj02", 0.6))},
    "brainview.alignment.jobs:rank": rank,
    "brainview.alignment.jobs:rank_brains": rank_brains,
    "brainview.alignment.jobs:similarity": similarity,
    "brainview.alignment.jobs:umap": umap,
}


def predict_picture(response: Any, image: Any, subject: str, minus: Any) -> dict[str, Any]:
    """Return a predicted map: of the 7th or of the picture's own number."""
    def number(picture: Any) -> int:
        return len(picture) % 9 if isinstance(picture, str) else int(np.asarray(picture).sum()) % 9

    drawn = response("subj01", number(image))
    if minus is not None:
        drawn = drawn.minus(response("subj01", number(minus)), "difference")
    small = np.full((8, 8, 3), 200, np.uint8)
    return {"predicted": drawn.having(name=f"Predicted response · {subject}"), "image": small, "minus": None,
            "note": f"Predicted for {subject}. Nothing was measured for this picture."}
