"""Jobs of the brain encoders, by name: tokens of brains, gradients to voxels, what the window shows of a run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.device import best_device
from brainview.core.errors import MismatchError, MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.training.run import RunFolder

#: How repetitions become one brain: their mean (UMBRAE), the mean of their tokens (MindEye-2), or the first alone.
REPETITIONS = ("mean", "outputs", "first")


def present(run: str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return what the window shows of a run: its card and subjects."""
    card = RunFolder.open(run).card("best")
    tokens, channels = card["token_shape"]
    notes = [f"{card['kind']} into {card['feature_label']}, {tokens} tokens x {channels}."]
    if "metrics" not in card:
        notes.append("Training has not ended; nothing is measured yet.")
    return {"run": str(run), "card": card, "phantom": card["phantom"], "subjects": list(card["subjects"]),
            "notes": notes}


def loaded(run: str, subject: str, data: str | None) -> tuple[Any, ...]:
    """Return (encoder, other tensors, card, data set, voxels) of a run; the last three stay in memory."""
    pointer = Path(run) / "pointer.json"
    return _remembered(str(run), subject, data, pointer.stat().st_mtime_ns if pointer.is_file() else 0)


@lru_cache(maxsize=3)
def _remembered(run: str, subject: str, data: str | None, changed: int) -> tuple[Any, ...]:
    from brainview.language.brain.workflow import load_run, run_voxels

    model, extra, card = load_run(run)
    dataset, voxels = run_voxels(run, subject, extra, card, data)
    return model, extra, card, dataset, voxels


def brain_tokens(run: str, subject: str, stimuli: Sequence[int] | np.ndarray, repetitions: str = "mean",
                 scale: Mapping[str, float] | None = None, *, control: int | None = None, match: bool = False,
                 data: str | None = None, context: JobContext = QUIET) -> dict[str, Any]:
    """Return the tokens that a trained encoder reads from a subject's brain, in the tower's own units.

    Parameters
    ----------
    stimuli : ids of pictures that the subject saw
    repetitions : ``mean`` | ``outputs`` | ``first``
    scale : mapping of region to factor, optional
        Voxels of ``class``, ``class:region`` or a region's name are multiplied (0 = silenced): the causal probe.
    control : int, optional
        Seed: scale as many voxels outside the regions, drawn at random, instead (the control of the probe).
    match : bool
        Give every channel the s.d. around the mean token array that the tower's tokens have on the validation
        pictures: least-squares predictions from noisy brains are too flat (our own choice).
    data : str, optional
        Folder of the data set, when it has moved since training.

    Returns
    -------
    dict
        ``tokens`` (n, N, D) float32, ``space`` (name of the tower), ``ids``, ``subject``, ``kind``, ``phantom``,
        ``voxels_scaled``, ``mean`` (N, D) mean token array of training where the run standardises, else zeros.
    """
    import torch

    if repetitions not in REPETITIONS:
        raise MismatchError(f"repetitions must be one of {', '.join(REPETITIONS)}, got {repetitions!r}")
    ids = np.asarray(stimuli, np.int64).reshape(-1)
    model, extra, card, _, voxels = loaded(run, subject, data)
    factor, touched = _factors(voxels, scale or {}, control)
    rows, edges = _rows(voxels, ids, repetitions)
    rows = rows * factor
    device = best_device()
    model.to(device)
    out = []
    with torch.inference_mode():
        for start in range(0, len(rows), 64):
            context.report(start, len(rows), "reading brains")
            out.append(model(torch.from_numpy(rows[start:start + 64]).to(device), subject).float().cpu().numpy())
    each = np.concatenate(out) if out else np.zeros((0, *card["token_shape"]), np.float32)
    tokens = np.stack([each[a:b].mean(0) for a, b in pairwise(edges.tolist())]) if len(ids) else each
    if match:
        if "target/gain" not in extra:
            raise MissingError("training has not ended, so the gain of its channels is not known", where=run)
        tokens = extra["target/centre"] + (tokens - extra["target/centre"]) * extra["target/gain"]
    tokens = tokens * extra["target/spread"] + extra["target/mean"]
    return {"tokens": tokens.astype(np.float32), "space": card["feature_settings"]["space"], "ids": ids,
            "subject": subject, "kind": card["kind"], "phantom": card["phantom"], "voxels_scaled": int(touched.sum()),
            "mean": extra["target/mean"]}


