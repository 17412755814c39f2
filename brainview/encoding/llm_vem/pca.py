"""Principal components of all subjects' responses together, without ever holding them.

The original (scripts/fit_group_pca.py of childmindresearch/algonauts23) stacks 63,824 x 39,548 responses, 10 GB, and
calls a randomised PCA. Here rows pass in blocks. Up to :data:`EXACT` locations the covariance is exact; above that a
randomised range finder with power iterations (Halko, Martinsson and Tropp 2011, algorithm 4.4, on the covariance) keeps
two (V, l) matrices only: 2 x 39,548 x 2,148 x 4 B = 0.68 GB at Algonauts size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from brainview.core.errors import MismatchError
from brainview.core.jobs import QUIET, JobContext

#: Locations up to which the covariance itself is decomposed (float64: 6,000^2 x 8 B = 0.29 GB).
EXACT = 6000
#: Extra directions of the range finder.
OVERSAMPLE = 100

#: Gives, each time it is called, all rows anew: (values (m, V) float32, known (m, V) or (V,) bool or None = all).
Blocks = Callable[[], Iterator[tuple[np.ndarray, np.ndarray | None]]]


@dataclass(frozen=True, eq=False)
class Components:
    """A fitted basis.

    Parameters
    ----------
    mean : (V,) float32
    basis : (V, k) float32
        Orthonormal columns by falling variance.
    variance : (k,) float64
        Variance along each.
    total : float
        Variance of the data, all directions.
    rows : int
    method : str
        ``exact`` or ``randomised``.
    """

    mean: np.ndarray
    basis: np.ndarray
    variance: np.ndarray
    total: float
    rows: int
    method: str

    @property
    def explained(self) -> float:
        """Share of the variance that the basis holds, on the rows it was fitted on."""
        return float(self.variance.sum() / self.total) if self.total > 0 else 0.0

    def reconstruct(self, rows: np.ndarray) -> np.ndarray:
        """Return (n, V) the projection of rows on the basis."""
        return self.mean + ((rows - self.mean) @ self.basis) @ self.basis.T


def fit_components(blocks: Blocks, size: int, components: int, *, masked: bool = True, passes: int = 3, seed: int = 0,
                   exact: int = EXACT, context: JobContext = QUIET) -> Components:
    """Return up to `components` principal components of rows that come in blocks.

    Parameters
    ----------
    blocks : callable
        See :data:`Blocks`; called once for the mean and once per pass.
    size : int
        V.
    masked : bool
        Take the mean over the rows that know a location, and let unknown values be that mean. False puts 0 in their
        place before the mean is taken, as the original does.
    passes : int
        Power iterations of the randomised method.

    Raises
    ------
    MismatchError
        Fewer than two rows, or blocks of another width.
    """
    mean, rows = _mean(blocks, size, masked, context)
    kept = min(components, rows - 1, size)
    if rows < 2 or kept < 1:
        raise MismatchError(f"{rows} rows are too few for principal components", where="PCA")

    def centred() -> Iterator[np.ndarray]:
        done = 0
        for values, known in blocks():
            context.report(done, rows, "principal components")
            done += len(values)
            block = _filled(values, known) - mean
            if masked and known is not None:
                block = np.where(known, block, np.float32(0))
            yield block

    if size <= exact:
        return _exact(centred, mean, rows, kept)
    return _randomised(centred, mean, rows, kept, passes, seed)


def _mean(blocks: Blocks, size: int, masked: bool, context: JobContext) -> tuple[np.ndarray, int]:
    total, count, rows = np.zeros(size), np.zeros(size), 0
    for values, known in blocks():
        context.check()
        if values.shape[1] != size:
            raise MismatchError(f"has blocks of {values.shape[1]:,} locations, {size:,} were expected", where="PCA")
        rows += len(values)
        total += _filled(values, known).sum(0, dtype=np.float64)
        count += len(values) if known is None or not masked else np.broadcast_to(known, values.shape).sum(0)
    return (total / np.maximum(count, 1)).astype(np.float32), rows


def _filled(values: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    return values if known is None else np.where(known, values, np.float32(0))


def _exact(centred: Callable[[], Iterator[np.ndarray]], mean: np.ndarray, rows: int, kept: int) -> Components:
    size = mean.size
    covariance = np.zeros((size, size))
    for block in centred():
        wide = block.astype(np.float64)
        covariance += wide.T @ wide
    covariance /= rows - 1
    total = float(np.trace(covariance))
    values, vectors = scipy.linalg.eigh(covariance, subset_by_index=(size - kept, size - 1), overwrite_a=True)
    basis = np.ascontiguousarray(vectors[:, ::-1].astype(np.float32))
    return Components(mean, basis, np.maximum(values[::-1], 0), total, rows, "exact")


def _randomised(centred: Callable[[], Iterator[np.ndarray]], mean: np.ndarray, rows: int, kept: int, passes: int,
                seed: int) -> Components:
    width = min(kept + OVERSAMPLE, rows, mean.size)
    basis = np.random.default_rng(seed).standard_normal((mean.size, width), dtype=np.float32)
    total = 0.0
    for _ in range(max(1, passes)):
        image = np.zeros((mean.size, width), np.float32, order="F")
        total = 0.0
        for block in centred():
            total += float(np.einsum("ij,ij->", block, block, dtype=np.float64))
            image += block.T @ (block @ basis)
        del basis
        basis = scipy.linalg.qr(image, mode="economic", overwrite_a=True, check_finite=False)[0]
        del image
    small = np.zeros((width, width))
    for block in centred():
        part = block @ basis
        small += part.T @ part
    values, vectors = scipy.linalg.eigh(small / (rows - 1), subset_by_index=(width - kept, width - 1))
    turned = basis @ np.ascontiguousarray(vectors[:, ::-1]).astype(np.float32)
    return Components(mean, turned, np.maximum(values[::-1], 0), total / (rows - 1), rows, "randomised")


def peak_bytes(size: int, components: int, block_rows: int = 256) -> int:
    """Return the bytes that :func:`fit_components` needs beside its input, by arithmetic.

    Randomised: basis, image and the workspace of QR, (V, l) float32 each, and two blocks; exact: the covariance and its
    eigenvectors in float64.
    """
    width = min(components + OVERSAMPLE, size)
    if size <= EXACT:
        return 8 * size * (2 * size + components) + 3 * 8 * block_rows * size
    return 4 * size * 3 * width + 4 * 4 * block_rows * size + 3 * 8 * width * width
