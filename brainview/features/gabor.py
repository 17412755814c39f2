"""Raw Gabor energies: a log-Gabor pyramid over the picture, pooled on a grid. No network, no weights.

Log-Gabor transfer functions (Field 1987, J. Opt. Soc. Am. A 4, 2379); the amplitude of the analytic response is the
energy of a quadrature pair. Each scale is computed at the resolution that it needs.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image
from scipy import fft

from brainview.core.errors import MismatchError
from brainview.core.jobs import QUIET, JobContext
from brainview.features.types import settings_key

#: Working size of a picture, in pixels.
SIDE = 96
#: Preferred frequencies in cycles per picture, and the size of the inverse transform of each.
SCALES = ((24.0, 96), (12.0, 64), (6.0, 32), (3.0, 32))


class GaborSpace:
    """Gabor energies of 4 scales x `orientations` on a `grid` x `grid` of cells.

    Parameters
    ----------
    grid : int
        Cells along one side (a divisor of 32); tokens = grid².
    orientations : int
        Preferred orientations over 180 degrees; width = 4 x orientations.
    """

    name = "gabor"

    def __init__(self, *, grid: int = 8, orientations: int = 8) -> None:
        if grid < 1 or 32 % grid or orientations < 1:
            raise MismatchError(f"grid {grid} must divide 32 and orientations {orientations} be at least 1",
                                where="gabor")
        self.settings: dict[str, Any] = {"space": "gabor", "version": 1, "grid": int(grid),
                                         "orientations": int(orientations), "side": SIDE, "scales": SCALES}

    @property
    def key(self) -> str:
        """Hash of the settings; there are no weights."""
        return settings_key(self.settings)

    @property
    def label(self) -> str:
        """Name on screen."""
        return "Gabor energies"

    @cached_property
    def _filters(self) -> list[np.ndarray]:
        count = self.settings["orientations"]
        out = []
        for frequency, size in SCALES:
            fy, fx = np.meshgrid(fft.fftfreq(size, 1 / size), fft.fftfreq(size, 1 / size), indexing="ij")
            radius, angle = np.hypot(fx, fy), np.arctan2(fy, fx)
            radius[0, 0] = 1e-9
            radial = np.exp(-np.square(np.log(radius / frequency)) / (2 * 0.55**2))
            radial[0, 0] = 0.0
            spread = np.pi / count
            turned = [np.angle(np.exp(1j * (angle - k * spread))) for k in range(count)]
            bank = [radial * np.exp(-np.square(t) / (2 * (0.75 * spread) ** 2)) for t in turned]
            out.append(np.asarray(bank, np.float32))
        return out

    def extract(self, images: Iterable[Image.Image], *, context: JobContext = QUIET) -> np.ndarray:
        """Return (n, grid², 4 x orientations) float32 amplitudes, cells row by row from the top left."""
        rows = []
        for image in images:
            context.check()
            rows.append(self._one(image))
        width = 4 * self.settings["orientations"]
        return np.asarray(rows, np.float32).reshape(len(rows), self.settings["grid"] ** 2, width)

    def _one(self, image: Image.Image) -> np.ndarray:
        grey = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32) / 255
        spectrum = fft.fft2(grey - grey.mean())
        grid = self.settings["grid"]
        parts = []
        for (_, size), bank in zip(SCALES, self._filters, strict=True):
            half = size // 2
            cut = np.r_[0:half, SIDE - half:SIDE]
            response = np.abs(fft.ifft2(spectrum[np.ix_(cut, cut)] * bank)) * (size / SIDE) ** 2
            cell = size // grid
            parts.append(response.reshape(len(bank), grid, cell, grid, cell).mean((2, 4)))
        return np.concatenate(parts).reshape(-1, grid * grid).T
