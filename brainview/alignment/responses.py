"""Where the brain answers at all: high-response locations per subject and their union (Figs. 1-2 of the paper).

The paper does not say how they were chosen. Ours: the root mean square, over stimuli, of a location's z-scored response
averaged over repetitions; noise averages out, answers stay. The largest `share` of each subject's locations are high.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brainview.alignment.brains import load_brains, mni_subject
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.datasets.registry import open_dataset
from brainview.maps.brainmap import BrainMap
from brainview.maps.convert import convert
from brainview.maps.space import MaskedSpace, mni_space, surface_space


@dataclass(frozen=True, eq=False)
class HighResponses:
    """0/1 maps per subject on a cortical mesh, in how many subjects a vertex is high, and whether it is a phantom."""

    maps: dict[str, BrainMap]
    union: BrainMap
    share: float
    phantom: bool


def high_responses(path: str | os.PathLike, *, subjects: Sequence[str] | None = None, share: float = 0.1,
                   mesh: str = "fsaverage5", context: JobContext = QUIET) -> HighResponses:
    """Return the high-response locations; the volume is sampled on the mesh before the threshold.

    Stimuli seen the most often are used, so that every subject's average has as little noise as there is.
    """
    dataset = open_dataset(path)
    names = list(subjects or dataset.subjects)
    space = surface_space(mesh)
    maps: dict[str, BrainMap] = {}
    counts = np.zeros(space.size, np.float32)
    for number, name in enumerate(names):
        stage = Stage(context, number / len(names), (number + 1) / len(names), name)
        brains = load_brains(mni_subject(dataset, name), context=stage)
        ids, seen = np.unique(brains.subject.trials.stimulus, return_counts=True)
        mean = brains.mean(ids[seen == seen.max()], context=stage)
        strength = np.sqrt(np.square(mean).mean(0))
        whole = mni_space(2)
        index = np.flatnonzero(brains.mask)[brains.inside]
        drawn = convert(BrainMap(strength, MaskedSpace(f"{whole.name}:{name}", whole, index), name="response"), space)
        values = np.nan_to_num(np.asarray(drawn.values, np.float32))
        cut = np.quantile(values[values > 0], 1 - share)
        high = (values >= cut).astype(np.float32)
        counts += high
        maps[name] = BrainMap(high, space, name=f"high responses of {name}", units="", limits=(0.0, 1.0))
    union = BrainMap(counts, space, name="subjects with a high response", units="subjects",
                     limits=(0.0, float(len(names))))
    return HighResponses(maps, union, share, bool(dataset.phantom))
