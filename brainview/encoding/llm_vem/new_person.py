"""Stage 3: a person whom a trained model never saw gets a part of their own from few images; all else stays frozen.

The model predicts ``W (g(z) + s(z)) + b`` from the latent z of a picture. For a new person g, W and b are the group's,
and s is linear in z, so that fitting it is a ridge regression of what the group part leaves over, in the space of the
readout's components: solved exactly, with one penalty for all components, chosen by generalised cross-validation on
the person's own training images. An endless penalty leaves the group's prediction, so that few images hardly hurt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from brainview.core.errors import MismatchError
from brainview.core.jobs import QUIET, JobContext, Stage
from brainview.datasets.types import Subject
from brainview.encoding.llm_vem.group import GroupSpace
from brainview.encoding.llm_vem.head import LinearHead
from brainview.encoding.llm_vem.model import Vem, build, load_tensors, tensors_of
from brainview.encoding.llm_vem.opened import OpenedVem
from brainview.encoding.llm_vem.samples import TokenSource
from brainview.encoding.llm_vem.workflow import Work, write_scores
from brainview.encoding.train_ridge import evaluated_part, publish
from brainview.maps.space import MaskedSpace
from brainview.training.run import RunFolder

#: Penalties that are tried, in units of the mean square of the latent (times its width).
PENALTIES = np.logspace(-4, 5, 37)


@dataclass(frozen=True, eq=False)
class Part:
    """A person's part: ``s(z) = weight z + bias``.

    Parameters
    ----------
    weight : (k, hidden) float32
    bias : (k,) float32
    penalty : float
        The chosen one, in units of :data:`PENALTIES`.
    error : float
        Its criterion relative to that of no part at all (1 = the images said nothing beyond the group's prediction).
    """

    weight: np.ndarray
    bias: np.ndarray
    penalty: float
    error: float


def fit_part(latent: np.ndarray, left: np.ndarray) -> Part:
    """Return the part that predicts what the group part leaves over.

    Parameters
    ----------
    latent : (n, hidden)
    left : (n, k)
        Responses minus the group's prediction, in components of the readout.

    Notes
    -----
    The bias is a column like the others (a constant of the latent's root mean square), so that it is shrunk as well.
    """
    n = len(latent)
    z = np.asarray(latent, np.float64)
    scale = float(np.sqrt(np.square(z).mean())) or 1.0
    z = np.concatenate([z, np.full((n, 1), scale)], 1)
    u, s, v = np.linalg.svd(z, full_matrices=False)
    good = s > 1e-9 * s[0]
    u, s, v = u[:, good], s[good], v[good]
    y = np.asarray(left, np.float64)
    inside = u.T @ y
    rest, power = float(np.square(y).sum() - np.square(inside).sum()), np.square(inside).sum(1)
    unit = scale**2 * z.shape[1]
    shrunk = s**2 / (s**2 + PENALTIES[:, None] * unit)
    error = (np.maximum(rest, 0) + np.square(1 - shrunk) @ power) / np.square(1 - shrunk.sum(1) / n)
    best = int(np.argmin(error))
    penalty = float(PENALTIES[best])
    weights = (v.T * (s / (s**2 + penalty * unit))) @ inside
    return Part(weights[:-1].T.astype(np.float32), (scale * weights[-1]).astype(np.float32), penalty,
                float(error[best] / max(np.square(y).sum(), 1e-30)))


def locations_of(start: GroupSpace, person: Subject) -> np.ndarray:
    """Return (n,) int64 position in the start's group space of every location of a person, -1 where it has none."""
    if start.space.root.key != person.space.root.key:
        raise MismatchError(f"lives in {person.space.root.name}, the model in {start.space.root.name}",
                            where=person.id, remedy="Use the response set that the model was trained on.")
    known, own = (s.root_index if isinstance(s, MaskedSpace) else np.arange(s.size)
                  for s in (start.space, person.space))
    at = np.minimum(np.searchsorted(known, own), known.size - 1)
    return np.where(known[at] == own, at, -1)


@dataclass(eq=False)
class Newcomer:
    """A person before a trained model: the latents of their pictures and the group's prediction at their locations.

    Parameters
    ----------
    start : OpenedVem
    person : Subject
    """

    start: OpenedVem
    person: Subject

    def __post_init__(self) -> None:
        head = self.start.model.head
        if not isinstance(head, LinearHead):
            raise MismatchError("has the attention head; a new person's part is fitted for the linear head",
                                where=self.start.folder.path, remedy="Name a run with head=linear.")
        self.head = head
        self.at = locations_of(self.start.group, self.person)
        self.known = self.at >= 0
        every = head.readout.weight.detach().cpu().numpy(), head.readout.bias.detach().cpu().numpy()
        self.basis, self.bias = (np.where(self.known.reshape(-1, *[1] * (a.ndim - 1)), a[self.at], np.float32(0))
                                 for a in every)
        self.shared = head.shared.weight.detach().cpu().numpy()

    def latents(self, ids: np.ndarray, context: JobContext = QUIET) -> np.ndarray:
        """Return (n, hidden) latents of stimuli, through kept tokens where the start kept them."""
        config = self.start.config
        if config.augment or config.stage != 1:
            return self.start.latents(ids, context=context)
        import torch

        from brainview.encoding.llm_vem.samples import make_samples

        source = TokenSource(self.start.trunk, self.start.dataset.stimuli, {self.person.id: self.person}, context)
        samples, out = make_samples({self.person.id: ids}), []
        with torch.no_grad():
            for a in range(0, len(ids), 128):
                layers = source.layers(samples.of(slice(a, a + 128)), self.start.device)
                out.append(self.head.latent(layers).float().cpu().numpy())
        return np.concatenate(out)

    def group(self, latent: np.ndarray) -> np.ndarray:
        """Return (n, locations) the group's prediction, the bias as often as the model adds it."""
        return latent @ self.shared.T @ self.basis.T + self.bias * (2 if self.head.bias_twice else 1)

    def fit(self, latent: np.ndarray, responses: np.ndarray) -> Part:
        """Return the person's part from latents and (n, locations) responses; NaN responses count as predicted."""
        left = np.nan_to_num(responses - self.group(latent))[:, self.known].astype(np.float64)
        basis = self.basis[self.known].astype(np.float64)
        inverse = np.linalg.pinv(basis.T @ basis, hermitian=True)
        return fit_part(latent, left @ basis @ inverse)

    def predict(self, latent: np.ndarray, part: Part | None) -> np.ndarray:
        """Return (n, locations) predictions; None = the group's alone."""
        out = self.group(latent)
        return out if part is None else out + (latent @ part.weight.T + part.bias) @ self.basis.T


def train_new_people(work: Work, context: JobContext = QUIET) -> str:
    """Fit, score and publish every new person; returns the run's path. The result is an ordinary run of LLM-VEM."""
    names = list(work.people)
    if all((work.folder.path / "subjects" / n / "pointer.json").exists() for n in names):
        context.report(1, 1, "done")
        return str(work.folder.path)
    start = OpenedVem(RunFolder.open(work.config.start))
    place = RunFolder.create(work.folder.path / "model", "llm-vem-model", work.config.plain())
    parts: dict[str, Part] = {}
    for number, (name, person) in enumerate(work.people.items()):
        stage = Stage(context, number / len(names), (number + 1) / len(names), name)
        one = Newcomer(start, person)
        ids = work.train_ids[name]
        part = parts[name] = one.fit(one.latents(ids, Stage(stage, 0, 0.5)), person.mean_betas(ids))
        words = (f"{ids.size} images, penalty {part.penalty:.3g}, error {part.error:.3f} of that of the group's "
                 "prediction alone (within training, generalised cross-validation)")
        context.log(f"{name}: {words}")
        if not (work.folder.path / "subjects" / name / "pointer.json").exists():
            which = evaluated_part(work.split, person)
            held = work.split.of(person, which)
            predicted = one.predict(one.latents(held, Stage(stage, 0.5, 0.8)), part)
            predicted[:, ~one.known] = np.nan
            write_scores(work, name, which, held, predicted, start.trunk, Stage(stage, 0.8, 1.0),
                         method=f"llm-vem stage 3: {words}", more=_notes(work, one))
        publish(work.folder, work.dataset, work.split, names[:number + 1], complete=number + 1 == len(names))
    place.write_generation(_model(work, start, parts), {"epoch": 0, "start": work.config.start, "parts": {
        n: {"images": int(work.train_ids[n].size), "penalty": p.penalty, "error": p.error} for n, p in parts.items()}})
    context.report(1, 1, "done")
    return str(work.folder.path)


def _notes(work: Work, one: Newcomer) -> list[str]:
    out = [f"Everything but this person's own part was trained on {', '.join(one.start.subjects)}."]
    lost = int((~one.known).sum())
    if lost:
        out.append(f"{lost:,} locations are in nobody's responses that the model was trained on: no prediction there.")
    gone = int(work.split.story.get("left_out_as_seen_by_start", 0))
    if gone:
        out.append(f"{gone:,} images were left out of the evaluation, because the model was trained on them.")
    return out


def _model(work: Work, start: OpenedVem, parts: dict[str, Part]) -> dict[str, np.ndarray]:
    """Return the tensors of a model whose people are the new ones and whose readout is cut to their locations."""
    head = start.model.head
    assert isinstance(head, LinearHead)
    k = head.components
    model: Vem = build(work.config.having(components=k), start.trunk, work.group, work.people)
    old: dict[str, Any] = tensors_of(start.model)
    new = tensors_of(model)
    basis, bias = np.zeros_like(new["head.readout.weight"]), np.zeros_like(new["head.readout.bias"])
    for name, person in work.people.items():
        at, columns = locations_of(start.group, person), work.group.columns[name]
        basis[columns[at >= 0]] = old["head.readout.weight"][at[at >= 0]]
        bias[columns[at >= 0]] = old["head.readout.bias"][at[at >= 0]]
    new |= {n: v for n, v in old.items() if n.startswith(("head.layers.", "head.shared."))}
    new |= {"head.readout.weight": basis, "head.readout.bias": bias,
            "head.subject.weight": np.concatenate([p.weight for p in parts.values()]),
            "head.subject.bias": np.concatenate([p.bias for p in parts.values()])}
    load_tensors(model, new, where=work.config.start)
    return {**tensors_of(model), **{n: v for n, v in old.items() if n.startswith("trunk.")}}
