"""How fast and how exact volume to surface is, beside nilearn in the same process; for ``brainview benchmark``."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from brainview.core.jobs import QUIET, JobContext
from brainview.maps.brainmap import BrainMap
from brainview.maps.convert import convert
from brainview.maps.sampling import Sampling
from brainview.maps.space import mni_space, surface_space
from brainview.maps.volumes import mni_mask

#: Repetitions of the fast and of the slow side.
FAST, SLOW = 30, 5


def run(context: JobContext = QUIET) -> dict[str, Any]:
    """Measure MNI152 2 mm to fsaverage5, both hemispheres, against ``nilearn.surface.vol_to_surf``.

    Returns
    -------
    dict
        ``rows``: one per case with CPU seconds of a map (median), their ratio, and the largest difference; ``cases``
        are a whole volume and one with NaN outside the brain, sampled between pial and white (nilearn's default with
        an inner mesh) and along the normal. First-time costs (building, loading from the disk cache) are apart.

    Notes
    -----
    Worker only: imports nilearn. CPU time, not wall time, so that a busy machine distorts less.
    """
    rows = []
    cases = [(kind, holes) for kind in ("depth", "line") for holes in (False, True)]
    for i, (kind, holes) in enumerate(cases):
        context.report(i, len(cases), f"volume to surface, {kind}{', NaN outside the brain' if holes else ''}")
        rows.append(_case(kind, holes))
    context.report(len(cases), len(cases), "done")
    return {"title": "MNI152 2 mm to fsaverage5, one map, both hemispheres, CPU seconds",
            "peer": "nilearn.surface.vol_to_surf", "rows": rows, "smallest_ratio": min(r["ratio"] for r in rows),
            "largest_difference": max(r["difference"] for r in rows)}


def smooth_volume(seed: int = 0) -> np.ndarray:
    """Return a smooth random (91, 109, 91) float32 volume of variance 1."""
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(np.random.default_rng(seed).standard_normal(mni_space(2).shape), 2.0)
    return (field / field.std()).astype(np.float32)


def _case(kind: str, holes: bool) -> dict[str, Any]:
    import nibabel as nib
    from nilearn.datasets import fetch_surf_fsaverage
    from nilearn.surface import vol_to_surf

    volume, target = mni_space(2), surface_space("fsaverage5")
    data = smooth_volume()
    if holes:
        data = np.where(mni_mask(2), data, np.float32(np.nan))
    image, files = nib.Nifti1Image(data, volume.affine), fetch_surf_fsaverage("fsaverage5")

    def theirs() -> np.ndarray:
        inner = {s: {"inner_mesh": files[f"white_{s}"]} if kind == "depth" else {} for s in ("left", "right")}
        return np.concatenate([vol_to_surf(image, files[f"pial_{s}"], **inner[s]) for s in ("left", "right")])

    brain = BrainMap(data.ravel(), volume, "benchmark")
    sampling = Sampling(kind=kind, align="nilearn")  # type: ignore[arg-type]
    start = time.process_time()
    ours = convert(brain, target, sampling=sampling).values
    first = time.process_time() - start
    fast = _median(lambda: convert(brain, target, sampling=sampling), FAST)
    expected = theirs()
    slow = _median(theirs, SLOW)
    same = bool(np.array_equal(np.isnan(ours), np.isnan(expected)))
    return {"sampling": kind, "nan_outside_brain": holes, "brainview": fast, "nilearn": slow, "ratio": slow / fast,
            "first_call": first, "same_nan": same, "difference": float(np.nanmax(np.abs(ours - expected)))}


def _median(function: Any, times: int) -> float:
    spent = []
    for _ in range(times):
        start = time.process_time()
        function()
        spent.append(time.process_time() - start)
    return float(np.median(spent))
