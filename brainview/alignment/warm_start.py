"""A start for the whole-brain transformer that is not random: principal components and a ridge, written as weights.

A transformer of this kind, trained from scratch on some hundred volumes, learns them by heart (training loss 1, test
retrieval 0 in a trial). Here it begins as a ridge regression that its own parts can express, and training goes on from
there. Of the residual stream's width about a half carries a token's principal components, a third a code of its
place, the rest sums up what the tokens say:

- patch embedding = leading principal components of the training patches (a linear autoencoder of masked volumes);
- position = a code per token, nearly orthogonal to the others', larger than the content, so that LayerNorm is steady;
- ridge from all components to the centred sum of image and text embeddings, cut into rank-one terms per token; each
  term is one hidden unit of the MLPs before the last block, opened by the place code (GELU is linear where open);
- the class token of the last block adds up the tokens, and the projection turns the sum into CLIP's space.

Only training images enter. Our own construction; nothing of the paper.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.linalg import eigh
from torch import Tensor

from brainview.alignment.decoders import VoxelEncoder, fit_ridge_clip
from brainview.alignment.train import AlignmentData
from brainview.core.errors import BrainViewError
from brainview.core.jobs import QUIET, JobContext

#: Content over place in the stream; opening of a hidden unit; spread of its input; sum over place in the last block.
CONTENT, OPEN, SPREAD, SUM = 0.3, 3.0, 0.7, 0.1
#: Stimuli that the principal components are taken from; each gives a patch per token.
COMPONENT_STIMULI = 240
#: Penalty of the correction to a projected teacher, over the mean variance of the components.
REFIT = 1.0


def warm_start(model: VoxelEncoder, data: AlignmentData, *, teacher: np.ndarray | None = None, seed: int = 0,
               context: JobContext = QUIET) -> dict[str, Any]:
    """Overwrite the weights of `model` by the start of this module, fitted on training `data`; returns what was done.

    Parameters
    ----------
    teacher : (k, embed) float32, optional
        A linear map from voxels to CLIP's space (a ridge of more people, say). The patch embedding then keeps the
        directions that the map reads instead of principal components, and the map is what is cut into terms.

    Raises
    ------
    BrainViewError
        Fewer than two blocks, or a width that leaves no room.
    """
    encoder, config = model.encoder, model.encoder.config
    if config.blocks < 2 or config.width < 16:
        raise BrainViewError("a start from ridge needs two blocks and a width of 16", remedy="Use start=random.")
    content, place = min(config.width // 2, config.patch**3), config.width * 5 // 16
    total = config.width - 1 - content - place
    frame = _frame(config.width, seed)
    parts = frame[:, :content], frame[:, content:content + place], frame[:, content + place:]
    if teacher is None:
        basis, values = components(model, data, content, context)
        weight, outputs = _own_ridge(values, data, total)
    else:
        basis, outputs, weight = read_directions(model, data, teacher, content, total)
        values = projected(model, data, basis, context)
        weight = refit(values, weight, _answers(data, teacher @ outputs.T))
    units = config.blocks - 1, int(config.width * config.mlp_ratio) // 2
    terms = rank_one_terms(values, weight, units[0] * units[1])
    with torch.no_grad():
        codes = torch.from_numpy(place_codes(encoder.n_tokens + 1, place, seed))
        _embedding(encoder, basis, values, parts[0], codes @ parts[1].T)
        gain = _gain(terms, encoder.n_tokens)
        _mlps(encoder, terms, parts, codes, _scale(values), gain, units[1])
        _readout(encoder, parts[2], torch.from_numpy(outputs.astype(np.float32)))
        _centre(model, data, context)
    return {"start": "ridge" if teacher is None else "teacher", "components": content, "terms": len(terms),
            "summed_dimensions": len(outputs)}


def _own_ridge(values: np.ndarray, data: AlignmentData, total: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ((tokens, k, a) ridge from components to the leading directions of its outputs, (a, embed) those)."""
    target = (data.image - data.image.mean(0)) + (data.text - data.text.mean(0))
    flat, half = values.reshape(len(values), -1), target.shape[1] // 2
    ridge, _ = fit_ridge_clip(flat, target[:, :half], target[:, half:], np.ones(flat.shape[1], np.float32))
    outputs = np.linalg.svd((flat - ridge.center) @ ridge.coef, full_matrices=False)[2][:total]
    return (ridge.coef @ outputs.T).reshape(*values.shape[1:], -1), outputs


