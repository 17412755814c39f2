"""A compact band model of V1, V2 and V3, and the receptive field of every visual vertex.

Reference: developers' page "phantom", section 2. The chart lies on FreeSurfer's sphere (radius 100): x runs from the
foveal confluence along the calcarine, y across it. Eccentricity along x is the inverse of cortical magnification
M(E) = k' / (E + a) (Horton & Hoyt 1991: 17.3 / (E + 0.75) mm/deg; k = 1.33 k' on the sphere).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainview.phantom.anatomy import Side, hemisphere

#: Half the width of the display, its resolution, and its pixels (degrees, pixels per degree, pixels).
HALF_DISPLAY, PIXELS_PER_DEGREE, DISPLAY_PIXELS = 4.2, 50.6, 425
#: A receptive field with less of its mass than this on the screen is dropped.
MIN_MASS = 0.02
#: Foveal confluence and anterior end of the calcarine, mm MNI152.
LANDMARKS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "left": ((-26.0, -96.0, -14.0), (-21.0, -70.0, 5.0)), "right": ((28.0, -97.0, -8.0), (26.0, -63.0, 5.0))}
#: Receptive-field size in degrees: intercept and slope over eccentricity.
SIZE = {"V1": (0.15, 0.17), "V2": (0.25, 0.17), "V3": (0.40, 0.26), "hV4": (0.60, 0.53), "wide": (1.0, 0.6)}


@dataclass(frozen=True)
class Bands:
    """Parameters of the band model; the defaults are those read off the literature (reference 2.2)."""

    k: float = 23.0
    a: float = 0.75
    w1: float = 26.0
    length: float = 45.0
    w2: float = 20.0
    w3: float = 24.0
    bend: float = 1.2
    rotation: float = -0.17


@dataclass(frozen=True, eq=False)
class Retinotopy:
    """Retinotopic coordinates of one hemisphere.

    Parameters
    ----------
    area : (n,) int8, 1 V1, 2 V2, 3 V3, 0 elsewhere
    eccentricity : (n,) degrees
    angle : (n,) degrees, 0 upper vertical meridian, 90 horizontal, 180 lower vertical meridian
    x, y : (n,) degrees of the visual field (right and up positive)
    fovea : (n,) mm on the sphere along the chart from the foveal confluence
    """

    area: np.ndarray
    eccentricity: np.ndarray
    angle: np.ndarray
    x: np.ndarray
    y: np.ndarray
    fovea: np.ndarray


def chart(side: Side, foveal: np.ndarray, calcarine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (x, y) in mm on the sphere: along the great circle F->P, and signed distance from it, dorsal positive.

    Parameters
    ----------
    foveal, calcarine : (3,) points in mm MNI152, snapped to the nearest vertex of the cortex
    """
    hemi = hemisphere(side)
    f = hemi.sphere[hemi.nearest(foveal, None)] / 100
    p = hemi.sphere[hemi.nearest(calcarine, None)] / 100
    along = p - (p @ f) * f
    along /= np.linalg.norm(along)
    across = np.cross(f, along)
    unit = hemi.sphere / 100
    x = 100 * np.arctan2(unit @ along, unit @ f)
    y = 100 * np.arcsin(np.clip(unit @ across, -1, 1))
    near = (np.abs(y) < 60) & (np.abs(x) < 80) & hemi.cortex
    # dorsal is where the cortex near the calcarine lies higher
    if np.corrcoef(y[near], hemi.mid[near, 2])[0, 1] < 0:
        y = -y
    return x, y


def retinotopy(side: Side, foveal: np.ndarray | None = None, calcarine: np.ndarray | None = None,
               bands: Bands | None = None) -> Retinotopy:
    """Return the band model on one hemisphere.

    Parameters
    ----------
    foveal, calcarine : (3,) landmarks in mm MNI152; None = those of the group
    bands : Bands, optional
    """
    bands = bands or Bands()
    default = LANDMARKS[side]
    x, y = chart(side, np.asarray(default[0] if foveal is None else foveal, float),
                 np.asarray(default[1] if calcarine is None else calcarine, float))
    cos, sin = np.cos(bands.rotation), np.sin(bands.rotation)
    along, across = cos * x - sin * y, sin * x + cos * y
    radius = np.where(along >= 0, np.abs(across), np.hypot(along, across))
    length = bands.length
    grow = 1 - np.exp(-np.maximum(along + length / 4, 0.02 * length) / length)
    far = np.maximum(along + bands.bend * across**2 / 100, 0.3)
    eccentricity = bands.a * (np.exp(np.minimum(far / bands.k, 6.0)) - 1)
    b1 = bands.w1 * grow
    b2 = b1 + bands.w2 * (0.4 + 0.6 * grow)
    b3 = b2 + bands.w3 * (0.4 + 0.6 * grow)
    t = np.where(radius <= b1, radius / b1,
                 np.where(radius <= b2, 1 + (radius - b1) / (b2 - b1), 2 + (radius - b2) / (b3 - b2)))
    area = np.where(t <= 1, 1, np.where(t <= 2, 2, np.where(t <= 2.75, 3, 0)))
    # the chart covers the occipital lobe only: elsewhere on the sphere its coordinates mean nothing
    area[(np.abs(x) > 130) | (eccentricity > 90) | ~hemisphere(side).cortex] = 0
    mirror = np.where(t <= 1, t, np.where(t <= 2, 2 - t, t - 2))
    angle = 90 + 90 * np.sign(across) * mirror
    sign = 1.0 if side == "left" else -1.0
    radians = np.radians(angle)
    return Retinotopy(area.astype(np.int8), eccentricity, angle, sign * eccentricity * np.sin(radians),
                      eccentricity * np.cos(radians), np.hypot(np.maximum(along, 0.3), 0.5 * across))


def field_around(side: Side, members: np.ndarray, rank_by: np.ndarray, fovea: np.ndarray,
                 bands: Bands | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return (x, y) degrees for an area with a full hemifield outside the bands (hV4, LO, V3ab).

    Parameters
    ----------
    members : (m,) int vertices of the area
    rank_by : (m,) mm; polar angle runs from the upper to the lower vertical meridian along its ranks
    fovea : (m,) mm from the foveal confluence on the sphere; eccentricity follows the same exponential
    """
    bands = bands or Bands()
    if members.size == 0:
        return np.zeros(0), np.zeros(0)
    order = np.argsort(np.argsort(rank_by, kind="stable"), kind="stable")
    radians = np.pi * (order + 0.5) / members.size
    near = np.clip(fovea - np.quantile(fovea, 0.05), 0.3, None)
    eccentricity = bands.a * (np.exp(near / bands.k) - 1)
    sign = 1.0 if side == "left" else -1.0
    return sign * eccentricity * np.sin(radians), eccentricity * np.cos(radians)


def size_of(area: str, eccentricity: np.ndarray) -> np.ndarray:
    """Return the receptive-field size sigma = c + m E in degrees; ``wide`` stands for LO and V3ab."""
    intercept, slope = SIZE[area]
    return intercept + slope * np.asarray(eccentricity)


def screen_mass(x: np.ndarray, y: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return the share of each Gaussian receptive field that falls on the display of 8.4 degrees, 0 below 0.02."""
    from scipy.special import ndtr

    horizontal = ndtr((HALF_DISPLAY - x) / sigma) - ndtr((-HALF_DISPLAY - x) / sigma)
    vertical = ndtr((HALF_DISPLAY - y) / sigma) - ndtr((-HALF_DISPLAY - y) / sigma)
    mass = horizontal * vertical
    return np.where(mass >= MIN_MASS, mass, 0.0)
