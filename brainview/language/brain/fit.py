"""The training loop of the brain encoders: one or several subjects per step, exact resume, several processes.

UMBRAE's schedule ("vindex" 3.2): AdamW, one cycle of the rate with its maximum after two epochs, one repetition per
batch, and, with several subjects, two of them per epoch whose losses are added. Validation reads the validation part
only; the test part chooses nothing.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

from brainview.core.device import mixed
from brainview.core.errors import MismatchError
from brainview.core.jobs import QUIET, JobContext
from brainview.language.brain.augment import Pictures
from brainview.language.brain.config import BrainConfig
from brainview.language.brain.data import Targets, Voxels
from brainview.language.brain.denoise import Denoiser, denoising_loss
from brainview.language.brain.measure import quick_scores
from brainview.training.run import RunFolder

#: The start of the cycle is the maximum over this; its end is the start over the next one.
START, END = 25.0, 1000.0


def one_cycle(optimizer: torch.optim.Optimizer, lr: float, epochs: int, steps: int, rise: float = 2.0) -> OneCycleLR:
    """Return UMBRAE's schedule: cosine up over `rise` epochs from lr / 25, cosine down to lr / 25,000."""
    total = max(4, epochs * steps)
    share = max(min(0.5, rise / max(1, epochs)), 1.5 / total)  # the way up needs more than one step
    return OneCycleLR(optimizer, max_lr=lr, total_steps=total, pct_start=share,
                      div_factor=START, final_div_factor=END)


def parameter_groups(modules: dict[str, nn.Module], weight_decay: float) -> list[dict[str, Any]]:
    """Return AdamW groups: no decay on names with "bias"; LayerNorm weights do decay, as upstream's rule has it."""
    named = [(f"{k}.{n}", p) for k, m in modules.items() for n, p in m.named_parameters() if p.requires_grad]
    return [{"params": [p for n, p in named if "bias" not in n], "weight_decay": weight_decay},
            {"params": [p for n, p in named if "bias" in n], "weight_decay": 0.0}]


def token_loss(kind: str, predicted: Tensor, target: Tensor) -> Tensor:
    """Return the mean over batch, tokens and channels; ``quantile`` is the pinball loss at 0.9."""
    if kind == "quantile":
        error = target - predicted
        return torch.maximum(0.9 * error, -0.1 * error).mean()
    losses: dict[str, Any] = {"mse": F.mse_loss, "l1": F.l1_loss, "huber": F.huber_loss}
    return losses[kind](predicted, target)


@dataclass(frozen=True, eq=False)
class Person:
    """One subject in training: its voxels and the pictures of its parts."""

    name: str
    voxels: Voxels
    train: np.ndarray
    val: np.ndarray


