"""Noise of single trials, each drawn from a counter so that any trial can be made alone, in any order.

Reference: developers' page "phantom", 3.5. One trial's noise has variance 1 at every location:
sqrt(0.60) smooth (6-7 mm) + sqrt(0.15) smooth (16 mm) + sqrt(0.25) white, with part lambda of its variance replaced
by the pattern of an unrelated scene (information-limiting noise) on driven locations. Philox (Salmon et al. 2011)
takes (seed, subject) as key and (session, trial) as counter.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import fft, sparse

from brainview.maps.cache import digest, kept
from brainview.maps.volumes import mni_mask
from brainview.phantom.anatomy import N_VERTICES, SIDES, hemisphere, mni_ribbon

#: Shares of the variance: locally smooth, widely smooth, white.
LOCAL, WIDE, WHITE = 0.60, 0.15, 0.25
#: Smoothing steps on the mesh: about 6.9 mm, 16 mm and, for fields of the truth, 16 mm full width at half maximum.
LOCAL_STEPS, WIDE_STEPS = 2, 11
#: Full widths at half maximum of the volume's noise (mm).
LOCAL_MM, WIDE_MM = 6.5, 16.0
#: s.d. of the drift inside a session and of the log of a session's gain.
DRIFT_SD, GAIN_SD = 0.2, 0.05
#: What a stream of random numbers is for.
SURFACE, VOLUME, SESSION, FIELDS, INTRUDER = 1, 2, 3, 4, 5
#: Box of the transform that draws the volume's noise; its corner is that of the MNI152 2 mm grid.
BOX = (96, 112, 96)


def stream(seed: int, subject: int, purpose: int, session: int = 0, trial: int = 0) -> np.random.Generator:
    """Return the random numbers of one (seed, subject, purpose, session, trial); the order of calls is irrelevant.

    Parameters
    ----------
    subject : int, 0-based; 2**32 - 1 at most. session, trial : int, 0-based
    """
    key = np.array([seed & 0xFFFF_FFFF_FFFF_FFFF, (purpose << 32) | subject], np.uint64)
    counter = np.array([0, 0, session, trial], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


@lru_cache(maxsize=1)
def smoothing_step() -> sparse.csr_matrix:
    """Return the (20,484, 20,484) float32 step: the mean of a vertex and its neighbours; cortex only."""
    blocks = []
    for side in SIDES:
        hemi = hemisphere(side)
        neighbours = hemi.edges.astype(bool).astype(np.float32)
        degree = np.asarray(neighbours.sum(1)).ravel()
        blocks.append(sparse.diags(1 / (degree + 1)) @ (neighbours + sparse.identity(degree.size, np.float32)))
    return sparse.block_diag(blocks, format="csr").astype(np.float32)


@lru_cache(maxsize=4)
def smoothing_scale(steps: int) -> np.ndarray:
    """Return (20,484,) float32: 1 / the exact s.d. of unit white noise after `steps` smoothing steps."""

    def make() -> dict[str, np.ndarray]:
        step = smoothing_step()
        power = step
        for _ in range(steps - 1):
            power = power @ step
        return {"scale": (1 / np.sqrt(np.asarray(power.multiply(power).sum(1)).ravel())).astype(np.float32)}

    return kept("phantom", digest("smoothing", steps, smoothing_step().data), make,
                lambda a: a.get("scale", np.empty(0)).shape == (2 * N_VERTICES,))["scale"]


def smooth(white: np.ndarray, steps: int) -> np.ndarray:
    """Return unit-variance smooth fields from unit white noise; both (20,484,) or (20,484, n) float32."""
    step = smoothing_step()
    out = white
    for _ in range(steps):
        out = step @ out
    scale = smoothing_scale(steps)
    return out * (scale if out.ndim == 1 else scale[:, None])


def smooth_fields(rng: np.random.Generator, count: int, steps: int = WIDE_STEPS) -> np.ndarray:
    """Return (count, 20,484) float32 independent smooth fields of variance 1."""
    return smooth(rng.standard_normal((2 * N_VERTICES, count), np.float32), steps).T.copy()


def surface_noise(seed: int, subject: int, session: int, trials: np.ndarray) -> np.ndarray:
    """Return (len(trials), 20,484) float32 noise without intruders: three parts, variance 1 at every vertex."""
    n = len(trials)
    parts = np.empty((3, 2 * N_VERTICES, n), np.float32)
    for column, trial in enumerate(np.asarray(trials).tolist()):
        parts[:, :, column] = stream(seed, subject, SURFACE, session, trial).standard_normal((3, 2 * N_VERTICES),
                                                                                            np.float32)
    total = np.sqrt(np.float32(LOCAL)) * smooth(parts[0], LOCAL_STEPS)
    total += np.sqrt(np.float32(WIDE)) * smooth(parts[1], WIDE_STEPS)
    total += np.sqrt(np.float32(WHITE)) * parts[2]
    return np.ascontiguousarray(total.T)


def intruder(seed: int, subject: int, session: int, trial: int, reserve: int) -> int:
    """Return which scene of the reserve (0 <= j < reserve) intrudes into a trial (on surface and volume)."""
    return int(stream(seed, subject, INTRUDER, session, trial).integers(reserve))


@lru_cache(maxsize=1)
def _band() -> tuple[np.ndarray, np.ndarray]:
    """Return the flat positions and amplitudes of the spectrum of the smooth part of the volume's noise."""
    squared = np.zeros(BOX)
    for axis, n in enumerate(BOX):
        shape = [1, 1, 1]
        shape[axis] = n
        squared = squared + np.square(np.fft.fftfreq(n)).reshape(shape)
    power, band = np.zeros(BOX), np.zeros(BOX, bool)
    for share, width in ((LOCAL, LOCAL_MM), (WIDE, WIDE_MM)):
        # the power of a Gaussian kernel of s.d. s voxels (of 2 mm) is exp(-4 pi² s² f²)
        sd = width / 2.0 / np.sqrt(8 * np.log(2))
        part = np.exp(-4 * np.pi**2 * sd**2 * squared)
        power += share * part / part.sum()
        band |= part > 1e-3
    keep = np.flatnonzero(band)
    kept = power.ravel()[keep]
    kept *= (LOCAL + WIDE) / kept.sum()
    return keep, np.sqrt(kept).astype(np.float32)


