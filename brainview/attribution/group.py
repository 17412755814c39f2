"""Maps over many stimuli: means, t-maps with FDR, permutation (maximum statistic) and cluster correction (nilearn).

Statistics are done on tokens, the finest thing measured, and on each map's shares (scores over their sum), so that a
stimulus with many bits does not outweigh the others. A category is compared with all other stimuli; all stimuli
together with an even spread over tokens (sign flips).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainview.alignment.patches import PatchGrid
from brainview.core.errors import MissingError
from brainview.core.jobs import QUIET, JobContext

#: The group of all stimuli.
ALL = "all stimuli"
ALPHA = 0.05
#: Clusters are face-to-face tokens beyond this p (two-sided), compared in mass with the largest of each permutation.
FORMING = 0.01
CORRECTIONS = {"fdr": "FDR 5 %", "cluster": "Clusters 5 %", "max": "Every token 5 %", "none": "All"}
#: The fewest stimuli of a group.
LEAST = 5


@dataclass(frozen=True, eq=False)
class GroupMap:
    """One group.

    Parameters
    ----------
    mean : (n_tokens,) float32, mean score of the group
    t : (n_tokens,) float32
    p_corrected : (n_tokens,) float32
        Family-wise corrected over tokens by permutation, two-sided.
    fdr : (n_tokens,) bool
        Tokens that pass a false discovery rate of 5 %.
    p_cluster : (n_tokens,) float32
        Family-wise corrected p of the mass of the cluster that a token is in; 1 outside of clusters, and without a
        grid.
    n, rest : int
        Stimuli in the group, and those compared with (0 for all stimuli).
    permutations : int
    """

    mean: np.ndarray
    t: np.ndarray
    p_corrected: np.ndarray
    fdr: np.ndarray
    p_cluster: np.ndarray
    n: int
    rest: int
    permutations: int

    def passes(self, correction: str) -> np.ndarray:
        """Return (n_tokens,) bool: tokens that pass one of `CORRECTIONS`."""
        return {"fdr": self.fdr, "cluster": self.p_cluster < ALPHA, "max": self.p_corrected < ALPHA,
                "none": np.ones_like(self.fdr)}[correction]

    def shown_t(self, correction: str = "fdr") -> np.ndarray:
        """Return (n_tokens,) t where a correction is passed, else 0."""
        return np.where(self.passes(correction), self.t, 0).astype(np.float32)

    def words(self, name: str) -> str:
        """Return what the maps are, in words."""
        against = f"against {self.rest} others" if self.rest else "against an even spread"
        return (f"Mean and t over {self.n} stimuli ({name}) {against}, on each map's shares. Of {self.t.size} tokens "
                f"{int(self.fdr.sum())} pass FDR 5 %, {int(self.passes('cluster').sum())} lie in clusters that pass "
                f"5 % family-wise (mass of tokens beyond p {FORMING:g}), {int(self.passes('max').sum())} pass 5 % "
                f"family-wise alone (maximum statistic; {self.permutations:,} permutations).")


def group_map(scores: np.ndarray, member: np.ndarray, grid: PatchGrid | None = None, *, permutations: int = 1000,
              seed: int = 0, context: JobContext = QUIET) -> GroupMap:
    """Return the maps of a group.

    Parameters
    ----------
    scores : (n, n_tokens) float32
    member : (n,) bool
        Which stimuli; all True = the group of all.
    grid : PatchGrid, optional
        Where the tokens lie, for clusters.
    permutations, seed : int

    Raises
    ------
    MissingError
        Fewer than 5 stimuli in the group, or in the rest.
    """
    from nilearn.glm import fdr_threshold
    from nilearn.mass_univariate import permuted_ols
    from scipy import stats

    n, rest = int(member.sum()), int((~member).sum())
    if n < LEAST or (rest and rest < LEAST):
        raise MissingError(f"a group map needs at least {LEAST} stimuli in the group and outside, there are {n} and "
                           f"{rest}", remedy="Attribute more stimuli, or take all.")
    context.report(0, 1, f"{permutations} permutations")
    total = np.abs(scores).sum(1, keepdims=True)
    shares = scores / np.where(total > 0, total, 1)
    if rest:
        tested, values, freedom = member.astype(float)[:, None], shares, len(member) - 2
    else:
        tested, values, freedom = np.ones((n, 1)), shares - 1 / scores.shape[1], n - 1
    clustered = {} if grid is None else {"masker": _masker(grid), "threshold": FORMING}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Data array used to create a new image")  # its labels of clusters
        found: dict[str, Any] = permuted_ols(tested, values, model_intercept=bool(rest), n_perm=permutations,
                                             two_sided_test=True, random_state=seed, output_type="dict", n_jobs=1,
                                             **clustered)
    t = np.nan_to_num(np.asarray(found["t"])[0])
    z = stats.norm.isf(np.clip(stats.t.sf(np.abs(t), freedom), 1e-300, 0.5))
    # fdr_threshold is one-sided, so half the rate for both signs together
    passes = z >= fdr_threshold(z, ALPHA / 2)
    context.report(1, 1, "done")
    clusters = np.ones(t.size) if grid is None else 10.0 ** -np.nan_to_num(np.asarray(found["logp_max_mass"])[0])
    return GroupMap(scores[member].mean(0).astype(np.float32), t.astype(np.float32),
                    (10.0 ** -np.asarray(found["logp_max_t"])[0]).astype(np.float32), passes,
                    clusters.astype(np.float32), n, rest, permutations)


def _masker(grid: PatchGrid) -> Any:
    """Return nilearn's masker of the grid of tokens: one voxel per token."""
    from nibabel.nifti1 import Nifti1Image
    from nilearn.maskers import NiftiMasker

    kept = np.zeros(int(np.prod(grid.grid)), np.int8)
    kept[grid.kept] = 1
    return NiftiMasker(Nifti1Image(kept.reshape(grid.grid), np.diag([float(grid.patch)] * 3 + [1.0]))).fit()
