"""Training a brain encoder against frozen CLIP embeddings: one loop, exact resume, several processes.

Start it in one process, or under ``accelerate launch`` on several: the global batch is the same in both cases, each
process takes its share of it, embeddings are gathered before the loss, so that the loss curve is the same.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather
from torch import Tensor, nn

from brainview.alignment.loss import EmbeddingQueue, mindeye_loss, mixed_brains, trimodal_loss
from brainview.alignment.retrieval import ranks
from brainview.core.device import mixed
from brainview.core.errors import MismatchError
from brainview.core.jobs import QUIET, JobContext
from brainview.training.run import RunFolder
from brainview.training.schedule import decay_groups, warmup_cosine


@dataclass(frozen=True)
class FitConfig:
    """Settings of the loop; defaults are the paper's where it states them.

    Parameters
    ----------
    epochs, batch : int
        Batch over all processes.
    lr, final_lr, weight_decay, warmup : float
    temperature : float
        Fixed; 1 / exp(logit_scale) of the target model, 0.01 for trained CLIP.
    queue : int
        Extra negatives, 0 = none.
    image_weight, text_weight : float
        0 switches a modality off.
    noise : float
        Standard deviation of voxel noise added in training.
    one_repetition : bool
        Each epoch takes one repetition of each image at random instead of their mean.
    precision : str
        ``no``, ``bf16`` or ``fp16``.
    seed, patience : int
        `patience` epochs without a better validation end the training; 0 = never.
    judge_start : bool
        The weights at the start compete too, as epoch 0.
    loss : str
        ``trimodal`` (eq. 1), or ``mindeye``: BiMixCo in the first third of the steps, SoftCLIP after; no queue.
    """

    epochs: int = 150
    batch: int = 256
    lr: float = 3e-4
    final_lr: float = 1e-5
    weight_decay: float = 0.05
    warmup: float = 0.01
    temperature: float = 0.01
    queue: int = 4096
    image_weight: float = 1.0
    text_weight: float = 1.0
    noise: float = 0.1
    one_repetition: bool = True
    precision: str = "no"
    seed: int = 0
    patience: int = 0
    judge_start: bool = False
    loss: str = "trimodal"

    def having(self, **changes: Any) -> FitConfig:
        """Return a copy with some fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True, eq=False)
class AlignmentData:
    """Brains and the embeddings they are aligned with.

    Parameters
    ----------
    inputs : (trials, ...) float32 or float16 array
        What the encoder takes, one row per trial (memory-mapped or not).
    rows : tuple of int64 arrays
        Rows of `inputs` that belong to each stimulus.
    ids : (n,) int64
        Stimulus ids.
    image, text : (n, embed) float32 unit vectors
    """

    inputs: np.ndarray
    rows: tuple[np.ndarray, ...]
    ids: np.ndarray
    image: np.ndarray
    text: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.rows) == len(self.ids) == len(self.image) == len(self.text):
            raise MismatchError(f"{len(self.rows)} brains, {len(self.ids)} ids, {len(self.image)} image and "
                                f"{len(self.text)} text embeddings do not belong together")

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, items: np.ndarray, source: np.random.Generator | None) -> Tensor:
        """Return (len(items), ...) inputs: one random repetition each, or the mean when `source` is None."""
        if source is not None:
            picks = np.array([self.rows[i][source.integers(len(self.rows[i]))] for i in items])
            order = np.argsort(picks, kind="stable")
            out = np.empty((len(items), *self.inputs.shape[1:]), np.float32)
            out[order] = self.inputs[picks[order]]
            return torch.from_numpy(out)
        return torch.from_numpy(np.stack([np.asarray(self.inputs[np.sort(self.rows[i])], np.float32).mean(0)
                                          for i in items]))


@torch.no_grad()
def encode(model: nn.Module, data: AlignmentData, *, batch: int = 64, context: JobContext = QUIET) -> np.ndarray:
    """Return (n, embed) float32 embeddings of the mean repetitions of every stimulus; restores the training mode."""
    was_training, device = model.training, next(model.parameters()).device
    model.eval()
    try:
        out = []
        for start in range(0, len(data), batch):
            context.check()
            items = np.arange(start, min(start + batch, len(data)))
            out.append(model(data.batch(items, None).to(device)).float().cpu())
        return torch.cat(out).numpy()
    finally:
        model.train(was_training)