def read_directions(model: VoxelEncoder, data: AlignmentData, teacher: np.ndarray, count: int,
                    total: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ((p^3, count) orthonormal directions of a patch that the teacher reads most, (total, embed) directions of
    its output, (tokens, count, total) the teacher in these terms)."""
    factor = model.weight.cpu().numpy()
    answers = _answers(data, teacher)
    outputs = np.linalg.svd(answers - answers.mean(0), full_matrices=False)[2][:total].astype(np.float32)
    # what is read from weighted voxels: a voxel without weight is never seen
    reduced = np.where(factor[:, None] > 0, teacher @ outputs.T / np.maximum(factor, 1e-6)[:, None], 0)
    tokens = np.concatenate([reduced, np.zeros((1, len(outputs)), np.float32)])[model.gather.cpu().numpy()]
    by_place = np.ascontiguousarray(tokens.transpose(1, 0, 2)).reshape(tokens.shape[1], -1)
    size = len(by_place)
    basis = eigh(by_place @ by_place.T, subset_by_index=(size - min(count, size), size - 1))[1][:, ::-1]
    basis = np.ascontiguousarray(basis, np.float32)
    return basis, outputs, np.einsum("pk,tpa->tka", basis, tokens, optimize=True).astype(np.float32)


def projected(model: VoxelEncoder, data: AlignmentData, basis: np.ndarray, context: JobContext) -> np.ndarray:
    """Return (n, n_tokens, count) components of the mean patches of every stimulus."""
    vectors, out = torch.from_numpy(basis), []
    for start in range(0, len(data), 48):
        context.report(start, len(data), "components of patches")
        out.append(patches_of(model, data, start) @ vectors)
    return torch.cat(out).numpy()


def _answers(data: AlignmentData, teacher: np.ndarray) -> np.ndarray:
    """Return (n, a) what a (k, a) map says of the mean brains."""
    return np.concatenate([data.batch(np.arange(start, min(start + 48, len(data))), None).numpy() @ teacher
                           for start in range(0, len(data), 48)])


def refit(values: np.ndarray, weight: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Return (tokens, k, a): the map from components that comes closest to the teacher's (n, a) answers.

    The plain projection `weight` is what a ridge is drawn to, so that what the components say of the directions that
    were left out is used, and nothing is learned by heart.
    """
    flat = values.reshape(len(values), -1) - values.reshape(len(values), -1).mean(0)
    left = answers - answers.mean(0) - flat @ weight.reshape(flat.shape[1], -1)
    kernel = (flat @ flat.T).astype(np.float64)
    kernel[np.diag_indices_from(kernel)] += REFIT * np.trace(kernel) / len(kernel)
    return weight + (flat.T @ np.linalg.solve(kernel, left.astype(np.float64)).astype(np.float32)).reshape(weight.shape)


def components(model: VoxelEncoder, data: AlignmentData, count: int,
               context: JobContext = QUIET) -> tuple[np.ndarray, np.ndarray]:
    """Return ((p^3, count) principal directions of training patches, (n, n_tokens, count) means per stimulus)."""
    gram: Any = 0.0
    few = min(len(data), COMPONENT_STIMULI)
    for start in range(0, few, 48):
        context.report(start, few + len(data), "components of patches")
        patches = patches_of(model, data, start).flatten(0, 1)
        gram = gram + patches.T @ patches
    size = len(gram)
    found = eigh(gram.double().numpy(), subset_by_index=(size - min(count, size), size - 1))[1][:, ::-1]
    vectors = torch.from_numpy(np.ascontiguousarray(found, np.float32))
    return vectors.numpy(), projected(model, data, vectors.numpy(), context)


def patches_of(model: VoxelEncoder, data: AlignmentData, start: int) -> Tensor:
    """Return (up to 48, n_tokens, p^3) weighted patches of the mean brains from `start` on."""
    items = np.arange(start, min(start + 48, len(data)))
    with torch.no_grad():
        return model.patches(data.batch(items, None).to(model.weight.device)).float().cpu()


def rank_one_terms(values: np.ndarray, weight: np.ndarray, count: int) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Return the `count` strongest (token, (k,) filter, (a,) output) whose sum approximates the linear map.

    values (n, tokens, k) decide what is strong: singular values of each token's map under the covariance of its
    components. Filters have an output of s.d. 1 over `values`.
    """
    found = []
    for token in range(values.shape[1]):
        covariance = np.cov(values[:, token].T.astype(np.float64))
        root = np.linalg.cholesky(covariance + 1e-6 * max(1e-12, np.trace(covariance)) * np.eye(len(covariance)))
        left, strength, right = np.linalg.svd(root.T @ weight[token], full_matrices=False)
        filters = np.linalg.solve(root.T, left)
        found += [(float(s), token, filters[:, j], s * right[j]) for j, s in enumerate(strength) if s > 0]
    found.sort(key=lambda term: -term[0])
    return [term[1:] for term in found[:count]]


def place_codes(count: int, width: int, seed: int, *, rounds: int = 400) -> np.ndarray:
    """Return (count, width) float32 unit vectors that are as far apart as some rounds of repulsion make them."""
    codes = torch.from_numpy(np.random.default_rng(seed).standard_normal((count, width))).requires_grad_(True)
    optimizer = torch.optim.Adam([codes], lr=0.03)
    off = ~torch.eye(count, dtype=torch.bool)
    for _ in range(rounds):
        with torch.enable_grad():
            unit = torch.nn.functional.normalize(codes, dim=1)
            loss = torch.logsumexp(20 * (unit @ unit.T)[off], 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return torch.nn.functional.normalize(codes, dim=1).detach().numpy().astype(np.float32)


def _frame(width: int, seed: int) -> Tensor:
    """Return (width, width - 1) orthonormal directions without a mean, which LayerNorm would take out."""
    random = torch.from_numpy(np.random.default_rng(seed).standard_normal((width, width)))
    random[:, 0] = 1
    return torch.linalg.qr(random)[0][:, 1:].float()


def _scale(values: np.ndarray) -> float:
    """Return what components are multiplied by, so that the strongest tokens reach CONTENT of their place code."""
    energy = np.sqrt((values.astype(np.float64)**2).sum(2).mean(0))
    return float(CONTENT / max(1e-12, np.percentile(energy, 95)))


def _embedding(encoder: Any, basis: np.ndarray, values: np.ndarray, content: Tensor, places: Tensor) -> None:
    encoder.patch_embed.weight.copy_(content @ torch.from_numpy(basis).T * _scale(values))
    encoder.class_embedding.zero_()
    encoder.positional_embedding.copy_(places)


def _gain(terms: list[tuple[int, np.ndarray, np.ndarray]], tokens: int) -> float:
    """Return the factor of outputs with which the strongest token's sum is SUM of its place code."""
    energy = np.zeros(tokens)
    for token, _, output in terms:
        energy[token] += float((output**2).sum())
    return float(SUM / max(1e-12, np.sqrt(energy.max())))


def _mlps(encoder: Any, terms: list[tuple[int, np.ndarray, np.ndarray]], parts: tuple[Tensor, Tensor, Tensor],
          codes: Tensor, scale: float, gain: float, units: int) -> None:
    """Spread the terms over the MLPs of all blocks but the last; what is left of them starts without effect.

    LayerNorm makes the stream sqrt(width) long, of which the place code is nearly all.
    """
    length = encoder.config.width**0.5 / (1 + CONTENT**2 / 4) ** 0.5
    likeness = codes @ codes.T
    likeness.fill_diagonal_(-1)
    last = len(encoder.blocks) - 1
    for number, block in enumerate(encoder.blocks):
        block.out_proj.weight.zero_()
        block.c_proj.weight.mul_(0.1 if number == last else 0.0)
        if number == last:
            continue
        for unit, (token, filters, output) in enumerate(terms[number::last][:units]):
            nearest = float(likeness[token + 1].max())
            slope = 2 * OPEN / (1 - nearest)
            # the stream is `length` times code + scaled components; both are read back in their own units
            block.c_fc.weight[unit] = (parts[1] @ codes[token + 1] * slope
                                       + parts[0] @ torch.from_numpy(filters).float() * (SPREAD / scale)) / length
            block.c_fc.bias[unit] = OPEN - slope
            block.c_proj.weight[:, unit] = parts[2][:, :len(output)] @ torch.from_numpy(output).float() \
                * (gain * length / SPREAD)


def _readout(encoder: Any, total: Tensor, outputs: Tensor) -> None:
    """Let the class token of the last block add up all tokens, and project the sum."""
    block, width, count = encoder.blocks[-1], encoder.config.width, len(outputs)
    total = total[:, :count]
    block.in_proj.weight[:2 * width].mul_(0.1)  # nearly even attention, not at a saddle
    block.in_proj.weight[2 * width:].zero_()
    block.in_proj.weight[2 * width:2 * width + count] = total.T
    block.out_proj.weight[:, :count] = total * float(encoder.n_tokens)
    block.c_proj.weight.zero_()
    encoder.proj.mul_(0.01)
    encoder.proj.add_(total @ outputs)


def _centre(model: VoxelEncoder, data: AlignmentData, context: JobContext) -> None:
    """Take the mean of what the class token adds up over the training images out of it (the ridge's intercept)."""
    encoder, sums = model.encoder, []
    for start in range(0, len(data), 48):
        context.check()
        patches = patches_of(model, data, start).to(model.weight.device)
        stream = encoder.embed(patches)
        for block in encoder.blocks[:-1]:
            stream = block(stream)
        sums.append((encoder.blocks[-1](stream, only_class=True) - stream[:, :1])[:, 0].sum(0))
    encoder.blocks[-1].out_proj.bias.sub_(torch.stack(sums).sum(0) / len(data))
