"""Grading every method, layer and beta on brains whose informative places are known.

A *world* holds them: planted toy brains (:mod:`toy`) or the simulated people of a phantom (:mod:`phantom_world`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import torch
from scipy import stats

from brainview.alignment.encoder import BrainEncoder
from brainview.alignment.patches import PatchGrid
from brainview.attribution import grading
from brainview.attribution.ibba import IbbaConfig, frozen, ibba
from brainview.attribution.methods import METHODS
from brainview.attribution.target import Target
from brainview.core.jobs import QUIET, JobContext

#: Methods whose map does not depend on the layer.
NO_LAYER = ("occlusion", "rise", "random")
#: Degradation figures and whether more is better; the survey tells whether they rank methods as the truth does.
DEGRADATION = {"image_drop": False, "image_increase": True, "text_drop": False, "text_increase": True,
               "deletion": False, "insertion": True, "deletion_rank": False, "insertion_rank": True}


#: The note of the row that averages seeds, and how many: what the panel settles on when a slider rests.
SEEDS = 3
SETTLED = f"mean of {SEEDS} seeds"


#: A control: IB-BA's default map with its tokens in another order, so with the same histogram.
PERMUTED = "permuted"


@dataclass(frozen=True)
class Cell:
    """One row of the table: a method with its settings."""

    method: str
    layer: int
    settings: dict[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def switch(self) -> bool:
        """Whether it is a switch of IB-BA, graded on the first `gaps` samples only."""
        return self.note not in ("", "contrast") and not self.note.startswith("=")

    @property
    def name(self) -> str:
        """What the table calls it."""
        if self.note.startswith("="):
            return self.note[1:]
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
        Of RISE; 0 leaves it out.
    repeats : int
        First samples used for seed repeatability.
    gaps : int
        First samples that are also asked about a wrong target (it doubles their cost), and on which the switches of
        IB-BA are graded.
    variants : bool
        Whether IB-BA's switches (mode, class token, steps, averaged seeds, shuffled weights) have rows of their own.
    degrade : bool
        Whether drop, increase, deletion and insertion are computed (they cost more than the quick methods' maps).
    modalities : bool
        Whether image-only and text-only maps are graded too (level 3).
    """

    samples: int = 100
    betas: tuple[float, ...] = (0.1, 1.0, 10.0)
    layers: tuple[int, ...] | None = None
    copies: int = 10
    steps: int = 20
    masks: int = 300
    repeats: int = 20
    gaps: int = 100
    variants: bool = True
    degrade: bool = True
    modalities: bool = False


def cells(config: SurveyConfig, blocks: int) -> list[Cell]:
    """Return the rows of the table for an encoder of `blocks` blocks: controls first."""
    layers = range(blocks) if config.layers is None else config.layers
    bottleneck = {"copies": config.copies, "steps": config.steps}
    default = IbbaConfig(layer=IbbaConfig.default_layer(blocks))
    out = [Cell("oracle", 0), Cell("constant", 0), Cell("random", 0)]
    for layer in layers:
        out += [Cell("ibba", layer, {**bottleneck, "beta": beta}) for beta in config.betas]
        out += [Cell(name, layer) for name in METHODS if name not in (*NO_LAYER, "ibba")]
    out += [Cell("occlusion", 0), *([Cell("rise", 0, {"masks": config.masks})] if config.masks else [])]
    base = {**bottleneck, "beta": default.beta}
    out += [Cell("ibba", default.layer, base, "contrast")]
    if config.variants:
        out += [Cell("ibba", default.layer, {**base, "average": SEEDS}, SETTLED),
                Cell("ibba", default.layer, {**base, "mode": "recommended"}, "recommended mode"),
                Cell("ibba", default.layer, {**base, "class_token": "keep"}, "class token clean"),
                Cell("ibba", default.layer, {**base, "steps": 5}, "5 steps"),
                Cell("ibba", default.layer, base, "shuffled weights")]
    return out


