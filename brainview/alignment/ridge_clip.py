"""System ``ridge-clip``: ridge regression from reliability-weighted voxels to CLIP embeddings; strong and simple."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from brainview.alignment.decoders import RidgeClip, fit_ridge_clip, voxel_weights
from brainview.alignment.whole_brain import subject_folder
from brainview.alignment.workflow import COLUMNS as COLUMNS
from brainview.alignment.workflow import Embeddings, Task, train_system
from brainview.core.jobs import QUIET, JobContext
from brainview.training.run import RunFolder

PRESETS: dict[str, dict[str, Any]] = {
    "demo": {}, "unweighted": {"weighting": "none"},
    "paper": {"clip": "ViT-H-14:laion2b_s32b_b79k", "weighting": "none", "region": "nsdgeneral"},
}


def train(path: os.PathLike | str, run: os.PathLike | str, *, subjects: list[str] | None = None,
          options: dict[str, Any] | None = None, context: JobContext = QUIET) -> str:
    """Fit the ridge of each subject; see :func:`~brainview.alignment.workflow.train_system`."""
    return train_system("ridge-clip", fit, path, run, subjects=subjects, options=options, context=context)


def fit(task: Task, context: JobContext) -> tuple[Embeddings, dict[str, Any]]:
    """Fit on training and validation images (the penalty needs no held-out part) and return the test embeddings."""
    ids = np.union1d(task.train, task.val)
    weight = voxel_weights(task.brains, task.config.weighting)
    used = np.flatnonzero(weight > 0)
    own = task.targets.of(ids)
    context.report(0, 1, "ridge")
    model, story = fit_ridge_clip(task.brains.mean(ids, context=context)[:, used], own.image, own.text, weight[used])
    card = {"what": "ridge to CLIP", "voxels_used": len(used), "fitted_images": len(ids), **story}
    task.folder.write_generation({**model.tensors(), "used": used, "mask": task.brains.mask,
                                  "inside": task.brains.inside},
                                 {"subject": task.brains.subject.id, "phantom": task.brains.subject.phantom,
                                  "targets": task.targets.story, **card})
    held = task.targets.of(task.test)
    brain_image, brain_text = model(task.brains.mean(task.test, context=context)[:, used])
    return Embeddings(brain_image, brain_text, *model.gallery(held.image, held.text),
                      text_center=model.target_center[model.embed:]), card


def load_ridge(run: os.PathLike | str, subject: str) -> tuple[RidgeClip, np.ndarray, dict[str, Any]]:
    """Return (model, which columns of the subject's Brains it takes, card)."""
    tensors, card = RunFolder.open(subject_folder(run, subject)).load()
    return RidgeClip(tensors["coef"], tensors["center"], tensors["target_center"]), tensors["used"], card
