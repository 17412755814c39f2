"""The loop of both stages: AdamW, warm-up and cosine, validation median R2 chooses, exact resume, several processes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor

from brainview.core.device import mixed
from brainview.core.errors import FormatError, MismatchError
from brainview.core.jobs import QUIET, JobContext
from brainview.encoding.llm_vem.align import alignment_loss
from brainview.encoding.llm_vem.config import VemConfig
from brainview.encoding.llm_vem.model import Vem, load_tensors, tensors_of
from brainview.encoding.llm_vem.parallel import share_batch_norm, share_of, whole_batch
from brainview.encoding.llm_vem.samples import PictureSource, Responses, Samples, TokenSource
from brainview.encoding.scores import Totals
from brainview.training.run import RunFolder


@dataclass(frozen=True, eq=False)
class FitData:
    """Where batches come from.

    Parameters
    ----------
    train, val : Samples
    responses : Responses
    tokens, pictures : sources; tokens are taken where there are any
    texts : (ids (n,) int64 ascending, embeddings (n, d) float32), optional
    """

    train: Samples
    val: Samples
    responses: Responses
    tokens: TokenSource | None
    pictures: PictureSource | None
    texts: tuple[np.ndarray, np.ndarray] | None = None

    def inputs(self, samples: Samples, source: np.random.Generator | None, device: Any) -> Tensor | list[Tensor]:
        """Return token layers or pictures of some rows on the device."""
        if self.tokens is not None:
            return self.tokens.layers(samples, device)
        assert self.pictures is not None
        return self.pictures.batch(samples.stimulus, source).to(device)


def rate(step: int, steps: int, config: VemConfig) -> float:
    """Return the learning rate at a 0-based step: linear from the minimum to the peak, then cosine back to it.

    The warm-up of the public code begins at the minimum, not at 0.
    """
    least, rise = config.min_lr * config.lr, int(config.warmup * steps)
    if step < rise:
        return least + step / rise * (config.lr - least)
    share = (step - rise) / max(1, steps - rise)
    return least + 0.5 * (1 + math.cos(math.pi * min(1.0, share))) * (config.lr - least)


class Fit:
    """Trains a model into a run folder; every epoch is a generation that resumes exactly.

    Parameters
    ----------
    model : Vem
    data : FitData
    config : VemConfig
    run : RunFolder, optional
        Takes the generations.
    story : RunFolder, optional
        Takes the history, one row per epoch.
    """

    def __init__(self, model: Vem, data: FitData, config: VemConfig, run: RunFolder | None = None,
                 story: RunFolder | None = None) -> None:
        self.data, self.config, self.folder, self.story = data, config, run, story
        unused = DistributedDataParallelKwargs(find_unused_parameters=config.stage == 2)
        self.accelerator = Accelerator(mixed_precision=mixed(config.precision),
                                       kwargs_handlers=[unused])
        self.device = self.accelerator.device
        model.to_device(self.device)
        if self.accelerator.num_processes > 1:
            share_batch_norm(model)
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=config.lr, betas=(0.9, config.beta2),
                                      weight_decay=config.weight_decay)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        world = self.accelerator.num_processes
        self.batch = min(config.batch, len(data.train))
        self.steps_per_epoch = math.ceil(len(data.train) / self.batch)
        if self.batch < 2 * world:
            raise MismatchError(f"{len(data.train)} training rows are too few for {world} processes", where="batch")
        self.known = torch.from_numpy(data.responses.group.mask()).to(self.device)
        self.epoch, self.best = 0, -math.inf

    @property
    def bare(self) -> Vem:
        """The model without the wrapper of several processes."""
        return self.accelerator.unwrap_model(self.model)

    def run(self, context: JobContext = QUIET) -> Vem:
        """Train from where the run stands to the end; return the model with its best weights."""
        self._resume()
        total = self.config.epochs
        while self.epoch < total:
            start = time.perf_counter()
            row = self._epoch(context)
            self.epoch += 1
            self._finish(row, time.perf_counter() - start, context)
            context.report(self.epoch, total, f"epoch {self.epoch} of {total}, loss {row['loss']:.4f}")
        if self.folder is not None and self.folder.has_generation:
            load_tensors(self.bare, self.folder.load("best")[0], where=self.folder.path)
        return self.bare

    def _epoch(self, context: JobContext) -> dict[str, float]:
        config, data = self.config, self.data
        source = np.random.default_rng([config.seed, self.epoch])
        torch.manual_seed(config.seed * 100_003 + self.epoch)  # dropout, so that a resumed epoch is the same
        order = source.permutation(len(data.train))
        sums: dict[str, float] = {}
        self.model.train()
        for step in range(self.steps_per_epoch):
            rows = np.sort(order[step * self.batch:(step + 1) * self.batch])
            if len(rows) < 2 * self.accelerator.num_processes:
                continue  # batch norm needs two
            context.report(self.epoch + step / self.steps_per_epoch, config.epochs, f"epoch {self.epoch + 1}")
            for key, value in self._step(data.train.of(rows), source, step).items():
                sums[key] = sums.get(key, 0.0) + value * len(rows)
        return {k: v / len(data.train) for k, v in sums.items()}

    def _step(self, samples: Samples, source: np.random.Generator, step: int) -> dict[str, float]:
        config, world = self.config, self.accelerator.num_processes
        now = rate(self.epoch * self.steps_per_epoch + step, config.epochs * self.steps_per_epoch, config)
        for group in self.optimizer.param_groups:
            group["lr"] = now
        own = samples.of(share_of(len(samples), self.accelerator.process_index, world))
        inputs = self.data.inputs(own, source if config.augment or config.stage == 2 else None, self.device)
        targets, known = self._targets(own)
        with self.accelerator.autocast():
            pred, projected, temperature = self.model(inputs, self._long(own.subject))
        loss = squared_error(pred.float(), targets, known) * self._weight(own, samples, known)
        parts = {"mse": self.accelerator.reduce(loss.detach(), "sum")}
        if projected is not None and self.data.texts is not None:
            parts["align"], parts["accuracy"] = alignment_loss(
                self._texts(samples), whole_batch(projected, len(samples), self.accelerator), temperature,
                self._long(samples.stimulus), symmetric=config.symmetric)
            loss = loss + config.lam * parts["align"] / world
        if not torch.isfinite(loss):
            raise FormatError("the loss is no longer a number", where=f"epoch {self.epoch + 1}",
                              remedy="Lower lr, or train with precision=bf16 or no.")
        self.optimizer.zero_grad(set_to_none=True)
        # processes average gradients; each holds that of its share, and their sum is wanted
        self.accelerator.backward(loss * world)
        self.optimizer.step()
        parts["loss"] = parts["mse"] + config.lam * parts.get("align", torch.zeros(()))
        return {k: float(v.detach()) for k, v in parts.items()}

    def _weight(self, own: Samples, whole: Samples, known: Tensor | None) -> float:
        """Return which share of the batch's known values (without a mask: of its rows) this process holds."""
        if self.accelerator.num_processes == 1:
            return 1.0
        if known is None:
            return len(own) / len(whole)
        count = known.sum().double()
        return float(count / self.accelerator.reduce(count.clone(), "sum").clamp(min=1))

    def _targets(self, samples: Samples) -> tuple[Tensor, Tensor | None]:
        targets, known = self.data.responses.batch(samples)
        mask = None if self.config.padding == "zeros" else torch.from_numpy(known).to(self.device)
        return torch.from_numpy(targets).to(self.device), mask

    def _texts(self, samples: Samples) -> Tensor:
        assert self.data.texts is not None
        ids, matrix = self.data.texts
        return torch.from_numpy(matrix[np.searchsorted(ids, samples.stimulus)]).to(self.device)

    def _long(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device)

    def predict(self, samples: Samples, *, group: bool = False, context: JobContext = QUIET) -> np.ndarray:
        """Return (n, V) float32 predictions of the rows in evaluation mode; `group` leaves the subject part out."""
        return predict(self.bare, self.data, samples, batch=self.batch, group=group, device=self.device,
                       context=context)

    def validate(self, context: JobContext = QUIET) -> dict[str, float]:
        """Return ``val_mse`` and ``val_median_R2``: the median over all locations of all subjects.

        With texts also ``val_retrieval``, how often a caption finds its validation picture among all of them, and
        ``val_chance``.
        """
        found, error, count = [], 0.0, 0
        seen: dict[int, np.ndarray] = {}
        for number, name in enumerate(self.data.responses.people):
            rows = np.flatnonzero(self.data.val.subject == number)
            if rows.size < 3:
                continue
            columns = self.data.responses.group.columns[name]
            totals = Totals.empty(columns.size)
            for part, predicted, projected in outputs(self.bare, self.data, self.data.val.of(rows), batch=self.batch,
                                                      device=self.device, context=context):
                totals.add(self.data.responses.own(name, part.source), predicted[:, columns])
                if projected is not None:
                    seen |= dict(zip(part.stimulus.tolist(), projected, strict=True))
            found.append(totals.scores()["R2"])
            error += float(np.nansum(totals.ee))
            count += rows.size * columns.size
        pooled = np.concatenate(found) if found else np.empty(0)
        pooled = pooled[np.isfinite(pooled)]
        row = {"val_mse": error / max(count, 1), "val_median_R2": float(np.median(pooled)) if pooled.size else 0.0}
        return row | self._retrieval(seen)

    def _retrieval(self, seen: dict[int, np.ndarray]) -> dict[str, float]:
        if self.data.texts is None or not seen:
            return {}
        ids, matrix = self.data.texts
        order = np.array(sorted(seen))
        scores = matrix[np.searchsorted(ids, order)] @ np.stack([seen[i] for i in order.tolist()]).T
        return {"val_retrieval": float((scores.argmax(1) == np.arange(len(order))).mean()),
                "val_chance": 1 / len(order)}

    def _finish(self, row: dict[str, float], seconds: float, context: JobContext) -> None:
        row = {"epoch": self.epoch, "lr": self.optimizer.param_groups[0]["lr"], **row, **self.validate(context),
               "seconds": round(seconds, 2)}
        better = row["val_median_R2"] > self.best
        self.best = max(self.best, row["val_median_R2"])
        if self.accelerator.is_main_process:
            if self.folder is not None:
                self.folder.write_generation(tensors_of(self.bare), {"epoch": self.epoch, "metrics": row}, best=better,
                                             state=self._state())
            if self.story is not None:
                self.story.append_history(row)
        self.accelerator.wait_for_everyone()

    def _state(self) -> dict[str, np.ndarray]:
        optimizer = getattr(self.optimizer, "optimizer", self.optimizer)
        state = {f"adam.{i}.{k}": torch.as_tensor(v).detach().cpu().numpy()
                 for i, values in optimizer.state_dict()["state"].items() for k, v in values.items()}
        return state | {"epoch": np.array([self.epoch]), "best": np.array([self.best])}

    def _resume(self) -> None:
        if self.folder is None or not self.folder.has_generation:
            return
        saved = self.folder.load_state("last")
        load_tensors(self.bare, self.folder.load("last")[0], where=self.folder.path)
        self.epoch, self.best = int(saved["epoch"][0]), float(saved["best"][0])
        optimizer = getattr(self.optimizer, "optimizer", self.optimizer)
        content = optimizer.state_dict()
        for key, value in saved.items():
            if key.startswith("adam."):
                _, number, name = key.split(".", 2)
                content["state"].setdefault(int(number), {})[name] = torch.from_numpy(
                    np.array(value).reshape(()) if name == "step" else np.array(value))
        optimizer.load_state_dict(content)
        if self.story is not None and self.accelerator.is_main_process:
            self.story.cut_history("epoch", self.epoch)


