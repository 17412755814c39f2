"""Grading every method, layer and beta on brains whose informative voxels are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy import stats

from brainview.alignment.encoder import BrainEncoder
from brainview.attribution import grading
from brainview.attribution.ibba import IbbaConfig, frozen, ibba
from brainview.attribution.methods import METHODS
from brainview.attribution.target import Target
from brainview.attribution.toy import ToyWorld
from brainview.core.jobs import QUIET, JobContext

#: Methods whose map does not depend on the layer.
NO_LAYER = ("occlusion", "rise", "random")
#: Degradation figures and whether more is better; the survey tells whether they rank methods as the truth does.
DEGRADATION = {"image_drop": False, "image_increase": True, "text_drop": False, "text_increase": True,
               "deletion": False, "insertion": True, "deletion_rank": False, "insertion_rank": True}


@dataclass(frozen=True)
class Cell:
    """One row of the table: a method with its settings."""

    method: str
    layer: int
    settings: dict[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def name(self) -> str:
        """What the table calls it."""
        layer = "" if self.method in (*NO_LAYER, "constant", "oracle") else f" layer {self.layer}"
        beta = f" beta {self.settings['beta']:g}" if "beta" in self.settings else ""
        return f"{self.method}{layer}{beta}{' ' + self.note if self.note else ''}"


@dataclass(frozen=True)
class SurveyConfig:
    """What is surveyed.

    Parameters
    ----------
    samples : int
        Test brains graded.
    betas : tuple of float
    layers : tuple of int, optional
        None = every layer before the last block's output.
    copies, steps : int
        Of IB-BA.
    masks : int
        Of RISE.
    repeats : int
        Samples used for seed repeatability.
    """

    samples: int = 100
    betas: tuple[float, ...] = (0.1, 1.0, 10.0)
    layers: tuple[int, ...] | None = None
    copies: int = 10
    steps: int = 20
    masks: int = 300
    repeats: int = 20


def cells(config: SurveyConfig, blocks: int) -> list[Cell]:
    """Return the rows of the table for an encoder of `blocks` blocks: controls first."""
    layers = range(blocks) if config.layers is None else config.layers
    bottleneck = {"copies": config.copies, "steps": config.steps}
    default = IbbaConfig()
    out = [Cell("oracle", 0), Cell("constant", 0), Cell("random", 0)]
    for layer in layers:
        out += [Cell("ibba", layer, {**bottleneck, "beta": beta}) for beta in config.betas]
        out += [Cell(name, layer) for name in METHODS if name not in (*NO_LAYER, "ibba")]
    out += [Cell("occlusion", 0), Cell("rise", 0, {"masks": config.masks})]
    base = {**bottleneck, "beta": default.beta}
    out += [Cell("ibba", default.layer, {**base, "mode": "recommended"}, "recommended mode"),
            Cell("ibba", default.layer, {**base, "class_token": "keep"}, "class token clean"),
            Cell("ibba", default.layer, {**base, "steps": 5}, "5 steps"),
            Cell("ibba", default.layer, base, "contrast"), Cell("ibba", default.layer, base, "shuffled weights")]
    return out


def token_truth(world: ToyWorld, truth: np.ndarray) -> np.ndarray:
    """Return (n_tokens,) share of each token's voxels that are true: the best map that tokens can give."""
    count = (world.grid.voxel_index >= 0).sum(-1)
    return world.grid.patches(truth.astype(np.float32)).sum(-1) / np.maximum(count, 1)


