"""Jobs over runs of any system; which code they call is named by the registry of systems."""

from __future__ import annotations

from typing import Any

from brainview.core.jobs import QUIET, JobContext
from brainview.core.systems import load, system
from brainview.training.run import RunFolder


def train(system_name: str, path: str, run: str, subjects: list[str] | None = None,
          options: dict[str, Any] | None = None, *, context: JobContext = QUIET) -> str:
    """Train a system on a data set, or go on with an interrupted run; returns the run folder's path."""
    module = load(system(system_name).module)
    return module.train(path, run, subjects=subjects, options=options, context=context)


def present(run: str, *, context: JobContext = QUIET) -> dict[str, Any]:
    """Return what the window shows of a run: the ``present`` of its system."""
    return load(system(RunFolder.open(run).system).present)(run, context=context)
