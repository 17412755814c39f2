"""Jobs that the window submits by name; they return plain types and BrainMaps only."""

from __future__ import annotations

from typing import Any

from brainview.core.errors import MissingError
from brainview.core.jobs import QUIET, JobContext

#: Systems that :func:`train` knows: name -> (module, function).
SYSTEMS = {"ridge": ("brainview.encoding.train_ridge", "train")}


def train(path: str, run: str, system: str = "ridge", subjects: list[str] | None = None, features: str | None = None,
          options: dict[str, Any] | None = None, *, context: JobContext = QUIET) -> str:
    """Train an encoding system; returns the run folder's path. See the system's own ``train``."""
    if system not in SYSTEMS:
        raise MissingError(f"no encoding system is called {system!r}", remedy="Known: " + ", ".join(SYSTEMS) + ".")
    import importlib

    module, function = SYSTEMS[system]
    return getattr(importlib.import_module(module), function)(path, run, subjects=subjects, features=features,
                                                              options=options, context=context)


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