class Survey:
    """Maps of one world and their grades; make one, iterate :meth:`grades`, then :func:`summary`."""

    def __init__(self, world: ToyWorld, config: SurveyConfig) -> None:
        self.world, self.config = world, config
        self.cells = cells(config, len(world.encoder.blocks))
        self.shuffled = shuffled_weights(world.encoder)
        self.gallery = torch.from_numpy(world.brains.image[world.test.start:] + world.brains.text[world.test.start:])
        self.xyz = np.argwhere(world.brains.mask)
        self._kept: dict[str, np.ndarray] = {}

    def scores(self, cell: Cell, sample: int, of: int | None = None, *, seed: int = 0,
               context: JobContext = QUIET) -> np.ndarray:
        """Return token or voxel scores of a cell for a brain and the target of brain `of` (its own by default)."""
        shuffled = cell.note == "shuffled weights"
        key = repr((cell.method, cell.layer, sorted(cell.settings.items()), shuffled, of, seed))
        if key not in self._kept:  # the contrast map is made of maps that another row has already
            target = self.world.target(sample if of is None else of)
            self._kept[key] = self._scores(cell, sample, target, seed, context)
        return self._kept[key]

    def _scores(self, cell: Cell, sample: int, target: Target, seed: int, context: JobContext) -> np.ndarray:
        world, patches = self.world, self.world.patches(sample)
        if cell.method == "oracle":
            return token_truth(world, world.brains.truth(sample))
        if cell.method == "constant":
            return np.ones(world.grid.n_tokens, np.float32)
        settings = dict(cell.settings)
        if cell.method in ("ibba", "rise", "random"):
            settings["seed"] = sample if cell.method == "random" else seed
        if cell.method == "rise":
            settings["grid"] = world.grid
        encoder = self.shuffled if cell.note == "shuffled weights" else world.encoder
        return METHODS[cell.method][0](encoder, patches, target, cell.layer, context=context, **settings)

    def voxels(self, cell: Cell, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the (smooth, blocky) voxel maps of scores; methods that give voxels are averaged for the latter."""
        grid = self.world.grid
        if cell.method == "constant":  # rounding of interpolation weights would rank its voxels
            flat = np.ones(int(grid.mask.sum()), np.float32)
            return flat, flat
        if cell.method in METHODS and METHODS[cell.method][1]:
            count = np.maximum((grid.voxel_index >= 0).sum(-1), 1)
            return scores, grid.spread(grid.patches(scores).sum(-1) / count, "nearest")
        return grid.spread(scores), grid.spread(scores, "nearest")

    def grade(self, cell: Cell, sample: int, *, context: JobContext = QUIET) -> dict[str, float]:
        """Return every figure of one map."""
        brains, world = self.world.brains, self.world
        target = world.target(sample)
        truth, distractors = brains.truth(sample), brains.distractors(sample)
        scores = self.scores(cell, sample, context=context)
        mismatched = self.scores(cell, sample, world.mismatched(sample), context=context)
        if cell.note == "contrast":
            scores, mismatched = scores - mismatched, mismatched - scores
        smooth, blocky = self.voxels(cell, scores)
        hard = grading.hard_auroc(smooth, truth, distractors)
        other = grading.hard_auroc(self.voxels(cell, mismatched)[0], truth, distractors)
        return {"hard_auroc": hard, "hard_auroc_blocky": grading.hard_auroc(blocky, truth, distractors),
                "auroc": grading.auroc(smooth, truth), "auprc": grading.average_precision(smooth, truth),
                "prior": float(truth.mean()), "pointing": float(grading.pointing(smooth, truth, self.xyz)),
                "energy": grading.energy_inside(smooth, truth), "mismatched": other, "target_gap": hard - other,
                **self._degradation(sample, smooth), **self._deletion(sample, target, smooth)}

    @torch.no_grad()
    def _degradation(self, sample: int, smooth: np.ndarray) -> dict[str, float]:
        """Return drop and increase of the volume multiplied by its own map (min-max), and the mean of that mask."""
        world, weight = self.world, grading.unit_range(smooth)
        volume = world.brains.volumes[sample]
        found = world.encoder(torch.from_numpy(world.grid.patches(np.stack([volume, volume * weight]))))
        out = {"mask_mean": float(weight.mean())}
        for which in ("image", "text"):
            full, masked = (np.array([v]) for v in world.target(sample, which).score(found).tolist())
            figures = grading.degradation(full, masked)
            out |= {f"{which}_{name}": figures[name] for name in ("drop", "relative_drop", "increase")}
        return out

    @torch.no_grad()
    def _deletion(self, sample: int, target: Target, smooth: np.ndarray) -> dict[str, float]:
        """Return areas under the deletion and insertion curves (steps of 4 % of tokens), of likeness and 1/rank."""
        world, n = self.world, self.world.grid.n_tokens
        count = np.maximum((world.grid.voxel_index >= 0).sum(-1), 1)
        order = np.argsort(-(world.grid.patches(smooth).sum(-1) / count), kind="stable")
        steps = np.unique([*range(0, n, max(1, round(0.04 * n))), n])
        gone = np.zeros((len(steps), n), bool)
        for row, k in enumerate(steps):
            gone[row, order[:k]] = True
        patches, out = world.patches(sample), {}
        for name, keep in (("deletion", ~gone), ("insertion", gone)):
            found = world.encoder(patches * torch.from_numpy(keep[:, :, None].astype(np.float32)))
            likeness = found @ self.gallery.T
            rank = (likeness > likeness[:, [sample - world.test.start]]).sum(1)
            out[name] = grading.area_under_steps(target.score(found).numpy())
            out[f"{name}_rank"] = grading.area_under_steps((1 / (1 + rank.double())).numpy())
        return out

    def grades(self, context: JobContext = QUIET) -> Iterator[tuple[Cell, int, dict[str, float]]]:
        """Yield (cell, sample, figures), brain by brain."""
        samples = list(self.world.test)[:self.config.samples]
        for done, sample in enumerate(samples):
            self._kept.clear()
            for i, cell in enumerate(self.cells):
                context.report(done + i / len(self.cells), len(samples), cell.name)
                yield cell, sample, self.grade(cell, sample)

    def repeatability(self, layer: int, beta: float, context: JobContext = QUIET) -> dict[str, float]:
        """Return mean Pearson correlation and top-10 % overlap of IB-BA maps between two noise seeds."""
        cell = Cell("ibba", layer, {"copies": self.config.copies, "steps": self.config.steps, "beta": beta})
        found = []
        for sample in list(self.world.test)[:min(self.config.samples, self.config.repeats)]:
            context.check()
            self._kept.clear()
            a, b = (self.scores(cell, sample, seed=s) for s in (0, 1))
            found.append((np.corrcoef(a, b)[0, 1], grading.overlap_top(a, b)))
        pearson, overlap = np.mean(found, 0)
        return {"pearson": float(pearson), "top_overlap": float(overlap), "samples": float(len(found))}

    def modalities(self, layer: int, beta: float, context: JobContext = QUIET) -> list[dict[str, Any]]:
        """Return hard AUROC of image-only and text-only maps against the truth of each modality (level 3)."""
        rows = []
        samples = list(self.world.test)[:self.config.samples]
        for asked in ("image", "text"):
            found: dict[str, list[float]] = {"image": [], "text": []}
            for sample in samples:
                context.check()
                x = self.world.encoder.stream(self.world.patches(sample)[None])[layer][0]
                settings = IbbaConfig(layer=layer, beta=beta, copies=self.config.copies, steps=self.config.steps)
                smooth = self.world.grid.spread(ibba(self.world.encoder, x, self.world.target(sample, asked),
                                                     settings).scores)
                brains = self.world.brains
                for truth in found:
                    other = {"image": "text", "text": "image"}[truth]
                    only, rest = brains.truth(sample, truth), brains.truth(sample, other)
                    found[truth].append(grading.hard_auroc(smooth, only, brains.distractors(sample, truth)
                                                           | (rest & ~only)))
            rows += [{"target": asked, "truth": truth, **vars(grading.bootstrap(np.array(v)))}
                     for truth, v in found.items()]
        return rows


def shuffled_weights(encoder: BrainEncoder, seed: int = 0) -> BrainEncoder:
    """Return a copy whose weight matrices hold the same numbers in random places: the sanity check of a method."""
    copy = BrainEncoder(encoder.config, encoder.n_tokens)
    source = torch.Generator().manual_seed(seed)
    copy.load_state_dict({k: v.flatten()[torch.randperm(v.numel(), generator=source)].view_as(v)
                          for k, v in encoder.state_dict().items()})
    return frozen(copy)


def summary(found: list[tuple[Cell, list[dict[str, float]]]]) -> list[dict[str, Any]]:
    """Return one row per cell: each figure's mean, the bootstrap 95 % interval of the headlines."""
    rows = []
    for cell, grades in found:
        row: dict[str, Any] = {"name": cell.name, "method": cell.method, "layer": cell.layer, "note": cell.note,
                               "beta": cell.settings.get("beta")}
        for key in grades[0]:
            values = np.array([g[key] for g in grades])
            inside = grading.bootstrap(values)
            row[key] = inside.mean
            if key in ("hard_auroc", "target_gap", "hard_auroc_blocky"):
                row |= {f"{key}_low": inside.low, f"{key}_high": inside.high}
        rows.append(row | {"samples": len(grades)})
    return rows


def faithfulness(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return Spearman's correlation, over rows, of each degradation figure with hard AUROC.

    +1 would mean that the figure ranks methods as the truth does (signs are turned so that better is positive).
    The oracle and the constant map are left out: they are no methods.
    """
    out = []
    for key, more in DEGRADATION.items():
        line: dict[str, Any] = {"figure": key}
        for name, used in (("all", lambda r: r["method"] not in ("oracle", "constant")),
                           ("ibba", lambda r: r["method"] == "ibba")):
            picked = [r for r in rows if used(r)]
            x = np.array([r[key] for r in picked]) * (1 if more else -1)
            y = np.array([r["hard_auroc"] for r in picked])
            varied = len(picked) > 2 and np.ptp(x) > 0 and np.ptp(y) > 0
            rho = stats.spearmanr(x, y) if varied else None
            line |= {f"rho_{name}": float(rho.statistic) if rho else float("nan"),
                     f"p_{name}": float(rho.pvalue) if rho else float("nan"), f"n_{name}": len(picked)}
        out.append(line)
    return out
