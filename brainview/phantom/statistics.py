"""Statistics of drawn pictures, to be held against those of photographs: spectrum, contrast, brightness, probes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from brainview.core.errors import BrainViewError

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def luminance(image: np.ndarray) -> np.ndarray:
    """Return the luminance (h, w) float32 in 0..255 of a picture (h, w, 3) uint8."""
    return image.astype(np.float32) @ LUMA


def spectrum_slope(image: np.ndarray, low: float = 4.0, high: float = 0.35) -> float:
    """Return the slope of log amplitude against log frequency of a square picture (h, h, 3) or (h, h).

    A Hann window is laid over the mean-free luminance; rings from `low` cycles per picture to `high` cycles per pixel
    are averaged and weighted equally in log frequency. Photographs lie near -1.2 to -1.5.
    """
    gray = luminance(image) if image.ndim == 3 else image.astype(np.float32)
    n = gray.shape[0]
    window = np.hanning(n)[:, None] * np.hanning(n)[None, :]
    amplitude = np.abs(np.fft.fft2((gray - gray.mean()) * window))
    f = np.fft.fftfreq(n) * n
    radius = np.hypot(f[:, None], f[None, :])
    edges = np.geomspace(low, high * n, 19)
    points = []
    for a, b in pairwise(edges):
        ring = amplitude[(radius >= a) & (radius < b)]
        if len(ring):
            points.append((np.log((a * b) ** 0.5), np.log(ring.mean())))
    x, y = np.array(points).T
    return float(np.polyfit(x, y, 1)[0])


@dataclass(frozen=True)
class PictureStatistics:
    """Means over pictures: slope of the amplitude spectrum, RMS contrast (sd / mean), mean luminance and its spread."""

    slope: float
    slope_sd: float
    contrast: float
    luminance: float
    luminance_sd: float
    pictures: int


def picture_statistics(images: list[np.ndarray]) -> PictureStatistics:
    """Measure pictures (h, h, 3) uint8; raises BrainViewError without any."""
    if not images:
        raise BrainViewError("there is no picture to measure")
    slopes = np.array([spectrum_slope(image) for image in images])
    grays = [luminance(image) for image in images]
    means = np.array([gray.mean() for gray in grays])
    contrast = np.array([gray.std() / gray.mean() for gray in grays])
    return PictureStatistics(
        float(slopes.mean()), float(slopes.std()), float(contrast.mean()), float(means.mean()),
        float(means.std()), len(images),
    )


def small_gray(image: np.ndarray, size: int = 64) -> np.ndarray:
    """Return a picture as (size * size,) float32 grey values, averaged over areas."""
    from PIL import Image

    small = Image.fromarray(image).convert("L").resize((size, size), Image.Resampling.BOX)
    return np.asarray(small, np.float32).ravel()


def crop_square(image: np.ndarray, box: tuple[float, float, float, float], margin: float = 0.05) -> np.ndarray:
    """Return the square part (k, k, 3) of a picture round a box (shares), moved inside where it sticks out."""
    n = image.shape[0]
    side = min(n, int(np.ceil(n * max(box[2] - box[0], box[3] - box[1]) * (1 + 2 * margin))))
    x, y = (int(np.clip(n * 0.5 * (a + b) - side / 2, 0, n - side)) for a, b in ((box[0], box[2]), (box[1], box[3])))
    return image[y : y + side, x : x + side]


def color_histogram(image: np.ndarray, bins: int = 4) -> np.ndarray:
    """Return the joint colour histogram (bins ** 3,) of a picture, summing to 1."""
    cells = (image.astype(np.int32) * bins) // 256
    index = (cells[..., 0] * bins + cells[..., 1]) * bins + cells[..., 2]
    return np.bincount(index.ravel(), minlength=bins**3) / index.size


def probe_accuracy(
    features: np.ndarray, labels: np.ndarray, train: int, alphas: tuple[float, ...] = (0.01, 0.1, 1.0, 10.0, 100.0,
        1000.0)
) -> float:
    """Return the accuracy of a linear (ridge) classifier that is fitted on the first `train` rows.

    Parameters
    ----------
    features : (n, p) float
    labels : (n,) int
    train : int
        Rows before this one are for fitting (a fifth of them chooses the penalty), the others are judged.
    alphas : tuple of float
        Penalties to choose from, in units of the mean squared feature.
    """
    x = np.asarray(features, np.float64)
    mean, sd = x[:train].mean(0), x[:train].std(0) + 1e-9
    x = (x - mean) / sd
    kernel = x @ x.T / x.shape[1]
    target = np.eye(int(labels.max()) + 1)[labels]
    inner = int(0.8 * train)

    def accuracy(alpha: float, fit: slice, judge: slice) -> float:
        k = kernel[fit, fit] + alpha * np.eye(kernel[fit, fit].shape[0])
        weights = np.linalg.solve(k, target[fit] - target[fit].mean(0))
        return float((np.argmax(kernel[judge, fit] @ weights + target[fit].mean(0), 1) == labels[judge]).mean())

    best = max(alphas, key=lambda alpha: accuracy(alpha, slice(0, inner), slice(inner, train)))
    return accuracy(best, slice(0, train), slice(train, len(x)))