class World(Protocol):
    """Brains with known truth and the encoder that is asked about them; see :class:`brainview.attribution.toy.ToyWorld`
    for what each part is."""

    @property
    def encoder(self) -> BrainEncoder: ...
    @property
    def grid(self) -> PatchGrid: ...
    @property
    def retrieval(self) -> dict[str, float]: ...
    @property
    def test(self) -> Sequence[int]: ...
    @property
    def gallery(self) -> np.ndarray: ...
    @property
    def xyz(self) -> np.ndarray: ...
    def row(self, sample: int) -> int: ...
    def patches(self, sample: int) -> torch.Tensor: ...
    def target(self, sample: int, which: str = "both") -> Target: ...
    def mismatched(self, sample: int) -> int: ...
    def truth(self, sample: int, which: str = "both") -> np.ndarray: ...
    def distractors(self, sample: int, which: str = "both") -> np.ndarray: ...
    def best_tokens(self, sample: int) -> np.ndarray: ...
    def drawn(self, scores: np.ndarray, method: Literal["trilinear", "nearest"] = "trilinear") -> np.ndarray: ...
    def drawn_voxels(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...


class Survey:
    """Maps of one world and their grades; make one, iterate :meth:`grades`, then :func:`summary`."""

    def __init__(self, world: World, config: SurveyConfig, rows: list[Cell] | None = None) -> None:
        self.world, self.config = world, config
        self.cells = cells(config, len(world.encoder.blocks)) if rows is None else rows
        self.shuffled = shuffled_weights(world.encoder)
        self.gallery = torch.from_numpy(world.gallery)
        self.xyz = world.xyz
        self.samples = list(world.test)[:config.samples]
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
            return world.best_tokens(sample)
        if cell.method == "constant":
            return np.ones(world.grid.n_tokens, np.float32)
        settings = dict(cell.settings)
        if cell.method == PERMUTED:
            own = METHODS["ibba"][0](world.encoder, patches, target, cell.layer, context=context, **settings)
            return np.random.default_rng([sample, seed]).permutation(own)
        if cell.method in ("ibba", "rise", "random"):
            settings["seed"] = sample if cell.method == "random" else seed
        if cell.method == "rise":
            settings["grid"] = world.grid
        encoder = self.shuffled if cell.note == "shuffled weights" else world.encoder
        return METHODS[cell.method][0](encoder, patches, target, cell.layer, context=context, **settings)

    def voxels(self, cell: Cell, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the (smooth, blocky) voxel maps of scores; methods that give voxels are averaged for the latter."""
        if cell.method == "constant":  # rounding of interpolation weights would rank its voxels
            flat = np.ones(len(self.xyz), np.float32)
            return flat, flat
        if cell.method in METHODS and METHODS[cell.method][1]:
            return self.world.drawn_voxels(scores)
        return self.world.drawn(scores), self.world.drawn(scores, "nearest")

    def mask_voxels(self, cell: Cell, scores: np.ndarray) -> np.ndarray:
        """Return (n_mask_voxels,) scores: what degrades the volume."""
        if cell.method == "constant":
            return np.ones(int(self.world.grid.mask.sum()), np.float32)
        return scores if cell.method in METHODS and METHODS[cell.method][1] else self.world.grid.spread(scores)

    def grade(self, cell: Cell, sample: int, *, gap: bool = True, context: JobContext = QUIET) -> dict[str, float]:
        """Return every figure of one map; without `gap` those of the wrong target are NaN (they cost a second map)."""
        world = self.world
        truth, distractors = world.truth(sample), world.distractors(sample)
        scores = self.scores(cell, sample, context=context)
        other = float("nan")
        if gap or cell.note == "contrast":
            mismatched = self.scores(cell, sample, world.mismatched(sample), context=context)
            if cell.note == "contrast":
                scores, mismatched = scores - mismatched, mismatched - scores
            other = grading.hard_auroc(self.voxels(cell, mismatched)[0], truth, distractors)
        smooth, blocky = self.voxels(cell, scores)
        hard, inside = grading.hard_auroc(smooth, truth, distractors), self.mask_voxels(cell, scores)
        degraded = ({**self._degradation(sample, inside), **self._deletion(sample, world.target(sample), inside)}
                    if self.config.degrade else dict.fromkeys((*DEGRADATION, "mask_mean"), float("nan")))
        return {"hard_auroc": hard, "hard_auroc_blocky": grading.hard_auroc(blocky, truth, distractors),
                "auroc": grading.auroc(smooth, truth), "auprc": grading.average_precision(smooth, truth),
                "prior": float(truth.mean()), "pointing": float(grading.pointing(smooth, truth, self.xyz)),
                "energy": grading.energy_inside(smooth, truth), "mismatched": other, "target_gap": hard - other,
                **degraded}

    @torch.no_grad()
    def _degradation(self, sample: int, smooth: np.ndarray) -> dict[str, float]:
        """Return drop and increase of the volume multiplied by its own map (min-max), and the mean of that mask."""
        world, weight = self.world, grading.unit_range(smooth)
        patches = world.patches(sample)
        found = world.encoder(torch.stack([patches, patches * torch.from_numpy(world.grid.patches(weight))]))
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
            rank = (likeness > likeness[:, [world.row(sample)]]).sum(1)
            out[name] = grading.area_under_steps(target.score(found).numpy())
            out[f"{name}_rank"] = grading.area_under_steps((1 / (1 + rank.double())).numpy())
        return out

    def sample_grades(self, sample: int, place: int, context: JobContext = QUIET) -> dict[str, Any]:
        """Return everything about one brain: ``grades`` (cell name -> figures), ``repeat``, ``modalities``.

        `place` is its place among the samples: the first ones also get the wrong target and the other noise seed.
        """
        self._kept.clear()
        grades = {}
        for i, cell in enumerate(self.cells):
            if cell.switch and place >= self.config.gaps:
                continue
            context.report(i, len(self.cells), f"brain {place + 1} of {len(self.samples)}, {cell.name}")
            grades[cell.name] = self.grade(cell, sample, gap=place < self.config.gaps)
        repeat = {c.name: self.repeat(c, sample) for c in self.noisy
                  if place < self.config.repeats and (not c.switch or place < self.config.gaps)}
        split = self.modalities(sample) if self.config.modalities and place < self.config.gaps else {}
        return {"grades": grades, "repeat": repeat, "modalities": split}

    @property
    def noisy(self) -> list[Cell]:
        """Rows whose repeatability is measured: IB-BA at the default beta in every layer, the averaged one, RISE."""
        beta = IbbaConfig().beta
        return [c for c in self.cells if c.method == "rise" or (c.method == "ibba" and c.settings["beta"] == beta
                                                                and c.note in ("", SETTLED))]

    def repeat(self, cell: Cell, sample: int) -> dict[str, float]:
        """Return how alike two noise seeds are: Pearson and top-10 % overlap over tokens, Pearson of the drawn map."""
        a, b = self.scores(cell, sample), self.scores(cell, sample, seed=1)
        drawn = [self.voxels(cell, v)[0] for v in (a, b)]
        return {"pearson": float(np.corrcoef(a, b)[0, 1]), "top_overlap": grading.overlap_top(a, b),
                "pearson_drawn": float(np.corrcoef(drawn[0], drawn[1])[0, 1])}

    def modalities(self, sample: int) -> dict[str, dict[str, float]]:
        """Return asked target -> truth of a modality -> hard AUROC of the default map (level 3).

        Against the truth of a modality, voxels that only the other one holds are distractors.
        """
        default, world = IbbaConfig(), self.world
        settings = default.having(layer=IbbaConfig.default_layer(len(world.encoder.blocks)), copies=self.config.copies,
                                  steps=self.config.steps)
        x = world.encoder.stream(world.patches(sample)[None])[settings.layer][0]
        out: dict[str, dict[str, float]] = {}
        for asked in ("image", "text"):
            drawn = world.drawn(ibba(world.encoder, x, world.target(sample, asked), settings).scores)
            out[asked] = {}
            for truth, other in (("image", "text"), ("text", "image")):
                only, rest = world.truth(sample, truth), world.truth(sample, other)
                out[asked][truth] = grading.hard_auroc(drawn, only, world.distractors(sample, truth) | (rest & ~only))
        return out


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
            values = np.array([g[key] for g in grades], float)
            good = values[np.isfinite(values)]
            row[key] = float(good.mean()) if good.size else float("nan")
            if key in ("hard_auroc", "target_gap", "hard_auroc_blocky"):
                inside = grading.bootstrap(values)
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
            varied = len(picked) > 2 and np.isfinite(x).all() and np.ptp(x) > 0 and np.ptp(y) > 0
            rho = stats.spearmanr(x, y) if varied else None
            line |= {f"rho_{name}": float(rho.statistic) if rho else float("nan"),
                     f"p_{name}": float(rho.pvalue) if rho else float("nan"), f"n_{name}": len(picked)}
        out.append(line)
    return out
