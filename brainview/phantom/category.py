"""What things, faces, bodies and places do to category-selective cortex.

Reference: developers' page "phantom", 3.3. Faces and bodies are separate drives; every drive exists as a foveal and a
peripheral pool and for either hemisphere (contralateral weighting). The rows of tuning follow published ratios of
preferred to next-best category.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brainview.phantom.retinotopy import HALF_DISPLAY
from brainview.phantom.world import NOUNS, SCENES, ObjectSummary, Scene, object_summaries

#: Columns of the tuning.
DRIVES = ("face", "body", "animal", "vehicle", "food", "furniture", "word", "object", "place")
#: Area -> (tuning to DRIVES, share of the foveal pool).
TUNING: dict[str, tuple[tuple[float, ...], float]] = {
    "OFA": ((1, 0.10, 0.55, 0.10, 0.10, 0.06, 0.15, 0.12, 0), 0.9),
    "FFA-1": ((1, 0.15, 0.50, 0.10, 0.10, 0.06, 0.15, 0.12, 0), 0.9),
    "FFA-2": ((1, 0.15, 0.50, 0.10, 0.10, 0.06, 0.15, 0.12, 0), 0.9),
    "mTL-faces": ((1, 0.10, 0.50, 0.10, 0.10, 0.06, 0.15, 0.12, 0), 0.9),
    "EBA": ((0.15, 1, 0.60, 0.10, 0.07, 0.10, 0.00, 0.13, 0), 0.4),
    "FBA-1": ((0.30, 1, 0.60, 0.10, 0.07, 0.10, 0.10, 0.13, 0), 0.5),
    "FBA-2": ((0.30, 1, 0.60, 0.10, 0.07, 0.10, 0.10, 0.13, 0), 0.5),
    "OPA": ((-0.10, -0.10, -0.15, 0.35, -0.08, 0.40, 0.10, 0.10, 0.9), 0.15),
    "PPA": ((-0.20, -0.20, -0.15, 0.35, -0.08, 0.50, 0.10, 0.10, 1.0), 0.15),
    "RSC": ((-0.15, -0.15, -0.15, 0.35, -0.08, 0.50, 0.10, 0.10, 1.0), 0.15),
    "OWFA": ((0.15, 0.05, 0.13, 0.13, 0.18, 0.08, 1, 0.27, 0), 0.95),
    "VWFA-1": ((0.15, 0.05, 0.13, 0.13, 0.18, 0.08, 1, 0.27, 0), 0.95),
    "VWFA-2": ((0.15, 0.05, 0.13, 0.13, 0.18, 0.08, 1, 0.27, 0), 0.95),
    "food": ((0.03, 0.02, 0.10, 0.10, 1, 0.10, 0.10, 0.20, 0), 0.8),
    "MT": ((0.10, 0.50, 0.60, 0.50, 0.05, 0.05, 0.00, 0.30, 0), 0.3),
    "LO1": ((0.10, 0.10, 0.30, 0.30, 0.30, 0.40, 0.20, 0.50, 0.1), 0.5),
    "LO2": ((0.15, 0.25, 0.40, 0.35, 0.35, 0.40, 0.20, 0.60, 0.0), 0.6),
    "V3ab": ((0.05, 0.10, 0.10, 0.30, 0.10, 0.40, 0.10, 0.30, 0.2), 0.3),
    "hV4": ((0.10, 0.05, 0.20, 0.15, 0.50, 0.15, 0.30, 0.40, 0.0), 0.6),
    "pSTS": ((0.80, 0.70, 0.40, 0.05, 0.05, 0.02, 0.05, 0.05, 0), 0.6),
    "IPS": ((0.05, 0.20, 0.20, 0.30, 0.20, 0.25, 0.20, 0.60, 0.2), 0.3),
}
#: How strongly a scene type drives place areas by its layout (walls, edges, landmarks); mean 0 over the twelve.
_LAYOUT = {"park": -0.4, "street": 1.2, "beach": -1.2, "forest": -0.5, "mountain": -0.6, "farm": -0.3, "kitchen": 0.5,
           "living room": 0.4, "bedroom": 0.2, "classroom": 0.3, "shop": 0.4, "station": 1.0}
#: Width of the foveal pool in degrees.
FOVEAL_SD = 2.5
#: Weight of the preference for single things against that for categories. Preferences are a person's own: at this
#: weight the maps of two people correlate below 0.5 in category areas.
ITEM_WEIGHT = 0.85
#: The identity of things and settings: nouns first, then scene types.
ITEMS = (*NOUNS, *SCENES)


@dataclass(frozen=True, eq=False)
class Drives:
    """Drives of n scenes.

    Parameters
    ----------
    foveal, peripheral : (2, n, 9) float32; first axis = hemisphere (left, right)
    items : (n, 52) float32 presence of every noun (by its amplitude) and of the scene type
    """

    foveal: np.ndarray
    peripheral: np.ndarray
    items: np.ndarray

    def __len__(self) -> int:
        return self.items.shape[0]

    def features(self) -> np.ndarray:
        """Return (n, 36) float32: all drives as one design matrix (the regressors of a category model)."""
        n = len(self)
        both = np.concatenate([self.foveal, self.peripheral]).transpose(1, 0, 2)
        return both.reshape(n, -1)


def drives(scenes: Sequence[Scene]) -> Drives:
    """Return the drives of category cortex for scenes.

    D_fov = sqrt(sum a contra w), D_per = sqrt(sum a contra (1 - 0.7 w)) with a = (size / 3 deg) ** 0.7,
    contra = 0.35 + 0.65 sigmoid(+-x / 1 deg), w = exp(-ecc² / (2 x 2.5²)).
    """
    foveal = np.zeros((2, len(scenes), len(DRIVES)))
    peripheral = np.zeros_like(foveal)
    items = np.zeros((len(scenes), len(ITEMS)), np.float32)
    position = {name: i for i, name in enumerate(ITEMS)}
    for row, scene in enumerate(scenes):
        covered = 0.0
        for thing in object_summaries(scene):
            amplitude = (max(thing.size, 0.1) / 3.0) ** 0.7
            contra = 0.35 + 0.65 / (1 + np.exp(-np.array([thing.x, -thing.x])))
            near = np.exp(-(thing.ecc**2) / (2 * FOVEAL_SD**2))
            for name, share in _shares(thing):
                column = DRIVES.index(name)
                foveal[:, row, column] += share * amplitude * contra * near
                peripheral[:, row, column] += share * amplitude * contra * (1 - 0.7 * near)
            items[row, position[thing.noun]] += amplitude
            covered += thing.size**2 / (2 * HALF_DISPLAY) ** 2
        items[row, position[scene.scene]] = 0.3
        place = 0.6 + 0.08 * _LAYOUT[scene.scene] + 1.6 * (0.25 - min(covered, 0.6))
        foveal[:, row, -1] = peripheral[:, row, -1] = np.square(max(place, 0.0))
    return Drives(np.sqrt(foveal).astype(np.float32), np.sqrt(peripheral).astype(np.float32), items)


def _shares(thing: ObjectSummary) -> list[tuple[str, float]]:
    """Return which drives one thing feeds: a person's face and body count apart, as far as they are seen."""
    if thing.category != "person":
        return [(thing.category, 1.0)]
    return [("face", float(thing.face_visible)), ("body", float(thing.body_visible))]


