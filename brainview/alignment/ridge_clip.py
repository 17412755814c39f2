"""System ``ridge-clip``: ridge regression from reliability-weighted voxels to CLIP embeddings; strong and simple."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from brainview.alignment.decoders import Fellow, RidgeClip, fit_ridge_clip, voxel_weights
from brainview.alignment.whole_brain import subject_folder
from brainview.alignment.workflow import COLUMNS as COLUMNS
from brainview.alignment.workflow import Embeddings, Task, same_places, train_system
from brainview.core.jobs import QUIET, JobContext
from brainview.training.run import RunFolder

PRESETS: dict[str, dict[str, Any]] = {
    "demo": {"weighting": "denoised", "keep": 20000, "whiten": 1.0},
    "pooled": {"weighting": "denoised", "keep": 20000, "pool": 0.5, "whiten": 1.0}, "plain": {},
    "unweighted": {"weighting": "none"},
    "paper": {"clip": "ViT-H-14:laion2b_s32b_b79k", "weighting": "none", "region": "nsdgeneral"},
}


def train(path: os.PathLike | str, run: os.PathLike | str, *, subjects: list[str] | None = None,
          options: dict[str, Any] | None = None, context: JobContext = QUIET) -> str:
    """Fit the ridge of each subject; see :func:`~brainview.alignment.workflow.train_system`."""
    return train_system("ridge-clip", fit, path, run, subjects=subjects, options=options, context=context)


def fit(task: Task, context: JobContext) -> tuple[Embeddings, dict[str, Any]]:
    """Fit on training and validation images (the penalty needs no held-out part) and return the test embeddings."""
    ids = np.union1d(task.train, task.val)
    used, model, story = fit_people(task, lambda t: np.union1d(t.train, t.val), context)
    card = {"what": "ridge to CLIP", "voxels_used": len(used), "fitted_images": len(ids), **story}
    task.folder.write_generation({**model.tensors(), "used": used, "mask": task.brains.mask,
                                  "inside": task.brains.inside},
                                 {"subject": task.brains.subject.id, "phantom": task.brains.subject.phantom,
                                  "targets": task.targets.story, **card})
    held = task.targets.of(task.test)
    brain_image, brain_text = model(task.brains.mean(task.test, columns=used, context=context))
    return Embeddings(brain_image, brain_text, *model.gallery(held.image, held.text),
                      text_center=model.target_center[model.embed:]), card


def fit_people(task: Task, ids_of: Callable[[Task], np.ndarray],
               context: JobContext = QUIET) -> tuple[np.ndarray, RidgeClip, dict[str, Any]]:
    """Return (columns that are used, the ridge of the task's person, story); others of the task are pooled in."""
    config = task.config
    weight = voxel_weights(task.brains, config.weighting, config.keep, task.ranking)
    used = np.flatnonzero(weight > 0)
    fellows: list[Fellow] = []
    for other in task.others:
        context.report(len(fellows), len(task.others) + 1, f"brains of {other.brains.subject.id}")
        ids = ids_of(other)
        at, known = (v[used] for v in same_places(other.brains, task.brains))
        theirs = voxel_weights(other.brains, config.weighting)[at] * known
        theirs *= float(np.sqrt(np.mean(weight[used]**2) / max(1e-12, float(np.mean(theirs**2)))))  # the same scale
        held = other.targets.of(ids)
        fellows.append(Fellow(other.brains.mean(ids, columns=at, context=context), theirs, held.image, held.text))
    ids = ids_of(task)
    own = task.targets.of(ids)
    context.report(len(fellows), len(fellows) + 1, "ridge")
    values = task.brains.mean(ids, columns=used, context=context)
    model, story = fit_ridge_clip(values, own.image, own.text, weight[used], others=fellows, share=config.pool,
                                  whiten=config.whiten)
    return used, model, story


def load_ridge(run: os.PathLike | str, subject: str) -> tuple[RidgeClip, np.ndarray, dict[str, Any]]:
    """Return (model, which columns of the subject's Brains it takes, card)."""
    tensors, card = RunFolder.open(subject_folder(run, subject)).load()
    return RidgeClip(tensors["coef"], tensors["center"], tensors["target_center"]), tensors["used"], card
