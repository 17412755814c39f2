"""Which locations carry a signal, told better than by one location's own estimate.

ncsnr is estimated for each location by itself from a few repetitions, and where there is no signal the estimate is
above 0 half of the time. In a whole brain most locations have none: together they outweigh the few that do, and a
ridge on the whole brain retrieves worse than one on visual cortex (developers' page "phantom", 0.1). Reliability
varies smoothly over cortex, so neighbours tell of each other. Our own choice; nothing of the papers.
"""

from __future__ import annotations

import numpy as np

#: Full width at half maximum of the Gaussian that ncsnr^2 is averaged with (mm).
FWHM_MM = 6.0
#: Times the median over the brain that is taken off: most of a brain is not driven by pictures.
FLOORS = 2.0


def denoised_reliability(ncsnr: np.ndarray, place: np.ndarray, shape: tuple[int, int, int], *, voxel_mm: float = 2.0,
                         fwhm_mm: float = FWHM_MM, floors: float = FLOORS) -> np.ndarray:
    """Return (k,) float32 shares of variance q^2 / (1 + q^2), q^2 averaged over neighbours and without its floor.

    Parameters
    ----------
    ncsnr : (k,)
        Of the whole brain, not of a region: the floor is a median over locations of which most have no signal.
    place : (k,) int64
        Where they lie in the volume (C order).
    shape : sizes of the volume
    """
    from scipy.ndimage import gaussian_filter

    volume, known = np.zeros((2, int(np.prod(shape))), np.float32)
    volume[place] = np.square(np.nan_to_num(ncsnr))
    known[place] = 1
    width = fwhm_mm / voxel_mm / 2.3548
    sums, weights = (gaussian_filter(v.reshape(shape), width, truncate=3.0).ravel()[place] for v in (volume, known))
    squared = sums / np.maximum(weights, 1e-6)
    squared = np.maximum(squared - floors * np.median(squared), 0)
    return (squared / (1 + squared)).astype(np.float32)
