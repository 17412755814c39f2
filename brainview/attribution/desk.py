"""The live session with everything the panel asks besides maps: picture and texts, reverse map, planted truth."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image

from brainview.attribution import grading
from brainview.attribution.ibba import IbbaConfig
from brainview.attribution.maps import surface_spread, tokens_of
from brainview.attribution.reverse import picture_map, word_map
from brainview.attribution.session import LiveAttribution, _Request, _Superseded
from brainview.core.errors import BrainViewError
from brainview.datasets.images import thumbnail
from brainview.datasets.planted import DISTRACTOR_SHARE, TRUTH_SHARE, planted_information, truth_and_distractors

#: M2IB's own settings in CLIP's towers; `beta` is the panel's.
REVERSE = IbbaConfig(copies=10, steps=10)
#: Longer side of the picture that crosses to the window.
PICTURE = 320


class AttributionDesk(LiveAttribution):
    """See the module; one lives in the live worker while the panel is open."""

    def look(self, stimulus: int) -> dict[str, Any]:
        """Return ``picture`` (h, w, 3) uint8 or None, ``texts`` (list of str), ``problem``."""
        picture, texts, problem = self.source.look(stimulus)
        small = None if picture is None else thumbnail(Image.fromarray(picture), PICTURE)
        return {"stimulus": stimulus, "picture": small, "texts": texts, "problem": problem}

    def reverse(self, number: int, stimulus: int, words: str = "", beta: float = 0.1,
                copies: int = 10) -> dict[str, Any]:
        """Return the attributed picture and words: what in them the brain's embedding speaks of.

        ``picture`` and ``words`` are dicts of :mod:`reverse`, or None with ``problem`` saying why.
        """
        request = _Request(self, number)
        picture, texts, problem = self.source.look(stimulus)
        text = words or (texts[0] if texts else "")
        config = REVERSE.having(beta=beta, copies=copies)
        out: dict[str, Any] = {"status": "final", "number": number, "stimulus": stimulus, "text": text, "beta": beta,
                               "problem": problem, "picture": None, "words": None}
        try:
            request.check()
            brain = self._embedding(stimulus)
            if text:
                out["words"] = word_map(self.source.clip, text, brain, config, check=request.check)
            if picture is not None:
                out["picture"] = picture_map(self.source.clip, Image.fromarray(picture), brain, config,
                                             check=request.check)
        except _Superseded:
            return {"status": "superseded", "number": number}
        except BrainViewError as err:
            out["problem"] = str(err)
        return out

    def planted(self, stimulus: int) -> dict[str, Any]:
        """Return what was planted for a stimulus of a phantom, on the vertices of fsaverage5.

        ``truth``, ``distractors`` (vertices,) bool, ``oracle`` hard AUROC of the truth averaged over tokens and spread
        like a map (what tokens of this size permit), ``definition``; ``problem`` where there is no truth.
        """
        try:
            root = str(self.source.dataset.path)
            information = planted_information(root, self.source.subject, stimulus)
        except (BrainViewError, AttributeError) as err:
            return {"stimulus": stimulus, "problem": str(err)}
        truth, distractors = truth_and_distractors(information)
        spread = surface_spread(self.source.grid).matrix
        tokens = tokens_of(spread, information)
        definition = (f"Truth: the {TRUTH_SHARE:.0%} of the driven vertices whose planted response to this image says "
                      f"most of it (q² s² / 2). Distractors: the {DISTRACTOR_SHARE:.0%} that say least. Both are "
                      "informative tissue; 0.5 is chance.")
        return {"stimulus": stimulus, "problem": "", "truth": truth, "distractors": distractors,
                "oracle": grading.hard_auroc(spread @ tokens, truth, distractors), "definition": definition}

    @torch.no_grad()
    def _embedding(self, stimulus: int) -> torch.Tensor:
        return self.source.encoder.head(self._warm(stimulus)[1][-1][None])[0]
