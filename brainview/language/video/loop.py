"""The loop of all stages: epochs over trials, exact resume, several processes, mixed precision."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from torch import Tensor, nn

from brainview.core.device import mixed
from brainview.core.errors import MismatchError
from brainview.core.jobs import QUIET, JobContext
from brainview.language.video.data import batches
from brainview.training.run import RunFolder
from brainview.training.schedule import warmup_cosine

#: Called with the indices of a batch and the epoch's random numbers; returns losses, ``loss`` among them.
Step = Callable[[np.ndarray, np.random.Generator], dict[str, Tensor]]


@dataclass(frozen=True)
class Recipe:
    """How a stage is optimised (AdamW, linear warm-up and cosine)."""

    epochs: int
    batch: int
    lr: float
    weight_decay: float = 0.05
    clip: float = 0.8
    precision: str = "no"
    seed: int = 0
    betas: tuple[float, float] = (0.9, 0.95)
    warmup: float = 0.08


def main_process() -> bool:
    """Return True for the process that writes files: the only one, or the first of several."""
    return bool(PartialState().is_main_process)


class Loop:
    """Train the weights of `module` that ask for a gradient.

    Parameters
    ----------
    module : nn.Module
        Holds everything that is trained (and may hold more).
    step : Step
    n : int
        Number of samples of an epoch.
    recipe : Recipe
    folder : RunFolder, optional
        A generation is written after each epoch; a folder that has some is gone on with.
    slow : function of name to factor, optional
        Factor of the learning rate of single weights.
    after : function, optional
        Called after every step with the batch (bank updates).
    watch : function, optional
        Called after every epoch; returns how good the weights are (higher is better). The best epoch's weights are in
        the module at the end, those before the first epoch included.
    """

    def __init__(self, module: nn.Module, step: Step, n: int, recipe: Recipe, folder: RunFolder | None = None, *,
                 slow: Callable[[str], float] | None = None, after: Callable[[], None] | None = None,
                 kept: nn.Module | None = None, watch: Callable[[], float] | None = None) -> None:
        self.module, self.step, self.n, self.recipe, self.folder = module, step, n, recipe, folder
        self.after, self.kept, self.watch = after, kept, watch
        self.best, self.chosen = float("-inf"), {}  # type: float, dict[str, Tensor]
        self.accelerator = Accelerator(mixed_precision=mixed(recipe.precision))
        self.device = self.accelerator.device
        module.to(self.device)
        self.named = [(k, p) for k, p in module.named_parameters() if p.requires_grad]
        if not self.named:
            raise MismatchError("nothing is left to train in this stage", remedy="Choose an adaptor, or train a part.")
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.named:
            decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((slow(name) if slow else 1.0, decay), []).append(parameter)
        self.optimizer = torch.optim.AdamW([{"params": p, "weight_decay": d, "factor": f} for (f, d), p in
                                            groups.items()], lr=recipe.lr, betas=recipe.betas)
        self.epoch = 0
        world = self.accelerator.num_processes
        self.size = max(1, min(recipe.batch, n))
        if self.size % world:
            raise MismatchError(f"a batch of {self.size} cannot be shared by {world} processes",
                                remedy="Choose a multiple.")
        self.per_epoch = max(1, n // self.size)

    def run(self, context: JobContext = QUIET, words: str = "") -> list[dict[str, float]]:
        """Train to the end; return one row of mean losses for each epoch that was run now."""
        self._resume()
        rows = []
        if self.watch is not None and self.epoch == 0:
            self._judge({"epoch": 0})
        while self.epoch < self.recipe.epochs:
            begun = time.perf_counter()
            row = self._epoch(context, words)
            self.epoch += 1
            row = {"epoch": self.epoch, "lr": self.optimizer.param_groups[0]["lr"], **row}
            if self.watch is not None:
                row = self._judge(row)
            row["seconds"] = round(time.perf_counter() - begun, 2)
            rows.append(row)
            self._write(row)
        if self.watch is not None:
            with torch.no_grad():
                for name, parameter in self.named:
                    parameter.copy_(self.chosen[name])
        return rows

    def _judge(self, row: dict[str, Any]) -> dict[str, Any]:
        """Ask the watch, and keep the weights when they are the best so far."""
        assert self.watch is not None
        value = float(self.watch())
        if value > self.best:
            self.best, self.chosen = value, {k: p.detach().clone() for k, p in self.named}
        return {**row, "watched": value}

    def _epoch(self, context: JobContext, words: str) -> dict[str, float]:
        source = np.random.default_rng([self.recipe.seed, self.epoch])
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        total, sums = self.recipe.epochs * self.per_epoch, {}  # type: ignore[var-annotated]
        torch.manual_seed(self.recipe.seed * 7919 + self.epoch)
        for number, index in enumerate(batches(self.n, self.size, source)):
            done = self.epoch * self.per_epoch + number
            loss = sums.get("loss", 0.0) / max(1, number)
            context.report(done, total, f"{words} epoch {self.epoch + 1} of {self.recipe.epochs}"
                           + (f", loss {loss:.3f}" if number else ""))
            factor = warmup_cosine(done, total, warmup=self.recipe.warmup)
            for group in self.optimizer.param_groups:
                group["lr"] = self.recipe.lr * factor * group["factor"]
            mine = index[rank * len(index) // world:(rank + 1) * len(index) // world]
            with self.accelerator.autocast():
                parts = self.step(mine, source)
            if not bool(torch.isfinite(parts["loss"])):
                value = float(parts["loss"].detach())
                raise MismatchError(f"the loss is {value} at epoch {self.epoch + 1}, batch {number + 1}",
                                    remedy="Lower the learning rate, or set precision=no.")
            self.optimizer.zero_grad(set_to_none=True)
            self.accelerator.backward(parts["loss"])
            weights = [p for _, p in self.named if p.grad is not None]
            if world > 1:
                for p in weights:
                    p.grad = self.accelerator.reduce(p.grad, "mean")
            if self.recipe.clip:
                torch.nn.utils.clip_grad_norm_(weights, self.recipe.clip)
            self.optimizer.step()
            if self.after is not None:
                self.after()
            for key, part in parts.items():
                sums[key] = sums.get(key, 0.0) + float(part.detach())
        return {k: v / self.per_epoch for k, v in sums.items()}

    # -- generations ---------------------------------------------------------------------------------------------

    def _write(self, row: dict[str, Any]) -> None:
        if self.folder is None or not self.accelerator.is_main_process:
            return
        state: dict[str, np.ndarray] = {"epoch": np.array([self.epoch])}
        for i, values in self.optimizer.state_dict()["state"].items():
            state |= {f"adam.{i}.{k}": torch.as_tensor(v).detach().cpu().numpy() for k, v in values.items()}
        if self.kept is not None:
            state |= {f"kept.{k}": v.detach().cpu().numpy() for k, v in self.kept.state_dict().items()}
        tensors = {k: p.detach().float().cpu().numpy() for k, p in self.named}
        if self.watch is not None:
            state |= {"best": np.array([self.best])} | {f"best.{k}": v.cpu().numpy() for k, v in self.chosen.items()}
        self.folder.write_generation(tensors, {"epoch": self.epoch, "metrics": row}, state=state, keep=0)
        self.folder.append_history(row)

    def _resume(self) -> None:
        if self.folder is None or not self.folder.has_generation:
            return
        tensors = self.folder.load("last")[0]
        own = dict(self.named)
        if set(own) != set(tensors):
            raise MismatchError("holds weights of another make of this stage", where=self.folder.path,
                                remedy="Train into a new folder.")
        with torch.no_grad():
            for key, parameter in own.items():
                parameter.copy_(torch.from_numpy(np.array(tensors[key]).reshape(parameter.shape)))
        saved = {k: torch.from_numpy(np.array(v)) for k, v in self.folder.load_state("last").items()}
        self.epoch = int(saved.pop("epoch")[0])
        if self.watch is not None and "best" in saved:
            self.best = float(saved.pop("best")[0])
            self.chosen = {k: saved.pop(f"best.{k}").reshape(p.shape).to(p) for k, p in self.named}
        content = self.optimizer.state_dict()
        flat = [p for group in self.optimizer.param_groups for p in group["params"]]
        for key, value in saved.items():
            if key.startswith("adam."):
                _, number, name = key.split(".", 2)
                shape = () if name == "step" else flat[int(number)].shape  # a number is stored as an array of one
                content["state"].setdefault(int(number), {})[name] = value.reshape(shape)
        self.optimizer.load_state_dict(content)
        if self.kept is not None:
            self.kept.load_state_dict({k.removeprefix("kept."): v for k, v in saved.items() if k.startswith("kept.")})
        self.folder.cut_history("epoch", self.epoch)
