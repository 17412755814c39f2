"""Toy brains in which the informative voxels are known: the generator of the planted-truth benchmark.

K concepts each have an embedding direction and a region. A sample has three active concepts; its image and text
embeddings are made of their directions, its volume of their regions, nuisance regions that carry nothing, smooth
noise and white noise. The truth of a sample is the union of the regions of its *active* concepts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from brainview.core.errors import BrainViewError

LEVELS = {1: "blobs", 2: "multivoxel patterns with zero mean", 3: "concepts in image or text only",
          4: "the same concept in two regions", 5: "information in the sign of a product of two regions"}

#: Orders in which places for the regions are tried.
TRIES = 50


@dataclass(frozen=True)
class PlantedConfig:
    """What to plant: see the module."""

    level: int = 1
    size: int = 20
    concepts: int = 8
    nuisances: int = 4
    radius: float = 2.5
    embed: int = 32
    active: int = 3
    smooth_sd: float = 0.6
    white_sd: float = 0.6
    seed: int = 0


@dataclass(frozen=True, eq=False)
class PlantedBrains:
    """A world of concepts and samples drawn from it.

    Parameters
    ----------
    mask : (X, Y, Z) bool
    regions : (concepts, n_voxels) bool
        Where each concept is (both parts at levels 4 and 5).
    nuisance : (nuisances, n_voxels) bool
    volumes : (n, n_voxels) float32
        Each voxel z-scored over samples.
    image, text : (n, embed) float32
        Unit vectors.
    strength : (n, concepts) float32
        0 = inactive.
    in_image, in_text : (concepts,) bool
        Which embeddings a concept enters (level 3).
    """

    mask: np.ndarray
    regions: np.ndarray
    nuisance: np.ndarray
    volumes: np.ndarray
    image: np.ndarray
    text: np.ndarray
    strength: np.ndarray
    in_image: np.ndarray
    in_text: np.ndarray

    def truth(self, sample: int, which: str = "both") -> np.ndarray:
        """Return (n_voxels,) bool: regions of the active concepts that the target of `which` holds."""
        used = {"image": self.in_image, "text": self.in_text, "both": self.in_image | self.in_text}[which]
        wanted = (self.strength[sample] > 0) & used
        return self.regions[wanted].any(0) if wanted.any() else np.zeros(self.regions.shape[1], bool)

    def distractors(self, sample: int, which: str = "both") -> np.ndarray:
        """Return (n_voxels,) bool: regions of inactive concepts and of nuisances, without the truth."""
        off = self.regions[self.strength[sample] == 0].any(0) | self.nuisance.any(0)
        return off & ~self.truth(sample, which)


def plant(config: PlantedConfig, samples: int) -> PlantedBrains:
    """Draw a world and `samples` brains from it; deterministic in ``config.seed``."""
    if config.level not in LEVELS:
        raise BrainViewError(f"there is no level {config.level}", remedy="Use 1 to 5.")
    rng = np.random.default_rng(config.seed)
    mask = _ellipsoid(config.size)
    parts = 2 if config.level in (4, 5) else 1
    balls = _balls(mask, config.concepts * parts + config.nuisances, config.radius, rng)
    patterns = balls.astype(np.float32)
    if config.level == 2:
        noise = rng.normal(size=balls.shape).astype(np.float32)
        for i, ball in enumerate(balls):
            patterns[i, ball] = noise[i, ball] - noise[i, ball].mean()
            patterns[i, ball] /= patterns[i, ball].std()
    split = config.concepts * parts
    strength = _strengths(config, samples, rng)
    in_image, in_text = np.ones(config.concepts, bool), np.ones(config.concepts, bool)
    if config.level == 3:
        in_image[::3], in_text[1::3] = False, False
    signal = _signal(config, strength, patterns[:split], rng)
    nuisance = rng.normal(0, 1.2, (samples, config.nuisances)).astype(np.float32) @ patterns[split:]
    volumes = signal + nuisance + _noise(config, mask, samples, rng)
    volumes = (volumes - volumes.mean(0)) / volumes.std(0)
    image, text = _embeddings(config, strength, in_image, in_text, rng)
    regions = np.asarray(balls[:split].reshape(config.concepts, parts, -1).any(1))
    return PlantedBrains(mask, regions, balls[split:], volumes.astype(np.float32), image, text, strength, in_image,
                         in_text)


def _ellipsoid(size: int) -> np.ndarray:
    axis = (np.arange(size) - (size - 1) / 2) / (size / 2)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    return (x / 0.92) ** 2 + (y / 1.0) ** 2 + (z / 0.85) ** 2 <= 1


def _balls(mask: np.ndarray, count: int, radius: float, rng: np.random.Generator) -> np.ndarray:
    """Return (count, n_voxels) bool balls inside the mask, centres at least two radii apart."""
    xyz = np.argwhere(mask)
    depth = ndimage.distance_transform_edt(mask)[mask]
    candidates = xyz[depth >= radius * 0.6]
    most = 0
    for _ in range(TRIES):  # where many regions are wanted, an order of places may leave no room for the last ones
        centres: list[np.ndarray] = []
        for point in rng.permutation(candidates):
            if all(np.linalg.norm(point - c) >= 2 * radius for c in centres):
                centres.append(point)
                if len(centres) == count:
                    return np.stack([np.linalg.norm(xyz - c, axis=1) <= radius for c in centres])
        most = max(most, len(centres))
    raise BrainViewError(f"only {most} of {count} regions of radius {radius} fit into the mask",
                         remedy="Use fewer concepts or smaller regions.")


def _strengths(config: PlantedConfig, samples: int, rng: np.random.Generator) -> np.ndarray:
    out = np.zeros((samples, config.concepts), np.float32)
    for row in out:
        row[rng.choice(config.concepts, config.active, replace=False)] = rng.uniform(1.0, 1.8, config.active)
    return out


def _signal(config: PlantedConfig, strength: np.ndarray, patterns: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if config.level == 4:
        return np.repeat(strength, 2, axis=1) @ patterns
    if config.level == 5:  # one region has a random sign, the other the same sign if the concept is active
        sign = rng.choice([-1.0, 1.0], strength.shape).astype(np.float32)
        active = strength > 0
        second = np.where(active, sign, -sign) * np.where(active, strength, 1.4)
        first = sign * np.where(active, strength, 1.4)
        return np.stack([first, second], 2).reshape(len(strength), -1).astype(np.float32) @ patterns
    return strength @ patterns


def _noise(config: PlantedConfig, mask: np.ndarray, samples: int, rng: np.random.Generator) -> np.ndarray:
    out = np.empty((samples, int(mask.sum())), np.float32)
    for row in out:
        smooth = ndimage.gaussian_filter(rng.normal(size=mask.shape), 0.85)  # FWHM of two voxels: 4 mm of 2 mm voxels
        row[:] = config.smooth_sd * (smooth / smooth.std())[mask] + config.white_sd * rng.normal(size=row.size)
    return out


def _embeddings(config: PlantedConfig, strength: np.ndarray, in_image: np.ndarray, in_text: np.ndarray,
                rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors around a shared base direction, which mimics CLIP's narrow cone."""
    def unit(v: np.ndarray) -> np.ndarray:
        return v / np.linalg.norm(v, axis=-1, keepdims=True)

    u = unit(rng.normal(size=(config.concepts, config.embed)))
    v = unit(u + 0.7 * unit(rng.normal(size=u.shape)))
    base = 2 * unit(rng.normal(size=config.embed))
    spread = 0.2 / np.sqrt(config.embed)
    image = unit(base + (strength * in_image) @ u + spread * rng.normal(size=(len(strength), config.embed)))
    text = unit(base + (strength * in_text) @ v + spread * rng.normal(size=(len(strength), config.embed)))
    return image.astype(np.float32), text.astype(np.float32)
