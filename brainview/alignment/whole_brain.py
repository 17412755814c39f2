"""System ``whole-brain``: the whole-brain transformer aligned with frozen CLIP embeddings, one model per subject."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np

from brainview.alignment.config import PRESETS as PRESETS
from brainview.alignment.config import AlignConfig
from brainview.alignment.decoders import VoxelEncoder, voxel_weights
from brainview.alignment.encoder import PRESETS as ENCODERS
from brainview.alignment.train import AlignmentData, Fit, FitConfig, encode
from brainview.alignment.warm_start import warm_start
from brainview.alignment.workflow import COLUMNS as COLUMNS
from brainview.alignment.workflow import Embeddings, Task, train_system
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.training.run import RunFolder


def train(path: os.PathLike | str, run: os.PathLike | str, *, subjects: list[str] | None = None,
          options: dict[str, Any] | None = None, context: JobContext = QUIET) -> str:
    """Train the transformer of each subject; see :func:`~brainview.alignment.workflow.train_system`."""
    return train_system("whole-brain", fit, path, run, subjects=subjects, options=options, context=context)


def build(task: Task) -> VoxelEncoder:
    """Return an untrained encoder for one subject's voxels, seeded."""
    import torch

    config = task.config
    sizes = ENCODERS[config.encoder].having(embed=task.targets.image.shape[1])
    sizes = sizes.having(patch=config.patch) if config.patch else sizes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return VoxelEncoder(sizes, task.brains.mask, task.brains.inside,
                            voxel_weights(task.brains, config.weighting, config.keep, task.ranking))


def fit(task: Task, context: JobContext) -> tuple[Embeddings, dict[str, Any]]:
    """Train, stop by the validation part, and return the test embeddings."""
    model = build(task)
    begun: dict[str, Any] = {"start": task.config.start}
    if task.config.start != "random" and not task.folder.has_generation:
        teacher = linear_teacher(task, Stage(context, 0, 0.1)) if task.config.start == "teacher" else None
        begun = warm_start(model, alignment_data(task, task.train), teacher=teacher, seed=task.config.seed,
                           context=Stage(context, 0.1, 0.2, "start"))
        context = Stage(context, 0.2, 1)
    card: dict[str, Any] = {"what": "whole-brain encoder", **begun, "encoder": model.encoder.config.to_dict(),
            "tokens": model.grid.n_tokens,
            "parameters": sum(p.numel() for p in model.encoder.parameters()),
            "token_mm": 2 * model.grid.patch, "mask_voxels": int(model.grid.mask.sum())}
    return run_fit(model, task, card, context)


def linear_teacher(task: Task, context: JobContext) -> np.ndarray:
    """Return (k, embed): the sum of the ridges to image and text, fitted on training images of all pooled people."""
    from brainview.alignment.ridge_clip import fit_people  # it reads runs of this module

    used, ridge, _ = fit_people(task, lambda t: t.train, context)
    out = np.zeros((task.brains.values.shape[1], ridge.embed), np.float32)
    weights = float(task.config.targets != "text"), float(task.config.targets != "image")
    out[used] = weights[0] * ridge.coef[:, :ridge.embed] + weights[1] * ridge.coef[:, ridge.embed:]
    return out


def run_fit(model: Any, task: Task, card: dict[str, Any], context: JobContext,
            columns: np.ndarray | None = None) -> tuple[Embeddings, dict[str, Any]]:
    """Train any module of (B, k) voxels by the shared loop; returns test embeddings and what it says of itself.

    With `columns` the module is given these voxels only, which spares reading and noise of all the others.
    """
    settings = fit_config(task.config, task.targets.story["temperature"])
    about = {"subject": task.brains.subject.id, "dataset": task.brains.subject.dataset,
             "phantom": task.brains.subject.phantom, "targets": task.targets.story, **card}
    parts = [alignment_data(task, ids) for ids in (task.train, task.val, task.test)]
    if columns is not None:
        few = chosen_values(task, columns, context)
        parts = [replace(part, inputs=few) for part in parts]
    trained = Fit(model, parts[0], parts[1], settings, task.folder, about).run(context)
    history = task.folder.history()
    best = max(history, key=lambda r: r["val_mrr"])
    brain = encode(trained, parts[2], context=context)
    held = task.targets.of(task.test)
    story = {**card, "epochs": len(history), "best_epoch": best["epoch"], "train_loss": history[-1].get("loss"),
             "val_image_r1": best["val_image_r1"], "val_text_r1": best["val_text_r1"], "val_images": len(task.val)}
    return Embeddings(brain, brain, held.image, held.text), story


def chosen_values(task: Task, columns: np.ndarray, context: JobContext = QUIET) -> np.ndarray:
    """Return (trials, len(columns)) float16 values of some voxels of all trials, in memory."""
    values = task.brains.values
    out = np.empty((len(values), len(columns)), values.dtype)
    for start in range(0, len(values), 64):
        context.check()
        out[start:start + 64] = np.asarray(values[start:start + 64])[:, columns]
    return out


def alignment_data(task: Task, ids: np.ndarray) -> AlignmentData:
    """Return the brains and targets of some stimuli."""
    held = task.targets.of(ids)
    return AlignmentData(task.brains.values, task.brains.rows_of(ids), ids, held.image, held.text)


def fit_config(config: AlignConfig, temperature: float) -> FitConfig:
    """Return the settings of the loop."""
    return FitConfig(epochs=config.epochs, batch=config.batch, lr=config.lr, weight_decay=config.weight_decay,
                     temperature=config.temperature or temperature, queue=config.queue, noise=config.noise,
                     image_weight=float(config.targets != "text"), text_weight=float(config.targets != "image"),
                     precision=config.precision, seed=config.seed, patience=config.patience,
                     judge_start=config.start != "random", loss=config.objective)


def load_encoder(run: os.PathLike | str, subject: str) -> tuple[VoxelEncoder, dict[str, Any]]:
    """Return the trained encoder of one subject in eval mode, and its card; its mask and tokens come from the file."""
    import torch

    from brainview.alignment.encoder import EncoderConfig

    tensors, card = RunFolder.open(subject_folder(run, subject)).load()
    sizes = replace(EncoderConfig(), **card["encoder"])
    model = VoxelEncoder(sizes, tensors["mask"].astype(bool), tensors["inside"].astype(np.int64),
                         tensors["weight"].astype(np.float32))
    model.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in tensors.items()})
    return model.eval().requires_grad_(False), card


def subject_folder(run: os.PathLike | str, subject: str) -> str:
    """Return the folder of one subject's model; raises MissingError when there is none."""
    from brainview.core.errors import MissingError

    folder = os.path.join(run, "subjects", subject)
    if not os.path.isfile(os.path.join(folder, "run.json")):
        raise MissingError(f"has no trained subject {subject!r}", where=run)
    return folder