def validate(model: nn.Module, data: AlignmentData) -> dict[str, float]:
    """Return R@1 of both targets and the mean reciprocal rank that chooses the stop (brain as query)."""
    brain = encode(model, data)
    found = {"image": ranks(brain, data.image), "text": ranks(brain, data.text)}
    out = {f"val_{k}_r1": float((r == 0).mean()) for k, r in found.items()}
    return out | {"val_mrr": float(np.mean([(1 / (1 + r)).mean() for r in found.values()]))}


class Fit:
    """The loop over epochs; make one, call :meth:`run`. Every epoch writes a generation that resumes exactly."""

    def __init__(self, model: nn.Module, train: AlignmentData, val: AlignmentData | None, config: FitConfig,
                 run: RunFolder | None = None, card: dict[str, Any] | None = None) -> None:
        self.config, self.train, self.val, self.folder = config, train, val, run
        self.card = card or {}
        self.accelerator = Accelerator(mixed_precision=mixed(config.precision))
        if config.batch % self.accelerator.num_processes:
            raise MismatchError(f"a batch of {config.batch} cannot be shared by {self.accelerator.num_processes} "
                                "processes", remedy="Choose a multiple.")
        self.batch = min(config.batch, len(train) - len(train) % self.accelerator.num_processes)
        self.steps_per_epoch = max(1, len(train) // self.batch)
        self.optimizer = torch.optim.AdamW(decay_groups(model.named_parameters(), config.weight_decay), lr=config.lr)
        self.model, self.optimizer = self.accelerator.prepare(model, self.optimizer)
        self.device = self.accelerator.device
        self.queue = EmbeddingQueue(config.queue, train.image.shape[1], self.device) \
            if config.queue and config.loss == "trimodal" else None
        self.epoch, self.best, self.since_best = 0, float("-inf"), 0

    @property
    def bare(self) -> nn.Module:
        """The model without the wrapper of several processes."""
        return self.accelerator.unwrap_model(self.model)

    def run(self, context: JobContext = QUIET) -> nn.Module:
        """Train from where the run folder stands to the end and return the model with its best weights."""
        self._resume()
        total = self.config.epochs
        if self.config.judge_start and self.folder is not None and not self.folder.has_generation:
            weights = {"image": self.config.image_weight, "text": self.config.text_weight}
            self._finish_epoch({"loss": None} | {f"brain_{k}": None for k, w in weights.items() if w} | {"seconds": 0})
        while self.epoch < total and not (self.config.patience and self.since_best >= self.config.patience):
            start = time.perf_counter()
            row = self._epoch(context)
            self.epoch += 1
            self._finish_epoch(row | {"seconds": round(time.perf_counter() - start, 2)})
            context.report(self.epoch, total, f"epoch {self.epoch} of {total}, loss {row['loss']:.3f}")
        if self.folder is not None and self.folder.has_generation:
            self._load_weights(self.folder.load("best")[0])
        return self.bare

    def _epoch(self, context: JobContext) -> dict[str, float]:
        config = self.config
        source = np.random.default_rng([config.seed, self.epoch])  # the epoch alone decides order and repetitions
        order = source.permutation(len(self.train))
        sums: dict[str, float] = {}
        self.model.train()
        with torch.random.fork_rng(devices=[]):  # dropout too: a resumed epoch is the one that was cut
            torch.manual_seed(1_000_003 * config.seed + 1009 * self.epoch + self.accelerator.process_index)
            for step in range(self.steps_per_epoch):
                context.check()
                items = order[step * self.batch:(step + 1) * self.batch]
                for key, value in self._step(items, source, self.epoch * self.steps_per_epoch + step).items():
                    sums[key] = sums.get(key, 0.0) + value
        return {k: v / self.steps_per_epoch for k, v in sums.items()}

    def _step(self, items: np.ndarray, source: np.random.Generator, number: int) -> dict[str, float]:
        config, rank, world = self.config, self.accelerator.process_index, self.accelerator.num_processes
        x = self.train.batch(items, source if config.one_repetition else None)
        if config.noise:
            x = x + config.noise * torch.from_numpy(source.standard_normal(x.shape, np.float32))
        goal, steps = None, config.epochs * self.steps_per_epoch
        if config.loss == "mindeye" and 3 * number < steps:
            x, goal = mixed_brains(x, source)
        mine = slice(rank * len(items) // world, (rank + 1) * len(items) // world)
        rate = config.lr * warmup_cosine(number, steps, warmup=config.warmup,
                                         floor=config.final_lr / config.lr)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with self.accelerator.autocast():
            brain = self.model(x[mine].to(self.device))
        brain = self._gathered(brain.float(), mine)
        image, text = (torch.from_numpy(np.asarray(v[items], np.float32)).to(self.device)
                       for v in (self.train.image, self.train.text))
        ids = torch.from_numpy(self.train.ids[items]).to(self.device)
        weights = {"image_weight": config.image_weight, "text_weight": config.text_weight}
        parts = mindeye_loss(brain, image, text, config.temperature, goal=goal, **weights) \
            if config.loss == "mindeye" else \
            trimodal_loss(brain, image, text, ids, config.temperature, queue=self.queue, **weights)
        self.optimizer.zero_grad(set_to_none=True)
        # processes average their gradients; each holds the gradient of its own share of the batch, whose sum is wanted
        self.accelerator.backward(parts["loss"] * world)
        self.optimizer.step()
        if self.queue is not None:
            self.queue.push(ids, brain, image, text)
        return {k: float(v.detach()) for k, v in parts.items()}

    def _gathered(self, brain: Tensor, mine: slice) -> Tensor:
        """Return the embeddings of the whole batch, with a gradient in this process's own share."""
        if self.accelerator.num_processes == 1:
            return brain
        whole = gather(brain.detach()).clone()
        return torch.cat([whole[:mine.start], brain, whole[mine.stop:]])

    def _finish_epoch(self, row: dict[str, Any]) -> None:
        row = {"epoch": self.epoch, "lr": self.optimizer.param_groups[0]["lr"], **row}
        value = -(row["loss"] or 0.0)
        if self.val is not None:
            row |= validate(self.bare, self.val)
            value = row["val_mrr"]
        better = value > self.best
        self.best, self.since_best = (value, 0) if better else (self.best, self.since_best + 1)
        if self.folder is not None and self.accelerator.is_main_process:
            tensors = {k: v.detach().cpu().numpy() for k, v in self.bare.state_dict().items()}
            self.folder.write_generation(tensors, self.card | {"epoch": self.epoch, "fit": asdict(self.config),
                                                               "metrics": row}, best=better, state=self._state())
            self.folder.append_history(row)
        self.accelerator.wait_for_everyone()

    def _state(self) -> dict[str, np.ndarray]:
        state: dict[str, Tensor] = {"counters": torch.tensor([self.epoch, self.since_best], dtype=torch.float64),
                                    "best": torch.tensor([self.best], dtype=torch.float64)}
        optimizer = getattr(self.optimizer, "optimizer", self.optimizer)
        for i, values in optimizer.state_dict()["state"].items():
            state |= {f"adam.{i}.{k}": torch.as_tensor(v) for k, v in values.items()}
        if self.queue is not None:
            state |= self.queue.state()
        return {k: v.detach().cpu().numpy() for k, v in state.items()}

    def _resume(self) -> None:
        if self.folder is None or not self.folder.has_generation:
            return
        saved = {k: torch.from_numpy(np.array(v)) for k, v in self.folder.load_state("last").items()}
        self._load_weights(self.folder.load("last")[0])
        self.epoch, self.since_best = (int(v) for v in saved["counters"])
        self.best = float(saved["best"][0])
        optimizer = getattr(self.optimizer, "optimizer", self.optimizer)
        content = optimizer.state_dict()
        for key, value in saved.items():
            if key.startswith("adam."):
                _, number, name = key.split(".", 2)
                content["state"].setdefault(int(number), {})[name] = value
        optimizer.load_state_dict(content)
        if self.queue is not None:
            self.queue.load(saved)
        if self.accelerator.is_main_process:
            self.folder.cut_history("epoch", self.epoch)

    def _load_weights(self, tensors: dict[str, np.ndarray]) -> None:
        self.bare.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in tensors.items()})


__all__ = ["AlignmentData", "Fit", "FitConfig", "encode", "validate"]