def category_signal(drive: Drives, hemisphere: np.ndarray, tuning: np.ndarray, phi: np.ndarray,
                    items: np.ndarray) -> np.ndarray:
    """Return (n, V) float32 signal of category vertices, each standardised before the items are added.

    s = z(T . (phi D_fov + (1 - phi) D_per)) + ITEM_WEIGHT z(item term)

    Parameters
    ----------
    hemisphere : (V,) 0 left, 1 right. tuning : (V, 9). phi : (V,). items : (V, 52) weights of identities
    """
    out = np.empty((len(drive), len(phi)), np.float32)
    for side in (0, 1):
        here = np.flatnonzero(hemisphere == side)
        weights = tuning[here].T
        out[:, here] = drive.foveal[side] @ (weights * phi[here]) + drive.peripheral[side] @ (weights * (1 - phi[here]))
    return standard(out) + ITEM_WEIGHT * standard(drive.items @ items.T)


def standard(values: np.ndarray) -> np.ndarray:
    """Return columns with mean 0 and variance 1 over the rows (0 where a column is constant)."""
    centred = values - values.mean(0, dtype=np.float64).astype(np.float32)
    spread = np.sqrt(np.square(centred, dtype=np.float64).mean(0)).astype(np.float32)
    return np.where(spread > 1e-6, centred / np.maximum(spread, 1e-6), 0).astype(np.float32)