@lru_cache(maxsize=1)
def _ribbon_in_box() -> np.ndarray:
    index = np.argwhere(np.asarray(mni_mask(2)))[mni_ribbon().inside]
    return np.ravel_multi_index(tuple(index.T), BOX)


def volume_noise(seed: int, subject: int, session: int, pair: int,
                 where_in_box: np.ndarray | None = None) -> np.ndarray:
    """Return (2, voxels) float32 noise of trials 2 pair and 2 pair + 1 of a session; variance 1.

    `where_in_box`: flat positions in :data:`BOX` of the voxels, default the ribbon's; white noise is every voxel's own.

    Two volumes come from one complex inverse transform whose spectrum is drawn in band, so both are made together.
    The smooth part is stationary, hence its variance is exact at every voxel.
    """
    rng = stream(seed, subject, VOLUME, session, pair)
    where, amplitude = _band()
    draw = rng.standard_normal((where.size, 2), np.float32)
    spectrum = np.zeros(BOX[0] * BOX[1] * BOX[2], np.complex64)
    spectrum[where] = draw.view(np.complex64)[:, 0] * amplitude
    field = fft.ifftn(spectrum.reshape(BOX), norm="forward", overwrite_x=True).reshape(-1)
    field = field[_ribbon_in_box() if where_in_box is None else where_in_box]
    white = rng.standard_normal((2, field.size), np.float32)
    white *= np.sqrt(np.float32(WHITE))
    white[0] += field.real
    white[1] += field.imag
    return white


def session_course(trials: int) -> np.ndarray:
    """Return (2, trials) float32 time courses of the drift: a line and one slow cosine (mean 0, variance 1)."""
    t = np.linspace(-1, 1, max(trials, 2))[:trials]
    both = np.stack([t, np.cos(np.pi * (t + 1))])
    both -= both.mean(1, keepdims=True)
    return (both / np.maximum(both.std(1, keepdims=True), 1e-9)).astype(np.float32)


def session_drift(seed: int, subject: int, session: int, trials: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return what a session adds: (2, 20,484) drift fields, their (2, trials) courses, and the session's gain.

    The drift of trial t is DRIFT_SD / sqrt(2) x courses[:, t] @ fields in units of the noise's s.d.
    """
    rng = stream(seed, subject, SESSION, session)
    gain = float(np.exp(GAIN_SD * rng.standard_normal()))
    return smooth_fields(rng, 2), session_course(trials), gain
