"""A first check of any data set with conditions: decode them, leaving one run out, beside a permutation baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainview.core.errors import MismatchError, MissingError
from brainview.core.jobs import QUIET, JobContext


@dataclass(frozen=True, eq=False)
class Decoding:
    """Accuracy of a cross-validated classifier and what it is under shuffled labels.

    Parameters
    ----------
    accuracy : float
        Share of held-out rows that are right; mean over folds.
    folds : (groups,) float64
    chance : float
        1 / number of classes.
    permuted : (permutations,) float64
        Accuracies with labels shuffled within each group.
    """

    accuracy: float
    folds: np.ndarray
    chance: float
    permuted: np.ndarray

    @property
    def p(self) -> float:
        """Share of permutations at least as good, counting the true one (Phipson & Smyth 2010)."""
        return float((1 + (self.permuted >= self.accuracy).sum()) / (1 + self.permuted.size))


def decode(responses: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, C: float = 0.01, permutations: int = 0,
           seed: int = 0, context: JobContext = QUIET) -> Decoding:
    """Classify rows by multinomial logistic regression, leaving one group (run) out at a time.

    Parameters
    ----------
    responses : (n, locations) array, NaN-free
    labels, groups : (n,) arrays
        Condition and run of each row.
    C : float
        Inverse strength of the ridge penalty.
    permutations : int
        Runs of the same procedure with labels shuffled within each group.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import LeaveOneGroupOut, cross_val_score

    labels, groups = np.asarray(labels), np.asarray(groups)
    if not len(responses) == labels.size == groups.size:
        raise MismatchError(f"there are {len(responses)} rows, {labels.size} labels and {groups.size} groups")
    if not np.isfinite(responses).all():
        raise MismatchError("the responses hold NaN", remedy="Leave out locations without data first.")
    classes = np.unique(labels)
    if classes.size < 2 or np.unique(groups).size < 2:
        raise MissingError("decoding needs at least two classes and two groups")
    rng = np.random.default_rng(seed)

    def score(targets: np.ndarray) -> np.ndarray:
        return cross_val_score(LogisticRegression(C=C, max_iter=1000), responses, targets, groups=groups,
                               cv=LeaveOneGroupOut())

    folds = score(labels)
    permuted = np.empty(permutations)
    for i in range(permutations):
        context.report(i, permutations, "permutations")
        shuffled = labels.copy()
        for group in np.unique(groups):
            here = groups == group
            shuffled[here] = rng.permutation(labels[here])
        permuted[i] = score(shuffled).mean()
    return Decoding(float(folds.mean()), folds, 1 / classes.size, permuted)
