"""Who is found: retrieval between brains, images and texts, with its chance, interval and controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainview.core.errors import MismatchError

DIRECTIONS = {"brain→image": ("brain", "image"), "image→brain": ("image", "brain"),
              "brain→text": ("brain", "text"), "text→brain": ("text", "brain")}


@dataclass(frozen=True)
class RetrievalScore:
    """Recall in one direction.

    Parameters
    ----------
    direction : str
    recall : dict of int to float
        R@k as a fraction.
    interval : dict of int to (float, float)
        Bootstrap 95 % interval over queries.
    chance : dict of int to float
        k / gallery size.
    gallery, queries : int
    protocol : str
        How the gallery was made.
    """

    direction: str
    recall: dict[int, float]
    interval: dict[int, tuple[float, float]]
    chance: dict[int, float]
    gallery: int
    queries: int
    protocol: str

    def row(self) -> dict[str, Any]:
        """Return plain JSON types for a table."""
        out: dict[str, Any] = {"direction": self.direction, "gallery": self.gallery, "queries": self.queries,
                               "protocol": self.protocol}
        for k, value in self.recall.items():
            out |= {f"R@{k}": value, f"R@{k} low": self.interval[k][0], f"R@{k} high": self.interval[k][1],
                    f"R@{k} chance": self.chance[k]}
        return out


def ranks(query: np.ndarray, gallery: np.ndarray, *, rows: int = 1024) -> np.ndarray:
    """Return (n,) int64 rank (0 = found first) of gallery row i for query row i; ties are broken pessimistically.

    query (n, d), gallery (m >= n, d): unit vectors, row i of both belong together. Cost: one n x m x d multiply.
    """
    if query.shape[1] != gallery.shape[1] or len(query) > len(gallery):
        raise MismatchError(f"queries {query.shape} and gallery {gallery.shape} do not fit")
    out = np.empty(len(query), np.int64)
    for start in range(0, len(query), rows):
        block = query[start:start + rows] @ gallery.T
        own = block[np.arange(len(block)), start + np.arange(len(block))]
        out[start:start + rows] = (block >= own[:, None]).sum(1) - 1
    return out


def nearest(query: np.ndarray, gallery: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ((m, k) gallery rows, (m, k) cosines) of the k best for each query, best first.

    query (m, d), gallery (n >= k, d): float32 unit vectors. One multiply and a partial sort: a query among 100,000
    vectors of 1,024 costs about one pass over the gallery.
    """
    if query.ndim != 2 or query.shape[1:] != gallery.shape[1:] or not 1 <= k <= len(gallery):
        raise MismatchError(f"{k} nearest of queries {query.shape} in a gallery {gallery.shape} cannot be")
    likeness = query @ gallery.T
    found = np.argpartition(likeness, len(gallery) - k, axis=1)[:, -k:]
    values = np.take_along_axis(likeness, found, 1)
    order = np.lexsort((found, -values), axis=1)  # equal ones in the order of the gallery
    return np.take_along_axis(found, order, 1), np.take_along_axis(values, order, 1)


def similarity_order(matrix: np.ndarray) -> np.ndarray:
    """Return (n,) order that puts alike items of a cosine matrix beside each other (average linkage, best leaves)."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(matrix) < 3:
        return np.arange(len(matrix))
    apart = np.clip(1 - (matrix + matrix.T) / 2, 0, None).astype(np.float64)
    np.fill_diagonal(apart, 0)
    return leaves_list(linkage(squareform(apart, checks=False), "average", optimal_ordering=len(matrix) <= 1000))


def score_ranks(found: np.ndarray, gallery: int, direction: str, protocol: str, *, ks: tuple[int, ...] = (1, 5, 10),
                draws: int = 1000, seed: int = 0) -> RetrievalScore:
    """Return recalls of (n,) ranks with a bootstrap interval over queries."""
    picks = np.random.default_rng(seed).integers(0, len(found), (draws, len(found)))
    hits = {k: (found < k).astype(np.float32) for k in ks}
    interval = {k: tuple(float(v) for v in np.percentile(h[picks].mean(1), [2.5, 97.5])) for k, h in hits.items()}
    return RetrievalScore(direction, {k: float(h.mean()) for k, h in hits.items()}, interval,  # type: ignore[arg-type]
                          {k: min(1.0, k / gallery) for k in ks}, gallery, len(found), protocol)


def retrieval_table(brain: np.ndarray, image: np.ndarray | None, text: np.ndarray | None, *,
                    sub_gallery: int | Sequence[int] | None = None, sub_draws: int = 30,
                    seed: int = 0) -> list[RetrievalScore]:
    """Return recall in the four directions over the full set and, if asked, over repeated draws of sub-galleries.

    Parameters
    ----------
    brain, image, text : (n, d) unit vectors, rows belong together; one of image and text may be None
    sub_gallery : int or several, optional
        Gallery sizes of the repeated-draw protocol (MindEye: 300, 30 draws); those as large as the set are left out.
    """
    spaces = {"brain": brain, "image": image, "text": text}
    sizes = [] if sub_gallery is None else [sub_gallery] if isinstance(sub_gallery, int) else list(sub_gallery)
    rows = []
    for direction, (source, target) in DIRECTIONS.items():
        q, g = spaces[source], spaces[target]
        if q is None or g is None:
            continue
        rows.append(score_ranks(ranks(q, g), len(g), direction, f"all {len(g)} test items", seed=seed))
        for size in sizes:
            if 0 < size < len(g):
                rng = np.random.default_rng(seed)
                found = [ranks(q[pick], g[pick]) for pick in
                         (rng.choice(len(g), size, replace=False) for _ in range(sub_draws))]
                rows.append(score_ranks(np.concatenate(found), size, direction, f"{sub_draws} draws of {size}",
                                        seed=seed))
    return rows


def shuffled(brain: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Return the brains with every row moved to another place (a derangement): the control for any score."""
    n = len(brain)
    order = np.random.default_rng(seed).permutation(n)
    out = np.empty_like(brain)
    out[order] = brain[np.roll(order, 1)]
    return out
