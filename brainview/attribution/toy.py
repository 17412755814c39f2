"""A brain encoder trained on planted brains: what the planted-truth benchmark grades attribution on."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from brainview.alignment.encoder import BrainEncoder, EncoderConfig
from brainview.alignment.patches import PatchGrid
from brainview.alignment.retrieval import ranks
from brainview.alignment.train import AlignmentData, Fit, FitConfig, encode
from brainview.attribution.ibba import frozen
from brainview.attribution.planted import PlantedBrains, PlantedConfig, plant
from brainview.attribution.target import Target
from brainview.core.files import to_json
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.core.paths import cache_dir
from brainview.training.run import RunFolder


@dataclass(frozen=True)
class ToyConfig:
    """What is planted and how the encoder is trained on it.

    Parameters
    ----------
    planted : PlantedConfig
    width, blocks, heads, patch : int
        The encoder.
    train, test : int
        Brains; the test brains are also the gallery of the retrieval score.
    steps, batch : int
    lr, temperature : float
        0.02: the planted embeddings lie in a narrow cone, and 0.07 (CLIP's initial value) left R@1 at 0.36 against
        0.49 after the same 900 steps.
    """

    planted: PlantedConfig = field(default_factory=PlantedConfig)
    width: int = 32
    blocks: int = 4
    heads: int = 4
    patch: int = 4
    train: int = 6000
    test: int = 200
    steps: int = 900
    batch: int = 64
    lr: float = 2e-3
    temperature: float = 0.02

    @property
    def key(self) -> str:
        """Hash of all settings: the name of the cached encoder."""
        return hashlib.sha256(to_json(asdict(self)).encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class ToyWorld:
    """A trained encoder and the brains it has not seen.

    Parameters
    ----------
    config : ToyConfig
    brains : PlantedBrains
        Training brains first, then the test brains.
    grid : PatchGrid
    encoder : BrainEncoder
        Frozen.
    retrieval : dict of str to float
        R@1 of ``image`` and ``text`` on the test brains, and ``chance``.
    """

    config: ToyConfig
    brains: PlantedBrains
    grid: PatchGrid
    encoder: BrainEncoder
    retrieval: dict[str, float]

    @property
    def test(self) -> range:
        """Rows of the test brains."""
        return range(self.config.train, self.config.train + self.config.test)

    def patches(self, sample: int) -> torch.Tensor:
        """Return (n_tokens, p^3) of one brain."""
        return torch.from_numpy(self.grid.patches(self.brains.volumes[sample]))

    def target(self, sample: int, which: str = "both") -> Target:
        """Return the target of one brain."""
        return Target.of(torch.from_numpy(self.brains.image[sample]), torch.from_numpy(self.brains.text[sample]), which)

    @property
    def gallery(self) -> np.ndarray:
        """(test, embed) what the rank of a brain is taken among: image plus text embeddings of the test brains."""
        return self.brains.image[self.test.start:] + self.brains.text[self.test.start:]

    def row(self, sample: int) -> int:
        """Return a brain's row in the gallery."""
        return sample - self.test.start

    @property
    def xyz(self) -> np.ndarray:
        """(n_voxels, 3) places of what maps and truth are compared on."""
        return np.argwhere(self.brains.mask)

    def truth(self, sample: int, which: str = "both") -> np.ndarray:
        """Return the informative voxels of a brain; see :class:`PlantedBrains`."""
        return self.brains.truth(sample, which)

    def distractors(self, sample: int, which: str = "both") -> np.ndarray:
        """Return the voxels that are informative of other brains, or of nothing."""
        return self.brains.distractors(sample, which)

    def best_tokens(self, sample: int) -> np.ndarray:
        """Return (n_tokens,) share of each token's voxels that are true: the best map that tokens can give."""
        count = (self.grid.voxel_index >= 0).sum(-1)
        return self.grid.patches(self.truth(sample).astype(np.float32)).sum(-1) / np.maximum(count, 1)

    def drawn(self, scores: np.ndarray, method: Literal["trilinear", "nearest"] = "trilinear") -> np.ndarray:
        """Return (n_voxels,) of (n_tokens,) scores."""
        return self.grid.spread(scores, method)

    def drawn_voxels(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the (as they are, averaged per token) voxel maps of a method that gives voxels."""
        count = np.maximum((self.grid.voxel_index >= 0).sum(-1), 1)
        return scores, self.drawn(self.grid.patches(scores).sum(-1) / count, "nearest")

    def mismatched(self, sample: int, seed: int = 0) -> int:
        """Return a test brain that shares as few active concepts with `sample` as any does."""
        active = self.brains.strength[self.config.train:] > 0
        shared = active[:, self.brains.strength[sample] > 0].sum(1)
        pick = np.random.default_rng([seed, sample]).choice(np.flatnonzero(shared == shared.min()))
        return self.config.train + int(pick)


def train_toy(config: ToyConfig, *, cached: bool = True, context: JobContext = QUIET) -> ToyWorld:
    """Plant brains, train the encoder with the app's own trainer, and return both.

    Parameters
    ----------
    config : ToyConfig
    cached : bool
        Keep the encoder in the cache folder, and take it from there when it is; a stopped training goes on.
    """
    brains = plant(config.planted, config.train + config.test)
    grid = PatchGrid(brains.mask, config.patch)
    inputs = grid.patches(brains.volumes).astype(np.float16)
    torch.manual_seed(config.planted.seed)
    embed = brains.image.shape[1]
    model = BrainEncoder(EncoderConfig(config.width, config.blocks, config.heads, patch=config.patch, embed=embed),
                         grid.n_tokens)
    epochs = max(1, math.ceil(config.steps / max(1, config.train // config.batch)))
    settings = FitConfig(epochs=epochs, batch=config.batch, lr=config.lr, temperature=config.temperature, queue=0,
                         noise=0.0, one_repetition=False, warmup=0.05, seed=config.planted.seed)
    run = _cache(config) if cached else None
    train = _part(brains, inputs, 0, config.train)
    model = Fit(model, train, None, settings, run).run(Stage(context, 0.0, 1.0, "training"))
    test = _part(brains, inputs, config.train, config.test)
    found = encode(frozen(model), test)
    score = {name: float((ranks(found, target) == 0).mean()) for name, target in
             (("image", test.image), ("text", test.text))}
    return ToyWorld(config, brains, grid, model, score | {"chance": 1 / config.test})


def _cache(config: ToyConfig) -> RunFolder:
    folder = cache_dir() / "attribution" / f"toy-{config.key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = asdict(config)
    return RunFolder.create(folder, "planted-toy", settings)


def _part(brains: PlantedBrains, inputs: np.ndarray, start: int, count: int) -> AlignmentData:
    rows = slice(start, start + count)
    return AlignmentData(inputs[rows], tuple(np.array([i]) for i in range(count)), np.arange(start, start + count),
                         brains.image[rows], brains.text[rows])
