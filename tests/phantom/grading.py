"""One graded subject: drawn scenes, planted fields, simulated trials, and small ridge models to grade them with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from PIL import Image
from scipy import linalg
from scipy.stats import rankdata

from brainview.phantom import gabor
from brainview.phantom.anatomy import area_names
from brainview.phantom.category import drives
from brainview.phantom.design import Design, make_design
from brainview.phantom.draw import draw_scene
from brainview.phantom.responses import Bank, CeilingEstimate, Recorder, Signals, signals
from brainview.phantom.semantics import codes, population_scale
from brainview.phantom.subjects import SubjectFields, level_of, make_subject
from brainview.phantom.world import Scene, generate_scenes

SEED, TRAIN, TEST, RESERVE = 2026, 800, 200, 150


def energy_of(scene: Scene) -> np.ndarray:
    """Return the Gabor energies of a scene drawn at twice the working size."""
    return gabor.energies(gabor.luminance(Image.fromarray(draw_scene(scene, 2 * gabor.SIDE)))).astype(np.float16)


@dataclass(frozen=True)
class World:
    """The scenes of the grading set: 200 test scenes in siblings, 800 training scenes, a reserve."""

    shown: list[Scene]
    bank: Bank
    reserve: Bank


def make_world(train: int = TRAIN, test: int = TEST, reserve: int = RESERVE) -> World:
    """Draw all scenes and measure them."""
    shown = generate_scenes(test, SEED, "nsd", pool="test", unique=True)
    shown += generate_scenes(train, SEED, "nsd", pool="train")
    hidden = generate_scenes(reserve, SEED, "nsd", pool="reserve")
    with ThreadPoolExecutor(2) as pool:
        energy = np.stack(list(pool.map(energy_of, [*shown, *hidden])))
    scale = population_scale([*shown, *hidden], level_of("nsd").text_share)
    n = len(shown)
    return World(shown, Bank(energy[:n], drives(shown), codes(shown, scale)),
                 Bank(energy[n:], drives(hidden), codes(hidden, scale)))


@dataclass
class Scan:
    """One subject's simulated experiment, analysed as a user would: z-scored sessions, averaged repeats."""

    world: World
    index: int
    design: Design = field(default_factory=lambda: make_design(SEED, 1, TRAIN, TEST))

    @cached_property
    def fields(self) -> SubjectFields:
        return make_subject(SEED, self.index, level_of("nsd"))

    @cached_property
    def signals(self) -> Signals:
        return signals(self.fields, self.world.bank, self.world.reserve)

    @cached_property
    def _analysed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (mean betas (images, V), betas of the first showing, ncsnr)."""
        recorder = Recorder(SEED, self.fields, self.signals, self.design, level_of("nsd"))
        n = self.design.test + self.design.train
        total, first, count = np.zeros((n, 20_484), np.float32), np.zeros((n, 20_484), np.float32), np.zeros(n)
        estimate = CeilingEstimate(self.design.test, 20_484)
        for session in range(self.design.sessions):
            images = self.design.session(session)
            z = estimate.add(recorder.surface(session), images)
            for row, image in enumerate(images.tolist()):
                if count[image] == 0:
                    first[image] = z[row]
                total[image] += z[row]
                count[image] += 1
        return total / count[:, None].astype(np.float32), first, estimate.ncsnr()

    @property
    def mean(self) -> np.ndarray:
        return self._analysed[0]

    @property
    def single(self) -> np.ndarray:
        return self._analysed[1]

    @property
    def ncsnr(self) -> np.ndarray:
        return self._analysed[2]

    def area(self, *names: str, core: bool = True) -> np.ndarray:
        """Return the vertices whose driving area is one of `names`, well inside it."""
        numbers = [1 + area_names().index(n) for n in names]
        inside = np.isin(self.fields.area, numbers) & (self.fields.q > 0)
        return np.flatnonzero(inside & (self.fields.amp > (0.6 if core else 0)))


def zscore(values: np.ndarray, by: np.ndarray | None = None) -> np.ndarray:
    """Return columns standardised by the rows of `by` (default: themselves)."""
    by = values if by is None else by
    spread = by.std(0)
    return (values - by.mean(0)) / np.where(spread > 1e-9, spread, 1)


def ridge(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return predictions of ridge with alpha per column by generalised cross-validation (dual form)."""
    mean, center = x.mean(0), y.mean(0)
    values, vectors = linalg.eigh((x - mean) @ (x - mean).T)
    values = np.maximum(values, 0)
    rotated = vectors.T @ (y - center)
    alphas = np.logspace(-1, 5, 13) * max(values.max() / 1e4, 1e-9)
    best, kernel = np.full(y.shape[1], np.inf), (new - mean) @ (x - mean).T @ vectors
    out = np.zeros((len(new), y.shape[1]))
    for alpha in alphas:
        shrink = alpha / (values + alpha)
        loss = np.square(shrink[:, None] * rotated).sum(0) / np.square(shrink.mean())
        better = loss < best
        best = np.where(better, loss, best)
        out[:, better] = kernel @ (rotated[:, better] / (values + alpha)[:, None])
    return out + center


def r2(prediction: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Return squared Pearson correlation per column, 0 where it is negative."""
    r = (zscore(prediction) * zscore(measured)).mean(0)
    return np.square(np.maximum(r, 0))


def recall(predicted: np.ndarray, true: np.ndarray) -> float:
    """Return R@1: how often the true row is the one most correlated with its prediction."""
    a, b = (zscore(v.T).T for v in (predicted, true))
    return float(((a @ b.T).argmax(1) == np.arange(len(a))).mean())


def rdm(values: np.ndarray) -> np.ndarray:
    """Return the upper triangle of 1 - r between rows."""
    z = zscore(zscore(values).T).T
    return (1 - z @ z.T / z.shape[1])[np.triu_indices(len(z), 1)]


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def gabor_features(bank: Bank) -> np.ndarray:
    """Return (n, 1,152) pooled Gabor amplitudes: 32 channels on a 6 x 6 grid."""
    energy = np.asarray(bank.energy, np.float32)[:, :, 1:25, 1:25].reshape(len(bank), 32, 6, 4, 6, 4).mean((3, 5))
    return np.sqrt(energy).reshape(len(bank), -1)


def category_features(bank: Bank) -> np.ndarray:
    """Return (n, 88) drives of categories and, scaled to the same spread, which things and setting are there."""
    drive, items = bank.drives.features(), bank.drives.items
    return np.concatenate([drive, items * (drive.std() / max(items.std(), 1e-9) / 2)], axis=1)


def image_embedding(bank: Bank) -> np.ndarray:
    """Return what a picture embedding would hold: main components of Gabor amplitudes, and the category drives."""
    low = zscore(gabor_features(bank))
    u, s, _ = np.linalg.svd(low, full_matrices=False)
    parts = (u[:, :30] * s[:30] / s[0], 0.4 * zscore(bank.drives.features()), 0.4 * zscore(bank.drives.items))
    return np.concatenate([p / np.sqrt((p**2).sum(1).mean()) for p in parts], axis=1)