def squared_error(pred: Tensor, targets: Tensor, known: Tensor | None) -> Tensor:
    """Return the mean squared error over known locations; None = over all, the padding zeros included."""
    error = (pred - targets).square()
    if known is None:
        return error.mean()
    return (error * known).sum() / known.sum().clamp(min=1)


@torch.no_grad()
def outputs(model: Vem, data: FitData, samples: Samples, *, batch: int = 128, group: bool = False, device: Any = "cpu",
            context: JobContext = QUIET) -> Iterator[tuple[Samples, np.ndarray, np.ndarray | None]]:
    """Yield (rows, (n, V) float32 predictions, (n, d) W f or None) in evaluation mode; restores the mode."""
    was = model.training
    model.eval()
    try:
        for a in range(0, len(samples), batch):
            context.check()
            part = samples.of(slice(a, a + batch))
            subject = None if group else torch.from_numpy(part.subject).to(device)
            responses, projected, _ = model(data.inputs(part, None, device), subject)
            yield (part, responses.float().cpu().numpy(),
                   None if projected is None else projected.float().cpu().numpy())
    finally:
        model.train(was)


def predict(model: Vem, data: FitData, samples: Samples, *, batch: int = 128, group: bool = False,
            device: Any = "cpu", context: JobContext = QUIET) -> np.ndarray:
    """Return (n, V) float32 predictions in evaluation mode."""
    return np.concatenate([out for _, out, _ in outputs(model, data, samples, batch=batch, group=group, device=device,
                                                        context=context)])
