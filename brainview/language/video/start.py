"""A start of the bridge that is not random: ridge regression from a brain's tokens to what the Q-Former sees of a clip.

From random weights Stage I stays where every brain gives the same tokens (contrast 2 log B): a few thousand noisy
trials pull in all directions, and the loss of a constant is the first that is found. A linear map has a best answer in
closed form. It is written into the mixing bridge; gradient goes on from there. The penalty is chosen between training
people (each predicted from the others), so that what is shared by people counts; nobody held out is looked at.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.linalg import eigh

from brainview.core.jobs import QUIET, JobContext
from brainview.language.video.branches import BrainBranch, MixingBridge, VideoBranch
from brainview.language.video.data import Trials, batches

#: Penalties in units of the mean eigenvalue of the Gram matrix.
PENALTIES = tuple(float(v) for v in np.logspace(-1, 2, 13))
#: Most training trials that enter (the Gram matrix is trials x trials).
MOST = 6000


@torch.inference_mode()
def bridge_features(brain: BrainBranch, trials: Trials, *, batch: int = 64, context: JobContext = QUIET) -> np.ndarray:
    """Return what the mixing bridge reads of every trial, (n, tokens x width) float32."""
    brain.eval()
    bridge: Any = brain.bridge
    device, out = next(brain.parameters()).device, []
    for index in batches(len(trials), batch, None):
        context.report(int(index[0]), len(trials), "tokens of brains")
        x = torch.from_numpy(trials.brains(index)).to(device)
        out.append(bridge.features(brain.encoder(brain.tokenizer(x))).float().cpu().numpy())
    return np.concatenate(out)


@torch.inference_mode()
def frame_targets(video: VideoBranch, tokens: np.ndarray, *, batch: int = 64) -> np.ndarray:
    """Return what the video Q-Former attends to for every clip, (clips, frames x tokens x width) float32."""
    device = video.queries.device
    return np.concatenate([video.seen(torch.from_numpy(tokens[i].astype(np.float32)).to(device)).flatten(1).cpu()
                           for i in batches(len(tokens), batch, None)])


def start_bridge(brain: BrainBranch, video: VideoBranch, clips: np.ndarray, trials: Trials, *, amplitude: float = 0.5,
                 seed: int = 0, context: JobContext = QUIET) -> dict[str, Any]:
    """Write the ridge into ``brain.bridge`` (a MixingBridge), in place.

    Parameters
    ----------
    clips : (n, frames, tokens, width)
        Tower tokens of the clip of every trial.
    amplitude : float, 0 to 1
        Predicted components are shrunk by noise; each is multiplied by its correlation (between people) to the power
        of minus this: 0 = as ridge says, 1 = as large as in clips.

    Returns
    -------
    dict with ``penalty``, ``r`` (mean correlation between people of the leading ten components), ``trials``.
    """
    bridge = brain.bridge
    assert isinstance(bridge, MixingBridge)
    pick = np.sort(np.random.default_rng(seed).permutation(len(trials))[:MOST])
    part = trials.at(pick)
    features, wish = bridge_features(brain, part, context=context), frame_targets(video, clips[pick])
    middle, centre = wish.mean(0), features.mean(0)
    basis = np.linalg.svd(wish - middle, full_matrices=False)[2][:bridge.down.out_features]
    target = (wish - middle) @ basis.T
    penalty, r = choose_penalty(features - centre, target, part.who)
    weight = _ridge((features - centre), target - target.mean(0), penalty)
    said = (features - centre) @ weight
    context.log(f"bridge: penalty {penalty:.3g}, correlation between people {r[:10].mean():.3f} (first ten components)")
    gain = _gains(r, target, said, amplitude)
    with torch.no_grad():
        bridge.down.weight[:len(basis)].copy_(torch.from_numpy((weight * gain).T.astype(np.float32)))
        bridge.up.weight.zero_()
        bridge.up.weight[:, :len(basis)].copy_(torch.from_numpy(basis.T.astype(np.float32)))
        bridge.up.bias.copy_(torch.from_numpy((middle - ((centre @ weight) * gain) @ basis).astype(np.float32)))
    return {"penalty": penalty, "r": float(r[:10].mean()), "trials": len(part), "components": len(basis)}


def _gains(r: np.ndarray, target: np.ndarray, said: np.ndarray, amplitude: float) -> np.ndarray:
    """Return the factor of every component: towards the spread of clips, not where it cannot be predicted."""
    sure = np.clip(r, 0.05, 1.0) ** -amplitude
    return np.where(r > 0.02, np.minimum(sure, target.std(0) / np.maximum(said.std(0), 1e-9)), 0.0)


def choose_penalty(features: np.ndarray, target: np.ndarray, who: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the penalty that predicts people best from the others, and each component's correlation there.

    With one person only, thirds of its trials take the place of people.
    """
    groups = who if np.unique(who).size > 1 else np.arange(len(who)) * 3 // len(who)
    gram = features @ features.T
    best: tuple[float, float, np.ndarray] = (-np.inf, PENALTIES[0], np.zeros(target.shape[1]))
    parts = [(np.flatnonzero(groups != g), np.flatnonzero(groups == g)) for g in np.unique(groups)]
    systems = [(eigh(gram[np.ix_(a, a)].astype(np.float64)), gram[np.ix_(b, a)], a, b) for a, b in parts]
    for penalty in PENALTIES:
        said = np.zeros_like(target)
        for (values, vectors), across, a, b in systems:
            inner = vectors.T @ (target[a] - target[a].mean(0))
            said[b] = across @ (vectors @ (inner / (values + penalty * values.mean())[:, None]))
        r = _columns(said, target)
        score = float((r * target.std(0)).sum())
        if score > best[0]:
            best = score, penalty, r
    return best[1], best[2]


def _ridge(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    gram = (x @ x.T).astype(np.float64)
    gram[np.diag_indices(len(gram))] += penalty * np.trace(gram) / len(gram)
    return x.T @ np.linalg.solve(gram, y).astype(np.float32)


def _columns(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a - a.mean(0), b - b.mean(0)
    return (a * b).sum(0) / np.maximum(np.sqrt((a**2).sum(0) * (b**2).sum(0)), 1e-12)