class Fit:
    """The loop over epochs; make one, call :meth:`run`."""

    def __init__(self, model: nn.Module, people: list[Person], targets: Targets, config: BrainConfig,
                 run: RunFolder | None = None, *, card: dict[str, Any] | None = None,
                 extra: dict[str, np.ndarray] | None = None, pictures: Pictures | None = None) -> None:
        self.people, self.targets, self.config, self.folder = people, targets, config, run
        self.card, self.extra, self.pictures = card or {}, extra or {}, pictures
        self.accelerator = Accelerator(mixed_precision=mixed(config.precision))
        world = self.accelerator.num_processes
        self.trials = [p.voxels.trials_of(p.train) for p in people]
        smallest = min(len(p.train) for p in people)
        self.batch = min(config.batch, smallest - smallest % world)
        if self.batch < world or self.batch % world:
            raise MismatchError(f"a batch of {self.batch} cannot be shared by {world} processes")
        self.steps = max(1, smallest // self.batch)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.denoiser = Denoiser(targets.spread.size) if config.denoise else None
        modules = {"model": model} | ({"denoiser": self.denoiser} if self.denoiser else {})
        self.optimizer = torch.optim.AdamW(parameter_groups(modules, config.weight_decay), lr=config.lr,
                                           betas=(config.beta1, config.beta2))
        self.schedule = one_cycle(self.optimizer, config.lr, config.epochs, self.steps, config.rise)
        self.model, self.optimizer = self.accelerator.prepare(model, self.optimizer)
        self.device = self.accelerator.device
        if self.denoiser is not None:
            self.denoiser.to(self.device)
        self.epoch, self.best, self.since_best = 0, np.inf, 0

    @property
    def bare(self) -> nn.Module:
        """The model without the wrapper of several processes."""
        return self.accelerator.unwrap_model(self.model)

    def run(self, context: JobContext = QUIET) -> nn.Module:
        """Train from where the run folder stands to the end; return the model with the weights of best validation."""
        self._resume()
        config = self.config
        if config.epochs == 0 and self.folder is not None and not self.folder.has_generation:
            self._write({"epoch": 0, "val_loss": self._validate()["val_loss"]}, better=True)
        while self.epoch < config.epochs and not (config.patience and self.since_best >= config.patience):
            start = time.process_time()
            row = self._epoch(context)
            self.epoch += 1
            row = {"epoch": self.epoch, "lr": self.optimizer.param_groups[0]["lr"], **row, **self._validate(),
                   "cpu_seconds": round(time.process_time() - start, 2)}
            self._keep(row)
            context.report(self.epoch, config.epochs, f"epoch {self.epoch} of {config.epochs}, loss {row['loss']:.4f}, "
                           f"validation {row['val_loss']:.4f}")
        if self.folder is not None and self.folder.has_generation:
            self._load(self.folder.load("best")[0])
        return self.bare

    def subjects_of(self, epoch: int) -> list[int]:
        """Return which people an epoch trains: `together` of them drawn by the epoch's own numbers."""
        count, everyone = self.config.together, len(self.people)
        if everyone == 1 or count <= 0 or count >= everyone:
            return list(range(everyone))
        draw = np.random.default_rng([self.config.seed, epoch, 1])
        return sorted(draw.choice(everyone, count, replace=False).tolist())

    def _epoch(self, context: JobContext) -> dict[str, float]:
        source = np.random.default_rng([self.config.seed, self.epoch])  # the epoch alone decides what is drawn
        now = self.subjects_of(self.epoch)
        orders = {p: source.permutation(len(self.people[p].train)) for p in now}
        sums: dict[str, float] = {}
        self.model.train()
        for step in range(self.steps):
            context.check()
            rows = {p: order[step * self.batch:(step + 1) * self.batch] for p, order in orders.items()}
            for key, value in self._step(rows, source, step).items():
                sums[key] = sums.get(key, 0.0) + value
        return {"loss": 0.0, "denoise": 0.0} | {k: v / self.steps for k, v in sums.items()}

    def _step(self, rows: dict[int, np.ndarray], source: np.random.Generator, step: int) -> dict[str, float]:
        total, parts = torch.zeros((), device=self.device), {"loss": 0.0}
        noise = torch.Generator().manual_seed(int(source.integers(1 << 31)))
        for person, items in rows.items():
            betas, target = self._batch(person, items, source, step)
            with self.accelerator.autocast():
                predicted = self.model(betas, self.people[person].name)
            loss = token_loss(self.config.loss, predicted.float(), target)
            parts["loss"] += float(loss.detach())
            total = total + loss
            if self.denoiser is not None:
                second = denoising_loss(self.denoiser, target, predicted.float(), noise)
                parts["denoise"] = parts.get("denoise", 0.0) + float(second.detach())
                total = total + self.config.denoise * second
        self.optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(total)
        self.optimizer.step()
        if self.schedule.last_epoch < self.schedule.total_steps - 1:
            self.schedule.step()
        return parts

    def _batch(self, person: int, items: np.ndarray, source: np.random.Generator,
               step: int) -> tuple[Tensor, Tensor]:
        """Return this process's share of (betas, targets) of one subject's batch."""
        who, config = self.people[person], self.config
        trials = [self.trials[person][i] for i in items]
        if config.repetition == "mean":
            betas = who.voxels.mean(who.train[items])
        else:
            pick = [int(source.integers(len(t))) if config.repetition == "one" else step % len(t) for t in trials]
            betas = who.voxels.rows(np.array([t[k] for t, k in zip(trials, pick, strict=True)]))
        if config.noise:
            betas = betas + np.float32(config.noise) * source.standard_normal(betas.shape, np.float32)
        if config.drop:
            betas = betas * (source.random(betas.shape, np.float32) >= config.drop)
        ids = who.train[items]
        if self.pictures is not None:
            raw = self.pictures.tokens(ids, int(source.integers(1 << 31)))
            target = (raw - self.targets.mean) / self.targets.spread
        else:
            target = self.targets.of(ids)
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        mine = slice(rank * len(items) // world, (rank + 1) * len(items) // world)
        return (torch.from_numpy(betas[mine].astype(np.float32)).to(self.device),
                torch.from_numpy(target[mine].astype(np.float32)).to(self.device))

    def _validate(self) -> dict[str, float]:
        """Return the mean over subjects of loss, token correlation and R@1 on the validation part."""
        rows = []
        for person in self.people:
            predicted = encode(self.bare, person.voxels, person.val, person.name, device=self.device)
            rows.append(quick_scores(predicted, self.targets.of(person.val)))
        return {k: float(np.mean([r[k] for r in rows])) for k in rows[0]}

    def _keep(self, row: dict[str, float]) -> None:
        better = row["val_loss"] < self.best
        self.best, self.since_best = (row["val_loss"], 0) if better else (self.best, self.since_best + 1)
        if self.folder is not None and self.accelerator.is_main_process:
            self.folder.append_history(row)
            last = self.epoch == self.config.epochs or bool(self.config.patience
                                                            and self.since_best >= self.config.patience)
            if last or self.epoch % self.config.save_every == 0 or better:
                self._write(row, better)
        self.accelerator.wait_for_everyone()

    def _write(self, row: dict[str, float], better: bool) -> None:
        assert self.folder is not None
        tensors = {k: v.detach().cpu().numpy() for k, v in self.bare.state_dict().items()} | self.extra
        self.folder.write_generation(tensors, self.card | {"epoch": self.epoch, "steps_per_epoch": self.steps,
                                                           "validation": row}, best=better, state=self._state(), keep=0)

    def _state(self) -> dict[str, np.ndarray]:
        counters = torch.tensor([self.epoch, self.since_best, self.best], dtype=torch.float64)
        state: dict[str, Tensor] = {"counters": counters}
        for i, values in _plain(self.optimizer).state_dict()["state"].items():
            state |= {f"adam.{i}.{k}": torch.as_tensor(v).reshape(-1) if k == "step" else v for k, v in values.items()}
        if self.denoiser is not None:
            state |= {f"denoiser.{k}": v for k, v in self.denoiser.state_dict().items()}
        return {k: v.detach().cpu().numpy() for k, v in state.items()}

    def _resume(self) -> None:
        if self.folder is None or not self.folder.has_generation:
            return
        saved = {k: torch.from_numpy(np.array(v)) for k, v in self.folder.load_state("last").items()}
        self._load(self.folder.load("last")[0])
        epoch, since, self.best = (float(v) for v in saved["counters"])
        self.epoch, self.since_best = int(epoch), int(since)
        optimizer = _plain(self.optimizer)
        content = optimizer.state_dict()
        for key, value in saved.items():
            if key.startswith("adam."):
                _, number, name = key.split(".", 2)
                content["state"].setdefault(int(number), {})[name] = value.reshape(()) if name == "step" else value
        optimizer.load_state_dict(content)
        if self.denoiser is not None:
            self.denoiser.load_state_dict({k.removeprefix("denoiser."): v for k, v in saved.items()
                                           if k.startswith("denoiser.")})
        self.schedule.last_epoch = min(self.epoch * self.steps, self.schedule.total_steps - 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # outside of step() is right here: nothing was stepped yet
            rates = self.schedule.get_lr()  # sets the cycled momentum too
        for group, lr in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        if self.accelerator.is_main_process:
            self.folder.cut_history("epoch", self.epoch)

    def _load(self, tensors: dict[str, np.ndarray]) -> None:
        own = self.bare.state_dict()
        self.bare.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in tensors.items() if k in own})


def _plain(optimizer: Any) -> torch.optim.Optimizer:
    return getattr(optimizer, "optimizer", optimizer)


@torch.no_grad()
def encode(model: nn.Module, voxels: Voxels, ids: np.ndarray, subject: str, *, batch: int = 64, average: str = "voxels",
           device: Any = None, context: JobContext = QUIET) -> np.ndarray:
    """Return (n, N, D) float32 predictions, in the units of the loss, for the mean repetitions of each picture.

    `average`: ``voxels`` (UMBRAE, MindEye-1), ``outputs`` (MindEye-2) or ``first`` (one repetition).
    """
    was_training = model.training
    model.eval()
    where = device or next(model.parameters()).device
    try:
        out = []
        for start in range(0, len(ids), batch):
            context.check()
            part = np.asarray(ids[start:start + batch], np.int64)
            if average == "voxels":
                rows = voxels.mean(part)
                out.append(model(torch.from_numpy(rows).to(where), subject).float().cpu().numpy())
                continue
            groups = voxels.trials_of(part)
            groups = [g[:1] for g in groups] if average == "first" else groups
            rows = voxels.rows(np.concatenate(groups))
            each = model(torch.from_numpy(rows).to(where), subject).float().cpu().numpy()
            edges = np.concatenate([[0], np.cumsum([len(g) for g in groups])])
            out.append(np.stack([each[a:b].mean(0) for a, b in pairwise(edges.tolist())]))
        return np.concatenate(out)
    finally:
        model.train(was_training)
