"""The simulated people of a phantom as a world of the benchmark: a trained run, graded on what was planted on MNI.

Truth and distractors of an image are those of the panel (:mod:`brainview.datasets.planted`): the fifth of the driven
vertices that say most of it, against the half that say least; maps are compared on fsaverage5 after the interpolation
that draws them. Test images only.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import numpy as np
import torch

from brainview.alignment.encoder import BrainEncoder
from brainview.alignment.patches import PatchGrid
from brainview.alignment.retrieval import ranks
from brainview.attribution.maps import surface_spread, tokens_of
from brainview.attribution.source import EMBEDDINGS, Source, open_source, read_ids
from brainview.attribution.target import Target
from brainview.core.errors import MissingError
from brainview.core.jobs import QUIET, JobContext
from brainview.datasets.planted import planted_information, truth_and_distractors
from brainview.maps.meshes import HEMISPHERES, load_mesh

#: Brains that the gallery of the retrieval score holds at most.
GALLERY = 200


class PhantomWorld:
    """See the module; a :class:`brainview.attribution.survey.World`.

    Parameters
    ----------
    run : str
        A whole-brain run on a phantom (of layout ``nsd``, which has MNI volumes and planted truth).
    subject : str, optional
    data : str
        The phantom, where the run's own place is not here.

    Raises
    ------
    MissingError
        No phantom, no planted truth, no embeddings of the test part.
    """

    def __init__(self, run: str, subject: str | None = None, data: str = "", *, context: JobContext = QUIET) -> None:
        self.source: Source = open_source(run, subject, data)
        stored = self.source.folder / EMBEDDINGS
        if not stored.is_file():
            raise MissingError("holds no embeddings of a test part to grade on", where=self.source.folder)
        dataset = self.source.dataset
        if not dataset.phantom:
            raise MissingError("is no phantom: nothing is known of where its information lies", where=dataset.path)
        self._root = str(dataset.path)
        everyone = read_ids(stored)
        self._ids = np.random.default_rng(0).permutation(everyone)[:GALLERY]  # a fixed draw, the same for all runs
        self._rows = {int(s): i for i, s in enumerate(self._ids)}
        self._embed(context)
        planted_information(self._root, self.source.subject, int(self._ids[0]))  # says now what is missing
        self._spreads = {m: surface_spread(self.grid, method=m) for m in ("trilinear", "nearest")}
        self._known: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def _embed(self, context: JobContext) -> None:
        pairs = [self.source.embeddings(int(i)) for i in self._ids]
        if any(a is None or b is None for a, b in pairs):
            raise MissingError("lacks image or text embeddings of its test part", where=self.source.folder)
        self._image, self._text = (torch.stack([p[k] for p in pairs]).numpy() for k in (0, 1))  # type: ignore[misc]
        found = []
        with torch.no_grad():
            for k, stimulus in enumerate(self._ids):
                context.report(k, len(self._ids), "encoding test brains")
                found.append(self.encoder(self.patches(int(stimulus))[None])[0].numpy())
        brain = np.stack(found)
        self._r1 = {name: float((ranks(brain, target) == 0).mean())
                    for name, target in (("image", self._image), ("text", self._text))} | {"chance": 1 / len(self._ids)}

    @property
    def key(self) -> str:
        """What its grades are kept under: the weights and the person."""
        return f"phantom {self.source.subject} {self.source.checkpoint} {len(self._ids)}"

    @property
    def encoder(self) -> BrainEncoder:
        """The frozen transformer."""
        return self.source.encoder

    @property
    def grid(self) -> PatchGrid:
        """How tokens lie in the brain."""
        return self.source.grid

    @property
    def retrieval(self) -> dict[str, float]:
        """R@1 of ``image`` and ``text`` among the test brains, and ``chance``."""
        return self._r1

    @property
    def test(self) -> Sequence[int]:
        """Test stimuli in a fixed random order."""
        return [int(i) for i in self._ids]

    @property
    def gallery(self) -> np.ndarray:
        """(n, embed) image plus text embeddings."""
        return self._image + self._text

    @cached_property
    def xyz(self) -> np.ndarray:
        """(n_vertices, 3) places between white and pial in steps of the mesh (4 mm): pointing tolerates one."""
        sides = [load_mesh("fsaverage5", side, "midthickness").vertices for side in HEMISPHERES]
        return np.concatenate(sides) / 4.0

    def row(self, sample: int) -> int:
        """Return a stimulus' row in the gallery."""
        return self._rows[sample]

    def patches(self, sample: int) -> torch.Tensor:
        """Return (n_tokens, p^3) of one brain: the mean of its repetitions."""
        return self.source.item(sample).patches

    def target(self, sample: int, which: str = "both") -> Target:
        """Return the target of one stimulus."""
        row = self._rows[sample]
        return Target.of(torch.from_numpy(self._image[row]), torch.from_numpy(self._text[row]), which)

    def mismatched(self, sample: int) -> int:
        """Return the test stimulus whose image and text are the least like this one's."""
        own = self.gallery[self._rows[sample]]
        return int(self._ids[int(np.argmin(self.gallery @ own))])

    def truth(self, sample: int, which: str = "both") -> np.ndarray:
        """Return the vertices that say most of an image; one truth, whatever the target."""
        return self._planted(sample)[0]

    def distractors(self, sample: int, which: str = "both") -> np.ndarray:
        """Return the driven vertices that say least of it."""
        return self._planted(sample)[1]

    def best_tokens(self, sample: int) -> np.ndarray:
        """Return (n_tokens,) planted information averaged over each token: the best map that tokens can give."""
        return self._planted(sample)[2]

    def _planted(self, sample: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if sample not in self._known:
            information = planted_information(self._root, self.source.subject, sample)
            truth, distractors = truth_and_distractors(information)
            self._known[sample] = truth, distractors, tokens_of(self._spreads["trilinear"].matrix, information)
        return self._known[sample]

    def drawn(self, scores: np.ndarray, method: Literal["trilinear", "nearest"] = "trilinear") -> np.ndarray:
        """Return (n_vertices,) of (n_tokens,) scores."""
        return self._spreads[method].matrix @ np.asarray(scores, np.float32)

    def drawn_voxels(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the (interpolated, token by token) vertex maps of voxel scores, which are averaged over tokens."""
        tokens = self.grid.patches(scores).sum(-1) / np.maximum((self.grid.voxel_index >= 0).sum(-1), 1)
        return self.drawn(tokens), self.drawn(tokens, "nearest")
