"""Jobs that the window submits by name; they return plain types and BrainMaps only."""

from __future__ import annotations

from typing import Any

from brainview.core.jobs import QUIET, JobContext


def present(run: str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return what the encoding panel shows of a run; see :func:`brainview.encoding.present.present`."""
    from brainview.encoding.present import present as work

    return work(run, context=context)


def predict_stimulus(run: str, subject: str, stimulus: int, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return measured and predicted response to one stimulus."""
    from brainview.encoding.present import predict_stimulus as work

    return work(run, subject, stimulus, context=context)


def score(run: str, part: str | None = None, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return the figures of a run, of another part of the split when named."""
    from brainview.encoding.present import score as work

    return work(run, part, context=context)


def predict_picture(run: str, image: Any, subject: str = "average", minus: Any = None, *,
                    context: JobContext = QUIET) -> dict[str, Any]:
    """Return the predicted response to any picture; see :func:`brainview.encoding.predict.predict_picture`."""
    from brainview.encoding.predict import predict_picture as work

    return work(run, image, subject, minus, context=context)


def significance(run: str, subject: str, permutations: int = 1000, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return p and q maps of one subject; see :func:`brainview.encoding.significance.significance`."""
    from brainview.encoding.significance import significance as work

    return work(run, subject, permutations, context=context)


def drive(path: str, subject: str, index: Any, run: str | None = None, variant: str | None = None, *,
          context: JobContext = QUIET) -> dict[str, Any]:
    """Return which stimuli drive a place; see :func:`brainview.encoding.drive.drive`."""
    from brainview.encoding.drive import drive as work

    return work(path, subject, index, run, variant, context=context)


def difference(first: dict[str, Any], second: dict[str, Any], draws: int = 200, seed: int = 0, *,
               context: JobContext = QUIET) -> dict[str, Any]:
    """Return the difference of two score maps with its uncertainty; see :mod:`brainview.encoding.difference`."""
    from brainview.encoding.difference import difference as work

    return work(first, second, draws, seed, context=context)


def attention(run: str, subject: str, stimulus: int, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return where each region's query of an attention-head run looks in one stimulus.

    Keys: ``regions`` (names), ``maps`` ((R, side, side) float32, share of the attention on every patch), ``image``
    ((h, w, 3) uint8). Raises MissingError when the run has no attention.
    """
    import numpy as np

    from brainview.core.errors import MissingError
    from brainview.encoding.predict import open_model

    model = open_model(run, context=context)
    look = getattr(model, "attention", None)
    if look is None:
        raise MissingError("is no run of LLM-VEM, so it has no attention", where=run)
    image = model.dataset.stimuli.image(int(stimulus)).convert("RGB")
    maps = look(image, subject)
    return {"regions": list(maps), "maps": np.stack(list(maps.values())), "image": np.asarray(image, np.uint8)}