def _rows(voxels: Any, ids: np.ndarray, repetitions: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (rows of betas, edges of the rows of each picture)."""
    if repetitions == "mean":
        return voxels.mean(ids), np.arange(len(ids) + 1)
    groups = [g[:1] if repetitions == "first" else g for g in voxels.trials_of(ids)]
    edges = np.concatenate([[0], np.cumsum([len(g) for g in groups])]).astype(int)
    return voxels.rows(np.concatenate(groups)), edges


def _factors(voxels: Any, scale: Mapping[str, float], control: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return ((V,) float32 factors, (V,) bool which are not 1); a voxel in two regions takes the last one named."""
    factor, touched = np.ones(voxels.size, np.float32), np.zeros(voxels.size, bool)
    for roi, value in scale.items():
        mask = voxels.mask(roi)
        factor[mask], touched[mask] = np.float32(value), True
    if control is None or not touched.any():
        return factor, touched
    outside = np.flatnonzero(~touched)
    if outside.size < touched.sum():
        raise MismatchError(f"the regions hold {int(touched.sum()):,} voxels, outside are only {outside.size:,}",
                            remedy="A control needs as many voxels outside; name smaller regions.")
    chosen = np.random.default_rng(control).choice(outside, int(touched.sum()), replace=False)
    moved, where = np.ones_like(factor), np.zeros_like(touched)
    moved[chosen], where[chosen] = factor[touched], True
    return moved, where


def token_gradient(run: str, subject: str, stimulus: int, token_grad: np.ndarray, *, data: str | None = None,
                   context: JobContext = QUIET) -> np.ndarray:
    """Return (V,) float32: how a number that depends on the tokens changes with each voxel's z-scored mean beta.

    Parameters
    ----------
    token_grad : (N, D) gradient of that number with respect to the tokens in the tower's own units
    """
    import torch

    model, extra, card, _, voxels = loaded(run, subject, data)
    gradient = np.asarray(token_grad, np.float32)
    if gradient.shape != tuple(card["token_shape"]):
        raise MismatchError(f"the gradient is {gradient.shape}, the run's tokens are {tuple(card['token_shape'])}")
    device = best_device()
    model.to(device)
    betas = torch.from_numpy(voxels.mean(np.array([int(stimulus)]))).to(device).requires_grad_(True)
    tokens = model(betas, subject)[0].float()
    flow = torch.from_numpy(gradient * extra["target/spread"]).to(device)
    (found,) = torch.autograd.grad((tokens * flow).sum(), betas)
    return (found[0].float().cpu().numpy() * voxels.weight).astype(np.float32)


def gradient_map(run: str, subject: str, stimulus: int, token_grad: np.ndarray, name: str = "gradient", *,
                 data: str | None = None, context: JobContext = QUIET) -> Any:
    """Return :func:`token_gradient` as a BrainMap of the subject (NaN where the run reads no voxel)."""
    values = token_gradient(run, subject, stimulus, token_grad, data=data, context=context)
    return voxel_map(run, subject, values, name, data=data, context=context, provenance={"stimulus": int(stimulus)})


def on_mni(run: str, subject: str, map: Any, *, data: str | None = None, context: JobContext = QUIET) -> Any:
    """Return a map of the run's voxels in MNI152 where NSD's transform of the subject is here, else the map itself.

    Maps of a space that is in MNI152 or on a surface already stay as they are.
    """
    from brainview.datasets.mindeye.place import find_transform, map_to_mni
    from brainview.maps.space import VolumeSpace

    root = map.space.root
    if not isinstance(root, VolumeSpace) or root.world != "scanner":
        return map
    _, _, _, dataset, _ = loaded(run, subject, data)
    roots = tuple(getattr(dataset, "homes", (dataset.path,)))
    return map_to_mni(map, roots, subject) if find_transform(roots, subject) is not None else map


def voxel_map(run: str, subject: str, values: np.ndarray, name: str, *, data: str | None = None, units: str = "a.u.",
              provenance: dict[str, Any] | None = None, context: JobContext = QUIET) -> Any:
    """Return (V,) values of the voxels that a run reads as a BrainMap on the subject's space.

    The limits are symmetric, but for values in bits, which cannot be negative.
    """
    _, _, card, _, voxels = loaded(run, subject, data)
    whole = np.full(voxels.subject.space.size, np.nan, np.float32)
    whole[voxels.columns] = values
    top = float(np.nanpercentile(np.abs(values), 99)) or 1.0
    kind, low = ("sequential", 0.0) if units == "bits" else ("diverging", -top)
    return voxels.subject.map(whole, name, units=units, kind=kind, limits=(low, top),
                              provenance={"run": os.path.basename(run), "kind": card["kind"], **(provenance or {})})


def regions(run: str, subject: str, *, data: str | None = None, context: JobContext = QUIET) -> list[dict[str, Any]]:
    """Return the regions that `scale` knows: ``class, region, voxels`` that the run reads, largest first."""
    _, _, _, _, voxels = loaded(run, subject, data)
    out = []
    for key in voxels.subject.rois:
        roi = voxels.subject.rois[key]
        for label in roi.table.values():
            count = int(roi.mask(label.name)[voxels.columns].sum())
            if count:
                out.append({"class": key, "region": label.name, "voxels": count})
    return sorted(out, key=lambda r: -r["voxels"])


def true_tokens(run: str, stimuli: Sequence[int] | np.ndarray, *, subject: str | None = None, data: str | None = None,
                context: JobContext = QUIET) -> dict[str, Any]:
    """Return the tower's own tokens of the pictures (the upper bound), as :func:`brain_tokens` returns the brain's."""
    from brainview.features.cache import features_for
    from brainview.features.registry import feature_space

    folder = RunFolder.open(run)
    card = folder.card("best")
    _, _, _, dataset, _ = loaded(run, subject or card["subjects"][0], data)
    space = feature_space(folder.config["tower"])
    ids = np.asarray(stimuli, np.int64).reshape(-1)
    if folder.config["scale"]:
        raise MissingError("was trained on pooled targets; the whole grid is not its space", where=run)
    return {"tokens": np.asarray(features_for(space, dataset.stimuli, ids, context=context), np.float32),
            "space": card["feature_settings"]["space"], "ids": ids, "kind": "picture", "phantom": card["phantom"]}


def test_ids(run: str, subject: str) -> np.ndarray:
    """Return the (n,) ids of the test pictures that a subject saw, ascending."""
    from brainview.datasets.registry import open_dataset
    from brainview.datasets.splits import load_split

    folder = RunFolder.open(run)
    split = load_split(folder.path / "split.json")
    return split.of(open_dataset(folder.story["data"]).subject(subject), "test")
