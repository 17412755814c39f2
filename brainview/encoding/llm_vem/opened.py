"""An LLM-VEM run, opened: predictions for any picture, for a subject or the average brain, and attention maps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import Image

from brainview.core.device import best_device
from brainview.core.errors import MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.types import Dataset, Subject
from brainview.encoding.evaluate import Ready, evaluate
from brainview.encoding.llm_vem.attention_head import AttentionHead
from brainview.encoding.llm_vem.config import VemConfig
from brainview.encoding.llm_vem.group import GroupSpace, group_space
from brainview.encoding.llm_vem.head import LinearHead
from brainview.encoding.llm_vem.model import Vem, build, load_tensors, regions_of
from brainview.encoding.llm_vem.trunk import Trunk
from brainview.encoding.predict import dataset_of, evaluated_ids, variant_of
from brainview.maps.space import Space
from brainview.training.run import RunFolder


class OpenedVem:
    """The best checkpoint of a run, on the CPU or the GPU; also of a run that was interrupted.

    Parameters
    ----------
    folder : RunFolder

    Raises
    ------
    MissingError
        The run holds no model (it stopped before its first epoch, or is the caption-only control).
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        if not (folder.path / "model" / "run.json").is_file():
            raise MissingError("holds no model that looks at pictures", where=folder.path,
                               remedy="Train at least one epoch.")
        place = RunFolder.open(folder.path / "model")
        tensors, self.card = place.load("best")
        values = {k: v for k, v in folder.config.items() if k != "subjects"}
        if "head.readout.weight" in tensors:
            values["components"] = int(tensors["head.readout.weight"].shape[1])
        if "align.weight.weight" not in tensors:
            values["lam"] = 0.0
        self.config = VemConfig.of(values)
        self.trunk = Trunk(self.config.features, self.config.layer_numbers, self.config.tokens)
        width = int(tensors["align.weight.weight"].shape[0]) if "align.weight.weight" in tensors else 0
        self.model: Vem = build(self.config, self.trunk, self.group, self.people, text_width=width)
        load_tensors(self.model, tensors, where=folder.path)
        tuned = {k.removeprefix("trunk."): torch.from_numpy(np.array(v)) for k, v in tensors.items()
                 if k.startswith("trunk.")}
        if tuned and self.config.stage == 3:  # it began from a stage-2 run
            self.trunk.model.load_state_dict(tuned)
        self.model.eval()
        self.device = best_device()
        self.model.to_device(self.device)

    @cached_property
    def dataset(self) -> Dataset:
        """The data set of the run."""
        return dataset_of(self.folder)

    @property
    def subjects(self) -> list[str]:
        """Subjects that it was trained on."""
        return list(self.folder.config["subjects"])

    @property
    def label(self) -> str:
        """Name of the trunk on screen."""
        return self.trunk.label

    @cached_property
    def people(self) -> dict[str, Subject]:
        """The subjects, opened."""
        return {n: self.dataset.subject(n, variant_of(self.folder)) for n in self.subjects}

    @cached_property
    def group(self) -> GroupSpace:
        """The common space."""
        return group_space(self.people)

    @torch.no_grad()
    def respond(self, images: Sequence[Image.Image], subject: str | None, *, batch: int = 32,
                context: JobContext = QUIET) -> np.ndarray:
        """Return (n, V) float32 responses in the common space; None = the group part alone."""
        number = None if subject is None else self._number(subject)
        out = []
        for a in range(0, len(images), batch):
            context.check()
            x = self.trunk.input.tensor(images[a:a + batch]).to(self.device)
            who = None if number is None else torch.full((len(x),), number, dtype=torch.int64, device=self.device)
            out.append(self.model(x, who)[0].float().cpu().numpy())
        return np.concatenate(out)

    @torch.no_grad()
    def latents(self, ids: np.ndarray, *, batch: int = 32, context: JobContext = QUIET) -> np.ndarray:
        """Return (n, hidden) float32 latents of stimuli of the data set; of the linear head alone."""
        assert isinstance(self.model.head, LinearHead)
        out = []
        for a in range(0, len(ids), batch):
            context.report(a, len(ids), "looking at pictures")
            images = [self.dataset.stimuli.image(int(i)) for i in ids[a:a + batch]]
            layers = self.model.layers(self.trunk.input.tensor(images).to(self.device))
            out.append(self.model.head.latent(layers).float().cpu().numpy())
        return np.concatenate(out)

    def _number(self, subject: str) -> int:
        if subject not in self.subjects:
            raise MissingError(f"has no trained subject {subject!r}", where=self.folder.path,
                               remedy="It has " + ", ".join(self.subjects) + ".")
        return self.subjects.index(subject)

    def predict_pictures(self, images: Sequence[Image.Image], subject: str, *,
                         context: JobContext = QUIET) -> np.ndarray:
        """Return (n, locations) float32 responses of a subject, in its own space."""
        return self.respond(images, subject, context=context)[:, self.group.columns[subject]]

    def predict_stimuli(self, ids: np.ndarray, subject: str, *, context: JobContext = QUIET) -> np.ndarray:
        """Return (n, locations) float32 responses of a subject to stimuli of the data set."""
        out = []
        for a in range(0, len(ids), 32):
            context.report(a, len(ids), "predicting")
            out.append(self.predict_pictures([self.dataset.stimuli.image(int(i)) for i in ids[a:a + 32]], subject))
        return np.concatenate(out)

    def predict_average(self, images: Sequence[Image.Image], *,
                        context: JobContext = QUIET) -> tuple[np.ndarray, Space, str]:
        """Return the group part of the prediction: what an unseen subject is given."""
        words = f"group part of the model of {len(self.subjects)} subjects, without any subject's own part"
        return self.respond(images, None, context=context), self.group.space, words

    def evaluate(self, subject: str, part: str, *, context: JobContext = QUIET) -> dict[str, Any]:
        """Evaluate one subject on a part of the split."""
        self._number(subject)
        ids = evaluated_ids(self.folder, self.dataset, subject, part)
        images = [self.dataset.stimuli.image(int(i)) for i in ids]
        predicted = self.predict_pictures(images, subject, context=context)
        return evaluate(self.people[subject], Ready(), predicted, ids, part=part, bootstraps=self.config.bootstraps,
                        permutations=self.config.permutations, seed=self.config.seed, context=context)

    @torch.no_grad()
    def attention(self, image: Image.Image, subject: str | None) -> dict[str, np.ndarray]:
        """Return {region: (side, side) float32 attention over the picture's patches, sum <= 1} of the attention head.

        What falls on the class token is left out, so that a map's sum says how much of the picture was looked at.

        Raises
        ------
        MissingError
            The run has the linear head, or its tokens form no grid.
        """
        head = self.model.head
        if not isinstance(head, AttentionHead):
            raise MissingError("has the linear head, which has no attention", where=self.folder.path,
                               remedy="Train with head=attention.")
        if self.trunk.grid is None:
            raise MissingError("has tokens that form no grid over the picture", where=self.config.tokens)
        prefix, side = self.trunk.grid
        layers = self.model.layers(self.trunk.input.tensor([image]).to(self.device))
        who = None if subject is None else torch.tensor([self._number(subject)], device=self.device)
        _, seen = head.attend(layers, who)
        maps = seen[0, :, prefix:].float().cpu().numpy().reshape(-1, side, side)
        return dict(zip(regions_of(self.group, self.people)[1], maps, strict=True))
