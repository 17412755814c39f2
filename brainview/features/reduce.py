"""From (n, tokens, width) to the columns of a regression: flattened, projected, reduced by PCA on training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg

from brainview.core.errors import MismatchError
from brainview.core.jobs import QUIET, JobContext

#: Flattened features above this many columns are first multiplied with a random matrix to this many.
PROJECTED = 4096


@dataclass(frozen=True, eq=False)
class Reduction:
    """A linear map from flattened features to columns, fitted on training rows only.

    Parameters
    ----------
    mean, scale : (f,) float32
        Of every flattened feature over the training rows.
    seed : int, optional
        Of the Gaussian projection to PROJECTED columns; None = no projection.
    basis : (f or PROJECTED, c) float32, optional
        Principal axes; None = all columns are kept.
    settings : dict
        What is recorded in the card.
    """

    mean: np.ndarray
    scale: np.ndarray
    seed: int | None
    basis: np.ndarray | None
    settings: dict[str, Any]

    def apply(self, features: np.ndarray, *, rows_at_once: int = 512, context: JobContext = QUIET) -> np.ndarray:
        """Return (n, c) float32 columns of (n, tokens, width) features."""
        return np.concatenate([self._axes(_project(self._standard(features[a:a + rows_at_once]), self.seed))
                               for a in _steps(len(features), rows_at_once, context)])

    def _standard(self, block: np.ndarray) -> np.ndarray:
        flat = np.asarray(block, np.float32).reshape(len(block), -1)
        if flat.shape[1] != self.mean.size:
            raise MismatchError(f"have {flat.shape[1]} columns, {self.mean.size} were expected", where="features")
        return (flat - self.mean) / self.scale

    def _axes(self, block: np.ndarray) -> np.ndarray:
        return block if self.basis is None else block @ self.basis

    def tensors(self) -> dict[str, np.ndarray]:
        """Return what a checkpoint must hold."""
        out = {"reduce/mean": self.mean, "reduce/scale": self.scale}
        return out if self.basis is None else {**out, "reduce/basis": self.basis}

    @staticmethod
    def of(tensors: dict[str, np.ndarray], settings: dict[str, Any]) -> Reduction:
        """Rebuild from a checkpoint."""
        return Reduction(tensors["reduce/mean"], tensors["reduce/scale"], settings.get("projection_seed"),
                         tensors.get("reduce/basis"), settings)


def fit_reduction(features: np.ndarray, *, components: int | None = 1000, seed: int = 0, rows_at_once: int = 256,
                  context: JobContext = QUIET) -> Reduction:
    """Fit the reduction on (n, tokens, width) training features (memory-mapped or not), in passes over row blocks.

    Every flattened feature is brought to mean 0 and s.d. 1; above PROJECTED columns a seeded Gaussian projection keeps
    distances (Johnson and Lindenstrauss 1984); PCA then keeps `components` columns when there are more. Neither sees
    any row but the training ones. None = no PCA.
    """
    n, width = len(features), int(np.prod(features.shape[1:]))
    total, square = np.zeros(width), np.zeros(width)
    for a in _steps(n, rows_at_once, context):
        block = np.asarray(features[a:a + rows_at_once], np.float64).reshape(-1, width)
        total += block.sum(0)
        square += np.square(block).sum(0)
    mean = total / n
    sd = np.sqrt(np.maximum(square / n - mean**2, 0))
    scale = np.where(sd > 1e-6 * max(float(sd.max(initial=0.0)), 1e-30), sd, 1.0)
    projection = seed if width > PROJECTED else None
    settings: dict[str, Any] = {"flattened": width, "standardized": True, "projection_seed": projection,
                                "projected": PROJECTED if projection is not None else None, "components": None}
    plain = Reduction(mean.astype(np.float32), scale.astype(np.float32), projection, None, settings)
    columns = min(width, PROJECTED)
    if components is None or min(columns, n) <= components:
        return plain
    gram = np.zeros((columns, columns))
    for a in _steps(n, rows_at_once, context):
        block = plain.apply(features[a:a + rows_at_once])
        gram += block.T @ block
    kept = int(components)
    values, vectors = scipy.linalg.eigh(gram, subset_by_index=(columns - kept, columns - 1))
    settings |= {"components": kept, "variance_kept": float(values.sum() / np.trace(gram))}
    return Reduction(plain.mean, plain.scale, projection, vectors[:, ::-1].astype(np.float32), settings)


def _steps(n: int, step: int, context: JobContext) -> range:
    context.check()
    return range(0, n, step)


def _project(block: np.ndarray, seed: int | None) -> np.ndarray:
    """Return (m, PROJECTED) the block times a seeded Gaussian matrix, made in slices so that it is never whole."""
    if seed is None:
        return block
    out = np.zeros((len(block), PROJECTED), np.float32)
    for number, a in enumerate(range(0, block.shape[1], 4096)):
        part = block[:, a:a + 4096]
        draw = np.random.default_rng([seed, number]).standard_normal((part.shape[1], PROJECTED), dtype=np.float32)
        out += part @ draw
    return out / np.float32(np.sqrt(PROJECTED))
