"""The penalties tried: multiples of the mean eigenvalue, growing for targets that sit on an edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainview.core.errors import MismatchError

#: Default multiples of the mean eigenvalue: 1e-4 .. 1e4, four per decade.
RELATIVE = np.logspace(-4, 4, 33)
#: How many decades the grid may grow below and above; further up all predictions are 0 to float32.
GROWTH_BELOW, GROWTH_ABOVE = 4, 2
#: Share of targets on an edge of the grown grid above which a fit warns.
EDGE_SHARE = 0.01


@dataclass(frozen=True, eq=False)
class AlphaGrid:
    """A grid of penalties and its extensions.

    A fixed grid is a trap: with a grid that ends too low every target sits silently at the border (bbuchsbaum/rMVPA
    issue 87). So penalties scale with the features, and a target whose best penalty is the first or last one is
    tried again on the extension of that side.

    Parameters
    ----------
    base : (A,) float64 ascending, penalties > 0
    grow : bool
        Whether targets on an edge are tried on `below` / `above`.
    """

    base: np.ndarray
    grow: bool = True

    @staticmethod
    def of(eigenvalues: np.ndarray, n_features: int, *, alphas: object = None, relative: object = None,
           grow: bool = True) -> AlphaGrid:
        """Build a grid from absolute `alphas`, or from multiples (`relative`) of the mean eigenvalue over features."""
        if alphas is not None and relative is not None:
            raise MismatchError("alphas and relative alphas exclude each other; give one of them")
        if alphas is not None:
            grid = np.asarray(alphas, np.float64).reshape(-1)
        else:
            mean = float(np.sum(eigenvalues)) / max(n_features, 1)
            multiples = RELATIVE if relative is None else np.asarray(relative, np.float64).reshape(-1)
            grid = multiples * (mean if mean > 0 else 1.0)
        if grid.size == 0 or not np.isfinite(grid).all() or (grid <= 0).any():
            raise MismatchError("penalties must be finite and > 0", where="alphas")
        return AlphaGrid(np.unique(grid), grow)

    @property
    def below(self) -> np.ndarray:
        """Ascending penalties under the grid, one per decade."""
        return self.base[0] * 10.0 ** -np.arange(GROWTH_BELOW, 0, -1) if self.grow else np.zeros(0)

    @property
    def above(self) -> np.ndarray:
        """Ascending penalties over the grid, one per decade."""
        return self.base[-1] * 10.0 ** np.arange(1, GROWTH_ABOVE + 1) if self.grow else np.zeros(0)

    @property
    def whole(self) -> np.ndarray:
        """The grid with its extensions, ascending."""
        return np.concatenate([self.below, self.base, self.above])

    def edges(self, chosen: np.ndarray, good: np.ndarray) -> tuple[dict[str, float], list[str]]:
        """Return the share of good targets at the lowest and highest penalty that was open to them, and warnings."""
        count = max(int(good.sum()), 1)
        low, high = self.whole[0], self.whole[-1]
        shares = {"low": float((chosen[good] <= low * 1.000001).sum() / count),
                  "high": float((chosen[good] >= high * 0.999999).sum() / count),
                  "grown": float(((chosen[good] < self.base[0] * 0.999999)
                                  | (chosen[good] > self.base[-1] * 1.000001)).sum() / count)}
        words = []
        if shares["low"] > EDGE_SHARE:
            words.append(f"{shares['low']:.1%} of the targets chose the smallest penalty tried ({low:.3g}); "
                         "a wider grid would fit them better")
        if shares["high"] > EDGE_SHARE:
            words.append(f"{shares['high']:.1%} of the targets chose the largest penalty tried ({high:.3g}): "
                         "either they carry no signal that these features predict, or the grid ends too low")
        return shares, words
