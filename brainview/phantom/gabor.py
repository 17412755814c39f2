"""Gabor energies of pictures and their pooling by receptive fields.

Reference: developers' page "phantom", 3.2. Log-Gabor analytic filters (Field 1987) at 4 scales x 8 orientations,
divisive normalisation across channels, energies kept on a grid of 26 x 26 cells over the display.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image
from scipy import fft

from brainview.phantom.retinotopy import HALF_DISPLAY

#: Working size of a picture, of its padded transform, and of the grid of energies (pixels, cells).
SIDE, PADDED, GRID = 106, 128, 26
#: Preferred frequencies in cycles per degree, and orientations in radians.
FREQUENCIES = np.array([0.5, 1.0, 2.0, 4.0])
ORIENTATIONS = np.arange(8) * np.pi / 8
#: Width of a filter over log frequency and over orientation; share of the global mean in the normalisation.
LOG_BANDWIDTH, ORIENTATION_SD, GLOBAL_SHARE = 0.6, np.radians(20.0), 0.15
#: Channels: frequency slowest.
CHANNELS = FREQUENCIES.size * ORIENTATIONS.size
#: Pictures pooled in one matrix product.
_BATCH = 16
_PIXELS_PER_DEGREE = SIDE / (2 * HALF_DISPLAY)


@lru_cache(maxsize=1)
def filters() -> np.ndarray:
    """Return (32, 128, 128) float32 transfer functions; each keeps one half of the plane (analytic)."""
    fy, fx = np.meshgrid(np.fft.fftfreq(PADDED), np.fft.fftfreq(PADDED), indexing="ij")
    radius = np.hypot(fx, fy) * _PIXELS_PER_DEGREE
    radius[0, 0] = 1e-9
    theta = np.arctan2(-fy, fx)  # rows run downwards
    out = []
    for frequency in FREQUENCIES:
        radial = np.exp(-np.square(np.log(radius / frequency)) / (2 * LOG_BANDWIDTH**2))
        radial[0, 0] = 0
        for orientation in ORIENTATIONS:
            # a grating of orientation o varies along o + 90 degrees
            difference = np.angle(np.exp(1j * (theta - orientation - np.pi / 2)))
            out.append(radial * np.exp(-np.square(difference) / (2 * ORIENTATION_SD**2)))
    return np.asarray(out, np.float32)


def luminance(image: Image.Image) -> np.ndarray:
    """Return (106, 106) float32 luminance 0..1 of a picture (Rec. 601 weights)."""
    grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX if min(image.size) > SIDE else
                                     Image.Resampling.BILINEAR)
    return np.asarray(grey, np.float32) / 255.0


def energies(grey: np.ndarray) -> np.ndarray:
    """Return (32, 26, 26) float32 normalised Gabor energies of one luminance picture (106, 106).

    e / (mean over channels of e + 0.15 global mean) ** 0.5, averaged over cells of 4 x 4 pixels.
    """
    pad = (PADDED - SIDE) // 2
    framed = np.pad(grey - grey.mean(), pad, mode="reflect").astype(np.float32)
    response = fft.ifft2(fft.fft2(framed)[None] * filters(), axes=(1, 2))
    start = pad + (SIDE - 4 * GRID) // 2
    stop = start + 4 * GRID
    response = response[:, start:stop, start:stop]
    energy = np.square(response.real) + np.square(response.imag)
    local = energy.mean(0)
    energy /= np.sqrt(local + GLOBAL_SHARE * local.mean() + 1e-12)
    return energy.reshape(CHANNELS, GRID, 4, GRID, 4).mean((2, 4)).astype(np.float32)


def cell_centres() -> np.ndarray:
    """Return (26,) degrees of the cell centres from left to right (and from bottom to top)."""
    pixels = (SIDE - 4 * GRID) / 2 + 4 * np.arange(GRID) + 2.0
    return pixels / _PIXELS_PER_DEGREE - HALF_DISPLAY


def pooling(x: np.ndarray, y: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return (V, 676) float32 weights of Gaussian receptive fields on the grid, each row with sum 1.

    Parameters
    ----------
    x, y, sigma : (V,) degrees, right and up positive. A field narrower than a cell is widened to it.
    """
    centres = cell_centres()
    step = centres[1] - centres[0]
    width = np.sqrt(np.square(sigma) + step**2 / 12)[:, None]
    across = np.exp(-np.square(centres[None] - x[:, None]) / (2 * width**2))
    up = np.exp(-np.square(-centres[None] - y[:, None]) / (2 * width**2))  # row 0 is the top of the picture
    weight = up[:, :, None] * across[:, None, :]
    weight = weight.reshape(len(x), GRID * GRID)
    weight /= np.maximum(weight.sum(1, keepdims=True), 1e-30)
    weight[weight < 1e-7] = 0  # the tails would become denormal numbers, which make matrix products 30 times slower
    return weight.astype(np.float32)


def channel_weights(frequency: np.ndarray, orientation: np.ndarray) -> np.ndarray:
    """Return (V, 32) float32 tuning to scale and orientation, each row with sum 1.

    u = exp(-(log2(f / f_v))² / (2 x 0.8²)) exp(0.8 cos 2 (o - o_v))
    """
    scale = np.exp(-np.square(np.log2(FREQUENCIES[None] / frequency[:, None])) / (2 * 0.8**2))
    turn = np.exp(0.8 * np.cos(2 * (ORIENTATIONS[None] - orientation[:, None])))
    weight = (scale[:, :, None] * turn[:, None, :]).reshape(len(frequency), CHANNELS)
    return (weight / weight.sum(1, keepdims=True)).astype(np.float32)


def pooled_drive(energy: np.ndarray, pool: np.ndarray, channels: np.ndarray) -> np.ndarray:
    """Return (n, V) float32 drive sqrt(sum u p) of early vertices.

    Parameters
    ----------
    energy : (n, 32, 26, 26) energies (float16 or float32)
    pool : (V, 676) from :func:`pooling`
    channels : (V, 32) from :func:`channel_weights`
    """
    out = np.empty((len(energy), len(pool)), np.float32)
    transposed = np.ascontiguousarray(pool.T)
    tuning = np.ascontiguousarray(channels.T)
    for start in range(0, len(energy), _BATCH):
        block = np.asarray(energy[start:start + _BATCH], np.float32).reshape(-1, GRID * GRID)
        pooled = (block @ transposed).reshape(-1, CHANNELS, len(pool))
        pooled *= tuning
        out[start:start + _BATCH] = np.sqrt(np.maximum(pooled.sum(1), 0))
    return out
