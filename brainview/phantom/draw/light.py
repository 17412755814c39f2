"""Texture, light and grain: what turns flat shapes into a picture with the statistics of a photograph."""

from __future__ import annotations

from functools import lru_cache
from math import cos, radians, sin

import numpy as np
import skia

from brainview.phantom.world.scene import Light
from brainview.phantom.world.vocabulary import INDOORS

TILE = 512


@lru_cache(maxsize=8)
def noise_tile(power: float, seed: int, stretch: float = 1.0) -> np.ndarray:
    """Return a seamless 1/f**power noise tile (512, 512) float32 with mean 0 and variance 1.

    `stretch` > 1 draws the grain out along x (wood, water, soil).
    """
    rng = np.random.Generator(np.random.Philox(key=seed))
    fy, fx = np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None, :]
    radius = np.hypot(fy, fx * stretch)
    radius[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((TILE, TILE))) / radius**power
    spectrum[0, 0] = 0.0
    tile = np.fft.irfft2(spectrum, s=(TILE, TILE))
    return ((tile - tile.mean()) / tile.std()).astype(np.float32)


@lru_cache(maxsize=16)
def texture_shader(power: float, seed: int, stretch: float, strength: float) -> skia.Shader:
    """Return the tile as black and white veils (alpha = strength x |noise|), to be laid on top of what is there.

    Veils of premultiplied alpha need one blend (source-atop) and leave the silhouette alone.
    """
    noise = noise_tile(power, seed, stretch)
    alpha = np.clip(255.0 * strength * np.abs(noise), 0, 160).astype(np.uint8)
    value = np.where(noise > 0, alpha, 0).astype(np.uint8)
    rgba = np.ascontiguousarray(np.dstack([value, value, value, alpha]))
    image = skia.Image.fromarray(rgba, colorType=skia.kRGBA_8888_ColorType)
    return image.makeShader(skia.TileMode.kRepeat, skia.TileMode.kRepeat, skia.SamplingOptions())


# power of the 1/f spectrum, seed of the tile, stretch along x, strength
MATERIALS = {
    "person": (1.1, 11, 1.0, 0.05), "animal": (0.9, 12, 1.0, 0.09), "vehicle": (1.6, 13, 2.0, 0.04),
    "food": (1.0, 14, 1.0, 0.07), "furniture": (1.2, 15, 5.0, 0.09), "word": (1.2, 16, 1.0, 0.03), "object": (1.2, 17,
        1.0, 0.05),
    "ground": (1.0, 18, 0.5, 0.12), "wall": (1.2, 19, 1.0, 0.05), "sky": (1.6, 20, 0.6, 0.035),
}  # fmt: skip


def material_paint(material: str, look: int) -> skia.Paint:
    """Return a paint that lays a material's texture over what is drawn already."""
    shader = texture_shader(*MATERIALS[material])
    matrix = skia.Matrix.Translate(float(look % TILE), float((look // TILE) % TILE))
    paint = skia.Paint(Shader=shader.makeWithLocalMatrix(matrix))
    paint.setBlendMode(skia.BlendMode.kSrcATop)
    return paint


@lru_cache(maxsize=4)
def _ramps(size: int) -> tuple[np.ndarray, np.ndarray]:
    ramp = (np.arange(size, dtype=np.float32) / (size - 1) - 0.5) * 2.0
    return ramp[None, :], ramp[:, None]


def finish(picture: np.ndarray, light: Light, scene: str, look: int, grain: float = 3.0) -> np.ndarray:
    """Light a picture (h, h, 3) uint8 from one side, set its brightness and warmth, and add grain."""
    size = picture.shape[0]
    x, y = _ramps(size)
    cx, cy = cos(radians(light.angle)), -sin(radians(light.angle))
    field = light.level * (1.0 + light.strength * (0.75 * cx * x + 0.55 * cy * y))
    shadow = noise_tile(2.0, 21)
    ox, oy = look % (TILE - size) if size < TILE else 0, (look // 97) % (TILE - size) if size < TILE else 0
    shadow = shadow[oy : oy + size, ox : ox + size] if size < TILE else np.resize(shadow, (size, size))
    field = field * (1.0 + (0.05 if scene in INDOORS else 0.08) * shadow)
    speck = noise_tile(0.25, 22)
    speck = speck[ox : ox + size, oy : oy + size] if size < TILE else np.resize(speck, (size, size))
    warm = 0.045 * light.warmth
    out = np.empty_like(picture)
    for channel, tint in enumerate((1.0 + warm, 1.0, 1.0 - warm)):
        out[..., channel] = np.clip(picture[..., channel] * (field * tint) + grain * speck, 0, 255)
    return out
